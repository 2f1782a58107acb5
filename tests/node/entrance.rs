//! What a node says to the clients of tenants that are elsewhere, or on their way: over the wire, as a client sees it.

use std::time::{Duration, Instant};

use crate::support::{Got, Wire, now_ns, pair, start};
use souk::gateway::entrance::Place;
use souk::server::Server;
use souk_protocol::message::Redirect;
use souk_protocol::*;

const ACME: TenantId = TenantId(1);

fn elsewhere(epoch: u64) -> Place {
    Place::Elsewhere(Redirect {
        epoch,
        address: Text::new("10.0.0.2:7001").unwrap(),
    })
}

/// Logs on with key 1, which is acme's. Gives the first answer.
fn log_on(wire: &mut Wire) -> Got {
    wire.log_on(1, 0, now_ns())
}

fn rejected(got: &Got) -> (Option<RejectReason>, u32) {
    match got.message() {
        ServerMessage::LogonReject(reject) => (reject.code.reason(), reject.retry_after_ms),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Takes acme away, and gives what puts it back.
fn taken_away(server: &Server, place: Place) -> Place {
    let here = server.entrance().set(ACME, place);
    assert!(matches!(here, Place::Here(_)));
    here
}

#[test]
fn who_logs_on_is_told_where_the_tenant_is_and_others_are_not() {
    let server = start("");
    let here = taken_away(&server, elsewhere(7));
    let mut wire = Wire::connect(server.address());
    let ServerMessage::Redirect(redirect) = log_on(&mut wire).message() else {
        panic!("first the address");
    };
    assert_eq!(
        (redirect.epoch, redirect.address.as_str()),
        (7, "10.0.0.2:7001")
    );
    let (reason, _) = rejected(&wire.next());
    assert_eq!(reason, Some(RejectReason::NotOwner));
    assert!(wire.try_next().is_none(), "then it closes");
    // Somebody who only knows the key's id learns nothing.
    let credentials = Credentials {
        key_id: KeyId(1),
        session_number: 0,
        incarnation: now_ns(),
        keepalive_ms: 60_000,
        cancel_on_disconnect: CancelOnDisconnect::None,
        cancel_grace_ms: 0,
    };
    let mut wire = Wire::connect(server.address());
    let got = wire.log_on_with(&credentials, &pair(2), now_ns());
    let (reason, _) = rejected(&got);
    assert!(
        !matches!(
            reason,
            Some(RejectReason::NotOwner | RejectReason::TenantMoving)
        ),
        "{reason:?}"
    );
    // The other tenant is still here.
    drop(Wire::logged_on(server.address(), 3));
    server.entrance().set(ACME, here);
    drop(Wire::logged_on(server.address(), 1));
}

#[test]
fn a_logon_waits_for_a_tenant_that_is_on_its_way_and_is_taken_when_it_comes() {
    let server = start("");
    let here = taken_away(&server, Place::Moving);
    let comes = Duration::from_millis(300);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let logon = scope.spawn(|| {
            let mut wire = Wire::connect(server.address());
            let got = log_on(&mut wire);
            assert!(
                matches!(got.message(), ServerMessage::LogonAck(..)),
                "{got:?}"
            );
            begun.elapsed()
        });
        std::thread::sleep(comes);
        server.entrance().set(ACME, here);
        assert!(logon.join().unwrap() >= comes);
    });
}

#[test]
fn a_logon_does_not_wait_for_ever_and_is_told_when_to_try_again() {
    let server = start("");
    let here = taken_away(&server, Place::Moving);
    let begun = Instant::now();
    let mut wire = Wire::connect(server.address());
    let (reason, retry_after_ms) = rejected(&log_on(&mut wire));
    assert_eq!(reason, Some(RejectReason::TenantMoving));
    assert!(retry_after_ms > 0, "it says when");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    server.entrance().set(ACME, here);
}

#[test]
fn a_node_that_cannot_tell_whether_tenants_are_its_own_sends_everybody_away_and_takes_them_back() {
    let server = start("");
    let mut wire = Wire::logged_on(server.address(), 1);
    server.entrance().suspend(true);
    let ServerMessage::Terminate(end) = wire.next().message() else {
        panic!("it is sent away");
    };
    assert_eq!(end.code.reason(), Some(RejectReason::TenantMoving));
    let mut wire = Wire::connect(server.address());
    let (reason, _) = rejected(&log_on(&mut wire));
    assert_eq!(reason, Some(RejectReason::TenantMoving));
    server.entrance().suspend(false);
    drop(Wire::logged_on(server.address(), 1));
}
