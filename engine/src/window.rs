//! The levels near the touch: a ring in which a level's place is its rank modulo the ring's
//! length, with a bitmap of the occupied places and a bitmap of that.
//!
//! Must never: move a level because the touch moves. The range slides over the ring.

use crate::level::{Level, Rank};
use alloc::vec;
use alloc::vec::Vec;

/// The unit in which the range slides: the ranks of one bitmap word.
pub(crate) const BLOCK: u64 = 64;

/// Blocks of the smallest ring.
const RING_BLOCKS_MIN: u64 = 2;

/// Blocks of the largest ring: 65,536 levels in 1.5 MiB, about what a core's second-level cache
/// holds.
const RING_BLOCKS_MAX: u64 = 1 << 10;

const SUMMARY_WORDS: usize = RING_BLOCKS_MAX as usize / 64;

/// The levels of as many ranks as a bitmap word has bits.
///
/// Invariant: a bit of `occupied` is set exactly when the level at its place has orders.
#[derive(Clone, Copy, Debug)]
struct Block {
    levels: [Level; BLOCK as usize],
    occupied: u64,
}

const EMPTY: Block = Block {
    levels: [Level::EMPTY; BLOCK as usize],
    occupied: 0,
};

/// The levels of the ranks `lo..hi`.
///
/// Invariants: `lo` and `hi` are multiples of [`BLOCK`]; the range is not longer than the ring; a
/// bit of `summary` is set exactly when the block at its place has levels with orders.
#[derive(Debug)]
pub(crate) struct Window {
    lo: u64,
    hi: u64,
    /// The number of blocks - 1, or 0 without a ring.
    mask: u64,
    /// Number of levels with orders.
    count: u32,
    blocks: Vec<Block>,
    summary: [u64; SUMMARY_WORDS],
}

impl Window {
    pub(crate) const fn new() -> Self {
        Self {
            lo: 0,
            hi: 0,
            mask: 0,
            count: 0,
            blocks: Vec::new(),
            summary: [0; SUMMARY_WORDS],
        }
    }

    #[inline]
    pub(crate) const fn lo(&self) -> u64 {
        self.lo
    }

    #[inline]
    pub(crate) const fn hi(&self) -> u64 {
        self.hi
    }

    #[inline]
    pub(crate) const fn covers(&self, rank: Rank) -> bool {
        rank.0.wrapping_sub(self.lo) < self.hi.wrapping_sub(self.lo)
    }

    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    /// Places of the ring.
    pub(crate) const fn ring_len(&self) -> u64 {
        self.blocks.len() as u64 * BLOCK
    }

    /// Whether the range is as long as the ring.
    pub(crate) const fn is_full(&self) -> bool {
        self.hi - self.lo == self.ring_len()
    }

    /// Whether the ring can double.
    pub(crate) const fn can_grow(&self) -> bool {
        (self.blocks.len() as u64) < RING_BLOCKS_MAX
    }

    /// Where the block of a rank is in the ring.
    #[inline]
    const fn place(&self, rank: Rank) -> usize {
        ((rank.0 / BLOCK) & self.mask) as usize
    }

    /// The level of a covered rank.
    #[inline]
    pub(crate) fn level(&self, rank: Rank) -> &Level {
        &self.blocks[self.place(rank)].levels[(rank.0 % BLOCK) as usize]
    }

    /// The level of a covered rank. Whoever changes whether it has orders uses
    /// [`Window::occupy`] or says so with [`Window::vacate`].
    #[inline]
    pub(crate) fn level_mut(&mut self, rank: Rank) -> &mut Level {
        let place = self.place(rank);
        &mut self.blocks[place].levels[(rank.0 % BLOCK) as usize]
    }

    /// The level of a covered rank, which is about to get an order.
    #[inline]
    pub(crate) fn occupy(&mut self, rank: Rank) -> &mut Level {
        let place = self.place(rank);
        let block = &mut self.blocks[place];
        let bit = 1 << (rank.0 % BLOCK);
        // No overflow: there are at most as many levels as places.
        let is_new = u32::from(block.occupied & bit == 0);
        self.count = self.count.wrapping_add(is_new);
        block.occupied |= bit;
        self.summary[place / 64 % SUMMARY_WORDS] |= 1 << (place % 64);
        &mut block.levels[(rank.0 % BLOCK) as usize]
    }

    /// The level of a covered rank lost an order, perhaps its last.
    #[inline]
    pub(crate) fn vacate(&mut self, rank: Rank) {
        let place = self.place(rank);
        let block = &mut self.blocks[place];
        let is_empty = block.levels[(rank.0 % BLOCK) as usize].orders == 0;
        block.occupied &= !(u64::from(is_empty) << (rank.0 % BLOCK));
        let block_is_empty = u64::from(block.occupied == 0);
        self.summary[place / 64 % SUMMARY_WORDS] &= !(block_is_empty << (place % 64));
        self.count -= u32::from(is_empty);
    }

    /// The best level with orders that is not better than `rank`, or [`Rank::NONE`].
    #[inline]
    pub(crate) fn first_from(&self, rank: Rank) -> Rank {
        let rank = Rank(rank.0.max(self.lo));
        if rank.0 >= self.hi {
            return Rank::NONE;
        }
        let place = self.place(rank);
        let here = self.blocks[place].occupied >> (rank.0 % BLOCK);
        if here != 0 {
            return Rank(rank.0 + u64::from(here.trailing_zeros()));
        }
        self.first_after_block(rank, place)
    }

