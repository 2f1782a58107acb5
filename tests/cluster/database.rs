//! A database that freezes, dies, refuses, or has another idea of the time.

use std::time::{Duration, Instant};

use crate::mariadb::MariaDb;
use crate::scene::Scene;

/// 15
#[test]
fn a_database_that_freezes_moves_nothing() {
    let mut scene = Scene::new("frozen");
    let load = scene.load();
    load.run(Duration::from_millis(300));
    scene.server.signal(libc::SIGSTOP);
    let frozen = Instant::now();
    std::thread::sleep(scene.ttl() * 2);
    let back = Instant::now();
    scene.server.signal(libc::SIGCONT);
    load.run(Duration::from_millis(800));
    let traded = load.end();
    assert!(
        !traded.any_between(frozen + Duration::from_millis(50), back),
        "nothing was acknowledged that was not in the journal"
    );
    println!(
        "15: {:?} after the database went on",
        traded.first_after(back)
    );
    assert_eq!(scene.history().owners(1), 1);
}

/// 16
#[test]
fn a_database_that_is_killed_and_started_again_moves_nothing() {
    let mut scene = Scene::new("restarted");
    let load = scene.load();
    load.run(Duration::from_millis(300));
    scene.server.crash_and_restart();
    let back = Instant::now();
    load.run(Duration::from_millis(1_500));
    let traded = load.end();
    println!(
        "16: {:?} after the database was back",
        traded.first_after(back)
    );
    assert_eq!(scene.history().owners(1), 1);
}

/// 17
#[test]
fn a_clock_of_the_servers_that_jumps_moves_nothing() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let clock = folder.join(format!("faketime-{}", std::process::id()));
    std::fs::write(&clock, "+0").unwrap();
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    assert!(
        std::path::Path::new(library).exists(),
        "{library} is missing; remedy: apt-get install faketime"
    );
    let environment = [
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let server = MariaDb::start_with("clock", &[], &environment);
    let mut scene = Scene::with("clock", server, |_| {});
    let load = scene.load();
    for jump in ["+3600", "-3600", "+2", "-2", "+0"] {
        load.run(Duration::from_millis(250));
        std::fs::write(&clock, jump).unwrap();
        let shown: Vec<i64> = scene.server.rows("SELECT UNIX_TIMESTAMP(NOW())");
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
        let asked: i64 = jump.parse().unwrap();
        assert!(
            (shown[0] - now - asked).abs() <= 2,
            "the server's clock jumps"
        );
    }
    load.run(Duration::from_millis(300));
    let traded = load.end();
    println!("17: longest gap {:?}", traded.longest_gap());
    assert_eq!(scene.history().owners(1), 1);
    let _ = std::fs::remove_file(clock);
}

/// 19
#[test]
fn a_row_that_a_stranger_locks_delays_no_renewal() {
    let mut scene = Scene::new("stranger");
    let load = scene.load();
    let database = scene.cluster.database.clone();
    let runtime = crate::mariadb::runtime();
    let mut stranger = runtime.block_on(scene.server.connect()).unwrap();
    runtime.block_on(async {
        use mysql_async::prelude::Queryable;
        stranger.query_drop("START TRANSACTION").await.unwrap();
        let lock = format!("SELECT * FROM {database}.tenant WHERE tenant_id = 1 FOR UPDATE");
        let rows: Vec<mysql_async::Row> = stranger.query(lock).await.unwrap();
        assert_eq!(rows.len(), 1);
    });
    load.run(scene.ttl() * 2);
    runtime.block_on(stranger.disconnect()).unwrap();
    load.end();
    assert_eq!(scene.history().owners(1), 1);
}

/// 22
#[test]
fn a_server_without_a_connection_left_loses_no_renewal() {
    let server = MariaDb::start_with("crowded", &["--max-connections=40"], &[]);
    let mut scene = Scene::with("crowded", server, |_| {});
    let load = scene.load();
    let runtime = crate::mariadb::runtime();
    let crowd: Vec<_> = (0..60)
        .map_while(|_| runtime.block_on(scene.server.connect()).ok())
        .collect();
    assert!(
        runtime.block_on(scene.server.connect()).is_err(),
        "it is full"
    );
    load.run(scene.ttl() * 2);
    drop(crowd);
    let begun = Instant::now();
    while runtime.block_on(scene.server.connect()).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    load.end();
    assert_eq!(scene.history().owners(1), 1);
}

/// 24
#[test]
fn a_server_that_refuses_to_write_for_a_while_moves_nothing() {
    let server = MariaDb::start("readonly");
    // The right to write all the same must not be the nodes'.
    server.as_root("REVOKE READ_ONLY ADMIN, SUPER ON *.* FROM 'souk'@'%'");
    let mut scene = Scene::with("readonly", server, |_| {});
    let load = scene.load();
    load.run(Duration::from_millis(300));
    let root = |statement: &str| scene.server.as_root(statement);
    root("SET GLOBAL read_only = 1");
    load.run(Duration::from_millis(1_000));
    root("SET GLOBAL read_only = 0");
    let back = Instant::now();
    load.run(Duration::from_millis(800));
    let traded = load.end();
    println!("24: {:?} after it wrote again", traded.first_after(back));
    assert_eq!(scene.history().owners(1), 1);
}
