//! The way of an order, from its bytes to the bytes of its reports, allocates nothing once it is
//! warm: session, queue, matcher, book, publisher and outbox, without sockets and threads.
#![allow(clippy::unwrap_used)]

#[path = "../engine/tests/counting/mod.rs"]
mod counting;
mod support;

use std::time::Duration;

use counting::{Counting, allocations};
use souk_protocol::message::CancelOrder;
use souk_protocol::*;
use support::limit;
use support::node::Node;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Orders and cancels of one read.
const READ: u64 = 48;
const WARM_READS: u64 = 2_000;
const READS: u64 = 20_000;

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
    let head = "[limits]\norder_rate = 100000000\norder_burst = 100000000\ncancel_rate = 100000000\ncancel_burst = 100000000\n[operations]\nlisten = \"127.0.0.1:0\"\n";
    // Measured: to write down what stages take allocates nothing either.
    let mut node = Node::start(head, 65_536, 50, 64);
    let mut session = node.log_on(1);
    let link = session.link();
    let (mut frames, mut reports) = (Vec::with_capacity(65_536), Vec::with_capacity(65_536));
    let (mut bytes, mut before) = (0, 0);
    for number in 0..WARM_READS + READS {
        if number == WARM_READS {
            before = allocations();
            bytes = 0;
        }
        read(number, &mut frames);
        node.now.instant += Duration::from_micros(50);
        session.receive(&node, &frames);
        while node.matcher.poll(node.now.wall_ns) > 0 {}
        reports.clear();
        link.outbox.take(&mut reports);
        bytes += reports.len();
    }
    assert_eq!(allocations() - before, 0, "in {} messages", READS * READ);
    // Something was reported of every message.
    assert!(bytes as u64 > READS * READ * 72, "{bytes}");
    assert_eq!(session.session.established().unwrap().outstanding(), 0);
}
