//! The levels that are not in the window: few and far from the touch, or a price jumped.

use crate::level::{Level, Rank};
use alloc::collections::BTreeMap;

/// Levels by rank, with the best at hand.
#[derive(Debug)]
pub(crate) struct FarLevels {
    levels: BTreeMap<u64, Level>,
    best: Rank,
}

impl FarLevels {
    pub(crate) const fn new() -> Self {
        Self {
            levels: BTreeMap::new(),
            best: Rank::NONE,
        }
    }

    /// The best rank, or [`Rank::NONE`].
    #[inline]
    pub(crate) const fn best(&self) -> Rank {
        self.best
    }

    pub(crate) fn get(&self, rank: Rank) -> Option<&Level> {
        self.levels.get(&rank.0)
    }

    pub(crate) fn get_mut(&mut self, rank: Rank) -> Option<&mut Level> {
        self.levels.get_mut(&rank.0)
    }

    pub(crate) fn insert(&mut self, rank: Rank, level: Level) {
        self.levels.insert(rank.0, level);
        self.best = self.best.min(rank);
    }

    pub(crate) fn remove(&mut self, rank: Rank) -> Option<Level> {
        let level = self.levels.remove(&rank.0);
        if rank == self.best {
            self.best = self.first_from(Rank(0));
        }
        level
    }

    /// The best rank that is not better than `rank`, or [`Rank::NONE`].
    pub(crate) fn first_from(&self, rank: Rank) -> Rank {
        let first = self.levels.range(rank.0..).next();
        first.map_or(Rank::NONE, |(&rank, _)| Rank(rank))
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.levels.len() * 48
    }
}
