//! Clocks: processor time for long runs, ticks of the time stamp counter for single commands.

use std::time::{Duration, Instant};

/// Processor time that this thread has used. A run that never waits takes the same of it whether
/// the machine is shared or not, apart from caches that others empty.
#[cfg(unix)]
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the clock exists on every supported Unix, and `time` is ours to write.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(done, 0, "the clock of the thread can be read");
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Time since the first call, where threads have no clock.
#[cfg(not(unix))]
pub fn cpu_time() -> Duration {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// Measures something that happens between [`Meter::start`] and [`Meter::stop`].
pub trait Meter {
    /// Before it.
    fn start(&mut self) -> u64;
    /// After it, with what `start` returned and how many executions it led to.
    fn stop(&mut self, start: u64, trades: u64);
}

/// Measures nothing and costs nothing.
impl Meter for () {
    #[inline]
    fn start(&mut self) -> u64 {
        0
    }

    #[inline]
    fn stop(&mut self, _: u64, _: u64) {}
}

/// Counts how often each duration was seen, in ticks.
pub struct Histogram {
    counts: Vec<u32>,
    longer: Vec<u64>,
    trades_max: u64,
    overhead: u64,
    nanos_per_tick: f64,
}

/// Durations below this many ticks are counted one by one, longer ones are kept in a list.
const TICKS_COUNTED: usize = 1 << 16;

impl Meter for Histogram {
    #[inline]
    fn start(&mut self) -> u64 {
        ticks_before()
    }

    #[inline]
    fn stop(&mut self, start: u64, trades: u64) {
        let ticks = ticks_after()
            .saturating_sub(start)
            .saturating_sub(self.overhead);
        if trades > self.trades_max {
            return;
        }
        match self.counts.get_mut(ticks as usize) {
            Some(count) => *count += 1,
            None => self.longer.push(ticks),
        }
    }
}

impl Histogram {
    /// An empty histogram of the commands with at most `trades_max` executions. Finds out what a measurement itself costs, to leave it out of every
    /// duration, and how long a tick is.
    pub fn new(trades_max: u64) -> Self {
        let counts = vec![0; TICKS_COUNTED];
        let mut empty = Self {
            counts,
            longer: Vec::new(),
            trades_max,
            overhead: 0,
            nanos_per_tick: nanos_per_tick(),
        };
        for _ in 0..100_000 {
            let start = empty.start();
            empty.stop(start, 0);
        }
        let overhead = empty.ticks_at(500);
        let counts = vec![0; TICKS_COUNTED];
        Self {
            counts,
            longer: Vec::with_capacity(1 << 16),
            overhead,
            ..empty
        }
    }

    /// The duration in nanoseconds that `per_mille` of a thousand do not exceed; 1000 is the longest.
    pub fn nanos_at(&self, per_mille: u64) -> f64 {
        self.ticks_at(per_mille) as f64 * self.nanos_per_tick
    }

    /// What was left out of every duration, in nanoseconds.
    pub fn overhead_nanos(&self) -> f64 {
        self.overhead as f64 * self.nanos_per_tick
    }

    fn ticks_at(&self, per_mille: u64) -> u64 {
        let counted: u64 = self.counts.iter().map(|&count| u64::from(count)).sum();
        let all = counted + self.longer.len() as u64;
        let rank = (all * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (ticks, &count) in self.counts.iter().enumerate() {
            seen += u64::from(count);
            if seen >= rank {
                return ticks as u64;
            }
        }
        let mut longer = self.longer.clone();
        longer.sort_unstable();
        longer[(rank - seen - 1) as usize]
    }
}

fn nanos_per_tick() -> f64 {
    let (instant, start) = (Instant::now(), ticks_before());
    while instant.elapsed() < Duration::from_millis(50) {
        std::hint::spin_loop();
    }
    let ticks = ticks_after() - start;
    instant.elapsed().as_nanos() as f64 / ticks as f64
}

/// The counter, read after everything before it is done and before anything behind it starts.
#[cfg(target_arch = "x86_64")]
#[inline]
fn ticks_before() -> u64 {
    use core::arch::x86_64::{_mm_lfence, _rdtsc};
    // SAFETY: every x86-64 processor has both instructions, and they touch no memory.
    unsafe {
        _mm_lfence();
        let ticks = _rdtsc();
        _mm_lfence();
        ticks
    }
}

/// The counter, read after everything before it is done.
#[cfg(target_arch = "x86_64")]
#[inline]
fn ticks_after() -> u64 {
    ticks_before()
}

#[cfg(not(target_arch = "x86_64"))]
fn ticks_before() -> u64 {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

#[cfg(not(target_arch = "x86_64"))]
fn ticks_after() -> u64 {
    ticks_before()
}
