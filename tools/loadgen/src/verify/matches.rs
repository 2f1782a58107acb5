//! The executions of a market: every one has one maker report and one taker report, and they say
//! the same. Two bits an execution, so that a run of a billion can be checked in full.

use std::collections::BTreeMap;

use souk_protocol::{Liquidity, MatchId, Price, Qty};

/// Executions whose bits are kept together.
const CHUNK_MATCHES: u64 = 1 << 16;
const CHUNK_WORDS: usize = CHUNK_MATCHES as usize / 64;

/// Which executions were reported for one side, and a sum over what was reported.
#[derive(Debug, Default)]
struct SideSeen {
    chunks: BTreeMap<u64, Box<[u64; CHUNK_WORDS]>>,
    count: u64,
    /// Wrapping sum of a hash of (match id, price, quantity): equal for both sides if and (but
    /// for a chance of 2^-64) only if the reports are.
    sum: u64,
}

/// The executions of one market, as reported to sessions of one tenant.
#[derive(Debug, Default)]
pub struct Matches {
    maker: SideSeen,
    taker: SideSeen,
    /// Lots executed, by taker reports.
    pub qty: u128,
}

/// What is wrong with a market's executions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatchCheck {
    /// Executions with both sides.
    pub matched: u64,
    /// Executions with one side only, and one of them.
    pub one_sided: (u64, u64),
    /// Whether the two sides differ in price or quantity, though not in number.
    pub differ: bool,
}

impl Matches {
    /// Notes a trade report. `false` when this side of the execution was reported before.
    #[inline]
    #[must_use]
    pub fn note(&mut self, id: MatchId, liquidity: Liquidity, price: Price, qty: Qty) -> bool {
        let side = match liquidity {
            Liquidity::Maker => &mut self.maker,
            Liquidity::Taker => {
                self.qty += u128::from(qty.0);
                &mut self.taker
            }
        };
        side.note(id, price, qty)
    }

    /// Executions reported to takers.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.taker.count
    }

    /// Takes over what another thread saw of the same market. Gives how many reports both have.
    #[must_use]
    pub fn merge(&mut self, other: Self) -> u64 {
        self.qty += other.qty;
        self.maker.merge(other.maker) + self.taker.merge(other.taker)
    }

    /// Compares the two sides.
    #[must_use]
    pub fn check(&self) -> MatchCheck {
        let mut check = MatchCheck::default();
        let empty = [0u64; CHUNK_WORDS];
        let mut keys: Vec<_> = self
            .maker
            .chunks
            .keys()
            .chain(self.taker.chunks.keys())
            .collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let maker = self.maker.chunks.get(key).map_or(&empty, |chunk| chunk);
            let taker = self.taker.chunks.get(key).map_or(&empty, |chunk| chunk);
            for (word, (maker, taker)) in maker.iter().zip(taker).enumerate() {
                check.matched += u64::from((maker & taker).count_ones());
                let single = maker ^ taker;
                if single != 0 {
                    let bit = word as u64 * 64 + u64::from(single.trailing_zeros());
                    check.one_sided.0 += u64::from(single.count_ones());
                    check.one_sided.1 = key * CHUNK_MATCHES + bit;
                }
            }
        }
        check.differ = check.one_sided.0 == 0 && self.maker.sum != self.taker.sum;
        check
    }
}

impl SideSeen {
    #[inline]
    fn note(&mut self, id: MatchId, price: Price, qty: Qty) -> bool {
        let chunk = self
            .chunks
            .entry(id.0 / CHUNK_MATCHES)
            .or_insert_with(|| Box::new([0; CHUNK_WORDS]));
        let within = id.0 % CHUNK_MATCHES;
        let word = &mut chunk[within as usize / 64];
        let bit = 1 << (within % 64);
        let fresh = *word & bit == 0;
        *word |= bit;
        self.count += 1;
        self.sum = self.sum.wrapping_add(fingerprint(id, price, qty));
        fresh
    }

    fn merge(&mut self, other: Self) -> u64 {
        let mut twice = 0;
        for (key, theirs) in other.chunks {
            let mine = self
                .chunks
                .entry(key)
                .or_insert_with(|| Box::new([0; CHUNK_WORDS]));
            for (mine, theirs) in mine.iter_mut().zip(theirs.iter()) {
                twice += u64::from((*mine & theirs).count_ones());
                *mine |= theirs;
            }
        }
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
        twice
    }
}

/// Odd multipliers mix the three numbers so that no simple change of two of them cancels out.
#[inline]
fn fingerprint(id: MatchId, price: Price, qty: Qty) -> u64 {
    let mut hash = id.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 32) ^ price.0 as u64).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash = (hash ^ (hash >> 32) ^ qty.0).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(matches: &mut Matches, id: u64) {
        assert!(matches.note(MatchId(id), Liquidity::Maker, Price(5), Qty(7)));
        assert!(matches.note(MatchId(id), Liquidity::Taker, Price(5), Qty(7)));
    }

    #[test]
    fn executions_with_two_equal_sides_are_fine() {
        let mut matches = Matches::default();
        for id in [1, 2, 65_535, 65_536, 1 << 40] {
            both(&mut matches, id);
        }
        let wanted = MatchCheck {
            matched: 5,
            ..MatchCheck::default()
        };
        assert_eq!(matches.check(), wanted);
        assert_eq!((matches.count(), matches.qty), (5, 35));
    }

    #[test]
    fn an_execution_whose_other_side_is_elsewhere_is_found() {
        let mut matches = Matches::default();
        both(&mut matches, 1);
        assert!(matches.note(MatchId(70_001), Liquidity::Maker, Price(5), Qty(7)));
        assert_eq!(matches.check().one_sided, (1, 70_001));
    }

    #[test]
    fn an_execution_reported_twice_to_a_side_is_found() {
        let mut matches = Matches::default();
        both(&mut matches, 9);
        assert!(!matches.note(MatchId(9), Liquidity::Maker, Price(5), Qty(7)));
        let mut other_thread = Matches::default();
        assert!(other_thread.note(MatchId(9), Liquidity::Taker, Price(5), Qty(7)));
        assert_eq!(matches.merge(other_thread), 1);
    }

    #[test]
    fn sides_that_differ_in_price_or_quantity_are_found() {
        for (price, qty) in [(6, 7), (5, 8), (7, 5)] {
            let mut matches = Matches::default();
            assert!(matches.note(MatchId(1), Liquidity::Maker, Price(5), Qty(7)));
            assert!(matches.note(MatchId(1), Liquidity::Taker, Price(price), Qty(qty)));
            assert!(matches.check().differ);
        }
    }

    #[test]
    fn two_threads_together_make_whole_executions() {
        let (mut one, mut two) = (Matches::default(), Matches::default());
        assert!(one.note(MatchId(4), Liquidity::Maker, Price(5), Qty(7)));
        assert!(two.note(MatchId(4), Liquidity::Taker, Price(5), Qty(7)));
        assert_eq!(one.merge(two), 0);
        assert_eq!((one.check().matched, one.check().one_sided.0), (1, 0));
    }
}
