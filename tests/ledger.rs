//! The shared ledger under threads, and under replays in any order.
//!
//! ```text
//! SEED=1 cargo test --test ledger      one run again
//! LEDGER_ROUNDS=1000 ...               more of them
//! ```
#![allow(clippy::unwrap_used)]

#[path = "ledger/replay.rs"]
mod replay;
#[path = "ledger/threads.rs"]
mod threads;

use souk::handoff::TenantIndex;
use souk::ledger::{AccountStatus, AccountTerms, BalanceSlot, Change, CurrencyIndex, Ledger};
use souk_protocol::{AccountId, StpGroup};

const TENANT: TenantIndex = TenantIndex(0);
const TERMS: AccountTerms = AccountTerms {
    status: AccountStatus::Active,
    fee_group: 0,
    stp_group: StpGroup(0),
};

/// A ledger with a balance for every account in every currency: `slots[account][currency]`.
fn ledger(accounts: usize, currencies: usize) -> (Ledger, Vec<Vec<BalanceSlot>>) {
    let ledger = Ledger::new();
    let currencies: Vec<CurrencyIndex> = (0..currencies).map(|_| ledger.add_currency()).collect();
    let slots = (1..=accounts as u32).map(|id| {
        let account = ledger.open_account(TENANT, AccountId(id), TERMS);
        let slot = |&currency: &CurrencyIndex| ledger.balance_or_new(account, currency);
        currencies.iter().map(slot).collect()
    });
    let slots = slots.collect();
    (ledger, slots)
}

const fn change(total: i64, held: i64, available: i64) -> Change {
    Change {
        total,
        held,
        available,
    }
}

/// The seed that the environment asks for, or each of so many.
fn seeds(rounds: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    match number("SEED") {
        Some(seed) => vec![seed],
        None => (0..number("LEDGER_ROUNDS").unwrap_or(rounds)).collect(),
    }
}

/// Splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
