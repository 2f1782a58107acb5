//! The load generator: its logons go where the tenant is, and a move during a run is told.

use std::sync::Arc;

use souk_loadgen::connection::{Connection, ConnectionError};
use souk_loadgen::key::PrivateKey;
use souk_loadgen::load::{self, LoadConfig, Pacing, SessionKey};
use souk_loadgen::output::{Environment, verdict};
use souk_loadgen::profile::profile;
use souk_loadgen::verify::Fault;
use souk_protocol::{CancelOnDisconnect, Credentials};

use super::*;

fn private() -> PrivateKey {
    PrivateKey::from_seed(&support::seed(1)).unwrap()
}

fn log_on(address: SocketAddr) -> Result<Connection, ConnectionError> {
    let credentials = Credentials {
        key_id: KeyId(1),
        session_number: 0,
        incarnation: support::now_ns(),
        keepalive_ms: 60_000,
        cancel_on_disconnect: CancelOnDisconnect::None,
        cancel_grace_ms: 0,
    };
    let key = private();
    let logged_on = Connection::logon(address, None, &credentials, |bytes| key.sign(bytes));
    logged_on.map(|(connection, ..)| connection)
}

#[test]
fn a_load_logs_on_where_its_tenant_is() {
    let server = support::start("");
    let owner = Answer::Elsewhere(2, server.address());
    let front = Front::start([Answer::Moving(20), Answer::Moving(20), owner]);
    let began = Instant::now();
    let mut connection = log_on(front.address).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(40));
    assert_eq!(connection.market_list().unwrap().len(), 2);
    assert_eq!(front.connections(), 3);
}

#[test]
fn a_load_follows_five_redirects_and_none_that_is_older() {
    let (first, second) = circle();
    let error = log_on(first.address).unwrap_err();
    assert!(error.to_string().contains("NotOwner"), "{error}");
    assert_eq!((first.connections(), second.connections()), (3, 3));
    let behind = Front::start([Answer::Elsewhere(1, first.address)]);
    let seed = Front::start([Answer::Elsewhere(2, behind.address)]);
    let error = log_on(seed.address).unwrap_err();
    assert!(error.to_string().contains("NotOwner"), "{error}");
    assert_eq!(first.connections(), 3);
}

#[test]
fn a_move_before_the_load_is_told_with_the_address() {
    let server = support::start("");
    let front = Front::start([Answer::Through(server.address())]);
    let mut connection = log_on(front.address).unwrap();
    front.dismiss(Some((2, server.address())));
    let error = connection.market_list().unwrap_err();
    let expected = format!("to {}: what began here", server.address());
    assert!(error.to_string().contains(&expected), "{error}");
}

#[test]
fn a_move_during_a_load_is_a_fault_that_names_the_next_node() {
    let server = support::start("");
    let front = Front::start([Answer::Through(server.address())]);
    let key = SessionKey {
        id: KeyId(1),
        private: Arc::new(private()),
        sessions: 1,
    };
    let profile = profile("crypto").unwrap().clone();
    let mut config = LoadConfig::new(front.address, vec![key], profile);
    config.connections = 1;
    config.pacing = Pacing::Closed { outstanding: 8 };
    config.warmup = Duration::ZERO;
    config.duration = Some(Duration::from_secs(1));
    let running = load::start(config).unwrap();
    front.dismiss(Some((2, server.address())));
    let report = running.wait().unwrap();
    assert_eq!(report.verified.faults.count(Fault::Ended), 1);
    let environment = Environment {
        machine: souk_loadgen::facts::Machine::now(),
        server_cores: None,
        server_ns: None,
        steal_percent: None,
    };
    let text = verdict(&report, &environment);
    let expected = format!("moved to {} during the run: run again", server.address());
    assert!(text.contains(&expected), "{text}");
}
