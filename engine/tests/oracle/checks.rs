//! Section 3 of `RULES.md`: the checks, in the order in which they are written there.

use super::{Oracle, Order};
use souk_engine::{NewOrder, OrderRef, ReplaceOrder};
use souk_protocol::{
    AccountId, MarketState, OrderType, PostOnly, Price, Qty, RejectReason, Side, TimeInForce,
};

/// The most lots that may rest on one side.
const SIDE_QTY_MAX: u128 = (1 << 63) - 1;

impl Oracle {
    /// New: gives the effective price.
    pub(super) fn check_new(&self, new: &NewOrder) -> Result<Price, RejectReason> {
        // 1
        self.check_state()?;
        // 2
        if new.qty.0 == 0 {
            return Err(RejectReason::QtyMustNotBeZero);
        }
        // 3
        if !supported(new) {
            return Err(RejectReason::UnsupportedCombination);
        }
        if new.order_type == OrderType::Market && new.price.0 == 0 && new.budget.0 == 0 {
            return Err(RejectReason::MarketOrderUnbounded);
        }
        // 4
        if new.order_type == OrderType::Limit && new.price.0 < 1 {
            return Err(RejectReason::PriceMustBePositive);
        }
        if new.price.0 != 0 && !self.price_in_range(new.price) {
            return Err(RejectReason::PriceOutOfRange);
        }
        // 5
        self.check_qty(new.qty)?;
        // 6
        self.check_notional(new.price, new.qty, u128::from(new.budget.0))?;
        // 7
        if new.cl_ord_id.0 != 0
            && (self.orders.iter())
                .any(|o| o.account == new.account && o.cl_ord_id == new.cl_ord_id)
        {
            return Err(RejectReason::DuplicateClOrdId);
        }
        // 8
        if new.time_in_force == TimeInForce::Gtc {
            self.check_room(new)?;
        }
        // 9
        let price = self.check_post_only(new.post_only, new.side, new.price)?;
        // 10
        if new.time_in_force == TimeInForce::Fok && !self.fillable(new) {
            return Err(RejectReason::FokUnfillable);
        }
        // 11
        self.check_hold_of_new(new, price)?;
        Ok(price)
    }

    /// New 8.
    fn check_room(&self, new: &NewOrder) -> Result<(), RejectReason> {
        if self.orders.len() >= self.spec.orders_max as usize {
            return Err(RejectReason::TooManyOpenOrders);
        }
        let of_account = (self.orders.iter())
            .filter(|o| o.account == new.account)
            .count();
        if of_account >= self.spec.account_orders_max as usize {
            return Err(RejectReason::TooManyOpenOrdersOfAccount);
        }
        if self.side_qty(new.side) + u128::from(new.qty.0) > SIDE_QTY_MAX {
            return Err(RejectReason::BookQtyExceeded);
        }
        Ok(())
    }

    /// New 9: gives the effective price.
    fn check_post_only(
        &self,
        post_only: PostOnly,
        side: Side,
        price: Price,
    ) -> Result<Price, RejectReason> {
        let Some(opposite) = self.best(side.opposite()) else {
            return Ok(price);
        };
        let (crosses, beside) = match side {
            Side::Buy => (opposite <= price, Price(opposite.0 - 1)),
            Side::Sell => (opposite >= price, Price(opposite.0 + 1)),
        };
        match post_only {
            PostOnly::Reject if crosses => Err(RejectReason::PostOnlyWouldCross),
            PostOnly::Slide if crosses && !self.price_in_range(beside) => {
                Err(RejectReason::PostOnlyWouldCross)
            }
            PostOnly::Slide if crosses => Ok(beside),
            PostOnly::No | PostOnly::Reject | PostOnly::Slide => Ok(price),
        }
    }

    /// Cancel 2 and 3: gives the order's place in the flat list.
    pub fn find(&self, account: AccountId, of: OrderRef) -> Result<usize, RejectReason> {
        if (of.order_id.0 != 0) == (of.cl_ord_id.0 != 0) {
            return Err(RejectReason::OrderReferenceMissing);
        }
        let named = |o: &Order| {
            if of.order_id.0 != 0 {
                o.order_id == of.order_id
            } else {
                o.cl_ord_id == of.cl_ord_id
            }
        };
        (self.orders.iter())
            .position(|o| o.account == account && named(o))
            .ok_or(RejectReason::UnknownOrder)
    }

