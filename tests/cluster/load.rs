//! Traders that go on trading while something happens to their node, and what they say of it afterwards.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::trader::Trader;

/// Between two orders of a trader.
const PAUSE: Duration = Duration::from_millis(2);
/// Prices of resting orders: none crosses another.
const PRICES: i64 = 5_000;

/// Traders of both tenants, at work.
pub struct Load {
    stop: Arc<AtomicBool>,
    traders: Vec<JoinHandle<(Trader, Vec<Instant>)>>,
}

/// What they saw.
pub struct Traded {
    /// When each order was acknowledged, by trader.
    pub acknowledged: Vec<Vec<Instant>>,
}

impl Load {
    /// Begins to trade, and waits until every trader has an order.
    pub fn begin(nodes: &[SocketAddr]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut traders = Vec::new();
        for (key, account) in [(1, 1), (3, 1)] {
            let mut trader = Trader::new(key, account, nodes);
            assert!(trader.rest(1), "nothing is wrong yet");
            let stopped = Arc::clone(&stop);
            traders.push(std::thread::spawn(move || {
                let mut acknowledged = Vec::new();
                let mut price = 0;
                while !stopped.load(Ordering::Relaxed) {
                    price = price % PRICES + 1;
                    if trader.rest(price) {
                        acknowledged.push(Instant::now());
                    }
                    std::thread::sleep(PAUSE);
                }
                (trader, acknowledged)
            }));
        }
        Self { stop, traders }
    }

    /// Goes on for a while.
    pub fn run(&self, time: Duration) {
        std::thread::sleep(time);
    }

    /// Ends, and asks for everything that was acknowledged: all of it is there.
    pub fn end(self) -> Traded {
        self.stop.store(true, Ordering::Relaxed);
        let mut acknowledged = Vec::new();
        for trader in self.traders {
            let (mut trader, times) = trader.join().unwrap();
            assert!(!times.is_empty(), "it traded");
            trader.cancel_all();
            acknowledged.push(times);
        }
        Traded { acknowledged }
    }
}

impl Traded {
    /// How long after `when` every trader had an order acknowledged again.
    pub fn first_after(&self, when: Instant) -> Duration {
        let first = |times: &Vec<Instant>| {
            let first = times.iter().find(|time| **time > when);
            first.expect("it went on").duration_since(when)
        };
        self.acknowledged.iter().map(first).max().unwrap()
    }

    /// Whether an order was acknowledged between two moments, not counting what was under way.
    pub fn any_between(&self, from: Instant, to: Instant) -> bool {
        let mut all = self.acknowledged.iter().flatten();
        all.any(|time| *time > from && *time < to)
    }

    /// The longest time without an acknowledgement.
    pub fn longest_gap(&self) -> Duration {
        let gaps = self
            .acknowledged
            .iter()
            .flat_map(|times| times.windows(2).map(|pair| pair[1].duration_since(pair[0])));
        gaps.max().unwrap()
    }
}
