//! When commands are due. The clock decides, never the answers.

use std::time::Duration;

use crate::model::Model;
use crate::rng::Rng;

/// The shape of arrivals in an open loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// Independent of each other: exponential gaps.
    Poisson,
    /// At equal distances.
    Fixed,
    /// Several at one time, as many as the profile's bursts have, and exponential gaps between.
    Bursty,
}

/// The due times of one connection, in nanoseconds of the run's clock.
#[derive(Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    /// Mean gap between two commands.
    gap_ns: f64,
    /// When the next command is due, exactly; rounding must not add up.
    due_ns: f64,
    /// Commands of the present burst that are still due at the same time.
    burst_left: u16,
}

impl Schedule {
    /// `rate` commands per second from `start_ns` on.
    #[must_use]
    pub fn new(arrivals: Arrivals, rate: f64, start_ns: u64, rng: &mut Rng) -> Self {
        assert!(rate > 0.0, "a rate is positive: {rate}");
        let gap_ns = Duration::from_secs(1).as_nanos() as f64 / rate;
        // Connections begin at different points of their first gap, or all would send at once.
        let due_ns = start_ns as f64 + gap_ns * rng.unit();
        Self {
            arrivals,
            gap_ns,
            due_ns,
            burst_left: 0,
        }
    }

    /// When the next command is due.
    #[inline]
    #[must_use]
    pub fn due(&self) -> u64 {
        self.due_ns as u64
    }

    /// Commands that were due before `now` and were not taken; their mean number when gaps are
    /// random.
    #[must_use]
    pub fn overdue(&self, now: u64) -> u64 {
        ((now as f64 - self.due_ns).max(0.0) / self.gap_ns) as u64
    }

    /// The next command was taken; plans the one after it.
    #[inline]
    pub fn advance(&mut self, model: &Model, rng: &mut Rng) {
        match self.arrivals {
            Arrivals::Fixed => self.due_ns += self.gap_ns,
            Arrivals::Poisson => self.due_ns += -rng.unit().ln() * self.gap_ns,
            Arrivals::Bursty if self.burst_left > 0 => self.burst_left -= 1,
            Arrivals::Bursty => {
                self.due_ns += -rng.unit().ln() * self.gap_ns * model.burst_mean();
                self.burst_left = model.burst(rng) - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::profile::profile;

    fn dues(arrivals: Arrivals, count: usize) -> Vec<u64> {
        let model = Model::new(profile("futures").unwrap(), None);
        let mut rng = Rng::new(9, 0);
        let mut schedule = Schedule::new(arrivals, 100_000.0, 0, &mut rng);
        (0..count)
            .map(|_| {
                let due = schedule.due();
                schedule.advance(&model, &mut rng);
                due
            })
            .collect()
    }

    #[test]
    fn every_shape_keeps_the_rate() {
        for arrivals in [Arrivals::Poisson, Arrivals::Fixed, Arrivals::Bursty] {
            let dues = dues(arrivals, 400_000);
            let rate = dues.len() as f64 / (*dues.last().unwrap() as f64 / 1e9);
            assert!(
                (rate / 100_000.0 - 1.0).abs() < 0.03,
                "{arrivals:?}: {rate}"
            );
        }
    }

    #[test]
    fn poisson_gaps_are_exponential() {
        let dues = dues(Arrivals::Poisson, 200_000);
        let mut gaps: Vec<_> = dues.windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.sort_unstable();
        let median = gaps[gaps.len() / 2] as f64;
        let p99 = gaps[gaps.len() / 100 * 99] as f64;
        assert!(
            (median / (10_000.0 * 2f64.ln()) - 1.0).abs() < 0.03,
            "{median}"
        );
        assert!((p99 / (10_000.0 * 100f64.ln()) - 1.0).abs() < 0.05, "{p99}");
    }

    #[test]
    fn bursts_come_at_one_time() {
        let dues = dues(Arrivals::Bursty, 200_000);
        let together = dues.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(together > 50_000, "{together}");
    }
}
