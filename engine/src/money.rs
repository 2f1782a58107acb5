//! The arithmetic of money: what a trade is worth, what it costs in fees, what an order must
//! hold. `RULES.md`, section 10, says it in words.
//!
//! Must never: wrap, or round other than towards zero. What does not fit is `None`.

use alloc::vec;
use alloc::vec::Vec;
use core::hint::select_unpredictable;
use souk_protocol::{AMOUNT_MAX, Amount, Price, Qty, RejectReason, Side};

/// Rates and their bounds are parts of this: a rate of 1,000 is 0.1 percent of the notional.
pub const PPM: i32 = 1_000_000;

/// The most pairs of rates that a market may have in its life. A tier is one byte of an order.
pub const FEE_TIERS_MAX: usize = 1 << u8::BITS;

/// The rates of an account in a market, in parts per million of the notional.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeeRates {
    /// What the resting order pays; negative: what it gets (a rebate).
    pub maker_ppm: i32,
    /// What the incoming order pays, at least 0.
    pub taker_ppm: i32,
}

impl FeeRates {
    /// No fees.
    pub const NONE: Self = Self {
        maker_ppm: 0,
        taker_ppm: 0,
    };

    /// Whether both rates are within `-PPM..=PPM`, the taker's is not negative, and a trade
    /// between two orders of this tier never pays out more than it takes in.
    #[must_use]
    pub const fn are_legal(self) -> bool {
        let in_range = -PPM <= self.maker_ppm && self.maker_ppm <= PPM && self.taker_ppm <= PPM;
        in_range && self.taker_ppm >= 0 && self.taker_ppm + self.maker_ppm >= 0
    }

    /// The rate that an order must be able to pay, whichever side of a trade it will be on.
    #[must_use]
    #[inline]
    pub const fn worst_ppm(self) -> i32 {
        // The taker's rate is at least 0.
        if self.maker_ppm > self.taker_ppm {
            self.maker_ppm
        } else {
            self.taker_ppm
        }
    }
}

/// Names a pair of rates of a market: its place in the [`FeeTable`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct FeeTier(pub u8);

/// All pairs of rates that a market ever had. Pairs are only added, so that an order can keep its
/// tier for life.
///
/// Invariant: for any two pairs, what the taker of one pays is at least what the maker of the
/// other gets. No pair is in it twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeTable {
    rates: Vec<FeeRates>,
}

impl FeeTable {
    /// A table whose tier 0 has these rates, which are legal.
    #[must_use]
    pub fn new(rates: FeeRates) -> Self {
        assert!(rates.are_legal(), "a market's rates are legal: {rates:?}");
        let rates = vec![rates];
        Self { rates }
    }

    /// The rates of a tier.
    ///
    /// # Panics
    /// If the table has no such tier: whoever gives an order its tier takes it from this table.
    #[must_use]
    #[inline]
    pub fn rates(&self, tier: FeeTier) -> FeeRates {
        self.rates[usize::from(tier.0)]
    }

    /// All tiers, from tier 0.
    #[must_use]
    pub fn tiers(&self) -> &[FeeRates] {
        &self.rates
    }

    /// The tier with these rates: the one that has them, or a new one.
    ///
    /// # Errors
    /// `FeesOutOfRange` if the rates break a rule, alone or with another pair of the table;
    /// `FeeTableFull`.
    pub fn add(&mut self, rates: FeeRates) -> Result<FeeTier, RejectReason> {
        if !rates.are_legal() {
            return Err(RejectReason::FeesOutOfRange);
        }
        let known = self.rates.iter().position(|known| *known == rates);
        if known.is_none() {
            let pays = |known: &FeeRates| {
                known.taker_ppm + rates.maker_ppm >= 0 && rates.taker_ppm + known.maker_ppm >= 0
            };
            if !self.rates.iter().all(pays) {
                return Err(RejectReason::FeesOutOfRange);
            }
            if self.rates.len() == FEE_TIERS_MAX {
                return Err(RejectReason::FeeTableFull);
            }
            self.rates.push(rates);
        }
        // No truncation: a table has at most 256 tiers.
        Ok(FeeTier(known.unwrap_or(self.rates.len() - 1) as u8))
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.rates.capacity() * size_of::<FeeRates>()
    }
}

