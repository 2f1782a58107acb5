//! A load: started, watched, stopped, verified. The command line and `souk demo` both use this.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use souk_protocol::{KeyId, StpMode};

use crate::connection::ConnectionError;
use crate::driver::{Clock, Control, Driver, Published, Wait, prepare_thread};
use crate::key::PrivateKey;
use crate::making::{RunTimes, make};
use crate::money::Rates;
use crate::profile::{Mix, Profile};
use crate::report::{LoadReport, finish};
use crate::schedule::Arrivals;
use crate::session::{Plan, Prepared, prepare};
use crate::stats::{Latency, Percentiles};
use crate::wire::Tls;

/// Why a load did not start, or did not end as it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A session could not be set up.
    #[error("{what}: {error}")]
    Session {
        /// Which one, doing what.
        what: String,
        /// Why.
        error: ConnectionError,
    },
    /// A socket failed.
    #[error("socket: {0}")]
    Socket(#[from] std::io::Error),
    /// The configuration asks for something that is not there.
    #[error("{0}")]
    Config(String),
    /// A driver thread died.
    #[error("a driver thread panicked; its messages are on standard error")]
    Driver,
}

/// A key that sessions log on with.
#[derive(Clone, Debug)]
pub struct SessionKey {
    /// Its id.
    pub id: KeyId,
    /// Its private half.
    pub private: Arc<PrivateKey>,
    /// Sessions of it that may be used.
    pub sessions: u16,
}

/// When messages are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pacing {
    /// By the clock.
    Open {
        /// Messages per second over all connections.
        rate: f64,
        /// Their shape.
        arrivals: Arrivals,
    },
    /// By the answers: each connection keeps this many messages unanswered.
    Closed {
        /// How many.
        outstanding: u32,
    },
}

/// What is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A Souk server.
    Souk,
    /// An echo server: [`crate::echo`].
    Echo,
}

/// A load.
#[derive(Clone, Debug)]
pub struct LoadConfig {
    /// The server.
    pub address: SocketAddr,
    /// Which servers are believed over TLS; `None`: the connections are plain.
    pub tls: Option<Tls>,
    /// What it is.
    pub target: Target,
    /// Keys to log on with.
    pub keys: Vec<SessionKey>,
    /// Connections, dealt out to the keys one by one.
    pub connections: usize,
    /// First session number of each key that is used.
    pub session_base: u16,
    /// When messages are sent.
    pub pacing: Pacing,
    /// Threads that drive the connections.
    pub threads: usize,
    /// Not measured, at the beginning.
    pub warmup: Duration,
    /// Measured; `None` until stopped.
    pub duration: Option<Duration>,
    /// Makes all random numbers.
    pub seed: u64,
    /// The workload.
    pub profile: Profile,
    /// Shares of commands instead of the profile's.
    pub mix: Option<Mix>,
    /// Zipf exponent of tenants, markets and accounts.
    pub skew: f64,
    /// Markets of each tenant that are used.
    pub markets_max: usize,
    /// Accounts of each key that are used.
    pub accounts_max: usize,
    /// Self-trade prevention mode of new orders.
    pub stp_mode: StpMode,
    /// Cores of the driver threads, dealt out one by one; empty: wherever the system puts them.
    pub cores: Vec<usize>,
    /// How driver threads wait.
    pub wait: Wait,
    /// Whether others may trade in the same markets: then executions with one own side are no
    /// fault, and books may hold more than the own orders.
    pub shared: bool,
    /// Whether everything is verified at the end.
    pub verify: bool,
    /// Whether open orders stay in the book at the end.
    pub leave_orders: bool,
    /// Whole coins of each currency of the markets that every account is credited with at the
    /// beginning. The keys need the permission `funding`.
    pub credit_coins: Option<u64>,
    /// What all used accounts pay in all used markets, when it is known: fees are verified then.
    pub rates: Option<Rates>,
}

impl LoadConfig {
    /// A load with the usual values: 4 connections, one thread, 10,000 messages per second by a
    /// Poisson process until stopped, a second of warm-up, seed 1.
    #[must_use]
    pub fn new(address: SocketAddr, keys: Vec<SessionKey>, profile: Profile) -> Self {
        Self {
            address,
            tls: None,
            target: Target::Souk,
            keys,
            connections: 4,
            session_base: 0,
            pacing: Pacing::Open {
                rate: 10_000.0,
                arrivals: Arrivals::Poisson,
            },
            threads: 1,
            warmup: Duration::from_secs(1),
            duration: None,
            seed: 1,
            profile,
            mix: None,
            skew: 1.0,
            markets_max: 64,
            accounts_max: 1_024,
            stp_mode: StpMode::None,
            cores: Vec::new(),
            wait: Wait::Near,
            shared: false,
            verify: true,
            leave_orders: false,
            credit_coins: None,
            rates: None,
        }
    }
}

