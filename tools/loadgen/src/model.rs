//! What comes next: one random draw turns into a command, by the profile's table.
//!
//! Every distribution is a table of equally likely values made before the run, so that a
//! draw costs one random number and one load.

use crate::profile::{DISTANCE_BINS, Mix, Profile};
use crate::rng::Rng;

/// Entries of a table of the model: the finest share that can be drawn is one in this. Small,
/// because the tables should stay in the innermost cache.
const MODEL_DRAWS: usize = 1_024;
/// Entries of a table of indices.
const ZIPF_DRAWS: usize = 4_096;
const _: () = assert!(MODEL_DRAWS.is_power_of_two() && ZIPF_DRAWS.is_power_of_two());

/// What the next command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A new limit order that rests.
    New,
    /// A new order that trades or goes.
    Ioc,
    /// A cancel of a live order.
    Cancel,
    /// A replace that lowers the quantity of a live order.
    Reduce,
    /// A replace that moves a live order.
    Replace,
}

/// A profile as tables to draw from.
#[derive(Debug)]
pub struct Model {
    ops: Table<Op>,
    distances: Table<i32>,
    sizes: Table<u32>,
    /// Ages, in new orders of the market, at which orders are canceled.
    ages: Table<u32>,
    bursts: Table<u16>,
    burst_mean: f64,
    one_level: u32,
    resting: u32,
    spread: i64,
}

impl Model {
    /// The tables of a profile; `mix` takes the place of the profile's shares when given.
    #[must_use]
    pub fn new(profile: &Profile, mix: Option<Mix>) -> Self {
        let mix = mix.unwrap_or(profile.mix);
        let (p50, p99) = profile.size_p50_p99;
        let size_sigma = (p99 / p50).ln() / NORMAL_P99;
        let new_share = f64::from(mix.new) / 1_000.0;
        let bursts = Table::new(MODEL_DRAWS, |rank| burst_at(&profile.burst, rank));
        let burst_mean = bursts.mean();
        Self {
            ops: Table::new(MODEL_DRAWS, |rank| op_at(&mix, rank)),
            distances: Table::new(MODEL_DRAWS, |rank| {
                distance_at(&profile.distance_percent, rank)
            }),
            sizes: Table::new(MODEL_DRAWS, |rank| {
                (p50 * (size_sigma * normal_quantile(rank)).exp())
                    .round()
                    .clamp(1.0, f64::from(u32::MAX)) as u32
            }),
            ages: Table::new(MODEL_DRAWS, |rank| {
                (lifetime_at(&profile.lifetime_s, rank) * profile.busy_second * new_share)
                    .clamp(0.0, f64::from(u32::MAX)) as u32
            }),
            bursts,
            burst_mean,
            one_level: u32::from(profile.one_level_permille),
            resting: profile.resting,
            spread: i64::from(profile.spread.max(1)),
        }
    }

    /// What the next command does, before the state of the book has its say.
    #[inline]
    pub fn op(&self, rng: &mut Rng) -> Op {
        self.ops.draw(rng)
    }

    /// Distance of a passive order from the best price of its side, in ticks; -1 is "better".
    #[inline]
    pub fn distance(&self, rng: &mut Rng) -> i32 {
        self.distances.draw(rng)
    }

    /// An order's size in lots.
    #[inline]
    pub fn size(&self, rng: &mut Rng) -> u32 {
        self.sizes.draw(rng)
    }

    /// How many new orders of its market ago the order to be canceled was entered.
    #[inline]
    pub fn age(&self, rng: &mut Rng) -> u32 {
        self.ages.draw(rng)
    }

    /// How many prices beyond the best an aggressive order reaches: mostly 0.
    #[inline]
    pub fn levels_beyond(&self, rng: &mut Rng) -> i64 {
        if rng.below(1_000) < self.one_level {
            0
        } else {
            i64::from(1 + rng.below(4))
        }
    }

    /// Commands that come at one time.
    #[inline]
    pub fn burst(&self, rng: &mut Rng) -> u16 {
        self.bursts.draw(rng)
    }

    /// Mean of [`Self::burst`].
    #[must_use]
    pub const fn burst_mean(&self) -> f64 {
        self.burst_mean
    }

    /// Orders that should rest in a market.
    #[must_use]
    pub const fn resting(&self) -> u32 {
        self.resting
    }

    /// The spread that an empty book is opened with, in ticks.
    #[must_use]
    pub const fn spread(&self) -> i64 {
        self.spread
    }
}

/// Equally likely values.
#[derive(Debug)]
struct Table<T>(Box<[T]>);

