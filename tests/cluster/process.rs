//! Nodes that are killed, stopped, asked to end, and started again.

use std::time::{Duration, Instant};

use souk::lease::{Candidate, NodeId, ranking};
use souk_protocol::TenantId;

use crate::load::Load;
use crate::mariadb::MariaDb;
use crate::node::Cluster;
use crate::scene::Scene;

/// 1
#[test]
fn a_killed_nodes_tenants_are_taken_over_with_every_acknowledged_order() {
    let mut scene = Scene::new("killed");
    let load = scene.load();
    load.run(Duration::from_millis(500));
    let owner = scene.owner();
    let killed = Instant::now();
    scene.nodes[owner].kill();
    load.run(scene.ttl() + Duration::from_millis(700));
    let traded = load.end();
    println!("1: {:?} after kill -9", traded.first_after(killed));
    assert!(scene.history().owners(1) == 2, "it moved once");
}

/// 2
#[test]
fn a_node_that_is_asked_to_end_hands_everything_over_before_it_does() {
    let mut scene = Scene::new("asked");
    let load = scene.load();
    load.run(Duration::from_millis(500));
    let owner = scene.owner();
    let asked = Instant::now();
    let status = scene.nodes[owner].stop();
    println!("2: ended after {:?}", asked.elapsed());
    assert!(status.success(), "{}", scene.nodes[owner].log());
    load.run(Duration::from_millis(300));
    let traded = load.end();
    println!("2: {:?} after SIGTERM", traded.first_after(asked));
    let history = scene.history();
    assert_eq!(history.owners(1), 2, "it moved once");
    let name = &scene.nodes[owner].name;
    assert_eq!(history.states[name], 3, "it has released its lease");
}

/// 3
#[test]
fn a_node_that_is_started_again_has_its_tenants_back_at_once_wherever_it_is() {
    let mut scene = Scene::new("again");
    let load = scene.load();
    load.run(Duration::from_millis(500));
    let owner = scene.owner();
    let name = scene.nodes[owner].name.clone();
    scene.nodes[owner].kill();
    let started = Instant::now();
    // On another port: an address is nobody's name.
    scene.nodes[owner] = scene.cluster.node(&name);
    let address = scene.nodes[owner].address();
    println!("3: registered after {:?}", started.elapsed());
    let mut other = crate::trader::Trader::new(2, 2, &[address]);
    assert_eq!(other.find(), address, "the tenant is where it was");
    println!("3: served after {:?}", started.elapsed());
    drop(load);
    let history = scene.history();
    assert_eq!(history.owners(1), 2, "the same node, a new epoch");
    let (other_name, _) = history
        .incarnations
        .iter()
        .find(|it| *it.0 != name)
        .unwrap();
    assert_eq!(history.incarnations[&name], 2);
    assert_eq!(history.states[other_name], 1);
}

/// 4
#[test]
fn nodes_are_restarted_one_after_the_other_under_load_and_nothing_is_lost() {
    let mut scene = Scene::new("rolling");
    let load = scene.load();
    for node in [0, 1, 0] {
        load.run(Duration::from_millis(300));
        let name = scene.nodes[node].name.clone();
        assert!(scene.nodes[node].stop().success());
        // The load knows the first two addresses, so the node keeps its own.
        scene.nodes[node] = scene.cluster.node_at(&name, scene.nodes[node].address());
        scene.nodes[node].address();
    }
    load.run(Duration::from_millis(300));
    let traded = load.end();
    println!("4: longest gap {:?}", traded.longest_gap());
    scene.history();
}

/// 5
#[test]
fn a_node_that_is_stopped_for_half_its_lease_keeps_it() {
    let mut scene = Scene::new("half");
    let load = scene.load();
    let owner = scene.owner();
    load.run(Duration::from_millis(300));
    scene.nodes[owner].signal(libc::SIGSTOP);
    std::thread::sleep(scene.ttl() / 2);
    scene.nodes[owner].signal(libc::SIGCONT);
    load.run(Duration::from_millis(500));
    load.end();
    assert_eq!(scene.history().owners(1), 1, "nothing happened");
}

/// 6
#[test]
fn a_node_that_was_stopped_for_longer_than_its_lease_is_replaced_and_says_nothing_more() {
    let mut scene = Scene::new("paused");
    let load = scene.load();
    load.run(Duration::from_millis(300));
    let owner = scene.owner();
    scene.nodes[owner].signal(libc::SIGSTOP);
    std::thread::sleep(scene.ttl() * 2);
    scene.nodes[owner].signal(libc::SIGCONT);
    let status = scene.nodes[owner].exit();
    assert_eq!(status.code(), Some(75), "{}", scene.nodes[owner].log());
    load.run(Duration::from_millis(500));
    load.end();
    assert_eq!(scene.history().owners(1), 2, "it was taken over once");
}

