//! New markets, and bounds as people write them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use souk_client::{Currency, FeeTerms, Market, MarketLimits, MarketTerms, StepSize};
use souk_protocol::message::MarketDefinition;
use souk_protocol::{
    Amount, MarketId, PRICE_MAX, Ppm, Price, QTY_MAX, Qty, RejectReason, Reserved,
};
use utoipa::ToSchema;

use super::{Limits, market_answer};
use crate::control::{Step, UnitsError, units};
use crate::office::admission::AtDesk;
use crate::office::answers::{MarketAnswer, StateWord, Ticker};
use crate::office::desk::Catalogue;
use crate::office::error::ApiError;
use crate::office::requests::{Body, number, text};
use crate::office::state::{Deed, OfficeState};

/// A new market.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMarket {
    /// The next free one if absent.
    id: Option<String>,
    symbol: String,
    base: String,
    quote: String,
    tick_size: String,
    lot_size: String,
    maker_ppm: i32,
    taker_ppm: i32,
    state: Option<StateWord>,
    price_min: Option<String>,
    price_max: Option<String>,
    qty_min: Option<String>,
    qty_max: Option<String>,
    notional_min: Option<String>,
    notional_max: Option<String>,
    orders_max: Option<u32>,
    account_orders_max: Option<u32>,
}

/// What a market would be.
#[derive(Serialize, ToSchema)]
pub struct Preview {
    /// What the smallest order costs at the lowest price.
    smallest_order: String,
    /// Units of the quote currency that one tick times one lot is.
    notional_unit: String,
    /// Units of the base currency that one lot is.
    lot_units: String,
    market: MarketAnswer,
}

/// The bounds of a market; how many orders it holds no definition tells.
pub fn limits_of(definition: &MarketDefinition, orders_max: Option<u32>) -> MarketLimits {
    MarketLimits {
        price_min: definition.price_min,
        price_max: definition.price_max,
        qty_min: definition.qty_min,
        qty_max: definition.qty_max,
        notional_min: definition.notional_min,
        notional_max: definition.notional_max,
        orders_max: orders_max.unwrap_or(MarketLimits::default().orders_max),
        account_orders_max: definition.account_orders_max,
    }
}

/// Bounds as people write them, over those that are known.
pub fn limits(
    body: &Limits,
    known: MarketLimits,
    definition: &MarketDefinition,
    quote: &Currency,
) -> Result<MarketLimits, ApiError> {
    // A market without bounds says what each text is in ticks and lots; the engine checks the rest.
    let unbounded = Market::new(MarketDefinition {
        price_min: Price(1),
        price_max: PRICE_MAX,
        qty_min: Qty(1),
        qty_max: QTY_MAX,
        ..*definition
    })?;
    let price = |given: &Option<String>, known| match given.as_deref() {
        None | Some("") => Ok(known),
        Some(given) => unbounded.price(given),
    };
    let qty = |given: &Option<String>, known| match given.as_deref() {
        None | Some("") => Ok(known),
        Some(given) => unbounded.qty(given),
    };
    let amount = |given: &Option<String>, known| match given.as_deref() {
        None => Ok(known),
        Some("") => Ok(Amount(0)),
        Some(given) => quote.money(given).map(|money| money.amount),
    };
    Ok(MarketLimits {
        price_min: price(&body.price_min, known.price_min)?,
        price_max: price(&body.price_max, known.price_max)?,
        qty_min: qty(&body.qty_min, known.qty_min)?,
        qty_max: qty(&body.qty_max, known.qty_max)?,
        notional_min: amount(&body.notional_min, known.notional_min)?,
        notional_max: amount(&body.notional_max, known.notional_max)?,
        orders_max: body.orders_max.unwrap_or(known.orders_max),
        account_orders_max: body.account_orders_max.unwrap_or(known.account_orders_max),
    })
}

/// A new market, resolved.
struct Draft {
    terms: MarketTerms,
    definition: MarketDefinition,
}

impl NewMarket {
    fn limits(&self) -> Limits {
        Limits {
            price_min: self.price_min.clone(),
            price_max: self.price_max.clone(),
            qty_min: self.qty_min.clone(),
            qty_max: self.qty_max.clone(),
            notional_min: self.notional_min.clone(),
            notional_max: self.notional_max.clone(),
            orders_max: self.orders_max,
            account_orders_max: self.account_orders_max,
        }
    }

