//! What a market is made with.

use crate::{FeeRates, MarketLimits, Units};
use souk_protocol::{AMOUNT_MAX, Amount, PRICE_MAX, Price, QTY_MAX, Qty};

/// The properties a market is made with. Its bounds may change later ([`MarketLimits`]), its units
/// never. Build it with [`MarketSpec::check`]ed values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketSpec {
    /// Lowest order price, at least 1.
    pub price_min: Price,
    /// Highest order price, at most [`PRICE_MAX`].
    pub price_max: Price,
    /// Lowest order quantity, at least 1.
    pub qty_min: Qty,
    /// Highest order quantity, at most [`QTY_MAX`].
    pub qty_max: Qty,
    /// Quote currency units of one tick times one lot, at least 1.
    pub notional_unit: u64,
    /// Base currency units of one lot, at least 1.
    pub lot_units: u64,
    /// Lowest notional of an order in quote currency, or 0 for no bound.
    pub notional_min: Amount,
    /// Highest notional of an order in quote currency, or 0 for no bound.
    pub notional_max: Amount,
    /// The rates of fee tier 0.
    pub fees: FeeRates,
    /// Open orders the market may hold, at most [`ORDERS_MAX`].
    pub orders_max: u32,
    /// Open orders one account may hold in the market.
    pub account_orders_max: u32,
}

/// Largest number of open orders of one market. Slots are 32 bits; one value means "none".
pub const ORDERS_MAX: u32 = u32::MAX - 1;

/// Why a market cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpecError {
    /// `1 <= price_min <= price_max <= PRICE_MAX` does not hold.
    PriceRange {
        /// The lower bound given.
        min: Price,
        /// The upper bound given.
        max: Price,
    },
    /// `1 <= qty_min <= qty_max <= QTY_MAX` does not hold.
    QtyRange {
        /// The lower bound given.
        min: Qty,
        /// The upper bound given.
        max: Qty,
    },
    /// `notional_unit` is 0.
    NotionalUnitZero,
    /// `lot_units` is 0.
    LotUnitsZero,
    /// `notional_min <= notional_max <= AMOUNT_MAX` does not hold, where both are given.
    NotionalRange {
        /// The lower bound given.
        min: Amount,
        /// The upper bound given.
        max: Amount,
    },
    /// The rates of tier 0 are not legal.
    FeesOutOfRange(FeeRates),
    /// `price_max * qty_max * notional_unit` does not fit an `i128`.
    NotionalTooLarge,
    /// `orders_max` is 0 or above [`ORDERS_MAX`], or `account_orders_max` is 0.
    OrdersRange {
        /// The market's bound given.
        market: u32,
        /// The account's bound given.
        account: u32,
    },
}

impl core::fmt::Display for SpecError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::PriceRange { min, max } => write!(
                f,
                "price_min {min} and price_max {max} must satisfy 1 <= min <= max <= {PRICE_MAX}"
            ),
            Self::QtyRange { min, max } => write!(
                f,
                "qty_min {min} and qty_max {max} must satisfy 1 <= min <= max <= {QTY_MAX}"
            ),
            Self::NotionalUnitZero => f.write_str("notional_unit must be at least 1"),
            Self::LotUnitsZero => f.write_str("lot_units must be at least 1"),
            Self::NotionalRange { min, max } => write!(
                f,
                "notional_min {min} and notional_max {max} must satisfy min <= max <= {AMOUNT_MAX}, or be 0 for no bound"
            ),
            Self::FeesOutOfRange(rates) => write!(
                f,
                "maker_ppm {} and taker_ppm {} must be at most 1000000, with taker_ppm >= 0 and no rebate above it",
                rates.maker_ppm, rates.taker_ppm
            ),
            Self::NotionalTooLarge => f.write_str(
                "price_max x qty_max x notional_unit must be below 2^127; lower price_max or qty_max",
            ),
            Self::OrdersRange { market, account } => write!(
                f,
                "orders_max {market} must be 1 to {ORDERS_MAX} and account_orders_max {account} at least 1"
            ),
        }
    }
}

impl core::error::Error for SpecError {}

impl MarketSpec {
    /// The widest market: every legal price and quantity up to 2^40 and 2^40, a million orders.
    pub const WIDE: Self = Self {
        price_min: Price(1),
        price_max: Price(1 << 40),
        qty_min: Qty(1),
        qty_max: Qty(1 << 40),
        notional_unit: 1,
        lot_units: 1,
        notional_min: Amount(0),
        notional_max: Amount(0),
        fees: FeeRates::NONE,
        orders_max: 16_000_000,
        account_orders_max: 16_000_000,
    };

    /// Checks every bound.
    ///
    /// # Errors
    /// The first bound that does not hold.
    pub fn check(self) -> Result<Self, SpecError> {
        let (min, max) = (self.price_min, self.price_max);
        if min.0 < 1 || min > max || max > PRICE_MAX {
            return Err(SpecError::PriceRange { min, max });
        }
        let (min, max) = (self.qty_min, self.qty_max);
        if min.0 < 1 || min > max || max > QTY_MAX {
            return Err(SpecError::QtyRange { min, max });
        }
        if self.notional_unit == 0 {
            return Err(SpecError::NotionalUnitZero);
        }
        if self.lot_units == 0 {
            return Err(SpecError::LotUnitsZero);
        }
        let (min, max) = (self.notional_min, self.notional_max);
        let in_order = max.0 == 0 || min <= max;
        if !in_order || min > AMOUNT_MAX || max > AMOUNT_MAX {
            return Err(SpecError::NotionalRange { min, max });
        }
        if !self.fees.are_legal() {
            return Err(SpecError::FeesOutOfRange(self.fees));
        }
        let notional = i128::from(self.price_max.0)
            .checked_mul(i128::from(self.qty_max.0))
            .and_then(|n| n.checked_mul(i128::from(self.notional_unit)));
        if notional.is_none() {
            return Err(SpecError::NotionalTooLarge);
        }
        if self.orders_max == 0 || self.orders_max > ORDERS_MAX || self.account_orders_max == 0 {
            return Err(SpecError::OrdersRange {
                market: self.orders_max,
                account: self.account_orders_max,
            });
        }
        Ok(self)
    }

    /// What its ticks and lots are in money.
    #[must_use]
    #[inline]
    pub const fn units(&self) -> Units {
        Units {
            notional_unit: self.notional_unit,
            lot_units: self.lot_units,
        }
    }

    /// Its bounds.
    #[must_use]
    pub const fn limits(&self) -> MarketLimits {
        MarketLimits {
            price_min: self.price_min,
            price_max: self.price_max,
            qty_min: self.qty_min,
            qty_max: self.qty_max,
            notional_min: self.notional_min,
            notional_max: self.notional_max,
            orders_max: self.orders_max,
            account_orders_max: self.account_orders_max,
        }
    }

    /// The same market with other bounds, which may be illegal.
    #[must_use]
    pub const fn with_limits(self, limits: MarketLimits) -> Self {
        Self {
            price_min: limits.price_min,
            price_max: limits.price_max,
            qty_min: limits.qty_min,
            qty_max: limits.qty_max,
            notional_min: limits.notional_min,
            notional_max: limits.notional_max,
            orders_max: limits.orders_max,
            account_orders_max: limits.account_orders_max,
            ..self
        }
    }
}
