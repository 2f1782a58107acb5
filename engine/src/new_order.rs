//! A new order: the checks, the match, and what becomes of the rest.

use crate::accounts::AccountSlot;
use crate::holds::check_notional;
use crate::level::Rank;
use crate::market::{Market, index, opposite};
use crate::orders::{Flags, Slot};
use crate::taker::{Owner, Taker};
use crate::{Accepted, Canceled, Event, EventSink, MarketSpec, NewOrder};
use souk_protocol::{
    CancelReason, MarketState, OrderId, OrderType, PostOnly, Price, Qty, RejectReason, Side,
    TimeInForce,
};

/// The most lots that may rest on one side: 2^63 - 1, so that sums of them cannot overflow.
pub(crate) const BOOK_QTY_MAX: Qty = Qty(i64::MAX as u64);

/// A new order that passed the checks.
#[derive(Clone, Copy)]
struct Admitted {
    /// After a slide the price it slid to.
    price: Price,
    /// The account's entry, if it has one.
    account: AccountSlot,
}

impl Market {
    #[inline(always)]
    pub(crate) fn new_order<S: EventSink>(
        &mut self,
        new: &NewOrder,
        sink: &mut S,
    ) -> Result<(), RejectReason> {
        let admitted = self.admit(new)?;
        if sink.takes_holds() {
            self.hold_new(new, admitted.price, sink)?;
        }
        let (slot, order_id) = self.open.orders.take();
        sink.on(Event::Accepted(Accepted {
            order_id,
            price: admitted.price,
        }));
        if self.sides[opposite(new.side)].best() <= self.limit(new.side, admitted.price) {
            self.take_and_rest(new, admitted, slot, order_id, sink);
        } else if new.time_in_force == TimeInForce::Gtc {
            self.rest(new, admitted, slot, new.qty, Qty(0));
        } else {
            let taker = taker_of(new, admitted, order_id, Rank::UNLIMITED);
            self.cancel_rest(&taker, slot, CancelReason::ImmediateOrCancel, sink);
        }
        Ok(())
    }

    /// A new order meets something within its limit.
    fn take_and_rest<S: EventSink>(
        &mut self,
        new: &NewOrder,
        admitted: Admitted,
        slot: Slot,
        order_id: OrderId,
        sink: &mut S,
    ) {
        let limit = self.limit(new.side, admitted.price);
        let mut taker = taker_of(new, admitted, order_id, limit);
        let stopped = self.match_taker(&mut taker, sink);
        if taker.leaves.0 == 0 {
            self.open.orders.free(slot);
        } else if stopped.is_none() && new.time_in_force == TimeInForce::Gtc {
            self.rest(new, admitted, slot, taker.leaves, taker.cum);
        } else {
            let reason = stopped.unwrap_or(CancelReason::ImmediateOrCancel);
            self.cancel_rest(&taker, slot, reason, sink);
        }
    }

    #[inline]
    fn cancel_rest<S: EventSink>(
        &mut self,
        taker: &Taker,
        slot: Slot,
        reason: CancelReason,
        sink: &mut S,
    ) {
        sink.on(Event::Canceled(Canceled {
            order: taker.view(),
            price: taker.price,
            reason,
        }));
        self.open.orders.free(slot);
    }

    /// Makes what is left of a new order a resting one.
    #[inline(always)]
    fn rest(&mut self, new: &NewOrder, admitted: Admitted, slot: Slot, leaves: Qty, cum: Qty) {
        let account = if admitted.account == AccountSlot::NONE {
            self.open.accounts.add(new.account)
        } else {
            admitted.account
        };
        let side = index(new.side);
        let rank = self.sides[side].rank(admitted.price);
        self.touch(new.side, rank);
        let before = self.sides[side].push(rank, slot, leaves);
        let earlier = self.open.accounts.push(account, slot);
        // An order without a neighbour is written here as its own, before its own line is.
        self.open.orders[before].next = slot;
        self.open.orders[earlier].account_next = slot;
        let order = &mut self.open.orders[slot];
        order.prev = before;
        order.account_prev = earlier;
        order.account = account;
        order.leaves = leaves;
        order.cum = cum;
        order.cl_ord_id = new.cl_ord_id;
        order.price = admitted.price;
        order.session = new.session;
        order.stp_group = new.stp_group;
        order.fee_tier = new.fee_tier;
        order.flags = Flags::new(new.side, new.post_only, new.stp_mode, new.stp_scope);
        if new.cl_ord_id.0 != 0 {
            let tag = self.open.key.client_id(new.account, new.cl_ord_id);
            self.open.clients.insert(tag, slot.0);
        }
        self.open.count += 1;
    }

