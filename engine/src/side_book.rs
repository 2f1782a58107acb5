//! One side of a book: price levels, each a queue of orders, ranked from the best.
//!
//! Must never: know buys from sells. A side turns prices into ranks, lower is better, and that is
//! all the difference there is.

use crate::far_levels::FarLevels;
use crate::hash::IndexKey;
use crate::level::{Level, Rank};
use crate::orders::{Order, Orders, Slot};
use crate::window::{BLOCK, Window};
use souk_protocol::{Price, Qty, Side};

/// All levels of one side.
///
/// Invariants: a rank that the window covers has its level there, every other one has it among
/// the far levels; `best` is the best rank with orders.
#[derive(Debug)]
pub(crate) struct SideBook {
    /// What a price is mirrored with to get its rank: buys have all bits, so that the highest
    /// price has the lowest rank.
    mirror: u64,
    best: Rank,
    /// Sum of all levels' quantity.
    qty: Qty,
    window: Window,
    far: FarLevels,
}

/// The ranks that one command may make the window slide: bounds what the command pays.
const SLIDE_MAX: u64 = 4 * BLOCK;

/// The ring doubles when at least one place in so many has a level: bounds its memory per level.
const RING_PLACES_PER_LEVEL: u64 = 16;

impl SideBook {
    pub(crate) const fn new(side: Side, key: IndexKey) -> Self {
        Self {
            mirror: match side {
                Side::Buy => i64::MAX.cast_unsigned(),
                Side::Sell => 0,
            },
            best: Rank::NONE,
            qty: Qty(0),
            window: Window::new(),
            far: FarLevels::new(key),
        }
    }

    /// The rank of a price, which is not negative.
    #[inline]
    pub(crate) const fn rank(&self, price: Price) -> Rank {
        Rank(price.0.cast_unsigned() ^ self.mirror)
    }

