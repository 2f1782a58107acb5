//! Two clients trade while their connections are cut at random: each report comes once and in order, each
//! order adds up, and nothing is left unknown.
//!
//! `SOUK_DISCONNECTS` says how many connections are cut, `SEED` which.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use souk_client::{
    Client, ClientOptions, Event, Order, OrderRef, Outcome, Pending, ReconnectPolicy, Report,
    SigningKey, TimeInForce,
};

use super::cutter::{Cutter, Random};
use super::*;

/// Cuts of the test command.
const DISCONNECTS: u64 = 300;
/// A direction is cut before this many bytes: some thirty orders.
const BYTES_MAX: u64 = 4_000;
/// Messages of one client that are under way at one time.
const UNDER_WAY_MAX: usize = 64;
/// The longest the test waits for an outcome.
const PATIENCE: Duration = Duration::from_secs(60);

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// One trader, and what it was told.
struct Trader {
    key: u32,
    client: Client,
    cutter: Cutter,
    random: Random,
    named: u64,
    orders: VecDeque<Pending<Accepted>>,
    events: tokio::task::JoinHandle<Vec<Event>>,
}

impl Trader {
    async fn start(server: &Server, key: u32, seed: u64) -> Self {
        let cutter = Cutter::to(server.address(), seed, BYTES_MAX);
        let mut options = ClientOptions::new(KeyId(key));
        options.reconnect = Some(ReconnectPolicy {
            attempts_max: 1_000,
            pause_min: Duration::from_millis(1),
            pause_max: Duration::from_millis(4),
        });
        let signing = SigningKey::from_seed(&support::seed(key)).unwrap();
        let client = Client::connect(cutter.address, signing, options)
            .await
            .unwrap();
        let mut events = client.events().await.unwrap();
        client.join(MARKET).await.unwrap();
        let events = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(event) = events.next().await {
                all.push(event);
            }
            all
        });
        cutter.counts.calm.store(false, Relaxed);
        Self {
            key,
            client,
            cutter,
            random: Random(seed ^ 0xbeef),
            named: 0,
            orders: VecDeque::new(),
            events,
        }
    }

    /// An order around a price, and now and then the cancel of an earlier one.
    async fn step(&mut self) {
        let account = AccountId(self.key);
        self.named += 1;
        let side = [Side::Buy, Side::Sell][self.random.below(2) as usize];
        let price = Price(1_000 + self.random.below(10) as i64);
        let mut order = Order::limit(account, side, price, Qty(1 + self.random.below(9)))
            .named(ClOrdId(self.named));
        if self.random.below(4) == 0 {
            order = order.time_in_force(TimeInForce::Ioc);
        }
        let pending = self.client.new_order(MARKET, &order).await.unwrap();
        self.orders.push_back(pending);
        if self.random.below(2) == 0 {
            let name = OrderRef::Named(ClOrdId(1 + self.random.below(self.named)));
            drop(self.client.cancel(MARKET, account, name).await.unwrap());
        }
        if self.orders.len() > UNDER_WAY_MAX {
            self.settle_one().await;
        }
    }

    async fn settle_one(&mut self) {
        if let Some(pending) = self.orders.pop_front() {
            let outcome = tokio::time::timeout(PATIENCE, pending).await;
            let outcome = outcome.expect("an outcome comes");
            assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
        }
    }

    /// Takes everything back, and gives what it was told.
    async fn finish(mut self) -> Told {
        self.cutter.counts.calm.store(true, Relaxed);
        while !self.orders.is_empty() {
            self.settle_one().await;
        }
        let all = self.client.mass_cancel(MARKET, AccountId(self.key), None);
        let all = tokio::time::timeout(PATIENCE, all.await.unwrap()).await;
        assert!(matches!(all, Ok(Outcome::Accepted(_))), "{all:?}");
        let joined = self.client.join(MARKET).await.unwrap();
        self.client.terminate().await.unwrap();
        Told {
            accepted: self.named,
            last_report_seq: joined.last_report_seq,
            events: self.events.await.unwrap(),
        }
    }
}

