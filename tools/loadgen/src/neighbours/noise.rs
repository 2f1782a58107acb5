//! A tenant that offers more than its share, or all that its credits allow, and goes on when it is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::stand_back;
use crate::load::{LoadConfig, start};
use crate::report::LoadReport;
use crate::stats::Codes;
use crate::verify::Fault;

/// How often a session is looked at, which the server may have ended.
const LOOK: Duration = Duration::from_millis(2);
/// How long a session waits that could not log on.
const PAUSE: Duration = Duration::from_millis(20);

/// What became of a noisy tenant's messages.
#[derive(Clone, Debug, Default)]
pub struct NoiseSeen {
    /// Messages sent.
    pub sent: u64,
    /// Of these, those that were applied or rejected by a market.
    pub taken: u64,
    /// Of these, those that were refused before a market saw them.
    pub refused: Codes,
    /// Sessions that the server ended.
    pub ended: u64,
    /// Sessions that could not begin, or whose end failed.
    pub failed: u64,
    /// Why, the first time.
    pub failure: Option<String>,
    /// How long it made noise, in seconds.
    pub seconds: f64,
}

impl NoiseSeen {
    /// Takes over what was seen at the same time.
    fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.taken += other.taken;
        self.refused.merge(&other.refused);
        self.ended += other.ended;
        self.failed += other.failed;
        if self.failure.is_none() {
            self.failure.clone_from(&other.failure);
        }
        self.seconds = self.seconds.max(other.seconds);
    }

    /// Takes over what was seen at another time.
    pub fn append(&mut self, other: &Self) {
        let seconds = self.seconds + other.seconds;
        self.merge(other);
        self.seconds = seconds;
    }

    fn take(&mut self, report: &LoadReport) {
        self.sent += report.tally.sent;
        self.taken += report.tally.answered - report.tally.refused.total();
        self.refused.merge(&report.tally.refused);
        self.ended += report.verified.faults.count(Fault::Ended);
    }

    fn fail(&mut self, error: &dyn std::fmt::Display) {
        self.failed += 1;
        self.failure.get_or_insert_with(|| error.to_string());
    }
}

/// A noisy tenant; it falls silent when dropped.
#[derive(Debug)]
pub(super) struct Noise {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<NoiseSeen>>,
}

impl Noise {
    /// Begins: one thread for each session, which stands back behind every other. A session that ends comes anew.
    pub fn start(sessions: Vec<LoadConfig>) -> std::io::Result<Self> {
        let mut noise = Self {
            stop: Arc::default(),
            threads: Vec::new(),
        };
        for session in sessions {
            let stop = Arc::clone(&noise.stop);
            let thread = std::thread::Builder::new()
                .name("noise".to_owned())
                .spawn(move || {
                    stand_back(session.cores.first().copied());
                    make_noise(&session, &stop)
                })?;
            noise.threads.push(thread);
        }
        Ok(noise)
    }

    /// Falls silent, and gives what became of its messages.
    pub fn stop(mut self) -> NoiseSeen {
        self.stop.store(true, Ordering::Relaxed);
        let mut seen = NoiseSeen::default();
        for thread in self.threads.drain(..) {
            match thread.join() {
                Ok(of_session) => seen.merge(&of_session),
                Err(_) => seen.fail(&"a thread panicked; its messages are on standard error"),
            }
        }
        seen
    }
}

impl Drop for Noise {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn make_noise(session: &LoadConfig, stop: &AtomicBool) -> NoiseSeen {
    let mut seen = NoiseSeen::default();
    let begun = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let load = match start(session.clone()) {
            Ok(load) => load,
            Err(error) => {
                seen.fail(&error);
                std::thread::sleep(PAUSE);
                continue;
            }
        };
        while !load.is_finished() && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK);
        }
        seen.seconds = begun.elapsed().as_secs_f64();
        match load.stop() {
            Ok(report) => seen.take(&report),
            Err(error) => seen.fail(&error),
        }
    }
    seen
}
