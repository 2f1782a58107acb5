//! Several nodes on a real MariaDB: who owns a tenant, what a takeover loses (nothing), and what hiccups do (nothing).
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "cluster/mariadb.rs"]
mod mariadb;
#[path = "cluster/node.rs"]
mod node;
mod support;
#[path = "cluster/trader.rs"]
mod trader;

use std::time::Instant;

use mariadb::MariaDb;
use node::Cluster;
use trader::Trader;

#[test]
fn a_killed_nodes_tenants_are_taken_over_with_every_acknowledged_order() {
    let server = MariaDb::start("takeover");
    let cluster = Cluster::new("takeover", &server);
    let mut nodes = [cluster.node("a"), cluster.node("b")];
    let addresses = [nodes[0].address(), nodes[1].address()];
    let mut acme = Trader::new(1, 1, &addresses);
    let mut globex = Trader::new(3, 1, &addresses);
    for price in 1..=200 {
        assert!(acme.rest(price), "nothing is wrong yet");
        assert!(globex.rest(price), "nothing is wrong yet");
    }
    let owner = acme.find();
    let at = addresses.iter().position(|it| *it == owner).unwrap();
    let killed = Instant::now();
    nodes[at].kill();
    acme.lose();
    let heir = acme.find();
    assert!(acme.rest(1_000), "the heir takes orders");
    println!("first order after {:?}", killed.elapsed());
    assert_ne!(heir, owner);
    acme.cancel_all();
    globex.lose();
    globex.cancel_all();
}
