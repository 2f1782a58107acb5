//! A price level, and how good a price is.

use crate::orders::Slot;
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
}
