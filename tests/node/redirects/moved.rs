//! Tenants that move while their sessions are connected.

use std::path::{Path, PathBuf};

use souk::config::{Config, Overrides};
use souk::server::Server;
use souk_client::{Doubt, Event, Events, Outcome, Pending, Report, Resumed, message};

use super::*;

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("moved-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

/// A node that serves the tenants of this data directory.
fn start(data: &Path) -> Server {
    let head = format!(
        "[journal]\ndirectory = \"{}\"\nsegment_bytes = 1048576\n[server]\nlisten = \"127.0.0.1:0\"",
        data.display()
    );
    let text = support::two_tenants(&head);
    let config = Config::from_toml(&text, &Overrides::default()).unwrap();
    Server::start(&config).unwrap()
}

async fn submit(client: &Client, names: std::ops::Range<u64>) -> Vec<Pending<message::Accepted>> {
    let mut pending = Vec::new();
    for name in names {
        pending.push(client.new_order(MARKET, &buy(name)).await.unwrap());
    }
    pending
}

async fn assert_accepted(pending: Vec<Pending<message::Accepted>>) {
    for pending in pending {
        let outcome = tokio::time::timeout(PATIENCE, pending).await;
        let outcome = outcome.expect("an outcome comes");
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    }
}

/// Looks again and again until `holds`.
async fn wait_until(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("it comes to hold");
}

/// Open orders in the market's book.
async fn orders(watcher: &Client) -> u32 {
    let book = watcher.snapshot(MARKET).await.unwrap();
    book.best_buy().map_or(0, |level| level.orders)
}

async fn watch(server: &Server) -> Client {
    let key = SigningKey::from_seed(&support::seed(2)).unwrap();
    let options = ClientOptions::new(KeyId(2));
    Client::connect(server.address(), key, options)
        .await
        .unwrap()
}

/// What the session was told up to its resumption, and that: names of orders that were accepted.
async fn until_resumed(events: &mut Events) -> (Vec<u64>, Resumed) {
    let mut names = Vec::new();
    let resumed = async {
        loop {
            match events.next().await.expect("the session goes on") {
                Event::Report {
                    report: Report::Accepted(accepted),
                    ..
                } => names.push(accepted.cl_ord_id.0),
                Event::Resumed(resumed) => return resumed,
                Event::ReportsLost { .. } | Event::ReportGap { .. } => panic!("reports are lost"),
                _ => {}
            }
        }
    };
    let resumed = tokio::time::timeout(PATIENCE, resumed).await;
    let resumed = resumed.expect("the session is resumed");
    (names, resumed)
}

#[tokio::test]
async fn a_tenant_moves_with_orders_in_flight_and_each_is_answered_once() {
    let data = folder("in-flight");
    let server = start(&data);
    let front = Front::start([Answer::Through(server.address()), Answer::NotOwner]);
    let client = log_on(&[front.address], lasting()).await.unwrap();
    let mut events = client.events().await.unwrap();
    assert_accepted(submit(&client, 1..21).await).await;
    // Applied, and the answers are lost.
    front.mute();
    let mut pending = submit(&client, 21..41).await;
    let watcher = watch(&server).await;
    wait_until(async || orders(&watcher).await == 40).await;
    // Lost on their way.
    front.deafen();
    pending.extend(submit(&client, 41..61).await);
    wait_until(async || front.bytes_dropped() > 0).await;
    server.drain().unwrap();
    let server = start(&data);
    front.dismiss(Some((2, server.address())));
    // Asked for while nobody has the session.
    pending.extend(submit(&client, 61..81).await);
    assert_accepted(pending).await;
    let (mut names, resumed) = until_resumed(&mut events).await;
    assert_eq!(resumed.last_client_seq, 40);
    // Of those asked for last, as many as were sent before the client knew.
    assert!((20..=40).contains(&resumed.resent), "{resumed:?}");
    assert_eq!((resumed.applied_unanswered, resumed.state_lost), (0, false));
    while let Some(event) = events.try_next() {
        if let Event::Report {
            report: Report::Accepted(accepted),
            ..
        } = event
        {
            names.push(accepted.cl_ord_id.0);
        }
    }
    assert_eq!(names, (1..81).collect::<Vec<u64>>());
    assert_eq!(orders(&watch(&server).await).await, 80);
    assert_eq!(node(&client).await, server.address());
    assert_eq!(front.connections(), 1, "the way back was known");
}

#[tokio::test]
async fn questions_wait_for_the_next_node() {
    let server = support::start("");
    let front = Front::start([Answer::Through(server.address())]);
    let client = log_on(&[front.address], lasting()).await.unwrap();
    assert_accepted(submit(&client, 1..4).await).await;
    front.deafen();
    let asked = message::MarketListRequest::FRAME_LEN
        + message::JoinMarket::FRAME_LEN
        + message::Subscribe::FRAME_LEN
        + message::Ping::FRAME_LEN
        + message::BalanceQuery::FRAME_LEN;
    let moving = async {
        wait_until(async || front.bytes_dropped() >= asked).await;
        front.dismiss(Some((2, server.address())));
    };
    let answers = async {
        tokio::join!(
            client.markets(),
            client.join(MarketId(2)),
            client.snapshot(MARKET),
            client.ping(),
            client.balances(AccountId(1)),
            moving,
        )
    };
    let answers = tokio::time::timeout(PATIENCE, answers).await;
    let (markets, joined, book, pong, balances, ()) = answers.expect("all are answered");
    assert_eq!(markets.unwrap().len(), 2);
    assert_eq!(joined.unwrap().last_client_seq, 0);
    assert_eq!(book.unwrap().best_buy().unwrap().orders, 3);
    assert!(pong.unwrap() < PATIENCE);
    assert_eq!(balances.unwrap().len(), 2);
    assert_eq!(node(&client).await, server.address());
}

#[tokio::test]
async fn a_tenant_that_moved_nobody_knows_where_is_looked_for_at_the_other_seeds() {
    let server = support::start("");
    let front = Front::start([Answer::Through(server.address())]);
    let seeds = [front.address, server.address()];
    let client = log_on(&seeds, lasting()).await.unwrap();
    client.join(MARKET).await.unwrap();
    front.deafen();
    let pending = submit(&client, 1..4).await;
    front.dismiss(None);
    assert_accepted(pending).await;
    assert_eq!(node(&client).await, server.address());
    assert_eq!(front.connections(), 1);
}

#[tokio::test]
async fn a_tenant_that_is_still_moving_is_waited_for() {
    let server = support::start("");
    let (through, moving) = (Answer::Through(server.address()), Answer::Moving(20));
    let front = Front::start([through, moving, moving, moving, through]);
    let client = log_on(&[front.address], lasting()).await.unwrap();
    client.join(MARKET).await.unwrap();
    front.deafen();
    let pending = submit(&client, 1..4).await;
    front.dismiss(None);
    assert_accepted(pending).await;
    assert_eq!(front.connections(), 5);
}

#[tokio::test]
async fn a_next_node_that_is_gone_too_is_given_up_for_the_seeds() {
    let server = support::start("");
    let newer = Answer::Elsewhere(3, server.address());
    let front = Front::start([Answer::Through(server.address()), newer]);
    let client = log_on(&[front.address], lasting()).await.unwrap();
    client.join(MARKET).await.unwrap();
    front.deafen();
    let pending = submit(&client, 1..4).await;
    front.dismiss(Some((2, nobody())));
    assert_accepted(pending).await;
    assert_eq!(node(&client).await, server.address());
    assert_eq!(front.connections(), 2);
}

#[tokio::test]
async fn without_reconnect_a_move_leaves_outcomes_unknown_and_never_rejected() {
    let server = support::start("");
    let front = Front::start([Answer::Through(server.address())]);
    let options = ClientOptions::new(KeyId(1));
    let client = log_on(&[front.address], options).await.unwrap();
    client.join(MARKET).await.unwrap();
    front.deafen();
    let pending = submit(&client, 1..2).await;
    wait_until(async || front.bytes_dropped() > 0).await;
    front.dismiss(Some((2, server.address())));
    for pending in pending {
        let outcome = tokio::time::timeout(PATIENCE, pending).await;
        let outcome = outcome.expect("an outcome comes");
        assert_eq!(outcome, Outcome::Unknown(Doubt::ConnectionLost));
    }
    assert!(client.closed().await.contains("NotOwner"));
}
