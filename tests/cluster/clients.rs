//! The Rust client in a cluster: it finds the node that has its tenant, and stays with the tenant wherever that goes.

use std::time::Duration;

use souk_client::{
    AccountId, Client, ClientOptions, KeyId, MarketId, Order, Outcome, Price, Qty, ReconnectPolicy,
    Side, SigningKey,
};

use crate::scene::Scene;
use crate::support::seed;

const MARKET: MarketId = MarketId(1);

fn options() -> ClientOptions {
    ClientOptions {
        reconnect: Some(ReconnectPolicy {
            attempts_max: 1_000,
            pause_min: Duration::from_millis(5),
            pause_max: Duration::from_millis(50),
        }),
        connect_timeout: Duration::from_millis(1_500),
        ..ClientOptions::new(KeyId(1))
    }
}

async fn connect(addresses: &str) -> Client {
    let key = SigningKey::from_seed(&seed(1)).unwrap();
    let client = Client::connect(addresses, key, options()).await.unwrap();
    client.join(MARKET).await.unwrap();
    client
}

/// Enters orders that rest, one after the other, until `stop`; each is answered with what became of it.
async fn trade(client: &Client, stop: impl Future<Output = ()>) -> usize {
    let mut count = 0;
    tokio::pin!(stop);
    loop {
        let order = Order::limit(AccountId(1), Side::Buy, Price(1 + count % 500), Qty(1));
        let pending = client.new_order(MARKET, &order).await.unwrap();
        match pending.await {
            Outcome::Accepted(_) => count += 1,
            other => panic!("order {count}: {other:?}"),
        }
        tokio::select! {
            biased;
            () = &mut stop => return count as usize,
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
    }
}

/// Every order that was accepted is open: mass cancel says how many there were.
async fn all_are_open(client: &Client, count: usize) {
    let canceled = client
        .mass_cancel(MARKET, AccountId(1), None)
        .await
        .unwrap();
    let Outcome::Accepted(canceled) = canceled.await else {
        panic!("a mass cancel is accepted");
    };
    assert_eq!(canceled.count as usize, count);
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test)
}

#[test]
fn a_client_that_asks_the_wrong_node_is_sent_to_the_right_one() {
    let mut scene = Scene::new("wrong");
    let other = 1 - scene.owner();
    let address = scene.addresses()[other].to_string();
    run(async {
        let client = connect(&address).await;
        let count = trade(&client, async {}).await;
        all_are_open(&client, count).await;
    });
}

#[test]
fn a_client_follows_its_tenant_from_node_to_node_and_every_order_is_answered_once() {
    let mut scene = Scene::new("follows");
    let seeds = scene.seeds();
    run(async {
        let client = connect(&seeds).await;
        let mut count = 0;
        for _ in 0..2 {
            let owner = tokio::task::block_in_place(|| scene.owner());
            let name = scene.nodes[owner].name.clone();
            let address = scene.nodes[owner].address();
            let moved = async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                tokio::task::block_in_place(|| {
                    assert!(scene.nodes[owner].stop().success());
                    scene.nodes[owner] = scene.cluster.node_at(&name, address);
                    scene.nodes[owner].address();
                });
                tokio::time::sleep(Duration::from_millis(200)).await;
            };
            count += trade(&client, moved).await;
        }
        all_are_open(&client, count).await;
    });
}

#[test]
fn a_client_of_a_killed_node_waits_for_the_takeover_and_every_order_is_answered_once() {
    let mut scene = Scene::new("waits");
    let seeds = scene.seeds();
    run(async {
        let client = connect(&seeds).await;
        let owner = tokio::task::block_in_place(|| scene.owner());
        let ttl = scene.ttl();
        let killed = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            scene.nodes[owner].kill();
            tokio::time::sleep(ttl + Duration::from_millis(500)).await;
        };
        let count = trade(&client, killed).await;
        all_are_open(&client, count).await;
    });
}
