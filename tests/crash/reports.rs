//! What a session is told, worked out from a stream: written from PROTOCOL.md, not from the publisher.

use souk_engine::{Command, Event, OrderRef, OrderView, Settlement};
use souk_protocol::message as wire;
use souk_protocol::*;

/// A command in its stream.
pub struct Cause<'a> {
    pub market: MarketId,
    pub session: SessionId,
    pub client_seq: u64,
    pub batch_index: u8,
    pub transact_time: u64,
    pub command: &'a Command,
    pub settlement: &'a Settlement,
}

/// The frame of a report under the number that it gets.
type Frame = Box<dyn FnOnce(u64) -> Vec<u8>>;

macro_rules! framed {
    ($report:expr) => {{
        let report = $report;
        Box::new(move |seq| report.frame(seq).to_vec()) as Frame
    }};
}

impl Cause<'_> {
    /// Who is told what of an event, in order.
    pub fn reports(&self, event: &Event) -> Vec<(SessionId, Frame)> {
        match event {
            Event::Accepted(accepted) => {
                let Command::New(order) = self.command else {
                    panic!("only a new order is accepted: {:?}", self.command)
                };
                let report = wire::Accepted {
                    market: self.market,
                    account: order.account,
                    transact_time: self.transact_time,
                    client_seq: self.client_seq,
                    cl_ord_id: order.cl_ord_id,
                    order_id: accepted.order_id,
                    price: accepted.price,
                    qty: order.qty,
                    side: order.side,
                    order_type: order.order_type,
                    time_in_force: order.time_in_force,
                    post_only: order.post_only,
                    batch_index: self.batch_index,
                    reserved: Reserved,
                };
                vec![(self.session, framed!(report))]
            }
            Event::Rejected(reason) => vec![(self.session, self.rejected(*reason))],
            Event::Trade(trade) => {
                let money = self.settlement.trade(trade);
                let taker = self.trade(trade, &trade.taker, Liquidity::Taker, money.taker_fee);
                let maker = self.trade(trade, &trade.maker, Liquidity::Maker, money.maker_fee);
                vec![(trade.taker.session, taker), (trade.maker.session, maker)]
            }
            Event::Canceled(canceled) => self.canceled(canceled),
            Event::Replaced(replaced) => {
                let order = &replaced.order;
                let report = wire::Replaced {
                    market: self.market,
                    account: order.account,
                    transact_time: self.transact_time,
                    client_seq: self.client_seq,
                    cl_ord_id: order.cl_ord_id,
                    order_id: order.order_id,
                    orig_cl_ord_id: replaced.orig_cl_ord_id,
                    price: replaced.price,
                    leaves: order.leaves,
                    cum: order.cum,
                    side: order.side,
                    kept_priority: replaced.kept_priority,
                    batch_index: self.batch_index,
                    reserved: Reserved,
                };
                vec![(order.session, framed!(report))]
            }
            Event::SelfTradePrevented(prevented) => {
                let of =
                    |order: &OrderView, liquidity| self.prevented(prevented.qty, order, liquidity);
                vec![
                    (
                        prevented.taker.session,
                        of(&prevented.taker, Liquidity::Taker),
                    ),
                    (
                        prevented.maker.session,
                        of(&prevented.maker, Liquidity::Maker),
                    ),
                ]
            }
            Event::MassCanceled { count } => {
                let report = wire::MassCanceled {
                    market: self.market,
                    account: self.account(),
                    transact_time: self.transact_time,
                    client_seq: self.client_seq,
                    count: *count,
                    reserved: Reserved,
                };
                vec![(self.session, framed!(report))]
            }
            Event::Status(status) => vec![(self.session, self.status(status))],
            Event::StateChanged(_)
            | Event::FeesAdded { .. }
            | Event::LimitsChanged
            | Event::Level(_) => Vec::new(),
        }
    }

    fn rejected(&self, reason: RejectReason) -> Frame {
        let named = |order: &OrderRef| (order.cl_ord_id, order.order_id);
        let nothing = (ClOrdId(0), OrderId(0));
        let ((cl_ord_id, order_id), ref_template) = match self.command {
            Command::New(new) => ((new.cl_ord_id, OrderId(0)), 32),
            Command::Cancel(cancel) => (named(&cancel.order), 33),
            Command::Replace(replace) => {
                let (old, order_id) = named(&replace.order);
                let new = replace.cl_ord_id;
                let name = if new.0 == 0 { old } else { new };
                ((name, order_id), 34)
            }
            Command::MassCancel(_) => (nothing, 35),
            Command::Status(status) => (named(&status.order), 36),
            other => panic!("no session sends {other:?}"),
        };
        framed!(wire::Rejected {
            market: self.market,
            account: self.account(),
            transact_time: self.transact_time,
            client_seq: self.client_seq,
            cl_ord_id,
            order_id,
            code: Code::from(reason),
            ref_template,
            batch_index: self.batch_index,
            reserved: Reserved,
        })
    }

    fn trade(
        &self,
        trade: &souk_engine::Trade,
        order: &OrderView,
        liquidity: Liquidity,
        fee: i64,
    ) -> Frame {
        let (client_seq, batch_index) = self.of_taker(liquidity);
        framed!(wire::Trade {
            market: self.market,
            account: order.account,
            transact_time: self.transact_time,
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
        })
    }

    fn prevented(&self, qty: Qty, order: &OrderView, liquidity: Liquidity) -> Frame {
        let (client_seq, batch_index) = self.of_taker(liquidity);
        framed!(wire::SelfTradePrevented {
            market: self.market,
            account: order.account,
            transact_time: self.transact_time,
            client_seq,
            cl_ord_id: order.cl_ord_id,
            order_id: order.order_id,
            qty,
            leaves: order.leaves,
            cum: order.cum,
            side: order.side,
            liquidity,
            batch_index,
            reserved: Reserved,
        })
    }

    /// To who has the order; and to who asked for it, if that is another session.
    fn canceled(&self, canceled: &souk_engine::Canceled) -> Vec<(SessionId, Frame)> {
        let order = canceled.order;
        let is_own = order.session == self.session && order.account == self.account();
        let report = |answers: bool| {
            framed!(wire::Canceled {
                market: self.market,
                account: order.account,
                transact_time: self.transact_time,
                client_seq: if answers { self.client_seq } else { 0 },
                cl_ord_id: order.cl_ord_id,
                order_id: order.order_id,
                qty: order.leaves,
                cum: order.cum,
                reason: canceled.reason,
                side: order.side,
                batch_index: if answers { self.batch_index } else { 0 },
                reserved: Reserved,
            })
        };
        let mut told = vec![(order.session, report(is_own))];
        let was_asked_for = matches!(
            canceled.reason,
            CancelReason::ByRequest | CancelReason::ReplacedBelowExecuted
        );
        if was_asked_for && order.session != self.session {
            told.push((self.session, report(true)));
        }
        told
    }

    fn status(&self, status: &souk_engine::StatusReport) -> Frame {
        let order = &status.order;
        framed!(wire::OrderStatus {
            market: self.market,
            account: order.account,
            transact_time: self.transact_time,
            client_seq: self.client_seq,
            cl_ord_id: order.cl_ord_id,
            order_id: order.order_id,
            price: status.price,
            leaves: order.leaves,
            cum: order.cum,
            side: order.side,
            state: match order.cum {
                Qty(0) => OrderState::New,
                _ => OrderState::PartiallyFilled,
            },
            reserved: Reserved,
        })
    }

    /// Only the taker's execution answers something.
    fn of_taker(&self, liquidity: Liquidity) -> (u64, u8) {
        match liquidity {
            Liquidity::Taker => (self.client_seq, self.batch_index),
            Liquidity::Maker => (0, 0),
        }
    }

    fn account(&self) -> AccountId {
        match self.command {
            Command::New(it) => it.account,
            Command::Cancel(it) => it.account,
            Command::Replace(it) => it.account,
            Command::MassCancel(it) => it.account,
            Command::Status(it) => it.account,
            other => panic!("no session sends {other:?}"),
        }
    }
}

