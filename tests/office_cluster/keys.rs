//! Keys and users: what one office gives and takes, all have.

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use serde_json::json;
use souk::database::{Class, Connection, GivenKey};
use souk_client::{Client, ClientError, ClientOptions, KeyId, SigningKey};

use crate::kit::block_on;
use crate::mariadb::MariaDb;
use crate::node::Cluster;
use crate::offices::{Offices, SOON};

const BOT: [u8; 32] = [33; 32];
/// What the documents promise, and what a busy machine may add.
const BOUND: Duration = Duration::from_millis(3_000);

async fn log_on(address: &str, id: u32) -> Result<Client, ClientError> {
    let key = SigningKey::from_seed(&BOT).unwrap();
    Client::connect(address, key, ClientOptions::new(KeyId(id))).await
}

/// Logs on as soon as it is let in.
async fn let_in(address: &str, id: u32, time: Duration) -> Client {
    let begun = Instant::now();
    loop {
        match log_on(address, id).await {
            Ok(client) => return client,
            Err(error) => assert!(begun.elapsed() < time, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn a_key_works_and_ends_at_every_node_wherever_it_was_given_and_revoked() {
    let mut offices = Offices::new("revoked");
    let owner = offices.owner_of(3);
    let other = 1 - owner;
    let tokens = offices.log_on("globex", "ada", "owner");
    let public = souk::keys::hex(&souk::keys::public_of(&BOT).unwrap());
    let key = json!({"name": "bot", "public_key": public, "permissions": ["trade", "market-data"], "accounts": ["1"]});
    let office = offices.office(other);
    let key = office.post("/v1/keys", &tokens[other], &key).ok();
    let id: u32 = key["id"].as_str().unwrap().parse().unwrap();
    let there = offices.office(owner).get("/v1/keys", &tokens[owner]).ok();
    let listed = there["items"].as_array().unwrap();
    assert!(listed.iter().any(|it| it["id"] == key["id"]), "{there}");
    let address = offices.scene.addresses()[owner].to_string();
    block_on(async {
        let begun = Instant::now();
        let client = let_in(&address, id, BOUND).await;
        println!("it lets in after {:?}", begun.elapsed());
        assert_eq!(client.markets().await.unwrap().len(), 1);
        let begun = Instant::now();
        let revoked = office.delete(
            &format!("/v1/keys/{id}"),
            &tokens[other],
            &json!({"reason": "lost laptop"}),
        );
        assert_eq!(revoked.status, 204, "{revoked:?}");
        let ended = tokio::time::timeout(SOON, client.closed()).await;
        assert!(ended.is_ok(), "its session goes on");
        println!("it ends after {:?}", begun.elapsed());
        assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());
        assert!(log_on(&address, id).await.is_err());
    });
}

#[test]
fn a_key_ends_though_its_end_was_not_seen_for_days() {
    let mut offices = Offices::new("unseen");
    let owner = offices.owner_of(3);
    let tokens = offices.log_on("globex", "ada", "owner");
    let public = souk::keys::hex(&souk::keys::public_of(&BOT).unwrap());
    let key =
        json!({"name": "bot", "public_key": public, "permissions": ["trade"], "accounts": "all"});
    let other = 1 - owner;
    let key = offices.office(other).post("/v1/keys", &tokens[other], &key);
    let id: u32 = key.ok()["id"].as_str().unwrap().parse().unwrap();
    let address = offices.scene.addresses()[owner].to_string();
    let database = &offices.scene.cluster.database;
    let end = format!("UPDATE {database}.`keys` SET revoked_at = 1 WHERE id = {id}");
    block_on(async {
        let client = let_in(&address, id, SOON).await;
        let mut server = offices.scene.server.connect().await.unwrap();
        server.query_drop(end).await.unwrap();
        let ended = tokio::time::timeout(SOON, client.closed()).await;
        assert!(ended.is_ok(), "its session goes on");
        assert!(log_on(&address, id).await.is_err());
    });
}

#[test]
fn keys_that_ended_long_ago_are_not_read_again() {
    // Whatever the server's own time zone is.
    let server = MariaDb::start_with("ended", &["--default-time-zone=-07:00"], &[]);
    let cluster = Cluster::new("ended", &server);
    let config = cluster.cluster_config();
    for (id, revoked_at) in [
        (1, "0"),
        (2, "(UNIX_TIMESTAMP() + 3600) * 1000000000"),
        (3, "(UNIX_TIMESTAMP() - 3600) * 1000000000"),
        (4, "(UNIX_TIMESTAMP() - 48 * 3600) * 1000000000"),
    ] {
        server.run(&format!(
            "INSERT INTO {}.`keys` VALUES({id}, 1, 'bot', REPEAT('k', 32), 'trade', 'all', 1, 'ada', {revoked_at})",
            cluster.database
        ));
    }
    let ids = |keys: Vec<GivenKey>| {
        let pair = |it: GivenKey| (it.key.id.0, it.works);
        keys.into_iter().map(pair).collect::<Vec<_>>()
    };
    block_on(async {
        let mut connection =
            Connection::new(&config.database, &config.lease, Class::Tables).unwrap();
        let recent = connection.recent_keys().await.unwrap();
        assert_eq!(ids(recent), [(1, true), (2, true), (3, false)]);
        let all = connection.given_keys().await.unwrap();
        assert_eq!(
            ids(all),
            [(1, true), (2, true), (3, false), (4, false)],
            "a node that starts knows what left orders long ago"
        );
        let zone: Vec<String> = connection
            .rows("SELECT @@session.time_zone", ())
            .await
            .unwrap();
        assert_eq!(zone, ["+00:00"]);
    });
}

#[test]
fn a_key_that_was_given_is_known_after_a_takeover() {
    let mut offices = Offices::new("heirs");
    let owner = offices.owner_of(3);
    let tokens = offices.log_on("globex", "ada", "owner");
    let public = souk::keys::hex(&souk::keys::public_of(&BOT).unwrap());
    let key =
        json!({"name": "bot", "public_key": public, "permissions": ["trade"], "accounts": "all"});
    let key = offices.office(owner).post("/v1/keys", &tokens[owner], &key);
    let id: u32 = key.ok()["id"].as_str().unwrap().parse().unwrap();
    let address = offices.scene.addresses()[1 - owner].to_string();
    offices.scene.nodes[owner].kill();
    block_on(async {
        let_in(&address, id, SOON).await;
    });
}

#[test]
fn a_login_is_good_at_every_office_until_its_user_is_removed_at_one() {
    let mut offices = Offices::new("logins");
    let ada = offices.log_on("globex", "ada", "owner");
    let bob = offices.log_on("globex", "bob", "operator");
    // A token is not bound to the office that gave it.
    for (node, token) in [(0, &bob[1]), (1, &bob[0])] {
        assert_eq!(offices.office(node).get("/v1/self", token).status, 200);
    }
    let removed =
        offices
            .office(0)
            .delete("/v1/users/bob", &ada[0], &json!({"reason": "has left"}));
    assert_eq!(removed.status, 204, "{removed:?}");
    for node in [0, 1] {
        let gone = offices.office(node).get("/v1/self", &bob[1]);
        assert_eq!(gone.status, 401, "{gone:?}");
    }
    let brand = json!({"name": "Globex", "color": "#123456"});
    offices.office(0).put("/v1/brand", &ada[0], &brand).ok();
    let shown = offices.office(1).get("/v1/brand", &ada[1]).ok();
    assert_eq!(shown["name"], "Globex");
}
