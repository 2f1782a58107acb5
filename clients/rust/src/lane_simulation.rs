//! The lane against a model of the server that refuses at random, loses connections at random,
//! and answers late: every message is applied at most once, in order, and its outcome is true.

#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;

use super::*;
use souk_protocol::message::{Accepted, MarketJoined, ReportsResent};
use souk_protocol::{
    AccountId, ClOrdId, MarketState, OrderId, OrderType, PostOnly, Price, Qty, Reserved, Side,
    TimeInForce, split_frame,
};

use crate::order::Order;
use crate::pace::Rates;

const MARKET: MarketId = MarketId(1);
const MESSAGES: u64 = 300;
const SEEDS: u64 = 200;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn one_in(&mut self, count: u64) -> bool {
        self.next().is_multiple_of(count)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// What a server sends.
enum Sent {
    Accepted(u64, u64),
    NotApplied(u64, RejectReason),
}

/// A market: applies numbers in order, each once. Refuses now and then, as a gateway does.
#[derive(Default)]
struct Model {
    last: u64,
    reports: u64,
    /// Names of the messages applied, in order.
    applied: Vec<u64>,
    /// The number that each report answered.
    answered: Vec<u64>,
    /// What is on its way to the client.
    wire: VecDeque<Sent>,
}

impl Model {
    fn take(&mut self, seq: u64, name: u64, random: &mut Random) {
        let refusal = if random.one_in(40) {
            Some(RejectReason::MarketBusy)
        } else if seq <= self.last {
            Some(RejectReason::AlreadyApplied)
        } else if seq > self.last + 1 {
            Some(RejectReason::SequenceGap)
        } else {
            None
        };
        self.wire.push_back(match refusal {
            Some(reason) => Sent::NotApplied(seq, reason),
            None => {
                self.last = seq;
                self.reports += 1;
                self.answered.push(seq);
                self.applied.push(name);
                Sent::Accepted(seq, self.reports)
            }
        });
    }

    fn joined(&self) -> MarketJoined {
        MarketJoined {
            market: MARKET,
            state: MarketState::Continuous,
            reserved: Reserved,
            epoch: 1,
            last_client_seq: self.last,
            last_report_seq: self.reports,
            stream_seq: 0,
        }
    }
}

fn accepted(client_seq: u64) -> Report {
    Report::Accepted(Accepted {
        market: MARKET,
        account: AccountId(1),
        transact_time: 0,
        client_seq,
        cl_ord_id: ClOrdId(0),
        order_id: OrderId(1),
        price: Price(1),
        qty: Qty(1),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: PostOnly::No,
        batch_index: 0,
        reserved: Reserved,
    })
}

/// One run: client, wire and server take steps in random order until everything has an outcome.
struct Run {
    random: Random,
    lane: Lane,
    paces: Paces,
    policy: RetryPolicy,
    model: Model,
    now: Instant,
    answers: Vec<oneshot::Receiver<Answer>>,
    cuts: u32,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut run = Self {
            random: Random(seed),
            lane: Lane::new(MARKET),
            paces: Paces::new(Rates {
                orders: (1_000, 100),
                cancels: (1_000, 100),
            }),
            policy: RetryPolicy {
                attempts_max: 1_000,
                ..RetryPolicy::default()
            },
            model: Model::default(),
            now: Instant::now(),
            answers: Vec::new(),
            cuts: 0,
        };
        run.lane.on_joined(&run.model.joined());
        run
    }

    fn step(&mut self) {
        self.now += Duration::from_micros(300);
        if self.answers.len() < MESSAGES as usize && self.random.one_in(2) {
            let name = ClOrdId(self.answers.len() as u64 + 1);
            let order = Order::limit(AccountId(1), Side::Buy, Price(1), Qty(1)).named(name);
            let (waiter, answer) = oneshot::channel();
            self.lane
                .submit(Item::new(Message::new_order(MARKET, &order), waiter));
            self.answers.push(answer);
        }
        if self.random.one_in(3) {
            self.send();
        }
        if self.random.one_in(2) {
            self.receive();
        }
        if self.random.one_in(150) && self.cuts < 10 {
            self.cut();
        }
    }

    fn send(&mut self) {
        let mut out = BytesMut::new();
        let credits = 16_usize.saturating_sub(self.lane.unanswered());
        self.lane.pump(self.now, credits, &mut self.paces, &mut out);
        let mut bytes = &out[..];
        while let Some((frame, len)) = split_frame(bytes, 4_096).unwrap() {
            let name = u64::from_le_bytes(frame.body[..8].try_into().unwrap());
            self.model.take(frame.header.seq, name, &mut self.random);
            bytes = &bytes[len..];
        }
    }

    fn receive(&mut self) {
        match self.model.wire.pop_front() {
            Some(Sent::Accepted(seq, report_seq)) => {
                let report = accepted(seq);
                let gap = self
                    .lane
                    .on_report(report_seq, report, &self.policy, self.now);
                assert_eq!(gap, Seen::Next);
                self.lane.finish_resume();
            }
            Some(Sent::NotApplied(seq, reason)) => {
                let news = NotApplied {
                    from_client_seq: seq,
                    count: 1,
                    market: MARKET,
                    expected_client_seq: self.model.last + 1,
                    code: Code::from(reason),
                    reserved: Reserved,
                    retry_after_us: 500,
                };
                self.lane.on_not_applied(&news, &self.policy, self.now);
            }
            None => {}
        }
    }

    /// The connection is lost with everything on its way to the client.
    fn cut(&mut self) {
        self.cuts += 1;
        self.model.wire.clear();
        self.lane.on_disconnect();
        assert_eq!(self.lane.on_joined(&self.model.joined()), None);
        // The server keeps some reports, or none.
        let kept = self.random.next() % 30;
        let oldest = self.model.reports.saturating_sub(kept) + 1;
        let next = self.lane.last_report().unwrap() + 1;
        let from = oldest.max(next);
        let lost = self.lane.on_reports_resent(&ReportsResent {
            market: MARKET,
            reserved: Reserved,
            from_report_seq: from,
            to_report_seq: self.model.reports,
        });
        assert_eq!(lost, (from > next).then_some((next, from - 1)));
        if let Some(resumed) = self.lane.finish_resume() {
            assert!(!resumed.state_lost);
        }
        for report_seq in from..=self.model.reports {
            let seq = self.model.answered[report_seq as usize - 1];
            self.model.wire.push_back(Sent::Accepted(seq, report_seq));
        }
    }
}

#[test]
fn whatever_is_refused_or_cut_each_message_is_applied_once_and_in_order() {
    let (mut unknown, mut cuts) = (0, 0);
    for seed in 0..SEEDS {
        let mut run = Run::new(seed);
        for _ in 0..20_000 {
            run.step();
        }
        let everything: Vec<u64> = (1..=MESSAGES).collect();
        assert_eq!(run.model.applied, everything, "SEED={seed}");
        for (index, answer) in run.answers.iter_mut().enumerate() {
            match answer.try_recv() {
                Ok(Answer::One(_)) => {}
                Ok(Answer::Unknown(Doubt::AppliedUnanswered)) => unknown += 1,
                other => panic!("SEED={seed}: message {} is {other:?}", index + 1),
            }
        }
        cuts += run.cuts;
    }
    assert!(unknown > 0 && cuts > 0, "the run meets what it is about");
}
