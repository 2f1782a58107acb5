//! How long a tenant is without an owner: after a kill, an orderly end, a restart, and when the database stands still. Real
//! processes; the time is from the event to the first new order that is acknowledged.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::Size;
use crate::figures::{Times, head};
use crate::mariadb::MariaDb;
use crate::node::{Cluster, Node};
use crate::support::two_tenants;
use crate::trader::Trader;

/// Orders that rest when something happens.
const RESTING: i64 = 1_000;
/// Markets of the tenant that is handed over.
const MARKETS: u32 = 100;

struct Pair {
    nodes: Vec<Node>,
    cluster: Cluster,
    server: MariaDb,
}

impl Pair {
    fn new(name: &str, tenants: Option<String>) -> Self {
        let server = MariaDb::start(name);
        let mut cluster = Cluster::new(name, &server);
        if let Some(tenants) = tenants {
            cluster.tenants = tenants;
        }
        let nodes = vec![cluster.node("a"), cluster.node("b")];
        Self {
            nodes,
            cluster,
            server,
        }
    }

    /// A trader with resting orders, and the number of the node that has its tenant.
    fn trader(&mut self) -> (Trader, usize) {
        let addresses: Vec<_> = self.nodes.iter_mut().map(Node::address).collect();
        let mut trader = Trader::new(1, 1, &addresses);
        for price in 1..=RESTING {
            assert!(trader.rest(price));
        }
        let owner = trader.find();
        let owner = addresses.iter().position(|it| *it == owner).unwrap();
        // The standby has read all of it.
        std::thread::sleep(Duration::from_millis(300));
        (trader, owner)
    }

    fn start_again(&mut self, node: usize) {
        let name = self.nodes[node].name.clone();
        let address = self.nodes[node].address();
        self.nodes[node] = self.cluster.node_at(&name, address);
        self.nodes[node].address();
    }
}

/// Enters orders until one is acknowledged.
fn first_order(trader: &mut Trader, since: Instant) -> Duration {
    while !trader.rest(2_000) {}
    since.elapsed()
}

pub fn takeover(size: &Size) {
    head("after kill -9, 1,000 orders resting");
    let mut pair = Pair::new("takeover", None);
    let ttl = Duration::from_millis(pair.cluster.settings.ttl_ms.into());
    let mut times = Times::default();
    for _ in 0..size.cycles {
        let (mut trader, owner) = pair.trader();
        let killed = Instant::now();
        pair.nodes[owner].kill();
        times.add(first_order(&mut trader, killed));
        trader.cancel_all();
        pair.start_again(owner);
    }
    times.print("first order by the new owner");
    let over = times.percentile(100).saturating_sub(ttl);
    println!("  the lease is {ttl:?}: at most {over:.1?} more; goal 100 ms");
}

pub fn handover(size: &Size) {
    let key = two_tenants("");
    let from = key.find("[[tenant]]").unwrap();
    let until = key.rfind("[[tenant]]").unwrap();
    let mut tenants = key[from..until].to_owned();
    for id in 3..=MARKETS {
        let _ = write!(
            tenants,
            "[[tenant.market]]\nid = {id}\nsymbol = \"BTC-USDT-{id}\"\nbase = \"BTC\"\nquote = \"USDT\"\ntick_size = \"0.01\"\nlot_size = \"0.0001\"\n"
        );
    }
    head("after SIGTERM, a tenant with 100 markets");
    let mut pair = Pair::new("handover", Some(tenants));
    let mut times = Times::default();
    for _ in 0..size.cycles {
        let (mut trader, owner) = pair.trader();
        let asked = Instant::now();
        pair.nodes[owner].signal(libc::SIGTERM);
        // It answers until it is told where to go.
        while pair.nodes[owner].is_running() {
            let _ = trader.rest(2_001);
        }
        let _ = first_order(&mut trader, asked);
        times.add(trader.longest_wait(asked));
        trader.cancel_all();
        assert!(pair.nodes[owner].exit().success());
        pair.start_again(owner);
    }
    times.print("longest time without an acknowledgement");
    println!("  goal 150 ms");
}

pub fn restart(size: &Size) {
    head("after kill -9 and a start with the same name");
    let mut pair = Pair::new("restart", None);
    let (mut whole, mut registered) = (Times::default(), Times::default());
    for _ in 0..size.cycles {
        let (mut trader, owner) = pair.trader();
        pair.nodes[owner].kill();
        let started = Instant::now();
        pair.start_again(owner);
        registered.add(started.elapsed());
        whole.add(first_order(&mut trader, started));
        trader.cancel_all();
    }
    registered.print("from the start of the process: listens");
    whole.print("  first order");
    println!("  goal 100 ms");
}

pub fn frozen(size: &Size) {
    head("after the database stood still for two leases");
    let mut pair = Pair::new("frozen", None);
    let ttl = Duration::from_millis(pair.cluster.settings.ttl_ms.into());
    let mut times = Times::default();
    let cycles = size.cycles.min(3);
    for _ in 0..cycles {
        let (mut trader, _) = pair.trader();
        pair.server.signal(libc::SIGSTOP);
        std::thread::scope(|scope| {
            let server = &pair.server;
            let waits = scope.spawn(move || {
                std::thread::sleep(ttl * 2);
                let back = Instant::now();
                server.signal(libc::SIGCONT);
                back
            });
            while !trader.rest(2_000) {}
            let acknowledged = Instant::now();
            times.add(acknowledged.saturating_duration_since(waits.join().unwrap()));
        });
        trader.cancel_all();
    }
    times.print("first order after it went on");
    let query = format!("SELECT COUNT(*) FROM {}.tenure", pair.cluster.database);
    let owners: Vec<u64> = pair.server.rows(&query);
    println!("  goal 300 ms; {} takeovers", owners[0] - 2);
}
