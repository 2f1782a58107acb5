//! The curve of group commit: more and more orders outstanding, with and without a journal; and what light load waits for.

use souk_protocol::Durability;

use super::server::{Host, Terms, Written};
use super::sync::BareFile;
use super::{Commit, JournalConfig, JournalError, SYNC_AND, SYNCS_PART, Turns};
use crate::load::Pacing;
use crate::stats::{Percentiles, histogram};
use crate::turns::{Figures, Pairs, Side, Spread};

/// Light load: one order outstanding.
#[derive(Clone, Debug, Default)]
pub struct LatencyFound {
    /// Bare syncs, in each round.
    pub syncs: Vec<Percentiles>,
    /// `memory` and `local`.
    pub pairs: Pairs,
}

impl LatencyFound {
    /// The bare syncs' median, in nanoseconds.
    #[must_use]
    pub fn sync_ns(&self) -> Spread {
        Spread::of(self.syncs.iter().map(|sync| sync.p50 as f64))
    }

    /// The most that `local` may take, in nanoseconds, round by round: a sync and 1.3 x `memory`.
    pub fn allowed_ns(&self) -> impl Iterator<Item = f64> {
        let rounds = self.syncs.iter().zip(&self.pairs.base);
        rounds.map(|(sync, memory)| sync.p50 as f64 + SYNC_AND * memory.latency.p50 as f64)
    }

    /// Whether `local` takes at most what it may, by the median of the rounds; `None` when that is not shown: a turn in which
    /// nothing was answered, or a bare sync that took longer than the order that waited for one, which only noise makes.
    #[must_use]
    pub fn is_met(&self) -> Option<bool> {
        let mut turns = self.pairs.base.iter().chain(&self.pairs.other);
        let is_answered = turns.all(|turn| turn.latency.count > 0);
        let mut rounds = self.syncs.iter().zip(&self.pairs.other);
        let is_sound = rounds.all(|(sync, local)| sync.p50 <= local.latency.p50);
        (is_answered && is_sound && !self.syncs.is_empty()).then(|| self.excess().median <= 1.0)
    }

    /// What `local` took, in times of what it may take, round by round.
    #[must_use]
    pub fn excess(&self) -> Spread {
        let took = self.pairs.other.iter().map(|it| it.latency.p50 as f64);
        Spread::of(took.zip(self.allowed_ns()).map(|(took, may)| took / may))
    }
}

/// One point of the curve.
#[derive(Clone, Debug)]
pub struct Point {
    /// Orders outstanding on each connection.
    pub outstanding: u32,
    /// `memory` and `local`.
    pub pairs: Pairs,
    /// What the journal took in each turn of `local`.
    pub written: Vec<Written>,
}

impl Point {
    /// A figure of the journal, turn by turn.
    fn of_turns(&self, figure: impl Fn(&Figures, &Written) -> f64) -> Spread {
        let turns = self.pairs.other.iter().zip(&self.written);
        Spread::of(turns.map(|(turn, written)| figure(turn, written)))
    }

    /// Orders that one sync made durable.
    #[must_use]
    pub fn orders_per_sync(&self) -> Spread {
        self.of_turns(|turn, written| turn.messages as f64 / written.groups.max(1) as f64)
    }

    /// Bytes in the journal for each order.
    #[must_use]
    pub fn order_bytes(&self) -> Spread {
        self.of_turns(|turn, written| written.bytes as f64 / turn.messages.max(1) as f64)
    }

    /// Bytes on the disk for each order, in times of its bytes on the wire, with the most that can fill blocks.
    #[must_use]
    pub fn wire_ratio(&self) -> Spread {
        self.of_turns(|turn, written| {
            written.on_disk_max() as f64 / (turn.message_bytes * turn.messages as f64).max(1.0)
        })
    }

    /// Messages a second of the other side in a round.
    fn rate(&self, side: Side, round: usize) -> f64 {
        let turns = match side {
            Side::Base => &self.pairs.base,
            Side::Other => &self.pairs.other,
        };
        turns.get(round).map_or(0.0, |turn| turn.rate)
    }
}

/// The curve.
#[derive(Clone, Debug, Default)]
pub struct CurveFound {
    /// Its points.
    pub points: Vec<Point>,
}

impl CurveFound {
    /// The point at which `local` takes most.
    #[must_use]
    pub fn saturation(&self) -> Option<&Point> {
        let rate = |point: &&Point| point.pairs.medians(|turn| turn.rate).1.median;
        self.points
            .iter()
            .max_by(|one, other| rate(one).total_cmp(&rate(other)))
    }

    /// The best rate of `local` in times of the best rate of `memory`, round by round, each at its own best point.
    #[must_use]
    pub fn best_ratio(&self) -> Spread {
        let rounds = self.points.iter().map(|point| point.pairs.other.len());
        let best = |side, round| {
            let rates = self.points.iter().map(|point| point.rate(side, round));
            rates.fold(0.0, f64::max)
        };
        let rounds = 0..rounds.min().unwrap_or(0);
        Spread::of(
            rounds.map(|round| {
                best(Side::Other, round) / best(Side::Base, round).max(f64::MIN_POSITIVE)
            }),
        )
    }
}

/// The two servers of a comparison.
struct Two {
    memory: Host,
    local: Host,
}

impl Two {
    fn start(config: &JournalConfig, commit: Commit) -> Result<Self, JournalError> {
        let start = |durability| {
            let terms = Terms {
                durability,
                commit,
                segment_bytes: None,
                snapshots: false,
            };
            Host::start(&config.program, &config.data, &terms)
        };
        Ok(Self {
            memory: start(Durability::Memory)?,
            local: start(Durability::Local)?,
        })
    }

