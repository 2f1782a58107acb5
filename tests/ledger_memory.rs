//! What a balance costs, and that nothing is allocated where orders pass.
#![allow(clippy::unwrap_used)]

#[path = "../engine/tests/counting/mod.rs"]
mod counting;

use counting::{Counting, allocations, live_bytes};
use souk::handoff::TenantIndex;
use souk::ledger::{AccountStatus, AccountTerms, Change, Ledger, Leg, Wallets};
use souk_protocol::{AccountId, Amount, StpGroup};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TENANT: TenantIndex = TenantIndex(0);
const TERMS: AccountTerms = AccountTerms {
    status: AccountStatus::Active,
    fee_group: 0,
    stp_group: StpGroup(0),
};
const ACCOUNTS: u32 = 200_000;
/// For each balance, whatever else exists.
const BALANCE_BYTES_MAX: i64 = 64;
/// For each account, with its place in the index.
const ACCOUNT_BYTES_MAX: i64 = 48;

#[test]
fn a_balance_costs_at_most_64_bytes_and_one_that_does_not_exist_nothing() {
    let ledger = Ledger::new();
    let currencies: Vec<_> = (0..100).map(|_| ledger.add_currency()).collect();
    let before = live_bytes();
    let accounts: Vec<_> = (1..=ACCOUNTS)
        .map(|id| ledger.open_account(TENANT, AccountId(id), TERMS))
        .collect();
    let list = (accounts.capacity() * size_of_val(&accounts[0])) as i64;
    let accounts_bytes = live_bytes() - before - list;
    let each = accounts_bytes as f64 / f64::from(ACCOUNTS);
    println!("{each:.1} bytes for an account without balances");
    assert!(accounts_bytes <= i64::from(ACCOUNTS) * ACCOUNT_BYTES_MAX);

    // Looking for balances makes none.
    let before = live_bytes();
    for &account in &accounts {
        assert_eq!(ledger.balance(account, currencies[5]), None);
    }
    assert_eq!(live_bytes(), before);

    for balances in 1..=5 {
        let currency = currencies[balances * 17];
        for &account in &accounts {
            ledger.balance_or_new(account, currency);
        }
        let bytes = live_bytes() - before;
        let count = i64::from(ACCOUNTS) * balances as i64;
        println!(
            "{:.1} bytes for a balance, {balances} each",
            bytes as f64 / count as f64
        );
        assert!(bytes <= count * BALANCE_BYTES_MAX, "{bytes} for {count}");
        // Accounts that are used have at least one balance: then it is enough for both.
        let all = bytes + accounts_bytes;
        println!("{:.1} with the account's share", all as f64 / count as f64);
        if balances >= 3 {
            assert!(all <= count * BALANCE_BYTES_MAX, "{all} for {count}");
        }
    }
}

#[test]
fn a_command_allocates_nothing_once_its_account_is_known() {
    const KNOWN: u32 = 10_000;
    let ledger = Ledger::new();
    let [base, quote] = [(); 2].map(|()| ledger.add_currency());
    let mut wallets = Wallets::new(TENANT, base, quote);
    for id in (1..=KNOWN).map(AccountId) {
        let account = ledger.open_account(TENANT, id, TERMS);
        let slot = ledger.balance_or_new(account, quote);
        ledger.credit(slot, Amount(1_000_000)).unwrap();
        let known = wallets
            .wallet(&ledger, id)
            .unwrap()
            .balance_or_new(Leg::Base);
        assert_eq!(ledger.balance_owner(known), (account, base));
    }
    let before = allocations();
    let mut refused = 0;
    for step in 0..500_000_u32 {
        let id = AccountId(1 + step.wrapping_mul(0x9e37_79b1) % KNOWN);
        let mut wallet = wallets.wallet(&ledger, id).unwrap();
        assert_eq!(ledger.status(wallet.account()), AccountStatus::Active);
        let slot = wallet.balance(Leg::Quote).unwrap();
        let asked = i64::from(step % 300_000);
        if ledger.hold(slot, Amount(asked as u64)).is_err() {
            refused += 1;
            continue;
        }
        let (spent, rests) = (asked / 3, asked / 6);
        let rest = Change {
            total: -spent,
            held: rests,
            available: asked - spent - rests,
        };
        ledger.commit(slot, rest);
        let end = Change {
            total: 0,
            held: -rests,
            available: rests,
        };
        assert_eq!(ledger.commit(slot, end), ledger.view(slot));
        let base = wallet.balance(Leg::Base).unwrap();
        let bought = Change {
            total: spent,
            held: 0,
            available: spent,
        };
        ledger.commit(base, bought);
        if step % 100 == 0 {
            ledger.credit(slot, Amount(1000)).unwrap();
            let _ = ledger.debit(slot, Amount(10));
            assert_eq!(ledger.balances_of(wallet.account()).count(), 2);
        }
    }
    assert_eq!(allocations() - before, 0);
    assert!(refused > 1000, "{refused}");
}
