#![allow(clippy::unwrap_used)]

use super::*;
use souk_protocol::message::{Accepted, Canceled, MarketJoined, MassCanceled, ReportsResent};
use souk_protocol::{
    AccountId, BatchMode, CancelReason, ClOrdId, MarketState, OrderId, OrderType, PostOnly, Price,
    Qty, Reserved, Side, TimeInForce, split_frame,
};

use crate::event::Resumed;
use crate::order::{Instruction, Order, OrderRef};
use crate::pace::Rates;

const MARKET: MarketId = MarketId(7);
const ACCOUNT: AccountId = AccountId(1);

/// A lane with everything around it: what it sent, who waits, and the time.
struct Bench {
    lane: Lane,
    policy: RetryPolicy,
    paces: Paces,
    now: Instant,
    answers: Vec<oneshot::Receiver<Answer>>,
    reports: u64,
}

impl Bench {
    fn new() -> Self {
        Self {
            lane: Lane::new(MARKET),
            policy: RetryPolicy::default(),
            paces: Paces::new(Rates {
                orders: (1_000_000, 1_000_000),
                cancels: (1_000_000, 1_000_000),
            }),
            now: Instant::now(),
            answers: Vec::new(),
            reports: 0,
        }
    }

    fn joined() -> Self {
        let mut bench = Self::new();
        assert_eq!(bench.join(0, 1), None);
        bench
    }

    fn join(&mut self, last_client_seq: u64, epoch: u64) -> Option<Resumed> {
        self.lane.on_joined(&MarketJoined {
            market: MARKET,
            state: MarketState::Continuous,
            reserved: Reserved,
            epoch,
            last_client_seq,
            last_report_seq: self.reports,
            stream_seq: 0,
        })
    }

    /// The server tells which reports it sends again. Gives those that are lost.
    fn resent(&mut self, from_report_seq: u64) -> Option<(u64, u64)> {
        self.lane.on_reports_resent(&ReportsResent {
            market: MARKET,
            reserved: Reserved,
            from_report_seq,
            to_report_seq: self.reports,
        })
    }

    /// A report comes again.
    fn again(&mut self, report_seq: u64, report: Report) -> Seen {
        self.lane
            .on_report(report_seq, report, &self.policy, self.now)
    }

    /// Submits orders named `names`.
    fn submit(&mut self, names: std::ops::RangeInclusive<u64>) {
        for name in names {
            let order = Order::limit(ACCOUNT, Side::Buy, Price(1), Qty(1)).named(ClOrdId(name));
            self.submit_message(Message::new_order(MARKET, &order));
        }
    }

    fn submit_message(&mut self, message: Message) {
        let (waiter, answer) = oneshot::channel();
        self.lane.submit(Item::new(message, waiter));
        self.answers.push(answer);
    }

    /// What goes out now: (client_seq, name of the order, flags).
    fn sent(&mut self) -> Vec<(u64, u64, u8)> {
        let mut out = BytesMut::new();
        self.lane.pump(self.now, 1_000, &mut self.paces, &mut out);
        let mut sent = Vec::new();
        let mut bytes = &out[..];
        while let Some((frame, len)) = split_frame(bytes, 4_096).unwrap() {
            let name = u64::from_le_bytes(frame.body[..8].try_into().unwrap());
            sent.push((frame.header.seq, name, frame.header.flags));
            bytes = &bytes[len..];
        }
        sent
    }

    fn accepted(&mut self, client_seq: u64) {
        self.report(accepted(client_seq, 0));
    }

    fn report(&mut self, report: Report) {
        self.reports += 1;
        let gap = self
            .lane
            .on_report(self.reports, report, &self.policy, self.now);
        assert_eq!(gap, Seen::Next);
    }

    fn not_applied(&mut self, from: u64, count: u32, reason: RejectReason, retry_after_us: u32) {
        let news = NotApplied {
            from_client_seq: from,
            count,
            market: MARKET,
            expected_client_seq: from,
            code: Code::from(reason),
            reserved: Reserved,
            retry_after_us,
        };
        self.lane.on_not_applied(&news, &self.policy, self.now);
    }