    fn first_after_block(&self, rank: Rank, place: usize) -> Rank {
        let mask = self.mask as usize;
        let Some(found) = self.block_from((place + 1) & mask) else {
            return Rank::NONE;
        };
        // A block behind the turn of the ring has better ranks; as a worse one it would be at
        // `hi` or beyond.
        let blocks = found.wrapping_sub(place) & mask;
        let lo = (rank.0 & !(BLOCK - 1)) + blocks as u64 * BLOCK;
        if blocks == 0 || lo >= self.hi {
            return Rank::NONE;
        }
        Rank(lo + u64::from(self.blocks[found].occupied.trailing_zeros()))
    }

    /// The first block with levels, at `place` or after it, going round.
    #[inline]
    fn block_from(&self, place: usize) -> Option<usize> {
        let words = self.blocks.len().div_ceil(64);
        let mut word = place / 64;
        let mut bits = self.summary[word] & (u64::MAX << (place % 64));
        for _ in 0..words {
            if bits != 0 {
                break;
            }
            word = if word + 1 == words { 0 } else { word + 1 };
            bits = self.summary[word];
        }
        (bits != 0).then(|| word * 64 + bits.trailing_zeros() as usize)
    }

    /// Starts anew, without a level, at the block of `rank`.
    pub(crate) fn anchor(&mut self, rank: Rank) {
        assert_eq!(self.count, 0, "only an empty window jumps");
        if self.blocks.is_empty() {
            self.grow();
        }
        self.lo = rank.0 & !(BLOCK - 1);
        self.hi = self.lo + BLOCK;
    }

    /// Covers one more block at the better end, without levels so far.
    pub(crate) fn extend_better(&mut self) {
        assert!(!self.is_full(), "the range fits the ring");
        self.lo -= BLOCK;
    }

    /// Covers one more block at the worse end, without levels so far.
    pub(crate) fn extend_worse(&mut self) {
        assert!(!self.is_full(), "the range fits the ring");
        self.hi += BLOCK;
    }

    /// Gives up the empty blocks that are better than `rank`.
    pub(crate) fn drop_better(&mut self, rank: Rank) {
        debug_assert!(self.first_from(Rank(self.lo)).0 >= rank.0 & !(BLOCK - 1));
        self.lo = self.lo.max(rank.0 & !(BLOCK - 1));
    }

    /// Gives up the worst block and hands its levels to `moved`.
    pub(crate) fn retract_worse(&mut self, mut moved: impl FnMut(Rank, Level)) {
        let block = Rank(self.hi - BLOCK);
        loop {
            let rank = self.first_from(block);
            if rank == Rank::NONE {
                break;
            }
            moved(rank, *self.level(rank));
            *self.level_mut(rank) = Level::EMPTY;
            self.vacate(rank);
        }
        self.hi -= BLOCK;
    }

    /// Puts a level with orders at a covered rank where none was.
    pub(crate) fn put(&mut self, rank: Rank, level: Level) {
        debug_assert!(self.covers(rank));
        *self.level_mut(rank) = level;
        self.occupy(rank);
    }

    /// Doubles the ring.
    #[cold]
    pub(crate) fn grow(&mut self) {
        assert!(self.can_grow(), "the ring is bounded");
        let blocks = (self.blocks.len() as u64 * 2).max(RING_BLOCKS_MIN);
        let old = core::mem::replace(self, Self::new());
        self.lo = old.lo;
        self.hi = old.hi;
        self.mask = blocks - 1;
        self.blocks = vec![EMPTY; blocks as usize];
        let mut rank = old.first_from(Rank(old.lo));
        while rank != Rank::NONE {
            self.put(rank, *old.level(rank));
            rank = old.first_from(Rank(rank.0 + 1));
        }
    }

    pub(crate) fn check_invariants(&self) {
        assert_eq!(self.lo % BLOCK, 0, "the range begins with a block");
        assert_eq!(self.hi % BLOCK, 0, "the range ends with a block");
        assert!(
            self.hi - self.lo <= self.ring_len(),
            "the range fits the ring"
        );
        let mut count = 0;
        for (place, block) in self.blocks.iter().enumerate() {
            for (level, shown) in block.levels.iter().enumerate() {
                let bit = block.occupied >> level & 1;
                assert_eq!(
                    bit == 1,
                    shown.orders > 0,
                    "the bitmap shows levels with orders"
                );
            }
            let bit = self.summary[place / 64] >> (place % 64) & 1;
            assert_eq!(
                bit == 1,
                block.occupied != 0,
                "the summary shows blocks with levels"
            );
            count += block.occupied.count_ones();
        }
        assert_eq!(self.count, count, "the window counts its levels");
        let mut covered = 0;
        for rank in (self.lo..self.hi).step_by(BLOCK as usize) {
            covered += self.blocks[self.place(Rank(rank))].occupied.count_ones();
        }
        assert_eq!(
            covered, count,
            "only covered ranks have levels in the window"
        );
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>()
    }
}
