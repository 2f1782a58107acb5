//! Markets: what they are, what they accept, what they cost, how deep they are.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use souk_client::{Book, FeeTerms, Level, Market};
use souk_protocol::{FeeGroup, MarketId, MarketState, Ppm, Price, Qty};
use utoipa::ToSchema;

use crate::clock;
use crate::office::admission::AtDesk;
use crate::office::answers::{Items, MarketAnswer, StateWord, Ticker, time};
use crate::office::desk::{Catalogue, Desk, answer};
use crate::office::error::ApiError;
use crate::office::requests::{Ask, Body, market_named, named, reason};
use crate::office::state::{Deed, OfficeState, blocking};
use crate::office::store::AuditFilter;

pub mod create;

/// Levels of a side, if nothing is said.
const LEVELS: usize = 50;
/// Most levels of a side.
const LEVELS_MAX: usize = 1_000;
/// Changes of a market's state that are listed.
const STATES_MAX: usize = 500;
/// How long an account's orders may take to be canceled.
const CANCEL_MAX: Duration = Duration::from_secs(30);

/// What a market did lately, with the best prices if somebody looks at it.
pub fn ticker(
    office: &OfficeState,
    desk: &Desk,
    catalogue: &Catalogue,
    market: &Market,
) -> Result<Ticker, ApiError> {
    let quote = catalogue.quote(market)?;
    let volumes = blocking(|| office.volumes(desk.tenant))?;
    let volume = volumes.get(&market.id()).copied().unwrap_or_default();
    let mut ticker = Ticker::of(market, quote, &volume);
    if let Some((bid, ask)) = office.hubs[&desk.tenant].best(market.id()) {
        ticker.best_bid = bid.map(|price| market.price_text(price));
        ticker.best_ask = ask.map(|price| market.price_text(price));
    }
    Ok(ticker)
}

/// A market as it is now.
pub async fn market_answer(
    office: &OfficeState,
    desk: &Desk,
    id: MarketId,
) -> Result<MarketAnswer, ApiError> {
    let catalogue = desk.catalogue().await?;
    let market = catalogue.market(id)?;
    let ticker = ticker(office, desk, &catalogue, market)?;
    let fees = blocking(|| office.history.fees(desk.tenant, id))?;
    let answer = MarketAnswer::new(&catalogue, market, ticker)?;
    Ok(answer.with_fees(&fees, FeeGroup(0)))
}

/// All markets as they are now, with what a fee group pays.
pub async fn all_markets(
    office: &OfficeState,
    desk: &Desk,
    group: FeeGroup,
) -> Result<Items<MarketAnswer>, ApiError> {
    let catalogue = desk.catalogue().await?;
    let answer = |market: &Market| {
        let ticker = ticker(office, desk, &catalogue, market)?;
        let fees = blocking(|| office.history.fees(desk.tenant, market.id()))?;
        let answer = MarketAnswer::new(&catalogue, market, ticker)?;
        Ok::<_, ApiError>(answer.with_fees(&fees, group))
    };
    let items: Result<Vec<_>, _> = catalogue.markets.values().map(answer).collect();
    Ok(Items::all(items?))
}

/// The tenant's markets.
#[utoipa::path(get, path = "/v1/markets", responses((status = 200, body = Items<MarketAnswer>)))]
pub async fn list(
    State(office): State<Arc<OfficeState>>,
    AtDesk { desk, .. }: AtDesk,
) -> Result<Json<Items<MarketAnswer>>, ApiError> {
    all_markets(&office, &desk, FeeGroup(0)).await.map(Json)
}

/// A market.
#[utoipa::path(get, path = "/v1/markets/{id}", responses((status = 200, body = MarketAnswer)))]
pub async fn one(
    State(office): State<Arc<OfficeState>>,
    AtDesk { desk, .. }: AtDesk,
    Path(id): Path<String>,
) -> Result<Json<MarketAnswer>, ApiError> {
    let id = market_named(&id)?;
    market_answer(&office, &desk, id).await.map(Json)
}

/// Bounds of orders to come.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    price_min: Option<String>,
    price_max: Option<String>,
    qty_min: Option<String>,
    qty_max: Option<String>,
    notional_min: Option<String>,
    notional_max: Option<String>,
    orders_max: Option<u32>,
    account_orders_max: Option<u32>,
}