/// The fee on a notional, rounded towards zero; negative: a rebate. `None` if it does not fit.
#[must_use]
#[inline]
pub fn fee(notional: Amount, ppm: i32) -> Option<i64> {
    const WHOLE: u64 = PPM as u64;
    let rate = u64::from(ppm.unsigned_abs());
    let size = match notional.0.checked_mul(rate) {
        // No truncation: it is below 2^64 / 10^6.
        Some(product) => (product / WHOLE) as i64,
        None => wide_fee(notional, rate)?,
    };
    Some(select_unpredictable(ppm < 0, -size, size))
}

/// The fee where notional times rate is wider than 64 bits.
#[cold]
fn wide_fee(notional: Amount, rate: u64) -> Option<i64> {
    // No overflow: 64 and 32 bits.
    let product = u128::from(notional.0) * u128::from(rate);
    i64::try_from(product / u128::from(PPM.unsigned_abs())).ok()
}

/// `amount` if it is legal.
#[inline]
fn legal(amount: u64) -> Option<Amount> {
    (amount <= AMOUNT_MAX.0).then_some(Amount(amount))
}

/// The product of what may be prices, lots and units, if it is a legal amount.
#[inline]
fn product(price: u64, qty: u64, unit: u64) -> Option<Amount> {
    legal(price.checked_mul(qty)?.checked_mul(unit)?)
}

/// A bound plus the worst fee on it. `None` if it does not fit.
#[must_use]
#[inline]
pub fn with_worst_fee(bound: Amount, rates: FeeRates) -> Option<Amount> {
    let fee = fee(bound, rates.worst_ppm())?;
    legal(bound.0.checked_add(fee.unsigned_abs())?)
}

/// What ticks and lots of a market are in money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Units {
    /// Quote currency units of one tick times one lot, at least 1.
    pub notional_unit: u64,
    /// Base currency units of one lot, at least 1.
    pub lot_units: u64,
}

impl Units {
    /// What `qty` lots cost at `price`, in quote currency. `None` if it is not a legal amount.
    #[must_use]
    #[inline]
    pub fn notional(self, price: Price, qty: Qty) -> Option<Amount> {
        product(u64::try_from(price.0).ok()?, qty.0, self.notional_unit)
    }

    /// What `qty` lots are in base currency. `None` if it is not a legal amount.
    #[must_use]
    #[inline]
    pub fn base(self, qty: Qty) -> Option<Amount> {
        product(1, qty.0, self.lot_units)
    }

