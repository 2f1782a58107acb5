//! A market as one driver thread sees it from its own reports: where the best prices are, and
//! which prices to send next.
//!
//! Serves the choice of prices only. What is verified at the end is computed from the orders.

use souk_protocol::message::MarketDefinition;
use souk_protocol::{Price, Qty, Side};

use crate::model::Model;
use crate::rng::Rng;

/// Prices that are told apart. The reference price moves within an eighth of it and no order is
/// farther away than a sixteenth, so that two live orders never share an entry by mistake.
const WINDOW: usize = 8_192;
const _: () = assert!(WINDOW.is_power_of_two(), "prices are masked");
/// How far the anchor may walk from where it began, in ticks.
const WALK_MAX: i64 = WINDOW as i64 / 8;
/// The farthest a passive order is placed from the best price of its side, in ticks.
const DISTANCE_MAX: i64 = WINDOW as i64 / 16;
/// One new order in this many moves the anchor by a tick.
const WALK_EVERY: u32 = 64;

/// Prices and orders of one market.
#[derive(Debug)]
pub struct Venue {
    start: i64,
    /// A slow random walk that the book is led along.
    anchor: i64,
    price_min: i64,
    price_max: i64,
    qty_min: u64,
    qty_max: u64,
    /// Own live orders at each price, buys and sells.
    counts: [Box<[u32]>; 2],
    /// Own live orders of each side.
    totals: [u32; 2],
    /// The best price of each side; right only while its total is not 0.
    best: [i64; 2],
}

const fn index(side: Side) -> usize {
    match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}

/// 1 when a higher price is better for the side, -1 when a lower one is.
const fn better(side: Side) -> i64 {
    match side {
        Side::Buy => 1,
        Side::Sell => -1,
    }
}

impl Venue {
    /// A market without own orders.
    #[must_use]
    pub fn new(market: &MarketDefinition) -> Self {
        let (low, high) = (market.price_min.0.max(1), market.price_max.0);
        let middle = low + (high - low) / 2;
        let start = middle.min(low.saturating_add(START_MAX));
        Self {
            start,
            anchor: start,
            price_min: low,
            price_max: high,
            qty_min: market.qty_min.0.max(1),
            qty_max: market.qty_max.0,
            counts: [
                vec![0; WINDOW].into_boxed_slice(),
                vec![0; WINDOW].into_boxed_slice(),
            ],
            totals: [0; 2],
            best: [start; 2],
        }
    }

    /// Own live orders.
    #[must_use]
    pub fn resting(&self) -> u32 {
        self.totals[0] + self.totals[1]
    }

    /// An own order is live at a price.
    #[inline]
    pub fn add(&mut self, side: Side, price: Price) {
        let of = index(side);
        let (price, sign) = (price.0, better(side));
        if self.totals[of] == 0 || (price - self.best[of]) * sign > 0 {
            self.best[of] = price;
        }
        self.totals[of] += 1;
        self.counts[of][price as usize & (WINDOW - 1)] += 1;
    }

    /// An own order that was live at a price is gone from it.
    #[inline]
    pub fn remove(&mut self, side: Side, price: Price) {
        let of = index(side);
        let count = &mut self.counts[of][price.0 as usize & (WINDOW - 1)];
        *count = count.saturating_sub(1);
        self.totals[of] = self.totals[of].saturating_sub(1);
        if *count == 0 && price.0 == self.best[of] && self.totals[of] > 0 {
            self.find_best(side);
        }
    }

    #[inline]
    fn find_best(&mut self, side: Side) {
        let of = index(side);
        for _ in 0..WINDOW {
            self.best[of] -= better(side);
            if self.counts[of][self.best[of] as usize & (WINDOW - 1)] > 0 {
                return;
            }
        }
    }

    /// The best own price of a side, or where one would be put in an empty book.
    #[inline]
    fn touch(&self, side: Side, model: &Model) -> i64 {
        if self.totals[index(side)] > 0 {
            return self.best[index(side)];
        }
        let far = self.anchor - better(side) * (model.spread() + 1) / 2;
        if self.totals[index(side.opposite())] == 0 {
            return far;
        }
        // Not through the other side.
        let opposite = self.best[index(side.opposite())];
        let limit = opposite - better(side) * model.spread();
        if (far - limit) * better(side) > 0 {
            limit
        } else {
            far
        }
    }

    /// Side and price of a passive order.
    #[inline]
    pub fn passive(&mut self, model: &Model, rng: &mut Rng) -> (Side, Price) {
        self.walk(rng);
        // The side farther from the anchor gets fewer orders, so that the book follows it.
        let side = self.side(rng, self.lean(model));
        (side, self.passive_on(side, model, rng))
    }

    /// Price of a passive order on a side.
    #[inline]
    pub fn passive_on(&self, side: Side, model: &Model, rng: &mut Rng) -> Price {
        let touch = self.touch(side, model);
        let distance = i64::from(model.distance(rng));
        let price = if distance < 0 {
            self.improved(side, touch, rng)
        } else {
            touch - better(side) * distance.min(DISTANCE_MAX)
        };
        self.clamp(price)
    }

