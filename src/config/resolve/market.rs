//! Markets: decimals of people become ticks, lots and whole units.

use rust_decimal::Decimal;
use souk_protocol::message::{CreateMarket, SetFees};
use souk_protocol::{
    Amount, FeeGroup, MarketId, MarketState, PRICE_MAX, Ppm, Price, QTY_MAX, Qty, Reserved, Text,
};
use toml::Spanned;

use super::Source;
use super::tenant::{Draft, amount};
use crate::config::ConfigError;
use crate::config::raw::{RawFees, RawMarket, RawState};
use crate::control::{ControlCommand, CurrencyCode, Step, UnitsError, units};

/// A currency code: 1 to 8 upper-case letters or digits.
pub(super) fn currency_code(
    source: &Source<'_>,
    key: &'static str,
    given: &Spanned<String>,
) -> Result<CurrencyCode, ConfigError> {
    let code = given.get_ref();
    Text::new(code)
        .filter(CurrencyCode::is_currency_code)
        .ok_or_else(|| {
            let rule = "must be 1 to 8 upper-case letters or digits";
            source.error(key, given.span(), code, rule, "use a code such as USDT")
        })
}

pub(super) fn decimal(
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

pub(super) fn resolve_market(draft: &mut Draft<'_>, raw: &RawMarket) -> Result<(), ConfigError> {
    let source = draft.source;
    let id = source.number("market.id", Some(&raw.id), 0, 1..=u64::from(u32::MAX))? as u32;
    let symbol = symbol(source, &raw.symbol)?;
    let (base, base_scale) = currency(draft, "market.base", &raw.base)?;
    let (quote, quote_scale) = currency(draft, "market.quote", &raw.quote)?;
    let tick = decimal(source, "tick_size", &raw.tick_size)?;
    let lot = decimal(source, "lot_size", &raw.lot_size)?;
    let (tick_step, lot_step) = (step(tick), step(lot));
    units(tick_step, lot_step, base_scale, quote_scale)
        .map_err(|error| units_error(source, raw, (tick, lot), base_scale, error))?;
    let notional = |key, given: &Option<Spanned<String>>| match given {
        Some(given) => amount(source, key, given, quote_scale),
        None => Ok(Amount(0)),
    };
    let price = |key, given: &Option<Spanned<String>>, default| {
        steps(source, key, given.as_ref(), tick, default).map(|ticks| Price(ticks as i64))
    };
    let qty = |key, given: &Option<Spanned<String>>, default| {
        steps(source, key, given.as_ref(), lot, default).map(Qty)
    };
    let orders = |key, given: &Option<Spanned<u64>>, default, most: u32| {
        source
            .number(key, given.as_ref(), default, 1..=u64::from(most))
            .map(|count| count as u32)
    };
    let market = MarketId(id);
    let command = ControlCommand::CreateMarket(CreateMarket {
        request_id: 0,
        market,
        state: state_of(raw.state),
        tick_scale: tick_step.scale,
        lot_scale: lot_step.scale,
        reserved: Reserved,
        symbol,
        base,
        quote,
        tick_mantissa: tick_step.mantissa,
        lot_mantissa: lot_step.mantissa,
        price_min: price("price_min", &raw.price_min, 1)?,
        price_max: price("price_max", &raw.price_max, 1 << 40)?,
        qty_min: qty("qty_min", &raw.qty_min, 1)?,
        qty_max: qty("qty_max", &raw.qty_max, 1 << 40)?,
        notional_min: notional("notional_min", &raw.notional_min)?,
        notional_max: notional("notional_max", &raw.notional_max)?,
        orders_max: orders(
            "orders_max",
            &raw.orders_max,
            1_000_000,
            souk_engine::ORDERS_MAX,
        )?,
        account_orders_max: orders(
            "account_orders_max",
            &raw.account_orders_max,
            10_000,
            u32::MAX,
        )?,
        maker_ppm: Ppm(raw.maker_ppm),
        taker_ppm: Ppm(raw.taker_ppm),
    });
    draft.apply(&command, "market", raw.id.span(), raw.symbol.get_ref())?;
    raw.fees
        .iter()
        .try_for_each(|fees| resolve_fees(draft, market, fees))
}

fn resolve_fees(draft: &mut Draft<'_>, market: MarketId, raw: &RawFees) -> Result<(), ConfigError> {
    let group = &raw.group;
    let number = draft
        .source
        .number("fees.group", Some(group), 0, 0..=65_535)?;
    let command = ControlCommand::SetFees(SetFees {
        request_id: 0,
        market,
        fee_group: FeeGroup(number as u16),
        reserved: Reserved,
        maker_ppm: Ppm(raw.maker_ppm),
        taker_ppm: Ppm(raw.taker_ppm),
    });
    draft.apply(&command, "market.fees", group.span(), &number.to_string())
}

fn symbol(source: &Source<'_>, given: &Spanned<String>) -> Result<Text<24>, ConfigError> {
    let symbol = given.get_ref();
    Text::new(symbol)
        .filter(|_| !symbol.is_empty())
        .ok_or_else(|| {
            let rule = "must be 1 to 24 printable ASCII characters without spaces";
            let remedy = "use a name such as BTC-USDT";
            source.error("market.symbol", given.span(), symbol, rule, remedy)
        })
}

fn currency(
    draft: &Draft<'_>,
    key: &'static str,
    given: &Spanned<String>,
) -> Result<(CurrencyCode, u8), ConfigError> {
    let code = currency_code(draft.source, key, given)?;
    draft.control.scale(code).map_or_else(
        || {
            let rule = "is not a currency of this tenant";
            let remedy = "add a [[tenant.currency]] with this code";
            Err(draft
                .source
                .error(key, given.span(), given.get_ref(), rule, remedy))
        },
        |scale| Ok((code, scale)),
    )
}

/// A decimal as digits and scale; 0 digits if there are more than 64 bits hold, which no market accepts.
fn step(value: Decimal) -> Step {
    Step {
        mantissa: u64::try_from(value.mantissa()).unwrap_or(0),
        scale: value.scale() as u8,
    }
}

fn units_error(
    source: &Source<'_>,
    raw: &RawMarket,
    (tick, lot): (Decimal, Decimal),
    base_scale: u8,
    error: UnitsError,
) -> ConfigError {
    match error {
        UnitsError::LotTooFine { scale } => {
            let rule = format!("is finer than the base currency's scale of {base_scale} digits");
            let remedy = format!("raise the scale of {} to {scale}", raw.base.get_ref());
            source.error("lot_size", raw.lot_size.span(), lot, rule, remedy)
        }
        UnitsError::TickTooFine { scale } => {
            let value = format!("{tick} x lot_size {lot}");
            let quote = raw.quote.get_ref();
            let rule =
                format!("one tick x one lot is not a whole number of {quote}'s smallest unit");
            let remedy = format!("raise the scale of {quote} to {scale}");
            source.error("tick_size", raw.tick_size.span(), value, rule, remedy)
        }
        UnitsError::OutOfRange => {
            let value = format!("{tick} x lot_size {lot}");
            let rule = "one tick x one lot does not fit 64 bits of smallest units";
            let remedy = "use a finer tick or lot";
            source.error("tick_size", raw.tick_size.span(), value, rule, remedy)
        }
    }
}

fn state_of(raw: Option<RawState>) -> MarketState {
    match raw {
        None | Some(RawState::Continuous) => MarketState::Continuous,
        Some(RawState::Halted) => MarketState::Halted,
        Some(RawState::CancelOnly) => MarketState::CancelOnly,
    }
}
