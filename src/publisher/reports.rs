//! From events to execution reports. One event gives a report to each session that owns an order
//! in it.

use souk_engine::{
    Accepted, Canceled, Command, Event, OrderView, Replaced, SelfTradePrevented, StatusReport,
    Trade,
};
use souk_protocol::message as wire;
use souk_protocol::{
    AccountId, CancelReason, ClOrdId, Code, Liquidity, MarketId, OrderId, OrderState, Qty,
    RejectReason, Reserved, SessionId,
};

use super::links::Links;
use super::market::{MarketReports, ReportingIndex};
use crate::handoff::Numbered;

/// What the reports of one command have in common.
pub(super) struct Context<'a> {
    pub market: MarketId,
    /// Who sent the command.
    pub session: SessionId,
    /// Where its reports stand.
    pub own: ReportingIndex,
    pub numbered: &'a Numbered,
    pub transact_time: u64,
}

impl Context<'_> {
    /// The number of the message that led to a report, for the session that sent it.
    fn client_seq_for(&self, session: SessionId, account: AccountId) -> u64 {
        let own = session == self.session && account == account_of(&self.numbered.command);
        if own { self.numbered.client_seq } else { 0 }
    }

    /// The number and batch entry of the message that led to an execution, for the side that sent
    /// it: the taker.
    const fn cause_for(&self, liquidity: Liquidity) -> (u64, u8) {
        match liquidity {
            Liquidity::Taker => (self.numbered.client_seq, self.numbered.batch.index),
            Liquidity::Maker => (0, 0),
        }
    }
}

/// Sends the reports of one event.
pub(super) fn report(
    context: &Context<'_>,
    event: &Event,
    market: &mut MarketReports,
    links: &mut Links,
) {
    match event {
        Event::Accepted(accepted) => accept(context, accepted, market, links),
        Event::Rejected(reason) => reject(context, *reason, market, links),
        Event::Trade(trade) => {
            let money = market.money.trade(trade);
            for (order, liquidity, fee) in [
                (&trade.taker, Liquidity::Taker, money.taker_fee),
                (&trade.maker, Liquidity::Maker, money.maker_fee),
            ] {
                let frame = trade_report(context, trade, order, liquidity, fee);
                send(context, market, links, order.session, |seq| {
                    frame.frame(seq)
                });
            }
        }
        Event::Canceled(canceled) => cancel(context, canceled, market, links),
        Event::Replaced(replaced) => replace(context, replaced, market, links),
        Event::SelfTradePrevented(prevented) => {
            for (order, liquidity) in [
                (&prevented.taker, Liquidity::Taker),
                (&prevented.maker, Liquidity::Maker),
            ] {
                let frame = prevented_report(context, prevented, order, liquidity);
                send(context, market, links, order.session, |seq| {
                    frame.frame(seq)
                });
            }
        }
        Event::MassCanceled { count } => mass_cancel(context, *count, market, links),
        Event::Status(status) => answer_status(context, status, market, links),
        Event::StateChanged(_)
        | Event::FeesAdded { .. }
        | Event::LimitsChanged
        | Event::Level(_) => {}
    }
}

/// Numbers a report of this market for this session, and sends it if the session has joined the
/// market on its present connection.
#[inline]
fn send<const N: usize>(
    context: &Context<'_>,
    market: &mut MarketReports,
    links: &mut Links,
    session: SessionId,
    frame: impl FnOnce(u64) -> [u8; N],
) {
    let index = if session == context.session {
        context.own
    } else {
        match market.sessions.get(&session) {
            Some(index) => *index,
            // Every order was entered through a session that had joined.
            None => return,
        }
    };
    market.tell(index, frame, links);
}

