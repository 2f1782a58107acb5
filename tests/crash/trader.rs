//! A session that trades at random, many messages ahead of their answers, and keeps a record of its own.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;

use souk_protocol::message::*;
use souk_protocol::*;

use crate::oracle::Oracle;
use crate::support::{Got, Wire, limit, now_ns};

/// Messages that were applied and are sent again all the same, after a connection was lost.
const SENT_IN_VAIN: usize = 3;

/// Numbers that come from a seed.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        let mixed = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = mixed.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What a session knows of a market.
#[derive(Debug, Default)]
pub struct Kept {
    /// What it sent, by `client_seq`; without flags.
    pub sent: Vec<Vec<u8>>,
    /// The highest number that a report has answered.
    pub acknowledged: u64,
    /// The highest number that is known to be applied.
    applied: u64,
    /// What it was told, by `report_seq`.
    pub reports: BTreeMap<u64, Vec<u8>>,
    next_report: u64,
    /// What it was told of itself when it last joined.
    joined: (u64, u64),
    /// What it still has to send again.
    again: std::ops::Range<usize>,
}

/// A session.
pub struct Trader {
    pub tenant: u32,
    pub key: u32,
    accounts: u32,
    random: Random,
    cl_ord_id: u64,
    wire: Option<Wire>,
    pub markets: BTreeMap<u32, Kept>,
    /// With which code the server ended the last connection.
    pub ended: Option<RejectReason>,
    pub resent: u64,
    pub refused: u64,
}

impl Trader {
    pub fn new(tenant: u32, key: u32, accounts: u32, markets: &[u32], seed: u64) -> Self {
        let markets = markets.iter().map(|id| (*id, Kept::default()));
        Self {
            tenant,
            key,
            accounts,
            random: Random(seed),
            cl_ord_id: 0,
            wire: None,
            markets: markets.collect(),
            ended: None,
            resent: 0,
            refused: 0,
        }
    }

    pub fn session(&self) -> SessionId {
        SessionId::new(KeyId(self.key), 0).unwrap()
    }

    /// Logs on again and learns what was applied.
    pub fn reconnect(&mut self, address: SocketAddr) {
        let mut wire = Wire::connect(address);
        let first = wire.log_on(self.key, 0, now_ns());
        let ServerMessage::LogonAck(..) = first.message() else {
            panic!("{first:?}")
        };
        for (market, kept) in &mut self.markets {
            let joined = wire.join(*market);
            let (applied, sent) = (joined.last_client_seq, kept.sent.len() as u64);
            assert!(
                kept.acknowledged <= applied && applied <= sent,
                "key {} in market {market}: {} is acknowledged, {sent} sent, {applied} applied",
                self.key,
                kept.acknowledged,
            );
            let seen = kept.reports.last_key_value().map_or(0, |(seq, _)| *seq);
            let told = joined.last_report_seq;
            assert!(
                seen <= told,
                "key {} in market {market}: report {seen} was seen, {told} is the last",
                self.key
            );
            kept.joined = (applied, told);
            kept.applied = applied;
            kept.next_report = told + 1;
            let from = (applied as usize).saturating_sub(SENT_IN_VAIN);
            kept.again = from..kept.sent.len();
        }
        self.ended = None;
        self.wire = Some(wire);
    }

    /// Messages without an answer on this connection.
    pub fn unanswered(&self) -> u64 {
        let of = |kept: &Kept| kept.sent.len() as u64 - kept.applied.min(kept.sent.len() as u64);
        self.markets.values().map(of).sum()
    }

    /// Sends until the connection is gone.
    pub fn run(&mut self) {
        let Some(mut wire) = self.wire.take() else {
            panic!("a session is connected before it runs")
        };
        let mut frames = self.again();
        loop {
            for _ in 0..=self.random.below(24) {
                self.anything(&mut frames);
            }
            let sent = wire.stream.write_all(&frames);
            frames.clear();
            let ahead = self.random.below(400);
            while sent.is_err() || self.unanswered() > ahead {
                match wire.try_next() {
                    Some(got) => self.take(&got),
                    None => return,
                }
            }
        }
    }

