//! Sections 5 and 6 of `RULES.md`: matching, and fill or kill.

use super::{Oracle, Order};
use souk_engine::{Event, NewOrder, SelfTradePrevented, Trade};
use souk_protocol::{
    AccountId, CancelReason, MatchId, Price, Qty, Side, StpGroup, StpMode, StpScope,
};

impl Oracle {
    /// Section 5. Gives the reason for which what is left of the taker is canceled, if there is
    /// one.
    pub(super) fn match_taker(
        &mut self,
        taker: &mut Order,
        limit: Option<Price>,
        mut budget: Option<u128>,
        events: &mut Vec<Event>,
    ) -> Option<CancelReason> {
        while taker.leaves.0 > 0 {
            let index = self.best_order(taker.side.opposite())?;
            let price = self.orders[index].price;
            if beyond(limit, taker.side, price) {
                return None;
            }
            // 1
            let mut want = taker.leaves.0;
            if let Some(left) = budget {
                let affordable = left / self.cost(price, 1);
                if affordable == 0 {
                    return Some(CancelReason::BudgetSpent);
                }
                want = u64::try_from(affordable.min(u128::from(want))).expect("at most want");
            }
            let q = want.min(self.orders[index].leaves.0);
            // 2
            let owner = (taker.account, taker.stp_scope, taker.stp_group);
            if same_owner(owner, &self.orders[index]) {
                match taker.stp_mode {
                    StpMode::None => {}
                    StpMode::CancelNewest => return Some(CancelReason::SelfTrade),
                    StpMode::CancelOldest => {
                        self.resting_canceled(index, CancelReason::SelfTrade, events);
                        continue;
                    }
                    StpMode::CancelBoth => {
                        self.resting_canceled(index, CancelReason::SelfTrade, events);
                        return Some(CancelReason::SelfTrade);
                    }
                    StpMode::DecrementAndCancel => {
                        taker.leaves.0 -= q;
                        self.orders[index].leaves.0 -= q;
                        budget = budget.map(|left| left - self.cost(price, q));
                        events.push(Event::SelfTradePrevented(SelfTradePrevented {
                            qty: Qty(q),
                            price,
                            maker: self.orders[index].view(),
                            taker: taker.view(),
                        }));
                        self.gone_if_empty(index);
                        continue;
                    }
                }
            }
            // 3
            self.matches += 1;
            taker.leaves.0 -= q;
            taker.cum.0 += q;
            self.orders[index].leaves.0 -= q;
            self.orders[index].cum.0 += q;
            budget = budget.map(|left| left - self.cost(price, q));
            events.push(Event::Trade(Trade {
                match_id: MatchId(self.matches),
                price,
                qty: Qty(q),
                maker: self.orders[index].view(),
                taker: taker.view(),
            }));
            let maker = self.orders[index].clone();
            self.pay(&maker, taker, price, q);
            self.gone_if_empty(index);
        }
        None
    }

    /// Section 6: whether the order can be filled in full at once.
    pub(super) fn fillable(&self, new: &NewOrder) -> bool {
        let limit = (new.price.0 != 0).then_some(new.price);
        let mut budget = (new.budget.0 != 0).then_some(u128::from(new.budget.0));
        let mut needed = new.qty.0;
        for maker in self.ranked(new.side.opposite()) {
            if needed == 0 || beyond(limit, new.side, maker.price) {
                break;
            }
            if same_owner((new.account, new.stp_scope, new.stp_group), maker) {
                match new.stp_mode {
                    StpMode::None => {}
                    StpMode::CancelOldest => continue,
                    StpMode::CancelNewest | StpMode::CancelBoth | StpMode::DecrementAndCancel => {
                        return false;
                    }
                }
            }
            let q = needed.min(maker.leaves.0);
            if let Some(left) = budget {
                if left / self.cost(maker.price, 1) < u128::from(q) {
                    return false;
                }
                budget = Some(left - self.cost(maker.price, q));
            }
            needed -= q;
        }
        needed == 0
    }

    /// The best order of a side: best price, then lowest priority number.
    fn best_order(&self, side: Side) -> Option<usize> {
        (0..self.orders.len())
            .filter(|&i| self.orders[i].side == side)
            .min_by_key(|&i| self.orders[i].rank())
    }

    /// What `qty` lots cost at `price`, in smallest units of the quote currency.
    pub fn cost(&self, price: Price, qty: u64) -> u128 {
        let price = u128::try_from(price.0).expect("a price is not negative");
        price * u128::from(self.spec.notional_unit) * u128::from(qty)
    }

    fn gone_if_empty(&mut self, index: usize) {
        if self.orders[index].leaves.0 == 0 {
            self.resting_gone(index);
        }
    }
}

impl Order {
    /// Section 1: orders of one side are ranked by this, lowest first.
    pub(super) fn rank(&self) -> (i64, u64) {
        match self.side {
            Side::Buy => (-self.price.0, self.priority),
            Side::Sell => (self.price.0, self.priority),
        }
    }
}

/// Whether a maker's price is not within the taker's limit.
fn beyond(limit: Option<Price>, taker: Side, maker: Price) -> bool {
    match (limit, taker) {
        (None, _) => false,
        (Some(limit), Side::Buy) => maker > limit,
        (Some(limit), Side::Sell) => maker < limit,
    }
}

/// Section 5.2: whether the maker's owner is the taker's.
fn same_owner((account, scope, group): (AccountId, StpScope, StpGroup), maker: &Order) -> bool {
    maker.account == account
        || (scope == StpScope::Group && group.0 != 0 && maker.stp_group == group)
}
