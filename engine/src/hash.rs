//! The three hashes of the engine: one that is keyed against flooding and never leaves it, and
//! the two that say whether two markets are the same.
//!
//! Must never: let the key of [`IndexKey`] reach an event or one of the other two hashes.

use crate::orders::Slot;
use crate::{LevelUpdate, Market};
use souk_protocol::{AccountId, ClOrdId, Side};

/// Keys the hash indexes of one market, so that a client who does not know it cannot choose ids
/// that collide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IndexKey {
    multiplier: u64,
    offset: u64,
}

impl IndexKey {
    pub(crate) const fn new(key: u64) -> Self {
        Self {
            multiplier: finish(key ^ 0x9e37_79b9_7f4a_7c15) | 1,
            offset: finish(key.wrapping_add(0xd1b5_4a32_d192_ed03)),
        }
    }

    /// Tag of a client order id within its account.
    #[inline]
    pub(crate) const fn client_id(self, account: AccountId, cl_ord_id: ClOrdId) -> u32 {
        let account = (account.0 as u64).wrapping_mul(self.multiplier);
        let word = cl_ord_id.0 ^ account.rotate_left(32) ^ self.offset;
        let wide = word as u128 * self.multiplier as u128;
        let mixed = (wide as u64) ^ ((wide >> 64) as u64);
        (mixed ^ (mixed >> 32)) as u32
    }

    /// Hash of a tag: every bit of it depends on every bit of the tag and on the key.
    #[inline]
    pub(crate) const fn spread(self, tag: u32) -> u64 {
        let word = (tag as u64 ^ self.offset).wrapping_mul(self.multiplier);
        let word = (word ^ (word >> 32)).wrapping_mul(self.multiplier);
        word ^ (word >> 32)
    }

    /// A number drawn from a rank, for the balance of a tree.
    pub(crate) const fn weight(self, rank: u64) -> u32 {
        (finish(rank ^ self.offset) >> 32) as u32
    }
}

/// Spreads every bit of `word` over the whole result.
const fn finish(word: u64) -> u64 {
    let word = (word ^ (word >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let word = (word ^ (word >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ (word >> 33)
}

/// 64-bit FNV-1a, which a client can write in any language.
struct Fnv1a(u64);

impl Fnv1a {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn level(&mut self, level: LevelUpdate) {
        self.bytes(&[level.side as u8]);
        self.bytes(&level.price.0.to_le_bytes());
        self.bytes(&level.qty.0.to_le_bytes());
        self.bytes(&level.orders.to_le_bytes());
    }
}

/// Hash of a sequence of 64-bit words, for state that only the engine sees.
pub(crate) struct WordHash(u64);

impl WordHash {
    const fn new() -> Self {
        Self(0x243f_6a88_85a3_08d3)
    }

    const fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 29;
    }
}

impl Market {
    /// Hash of everything the market's future depends on, and of nothing else: two markets with
    /// equal hashes answer every future command alike, however they keep their orders.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        let mut hash = self.begin_hash();
        for side in [Side::Buy, Side::Sell] {
            for slot in self.resting_slots(side) {
                self.hash_order(slot, &mut hash);
            }
        }
        self.end_hash(hash)
    }

    /// The hash of what is not an order. All orders in the order of [`Market::resting_slots`] come next, buys first.
    pub(crate) fn begin_hash(&self) -> WordHash {
        let mut hash = WordHash::new();
        hash.word(self.state as u64);
        hash.word(self.last_match_id.0);
        self.hash_terms(&mut hash);
        hash.word(u64::from(self.open.count));
        hash
    }

    /// Adds an open order.
    #[inline]
    pub(crate) fn hash_order(&self, slot: Slot, hash: &mut WordHash) {
        let order = &self.open.orders[slot];
        let earlier = self.open.accounts.earlier(&self.open.orders, slot);
        hash.word(self.open.orders.id(slot).0);
        hash.word(earlier.map_or(0, |slot| self.open.orders.id(slot).0));
        hash.word(u64::from(self.open.accounts[order.account].id.0));
        hash.word(order.price.0.cast_unsigned());
        hash.word(order.leaves.0);
        hash.word(order.cum.0);
        hash.word(order.cl_ord_id.0);
        hash.word(u64::from(order.session.0) << 32 | u64::from(order.stp_group.0));
        hash.word(u64::from(order.fee_tier.0) << 8 | u64::from(order.flags.bits()));
    }

    /// The hash, when all orders are in it.
    pub(crate) fn end_hash(&self, mut hash: WordHash) -> u64 {
        for generation in self.open.orders.generations() {
            hash.word(u64::from(generation));
        }
        for slot in self.open.orders.free_slots() {
            hash.word(u64::from(slot.0));
        }
        finish(hash.0)
    }

    /// The units, the bounds and the fees.
    fn hash_terms(&self, hash: &mut WordHash) {
        let spec = &self.spec;
        hash.word(spec.notional_unit);
        hash.word(spec.lot_units);
        hash.word(spec.price_min.0.cast_unsigned());
        hash.word(spec.price_max.0.cast_unsigned());
        hash.word(spec.qty_min.0);
        hash.word(spec.qty_max.0);
        hash.word(spec.notional_min.0);
        hash.word(spec.notional_max.0);
        hash.word(u64::from(spec.orders_max) << 32 | u64::from(spec.account_orders_max));
        hash.word(self.fees.tiers().len() as u64);
        for rates in self.fees.tiers() {
            let [maker, taker] = [rates.maker_ppm, rates.taker_ppm].map(i32::cast_unsigned);
            hash.word(u64::from(maker) << 32 | u64::from(taker));
        }
    }

    /// Hash of what a client can know of the book; `RULES.md` gives the recipe.
    #[must_use]
    pub fn book_hash(&self) -> u64 {
        let mut hash = Fnv1a::new();
        for side in [Side::Buy, Side::Sell] {
            for level in self.levels(side) {
                hash.level(level);
            }
        }
        hash.0
    }
}
