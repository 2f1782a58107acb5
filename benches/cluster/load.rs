//! Orders over TCP to a node in this process: one at a time, and as many as it takes.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use souk::cluster::ClusterServer;
use souk::config::{Config, Overrides};
use souk::database::{Class, Connection, LogStore};
use souk::journal::GroupStore;
use souk::server::Server;
use souk_loadgen::key::PrivateKey;
use souk_loadgen::load::{self, LoadConfig, Pacing, SessionKey};
use souk_loadgen::profile::profile;
use souk_protocol::{KeyId, ServerMessage, Side};

use crate::Size;
use crate::figures::{Times, head};
use crate::mariadb::{MariaDb, runtime};
use crate::node::Cluster;
use crate::statements::{registered, terms};
use crate::support::{Wire, limit};
use crate::trader::Trader;

/// A node of a cluster in this process.
fn clustered(server: &MariaDb, cluster: &Cluster) -> ClusterServer {
    assert!(server.address().ip().is_loopback());
    let file = cluster.config("in-process", 0);
    let config = Config::from_toml(
        &std::fs::read_to_string(file).unwrap(),
        &Overrides::default(),
    );
    let config = config.unwrap();
    ClusterServer::start(&config, config.cluster.as_ref().unwrap()).unwrap()
}

fn alone(tenants: &str) -> Server {
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[journal]\ndurability = \"memory\"\n{tenants}"
    );
    Server::start(&Config::from_toml(&text, &Overrides::default()).unwrap()).unwrap()
}

/// One order at a time.
fn one_at_a_time(address: SocketAddr, count: usize) -> Times {
    let mut wire = Wire::logged_on(address, 1);
    wire.join(1);
    let mut times = Times::default();
    for number in 1..=count as u64 {
        let order = limit(number, 1, Side::Buy, 1 + number as i64 % 500, 1);
        let begun = Instant::now();
        wire.send(&order.frame(number));
        let got = wire.next();
        times.add(begun.elapsed());
        assert!(
            matches!(got.message(), ServerMessage::Accepted(_)),
            "{:?}",
            got.message()
        );
    }
    times
}

pub fn answer(size: &Size) {
    let server = MariaDb::start("answer");
    let cluster = Cluster::new("answer", &server);
    let memory = alone(&cluster.tenants);
    let clustered = clustered(&server, &cluster);
    Trader::new(2, 2, &[clustered.address()]).find();
    head("one order at a time");
    let mut memory_times = one_at_a_time(memory.address(), size.statements);
    memory_times.print("durability = memory");
    let mut mysql = one_at_a_time(clustered.address(), size.statements);
    mysql.print("durability = mysql");
    // The same row, by the same library, alone.
    let database = cluster.database_config();
    let runtime = runtime();
    let mut steward = Connection::new(&database, &terms(), Class::Steward).unwrap();
    let ends = runtime.block_on(steward.log_ends()).unwrap();
    let own = *ends.keys().next_back().unwrap();
    let rows = runtime
        .block_on(steward.log_rows(own, ends[&own].0))
        .unwrap();
    clustered.drain().unwrap();
    let (_, log) = runtime.block_on(registered(&mut steward));
    let connection = Connection::new(&database, &terms(), Class::Journal).unwrap();
    let mut store = LogStore::new(connection, log, Duration::from_secs(60)).unwrap();
    let batch = &rows[0].payload[souk::journal::GROUP_HEADER_LEN..];
    let mut commits = Times::default();
    for _ in 0..size.statements {
        let begun = Instant::now();
        store.write(batch, 1).unwrap();
        commits.add(begun.elapsed());
    }
    commits.print("the fenced commit of the same row, alone");
    let limit = commits.percentile(50).mul_f64(1.3) + memory_times.percentile(50);
    let ratio = mysql.percentile(50).as_secs_f64() / limit.as_secs_f64();
    println!("  mysql / (1.3 x commit + memory) = {ratio:.2}; goal 1.00");
    memory.drain().unwrap();
}

