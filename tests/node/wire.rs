//! The way of one order over a real socket, and what stands in the way of a wrong one.

use crate::support::*;
use souk_protocol::message::*;
use souk_protocol::*;

#[test]
fn an_order_is_accepted_rests_trades_and_both_sides_hear_of_it() {
    let server = start("");
    let mut maker = Wire::logged_on(server.address(), 1);
    let mut taker = Wire::logged_on(server.address(), 2);

    maker.send(&limit(10, 1, Side::Sell, 101, 5).frame(1));
    let got = maker.next();
    let ServerMessage::Accepted(accepted) = got.message() else {
        panic!("{got:?}")
    };
    assert_eq!(
        (accepted.client_seq, accepted.cl_ord_id, got.seq()),
        (1, ClOrdId(10), 1)
    );

    taker.send(&limit(20, 2, Side::Buy, 102, 3).frame(1));
    assert!(matches!(taker.next().message(), ServerMessage::Accepted(_)));
    let got = taker.next();
    let ServerMessage::Trade(trade) = got.message() else {
        panic!("{got:?}")
    };
    assert_eq!(
        (trade.price, trade.qty, trade.leaves),
        (Price(101), Qty(3), Qty(0))
    );
    assert_eq!(
        (trade.liquidity, trade.client_seq, got.seq()),
        (Liquidity::Taker, 1, 2)
    );

    let got = maker.next();
    let ServerMessage::Trade(trade) = got.message() else {
        panic!("{got:?}")
    };
    assert_eq!(
        (trade.order_id, trade.leaves, trade.cum),
        (accepted.order_id, Qty(2), Qty(3))
    );
    assert_eq!(
        (trade.liquidity, trade.client_seq, got.seq()),
        (Liquidity::Maker, 0, 2)
    );
}

#[test]
fn two_tenants_open_the_same_pair_and_their_orders_never_meet() {
    let server = start("");
    let mut acme = Wire::logged_on(server.address(), 1);
    let mut globex = Wire::logged_on(server.address(), 3);
    acme.send(&limit(1, 1, Side::Sell, 100, 5).frame(1));
    assert!(matches!(acme.next().message(), ServerMessage::Accepted(_)));
    globex.send(&limit(1, 1, Side::Buy, 200, 5).frame(1));
    assert!(matches!(
        globex.next().message(),
        ServerMessage::Accepted(_)
    ));
    globex.send(&cancel(1, 1).frame(2));
    let got = globex.next();
    let ServerMessage::Canceled(canceled) = got.message() else {
        panic!("{got:?}")
    };
    assert_eq!(canceled.qty, Qty(5), "nothing of it had traded");
}

#[test]
fn ids_of_another_tenant_answer_like_ids_that_do_not_exist() {
    let server = start("");
    let mut acme = Wire::logged_on(server.address(), 1);
    let mut globex = Wire::logged_on(server.address(), 3);
    globex.send(&limit(5, 77, Side::Buy, 50, 5).frame(1));
    let got = globex.next();
    let ServerMessage::Accepted(theirs) = got.message() else {
        panic!("{got:?}")
    };

    let mut seq = 0;
    let mut reason_of = |frame: &dyn Fn(u64) -> Vec<u8>, consumed: bool| {
        acme.send(&frame(seq + 1));
        seq += u64::from(consumed);
        match acme.next().message() {
            ServerMessage::SessionReject(reject) => (reject.code, reject.field_offset),
            ServerMessage::Rejected(rejected) => (rejected.code, 0),
            other => panic!("{other:?}"),
        }
    };
    let order_in = |market: u32, account: u32| {
        move |seq: u64| {
            let order = limit(1, account, Side::Buy, 50, 5);
            NewOrder {
                market: MarketId(market),
                ..order
            }
            .frame(seq)
            .to_vec()
        }
    };
    // Account 77 is globex's, 78 nobody's; market 9 is nobody's, and globex has no market 2.
    assert_eq!(
        reason_of(&order_in(1, 77), false),
        reason_of(&order_in(1, 78), false)
    );
    let unknown = reason_of(&order_in(9, 1), false);
    assert_eq!(unknown.0, Code::from(RejectReason::UnknownMarket));
    let cancel_id = |order_id: OrderId| {
        move |seq: u64| {
            let cancel = CancelOrder {
                orig_cl_ord_id: ClOrdId(0),
                order_id,
                market: MarketId(1),
                account: AccountId(1),
            };
            cancel.frame(seq).to_vec()
        }
    };
    let theirs = reason_of(&cancel_id(theirs.order_id), true);
    let nobodys = reason_of(&cancel_id(OrderId(u64::MAX)), true);
    assert_eq!(theirs, nobodys);
    assert_eq!(theirs.0, Code::from(RejectReason::UnknownOrder));
    globex.send(
        &NewOrder {
            market: MarketId(2),
            ..limit(1, 1, Side::Buy, 1, 1)
        }
        .frame(1),
    );
    let ServerMessage::SessionReject(reject) = globex.next().message() else {
        panic!()
    };
    assert_eq!(reject.code, Code::from(RejectReason::UnknownMarket));
}

