//! Draws single fields: which order is meant, prices, quantities, ids.

use super::generate::{Generator, by_order_id};
use super::profile::{ClOrdIds, Sizes};
use crate::oracle::{Oracle, Order};
use souk_engine::OrderRef;
use souk_protocol::{AccountId, ClOrdId, OrderId, Price, Qty, SessionId, Side, StpGroup};

impl Generator {
    /// Names an order: mostly an open one of its account, sometimes anything else.
    pub(super) fn reference(&mut self, oracle: &Oracle) -> (AccountId, OrderRef) {
        if oracle.orders.is_empty() || self.rng.percent(self.profile.stale_percent) {
            return self.wrong_reference(oracle);
        }
        let order = &oracle.orders[self.rng.index(oracle.orders.len())];
        if order.cl_ord_id.0 != 0 && self.rng.percent(40) {
            let cl_ord_id = order.cl_ord_id;
            return (
                order.account,
                OrderRef {
                    order_id: OrderId(0),
                    cl_ord_id,
                },
            );
        }
        (order.account, by_order_id(order))
    }

    fn wrong_reference(&mut self, oracle: &Oracle) -> (AccountId, OrderRef) {
        let mut account = self.account();
        let mut of = OrderRef::default();
        match self.rng.below(9) {
            0..4 if !self.issued.is_empty() => {
                (of.order_id, account) = self.rng.pick(&self.issued);
            }
            4 if !oracle.orders.is_empty() => {
                // Right slot, wrong generation.
                let order = &oracle.orders[self.rng.index(oracle.orders.len())];
                account = order.account;
                let other = self.rng.pick(&[1, u64::MAX, 1 << 31]);
                of.order_id = OrderId(order.order_id.0.wrapping_add(other << 32));
            }
            5 if !oracle.orders.is_empty() => {
                // Another account's.
                of = by_order_id(&oracle.orders[self.rng.index(oracle.orders.len())]);
            }
            6 => of.order_id = OrderId(self.rng.pick(&[1, u64::MAX, 1 << 32, (1 << 32) + 100_000])),
            7 => {
                of.order_id = OrderId(1 << 32);
                of.cl_ord_id = ClOrdId(1);
                if self.rng.percent(50) {
                    of = OrderRef::default();
                }
            }
            _ => of.cl_ord_id = ClOrdId(1 + self.rng.below(self.cl_ord_ids + 8)),
        }
        (account, of)
    }

    pub(super) fn price(&mut self, oracle: &Oracle, side: Side) -> Price {
        let spec = self.profile.spec;
        let (low, high) = (spec.price_min.0, spec.price_max.0);
        if self.rng.percent(self.profile.outlier_percent) {
            let near = self.rng.magnitude(high.abs_diff(low) + 1).cast_signed() - 1;
            let near_mid = self
                .rng
                .pick(&[self.mid.saturating_add(near), self.mid - near]);
            return Price(
                self.rng
                    .pick(&[low, high, low + near, near_mid.clamp(low, high)]),
            );
        }
        let away = self.rng.below(self.profile.band).cast_signed();
        let crossing = self.rng.percent(self.profile.crossing_percent);
        let price = match (self.rng.below(10), side) {
            (0, _) if !oracle.orders.is_empty() => {
                oracle.orders[self.rng.index(oracle.orders.len())].price.0
            }
            (1, _) => self.touch(oracle, side),
            (2, _) => self.touch(oracle, side.opposite()),
            (_, Side::Buy) if crossing => self.mid + away,
            (_, Side::Sell) if crossing => self.mid - away,
            (_, Side::Buy) => self.mid - 1 - away,
            (_, Side::Sell) => self.mid + away,
        };
        Price(price.clamp(low, high))
    }

    /// The best price of a side, or one tick beside it.
    pub(super) fn touch(&mut self, oracle: &Oracle, side: Side) -> i64 {
        oracle.best(side).map_or(self.mid, |p| p.0) + self.rng.pick(&[0, 0, 1, -1])
    }

    pub(super) fn qty(&mut self) -> Qty {
        let (low, high) = (self.profile.spec.qty_min.0, self.profile.spec.qty_max.0);
        let qty = match self.profile.sizes {
            Sizes::One => low,
            Sizes::UpTo(most) => low + self.rng.below(most),
            Sizes::Magnitudes => self.rng.magnitude(high),
            Sizes::Bounds => self.rng.pick(&[
                low,
                low + 1,
                low + 2,
                high,
                high - 1,
                high / 2,
                high / 2 + 1,
            ]),
        };
        Qty(qty.clamp(low, high))
    }

    pub(super) fn cl_ord_id(&mut self, oracle: &Oracle, account: AccountId) -> ClOrdId {
        if self.rng.percent(2) {
            let mine: Vec<&Order> = oracle
                .orders
                .iter()
                .filter(|o| o.account == account)
                .collect();
            if !mine.is_empty() {
                return mine[self.rng.index(mine.len())].cl_ord_id;
            }
        }
        ClOrdId(match self.profile.cl_ord_ids {
            ClOrdIds::None => 0,
            _ if self.rng.percent(10) => 0,
            ClOrdIds::Counted => {
                self.cl_ord_ids += 1;
                self.cl_ord_ids
            }
            ClOrdIds::Pool(_) if self.rng.percent(2) => {
                self.rng.pick(&[u64::MAX, 1 << 63, 1 << 32])
            }
            ClOrdIds::Pool(size) => 1 + self.rng.below(size),
        })
    }

    pub(super) fn accounts(&self) -> u64 {
        self.profile.groups.len() as u64
    }

    pub(super) fn account(&mut self) -> AccountId {
        let accounts = self.accounts();
        AccountId(u32::try_from(1 + self.rng.below(accounts)).expect("few accounts"))
    }

    pub(super) fn group(&mut self, account: AccountId) -> StpGroup {
        if self.profile.regroup && self.rng.percent(10) {
            return StpGroup(self.rng.pick(&[0, 1, 2, u16::MAX]));
        }
        StpGroup(self.profile.groups[account.0 as usize - 1])
    }

    pub(super) fn session(&mut self) -> SessionId {
        SessionId(u32::try_from(self.rng.below(self.profile.sessions)).expect("at most 2^32 - 1"))
    }
}
