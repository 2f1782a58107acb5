//! Live data: a consumer's book is the engine's, whatever it misses, and a slow one is told less and cut off.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use souk::office::access::Role;
use tungstenite::{Message, WebSocket};

use crate::kit::{Venue, block_on, trade};

const SOON: Duration = Duration::from_secs(20);

struct Consumer {
    socket: WebSocket<TcpStream>,
}

impl Consumer {
    fn open(venue: &Venue) -> Self {
        let stream = TcpStream::connect(venue.address()).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let url = format!("ws://{}/v1/live", venue.address());
        let (socket, _) = tungstenite::client(url, stream).unwrap();
        Self { socket }
    }

    fn logged_on(venue: &Venue, token: &str) -> Self {
        let mut consumer = Self::open(venue);
        consumer.say(&json!({"op": "auth", "token": token}));
        assert_eq!(consumer.next().unwrap()["type"], "ready");
        consumer
    }

    fn say(&mut self, message: &Value) {
        self.socket
            .send(Message::Text(message.to_string().into()))
            .unwrap();
    }

    /// The next message; nothing at the end.
    fn next(&mut self) -> Option<Value> {
        loop {
            match self.socket.read().ok()? {
                Message::Text(text) => return serde_json::from_str(&text).ok(),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// The next message of a type.
    fn next_of(&mut self, kind: &str) -> Value {
        let begun = Instant::now();
        while begun.elapsed() < SOON {
            let message = self.next().expect("the connection stays");
            if message["type"] == kind {
                return message;
            }
        }
        panic!("no {kind}");
    }
}

/// A book of decimal texts, as a page keeps it.
#[derive(Default)]
struct Book {
    seq: u64,
    /// By side and price in ticks.
    levels: BTreeMap<(bool, i64), (u64, u32)>,
}

/// The number of hundredths, or of ten-thousandths.
fn count(text: &Value, digits: usize) -> i64 {
    let text = text.as_str().unwrap();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<digits$}").parse().unwrap()
}

impl Book {
    fn set(&mut self, is_buy: bool, level: &[Value]) {
        let price = count(&level[0], 2);
        let qty = count(&level[1], 4) as u64;
        if qty == 0 {
            self.levels.remove(&(is_buy, price));
        } else {
            let orders = level[2].as_u64().unwrap() as u32;
            self.levels.insert((is_buy, price), (qty, orders));
        }
    }

    fn apply(&mut self, message: &Value) {
        let seq = message["seq"].as_u64().unwrap();
        if message["type"] == "snapshot" {
            self.levels.clear();
            for (is_buy, side) in [(true, "buys"), (false, "sells")] {
                for level in message[side].as_array().unwrap() {
                    self.set(is_buy, level.as_array().unwrap());
                }
            }
        } else {
            assert_eq!(seq, self.seq + 1, "no gap");
            for level in message["levels"].as_array().unwrap() {
                let level = level.as_array().unwrap();
                self.set(level[0] == "buy", &level[1..]);
            }
        }
        self.seq = seq;
        if let Some(hash) = message["hash"].as_str() {
            assert_eq!(hash, self.hash(), "after {message}");
        }
    }

    /// As PROTOCOL.md section 13 says.
    fn hash(&self) -> String {
        let buys = self.levels.iter().rev().filter(|((is_buy, _), _)| *is_buy);
        let sells = self.levels.iter().filter(|((is_buy, _), _)| !*is_buy);
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for ((is_buy, price), (qty, orders)) in buys.chain(sells) {
            let mut bytes = vec![if *is_buy { 1 } else { 2 }];
            bytes.extend(price.to_le_bytes());
            bytes.extend(qty.to_le_bytes());
            bytes.extend(orders.to_le_bytes());
            for byte in bytes {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        format!("{hash:016x}")
    }
}

#[test]
fn a_book_from_the_feed_is_the_engines_at_every_update() {
    let mut venue = Venue::start("live-book");
    let owner = venue.token("acme", Role::Auditor);
    let holder = venue.holder("acme", "1");
    let mut all = Consumer::logged_on(&venue, &owner);
    all.say(&json!({"op": "subscribe", "market": "1", "levels": 0}));
    let mut book = Book::default();
    let snapshot = all.next_of("snapshot");
    book.apply(&snapshot);
    let (mut updates, mut trades, mut checked) = (0, 0, 0);
    for round in 0..40 {
        let price = format!("{}.00", 50 + round % 9);
        let side = if round % 3 == 0 { "sell" } else { "buy" };
        let order = json!({"market": "1", "side": side, "type": "limit", "price": price, "qty": "0.5", "time_in_force": "gtc"});
        let entered = venue.post("/v1/me/orders", &holder, &order).ok();
        if round % 5 == 4 && entered["state"] == "open" {
            let id = entered["id"].as_str().unwrap();
            let path = format!("/v1/me/orders/1/{id}");
            venue.ask("DELETE", &path, &holder, None).ok();
        }
    }
    block_on(trade(venue.gateway(), 200));
    // Until the feed has said what the engine says.
    let depth = venue.get("/v1/markets/1/depth?levels=1000", &owner).ok();
    let begun = Instant::now();
    while begun.elapsed() < SOON {
        let message = all.next().unwrap();
        match message["type"].as_str().unwrap() {
            "update" => {
                book.apply(&message);
                updates += 1;
                checked += u32::from(message["hash"].is_string());
            }
            "trade" => trades += 1,
            _ => {}
        }
        if message["type"] == "time" && book.hash() == depth["hash"].as_str().unwrap() {
            break;
        }
    }
    assert_eq!(book.hash(), depth["hash"].as_str().unwrap());
    assert!(
        updates > 5 && checked == updates,
        "{updates} updates, {checked} checked"
    );
    assert!(trades > 100, "{trades} trades");

    // A part of the book is that part, update by update.
    let mut top = Consumer::logged_on(&venue, &owner);
    top.say(&json!({"op": "subscribe", "market": "1", "levels": 3}));
    let mut part = Book::default();
    part.apply(&{
        let mut snapshot = top.next_of("snapshot");
        assert_eq!(snapshot["hash"], depth["hash"], "of all levels");
        snapshot["hash"] = Value::Null;
        snapshot
    });
    let order = json!({"market": "1", "side": "buy", "type": "limit", "price": "49.00", "qty": "1", "time_in_force": "gtc"});
    for _ in 0..3 {
        venue.post("/v1/me/orders", &holder, &order).ok();
    }
    let best: Vec<_> = part.levels.keys().filter(|(is_buy, _)| *is_buy).collect();
    assert!(best.len() <= 3);
}

#[test]
fn a_gap_is_mended_by_asking_again_for_that_market_only() {
    let mut venue = Venue::start("live-gap");
    let token = venue.token("globex", Role::Owner);
    let mut consumer = Consumer::logged_on(&venue, &token);
    for market in ["1", "9"] {
        consumer.say(&json!({"op": "subscribe", "market": market, "levels": 5}));
        assert_eq!(consumer.next_of("snapshot")["market"], market);
    }
    consumer.say(&json!({"op": "subscribe", "market": "9", "levels": 5}));
    let again = consumer.next_of("snapshot");
    assert_eq!(
        (again["market"].as_str(), again["seq"].as_u64()),
        (Some("9"), Some(1))
    );
}

#[test]
fn a_holder_sees_its_own_account_and_no_other() {
    let mut venue = Venue::start("live-account");
    let (mine, other) = (venue.holder("acme", "1"), venue.holder("acme", "2"));
    let mut consumer = Consumer::logged_on(&venue, &mine);
    let mut quiet = Consumer::logged_on(&venue, &other);
    for consumer in [&mut consumer, &mut quiet] {
        consumer.say(&json!({"op": "subscribe_account"}));
        consumer.next_of("balance");
    }
    let order = json!({"market": "1", "side": "buy", "type": "limit", "price": "10.00", "qty": "2", "time_in_force": "gtc"});
    let entered = venue.post("/v1/me/orders", &mine, &order).ok();
    // In whatever order: one comes from the ledger, the other from the history.
    let (mut told, mut held) = (false, false);
    while !told || !held {
        let message = consumer.next().expect("the connection stays");
        told |= message["order"]["id"] == entered["id"];
        // The worst fee of 0.1 % is held, too.
        held |= message["currency"] == "USDT" && message["held"] == "20.020000";
    }
    let path = format!("/v1/me/orders/1/{}", entered["id"].as_str().unwrap());
    assert_eq!(venue.ask("DELETE", &path, &other, None).status, 404);
    assert_eq!(
        venue.ask("DELETE", &path, &mine, None).ok()["state"],
        "canceled"
    );
    while consumer.next_of("order")["order"]["state"] != "canceled" {}
    for _ in 0..3 {
        let message = quiet.next_of("time");
        assert!(message["order"].is_null());
    }
}

#[test]
fn who_is_logged_out_is_told_nothing_more() {
    let mut venue = Venue::start("live-ended");
    let token = venue.token("acme", Role::Support);
    let mut consumer = Consumer::logged_on(&venue, &token);
    consumer.say(&json!({"op": "subscribe", "market": "1", "levels": 5}));
    consumer.next_of("snapshot");
    assert_eq!(venue.post("/v1/logout", &token, &json!({})).status, 204);
    let bye = consumer.next_of("bye");
    assert_eq!(bye["code"], "TokenExpired");
    assert!(consumer.next().is_none());
}

#[test]
fn who_does_not_say_who_it_is_sees_nothing() {
    let mut venue = Venue::start("live-auth");
    let platform = venue.token("", Role::Platform);
    for first in [
        json!({"op": "auth", "token": "souk_00"}),
        json!({"op": "subscribe", "market": "1"}),
        json!({"op": "auth", "token": platform}),
    ] {
        let mut consumer = Consumer::open(&venue);
        consumer.say(&first);
        let bye = consumer.next().expect("it is told why");
        assert_eq!(
            (bye["type"].as_str(), bye["code"].as_str()),
            (Some("bye"), Some("Unauthorized")),
            "{first}"
        );
        assert!(consumer.next().is_none());
    }
    let mut silent = Consumer::open(&venue);
    let begun = Instant::now();
    assert!(silent.next().is_none());
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    let token = venue.token("acme", Role::Support);
    let mut consumer = Consumer::logged_on(&venue, &token);
    consumer.say(&json!({"op": "subscribe", "market": "9"}));
    let missing = consumer.next_of("error");
    consumer.say(&json!({"op": "subscribe", "market": "8"}));
    let nothing = consumer.next_of("error");
    assert_eq!(
        (&missing["code"], &missing["text"]),
        (&nothing["code"], &nothing["text"])
    );
    consumer.say(&json!({"op": "subscribe_account"}));
    assert_eq!(consumer.next_of("error")["code"], "Forbidden");
}
