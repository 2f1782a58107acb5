//! Sessions over connections that end: what was lost comes again, nothing comes twice, and orders of a
//! session that is gone are canceled if it asked for that.
mod cutter;
mod disconnects;
mod restarted;
mod vanished;

use crate::support::{self, Got, Wire, limit, now_ns, pair};
use souk::server::Server;
use souk_protocol::message::*;
use souk_protocol::*;

const MARKET: MarketId = MarketId(1);

/// Session 0 of key 1, with what it asks for.
fn log_on_with(server: &Server, mode: CancelOnDisconnect, grace_ms: u32) -> Wire {
    let mut wire = Wire::connect(server.address());
    let credentials = Credentials {
        key_id: KeyId(1),
        session_number: 0,
        incarnation: now_ns(),
        keepalive_ms: 60_000,
        cancel_on_disconnect: mode,
        cancel_grace_ms: grace_ms,
    };
    let got = wire.log_on_with(&credentials, &pair(1), now_ns());
    assert!(
        matches!(got.message(), ServerMessage::LogonAck(..)),
        "{got:?}"
    );
    wire
}

fn log_on(server: &Server) -> Wire {
    log_on_with(server, CancelOnDisconnect::None, 0)
}

fn order(seq: u64, flags: u8) -> Vec<u8> {
    let order = limit(seq, 1, Side::Buy, 100, 1);
    order.frame_with_flags(seq, flags).to_vec()
}

fn ask_to_resume(wire: &mut Wire, last_report_seq: u64) {
    let resume = ResumeMarket {
        market: MARKET,
        reserved: Reserved,
        last_report_seq,
    };
    wire.send(&resume.frame(0));
}

/// Resumes, and takes the reports that come again.
fn resume(wire: &mut Wire, last_report_seq: u64) -> (MarketJoined, ReportsResent, Vec<Got>) {
    ask_to_resume(wire, last_report_seq);
    let joined = match wire.next().message() {
        ServerMessage::MarketJoined(joined) => joined,
        other => panic!("expected to have joined, got {other:?}"),
    };
    let told = match wire.next().message() {
        ServerMessage::ReportsResent(told) => told,
        other => panic!("expected to be told of reports, got {other:?}"),
    };
    assert_eq!(told.to_report_seq, joined.last_report_seq);
    let again: Vec<Got> = (told.from_report_seq..=told.to_report_seq)
        .map(|report_seq| {
            let got = wire.next();
            let header = got.frame().header;
            assert_eq!((header.seq, header.flags), (report_seq, FLAG_POSS_RESEND));
            got
        })
        .collect();
    (joined, told, again)
}

fn accepted(got: &Got) -> u64 {
    match got.message() {
        ServerMessage::Accepted(accepted) => accepted.client_seq,
        other => panic!("expected an acceptance, got {other:?}"),
    }
}

