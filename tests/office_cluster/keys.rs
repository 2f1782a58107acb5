//! Keys and users: what one office gives and takes, all have.

use std::time::{Duration, Instant};

use serde_json::json;
use souk_client::{Client, ClientError, ClientOptions, KeyId, SigningKey};

use crate::kit::block_on;
use crate::offices::{Offices, SOON};

const BOT: [u8; 32] = [33; 32];
/// What the documents promise, and what a busy machine may add.
const BOUND: Duration = Duration::from_millis(3_000);

async fn log_on(address: &str, id: u32) -> Result<Client, ClientError> {
    let key = SigningKey::from_seed(&BOT).unwrap();
    Client::connect(address, key, ClientOptions::new(KeyId(id))).await
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
        let client = loop {
            match log_on(&address, id).await {
                Ok(client) => break client,
                Err(error) => assert!(begun.elapsed() < BOUND, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        println!("it lets in after {:?}", begun.elapsed());
        assert_eq!(client.markets().await.unwrap().len(), 1);
        let begun = Instant::now();
        let revoked = office.delete(
            &format!("/v1/keys/{id}"),
            &tokens[other],
            &json!({"reason": "lost laptop"}),
        );
        assert_eq!(revoked.status, 204, "{revoked:?}");
        client.closed().await;
        println!("it ends after {:?}", begun.elapsed());
        assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());
        assert!(log_on(&address, id).await.is_err());
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
        let begun = Instant::now();
        while let Err(error) = log_on(&address, id).await {
            assert!(begun.elapsed() < SOON, "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
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
