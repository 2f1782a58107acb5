#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use souk_protocol::{AccountId, Amount, StpGroup};

use super::*;

const TENANT: TenantIndex = TenantIndex(0);
const TERMS: AccountTerms = AccountTerms {
    status: AccountStatus::Active,
    fee_group: 0,
    stp_group: StpGroup(0),
};

/// A ledger with one currency, and one balance of `amount`.
fn funded(amount: u64) -> (Ledger, BalanceSlot) {
    let ledger = Ledger::new();
    let currency = ledger.add_currency();
    let account = ledger.open_account(TENANT, AccountId(1), TERMS);
    let slot = ledger.balance_or_new(account, currency);
    ledger.credit(slot, Amount(amount)).unwrap();
    (ledger, slot)
}

/// total, held, available (committed), sequence, and what can be held.
fn check(ledger: &Ledger, slot: BalanceSlot, expected: [u64; 5]) {
    let view = ledger.view(slot);
    let found = [
        view.total.0,
        view.held.0,
        view.available.0,
        view.sequence,
        ledger.available(slot).0,
    ];
    assert_eq!(found, expected);
}

const fn change(total: i64, held: i64, available: i64) -> Change {
    Change {
        total,
        held,
        available,
    }
}

#[test]
fn money_is_taken_early_and_given_late() {
    let (ledger, slot) = funded(100);
    check(&ledger, slot, [100, 0, 100, 1, 100]);
    ledger.hold(slot, Amount(60)).unwrap();
    check(&ledger, slot, [100, 0, 100, 1, 40]);
    assert_eq!(ledger.hold(slot, Amount(41)), Err(InsufficientFunds));
    check(&ledger, slot, [100, 0, 100, 1, 40]);
    // Of 60 held, 25 are spent, 30 stay with the rest of the order, 5 come back.
    let view = ledger.commit(slot, change(-25, 30, 5));
    assert_eq!(view, ledger.view(slot));
    check(&ledger, slot, [75, 30, 45, 2, 45]);
    ledger.commit(slot, change(0, -30, 30));
    check(&ledger, slot, [75, 0, 75, 3, 75]);
    let spent = ledger.commit_debit(slot, Amount(0));
    assert_eq!(spent.total, Amount(75));
}

#[test]
fn a_debit_takes_no_more_than_is_available() {
    let (ledger, slot) = funded(100);
    ledger.hold(slot, Amount(60)).unwrap();
    assert_eq!(ledger.debit(slot, Amount(41)), Err(InsufficientFunds));
    ledger.debit(slot, Amount(40)).unwrap();
    check(&ledger, slot, [60, 0, 60, 2, 0]);
    assert_eq!(ledger.debit(slot, Amount(1)), Err(InsufficientFunds));
    let all = ledger.sums(CurrencyIndex(0));
    assert_eq!((all.total, all.under_way, all.supply), (60, 60, 60));
}

#[test]
fn amounts_at_the_limits_are_refused_and_change_nothing() {
    let (ledger, slot) = funded(100);
    for asked in [101, SUPPLY_MAX.0, SUPPLY_MAX.0 + 1, u64::MAX] {
        assert_eq!(ledger.hold(slot, Amount(asked)), Err(InsufficientFunds));
        assert_eq!(ledger.debit(slot, Amount(asked)), Err(InsufficientFunds));
    }
    for asked in [SUPPLY_MAX.0 - 99, SUPPLY_MAX.0, SUPPLY_MAX.0 + 1, u64::MAX] {
        let refused = SupplyExceeded {
            asked: Amount(asked),
            supply: Amount(100),
        };
        assert_eq!(ledger.credit(slot, Amount(asked)), Err(refused));
    }
    check(&ledger, slot, [100, 0, 100, 1, 100]);
    ledger.credit(slot, Amount(SUPPLY_MAX.0 - 100)).unwrap();
    ledger.hold(slot, SUPPLY_MAX).unwrap();
    check(&ledger, slot, [SUPPLY_MAX.0, 0, SUPPLY_MAX.0, 2, 0]);
}

