//! Markets: decimals of people become ticks, lots and whole units.

use std::collections::HashMap;

use rust_decimal::Decimal;
use souk_engine::{FeeRates, MarketSpec};
use souk_protocol::message::MarketDefinition;
use souk_protocol::{Amount, MarketId, PRICE_MAX, Price, QTY_MAX, Qty, Reserved, Text};
use toml::Spanned;

use super::{Source, state_of};
use crate::config::raw::RawMarket;
use crate::config::{ConfigError, MarketConfig};

/// A currency code: 1 to 8 upper-case letters or digits.
pub(super) fn currency_code(
    source: &Source<'_>,
    key: &'static str,
    given: &Spanned<String>,
) -> Result<String, ConfigError> {
    let code = given.get_ref();
    let legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    if code.is_empty() || code.len() > 8 || !code.bytes().all(legal) {
        let rule = "must be 1 to 8 upper-case letters or digits";
        return Err(source.error(key, given.span(), code, rule, "use a code such as USDT"));
    }
    Ok(code.clone())
}

fn decimal(
    source: &Source<'_>,
    key: &'static str,
    given: &Spanned<String>,
) -> Result<Decimal, ConfigError> {
    let value = Decimal::from_str_exact(given.get_ref())
        .ok()
        .filter(|d| *d > Decimal::ZERO);
    value.map(|d| d.normalize()).ok_or_else(|| {
        let rule = "must be a positive decimal in quotes, with at most 28 digits";
        source.error(
            key,
            given.span(),
            given.get_ref(),
            rule,
            "write it like \"0.01\"",
        )
    })
}

/// `given / step` as a whole number of at most 2^62, or the default.
fn steps(
    source: &Source<'_>,
    key: &'static str,
    given: Option<&Spanned<String>>,
    step: Decimal,
    default: u64,
) -> Result<u64, ConfigError> {
    let Some(given) = given else {
        return Ok(default);
    };
    let value = decimal(source, key, given)?;
    let whole = value
        .checked_div(step)
        .filter(|count| count.fract().is_zero());
    let count = whole.and_then(|count| u64::try_from(count).ok());
    count.filter(|count| *count <= STEPS_MAX).ok_or_else(|| {
        let rule = format!("must be a multiple of {step}, at most 2^62 of them");
        source.error(
            key,
            given.span(),
            given.get_ref(),
            rule,
            "round it to the step",
        )
    })
}

/// Ticks of a price and lots of a quantity have the same bound.
const STEPS_MAX: u64 = QTY_MAX.0;
const _: () = assert!(
    STEPS_MAX == PRICE_MAX.0 as u64,
    "one bound for prices and quantities"
);

pub(super) fn resolve_market(
    source: &Source<'_>,
    raw: &RawMarket,
    currencies: &HashMap<String, u32>,
) -> Result<MarketConfig, ConfigError> {
    let id = source.number("market.id", Some(&raw.id), 0, 1..=u64::from(u32::MAX))? as u32;
    let symbol = raw.symbol.get_ref();
    let symbol_text = Text::new(symbol)
        .filter(|_| !symbol.is_empty())
        .ok_or_else(|| {
            let rule = "must be 1 to 24 printable ASCII characters without spaces";
            source.error(
                "market.symbol",
                raw.symbol.span(),
                symbol,
                rule,
                "use a name such as BTC-USDT",
            )
        })?;
    let (base, base_scale) = currency(source, "market.base", &raw.base, currencies)?;
    let (quote, quote_scale) = currency(source, "market.quote", &raw.quote, currencies)?;
    let tick = decimal(source, "tick_size", &raw.tick_size)?;
    let lot = decimal(source, "lot_size", &raw.lot_size)?;
    if lot.scale() > base_scale {
        let rule = format!("is finer than the base currency's scale of {base_scale} digits");
        let remedy = format!(
            "raise the scale of {} to {}",
            raw.base.get_ref(),
            lot.scale()
        );
        return Err(source.error("lot_size", raw.lot_size.span(), lot, rule, remedy));
    }
    let notional_unit = notional_unit(source, raw, tick, lot, quote_scale)?;
    let spec = MarketSpec {
        price_min: Price(steps(source, "price_min", raw.price_min.as_ref(), tick, 1)? as i64),
        price_max: Price(steps(source, "price_max", raw.price_max.as_ref(), tick, 1 << 40)? as i64),
        qty_min: Qty(steps(source, "qty_min", raw.qty_min.as_ref(), lot, 1)?),
        qty_max: Qty(steps(
            source,
            "qty_max",
            raw.qty_max.as_ref(),
            lot,
            1 << 40,
        )?),
        notional_unit,
        lot_units: lot_units(source, raw, lot, base_scale)?,
        notional_min: Amount(0),
        notional_max: Amount(0),
        fees: FeeRates::NONE,
        orders_max: source.number(
            "orders_max",
            raw.orders_max.as_ref(),
            1_000_000,
            1..=u64::from(souk_engine::ORDERS_MAX),
        )? as u32,
        account_orders_max: source.number(
            "account_orders_max",
            raw.account_orders_max.as_ref(),
            10_000,
            1..=u64::from(u32::MAX),
        )? as u32,
    };
    let spec = spec.check().map_err(|error| {
        source.error(
            "market",
            raw.id.span(),
            symbol,
            error.to_string(),
            "change the bound it names",
        )
    })?;
    let state = state_of(raw.state);
    let definition = MarketDefinition {
        market: MarketId(id),
        state,
        base_scale: base_scale as u8,
        quote_scale: quote_scale as u8,
        reserved: Reserved,
        symbol: symbol_text,
        base,
        quote,
        tick_mantissa: tick.mantissa() as u64,
        lot_mantissa: lot.mantissa() as u64,
        tick_scale: tick.scale() as u8,
        lot_scale: lot.scale() as u8,
        reserved2: Reserved,
        price_min: spec.price_min,
        price_max: spec.price_max,
        qty_min: spec.qty_min,
        qty_max: spec.qty_max,
        notional_unit,
        account_orders_max: spec.account_orders_max,
        reserved3: Reserved,
        notional_min: spec.notional_min,
        notional_max: spec.notional_max,
        lot_units: spec.lot_units,
    };
    Ok(MarketConfig {
        id: MarketId(id),
        symbol: symbol.clone(),
        definition,
        spec,
        state,
    })
}