    fn draft(&self, catalogue: &Catalogue) -> Result<Draft, ApiError> {
        let id = match self.id.as_deref() {
            None | Some("") => {
                let last = catalogue.markets.keys().last().map_or(0, |last| last.0);
                let next = last.checked_add(1);
                next.ok_or_else(|| ApiError::bad("id", "give one: the next one is taken"))?
            }
            Some(id) => number("id", id)?,
        };
        let (base, quote) = (
            catalogue.currency(&self.base)?,
            catalogue.currency(&self.quote)?,
        );
        let step = |field: &str, text: &str| {
            let size: Result<StepSize, _> = text.parse();
            size.map_err(|error| ApiError::bad(field, error))
        };
        let (tick, lot) = (
            step("tick_size", &self.tick_size)?,
            step("lot_size", &self.lot_size)?,
        );
        let engine = |size: StepSize| Step {
            mantissa: size.mantissa,
            scale: size.scale,
        };
        let (base_scale, quote_scale) = (base.definition().scale, quote.definition().scale);
        let made = units(engine(tick), engine(lot), base_scale, quote_scale);
        let units = made.map_err(|error| too_fine(error, self))?;
        let state = self.state.unwrap_or(StateWord::Continuous).into();
        let bounds = MarketLimits::default();
        let mut definition = MarketDefinition {
            market: MarketId(id),
            state,
            base_scale,
            quote_scale,
            reserved: Reserved,
            symbol: text("symbol", &self.symbol)?,
            base: base.definition().code,
            quote: quote.definition().code,
            tick_mantissa: tick.mantissa,
            lot_mantissa: lot.mantissa,
            tick_scale: tick.scale,
            lot_scale: lot.scale,
            reserved2: Reserved,
            price_min: bounds.price_min,
            price_max: bounds.price_max,
            qty_min: bounds.qty_min,
            qty_max: bounds.qty_max,
            notional_unit: units.notional_unit,
            account_orders_max: bounds.account_orders_max,
            reserved3: Reserved,
            notional_min: bounds.notional_min,
            notional_max: bounds.notional_max,
            lot_units: units.lot_units,
        };
        let limits = limits(&self.limits(), bounds, &definition, quote)?;
        definition.price_min = limits.price_min;
        definition.price_max = limits.price_max;
        definition.qty_min = limits.qty_min;
        definition.qty_max = limits.qty_max;
        definition.notional_min = limits.notional_min;
        definition.notional_max = limits.notional_max;
        definition.account_orders_max = limits.account_orders_max;
        let terms = MarketTerms {
            market: definition.market,
            symbol: definition.symbol,
            base: definition.base,
            quote: definition.quote,
            tick,
            lot,
            state,
            limits,
            fees: FeeTerms {
                maker: Ppm(self.maker_ppm),
                taker: Ppm(self.taker_ppm),
            },
        };
        Ok(Draft { terms, definition })
    }
}

/// What the engine would say, and which scale it would need.
fn too_fine(error: UnitsError, market: &NewMarket) -> ApiError {
    match error {
        UnitsError::LotTooFine { scale } => ApiError::bad(
            "lot_size",
            format!("LotTooFine: {} would need scale {scale}", market.base),
        ),
        UnitsError::TickTooFine { scale } => ApiError::bad(
            "tick_size",
            format!(
                "TickTooFine: {} would need scale {scale}, or a coarser tick or lot",
                market.quote
            ),
        ),
        UnitsError::OutOfRange => ApiError::refused(RejectReason::LimitsOutOfRange.into()),
    }
}

/// What a market would be, without making it.
#[utoipa::path(post, path = "/v1/markets/preview", request_body = NewMarket, responses((status = 200, body = Preview)))]
pub async fn preview(
    AtDesk { desk, .. }: AtDesk,
    Body(body): Body<NewMarket>,
) -> Result<Json<Preview>, ApiError> {
    let catalogue = desk.catalogue().await?;
    let definition = body.draft(&catalogue)?.definition;
    let market = Market::new(definition)?;
    let market = MarketAnswer::new(&catalogue, &market, Ticker::default())?;
    Ok(Json(Preview {
        smallest_order: market.smallest_order.clone(),
        notional_unit: definition.notional_unit.to_string(),
        lot_units: definition.lot_units.to_string(),
        market,
    }))
}

/// Open a market.
#[utoipa::path(post, path = "/v1/markets", request_body = NewMarket, responses((status = 200, body = MarketAnswer)))]
pub async fn create(
    State(office): State<Arc<OfficeState>>,
    AtDesk {
        caller,
        address,
        desk,
    }: AtDesk,
    Body(body): Body<NewMarket>,
) -> Result<Json<MarketAnswer>, ApiError> {
    let catalogue = desk.catalogue().await?;
    let terms = body.draft(&catalogue)?.terms;
    let target = format!("market {}", terms.market.0);
    let deed = Deed::new("market.create", target, "", &body);
    office
        .audited(&caller, address, deed, async {
            desk.client().await?.create_market(&terms).await?;
            desk.forget_catalogue();
            office.is_listed(desk.tenant).await?;
            market_answer(&office, &desk, terms.market).await.map(Json)
        })
        .await
}