#[test]
fn the_supply_is_that_of_all_accounts_and_counts_credits_that_are_under_way() {
    let (ledger, slot) = funded(100);
    let other = ledger.open_account(TENANT, AccountId(2), TERMS);
    let theirs = ledger.balance_or_new(other, CurrencyIndex(0));
    let rest = Amount(SUPPLY_MAX.0 - 100);
    ledger.admit_credit(CurrencyIndex(0), rest).unwrap();
    assert!(ledger.credit(slot, Amount(1)).is_err());
    assert_eq!(ledger.sums(CurrencyIndex(0)).supply, 100);
    ledger.commit_credit(theirs, rest);
    ledger.debit(theirs, Amount(1)).unwrap();
    ledger.credit(slot, Amount(1)).unwrap();
    let sums = ledger.sums(CurrencyIndex(0));
    assert_eq!(
        (sums.total, sums.supply),
        (SUPPLY_MAX.0.into(), SUPPLY_MAX.0.into())
    );
    ledger.check_at_rest().unwrap();
}

#[test]
#[should_panic(expected = "never negative and covers its holds")]
fn spending_more_than_was_held_stops_the_process() {
    let (ledger, slot) = funded(100);
    ledger.hold(slot, Amount(10)).unwrap();
    ledger.commit(slot, change(-11, 0, 0));
}

#[test]
#[should_panic(expected = "never negative and covers its holds")]
fn releasing_more_than_is_held_stops_the_process() {
    let (ledger, slot) = funded(100);
    ledger.commit(slot, change(0, -1, 0));
}

#[test]
#[should_panic(expected = "taken by holds")]
fn a_commit_does_not_take_what_is_available() {
    let (ledger, slot) = funded(100);
    ledger.commit(slot, change(-1, 0, -1));
}

#[test]
fn a_replay_may_pass_through_every_number() {
    let ledger = Ledger::new();
    let currency = ledger.add_currency();
    let [one, two] = [1, 2].map(|id| {
        let account = ledger.open_account(TENANT, AccountId(id), TERMS);
        ledger.balance_or_new(account, currency)
    });
    // A market in which one pays two, three times over, comes first.
    let all = SUPPLY_MAX.0 as i64;
    for _ in 0..3 {
        ledger.replay(one, change(-all, 0, -all));
        ledger.replay(two, change(all, 0, all));
    }
    let unsound = ledger.check_at_rest();
    assert!(
        matches!(unsound, Err(Unsound::Balance { .. })),
        "{unsound:?}"
    );
    // Then the market in which two pays back what it gets.
    for _ in 0..2 {
        ledger.replay(two, change(-all, 0, -all));
        ledger.replay(one, change(all, 0, all));
    }
    // Then the funding.
    ledger.replay_credit(one, SUPPLY_MAX);
    ledger.replay_debit(two, Amount(1));
    ledger.check_at_rest().unwrap();
    check(&ledger, one, [0, 0, 0, 6, 0]);
    check(
        &ledger,
        two,
        [SUPPLY_MAX.0 - 1, 0, SUPPLY_MAX.0 - 1, 6, SUPPLY_MAX.0 - 1],
    );
    assert!(ledger.credit(two, Amount(2)).is_err());
    ledger.credit(two, Amount(1)).unwrap();
}

#[test]
fn money_that_appeared_is_found() {
    let (ledger, slot) = funded(100);
    ledger.commit(slot, change(7, 0, 7));
    let found = Unsound::Supply {
        currency: CurrencyIndex(0),
        total: 107,
        supply: 100,
    };
    assert_eq!(ledger.check_at_rest(), Err(found));
}

#[test]
fn accounts_of_two_tenants_with_one_id_are_two_accounts() {
    let ledger = Ledger::new();
    let one = ledger.open_account(TenantIndex(0), AccountId(7), TERMS);
    assert_eq!(ledger.account(TenantIndex(1), AccountId(7)), None);
    let two = ledger.open_account(TenantIndex(1), AccountId(7), TERMS);
    assert_ne!(one, two);
    assert_eq!(ledger.account(TenantIndex(0), AccountId(7)), Some(one));
    assert_eq!(ledger.account(TenantIndex(1), AccountId(7)), Some(two));
    assert_eq!(ledger.account_owner(two), (TenantIndex(1), AccountId(7)));
}

#[test]
#[should_panic(expected = "opened once")]
fn an_account_is_opened_once() {
    let ledger = Ledger::new();
    ledger.open_account(TENANT, AccountId(7), TERMS);
    ledger.open_account(TENANT, AccountId(7), TERMS);
}