struct Told {
    accepted: u64,
    last_report_seq: u64,
    events: Vec<Event>,
}

/// An order, as its reports add up.
#[derive(Default)]
struct Sum {
    qty: u64,
    cum: u64,
    leaves: u64,
    canceled: u64,
}

/// Checks all that one trader was told. Gives how often each execution was reported to it.
fn check(told: &Told) -> HashMap<u64, u32> {
    let (mut last, mut accepted) = (0, 0);
    let mut orders: HashMap<u64, Sum> = HashMap::new();
    let mut matches = HashMap::new();
    for event in &told.events {
        let Event::Report { report_seq, report } = event else {
            let lost = matches!(event, Event::ReportsLost { .. } | Event::ReportGap { .. });
            assert!(!lost, "{event:?}");
            continue;
        };
        assert_eq!(*report_seq, last + 1, "once, and in order");
        last = *report_seq;
        match report {
            Report::Accepted(report) => {
                accepted += 1;
                let sum = Sum {
                    qty: report.qty.0,
                    leaves: report.qty.0,
                    ..Sum::default()
                };
                let before = orders.insert(report.order_id.0, sum);
                assert!(before.is_none(), "accepted once: {report:?}");
            }
            Report::Trade(report) => {
                let sum = orders.get_mut(&report.order_id.0).unwrap();
                sum.cum += report.qty.0;
                sum.leaves = report.leaves.0;
                assert_eq!(sum.cum, report.cum.0);
                *matches.entry(report.match_id.0).or_insert(0) += 1;
            }
            Report::Canceled(report) => {
                let sum = orders.get_mut(&report.order_id.0).unwrap();
                sum.canceled += report.qty.0;
                sum.leaves = 0;
            }
            _ => {}
        }
    }
    assert_eq!(last, told.last_report_seq, "nothing is missing at the end");
    assert_eq!(accepted, told.accepted);
    for (order, sum) in &orders {
        let parts = sum.cum + sum.leaves + sum.canceled;
        assert_eq!((parts, sum.leaves), (sum.qty, 0), "order {order}");
    }
    matches
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_cut_each_report_comes_once_and_each_order_adds_up() {
    let (cuts, seed) = (number("SOUK_DISCONNECTS", DISCONNECTS), number("SEED", 7));
    let server = support::start("[server]\nlogon_rate = 1000000\n");
    let mut traders = [
        Trader::start(&server, 1, seed).await,
        Trader::start(&server, 2, seed ^ 0x5555).await,
    ];
    let count = |traders: &[Trader; 2]| -> (u64, u64) {
        let counts = traders.iter().map(|trader| &trader.cutter.counts);
        counts.fold((0, 0), |(cuts, within), counts| {
            let more = counts.within_a_frame.load(Relaxed);
            (cuts + counts.cuts.load(Relaxed), within + more)
        })
    };
    while count(&traders).0 < cuts {
        for trader in &mut traders {
            trader.step().await;
        }
    }
    let (cut, within) = count(&traders);
    let [first, second] = traders;
    let told = [first.finish().await, second.finish().await];
    let mut matches: HashMap<u64, u32> = HashMap::new();
    for told in &told {
        for (id, times) in check(told) {
            *matches.entry(id).or_insert(0) += times;
        }
    }
    assert!(!matches.is_empty(), "they trade");
    for (id, times) in &matches {
        assert_eq!(*times, 2, "execution {id} is reported to each side once");
    }
    assert!(within > cut / 4, "{within} of {cut} cuts within a frame");
    println!(
        "SEED={seed}: {cut} cuts, {within} within a frame; {} orders, {} reports, {} executions, 0 lost, 0 twice",
        told.iter().map(|told| told.accepted).sum::<u64>(),
        told.iter().map(|told| told.last_report_seq).sum::<u64>(),
        matches.len()
    );
}