    /// Side and price of an order that means to trade.
    #[inline]
    pub fn aggressive(&mut self, model: &Model, rng: &mut Rng) -> (Side, Price) {
        let side = self.side(rng, self.lean(model));
        let opposite = self.touch(side.opposite(), model);
        let price = opposite + better(side) * model.levels_beyond(rng);
        (side, self.clamp(price))
    }

    /// A price between the best ones, or the best one when there is none between.
    #[inline]
    fn improved(&self, side: Side, touch: i64, rng: &mut Rng) -> i64 {
        if self.totals[index(side.opposite())] == 0 {
            return touch;
        }
        let room = (self.best[index(side.opposite())] - touch) * better(side) - 1;
        if room <= 0 {
            return touch;
        }
        let step = 1 + rng.below(room.min(DISTANCE_MAX) as u32);
        touch + better(side) * i64::from(step)
    }

    /// Quantity of a new order.
    #[inline]
    pub fn qty(&self, model: &Model, rng: &mut Rng) -> Qty {
        Qty(u64::from(model.size(rng)).clamp(self.qty_min, self.qty_max))
    }

    /// Lowest quantity of the market.
    #[must_use]
    pub const fn qty_min(&self) -> u64 {
        self.qty_min
    }

    /// Highest quantity of the market.
    #[must_use]
    pub const fn qty_max(&self) -> u64 {
        self.qty_max
    }

    /// Per mille of buys that leads the book back to its anchor.
    fn lean(&self, model: &Model) -> u32 {
        let middle = (self.touch(Side::Buy, model) + self.touch(Side::Sell, model)) / 2;
        (500 + (self.anchor - middle).clamp(-40, 40) * 5) as u32
    }

    fn side(&self, rng: &mut Rng, buys_permille: u32) -> Side {
        if rng.below(1_000) < buys_permille {
            Side::Buy
        } else {
            Side::Sell
        }
    }

    fn walk(&mut self, rng: &mut Rng) {
        let draw = rng.below(2 * WALK_EVERY);
        let step = match draw {
            0 => 1,
            1 => -1,
            _ => return,
        };
        if (self.anchor + step - self.start).abs() <= WALK_MAX {
            self.anchor += step;
        }
    }

    fn clamp(&self, price: i64) -> Price {
        let near = price.clamp(
            self.start - WALK_MAX - 2 * DISTANCE_MAX,
            self.start + WALK_MAX + 2 * DISTANCE_MAX,
        );
        Price(near.clamp(self.price_min, self.price_max))
    }
}

/// The highest price a market is opened at, in ticks above its lowest price.
const START_MAX: i64 = 100_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::profile::PROFILES;
    use crate::testing::market;

    #[test]
    fn the_best_price_follows_the_orders() {
        let mut venue = Venue::new(&market(1));
        for price in [100, 102, 101] {
            venue.add(Side::Buy, Price(price));
        }
        assert_eq!(venue.best[0], 102);
        venue.remove(Side::Buy, Price(102));
        assert_eq!(venue.best[0], 101);
        venue.add(Side::Sell, Price(110));
        venue.add(Side::Sell, Price(108));
        assert_eq!(venue.best[1], 108);
        venue.remove(Side::Sell, Price(108));
        assert_eq!(venue.best[1], 110);
        assert_eq!(venue.resting(), 3);
    }

    #[test]
    fn passive_orders_do_not_cross_and_stay_in_the_market() {
        for profile in &PROFILES {
            let model = Model::new(profile, None);
            let mut venue = Venue::new(&market(1));
            let mut rng = Rng::new(3, 0);
            let mut live = Vec::new();
            for _ in 0..50_000 {
                let (side, price) = venue.passive(&model, &mut rng);
                let opposite = index(side.opposite());
                if venue.totals[opposite] > 0 {
                    assert!(
                        !side.crosses(price, Price(venue.best[opposite])),
                        "{}",
                        profile.name
                    );
                }
                assert!(price.0 >= venue.price_min && price.0 <= venue.price_max);
                venue.add(side, price);
                live.push((side, price));
                if live.len() > 500 {
                    let (side, price) = live.swap_remove(rng.below(500) as usize);
                    venue.remove(side, price);
                }
            }
        }
    }

    #[test]
    fn aggressive_orders_reach_the_other_side() {
        let model = Model::new(&PROFILES[2], None);
        let mut venue = Venue::new(&market(1));
        let start = venue.start;
        venue.add(Side::Buy, Price(start));
        venue.add(Side::Sell, Price(start + 1));
        let mut rng = Rng::new(3, 0);
        for _ in 0..1_000 {
            let (side, price) = venue.aggressive(&model, &mut rng);
            let opposite = start + i64::from(side == Side::Buy);
            assert!(side.crosses(price, Price(opposite)));
        }
    }
}
