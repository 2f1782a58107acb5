//! The accounts that have open orders in a market, each with the list of them.
//!
//! Must never: keep more entries than the most accounts that had open orders at one time needed.

use crate::chunks::Chunks;
use crate::hash::IndexKey;
use crate::hash_index::HashIndex;
use crate::orders::{Order, Orders, Slot};
use core::hint::select_unpredictable;
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
/// Invariant: `open` is the length of the list from `first` to `last`, which have a meaning only
/// while it is not 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub id: AccountId,
    /// Number of its open orders. An entry without any is idle: it may become another account's.
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
    /// Number of entries with open orders.
    busy: u32,
    /// Where the next search for an idle entry begins.
    hand: u32,
    /// Entries by account id.
    index: HashIndex,
}

/// Below this number of entries idle ones are not reused: they cost less than finding them again.
const ENTRIES_KEPT: u32 = 16;

/// The entries that one search for an idle one looks at.
const SEARCH_MAX: u32 = 64;

impl Accounts {
    pub(crate) const fn new(key: IndexKey) -> Self {
        Self {
            entries: Chunks::new(),
            busy: 0,
            hand: 0,
            index: HashIndex::new(key),
        }
    }

    /// The entry of an account, if it has one. It stays the account's until the next
    /// [`Accounts::add`] at least.
    #[inline(always)]
    pub(crate) fn find(&self, id: AccountId) -> AccountSlot {
        let found = self.index.find(id.0, |_| true);
        found.map_or(AccountSlot::NONE, AccountSlot)
    }

    /// What is in an entry, if it was ever used.
    #[inline]
    pub(crate) fn get(&self, slot: AccountSlot) -> Option<&Account> {
        self.entries.get(slot.0)
    }

    /// Makes an entry for an account that has none.
    #[cold]
    pub(crate) fn add(&mut self, id: AccountId) -> AccountSlot {
        let slot = self.reusable().unwrap_or_else(|| {
            let first = Slot::NONE;
            let (open, last) = (0, first);
            self.entries.push(Account {
                id,
                open,
                first,
                last,
            });
            self.entries.len() - 1
        });
        self.entries[slot].id = id;
        self.index.insert(id.0, slot);
        AccountSlot(slot)
    }

    /// An idle entry, taken from its account, if at least half of the entries are idle. Looks at
    /// a bounded number of entries, so that no command pays for all.
    fn reusable(&mut self) -> Option<u32> {
        let len = self.entries.len();
        if len < ENTRIES_KEPT || self.busy > len / 2 {
            return None;
        }
        for _ in 0..SEARCH_MAX {
            let slot = self.hand;
            self.hand = if slot + 1 == len { 0 } else { slot + 1 };
            let entry = &self.entries[slot];
            if entry.open == 0 {
                self.index.remove(entry.id.0, slot);
                return Some(slot);
            }
        }
        None
    }

    /// Puts the order in `slot` at the end of the account's list. Gives the order before it, or
    /// `slot` itself; the caller links the two.
    #[inline]
    pub(crate) fn push(&mut self, account: AccountSlot, slot: Slot) -> Slot {
        let entry = &mut self.entries[account.0];
        let was_idle = entry.open == 0;
        // Whether an account has other orders is as good as random. In place of a branch, an
        // order without an earlier one is linked to itself, which has no meaning.
        let earlier = select_unpredictable(was_idle, slot, entry.last);
        entry.open += 1;
        entry.first = select_unpredictable(was_idle, slot, entry.first);
        entry.last = slot;
        self.busy += u32::from(was_idle);
        earlier
    }

    /// Takes `order`, which is the one in `slot`, out of its account's list.
    #[inline]
    pub(crate) fn unlink(&mut self, orders: &mut Orders, slot: Slot, order: &Order) {
        let (prev, next) = (order.account_prev, order.account_next);
        let entry = &mut self.entries[order.account.0];
        let (is_first, is_last) = (entry.first == slot, entry.last == slot);
        entry.open -= 1;
        entry.first = select_unpredictable(is_first, next, entry.first);
        entry.last = select_unpredictable(is_last, prev, entry.last);
        self.busy -= u32::from(entry.open == 0);
        // As in `push`: what has no neighbour writes into itself.
        orders[select_unpredictable(is_first, slot, prev)].account_next = next;
        orders[select_unpredictable(is_last, slot, next)].account_prev = prev;
    }

    /// The order of the same account that came to rest before the one in `slot`.
    pub(crate) fn earlier(&self, orders: &Orders, slot: Slot) -> Option<Slot> {
        let order = &orders[slot];
        (self[order.account].first != slot).then_some(order.account_prev)
    }

    /// Every entry, idle ones too.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (AccountSlot, &Account)> + '_ {
        (0..self.entries.len()).map(|slot| (AccountSlot(slot), &self.entries[slot]))
    }

    /// Number of entries with open orders.
    pub(crate) const fn busy(&self) -> u32 {
        self.busy
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
