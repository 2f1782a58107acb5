//! Cancel on disconnect.

use std::time::{Duration, Instant};

use super::*;

/// The longest a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough for an order to be canceled that should not be.
const A_WHILE: Duration = Duration::from_millis(300);

/// Open orders of the market, as a stranger sees them.
pub fn open(watcher: &mut Wire) -> u32 {
    let snapshot = Subscribe {
        market: MARKET,
        flags: SUBSCRIBE_SNAPSHOT_ONLY,
        reserved: Reserved,
    };
    watcher.send(&snapshot.frame(0));
    match watcher.next().message() {
        ServerMessage::DepthSnapshot(_, levels) => {
            levels.iter().map(|level| level.unwrap().0.orders).sum()
        }
        other => panic!("expected the book, got {other:?}"),
    }
}

pub fn wait_until_none_is_open(watcher: &mut Wire) {
    let deadline = Instant::now() + PATIENCE;
    while open(watcher) > 0 {
        assert!(Instant::now() < deadline, "the orders stay");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn with_two_orders(server: &Server, mode: CancelOnDisconnect, grace_ms: u32) -> Wire {
    let mut wire = log_on_with(server, mode, grace_ms);
    for seq in 1..=2 {
        wire.send(&order(seq, 0));
        assert_eq!(accepted(&wire.next()), seq);
    }
    wire
}

pub fn log_out(mut wire: Wire) {
    let goodbye = Terminate {
        code: Code::from(RejectReason::LoggedOut),
        reserved: Reserved,
        retry_after_ms: 0,
        detail: 0,
    };
    wire.send(&goodbye.frame(0));
    assert!(!wire.until_closed().is_empty());
}

/// Says what the market accepts from now on, with a key that may.
pub fn set_state(server: &Server, state: MarketState) {
    let mut office = Wire::logged_on(server.address(), 5);
    let request = SetMarketState {
        request_id: 1,
        market: MARKET,
        state,
        reserved: Reserved,
    };
    office.send(&request.frame(0));
    let got = office.next();
    assert!(
        matches!(got.message(), ServerMessage::RequestAccepted(_)),
        "{got:?}"
    );
}

#[test]
fn in_a_halted_market_they_go_too_and_nothing_is_left_when_it_goes_on() {
    let server = support::start("");
    let mut watcher = Wire::logged_on(server.address(), 2);
    let wire = with_two_orders(&server, CancelOnDisconnect::OnDisconnect, 0);
    set_state(&server, MarketState::Halted);
    drop(wire);
    wait_until_none_is_open(&mut watcher);
    set_state(&server, MarketState::Continuous);
    assert_eq!(open(&mut watcher), 0);
    let mut wire = log_on(&server);
    let (joined, _, again) = resume(&mut wire, 2);
    assert_eq!((joined.last_client_seq, joined.last_report_seq), (2, 5));
    for got in &again[..2] {
        let ServerMessage::Canceled(canceled) = got.message() else {
            panic!("expected a cancel, got {got:?}");
        };
        assert_eq!(canceled.reason, CancelReason::OnDisconnect);
    }
}

#[test]
fn without_grace_the_orders_go_with_the_connection_and_the_reports_wait() {
    let server = support::start("");
    let mut watcher = Wire::logged_on(server.address(), 2);
    drop(with_two_orders(
        &server,
        CancelOnDisconnect::OnDisconnect,
        0,
    ));
    wait_until_none_is_open(&mut watcher);
    let mut wire = log_on(&server);
    let (joined, _, again) = resume(&mut wire, 2);
    assert_eq!((joined.last_client_seq, joined.last_report_seq), (2, 5));
    for (got, name) in again.iter().zip(1..=2) {
        let ServerMessage::Canceled(canceled) = got.message() else {
            panic!("expected a cancel, got {got:?}");
        };
        assert_eq!((canceled.client_seq, canceled.cl_ord_id.0), (0, name));
        assert_eq!((canceled.cum, canceled.qty), (Qty(0), Qty(1)));
    }
    let ServerMessage::MassCanceled(done) = again[2].message() else {
        panic!("expected their number, got {:?}", again[2]);
    };
    assert_eq!((done.client_seq, done.count), (0, 2));
    wire.send(&order(3, 0));
    assert_eq!(accepted(&wire.next()), 3);
}

#[test]
fn with_grace_they_go_when_it_is_over() {
    let server = support::start("");
    let mut watcher = Wire::logged_on(server.address(), 2);
    let wire = with_two_orders(&server, CancelOnDisconnect::Both, 500);
    let cut = Instant::now();
    drop(wire);
    std::thread::sleep(Duration::from_millis(100));
    let still = open(&mut watcher);
    // On a machine that was away for the whole grace nothing can be said.
    assert!(still == 2 || cut.elapsed() >= Duration::from_millis(500));
    wait_until_none_is_open(&mut watcher);
    assert!(cut.elapsed() >= Duration::from_millis(500));
}

#[test]
fn a_logon_in_time_keeps_them() {
    let server = support::start("");
    let mut watcher = Wire::logged_on(server.address(), 2);
    drop(with_two_orders(&server, CancelOnDisconnect::Both, 2_000));
    std::thread::sleep(Duration::from_millis(50));
    // It asks for nothing any more, and does not speak to the market.
    let wire = log_on(&server);
    std::thread::sleep(Duration::from_millis(2_300));
    assert_eq!(open(&mut watcher), 2);
    // Its end is decided by its own logon.
    drop(wire);
    std::thread::sleep(A_WHILE);
    assert_eq!(open(&mut watcher), 2);
}

#[test]
fn logging_out_cancels_if_the_mode_says_so() {
    let server = support::start("");
    let mut watcher = Wire::logged_on(server.address(), 2);
    let wire = with_two_orders(&server, CancelOnDisconnect::OnDisconnect, 0);
    log_out(wire);
    std::thread::sleep(A_WHILE);
    assert_eq!(open(&mut watcher), 2);
    let wire = log_on_with(&server, CancelOnDisconnect::OnLogout, 0);
    drop(wire);
    std::thread::sleep(A_WHILE);
    assert_eq!(open(&mut watcher), 2);
    // The market has not heard from this incarnation; it had the orders from one before.
    log_out(log_on_with(&server, CancelOnDisconnect::OnLogout, 0));
    wait_until_none_is_open(&mut watcher);
}

#[test]
fn a_node_that_drains_cancels_nothing() {
    let server = support::start("");
    let mut wire = with_two_orders(&server, CancelOnDisconnect::Both, 0);
    let draining = std::thread::spawn(move || server.drain());
    for got in wire.until_closed() {
        let good_bye = matches!(got.message(), ServerMessage::Terminate(_));
        assert!(good_bye, "{got:?}");
    }
    draining.join().unwrap().unwrap();
}
