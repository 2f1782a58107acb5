//! A price level, and how good a price is.

use crate::orders::Slot;
use core::hint::select_unpredictable;
use souk_protocol::Qty;

/// How good a price is for its side: 0 would be the best of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct Rank(pub u64);

impl Rank {
    /// The rank of no price: worse than every limit.
    pub(crate) const NONE: Self = Self(u64::MAX);
    /// The limit of a taker without one.
    pub(crate) const UNLIMITED: Self = Self(u64::MAX - 1);

    #[inline]
    pub(crate) const fn some(self) -> Option<Self> {
        if self.0 == Self::NONE.0 {
            None
        } else {
            Some(self)
        }
    }
}

/// A price level: a queue of orders.
///
/// Invariant: `first` and `last` have a meaning only while `orders` is not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    /// Sum of the orders' leaves.
    pub qty: Qty,
    /// The order that trades first.
    pub first: Slot,
    /// The order that trades last.
    pub last: Slot,
    /// Number of orders.
    pub orders: u32,
}

impl Level {
    pub(crate) const EMPTY: Self = Self {
        qty: Qty(0),
        first: Slot::NONE,
        last: Slot::NONE,
        orders: 0,
    };

    /// Adds the order in `slot` at the end. Gives the order before it; without one `slot` itself:
    /// whether others rest at a price is as good as random, and a link of an order to itself that
    /// nobody reads costs less than a branch that is not foreseen.
    #[inline]
    pub(crate) fn push(&mut self, slot: Slot, leaves: Qty) -> Slot {
        let was_empty = self.orders == 0;
        let before = select_unpredictable(was_empty, slot, self.last);
        // No overflow: a side's lots are bounded by BOOK_QTY_MAX, its orders by u32.
        self.qty.0 = self.qty.0.wrapping_add(leaves.0);
        self.orders = self.orders.wrapping_add(1);
        self.first = select_unpredictable(was_empty, slot, self.first);
        self.last = slot;
        before
    }

    /// Takes out the order in `slot`, which had `leaves` and stood between `prev` and `next`.
    /// Gives the two orders that are neighbours now; where one is missing, `slot` itself.
    #[inline]
    pub(crate) fn take(&mut self, slot: Slot, leaves: Qty, prev: Slot, next: Slot) -> (Slot, Slot) {
        let (is_first, is_last) = (self.first == slot, self.last == slot);
        self.qty.0 -= leaves.0;
        self.orders -= 1;
        self.first = select_unpredictable(is_first, next, self.first);
        self.last = select_unpredictable(is_last, prev, self.last);
        (
            select_unpredictable(is_first, slot, prev),
            select_unpredictable(is_last, slot, next),
        )
    }

    /// Takes out the first order, which has no leaves any more; `next` is behind it.
    #[inline]
    pub(crate) fn take_first(&mut self, next: Slot) {
        self.orders -= 1;
        self.first = next;
    }
}