/// Numbers of a load that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Snapshot {
    /// Messages sent.
    pub sent: u64,
    /// Messages answered.
    pub answered: u64,
    /// Executions.
    pub trades: u64,
    /// Messages not applied.
    pub refused: u64,
    /// Response times so far.
    pub response: Percentiles,
    /// Service times so far.
    pub service: Percentiles,
}

/// A load that runs.
#[derive(Debug)]
pub struct LoadHandle {
    config: LoadConfig,
    plan: Plan,
    control: Arc<Control>,
    published: Vec<Arc<Published>>,
    threads: Vec<JoinHandle<Driver>>,
    measure_from: u64,
}

/// Time between the start of the threads and the first message.
const START_DELAY: Duration = Duration::from_millis(20);
/// How long a snapshot waits for the driver threads.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_millis(100);

/// Logs the sessions on, clears what earlier runs left, and starts the driver threads.
///
/// # Errors
/// When the configuration does not fit the server, or a session could not be set up.
pub fn start(config: LoadConfig) -> Result<LoadHandle, LoadError> {
    if config.threads == 0 || config.connections < config.threads {
        return Err(LoadError::Config(format!(
            "{} threads need at least as many connections; there are {}",
            config.threads, config.connections
        )));
    }
    let Prepared { plan, sessions } = prepare(&config)?;
    let begin = START_DELAY.as_nanos() as u64;
    let measure_from = begin + config.warmup.as_nanos() as u64;
    let measure_until = config.duration.map_or(u64::MAX, |duration| {
        measure_from.saturating_add(duration.as_nanos() as u64)
    });
    let control = Arc::new(Control {
        clock: Clock::start(),
        stop_at: AtomicU64::new(measure_until),
    });
    let times = RunTimes {
        begin,
        measure_from,
        measure_until,
    };
    let drivers = make(&config, &plan, sessions, times, &control)?;
    let mut published = Vec::new();
    let mut threads = Vec::new();
    for (index, driver) in drivers.into_iter().enumerate() {
        published.push(Arc::clone(&driver.published));
        let core = config.cores.get(index % config.cores.len().max(1)).copied();
        let spawned = std::thread::Builder::new()
            .name(format!("driver-{index}"))
            .spawn(move || {
                // Not every system lets a thread choose its core; the run goes on without.
                let _ = prepare_thread(core);
                driver.run()
            })?;
        threads.push(spawned);
    }
    Ok(LoadHandle {
        config,
        plan,
        control,
        published,
        threads,
        measure_from,
    })
}

impl LoadHandle {
    /// What the server said at logon, and which markets are used.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Time since the first message was due; negative time is zero.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.control.clock.now()).saturating_sub(START_DELAY)
    }

    /// Whether all driver threads have ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Numbers of messages so far, without percentiles: costs the driver threads nothing.
    #[must_use]
    pub fn counts(&self) -> Snapshot {
        let sum = |of: fn(&Published) -> &AtomicU64| {
            let each = self.published.iter();
            each.map(|p| of(p).load(Ordering::Relaxed)).sum()
        };
        Snapshot {
            sent: sum(|p| &p.sent),
            answered: sum(|p| &p.answered),
            trades: sum(|p| &p.trades),
            refused: sum(|p| &p.refused),
            ..Snapshot::default()
        }
    }

    /// Numbers so far with percentiles. Each driver thread copies its histograms for this, which
    /// takes it some tens of microseconds: a few times a second is fine.
    #[must_use]
    pub fn stats(&self) -> Snapshot {
        for published in &self.published {
            published.latency_wanted.store(true, Ordering::Relaxed);
        }
        let deadline = Instant::now() + SNAPSHOT_TIMEOUT;
        let mut sum = Latency::default();
        for published in &self.published {
            while published.latency_wanted.load(Ordering::Relaxed)
                && Instant::now() < deadline
                && !self.is_finished()
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            let copy = published.latency.lock();
            if let Some(copy) = &*copy.unwrap_or_else(PoisonError::into_inner) {
                sum.merge(copy);
            }
        }
        sum.close();
        Snapshot {
            response: Percentiles::of(&sum.response),
            service: Percentiles::of(&sum.service),
            ..self.counts()
        }
    }

    /// Sends no more, waits for the answers, verifies.
    ///
    /// # Errors
    /// When a driver thread died or the books could not be fetched.
    pub fn stop(self) -> Result<LoadReport, LoadError> {
        let now = self.control.clock.now();
        self.control.stop_at.fetch_min(now, Ordering::Relaxed);
        self.wait()
    }

    /// Waits until the configured time is over and all is answered, and verifies.
    ///
    /// # Errors
    /// As [`Self::stop`].
    pub fn wait(self) -> Result<LoadReport, LoadError> {
        let mut drivers = Vec::new();
        for thread in self.threads {
            drivers.push(thread.join().map_err(|_| LoadError::Driver)?);
        }
        let stop_at = self.control.stop_at.load(Ordering::Relaxed);
        let measured = Duration::from_nanos(stop_at.saturating_sub(self.measure_from));
        finish(self.config, self.plan, drivers, measured, stop_at)
    }
}
