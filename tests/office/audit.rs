//! The audit log: before everything, for ever, in a chain.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::json;
use souk::config::{Config, Overrides};
use souk::office::access::Role;
use souk::office::{self, Office};
use souk::server::Server;

use crate::kit::{Venue, config_text};

fn credit(id: u32) -> serde_json::Value {
    json!({"account": "1", "currency": "USDT", "amount": "5.5", "business": "gift", "business_id": id.to_string(), "reason": "for the test"})
}

#[test]
fn money_comes_with_an_entry_before_and_one_after() {
    let mut venue = Venue::start("audit-money");
    let owner = venue.token("acme", Role::Owner);
    let operator = venue.token("acme", Role::Operator);
    let done = venue.post("/v1/funding/credit", &operator, &credit(1)).ok();
    assert_eq!(
        (done["amount"].as_str(), done["repeated"].as_bool()),
        (Some("5.500000"), Some(false))
    );
    let again = venue.post("/v1/funding/credit", &operator, &credit(1)).ok();
    assert_eq!(
        (&again["control_seq"], again["repeated"].as_bool()),
        (&done["control_seq"], Some(true))
    );
    let mut other = credit(1);
    other["amount"] = "6".into();
    let refused = venue.post("/v1/funding/credit", &operator, &other);
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (409, "BusinessIdReused")
    );

    let log = venue.get("/v1/audit?action=funding.credit", &owner).ok();
    assert_eq!(log["chain"]["holds"], true, "{log}");
    let entries = log["chain"]["entries"].as_u64().unwrap();
    assert!(entries >= 6, "{log}");
    let outcomes: Vec<_> = log["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["outcome"].as_str().unwrap(),
                entry["user"].as_str().unwrap(),
            )
        })
        .collect();
    let by = "operator";
    assert_eq!(
        outcomes,
        [
            ("BusinessIdReused", by),
            ("begun", by),
            ("done", by),
            ("begun", by),
            ("done", by),
            ("begun", by)
        ]
    );
    let statement = venue
        .get("/v1/accounts/1/statement?currency=USDT", &operator)
        .ok();
    let last = statement["items"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(
        (
            last["kind"].as_str(),
            last["change"].as_str(),
            last["total"].as_str()
        ),
        (Some("credit"), Some("5.500000"), Some("1000005.500000"))
    );
}

#[test]
fn what_cannot_be_written_down_is_not_done() {
    let mut venue = Venue::start("audit-first");
    let owner = venue.token("acme", Role::Owner);
    let before = venue.get("/v1/accounts/1", &owner).ok()["balances"].clone();
    {
        // Somebody keeps the file, for longer than the office waits.
        let other = Connection::open(venue.data.join("office.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let answer = venue.post("/v1/funding/credit", &owner, &credit(9));
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (503, "Unavailable")
        );
        let halted = venue.put(
            "/v1/markets/1/state",
            &owner,
            &json!({"state": "halted", "reason": "not written down"}),
        );
        assert_eq!(halted.status, 503);
        other.execute_batch("ROLLBACK").unwrap();
    }
    assert_eq!(venue.get("/v1/accounts/1", &owner).ok()["balances"], before);
    assert_eq!(
        venue.get("/v1/markets/1", &owner).ok()["state"],
        "continuous"
    );
}

/// A tenant's log with entries, after its node has stopped.
fn log_at_rest(name: &str) -> (PathBuf, Connection) {
    let mut venue = Venue::start(name);
    let owner = venue.token("acme", Role::Owner);
    for id in 1..=3 {
        venue.post("/v1/funding/credit", &owner, &credit(id)).ok();
    }
    venue.close();
    let file = Connection::open(venue.data.join("office.db")).unwrap();
    (venue.data.clone(), file)
}

fn start(data: &Path) -> Result<(), office::StartError> {
    let mut config = Config::from_toml(&config_text(data), &Overrides::default()).unwrap();
    let keys = office::admit(&mut config).unwrap();
    let server = Server::start(&config).unwrap();
    let opened = Office::beside(&server, &config, &keys).map(drop);
    server.drain().unwrap();
    opened
}

#[test]
fn the_log_can_be_added_to_only() {
    let (data, file) = log_at_rest("audit-append");
    for sql in ["UPDATE audit SET reason = 'another'", "DELETE FROM audit"] {
        let error = file.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{error}");
    }
    start(&data).unwrap();
}

/// Who owns the file can do anything to it, but not unseen.
fn is_found(name: &str, change: &str) {
    let (data, file) = log_at_rest(name);
    file.execute_batch("DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete")
        .unwrap();
    assert!(file.execute(change, []).unwrap() > 0);
    let error = start(&data).unwrap_err().to_string();
    assert!(error.contains("not as it was written"), "{error}");
}

#[test]
fn a_changed_entry_is_found() {
    is_found(
        "audit-changed",
        "UPDATE audit SET request = replace(request, '5.5', '0.5') WHERE action = 'funding.credit'",
    );
}

#[test]
fn a_missing_entry_is_found() {
    is_found(
        "audit-missing",
        "DELETE FROM audit WHERE number = (SELECT max(number) - 1 FROM audit WHERE tenant = 1)",
    );
}

#[test]
fn secrets_are_nowhere() {
    let mut venue = Venue::start("audit-secrets");
    let owner = venue.token("acme", Role::Owner);
    let password = "correct horse battery";
    venue
        .post(
            "/v1/users",
            &owner,
            &json!({"user": "sam", "role": "support", "password": password}),
        )
        .ok();
    let token = venue
        .post(
            "/v1/tokens",
            &owner,
            &json!({"name": "backend", "role": "auditor", "expires_in_days": 1}),
        )
        .ok();
    let token = token["token"].as_str().unwrap().to_owned();
    assert_eq!(venue.get("/v1/audit", &token).status, 200);
    assert_eq!(venue.get("/v1/users", &token).status, 403);
    let listed = venue.get("/v1/tokens", &owner).ok();
    assert!(listed["items"][0]["token"].is_null(), "{listed}");
    venue.close();
    for entry in std::fs::read_dir(&venue.data).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for secret in [password, token.as_str(), owner.as_str()] {
            let found = bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!found, "{} has a secret", path.display());
        }
    }
}