#[test]
fn numbers_are_applied_once_and_without_a_gap() {
    let server = start("");
    let mut wire = Wire::logged_on(server.address(), 1);
    assert_eq!(wire.join(1).last_client_seq, 0);
    let mut frames = Vec::new();
    for seq in [1, 2, 2, 5, 6, 3] {
        frames.extend_from_slice(&limit(100 + seq, 1, Side::Buy, 10, 1).frame(seq));
    }
    wire.send(&frames);
    assert!(matches!(wire.next().message(), ServerMessage::Accepted(_)));
    assert!(matches!(wire.next().message(), ServerMessage::Accepted(_)));
    let ServerMessage::NotApplied(duplicate) = wire.next().message() else {
        panic!()
    };
    assert_eq!(duplicate.code, Code::from(RejectReason::AlreadyApplied));
    assert_eq!(
        (
            duplicate.from_client_seq,
            duplicate.count,
            duplicate.expected_client_seq
        ),
        (2, 1, 3)
    );
    let ServerMessage::NotApplied(gap) = wire.next().message() else {
        panic!()
    };
    assert_eq!(gap.code, Code::from(RejectReason::SequenceGap));
    assert_eq!(
        (gap.from_client_seq, gap.count, gap.expected_client_seq),
        (5, 2, 3)
    );
    let got = wire.next();
    let ServerMessage::Accepted(third) = got.message() else {
        panic!("{got:?}")
    };
    assert_eq!((third.client_seq, got.seq()), (3, 3));
}

#[test]
fn the_highest_number_there_is_harms_nobody() {
    let server = start("");
    let mut wire = Wire::logged_on(server.address(), 1);
    let order = limit(1, 1, Side::Buy, 10, 1).frame(u64::MAX);
    wire.send(&[&order[..], &order[..], &order[..]].concat());
    let mut count = 0;
    while count < 3 {
        let ServerMessage::NotApplied(refused) = wire.next().message() else {
            panic!()
        };
        assert_eq!(refused.code, Code::from(RejectReason::SequenceGap));
        assert_eq!(refused.from_client_seq, u64::MAX);
        count += refused.count;
    }
    wire.send(&limit(1, 1, Side::Buy, 10, 1).frame(1));
    assert!(matches!(wire.next().message(), ServerMessage::Accepted(_)));
}

#[test]
fn a_new_incarnation_takes_the_session_over_and_goes_on_where_the_old_one_stood() {
    let server = start("");
    let mut old = Wire::connect(server.address());
    let _ = old.log_on(1, 5, 100);
    old.send(&limit(1, 1, Side::Buy, 10, 1).frame(1));
    assert!(matches!(old.next().message(), ServerMessage::Accepted(_)));

    let mut same = Wire::connect(server.address());
    let ServerMessage::LogonReject(reject) = same.log_on(1, 5, 100).message() else {
        panic!()
    };
    assert_eq!(reject.code, Code::from(RejectReason::IncarnationNotNewer));

    let mut new = Wire::connect(server.address());
    assert!(matches!(
        new.log_on(1, 5, 101).message(),
        ServerMessage::LogonAck(..)
    ));
    let last = old.until_closed();
    let ServerMessage::Terminate(terminate) = last.last().unwrap().message() else {
        panic!()
    };
    assert_eq!(terminate.code, Code::from(RejectReason::SessionTakenOver));
    let joined = new.join(1);
    assert_eq!((joined.last_client_seq, joined.last_report_seq), (1, 1));
    new.send(&cancel(1, 1).frame(2));
    let got = new.next();
    assert!(matches!(got.message(), ServerMessage::Canceled(_)));
    assert_eq!(got.seq(), 2);
}

#[test]
fn a_wrong_signature_and_an_unknown_key_look_the_same() {
    let server = start("");
    let mut codes = Vec::new();
    for key in [1, 999] {
        let mut wire = Wire::connect(server.address());
        let credentials = Credentials {
            key_id: KeyId(key),
            session_number: 0,
            incarnation: 1,
            keepalive_ms: 1_000,
            cancel_on_disconnect: CancelOnDisconnect::None,
            cancel_grace_ms: 0,
        };
        let got = wire.log_on_with(&credentials, &pair(55), now_ns());
        let ServerMessage::LogonReject(reject) = got.message() else {
            panic!("{got:?}")
        };
        codes.push(reject.code);
        assert!(wire.try_next().is_none(), "the connection is closed");
    }
    assert_eq!(codes, [Code::from(RejectReason::AuthenticationFailed); 2]);
}

