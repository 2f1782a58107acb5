//! What snapshots cost a node that runs: the same load on a server that never takes one, and on a server that takes one after
//! another.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use souk_protocol::Durability;

use super::server::{Host, Terms};
use super::{Commit, JournalConfig, JournalError, SNAPSHOT_BUSY_LEAST, Turns};
use crate::facts::{ThreadTimes, thread_times};
use crate::load::{Pacing, start};
use crate::profile::Mix;
use crate::schedule::Arrivals;
use crate::turns::{Pairs, Side, Spread};

/// The server's thread that takes snapshots.
const THREAD: &str = "souk-snapshots";
/// Unanswered messages of each connection where there is no rate.
const OUTSTANDING: u32 = 1_024;
/// The rate by the clock, as a part of what the server without snapshots takes most.
const RATE_PART: f64 = 0.5;
/// How often the folder of the snapshots is looked at: several times while one is taken, and two are kept.
const LOOK: Duration = Duration::from_millis(50);
/// A thread that worked less than this part of the time since the last look has nothing to do.
const CALM: f64 = 0.02;
/// How long a server may take until it is calm, and to fill a book.
const PATIENCE: Duration = Duration::from_secs(60);
/// Orders enter until so many more were sent than should rest, because some trade.
const ENTER: f64 = 1.3;
/// Orders only.
const ORDERS: Mix = Mix {
    new: 1_000,
    ioc: 0,
    cancel: 0,
    reduce: 0,
    replace: 0,
};

/// What was seen of snapshots in one turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Watched {
    /// Snapshots that were finished.
    pub taken: usize,
    /// The part of the turn in which the thread that takes them worked, or waited for a processor. What it waited for the disk
    /// is not in it.
    pub busy: f64,
    /// Bytes of the largest one.
    pub bytes: u64,
}

/// With and without snapshots.
#[derive(Clone, Debug, Default)]
pub struct SnapshotsFound {
    /// Orders that rested in the book of another tenant, in the server that takes no snapshots and in the other.
    pub resting: [u64; 2],
    /// As fast as the server answers.
    pub closed: Pairs,
    /// What was seen of snapshots in each turn of it that had some.
    pub closed_watched: Vec<Watched>,
    /// Messages a second by the clock.
    pub rate: f64,
    /// By the clock.
    pub open: Pairs,
    /// What was seen of snapshots in each turn of it that had some.
    pub open_watched: Vec<Watched>,
}

impl SnapshotsFound {
    /// How much later the 99.9th percentile is with snapshots, in nanoseconds, round by round.
    #[must_use]
    pub fn later_ns(&self) -> Spread {
        let rounds = self.open.base.iter().zip(&self.open.other);
        let later =
            rounds.map(|(without, with)| with.latency.p99_9 as f64 - without.latency.p99_9 as f64);
        Spread::of(later)
    }

    /// Whether the 99.9th percentile is at most so much later, by the median of the rounds; `None` when that is not shown:
    /// too few snapshots, a rate that was not kept, or turns without snapshots that differ by more than what is asked.
    #[must_use]
    pub fn is_late_at_most(&self, most_ns: f64) -> Option<bool> {
        let mut turns = self.open.base.iter().chain(&self.open.other);
        if !shows(&self.open_watched) || turns.any(|turn| turn.rate_missed) {
            return None;
        }
        let later = self.later_ns();
        let alone = self.open.medians(|turn| turn.latency.p99_9 as f64).0;
        if later.min <= most_ns && alone.max - alone.min > most_ns {
            return None;
        }
        Some(later.median <= most_ns)
    }
}

/// Whether snapshots were taken in each turn, during most of it; if not, the turns show nothing.
#[must_use]
pub fn shows(watched: &[Watched]) -> bool {
    let is_shown = |turn: &Watched| turn.taken > 0 && turn.busy >= SNAPSHOT_BUSY_LEAST;
    !watched.is_empty() && watched.iter().all(is_shown)
}

/// Looks at the snapshots of a server; ends when dropped.
#[derive(Debug)]
struct Watch {
    pid: u32,
    begun: (Instant, ThreadTimes),
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Seen>>,
}

/// The snapshots that came: their names, and bytes of the largest.
type Seen = (BTreeSet<PathBuf>, u64);

