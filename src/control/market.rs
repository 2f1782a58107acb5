//! Markets of a tenant: their terms, and the units that make settlement exact.

use souk_engine::{FeeRates, FeeTable, MarketLimits, MarketSpec, Units};
use souk_protocol::message::{
    CreateMarket, MarketDefinition, SetFees, SetMarketLimits, SetMarketState,
};
use souk_protocol::{CurrencyStatus, MarketId, Ppm, RejectReason, Reserved, SCALE_MAX};

use super::{Control, CurrencyCode, Effect, MARKETS_MAX};

/// Everything a market is made with.
#[derive(Clone, Debug, PartialEq)]
pub struct MarketTerms {
    /// What clients are told of it.
    pub definition: MarketDefinition,
    /// What the engine is told of it.
    pub spec: MarketSpec,
    /// Every pair of rates it has ever had.
    pub(super) fees: FeeTable,
}

/// The size of a tick or a lot: `mantissa` x 10^-`scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The digits.
    pub mantissa: u64,
    /// How many of them are behind the point.
    pub scale: u8,
}

/// Why ticks and lots do not fit the currencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitsError {
    /// A lot is not a whole number of base units.
    LotTooFine {
        /// The scale the base currency would need.
        scale: u8,
    },
    /// A tick times a lot is not a whole number of quote units.
    TickTooFine {
        /// The scale the quote currency would need.
        scale: u8,
    },
    /// A tick or a lot is 0, or does not fit 64 bits in smallest units.
    OutOfRange,
}

impl UnitsError {
    /// Its code.
    #[must_use]
    pub const fn reason(self) -> RejectReason {
        match self {
            Self::LotTooFine { .. } => RejectReason::LotTooFine,
            Self::TickTooFine { .. } => RejectReason::TickTooFine,
            Self::OutOfRange => RejectReason::LimitsOutOfRange,
        }
    }
}

/// `mantissa` x 10^-`scale` in units of 10^-`unit_scale`: a whole number, or the scale it needs, or nothing
/// when it does not fit.
fn whole_units(mantissa: u128, scale: u8, unit_scale: u8) -> Result<u64, Option<u8>> {
    let (mut mantissa, mut scale) = (mantissa, scale);
    while scale > 0 && mantissa.is_multiple_of(10) {
        mantissa /= 10;
        scale -= 1;
    }
    if scale > unit_scale {
        return Err(Some(scale));
    }
    let power = 10_u128.checked_pow(u32::from(unit_scale - scale));
    let units = power.and_then(|power| mantissa.checked_mul(power));
    units
        .and_then(|units| u64::try_from(units).ok())
        .filter(|units| *units > 0)
        .ok_or(None)
}

/// What one tick and one lot are in smallest units, between currencies of these scales.
///
/// # Errors
/// Settlement never rounds: what is not a whole number of units is refused.
pub fn units(tick: Step, lot: Step, base_scale: u8, quote_scale: u8) -> Result<Units, UnitsError> {
    let lot_units = whole_units(u128::from(lot.mantissa), lot.scale, base_scale).map_err(
        |scale| match scale {
            Some(scale) => UnitsError::LotTooFine { scale },
            None => UnitsError::OutOfRange,
        },
    )?;
    let product = u128::from(tick.mantissa) * u128::from(lot.mantissa);
    let scale = tick
        .scale
        .checked_add(lot.scale)
        .ok_or(UnitsError::OutOfRange)?;
    let notional_unit = whole_units(product, scale, quote_scale).map_err(|scale| match scale {
        Some(scale) => UnitsError::TickTooFine { scale },
        None => UnitsError::OutOfRange,
    })?;
    Ok(Units {
        notional_unit,
        lot_units,
    })
}

impl Control {
    pub(super) fn create_market(&mut self, m: &CreateMarket) -> Result<Effect, RejectReason> {
        if m.market.0 == 0 {
            return Err(RejectReason::IdMustNotBeZero);
        }
        if !m.symbol.is_name() {
            return Err(RejectReason::NameNotLegal);
        }
        if self.markets.contains_key(&m.market) || self.symbols.contains(&m.symbol.0) {
            return Err(RejectReason::MarketExists);
        }
        if self.markets.len() >= MARKETS_MAX {
            return Err(RejectReason::TenantLimitReached);
        }
        if m.base == m.quote {
            return Err(RejectReason::SameCurrency);
        }
        let (base_scale, quote_scale) = (self.scale_of(m.base)?, self.scale_of(m.quote)?);
        let terms = MarketTerms::new(m, base_scale, quote_scale)?;
        self.markets.insert(m.market, terms.clone());
        self.symbols.insert(m.symbol.0);
        Ok(Effect::MarketCreated(Box::new(terms)))
    }

