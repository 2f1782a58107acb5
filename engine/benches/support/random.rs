//! The streams' random numbers: xoshiro256** seeded by splitmix64, both as published by their
//! authors, sampled with integers only. Same seed, same stream, on every machine.

/// A seeded generator.
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// Fills the state from `seed` by splitmix64.
    pub fn new(seed: u64) -> Self {
        let mut weyl = seed;
        let state = core::array::from_fn(|_| {
            weyl = weyl.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (weyl ^ (weyl >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        });
        Self { state }
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        b.wrapping_mul(5).rotate_left(7).wrapping_mul(9)
    }

    /// A number of `0..bound`, by the high half of a 128-bit product.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        (product >> 64) as u64
    }

    /// Like [`Self::below`], for the 32-bit numbers that prices and quantities are here.
    pub fn below_u32(&mut self, bound: u32) -> u32 {
        self.below(u64::from(bound)) as u32
    }

    /// Whether an event of `percent` % happens.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
