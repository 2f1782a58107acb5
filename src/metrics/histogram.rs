//! A histogram of times that one thread writes and anybody reads at any time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::add_alone;

/// Times up to this are one bucket: 256 ns.
const FIRST_BITS: u32 = 8;
/// Buckets of each doubling: a bucket is at most a quarter wider than its lower bound.
const PARTS_BITS: u32 = 2;
const PARTS: usize = 1 << PARTS_BITS;
/// Doublings: the last bound is 17 seconds.
const DOUBLINGS: usize = 26;
/// Buckets that have an upper bound; one more counts what is above all of them.
pub const BUCKETS: usize = 1 + DOUBLINGS * PARTS;

const _: () = assert!(bound_ns(BUCKETS - 1) == 1 << (FIRST_BITS as usize + DOUBLINGS));

/// The longest time that a bucket counts, in nanoseconds.
#[must_use]
pub const fn bound_ns(bucket: usize) -> u64 {
    let Some(above) = bucket.checked_sub(1) else {
        return 1 << FIRST_BITS;
    };
    let (doubling, part) = (above / PARTS, above % PARTS);
    ((PARTS + part + 1) as u64) << (FIRST_BITS as usize + doubling - PARTS_BITS as usize)
}

/// Which bucket counts a time.
const fn bucket_of(ns: u64) -> usize {
    // Bounds are inclusive.
    let below = ns.saturating_sub(1);
    if below < 1 << FIRST_BITS {
        return 0;
    }
    let bits = 63 - below.leading_zeros();
    let part = (below >> (bits - PARTS_BITS)) as usize & (PARTS - 1);
    let bucket = 1 + (bits - FIRST_BITS) as usize * PARTS + part;
    if bucket < BUCKETS { bucket } else { BUCKETS }
}

/// Times, counted by length. Invariant: one thread writes.
#[derive(Debug)]
pub struct Histogram {
    counts: [AtomicU64; BUCKETS + 1],
    sum_ns: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; BUCKETS + 1],
            sum_ns: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    /// Counts a time once.
    #[inline]
    pub fn record(&self, time: Duration) {
        self.record_many(time.as_nanos() as u64, 1);
    }

    /// Counts a time in nanoseconds as that of `count` orders.
    #[inline]
    pub fn record_many(&self, ns: u64, count: u64) {
        add_alone(&self.counts[bucket_of(ns)], count);
        add_alone(&self.sum_ns, ns.wrapping_mul(count));
    }

    /// What was counted so far.
    #[must_use]
    pub fn read(&self) -> Distribution {
        Distribution {
            counts: std::array::from_fn(|at| self.counts[at].load(Ordering::Relaxed)),
            sum_ns: self.sum_ns.load(Ordering::Relaxed),
        }
    }
}

/// What histograms have counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// By bucket; the last one has no bound.
    pub counts: [u64; BUCKETS + 1],
    /// All times together, in nanoseconds.
    pub sum_ns: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        Self {
            counts: [0; BUCKETS + 1],
            sum_ns: 0,
        }
    }
}

impl Distribution {
    /// Adds what another histogram has counted.
    pub fn add(&mut self, other: &Self) {
        for (own, other) in self.counts.iter_mut().zip(&other.counts) {
            *own += other;
        }
        self.sum_ns = self.sum_ns.wrapping_add(other.sum_ns);
    }

    /// How many times were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The bound, in nanoseconds, that this many of a million times are not above; nothing if none was counted, or if it is
    /// beyond the last bucket.
    #[must_use]
    pub fn quantile_ns(&self, per_million: u64) -> Option<u64> {
        let wanted = (u128::from(self.count()) * u128::from(per_million)).div_ceil(1_000_000);
        let mut seen = 0;
        for (bucket, count) in self.counts[..BUCKETS].iter().enumerate() {
            seen += u128::from(*count);
            if wanted > 0 && seen >= wanted {
                return Some(bound_ns(bucket));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_the_first_bucket_that_is_not_below_it() {
        let mut times: Vec<u64> = (0..BUCKETS)
            .map(bound_ns)
            .flat_map(|bound| [bound - 1, bound, bound + 1])
            .collect();
        times.extend([0, 1, 1_000_000, u64::MAX]);
        for ns in times {
            let expected = (0..BUCKETS).find(|it| ns <= bound_ns(*it));
            assert_eq!(bucket_of(ns), expected.unwrap_or(BUCKETS), "{ns} ns");
        }
    }

    #[test]
    fn a_quantile_is_the_bound_that_so_many_are_not_above() {
        let histogram = Histogram::default();
        assert_eq!(histogram.read().quantile_ns(500_000), None);
        histogram.record_many(bound_ns(3), 98);
        histogram.record_many(bound_ns(9), 2);
        let times = histogram.read();
        for (per_million, bucket) in [
            (1, 3),
            (500_000, 3),
            (980_000, 3),
            (990_000, 9),
            (1_000_000, 9),
        ] {
            assert_eq!(
                times.quantile_ns(per_million),
                Some(bound_ns(bucket)),
                "{per_million}"
            );
        }
    }

    #[test]
    fn bounds_grow_by_at_most_a_quarter() {
        for bucket in 1..BUCKETS {
            let (below, bound) = (bound_ns(bucket - 1), bound_ns(bucket));
            assert!(
                below < bound && bound * 4 <= below * 5,
                "{below} to {bound}"
            );
        }
    }

    #[test]
    fn what_was_counted_adds_up() {
        let (one, other) = (Histogram::default(), Histogram::default());
        one.record_many(300, 3);
        other.record(Duration::from_secs(60));
        let mut all = one.read();
        all.add(&other.read());
        assert_eq!(all.count(), 4);
        assert_eq!((all.counts[1], all.counts[BUCKETS]), (3, 1));
        assert_eq!(all.sum_ns, 60_000_000_900);
    }
}