    /// Replace: gives the order's place in the flat list and the effective price.
    pub(super) fn check_replace(
        &self,
        replace: &ReplaceOrder,
    ) -> Result<(usize, Price), RejectReason> {
        // 1
        self.check_state()?;
        // 2
        let index = self.find(replace.account, replace.order)?;
        let order = &self.orders[index];
        // 3
        if replace.total_qty.0 == 0 {
            return Err(RejectReason::QtyMustNotBeZero);
        }
        // 4
        if replace.price.0 < 1 {
            return Err(RejectReason::PriceMustBePositive);
        }
        if !self.price_in_range(replace.price) {
            return Err(RejectReason::PriceOutOfRange);
        }
        // 5
        self.check_qty(replace.total_qty)?;
        // 6
        self.check_notional(replace.price, replace.total_qty, 0)?;
        // 7
        if replace.cl_ord_id.0 != 0
            && (self.orders.iter()).any(|o| {
                o.account == replace.account
                    && o.cl_ord_id == replace.cl_ord_id
                    && o.order_id != order.order_id
            })
        {
            return Err(RejectReason::DuplicateClOrdId);
        }
        // 8
        if replace.total_qty > order.cum && !self.keeps_priority(order, replace) {
            let leaves_new = u128::from(replace.total_qty.0 - order.cum.0);
            if self.side_qty(order.side) - u128::from(order.leaves.0) + leaves_new > SIDE_QTY_MAX {
                return Err(RejectReason::BookQtyExceeded);
            }
            let price = self.check_post_only(order.post_only, order.side, replace.price)?;
            // 9
            let leaves = Qty(replace.total_qty.0 - order.cum.0);
            self.check_hold_of_replace(order, price, leaves)?;
            return Ok((index, price));
        }
        Ok((index, replace.price))
    }

    /// Section 7.2, for a `total_qty` above `cum`.
    pub(super) fn keeps_priority(&self, order: &Order, replace: &ReplaceOrder) -> bool {
        replace.price == order.price && replace.total_qty.0 - order.cum.0 <= order.leaves.0
    }

    /// New 1 and Replace 1.
    fn check_state(&self) -> Result<(), RejectReason> {
        match self.state {
            MarketState::Continuous => Ok(()),
            MarketState::Halted => Err(RejectReason::MarketHalted),
            MarketState::CancelOnly => Err(RejectReason::MarketCancelOnly),
        }
    }

    fn price_in_range(&self, price: Price) -> bool {
        self.spec.price_min <= price && price <= self.spec.price_max
    }

    fn check_qty(&self, qty: Qty) -> Result<(), RejectReason> {
        if qty < self.spec.qty_min || qty > self.spec.qty_max {
            return Err(RejectReason::QtyOutOfRange);
        }
        Ok(())
    }

    /// New 6 and Replace 6.
    fn check_notional(&self, price: Price, qty: Qty, budget: u128) -> Result<(), RejectReason> {
        let notional = if price.0 == 0 {
            budget
        } else {
            self.cost(price, qty.0)
        };
        let (min, max) = (self.spec.notional_min.0, self.spec.notional_max.0);
        if notional < u128::from(min) || (max != 0 && notional > u128::from(max)) {
            return Err(RejectReason::NotionalOutOfRange);
        }
        Ok(())
    }

    fn side_qty(&self, side: Side) -> u128 {
        (self.orders.iter())
            .filter(|o| o.side == side)
            .map(|o| u128::from(o.leaves.0))
            .sum()
    }
}

/// New 3: the table of combinations.
fn supported(new: &NewOrder) -> bool {
    let gtc = new.time_in_force == TimeInForce::Gtc;
    let plain = new.post_only == PostOnly::No;
    let without_budget = new.budget.0 == 0;
    match (new.order_type, new.side) {
        (OrderType::Limit, _) => without_budget && (gtc || plain),
        (OrderType::Market, Side::Buy) => !gtc && plain,
        (OrderType::Market, Side::Sell) => !gtc && plain && without_budget,
    }
}