#[test]
fn what_an_operator_sets_is_read_back() {
    let ledger = Ledger::new();
    let account = ledger.open_account(TENANT, AccountId(7), TERMS);
    assert_eq!(ledger.terms(account), TERMS);
    for status in [
        AccountStatus::CancelOnly,
        AccountStatus::Frozen,
        AccountStatus::Active,
    ] {
        let terms = AccountTerms {
            status,
            fee_group: u16::MAX,
            stp_group: StpGroup(9),
        };
        ledger.set_terms(account, terms);
        assert_eq!(ledger.terms(account), terms);
        assert_eq!(ledger.status(account), status);
    }
    assert!(!ledger.watched(account));
    ledger.set_watched(account, true);
    assert!(ledger.watched(account));
}

#[test]
fn an_account_has_the_balances_that_were_made_and_no_others() {
    let ledger = Ledger::new();
    let currencies: Vec<_> = (0..300).map(|_| ledger.add_currency()).collect();
    let accounts: Vec<_> = (1..50)
        .map(|id| ledger.open_account(TENANT, AccountId(id), TERMS))
        .collect();
    let has = |account: usize, currency: usize| (account * currency) % 7 == 3;
    let mut made = BTreeSet::new();
    for (i, &account) in accounts.iter().enumerate() {
        for (j, &currency) in currencies.iter().enumerate() {
            if has(i, j) {
                let slot = ledger.balance_or_new(account, currency);
                assert!(made.insert(slot));
                assert_eq!(ledger.balance_owner(slot), (account, currency));
            }
        }
    }
    for (i, &account) in accounts.iter().enumerate() {
        let listed: BTreeSet<_> = ledger
            .balances_of(account)
            .map(|record| record.currency)
            .collect();
        for (j, &currency) in currencies.iter().enumerate() {
            let slot = ledger.balance(account, currency);
            assert_eq!(slot.is_some(), has(i, j));
            assert_eq!(listed.contains(&currency), has(i, j));
            if let Some(slot) = slot {
                assert_eq!(ledger.balance_or_new(account, currency), slot);
            }
        }
    }
    let all: BTreeSet<_> = ledger.all_balances().map(|record| record.slot).collect();
    assert_eq!(all, made);
    assert_eq!(ledger.balances() as usize, made.len());
}

#[test]
#[should_panic(expected = "added first")]
fn a_balance_is_in_a_currency_that_exists() {
    let ledger = Ledger::new();
    let account = ledger.open_account(TENANT, AccountId(7), TERMS);
    ledger.balance_or_new(account, CurrencyIndex(0));
}

#[test]
fn a_market_remembers_the_wallets_of_its_accounts() {
    let ledger = Ledger::new();
    let [base, quote] = [(); 2].map(|()| ledger.add_currency());
    let mut wallets = Wallets::new(TENANT, base, quote);
    assert!(wallets.wallet(&ledger, AccountId(0)).is_none());
    assert!(wallets.wallet(&ledger, AccountId(1)).is_none());
    let other_tenants = ledger.open_account(TenantIndex(1), AccountId(1), TERMS);
    assert!(wallets.wallet(&ledger, AccountId(1)).is_none());
    for round in 0..3 {
        for id in (1..20_000).map(|id: u32| id.wrapping_mul(0x0100_0001)) {
            let id = AccountId(id);
            let account = match ledger.account(TENANT, id) {
                Some(account) => account,
                None => ledger.open_account(TENANT, id, TERMS),
            };
            let mut wallet = wallets.wallet(&ledger, id).unwrap();
            assert_eq!(wallet.account(), account);
            let known = ledger.balance(account, quote);
            assert_eq!(known.is_some(), round == 2);
            assert_eq!(wallet.balance(Leg::Quote), known);
            if round == 1 {
                // Made by another thread: found when it is asked for again.
                let slot = ledger.balance_or_new(account, quote);
                assert_eq!(wallet.balance(Leg::Quote), Some(slot));
                let slot = wallet.balance_or_new(Leg::Base);
                assert_eq!(ledger.balance(account, base), Some(slot));
            }
        }
    }
    assert_eq!(ledger.balances_of(other_tenants).count(), 0);
}
