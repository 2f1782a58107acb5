//! Configuration: what is refused, and what the error says about it.

use crate::support::two_tenants;
use souk::config::{Config, Layout, Overrides};

fn error_of(text: &str) -> String {
    let read = Config::from_toml(text, &Overrides::default());
    read.expect_err("it is refused").to_string()
}

/// Changes one piece of the good configuration and gives the error with the line of the piece.
#[track_caller]
fn refused(good: &str, bad: &str, expected: &[&str]) {
    let text = two_tenants("");
    assert!(text.contains(good), "{good} is in the configuration");
    let text = text.replacen(good, bad, 1);
    let error = error_of(&text);
    let key = bad.lines().next().unwrap();
    let line = 1 + text.lines().position(|line| line == key).unwrap();
    assert!(
        error.contains(&format!("line {line}")),
        "{error}\nnames line {line}"
    );
    for word in expected {
        assert!(error.contains(word), "{error}\nsays {word:?}");
    }
}

#[test]
fn the_good_one_is_good() {
    let config = Config::from_toml(&two_tenants(""), &Overrides::default()).unwrap();
    assert_eq!(config.tenants.len(), 2);
    // 0.01 x 0.0001 of a currency with six digits after the point is one smallest unit.
    let spec = config.tenants[0]
        .control
        .market_terms()
        .next()
        .unwrap()
        .spec;
    assert_eq!(spec.notional_unit, 1);
    // 0.0001 of a currency with eight digits.
    assert_eq!(spec.lot_units, 10_000);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:7001");
}

#[test]
fn unknown_and_missing_keys_are_named_with_their_line() {
    let error = error_of("[server]\nlisten = \"127.0.0.1:1\"\nlissten = 3\n");
    assert!(
        error.contains("line 3") && error.contains("lissten"),
        "{error}"
    );
    let error = error_of("[[tenant]]\nid = 1\n");
    assert!(error.contains("name"), "{error}");
    let error = error_of("[server\n");
    assert!(error.contains("line 1"), "{error}");
}

#[test]
fn every_bound_names_value_rule_and_remedy() {
    refused(
        "tick_size = \"0.01\"",
        "tick_size = \"0.001\"",
        &["0.001 x lot_size 0.0001", "raise the scale of USDT to 7"],
    );
    refused(
        "lot_size = \"0.0001\"",
        "lot_size = \"0.000000001\"",
        &["8 digits", "raise the scale of BTC to 9"],
    );
    refused("tick_size = \"0.01\"", "tick_size = \"0\"", &["positive"]);
    refused("tick_size = \"0.01\"", "tick_size = \"-1\"", &["positive"]);
    refused("tick_size = \"0.01\"", "tick_size = \"1e3\"", &["1e3"]);
    refused(
        "quote = \"USDT\"",
        "quote = \"EUR\"",
        &["EUR", "not a currency of this tenant"],
    );
    refused("name = \"acme\"", "name = \"Acme Corp\"", &["lower-case"]);
    refused("scale = 8", "scale = 19", &["0 to 18"]);
    refused("stp_group = 9", "stp_group = 70000", &["0 to 65535"]);
    refused(
        "accounts = [1]",
        "accounts = [3]",
        &["3", "not an account of this tenant"],
    );
    refused("accounts = [1]", "accounts = \"some\"", &["all"]);
    refused(
        "permissions = [\"market-data\", \"cancel\"]",
        "permissions = [\"admin\"]",
        &["admin", "trade"],
    );
    refused(
        "lot_size = \"0.0001\"",
        "qty_max = \"0.00015\"\nlot_size = \"0.0001\"",
        &["multiple of 0.0001"],
    );
}

#[test]
fn ids_are_unique() {
    let text = two_tenants("");
    for (good, again) in [
        ("id = 2\nname = \"globex\"", "id = 1\nname = \"globex\""),
        ("name = \"globex\"", "name = \"acme\""),
        ("symbol = \"BTC-CNY\"", "symbol = \"BTC-USDT\""),
    ] {
        assert!(error_of(&text.replacen(good, again, 1)).contains("used twice"));
    }
    let error = error_of(&text.replace("[[tenant.key]]\nid = 3", "[[tenant.key]]\nid = 1"));
    assert!(
        error.contains("key.id") && error.contains("used twice"),
        "{error}"
    );
}

#[test]
fn beyond_loopback_is_refused_unless_it_is_asked_for() {
    let open = |listen: &str, allow_remote| {
        let overrides = Overrides {
            listen: Some(listen.to_owned()),
            allow_remote,
            ..Overrides::default()
        };
        Config::from_toml(&two_tenants(""), &overrides)
    };
    assert!(open("127.0.0.1:0", false).is_ok());
    assert!(open("[::1]:0", false).is_ok());
    let error = open("0.0.0.0:7001", false)
        .expect_err("beyond loopback")
        .to_string();
    assert!(
        error.contains("0.0.0.0:7001") && error.contains("allow_remote"),
        "{error}"
    );
    assert!(open("0.0.0.0:7001", true).is_ok());
    assert!(open("localhost", true).is_err());
    let error = error_of("[server]\nlisten = \"0.0.0.0:1\"\n");
    assert!(
        error.contains("line 2") && error.contains("[tls]"),
        "{error}"
    );
}