#[test]
fn a_captured_logon_cannot_be_replayed() {
    let server = start("");
    let mut first = Wire::connect(server.address());
    let challenge = first.challenge();
    let credentials = Credentials {
        key_id: KeyId(1),
        session_number: 0,
        incarnation: 1,
        keepalive_ms: 1_000,
        cancel_on_disconnect: CancelOnDisconnect::None,
        cancel_grace_ms: 0,
    };
    let sign = |bytes: &[u8]| <[u8; 64]>::try_from(pair(1).sign(bytes).as_ref()).unwrap();
    let captured = logon(&credentials, &challenge, now_ns(), sign).frame(0);
    let mut second = Wire::connect(server.address());
    let _ = second.challenge();
    second.send(&captured);
    let ServerMessage::LogonReject(reject) = second.next().message() else {
        panic!()
    };
    assert_eq!(reject.code, Code::from(RejectReason::AuthenticationFailed));
}

#[test]
fn a_clock_that_is_off_and_a_keepalive_out_of_range_are_refused() {
    let server = start("");
    let good = Credentials {
        key_id: KeyId(1),
        session_number: 0,
        incarnation: 1,
        keepalive_ms: 1_000,
        cancel_on_disconnect: CancelOnDisconnect::None,
        cancel_grace_ms: 0,
    };
    let hour = 3_600_000_000_000;
    for (credentials, time, expected) in [
        (good, now_ns() - hour, RejectReason::ClockSkew),
        (good, now_ns() + hour, RejectReason::ClockSkew),
        (
            Credentials {
                keepalive_ms: 99,
                ..good
            },
            now_ns(),
            RejectReason::KeepaliveOutOfRange,
        ),
        (
            Credentials {
                keepalive_ms: 60_001,
                ..good
            },
            now_ns(),
            RejectReason::KeepaliveOutOfRange,
        ),
        (
            Credentials {
                session_number: 4_096,
                ..good
            },
            now_ns(),
            RejectReason::AuthenticationFailed,
        ),
    ] {
        let mut wire = Wire::connect(server.address());
        let got = wire.log_on_with(&credentials, &pair(1), time);
        let ServerMessage::LogonReject(reject) = got.message() else {
            panic!("{got:?}")
        };
        assert_eq!(reject.code, Code::from(expected));
    }
}

#[test]
fn before_logon_only_hello_and_logon_are_heard() {
    let server = start("");
    let too_long = [520_u32.to_le_bytes().as_slice(), &[0; 516]].concat();
    let http = b"GET / HTTP/1.1\r\nHost: souk\r\n\r\n".to_vec();
    let mut bad_magic = hello();
    bad_magic.magic[0] = b'X';
    for (bytes, expected) in [
        (
            limit(1, 1, Side::Buy, 1, 1).frame(1).to_vec(),
            RejectReason::ProtocolOrder,
        ),
        (
            Heartbeat { time: 1 }.frame(0).to_vec(),
            RejectReason::ProtocolOrder,
        ),
        (too_long, RejectReason::FrameLengthOutOfRange),
        (http, RejectReason::FrameLengthOutOfRange),
        (vec![0; 24], RejectReason::FrameLengthOutOfRange),
        (bad_magic.frame(0).to_vec(), RejectReason::BadMagic),
    ] {
        let mut wire = Wire::connect(server.address());
        wire.send(&bytes);
        let last = wire.until_closed();
        let ServerMessage::Terminate(terminate) = last.last().unwrap().message() else {
            panic!()
        };
        assert_eq!(terminate.code, Code::from(expected));
    }
}

#[test]
fn a_handshake_that_never_ends_is_ended() {
    let server = start("[server]\nhandshake_timeout_ms = 200");
    let mut silent = Wire::connect(server.address());
    let mut slow = Wire::connect(server.address());
    slow.send(&hello().frame(0)[..10]);
    for wire in [&mut silent, &mut slow] {
        let last = wire.until_closed();
        let ServerMessage::Terminate(terminate) = last.last().unwrap().message() else {
            panic!()
        };
        assert_eq!(terminate.code, Code::from(RejectReason::HandshakeTimeout));
    }
}

#[test]
fn a_wrong_field_is_refused_with_its_byte_and_the_number_stays_free() {
    let server = start("");
    let mut wire = Wire::logged_on(server.address(), 1);
    let mut frame = limit(7, 1, Side::Buy, 10, 1).frame(1);
    frame[24 + 40] = 9;
    wire.send(&frame);
    let got = wire.next();
    let ServerMessage::SessionReject(reject) = got.message() else {
        panic!("{got:?}")
    };
    assert_eq!(
        (reject.code, reject.field_offset, reject.fatal),
        (Code::from(RejectReason::UnknownSide), 64, false)
    );
    assert_eq!(
        (reject.ref_seq, reject.ref_template),
        (1, NewOrder::TEMPLATE)
    );
    wire.send(&limit(7, 1, Side::Buy, 10, 1).frame(1));
    assert!(matches!(wire.next().message(), ServerMessage::Accepted(_)));
}