    /// The checks of a new order, in their order, but for the last, which takes its hold.
    #[inline(always)]
    fn admit(&self, new: &NewOrder) -> Result<Admitted, RejectReason> {
        self.accepts_orders()?;
        check_terms(new)?;
        check_price(&self.spec, new.order_type, new.price)?;
        check_qty(&self.spec, new.qty)?;
        check_notional(&self.spec, new.price, new.qty, new.budget)?;
        let cl_ord_id = new.cl_ord_id;
        if cl_ord_id.0 != 0 && self.open.find_client(new.account, cl_ord_id).is_some() {
            return Err(RejectReason::DuplicateClOrdId);
        }
        let account = self.open.accounts.find(new.account);
        if new.time_in_force == TimeInForce::Gtc {
            self.check_room(new, account)?;
        }
        let price = self.post_only_price(new.side, new.post_only, new.price)?;
        let admitted = Admitted { price, account };
        if new.time_in_force == TimeInForce::Fok {
            self.check_fill(new, admitted)?;
        }
        Ok(admitted)
    }

    /// Check 10: a fill-or-kill order can be filled in full.
    #[cold]
    fn check_fill(&self, new: &NewOrder, admitted: Admitted) -> Result<(), RejectReason> {
        let limit = self.limit(new.side, admitted.price);
        let taker = taker_of(new, admitted, OrderId(0), limit);
        self.fillable(taker)
            .then_some(())
            .ok_or(RejectReason::FokUnfillable)
    }

    /// Whether the market's state lets orders in.
    #[inline]
    pub(crate) const fn accepts_orders(&self) -> Result<(), RejectReason> {
        match self.state {
            MarketState::Continuous => Ok(()),
            MarketState::Halted => Err(RejectReason::MarketHalted),
            MarketState::CancelOnly => Err(RejectReason::MarketCancelOnly),
        }
    }

    /// Check 7: there is room for an order that may rest.
    #[inline(always)]
    fn check_room(&self, new: &NewOrder, account: AccountSlot) -> Result<(), RejectReason> {
        if self.open.count >= self.spec.orders_max {
            return Err(RejectReason::TooManyOpenOrders);
        }
        if self.open.count_of(account) >= self.spec.account_orders_max {
            return Err(RejectReason::TooManyOpenOrdersOfAccount);
        }
        if self.sides[index(new.side)].qty().0 + new.qty.0 > BOOK_QTY_MAX.0 {
            return Err(RejectReason::BookQtyExceeded);
        }
        Ok(())
    }

    /// The worst rank of the other side that an order at `price` takes.
    #[inline]
    fn limit(&self, side: Side, price: Price) -> Rank {
        if price.0 == 0 {
            return Rank::UNLIMITED;
        }
        self.sides[opposite(side)].rank(price)
    }
}

#[inline]
const fn taker_of(new: &NewOrder, admitted: Admitted, order_id: OrderId, limit: Rank) -> Taker {
    Taker {
        order_id,
        cl_ord_id: new.cl_ord_id,
        account: new.account,
        session: new.session,
        side: new.side,
        leaves: new.qty,
        cum: Qty(0),
        price: admitted.price,
        limit,
        budget: if new.budget.0 == 0 {
            None
        } else {
            Some(new.budget)
        },
        stp_mode: new.stp_mode,
        owner: Owner::new(new.stp_mode, new.stp_scope, admitted.account, new.stp_group),
        fee_tier: new.fee_tier,
    }
}

/// Checks 2 and 3 of a new order: quantity and the table of combinations.
#[inline]
fn check_terms(new: &NewOrder) -> Result<(), RejectReason> {
    if new.qty.0 == 0 {
        return Err(RejectReason::QtyMustNotBeZero);
    }
    let gtc = new.time_in_force == TimeInForce::Gtc;
    let post_only = new.post_only != PostOnly::No;
    let budget = new.budget.0 != 0;
    match new.order_type {
        OrderType::Limit if budget || (post_only && !gtc) => {
            Err(RejectReason::UnsupportedCombination)
        }
        OrderType::Limit => Ok(()),
        OrderType::Market if gtc || post_only || (budget && new.side == Side::Sell) => {
            Err(RejectReason::UnsupportedCombination)
        }
        OrderType::Market if new.price.0 == 0 && !budget => Err(RejectReason::MarketOrderUnbounded),
        OrderType::Market => Ok(()),
    }
}

/// Check 4 of a new order, check 4 of a replace.
#[inline]
pub(crate) fn check_price(
    spec: &MarketSpec,
    order_type: OrderType,
    price: Price,
) -> Result<(), RejectReason> {
    let limit = order_type == OrderType::Limit;
    if limit && price.0 < 1 {
        return Err(RejectReason::PriceMustBePositive);
    }
    let inside = spec.price_min <= price && price <= spec.price_max;
    if !inside && (limit || price.0 != 0) {
        return Err(RejectReason::PriceOutOfRange);
    }
    Ok(())
}

/// Check 5 of a new order, check 5 of a replace.
#[inline]
pub(crate) fn check_qty(spec: &MarketSpec, qty: Qty) -> Result<(), RejectReason> {
    if qty < spec.qty_min || qty > spec.qty_max {
        return Err(RejectReason::QtyOutOfRange);
    }
    Ok(())
}
