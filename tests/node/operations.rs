//! The operations listener of a node: what it counts, what its probes say and when, and that it is not for everybody.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::page::{Page, get, wait_for};
use crate::support::*;
use souk::config::{Config, Overrides};
use souk::server::Server;
use souk_protocol::*;

const HEAD: &str = "[server]\nlisten = \"127.0.0.1:0\"\n[operations]\nlisten = \"127.0.0.1:0\"\n";

fn data(name: &str) -> PathBuf {
    let name = format!("operations-{name}-{}", std::process::id());
    let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&data);
    data
}

/// A node that keeps a journal.
fn journaled(name: &str) -> Server {
    let head = format!(
        "{HEAD}[journal]\ndirectory = \"{}\"\n",
        data(name).display()
    );
    let config = Config::from_toml(&two_tenants(&head), &Overrides::default()).unwrap();
    Server::start(&config).unwrap()
}

/// Sends orders of two accounts of a tenant that trade, and one that is refused.
fn trade(server: &Server, orders: u64) {
    let mut wire = Wire::logged_on(server.address(), 1);
    wire.join(1);
    let mut other = Wire::logged_on(server.address(), 2);
    other.join(1);
    for seq in 1..=orders {
        wire.send(&limit(seq, 1, Side::Buy, 1_000, 1).frame(seq));
        other.send(&limit(seq, 2, Side::Sell, 1_000, 1).frame(seq));
    }
    wire.send(&limit(orders + 1, 1, Side::Buy, 1_000, 0).frame(orders + 1));
    wire.answers_until_joined(1);
    other.answers_until_joined(1);
}

#[test]
fn every_order_is_counted_once_in_every_stage_and_with_its_tenant() {
    let server = journaled("counts");
    let operations = server.operations_address().unwrap();
    trade(&server, 50);
    let counted = |stage: &str| format!("souk_stage_seconds_count{{stage=\"{stage}\"}}");
    let page = Page::when(operations, |page| {
        page.value(&counted("publish")) >= 101.0
            && page.value("souk_money_checks_total{result=\"sound\"}") > 0.0
    });
    for stage in ["gateway", "queue", "match", "journal", "publish"] {
        // Orders, and a few joins.
        let count = page.value(&counted(stage));
        assert!((101.0..=110.0).contains(&count), "{stage}: {count}");
        // What Prometheus makes quantiles of.
        let all = format!("souk_stage_seconds_bucket{{le=\"+Inf\",stage=\"{stage}\"}}");
        assert_eq!(page.value(&all), count);
    }
    assert_eq!(page.value("souk_orders_total{tenant=\"acme\"}"), 100.0);
    assert_eq!(page.value("souk_orders_total{tenant=\"globex\"}"), 0.0);
    assert_eq!(page.value("souk_trades_total{tenant=\"acme\"}"), 50.0);
    assert_eq!(
        page.value("souk_tenant_rejects_total{tenant=\"acme\"}"),
        1.0
    );
    let refused = "souk_rejects_total{by=\"market\",code=\"QtyMustNotBeZero\"}";
    assert_eq!(page.value(refused), 1.0);
    assert_eq!(page.value("souk_tenants_served"), 2.0);
    assert_eq!(page.value("souk_journal_failed"), 0.0);
    assert_eq!(page.value("souk_journal_lag_bytes"), 0.0);
    assert!(page.value("souk_journal_sync_seconds_count") > 0.0);
    assert_eq!(
        page.value("souk_money_checks_total{result=\"unsound\"}"),
        0.0
    );
    assert!(page.value("souk_money_check_age_seconds") < 30.0);
    server.drain().unwrap();
}

#[test]
fn sessions_and_refusals_of_the_gateway_are_counted() {
    let server = start(HEAD);
    let operations = server.operations_address().unwrap();
    let mut wire = Wire::logged_on(server.address(), 1);
    // Another account's order.
    wire.send(&limit(1, 2, Side::Buy, 1_000, 1).frame(1));
    wire.next();
    let page = Page::of(operations);
    assert_eq!(page.value("souk_sessions"), 1.0);
    assert_eq!(page.value("souk_connections"), 1.0);
    let refused = "souk_rejects_total{by=\"gateway\",code=\"UnknownAccount\"}";
    assert_eq!(page.value(refused), 1.0);
    drop(wire);
    Page::when(operations, |page| page.value("souk_sessions") == 0.0);
}

