//! The only place that asks what time it is. Everything else is told.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970-01-01 UTC, by the system's clock. 0 if that clock is before 1970.
#[must_use]
pub fn wall_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |elapsed| elapsed.as_nanos() as u64)
}

/// A moment of the monotonic clock.
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// A moment of the clock that also counts while the system is suspended, in nanoseconds since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// The moment that comes `span` later.
    #[must_use]
    pub const fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.as_nanos() as u64))
    }

    /// How long ago `earlier` was at this moment; nothing if it comes later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Now, on `CLOCK_BOOTTIME`: the monotonic clock of the standard library stands still while the system is suspended, and a
/// lease does not.
#[must_use]
pub fn boottime() -> Moment {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Moment(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}

/// Says when something that happens often is due to be told of.
#[derive(Debug)]
pub struct Seldom {
    every: Duration,
    last: Option<Moment>,
}

impl Seldom {
    /// Due at once, and then again after `every`.
    #[must_use]
    pub const fn new(every: Duration) -> Self {
        Self { every, last: None }
    }

    /// Whether it is due at `now`; if so, it is told.
    pub fn is_due(&mut self, now: Moment) -> bool {
        let due = self.last.is_none_or(|last| now.since(last) >= self.every);
        if due {
            self.last = Some(now);
        }
        due
    }
}