    fn rejected_before_the_market(&mut self, seq: u64) {
        let news = SessionReject {
            ref_seq: seq,
            market: MARKET,
            ref_template: 32,
            code: Code::from(RejectReason::UnknownAccount),
            field_offset: 60,
            fatal: false,
            reserved: Reserved,
            retry_after_us: 0,
            cl_ord_id: ClOrdId(0),
        };
        self.lane.on_session_reject(&news, &self.policy, self.now);
    }

    /// The outcome of the `index`-th message, in a word.
    fn outcome(&mut self, index: usize) -> &'static str {
        match self.answers[index].try_recv() {
            Ok(Answer::One(_) | Answer::Batch(_)) => "applied",
            Ok(Answer::NotApplied(_)) => "not applied",
            Ok(Answer::Unknown(_)) => "unknown",
            Err(_) => "open",
        }
    }
}

fn accepted(client_seq: u64, batch_index: u8) -> Report {
    Report::Accepted(Accepted {
        market: MARKET,
        account: ACCOUNT,
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
        batch_index,
        reserved: Reserved,
    })
}

fn canceled(client_seq: u64) -> Report {
    Report::Canceled(Canceled {
        market: MARKET,
        account: ACCOUNT,
        transact_time: 0,
        client_seq,
        cl_ord_id: ClOrdId(0),
        order_id: OrderId(1),
        qty: Qty(1),
        cum: Qty(0),
        reason: CancelReason::MassCancel,
        side: Side::Buy,
        batch_index: 0,
        reserved: Reserved,
    })
}

#[test]
fn nothing_is_sent_before_the_market_is_joined_and_numbers_go_on_where_it_stands() {
    let mut bench = Bench::new();
    bench.submit(1..=2);
    assert_eq!(bench.sent(), []);
    bench.join(41, 1);
    assert_eq!(bench.sent(), [(42, 1, 0), (43, 2, 0)]);
}

#[test]
fn each_outcome_is_that_of_its_message() {
    let mut bench = Bench::joined();
    bench.submit(1..=2);
    assert_eq!(bench.sent().len(), 2);
    bench.accepted(1);
    assert_eq!((bench.outcome(0), bench.outcome(1)), ("applied", "open"));
    assert_eq!(bench.lane.unanswered(), 1);
    bench.accepted(2);
    assert_eq!(bench.outcome(1), "applied");
}

#[test]
fn credits_bound_what_is_in_flight() {
    let mut bench = Bench::joined();
    bench.submit(1..=5);
    let mut out = BytesMut::new();
    let sent = bench.lane.pump(bench.now, 3, &mut bench.paces, &mut out);
    assert_eq!(sent, 3);
    assert_eq!((bench.lane.unanswered(), bench.lane.waiting()), (3, 2));
}

#[test]
fn the_rate_bounds_what_is_sent_and_the_lane_says_when_it_goes_on() {
    let mut bench = Bench::joined();
    bench.paces = Paces::new(Rates {
        orders: (100, 2),
        cancels: (100, 2),
    });
    bench.submit(1..=4);
    assert_eq!(bench.sent().len(), 2);
    let wake = bench.lane.wake_at().unwrap();
    assert_eq!(wake, bench.now + Duration::from_millis(10));
    assert_eq!(bench.sent(), []);
    bench.now = wake;
    assert_eq!(bench.sent(), [(3, 3, 0)]);
}

#[test]
fn a_refusal_and_what_was_behind_it_is_sent_again_in_order_after_the_pause() {
    let mut bench = Bench::joined();
    bench.submit(1..=4);
    assert_eq!(bench.sent().len(), 4);
    bench.accepted(1);
    bench.not_applied(2, 1, RejectReason::MarketBusy, 5_000);
    bench.submit(5..=5);
    assert_eq!(bench.sent(), [], "answers for 3 and 4 are still due");
    bench.not_applied(3, 2, RejectReason::SequenceGap, 0);
    assert_eq!(bench.sent(), [], "the pause is not over");
    assert_eq!(
        bench.lane.wake_at(),
        Some(bench.now + Duration::from_millis(5))
    );
    bench.now += Duration::from_millis(5);
    assert_eq!(bench.sent(), [(2, 2, 0)], "half of what was in flight");
    bench.accepted(2);
    assert_eq!(
        bench.sent(),
        [(3, 3, 0), (4, 4, 0)],
        "and one more for each answer"
    );
    (3..=4).for_each(|seq| bench.accepted(seq));
    assert_eq!(bench.sent(), [(5, 5, 0)]);
    bench.accepted(5);
    assert!((0..5).all(|index| bench.outcome(index) == "applied"));
}

