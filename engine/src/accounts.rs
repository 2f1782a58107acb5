//! The accounts that have open orders in a market, each with the list of them.
//!
//! Must never: keep more entries than the most accounts that had open orders at one time needed.

use crate::chunks::Chunks;
use crate::hash::IndexKey;
use crate::hash_index::HashIndex;
use crate::orders::{Orders, Slot};
use souk_protocol::AccountId;

/// Where an account is kept while it has open orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct AccountSlot(pub u32);

impl AccountSlot {
    /// No account.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

/// One account.
///
/// Invariant: `open` is the length of the list from `first` to `last`. When it is 0 the entry is
/// idle, and `first` and `last` are the entries after and before it in the list of idle ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub id: AccountId,
    /// Number of its open orders.
    pub open: u32,
    /// Its open order that came to rest first.
    pub first: Slot,
    /// Its open order that came to rest last.
    pub last: Slot,
}

/// All accounts with open orders, and some that had some.
#[derive(Debug)]
pub(crate) struct Accounts {
    entries: Chunks<Account>,
    index: HashIndex,
    key: IndexKey,
    /// The entry that has been idle longest.
    idle_first: u32,
    idle_last: u32,
}

const NONE: u32 = u32::MAX;

/// Below this number of entries idle ones are not reused: they cost less than finding them again.
const ENTRIES_KEPT: u32 = 16;

impl Accounts {
    pub(crate) const fn new(key: IndexKey) -> Self {
        Self {
            entries: Chunks::new(),
            index: HashIndex::new(),
            key,
            idle_first: NONE,
            idle_last: NONE,
        }
    }

    /// The entry of an account, if it has one. It stays the account's until the next
    /// [`Accounts::entry`] at least.
    #[inline]
    pub(crate) fn find(&self, id: AccountId) -> AccountSlot {
        self.index
            .find(self.key.account(id), |slot| self.entries[slot].id == id)
            .map_or(AccountSlot::NONE, AccountSlot)
    }

    /// Makes an entry for an account that has none.
    #[cold]
    pub(crate) fn add(&mut self, id: AccountId) -> AccountSlot {
        let slot = self.entries.len();
        let full = slot >= ENTRIES_KEPT && slot.is_power_of_two();
        if full && self.idle_first != NONE {
            let slot = self.idle_first;
            self.index
                .remove(self.key.account(self.entries[slot].id), slot);
            self.entries[slot].id = id;
            self.index.insert(self.key.account(id), slot);
            return AccountSlot(slot);
        }
        self.entries.push(Account {
            id,
            open: 0,
            first: Slot::NONE,
            last: Slot::NONE,
        });
        self.index.insert(self.key.account(id), slot);
        self.make_idle(slot);
        AccountSlot(slot)
    }

    /// Puts the order in `slot` at the end of the account's list.
    #[inline]
    pub(crate) fn link(&mut self, orders: &mut Orders, account: AccountSlot, slot: Slot) {
        if self.entries[account.0].open == 0 {
            self.make_busy(account.0);
        }
        let entry = &mut self.entries[account.0];
        let last = entry.last;
        entry.open += 1;
        entry.last = slot;
        if entry.open == 1 {
            entry.first = slot;
        } else {
            orders[last].account_next = slot;
        }
        let order = &mut orders[slot];
        order.account = account;
        order.account_prev = last;
    }

    /// Takes the order in `slot` out of its account's list.
    #[inline]
    pub(crate) fn unlink(&mut self, orders: &mut Orders, slot: Slot) {
        let order = &orders[slot];
        let (account, prev, next) = (order.account, order.account_prev, order.account_next);
        let entry = &mut self.entries[account.0];
        entry.open -= 1;
        if entry.open == 0 {
            self.make_idle(account.0);
            return;
        }
        if entry.first == slot {
            entry.first = next;
        } else if entry.last == slot {
            entry.last = prev;
        } else {
            orders[prev].account_next = next;
            orders[next].account_prev = prev;
        }
    }

    /// The order of the same account that came to rest before the one in `slot`.
    pub(crate) fn earlier(&self, orders: &Orders, slot: Slot) -> Option<Slot> {
        let order = &orders[slot];
        (self[order.account].first != slot).then_some(order.account_prev)
    }

    #[inline]
    fn make_idle(&mut self, slot: u32) {
        let last = self.idle_last;
        self.idle_last = slot;
        let entry = &mut self.entries[slot];
        entry.first = Slot::NONE;
        entry.last = Slot(last);
        if last == NONE {
            self.idle_first = slot;
        } else {
            self.entries[last].first = Slot(slot);
        }
    }

    #[inline]
    fn make_busy(&mut self, slot: u32) {
        let entry = &mut self.entries[slot];
        let (next, prev) = (entry.first.0, entry.last.0);
        entry.first = Slot::NONE;
        entry.last = Slot::NONE;
        if prev == NONE {
            self.idle_first = next;
        } else {
            self.entries[prev].first = Slot(next);
        }
        if next == NONE {
            self.idle_last = prev;
        } else {
            self.entries[next].last = Slot(prev);
        }
    }

    /// Every entry, idle ones too.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (AccountSlot, &Account)> + '_ {
        (0..self.entries.len()).map(|slot| (AccountSlot(slot), &self.entries[slot]))
    }

    /// Checks that the idle list holds the idle entries.
    pub(crate) fn check_idle(&self) {
        let (mut slot, mut prev, mut count) = (self.idle_first, NONE, 0);
        while slot != NONE {
            let entry = &self.entries[slot];
            assert_eq!(entry.open, 0, "an idle account has no open order");
            assert_eq!(entry.last.0, prev, "the idle list is linked both ways");
            prev = slot;
            slot = entry.first.0;
            count += 1;
        }
        assert_eq!(
            self.idle_last, prev,
            "the idle list ends with its last entry"
        );
        let idle = self.iter().filter(|(_, entry)| entry.open == 0).count();
        assert_eq!(idle, count, "every idle account is in the idle list");
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.entries.memory_bytes() + self.index.memory_bytes()
    }
}

impl core::ops::Index<AccountSlot> for Accounts {
    type Output = Account;

    #[inline]
    fn index(&self, slot: AccountSlot) -> &Account {
        &self.entries[slot.0]
    }
}
