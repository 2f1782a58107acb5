//! A server against an echo of the same frames: same machine, same driver, same shapes, in turns.

use std::time::Duration;

use crate::echo::EchoServer;
use crate::facts::processor_time_ns;
use crate::load::{LoadConfig, LoadError, Pacing, Target, start};
use crate::report::LoadReport;
use crate::schedule::Arrivals;
use crate::stats::Percentiles;

/// A way of loading: how many connections, and when they send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Its name.
    pub name: &'static str,
    /// Connections.
    pub connections: usize,
    /// When they send.
    pub pacing: Pacing,
    /// What is asked of the server.
    pub goals: &'static [Goal],
}

/// Something asked of the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// Median at most this many times the echo's.
    P50Ratio(f64),
    /// 99th percentile at most this many times the echo's.
    P99Ratio(f64),
    /// At least this part of the echo's messages per second.
    RateRatio(f64),
    /// At least this many messages per second.
    Rate(f64),
    /// At most this much of the server's processor time for each message, in nanoseconds.
    ServerTime(f64),
}

const fn open(name: &'static str, rate: f64) -> Shape {
    Shape {
        name,
        connections: 4,
        pacing: Pacing::Open {
            rate,
            arrivals: Arrivals::Poisson,
        },
        goals: &[Goal::P50Ratio(1.5), Goal::P99Ratio(2.0)],
    }
}

const fn closed(
    name: &'static str,
    connections: usize,
    outstanding: u32,
    goals: &'static [Goal],
) -> Shape {
    Shape {
        name,
        connections,
        pacing: Pacing::Closed { outstanding },
        goals,
    }
}

/// The shapes with what is asked of them.
pub const SHAPES: [Shape; 6] = [
    closed("1x1", 1, 1, &[Goal::P50Ratio(1.3), Goal::P99Ratio(1.5)]),
    closed("4x16", 4, 16, &[Goal::RateRatio(0.7)]),
    closed("4x256", 4, 256, &[Goal::Rate(4e6), Goal::ServerTime(200.0)]),
    open("open-100k", 100_000.0),
    open("open-200k", 200_000.0),
    open("open-400k", 400_000.0),
];

/// A comparison.
#[derive(Clone, Debug)]
pub struct LimitConfig {
    /// How the server is reached, and the workload; connections and pacing come from the shapes.
    pub load: LoadConfig,
    /// The shapes.
    pub shapes: Vec<Shape>,
    /// Turns of each shape.
    pub rounds: usize,
    /// Core of the echo's thread: where the server's would be.
    pub echo_core: Option<usize>,
    /// The server's process, for its processor time.
    pub server_pid: Option<u32>,
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

/// The turns of one shape.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The shape.
    pub shape: Shape,
    /// The echo's turns.
    pub echo: Vec<Figures>,
    /// The server's turns.
    pub server: Vec<Figures>,
    /// Rates that were not kept, and broken promises, in words.
    pub remarks: Vec<String>,
    /// Promises that the server broke.
    pub faults: u64,
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

impl Comparison {
    /// The median of a figure at the echo and at the server.
    #[must_use]
    pub fn medians(&self, figure: impl Fn(&Figures) -> f64) -> (Spread, Spread) {
        (
            Spread::of(self.echo.iter().map(&figure)),
            Spread::of(self.server.iter().map(&figure)),
        )
    }

    /// The ratio of a figure, server to echo, turn by turn.
    #[must_use]
    pub fn ratio(&self, figure: impl Fn(&Figures) -> f64) -> Spread {
        let pairs = self.echo.iter().zip(&self.server);
        Spread::of(pairs.map(|(echo, server)| figure(server) / figure(echo).max(f64::MIN_POSITIVE)))
    }

    /// What came of each goal.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Outcome> {
        let outcome = |goal| {
            let found = self.found(goal);
            Outcome {
                goal,
                found,
                hit: found.is_some_and(|found| goal.is_met_by(found)),
            }
        };
        self.shape.goals.iter().copied().map(outcome).collect()
    }

    fn found(&self, goal: Goal) -> Option<f64> {
        match goal {
            Goal::P50Ratio(_) => Some(self.ratio(|f| f.latency.p50 as f64).median),
            Goal::P99Ratio(_) => Some(self.ratio(|f| f.latency.p99 as f64).median),
            Goal::RateRatio(_) => Some(self.ratio(|f| f.rate).median),
            Goal::Rate(_) => Some(self.medians(|f| f.rate).1.median),
            Goal::ServerTime(_) => {
                let used = self.medians(|f| f.server_ns).1.median;
                (used > 0.0).then_some(used)
            }
        }
    }
}

