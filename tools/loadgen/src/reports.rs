//! What a report means for the stream it belongs to, and whether it can be true.

use souk_protocol::message::{
    Accepted, Canceled, MassCanceled, OrderStatus, Rejected, Replaced, SelfTradePrevented, Trade,
};
use souk_protocol::{
    AccountId, Block, CancelReason, ClOrdId, FieldError, Frame, HEADER_LEN, Liquidity, OrderId,
    Qty, RejectReason, Side,
};

use crate::orders::Phase;
use crate::stream::{Common, Kind, MarketView, Stream};
use crate::verify::Fault;

/// The order a report names.
struct Named {
    cl_ord_id: ClOrdId,
    order_id: OrderId,
    account: AccountId,
    side: Side,
}

macro_rules! named {
    ($report:expr) => {
        Named {
            cl_ord_id: $report.cl_ord_id,
            order_id: $report.order_id,
            account: $report.account,
            side: $report.side,
        }
    };
}

impl Stream {
    /// Takes a report of this stream's market.
    ///
    /// # Errors
    /// When the frame's fields break a rule of the protocol.
    #[inline]
    pub fn report(
        &mut self,
        common: &mut Common,
        view: &mut MarketView,
        frame: &Frame<'_>,
        now: u64,
    ) -> Result<(), FieldError> {
        self.note_report_seq(common, frame.header.seq);
        match frame.header.template_id {
            Accepted::TEMPLATE => self.accepted(common, view, &block(frame)?, now),
            Canceled::TEMPLATE => self.canceled(common, view, &block(frame)?, now),
            Trade::TEMPLATE => self.trade(common, view, &block(frame)?),
            Rejected::TEMPLATE => self.rejected(common, &block(frame)?, now),
            Replaced::TEMPLATE => self.replaced(common, view, &block(frame)?, now),
            SelfTradePrevented::TEMPLATE => self.prevented(common, view, &block(frame)?),
            // This program sends neither mass cancels nor status requests while it measures.
            template @ (MassCanceled::TEMPLATE | OrderStatus::TEMPLATE) => {
                common.faults.note(
                    Fault::AnswerForNothing,
                    format_args!("market {}: template {template}", self.market),
                );
            }
            _ => {
                return Err(FieldError {
                    reason: RejectReason::UnknownTemplate,
                    offset: 4,
                });
            }
        }
        self.settle();
        Ok(())
    }

    #[inline]
    fn accepted(
        &mut self,
        common: &mut Common,
        view: &mut MarketView,
        report: &Accepted,
        now: u64,
    ) {
        let Some(sent) = self.answer(common, report.client_seq, now) else {
            return;
        };
        let slot = sent.slot;
        if sent.kind != Kind::New || report.cl_ord_id != sent.cl_ord_id {
            return self.misfit(common, report.client_seq, "Accepted");
        }
        let order = self.orders.at(slot);
        let (side, price, immediate) = (order.side, order.price, order.immediate);
        let fits = report.side == side
            && report.qty == order.leaves
            && report.price == price
            && self.accounts()[order.account as usize] == report.account;
        if !fits && common.strict {
            common.faults.note(
                Fault::WrongTerms,
                format_args!("market {}: {report:?}", self.market),
            );
        }
        self.orders.accepted(slot, report.order_id, price);
        if !immediate {
            view.venue.add(side, price);
        } else if !common.strict {
            // An echo has no further report for an order that is immediate or cancel.
            self.orders.end(slot);
        }
    }

    #[inline]
    fn canceled(
        &mut self,
        common: &mut Common,
        view: &mut MarketView,
        report: &Canceled,
        now: u64,
    ) {
        match (report.reason, self.waiting_kind(report.client_seq)) {
            (CancelReason::ByRequest, Some(Kind::Cancel))
            | (CancelReason::ReplacedBelowExecuted, Some(Kind::Replace)) => {
                let _ = self.answer(common, report.client_seq, now);
            }
            (CancelReason::ByRequest | CancelReason::ReplacedBelowExecuted, _) => {
                // Notes why it is no answer.
                let _ = self.answer(common, report.client_seq, now);
            }
            _ => self.led_to(common, report.client_seq),
        }
        let Some(slot) = self.order_of(common, &named!(report), "Canceled") else {
            return;
        };
        let order = self.orders.at(slot);
        if common.strict && (report.qty != order.leaves || report.cum != order.cum) {
            self.wrong_sum(common, slot, &format!("{report:?}"));
        }
        self.gone(view, slot);
    }

    #[inline]
    fn trade(&mut self, common: &mut Common, view: &mut MarketView, report: &Trade) {
        self.led_to(common, report.client_seq);
        if report.liquidity == Liquidity::Taker {
            common.tally.trades += 1;
        }
        let fresh = view
            .matches
            .note(report.match_id, report.liquidity, report.price, report.qty);
        if !fresh {
            common.faults.note(
                Fault::MatchTwice,
                format_args!("market {}: {report:?}", self.market),
            );
        }
        let Some(slot) = self.order_of(common, &named!(report), "Trade") else {
            return;
        };
        let order = self.orders.at_mut(slot);
        let maker = report.liquidity == Liquidity::Maker;
        let within = order.side.crosses(order.price, report.price);
        let price_fits = within && (!maker || report.price == order.price);
        let leaves = order.leaves.0.checked_sub(report.qty.0);
        let cum = order.cum.0.checked_add(report.qty.0);
        let adds_up =
            leaves == Some(report.leaves.0) && cum == Some(report.cum.0) && report.qty.0 > 0;
        order.leaves = report.leaves;
        order.cum = report.cum;
        let account = order.account as usize;
        self.note_money(common, account, report);
        if !price_fits {
            common.faults.note(
                Fault::WrongTerms,
                format_args!("market {}: {report:?}", self.market),
            );
        }
        if !adds_up {
            self.wrong_sum(common, slot, &format!("{report:?}"));
        }
        if report.leaves.0 == 0 {
            self.gone(view, slot);
        }
    }

