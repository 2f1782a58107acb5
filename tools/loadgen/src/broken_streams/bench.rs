//! A stream, and a server that says what a test wants.

use souk_protocol::message::{Accepted, CancelOrder, Canceled, NewOrder, Rejected, Trade};
use souk_protocol::{
    AccountId, CancelReason, ClientMessage, FRAME_FROM_CLIENT_MAX, FRAME_FROM_SERVER_MAX,
    Liquidity, MatchId, OrderId, Qty, Reserved, StpMode, split_frame,
};

use crate::model::Model;
use crate::money::Terms;
use crate::profile::{Mix, profile};
use crate::rng::Rng;
use crate::stats::{Latency, Tally};
use crate::stream::{Common, MarketView, Stream, StreamStart, Times};
use crate::testing::market;
use crate::venue::Venue;
use crate::verify::{Fault, Faults, Matches};

/// A stream in market 1 for accounts 7 and 8, and a server that says what a test wants.
pub(super) struct Bench {
    pub(super) common: Common,
    pub(super) view: MarketView,
    pub(super) stream: Stream,
    rng: Rng,
    pub(super) report_seq: u64,
    next_order_id: u64,
}

impl Bench {
    pub(super) fn new(mix: &str) -> Self {
        let mix: Mix = mix.parse().unwrap();
        let common = Common {
            model: Model::new(profile("uniform").unwrap(), Some(mix)),
            stp_mode: StpMode::None,
            rates: None,
            strict: true,
            faults: Faults::default(),
            tally: Tally::default(),
            latency: Latency::default(),
            measure_from: 0,
            measure_until: u64::MAX,
        };
        Self {
            common,
            view: MarketView {
                venue: Venue::new(&market(1)),
                matches: Matches::default(),
            },
            stream: Stream::new(StreamStart {
                market: market(1).market,
                view: 0,
                plan_market: 0,
                lane: 0,
                accounts: vec![AccountId(7), AccountId(8)],
                terms: Terms::from(&market(1)),
                skew: 0.0,
                sharers: 1,
                inflight_max: 16,
                last_client_seq: 0,
                last_report_seq: 0,
            }),
            rng: Rng::new(1, 0),
            report_seq: 0,
            next_order_id: 100,
        }
    }

    /// Sends the next command; gives its frame.
    pub(super) fn send(&mut self) -> (u64, Vec<u8>) {
        let mut out = Vec::new();
        let times = Times {
            planned: 10,
            now: 20,
        };
        self.stream.send_next(
            &mut self.common,
            &mut self.view,
            &mut self.rng,
            times,
            &mut out,
        );
        let (frame, len) = split_frame(&out, FRAME_FROM_CLIENT_MAX).unwrap().unwrap();
        assert_eq!(len, out.len(), "one command, one frame");
        (frame.header.seq, out)
    }

