//! From nothing to a trade, as people and programs do it.

use serde_json::json;
use souk::office::access::Role;

use crate::kit::{Venue, block_on, trade};

#[test]
fn a_tenant_lists_a_currency_opens_a_market_and_its_users_trade() {
    let mut venue = Venue::start("journey");
    let owner = venue.token("globex", Role::Operator);
    let currency = json!({"code": "EUR", "scale": 2, "amount_max": "5000"});
    let currency = venue.post("/v1/currencies", &owner, &currency).ok();
    assert_eq!(
        (currency["amount_max"].as_str(), currency["status"].as_str()),
        (Some("5000.00"), Some("listed"))
    );
    let again = venue.post(
        "/v1/currencies",
        &owner,
        &json!({"code": "EUR", "scale": 2}),
    );
    assert_eq!(
        (again.status, again.code().as_str()),
        (409, "CurrencyExists")
    );

    let market = json!({"symbol": "GOLD-EUR", "base": "GOLD", "quote": "EUR", "tick_size": "0.01", "lot_size": "0.01", "maker_ppm": 0, "taker_ppm": 2000});
    let fine = venue.post("/v1/markets/preview", &owner, &market);
    assert!(
        fine.text.contains("TickTooFine: EUR would need scale 4"),
        "{fine:?}"
    );
    let market = json!({"symbol": "GOLD-EUR", "base": "GOLD", "quote": "EUR", "tick_size": "1", "lot_size": "0.01", "maker_ppm": 0, "taker_ppm": 2000, "qty_min": "0.10", "notional_min": "5"});
    let preview = venue.post("/v1/markets/preview", &owner, &market).ok();
    assert_eq!(preview["smallest_order"], "5.00");
    let market = venue.post("/v1/markets", &owner, &market).ok();
    assert_eq!(
        (market["id"].as_str(), market["qty_min"].as_str()),
        (Some("10"), Some("0.10"))
    );
    let id = market["id"].as_str().unwrap();

    let mut accounts = Vec::new();
    for external in ["alice", "bob"] {
        let account = venue
            .post("/v1/accounts", &owner, &json!({"external_id": external}))
            .ok();
        accounts.push(account["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(accounts, ["78", "79"]);
    for (account, currency, amount) in [
        (&accounts[0], "GOLD", "3"),
        (&accounts[1], "EUR", "1000.50"),
    ] {
        let credit = json!({"account": account, "currency": currency, "amount": amount, "business": "deposit", "business_id": account, "reason": "first deposit"});
        venue.post("/v1/funding/credit", &owner, &credit).ok();
    }
    let over = json!({"account": accounts[1], "currency": "EUR", "amount": "5000.01", "business": "deposit", "business_id": "9", "reason": "too much"});
    assert_eq!(
        venue.post("/v1/funding/credit", &owner, &over).code(),
        "AmountOutOfRange"
    );

    let (alice, bob) = (
        venue.holder("globex", &accounts[0]),
        venue.holder("globex", &accounts[1]),
    );
    let sell = json!({"market": id, "side": "sell", "type": "limit", "price": "300", "qty": "2", "time_in_force": "gtc", "client_id": "7"});
    let sell = venue.post("/v1/me/orders", &alice, &sell).ok();
    assert_eq!(
        (
            sell["state"].as_str(),
            sell["leaves"].as_str(),
            sell["client_id"].as_str()
        ),
        (Some("open"), Some("2.00"), Some("7"))
    );
    let buy = json!({"market": id, "side": "buy", "type": "market", "budget": "650"});
    let buy = venue.post("/v1/me/orders", &bob, &buy);
    let buy = buy.ok();
    assert_eq!(
        (
            buy["state"].as_str(),
            buy["executed"].as_str(),
            buy["average_price"].as_str()
        ),
        (Some("canceled"), Some("2.00"), Some("300"))
    );

    let fills = venue.get("/v1/me/trades", &bob).ok();
    let fill = &fills["items"][0];
    assert_eq!(
        (
            fill["side"].as_str(),
            fill["fee"].as_str(),
            fill["liquidity"].as_str()
        ),
        (Some("buy"), Some("1.20"), Some("taker"))
    );
    assert!(
        fill["seller"].is_null(),
        "nothing of the other side: {fill}"
    );
    let balances = venue.get("/v1/me/balances", &alice).ok();
    assert_eq!(
        balances["items"][0],
        json!({"currency": "EUR", "total": "600.00", "available": "600.00", "held": "0.00"})
    );
    let trades = venue
        .get(&format!("/v1/trades?account={}", accounts[0]), &owner)
        .ok();
    assert_eq!(trades["items"][0]["buyer"], accounts[1].as_str());
    let story = venue
        .get(
            &format!("/v1/orders/{id}/{}", sell["id"].as_str().unwrap()),
            &owner,
        )
        .ok();
    let what: Vec<_> = story["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["what"].clone())
        .collect();
    assert_eq!(what, ["entered", "traded"]);
    assert_eq!(story["state"], "filled");
    let fees = venue.get("/v1/accounts/4294967295", &owner).ok();
    let eur = fees["balances"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["currency"] == "EUR")
        .unwrap();
    assert_eq!(eur["total"], "1.20");
    let csv = venue.get(&format!("/v1/trades?format=csv&market={id}"), &owner);
    let lines: Vec<_> = csv.text.lines().collect();
    assert_eq!(lines.len(), 2, "{csv:?}");
    assert!(
        lines[1].starts_with(&format!("{id},GOLD-EUR,1,")),
        "{csv:?}"
    );
    let is_hidden = |venue: &Venue| {
        let markets = venue.get("/v1/me/markets", &bob).ok();
        let mut markets = markets["items"].as_array().unwrap().iter();
        let market = markets.find(|it| it["id"] == id).unwrap();
        market["is_hidden"].as_bool().unwrap()
    };
    assert!(!is_hidden(&venue));
    for (status, expected) in [("hidden", true), ("listed", false)] {
        let terms = json!({"status": status, "amount_max": "5000"});
        venue.put("/v1/currencies/EUR", &owner, &terms).ok();
        assert_eq!(is_hidden(&venue), expected, "EUR is {status}");
    }
    let overview = venue.get("/v1/overview", &owner).ok();
    assert_eq!(overview["trades_24h"], 1);
    assert!(
        overview["money"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["sound"] == true)
    );
}

#[test]
fn a_market_is_halted_with_a_reason_and_its_orders_are_canceled() {
    let mut venue = Venue::start("halt");
    let operator = venue.token("acme", Role::Operator);
    let holder = venue.holder("acme", "1");
    let order = json!({"market": "1", "side": "buy", "type": "limit", "price": "10.00", "qty": "1", "time_in_force": "gtc"});
    for _ in 0..3 {
        venue.post("/v1/me/orders", &holder, &order).ok();
    }
    let no_reason = venue.put(
        "/v1/markets/1/state",
        &operator,
        &json!({"state": "halted", "reason": " "}),
    );
    assert_eq!(no_reason.status, 400);
    let halted = json!({"state": "halted", "reason": "index is broken", "cancel_orders": true});
    let halted = venue.put("/v1/markets/1/state", &operator, &halted).ok();
    assert_eq!(
        (
            halted["canceled"].as_u64(),
            halted["market"]["state"].as_str()
        ),
        (Some(3), Some("halted"))
    );
    let refused = venue.post("/v1/me/orders", &holder, &order);
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (409, "MarketHalted")
    );
    let resumed = json!({"state": "continuous", "reason": "index is mended"});
    venue.put("/v1/markets/1/state", &operator, &resumed).ok();
    let order = venue.post("/v1/me/orders", &holder, &order).ok();
    let path = format!("/v1/orders/1/{}", order["id"].as_str().unwrap());
    let canceled = venue
        .delete(
            &path,
            &operator,
            &json!({"reason": "the user asked by phone"}),
        )
        .ok();
    assert_eq!(
        (canceled["state"].as_str(), canceled["reason"].as_str()),
        (Some("canceled"), Some("ByRequest"))
    );
    assert_eq!(
        venue
            .delete(&path, &operator, &json!({"reason": "again"}))
            .code(),
        "OrderNotOpen"
    );
    let states = venue.get("/v1/markets/1/states", &operator).ok();
    let states: Vec<_> = states["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["state"].as_str().unwrap().to_owned(),
                it["reason"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let state = |state: &str, reason: &str| (state.to_owned(), reason.to_owned());
    assert_eq!(states[0], state("continuous", "index is mended"));
    assert_eq!(states[1], state("halted", "index is broken"));
}

#[test]
fn an_office_that_is_opened_late_has_the_state_although_the_past_is_gone() {
    let mut venue = Venue::start("late");
    let owner = venue.token("acme", Role::Owner);
    let holder = venue.holder("acme", "1");
    let order = json!({"market": "1", "side": "buy", "type": "limit", "price": "10.00", "qty": "1", "time_in_force": "gtc"});
    let order = venue.post("/v1/me/orders", &holder, &order).ok();
    let change = json!({"fee_group": 3, "reason": "for the test"});
    venue.put("/v1/accounts/2", &owner, &change).ok();
    let fees = json!({"maker_ppm": 1, "taker_ppm": 2});
    venue.put("/v1/markets/1/fees/3", &owner, &fees).ok();
    venue.trade_until_segments_are_gone(&owner);
    let seen = |venue: &Venue| {
        ["/v1/accounts", "/v1/markets/1/fees", "/v1/accounts/2"]
            .map(|path| venue.get(path, &owner).text)
    };
    let before = seen(&venue);
    venue.close();
    for file in ["history.db", "history.db-wal", "history.db-shm"] {
        let _ = std::fs::remove_file(venue.data.join(file));
    }
    venue.reopen();
    venue.wait_for_history(&owner);
    assert_eq!(seen(&venue), before);
    let path = format!("/v1/orders/1/{}", order["id"].as_str().unwrap());
    let known = venue.get(&path, &owner).ok();
    assert_eq!(
        (&known["state"], &known["price"], &known["leaves"]),
        (&json!("open"), &json!("10.00"), &json!("1.0000"))
    );
    let canceled = venue
        .delete(&path, &owner, &json!({"reason": "for the test"}))
        .ok();
    assert_eq!(canceled["state"], "canceled");
}

#[test]
fn history_is_the_same_after_restarts_and_when_it_is_made_again() {
    let mut venue = Venue::start("history");
    let owner = venue.token("acme", Role::Owner);
    let mut trades = 0;
    for round in 0..4 {
        block_on(trade(venue.gateway(), 100 + round));
        trades += 100 + round;
        venue.reopen();
        venue.wait_for_history(&owner);
        let listed = venue.get("/v1/overview", &owner).ok();
        assert_eq!(listed["trades_24h"], trades, "round {round}");
    }
    venue.wait_for_history(&owner);
    let before = venue.listed(&owner);
    assert_eq!(
        before
            .lines()
            .filter(|line| line.contains(",trade,"))
            .count() as u32,
        2 * trades,
        "two sides each"
    );
    venue.close();
    for file in ["history.db", "history.db-wal", "history.db-shm"] {
        let _ = std::fs::remove_file(venue.data.join(file));
    }
    venue.reopen();
    venue.wait_for_history(&owner);
    assert_eq!(venue.listed(&owner), before);
}
