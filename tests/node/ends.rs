//! The ends of connections whose other side does not do its part.

use std::time::{Duration, Instant};

use crate::support::*;
use souk_protocol::*;

/// Waits for a number of connections, so long as nothing else would end them.
fn wait_for_connections(server: &souk::server::Server, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.connections() != count {
        assert!(
            Instant::now() < deadline,
            "{} connections, not {count}",
            server.connections()
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_session_whose_old_connection_reads_nothing_is_taken_over_at_once() {
    // Reports of these orders are twice what the system holds for a socket, and less than the outbox.
    const ORDERS: u64 = 80_000;
    // Less than a tenant may have waiting in a queue.
    const PIECE: u64 = 20_000;
    let server = start(
        "[limits]\nmax_inflight = 100000\norder_rate = 100000000\norder_burst = 100000000\n[server]\noutbox_bytes_max = 67108864",
    );
    let mut witness = Wire::logged_on(server.address(), 2);
    let mut old = Wire::connect(server.address());
    socket2::SockRef::from(&old.stream)
        .set_recv_buffer_size(4_096)
        .unwrap();
    assert!(matches!(
        old.log_on(1, 5, 100).message(),
        ServerMessage::LogonAck(..)
    ));
    for first in (1..=ORDERS).step_by(PIECE as usize) {
        let last = first + PIECE - 1;
        let orders: Vec<u8> = (first..=last)
            .flat_map(|seq| limit(seq, 1, Side::Buy, 10, 1).frame(seq))
            .collect();
        old.send(&orders);
        let deadline = Instant::now() + Duration::from_secs(30);
        while witness.join(1).stream_seq < last {
            assert!(Instant::now() < deadline, "orders are not applied");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    assert_eq!(server.connections(), 2, "the old one is blocked, not ended");

    let mut new = Wire::connect(server.address());
    assert!(matches!(
        new.log_on(1, 5, 101).message(),
        ServerMessage::LogonAck(..)
    ));
    let joined = new.join(1);
    assert_eq!(joined.last_client_seq, ORDERS);
    new.send(&cancel(1, 1).frame(ORDERS + 1));
    let got = new.next();
    assert!(matches!(got.message(), ServerMessage::Canceled(_)));
    assert_eq!(got.seq(), joined.last_report_seq + 1);
    // The old one goes although nobody reads what it still has to write.
    wait_for_connections(&server, 2);
    new.send(&cancel(2, 1).frame(ORDERS + 2));
    assert!(matches!(new.next().message(), ServerMessage::Canceled(_)));
    drop(old);
}

#[test]
fn a_drain_does_not_wait_for_connections_that_never_log_on() {
    let server = start("[server]\nhandshake_timeout_ms = 60000");
    let mut silent = Wire::connect(server.address());
    let mut halfway = Wire::connect(server.address());
    let _ = halfway.challenge();
    wait_for_connections(&server, 2);
    let drained = std::thread::spawn(move || server.drain());
    for wire in [&mut silent, &mut halfway] {
        let last = wire.until_closed();
        let ServerMessage::Terminate(terminate) = last.last().unwrap().message() else {
            panic!("{last:?}")
        };
        assert_eq!(terminate.code, Code::from(RejectReason::ServerDraining));
        assert!(terminate.retry_after_ms > 0);
    }
    drop((silent, halfway));
    drained.join().unwrap().unwrap();
}