    /// The scale of a currency that new markets may have.
    fn scale_of(&self, code: CurrencyCode) -> Result<u8, RejectReason> {
        let definition = &self.currency(code)?.definition;
        if definition.status == CurrencyStatus::Delisting {
            return Err(RejectReason::CurrencyNotListed);
        }
        Ok(definition.scale)
    }

    pub(super) fn set_market_limits(
        &mut self,
        m: &SetMarketLimits,
    ) -> Result<Effect, RejectReason> {
        let terms = self.market(m.market)?;
        let limits = MarketLimits {
            price_min: m.price_min,
            price_max: m.price_max,
            qty_min: m.qty_min,
            qty_max: m.qty_max,
            notional_min: m.notional_min,
            notional_max: m.notional_max,
            orders_max: m.orders_max,
            account_orders_max: m.account_orders_max,
        };
        terms.spec = terms
            .spec
            .with_limits(limits)
            .check()
            .map_err(|_| RejectReason::LimitsOutOfRange)?;
        tell_limits(&mut terms.definition, &limits);
        Ok(Effect::Limits {
            market: m.market,
            limits,
        })
    }

    pub(super) fn set_market_state(&mut self, m: &SetMarketState) -> Result<Effect, RejectReason> {
        let terms = self.market(m.market)?;
        terms.definition.state = m.state;
        Ok(Effect::State {
            market: m.market,
            state: m.state,
        })
    }

    pub(super) fn set_fees(&mut self, m: &SetFees) -> Result<Effect, RejectReason> {
        let rates = rates(m.maker_ppm, m.taker_ppm);
        self.market(m.market)?.fees.add(rates)?;
        Ok(Effect::Fees {
            market: m.market,
            fee_group: m.fee_group,
            rates,
        })
    }
}

impl MarketTerms {
    fn new(m: &CreateMarket, base_scale: u8, quote_scale: u8) -> Result<Self, RejectReason> {
        if m.tick_scale.max(m.lot_scale) > SCALE_MAX {
            return Err(RejectReason::ScaleOutOfRange);
        }
        let tick = Step {
            mantissa: m.tick_mantissa,
            scale: m.tick_scale,
        };
        let lot = Step {
            mantissa: m.lot_mantissa,
            scale: m.lot_scale,
        };
        let units = units(tick, lot, base_scale, quote_scale).map_err(UnitsError::reason)?;
        let rates = rates(m.maker_ppm, m.taker_ppm);
        if !rates.are_legal() {
            return Err(RejectReason::FeesOutOfRange);
        }
        let fees = FeeTable::new(rates);
        let spec = MarketSpec {
            price_min: m.price_min,
            price_max: m.price_max,
            qty_min: m.qty_min,
            qty_max: m.qty_max,
            notional_min: m.notional_min,
            notional_max: m.notional_max,
            notional_unit: units.notional_unit,
            lot_units: units.lot_units,
            orders_max: m.orders_max,
            account_orders_max: m.account_orders_max,
            fees: rates,
        };
        let spec = spec.check().map_err(|_| RejectReason::LimitsOutOfRange)?;
        Ok(Self {
            definition: MarketDefinition {
                market: m.market,
                state: m.state,
                base_scale,
                quote_scale,
                reserved: Reserved,
                symbol: m.symbol,
                base: m.base,
                quote: m.quote,
                tick_mantissa: m.tick_mantissa,
                lot_mantissa: m.lot_mantissa,
                tick_scale: m.tick_scale,
                lot_scale: m.lot_scale,
                reserved2: Reserved,
                price_min: m.price_min,
                price_max: m.price_max,
                qty_min: m.qty_min,
                qty_max: m.qty_max,
                notional_unit: units.notional_unit,
                account_orders_max: m.account_orders_max,
                reserved3: Reserved,
                notional_min: m.notional_min,
                notional_max: m.notional_max,
                lot_units: units.lot_units,
            },
            spec,
            fees,
        })
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> MarketId {
        self.definition.market
    }
}

const fn rates(maker: Ppm, taker: Ppm) -> FeeRates {
    FeeRates {
        maker_ppm: maker.0,
        taker_ppm: taker.0,
    }
}

/// Writes bounds into what clients are told of a market.
pub fn tell_limits(definition: &mut MarketDefinition, limits: &MarketLimits) {
    definition.price_min = limits.price_min;
    definition.price_max = limits.price_max;
    definition.qty_min = limits.qty_min;
    definition.qty_max = limits.qty_max;
    definition.notional_min = limits.notional_min;
    definition.notional_max = limits.notional_max;
    definition.account_orders_max = limits.account_orders_max;
}
