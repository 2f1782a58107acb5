//! Options that several commands have.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use souk_loadgen::driver::Wait;
use souk_loadgen::facts::{Machine, cores_of};
use souk_loadgen::key::{KeyOption, PrivateKey};
use souk_loadgen::load::{LoadConfig, SessionKey};
use souk_loadgen::money::Rates;
use souk_loadgen::output::Environment;
use souk_loadgen::profile::{DEFAULT_PROFILE, Mix, PROFILES, Profile, profile};
use souk_loadgen::wire::Tls;
use souk_protocol::{SESSION_NUMBER_MAX, StpMode};

/// What every load needs.
#[derive(Args, Clone)]
pub struct LoadOptions {
    /// The server, as HOST:PORT.
    #[arg(long, env = "SOUK_ADDR", default_value = "127.0.0.1:7001")]
    pub addr: String,
    /// A key to log on with: ID:FILE, or ID:FILE:SESSIONS. Give several for several tenants.
    #[arg(long = "key", required = true)]
    pub keys: Vec<KeyOption>,
    /// First session number of each key that is used.
    #[arg(long, default_value_t = 0)]
    pub session_base: u16,
    /// Threads that drive the connections. On two cores one is right.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Makes all random numbers.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The workload; `souk-loadgen profiles` lists them.
    #[arg(long, default_value = DEFAULT_PROFILE)]
    pub profile: String,
    /// Shares of commands instead of the profile's: NEW/IOC/CANCEL/REDUCE/REPLACE in per mille.
    #[arg(long)]
    pub mix: Option<Mix>,
    /// Zipf exponent with which tenants, markets and accounts are chosen; 0: all alike.
    #[arg(long, default_value_t = 1.0)]
    pub skew: f64,
    /// Markets of each tenant that are used.
    #[arg(long, default_value_t = 64)]
    pub markets: usize,
    /// Accounts of each key that are used.
    #[arg(long, default_value_t = 1_024)]
    pub accounts: usize,
    /// Self-trade prevention of new orders: none, newest, oldest, both, decrement.
    #[arg(long, default_value = "none", value_parser = parse_stp)]
    pub stp: StpMode,
    /// Cores of the driver threads, such as 0 or 0,1.
    #[arg(long, value_delimiter = ',')]
    pub pin: Vec<usize>,
    /// How driver threads wait: sleep, sleep unless the next message is near, or never sleep.
    #[arg(long, value_enum, default_value = "near")]
    pub wait: Wait,
    /// The server's process: its processor time and cores are told.
    #[arg(long)]
    pub server_pid: Option<u32>,
    /// A file with certificate authorities in PEM: the connections to the server are TLS.
    #[arg(long, value_name = "FILE")]
    pub tls_authorities: Option<PathBuf>,
    /// The name or address that the server's certificate is made out to; the host of --addr by default.
    #[arg(long, requires = "tls_authorities", value_name = "NAME")]
    pub tls_name: Option<String>,
    /// Others may trade in the same markets.
    #[arg(long)]
    pub shared: bool,
    /// Credits every used account with so many coins of each currency at the beginning. The keys
    /// need the permission `funding`.
    #[arg(long, value_name = "COINS")]
    pub credit: Option<u64>,
    /// What all used accounts pay as makers, in parts per million; negative is a rebate. With
    /// --taker-ppm, every fee is verified.
    #[arg(long, allow_hyphen_values = true, requires = "taker_ppm")]
    pub maker_ppm: Option<i32>,
    /// What all used accounts pay as takers, in parts per million.
    #[arg(long, requires = "maker_ppm")]
    pub taker_ppm: Option<i32>,
    /// Print the summary as JSON, and nothing else on standard output.
    #[arg(long)]
    pub json: bool,
}

impl LoadOptions {
    /// The load these options describe; `connections` none: as many as the keys have sessions, or
    /// 4.
    pub fn config(&self, connections: Option<usize>) -> anyhow::Result<LoadConfig> {
        let address = resolve(&self.addr)?;
        let profile = find_profile(&self.profile)?;
        if !(0.0..=8.0).contains(&self.skew) {
            bail!("--skew {} is not between 0 and 8", self.skew);
        }
        let mut keys = Vec::new();
        for key in &self.keys {
            keys.push(SessionKey {
                id: key.key_id(),
                private: Arc::new(PrivateKey::read(&key.file)?),
                sessions: key.sessions.unwrap_or(SESSION_NUMBER_MAX),
            });
        }
        let counted = self.keys.iter().filter_map(|key| key.sessions);
        let sessions: usize = counted.map(usize::from).sum();
        let mut config = LoadConfig::new(address, keys, profile.clone());
        if let Some(file) = &self.tls_authorities {
            let host = self.addr.rsplit_once(':').map_or("", |(host, _)| host);
            let name = self.tls_name.as_deref().unwrap_or(host);
            let name = name.trim_start_matches('[').trim_end_matches(']');
            config.tls = Some(Tls::new(file, name)?);
        }
        config.connections = connections.unwrap_or(if sessions > 0 { sessions } else { 4 });
        config.session_base = self.session_base;
        config.threads = self.threads;
        config.seed = self.seed;
        config.mix = self.mix;
        config.skew = self.skew;
        config.markets_max = self.markets.max(1);
        config.accounts_max = self.accounts.max(1);
        config.stp_mode = self.stp;
        config.cores = self.pin.clone();
        config.wait = self.wait;
        config.shared = self.shared;
        config.credit_coins = self.credit;
        let rates = self.maker_ppm.zip(self.taker_ppm);
        config.rates = rates.map(|(maker_ppm, taker_ppm)| Rates {
            maker_ppm,
            taker_ppm,
        });
        Ok(config)
    }

    /// Where the load runs.
    pub fn environment(&self) -> Environment {
        Environment {
            machine: Machine::now(),
            server_cores: self.server_pid.and_then(|pid| cores_of(&pid.to_string())),
            server_ns: None,
            steal_percent: None,
        }
    }
}

/// The workload of this name.
pub fn find_profile(name: &str) -> anyhow::Result<&'static Profile> {
    profile(name).with_context(|| {
        let names: Vec<_> = PROFILES.iter().map(|profile| profile.name).collect();
        format!("unknown profile `{name}`; there are {}", names.join(", "))
    })
}

fn resolve(address: &str) -> anyhow::Result<SocketAddr> {
    let mut found = address
        .to_socket_addrs()
        .with_context(|| format!("`{address}` is not HOST:PORT"))?;
    found
        .next()
        .with_context(|| format!("`{address}` has no address"))
}

fn parse_stp(text: &str) -> Result<StpMode, String> {
    match text {
        "none" => Ok(StpMode::None),
        "newest" => Ok(StpMode::CancelNewest),
        "oldest" => Ok(StpMode::CancelOldest),
        "both" => Ok(StpMode::CancelBoth),
        "decrement" => Ok(StpMode::DecrementAndCancel),
        _ => Err("not one of none, newest, oldest, both, decrement".to_owned()),
    }
}

/// Reads a time such as `500ms`, `10s`, `2m`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number
        .parse()
        .map_err(|_| format!("`{text}` is not a time such as 500ms, 10s, 2m"))?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" | "" => Ok(Duration::from_secs(number)),
        "m" if number < 1_000_000 => Ok(Duration::from_secs(number * 60)),
        _ => Err(format!("`{unit}` is no unit of time: ms, s or m")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        for text in ["", "s", "1h", "-1s", "1.5s"] {
            assert!(parse_duration(text).is_err(), "{text} was taken");
        }
    }
}
