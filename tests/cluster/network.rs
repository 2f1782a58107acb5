//! Ways to the database that are blocked, cut, slow, or deaf in one direction.

use std::time::{Duration, Instant};

use crate::mariadb::MariaDb;
use crate::proxy::{Mode, Proxy};
use crate::scene::Scene;

/// A scene whose nodes reach the database by ways of their own: two for renewals, one for the rest, one for the journal.
struct Ways {
    scene: Scene,
    leases: [Proxy; 2],
    rest: Proxy,
    journal: Proxy,
}

impl Ways {
    /// Node `a` goes over the ways and owns everything; node `b` does not.
    fn new(name: &str) -> Self {
        let server = MariaDb::start(name);
        let way = || Proxy::to(server.address());
        let (leases, rest, journal) = ([way(), way()], way(), way());
        let mut cluster = crate::node::Cluster::new(name, &server);
        let direct = cluster.settings.clone();
        cluster.settings.lease_addresses = [leases[0].address(), leases[1].address()];
        cluster.settings.address = rest.address();
        cluster.settings.journal_address = journal.address();
        let mut first = cluster.node("a");
        first.address();
        for key in [1, 3] {
            crate::trader::Trader::new(key, 1, &[first.address()]).find();
        }
        cluster.settings = direct;
        let mut second = cluster.node("b");
        second.address();
        let scene = Scene {
            nodes: vec![first, second],
            cluster,
            server,
        };
        Self {
            scene,
            leases,
            rest,
            journal,
        }
    }

    fn all(&self) -> [&Proxy; 4] {
        [&self.leases[0], &self.leases[1], &self.rest, &self.journal]
    }
}

/// 9
#[test]
fn one_of_two_heartbeat_connections_that_hangs_ends_nothing() {
    let mut ways = Ways::new("deaf");
    let load = ways.scene.load();
    ways.leases[0].set(Mode::Black);
    load.run(ways.scene.ttl() * 3);
    ways.leases[0].set(Mode::Open);
    let traded = load.end();
    println!("9: longest gap {:?}", traded.longest_gap());
    assert_eq!(ways.scene.history().owners(1), 1);
}

/// 10
#[test]
fn any_single_renewal_within_the_lease_keeps_it() {
    let mut ways = Ways::new("single");
    let load = ways.scene.load();
    for _ in 0..5 {
        ways.leases.iter().for_each(|way| way.set(Mode::Black));
        load.run(ways.scene.ttl() - Duration::from_millis(450));
        ways.leases.iter().for_each(|way| way.set(Mode::Open));
        // Time for one or two.
        load.run(Duration::from_millis(300));
    }
    load.end();
    assert_eq!(ways.scene.history().owners(1), 1);
}

/// 11
#[test]
fn a_node_without_renewals_stops_by_itself_and_is_replaced() {
    let mut ways = Ways::new("cutoff");
    let load = ways.scene.load();
    load.run(Duration::from_millis(300));
    ways.leases.iter().for_each(|way| way.set(Mode::Black));
    let status = ways.scene.nodes[0].exit();
    assert_eq!(status.code(), Some(75), "{}", ways.scene.nodes[0].log());
    load.run(Duration::from_millis(800));
    let traded = load.end();
    println!("11: longest gap {:?}", traded.longest_gap());
    assert_eq!(ways.scene.history().owners(1), 2);
}

/// 11, with the rest of its ways blocked, too
#[test]
fn a_node_that_hears_nothing_at_all_answers_nothing_and_is_replaced() {
    let mut ways = Ways::new("island");
    let load = ways.scene.load();
    load.run(Duration::from_millis(300));
    ways.all().iter().for_each(|way| way.set(Mode::Black));
    load.run(ways.scene.ttl() * 2);
    ways.all().iter().for_each(|way| way.set(Mode::Open));
    let status = ways.scene.nodes[0].exit();
    assert_eq!(status.code(), Some(75), "{}", ways.scene.nodes[0].log());
    load.run(Duration::from_millis(500));
    load.end();
    assert_eq!(ways.scene.history().owners(1), 2);
}

/// 12
#[test]
fn a_node_that_is_not_answered_is_replaced_although_it_is_heard() {
    let mut ways = Ways::new("oneway");
    let load = ways.scene.load();
    load.run(Duration::from_millis(300));
    let blocked = Instant::now();
    ways.all().iter().for_each(|way| way.set(Mode::OneWay));
    // It stops by itself at the end of its lease, and sends its clients away a lease later.
    load.run(ways.scene.ttl() * 2 + Duration::from_millis(800));
    ways.all().iter().for_each(|way| way.set(Mode::Open));
    let traded = load.end();
    println!(
        "12: {:?} after answers were blocked",
        traded.first_after(blocked + Duration::from_millis(100))
    );
    assert_eq!(ways.scene.nodes[0].exit().code(), Some(75));
    assert_eq!(ways.scene.history().owners(1), 2);
}

/// 13
#[test]
fn a_slow_way_is_no_fault() {
    let mut ways = Ways::new("slow");
    let load = ways.scene.load();
    let slow = u64::from(ways.scene.cluster.settings.period_ms) / 5;
    ways.all().iter().for_each(|way| way.set(Mode::Delay(slow)));
    load.run(ways.scene.ttl() * 2);
    ways.all().iter().for_each(|way| way.set(Mode::Open));
    load.end();
    assert_eq!(ways.scene.history().owners(1), 1);
}

/// 14
#[test]
fn connections_that_are_reset_all_the_time_end_nothing() {
    let mut ways = Ways::new("resets");
    let load = ways.scene.load();
    let begun = Instant::now();
    while begun.elapsed() < ways.scene.ttl() * 2 {
        ways.all().iter().for_each(|way| way.reset());
        load.run(Duration::from_millis(50));
    }
    load.run(Duration::from_millis(300));
    load.end();
    assert_eq!(ways.scene.history().owners(1), 1);
}

/// 36
#[test]
fn batches_whose_answer_is_lost_are_in_the_journal_once() {
    let mut ways = Ways::new("unknown");
    let load = ways.scene.load();
    for _ in 0..15 {
        load.run(Duration::from_millis(60));
        // The statement arrives, its answer does not.
        ways.journal.set(Mode::OneWay);
        load.run(Duration::from_millis(20));
        ways.journal.set(Mode::Open);
        ways.journal.reset();
    }
    load.run(Duration::from_millis(300));
    load.end();
    // The history is read by its own chain: a batch that is in it twice breaks it.
    assert_eq!(ways.scene.history().owners(1), 1);
    let log = ways.scene.nodes[0].log();
    assert!(
        log.contains("reading back"),
        "some answers were lost: {log}"
    );
}

/// 18
#[test]
fn a_node_that_dies_with_a_statement_under_way_does_not_hold_its_log() {
    let mut ways = Ways::new("midway");
    let load = ways.scene.load();
    load.run(Duration::from_millis(300));
    ways.journal.set(Mode::OneWay);
    load.run(Duration::from_millis(100));
    let killed = Instant::now();
    ways.scene.nodes[0].kill();
    load.run(ways.scene.ttl() + Duration::from_millis(1_500));
    let traded = load.end();
    println!("18: {:?} after kill -9", traded.first_after(killed));
    assert_eq!(ways.scene.history().owners(1), 2);
}
