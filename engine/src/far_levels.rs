//! The levels that are not in the window: far from the touch, or left behind when a price jumped.
//!
//! A treap: a search tree by rank that is a heap by a number drawn from the rank with the
//! market's key, so nobody can choose prices that make it deep. Its nodes are used again, so a
//! market at rest in its size allocates nothing.
//!
//! Must never: cost the levels near the touch anything but one comparison with [`FarLevels::best`].

use crate::chunks::Chunks;
use crate::hash::IndexKey;
use crate::level::{Level, Rank};

#[derive(Clone, Copy, Debug)]
struct Node {
    rank: Rank,
    level: Level,
    /// The root of the better ranks; in a free node the next free one.
    better: u32,
    /// The root of the worse ranks.
    worse: u32,
    /// Invariant: not higher than that of the node above.
    weight: u32,
}

const NONE: u32 = u32::MAX;

/// The place of a link to a node.
#[derive(Clone, Copy)]
enum Link {
    Root,
    Better(u32),
    Worse(u32),
}

/// Levels by rank, with the best at hand.
#[derive(Debug)]
pub(crate) struct FarLevels {
    nodes: Chunks<Node>,
    root: u32,
    free: u32,
    best: Rank,
    key: IndexKey,
}

impl FarLevels {
    pub(crate) const fn new(key: IndexKey) -> Self {
        Self {
            nodes: Chunks::new(),
            root: NONE,
            free: NONE,
            best: Rank::NONE,
            key,
        }
    }

    /// The best rank, or [`Rank::NONE`].
    #[inline]
    pub(crate) const fn best(&self) -> Rank {
        self.best
    }

    pub(crate) fn get(&self, rank: Rank) -> Option<&Level> {
        let (_, node) = self.find(rank);
        self.nodes.get(node).map(|node| &node.level)
    }

    pub(crate) fn get_mut(&mut self, rank: Rank) -> Option<&mut Level> {
        let (_, node) = self.find(rank);
        self.nodes.get_mut(node).map(|node| &mut node.level)
    }

    /// The link to the node of `rank` and the node, or the link where it would be and [`NONE`].
    fn find(&self, rank: Rank) -> (Link, u32) {
        let (mut link, mut node) = (Link::Root, self.root);
        while node != NONE && self.nodes[node].rank != rank {
            (link, node) = self.towards(rank, node);
        }
        (link, node)
    }

    /// One step down from `node` towards `rank`.
    fn towards(&self, rank: Rank, node: u32) -> (Link, u32) {
        let at = &self.nodes[node];
        if rank < at.rank {
            (Link::Better(node), at.better)
        } else {
            (Link::Worse(node), at.worse)
        }
    }

    fn set(&mut self, link: Link, node: u32) {
        match link {
            Link::Root => self.root = node,
            Link::Better(above) => self.nodes[above].better = node,
            Link::Worse(above) => self.nodes[above].worse = node,
        }
    }

    /// Adds a level at a rank that has none.
    pub(crate) fn insert(&mut self, rank: Rank, level: Level) {
        self.best = self.best.min(rank);
        let weight = self.key.weight(rank.0);
        let (mut link, mut below) = (Link::Root, self.root);
        while below != NONE && self.nodes[below].weight >= weight {
            (link, below) = self.towards(rank, below);
        }
        let new = self.take(Node {
            rank,
            level,
            better: NONE,
            worse: NONE,
            weight,
        });
        self.set(link, new);
        // What was below falls apart at the new rank.
        let (mut better, mut worse) = (Link::Better(new), Link::Worse(new));
        while below != NONE {
            let at = self.nodes[below];
            if at.rank < rank {
                self.set(better, below);
                (better, below) = (Link::Worse(below), at.worse);
            } else {
                self.set(worse, below);
                (worse, below) = (Link::Better(below), at.better);
            }
        }
        self.set(better, NONE);
        self.set(worse, NONE);
    }

    fn take(&mut self, node: Node) -> u32 {
        let taken = self.free;
        if taken == NONE {
            self.nodes.push(node);
            return self.nodes.len() - 1;
        }
        self.free = self.nodes[taken].better;
        self.nodes[taken] = node;
        taken
    }

    /// Takes out the level at `rank`, if there is one.
    pub(crate) fn remove(&mut self, rank: Rank) -> Option<Level> {
        let (mut link, gone) = self.find(rank);
        let node = *self.nodes.get(gone)?;
        let (mut better, mut worse) = (node.better, node.worse);
        // The two halves become one, the heavier root on top.
        while better != NONE && worse != NONE {
            if self.nodes[better].weight > self.nodes[worse].weight {
                self.set(link, better);
                (link, better) = (Link::Worse(better), self.nodes[better].worse);
            } else {
                self.set(link, worse);
                (link, worse) = (Link::Better(worse), self.nodes[worse].better);
            }
        }
        self.set(link, if better == NONE { worse } else { better });
        self.nodes[gone].better = self.free;
        self.free = gone;
        if rank == self.best {
            self.best = self.first_from(rank);
        }
        Some(node.level)
    }

    /// The best rank that is not better than `rank`, or [`Rank::NONE`].
    pub(crate) fn first_from(&self, rank: Rank) -> Rank {
        let (mut first, mut node) = (Rank::NONE, self.root);
        while node != NONE {
            let at = &self.nodes[node];
            if at.rank < rank {
                node = at.worse;
            } else {
                first = at.rank;
                node = at.better;
            }
        }
        first
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.nodes.memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use souk_protocol::Qty;

    fn level(qty: u64) -> Level {
        Level {
            qty: Qty(qty),
            ..Level::EMPTY
        }
    }

    #[test]
    fn it_holds_what_an_ordered_map_holds_and_uses_its_nodes_again() {
        let mut far = FarLevels::new(IndexKey::new(3));
        let mut map = BTreeMap::new();
        let mut random = 1u64;
        let mut most = 0;
        for step in 0..100_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let rank = (random >> 33) % 700;
            if let Some(qty) = map.remove(&rank) {
                far.get_mut(Rank(rank)).expect("it is there").qty.0 += 1;
                assert_eq!(far.remove(Rank(rank)), Some(level(qty + 1)));
            } else {
                assert_eq!(far.remove(Rank(rank)), None);
                far.insert(Rank(rank), level(step));
                map.insert(rank, step);
            }
            most = most.max(map.len());
            let asked = (random >> 20) % 700;
            let first = map.range(asked..).next();
            assert_eq!(
                far.first_from(Rank(asked)).some(),
                first.map(|(&rank, _)| Rank(rank))
            );
            assert_eq!(
                far.get(Rank(asked)).copied(),
                map.get(&asked).map(|&qty| level(qty))
            );
            assert_eq!(far.best().some(), map.keys().next().map(|&rank| Rank(rank)));
        }
        assert_eq!(far.nodes.len() as usize, most);
    }

    #[test]
    fn prices_in_order_do_not_make_it_deep() {
        let mut far = FarLevels::new(IndexKey::new(3));
        for rank in 0..100_000 {
            far.insert(Rank(rank), Level::EMPTY);
        }
        let depth = |rank: u64| {
            let (mut node, mut depth) = (far.root, 0);
            while far.nodes[node].rank != Rank(rank) {
                (_, node) = far.towards(Rank(rank), node);
                depth += 1;
            }
            depth
        };
        let deepest = (0..100_000).map(depth).max();
        assert!(deepest < Some(60), "{deepest:?}");
    }
}