/// 31
#[test]
fn a_node_that_joins_gets_the_tenants_that_belong_to_it_and_they_stay_there() {
    let server = MariaDb::start("joins");
    let mut cluster = Cluster::new("joins", &server);
    cluster.settings.rebalance_after_ms = 300;
    let mut first = cluster.node("b");
    let addresses = [first.address()];
    let load = Load::begin(&addresses);
    load.run(Duration::from_millis(200));
    let mut second = cluster.node("a");
    second.address();
    let scene = Scene {
        nodes: vec![first, second],
        cluster,
        server,
    };
    let candidate = |node, name| Candidate {
        node: NodeId(node),
        name,
        weight: 1,
    };
    let candidates = [candidate(1, "b"), candidate(2, "a")];
    let belongs = |tenant: &u32| ranking(TenantId(*tenant), &candidates)[0] == NodeId(2);
    let theirs = [1, 2].iter().filter(|it| belongs(it)).count() as u64;
    assert!(theirs > 0, "the test's tenants are shared out");
    let query = "SELECT COUNT(*) FROM tenant WHERE node_id = 2";
    scene.wait_until("it has its share", query, theirs);
    load.run(Duration::from_millis(1_000));
    let traded = load.end();
    println!("31: longest gap {:?}", traded.longest_gap());
    let history = scene.history();
    let owners = [1, 2].map(|tenant| history.owners(tenant));
    let expected = [1, 2].map(|tenant| 1 + usize::from(belongs(&tenant)));
    assert_eq!(owners, expected, "nothing moves twice");
}

/// 31, and the node that joins stops just then
#[test]
fn a_node_that_is_given_tenants_and_dies_gives_them_back() {
    let server = MariaDb::start("given");
    let mut cluster = Cluster::new("given", &server);
    cluster.settings.rebalance_after_ms = 600;
    let mut first = cluster.node("b");
    let addresses = [first.address()];
    let load = Load::begin(&addresses);
    let mut second = cluster.node("a");
    second.address();
    second.signal(libc::SIGSTOP);
    let scene = Scene {
        nodes: vec![first, second],
        cluster,
        server,
    };
    scene.wait_until(
        "it was given all",
        "SELECT COUNT(*) FROM tenant WHERE node_id = 2",
        2,
    );
    scene.wait_until(
        "they came back",
        "SELECT COUNT(*) FROM tenant WHERE node_id = 1",
        2,
    );
    load.run(Duration::from_millis(500));
    load.end();
    let history = scene.history();
    assert_eq!(
        history.owners(1),
        2,
        "the first node, twice: the second served nobody"
    );
}

/// `souk status`, `souk doctor`, `souk db migrate`
#[test]
fn an_operator_sees_the_nodes_and_what_is_wrong_with_the_database() {
    let mut scene = Scene::new("operator");
    let owner = scene.owner();
    let (status, said) = scene.cluster.command(&["status"]);
    assert!(status.success(), "{said}");
    let row = |name: &str| said.lines().find(|line| line.starts_with(name)).unwrap();
    for node in &scene.nodes {
        assert!(row(&node.name).contains(" live "), "{said}");
    }
    let address = scene.nodes[owner].address().to_string();
    assert!(
        said.contains(&address) && said.contains("every tenant has an owner"),
        "{said}"
    );
    let (status, said) = scene.cluster.command(&["doctor"]);
    assert!(status.success(), "{said}");
    assert!(
        said.contains("innodb_flush_log_at_trx_commit = 1"),
        "{said}"
    );
    scene
        .server
        .as_root("SET GLOBAL innodb_flush_log_at_trx_commit = 2");
    let (status, said) = scene.cluster.command(&["doctor"]);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains("a power cut loses") && said.contains("remedy: SET GLOBAL"),
        "{said}"
    );
    let (status, said) = scene.cluster.command(&["db", "migrate"]);
    assert!(status.success() && said.contains("nothing to do"), "{said}");
}

#[test]
fn tables_of_another_version_are_refused_by_node_and_migration() {
    let mut scene = Scene::new("versions");
    let newer = format!(
        "INSERT INTO {}.schema_version VALUES(99, NOW(6))",
        scene.cluster.database
    );
    scene.server.run(&newer);
    let mut third = scene.cluster.node("c");
    assert_eq!(third.exit().code(), Some(1));
    assert!(
        third
            .log()
            .contains("of version 99, this version of souk needs"),
        "{}",
        third.log()
    );
    let (status, said) = scene.cluster.command(&["db", "migrate"]);
    assert!(
        !status.success() && said.contains("run a newer version of souk"),
        "{said}"
    );
    assert!(scene.nodes[0].is_running());
}

/// `souk drain`
#[test]
fn a_node_that_is_drained_gives_its_tenants_away_and_goes_on_running() {
    let mut scene = Scene::new("drained");
    let load = scene.load();
    load.run(Duration::from_millis(200));
    let owner = scene.owner();
    let name = scene.nodes[owner].name.clone();
    let (status, said) = scene.cluster.command(&["drain", &name]);
    assert!(status.success(), "{said}");
    scene.wait_until(
        "the other node owns all",
        &format!("SELECT COUNT(*) FROM tenant WHERE node_id = (SELECT node_id FROM engine_node WHERE node_name = '{name}')"),
        0,
    );
    load.run(Duration::from_millis(500));
    load.end();
    assert!(scene.nodes[owner].is_running());
    assert_ne!(scene.owner(), owner);
    let (status, said) = scene.cluster.command(&["drain", "nobody"]);
    assert!(
        !status.success() && said.contains("no node nobody"),
        "{said}"
    );
    assert!(scene.nodes[owner].stop().success(), "it ends at once");
}
