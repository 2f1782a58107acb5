//! Keeps a session to its rates, so that the server need not refuse.

use std::time::{Duration, Instant};

/// A rate with a burst. Time is an argument.
#[derive(Debug)]
pub(crate) struct Pace {
    /// What one costs.
    each: Duration,
    /// How far ahead of its time the session may be.
    ahead_max: Duration,
    /// When everything taken so far would be due at the rate.
    due: Instant,
}

impl Pace {
    /// `rate` in a second, `burst` at once, as the logon acknowledgement says.
    pub(crate) fn new(rate: u32, burst: u32, now: Instant) -> Self {
        let each = Duration::from_secs(1) / rate.max(1);
        Self {
            each,
            // A batch of two must pass sometime.
            ahead_max: each.saturating_mul(burst.max(2)),
            due: now,
        }
    }

    /// Takes `count`, if the rate allows it now.
    pub(crate) fn take(&mut self, count: u32, now: Instant) -> bool {
        let due = self.due.max(now) + self.each.saturating_mul(count);
        let allowed = due.duration_since(now) <= self.ahead_max;
        if allowed {
            self.due = due;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_at_once_and_the_rest_at_the_rate() {
        let start = Instant::now();
        let mut pace = Pace::new(1_000, 5, start);
        assert_eq!((0..10).filter(|_| pace.take(1, start)).count(), 5);
        let later = start + Duration::from_millis(3);
        assert_eq!((0..10).filter(|_| pace.take(1, later)).count(), 3);
        let much_later = start + Duration::from_secs(9);
        assert_eq!((0..10).filter(|_| pace.take(1, much_later)).count(), 5);
    }
}
