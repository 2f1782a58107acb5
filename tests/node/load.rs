//! The load generator against a live node that keeps the money: what it verifies, what it says when
//! money is lacking, and that it notices what is not so; and the measurement of the journal, small.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use souk::config::{Config, Overrides};
use souk::server::Server;
use souk_loadgen::journal::{Found, JournalConfig, Phase, Watched, run as run_journal};
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

/// A measurement of the journal with two points and one round, whose servers' folders are in `data`.
fn journal_config(data: PathBuf, phases: &[Phase], duration: Duration) -> JournalConfig {
    JournalConfig {
        program: PathBuf::from(env!("CARGO_BIN_EXE_souk")),
        data,
        phases: phases.to_vec(),
        commit: None,
        rounds: 1,
        warmup: Duration::from_millis(50),
        duration,
        profile: profile("equity-us").unwrap().clone(),
        connections: 2,
        outstanding: vec![1, 64],
        resting: 2_000,
        segment_bytes: 1 << 20,
        core: None,
    }
}

fn measured(config: &JournalConfig) -> Found {
    let _ = std::fs::remove_dir_all(&config.data);
    std::fs::create_dir_all(&config.data).unwrap();
    let found = run_journal(config, |_| {}).unwrap();
    let left = std::fs::read_dir(&config.data).unwrap().count();
    assert_eq!(left, 0, "nothing is left behind");
    for pairs in found.pairs() {
        assert_eq!(pairs.faults, 0, "{:?}", pairs.remarks);
        assert_eq!((pairs.base.len(), pairs.other.len()), (1, 1));
        let turns = pairs.base.iter().chain(&pairs.other);
        for turn in turns {
            assert!(turn.latency.count > 0 && turn.rate > 0.0, "{turn:?}");
            assert!((14.0..=72.0).contains(&turn.message_bytes), "{turn:?}");
        }
    }
    found
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[test]
fn what_the_journal_took_is_what_was_sent() {
    let phases = [Phase::Latency, Phase::Curve];
    let duration = Duration::from_millis(300);
    let found = measured(&journal_config(data("journal-curve"), &phases, duration));
    assert!(found.commit.is_some() && !found.compared.is_empty());
    let latency = found.latency.unwrap();
    assert!(latency.syncs[0].count > 0 && latency.allowed_ns().count() == 1);
    let points = found.curve.unwrap().points;
    assert_eq!(points.len(), 2);
    for point in &points {
        let (turn, written) = (point.pairs.other[0], point.written[0]);
        assert!(
            written.groups > 0 && written.groups <= written.batches,
            "{written:?}"
        );
        // Beside the messages it has sessions that began, and orders that were canceled in the end.
        assert!(
            written.batches <= turn.messages + 100,
            "{turn:?} {written:?}"
        );
        // The shortest record is a cancel's, the longest batch is of one order.
        let bytes = written.bytes as f64 / turn.messages as f64;
        assert!((14.0..=300.0).contains(&bytes), "{turn:?} {written:?}");
        assert!(point.wire_ratio().median > bytes / turn.message_bytes);
    }
    let orders = |index: usize| points[index].orders_per_sync().median;
    assert!(
        orders(0) > 0.0 && orders(0) <= 2.5,
        "two are outstanding: {}",
        orders(0)
    );
    assert!(
        orders(1) <= 130.0,
        "two times 64 are outstanding: {}",
        orders(1)
    );
}

#[test]
fn snapshots_are_taken_in_the_turns_that_have_them() {
    let taken = |turns: &[Watched]| turns.iter().map(|turn| turn.taken).sum::<usize>();
    // A busy machine writes less, and gives the thread that takes them less time.
    let mut duration = Duration::from_secs(1);
    for _ in 0..5 {
        let config = journal_config(data("journal-snapshots"), &[Phase::Snapshots], duration);
        let found = measured(&config).snapshots.unwrap();
        for resting in found.resting {
            assert!(resting > 1_000, "{resting} of 2,000 orders rest");
        }
        let turns = [&found.closed_watched[..], &found.open_watched[..]];
        if turns.iter().all(|turns| taken(turns) > 0) {
            for turn in turns.concat() {
                // Each resting order has 52 bytes.
                assert!(
                    turn.bytes > found.resting[1] * 40 && turn.busy > 0.0,
                    "{turn:?}"
                );
            }
            return;
        }
        duration *= 2;
    }
    panic!("no snapshot was taken");
}