impl Goal {
    fn is_met_by(self, found: f64) -> bool {
        match self {
            Self::P50Ratio(most) | Self::P99Ratio(most) | Self::ServerTime(most) => found <= most,
            Self::RateRatio(least) | Self::Rate(least) => found >= least,
        }
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::P50Ratio(most) => write!(f, "p50 <= {most} x echo"),
            Self::P99Ratio(most) => write!(f, "p99 <= {most} x echo"),
            Self::RateRatio(least) => write!(f, "messages/s >= {least} x echo"),
            Self::Rate(least) => write!(f, "messages/s >= {least:.0}"),
            Self::ServerTime(most) => write!(f, "server ns/message <= {most}"),
        }
    }
}

/// Compares, shape by shape and turn by turn. `progress` hears of every run before it begins.
///
/// # Errors
/// When a run could not be made.
pub fn compare(
    config: &LimitConfig,
    mut progress: impl FnMut(&str),
) -> Result<Vec<Comparison>, LoadError> {
    let echo = EchoServer::start(config.echo_core)?;
    let mut comparisons = Vec::new();
    for shape in &config.shapes {
        let mut comparison = Comparison {
            shape: *shape,
            echo: Vec::new(),
            server: Vec::new(),
            remarks: Vec::new(),
            faults: 0,
        };
        for round in 1..=config.rounds {
            for target in [Target::Echo, Target::Souk] {
                progress(&format!(
                    "{} {round}/{} {target:?}",
                    shape.name, config.rounds
                ));
                let run = one_run(config, shape, target, &echo)?;
                comparison.take(round, target, run);
            }
        }
        comparisons.push(comparison);
    }
    Ok(comparisons)
}

/// A run, and the processor time that the other end used meanwhile.
struct OneRun {
    report: LoadReport,
    server_ns: Option<u64>,
}

fn one_run(
    config: &LimitConfig,
    shape: &Shape,
    target: Target,
    echo: &EchoServer,
) -> Result<OneRun, LoadError> {
    let mut load = config.load.clone();
    load.target = target;
    load.connections = shape.connections;
    load.threads = load.threads.min(shape.connections);
    load.pacing = shape.pacing;
    if target == Target::Echo {
        load.address = echo.address();
    }
    let used = || match target {
        Target::Souk => config.server_pid.and_then(processor_time_ns),
        Target::Echo => None,
    };
    let before = used();
    let report = start(load)?.wait()?;
    let server_ns = used().zip(before).map(|(now, then)| now - then);
    Ok(OneRun { report, server_ns })
}

impl Comparison {
    fn take(&mut self, round: usize, target: Target, run: OneRun) {
        let report = &run.report;
        let histogram = match self.shape.pacing {
            Pacing::Open { .. } => &report.latency.response,
            Pacing::Closed { .. } => &report.latency.service,
        };
        let figures = Figures {
            latency: Percentiles::of(histogram),
            rate: report.achieved_rate(),
            server_ns: run
                .server_ns
                .map_or(0.0, |ns| ns as f64 / report.tally.answered.max(1) as f64),
            driver_ns: report.driver_ns_per_message() as f64,
        };
        let mut remark = |text: String| {
            let name = self.shape.name;
            self.remarks
                .push(format!("{name} round {round} {target:?}: {text}"));
        };
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
        match target {
            Target::Echo => self.echo.push(figures),
            Target::Souk => self.server.push(figures),
        }
    }
}

/// Measured time and warm-up of a turn, when nobody says otherwise.
pub const TURN: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(1));

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(p50: u64, rate: f64) -> Figures {
        Figures {
            latency: Percentiles {
                p50,
                p99: p50 * 2,
                ..Percentiles::default()
            },
            rate,
            server_ns: 0.0,
            driver_ns: 0.0,
        }
    }

    fn comparison(shape: Shape) -> Comparison {
        Comparison {
            shape,
            echo: vec![figures(100, 1e6), figures(110, 1e6), figures(90, 2e6)],
            server: vec![figures(120, 8e5), figures(110, 9e5), figures(900, 1e6)],
            remarks: Vec::new(),
            faults: 0,
        }
    }

    #[test]
    fn goals_are_judged_by_the_median_of_the_turns() {
        let outcomes = comparison(SHAPES[0]).outcomes();
        assert_eq!(outcomes[0].found, Some(1.2));
        assert!(outcomes[0].hit, "1.2 is at most 1.3");
        let outcomes = comparison(SHAPES[1]).outcomes();
        assert_eq!(outcomes[0].found, Some(0.8));
        assert!(outcomes[0].hit, "0.8 is at least 0.7");
    }

    #[test]
    fn what_was_not_measured_is_no_hit() {
        let outcomes = comparison(SHAPES[2]).outcomes();
        assert_eq!((outcomes[0].found, outcomes[0].hit), (Some(9e5), false));
        assert_eq!((outcomes[1].found, outcomes[1].hit), (None, false));
    }
}
