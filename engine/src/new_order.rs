//! A new order: the checks, the match, and what becomes of the rest.

use crate::accounts::AccountSlot;
use crate::level::Rank;
use crate::market::{Market, index};
use crate::matching::Taker;
use crate::orders::Flags;
use crate::{Accepted, Canceled, Event, EventSink, MarketSpec, NewOrder};
use souk_protocol::{
    CancelReason, MarketState, OrderType, PostOnly, Price, Qty, RejectReason, Side, TimeInForce,
};

/// The most lots that may rest on one side: 2^63 - 1, so that sums of them cannot overflow.
pub(crate) const BOOK_QTY_MAX: Qty = Qty(i64::MAX as u64);

/// A new order that passed the checks.
struct Admitted {
    /// After a slide the price it slid to.
    price: Price,
    taker: Taker,
}

impl Market {
    pub(crate) fn new_order<S: EventSink>(
        &mut self,
        new: &NewOrder,
        sink: &mut S,
    ) -> Result<(), RejectReason> {
        let Admitted { price, mut taker } = self.admit(new)?;
        let slot = self.orders.take();
        taker.order_id = self.orders.id(slot);
        sink.on(Event::Accepted(Accepted {
            order_id: taker.order_id,
            price,
        }));
        let stopped = self.match_taker(&mut taker, sink);
        if taker.leaves.0 == 0 {
            self.orders.free(slot);
            return Ok(());
        }
        if stopped.is_none() && new.time_in_force == TimeInForce::Gtc {
            self.rest(new, price, &taker, slot);
            return Ok(());
        }
        sink.on(Event::Canceled(Canceled {
            order: taker.view(),
            reason: stopped.unwrap_or(CancelReason::ImmediateOrCancel),
        }));
        self.orders.free(slot);
        Ok(())
    }

    /// Makes what is left of a new order a resting one.
    #[inline]
    fn rest(&mut self, new: &NewOrder, price: Price, taker: &Taker, slot: crate::orders::Slot) {
        let account = if taker.account_slot == AccountSlot::NONE {
            self.accounts.add(new.account)
        } else {
            taker.account_slot
        };
        let order = &mut self.orders[slot];
        order.leaves = taker.leaves;
        order.cum = taker.cum;
        order.cl_ord_id = new.cl_ord_id;
        order.price = price;
        order.session = new.session;
        order.stp_group = new.stp_group;
        order.flags = Flags::new(new.side, new.post_only, new.stp_mode, new.stp_scope);
        self.accounts.link(&mut self.orders, account, slot);
        self.enqueue(slot, new.side, price);
        if new.cl_ord_id.0 != 0 {
            let hash = self.key.client_id(new.account, new.cl_ord_id);
            self.clients.insert(hash, slot.0);
        }
        self.open_orders += 1;
    }

    /// The checks of a new order, in their order.
    #[inline]
    fn admit(&self, new: &NewOrder) -> Result<Admitted, RejectReason> {
        self.accepts_orders()?;
        check_terms(new)?;
        check_price(&self.spec, new.order_type, new.price)?;
        check_qty(&self.spec, new.qty)?;
        let cl_ord_id = new.cl_ord_id;
        if cl_ord_id.0 != 0 && self.find_client(new.account, cl_ord_id).is_some() {
            return Err(RejectReason::DuplicateClOrdId);
        }
        let account_slot = self.accounts.find(new.account);
        if new.time_in_force == TimeInForce::Gtc {
            self.check_room(new, account_slot)?;
        }
        let price = self.post_only_price(new.side, new.post_only, new.price)?;
        let taker = self.taker_of(new, price, account_slot);
        if new.time_in_force == TimeInForce::Fok && !self.fillable(&taker) {
            return Err(RejectReason::FokUnfillable);
        }
        Ok(Admitted { price, taker })
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

    #[inline]
    fn check_room(&self, new: &NewOrder, account: AccountSlot) -> Result<(), RejectReason> {
        if self.open_orders >= self.spec.orders_max {
            return Err(RejectReason::TooManyOpenOrders);
        }
        if self.open_orders_of(account) >= self.spec.account_orders_max {
            return Err(RejectReason::TooManyOpenOrdersOfAccount);
        }
        if self.sides[index(new.side)].qty().0 + new.qty.0 > BOOK_QTY_MAX.0 {
            return Err(RejectReason::BookQtyExceeded);
        }
        Ok(())
    }

    #[inline]
    fn taker_of(&self, new: &NewOrder, price: Price, account_slot: AccountSlot) -> Taker {
        let unlimited = price.0 == 0;
        let limit = if unlimited {
            Rank::UNLIMITED
        } else {
            self.sides[index(new.side.opposite())].rank(price)
        };
        Taker {
            order_id: souk_protocol::OrderId(0),
            cl_ord_id: new.cl_ord_id,
            account: new.account,
            account_slot,
            session: new.session,
            side: new.side,
            leaves: new.qty,
            cum: Qty(0),
            limit,
            budget: (new.budget.0 != 0).then_some(new.budget),
            stp_mode: new.stp_mode,
            stp_scope: new.stp_scope,
            stp_group: new.stp_group,
        }
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
