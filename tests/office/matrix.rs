//! Every role at every route, and every route with another tenant's ids.

use serde_json::{Value, json};
use souk::office::ROUTES;
use souk::office::access::Role;

use crate::kit::{Venue, block_on, trade};

/// A path of a route with something in its places.
fn path(route: &str, id: &str, order: &str) -> String {
    route
        .replace("{id}", id)
        .replace("{market}", id)
        .replace("{order}", order)
        .replace("{code}", "BTC")
        .replace("{group}", "3")
        .replace("{user}", "nobody")
}

#[test]
fn every_role_may_do_at_every_route_what_the_table_says_and_nothing_else() {
    let mut venue = Venue::start("roles");
    let mut tokens = Vec::new();
    for role in Role::ALL {
        let tenant = if role == Role::Platform { "" } else { "acme" };
        tokens.push((role, venue.token(tenant, role)));
    }
    let mut tried = 0;
    for route in ROUTES {
        let path = path(route.path, "4000000", "12345");
        let nobody = venue.ask(route.method, &path, "", Some(&json!({})));
        let wrong = venue.ask(route.method, &path, "souk_00", Some(&json!({})));
        if route.need == souk::office::access::Need::Public {
            assert_ne!(nobody.status, 403, "{route:?}");
            continue;
        }
        assert_eq!(
            (nobody.status, nobody.code().as_str()),
            (401, "Unauthorized"),
            "{route:?}"
        );
        assert_eq!(
            (wrong.status, wrong.text),
            (401, nobody.text.clone()),
            "{route:?}"
        );
        for (role, token) in &tokens {
            // Ends the token, and is tried last.
            if route.path == "/v1/logout" {
                continue;
            }
            let answer = venue.ask(route.method, &path, token, Some(&json!({})));
            let refused = answer.status == 403 && answer.code() == "Forbidden";
            assert_eq!(
                refused,
                !role.may(route.need),
                "{role:?} at {route:?}: {answer:?}"
            );
            assert!(answer.status < 500, "{role:?} at {route:?}: {answer:?}");
            tried += 1;
        }
    }
    assert!(tried > 250, "{tried} pairs");
    for (_, token) in &tokens {
        assert_eq!(venue.post("/v1/logout", token, &json!({})).status, 204);
        assert_eq!(venue.get("/v1/self", token).status, 401);
    }
}

#[test]
fn what_is_no_route_is_not_there() {
    let mut venue = Venue::start("no-route");
    let owner = venue.token("acme", Role::Owner);
    for (method, path) in [
        ("GET", "/v1/nothing"),
        ("PATCH", "/v1/markets"),
        ("DELETE", "/v1/markets/1"),
        ("POST", "/v1/audit"),
        ("DELETE", "/v1/audit"),
        ("GET", "/v1/markets/1/../../v1/users"),
    ] {
        let answer = venue.ask(method, path, &owner, None);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "NotFound"),
            "{method} {path}"
        );
    }
}

#[test]
fn the_description_has_every_route_and_no_other() {
    let description: Value = serde_json::from_str(&souk::office::openapi()).unwrap();
    let mut described = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.push(format!("{} {path}", method.to_ascii_uppercase()));
        }
    }
    let mut table: Vec<String> = ROUTES
        .iter()
        .filter(|route| !["/v1/openapi.json", "/v1/live"].contains(&route.path))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    described.sort();
    table.sort();
    assert_eq!(described, table);
}

/// What a request says of something of another tenant, and of nothing.
struct Pair {
    method: &'static str,
    other: String,
    nothing: String,
    body: Option<fn(&str) -> Value>,
    /// What differs in the two requests.
    ids: (&'static str, &'static str),
}

