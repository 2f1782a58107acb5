//! Hints to the processor's cache about commands that come soon.
//!
//! In a book of a million orders nearly every line that a cancel needs is a cache miss: the order,
//! its neighbours in the queue, its neighbours in the account's list. A caller with a batch at
//! hand gives the hints some commands ahead, so that the misses overlap.
//!
//! Must never: change anything, or read what it has not checked to be there.

#![allow(unsafe_code)]

use crate::accounts::AccountSlot;
use crate::level::Level;
use crate::market::{Market, index};
use crate::orders::Slot;
use crate::{Command, NewOrder, OrderRef};
use souk_protocol::{AccountId, ClOrdId, Price, Side};

/// With fewer slots than this the market is in the second-level cache anyway, and a hint costs
/// more than it brings.
const SLOTS_MIN: u32 = 1 << 14;

/// Asks for the cache line of `what`.
#[inline(always)]
fn fetch<T>(what: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing and cannot fault; the pointer comes from a reference.
        // With the hints a command of the workload `deep` costs 74 ns, without 111.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(what).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = what;
}

impl Market {
    /// A hint that `command` comes soon, after a few others: fetches the neighbours of what
    /// [`Market::prefetch_far`] fetched. Changes nothing, and may be left out.
    #[inline]
    pub fn prefetch(&self, command: &Command) {
        if self.open.orders.len() < SLOTS_MIN {
            return;
        }
        match command {
            Command::New(new) => self.prefetch_new(new),
            Command::Cancel(cancel) => self.prefetch_neighbours(slot_of(cancel.order)),
            Command::Replace(replace) => self.prefetch_neighbours(slot_of(replace.order)),
            Command::Status(_)
            | Command::MassCancel(_)
            | Command::SetState(_)
            | Command::AddFees(_)
            | Command::SetLimits(_) => {}
        }
    }

    /// The hint of [`Market::prefetch`] given earlier, about twice as many commands ahead:
    /// fetches the order itself, or the level of a new one.
    #[inline]
    pub fn prefetch_far(&self, command: &Command) {
        if self.open.orders.len() < SLOTS_MIN {
            return;
        }
        match command {
            Command::New(new) => {
                self.level_of(new.side, new.price)
                    .inspect(|&level| fetch(level));
                self.prefetch_client(new.account, new.cl_ord_id);
            }
            Command::Cancel(cancel) => self.prefetch_named(cancel.account, cancel.order),
            Command::Replace(replace) => self.prefetch_named(replace.account, replace.order),
            Command::Status(status) => self.prefetch_named(status.account, status.order),
            Command::MassCancel(_)
            | Command::SetState(_)
            | Command::AddFees(_)
            | Command::SetLimits(_) => {}
        }
    }

    /// The hint for an order that its client order id names, which the other two leave alone: looking it up pays only for who
    /// has much more to do than one command, as a replay. First, when [`Market::prefetch_far`] has been given some commands
    /// ago: fetches the order. Then, `near`: its neighbours.
    #[inline]
    pub fn prefetch_client_order(&self, command: &Command, near: bool) {
        let (account, order) = match command {
            Command::Cancel(cancel) => (cancel.account, cancel.order),
            Command::Replace(replace) => (replace.account, replace.order),
            _ => return,
        };
        if self.open.orders.len() < SLOTS_MIN || order.cl_ord_id.0 == 0 {
            return;
        }
        let tag = self.open.key.client_id(account, order.cl_ord_id);
        // Rarely another order with the same tag: then the hint was for nothing.
        let Some(slot) = self.open.clients.find(tag, |_| true).map(Slot) else {
            return;
        };
        if near {
            self.prefetch_neighbours(slot);
        } else {
            self.prefetch_order(slot);
        }
    }

    #[inline(always)]
    fn prefetch_named(&self, account: AccountId, order: OrderRef) {
        self.prefetch_order(slot_of(order));
        self.prefetch_client(account, order.cl_ord_id);
    }

    /// The places of an order that will be restored.
    #[inline]
    pub(crate) fn prefetch_restored(&self, slot: Slot, account: AccountId, cl_ord_id: ClOrdId) {
        self.prefetch_order(slot);
        self.prefetch_client(account, cl_ord_id);
    }

    /// An order that is put into its queue; then the order of its account that came before.
    #[inline]
    pub(crate) fn prefetch_queued(&self, slot: Slot, far: bool) {
        if far {
            self.prefetch_order(slot);
        } else if let Some(order) = self.open.orders.get(slot) {
            self.prefetch_order(order.account_prev);
        }
    }

    /// Where the search for a client order id begins.
    #[inline(always)]
    fn prefetch_client(&self, account: AccountId, cl_ord_id: ClOrdId) {
        if cl_ord_id.0 != 0 {
            let tag = self.open.key.client_id(account, cl_ord_id);
            self.open.clients.home_of(tag).inspect(|&home| fetch(home));
        }
    }

    /// The order in a slot.
    #[inline(always)]
    pub(crate) fn prefetch_order(&self, slot: Slot) {
        self.open.orders.get(slot).inspect(|&order| fetch(order));
    }

    /// What a new order is linked to: the last order of its level, the last of its account.
    #[inline(always)]
    fn prefetch_new(&self, new: &NewOrder) {
        let account = self.open.accounts.find(new.account);
        if account != AccountSlot::NONE {
            self.prefetch_order(self.open.accounts[account].last);
        }
        if let Some(level) = self.level_of(new.side, new.price) {
            self.prefetch_order(level.last);
        }
    }

    /// The level of a price near the touch. An illegal price has some rank too.
    #[inline(always)]
    fn level_of(&self, side: Side, price: Price) -> Option<&Level> {
        let book = &self.sides[index(side)];
        book.near_level(book.rank(price))
    }

    /// What an order is linked to, and its level. [`Market::prefetch`] leaves an order that is known
    /// by its client order id alone: looking it up costs more than the hint brings.
    #[inline(always)]
    fn prefetch_neighbours(&self, slot: Slot) {
        let Some(order) = self.open.orders.get(slot) else {
            return;
        };
        self.prefetch_order(order.prev);
        self.prefetch_order(order.next);
        self.prefetch_order(order.account_prev);
        self.prefetch_order(order.account_next);
        self.open
            .accounts
            .get(order.account)
            .inspect(|&account| fetch(account));
        self.level_of(order.flags.side(), order.price)
            .inspect(|&level| fetch(level));
    }
}

/// The slot in an order's id.
#[inline(always)]
const fn slot_of(order: OrderRef) -> Slot {
    Slot(order.order_id.0 as u32)
}
