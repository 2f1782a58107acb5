//! What a tenant may have waiting in a matcher's queue, message by message: the matcher stands still
//! until it is told to go on, so each bound is met exactly.
#![allow(clippy::unwrap_used)]

mod support;

use souk_protocol::message::*;
use souk_protocol::*;
use support::node::{ByHand, Node};
use support::*;

/// Commands the queue holds. An eighth of it is for cancels, and an eighth more for each tenant's.
const QUEUE: u32 = 1_024;
/// What a tenant may fill, per cent, and in commands.
const SHARE_PERCENT: u32 = 25;
const SHARE: usize = 256;
const EIGHTH: usize = 128;

fn node() -> Node {
    let head = "[limits]\nmax_inflight = 100000\norder_burst = 100000\ncancel_burst = 100000\n";
    Node::start(head, QUEUE, SHARE_PERCENT, 1_024)
}

fn order(seq: u64) -> Vec<u8> {
    limit(seq, 1, Side::Buy, 10, 1).frame(seq).to_vec()
}

fn cancel_of(seq: u64) -> Vec<u8> {
    cancel(seq, 1).frame(seq).to_vec()
}

fn mass_cancel(seq: u64) -> Vec<u8> {
    let mass = MassCancel {
        market: MarketId(1),
        account: AccountId(1),
        side: None,
        reserved: Reserved,
    };
    mass.frame(seq).to_vec()
}

fn batch_of_cancels(seq: u64, count: usize) -> Vec<u8> {
    let root = Batch {
        market: MarketId(1),
        mode: BatchMode::Independent,
        reserved: Reserved,
    };
    let entries = vec![BatchEntry::from(cancel(1, 1)); count];
    let mut bytes = vec![0; frame_len_with_group::<Batch, BatchEntry>(count)];
    write_frame_with_group(&root, &entries, seq, 0, &mut bytes).unwrap();
    bytes
}

/// Sends `count` messages, each in a read of its own, from the next number that is free. Gives how
/// many were taken; the others must be refused for the tenant's share.
fn taken(node: &Node, session: &mut ByHand, count: usize, frame: fn(u64) -> Vec<u8>) -> usize {
    let mut taken = 0;
    for _ in 0..count {
        let before = session.session.established().unwrap().outstanding();
        session.receive(node, &frame(before + 1));
        let answers = session.answers();
        let after = session.session.established().unwrap().outstanding();
        if after > before {
            assert!(answers.is_empty(), "taken and refused: {answers:?}");
            taken += 1;
        } else {
            assert_eq!(refusal(&answers), RejectReason::TenantShareExceeded);
        }
    }
    taken
}

fn refusal(answers: &[Got]) -> RejectReason {
    let [answer] = answers else {
        panic!("one answer is expected: {answers:?}")
    };
    match answer.message() {
        ServerMessage::NotApplied(refused) => refused.code.reason().unwrap(),
        ServerMessage::SessionReject(refused) => refused.code.reason().unwrap(),
        other => panic!("{other:?} refuses nothing"),
    }
}

#[test]
fn cancels_of_any_kind_reach_the_share_and_an_eighth_and_no_further() {
    let batches: fn(u64) -> Vec<u8> = |seq| batch_of_cancels(seq, 32);
    for (frame, size) in [
        (cancel_of as fn(u64) -> Vec<u8>, 1),
        (mass_cancel, 1),
        (batches, 32),
    ] {
        let node = node();
        let mut session = node.log_on(1);
        assert_eq!(
            size * taken(&node, &mut session, 500, frame),
            SHARE + EIGHTH
        );
    }
}

#[test]
fn a_batch_that_would_pass_the_bound_is_refused_as_a_whole() {
    let node = node();
    let mut session = node.log_on(1);
    let room = 10;
    assert_eq!(
        taken(&node, &mut session, SHARE + EIGHTH - room, cancel_of),
        SHARE + EIGHTH - room
    );
    assert_eq!(
        taken(&node, &mut session, 1, |seq| batch_of_cancels(seq, 11)),
        0
    );
    assert_eq!(
        taken(&node, &mut session, 1, |seq| batch_of_cancels(seq, 10)),
        1
    );
}