    /// Adds up what was traded, and looks at the fee if the rates are known.
    #[inline]
    fn note_money(&mut self, common: &mut Common, account: usize, report: &Trade) {
        self.flows[account].note(report);
        let Some(rates) = common.rates else {
            return;
        };
        let notional = self.terms.notional(report.price.0, report.qty.0);
        let fee = rates.fee(report.liquidity, notional);
        if fee != i128::from(report.fee) && common.strict {
            common.faults.note(
                Fault::FeeDiffers,
                format_args!("market {}: {fee} expected, {report:?}", self.market),
            );
        }
    }

    #[inline]
    fn rejected(&mut self, common: &mut Common, report: &Rejected, now: u64) {
        let Some(sent) = self.answer(common, report.client_seq, now) else {
            return;
        };
        let template = match sent.kind {
            Kind::New => 32,
            Kind::Cancel => 33,
            Kind::Replace => 34,
        };
        if report.ref_template != template {
            self.misfit(common, report.client_seq, "Rejected");
        }
        let open = self.orders.find(sent.cl_ord_id) == Some(sent.slot);
        let unknown = report.code.reason() == Some(RejectReason::UnknownOrder);
        if unknown && sent.kind != Kind::New {
            common.tally.too_late += 1;
            if open {
                common.faults.note(
                    Fault::OpenOrderCalledUnknown,
                    format_args!("market {}: {report:?}", self.market),
                );
            }
        } else {
            common.tally.rejected.add(report.code, 1);
        }
        self.undo(&sent);
    }

    #[inline]
    fn replaced(
        &mut self,
        common: &mut Common,
        view: &mut MarketView,
        report: &Replaced,
        now: u64,
    ) {
        let Some(sent) = self.answer(common, report.client_seq, now) else {
            return;
        };
        if sent.kind != Kind::Replace || report.cl_ord_id != sent.cl_ord_id {
            return self.misfit(common, report.client_seq, "Replaced");
        }
        let Some(slot) = self.order_of(common, &named!(report), "Replaced") else {
            return;
        };
        let order = self.orders.at_mut(slot);
        let (side, old_price) = (order.side, order.price);
        let keeps = report.price == old_price && report.leaves <= order.leaves;
        let adds_up = report.cum == order.cum
            && sent.total_qty.0.checked_sub(order.cum.0) == Some(report.leaves.0);
        order.busy = false;
        order.leaves = report.leaves;
        order.price = report.price;
        if common.strict && (report.price != sent.price || report.kept_priority != keeps) {
            common.faults.note(
                Fault::WrongTerms,
                format_args!("market {}: {report:?}", self.market),
            );
        }
        if common.strict && !adds_up {
            self.wrong_sum(common, slot, &format!("{report:?}"));
        }
        if old_price != report.price {
            view.venue.remove(side, old_price);
            view.venue.add(side, report.price);
        }
    }

    #[cold]
    fn prevented(
        &mut self,
        common: &mut Common,
        view: &mut MarketView,
        report: &SelfTradePrevented,
    ) {
        self.led_to(common, report.client_seq);
        let Some(slot) = self.order_of(common, &named!(report), "SelfTradePrevented") else {
            return;
        };
        let order = self.orders.at_mut(slot);
        let leaves = order.leaves.0.checked_sub(report.qty.0);
        let adds_up = leaves == Some(report.leaves.0) && report.cum == order.cum;
        order.leaves = Qty(report.leaves.0);
        if !adds_up {
            self.wrong_sum(common, slot, &format!("{report:?}"));
        }
        if report.leaves.0 == 0 {
            self.gone(view, slot);
        }
    }

    /// The open order that a report names.
    #[inline]
    fn order_of(&mut self, common: &mut Common, named: &Named, report: &str) -> Option<u32> {
        let Some(slot) = self.orders.find(named.cl_ord_id) else {
            common.faults.note(
                Fault::UnknownOrder,
                format_args!(
                    "market {}: {report} of order {} ({:#x})",
                    self.market, named.order_id, named.cl_ord_id.0
                ),
            );
            return None;
        };
        let fits = self.owns(slot, named.account, named.order_id)
            && self.orders.at(slot).side == named.side;
        if !fits && common.strict {
            common.faults.note(
                Fault::WrongTerms,
                format_args!(
                    "market {}: {report} of order {}: account {}, {:?}, order is {:?}",
                    self.market,
                    named.order_id,
                    named.account,
                    named.side,
                    self.orders.at(slot)
                ),
            );
        }
        Some(slot)
    }

    /// The order is gone.
    #[inline]
    fn gone(&mut self, view: &mut MarketView, slot: u32) {
        let order = self.orders.at(slot);
        if order.phase == Phase::Live {
            view.venue.remove(order.side, order.price);
        }
        self.orders.end(slot);
    }

    #[cold]
    fn wrong_sum(&self, common: &mut Common, slot: u32, report: &str) {
        common.faults.note(
            Fault::QtyDoesNotAddUp,
            format_args!(
                "market {}: {report}, order is {:?}",
                self.market,
                self.orders.at(slot)
            ),
        );
    }

    #[cold]
    fn misfit(&self, common: &mut Common, seq: u64, report: &str) {
        common.faults.note(
            Fault::AnswerForNothing,
            format_args!("market {}: {report} for client_seq {seq}", self.market),
        );
    }
}

#[inline(always)]
fn block<B: Block>(frame: &Frame<'_>) -> Result<B, FieldError> {
    B::read(frame.body, HEADER_LEN)
}
