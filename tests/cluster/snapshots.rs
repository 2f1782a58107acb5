//! Snapshots in the database: taken while the nodes work, read by whoever takes over, and the log behind them removed.

use std::time::Duration;

use crate::mariadb::MariaDb;
use crate::scene::Scene;

/// Rows of a log that are still there, and the first of them.
fn rows_left(scene: &Scene) -> Vec<(u64, u64, u64)> {
    let database = &scene.cluster.database;
    scene.server.rows(&format!(
        "SELECT log_id, COUNT(*), MIN(seq) FROM {database}.log_row WHERE kind = 0 GROUP BY log_id"
    ))
}

fn snapshots(scene: &Scene) -> u64 {
    let database = &scene.cluster.database;
    let query = format!("SELECT COUNT(DISTINCT snapshot_id) FROM {database}.snapshot");
    scene.server.rows::<u64>(&query)[0]
}

#[test]
fn a_takeover_and_a_restart_begin_with_a_snapshot_and_lose_nothing() {
    let server = MariaDb::start("snapshots");
    let mut scene = Scene::with("snapshots", server, |settings| settings.snapshot_rows = 64);
    let load = scene.load();
    for _ in 0..100 {
        load.run(Duration::from_millis(100));
        if snapshots(&scene) == 4 && rows_left(&scene).iter().all(|(_, _, first)| *first > 1) {
            break;
        }
    }
    assert_eq!(snapshots(&scene), 4, "two of each tenant are kept");
    let left = rows_left(&scene);
    assert!(
        left.iter().all(|(_, _, first)| *first > 1),
        "what they cover is removed: {left:?}"
    );
    let owner = scene.owner();
    scene.nodes[owner].kill();
    load.run(scene.ttl() + Duration::from_millis(700));
    // Both gone: whoever comes next has nothing but the database.
    let heir = 1 - owner;
    let (name, address) = (scene.nodes[heir].name.clone(), scene.nodes[heir].address());
    assert!(scene.nodes[heir].stop().success());
    scene.nodes[heir] = scene.cluster.node_at(&name, address);
    scene.nodes[heir].address();
    load.run(Duration::from_millis(500));
    load.end();
}

#[test]
fn a_node_alone_takes_its_own_snapshots_and_does_without_a_damaged_one() {
    let server = MariaDb::start("alone");
    let mut scene = Scene::with("alone", server, |settings| settings.snapshot_rows = 64);
    // Everything is the first node's.
    assert!(scene.nodes[1].stop().success());
    let load = scene.load();
    for _ in 0..100 {
        load.run(Duration::from_millis(100));
        if snapshots(&scene) == 4 {
            break;
        }
    }
    assert_eq!(snapshots(&scene), 4, "two of each tenant are kept");
    let (name, address) = (scene.nodes[0].name.clone(), scene.nodes[0].address());
    scene.nodes[0].kill();
    let database = &scene.cluster.database;
    scene.server.run(&format!(
        "UPDATE {database}.snapshot_chunk SET payload = CONCAT(SUBSTR(payload, 1, 40), 'x', SUBSTR(payload, 42)) \
         WHERE snapshot_id IN (SELECT newest FROM (SELECT MAX(snapshot_id) newest FROM {database}.snapshot GROUP BY tenant_id) n)"
    ));
    scene.nodes[0] = scene.cluster.node_at(&name, address);
    scene.nodes[0].address();
    load.run(Duration::from_millis(500));
    load.end();
    let log = scene.nodes[0].log();
    assert!(
        log.contains("a snapshot cannot be read and is left alone"),
        "{log}"
    );
}