    fn stop(self) -> Result<(), JournalError> {
        self.memory.own.stop()?;
        Ok(self.local.own.stop()?)
    }
}

/// One order outstanding: bare syncs, `memory` and `local` in turns.
pub(super) fn latency(
    config: &JournalConfig,
    commit: Commit,
    turns: &mut Turns<'_>,
) -> Result<LatencyFound, JournalError> {
    let two = Two::start(config, commit)?;
    let mut bare = BareFile::make(&config.data, commit)?;
    let mut found = LatencyFound::default();
    let pacing = Pacing::Closed { outstanding: 1 };
    for round in 1..=config.rounds {
        let name = format!("latency {round}/{}", config.rounds);
        let mut syncs = histogram();
        let load = config.load(&two.memory, 1, pacing);
        turns.take(
            &mut found.pairs,
            Side::Base,
            &format!("{name} memory"),
            load,
        )?;
        // Before and after, because a disk that others use is not always the same.
        let mut sync = |turns: &mut Turns<'_>| {
            turns.tell(&format!("{name} bare syncs"));
            bare.measure(config.duration / SYNCS_PART, &mut syncs)
        };
        sync(turns)?;
        let load = config.load(&two.local, 1, pacing);
        let turn = format!("{name} local");
        turns.take(&mut found.pairs, Side::Other, &turn, load)?;
        sync(turns)?;
        found.syncs.push(Percentiles::of(&syncs));
    }
    two.stop()?;
    Ok(found)
}

/// All points in each round, `memory` and `local` in turns.
pub(super) fn curve(
    config: &JournalConfig,
    commit: Commit,
    turns: &mut Turns<'_>,
) -> Result<CurveFound, JournalError> {
    let two = Two::start(config, commit)?;
    let point = |outstanding: &u32| Point {
        outstanding: *outstanding,
        pairs: Pairs::default(),
        written: Vec::new(),
    };
    let mut points: Vec<_> = config.outstanding.iter().map(point).collect();
    for round in 1..=config.rounds {
        for point in &mut points {
            let (each, pairs) = (point.outstanding, &mut point.pairs);
            let pacing = Pacing::Closed { outstanding: each };
            let name = format!("curve {each} {round}/{}", config.rounds);
            let load = config.load(&two.memory, config.connections, pacing);
            turns.take(pairs, Side::Base, &format!("{name} memory"), load)?;
            let load = config.load(&two.local, config.connections, pacing);
            let before = two.local.written()?;
            turns.take(pairs, Side::Other, &format!("{name} local"), load)?;
            point.written.push(two.local.written()?.since(before));
        }
    }
    two.stop()?;
    Ok(CurveFound { points })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(p50: u64, rate: f64) -> Figures {
        Figures {
            latency: Percentiles {
                p50,
                count: 1,
                ..Percentiles::default()
            },
            rate,
            messages: 1_000,
            message_bytes: 60.0,
            ..Figures::default()
        }
    }

    fn point(memory: [f64; 2], local: [f64; 2], groups: u64) -> Point {
        let turns = |rates: [f64; 2]| rates.map(|rate| turn(100, rate)).to_vec();
        let written = Written {
            groups,
            batches: 20,
            bytes: 30_000,
        };
        Point {
            outstanding: 1,
            pairs: Pairs {
                base: turns(memory),
                other: turns(local),
                ..Pairs::default()
            },
            written: vec![written; 2],
        }
    }

    fn is(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-9
    }

    fn one_order(sync: u64, memory: u64, local: u64) -> LatencyFound {
        LatencyFound {
            syncs: vec![turn(sync, 1.0).latency],
            pairs: Pairs {
                base: vec![turn(memory, 1.0)],
                other: vec![turn(local, 1.0)],
                ..Pairs::default()
            },
        }
    }

    #[test]
    fn light_load_may_take_a_sync_and_a_bit_more_than_memory() {
        let found = one_order(150, 100, 350);
        assert!(is(found.excess().median, 350.0 / 280.0), "{found:?}");
        assert_eq!(found.is_met(), Some(false));
        assert_eq!(one_order(150, 100, 280).is_met(), Some(true));
    }

    #[test]
    fn a_sync_that_takes_longer_than_what_waits_for_it_shows_nothing() {
        assert_eq!(one_order(1_500, 100, 350).is_met(), None);
        assert_eq!(LatencyFound::default().is_met(), None);
    }

    #[test]
    fn each_side_is_taken_at_its_own_best_point_of_a_round() {
        let found = CurveFound {
            points: vec![
                point([10.0, 40.0], [9.0, 10.0], 10),
                point([20.0, 20.0], [8.0, 30.0], 10),
            ],
        };
        let ratio = found.best_ratio();
        assert!(
            is(ratio.min, 9.0 / 20.0) && is(ratio.max, 30.0 / 40.0),
            "{ratio:?}"
        );
        let best = found.saturation().map(|point| point.pairs.other[1].rate);
        assert_eq!(best, Some(30.0));
        assert!(is(CurveFound::default().best_ratio().median, 0.0));
    }

    #[test]
    fn bytes_on_the_disk_count_the_blocks_that_are_filled() {
        let point = point([1.0, 1.0], [1.0, 1.0], 10);
        assert!(is(point.orders_per_sync().median, 100.0));
        assert!(is(point.order_bytes().median, 30.0));
        assert!(is(
            point.wire_ratio().median,
            (30_000.0 + 40_960.0) / 60_000.0
        ));
    }
}
