//! From nothing to a trade at the office of a node that does not serve the tenant.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use souk_client::{
    Client, ClientOptions, KeyId, Market, Order, Outcome, ReconnectPolicy, Side, SigningKey,
};
use souk_protocol::AccountId;
use tungstenite::{Message, WebSocket};

use crate::kit::block_on;
use crate::offices::{Browser, Offices, SOON};
use crate::support::seed;

/// A client of globex, at whichever node.
pub async fn client(addresses: &str, number: u16) -> Client {
    let key = SigningKey::from_seed(&seed(3)).unwrap();
    let options = ClientOptions {
        reconnect: Some(ReconnectPolicy {
            attempts_max: 1_000,
            pause_min: Duration::from_millis(5),
            pause_max: Duration::from_millis(50),
        }),
        connect_timeout: Duration::from_millis(1_500),
        session_number: number,
        ..ClientOptions::new(KeyId(3))
    };
    Client::connect(addresses, key, options).await.unwrap()
}

/// Two orders of globex's accounts that meet.
pub async fn trade(client: &Client, market: &Market, price: &str, qty: &str, accounts: [u32; 2]) {
    let (price, qty) = (market.price(price).unwrap(), market.qty(qty).unwrap());
    for (account, side) in accounts.into_iter().zip([Side::Sell, Side::Buy]) {
        let order = Order::limit(AccountId(account), side, price, qty);
        let pending = client.new_order(market.id(), &order).await.unwrap();
        let outcome = pending.await;
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    }
}

struct Consumer(WebSocket<TcpStream>);