fn currency(
    source: &Source<'_>,
    key: &'static str,
    given: &Spanned<String>,
    currencies: &HashMap<String, u32>,
) -> Result<(Text<8>, u32), ConfigError> {
    let code = currency_code(source, key, given)?;
    match (Text::new(&code), currencies.get(&code)) {
        (Some(text), Some(scale)) => Ok((text, *scale)),
        _ => {
            let rule = "is not a currency of this tenant";
            let remedy = "add a [[tenant.currency]] with this code";
            Err(source.error(key, given.span(), code, rule, remedy))
        }
    }
}

/// Base currency units of one lot, which is not finer than the currency.
fn lot_units(
    source: &Source<'_>,
    raw: &RawMarket,
    lot: Decimal,
    base_scale: u32,
) -> Result<u64, ConfigError> {
    let units = u128::try_from(lot.mantissa())
        .ok()
        .and_then(|mantissa| mantissa.checked_mul(10_u128.pow(base_scale - lot.scale())))
        .and_then(|units| u64::try_from(units).ok());
    units.ok_or_else(|| {
        let rule = "does not fit 64 bits in the base currency's smallest unit";
        source.error(
            "lot_size",
            raw.lot_size.span(),
            lot,
            rule,
            "use a finer lot",
        )
    })
}

/// Quote currency units of one tick times one lot. Settlement never rounds, so it must be whole.
fn notional_unit(
    source: &Source<'_>,
    raw: &RawMarket,
    tick: Decimal,
    lot: Decimal,
    quote_scale: u32,
) -> Result<u64, ConfigError> {
    let product = tick.checked_mul(lot).map(|d| d.normalize());
    let fail = |rule: String, remedy: String| {
        let value = format!("{tick} x lot_size {lot}");
        source.error("tick_size", raw.tick_size.span(), value, rule, remedy)
    };
    // A product that needs more than 28 digits would have been rounded.
    let exact = product.filter(|_| tick.scale() + lot.scale() <= 28);
    let Some(product) = exact else {
        return Err(fail(
            "has more than 28 digits".into(),
            "use a coarser tick or lot".into(),
        ));
    };
    if product.scale() > quote_scale {
        return Err(fail(
            format!(
                "one tick x one lot is {product} {}, which is not a whole number of its smallest unit (scale {quote_scale})",
                raw.quote.get_ref()
            ),
            format!(
                "raise the scale of {} to {}",
                raw.quote.get_ref(),
                product.scale()
            ),
        ));
    }
    let units = u128::try_from(product.mantissa())
        .ok()
        .and_then(|mantissa| mantissa.checked_mul(10_u128.pow(quote_scale - product.scale())))
        .and_then(|units| u64::try_from(units).ok());
    units.ok_or_else(|| {
        fail(
            "one tick x one lot does not fit 64 bits".into(),
            "use a finer tick or lot".into(),
        )
    })
}