/// The frames of commands under one `client_seq`, as a client that sent them without any flag wrote them.
pub fn frame_of(
    market: MarketId,
    client_seq: u64,
    commands: &[(Command, bool)],
    alone: bool,
) -> Vec<u8> {
    if alone {
        return message_of(market, &commands[0].0).0(client_seq);
    }
    let root = wire::Batch {
        market,
        mode: if commands[0].1 {
            BatchMode::StopAtFirstReject
        } else {
            BatchMode::Independent
        },
        reserved: Reserved,
    };
    let entries: Vec<_> = commands
        .iter()
        .map(|(command, _)| message_of(market, command).1.expect("may be in a batch"))
        .collect();
    let mut frame = vec![0; frame_len_with_group::<wire::Batch, wire::BatchEntry>(entries.len())];
    write_frame_with_group(&root, &entries, client_seq, 0, &mut frame).unwrap();
    frame
}

fn message_of(market: MarketId, command: &Command) -> (Frame, Option<wire::BatchEntry>) {
    match command {
        Command::New(new) => {
            let order = wire::NewOrder {
                cl_ord_id: new.cl_ord_id,
                price: new.price,
                qty: new.qty,
                budget: new.budget,
                market,
                account: new.account,
                side: new.side,
                order_type: new.order_type,
                time_in_force: new.time_in_force,
                post_only: new.post_only,
                stp_mode: new.stp_mode,
                stp_scope: new.stp_scope,
                reserved: Reserved,
            };
            (framed!(order), Some(order.into()))
        }
        Command::Cancel(cancel) => {
            let cancel = wire::CancelOrder {
                orig_cl_ord_id: cancel.order.cl_ord_id,
                order_id: cancel.order.order_id,
                market,
                account: cancel.account,
            };
            (framed!(cancel), Some(cancel.into()))
        }
        Command::Replace(replace) => {
            let replace = wire::ReplaceOrder {
                cl_ord_id: replace.cl_ord_id,
                orig_cl_ord_id: replace.order.cl_ord_id,
                order_id: replace.order.order_id,
                price: replace.price,
                total_qty: replace.total_qty,
                market,
                account: replace.account,
            };
            (framed!(replace), Some(replace.into()))
        }
        Command::MassCancel(mass) => {
            let mass = wire::MassCancel {
                market,
                account: mass.account,
                side: mass.side,
                reserved: Reserved,
            };
            (framed!(mass), None)
        }
        Command::Status(status) => {
            let status = wire::OrderStatusRequest {
                orig_cl_ord_id: status.order.cl_ord_id,
                order_id: status.order.order_id,
                market,
                account: status.account,
            };
            (framed!(status), None)
        }
        other => panic!("no session sends {other:?}"),
    }
}
