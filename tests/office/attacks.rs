//! What somebody tried who meant harm, and what must come of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use souk::config::{Config, Overrides};
use souk::office;
use souk::office::access::Role;

use crate::kit::{Venue, config_text};

fn key(seed: u8) -> Value {
    let public = souk::keys::hex(&souk::keys::public_of(&[seed; 32]).unwrap());
    json!({"name": "bot", "public_key": public, "permissions": ["trade"], "accounts": "all"})
}

#[test]
fn a_key_that_is_revoked_while_it_is_rotated_stays_revoked() {
    let mut venue = Venue::start("attack-rotate");
    let owner = venue.token("acme", Role::Owner);
    for round in 0..12 {
        let id = venue.post("/v1/keys", &owner, &key(50 + round)).ok()["id"].clone();
        let path = format!("/v1/keys/{}", id.as_str().unwrap());
        let rotation = json!({"public_key": key(150 + round)["public_key"], "overlap_s": 604_800});
        let (revoked, _) = std::thread::scope(|scope| {
            let revoke = scope.spawn(|| venue.delete(&path, &owner, &json!({"reason": "lost"})));
            let rotate = scope.spawn(|| venue.post(&format!("{path}/rotate"), &owner, &rotation));
            (revoke.join().unwrap(), rotate.join().unwrap())
        });
        let listed = venue.get("/v1/keys", &owner).ok();
        let listed = listed["items"].as_array().unwrap().iter();
        let now = listed.clone().find(|it| it["id"] == id).unwrap();
        if revoked.status == 204 {
            assert_eq!(now["status"], "revoked", "round {round}: {now}");
        }
    }
}

#[test]
fn an_id_that_the_office_has_given_is_refused_in_the_configuration() {
    let mut venue = Venue::start("attack-ids");
    let owner = venue.token("acme", Role::Owner);
    let id = venue.post("/v1/keys", &owner, &key(60)).ok()["id"].clone();
    let id = id.as_str().unwrap().to_owned();
    venue.close();
    let text =
        config_text(&venue.data).replace("id = 2\npublic_key", &format!("id = {id}\npublic_key"));
    let mut config = Config::from_toml(&text, &Overrides::default()).unwrap();
    let error = office::admit(&mut config).unwrap_err().to_string();
    assert!(error.contains(&format!("key {id}")), "{error}");
}

#[test]
fn who_is_removed_while_it_logs_on_gets_nothing() {
    let mut venue = Venue::start("attack-login");
    let owner = venue.token("acme", Role::Owner);
    for round in 0..6 {
        let name = format!("user{round}");
        let user = json!({"user": name, "role": "operator", "password": "a long password"});
        venue.post("/v1/users", &owner, &user).ok();
        let login = json!({"tenant": "acme", "user": name, "password": "a long password"});
        let answer = std::thread::scope(|scope| {
            let login = scope.spawn(|| venue.post("/v1/login", "", &login));
            std::thread::sleep(Duration::from_millis(10 * round));
            let path = format!("/v1/users/{name}");
            let gone = venue.delete(&path, &owner, &json!({"reason": "left"}));
            assert_eq!(gone.status, 204);
            login.join().unwrap()
        });
        if answer.status == 200 {
            let token = answer.json()["token"].as_str().unwrap().to_owned();
            assert_eq!(venue.get("/v1/self", &token).status, 401, "round {round}");
        }
    }
    let last = venue.delete("/v1/users/owner", &owner, &json!({"reason": "a try"}));
    assert_eq!(last.status, 400, "{last:?}");
}

#[test]
fn changes_at_once_are_both_made() {
    let mut venue = Venue::start("attack-updates");
    let owner = venue.token("acme", Role::Owner);
    for round in 0..8 {
        let group = 1 + round;
        let (status, groups) = (
            json!({"status": if round % 2 == 0 { "frozen" } else { "active" }, "reason": "a try"}),
            json!({"fee_group": group, "reason": "a try"}),
        );
        std::thread::scope(|scope| {
            scope.spawn(|| venue.put("/v1/accounts/2", &owner, &status).ok());
            scope.spawn(|| venue.put("/v1/accounts/2", &owner, &groups).ok());
        });
        let account = venue.get("/v1/accounts/2", &owner).ok();
        assert_eq!(
            (&account["status"], &account["fee_group"]),
            (&status["status"], &json!(group))
        );
    }
    let support = venue.token("acme", Role::Support);
    let groups = json!({"fee_group": 7, "reason": "a try"});
    assert_eq!(venue.put("/v1/accounts/2", &support, &groups).status, 403);
    let bounds = json!({"amount_min": "0.1", "amount_max": "5"});
    venue.put("/v1/currencies/USDT", &owner, &bounds).ok();
    let hidden = venue
        .put("/v1/currencies/USDT", &owner, &json!({"status": "hidden"}))
        .ok();
    assert_eq!(
        (&hidden["amount_min"], &hidden["amount_max"]),
        (&json!("0.100000"), &json!("5.000000"))
    );
}

#[test]
fn a_deed_goes_on_when_its_sender_hangs_up() {
    let mut venue = Venue::start("attack-hangup");
    let owner = venue.token("acme", Role::Owner);
    for number in 0..40_u64 {
        let body = json!({"account": "1", "currency": "USDT", "amount": "1", "business": "hangup", "business_id": (number + 1).to_string(), "reason": "a try"}).to_string();
        let mut stream = TcpStream::connect(venue.address()).unwrap();
        let request = format!(
            "POST /v1/funding/credit HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {owner}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_micros(200 * (number % 20)));
    }
    let begun = Instant::now();
    loop {
        let log = venue
            .get("/v1/audit?action=funding.credit&limit=500", &owner)
            .ok();
        let outcomes: Vec<_> = log["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["outcome"].clone())
            .collect();
        let count = |outcome: &str| outcomes.iter().filter(|it| *it == outcome).count();
        if count("begun") == count("done") && count("begun") > 0 {
            let balance = venue.get("/v1/accounts/1", &owner).ok()["balances"].clone();
            let balances = balance.as_array().unwrap().iter();
            let usdt = balances
                .clone()
                .find(|it| it["currency"] == "USDT")
                .unwrap();
            assert_eq!(
                usdt["total"],
                format!("{}.000000", 1_000_000 + count("done"))
            );
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{outcomes:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_body_that_does_not_come_does_not_keep_its_place() {
    let venue = Venue::start("attack-body");
    let mut slow = TcpStream::connect(venue.address()).unwrap();
    slow.write_all(b"POST /v1/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{")
        .unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer)
        .expect("it is told, and closed");
    assert!(
        String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 400"),
        "{answer:?}"
    );
}

#[test]
fn nobody_else_on_the_machine_reads_the_tables() {
    let mut venue = Venue::start("attack-files");
    venue.token("acme", Role::Owner);
    for file in ["office.db", "history.db"] {
        let mode = std::fs::metadata(venue.data.join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{file} has mode {mode:o}");
    }
}
