//! TLS on the ports of a node: who gets in, who does not and is told why, certificates that are renewed, and the clients.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::certificates::{Authority, put, section};
use crate::support::{Wire, limit, seed, two_tenants};
use souk::config::{Config, Overrides};
use souk::office::{self, Office};
use souk::server::Server;
use souk_client::{
    AccountId, Client, ClientError, ClientOptions, Event, Feed, KeyId, MarketId, Order, Price, Qty,
    ReconnectPolicy, Report, Side, SigningKey, Tls,
};
use souk_protocol::{Durability, RejectReason, ServerMessage};

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A node with a certificate for `localhost`.
struct Venue {
    folder: PathBuf,
    authority: Authority,
    server: Server,
}

impl Venue {
    fn start(name: &str) -> Self {
        Self::start_with(name, "")
    }

    /// A node with `bounds` in its section `[server]`.
    fn start_with(name: &str, bounds: &str) -> Self {
        let folder = folder(name);
        let authority = Authority::new(&folder, "authority");
        authority.certify(&folder, "localhost");
        let head = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nhandshake_timeout_ms = 2000\n{bounds}[operations]\nlisten = \"127.0.0.1:0\"\n{}",
            section(&folder)
        );
        let mut config = Config::from_toml(&two_tenants(&head), &Overrides::default()).unwrap();
        config.journal.durability = Durability::Memory;
        let server = Server::start(&config).unwrap();
        Self {
            folder,
            authority,
            server,
        }
    }

    /// What certificates are made out to.
    fn address(&self) -> String {
        format!("localhost:{}", self.server.address().port())
    }

    fn options(&self, key: u32) -> ClientOptions {
        let tls = Tls::of_authorities(&self.authority.file).unwrap();
        ClientOptions {
            tls: Some(tls),
            ..ClientOptions::new(KeyId(key))
        }
    }

    async fn client(&self, key: u32) -> Result<Client, ClientError> {
        let secret = SigningKey::from_seed(&seed(key)).unwrap();
        Client::connect(self.address(), secret, self.options(key)).await
    }

    fn refused(&self) -> u64 {
        self.server.certificate().unwrap().refused()
    }
}

/// What a GET is answered with, until the peer closes.
fn get(mut stream: impl Read + Write, path: &str) -> String {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = Vec::new();
    // A server may close without the farewell of TLS; what it said is whole by its length.
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn orders_and_books_that_fill_the_socket_come_through() {
    let venue = Venue::start("orders");
    let (maker, taker) = (
        venue.client(1).await.unwrap(),
        venue.client(2).await.unwrap(),
    );
    let market = MarketId(1);
    // More than a socket's buffers and the largest record of TLS hold, in both directions.
    let mut pending = Vec::new();
    for number in 0..5_000 {
        let order = Order::limit(AccountId(1), Side::Buy, Price(1 + number), Qty(1));
        pending.push(maker.new_order(market, &order).await.unwrap());
    }
    for order in pending {
        order.await.accepted().expect("it is taken");
    }
    let book = taker.snapshot(market).await.unwrap();
    assert_eq!(book.buys().count(), 5_000);
    let mut events = taker.events().await.unwrap();
    taker.subscribe(market, Feed::Depth).await.unwrap();
    let order = Order::limit(AccountId(2), Side::Sell, Price(1), Qty(5_000));
    let sold = taker.new_order(market, &order).await.unwrap();
    sold.await.accepted().expect("it is taken");
    let executions = async {
        let mut qty = 0;
        while qty < 5_000 {
            let event = events.next().await.expect("the session goes on");
            if let Event::Report {
                report: Report::Trade(trade),
                ..
            } = event
            {
                qty += trade.qty.0;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), executions)
        .await
        .expect("every execution is reported");
    assert_eq!(venue.refused(), 0);
}

#[tokio::test]
async fn a_node_that_is_not_believed_is_not_logged_on_to() {
    let venue = Venue::start("doubted");
    let stranger = Authority::new(&venue.folder, "stranger");
    let connect = |tls: Tls, address: String| {
        let options = ClientOptions {
            tls: Some(tls),
            reconnect: Some(ReconnectPolicy::default()),
            ..ClientOptions::new(KeyId(1))
        };
        Client::connect(address, SigningKey::from_seed(&seed(1)).unwrap(), options)
    };
    let stranger = Tls::of_authorities(&stranger.file).unwrap();
    let error = connect(stranger, venue.address()).await.unwrap_err();
    assert!(matches!(error, ClientError::Tls { .. }), "{error}");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    // Made out to another host than the one connected to.
    let known = Tls::of_authorities(&venue.authority.file).unwrap();
    let address = venue.server.address().to_string();
    let error = connect(known.clone(), address.clone()).await.unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "{error}");
    let named = known.with_server_name("localhost").unwrap();
    connect(named, address).await.unwrap();
    assert_eq!(venue.refused(), 2);
}

/// An address of this machine beyond the loopback, if it has one. Nothing is sent.
fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Connects to a port of the loopback from another address of the machine, which makes it look like one from beyond.
fn from_beyond(port: u16) -> Option<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(outward()?, 0).into()).unwrap();
    let loopback = SocketAddr::from(([127, 0, 0, 1], port));
    socket.connect(&loopback.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    Some(stream)
}