#[test]
fn a_node_in_memory_has_every_stage_and_no_journal() {
    let server = start(HEAD);
    trade(&server, 3);
    let page = Page::of(server.operations_address().unwrap());
    assert!(page.value("souk_stage_seconds_count{stage=\"journal\"}") > 0.0);
    assert!(!page.names().contains("souk_journal_lag_bytes"));
}

#[test]
fn probes_answer_while_a_node_recovers_serves_and_drains() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let operations = free.local_addr().unwrap();
    drop(free);
    let head = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[operations]\nlisten = \"{operations}\"\n[journal]\ndirectory = \"{}\"\n",
        data("probes").display()
    );
    let config = Config::from_toml(&two_tenants(&head), &Overrides::default()).unwrap();
    let server = Server::start(&config).unwrap();
    trade(&server, 20);
    server.drain().unwrap();
    let mut asked = 0;
    let mut ask = |_| {
        asked += 1;
        assert_eq!(get(operations, "/livez").0, 200);
        let (status, ready) = get(operations, "/readyz");
        assert_eq!(status, 503);
        assert!(
            ready.contains("\"reason\":\"recovering: segment"),
            "{ready}"
        );
        let (status, startup) = get(operations, "/startupz");
        assert_eq!(status, 503);
        assert!(startup.contains("\"phase\":\"recovering\""), "{startup}");
        assert_eq!(Page::of(operations).value("souk_ready"), 0.0);
    };
    let server = Server::start_telling(&config, &mut ask).unwrap();
    assert!(asked > 0, "it tells how far it is");
    assert_eq!(
        get(operations, "/readyz"),
        (200, "{\"ready\":true}".to_owned())
    );
    assert!(wait_for(operations, "/startupz", 200).contains("\"started\":true"));
    assert_eq!(Page::of(operations).value("souk_ready"), 1.0);
    assert_eq!(get(operations, "/").0, 404);
    // A session that does not say good-bye: the drain waits for it a little.
    let wire = Wire::logged_on(server.address(), 1);
    let drained = std::thread::spawn(move || server.drain());
    wait_for_draining(operations);
    drop(wire);
    drained.join().unwrap().unwrap();
}

/// Seen, or over already.
fn wait_for_draining(operations: SocketAddr) {
    while let Ok(stream) = TcpStream::connect(operations) {
        drop(stream);
        let (status, ready) = get(operations, "/readyz");
        if status == 503 {
            assert!(ready.contains("draining"), "{ready}");
            return;
        }
    }
}

#[test]
fn it_is_off_unless_asked_for_and_refused_beyond_loopback() {
    let text = two_tenants("");
    let config = Config::from_toml(&text, &Overrides::default()).unwrap();
    assert!(config.operations.is_none());
    let remote = "[operations]\nlisten = \"0.0.0.0:7002\"\n";
    let text = two_tenants(remote);
    let error = Config::from_toml(&text, &Overrides::default()).unwrap_err();
    assert!(error.to_string().contains("beyond loopback"), "{error}");
    let allowed = text.replacen("7002\"\n", "7002\"\nallow_remote = true\n", 1);
    let config = Config::from_toml(&allowed, &Overrides::default()).unwrap();
    assert_eq!(config.operations.unwrap().listen.port(), 7002);
    // What is said of one listener is not said of the other.
    let overrides = Overrides {
        allow_remote: true,
        ..Overrides::default()
    };
    assert!(Config::from_toml(&text, &overrides).is_err());
    let overrides = Overrides {
        operations_listen: Some("127.0.0.1:7009".to_owned()),
        ..Overrides::default()
    };
    let config = Config::from_toml(&text, &overrides).unwrap();
    assert_eq!(config.operations.unwrap().listen.port(), 7009);
}

/// A connection from another address than ours.
fn stranger(to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let own = SocketAddr::from(([127, 0, 0, 2], 0));
    socket.bind(&own.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    TcpStream::from(socket)
}

#[test]
fn peers_that_say_nothing_take_nobodys_place() {
    let server = start(HEAD);
    let operations = server.operations_address().unwrap();
    let begun = Instant::now();
    // More than there are places, for all together.
    let silent: Vec<_> = (0..100).map(|_| stranger(operations)).collect();
    assert_eq!(get(operations, "/livez").0, 200);
    for mut stream in silent {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty());
    }
    // The longest that a connection may live is 30 s.
    assert!(begun.elapsed() < Duration::from_secs(20), "they are ended");
}
