//! The pages themselves, and what every answer says to a browser.

use std::time::{Duration, Instant};

use serde_json::json;
use souk::office::access::Role;
use souk::office::store::OfficeStore;
use souk_protocol::TenantId;

use crate::kit::Venue;

#[test]
fn pages_are_served_with_a_strict_policy_and_known_again() {
    let venue = Venue::start("pages");
    for (path, kind) in [
        ("/", "text/html"),
        ("/trade/", "text/html"),
        ("/console/app.js", "text/javascript"),
        ("/shared/theme.css", "text/css"),
        ("/shared/icon.svg", "image/svg+xml"),
    ] {
        let answer = venue.get(path, "");
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            answer.headers.contains(&format!("content-type: {kind}")),
            "{path}: {}",
            answer.headers
        );
        assert!(answer.headers.contains("script-src 'self'"), "{path}");
        assert!(!answer.headers.contains("unsafe"), "{path}");
        assert!(
            answer.headers.contains("x-content-type-options: nosniff"),
            "{path}"
        );
        assert!(answer.headers.contains("etag: "), "{path}");
    }
    for path in [
        "/console/../../Cargo.toml",
        "/web",
        "/console/",
        "/package.json",
        "/..%2f..%2fetc/passwd",
    ] {
        assert_eq!(venue.get(path, "").status, 404, "{path}");
    }
}

#[test]
fn only_whom_a_tenant_names_may_embed_its_trading_page() {
    let mut venue = Venue::start("embed");
    let owner = venue.token("acme", Role::Owner);
    let brand =
        json!({"name": "Acme", "embedders": ["https://app.acme.example"], "color": "#112233"});
    let brand = venue.put("/v1/brand", &owner, &brand).ok();
    let page = brand["page"].as_str().unwrap();
    assert_eq!(page.len(), 32, "{brand}");
    let embedded = venue.get(&format!("/trade/?page={page}"), "").headers;
    assert!(
        embedded.contains("frame-ancestors https://app.acme.example"),
        "{embedded}"
    );
    assert!(!embedded.contains("x-frame-options"), "{embedded}");
    for path in [
        "/trade/",
        "/trade/?page=",
        "/trade/?page=acme",
        "/?page={page}",
    ] {
        let alone = venue.get(path, "").headers;
        assert!(alone.contains("frame-ancestors 'none'"), "{path}: {alone}");
        assert!(alone.contains("x-frame-options: deny"), "{path}: {alone}");
    }
    for bad in [
        "https://a.example; script-src *",
        "https://a.example/x",
        "javascript:alert(1)",
        "*",
    ] {
        let refused = venue.put("/v1/brand", &owner, &json!({"embedders": [bad]}));
        assert_eq!(refused.status, 400, "{bad}");
    }
    let again = venue
        .put("/v1/brand", &owner, &json!({"name": "Acme Two"}))
        .ok();
    assert_eq!(again["page"], brand["page"], "the URL stays");
}

#[test]
fn who_may_embed_a_page_is_not_looked_up_for_every_request() {
    let mut venue = Venue::start("embed-cached");
    let owner = venue.token("acme", Role::Owner);
    let brand = |origin: &str| json!({"embedders": [origin]});
    let (here, there) = ("https://here.example", "https://there.example");
    let page = venue.put("/v1/brand", &owner, &brand(here)).ok()["page"].clone();
    let path = format!("/trade/?page={}", page.as_str().unwrap());
    let store = OfficeStore::open(&venue.data.join("office.db")).unwrap();
    let text = |origin| json!({"embedders": [origin], "page": page}).to_string();
    let shows = |origin: &str| venue.get(&path, "").headers.contains(origin);
    let until = Instant::now() + Duration::from_secs(30);
    // As another office of a cluster changes it: seen, though not at once.
    loop {
        assert!(Instant::now() < until, "it is looked up every time");
        venue.put("/v1/brand", &owner, &brand(here)).ok();
        assert!(shows(here), "a change of this office is seen at once");
        store.set_brand(TenantId(1), &text(there)).unwrap();
        if shows(here) {
            break;
        }
    }
    while !shows(there) {
        assert!(Instant::now() < until, "it is never looked up again");
    }
}

#[test]
fn what_is_no_json_or_too_long_is_refused_with_a_code() {
    let mut venue = Venue::start("bodies");
    let owner = venue.token("acme", Role::Owner);
    let long = json!({"code": "X".repeat(100_000), "scale": 2});
    let answer = venue.post("/v1/currencies", &owner, &long);
    assert!((400..500).contains(&answer.status), "{answer:?}");
    for body in [
        json!({"code": "bad code", "scale": 2}),
        json!({"code": "A", "scale": 300}),
        json!({"code": "A"}),
        json!([1, 2]),
        json!({"code": "A", "scale": 2, "status": "gone"}),
        json!({"code": "\u{0}", "scale": 2}),
        json!({"code": "A'; DROP TABLE users;--", "scale": 2}),
        json!({"code": "A", "scale": 2, "amount_mx": "5"}),
    ] {
        let answer = venue.post("/v1/currencies", &owner, &body);
        assert!((400..500).contains(&answer.status), "{body}: {answer:?}");
        assert!(!answer.code().is_empty(), "{answer:?}");
    }
    let misspelt = json!({"amount_mx": "5"});
    let answer = venue.put("/v1/currencies/USDT", &owner, &misspelt);
    assert_eq!(answer.status, 400, "{answer:?}");
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    use std::io::{Read, Write};
    let venue = Venue::start("slow");
    let mut slow = std::net::TcpStream::connect(venue.address()).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost:").unwrap();
    slow.set_read_timeout(Some(std::time::Duration::from_secs(20)))
        .unwrap();
    let mut rest = Vec::new();
    // An answer that says so, or nothing: but an end.
    slow.read_to_end(&mut rest).expect("the office closes it");
}