#[test]
fn plain_peers_of_the_machine_are_let_in_and_those_from_beyond_are_told_to_use_tls() {
    let venue = Venue::start("plain");
    let address = venue.server.address();
    Wire::logged_on(address, 1);
    assert_eq!(venue.refused(), 0);
    let Some(stream) = from_beyond(address.port()) else {
        eprintln!("this machine has no address but the loopback: nobody is beyond it");
        return;
    };
    let mut wire = Wire::over(stream);
    wire.send(&souk_protocol::hello().frame(0));
    let got = wire.next();
    let ServerMessage::Terminate(end) = got.message() else {
        panic!("it is told why: {:?}", got.message())
    };
    assert_eq!(end.code.reason(), Some(RejectReason::TlsRequired));
    assert_eq!(venue.refused(), 1);
    // And with TLS it is let in.
    let operations = venue.server.operations_address().unwrap();
    let page = get(venue.authority.connect("localhost", operations), "/metrics");
    assert!(page.contains("souk_tls_refused_total 1"), "{page}");
    assert!(page.contains("souk_tls_certificate_end_seconds"), "{page}");
}

#[test]
fn a_peer_that_never_finishes_its_handshake_is_cut_off() {
    let venue = Venue::start("slow");
    let began = Instant::now();
    let mut silent = TcpStream::connect(venue.server.address()).unwrap();
    let mut half = TcpStream::connect(venue.server.address()).unwrap();
    // The head of a record of 512 bytes that never come.
    half.write_all(&[22, 3, 1, 2, 0]).unwrap();
    for stream in [&mut silent, &mut half] {
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    assert!(began.elapsed() >= Duration::from_millis(1_900));
    // The socket is closed before its place is given back.
    while venue.server.connections() > 0 {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "a place is not given back"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_flood_of_handshakes_is_turned_away_and_orders_go_on() {
    let venue = Venue::start_with("flood", "logon_rate = 1000000\n");
    let mut trader = Wire::logged_on(venue.server.address(), 1);
    trader.join(1);
    let mut hello = Vec::new();
    venue
        .authority
        .handshake("localhost")
        .write_tls(&mut hello)
        .unwrap();
    let turned_away = || {
        let refused = venue.server.entrance().registry.refused().read();
        refused
            .filter(|(reason, _)| *reason == RejectReason::LogonRateExceeded)
            .count()
    };
    let until = Instant::now() + Duration::from_secs(20);
    while turned_away() == 0 {
        assert!(Instant::now() < until, "every handshake is begun");
        let mut peer = TcpStream::connect(venue.server.address()).unwrap();
        peer.write_all(&hello).unwrap();
    }
    trader.send(&limit(1, 1, Side::Buy, 1_000, 1).frame(1));
    let got = trader.next();
    assert!(matches!(got.message(), ServerMessage::Accepted(_)));
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_and_a_broken_one_is_not() {
    let venue = Venue::start("renewed");
    venue.client(1).await.unwrap();
    // Another authority, so that which certificate is shown can be seen.
    let next = Authority::new(&venue.folder, "next");
    next.certify(&venue.folder, "localhost");
    let trusted = || async {
        let options = ClientOptions {
            tls: Some(Tls::of_authorities(&next.file).unwrap()),
            ..ClientOptions::new(KeyId(1))
        };
        let key = SigningKey::from_seed(&seed(1)).unwrap();
        Client::connect(venue.address(), key, options).await
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while trusted().await.is_err() {
        assert!(Instant::now() < deadline, "the new certificate is used");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    // Half a certificate, and a key of somebody else.
    let chain = venue.folder.join("node.pem");
    let text = fs::read_to_string(&chain).unwrap();
    put(&chain, &text[..text.len() / 2], 0o644);
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        trusted().await.expect("the certificate before is used");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[test]
fn files_that_cannot_be_used_keep_the_node_from_starting_by_name() {
    let folder = folder("files");
    let authority = Authority::new(&folder, "authority");
    let start = || {
        let head = format!("[server]\nlisten = \"127.0.0.1:0\"\n{}", section(&folder));
        let mut config = Config::from_toml(&two_tenants(&head), &Overrides::default()).unwrap();
        config.journal.durability = Durability::Memory;
        Server::start(&config).unwrap_err().to_string()
    };
    let (chain, key) = (folder.join("node.pem"), folder.join("node.key"));
    let told = |expected: &[&str]| {
        let error = start();
        for part in expected {
            assert!(error.contains(part), "{error} lacks {part}");
        }
    };
    told(&["certificate", "node.pem", "remedy"]);
    authority.certify(&folder, "localhost");
    let secret = fs::read_to_string(&key).unwrap();
    put(&key, &secret, 0o644);
    told(&["node.key", "644", "chmod"]);
    put(&key, "no key\n", 0o600);
    told(&["node.key", "no private key"]);
    put(
        &key,
        &rcgen::KeyPair::generate().unwrap().serialize_pem(),
        0o600,
    );
    told(&["private key that the first certificate", "remedy"]);
    put(&key, &secret, 0o600);
    put(&chain, "", 0o644);
    told(&["node.pem", "no certificate", "remedy"]);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    put(&chain, broken, 0o644);
    told(&["node.pem", "broken certificate", "remedy"]);
}

#[test]
fn beyond_the_loopback_a_node_wants_a_certificate_or_leave() {
    let read = |head: &str| Config::from_toml(&two_tenants(head), &Overrides::default());
    let open = "[server]\nlisten = \"0.0.0.0:7001\"\n";
    let error = read(open).unwrap_err().to_string();
    for part in ["0.0.0.0:7001", "[tls]", "allow_remote"] {
        assert!(error.contains(part), "{error} lacks {part}");
    }
    let tls = "[tls]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n";
    let config = read(&format!("{open}{tls}")).unwrap();
    assert_eq!(config.tls.unwrap().key, Path::new("a.key"));
    read("[tls]\ncertificate = \"a.pem\"\n").unwrap_err();
    // Metrics have no password, whoever listens on the way.
    let metrics = format!("[operations]\nlisten = \"0.0.0.0:7002\"\n{tls}");
    let error = read(&metrics).unwrap_err().to_string();
    assert!(error.contains("without a password"), "{error}");
}

#[test]
fn the_office_is_asked_over_tls() {
    let folder = folder("office");
    let authority = Authority::new(&folder, "authority");
    authority.certify(&folder, "localhost");
    let head = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[office]\nlisten = \"127.0.0.1:0\"\n[journal]\ndirectory = \"{}\"\n{}",
        folder.join("data").display(),
        section(&folder)
    );
    let mut config = Config::from_toml(&two_tenants(&head), &Overrides::default()).unwrap();
    let keys = office::admit(&mut config).unwrap();
    let server = Server::start(&config).unwrap();
    let office = Office::beside(&server, &config, &keys).unwrap().unwrap();
    let address = office.address();
    let page = get(authority.connect("localhost", address), "/");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("strict-transport-security"), "{page}");
    let plain = get(TcpStream::connect(address).unwrap(), "/");
    assert!(plain.starts_with("HTTP/1.1 200"), "{plain}");
    if let Some(stream) = from_beyond(address.port()) {
        let refused = get(stream, "/");
        assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
        assert!(
            refused.ends_with("Ask again with https:// before.\n"),
            "{refused}"
        );
    }
    drop(office);
    server.drain().unwrap();
}

/// Runs a script with the node's address and the authority's file as arguments.
fn script(venue: &Venue, command: &mut Command) -> String {
    let output = command
        .args([venue.address(), venue.authority.file.display().to_string()])
        .args([souk::keys::hex(&seed(1))])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_python_client_speaks_tls_and_older_tls_is_refused() {
    let venue = Venue::start("python");
    let told = script(&venue, Command::new("python3").arg("tests/tls/client.py"));
    assert_eq!(told, "Accepted\nnot believed\nTLS 1.2 is refused\n");
}

#[test]
fn the_typescript_client_speaks_tls() {
    let venue = Venue::start("typescript");
    let told = script(&venue, Command::new("node").arg("tests/tls/client.mjs"));
    assert_eq!(told, "Accepted\nnot believed\n");
}