impl<T: Copy> Table<T> {
    /// The values at ranks spread evenly over 0 to 1.
    fn new(draws: usize, at: impl Fn(f64) -> T) -> Self {
        assert!(draws.is_power_of_two(), "a draw masks random bits");
        Self(
            (0..draws)
                .map(|index| at((index as f64 + 0.5) / draws as f64))
                .collect(),
        )
    }

    #[inline]
    fn draw(&self, rng: &mut Rng) -> T {
        self.0[rng.bits() as usize & (self.0.len() - 1)]
    }
}

impl Table<u16> {
    fn mean(&self) -> f64 {
        self.0.iter().map(|v| f64::from(*v)).sum::<f64>() / self.0.len() as f64
    }
}

/// Indices drawn by Zipf's law: index `i` with weight 1 / (i + 1)^skew. For markets and accounts.
#[derive(Debug)]
pub struct Zipf(Table<u32>);

impl Zipf {
    /// Indices 0 to `count` less one; `skew` 0 makes them equally likely.
    #[must_use]
    pub fn new(count: usize, skew: f64) -> Self {
        assert!(count > 0, "there is something to choose from");
        let mut cumulated = zipf_weights(count, skew);
        let mut sum = 0.0;
        for weight in &mut cumulated {
            sum += *weight;
            *weight = sum;
        }
        Self(Table::new(ZIPF_DRAWS, |rank| {
            let index = cumulated.partition_point(|upto| *upto < rank * sum);
            index.min(count - 1) as u32
        }))
    }

    /// The next index.
    #[inline]
    pub fn draw(&self, rng: &mut Rng) -> usize {
        self.0.draw(rng) as usize
    }
}

/// Weights 1 / (i + 1)^skew, not normalised.
#[must_use]
pub fn zipf_weights(count: usize, skew: f64) -> Vec<f64> {
    (0..count).map(|i| ((i + 1) as f64).powf(-skew)).collect()
}

fn op_at(mix: &Mix, rank: f64) -> Op {
    let shares = [
        (mix.new, Op::New),
        (mix.ioc, Op::Ioc),
        (mix.cancel, Op::Cancel),
        (mix.reduce, Op::Reduce),
        (mix.replace, Op::Replace),
    ];
    let mut upto = 0.0;
    for (share, op) in shares {
        upto += f64::from(share) / f64::from(mix.sum());
        if rank < upto {
            return op;
        }
    }
    Op::New
}

fn distance_at(percent: &[u8; 10], rank: f64) -> i32 {
    let mut from = 0.0;
    for (share, (near, far)) in percent.iter().zip(DISTANCE_BINS) {
        let width = f64::from(*share) / 100.0;
        if rank < from + width {
            let within = (rank - from) / width;
            return near + (within * f64::from(far - near + 1)) as i32;
        }
        from += width;
    }
    0
}

/// The lifetime at a rank: straight lines in the logarithm between the known percentiles, and on
/// beyond them with the slope of the outermost pair.
fn lifetime_at(quantiles: &[f64; 4], rank: f64) -> f64 {
    const RANKS: [f64; 4] = [0.10, 0.50, 0.90, 0.99];
    let pair = RANKS[1..3].iter().filter(|known| rank > **known).count();
    let (low, high) = (quantiles[pair].ln(), quantiles[pair + 1].ln());
    let along = (rank - RANKS[pair]) / (RANKS[pair + 1] - RANKS[pair]);
    (low + along * (high - low)).exp()
}

/// The burst at a rank: as [`lifetime_at`], from 1 at the median to the most at rank 1.
fn burst_at(quantiles: &[u16; 4], rank: f64) -> u16 {
    const RANKS: [f64; 4] = [0.50, 0.99, 0.999, 1.0];
    if rank <= RANKS[0] {
        return quantiles[0];
    }
    let pair = RANKS[1..3].iter().filter(|known| rank > **known).count();
    let (low, high) = (
        f64::from(quantiles[pair]).ln(),
        f64::from(quantiles[pair + 1]).ln(),
    );
    let along = (rank - RANKS[pair]) / (RANKS[pair + 1] - RANKS[pair]);
    (low + along * (high - low)).exp().round() as u16
}

/// The 99th percentile of the normal distribution with mean 0 and deviation 1.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

