//! `souk demo`: two tenants with the same pair, live traffic, and the proof that their orders never
//! meet, with the office beside it. Everything is in this process and in a folder of its own, which goes with it.
//!
//! Must never: reach around the wire. What it shows, it learned as a client.

mod money;
mod probe;
mod screen;
mod watch;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use souk_loadgen::connection::Connection;
use souk_loadgen::key::PrivateKey;
use souk_loadgen::load::{self, LoadConfig, LoadHandle, Pacing, SessionKey};
use souk_loadgen::profile::{DEFAULT_PROFILE, profile};
use souk_loadgen::report::LoadReport;
use souk_loadgen::schedule::Arrivals;
use souk_protocol::{CancelOnDisconnect, Credentials, KeyId};

use crate::clock;
use crate::config::{Config, Overrides};
use crate::keys;
use crate::office::access::Role;
use crate::office::{self, Office};
use crate::server::Server;
use crate::storage;
use watch::Watch;

/// The tenants of the demo; the keys of the n-th one are `10 n + 1` and so on.
const TENANTS: [&str; 2] = ["acme", "globex"];
/// The pair both tenants open.
const SYMBOL: &str = "BTC-USDT";
/// Sessions of traffic, dealt out to both tenants.
const CONNECTIONS: usize = 4;
/// Keepalive of the demo's own sessions.
const KEEPALIVE_MS: u32 = 5_000;

/// What the demo is asked to do.
#[derive(Clone, Copy, Debug)]
pub struct DemoOptions {
    /// How long it runs; until it is interrupted if not given.
    pub duration: Option<Duration>,
    /// Orders, cancels and replaces per second, of both tenants together.
    pub rate: f64,
    /// Where the office listens.
    pub office: SocketAddr,
}

/// A key of the demo: what it may do it may do for one tenant.
struct DemoKey {
    id: KeyId,
    private: Arc<PrivateKey>,
}

/// The keys of a tenant.
struct TenantKeys {
    traffic: DemoKey,
    watch: DemoKey,
    probe: DemoKey,
    treasury: DemoKey,
}

/// Runs the demo. `stop` ends it early.
///
/// # Errors
/// When a part of it cannot start, or the books of the two tenants turn out to have met.
pub fn run(options: &DemoOptions, stop: &AtomicBool) -> anyhow::Result<()> {
    let tenants = [tenant_keys(0)?, tenant_keys(1)?];
    let data = Data::new();
    let text = config_text(&tenants, &data.folder, options.office);
    let overrides = Overrides::default();
    let mut config =
        Config::from_toml(&text, &overrides).context("the demo's own configuration")?;
    let own_keys = office::admit(&mut config)?;
    let people = people(&config)?;
    let server = Server::start(&config)?;
    let office = Office::beside(&server, &config, &own_keys)?;
    let address = server.address();
    println!(
        "souk {} demo: data in {}, gone at the end",
        env!("CARGO_PKG_VERSION"),
        data.folder.display()
    );
    println!("  tcp      {address}  (binary protocol: protocol/PROTOCOL.md)");
    if let Some(office) = &office {
        println!("  console  http://{}/", office.address());
        for line in &people {
            println!("           {line}");
        }
    }
    println!(
        "  tenants  {} and {}: both opened {SYMBOL}; their books are separate",
        TENANTS[0], TENANTS[1]
    );
    println!(
        "  threads  {:?}, {} cores, idle matchers {:?}",
        server.plan().layout,
        server.plan().cores.len(),
        server.plan().wait
    );
    println!(
        "  traffic  {} messages/s from {CONNECTIONS} sessions, profile {DEFAULT_PROFILE}",
        options.rate
    );
    println!(
        "  crash    every order above is on disk when it is answered: `souk serve` survives kill -9 (README.md, \"Use it\")"
    );
    println!();
    for line in probe::prove_isolation(address, &tenants[0].probe, &tenants[1].probe)? {
        println!("  {line}");
    }
    println!();
    let watches = [
        Watch::start(address, &tenants[0].watch)?,
        Watch::start(address, &tenants[1].watch)?,
    ];
    let traffic = start_traffic(address, &tenants, options)?;
    show(&watches, &traffic, options, stop)?;
    let report = traffic.stop()?;
    drop(watches);
    let [acme, globex] = &tenants;
    let money = money::prove_conservation(address, [&acme.treasury, &globex.treasury])?;
    drop(office);
    server.drain()?;
    summary(&report, &money)
}

/// The demo's data directory. It goes with the demo.
struct Data {
    folder: PathBuf,
}

impl Data {
    fn new() -> Self {
        let name = format!("souk-demo-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        Self { folder }
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        if let Err(error) = storage::remove_folder(&self.folder) {
            tracing::warn!(%error, "the demo's data is still there");
        }
    }
}

/// Users of the office, in words.
fn people(config: &Config) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    for tenant in TENANTS {
        let password = office::set_user(config, Some(tenant), "demo", Role::Owner)?;
        lines.push(format!(
            "tenant {tenant:<8} user demo   password {password}"
        ));
    }
    let password = office::set_user(config, None, "demo", Role::Platform)?;
    lines.push(format!(
        "(no tenant)     user demo   password {password}   (the nodes)"
    ));
    Ok(lines)
}

/// Draws the screen every second until the time is over.
fn show(
    watches: &[Watch; 2],
    traffic: &LoadHandle,
    options: &DemoOptions,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let begin = clock::monotonic();
    let redraw = std::io::stdout().is_terminal();
    let mut drawn = 0;
    for second in 1.. {
        let due = Duration::from_secs(second);
        let until = options.duration.map_or(due, |end| end.min(due));
        while begin.elapsed() < until && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let views = [watches[0].view()?, watches[1].view()?];
        let lines = screen::lines(&TENANTS, &views, &traffic.stats(), begin.elapsed());
        if redraw && drawn > 0 {
            print!("\x1b[{drawn}A\x1b[J");
        }
        drawn = lines.len();
        println!("{}", lines.join("\n"));
        let over = options.duration.is_some_and(|end| begin.elapsed() >= end);
        if over || stop.load(Ordering::Relaxed) || traffic.is_finished() {
            break;
        }
    }
    Ok(())
}

