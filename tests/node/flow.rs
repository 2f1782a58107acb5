//! Market data, flow control, and the ends of a connection, over a real socket.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::*;
use souk::config::{Config, Overrides};
use souk::server::Server;
use souk_protocol::message::*;
use souk_protocol::*;

fn subscribe(market: u32, flags: u8) -> [u8; Subscribe::FRAME_LEN] {
    Subscribe {
        market: MarketId(market),
        flags,
        reserved: Reserved,
    }
    .frame(0)
}

/// A book as a subscriber keeps it.
#[derive(Default)]
struct WatchedBook {
    levels: BTreeMap<(u8, i64), (u64, u32)>,
    md_seq: u64,
}

impl WatchedBook {
    fn take(&mut self, got: &Got) {
        self.md_seq += 1;
        assert_eq!(got.seq(), self.md_seq, "md_seq has no gap");
        let levels = match got.message() {
            ServerMessage::DepthSnapshot(_, levels) | ServerMessage::DepthUpdate(_, levels) => {
                levels
            }
            other => panic!("expected depth, got {other:?}"),
        };
        for level in levels.iter() {
            let (level, _) = level.unwrap();
            let key = (level.side as u8, level.price.0);
            if level.orders == 0 {
                // A level may come and go between two updates.
                self.levels.remove(&key);
            } else {
                self.levels.insert(key, (level.qty.0, level.orders));
            }
        }
    }