fn accept(
    context: &Context<'_>,
    accepted: &Accepted,
    market: &mut MarketReports,
    links: &mut Links,
) {
    let Command::New(order) = &context.numbered.command else {
        return;
    };
    let report = wire::Accepted {
        market: context.market,
        account: order.account,
        transact_time: context.transact_time,
        client_seq: context.numbered.client_seq,
        cl_ord_id: order.cl_ord_id,
        order_id: accepted.order_id,
        price: accepted.price,
        qty: order.qty,
        side: order.side,
        order_type: order.order_type,
        time_in_force: order.time_in_force,
        post_only: order.post_only,
        batch_index: context.numbered.batch.index,
        reserved: Reserved,
    };
    send(context, market, links, context.session, |seq| {
        report.frame(seq)
    });
}

fn reject(
    context: &Context<'_>,
    reason: RejectReason,
    market: &mut MarketReports,
    links: &mut Links,
) {
    let (cl_ord_id, order_id) = names_of(&context.numbered.command);
    let report = wire::Rejected {
        market: context.market,
        account: account_of(&context.numbered.command),
        transact_time: context.transact_time,
        client_seq: context.numbered.client_seq,
        cl_ord_id,
        order_id,
        code: Code::from(reason),
        ref_template: template_of(&context.numbered.command),
        batch_index: context.numbered.batch.index,
        reserved: Reserved,
    };
    send(context, market, links, context.session, |seq| {
        report.frame(seq)
    });
}

fn replace(
    context: &Context<'_>,
    replaced: &Replaced,
    market: &mut MarketReports,
    links: &mut Links,
) {
    let order = &replaced.order;
    let report = wire::Replaced {
        market: context.market,
        account: order.account,
        transact_time: context.transact_time,
        client_seq: context.numbered.client_seq,
        cl_ord_id: order.cl_ord_id,
        order_id: order.order_id,
        orig_cl_ord_id: replaced.orig_cl_ord_id,
        price: replaced.price,
        leaves: order.leaves,
        cum: order.cum,
        side: order.side,
        kept_priority: replaced.kept_priority,
        batch_index: context.numbered.batch.index,
        reserved: Reserved,
    };
    send(context, market, links, order.session, |seq| {
        report.frame(seq)
    });
}

fn cancel(
    context: &Context<'_>,
    canceled: &Canceled,
    market: &mut MarketReports,
    links: &mut Links,
) {
    let order = &canceled.order;
    let client_seq = context.client_seq_for(order.session, order.account);
    let batch_index = context.numbered.batch.index;
    let report = wire::Canceled {
        market: context.market,
        account: order.account,
        transact_time: context.transact_time,
        client_seq,
        cl_ord_id: order.cl_ord_id,
        order_id: order.order_id,
        qty: order.leaves,
        cum: order.cum,
        reason: canceled.reason,
        side: order.side,
        batch_index: if client_seq == 0 { 0 } else { batch_index },
        reserved: Reserved,
    };
    send(context, market, links, order.session, |seq| {
        report.frame(seq)
    });
    // Who asked for it is answered too, when the order came from another session.
    let asked = matches!(
        canceled.reason,
        CancelReason::ByRequest | CancelReason::ReplacedBelowExecuted
    );
    if asked && order.session != context.session {
        let answer = wire::Canceled {
            client_seq: context.numbered.client_seq,
            batch_index,
            ..report
        };
        send(context, market, links, context.session, |seq| {
            answer.frame(seq)
        });
    }
}

fn mass_cancel(context: &Context<'_>, count: u32, market: &mut MarketReports, links: &mut Links) {
    let report = wire::MassCanceled {
        market: context.market,
        account: account_of(&context.numbered.command),
        transact_time: context.transact_time,
        client_seq: context.numbered.client_seq,
        count,
        reserved: Reserved,
    };
    send(context, market, links, context.session, |seq| {
        report.frame(seq)
    });
}

