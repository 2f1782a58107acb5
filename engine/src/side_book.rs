//! One side of a book: price levels, each a queue of orders, ranked from the best.
//!
//! Must never: know buys from sells. A side turns prices into ranks, lower is better, and that is
//! all the difference there is.

use crate::orders::{Orders, Slot};
use alloc::collections::BTreeMap;
use souk_protocol::{Price, Qty, Side};

/// How good a price is for its side: 0 would be the best of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct Rank(pub u64);

impl Rank {
    /// The rank of no price: worse than every limit.
    pub(crate) const NONE: Self = Self(u64::MAX);
    /// The limit of a taker without one.
    pub(crate) const UNLIMITED: Self = Self(u64::MAX - 1);
}

/// A price level: a queue of orders.
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

/// All levels of one side.
#[derive(Debug)]
pub(crate) struct SideBook {
    side: Side,
    /// Sum of all levels' quantity.
    qty: Qty,
    best: Rank,
    levels: BTreeMap<u64, Level>,
}

/// Prices of buys are mirrored at 2^63 - 1, so that the highest has the lowest rank.
const MIRROR: u64 = i64::MAX as u64;

impl SideBook {
    pub(crate) const fn new(side: Side) -> Self {
        Self {
            side,
            qty: Qty(0),
            best: Rank::NONE,
            levels: BTreeMap::new(),
        }
    }

    const fn mirror(&self) -> u64 {
        match self.side {
            Side::Buy => MIRROR,
            Side::Sell => 0,
        }
    }

    /// The rank of a price, which is not negative.
    #[inline]
    pub(crate) const fn rank(&self, price: Price) -> Rank {
        Rank(price.0.cast_unsigned() ^ self.mirror())
    }

    /// The price of a rank.
    #[inline]
    pub(crate) const fn price(&self, rank: Rank) -> Price {
        Price((rank.0 ^ self.mirror()).cast_signed())
    }

    /// The best rank, or [`Rank::NONE`].
    #[inline]
    pub(crate) const fn best(&self) -> Rank {
        self.best
    }

    /// Lots resting on this side.
    #[inline]
    pub(crate) const fn qty(&self) -> Qty {
        self.qty
    }

    /// The level at `rank`; [`Level::EMPTY`] if nothing rests there.
    #[inline]
    pub(crate) fn level(&self, rank: Rank) -> Level {
        self.levels.get(&rank.0).copied().unwrap_or(Level::EMPTY)
    }

    /// The next level worse than `rank`, or [`Rank::NONE`].
    #[inline]
    pub(crate) fn next_after(&self, rank: Rank) -> Rank {
        let worse = self.levels.range(rank.0 + 1..).next();
        worse.map_or(Rank::NONE, |(&rank, _)| Rank(rank))
    }

    /// The level at `rank`, which has orders.
    #[inline]
    fn level_mut(&mut self, rank: Rank) -> &mut Level {
        self.levels
            .get_mut(&rank.0)
            .expect("an order's level is there")
    }

    /// Puts the order in `slot` at the end of the queue of its price.
    #[inline]
    pub(crate) fn link(&mut self, orders: &mut Orders, slot: Slot) {
        let order = &mut orders[slot];
        let rank = self.rank(order.price);
        self.best = self.best.min(rank);
        self.qty.0 += order.leaves.0;
        let level = self.levels.entry(rank.0).or_insert(Level::EMPTY);
        level.qty.0 += order.leaves.0;
        level.orders += 1;
        let last = level.last;
        level.last = slot;
        order.next = Slot::NONE;
        order.prev = last;
        if level.orders == 1 {
            level.first = slot;
        } else {
            orders[last].next = slot;
        }
    }

    /// Takes the order in `slot`, with the leaves it has, out of its queue.
    #[inline]
    pub(crate) fn unlink(&mut self, orders: &mut Orders, slot: Slot) {
        let order = &orders[slot];
        let rank = self.rank(order.price);
        let (prev, next) = (order.prev, order.next);
        self.qty.0 -= order.leaves.0;
        let leaves = order.leaves;
        let level = self.level_mut(rank);
        level.qty.0 -= leaves.0;
        level.orders -= 1;
        if level.orders == 0 {
            self.remove(rank);
            return;
        }
        if level.first == slot {
            level.first = next;
        } else {
            orders[prev].next = next;
        }
        if level.last == slot {
            level.last = prev;
        } else {
            orders[next].prev = prev;
        }
    }

    /// Takes `qty` off the level at `rank`, because an order of it lost as much of its leaves.
    #[inline]
    pub(crate) fn reduce(&mut self, rank: Rank, qty: Qty) {
        self.qty.0 -= qty.0;
        self.level_mut(rank).qty.0 -= qty.0;
    }

    #[inline]
    fn remove(&mut self, rank: Rank) {
        self.levels.remove(&rank.0);
        if self.best == rank {
            self.best = self.next_after(rank);
        }
    }

    /// Checks what only this side knows.
    pub(crate) fn check_invariants(&self) {
        let first = self.levels.first_key_value();
        assert_eq!(first.map_or(Rank::NONE, |(&rank, _)| Rank(rank)), self.best);
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.levels.len() * 48
    }
}