impl Watch {
    fn begin(server: &Host) -> std::io::Result<Self> {
        let (pid, stop) = (server.own.pid(), Arc::<AtomicBool>::default());
        let (folder, of_thread) = (server.own.data().join("snapshots"), Arc::clone(&stop));
        let before = finished(&folder);
        let thread = std::thread::Builder::new().name("watch".to_owned());
        let thread = thread.spawn(move || {
            let mut seen = Seen::default();
            let mut look = || {
                for (name, bytes) in finished(&folder) {
                    if !before.iter().any(|(known, _)| *known == name) {
                        seen.1 = seen.1.max(bytes);
                        seen.0.insert(name);
                    }
                }
            };
            while !of_thread.load(Ordering::Relaxed) {
                std::thread::sleep(LOOK);
                look();
            }
            seen
        })?;
        Ok(Self {
            pid,
            begun: (Instant::now(), times(pid)),
            stop,
            thread: Some(thread),
        })
    }

    fn end(mut self) -> Watched {
        let busy = busy(self.begun, times(self.pid));
        self.stop.store(true, Ordering::Relaxed);
        // A panic of the thread has been printed; the numbers show it too.
        let seen = self.thread.take().and_then(|thread| thread.join().ok());
        let (names, bytes) = seen.unwrap_or_default();
        Watched {
            taken: names.len(),
            busy,
            bytes,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The snapshots in a folder, with their lengths. One that is being written has another name.
fn finished(folder: &Path) -> Vec<(PathBuf, u64)> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let snapshot = files.filter(|file| file.path().extension().is_some_and(|it| it == "snapshot"));
    let length = |file: std::fs::DirEntry| Some((file.path(), file.metadata().ok()?.len()));
    snapshot.filter_map(length).collect()
}

fn times(pid: u32) -> ThreadTimes {
    // Where it is not known, nothing is shown.
    thread_times(pid, THREAD).unwrap_or_default()
}

fn busy((begun, before): (Instant, ThreadTimes), now: ThreadTimes) -> f64 {
    let time = |it: ThreadTimes| it.running_ns + it.waiting_ns;
    let worked = time(now).saturating_sub(time(before));
    worked as f64 / (begun.elapsed().as_nanos() as f64).max(1.0)
}

/// Waits until the server takes no snapshot, for a bounded time.
fn await_calm(server: &Host) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let before = (Instant::now(), times(server.own.pid()));
        // Longer than the thread sleeps while nothing is due.
        std::thread::sleep(10 * LOOK);
        if busy(before, times(server.own.pid())) < CALM {
            return;
        }
    }
}

/// Fills the book of the tenant whose orders rest. Gives how many do.
fn fill(config: &JournalConfig, server: &Host) -> Result<u64, JournalError> {
    let mut load = config.load(
        server,
        1,
        Pacing::Closed {
            outstanding: OUTSTANDING,
        },
    );
    load.keys = vec![server.resting.clone()];
    load.profile.resting = config.resting;
    load.mix = Some(ORDERS);
    load.warmup = Duration::ZERO;
    load.duration = None;
    load.leave_orders = true;
    let failed = |error| JournalError::Turn {
        turn: "orders that rest".to_owned(),
        error,
    };
    let wanted = (f64::from(config.resting) * ENTER) as u64;
    let deadline = Instant::now() + PATIENCE;
    let handle = start(load).map_err(failed)?;
    while handle.counts().sent < wanted && !handle.is_finished() && Instant::now() < deadline {
        std::thread::sleep(LOOK / 10);
    }
    let report = handle.stop().map_err(failed)?;
    if let Some(sample) = report.verified.faults.samples().first() {
        return Err(JournalError::Config(format!(
            "orders that should rest: BROKEN: {sample}"
        )));
    }
    Ok(report.verified.open_orders)
}

/// A turn without snapshots and one with them. Gives what was seen of the latter.
fn pair(
    config: &JournalConfig,
    servers: &[Host; 2],
    pairs: &mut Pairs,
    name: &str,
    pacing: Pacing,
    turns: &mut Turns<'_>,
) -> Result<Watched, JournalError> {
    let [without, with] = servers;
    let load = config.load(without, config.connections, pacing);
    turns.take(pairs, Side::Base, &format!("{name} without"), load)?;
    let load = config.load(with, config.connections, pacing);
    let watch = Watch::begin(with)?;
    turns.take(pairs, Side::Other, &format!("{name} with"), load)?;
    let watched = watch.end();
    turns.tell(&format!("{name}: waits for the last snapshot"));
    await_calm(with);
    Ok(watched)
}