fn answer_status(
    context: &Context<'_>,
    status: &StatusReport,
    market: &mut MarketReports,
    links: &mut Links,
) {
    let order = &status.order;
    let report = wire::OrderStatus {
        market: context.market,
        account: order.account,
        transact_time: context.transact_time,
        client_seq: context.numbered.client_seq,
        cl_ord_id: order.cl_ord_id,
        order_id: order.order_id,
        price: status.price,
        leaves: order.leaves,
        cum: order.cum,
        side: order.side,
        state: if order.cum == Qty(0) {
            OrderState::New
        } else {
            OrderState::PartiallyFilled
        },
        reserved: Reserved,
    };
    send(context, market, links, context.session, |seq| {
        report.frame(seq)
    });
}

fn trade_report(
    context: &Context<'_>,
    trade: &Trade,
    order: &OrderView,
    liquidity: Liquidity,
    fee: i64,
) -> wire::Trade {
    let (client_seq, batch_index) = context.cause_for(liquidity);
    wire::Trade {
        market: context.market,
        account: order.account,
        transact_time: context.transact_time,
        client_seq,
        cl_ord_id: order.cl_ord_id,
        order_id: order.order_id,
        match_id: trade.match_id,
        price: trade.price,
        qty: trade.qty,
        leaves: order.leaves,
        cum: order.cum,
        side: order.side,
        liquidity,
        batch_index,
        reserved: Reserved,
        fee,
    }
}

fn prevented_report(
    context: &Context<'_>,
    prevented: &SelfTradePrevented,
    order: &OrderView,
    liquidity: Liquidity,
) -> wire::SelfTradePrevented {
    let (client_seq, batch_index) = context.cause_for(liquidity);
    wire::SelfTradePrevented {
        market: context.market,
        account: order.account,
        transact_time: context.transact_time,
        client_seq,
        cl_ord_id: order.cl_ord_id,
        order_id: order.order_id,
        qty: prevented.qty,
        leaves: order.leaves,
        cum: order.cum,
        side: order.side,
        liquidity,
        batch_index,
        reserved: Reserved,
    }
}

/// The account a command acts for; 0 for an operator's.
const fn account_of(command: &Command) -> AccountId {
    match command {
        Command::New(order) => order.account,
        Command::Cancel(cancel) => cancel.account,
        Command::Replace(replace) => replace.account,
        Command::MassCancel(mass) => mass.account,
        Command::Status(status) => status.account,
        Command::SetState(_) | Command::AddFees(_) | Command::SetLimits(_) => AccountId(0),
    }
}

/// What a rejection quotes: `cl_ord_id`, or else `orig_cl_ord_id`; and `order_id`.
const fn names_of(command: &Command) -> (ClOrdId, OrderId) {
    match command {
        Command::New(order) => (order.cl_ord_id, OrderId(0)),
        Command::Cancel(cancel) => (cancel.order.cl_ord_id, cancel.order.order_id),
        Command::Replace(replace) if replace.cl_ord_id.0 != 0 => {
            (replace.cl_ord_id, replace.order.order_id)
        }
        Command::Replace(replace) => (replace.order.cl_ord_id, replace.order.order_id),
        Command::Status(status) => (status.order.cl_ord_id, status.order.order_id),
        Command::MassCancel(_)
        | Command::SetState(_)
        | Command::AddFees(_)
        | Command::SetLimits(_) => (ClOrdId(0), OrderId(0)),
    }
}

/// The template a command came in, or that its batch entry names.
const fn template_of(command: &Command) -> u16 {
    match command {
        Command::New(_) => wire::NewOrder::TEMPLATE,
        Command::Cancel(_) => wire::CancelOrder::TEMPLATE,
        Command::Replace(_) => wire::ReplaceOrder::TEMPLATE,
        Command::MassCancel(_) => wire::MassCancel::TEMPLATE,
        Command::Status(_) => wire::OrderStatusRequest::TEMPLATE,
        Command::SetState(_) | Command::AddFees(_) | Command::SetLimits(_) => 0,
    }
}
