//! What must hold of incarnations, and of sessions that are gone, in the stream of a market.

use std::sync::{Arc, Mutex};

use crossbeam_channel::{Sender, bounded};
use souk_engine::{Command, FeeTier, MarketSpec, NewOrder};
use souk_protocol::{
    AccountId, AccountStatus, Amount, CancelOnDisconnect, ClOrdId, MarketId, MarketState,
    OrderType, PostOnly, Price, Qty, RejectReason, SessionId, Side, StpGroup, StpMode, StpScope,
    Text, TimeInForce,
};

use super::{Inbox, Matcher};
use crate::control::{AccountTerms, Custody};
use crate::handoff::{
    Batch, CountsAs, Item, Lane, Link, MarketSeat, Numbered, Outcome, QueueGauge, Request, Seat,
    SeatConfig, SessionTerms, Submission, SubmissionTimes, TakesBatches, TenantIndex,
};
use crate::treasury::Treasury;

const TENANT: TenantIndex = TenantIndex(0);
const SESSION: SessionId = SessionId(7);
const ACCOUNTS: u32 = 100;

/// Outcomes in order, in words.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<String>>>);

impl TakesBatches for Written {
    fn take(&mut self, batch: &mut Batch) {
        let words = batch.records.iter().map(|record| match &record.outcome {
            Outcome::Applied { .. } => format!("applied {}", record.stream_seq),
            Outcome::NotApplied { from, .. } => format!("not applied {from}"),
            Outcome::SessionOpened(terms) => format!("opened {}", terms.incarnation),
            Outcome::SessionCanceled { account, events } => {
                format!("canceled {account}: {events} at {}", record.stream_seq)
            }
            Outcome::Joined(joined) => format!("joined {}", joined.last_client_seq),
            other => format!("{other:?}"),
        });
        self.0.lock().expect("nobody panics").extend(words);
    }
}

struct Bench {
    matcher: Matcher<Written>,
    queue: Sender<Submission>,
    gauge: Arc<QueueGauge>,
    written: Written,
}

impl Bench {
    fn new() -> Self {
        let treasury = Treasury::new(1, 0);
        let active = AccountTerms {
            status: AccountStatus::Active,
            ..AccountTerms::FEES
        };
        let currency = |code| {
            let code = Text::new(code).expect("a code");
            treasury.define_currency(TENANT, code);
            treasury.currency(TENANT, code).expect("it was defined")
        };
        let (base, quote) = (currency("BTC"), currency("USDT"));
        for account in 1..=ACCOUNTS {
            treasury.set_account(TENANT, AccountId(account), &active);
        }
        let seat = MarketSeat {
            tenant: TENANT,
            market: MarketId(1),
            spec: MarketSpec::WIDE,
            state: MarketState::Continuous,
            base,
            quote,
            custody: Custody::External,
            settlements_max: 0,
            reports_bytes_max: 0,
        };
        let (queue, submissions) = bounded(64);
        let (spare, _) = bounded(1);
        let gauge = Arc::new(QueueGauge::new(1, 65_536, 100));
        let inbox = Inbox {
            queue: submissions,
            gauge: Arc::clone(&gauge),
            spare,
            committed: crossbeam_channel::never(),
        };
        let written = Written::default();
        let seats = vec![SeatConfig::Market(seat)];
        let matcher = Matcher::new(inbox, 1, seats, Arc::new(treasury), 1, written.clone());
        Self {
            matcher: matcher.expect("the market's bounds are good"),
            queue,
            gauge,
            written,
        }
    }

    /// What comes of requests, in words.
    fn check(&mut self, link: &Arc<Link>, requests: Vec<Request>, expected: &[&str]) {
        for _ in &requests {
            self.gauge.admit_always(TENANT);
        }
        let item = |request| Item {
            seat: Seat(0),
            request,
        };
        let submission = Submission {
            tenant: TENANT,
            link: Arc::clone(link),
            lane: Lane::Orders,
            items: requests.into_iter().map(item).collect(),
            times: SubmissionTimes::default(),
        };
        self.queue.send(submission).expect("there is room");
        while self.matcher.poll(1) > 0 {}
        let mut written = self.written.0.lock().expect("nobody panics");
        assert_eq!(std::mem::take(&mut *written), expected);
    }
}