impl Consumer {
    fn open(office: Browser, token: &str) -> Self {
        let stream = TcpStream::connect(office.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let url = format!("ws://{}/v1/live", office.address);
        let mut consumer = Self(tungstenite::client(url, stream).unwrap().0);
        consumer.say(&json!({"op": "auth", "token": token}));
        consumer.next_of("ready");
        consumer
    }

    fn say(&mut self, message: &Value) {
        let text = message.to_string();
        self.0.send(Message::Text(text.into())).unwrap();
    }

    fn next_of(&mut self, kind: &str) -> Value {
        loop {
            if let Message::Text(text) = self.0.read().unwrap() {
                let message: Value = serde_json::from_str(&text).unwrap();
                if message["type"] == kind {
                    return message;
                }
            }
        }
    }
}

#[test]
fn an_office_does_everything_for_a_tenant_that_another_node_serves() {
    let mut offices = Offices::new("journey");
    let owner = offices.owner_of(3);
    let other = 1 - owner;
    let tokens = offices.log_on("globex", "ada", "owner");
    let (office, token) = (offices.office(other), tokens[other].as_str());
    let me = office.get("/v1/self", token).ok();
    assert_eq!(
        (me["tenant"].as_str(), me["durability"].as_str()),
        (Some("globex"), Some("mysql")),
        "{me}"
    );
    let gold = json!({"code": "GOLD", "scale": 4});
    office.post_soon("/v1/currencies", token, &gold);
    let market = json!({"symbol": "GOLD-USDT", "base": "GOLD", "quote": "USDT", "tick_size": "0.01", "lot_size": "0.01", "maker_ppm": 0, "taker_ppm": 2000});
    let market = office.post("/v1/markets", token, &market).ok();
    let id = market["id"].as_str().unwrap();
    let account = json!({"external_id": "alice"});
    let account = office.post("/v1/accounts", token, &account).ok();
    let alice: u32 = account["id"].as_str().unwrap().parse().unwrap();
    let credit = json!({"account": account["id"], "currency": "GOLD", "amount": "10", "business": "deposit", "business_id": "1", "reason": "first deposit"});
    office.post("/v1/funding/credit", token, &credit).ok();

    let mut live = Consumer::open(office, token);
    live.say(&json!({"op": "subscribe", "market": id, "levels": 0}));
    assert_eq!(live.next_of("snapshot")["market"], id);
    let seeds = offices.scene.seeds();
    block_on(async {
        let client = client(&seeds, 7).await;
        let market = client.market("GOLD-USDT").await.unwrap();
        trade(&client, &market, "300.00", "2.00", [alice, 77]).await;
        client.terminate().await.unwrap();
    });
    let tick = live.next_of("trade");
    assert_eq!(
        (tick["price"].as_str(), tick["qty"].as_str()),
        (Some("300.00"), Some("2.00"))
    );

    let path = format!("/v1/trades?market={id}");
    for node in [other, owner] {
        let (office, token) = (offices.office(node), tokens[node].as_str());
        let trades = office.see(&path, token, |it| it["items"][0]["id"] == "1");
        let items = trades["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{trades}");
        assert_eq!(items[0]["notional"], "600.000000", "{trades}");
        let orders = office.get(&format!("/v1/orders?market={id}"), token).ok();
        let states: Vec<_> = orders["items"].as_array().unwrap().iter().collect();
        assert_eq!(states.len(), 2, "{orders}");
        assert!(states.iter().all(|it| it["state"] == "filled"), "{orders}");
        let of_alice = format!("/v1/trades?account={alice}");
        let of_alice = office.get(&of_alice, token).ok();
        assert_eq!(of_alice["items"], trades["items"]);
        let path = format!("/v1/orders/{id}/{}", states[0]["id"].as_str().unwrap());
        let order = office.get(&path, token).ok();
        assert_eq!(order["events"].as_array().unwrap().len(), 2, "{order}");
        let statement = format!("/v1/accounts/{alice}/statement?currency=USDT");
        let statement = office.get(&statement, token).ok();
        assert!(
            !statement["items"].as_array().unwrap().is_empty(),
            "{statement}"
        );
        let csv = office.get("/v1/trades?format=csv", token);
        assert!(csv.text.lines().count() >= 2, "{csv:?}");
        // Volumes are a second old at most.
        office.see("/v1/markets", token, |it| {
            let mut markets = it["items"].as_array().unwrap().iter();
            markets.any(|it| it["id"] == id && it["volume_24h"] == "2.00")
        });
        let log = office.get("/v1/audit", token).ok();
        assert_eq!(log["chain"]["holds"], true, "{log}");
        let actions: Vec<_> = log["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["action"].as_str().unwrap())
            .collect();
        for action in ["funding.credit", "market.create", "user.set"] {
            assert!(actions.contains(&action), "{actions:?}");
        }
    }
    office.see("/v1/overview", token, |it| {
        let money = it["money"].as_array().map_or(&[][..], Vec::as_slice);
        let gold = money.iter().find(|it| it["currency"] == "GOLD");
        it["history"]["lag_batches"] == 0 && gold.is_some_and(|it| it["sound"] == true)
    });
    let halt = json!({"state": "halted", "reason": "lunch", "cancel_orders": false});
    let halted = office.put(&format!("/v1/markets/{id}/state"), token, &halt);
    assert_eq!(halted.ok()["market"]["state"], "halted");
    let states = office.get(&format!("/v1/markets/{id}/states"), token).ok();
    assert_eq!(states["items"][0]["reason"], "lunch", "{states}");

    // The trading page.
    let code = json!({"account": alice.to_string()});
    let code = office.post("/v1/codes", token, &code).ok();
    let code = json!({"code": code["code"]});
    // Its user comes to the other node.
    let holder = offices
        .office(owner)
        .post("/v1/codes/exchange", "", &code)
        .ok();
    let holder = holder["token"].as_str().unwrap();
    let order = json!({"market": "1", "side": "buy", "type": "limit", "price": "1000.00", "qty": "1", "time_in_force": "gtc"});
    let order = office.post("/v1/me/orders", holder, &order);
    assert_eq!(order.status, 409, "she has not enough: {order:?}");

    let run = offices.log_on("", "night", "platform");
    let nodes = offices.office(other).get("/v1/nodes", &run[other]).ok();
    let nodes = nodes["items"].as_array().unwrap();
    assert_eq!(nodes.len(), 2, "{nodes:?}");
    assert!(nodes.iter().all(|it| it["state"] == "live"), "{nodes:?}");
    let tenants = offices.office(other).get("/v1/tenants", &run[other]).ok();
    assert_eq!(tenants["items"][1]["markets"], 2, "{tenants}");
}
