//! The levels near the touch: a ring in which a level's place is its rank modulo the ring's
//! length, with a bitmap of the occupied places and a bitmap of that.
//!
//! Must never: move a level because the touch moves. The range slides over the ring.

use crate::level::{Level, Rank};
use alloc::vec;
use alloc::vec::Vec;

/// The unit in which the range slides: the ranks of one bitmap word.
pub(crate) const BLOCK: u64 = 64;

/// The smallest ring.
const RING_MIN: u64 = 2 * BLOCK;

/// The largest ring: 1.5 MiB, about what a core's second-level cache holds.
pub(crate) const RING_MAX: u64 = 1 << 16;

const SUMMARY_WORDS: usize = (RING_MAX / BLOCK / 64) as usize;

/// The levels of the ranks `lo..hi`.
///
/// Invariants: `lo` and `hi` are multiples of [`BLOCK`]; the range is not longer than the ring; a
/// bit of `occupied` is set exactly when the level at its place has orders; a bit of `summary` is
/// set exactly when the word of `occupied` at its place is not 0.
#[derive(Debug)]
pub(crate) struct Window {
    lo: u64,
    hi: u64,
    /// The ring's length - 1, or 0 without a ring.
    mask: u64,
    /// Number of levels with orders.
    count: u32,
    levels: Vec<Level>,
    occupied: Vec<u64>,
    summary: [u64; SUMMARY_WORDS],
}

impl Window {
    pub(crate) const fn new() -> Self {
        Self {
            lo: 0,
            hi: 0,
            mask: 0,
            count: 0,
            levels: Vec::new(),
            occupied: Vec::new(),
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
    pub(crate) fn ring_len(&self) -> u64 {
        self.levels.len() as u64
    }

    /// Whether the range is as long as the ring.
    pub(crate) fn is_full(&self) -> bool {
        self.hi - self.lo == self.ring_len()
    }

    #[inline]
    const fn place(&self, rank: Rank) -> usize {
        (rank.0 & self.mask) as usize
    }

    /// The level of a covered rank.
    #[inline]
    pub(crate) fn level(&self, rank: Rank) -> &Level {
        &self.levels[self.place(rank)]
    }

    /// The level of a covered rank. Whoever changes whether it has orders says so with
    /// [`Window::occupy`] or [`Window::vacate`].
    #[inline]
    pub(crate) fn level_mut(&mut self, rank: Rank) -> &mut Level {
        let place = self.place(rank);
        &mut self.levels[place]
    }

    /// The level of a covered rank got an order; `was_empty` says whether that is its first.
    #[inline]
    pub(crate) fn occupy(&mut self, rank: Rank, was_empty: bool) {
        let place = self.place(rank);
        let word = place / 64;
        self.occupied[word] |= 1 << (place % 64);
        self.summary[word / 64] |= 1 << (word % 64);
        self.count += u32::from(was_empty);
    }

    /// The level of a covered rank lost an order; `is_empty` says whether that was its last.
    #[inline]
    pub(crate) fn vacate(&mut self, rank: Rank, is_empty: bool) {
        let place = self.place(rank);
        let word = place / 64;
        let bits = &mut self.occupied[word];
        *bits &= !(u64::from(is_empty) << (place % 64));
        self.summary[word / 64] &= !(u64::from(*bits == 0) << (word % 64));
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
        let word = place / 64;
        let here = self.occupied[word] >> (place % 64);
        if here != 0 {
            return Rank(rank.0 + u64::from(here.trailing_zeros()));
        }
        self.first_in_block_after(rank, word)
    }

    #[inline]
    fn first_in_block_after(&self, rank: Rank, word: usize) -> Rank {
        let words = self.occupied.len();
        let Some(found) = self.word_from((word + 1) & (words - 1)) else {
            return Rank::NONE;
        };
        let blocks = found.wrapping_sub(word) & (words - 1);
        // A word behind the turn of the ring is that of a better rank; it would end beyond `hi`.
        let block = (rank.0 & !(BLOCK - 1)) + blocks as u64 * BLOCK;
        if blocks == 0 || block >= self.hi {
            return Rank::NONE;
        }
        Rank(block + u64::from(self.occupied[found].trailing_zeros()))
    }

    /// The first word with a bit, at `word` or after it, going round.
    #[inline]
    fn word_from(&self, word: usize) -> Option<usize> {
        let mut at = word / 64;
        let mut bits = self.summary[at] & (u64::MAX << (word % 64));
        let summaries = self.occupied.len().div_ceil(64);
        for _ in 0..summaries {
            if bits != 0 {
                break;
            }
            at = if at + 1 == summaries { 0 } else { at + 1 };
            bits = self.summary[at];
        }
        (bits != 0).then(|| at * 64 + bits.trailing_zeros() as usize)
    }

    /// Starts anew, without a level, at the block of `rank`.
    pub(crate) fn anchor(&mut self, rank: Rank) {
        assert_eq!(self.count, 0, "only an empty window jumps");
        if self.levels.is_empty() {
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
            self.vacate(rank, true);
        }
        self.hi -= BLOCK;
    }

    /// Puts a level with orders at a covered rank where none was.
    pub(crate) fn put(&mut self, rank: Rank, level: Level) {
        debug_assert!(self.covers(rank));
        *self.level_mut(rank) = level;
        self.occupy(rank, true);
    }

    /// Doubles the ring.
    #[cold]
    pub(crate) fn grow(&mut self) {
        let len = (self.ring_len() * 2).max(RING_MIN);
        assert!(len <= RING_MAX, "the ring is bounded");
        let old = core::mem::replace(self, Self::new());
        self.lo = old.lo;
        self.hi = old.hi;
        self.mask = len - 1;
        self.levels = vec![Level::EMPTY; len as usize];
        self.occupied = vec![0; (len / BLOCK) as usize];
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
        for (place, level) in self.levels.iter().enumerate() {
            let bit = self.occupied[place / 64] >> (place % 64) & 1;
            assert_eq!(
                bit == 1,
                level.orders > 0,
                "the bitmap shows the levels with orders"
            );
            count += u32::from(level.orders > 0);
        }
        assert_eq!(self.count, count, "the window counts its levels");
        for (word, bits) in self.occupied.iter().enumerate() {
            let bit = self.summary[word / 64] >> (word % 64) & 1;
            assert_eq!(
                bit == 1,
                *bits != 0,
                "the summary shows the words with bits"
            );
        }
        let first = self.lo & !(BLOCK - 1);
        let mut covered = 0;
        for block in (first..self.hi).step_by(BLOCK as usize) {
            covered += self.occupied[self.place(Rank(block)) / 64].count_ones();
        }
        assert_eq!(
            covered, count,
            "only covered ranks have levels in the window"
        );
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.levels.capacity() * size_of::<Level>() + self.occupied.capacity() * size_of::<u64>()
    }
}