    /// The price of a rank.
    #[inline]
    pub(crate) const fn price(&self, rank: Rank) -> Price {
        Price((rank.0 ^ self.mirror).cast_signed())
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

    /// The level at `rank`; one without orders if nothing rests there.
    #[inline]
    pub(crate) fn level(&self, rank: Rank) -> Level {
        if self.window.covers(rank) {
            return *self.window.level(rank);
        }
        self.far.get(rank).copied().unwrap_or(Level::EMPTY)
    }

    /// The level at `rank` if the window covers it.
    #[inline]
    pub(crate) fn near_level(&self, rank: Rank) -> Option<&Level> {
        self.window.covers(rank).then(|| self.window.level(rank))
    }

    /// The first order at `rank`, where orders rest.
    #[inline]
    pub(crate) fn first(&self, rank: Rank) -> Slot {
        if self.window.covers(rank) {
            return self.window.level(rank).first;
        }
        self.level(rank).first
    }

    /// The best level that is not better than `rank`, or [`Rank::NONE`].
    #[inline]
    pub(crate) fn first_from(&self, rank: Rank) -> Rank {
        let near = self.window.first_from(rank);
        if near < self.far.best() {
            return near;
        }
        near.min(self.far.first_from(rank))
    }

    /// The level at `rank`, which has orders.
    #[inline]
    pub(crate) fn level_mut(&mut self, rank: Rank) -> &mut Level {
        if self.window.covers(rank) {
            return self.window.level_mut(rank);
        }
        self.far_level_mut(rank)
    }

    #[cold]
    fn far_level_mut(&mut self, rank: Rank) -> &mut Level {
        self.far.get_mut(rank).expect("an order's level is there")
    }

    /// Puts the order in `slot` with its leaves at the end of the queue at `rank`. Gives the order
    /// before it, or `slot` itself; the caller links the two.
    #[inline(always)]
    pub(crate) fn push(&mut self, rank: Rank, slot: Slot, leaves: Qty) -> Slot {
        // No overflow: the caller keeps the sum within BOOK_QTY_MAX.
        self.qty.0 = self.qty.0.wrapping_add(leaves.0);
        self.best = self.best.min(rank);
        if self.window.covers(rank) {
            self.window.occupy(rank).push(slot, leaves)
        } else {
            self.push_outside(rank, slot, leaves)
        }
    }

    /// Adds an order to a level that the window does not cover yet, or never will.
    #[cold]
    fn push_outside(&mut self, rank: Rank, slot: Slot, leaves: Qty) -> Slot {
        self.make_room(rank);
        let level = if self.window.covers(rank) {
            self.window.occupy(rank)
        } else {
            self.far_level_mut(rank)
        };
        level.push(slot, leaves)
    }

    /// Takes `order`, which is the one in `slot`, with the leaves it has out of its queue.
    #[inline(always)]
    pub(crate) fn unlink(&mut self, orders: &mut Orders, slot: Slot, order: &Order) {
        let rank = self.rank(order.price);
        self.qty.0 -= order.leaves.0;
        let level = self.level_mut(rank);
        let (prev, next) = level.take(slot, order.leaves, order.prev, order.next);
        let is_empty = level.orders == 0;
        orders[prev].next = order.next;
        orders[next].prev = order.prev;
        self.vacate(rank, is_empty);
    }

    /// Takes `qty` off the level at `rank`, because an order of it lost as much of its leaves.
    #[inline]
    pub(crate) fn reduce(&mut self, rank: Rank, qty: Qty) {
        self.qty.0 -= qty.0;
        self.level_mut(rank).qty.0 -= qty.0;
    }

    /// Takes `qty` off the side, of which a level lost as much already.
    #[inline]
    pub(crate) fn reduce_side(&mut self, qty: Qty) {
        self.qty.0 -= qty.0;
    }

    /// The level at `rank` lost orders or none; `is_empty` says whether it has any left.
    #[inline(always)]
    pub(crate) fn vacate(&mut self, rank: Rank, is_empty: bool) {
        if self.window.covers(rank) {
            self.window.vacate(rank);
        } else if is_empty {
            self.far.remove(rank);
        }
        if is_empty & (rank == self.best) {
            self.best = self.first_from(rank);
            if self.window.count() == 0 && self.best != Rank::NONE {
                self.follow();
            }
        }
    }

    /// The window is empty, the side is not: takes the window to the touch.
    #[cold]
    fn follow(&mut self) {
        self.window.anchor(self.best);
        self.pull(self.best);
    }

    /// Makes the place for a level at `rank`, which the window does not cover: in the window if
    /// that is cheap and worth it, else among the far levels.
    #[cold]
    fn make_room(&mut self, rank: Rank) {
        if self.window.count() == 0 {
            self.window.anchor(rank);
            self.pull(rank);
        } else if rank.0 < self.window.lo() {
            self.slide_better(rank);
        } else {
            self.slide_worse(rank);
        }
        if !self.window.covers(rank) && self.far.get(rank).is_none() {
            self.far.insert(rank, Level::EMPTY);
        }
    }

    /// Slides the window towards a better rank. A jump is not followed at once: one block of the
    /// old range goes with each level that is made beyond it, until the window is empty.
    fn slide_better(&mut self, rank: Rank) {
        if self.window.lo() - rank.0 > SLIDE_MAX {
            self.retract_worse();
            return;
        }
        while !self.window.covers(rank) {
            if self.window.is_full() && !self.grow() {
                self.retract_worse();
            }
            self.window.extend_better();
            self.pull(Rank(self.window.lo()));
        }
    }

    /// Lengthens the window towards a worse rank, if the ring has or gets places for it.
    fn slide_worse(&mut self, rank: Rank) {
        let unused = self.best.0.saturating_sub(self.window.lo());
        if self.window.is_full() && unused > self.window.ring_len() / 4 {
            // Half of the unused ranks stay, so that the touch can come back.
            self.window.drop_better(Rank(self.best.0 - unused / 2));
        }
        for _ in 0..SLIDE_MAX / BLOCK {
            if self.window.covers(rank) || (self.window.is_full() && !self.grow()) {
                return;
            }
            let block = Rank(self.window.hi());
            self.window.extend_worse();
            self.pull(block);
        }
    }

    /// Doubles the ring if it is dense enough.
    fn grow(&mut self) -> bool {
        let places = self.window.ring_len();
        let dense = u64::from(self.window.count()) * RING_PLACES_PER_LEVEL >= places;
        if !dense || !self.window.can_grow() {
            return false;
        }
        self.window.grow();
        true
    }

    /// Moves the far levels of the block of `rank`, which the window now covers, into it.
    fn pull(&mut self, rank: Rank) {
        let lo = rank.0 & !(BLOCK - 1);
        loop {
            let rank = self.far.first_from(Rank(lo));
            if rank.0 >= lo + BLOCK {
                break;
            }
            let level = self.far.remove(rank).expect("it was found");
            self.window.put(rank, level);
        }
    }

    /// Moves the levels of the window's worst block to the far ones.
    fn retract_worse(&mut self) {
        let far = &mut self.far;
        self.window
            .retract_worse(|rank, level| far.insert(rank, level));
    }

    /// Checks what only this side knows.
    pub(crate) fn check_invariants(&self) {
        self.window.check_invariants();
        let best = self.first_from(Rank(0));
        assert_eq!(best, self.best, "the best rank is at hand");
        let mut rank = self.far.best();
        assert_eq!(
            rank,
            self.far.first_from(Rank(0)),
            "the best far rank is at hand"
        );
        while rank != Rank::NONE {
            assert!(
                !self.window.covers(rank),
                "a far level is outside the window"
            );
            rank = self.far.first_from(Rank(rank.0 + 1));
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.window.memory_bytes() + self.far.memory_bytes()
    }
}
