//! What can be seen of a market from outside, sections 8 and 9 of `RULES.md`.

use super::{Event, LevelUpdate, Oracle, Order};
use souk_engine::{FeeRates, MarketSpec, OrderView};
use souk_protocol::{AccountId, MarketState, MatchId, OrderId, Price, Qty, Side};

/// Everything that a market shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub state: MarketState,
    pub spec: MarketSpec,
    pub fees: Vec<FeeRates>,
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
    spec: MarketSpec,
    fees: Vec<FeeRates>,
    matches: u64,
    generations: Vec<u32>,
    free_slots: Vec<u32>,
    /// In rank order, without the numbers of which only the order matters.
    orders: Vec<Order>,
    /// The accounts' lists.
    lists: Vec<(AccountId, OrderId)>,
}

impl Oracle {
    pub fn snapshot(&self) -> Snapshot {
        let sides = [Side::Buy, Side::Sell];
        Snapshot {
            state: self.state,
            spec: self.spec,
            fees: self.fees.clone(),
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
        let ranked = [self.ranked(Side::Buy), self.ranked(Side::Sell)].concat();
        let plain = |o: &&Order| Order {
            priority: 0,
            place: 0,
            ..(*o).clone()
        };
        let mut in_lists: Vec<&Order> = self.orders.iter().collect();
        in_lists.sort_unstable_by_key(|o| (o.account, o.place));
        Meaning {
            state: self.state,
            spec: self.spec,
            fees: self.fees.clone(),
            matches: self.matches,
            generations: self.generations.clone(),
            free_slots: self.free_slots.clone(),
            orders: ranked.iter().map(plain).collect(),
            lists: in_lists.iter().map(|o| (o.account, o.order_id)).collect(),
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
        let mut changed: Vec<LevelUpdate> = Vec::new();
        for level in &after {
            if same_place(before, level) != Some(level) {
                changed.push(*level);
            }
        }
        for level in before {
            if same_place(&after, level).is_none() {
                changed.push(LevelUpdate {
                    qty: Qty(0),
                    orders: 0,
                    ..*level
                });
            }
        }
        changed.sort_unstable_by_key(level_rank);
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

/// Section 8: first buys, then sells, each from the best price to the worst.
fn level_rank(level: &LevelUpdate) -> (u8, i64) {
    match level.side {
        Side::Buy => (1, -level.price.0),
        Side::Sell => (2, level.price.0),
    }
}

/// The level with this one's side and price. `levels` are in the order of section 8.
fn same_place<'a>(levels: &'a [LevelUpdate], level: &LevelUpdate) -> Option<&'a LevelUpdate> {
    let found = levels.binary_search_by_key(&level_rank(level), level_rank);
    found.ok().map(|index| &levels[index])
}

/// 64-bit FNV-1a.
pub fn fnv_1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}
