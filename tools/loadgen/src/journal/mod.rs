//! What durability costs: `local` against `memory`, against a bare sync, and with and without snapshots, in turns on servers of
//! its own.

mod curve;
mod server;
mod snapshots;
mod sync;

use std::path::PathBuf;
use std::time::Duration;

use crate::driver::Wait;
use crate::load::{LoadConfig, LoadError, Pacing};
use crate::own_server::ServerError;
use crate::profile::Profile;
use crate::turns::{Figures, Pairs, Side};

pub use curve::{CurveFound, LatencyFound, Point};
use server::Host;
pub use server::{CONNECTIONS_MAX, Written};
pub use snapshots::{SnapshotsFound, Watched, shows};
pub use sync::{BLOCK, Commit, Measured};

/// At light load an order may take a sync and this many times what `memory` takes.
pub const SYNC_AND: f64 = 1.3;
/// At saturation `local` takes at least this part of what `memory` takes.
pub const SATURATION_LEAST: f64 = 0.8;
/// Most bytes on the disk for each order, in times of its bytes on the wire.
pub const WIRE_RATIO_MAX: f64 = 1.3;
/// While snapshots are taken, at least this part of the messages.
pub const SNAPSHOT_RATE_LEAST: f64 = 0.95;
/// While snapshots are taken, the 99.9th percentile may be so much later, in nanoseconds.
pub const SNAPSHOT_P99_9_MAX: f64 = 1e6;
/// A snapshot is taken in at least this part of a turn, or the turn shows nothing.
pub const SNAPSHOT_BUSY_LEAST: f64 = 0.5;
/// Unanswered messages of each connection at the points of the curve.
pub const OUTSTANDING: [u32; 8] = [1, 4, 16, 64, 256, 1_024, 2_048, 4_096];
/// Most of them: all that the credits of a session allow.
pub const OUTSTANDING_MAX: u32 = 8_192;
/// Bare syncs are measured for this part of a turn, before and after the one of `local`.
const SYNCS_PART: u32 = 4;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Phase {
    /// One order outstanding, beside bare syncs.
    Latency,
    /// More and more orders outstanding.
    Curve,
    /// With and without snapshots.
    Snapshots,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Latency, Self::Curve, Self::Snapshots];
}

/// How it is measured.
#[derive(Clone, Debug)]
pub struct JournalConfig {
    /// The `souk` program.
    pub program: PathBuf,
    /// The folder in which the servers' data directories are made; they are removed in the end.
    pub data: PathBuf,
    /// The phases, one after another, each on servers of its own.
    pub phases: Vec<Phase>,
    /// How groups come to be durable; `None`: the fastest way there is.
    pub commit: Option<Commit>,
    /// Rounds of each phase.
    pub rounds: usize,
    /// Not measured, at the beginning of a turn.
    pub warmup: Duration,
    /// Measured time of a turn.
    pub duration: Duration,
    /// The workload.
    pub profile: Profile,
    /// Connections of the curve and beside snapshots, 1 to [`CONNECTIONS_MAX`].
    pub connections: usize,
    /// Unanswered messages of each connection at the points of the curve, each 1 to [`OUTSTANDING_MAX`].
    pub outstanding: Vec<u32>,
    /// Orders that rest in another tenant's book while snapshots are taken.
    pub resting: u32,
    /// Bytes of a segment beside snapshots: so often one is due.
    pub segment_bytes: u64,
    /// The core of this program's driver thread; `None`: any.
    pub core: Option<usize>,
}

impl JournalConfig {
    /// A load of the tenant that sends.
    fn load(&self, server: &Host, connections: usize, pacing: Pacing) -> LoadConfig {
        let keys = vec![server.sender.clone()];
        let mut load = LoadConfig::new(server.own.address, keys, self.profile.clone());
        load.connections = connections;
        load.pacing = pacing;
        load.warmup = self.warmup;
        load.duration = Some(self.duration);
        // A driver that asks again and again would leave the journal's thread nothing of its core.
        load.wait = Wait::Park;
        load.cores = self.core.into_iter().collect();
        load
    }