#[test]
fn flags_win_over_the_file() {
    let overrides = Overrides {
        layout: Some(Layout::Threads),
        matchers: Some(3),
        ..Overrides::default()
    };
    let config =
        Config::from_toml("[threads]\nlayout = \"inline\"\nmatchers = 2\n", &overrides).unwrap();
    assert_eq!(
        (config.threads.layout, config.threads.matchers),
        (Layout::Threads, 3)
    );
    let overrides = Overrides {
        matchers: Some(0),
        ..Overrides::default()
    };
    let error = Config::from_toml("", &overrides)
        .expect_err("zero matchers")
        .to_string();
    assert!(
        error.contains("matchers = 0") && error.contains("1 to 256"),
        "{error}"
    );
}

#[test]
fn numbers_beyond_any_integer_are_refused_not_wrapped() {
    refused(
        "tick_size = \"0.01\"",
        "price_max = \"99999999999999999999999\"\ntick_size = \"0.01\"",
        &["at most 2^62"],
    );
    refused(
        "lot_size = \"0.0001\"",
        "orders_max = 4294967295\nlot_size = \"0.0001\"",
        &["4294967294"],
    );
}

#[test]
fn the_example_in_the_documents_is_good() {
    let text = include_str!("../../docs/souk.toml");
    let config = Config::from_toml(text, &Overrides::default()).unwrap();
    assert_eq!(config.tenants.len(), 2);
}

#[test]
fn the_clusters_example_in_the_documents_is_good() {
    let page = include_str!("../../docs/cluster.md");
    let block = page
        .split("```toml")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let config = Config::from_toml(&two_tenants(block), &Overrides::default()).unwrap();
    assert!(config.cluster.is_some());
}

/// A node of a cluster with further lines in `[cluster]` and `[database]`.
fn clustered(cluster: &str, database: &str) -> String {
    two_tenants(&format!(
        "[journal]\ndurability = \"mysql\"\nnode = \"a\"\n[cluster]\n{cluster}\n[database]\naddress = \"db:3306\"\n{database}\n"
    ))
}

#[test]
fn a_cluster_has_a_database_and_good_defaults() {
    let config = Config::from_toml(&clustered("", ""), &Overrides::default()).unwrap();
    let cluster = config.cluster.unwrap();
    assert_eq!(cluster.lease.ttl().as_millis(), 3_000);
    assert_eq!(cluster.lease.failures_survived(), 12);
    let database = cluster.database;
    assert_eq!(database.address.to_string(), "db:3306");
    assert_eq!(
        database.lease_addresses,
        [database.address.clone(), database.address.clone()]
    );
    assert_eq!(database.journal_address, database.address);
    let more = "lease_addresses = [\"[::1]:3307\", \"x:1\"]\njournal_address = \"y:2\"";
    let config = Config::from_toml(&clustered("", more), &Overrides::default()).unwrap();
    let database = config.cluster.unwrap().database;
    let shown = database.lease_addresses.map(|address| address.to_string());
    assert_eq!(shown, ["[::1]:3307", "x:1"]);
    assert_eq!(database.journal_address.to_string(), "y:2");
}

#[test]
fn what_does_not_make_a_cluster_names_value_rule_and_remedy() {
    for (cluster, database, words) in [
        (
            "renewal_timeout_ms = 200",
            "",
            &["renewal_timeout_ms = 200", "shorter than", "3000, 200, 150"][..],
        ),
        (
            "lease_ttl_ms = 700",
            "",
            &["survives 1 failed renewals", "3 or more"],
        ),
        ("poll_ms = 400", "", &["poll_ms = 400", "1 to 300"]),
        ("weight = 0", "", &["weight = 0", "1 to 100"]),
        (
            "advertise = \"nowhere\"",
            "",
            &["advertise = nowhere", "host:port"],
        ),
        ("snapshot_rows = 1", "", &["snapshot_rows = 1", "16"]),
        (
            "",
            "lease_addresses = []",
            &["lease_addresses = 0", "one or two"],
        ),
        (
            "",
            "journal_address = \"::1:5\"",
            &["journal_address = ::1:5", "host and a port"],
        ),
        (
            "",
            "outage_max_ms = 5",
            &["outage_max_ms = 5", "100 to 86400000"],
        ),
        ("", "pasword_file = \"x\"", &["pasword_file"]),
    ] {
        let error = error_of(&clustered(cluster, database));
        for word in words {
            assert!(error.contains(word), "{error}\nsays {word:?}");
        }
    }
    let error = error_of(&two_tenants("[journal]\ndurability = \"mysql\"\n"));
    assert!(
        error.contains("line 2") && error.contains("[database]"),
        "{error}"
    );
    let error = error_of(&two_tenants("[cluster]\nweight = 2\n"));
    assert!(
        error.contains("line 1") && error.contains("mysql"),
        "{error}"
    );
}