/// The same load without and with snapshots, in turns: as fast as the server answers, then by the clock.
pub(super) fn measure(
    config: &JournalConfig,
    commit: Commit,
    turns: &mut Turns<'_>,
) -> Result<SnapshotsFound, JournalError> {
    let start = |snapshots| {
        let terms = Terms {
            durability: Durability::Local,
            commit,
            segment_bytes: Some(config.segment_bytes),
            snapshots,
        };
        Host::start(&config.program, &config.data, &terms)
    };
    let servers = [start(false)?, start(true)?];
    let mut found = SnapshotsFound::default();
    for (server, resting) in servers.iter().zip(&mut found.resting) {
        turns.tell("orders that rest");
        *resting = fill(config, server)?;
        await_calm(server);
    }
    let pacing = Pacing::Closed {
        outstanding: OUTSTANDING,
    };
    for round in 1..=config.rounds {
        let name = format!("snapshots {round}/{}", config.rounds);
        let pairs = &mut found.closed;
        let watched = pair(config, &servers, pairs, &name, pacing, turns)?;
        found.closed_watched.push(watched);
    }
    found.rate = RATE_PART * found.closed.medians(|turn| turn.rate).0.median;
    let pacing = Pacing::Open {
        rate: found.rate.max(1.0),
        arrivals: Arrivals::Poisson,
    };
    for round in 1..=config.rounds {
        let name = format!("snapshots by the clock {round}/{}", config.rounds);
        let pairs = &mut found.open;
        let watched = pair(config, &servers, pairs, &name, pacing, turns)?;
        found.open_watched.push(watched);
    }
    for server in servers {
        server.own.stop()?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Percentiles;
    use crate::turns::Figures;

    const fn watched(taken: usize, busy: f64) -> Watched {
        Watched {
            taken,
            busy,
            bytes: 0,
        }
    }

    #[test]
    fn turns_show_something_when_snapshots_were_taken_during_most_of_each() {
        assert!(shows(&[watched(1, 0.6), watched(9, 1.0)]));
        assert!(!shows(&[watched(1, 0.6), watched(0, 1.0)]));
        assert!(!shows(&[watched(1, 0.6), watched(3, 0.4)]));
        assert!(!shows(&[]));
    }

    /// Rounds by the clock with these 99.9th percentiles without and with snapshots.
    fn rounds(rounds: &[(u64, u64)]) -> SnapshotsFound {
        let turn = |p99_9| Figures {
            latency: Percentiles {
                p99_9,
                ..Percentiles::default()
            },
            ..Figures::default()
        };
        SnapshotsFound {
            open: Pairs {
                base: rounds.iter().map(|(without, _)| turn(*without)).collect(),
                other: rounds.iter().map(|(_, with)| turn(*with)).collect(),
                ..Pairs::default()
            },
            open_watched: vec![watched(1, 0.9); rounds.len()],
            ..SnapshotsFound::default()
        }
    }

    #[test]
    fn the_difference_of_the_slowest_is_taken_round_by_round() {
        let later = rounds(&[(1_000, 1_500), (2_000, 1_900), (3_000, 5_000)]).later_ns();
        assert_eq!(
            (later.min, later.median, later.max),
            (-100.0, 500.0, 2_000.0)
        );
    }

    #[test]
    fn a_difference_that_is_less_than_the_noise_is_not_shown() {
        let late = |found: &SnapshotsFound| found.is_late_at_most(1_000.0);
        let calm = rounds(&[(3_000, 3_400), (3_100, 3_200), (3_300, 5_300)]);
        assert_eq!(late(&calm), Some(true));
        assert_eq!(
            late(&rounds(&[(3_000, 4_400), (3_100, 4_200)])),
            Some(false)
        );
        assert_eq!(late(&rounds(&[(3_000, 3_100), (5_000, 3_000)])), None);
        // However much the turns differ, all are late.
        assert_eq!(
            late(&rounds(&[(3_000, 9_000), (5_000, 8_000)])),
            Some(false)
        );
        let mut behind = calm.clone();
        behind.open.base[1].rate_missed = true;
        assert_eq!(late(&behind), None);
        let mut idle = calm;
        idle.open_watched[2].taken = 0;
        assert_eq!(late(&idle), None);
    }
}
