//! What it costs to measure, and that it changes nothing: the same reads through two nodes driven by hand, one of which is
//! measured. Small by default; `SOUK_MEASURE=1` takes long enough to believe what it prints.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use souk_protocol::message::CancelOrder;
use souk_protocol::*;
use support::limit;
use support::node::{ByHand, Node};

const LIMITS: &str = "[limits]\norder_rate = 100000000\norder_burst = 100000000\ncancel_rate = 100000000\ncancel_burst = 100000000\n";

/// A node, a session, and what it has spent.
struct Driven {
    node: Node,
    session: ByHand,
    seq: u64,
    frames: Vec<u8>,
    reports: Vec<u8>,
    bytes: usize,
    /// The shortest round, which is the one that was disturbed least.
    shortest: Duration,
}

impl Driven {
    fn start(head: &str) -> Self {
        let node = Node::start(&format!("{LIMITS}{head}"), 65_536, 50, 64);
        let session = node.log_on(1);
        Self {
            node,
            session,
            seq: 0,
            frames: Vec::new(),
            reports: Vec::new(),
            bytes: 0,
            shortest: Duration::MAX,
        }
    }

    /// One read of so many messages: orders around a price, some of which trade, and cancels.
    fn read(&mut self, messages: u64) {
        self.frames.clear();
        for _ in 0..messages {
            self.seq += 1;
            let seq = self.seq;
            if seq.is_multiple_of(2) {
                let cancel = CancelOrder {
                    orig_cl_ord_id: ClOrdId(seq.saturating_sub(97).max(1)),
                    order_id: OrderId(0),
                    market: MarketId(1),
                    account: AccountId(1),
                };
                self.frames.extend_from_slice(&cancel.frame(seq));
            } else {
                let side = if seq % 4 == 1 { Side::Buy } else { Side::Sell };
                let price = 1_000 + (seq.wrapping_mul(0x9e37_79b9) >> 7) as i64 % 40;
                let order = limit(seq, 1, side, price, 1 + seq % 5);
                self.frames.extend_from_slice(&order.frame(seq));
            }
        }
        // By the clock, as a connection does.
        self.node.now.instant = Instant::now();
        self.session.receive(&self.node, &self.frames);
        while self.node.matcher.poll(self.node.now.wall_ns) > 0 {}
        self.reports.clear();
        self.session.link().outbox.take(&mut self.reports);
        self.bytes += self.reports.len();
    }

    fn round(&mut self, reads: u64, messages: u64) {
        let begun = Instant::now();
        for _ in 0..reads {
            self.read(messages);
        }
        self.shortest = self.shortest.min(begun.elapsed());
    }
}

#[test]
fn what_is_measured_comes_out_the_same_and_costs_little() {
    let long = std::env::var("SOUK_MEASURE").is_ok();
    let (rounds, orders) = if long { (400, 16_384) } else { (2, 2_048) };
    for messages in [1, 8, 48] {
        let mut plain = Driven::start("");
        let mut measured = Driven::start("[operations]\nlisten = \"127.0.0.1:0\"\n");
        let reads = orders / messages;
        for _ in 0..rounds {
            plain.round(reads, messages);
            measured.round(reads, messages);
        }
        assert_eq!(plain.bytes, measured.bytes, "the same reports");
        let ns = |it: &Driven| it.shortest.as_nanos() as f64 / (reads * messages) as f64;
        let (without, with) = (ns(&plain), ns(&measured));
        println!(
            "{messages:>2} messages a read: {without:.0} ns a message, {with:.0} measured: {:+.1} ns",
            with - without
        );
    }
}
