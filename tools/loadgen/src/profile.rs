//! The workloads by name: what kind of messages, where in the book, how large, for how long.
//!
//! The numbers are statistics of recorded order flow; docs/loadgen.md has them as a table with
//! what each was measured on. Shares are of the commands that a matching engine gets.

use std::str::FromStr;

/// Bins of the distance of a passive order from the best price of its own side, in ticks:
/// better, at it, 1, 2, 3-5, 6-10, 11-20, 21-50, 51-100, more. `(nearest, farthest)`.
pub const DISTANCE_BINS: [(i32, i32); 10] = [
    (-1, -1),
    (0, 0),
    (1, 1),
    (2, 2),
    (3, 5),
    (6, 10),
    (11, 20),
    (21, 50),
    (51, 100),
    (101, 400),
];

/// A workload.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Profile {
    /// Its name on the command line.
    pub name: &'static str,
    /// What its numbers were measured on.
    pub source: &'static str,
    /// Shares of commands.
    pub mix: Mix,
    /// Percent of passive orders in each of [`DISTANCE_BINS`].
    pub distance_percent: [u8; 10],
    /// Median and 99th percentile of the order size, in lots.
    pub size_p50_p99: (f64, f64),
    /// Lifetime of canceled orders in seconds: 10th, 50th, 90th, 99th percentile.
    pub lifetime_s: [f64; 4],
    /// Commands in a busy second of one market (99th percentile of seconds). Turns lifetimes in
    /// seconds into lifetimes in commands, so that they scale with the rate of the run.
    pub busy_second: f64,
    /// Commands in a millisecond that has any: 50th, 99th, 99.9th percentile, most.
    pub burst: [u16; 4],
    /// Orders that rest in one market.
    pub resting: u32,
    /// Median spread in ticks.
    pub spread: u16,
    /// Per mille of aggressive orders that reach one price only.
    pub one_level_permille: u16,
}

/// Shares of commands, in per mille; they add up to 1,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Mix {
    /// New limit orders, good till cancel.
    pub new: u16,
    /// New limit orders, immediate or cancel, at a price that trades.
    pub ioc: u16,
    /// Cancels.
    pub cancel: u16,
    /// Replaces that lower the quantity only, and keep priority.
    pub reduce: u16,
    /// Replaces of price or quantity that lose priority.
    pub replace: u16,
}

impl Mix {
    /// The sum of the shares.
    #[must_use]
    pub const fn sum(&self) -> u16 {
        self.new + self.ioc + self.cancel + self.reduce + self.replace
    }
}

