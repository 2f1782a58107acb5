//! A server against an echo of the same frames: same machine, same driver, same shapes, in turns.

use std::time::Duration;

use crate::echo::EchoServer;
use crate::load::{LoadConfig, LoadError, Pacing, Target};
use crate::schedule::Arrivals;
use crate::turns::{Goal, Pairs, Side};

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

/// The turns of one shape.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The shape.
    pub shape: Shape,
    /// The echo's turns and the server's.
    pub pairs: Pairs,
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
        let mut pairs = Pairs::default();
        for round in 1..=config.rounds {
            for target in [Target::Echo, Target::Souk] {
                let name = shape.name;
                progress(&format!("{name} {round}/{} {target:?}", config.rounds));
                let mut load = config.load.clone();
                load.target = target;
                load.connections = shape.connections;
                load.threads = load.threads.min(shape.connections);
                load.pacing = shape.pacing;
                let turn = format!("{name} round {round} {target:?}");
                match target {
                    Target::Echo => {
                        load.address = echo.address();
                        pairs.take_turn(Side::Base, &turn, load, None)?;
                    }
                    Target::Souk => {
                        pairs.take_turn(Side::Other, &turn, load, config.server_pid)?;
                    }
                }
            }
        }
        comparisons.push(Comparison {
            shape: *shape,
            pairs,
        });
    }
    Ok(comparisons)
}

/// Measured time and warm-up of a turn, when nobody says otherwise.
pub const TURN: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(1));