fn not_applied(got: &Got) -> (u64, u64, RejectReason) {
    match got.message() {
        ServerMessage::NotApplied(news) => (
            news.from_client_seq,
            news.expected_client_seq,
            news.code.reason().unwrap(),
        ),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// A session that sent an order, and lost its connection when the order was applied.
fn with_one_order_applied(server: &Server) {
    let mut wire = log_on(server);
    wire.send(&order(1, 0));
    let first = wire.next();
    assert_eq!((accepted(&first), first.seq()), (1, 1));
}

#[test]
fn a_lost_acknowledgement_comes_again_with_the_same_bytes() {
    let server = support::start("");
    let mut wire = log_on(&server);
    wire.send(&order(1, 0));
    let mut first = wire.next().bytes;
    drop(wire);
    let mut wire = log_on(&server);
    let (joined, told, again) = resume(&mut wire, 0);
    assert_eq!((joined.last_client_seq, joined.last_report_seq), (1, 1));
    assert_eq!((told.from_report_seq, told.to_report_seq), (1, 1));
    first[10] = FLAG_POSS_RESEND;
    assert_eq!(again[0].bytes, first);
    wire.send(&order(2, 0));
    assert_eq!(wire.next().seq(), 2);
}

#[test]
fn a_lost_order_is_sent_again_and_applied_once() {
    let server = support::start("");
    with_one_order_applied(&server);
    let mut wire = log_on(&server);
    let (joined, told, _) = resume(&mut wire, 1);
    assert_eq!(joined.last_client_seq, 1);
    assert_eq!((told.from_report_seq, told.to_report_seq), (2, 1));
    wire.send(&order(2, FLAG_POSS_RESEND));
    let got = wire.next();
    assert_eq!((accepted(&got), got.seq()), (2, 2));
}

#[test]
fn when_both_are_lost_everything_may_be_sent_again() {
    let server = support::start("");
    with_one_order_applied(&server);
    let mut wire = log_on(&server);
    ask_to_resume(&mut wire, 0);
    wire.send(&order(1, FLAG_POSS_RESEND));
    wire.send(&order(2, FLAG_POSS_RESEND));
    assert!(matches!(
        wire.next().message(),
        ServerMessage::MarketJoined(_)
    ));
    assert!(matches!(
        wire.next().message(),
        ServerMessage::ReportsResent(_)
    ));
    let again = wire.next();
    assert_eq!((accepted(&again), again.seq()), (1, 1));
    let refused = not_applied(&wire.next());
    assert_eq!(refused, (1, 2, RejectReason::AlreadyApplied));
    let got = wire.next();
    assert_eq!((accepted(&got), got.seq()), (2, 2));
}

#[test]
fn a_duplicate_and_a_gap_use_up_nothing() {
    let server = support::start("");
    let mut wire = log_on(&server);
    wire.send(&order(1, 0));
    wire.send(&order(1, FLAG_POSS_RESEND));
    wire.send(&order(3, 0));
    assert_eq!(accepted(&wire.next()), 1);
    let refused = not_applied(&wire.next());
    assert_eq!(refused, (1, 2, RejectReason::AlreadyApplied));
    let refused = not_applied(&wire.next());
    assert_eq!(refused, (3, 2, RejectReason::SequenceGap));
    wire.send(&order(2, 0));
    let got = wire.next();
    assert_eq!((accepted(&got), got.seq()), (2, 2));
}

#[test]
fn of_two_incarnations_the_newer_has_the_session() {
    let server = support::start("");
    let mut old = log_on(&server);
    old.send(&order(1, 0));
    assert_eq!(accepted(&old.next()), 1);
    let mut new = log_on(&server);
    let end = old.until_closed();
    assert!(
        matches!(end.last().unwrap().message(), ServerMessage::Terminate(end)
            if end.code == Code::from(RejectReason::SessionTakenOver))
    );
    let (joined, _, again) = resume(&mut new, 0);
    assert_eq!((joined.last_client_seq, again.len()), (1, 1));
    new.send(&order(2, 0));
    assert_eq!(accepted(&new.next()), 2);
}

#[test]
fn a_session_that_never_left_may_resume_too() {
    let server = support::start("");
    let mut wire = log_on(&server);
    for seq in 1..=3 {
        wire.send(&order(seq, 0));
        assert_eq!(accepted(&wire.next()), seq);
    }
    let (_, _, again) = resume(&mut wire, 1);
    assert_eq!(again.iter().map(accepted).collect::<Vec<_>>(), [2, 3]);
    wire.send(&order(4, 0));
    let got = wire.next();
    assert_eq!((accepted(&got), got.seq()), (4, 4));
}

#[test]
fn what_is_not_kept_any_more_is_told() {
    for bytes_max in [0, 90, 100, 300, 1_000] {
        let kept = bytes_max / Accepted::FRAME_LEN as u64;
        let server = support::start(&format!("[history]\nreports_bytes_max = {bytes_max}"));
        let mut wire = log_on(&server);
        for seq in 1..=20 {
            wire.send(&order(seq, 0));
            assert_eq!(accepted(&wire.next()), seq);
        }
        let (joined, told, again) = resume(&mut wire, 5);
        assert_eq!(joined.last_report_seq, 20);
        assert_eq!(told.from_report_seq, 21 - kept, "{bytes_max} bytes");
        assert_eq!(again.len() as u64, kept, "{bytes_max} bytes");
    }
}

#[test]
fn a_report_that_was_never_given_is_a_disagreement() {
    let server = support::start("");
    with_one_order_applied(&server);
    let mut wire = log_on(&server);
    ask_to_resume(&mut wire, 2);
    let got = wire.next();
    let ServerMessage::SessionReject(reject) = got.message() else {
        panic!("expected a refusal, got {got:?}");
    };
    assert_eq!(reject.code, Code::from(RejectReason::ReportSeqNotReached));
    assert_eq!(
        (reject.market, reject.ref_template, reject.field_offset),
        (MARKET, ResumeMarket::TEMPLATE, 32)
    );
    assert!(!reject.fatal);
    let joined = wire.join(1);
    assert_eq!((joined.last_client_seq, joined.last_report_seq), (1, 1));
}