    /// What an open order holds: for a buy order quote currency, for a sell order base currency.
    /// `None` if it is not a legal amount.
    #[must_use]
    #[inline]
    pub fn need(self, side: Side, price: Price, leaves: Qty, rates: FeeRates) -> Option<Amount> {
        // A side is as good as random: no branch. What a sell order needs is so many lots at a price
        // of one, without a fee.
        let buys = side == Side::Buy;
        let price = u64::try_from(select_unpredictable(buys, price.0, 1)).ok()?;
        let unit = select_unpredictable(buys, self.notional_unit, self.lot_units);
        let worst = select_unpredictable(buys, rates.worst_ppm(), 0);
        let bound = product(price, leaves.0, unit)?;
        legal(bound.0.checked_add(fee(bound, worst)?.unsigned_abs())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: Units = Units {
        notional_unit: 1,
        lot_units: 1,
    };
    const MAX: u64 = AMOUNT_MAX.0;

    const fn rates(maker_ppm: i32, taker_ppm: i32) -> FeeRates {
        FeeRates {
            maker_ppm,
            taker_ppm,
        }
    }

    #[test]
    fn a_fee_is_rounded_towards_zero() {
        #[rustfmt::skip] // One row, one line.
        let table = [
            (0, PPM, Some(0)),
            (1, 0, Some(0)),
            (1, 1, Some(0)),
            (1, PPM - 1, Some(0)),
            (1, -(PPM - 1), Some(0)),
            (1, PPM, Some(1)),
            (1, -PPM, Some(-1)),
            (999_999, 1, Some(0)),
            (1_000_000, 1, Some(1)),
            (1_999_999, 1, Some(1)),
            (1_999_999, -1, Some(-1)),
            (12_345, 1_500, Some(18)), // 18.5175
            (12_345, -1_500, Some(-18)),
            (999_999, 999_999, Some(999_998)), // 999,998.000001
            (MAX, 0, Some(0)),
            (MAX, 1, Some(9_223_372_036_854)),
            (MAX, PPM - 1, Some(9_223_362_813_482_738_952)),
            (MAX, PPM, Some(i64::MAX)),
            (MAX, -PPM, Some(-i64::MAX)),
            (MAX + 1, PPM, None),
            (u64::MAX, PPM, None),
            (u64::MAX, 500_000, Some(i64::MAX)),
            (u64::MAX, i32::MAX, None),
            (u64::MAX, i32::MIN, None),
        ];
        for (notional, ppm, expected) in table {
            let wide = i128::from(notional) * i128::from(ppm) / i128::from(PPM);
            assert_eq!(
                fee(Amount(notional), ppm),
                expected,
                "{notional} at {ppm} ppm"
            );
            assert_eq!(
                i64::try_from(wide).ok(),
                expected,
                "{notional} at {ppm} ppm"
            );
        }
    }

    #[test]
    fn a_notional_is_a_legal_amount_or_nothing() {
        #[rustfmt::skip] // One row, one line.
        let table = [
            (1, 1, 1, Some(1)),
            (3, 5, 7, Some(105)),
            (i64::MAX, 1, 1, Some(MAX)),
            (i64::MAX, 2, 1, None),
            (1, MAX, 1, Some(MAX)),
            (1, MAX + 1, 1, None),
            (1, 1, MAX, Some(MAX)),
            (1, 1, MAX + 1, None),
            (1 << 31, 1 << 31, 1, Some(1 << 62)),
            (1 << 31, 1 << 31, 2, None),
            (7, 7, MAX / 49, Some(MAX)), // 49 divides 2^63 - 1.
            (7, 7, MAX / 49 + 1, None),
            // Beyond 2^127 and 2^128, where a product of three would wrap.
            (i64::MAX, u64::MAX, 1, None),
            (i64::MAX, u64::MAX, 2, None),
            (i64::MAX, u64::MAX, u64::MAX, None),
            (1 << 62, 1 << 62, 8, None),
            (1 << 62, 1 << 62, 16, None),
            (i64::MAX, 0, u64::MAX, Some(0)),
            (0, u64::MAX, u64::MAX, Some(0)),
            (-1, 1, 1, None),
            (i64::MIN, u64::MAX, u64::MAX, None),
        ];
        for (price, qty, notional_unit, expected) in table {
            let units = Units {
                notional_unit,
                ..UNITS
            };
            assert_eq!(
                units.notional(Price(price), Qty(qty)),
                expected.map(Amount),
                "{price} x {qty} x {notional_unit}"
            );
        }
    }

    #[test]
    fn lots_are_a_legal_amount_of_base_currency_or_nothing() {
        #[rustfmt::skip] // One row, one line.
        let table = [
            (1, 1, Some(1)),
            (MAX, 1, Some(MAX)),
            (MAX + 1, 1, None),
            (MAX / 7, 7, Some(MAX)), // 7 divides 2^63 - 1.
            (MAX / 7 + 1, 7, None),
            (1 << 62, 1 << 62, None),
            (u64::MAX, u64::MAX, None),
        ];
        for (qty, lot_units, expected) in table {
            let units = Units { lot_units, ..UNITS };
            assert_eq!(
                units.base(Qty(qty)),
                expected.map(Amount),
                "{qty} x {lot_units}"
            );
        }
    }

    #[test]
    fn a_buy_order_needs_its_notional_and_the_worst_fee() {
        #[rustfmt::skip] // One row, one line.
        let table = [
            (100, 7, rates(0, 0), Some(700)),
            (100, 7, rates(1_000, 2_000), Some(701)), // 1.4
            (100, 7, rates(2_000, 1_000), Some(701)),
            (100, 7, rates(-2_000, 2_000), Some(701)),
            (100, 10, rates(-1_000, 1_000), Some(1_001)),
            (1, MAX, rates(0, 0), Some(MAX)),
            (1, MAX, rates(0, 1), None),
            (1, MAX, rates(1, 0), None),
            (1, MAX / 2, rates(0, PPM), Some(MAX - 1)),
            (1, MAX / 2 + 1, rates(0, PPM), None),
            (1, MAX - 9_223_362_813_492, rates(0, 1), Some(MAX - 1)),
            (1, MAX - 9_223_362_813_491, rates(0, 1), Some(MAX)),
            (1, MAX - 9_223_362_813_490, rates(0, 1), None),
        ];
        for (price, leaves, rates, expected) in table {
            let need = UNITS.need(Side::Buy, Price(price), Qty(leaves), rates);
            assert_eq!(
                need,
                expected.map(Amount),
                "{price} x {leaves} at {rates:?}"
            );
        }
    }

    #[test]
    fn a_sell_order_needs_its_lots_whatever_price_and_fees() {
        let units = Units {
            notional_unit: u64::MAX,
            lot_units: 10,
        };
        let need = |leaves| units.need(Side::Sell, Price(i64::MAX), Qty(leaves), rates(PPM, PPM));
        assert_eq!(need(12), Some(Amount(120)));
        assert_eq!(need(MAX / 10), Some(Amount(MAX - 7)));
        assert_eq!(need(MAX / 10 + 1), None);
    }

    #[test]
    fn the_rates_of_a_pair_have_bounds() {
        let legal = [
            rates(0, 0),
            rates(PPM, PPM),
            rates(-PPM, PPM),
            rates(-5, 5),
            rates(5, 0),
        ];
        for rates in legal {
            assert!(rates.are_legal(), "{rates:?}");
        }
        let illegal = [
            rates(0, -1),
            rates(1, -1),
            rates(-6, 5),
            rates(0, PPM + 1),
            rates(PPM + 1, PPM),
            rates(-PPM - 1, PPM),
            rates(i32::MIN, i32::MAX),
            rates(i32::MAX, i32::MAX),
            rates(i32::MIN, i32::MIN),
        ];
        for rates in illegal {
            assert!(!rates.are_legal(), "{rates:?}");
        }
    }

    #[test]
    fn a_pair_has_one_tier_for_ever() {
        let mut table = FeeTable::new(FeeRates::NONE);
        assert_eq!(table.add(rates(1, 2)), Ok(FeeTier(1)));
        assert_eq!(table.add(rates(0, 2)), Ok(FeeTier(2)));
        assert_eq!(table.add(rates(1, 2)), Ok(FeeTier(1)));
        assert_eq!(table.add(FeeRates::NONE), Ok(FeeTier(0)));
        assert_eq!(table.rates(FeeTier(2)), rates(0, 2));
        for taker_ppm in 3..256 {
            let tier = FeeTier(u8::try_from(taker_ppm).expect("small"));
            assert_eq!(table.add(rates(0, taker_ppm)), Ok(tier));
        }
        assert_eq!(table.tiers().len(), FEE_TIERS_MAX);
        assert_eq!(
            table.add(rates(0, 256)),
            Err(RejectReason::FeeTableFull),
            "256 at most"
        );
        assert_eq!(
            table.add(rates(0, 255)),
            Ok(FeeTier(255)),
            "a full table has its pairs"
        );
        assert_eq!(
            table.add(rates(-1, 256)),
            Err(RejectReason::FeesOutOfRange),
            "the rule comes before the room"
        );
    }

    #[test]
    fn no_rebate_is_above_the_lowest_taker_fee() {
        let mut table = FeeTable::new(rates(-10, 30));
        assert_eq!(table.add(rates(-30, 40)), Ok(FeeTier(1)));
        assert_eq!(
            table.add(rates(-31, 40)),
            Err(RejectReason::FeesOutOfRange),
            "tier 0 pays 30"
        );
        assert_eq!(
            table.add(rates(0, 29)),
            Err(RejectReason::FeesOutOfRange),
            "tier 1 gets 30"
        );
        assert_eq!(table.add(rates(0, 30)), Ok(FeeTier(2)));
        assert_eq!(table.tiers().len(), 3);
    }
}