/// Change the bounds of a market; what is absent stays.
#[utoipa::path(put, path = "/v1/markets/{id}/limits", request_body = Limits, responses((status = 200, body = MarketAnswer)))]
pub async fn set_limits(
    State(office): State<Arc<OfficeState>>,
    AtDesk {
        caller,
        address,
        desk,
    }: AtDesk,
    Path(id): Path<String>,
    Body(body): Body<Limits>,
) -> Result<Json<MarketAnswer>, ApiError> {
    let id = market_named(&id)?;
    // What is absent stays as it is now, not as it was.
    let _alone = desk.changes.lock().await;
    office.history_is_up(desk.tenant).await?;
    desk.forget_catalogue();
    let catalogue = desk.catalogue().await?;
    let market = catalogue.market(id)?;
    let orders_max = blocking(|| office.history.orders_max(desk.tenant, id))?;
    let limits = create::limits(
        &body,
        create::limits_of(market.definition(), orders_max),
        market.definition(),
        catalogue.quote(market)?,
    )?;
    let deed = Deed::new("market.limits", format!("market {}", id.0), "", &body);
    office
        .audited(&caller, address, deed, async {
            desk.client().await?.set_market_limits(id, &limits).await?;
            desk.forget_catalogue();
            market_answer(&office, &desk, id).await.map(Json)
        })
        .await
}

/// What a market shall accept.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewState {
    state: StateWord,
    reason: String,
    /// Cancel all open orders, too.
    #[serde(default)]
    cancel_orders: bool,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
pub struct StateSet {
    market: MarketAnswer,
    /// Orders canceled.
    canceled: u64,
}

/// Open, halt, or leave a market to cancels only.
#[utoipa::path(put, path = "/v1/markets/{id}/state", request_body = NewState, responses((status = 200, body = StateSet)))]
pub async fn set_state(
    State(office): State<Arc<OfficeState>>,
    AtDesk {
        caller,
        address,
        desk,
    }: AtDesk,
    Path(id): Path<String>,
    Body(body): Body<NewState>,
) -> Result<Json<StateSet>, ApiError> {
    let id = market_named(&id)?;
    let why = reason(&body.reason)?;
    desk.catalogue().await?.market(id)?;
    let deed = Deed::new("market.state", format!("market {}", id.0), why, &body);
    office
        .audited(&caller, address, deed, async {
            let client = desk.client().await?;
            let mut canceled = Ok(0);
            if body.cancel_orders {
                // In a halted market nothing can be canceled: first no new orders, then the cancels.
                client.set_market_state(id, MarketState::CancelOnly).await?;
                canceled = cancel_all(&office, &desk, id).await;
            }
            // Whatever became of the cancels, the market is what was asked for.
            if !(body.cancel_orders && body.state == StateWord::CancelOnly) {
                client.set_market_state(id, body.state.into()).await?;
            }
            desk.forget_catalogue();
            let canceled = canceled?;
            office.is_listed(desk.tenant).await?;
            let market = market_answer(&office, &desk, id).await?;
            Ok(Json(StateSet { market, canceled }))
        })
        .await
}

/// Cancels all open orders of a market, account by account.
async fn cancel_all(office: &OfficeState, desk: &Desk, market: MarketId) -> Result<u64, ApiError> {
    if office.history_is_up(desk.tenant).await.is_err() {
        let text =
            "the history is behind: the market has its new state, but no orders were canceled";
        return Err(ApiError::unavailable(text));
    }
    let accounts = blocking(|| office.history.accounts_with_orders(desk.tenant, market))?;
    let client = desk.client().await?;
    let mut canceled = 0;
    let until = clock::monotonic() + CANCEL_MAX;
    for account in accounts {
        if clock::monotonic() > until {
            let text = format!("{canceled} orders are canceled, others are not yet");
            return Err(ApiError::unavailable(text));
        }
        let done = client.mass_cancel(market, account, None).await?;
        canceled += u64::from(answer(done).await?.count);
    }
    Ok(canceled)
}

/// What a market accepted from a time on.
#[derive(Serialize, ToSchema)]
pub struct StateAnswer {
    state: StateWord,
    reason: String,
    by: String,
    at: String,
}

/// What a market accepted when, and why, newest first.
#[utoipa::path(get, path = "/v1/markets/{id}/states", responses((status = 200, body = Items<StateAnswer>)))]
pub async fn states(
    State(office): State<Arc<OfficeState>>,
    AtDesk { desk, .. }: AtDesk,
    Path(id): Path<String>,
) -> Result<Json<Items<StateAnswer>>, ApiError> {
    let id = market_named(&id)?;
    desk.catalogue().await?.market(id)?;
    let rows = blocking(|| office.history.states(desk.tenant, id, STATES_MAX))?;
    let filter = AuditFilter {
        action: Some("market.state".to_owned()),
        target: Some(format!("market {}", id.0)),
        limit: 2 * STATES_MAX,
        ..AuditFilter::default()
    };
    let deeds = blocking(|| office.store.audit(Some(desk.tenant), &filter))?;
    let items = rows.into_iter().map(|row| {
        // The last one begun before it, which was not over before it.
        let by = deeds
            .iter()
            .find(|entry| entry.outcome == "begun" && entry.at <= row.at)
            .filter(|begun| {
                let mut ends = deeds.iter().filter(|entry| entry.begun == begun.number);
                ends.all(|end| end.at >= row.at)
            });
        StateAnswer {
            state: row.state.into(),
            reason: by.map_or_else(String::new, |entry| entry.attempt.reason.clone()),
            by: by.map_or_else(String::new, |entry| entry.attempt.user.clone()),
            at: time(row.at),
        }
    });
    Ok(Json(Items::all(items.collect())))
}

