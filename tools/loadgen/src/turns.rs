//! Two states that are measured in turns by the same load: a base, and what is compared with it.

use crate::facts::processor_time_ns;
use crate::load::{LoadConfig, LoadError, Pacing, start};
use crate::stats::Percentiles;

/// Something asked of the state that is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// Median at most this many times the base's.
    P50Ratio(f64),
    /// 99th percentile at most this many times the base's.
    P99Ratio(f64),
    /// At least this part of the base's messages per second.
    RateRatio(f64),
    /// At least this many messages per second.
    Rate(f64),
    /// At most this much of the server's processor time for each message, in nanoseconds.
    ServerTime(f64),
}

impl Goal {
    /// The goal in words; `base` is what the base is called.
    #[must_use]
    pub fn text(self, base: &str) -> String {
        match self {
            Self::P50Ratio(most) => format!("p50 <= {most} x {base}"),
            Self::P99Ratio(most) => format!("p99 <= {most} x {base}"),
            Self::RateRatio(least) => format!("messages/s >= {least} x {base}"),
            Self::Rate(least) => format!("messages/s >= {least:.0}"),
            Self::ServerTime(most) => format!("server ns/message <= {most}"),
        }
    }

    fn is_met_by(self, found: f64) -> bool {
        match self {
            Self::P50Ratio(most) | Self::P99Ratio(most) | Self::ServerTime(most) => found <= most,
            Self::RateRatio(least) | Self::Rate(least) => found >= least,
        }
    }
}

/// A goal and what came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The goal.
    pub goal: Goal,
    /// The figure that was asked for; `None` when it was not measured.
    pub found: Option<f64>,
    /// Whether it was met.
    pub hit: bool,
}

/// One run's figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Figures {
    /// Response time in an open loop, service time in a closed one.
    pub latency: Percentiles,
    /// Answered messages per second.
    pub rate: f64,
    /// Processor time for each message at the other end, in nanoseconds; 0 when not known.
    pub server_ns: f64,
    /// Processor time of the driver for each message, in nanoseconds.
    pub driver_ns: f64,
    /// Messages that were answered, warm-up included.
    pub messages: u64,
    /// Bytes of each of them on the wire.
    pub message_bytes: f64,
    /// Whether the rate of an open loop was not kept, so that its latencies say little.
    pub rate_missed: bool,
}

/// Several values of one figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Of some values; 0 when there are none.
    #[must_use]
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.collect();
        values.sort_by(f64::total_cmp);
        let count = values.len();
        if count == 0 {
            return Self::default();
        }
        Self {
            median: (values[(count - 1) / 2] + values[count / 2]) / 2.0,
            min: values[0],
            max: values[count - 1],
        }
    }
}

/// Which of the two states a turn is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What is compared with.
    Base,
    /// What is compared.
    Other,
}

/// The turns of both states: equally many, in pairs.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    /// The base's turns.
    pub base: Vec<Figures>,
    /// The other's turns.
    pub other: Vec<Figures>,
    /// Rates that were not kept, refusals, and broken promises, in words.
    pub remarks: Vec<String>,
    /// Promises that the server broke.
    pub faults: u64,
}

impl Pairs {
    /// Runs a load once, takes what came of it, and gives it. `name` says in remarks which turn it was, `server_pid` whose processor time
    /// counts.
    ///
    /// # Errors
    /// When the run could not be made.
    pub fn take_turn(
        &mut self,
        side: Side,
        name: &str,
        load: LoadConfig,
        server_pid: Option<u32>,
    ) -> Result<Figures, LoadError> {
        let used = || server_pid.and_then(processor_time_ns);
        let before = used();
        let report = start(load)?.wait()?;
        let server_ns = used().zip(before).map(|(now, then)| now - then);
        let histogram = match report.config.pacing {
            Pacing::Open { .. } => &report.latency.response,
            Pacing::Closed { .. } => &report.latency.service,
        };
        let figures = Figures {
            latency: Percentiles::of(histogram),
            rate: report.achieved_rate(),
            server_ns: server_ns.map_or(0.0, |ns| ns as f64 / report.tally.answered.max(1) as f64),
            driver_ns: report.driver_ns_per_message() as f64,
            messages: report.tally.answered,
            message_bytes: report.tally.bytes_out as f64 / report.tally.sent.max(1) as f64,
            rate_missed: report.missed_rate().is_some(),
        };
        let mut remark = |text: String| self.remarks.push(format!("{name}: {text}"));
        if let Some(why) = report.missed_rate() {
            remark(format!("the rate was not kept: {why}"));
        }
        for (code, count) in report.tally.refused.iter() {
            remark(format!("{count} not applied: {code}"));
        }
        for (code, count) in report.tally.rejected.iter() {
            remark(format!("{count} rejected: {code}"));
        }
        if let Some(hint) = report.hint() {
            remark(hint.to_owned());
        }
        for sample in report.verified.faults.samples() {
            remark(format!("BROKEN: {sample}"));
        }
        self.faults += report.verified.faults.total();
        match side {
            Side::Base => self.base.push(figures),
            Side::Other => self.other.push(figures),
        }
        Ok(figures)
    }

