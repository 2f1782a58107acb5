//! Replace: an order gets another price or quantity, and keeps its place only if nobody behind
//! it loses by that.

use crate::holds::check_notional;
use crate::market::{Market, index, opposite};
use crate::new_order::{BOOK_QTY_MAX, check_price, check_qty};
use crate::orders::Slot;
use crate::taker::{Owner, Taker};
use crate::{Canceled, Event, EventSink, ReplaceOrder, Replaced};
use souk_protocol::{Amount, CancelReason, ClOrdId, OrderType, Price, Qty, RejectReason};

/// What a replace that passed the checks does.
enum Change {
    /// As much has been executed already: the order is canceled.
    BelowExecuted,
    /// The order stays where it is, with these leaves.
    Kept(Qty),
    /// The order takes at this price, after a slide, and what is left of these leaves rests.
    Lost(Price, Qty),
}

impl Market {
    pub(crate) fn replace<S: EventSink>(
        &mut self,
        replace: &ReplaceOrder,
        sink: &mut S,
    ) -> Result<(), RejectReason> {
        self.accepts_orders()?;
        let slot = self.open.find(replace.account, replace.order)?;
        match self.check_replace(replace, slot)? {
            Change::BelowExecuted => {
                self.cancel_resting(slot, CancelReason::ReplacedBelowExecuted, sink);
            }
            Change::Kept(leaves) => self.keep(replace, slot, leaves, sink),
            Change::Lost(price, leaves) => {
                if sink.takes_holds() {
                    self.hold_more(slot, price, leaves, sink)?;
                }
                self.requeue(replace, slot, price, leaves, sink);
            }
        }
        Ok(())
    }

    /// The checks from the third on, but for the last, which takes a hold.
    #[inline]
    fn check_replace(&self, replace: &ReplaceOrder, slot: Slot) -> Result<Change, RejectReason> {
        if replace.total_qty.0 == 0 {
            return Err(RejectReason::QtyMustNotBeZero);
        }
        check_price(&self.spec, OrderType::Limit, replace.price)?;
        check_qty(&self.spec, replace.total_qty)?;
        check_notional(&self.spec, replace.price, replace.total_qty, Amount(0))?;
        let cl_ord_id = replace.cl_ord_id;
        if cl_ord_id.0 != 0 {
            let carrier = self.open.find_client(replace.account, cl_ord_id);
            if carrier.is_some_and(|carrier| carrier != slot) {
                return Err(RejectReason::DuplicateClOrdId);
            }
        }
        let order = &self.open.orders[slot];
        if replace.total_qty <= order.cum {
            return Ok(Change::BelowExecuted);
        }
        let leaves = Qty(replace.total_qty.0 - order.cum.0);
        if replace.price == order.price && leaves <= order.leaves {
            return Ok(Change::Kept(leaves));
        }
        let side = order.flags.side();
        let others = self.sides[index(side)].qty().0 - order.leaves.0;
        if others + leaves.0 > BOOK_QTY_MAX.0 {
            return Err(RejectReason::BookQtyExceeded);
        }
        let price = self.post_only_price(side, order.flags.post_only(), replace.price)?;
        Ok(Change::Lost(price, leaves))
    }

    fn keep<S: EventSink>(
        &mut self,
        replace: &ReplaceOrder,
        slot: Slot,
        leaves: Qty,
        sink: &mut S,
    ) {
        let order = &self.open.orders[slot];
        let (side, price) = (order.flags.side(), order.price);
        let less = Qty(order.leaves.0 - leaves.0);
        let rank = self.sides[index(side)].rank(price);
        self.touch(side, rank);
        self.sides[index(side)].reduce(rank, less);
        self.change(replace, slot, price, leaves, true, sink);
    }

    #[inline]
    fn requeue<S: EventSink>(
        &mut self,
        replace: &ReplaceOrder,
        slot: Slot,
        price: Price,
        leaves: Qty,
        sink: &mut S,
    ) {
        let order = self.open.orders[slot];
        let side = order.flags.side();
        self.dequeue(slot, &order);
        self.change(replace, slot, price, leaves, false, sink);
        let book = &self.sides[opposite(side)];
        if book.best() <= book.rank(price) {
            self.take_and_rest_again(slot, sink);
        } else {
            self.enqueue(slot, side, price, leaves);
        }
    }

    /// An order that lost its priority and is in no queue meets something within its limit.
    fn take_and_rest_again<S: EventSink>(&mut self, slot: Slot, sink: &mut S) {
        let mut taker = self.taker_of_resting(slot);
        let stopped = self.match_taker(&mut taker, sink);
        if let Some(reason) = stopped {
            sink.on(Event::Canceled(Canceled {
                order: taker.view(),
                price: taker.price,
                reason,
            }));
        }
        let order = &mut self.open.orders[slot];
        order.leaves = taker.leaves;
        order.cum = taker.cum;
        let order = *order;
        if stopped.is_some() || taker.leaves.0 == 0 {
            self.open.close(slot, &order, taker.account);
        } else {
            self.enqueue(slot, taker.side, order.price, taker.leaves);
        }
    }

    /// Writes the new terms into the order and tells of them.
    #[inline]
    fn change<S: EventSink>(
        &mut self,
        replace: &ReplaceOrder,
        slot: Slot,
        price: Price,
        leaves: Qty,
        kept_priority: bool,
        sink: &mut S,
    ) {
        let before = self.open.orders[slot];
        let orig_cl_ord_id = before.cl_ord_id;
        if replace.cl_ord_id.0 != 0 && replace.cl_ord_id != orig_cl_ord_id {
            self.rename(replace, slot, orig_cl_ord_id);
        }
        let order = &mut self.open.orders[slot];
        order.session = replace.session;
        order.price = price;
        order.leaves = leaves;
        sink.on(Event::Replaced(Replaced {
            order: self.open.view(slot),
            orig_cl_ord_id,
            price,
            old_price: before.price,
            old_leaves: before.leaves,
            kept_priority,
        }));
    }

    #[inline]
    fn rename(&mut self, replace: &ReplaceOrder, slot: Slot, orig_cl_ord_id: ClOrdId) {
        if orig_cl_ord_id.0 != 0 {
            let tag = self.open.key.client_id(replace.account, orig_cl_ord_id);
            self.open.clients.remove(tag, slot.0);
        }
        let tag = self.open.key.client_id(replace.account, replace.cl_ord_id);
        self.open.clients.insert(tag, slot.0);
        self.open.orders[slot].cl_ord_id = replace.cl_ord_id;
    }

    #[inline]
    fn taker_of_resting(&self, slot: Slot) -> Taker {
        let order = &self.open.orders[slot];
        let side = order.flags.side();
        let (stp_mode, stp_scope) = (order.flags.stp_mode(), order.flags.stp_scope());
        Taker {
            order_id: self.open.orders.id(slot),
            cl_ord_id: order.cl_ord_id,
            account: self.open.accounts[order.account].id,
            session: order.session,
            side,
            leaves: order.leaves,
            cum: order.cum,
            price: order.price,
            limit: self.sides[opposite(side)].rank(order.price),
            budget: None,
            stp_mode,
            owner: Owner::new(stp_mode, stp_scope, order.account, order.stp_group),
            fee_tier: order.fee_tier,
        }
    }
}