/// What a fee group pays.
#[derive(Serialize, ToSchema)]
pub struct FeesAnswer {
    group: u16,
    maker_ppm: i32,
    taker_ppm: i32,
}

/// What the fee groups of a market pay.
#[utoipa::path(get, path = "/v1/markets/{id}/fees", responses((status = 200, body = Items<FeesAnswer>)))]
pub async fn fees(
    State(office): State<Arc<OfficeState>>,
    AtDesk { desk, .. }: AtDesk,
    Path(id): Path<String>,
) -> Result<Json<Items<FeesAnswer>>, ApiError> {
    let id = market_named(&id)?;
    desk.catalogue().await?.market(id)?;
    let rows = blocking(|| office.history.fees(desk.tenant, id))?;
    let items = rows.into_iter().map(|row| FeesAnswer {
        group: row.fee_group.0,
        maker_ppm: row.rates.maker_ppm,
        taker_ppm: row.rates.taker_ppm,
    });
    Ok(Json(Items::all(items.collect())))
}

/// Rates in parts per million.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFees {
    maker_ppm: i32,
    taker_ppm: i32,
}

/// Set what a fee group pays in a market, for orders to come.
#[utoipa::path(put, path = "/v1/markets/{id}/fees/{group}", request_body = NewFees, responses((status = 200, body = FeesAnswer)))]
pub async fn set_fees(
    State(office): State<Arc<OfficeState>>,
    AtDesk {
        caller,
        address,
        desk,
    }: AtDesk,
    Path((id, group)): Path<(String, String)>,
    Body(body): Body<NewFees>,
) -> Result<Json<FeesAnswer>, ApiError> {
    let id = market_named(&id)?;
    let group = u16::try_from(named(&group)?).map_err(|_| ApiError::not_found())?;
    let terms = FeeTerms {
        maker: Ppm(body.maker_ppm),
        taker: Ppm(body.taker_ppm),
    };
    let target = format!("market {}, fee group {group}", id.0);
    let deed = Deed::new("market.fees", target, "", &body);
    office
        .audited(&caller, address, deed, async {
            let client = desk.client().await?;
            client.set_fees(id, FeeGroup(group), &terms).await?;
            office.is_listed(desk.tenant).await?;
            Ok(Json(FeesAnswer {
                group,
                maker_ppm: body.maker_ppm,
                taker_ppm: body.taker_ppm,
            }))
        })
        .await
}

/// How many levels.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    /// Levels of a side, 1 to 1,000.
    levels: Option<usize>,
}

/// The depth of a market.
#[derive(Serialize, ToSchema)]
pub struct Depth {
    market: String,
    state: Option<StateWord>,
    stream_seq: String,
    hash: String,
    /// Price, quantity, orders; from the best to the worst.
    buys: Vec<(String, String, u32)>,
    sells: Vec<(String, String, u32)>,
}

/// The depth of a market.
#[utoipa::path(get, path = "/v1/markets/{id}/depth", params(Levels), responses((status = 200, body = Depth)))]
pub async fn depth(
    AtDesk { desk, .. }: AtDesk,
    Path(id): Path<String>,
    Ask(query): Ask<Levels>,
) -> Result<Json<Depth>, ApiError> {
    let id = market_named(&id)?;
    let levels = query.levels.unwrap_or(LEVELS);
    if !(1..=LEVELS_MAX).contains(&levels) {
        return Err(ApiError::bad(
            "levels",
            format!("{levels} is not 1 to {LEVELS_MAX}"),
        ));
    }
    let catalogue = desk.catalogue().await?;
    let market = catalogue.market(id)?;
    let book: Book = desk.client().await?.snapshot(id).await?;
    let line = |level: &Level| {
        let (price, qty) = (Price(level.price.0), Qty(level.qty.0));
        (market.price_text(price), market.qty_text(qty), level.orders)
    };
    Ok(Json(Depth {
        market: id.0.to_string(),
        state: book.state().map(Into::into),
        stream_seq: book.stream_seq().to_string(),
        hash: format!("{:016x}", book.hash()),
        buys: book.buys().take(levels).map(line).collect(),
        sells: book.sells().take(levels).map(line).collect(),
    }))
}
