//! The only place that asks what time it is. Everything else is told.

use std::sync::LazyLock;
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

/// Since when stamps count: an hour before the first is asked for, so that no stamp is none.
static STAMPS_SINCE: LazyLock<Instant> = LazyLock::new(|| {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(3_600)).unwrap_or(now)
});

/// A moment of the monotonic clock in eight bytes, for times of stages within this process; or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp(u64);

impl Stamp {
    /// No moment: nobody looked at the clock.
    pub const NONE: Self = Self(0);

    /// The moment so many nanoseconds after stamps begin to count.
    #[must_use]
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// The stamp of a moment of the monotonic clock.
    #[must_use]
    pub fn of(moment: Instant) -> Self {
        Self(moment.saturating_duration_since(*STAMPS_SINCE).as_nanos() as u64)
    }

    /// Nanoseconds since `earlier`; nothing if one of them is none.
    #[inline]
    #[must_use]
    pub const fn since(self, earlier: Self) -> Option<u64> {
        if self.0 == 0 || earlier.0 == 0 {
            return None;
        }
        Some(self.0.saturating_sub(earlier.0))
    }
}

/// Now, as a stamp.
#[must_use]
pub fn stamp() -> Stamp {
    Stamp::of(Instant::now())
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