    /// FNV-1a, as PROTOCOL.md says.
    fn hash(&self) -> u64 {
        let buys = self.levels.iter().filter(|(key, _)| key.0 == 1).rev();
        let sells = self.levels.iter().filter(|(key, _)| key.0 == 2);
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for ((side, price), (qty, orders)) in buys.chain(sells) {
            let mut bytes = vec![*side];
            bytes.extend(price.to_le_bytes());
            bytes.extend(qty.to_le_bytes());
            bytes.extend(orders.to_le_bytes());
            for byte in bytes {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
        hash
    }
}

/// A seeded stream of crossing limit orders around a price of 1,000.
struct Orders {
    random: u64,
    seq: u64,
}

impl Orders {
    fn next(&mut self, below: u64) -> u64 {
        let mixed = self.random.wrapping_mul(6_364_136_223_846_793_005);
        self.random = mixed.wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    fn frames(&mut self, count: u64) -> Vec<u8> {
        let mut frames = Vec::new();
        for _ in 0..count {
            self.seq += 1;
            let (side, offset) = if self.next(2) == 0 {
                (Side::Buy, 35)
            } else {
                (Side::Sell, 25)
            };
            let price = 1_000 + self.next(60) as i64 - offset;
            let qty = 1 + self.next(9);
            frames.extend_from_slice(&limit(self.seq, 1, side, price, qty).frame(self.seq));
        }
        frames
    }
}

#[test]
fn a_subscriber_rebuilds_the_book_from_snapshot_and_updates() {
    let server = start("");
    let mut trader = Wire::logged_on(server.address(), 1);
    let mut watcher = Wire::logged_on(server.address(), 2);
    let mut orders = Orders { random: 1, seq: 0 };
    trader.send(&orders.frames(500));
    let _ = trader.answers_until_joined(1);
    watcher.send(&subscribe(1, SUBSCRIBE_DEPTH));
    let mut book = WatchedBook::default();
    book.take(&watcher.next());
    trader.send(&orders.frames(900));
    let (answers, _) = trader.answers_until_joined(1);
    assert!(
        answers
            .iter()
            .any(|got| matches!(got.message(), ServerMessage::Trade(_)))
    );

    let mut fresh = Wire::logged_on(server.address(), 4);
    fresh.send(&subscribe(1, SUBSCRIBE_SNAPSHOT_ONLY));
    let got = fresh.next();
    let ServerMessage::DepthSnapshot(truth, _) = got.message() else {
        panic!("{got:?}")
    };
    while book.hash() != truth.book_hash {
        book.take(&watcher.next());
    }
    let mut expected = WatchedBook::default();
    expected.take(&got);
    assert_eq!(book.levels, expected.levels);
    assert_eq!(expected.hash(), truth.book_hash);
}

#[test]
fn public_trades_name_nobody_and_match_the_reports() {
    let server = start("");
    let mut trader = Wire::logged_on(server.address(), 1);
    let mut watcher = Wire::logged_on(server.address(), 2);
    watcher.send(&subscribe(1, SUBSCRIBE_TRADES));
    let ServerMessage::MarketStatus(status) = watcher.next().message() else {
        panic!()
    };
    assert_eq!(status.state, MarketState::Continuous);
    let mut orders = Orders { random: 2, seq: 0 };
    trader.send(&orders.frames(300));
    let (answers, _) = trader.answers_until_joined(1);
    let takers = answers.iter().filter_map(|got| match got.message() {
        ServerMessage::Trade(trade) if trade.liquidity == Liquidity::Taker => {
            Some((trade.match_id, trade.price, trade.qty, trade.side))
        }
        _ => None,
    });
    let mut seq = 1;
    for expected in takers {
        seq += 1;
        let got = watcher.next();
        let ServerMessage::TradeTick(tick) = got.message() else {
            panic!("{got:?}")
        };
        assert_eq!(
            (tick.match_id, tick.price, tick.qty, tick.taker_side),
            expected
        );
        assert_eq!(got.seq(), seq);
    }
    assert!(seq > 10, "some orders traded");
}

#[test]
fn a_halt_is_a_command_in_the_stream_and_is_told() {
    let server = start("");
    let mut wire = Wire::logged_on(server.address(), 1);
    wire.send(&subscribe(1, SUBSCRIBE_TRADES));
    let _ = wire.next();
    wire.send(&limit(1, 1, Side::Buy, 10, 1).frame(1));
    assert!(matches!(wire.next().message(), ServerMessage::Accepted(_)));
    let mut office = Wire::logged_on(server.address(), 5);
    let mut reject_in = |state, frame: &[u8]| {
        let halt = SetMarketState {
            request_id: 1,
            market: MarketId(1),
            state,
            reserved: Reserved,
        };
        office.send(&halt.frame(0));
        assert!(matches!(
            office.next().message(),
            ServerMessage::RequestAccepted(_)
        ));
        let ServerMessage::MarketStatus(status) = wire.next().message() else {
            panic!()
        };
        assert_eq!(status.state, state);
        wire.send(frame);
        match wire.next().message() {
            ServerMessage::Rejected(rejected) => rejected.code.reason(),
            ServerMessage::Canceled(_) => None,
            other => panic!("{other:?}"),
        }
    };
    let order = limit(2, 1, Side::Buy, 10, 1);
    assert_eq!(
        reject_in(MarketState::Halted, &cancel(1, 1).frame(2)),
        Some(RejectReason::MarketHalted)
    );
    assert_eq!(
        reject_in(MarketState::CancelOnly, &order.frame(3)),
        Some(RejectReason::MarketCancelOnly)
    );
    assert_eq!(
        reject_in(MarketState::CancelOnly, &cancel(1, 1).frame(4)),
        None
    );
}

#[test]
fn wrong_subscriptions_are_refused_by_name() {
    let server = start("[limits]\nsubscriptions_max = 1");
    let mut wire = Wire::logged_on(server.address(), 1);
    let mut reject = |frame: &[u8]| {
        wire.send(frame);
        loop {
            match wire.next().message() {
                ServerMessage::SessionReject(reject) => return reject.code.reason().unwrap(),
                ServerMessage::DepthSnapshot(..) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    for flags in [0, 5, 6, 8, 255] {
        assert_eq!(
            reject(&subscribe(1, flags)),
            RejectReason::SubscriptionFlagsUnknown
        );
    }
    assert_eq!(reject(&subscribe(9, 1)), RejectReason::UnknownMarket);
    let unsubscribe = Unsubscribe {
        market: MarketId(1),
        reserved: Reserved,
    }
    .frame(0);
    assert_eq!(reject(&unsubscribe), RejectReason::NotJoined);
    let both = [&subscribe(1, 1)[..], &subscribe(2, 1)[..]].concat();
    assert_eq!(reject(&both), RejectReason::TooManySubscriptions);
}

#[test]
fn credits_bound_what_is_unanswered_and_come_back_with_the_answers() {
    let server = start("[limits]\nmax_inflight = 10");
    let mut wire = Wire::logged_on(server.address(), 1);
    let frames: Vec<u8> = (1..=30)
        .flat_map(|seq| limit(seq, 1, Side::Buy, 10, 1).frame(seq))
        .collect();
    wire.send(&frames);
    let (answers, joined) = wire.answers_until_joined(1);
    let accepted = answers
        .iter()
        .filter(|got| matches!(got.message(), ServerMessage::Accepted(_)))
        .count();
    assert!(accepted >= 10, "{accepted}");
    assert_eq!(joined.last_client_seq, accepted as u64);
    let refused = answers.iter().filter_map(|got| match got.message() {
        ServerMessage::NotApplied(refused) => Some(refused.count as usize),
        _ => None,
    });
    assert_eq!(
        accepted + refused.sum::<usize>(),
        30,
        "everything is answered"
    );
    // What was refused may be sent again under the same numbers.
    let next = joined.last_client_seq + 1;
    wire.send(&limit(999, 1, Side::Buy, 10, 1).frame(next));
    assert!(matches!(wire.next().message(), ServerMessage::Accepted(_)));
}

#[test]
fn a_session_over_its_rate_is_refused_with_a_time_and_its_cancels_still_pass() {
    let server = start("[limits]\norder_rate = 100\norder_burst = 32");
    let mut wire = Wire::logged_on(server.address(), 1);
    let frames: Vec<u8> = (1..=40)
        .flat_map(|seq| limit(seq, 1, Side::Buy, 10, 1).frame(seq))
        .collect();
    wire.send(&frames);
    let (answers, joined) = wire.answers_until_joined(1);
    let ServerMessage::NotApplied(refused) = answers
        .iter()
        .map(Got::message)
        .find(|message| matches!(message, ServerMessage::NotApplied(_)))
        .unwrap()
    else {
        panic!()
    };
    assert_eq!(refused.code, Code::from(RejectReason::SessionRateExceeded));
    assert!(
        (1..=20_000).contains(&refused.retry_after_us),
        "{}",
        refused.retry_after_us
    );
    assert!(joined.last_client_seq >= 32);
    wire.send(&cancel(1, 1).frame(joined.last_client_seq + 1));
    assert!(matches!(wire.next().message(), ServerMessage::Canceled(_)));
}

#[test]
fn a_long_list_of_markets_is_whole_and_counts_as_several_requests() {
    let markets: String = (2..=601)
        .map(|id| {
            format!(
                "[[tenant.market]]\nid = {id}\nsymbol = \"M{id}\"\nbase = \"BTC\"\nquote = \"USDT\"\ntick_size = \"0.01\"\nlot_size = \"0.0001\"\n"
            )
        })
        .collect();
    let text =
        two_tenants("[journal]\ndurability = \"memory\"\n[server]\nlisten = \"127.0.0.1:0\"")
            + &markets;
    let server = Server::start(&Config::from_toml(&text, &Overrides::default()).unwrap()).unwrap();
    let mut wire = Wire::logged_on(server.address(), 3);
    let requests = 60;
    wire.send(
        &MarketListRequest { reserved: Reserved }
            .frame(0)
            .repeat(requests),
    );
    let (mut lists, mut refused) = (0, 0);
    let mut ids = Vec::new();
    while lists + refused < requests {
        match wire.next().message() {
            ServerMessage::MarketDefinition(definition) => ids.push(definition.market.0),
            ServerMessage::MarketListEnd(end) => {
                assert_eq!(end.count, 601);
                assert!(ids.drain(..).eq(1..=601));
                lists += 1;
            }
            ServerMessage::SessionReject(reject) => {
                assert_eq!(reject.code, Code::from(RejectReason::SessionRateExceeded));
                assert!((1..=30_000).contains(&reject.retry_after_us));
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    // 64 at once and 100 a second; a list of 601 counts as 3.
    assert!((21..40).contains(&lists), "{lists}");
}

#[test]
fn a_flood_ends_its_session_and_no_other() {
    let server = start("[limits]\norder_rate = 100\norder_burst = 32");
    let mut flood = Wire::logged_on(server.address(), 1);
    let mut calm = Wire::logged_on(server.address(), 2);
    let frames: Vec<u8> = (1..=600)
        .flat_map(|seq| limit(seq, 1, Side::Buy, 10, 1).frame(seq))
        .collect();
    flood.send(&frames);
    let last = flood.until_closed();
    let ServerMessage::Terminate(terminate) = last.last().unwrap().message() else {
        panic!()
    };
    assert_eq!(
        terminate.code,
        Code::from(RejectReason::SessionRateExceeded)
    );
    calm.send(&limit(1, 2, Side::Buy, 10, 1).frame(1));
    assert!(matches!(calm.next().message(), ServerMessage::Accepted(_)));
}

#[test]
fn a_consumer_that_does_not_read_is_cut_off_and_others_go_on() {
    let server = start("[limits]\norder_rate = 100000000\n[server]\noutbox_bytes_max = 1048576");
    let slow = Wire::logged_on(server.address(), 2);
    let mut stream = &slow.stream;
    std::io::Write::write_all(
        &mut stream,
        &subscribe(1, SUBSCRIBE_DEPTH | SUBSCRIBE_TRADES),
    )
    .unwrap();
    let mut trader = Wire::logged_on(server.address(), 1);
    let mut orders = Orders { random: 3, seq: 0 };
    let start = Instant::now();
    // The slow one's socket buffers hold megabytes; then its outbox fills, and it goes.
    while server.connections() > 1 {
        trader.send(&orders.frames(500));
        let _ = trader.answers_until_joined(1);
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it is never cut off"
        );
    }
    trader.send(&orders.frames(1));
    assert!(matches!(
        trader.next().message(),
        ServerMessage::Accepted(_)
    ));
}

#[test]
fn a_silent_peer_is_ended_after_two_keepalives() {
    let server = start("");
    let mut wire = Wire::connect(server.address());
    let credentials = Credentials {
        key_id: KeyId(1),
        session_number: 0,
        incarnation: 1,
        keepalive_ms: 100,
        cancel_on_disconnect: CancelOnDisconnect::None,
        cancel_grace_ms: 0,
    };
    let got = wire.log_on_with(&credentials, &pair(1), now_ns());
    assert!(matches!(got.message(), ServerMessage::LogonAck(..)));
    let start = Instant::now();
    let last = wire.until_closed();
    let ServerMessage::Terminate(terminate) = last.last().unwrap().message() else {
        panic!()
    };
    assert_eq!(terminate.code, Code::from(RejectReason::KeepaliveLapsed));
    assert!(
        start.elapsed() >= Duration::from_millis(200),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_ping_is_answered_and_a_logout_says_good_bye_after_the_answers() {
    let server = start("");
    let mut wire = Wire::logged_on(server.address(), 1);
    wire.send(&Ping { nonce: 42, time: 7 }.frame(0));
    let ServerMessage::Pong(pong) = wire.next().message() else {
        panic!()
    };
    assert_eq!((pong.nonce, pong.ping_time), (42, 7));
    let terminate = Terminate {
        code: Code::from(RejectReason::LoggedOut),
        reserved: Reserved,
        retry_after_ms: 0,
        detail: 0,
    };
    wire.send(
        &[
            &limit(1, 1, Side::Buy, 10, 1).frame(1)[..],
            &terminate.frame(0)[..],
        ]
        .concat(),
    );
    let last = wire.until_closed();
    assert!(matches!(last[0].message(), ServerMessage::Accepted(_)));
    let ServerMessage::Terminate(terminate) = last[1].message() else {
        panic!()
    };
    assert_eq!(terminate.code, Code::from(RejectReason::LoggedOut));
}

#[test]
fn a_drain_answers_what_it_took_and_says_when_to_come_back() {
    let server = start("");
    let mut wire = Wire::logged_on(server.address(), 1);
    wire.send(&limit(1, 1, Side::Buy, 10, 1).frame(1));
    assert!(matches!(wire.next().message(), ServerMessage::Accepted(_)));
    let drained = std::thread::spawn(move || server.drain());
    let last = wire.until_closed();
    let ServerMessage::Terminate(terminate) = last.last().unwrap().message() else {
        panic!()
    };
    assert_eq!(terminate.code, Code::from(RejectReason::ServerDraining));
    assert!(terminate.retry_after_ms > 0);
    drained.join().unwrap().unwrap();
}

#[test]
fn one_connection_too_many_is_told_so() {
    let server = start("[server]\nconnections_max = 1");
    let _first = Wire::logged_on(server.address(), 1);
    let mut second = Wire::connect(server.address());
    let ServerMessage::Terminate(terminate) = second.next().message() else {
        panic!()
    };
    assert_eq!(terminate.code, Code::from(RejectReason::TooManyConnections));
}

#[test]
fn logons_are_limited_before_any_signature_is_looked_at() {
    let server = start("[server]\nlogon_rate = 2");
    let mut codes = Vec::new();
    for _ in 0..3 {
        let mut wire = Wire::connect(server.address());
        let credentials = Credentials {
            key_id: KeyId(999),
            session_number: 0,
            incarnation: 1,
            keepalive_ms: 100,
            cancel_on_disconnect: CancelOnDisconnect::None,
            cancel_grace_ms: 0,
        };
        let got = wire.log_on_with(&credentials, &pair(1), now_ns());
        let ServerMessage::LogonReject(reject) = got.message() else {
            panic!("{got:?}")
        };
        codes.push((reject.code.reason().unwrap(), reject.retry_after_ms > 0));
    }
    assert_eq!(codes[2], (RejectReason::LogonRateExceeded, true));
}

#[test]
fn the_same_orders_do_the_same_in_every_layout_of_threads() {
    let mut seen = Vec::new();
    for threads in [
        "layout = \"inline\"",
        "layout = \"threads\"\nmatchers = 2\ngateways = 2",
        "layout = \"threads\"\nwait = \"park\"",
    ] {
        let server = start(&format!("[threads]\n{threads}"));
        let mut wire = Wire::logged_on(server.address(), 1);
        let mut orders = Orders { random: 4, seq: 0 };
        wire.send(&orders.frames(800));
        let (answers, joined) = wire.answers_until_joined(1);
        // Times differ; the rest must not.
        let untimed: Vec<_> = answers
            .into_iter()
            .map(|mut got| {
                got.bytes[32..40].fill(0);
                got.bytes
            })
            .collect();
        seen.push((untimed, joined.stream_seq));
        server.drain().unwrap();
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}
