//! Keys that owners give while the node runs.

use std::time::{Duration, Instant};

use serde_json::json;
use souk::office::access::Role;
use souk::office::store::OfficeStore;
use souk_client::{
    AccountId, CancelOnDisconnect, Client, ClientError, ClientOptions, KeyId, MarketId, Order,
    Outcome, Price, Qty, Side, SigningKey,
};
use souk_protocol::{RejectReason, TenantId};

use crate::kit::{Answer, Venue, block_on};

const BOT: [u8; 32] = [33; 32];
const BOT_AGAIN: [u8; 32] = [34; 32];

fn public(seed: &[u8; 32]) -> String {
    souk::keys::hex(&souk::keys::public_of(seed).unwrap())
}

async fn log_on(venue: &Venue, seed: &[u8; 32], id: u32) -> Result<Client, ClientError> {
    let key = SigningKey::from_seed(seed).unwrap();
    Client::connect(venue.gateway(), key, ClientOptions::new(KeyId(id))).await
}

#[test]
fn a_key_is_added_rotated_and_revoked_while_the_node_runs_and_stays_so() {
    let mut venue = Venue::start("keys");
    let owner = venue.token("acme", Role::Owner);
    let key = json!({"name": "bot", "public_key": public(&BOT), "permissions": ["trade", "market-data"], "accounts": ["2"]});
    let key = venue.post("/v1/keys", &owner, &key).ok();
    let id: u32 = key["id"].as_str().unwrap().parse().unwrap();
    assert!(id > 2, "the configuration's keys keep their ids: {key}");
    block_on(async {
        let client = log_on(&venue, &BOT, id).await.unwrap();
        assert!(client.markets().await.unwrap().len() == 1);
        // It lets in to acme only what it says, and no other private key.
        assert!(log_on(&venue, &BOT_AGAIN, id).await.is_err());
        let rotated = venue
            .post(
                &format!("/v1/keys/{id}/rotate"),
                &owner,
                &json!({"public_key": public(&BOT_AGAIN), "overlap_s": 1}),
            )
            .ok();
        let new: u32 = rotated["id"].as_str().unwrap().parse().unwrap();
        assert_ne!(new, id);
        assert!(log_on(&venue, &BOT_AGAIN, new).await.is_ok());
        let begun = Instant::now();
        client.closed().await;
        assert!(begun.elapsed() < Duration::from_secs(5), "the old one ends");
        assert!(log_on(&venue, &BOT, id).await.is_err());

        let client = log_on(&venue, &BOT_AGAIN, new).await.unwrap();
        let begun = Instant::now();
        let path = format!("/v1/keys/{new}");
        let revoked = venue.delete(&path, &owner, &json!({"reason": "lost laptop"}));
        assert_eq!(revoked.status, 204);
        client.closed().await;
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "{:?}",
            begun.elapsed()
        );
        assert!(log_on(&venue, &BOT_AGAIN, new).await.is_err());
        assert_eq!(
            venue
                .delete(&path, &owner, &json!({"reason": "again"}))
                .status,
            404
        );
    });
    let third = json!({"name": "third", "public_key": public(&BOT), "permissions": ["trade"], "accounts": "all"});
    let third = venue.post("/v1/keys", &owner, &third).ok();
    let third: u32 = third["id"].as_str().unwrap().parse().unwrap();
    venue.reopen();
    block_on(async {
        assert!(log_on(&venue, &BOT, third).await.is_ok());
        assert!(log_on(&venue, &BOT, id).await.is_err());
        assert!(log_on(&venue, &BOT_AGAIN, id + 1).await.is_err());
    });
}

#[test]
fn a_tenant_has_a_thousand_keys_that_work_and_a_key_a_thousand_accounts() {
    let mut venue = Venue::start("keys-many");
    let owner = venue.token("acme", Role::Owner);
    let accounts = |count: u32| (1..=count).map(|id| id.to_string()).collect::<Vec<_>>();
    let key = |count| json!({"name": "bot", "public_key": public(&BOT), "permissions": ["trade"], "accounts": accounts(count)});
    let refused = venue.post("/v1/keys", &owner, &key(1_025));
    assert_eq!(
        (refused.status, refused.code()),
        (400, "BadRequest".to_owned())
    );
    let first = venue.post("/v1/keys", &owner, &key(1_024)).ok();
    let first = format!("/v1/keys/{}", first["id"].as_str().unwrap());
    let store = OfficeStore::open(&venue.data.join("office.db")).unwrap();
    let stored = store.keys(TenantId(1)).unwrap().remove(0);
    for _ in 1..1_000 {
        store.add_key(&stored, KeyId(2)).unwrap().unwrap();
    }
    let full = |answer: Answer| {
        assert_eq!(
            (answer.status, answer.code()),
            (409, "TooManyKeys".to_owned())
        );
        assert_ne!(answer.json()["error"]["remedy"], "");
    };
    full(venue.post("/v1/keys", &owner, &key(1)));
    let rotation =
        |overlap_s: u32| json!({"public_key": public(&BOT_AGAIN), "overlap_s": overlap_s});
    let rotate = format!("{first}/rotate");
    // For a while there would be both.
    full(venue.post(&rotate, &owner, &rotation(60)));
    let second = venue.post(&rotate, &owner, &rotation(0)).ok();
    full(venue.post("/v1/keys", &owner, &key(1)));
    let second = format!("/v1/keys/{}", second["id"].as_str().unwrap());
    let revoked = venue.delete(&second, &owner, &json!({"reason": "too many"}));
    assert_eq!(revoked.status, 204);
    venue.post("/v1/keys", &owner, &key(1)).ok();
    let other = venue.token("globex", Role::Owner);
    venue.post("/v1/keys", &other, &key(1)).ok();
}

#[test]
fn the_orders_of_a_key_that_was_revoked_go_after_a_restart_and_it_is_not_let_in() {
    let mut venue = Venue::start("keys-gone");
    let owner = venue.token("acme", Role::Owner);
    let key = json!({"name": "bot", "public_key": public(&BOT), "permissions": ["trade"], "accounts": ["2"]});
    let key = venue.post("/v1/keys", &owner, &key).ok();
    let id: u32 = key["id"].as_str().unwrap().parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = ClientOptions {
        cancel_on_disconnect: CancelOnDisconnect::OnDisconnect,
        cancel_grace: Duration::from_millis(100),
        ..ClientOptions::new(KeyId(id))
    };
    let secret = SigningKey::from_seed(&BOT).unwrap();
    let client = runtime.block_on(async {
        let client = Client::connect(venue.gateway(), secret, options).await;
        let client = client.unwrap();
        let order = Order::limit(AccountId(2), Side::Buy, Price(1_000), Qty(1));
        let pending = client.new_order(MarketId(1), &order).await.unwrap();
        assert!(matches!(pending.await, Outcome::Accepted(_)));
        client
    });
    // The end of the node cancels nothing: the next process has to.
    venue.close();
    let store = OfficeStore::open(&venue.data.join("office.db")).unwrap();
    let now = store.now().unwrap();
    assert!(store.revoke_key(TenantId(1), KeyId(id), now).unwrap());
    venue.reopen();
    drop(client);
    let begun = Instant::now();
    loop {
        let orders = venue.get("/v1/orders", &owner).json();
        if orders["items"][0]["state"] == "canceled" {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "it rests: {orders}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let refused = block_on(log_on(&venue, &BOT, id)).unwrap_err();
    let expected = Some(RejectReason::AuthenticationFailed);
    assert_eq!(refused.reason(), expected, "{refused}");
}