/// The quantile of the normal distribution, found by bisecting its distribution function. Used
/// only to make tables.
fn normal_quantile(rank: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if normal_distribution(middle) < rank {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

/// Zelen and Severo's approximation; its error is below 7.5e-8.
fn normal_distribution(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let poly = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * poly;
    if x >= 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::profile::PROFILES;

    const SAMPLES: usize = 400_000;

    #[test]
    fn ops_come_with_the_shares_of_the_table() {
        for profile in &PROFILES {
            let model = Model::new(profile, None);
            let mut rng = Rng::new(1, 0);
            let mut seen = [0usize; 5];
            for _ in 0..SAMPLES {
                seen[model.op(&mut rng) as usize] += 1;
            }
            let mix = profile.mix;
            let wanted = [mix.new, mix.ioc, mix.cancel, mix.reduce, mix.replace];
            for (seen, wanted) in seen.iter().zip(wanted) {
                let permille = *seen as f64 * 1_000.0 / SAMPLES as f64;
                assert!(
                    (permille - f64::from(wanted)).abs() < 3.0,
                    "{}: {permille} instead of {wanted}",
                    profile.name
                );
            }
        }
    }

    #[test]
    fn distances_fall_in_the_bins_of_the_table() {
        for profile in &PROFILES {
            let model = Model::new(profile, None);
            let mut rng = Rng::new(2, 0);
            let mut seen = [0usize; 10];
            for _ in 0..SAMPLES {
                let distance = model.distance(&mut rng);
                let bin = DISTANCE_BINS
                    .iter()
                    .position(|(near, far)| (*near..=*far).contains(&distance))
                    .unwrap();
                seen[bin] += 1;
            }
            for (seen, wanted) in seen.iter().zip(profile.distance_percent) {
                let percent = *seen as f64 * 100.0 / SAMPLES as f64;
                assert!(
                    (percent - f64::from(wanted)).abs() < 0.4,
                    "{}: {percent} instead of {wanted}",
                    profile.name
                );
            }
        }
    }

    #[test]
    fn sizes_and_bursts_have_the_percentiles_of_the_table() {
        for profile in &PROFILES {
            let model = Model::new(profile, None);
            let mut rng = Rng::new(3, 0);
            let mut sizes: Vec<_> = (0..SAMPLES).map(|_| model.size(&mut rng)).collect();
            sizes.sort_unstable();
            let (p50, p99) = profile.size_p50_p99;
            assert_near(profile.name, f64::from(sizes[SAMPLES / 2]), p50, 0.1);
            assert_near(profile.name, f64::from(sizes[SAMPLES / 100 * 99]), p99, 0.1);
            let mut bursts: Vec<_> = (0..SAMPLES).map(|_| model.burst(&mut rng)).collect();
            bursts.sort_unstable();
            assert_eq!(bursts[SAMPLES / 2], profile.burst[0], "{}", profile.name);
            assert_near(
                profile.name,
                f64::from(bursts[SAMPLES / 100 * 99]),
                f64::from(profile.burst[1]),
                0.15,
            );
            assert!(*bursts.last().unwrap() <= profile.burst[3]);
        }
    }

    #[test]
    fn lifetimes_meet_the_known_percentiles() {
        for profile in &PROFILES {
            for (rank, seconds) in [0.10, 0.50, 0.90, 0.99].iter().zip(profile.lifetime_s) {
                assert_near(
                    profile.name,
                    lifetime_at(&profile.lifetime_s, *rank),
                    seconds,
                    1e-9,
                );
            }
        }
    }

    #[test]
    fn zipf_prefers_the_first_and_reaches_the_last() {
        let zipf = Zipf::new(10, 1.0);
        let mut rng = Rng::new(4, 0);
        let mut seen = [0usize; 10];
        for _ in 0..SAMPLES {
            seen[zipf.draw(&mut rng)] += 1;
        }
        // The tenth harmonic number is 2.929, so the first gets 34.1 %, the last 3.4 %.
        assert_near("first", seen[0] as f64 / SAMPLES as f64, 0.3414, 0.02);
        assert_near("last", seen[9] as f64 / SAMPLES as f64, 0.03414, 0.05);
    }

    #[test]
    fn the_same_seed_draws_the_same_commands() {
        let model = Model::new(&PROFILES[3], None);
        let draw = |seed| {
            let mut rng = Rng::new(seed, 7);
            (0..1_000)
                .map(|_| {
                    (
                        model.op(&mut rng),
                        model.distance(&mut rng),
                        model.size(&mut rng),
                    )
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    fn assert_near(what: &str, found: f64, wanted: f64, tolerance: f64) {
        assert!(
            (found - wanted).abs() <= wanted * tolerance,
            "{what}: {found} instead of {wanted}"
        );
    }
}