#[test]
fn orders_reach_the_share_and_never_what_is_kept_for_cancels() {
    let node = node();
    let mut session = node.log_on(1);
    // In turns and in one read, so that an order could ride on the room a cancel was given.
    let count = SHARE + EIGHTH;
    let mut frames = Vec::new();
    for seq in 1..=count as u64 {
        frames.extend(if seq % 2 == 0 {
            order(seq)
        } else {
            cancel_of(seq)
        });
    }
    session.receive(&node, &frames);
    let refused = session.answers();
    // The share is full after so many of both; then every cancel is taken, and no order.
    assert_eq!(refused.len(), EIGHTH / 2);
    for answer in &refused {
        let ServerMessage::NotApplied(refused) = answer.message() else {
            panic!("{answer:?}")
        };
        assert_eq!(refused.code, Code::from(RejectReason::TenantShareExceeded));
        assert!(refused.from_client_seq > SHARE as u64, "{refused:?}");
        assert_eq!(refused.from_client_seq % 2, 0, "an order");
    }
    assert_eq!(taken(&node, &mut session, 100, order), 0);
    assert_eq!(
        taken(&node, &mut session, 200, cancel_of),
        EIGHTH / 2,
        "what is left of the eighth"
    );
}

#[test]
fn several_sessions_of_a_tenant_have_one_share_and_another_tenant_has_its_own() {
    let mut node = node();
    let (mut first, mut second) = (node.log_on(1), node.log_on(2));
    let mut other = node.log_on(3);
    assert_eq!(taken(&node, &mut first, 200, order), 200);
    let order_of_2 = |seq| limit(seq, 2, Side::Buy, 10, 1).frame(seq).to_vec();
    assert_eq!(taken(&node, &mut second, 200, order_of_2), SHARE - 200);
    assert_eq!(taken(&node, &mut first, 200, cancel_of), EIGHTH);
    assert_eq!(taken(&node, &mut other, 300, order), SHARE);
    node.apply_all();
    for session in [&mut first, &mut second, &mut other] {
        let _ = session.answers();
    }
    // All of it came back: nothing of a share leaks on any of the ways above.
    let fresh = node.log_on(4);
    drop(fresh);
    let free: fn(u64) -> Vec<u8> = |seq| {
        let numbered = seq + 200 + EIGHTH as u64;
        order(numbered)
    };
    assert_eq!(taken(&node, &mut first, 300, free), SHARE);
}

#[test]
fn an_unsubscribe_without_a_subscription_is_refused_and_so_is_the_second_one() {
    let mut node = node();
    let mut session = node.log_on(1);
    session.receive(&node, &unsubscribe());
    assert_eq!(refusal(&session.answers()), RejectReason::NotJoined);
    session.receive(&node, &subscribe());
    session.receive(&node, &unsubscribe());
    assert!(session.answers().is_empty());
    session.receive(&node, &unsubscribe());
    assert_eq!(refusal(&session.answers()), RejectReason::NotJoined);
    node.apply_all();
    let templates: Vec<u16> = templates(&session.answers());
    assert_eq!(templates, [DepthSnapshot::TEMPLATE]);
    session.receive(&node, &order(1));
    node.apply_all();
    assert_eq!(
        self::templates(&session.answers()),
        [Accepted::TEMPLATE],
        "no depth any more"
    );
}

#[test]
fn an_unsubscribe_that_the_queue_refuses_leaves_the_subscription_as_it_was() {
    let mut node = node();
    let mut session = node.log_on(1);
    session.receive(&node, &subscribe());
    node.apply_all();
    assert_eq!(
        templates(&session.answers()),
        [DepthSnapshot::TEMPLATE],
        "subscribed"
    );
    let full = SHARE + EIGHTH;
    assert_eq!(taken(&node, &mut session, full, cancel_of), full);
    session.receive(&node, &unsubscribe());
    assert_eq!(
        refusal(&session.answers()),
        RejectReason::TenantShareExceeded
    );
    node.apply_all();
    let _ = session.answers();
    let next = full as u64 + 1;
    session.receive(&node, &order(next));
    node.apply_all();
    assert_eq!(
        templates(&session.answers()),
        [Accepted::TEMPLATE, DepthUpdate::TEMPLATE],
        "still subscribed"
    );
    session.receive(&node, &unsubscribe());
    node.apply_all();
    assert!(session.answers().is_empty(), "now it is taken");
}

fn templates(answers: &[Got]) -> Vec<u16> {
    answers
        .iter()
        .map(|got| got.frame().header.template_id)
        .collect()
}

fn subscribe() -> Vec<u8> {
    let subscribe = Subscribe {
        market: MarketId(1),
        flags: SUBSCRIBE_DEPTH,
        reserved: Reserved,
    };
    subscribe.frame(0).to_vec()
}

fn unsubscribe() -> Vec<u8> {
    let unsubscribe = Unsubscribe {
        market: MarketId(1),
        reserved: Reserved,
    };
    unsubscribe.frame(0).to_vec()
}
