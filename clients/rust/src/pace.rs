//! Keeps a session to the rates the server told at logon, so that it need not refuse. Time is an
//! argument.

use std::time::{Duration, Instant};

/// A rate with a burst.
#[derive(Debug)]
struct Pace {
    /// What one costs.
    each: Duration,
    /// How far ahead of its time the session may be.
    ahead_max: Duration,
    /// When everything taken so far would be due at the rate.
    due: Option<Instant>,
}

impl Pace {
    fn new(rate: u32, burst: u32) -> Self {
        let each = Duration::from_secs(1) / rate.max(1);
        Self {
            each,
            ahead_max: each.saturating_mul(burst.max(1)),
            due: None,
        }
    }

    /// Takes `count`, or says when they may be taken. More than the burst may be taken when
    /// nothing else was for long enough.
    fn take(&mut self, count: u32, now: Instant) -> Result<(), Instant> {
        let begin = self.due.map_or(now, |due| due.max(now));
        let cost = self.each.saturating_mul(count);
        let ahead_max = self.ahead_max.max(cost);
        let due = begin + cost;
        if due > now + ahead_max {
            return Err(due - ahead_max);
        }
        self.due = Some(due);
        Ok(())
    }
}

/// The rates of a session.
#[derive(Debug)]
pub(crate) struct Paces {
    orders: Pace,
    cancels: Pace,
}

/// What a message counts as for the rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// This many orders, replaces or requests.
    Orders(u32),
    /// This many cancels.
    Cancels(u32),
}

/// Rate and burst of orders, rate and burst of cancels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) orders: (u32, u32),
    pub(crate) cancels: (u32, u32),
}

impl Paces {
    pub(crate) fn new(rates: Rates) -> Self {
        Self {
            orders: Pace::new(rates.orders.0, rates.orders.1),
            cancels: Pace::new(rates.cancels.0, rates.cancels.1),
        }
    }

    /// Takes a message, or says when it may be sent.
    pub(crate) fn take(&mut self, load: Load, now: Instant) -> Result<(), Instant> {
        match load {
            Load::Orders(count) => self.orders.take(count, now),
            Load::Cancels(count) => self.cancels.take(count, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_at_once_and_the_rest_at_the_rate() {
        let start = Instant::now();
        let mut pace = Pace::new(1_000, 5);
        let mut taken_at = |now: Instant| (0..10).filter(|_| pace.take(1, now).is_ok()).count();
        assert_eq!(taken_at(start), 5);
        assert_eq!(taken_at(start + Duration::from_millis(3)), 3);
        assert_eq!(taken_at(start + Duration::from_secs(9)), 5);
    }

    #[test]
    fn it_says_when_the_next_may_be_sent() {
        let start = Instant::now();
        let mut pace = Pace::new(100, 1);
        assert_eq!(pace.take(1, start), Ok(()));
        assert_eq!(pace.take(1, start), Err(start + Duration::from_millis(10)));
    }

    #[test]
    fn a_batch_larger_than_the_burst_passes_when_its_time_has_come() {
        let start = Instant::now();
        let mut pace = Pace::new(1_000, 5);
        assert_eq!(pace.take(8, start), Ok(()));
        assert_eq!(pace.take(8, start), Err(start + Duration::from_millis(8)));
    }
}