    pub(super) fn send_new(&mut self) -> (u64, NewOrder) {
        let (seq, bytes) = self.send();
        let (frame, _) = split_frame(&bytes, FRAME_FROM_CLIENT_MAX).unwrap().unwrap();
        match ClientMessage::decode(&frame).unwrap() {
            ClientMessage::NewOrder(order) => (seq, order),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn send_cancel(&mut self) -> (u64, CancelOrder) {
        loop {
            let (seq, bytes) = self.send();
            let (frame, _) = split_frame(&bytes, FRAME_FROM_CLIENT_MAX).unwrap().unwrap();
            match ClientMessage::decode(&frame).unwrap() {
                ClientMessage::CancelOrder(cancel) => return (seq, cancel),
                ClientMessage::NewOrder(order) => {
                    self.accept(seq, &order);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    pub(super) fn report(&mut self, frame: &[u8]) {
        let (frame, _) = split_frame(frame, FRAME_FROM_SERVER_MAX).unwrap().unwrap();
        self.stream
            .report(&mut self.common, &mut self.view, &frame, 50)
            .unwrap();
    }

    pub(super) fn next_report(&mut self) -> u64 {
        self.report_seq += 1;
        self.report_seq
    }

    pub(super) fn accepted(&mut self, seq: u64, order: &NewOrder) -> Accepted {
        self.next_order_id += 1;
        Accepted {
            market: order.market,
            account: order.account,
            transact_time: 1,
            client_seq: seq,
            cl_ord_id: order.cl_ord_id,
            order_id: OrderId(self.next_order_id),
            price: order.price,
            qty: order.qty,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            post_only: order.post_only,
            batch_index: 0,
            reserved: Reserved,
        }
    }

    pub(super) fn accept(&mut self, seq: u64, order: &NewOrder) -> Accepted {
        let accepted = self.accepted(seq, order);
        let number = self.next_report();
        self.report(&accepted.frame(number));
        accepted
    }

    pub(super) fn trade(&self, accepted: &Accepted, qty: u64, liquidity: Liquidity) -> Trade {
        let order = self.stream.orders.find(accepted.cl_ord_id).unwrap();
        let order = self.stream.orders.at(order);
        Trade {
            market: accepted.market,
            account: accepted.account,
            transact_time: 1,
            client_seq: 0,
            cl_ord_id: accepted.cl_ord_id,
            order_id: accepted.order_id,
            match_id: MatchId(1),
            price: accepted.price,
            qty: Qty(qty),
            leaves: Qty(order.leaves.0 - qty),
            cum: Qty(order.cum.0 + qty),
            side: accepted.side,
            liquidity,
            batch_index: 0,
            reserved: Reserved,
            fee: 0,
        }
    }

    pub(super) fn canceled(&self, seq: u64, accepted: &Accepted) -> Canceled {
        Canceled {
            market: accepted.market,
            account: accepted.account,
            transact_time: 1,
            client_seq: seq,
            cl_ord_id: accepted.cl_ord_id,
            order_id: accepted.order_id,
            qty: accepted.qty,
            cum: Qty(0),
            reason: CancelReason::ByRequest,
            side: accepted.side,
            batch_index: 0,
            reserved: Reserved,
        }
    }

    /// One new order, accepted.
    pub(super) fn open(&mut self) -> Accepted {
        let (seq, order) = self.send_new();
        self.accept(seq, &order)
    }

    pub(super) fn tell(&mut self, report: &impl Reportable) {
        let number = self.next_report();
        self.report(&report.bytes(number));
    }

    #[track_caller]
    pub(super) fn found(&self, fault: Fault) {
        assert_eq!(
            self.common.faults.count(fault),
            1,
            "{:?}",
            self.common.faults
        );
    }

    #[track_caller]
    pub(super) fn nothing_found(&self) {
        assert_eq!(self.common.faults.total(), 0, "{:?}", self.common.faults);
    }
}

pub(super) trait Reportable {
    fn bytes(&self, number: u64) -> Vec<u8>;
}

macro_rules! reportable {
    ($($name:ident)*) => {$(
        impl Reportable for $name {
            fn bytes(&self, number: u64) -> Vec<u8> {
                self.frame(number).to_vec()
            }
        }
    )*};
}
reportable! { Canceled Trade Rejected }

impl Bench {
    /// A cancel, and the acceptance of the order it names.
    pub(super) fn send_cancel_of_first(&mut self) -> (u64, Accepted) {
        let (seq, cancel) = self.send_cancel();
        let named = |order: &&crate::orders::Order| order.order_id == cancel.order_id;
        let order = *self.stream.orders.live().find(named).unwrap();
        let slot = (0..).find(|slot| self.stream.orders.at(*slot).order_id == cancel.order_id);
        let accepted = Accepted {
            market: cancel.market,
            account: cancel.account,
            transact_time: 1,
            client_seq: 0,
            cl_ord_id: self.stream.orders.cl_ord_id(slot.unwrap()),
            order_id: cancel.order_id,
            price: order.price,
            qty: order.leaves,
            side: order.side,
            order_type: souk_protocol::OrderType::Limit,
            time_in_force: souk_protocol::TimeInForce::Gtc,
            post_only: souk_protocol::PostOnly::No,
            batch_index: 0,
            reserved: Reserved,
        };
        (seq, accepted)
    }
}
