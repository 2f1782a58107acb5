//! The way of an order, from its bytes to the bytes of its reports, allocates nothing once it is
//! warm: session, queue, matcher, book, publisher and outbox, without sockets and threads.
#![allow(clippy::unwrap_used)]

#[path = "../engine/tests/counting/mod.rs"]
mod counting;
mod support;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use counting::{Counting, allocations};
use souk::config::{Config, Overrides};
use souk::gateway::session::{Next, Now, Session};
use souk::handoff::Link;
use souk::node::{Node, NodeMatcher};
use souk_protocol::message::CancelOrder;
use souk_protocol::*;
use support::{limit, pair, two_tenants};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Orders and cancels of one read.
const READ: u64 = 48;
const WARM_READS: u64 = 2_000;
const READS: u64 = 20_000;

/// A node with one session, driven by hand.
struct Driven {
    session: Session,
    matcher: NodeMatcher,
    now: Now,
}

impl Driven {
    fn start() -> Self {
        let head = "[limits]\norder_rate = 100000000\norder_burst = 100000000\ncancel_rate = 100000000\ncancel_burst = 100000000\n";
        let config = Config::from_toml(&two_tenants(head), &Overrides::default()).unwrap();
        let parts = Node::new(&config, 1, None).unwrap();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut node = Self {
            session: Session::new(parts.shared, address, [1; 32]),
            matcher: parts.matchers.into_iter().next().unwrap(),
            now: Now {
                wall_ns: 1_800_000_000_000_000_000,
                instant: Instant::now(),
            },
        };
        node.log_on();
        node
    }

    fn log_on(&mut self) {
        let _ = self.session.receive(&hello().frame(0), self.now);
        let out = std::mem::take(self.session.out());
        let (frame, _) = split_frame(&out, FRAME_FROM_SERVER_MAX).unwrap().unwrap();
        let Ok(ServerMessage::Challenge(challenge)) = ServerMessage::decode(&frame) else {
            panic!("a hello is challenged")
        };
        let credentials = Credentials {
            key_id: KeyId(1),
            session_number: 0,
            incarnation: 1,
            keepalive_ms: 1_000,
        };
        let sign = |bytes: &[u8]| <[u8; 64]>::try_from(pair(1).sign(bytes).as_ref()).unwrap();
        let logon = logon(&credentials, &challenge, self.now.wall_ns, sign);
        let (_, next) = self.session.receive(&logon.frame(0), self.now);
        let Next::Verify(verification) = next else {
            panic!("a logon is verified")
        };
        assert!(matches!(
            self.session.verified(&verification, true, self.now),
            Next::Read
        ));
    }

    fn link(&mut self) -> Arc<Link> {
        Arc::clone(self.session.established().unwrap().link())
    }
}

/// One read: orders around a price, some of which trade, and a cancel of each of them 97 messages
/// later, if it is still there.
fn read(number: u64, frames: &mut Vec<u8>) {
    frames.clear();
    for index in 0..READ {
        let seq = number * READ + index + 1;
        if index % 2 == 1 {
            let cancel = CancelOrder {
                orig_cl_ord_id: ClOrdId(seq.saturating_sub(97).max(1)),
                order_id: OrderId(0),
                market: MarketId(1),
                account: AccountId(1),
            };
            frames.extend_from_slice(&cancel.frame(seq));
        } else {
            let side = if index % 4 == 0 {
                Side::Buy
            } else {
                Side::Sell
            };
            let price = 1_000 + (seq.wrapping_mul(0x9e37_79b9) >> 7) as i64 % 40;
            frames.extend_from_slice(&limit(seq, 1, side, price, 1 + seq % 5).frame(seq));
        }
    }
}

#[test]
fn an_order_on_its_way_allocates_nothing() {
    let mut node = Driven::start();
    let link = node.link();
    let (mut frames, mut reports) = (Vec::with_capacity(65_536), Vec::with_capacity(65_536));
    let (mut bytes, mut before) = (0, 0);
    for number in 0..WARM_READS + READS {
        if number == WARM_READS {
            before = allocations();
            bytes = 0;
        }
        read(number, &mut frames);
        node.now.instant += Duration::from_micros(50);
        let (taken, next) = node.session.receive(&frames, node.now);
        assert_eq!(taken, frames.len());
        assert!(matches!(next, Next::Read));
        while node.matcher.poll(node.now.wall_ns) > 0 {}
        reports.clear();
        link.outbox.take(&mut reports);
        bytes += reports.len();
    }
    assert_eq!(allocations() - before, 0, "in {} messages", READS * READ);
    // Something was reported of every message.
    assert!(bytes as u64 > READS * READ * 72, "{bytes}");
    assert_eq!(node.session.established().unwrap().outstanding(), 0);
}
