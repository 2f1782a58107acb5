//! What can be seen of a market from outside, sections 8 and 9 of `RULES.md`.

use super::{Event, LevelUpdate, Oracle, Order};
use souk_engine::OrderView;
use souk_protocol::{MarketState, MatchId, Price, Qty, Side};

/// Everything that a market shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub state: MarketState,
    pub open_orders: u32,
    pub last_match_id: MatchId,
    pub book_hash: u64,
    /// Buy, then sell.
    pub best: [Option<Price>; 2],
    /// Buys, then sells, from best to worst.
    pub levels: [Vec<LevelUpdate>; 2],
    /// Buys, then sells, in rank order.
    pub orders: [Vec<(OrderView, Price)>; 2],
}

/// Everything that a market's future depends on. Two markets with the same meaning have the same
/// `state_hash`, and two with different meanings have different ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    state: MarketState,
    matches: u64,
    generations: Vec<u32>,
    free_slots: Vec<u32>,
    /// In rank order, with the place in the account's list, but without the priority number, of
    /// which only the order matters.
    orders: Vec<(Order, usize)>,
}

impl Oracle {
    pub fn snapshot(&self) -> Snapshot {
        let sides = [Side::Buy, Side::Sell];
        Snapshot {
            state: self.state,
            open_orders: u32::try_from(self.orders.len()).expect("the tests use few orders"),
            last_match_id: MatchId(self.matches),
            book_hash: self.book_hash(),
            best: sides.map(|side| self.best(side)),
            levels: sides.map(|side| self.levels(side)),
            orders: sides.map(|side| {
                self.ranked(side)
                    .iter()
                    .map(|o| (o.view(), o.price))
                    .collect()
            }),
        }
    }

    pub fn meaning(&self) -> Meaning {
        let place = |order: &Order| {
            let earlier = |o: &&Order| o.account == order.account && o.place < order.place;
            self.orders.iter().filter(earlier).count()
        };
        let plain = |o: &&Order| {
            (
                Order {
                    priority: 0,
                    place: 0,
                    ..(*o).clone()
                },
                place(o),
            )
        };
        let ranked = [self.ranked(Side::Buy), self.ranked(Side::Sell)].concat();
        Meaning {
            state: self.state,
            matches: self.matches,
            generations: self.generations.clone(),
            free_slots: self.free_slots.clone(),
            orders: ranked.iter().map(plain).collect(),
        }
    }

    /// The open orders of a side, best first.
    pub fn ranked(&self, side: Side) -> Vec<&Order> {
        let mut orders: Vec<&Order> = self.orders.iter().filter(|o| o.side == side).collect();
        orders.sort_unstable_by_key(|o| o.rank());
        orders
    }

    /// The best price of a side.
    pub fn best(&self, side: Side) -> Option<Price> {
        let prices = self
            .orders
            .iter()
            .filter(|o| o.side == side)
            .map(|o| o.price);
        match side {
            Side::Buy => prices.max(),
            Side::Sell => prices.min(),
        }
    }

    /// The levels of a side, from best to worst.
    pub fn levels(&self, side: Side) -> Vec<LevelUpdate> {
        let mut levels: Vec<LevelUpdate> = Vec::new();
        for order in self.ranked(side) {
            match levels.last_mut().filter(|level| level.price == order.price) {
                Some(level) => {
                    level.qty.0 += order.leaves.0;
                    level.orders += 1;
                }
                None => levels.push(LevelUpdate {
                    side,
                    price: order.price,
                    qty: order.leaves,
                    orders: 1,
                }),
            }
        }
        levels
    }

    pub(super) fn all_levels(&self) -> Vec<LevelUpdate> {
        [self.levels(Side::Buy), self.levels(Side::Sell)].concat()
    }

    /// Section 8: one event for each level that differs from `before`.
    pub(super) fn changed_levels(&self, before: &[LevelUpdate], events: &mut Vec<Event>) {
        let after = self.all_levels();
        let same_place = |a: &LevelUpdate, b: &LevelUpdate| a.side == b.side && a.price == b.price;
        let mut changed: Vec<LevelUpdate> = after
            .iter()
            .copied()
            .filter(|level| !before.contains(level))
            .collect();
        for old in before {
            if !after.iter().any(|level| same_place(level, old)) {
                changed.push(LevelUpdate {
                    qty: Qty(0),
                    orders: 0,
                    ..*old
                });
            }
        }
        changed.sort_unstable_by_key(|level| match level.side {
            Side::Buy => (1, -level.price.0),
            Side::Sell => (2, level.price.0),
        });
        events.extend(changed.into_iter().map(Event::Level));
    }

    /// Section 9.
    pub fn book_hash(&self) -> u64 {
        let mut bytes = Vec::new();
        for level in self.all_levels() {
            bytes.push(match level.side {
                Side::Buy => 1,
                Side::Sell => 2,
            });
            bytes.extend(level.price.0.to_le_bytes());
            bytes.extend(level.qty.0.to_le_bytes());
            bytes.extend(level.orders.to_le_bytes());
        }
        fnv_1a(&bytes)
    }
}

/// 64-bit FNV-1a.
pub fn fnv_1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}