    /// The median of a figure of the base and of the other.
    #[must_use]
    pub fn medians(&self, figure: impl Fn(&Figures) -> f64) -> (Spread, Spread) {
        (
            Spread::of(self.base.iter().map(&figure)),
            Spread::of(self.other.iter().map(&figure)),
        )
    }

    /// The ratio of a figure, other to base, turn by turn.
    #[must_use]
    pub fn ratio(&self, figure: impl Fn(&Figures) -> f64) -> Spread {
        let pairs = self.base.iter().zip(&self.other);
        Spread::of(pairs.map(|(base, other)| figure(other) / figure(base).max(f64::MIN_POSITIVE)))
    }

    /// What came of each goal.
    #[must_use]
    pub fn outcomes(&self, goals: &[Goal]) -> Vec<Outcome> {
        let outcome = |goal: &Goal| {
            let found = self.found(*goal);
            Outcome {
                goal: *goal,
                found,
                hit: found.is_some_and(|found| goal.is_met_by(found)),
            }
        };
        goals.iter().map(outcome).collect()
    }

    fn found(&self, goal: Goal) -> Option<f64> {
        // A run in which nothing was answered has no latency.
        let is_answered = |figures: &Figures| figures.latency.count > 0;
        let latency = |figure: fn(&Figures) -> f64| {
            let mut turns = self.base.iter().chain(&self.other);
            turns.all(is_answered).then(|| self.ratio(figure).median)
        };
        match goal {
            Goal::P50Ratio(_) => latency(|f| f.latency.p50 as f64),
            Goal::P99Ratio(_) => latency(|f| f.latency.p99 as f64),
            Goal::RateRatio(_) => Some(self.ratio(|f| f.rate).median),
            Goal::Rate(_) => Some(self.medians(|f| f.rate).1.median),
            Goal::ServerTime(_) => {
                let used = self.medians(|f| f.server_ns).1.median;
                (used > 0.0).then_some(used)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(p50: u64, rate: f64) -> Figures {
        Figures {
            latency: Percentiles {
                p50,
                p99: p50 * 2,
                count: 1,
                ..Percentiles::default()
            },
            rate,
            ..Figures::default()
        }
    }

    fn pairs() -> Pairs {
        Pairs {
            base: vec![figures(100, 1e6), figures(110, 1e6), figures(90, 2e6)],
            other: vec![figures(120, 8e5), figures(110, 9e5), figures(900, 1e6)],
            ..Pairs::default()
        }
    }

    #[test]
    fn goals_are_judged_by_the_median_of_the_turns() {
        let outcomes = pairs().outcomes(&[Goal::P50Ratio(1.3), Goal::RateRatio(0.7)]);
        assert_eq!((outcomes[0].found, outcomes[0].hit), (Some(1.2), true));
        assert_eq!((outcomes[1].found, outcomes[1].hit), (Some(0.8), true));
    }

    #[test]
    fn a_goal_that_is_missed_by_a_little_is_missed() {
        let outcomes = pairs().outcomes(&[Goal::P99Ratio(1.19), Goal::RateRatio(0.81)]);
        assert!(outcomes.iter().all(|outcome| !outcome.hit), "{outcomes:?}");
    }

    #[test]
    fn a_run_without_an_answer_misses_every_goal() {
        let mut pairs = pairs();
        pairs.other[1] = Figures::default();
        pairs.other[2] = Figures::default();
        let outcomes = pairs.outcomes(&[
            Goal::P50Ratio(1.3),
            Goal::P99Ratio(1.5),
            Goal::RateRatio(0.7),
        ]);
        assert!(outcomes.iter().all(|outcome| !outcome.hit), "{outcomes:?}");
    }

    #[test]
    fn what_was_not_measured_is_no_hit() {
        let outcomes = pairs().outcomes(&[Goal::Rate(4e6), Goal::ServerTime(200.0)]);
        assert_eq!((outcomes[0].found, outcomes[0].hit), (Some(9e5), false));
        assert_eq!((outcomes[1].found, outcomes[1].hit), (None, false));
    }
}