/// Two tenants that the load generator knows.
fn load_tenants() -> (String, Vec<SessionKey>) {
    let (mut text, mut keys) = (String::new(), Vec::new());
    for id in 1..=2_u32 {
        let private = PrivateKey::from_seed(&[0x30 + id as u8; 32]).unwrap();
        let public = private.public().map(|byte| format!("{byte:02x}")).concat();
        let _ = write!(
            text,
            "[[tenant]]\nid = {id}\nname = \"tenant-{id}\"\n\
             [[tenant.currency]]\ncode = \"BTC\"\nscale = 8\n[[tenant.currency]]\ncode = \"USDT\"\nscale = 6\n\
             [[tenant.key]]\nid = {id}\npublic_key = \"{public}\"\naccounts = \"all\"\n\
             permissions = [\"trade\", \"market-data\", \"funding\"]\n"
        );
        for account in 1..=4 {
            let _ = writeln!(
                text,
                "[[tenant.account]]\nid = {account}\ncredit = {{ BTC = \"10000000\", USDT = \"100000000000\" }}"
            );
        }
        for market in 1..=2 {
            let _ = writeln!(
                text,
                "[[tenant.market]]\nid = {market}\nsymbol = \"BTC-USDT-{market}\"\nbase = \"BTC\"\nquote = \"USDT\"\n\
                 tick_size = \"0.01\"\nlot_size = \"0.0001\"\norders_max = 5000000\naccount_orders_max = 5000000"
            );
        }
        keys.push(SessionKey {
            id: KeyId(id),
            private: Arc::new(private),
            sessions: 2,
        });
    }
    let limits = "[limits]\nmax_inflight = 65536\norder_rate = 100000000\norder_burst = 1000000\ncancel_rate = 100000000\ncancel_burst = 1000000\n";
    (format!("{limits}{text}"), keys)
}

fn run(address: SocketAddr, keys: &[SessionKey], outstanding: u32, seconds: u64) -> f64 {
    let profile = profile("crypto").unwrap().clone();
    let mut config = LoadConfig::new(address, keys.to_vec(), profile);
    config.pacing = Pacing::Closed { outstanding };
    config.warmup = Duration::from_millis(500);
    config.duration = Some(Duration::from_secs(seconds));
    let report = load::start(config).unwrap().wait().unwrap();
    assert!(report.verified.ok(), "{:?}", report.verified);
    report.achieved_rate()
}

pub fn saturation(size: &Size) {
    let server = MariaDb::start("loaded");
    let mut cluster = Cluster::new("loaded", &server);
    let (tenants, keys) = load_tenants();
    cluster.tenants.clone_from(&tenants);
    let memory = alone(&tenants);
    let mysql = clustered(&server, &cluster);
    std::thread::sleep(Duration::from_secs(size.seconds.min(3)));
    let idle = mysql.renewal_p99();
    println!(
        "\nmessages acknowledged a second, 4 connections; server, load generator and database on the same cores"
    );
    println!(
        "{:>12} {:>12} {:>12} {:>8}",
        "outstanding", "memory", "mysql", "ratio"
    );
    for outstanding in [1, 4, 16, 64, 256, 1_024, 4_096] {
        let first = run(memory.address(), &keys, outstanding, size.seconds);
        let second = run(mysql.address(), &keys, outstanding, size.seconds);
        println!(
            "{outstanding:>12} {first:>12.0} {second:>12.0} {:>8.2}",
            second / first
        );
    }
    let busy = mysql.renewal_p99();
    let ratio = busy.as_secs_f64() / idle.as_secs_f64();
    println!("renewal p99: idle {idle:?}, over the whole run {busy:?}, ratio {ratio:.1}; goal 3");
    memory.drain().unwrap();
    mysql.drain().unwrap();
}
