//! A database, two nodes, and what a test wants to know of them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::history::History;
use crate::load::Load;
use crate::mariadb::MariaDb;
use crate::node::{Cluster, Node, Settings};
use crate::trader::Trader;

/// How long anything may take that should take no time.
const DEADLINE: Duration = Duration::from_secs(30);

/// Two nodes of a cluster.
pub struct Scene {
    pub nodes: Vec<Node>,
    pub cluster: Cluster,
    pub server: MariaDb,
}

impl Scene {
    /// Nodes `a` and `b`.
    pub fn new(name: &str) -> Self {
        Self::with(name, MariaDb::start(name), |_| {})
    }

    /// Nodes `a` and `b` on a server, with other settings.
    pub fn with(name: &str, server: MariaDb, set: impl FnOnce(&mut Settings)) -> Self {
        let mut cluster = Cluster::new(name, &server);
        set(&mut cluster.settings);
        let mut nodes = vec![cluster.node("a"), cluster.node("b")];
        for node in &mut nodes {
            node.address();
        }
        let mut scene = Self {
            nodes,
            cluster,
            server,
        };
        // Both know each other, and every tenant has its owner.
        scene.settle();
        scene
    }

    fn settle(&mut self) {
        for key in [1, 3] {
            Trader::new(key, 1, &self.addresses()).find();
        }
    }

    pub fn ttl(&self) -> Duration {
        Duration::from_millis(self.cluster.settings.ttl_ms.into())
    }

    pub fn addresses(&mut self) -> Vec<SocketAddr> {
        self.nodes.iter_mut().map(Node::address).collect()
    }

    /// All nodes, as a client is told of them.
    pub fn seeds(&mut self) -> String {
        let addresses = self.addresses();
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        texts.join(",")
    }

    /// The number of the node that has acme.
    pub fn owner(&mut self) -> usize {
        let addresses = self.addresses();
        let owner = Trader::new(2, 2, &addresses).find();
        addresses.iter().position(|it| *it == owner).unwrap()
    }

    pub fn load(&mut self) -> Load {
        Load::begin(&self.addresses())
    }

    pub fn history(&self) -> History {
        History::check(&self.server, &self.cluster.database)
    }

    /// Waits until the database says something.
    pub fn wait_until(&self, what: &str, query: &str, expected: u64) {
        let begun = Instant::now();
        let query = query.replace("FROM ", &format!("FROM {}.", self.cluster.database));
        while self.server.rows::<u64>(&query) != [expected] {
            assert!(
                begun.elapsed() < DEADLINE,
                "{what}: {:?}",
                self.server.rows::<u64>(&query)
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
