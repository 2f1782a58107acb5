//! Two processes with one name.

use std::time::{Duration, Instant};

use crate::scene::Scene;

/// 20, the first is alive
#[test]
fn a_second_process_with_the_name_of_a_node_that_is_alive_refuses_to_start() {
    let mut scene = Scene::new("twin");
    let load = scene.load();
    let mut twin = scene.cluster.node_in("a", "elsewhere");
    let status = twin.exit();
    assert_eq!(status.code(), Some(78), "{}", twin.log());
    assert!(
        twin.log().contains("another process is node a"),
        "{}",
        twin.log()
    );
    load.run(Duration::from_millis(200));
    load.end();
    let history = scene.history();
    assert_eq!(history.owners(1), 1);
    assert_eq!(history.incarnations["a"], 1);
}

/// 20, the first is paused
#[test]
fn a_second_process_takes_the_name_of_a_paused_one_which_ends_when_it_wakes() {
    let mut scene = Scene::new("heir");
    let load = scene.load();
    load.run(Duration::from_millis(200));
    scene.nodes[0].signal(libc::SIGSTOP);
    let begun = Instant::now();
    let mut heir = scene.cluster.node_in("a", "elsewhere");
    let address = heir.address();
    assert!(
        begun.elapsed() >= scene.ttl() - Duration::from_millis(500),
        "nothing proves that the other one is dead"
    );
    scene.nodes[0].signal(libc::SIGCONT);
    let status = scene.nodes[0].exit();
    assert_eq!(status.code(), Some(75), "{}", scene.nodes[0].log());
    scene.nodes[0] = heir;
    let mut more = crate::trader::Trader::new(2, 2, &[address]);
    more.find();
    load.run(Duration::from_millis(500));
    drop(load);
    let history = scene.history();
    assert_eq!(history.incarnations["a"], 2, "there is no duel");
}

#[test]
fn a_data_directory_belongs_to_one_process() {
    let mut scene = Scene::new("folder");
    let mut second = scene.cluster.node_in("c", "a");
    assert!(!second.exit().success());
    let holder = format!(
        "LOCK is in use by process {}, node a, boot ",
        scene.nodes[0].process()
    );
    assert!(second.log().contains(&holder), "{}", second.log());
    assert!(scene.nodes[0].is_running());
}