#[test]
fn another_tenants_ids_are_answered_like_ids_that_do_not_exist() {
    let mut venue = Venue::start("tenants");
    let owner = venue.token("acme", Role::Owner);
    let holder = venue.holder("acme", "1");
    let globex = venue.token("globex", Role::Owner);
    block_on(trade(venue.gateway(), 3));
    // Something of globex's that acme has not: market 9, account 77, currency GOLD, an order, a key, a token, a user.
    let holder_of_globex = venue.holder("globex", "77");
    let order = json!({"market": "9", "side": "buy", "type": "limit", "price": "5.00", "qty": "1", "time_in_force": "gtc"});
    let order = venue.post("/v1/me/orders", &holder_of_globex, &order).ok();
    let order = order["id"].as_str().unwrap().to_owned();
    venue
        .post(
            "/v1/users",
            &globex,
            &json!({"user": "gina", "role": "support", "password": "a long password"}),
        )
        .ok();
    let token = venue
        .post(
            "/v1/tokens",
            &globex,
            &json!({"name": "backend", "role": "operator", "expires_in_days": 1}),
        )
        .ok();
    let key = json!({"name": "bot", "public_key": "ab".repeat(32), "permissions": ["trade"], "accounts": "all"});
    let key = venue.post("/v1/keys", &globex, &key).ok();
    let (token, key) = (token["id"].as_str().unwrap(), key["id"].as_str().unwrap());

    let mut pairs = Vec::new();
    let mut both = |method, template: &str, ids: (&'static str, &'static str), body| {
        pairs.push(Pair {
            method,
            other: template.replace("ID", ids.0),
            nothing: template.replace("ID", ids.1),
            body,
            ids,
        });
    };
    let why: Option<fn(&str) -> Value> = Some(|_| json!({"reason": "a try"}));
    let markets = ("9", "8");
    both("GET", "/v1/markets/ID", markets, None);
    both("GET", "/v1/markets/ID/states", markets, None);
    both("GET", "/v1/markets/ID/fees", markets, None);
    both("GET", "/v1/markets/ID/depth", markets, None);
    both("GET", "/v1/orders?market=ID", markets, None);
    both("GET", "/v1/trades?market=ID", markets, None);
    both(
        "PUT",
        "/v1/markets/ID/limits",
        markets,
        Some(|_| json!({"price_min": "1.00"})),
    );
    both(
        "PUT",
        "/v1/markets/ID/state",
        markets,
        Some(|_| json!({"state": "halted", "reason": "a try"})),
    );
    both(
        "PUT",
        "/v1/markets/ID/fees/1",
        markets,
        Some(|_| json!({"maker_ppm": 1, "taker_ppm": 2})),
    );
    let accounts = ("77", "78");
    both("GET", "/v1/accounts/ID", accounts, None);
    both(
        "GET",
        "/v1/accounts/ID/statement?currency=USDT",
        accounts,
        None,
    );
    both("GET", "/v1/orders?account=ID", accounts, None);
    both("GET", "/v1/trades?account=ID", accounts, None);
    both(
        "PUT",
        "/v1/accounts/ID",
        accounts,
        Some(|_| json!({"status": "frozen", "reason": "a try"})),
    );
    both(
        "POST",
        "/v1/codes",
        accounts,
        Some(|id| json!({"account": id})),
    );
    for path in ["/v1/funding/credit", "/v1/funding/debit"] {
        both(
            "POST",
            path,
            accounts,
            Some(
                |id| json!({"account": id, "currency": "USDT", "amount": "1", "business": "try", "business_id": id, "reason": "a try"}),
            ),
        );
    }
    both(
        "POST",
        "/v1/funding/transfer",
        accounts,
        Some(
            |id| json!({"from": "1", "to": id, "currency": "USDT", "amount": "1", "business": "try", "business_id": id, "reason": "a try"}),
        ),
    );
    both("GET", "/v1/accounts?external_id=user-ID", accounts, None);
    let currencies = ("GOLD", "IRON");
    both(
        "PUT",
        "/v1/currencies/ID",
        currencies,
        Some(|_| json!({"status": "hidden"})),
    );
    both(
        "GET",
        "/v1/accounts/1/statement?currency=ID",
        currencies,
        None,
    );
    both(
        "POST",
        "/v1/markets/preview",
        currencies,
        Some(
            |id| json!({"symbol": "X", "base": id, "quote": "USDT", "tick_size": "0.01", "lot_size": "0.01", "maker_ppm": 0, "taker_ppm": 0}),
        ),
    );
    both("DELETE", "/v1/users/ID", ("gina", "gino"), why);
    for pair in &pairs {
        let (other, nothing) = (
            venue.ask(
                pair.method,
                &pair.other,
                &owner,
                pair.body.map(|body| body(pair.ids.0)).as_ref(),
            ),
            venue.ask(
                pair.method,
                &pair.nothing,
                &owner,
                pair.body.map(|body| body(pair.ids.1)).as_ref(),
            ),
        );
        assert_eq!(
            other.status, nothing.status,
            "{} {}",
            pair.method, pair.other
        );
        assert_eq!(other.text, nothing.text, "{} {}", pair.method, pair.other);
        let is_list = other.json()["items"].as_array().is_some_and(Vec::is_empty);
        assert!(
            is_list || other.status == 404,
            "{} {}: {other:?}",
            pair.method,
            pair.other
        );
    }
    // Ids that are given while the node runs.
    for (method, other, nothing, token) in [
        (
            "GET",
            format!("/v1/orders/9/{order}"),
            "/v1/orders/9/1".to_owned(),
            &owner,
        ),
        (
            "DELETE",
            format!("/v1/orders/9/{order}"),
            "/v1/orders/8/1".to_owned(),
            &owner,
        ),
        (
            "DELETE",
            format!("/v1/me/orders/9/{order}"),
            "/v1/me/orders/8/1".to_owned(),
            &holder,
        ),
        (
            "DELETE",
            format!("/v1/tokens/{token}"),
            "/v1/tokens/4000".to_owned(),
            &owner,
        ),
        (
            "DELETE",
            format!("/v1/keys/{key}"),
            "/v1/keys/4000".to_owned(),
            &owner,
        ),
    ] {
        let body = json!({"reason": "a try"});
        let body = (method == "DELETE").then_some(&body);
        let (other, nothing) = (
            venue.ask(method, &other, token, body),
            venue.ask(method, &nothing, token, body),
        );
        assert_eq!(
            (other.status, &other.text),
            (404, &nothing.text),
            "{method}"
        );
    }
    // Nothing of globex's was changed.
    assert_eq!(
        venue.get("/v1/markets/9", &globex).ok()["state"],
        "continuous"
    );
    assert_eq!(
        venue.get("/v1/accounts/77", &globex).ok()["status"],
        "active"
    );
    let open = venue.get("/v1/orders?state=open", &globex).ok();
    assert_eq!(open["items"].as_array().unwrap().len(), 1);
    // And nothing of acme's is to be seen by globex, with the same ids.
    assert_eq!(venue.get("/v1/trades", &globex).ok()["items"], json!([]));
    assert_eq!(
        venue.get("/v1/trades", &owner).ok()["items"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let audit = venue.get("/v1/audit", &owner).ok();
    assert!(!audit.to_string().contains("gina"), "{audit}");
}

#[test]
fn a_login_does_not_tell_which_names_exist() {
    let mut venue = Venue::start("logins");
    venue.token("acme", Role::Owner);
    let login = |tenant: &str, user: &str| {
        let body = json!({"tenant": tenant, "user": user, "password": "a wrong password"});
        let answer = venue.post("/v1/login", "", &body);
        (answer.status, answer.text)
    };
    let known = login("acme", "owner");
    assert_eq!(known.0, 401);
    assert_eq!(login("acme", "nobody"), known);
    assert_eq!(login("globex", "owner"), known);
    assert_eq!(login("nowhere", "owner"), known);
    assert_eq!(login("", "owner"), known);
}
