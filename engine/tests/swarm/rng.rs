//! Random numbers that are the same everywhere: splitmix64.

/// A stream of random numbers, made by its seed alone.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Streams of neighbouring seeds and numbers have nothing in common.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut mixed = Self(seed);
        mixed.0 = mixed
            .next()
            .wrapping_add(number.wrapping_mul(0xd134_2543_de82_ef95));
        mixed.0 = mixed.next();
        mixed
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `0..n`.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "there is something to choose from");
        self.next() % n
    }

    /// `low..=high`.
    pub fn within(&mut self, low: i64, high: i64) -> i64 {
        assert!(low <= high, "{low}..={high} is not empty");
        low + self.below(high.abs_diff(low) + 1).cast_signed()
    }

    /// `1..=max`, every order of magnitude as likely as every other.
    pub fn magnitude(&mut self, max: u64) -> u64 {
        let bits = 1 + self.below(u64::from(u64::BITS - max.leading_zeros()));
        (self.next() >> (64 - bits)).clamp(1, max)
    }

    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a usize")
    }
}
