//! The only place that asks what time it is. Everything else is told.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

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