fn link(incarnation: u64, cancel_on_disconnect: CancelOnDisconnect) -> Arc<Link> {
    let terms = SessionTerms {
        incarnation,
        cancel_on_disconnect,
        grace_ms: 0,
    };
    Arc::new(Link::new(SESSION, terms, incarnation, 1))
}

fn order(client_seq: u64, account: u32) -> Request {
    let order = NewOrder {
        cl_ord_id: ClOrdId(client_seq),
        account: AccountId(account),
        session: SESSION,
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: PostOnly::No,
        price: Price(100),
        qty: Qty(1),
        budget: Amount(0),
        stp_mode: StpMode::None,
        stp_scope: StpScope::Account,
        stp_group: StpGroup(0),
        fee_tier: FeeTier(0),
    };
    Request::Command(Numbered {
        client_seq,
        ..Numbered::unasked(Command::New(order))
    })
}

fn cancel_after(incarnation: u64) -> Request {
    Request::CancelSession {
        session: SESSION,
        incarnation,
    }
}

#[test]
fn once_a_market_has_seen_a_newer_incarnation_the_older_has_no_effect_and_no_answer() {
    let mut bench = Bench::new();
    let plain = |incarnation| link(incarnation, CancelOnDisconnect::None);
    let (old, new) = (plain(5), plain(6));
    bench.check(&old, vec![order(1, 1)], &["opened 5", "applied 1"]);
    bench.check(
        &old,
        vec![order(2, 1), order(4, 1)],
        &["applied 2", "not applied 4"],
    );
    bench.check(&new, vec![Request::Join], &["opened 6", "joined 2"]);
    assert_eq!(old.ending(), None);
    bench.check(&old, vec![order(3, 1), Request::Join], &[]);
    assert_eq!(old.ending(), Some(RejectReason::SessionTakenOver));
    bench.check(&new, vec![order(3, 1)], &["applied 3"]);
    let marks: Vec<_> = bench.matcher.sessions(Seat(0)).collect();
    assert_eq!(marks.len(), 1);
    assert_eq!((marks[0].0, marks[0].1.client_seq), (SESSION, 3));
}

#[test]
fn a_session_that_is_gone_loses_the_orders_of_each_account_once() {
    let mut bench = Bench::new();
    let gone = link(5, CancelOnDisconnect::OnDisconnect);
    let away = Arc::new(Link::away(SESSION, gone.terms));
    let orders = (1..=ACCOUNTS).map(|account| order(account.into(), account));
    let applied = (1..=ACCOUNTS).map(|account| format!("applied {account}"));
    let mut expected = vec!["opened 5".to_owned()];
    expected.extend(applied);
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    bench.check(&gone, orders.collect(), &expected);
    // More accounts than one turn takes: each has its own number, and none is left out.
    let canceled: Vec<String> = (1..=ACCOUNTS)
        .map(|account| format!("canceled {account}: 2 at {}", ACCOUNTS + account))
        .collect();
    let canceled: Vec<&str> = canceled.iter().map(String::as_str).collect();
    bench.check(&away, vec![cancel_after(5)], &canceled);
    bench.check(&away, vec![cancel_after(5)], &[]);
    // Nothing stays counted: all the room that orders may have is free.
    let room = 65_536 * 7 / 8;
    let admitted = bench.gauge.admit(TENANT, CountsAs::Order, room);
    assert_eq!(admitted, Ok(()));
}

#[test]
fn a_session_that_is_back_keeps_its_orders() {
    let mut bench = Bench::new();
    let first = link(5, CancelOnDisconnect::Both);
    let away = Arc::new(Link::away(SESSION, first.terms));
    bench.check(&first, vec![order(1, 3)], &["opened 5", "applied 1"]);
    let second = link(6, CancelOnDisconnect::None);
    bench.check(&second, vec![Request::Join], &["opened 6", "joined 1"]);
    bench.check(&away, vec![cancel_after(5)], &[]);
    // Orders of another account, which it enters now, are not meant by what it asked for before.
    bench.check(&second, vec![order(2, 4)], &["applied 2"]);
    bench.check(&away, vec![cancel_after(6)], &["canceled 3: 2 at 3"]);
}