#[test]
fn a_broken_frame_ends_its_own_session_only() {
    let server = start("");
    let mut bad = Wire::logged_on(server.address(), 1);
    let mut good = Wire::logged_on(server.address(), 2);
    bad.send(&u32::MAX.to_le_bytes());
    let last = bad.until_closed();
    let ServerMessage::SessionReject(reject) = last[0].message() else {
        panic!()
    };
    assert!(reject.fatal);
    let ServerMessage::Terminate(terminate) = last[1].message() else {
        panic!()
    };
    assert_eq!(
        terminate.code,
        Code::from(RejectReason::FrameLengthOutOfRange)
    );
    good.send(&limit(1, 2, Side::Buy, 10, 1).frame(1));
    assert!(matches!(good.next().message(), ServerMessage::Accepted(_)));
}

#[test]
fn a_frame_may_come_byte_by_byte_and_many_in_one_piece() {
    let server = start("");
    let mut wire = Wire::logged_on(server.address(), 1);
    for byte in limit(1, 1, Side::Buy, 10, 1).frame(1) {
        wire.send(&[byte]);
    }
    assert!(matches!(wire.next().message(), ServerMessage::Accepted(_)));
    let many: Vec<u8> = (2..=1_000)
        .flat_map(|seq| limit(seq, 1, Side::Buy, 10, 1).frame(seq))
        .collect();
    wire.send(&many);
    for seq in 2..=1_000 {
        let got = wire.next();
        let ServerMessage::Accepted(accepted) = got.message() else {
            panic!("{got:?}")
        };
        assert_eq!((accepted.client_seq, got.seq()), (seq, seq));
    }
}

#[test]
fn a_key_without_the_permission_may_cancel_and_watch_but_not_trade() {
    let server = start("");
    let mut wire = Wire::logged_on(server.address(), 4);
    wire.send(&limit(1, 2, Side::Buy, 10, 1).frame(1));
    let ServerMessage::SessionReject(reject) = wire.next().message() else {
        panic!()
    };
    assert_eq!(reject.code, Code::from(RejectReason::PermissionDenied));
    wire.send(&cancel(1, 2).frame(1));
    let ServerMessage::Rejected(rejected) = wire.next().message() else {
        panic!()
    };
    assert_eq!(rejected.code, Code::from(RejectReason::UnknownOrder));
}

#[test]
fn a_batch_stops_at_its_first_reject_when_it_is_asked_to() {
    let server = start("");
    let mut wire = Wire::logged_on(server.address(), 1);
    let entry = |cl_ord_id, qty| BatchEntry {
        operation: 32,
        side: 1,
        order_type: 2,
        time_in_force: 1,
        post_only: 0,
        stp_mode: 0,
        stp_scope: 0,
        reserved: Reserved,
        account: AccountId(1),
        reserved2: Reserved,
        cl_ord_id: ClOrdId(cl_ord_id),
        orig_cl_ord_id: ClOrdId(0),
        order_id: OrderId(0),
        price: Price(10),
        qty: Qty(qty),
        budget: Amount(0),
    };
    let mut out = [0; 4_096];
    for (seq, mode) in [
        (1, BatchMode::Independent),
        (2, BatchMode::StopAtFirstReject),
    ] {
        let root = Batch {
            market: MarketId(1),
            mode,
            reserved: Reserved,
        };
        let entries = [
            entry(seq * 10, 1),
            entry(seq * 10 + 1, 0),
            entry(seq * 10 + 2, 1),
        ];
        let len = write_frame_with_group(&root, &entries, seq, 0, &mut out).unwrap();
        wire.send(&out[..len]);
    }
    let mut outcomes = Vec::new();
    for _ in 0..6 {
        outcomes.push(match wire.next().message() {
            ServerMessage::Accepted(accepted) => (accepted.client_seq, accepted.batch_index, 0),
            ServerMessage::Rejected(rejected) => {
                (rejected.client_seq, rejected.batch_index, rejected.code.0)
            }
            other => panic!("{other:?}"),
        });
    }
    let zero = RejectReason::QtyMustNotBeZero.code();
    let stopped = RejectReason::BatchStopped.code();
    assert_eq!(
        outcomes,
        [
            (1, 0, 0),
            (1, 1, zero),
            (1, 2, 0),
            (2, 0, 0),
            (2, 1, zero),
            (2, 2, stopped)
        ]
    );
}
