//! Whose each balance is, and the way from an account to its balances.
//!
//! The balances of an account are a binary tree by the bits of their mixed currency number.
//! A tree needs eight bytes for a balance and nothing for one that does not exist; readers need no
//! lock, and nothing is ever moved.

use std::sync::atomic::{AtomicU32, Ordering};

use super::accounts::AccountIndex;
use super::{BalanceSlot, CurrencyIndex};

/// More than any path: the bits of two currencies differ at one of 32 places.
const DEPTH_MAX: usize = 33;
const NOBODY: u32 = u32::MAX;

/// The cold half of a balance.
#[derive(Debug)]
pub(super) struct Owner {
    account: AtomicU32,
    currency: AtomicU32,
    /// The balances below this one, as `slot + 1`; 0 is none.
    children: [AtomicU32; 2],
}

impl Default for Owner {
    fn default() -> Self {
        Self {
            account: AtomicU32::new(NOBODY),
            currency: AtomicU32::new(0),
            children: [AtomicU32::new(0), AtomicU32::new(0)],
        }
    }
}

impl Owner {
    /// Gives the balance to an account. Once, before anybody can find it.
    pub(super) fn set(&self, account: AccountIndex, currency: CurrencyIndex) {
        self.currency.store(currency.0, Ordering::Relaxed);
        self.account.store(account.0, Ordering::Release);
    }

    /// Whose it is; nobody's until it exists.
    pub(super) fn account(&self) -> Option<AccountIndex> {
        let account = self.account.load(Ordering::Acquire);
        (account != NOBODY).then_some(AccountIndex(account))
    }

    pub(super) fn currency(&self) -> CurrencyIndex {
        CurrencyIndex(self.currency.load(Ordering::Relaxed))
    }
}

/// The end of a search in an account's tree.
pub(super) enum Found<'a> {
    /// The balance.
    Balance(BalanceSlot),
    /// It does not exist; it belongs here.
    Gap(&'a AtomicU32),
}

/// Looks for a currency in the tree under `root`.
pub(super) fn find<'a>(
    root: &'a AtomicU32,
    owner: impl Fn(BalanceSlot) -> &'a Owner,
    currency: CurrencyIndex,
) -> Found<'a> {
    let mut bits = mixed(currency);
    let mut link = root;
    loop {
        // Pairs with `hang`: who finds a balance sees whose it is.
        let Some(slot) = slot_of(link.load(Ordering::Acquire)) else {
            return Found::Gap(link);
        };
        let found = owner(slot);
        if found.currency() == currency {
            return Found::Balance(slot);
        }
        link = &found.children[(bits >> 31) as usize];
        bits <<= 1;
    }
}

/// Puts a balance into the gap that was found. One thread at a time.
pub(super) fn hang(gap: &AtomicU32, slot: BalanceSlot) {
    gap.store(slot.0 + 1, Ordering::Release);
}

/// The balances under `root`, in no order that means anything.
pub(super) struct Tree<F> {
    owner: F,
    waiting: [u32; DEPTH_MAX + 1],
    len: usize,
}

impl<'a, F: Fn(BalanceSlot) -> &'a Owner> Tree<F> {
    pub(super) fn new(root: &AtomicU32, owner: F) -> Self {
        let mut tree = Self {
            owner,
            waiting: [0; DEPTH_MAX + 1],
            len: 0,
        };
        tree.push(root);
        tree
    }

    fn push(&mut self, link: &AtomicU32) {
        let link = link.load(Ordering::Acquire);
        if link != 0 {
            self.waiting[self.len] = link;
            self.len += 1;
        }
    }
}

impl<'a, F: Fn(BalanceSlot) -> &'a Owner> Iterator for Tree<F> {
    type Item = BalanceSlot;

    fn next(&mut self) -> Option<BalanceSlot> {
        self.len = self.len.checked_sub(1)?;
        let slot = slot_of(self.waiting[self.len])?;
        for child in &(self.owner)(slot).children {
            self.push(child);
        }
        Some(slot)
    }
}

fn slot_of(link: u32) -> Option<BalanceSlot> {
    link.checked_sub(1).map(BalanceSlot)
}

/// One to one, and spreads the dense numbers of a tenant's currencies over the upper bits.
fn mixed(currency: CurrencyIndex) -> u32 {
    currency.0.wrapping_mul(0x9e37_79b1)
}