    /// What was not applied, and a little of what was.
    fn again(&mut self) -> Vec<u8> {
        let mut frames = Vec::new();
        for kept in self.markets.values_mut() {
            for frame in &kept.sent[std::mem::take(&mut kept.again)] {
                let mut frame = frame.clone();
                frame[FLAGS_OFFSET] = FLAG_POSS_RESEND;
                frames.extend_from_slice(&frame);
                self.resent += 1;
            }
        }
        frames
    }

    fn take(&mut self, got: &Got) {
        let (market, client_seq) = match got.message() {
            ServerMessage::Accepted(m) => (m.market, m.client_seq),
            ServerMessage::Rejected(m) => {
                self.refused += 1;
                (m.market, m.client_seq)
            }
            ServerMessage::Canceled(m) => (m.market, m.client_seq),
            ServerMessage::Replaced(m) => (m.market, m.client_seq),
            ServerMessage::Trade(m) => (m.market, m.client_seq),
            ServerMessage::SelfTradePrevented(m) => (m.market, m.client_seq),
            ServerMessage::MassCanceled(m) => (m.market, m.client_seq),
            ServerMessage::OrderStatus(m) => (m.market, m.client_seq),
            ServerMessage::NotApplied(told) => {
                let reason = told.code.reason().unwrap();
                assert_eq!(reason, RejectReason::AlreadyApplied, "{told:?}");
                let kept = &self.markets[&told.market.0];
                let last = told.from_client_seq + u64::from(told.count) - 1;
                return assert!(last <= kept.joined.0, "{told:?} was not applied");
            }
            ServerMessage::Terminate(end) => {
                self.ended = end.code.reason();
                return;
            }
            other => panic!("key {}: {other:?}", self.key),
        };
        let kept = self.markets.get_mut(&market.0).expect("a market it joined");
        let seq = got.seq();
        assert_eq!(seq, kept.next_report, "reports without a gap");
        kept.next_report += 1;
        kept.acknowledged = kept.acknowledged.max(client_seq);
        kept.applied = kept.applied.max(client_seq);
        let told = kept.reports.entry(seq).or_insert_with(|| got.bytes.clone());
        assert_eq!(*told, got.bytes, "report {seq} says one thing");
    }

    /// Compares what it knows with what the journal says.
    pub fn compare(&self, oracle: &Oracle) {
        for (market, kept) in &self.markets {
            let place = format!("key {} in market {market}", self.key);
            let nothing = Default::default();
            let truth = oracle.truth(self.tenant, *market, self.session());
            let truth = truth.unwrap_or(&nothing);
            let applied = truth.applied.len();
            assert!(
                kept.acknowledged as usize <= applied,
                "{place}: {} is acknowledged, the journal ends with {applied}",
                kept.acknowledged
            );
            assert!(
                applied <= kept.sent.len(),
                "{place}: {applied} came from it"
            );
            for (index, frame) in truth.applied.iter().enumerate() {
                assert_eq!(*frame, kept.sent[index], "{place}: message {}", index + 1);
            }
            for (seq, report) in &kept.reports {
                let expected = truth.reports.get(*seq as usize - 1);
                assert_eq!(Some(report), expected, "{place}: report {seq}");
            }
        }
    }

    /// Compares what it was told when it joined, before it sent anything, with what the journal said then.
    pub fn compare_joined(&self, oracle: &Oracle) {
        for (market, kept) in &self.markets {
            let truth = oracle.truth(self.tenant, *market, self.session());
            let said = truth.map_or((0, 0), |truth| (truth.applied.len(), truth.reports.len()));
            let said = (said.0 as u64, said.1 as u64);
            assert_eq!(kept.joined, said, "key {} in market {market}", self.key);
        }
    }

    fn account(&mut self) -> u32 {
        1 + self.random.below(u64::from(self.accounts)) as u32
    }

    /// Adds a message under the next number of its market.
    fn add(&mut self, market: u32, frames: &mut Vec<u8>, frame: impl FnOnce(u64) -> Vec<u8>) {
        let kept = self.markets.get_mut(&market).expect("one of its markets");
        let frame = frame(kept.sent.len() as u64 + 1);
        frames.extend_from_slice(&frame);
        kept.sent.push(frame);
    }