#[test]
fn a_refusal_that_comes_before_earlier_answers_waits_for_them() {
    let mut bench = Bench::joined();
    bench.submit(1..=2);
    assert_eq!(bench.sent().len(), 2);
    bench.not_applied(2, 1, RejectReason::SessionRateExceeded, 0);
    bench.now += Duration::from_secs(1);
    assert_eq!(bench.sent(), []);
    bench.accepted(1);
    bench.now += Duration::from_secs(1);
    assert_eq!(bench.sent(), [(2, 2, 0)]);
}

#[test]
fn a_message_refused_for_good_frees_its_number_for_the_next() {
    let mut bench = Bench::joined();
    bench.submit(1..=3);
    assert_eq!(bench.sent().len(), 3);
    bench.rejected_before_the_market(1);
    bench.not_applied(2, 2, RejectReason::SequenceGap, 0);
    assert_eq!(bench.outcome(0), "not applied");
    assert_eq!(bench.sent(), [(1, 2, 0), (2, 3, 0)]);
}

#[test]
fn attempts_are_bounded() {
    let mut bench = Bench::joined();
    bench.policy.attempts_max = 2;
    bench.submit(1..=2);
    assert_eq!(bench.sent().len(), 2);
    bench.not_applied(2, 1, RejectReason::MarketBusy, 10);
    bench.not_applied(1, 1, RejectReason::MarketBusy, 10);
    for _ in 0..2 {
        assert_eq!(bench.outcome(0), "open");
        bench.now += Duration::from_secs(2);
        assert_eq!(bench.sent(), [(1, 1, 0)]);
        bench.not_applied(1, 1, RejectReason::MarketBusy, 10);
    }
    assert_eq!(bench.outcome(0), "not applied");
    assert_eq!(bench.sent(), [(1, 2, 0)], "the one behind it goes on");
}

#[test]
fn without_retry_a_refusal_and_what_was_behind_it_is_not_applied() {
    let mut bench = Bench::joined();
    bench.policy.enabled = false;
    bench.submit(1..=2);
    assert_eq!(bench.sent().len(), 2);
    bench.not_applied(1, 1, RejectReason::CreditExceeded, 10);
    bench.not_applied(2, 1, RejectReason::SequenceGap, 0);
    assert_eq!(bench.outcome(0), "not applied");
    assert_eq!(bench.outcome(1), "not applied");
    bench.submit(3..=3);
    assert_eq!(bench.sent(), [(1, 3, 0)], "the number is free");
}

#[test]
fn after_a_reconnect_missed_reports_resolve_their_messages_and_the_rest_is_sent_again() {
    let mut bench = Bench::joined();
    bench.submit(1..=4);
    assert_eq!(bench.sent().len(), 4);
    bench.accepted(1);
    bench.lane.on_disconnect();
    assert_eq!(bench.sent(), []);
    bench.reports = 3;
    assert_eq!(bench.join(3, 1), None);
    assert_eq!(bench.resent(1), None);
    assert_eq!(bench.again(1, accepted(1, 0)), Seen::Before);
    for seq in 2..=3 {
        assert_eq!(bench.lane.finish_resume(), None);
        assert_eq!(bench.again(seq, accepted(seq, 0)), Seen::Next);
    }
    let resumed = bench.lane.finish_resume().unwrap();
    assert_eq!((resumed.applied_unanswered, resumed.resent), (0, 1));
    assert!(!resumed.state_lost);
    let outcomes: Vec<_> = (0..4).map(|index| bench.outcome(index)).collect();
    assert_eq!(outcomes, ["applied", "applied", "applied", "open"]);
    assert_eq!(bench.sent(), [(4, 4, FLAG_POSS_RESEND)]);
}