/// Every workload.
pub const PROFILES: [Profile; 7] = [
    Profile {
        name: "equity-us",
        source: "AAPL, one hour of 2012",
        mix: mix(497, 37, 460, 5, 1),
        distance_percent: [20, 8, 5, 4, 7, 12, 15, 13, 8, 8],
        size_p50_p99: (100.0, 1_000.0),
        lifetime_s: [0.0026, 0.374, 11.0, 121.0],
        busy_second: 161.0,
        burst: [1, 8, 15, 60],
        resting: 369,
        spread: 20,
        one_level_permille: 954,
    },
    Profile {
        name: "equity-inet",
        source: "INET, several stocks",
        mix: mix(648, 42, 309, 1, 0),
        distance_percent: [5, 32, 9, 4, 6, 2, 2, 3, 3, 34],
        size_p50_p99: (100.0, 5_000.0),
        lifetime_s: [0.001, 0.6, 15.0, 147.0],
        busy_second: 166.0,
        burst: [1, 22, 83, 91],
        resting: 2_426,
        spread: 1,
        one_level_permille: 995,
    },
    Profile {
        name: "equity-sse",
        source: "Shanghai, five stocks, full days",
        mix: mix(515, 290, 195, 0, 0),
        distance_percent: [7, 48, 11, 5, 8, 5, 4, 5, 3, 4],
        size_p50_p99: (300.0, 15_400.0),
        lifetime_s: [1.9, 34.0, 2_104.0, 16_868.0],
        busy_second: 96.0,
        burst: [1, 11, 37, 141],
        resting: 10_616,
        spread: 1,
        one_level_permille: 943,
    },
    Profile {
        name: "futures",
        source: "CME ES, a holiday session",
        mix: mix(433, 60, 268, 25, 214),
        distance_percent: [3, 43, 9, 6, 10, 5, 6, 6, 3, 9],
        size_p50_p99: (1.0, 16.0),
        lifetime_s: [0.001, 2.8, 122.0, 1_467.0],
        busy_second: 139.0,
        burst: [1, 23, 42, 160],
        resting: 10_586,
        spread: 1,
        one_level_permille: 988,
    },
    Profile {
        name: "crypto",
        source: "Bitstamp BTC/USD; sizes in tenths of a coin",
        mix: mix(505, 1, 494, 0, 0),
        distance_percent: [4, 1, 1, 0, 1, 2, 5, 11, 10, 65],
        size_p50_p99: (86.0, 670.0),
        lifetime_s: [0.14, 9.0, 77.0, 1_075.0],
        busy_second: 9.0,
        burst: [1, 1, 3, 17],
        resting: 210,
        spread: 17,
        one_level_permille: 813,
    },
    Profile {
        name: "uniform",
        source: "made up: even distances, one size class, a tenth of all orders trades",
        mix: mix(500, 100, 400, 0, 0),
        distance_percent: [0, 10, 10, 10, 20, 20, 20, 10, 0, 0],
        size_p50_p99: (10.0, 10.0),
        lifetime_s: [0.1, 1.0, 10.0, 100.0],
        busy_second: 100.0,
        burst: [1, 1, 1, 1],
        resting: 1_000,
        spread: 2,
        one_level_permille: 1_000,
    },
    Profile {
        name: "cancel-heavy",
        source: "BATS, 286 symbols: almost nothing trades",
        mix: mix(519, 1, 479, 1, 0),
        distance_percent: [44, 11, 6, 7, 26, 6, 0, 0, 0, 0],
        size_p50_p99: (1_000.0, 5_000.0),
        lifetime_s: [0.004, 0.8, 18.0, 79.0],
        busy_second: 390.0,
        burst: [1, 8, 20, 35],
        resting: 606,
        spread: 3,
        one_level_permille: 1_000,
    },
];

/// The workload of a run that names none.
pub const DEFAULT_PROFILE: &str = "equity-us";

/// The workload with this name.
#[must_use]
pub fn profile(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

const fn mix(new: u16, ioc: u16, cancel: u16, reduce: u16, replace: u16) -> Mix {
    Mix {
        new,
        ioc,
        cancel,
        reduce,
        replace,
    }
}

/// Why a `--mix` option is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is not NEW/IOC/CANCEL/REDUCE/REPLACE in per mille with sum 1000, such as 497/37/460/5/1"
)]
pub struct MixError(String);

impl FromStr for Mix {
    type Err = MixError;

    fn from_str(text: &str) -> Result<Self, MixError> {
        let bad = || MixError(text.to_owned());
        let shares = text
            .split('/')
            .map(|share| share.parse().ok().filter(|share| *share <= 1_000))
            .collect::<Option<Vec<u16>>>()
            .ok_or_else(bad)?;
        let [new, ioc, cancel, reduce, replace] = shares[..] else {
            return Err(bad());
        };
        let mix = mix(new, ioc, cancel, reduce, replace);
        if mix.sum() != 1_000 || mix.new == 0 {
            return Err(bad());
        }
        Ok(mix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_adds_up() {
        for profile in &PROFILES {
            assert_eq!(profile.mix.sum(), 1_000, "{}", profile.name);
            let percent: u32 = profile.distance_percent.iter().map(|p| u32::from(*p)).sum();
            assert_eq!(percent, 100, "{}", profile.name);
            assert!(profile.lifetime_s.is_sorted(), "{}", profile.name);
            assert!(profile.burst.is_sorted(), "{}", profile.name);
        }
        assert!(profile(DEFAULT_PROFILE).is_some());
    }

    #[test]
    fn a_mix_is_five_shares_of_a_thousand() {
        assert_eq!("500/100/400/0/0".parse(), Ok(mix(500, 100, 400, 0, 0)));
        for text in [
            "",
            "500/100/400/0",
            "500/100/400/0/1",
            "0/1000/0/0/0",
            "x/1/1/1/1",
            "60000/6536/0/0/1000",
        ] {
            assert!(text.parse::<Mix>().is_err(), "{text} was taken");
        }
    }
}
