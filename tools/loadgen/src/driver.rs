//! A driver thread: writes what is due, reads what is there, sleeps when there is neither.
//!
//! Owns its connections, streams and histograms alone. Must never: print, allocate per message,
//! or wait for another thread.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::lane::Lane;
use crate::stats::{Latency, Tally};
use crate::stream::{Common, MarketView};

/// How a driver thread waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// Sleeps until something is there or due.
    Park,
    /// Sleeps while the next message is far, and asks again and again while it is near.
    Near,
    /// Never sleeps: wants a core of its own.
    Spin,
}

/// The next message is near when it is due within this time. About what falling asleep and waking
/// up costs.
const NEAR_NS: u64 = 50_000;
/// The longest sleep, so that stop and snapshot requests are seen.
const SLEEP_MAX_NS: u64 = 10_000_000;
/// How often a thread publishes its numbers and looks at requests.
const PUBLISH_NS: u64 = 5_000_000;
/// How long answers are waited for at the end.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The clock of a run: nanoseconds since it began.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Starts at 1, so that 0 stays "never".
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Now.
    #[inline]
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64 + 1
    }
}

/// What a driver thread shows to others while it runs.
#[derive(Debug, Default)]
pub struct Published {
    /// Messages sent.
    pub sent: AtomicU64,
    /// Messages answered.
    pub answered: AtomicU64,
    /// Executions.
    pub trades: AtomicU64,
    /// Messages not applied.
    pub refused: AtomicU64,
    /// Whether a copy of the latencies is wanted.
    pub latency_wanted: AtomicBool,
    /// The copy.
    pub latency: Mutex<Option<Latency>>,
}

/// What ends a run.
#[derive(Debug)]
pub struct Control {
    /// The run's clock.
    pub clock: Clock,
    /// No message is made from this time on; `u64::MAX` until it is known.
    pub stop_at: AtomicU64,
}

/// A driver thread's work.
#[derive(Debug)]
pub struct Driver {
    /// Its connections.
    pub lanes: Vec<Lane>,
    /// The markets its connections trade in.
    pub views: Vec<MarketView>,
    /// What its streams share.
    pub common: Common,
    /// How it waits.
    pub wait: Wait,
    /// What ends it.
    pub control: Arc<Control>,
    /// What it shows.
    pub published: Arc<Published>,
    /// Processor time that its thread used, in nanoseconds, once it has ended.
    pub used_ns: u64,
}

impl Driver {
    /// Runs until the control says stop and everything is answered, or is not within
    /// [`DRAIN_TIMEOUT`].
    #[must_use]
    pub fn run(mut self) -> Self {
        let clock = self.control.clock;
        let mut next_publish = 0;
        loop {
            let now = clock.now();
            let stop_at = self.control.stop_at.load(Ordering::Relaxed);
            let stopping = now >= stop_at;
            let all_ended = self.lanes.iter().all(Lane::ended);
            if all_ended || (stopping && self.finished(now, stop_at)) {
                break;
            }
            if now >= next_publish {
                self.publish();
                next_publish = now + PUBLISH_NS;
                for lane in &mut self.lanes {
                    lane.keep_alive(now);
                }
            }
            if !self.turn(clock, stopping) {
                self.sleep(clock, stopping, next_publish);
            }
        }
        self.publish();
        self.common.latency.close();
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        self.used_ns = used.tv_sec as u64 * 1_000_000_000 + used.tv_nsec as u64;
        self
    }

    /// Takes the reports that are still on their way: those of executions whose takers, of
    /// another thread or connection, had their answers already. Called when no thread sends any
    /// more.
    pub fn settle(&mut self) {
        let clock = self.control.clock;
        let deadline = clock.now() + DRAIN_TIMEOUT.as_nanos() as u64;
        for lane in &mut self.lanes {
            lane.ask_standing();
        }
        while clock.now() < deadline && !self.lanes.iter().all(Lane::is_settled) {
            if !self.turn(clock, true) {
                self.sleep(clock, true, u64::MAX);
            }
        }
        for lane in &self.lanes {
            lane.note_loose_ends(&mut self.common.faults);
        }
    }

    /// One turn of work on every connection. Gives whether there was any.
    #[inline]
    fn turn(&mut self, clock: Clock, stopping: bool) -> bool {
        let Self {
            lanes,
            views,
            common,
            ..
        } = self;
        let mut worked = false;
        for lane in lanes {
            let now = clock.now();
            if !stopping {
                worked |= lane.fill(common, views, now);
            }
            worked |= lane.flush(common, now);
            worked |= lane.receive(common, views, || clock.now());
        }
        worked
    }

    fn finished(&self, now: u64, stop_at: u64) -> bool {
        let late = now - stop_at > DRAIN_TIMEOUT.as_nanos() as u64;
        late || self
            .lanes
            .iter()
            .all(|lane| lane.ended() || lane.waiting() == 0)
    }

    /// Waits until a socket has something, a message is due, or it is time to publish.
    fn sleep(&self, clock: Clock, stopping: bool, next_publish: u64) {
        if self.wait == Wait::Spin {
            return;
        }
        let now = clock.now();
        let due = self.lanes.iter().filter_map(Lane::due).min();
        let due = if stopping { None } else { due };
        if self.wait == Wait::Near && due.is_some_and(|due| due < now + NEAR_NS) {
            return;
        }
        let until = due.unwrap_or(u64::MAX).min(next_publish);
        let sleep = until.saturating_sub(now).min(SLEEP_MAX_NS);
        let mut fds: Vec<_> = self
            .lanes
            .iter()
            .filter(|lane| !lane.ended())
            .map(poll_fd)
            .collect();
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: sleep as _,
        };
        // An interrupted wait is a short wait; any other failure shows at the next read.
        let _ = poll(&mut fds, Some(&timeout));
    }

    fn publish(&self) {
        let (shown, tally) = (&self.published, &self.common.tally);
        shown.sent.store(tally.sent, Ordering::Relaxed);
        shown.answered.store(tally.answered, Ordering::Relaxed);
        shown.trades.store(tally.trades, Ordering::Relaxed);
        shown
            .refused
            .store(tally.refused.total(), Ordering::Relaxed);
        if shown.latency_wanted.swap(false, Ordering::Relaxed) {
            let mut copy = shown.latency.lock().unwrap_or_else(PoisonError::into_inner);
            *copy = Some(self.common.latency.clone());
        }
    }

    /// What was counted.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.common.tally
    }
}

fn poll_fd(lane: &Lane) -> PollFd<'_> {
    let mut flags = PollFlags::IN;
    if lane.has_output() {
        flags |= PollFlags::OUT;
    }
    PollFd::new(lane.socket(), flags)
}

/// Tells the kernel to wake this thread on time, and puts it on a core when one is given.
pub fn prepare_thread(core: Option<usize>) -> rustix::io::Result<()> {
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))?;
    if let Some(core) = core {
        let mut set = rustix::thread::CpuSet::new();
        set.set(core);
        rustix::thread::sched_setaffinity(None, &set)?;
    }
    Ok(())
}