fn start_traffic(
    address: SocketAddr,
    tenants: &[TenantKeys; 2],
    options: &DemoOptions,
) -> anyhow::Result<LoadHandle> {
    let profile = profile(DEFAULT_PROFILE)
        .context("the default profile exists")?
        .clone();
    let session_keys = tenants
        .iter()
        .map(|keys| SessionKey {
            id: keys.traffic.id,
            private: Arc::clone(&keys.traffic.private),
            sessions: CONNECTIONS as u16,
        })
        .collect();
    let mut config = LoadConfig::new(address, session_keys, profile);
    config.connections = CONNECTIONS;
    config.pacing = Pacing::Open {
        rate: options.rate,
        arrivals: Arrivals::Poisson,
    };
    config.warmup = Duration::from_millis(500);
    config.duration = None;
    config.markets_max = 1;
    config.rates = Some(money::RATES);
    Ok(load::start(config)?)
}

/// What was verified, in words. A fault is an error.
fn summary(report: &LoadReport, money: &[String]) -> anyhow::Result<()> {
    let verified = &report.verified;
    println!();
    println!("stopped after {:.1} s", report.measured.as_secs_f64());
    println!(
        "  answered   every one of {} messages, once",
        report.tally.sent
    );
    println!(
        "  isolation  {} executions, each with maker and taker in one tenant",
        verified.matches
    );
    println!(
        "  books      {} recomputed from the reports, equal to the engine's level by level",
        verified.books_equal
    );
    for (index, line) in money.iter().enumerate() {
        println!("  {:<10} {line}", if index == 0 { "money" } else { "" });
    }
    anyhow::ensure!(
        verified.done && verified.ok(),
        "the run is not sound: {:?}",
        verified.faults
    );
    println!("             {}", verified.money);
    println!("  verified   0 lost, 0 answered twice, 0 across tenants");
    Ok(())
}

fn log_on(address: SocketAddr, key: &DemoKey, session_number: u16) -> anyhow::Result<Connection> {
    let credentials = Credentials {
        key_id: key.id,
        session_number,
        incarnation: clock::wall_ns(),
        keepalive_ms: KEEPALIVE_MS,
        cancel_on_disconnect: CancelOnDisconnect::None,
        cancel_grace_ms: 0,
    };
    let (connection, _, _) =
        Connection::logon(address, None, &credentials, |bytes| key.private.sign(bytes))?;
    Ok(connection)
}

fn tenant_keys(tenant: u32) -> anyhow::Result<TenantKeys> {
    let key = |number| {
        let new = keys::generate()?;
        let private = PrivateKey::from_seed(&new.seed).context("a new seed is a key")?;
        anyhow::Ok(DemoKey {
            id: KeyId(10 * tenant + number),
            private: Arc::new(private),
        })
    };
    Ok(TenantKeys {
        traffic: key(1)?,
        watch: key(2)?,
        probe: key(3)?,
        treasury: key(4)?,
    })
}

fn config_text(tenants: &[TenantKeys; 2], data: &Path, office: SocketAddr) -> String {
    let mut text = format!(
        "[journal]\ndirectory = {data:?}\nsegment_bytes = 16777216\n[office]\nlisten = \"{office}\"\n[server]\nlisten = \"127.0.0.1:0\"\n[limits]\norder_rate = 10000000\norder_burst = 1000000\ncancel_rate = 10000000\ncancel_burst = 1000000\n",
    );
    for (index, (name, keys)) in TENANTS.iter().zip(tenants).enumerate() {
        text += &format!("[[tenant]]\nid = {}\nname = \"{name}\"\n", index + 1);
        for money::Coins { code, scale, .. } in &money::COINS {
            text += &format!("[[tenant.currency]]\ncode = \"{code}\"\nscale = {scale}\n");
        }
        for (id, symbol, base, lot) in [
            (1, SYMBOL, "BTC", "0.0001"),
            (2, "GOLD-USDT", "GOLD", "0.01"),
        ] {
            text += &format!(
                "[[tenant.market]]\nid = {id}\nsymbol = \"{symbol}\"\nbase = \"{base}\"\nquote = \"USDT\"\n\
                 tick_size = \"0.01\"\nlot_size = \"{lot}\"\naccount_orders_max = 1000000\n\
                 maker_ppm = {}\ntaker_ppm = {}\n",
                money::RATES.maker_ppm,
                money::RATES.taker_ppm
            );
        }
        let credit = money::COINS.map(|coins| format!("{} = \"{}\"", coins.code, coins.count));
        for account in 1..=money::ACCOUNTS {
            text += &format!(
                "[[tenant.account]]\nid = {account}\ncredit = {{ {} }}\n",
                credit.join(", ")
            );
        }
        let usual = "\"trade\", \"market-data\"";
        for (key, accounts, permissions) in [
            (&keys.traffic, "[1, 2, 3, 4]", usual),
            (&keys.watch, "[5]", usual),
            (&keys.probe, "[6]", usual),
            (&keys.treasury, "[]", "\"funding\""),
        ] {
            let public = keys::hex(&key.private.public());
            text += &format!(
                "[[tenant.key]]\nid = {}\npublic_key = \"{public}\"\naccounts = {accounts}\n\
                 permissions = [{permissions}]\n",
                key.id
            );
        }
    }
    text
}