#[test]
fn what_was_applied_and_whose_reports_are_lost_is_unknown() {
    let mut bench = Bench::joined();
    bench.submit(1..=4);
    assert_eq!(bench.sent().len(), 4);
    bench.accepted(1);
    bench.lane.on_disconnect();
    assert_eq!(bench.sent(), []);
    bench.reports = 3;
    assert_eq!(bench.join(3, 1), None);
    assert_eq!(bench.resent(4), Some((2, 3)));
    let resumed = bench.lane.finish_resume().unwrap();
    assert_eq!((resumed.applied_unanswered, resumed.resent), (2, 1));
    assert!(!resumed.state_lost);
    let outcomes: Vec<_> = (0..4).map(|index| bench.outcome(index)).collect();
    assert_eq!(outcomes, ["applied", "unknown", "unknown", "open"]);
    assert_eq!(bench.sent(), [(4, 4, FLAG_POSS_RESEND)]);
}

#[test]
fn a_market_that_lost_its_state_is_sent_nothing_again() {
    let mut bench = Bench::joined();
    bench.submit(1..=3);
    assert_eq!(bench.sent().len(), 3);
    bench.accepted(1);
    bench.lane.on_disconnect();
    let resumed = bench.join(0, 2).unwrap();
    assert!(resumed.state_lost);
    assert_eq!((bench.outcome(1), bench.outcome(2)), ("unknown", "unknown"));
    assert_eq!(bench.sent(), []);
    bench.submit(4..=4);
    assert_eq!(bench.sent(), [(1, 4, 0)]);
}

#[test]
fn a_resend_that_was_applied_before_is_unknown_and_not_rejected() {
    let mut bench = Bench::joined();
    bench.submit(1..=1);
    assert_eq!(bench.sent().len(), 1);
    bench.not_applied(1, 1, RejectReason::AlreadyApplied, 0);
    assert_eq!(bench.outcome(0), "unknown");
}

#[test]
fn when_the_session_ends_what_was_sent_is_unknown_and_the_rest_not_applied() {
    let mut bench = Bench::joined();
    bench.submit(1..=1);
    assert_eq!(bench.sent().len(), 1);
    bench.submit(2..=2);
    bench.lane.close();
    assert_eq!(
        (bench.outcome(0), bench.outcome(1)),
        ("unknown", "not applied")
    );
}

#[test]
fn a_mass_cancel_is_answered_by_its_first_report_and_complete_with_its_last() {
    let mut bench = Bench::joined();
    bench.submit_message(Message::mass_cancel(MARKET, ACCOUNT, None));
    bench.sent();
    bench.report(canceled(1));
    assert_eq!((bench.lane.unanswered(), bench.outcome(0)), (0, "open"));
    bench.report(Report::MassCanceled(MassCanceled {
        market: MARKET,
        account: ACCOUNT,
        transact_time: 0,
        client_seq: 1,
        count: 1,
        reserved: Reserved,
    }));
    assert_eq!(bench.outcome(0), "applied");
}

#[test]
fn a_batch_is_complete_with_the_first_report_of_its_last_entry() {
    let mut bench = Bench::joined();
    let cancel = Instruction::Cancel(ACCOUNT, OrderRef::Id(OrderId(1)));
    let entries = [cancel, cancel];
    bench.submit_message(Message::batch(MARKET, BatchMode::Independent, &entries).unwrap());
    bench.sent();
    bench.report(accepted(1, 0));
    bench.report(accepted(1, 0));
    assert_eq!(bench.outcome(0), "open");
    bench.report(accepted(1, 1));
    assert_eq!(bench.outcome(0), "applied");
}

#[test]
fn a_gap_in_the_numbers_of_reports_is_told() {
    let mut bench = Bench::joined();
    let mut seen = |report_seq| {
        let report = accepted(0, 0);
        bench
            .lane
            .on_report(report_seq, report, &bench.policy, bench.now)
    };
    assert_eq!(seen(3), Seen::After { expected: 1 });
    assert_eq!(seen(3), Seen::Before);
    assert_eq!(seen(4), Seen::Next);
}