    fn check(&self) -> Result<(), JournalError> {
        let refuse = |what: String| Err(JournalError::Config(what));
        if !(1..=CONNECTIONS_MAX).contains(&self.connections) {
            let count = self.connections;
            return refuse(format!(
                "{count} connections: 1 to {CONNECTIONS_MAX} are possible"
            ));
        }
        let wrong = |each: &&u32| !(1..=OUTSTANDING_MAX).contains(*each);
        if let Some(wrong) = self.outstanding.iter().find(wrong) {
            return refuse(format!(
                "{wrong} outstanding: 1 to {OUTSTANDING_MAX} are possible"
            ));
        }
        if self.rounds == 0 || self.outstanding.is_empty() || self.duration.is_zero() {
            return refuse("there is nothing to measure: no round, no point or no time".to_owned());
        }
        Ok(())
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What a bare sync takes each way, the fastest first; empty when the way was given.
    pub compared: Vec<Measured>,
    /// The way that was taken; `None`: nothing was measured.
    pub commit: Option<Commit>,
    /// One order outstanding.
    pub latency: Option<LatencyFound>,
    /// The curve.
    pub curve: Option<CurveFound>,
    /// With and without snapshots.
    pub snapshots: Option<SnapshotsFound>,
}

impl Found {
    /// All turns of servers, with what they are called.
    pub fn pairs(&self) -> impl Iterator<Item = &Pairs> {
        let latency = self.latency.iter().map(|it| &it.pairs);
        let points = self.curve.iter().flat_map(|it| &it.points);
        let snapshots = self.snapshots.iter();
        latency
            .chain(points.map(|point| &point.pairs))
            .chain(snapshots.flat_map(|it| [&it.closed, &it.open]))
    }
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// What was asked for cannot be.
    #[error("{0}")]
    Config(String),
    /// There is no server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A turn could not be measured.
    #[error("{turn}: {error}")]
    Turn {
        /// Which turn.
        turn: String,
        /// Why.
        error: LoadError,
    },
    /// The disk, or the server's metrics, cannot be had.
    #[error("system: {0}")]
    System(#[from] std::io::Error),
}

/// Takes turns, and tells of each before it begins.
struct Turns<'a>(&'a mut dyn FnMut(&str));

impl Turns<'_> {
    fn tell(&mut self, what: &str) {
        (self.0)(what);
    }

    fn take(
        &mut self,
        pairs: &mut Pairs,
        side: Side,
        name: &str,
        load: LoadConfig,
    ) -> Result<Figures, JournalError> {
        self.tell(name);
        let taken = pairs.take_turn(side, name, load, None);
        taken.map_err(|error| JournalError::Turn {
            turn: name.to_owned(),
            error,
        })
    }
}

/// Measures all phases. `progress` hears of every turn before it begins.
///
/// # Errors
/// When a server cannot be started or ends badly, or a turn could not be run.
pub fn run(config: &JournalConfig, mut progress: impl FnMut(&str)) -> Result<Found, JournalError> {
    config.check()?;
    let mut turns = Turns(&mut progress);
    let mut found = Found::default();
    let commit = match config.commit {
        Some(commit) => commit,
        None => {
            turns.tell("ways to sync");
            found.compared = sync::compare(&config.data)?;
            let fastest = found.compared.first().map(|measured| measured.commit);
            fastest.ok_or_else(|| std::io::Error::other("no way to sync works"))?
        }
    };
    found.commit = Some(commit);
    for phase in &config.phases {
        match phase {
            Phase::Latency => found.latency = Some(curve::latency(config, commit, &mut turns)?),
            Phase::Curve => found.curve = Some(curve::curve(config, commit, &mut turns)?),
            Phase::Snapshots => {
                found.snapshots = Some(snapshots::measure(config, commit, &mut turns)?);
            }
        }
    }
    Ok(found)
}
