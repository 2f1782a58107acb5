//! The load generator against a live node that keeps the money: what it verifies, what it says when
//! money is lacking, and that it notices what is not so.
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use souk::config::{Config, Overrides};
use souk::server::Server;
use souk_loadgen::key::PrivateKey;
use souk_loadgen::load::{self, LoadConfig, Pacing, SessionKey};
use souk_loadgen::money::Rates;
use souk_loadgen::output::{Environment, verdict};
use souk_loadgen::profile::profile;
use souk_loadgen::report::LoadReport;
use souk_loadgen::verify::Fault;
use souk_protocol::KeyId;

/// What everybody pays.
const RATES: Rates = Rates {
    maker_ppm: -123,
    taker_ppm: 457,
};
/// The key of each tenant, made from this byte.
const SEEDS: [u8; 2] = [0x31, 0x32];

/// A node with two tenants of four accounts and two markets. `account` is further lines of each account.
fn node(rights: &str, custody: &str, account: &str) -> (Server, Vec<SessionKey>) {
    let mut text =
        "[journal]\ndurability = \"memory\"\n[server]\nlisten = \"127.0.0.1:0\"\n".to_owned();
    let mut keys = Vec::new();
    for (seed, id) in SEEDS.iter().zip(1..) {
        let private = PrivateKey::from_seed(&[*seed; 32]).unwrap();
        let public = private.public().map(|byte| format!("{byte:02x}")).concat();
        write!(
            text,
            "[[tenant]]\nid = {id}\nname = \"tenant-{id}\"\ncustody = \"{custody}\"\n\
             [[tenant.currency]]\ncode = \"BTC\"\nscale = 8\n\
             [[tenant.currency]]\ncode = \"USDT\"\nscale = 6\n\
             [[tenant.key]]\nid = {id}\npublic_key = \"{public}\"\n{rights}\n"
        )
        .unwrap();
        for id in 1..=4 {
            write!(text, "[[tenant.account]]\nid = {id}\n{account}\n").unwrap();
        }
        for market in 1..=2 {
            write!(
                text,
                "[[tenant.market]]\nid = {market}\nsymbol = \"BTC-USDT-{market}\"\nbase = \"BTC\"\n\
                 quote = \"USDT\"\ntick_size = \"0.01\"\nlot_size = \"0.0001\"\n\
                 maker_ppm = {}\ntaker_ppm = {}\n",
                RATES.maker_ppm, RATES.taker_ppm
            )
            .unwrap();
        }
        keys.push(SessionKey {
            id: KeyId(id),
            private: Arc::new(private),
            sessions: 2,
        });
    }
    let config = Config::from_toml(&text, &Overrides::default());
    let config = config.unwrap_or_else(|error| panic!("{error}"));
    (Server::start(&config).unwrap(), keys)
}

const EVERYTHING: &str =
    "accounts = \"all\"\npermissions = [\"trade\", \"market-data\", \"funding\"]";

/// A second of load in a closed loop, which needs no quiet machine.
fn run(node: &(Server, Vec<SessionKey>), change: impl FnOnce(&mut LoadConfig)) -> LoadReport {
    let profile = profile("crypto").unwrap().clone();
    let mut config = LoadConfig::new(node.0.address(), node.1.clone(), profile);
    config.pacing = Pacing::Closed { outstanding: 8 };
    config.warmup = Duration::ZERO;
    config.duration = Some(Duration::from_secs(1));
    config.mix = Some("600/200/150/20/30".parse().unwrap());
    config.rates = Some(RATES);
    change(&mut config);
    load::start(config).unwrap().wait().unwrap()
}

fn text(report: &LoadReport) -> String {
    let environment = Environment {
        machine: souk_loadgen::facts::Machine::now(),
        server_cores: None,
        server_ns: None,
        steal_percent: None,
    };
    verdict(report, &environment)
}

#[test]
fn with_credits_every_fee_and_every_balance_is_verified() {
    let node = node(EVERYTHING, "internal", "");
    for turn in 1..=2 {
        let report = run(&node, |config| config.credit_coins = Some(100_000_000));
        let (verified, text) = (&report.verified, text(&report));
        assert!(verified.ok(), "turn {turn}: {text}");
        assert!(
            report.tally.trades > 100 && verified.open_orders > 0,
            "{text}"
        );
        // Two currencies of four accounts and the fees, in two tenants.
        assert_eq!(verified.money.balances, 18, "{text}");
        assert_eq!(verified.money.tenants_conserved, 2, "{text}");
        assert!(text.contains("conserved in 2 tenants"), "{text}");
        assert_eq!(report.tally.rejected.total(), 0, "{text}");
        assert_eq!(report.hint(), None);
    }
}

#[test]
fn a_lack_of_money_is_told_with_what_to_do() {
    let report = run(&node(EVERYTHING, "internal", ""), |_| {});
    let text = text(&report);
    assert!(text.contains("InsufficientFunds"), "{text}");
    assert!(text.contains("HINT: the accounts lack money"), "{text}");
    assert_eq!(report.tally.trades, 0, "{text}");
    assert!(report.verified.ok(), "{text}");
}

#[test]
fn rates_that_are_not_the_markets_are_noticed() {
    let node = node(EVERYTHING, "internal", "");
    let report = run(&node, |config| {
        config.credit_coins = Some(100_000_000);
        config.rates = Some(Rates {
            taker_ppm: RATES.taker_ppm + 40_000,
            ..RATES
        });
    });
    let faults = &report.verified.faults;
    assert!(faults.count(Fault::FeeDiffers) > 0, "{}", text(&report));
    assert!(faults.count(Fault::BalanceDiffers) > 0, "of what buys hold");
}

#[test]
fn a_key_that_sees_no_fee_account_verifies_its_own_accounts() {
    let credit = "credit = { BTC = \"100000000\", USDT = \"100000000000\" }";
    let node = node("accounts = [1, 2, 3, 4]", "internal", credit);
    let report = run(&node, |config| config.rates = None);
    let text = text(&report);
    assert!(report.verified.ok() && report.tally.trades > 100, "{text}");
    assert_eq!(report.verified.money.balances, 16, "{text}");
    assert_eq!(report.verified.money.tenants_conserved, 0, "{text}");
}

#[test]
fn money_that_the_platform_keeps_itself_is_not_looked_for() {
    let report = run(&node(EVERYTHING, "external", ""), |_| {});
    let text = text(&report);
    assert!(report.verified.ok() && report.tally.trades > 100, "{text}");
    assert!(text.contains("money not verified"), "{text}");
}