    fn anything(&mut self, frames: &mut Vec<u8>) {
        let place = self.random.below(self.markets.len() as u64) as u32;
        let market = 1 + place;
        let account = AccountId(self.account());
        let recent = ClOrdId(self.cl_ord_id.saturating_sub(self.random.below(12)).max(1));
        let id = MarketId(market);
        let (orig_cl_ord_id, order_id) = (recent, OrderId(0));
        match self.random.below(20) {
            0..=11 => {
                let order = self.order(market);
                self.add(market, frames, |seq| order.frame(seq).to_vec());
            }
            12 | 13 => {
                let cancel = CancelOrder {
                    orig_cl_ord_id,
                    order_id,
                    market: id,
                    account,
                };
                self.add(market, frames, |seq| cancel.frame(seq).to_vec());
            }
            14 | 15 => {
                let replace = ReplaceOrder {
                    cl_ord_id: ClOrdId(0),
                    orig_cl_ord_id,
                    order_id,
                    price: Price(1_000 + self.random.below(60) as i64),
                    total_qty: Qty(1 + self.random.below(12)),
                    market: id,
                    account,
                };
                self.add(market, frames, |seq| replace.frame(seq).to_vec());
            }
            16 if self.random.below(4) == 0 => {
                let mass_cancel = MassCancel {
                    market: id,
                    account,
                    side: [None, Some(Side::Buy)][self.random.below(2) as usize],
                    reserved: Reserved,
                };
                self.add(market, frames, |seq| mass_cancel.frame(seq).to_vec());
            }
            17 => {
                let status = OrderStatusRequest {
                    orig_cl_ord_id,
                    order_id,
                    market: id,
                    account,
                };
                self.add(market, frames, |seq| status.frame(seq).to_vec());
            }
            _ => self.batch(market, frames),
        }
    }

    /// An order, one that is refused often, and a cancel.
    fn batch(&mut self, market: u32, frames: &mut Vec<u8>) {
        let (first, second) = (self.order(market), self.order(market));
        let cancel = CancelOrder {
            orig_cl_ord_id: first.cl_ord_id,
            order_id: OrderId(0),
            market: MarketId(market),
            account: first.account,
        };
        let mode = [BatchMode::Independent, BatchMode::StopAtFirstReject];
        let root = Batch {
            market: MarketId(market),
            mode: mode[self.random.below(2) as usize],
            reserved: Reserved,
        };
        let second = NewOrder {
            qty: Qty(second.qty.0 * 20),
            ..second
        };
        let entries: [BatchEntry; 3] = [first.into(), second.into(), cancel.into()];
        self.add(market, frames, |seq| {
            let mut frame = vec![0; frame_len_with_group::<Batch, BatchEntry>(3)];
            write_frame_with_group(&root, &entries, seq, 0, &mut frame).unwrap();
            frame
        });
    }

    fn order(&mut self, market: u32) -> NewOrder {
        self.cl_ord_id += 1;
        let side = [Side::Buy, Side::Sell][self.random.below(2) as usize];
        let (account, qty) = (self.account(), 1 + self.random.below(9));
        let price = 1_000 + self.random.below(60) as i64;
        let mut order = NewOrder {
            market: MarketId(market),
            ..limit(self.cl_ord_id, account, side, price, qty)
        };
        match self.random.below(14) {
            0 => order.time_in_force = TimeInForce::Ioc,
            1 => order.time_in_force = TimeInForce::Fok,
            2 => order.post_only = PostOnly::Slide,
            3 => order.post_only = PostOnly::Reject,
            4 if side == Side::Buy => {
                order.order_type = OrderType::Market;
                order.time_in_force = TimeInForce::Ioc;
                order.price = Price(0);
                order.budget = Amount(1 + self.random.below(90_000_000));
            }
            5 => order.stp_mode = StpMode::DecrementAndCancel,
            6 => (order.stp_mode, order.stp_scope) = (StpMode::CancelOldest, StpScope::Group),
            7 => order.stp_mode = StpMode::CancelBoth,
            _ => {}
        }
        order
    }
}

/// Where a frame has its flags.
const FLAGS_OFFSET: usize = 10;
