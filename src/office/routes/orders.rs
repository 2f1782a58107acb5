//! Orders and trades of a tenant.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use souk_client::OrderRef;
use souk_protocol::{MarketId, OrderId};
use utoipa::ToSchema;

use crate::history::{Filter, OrderRow, Standing, TradeRow};
use crate::office::access::Caller;
use crate::office::admission::AtDesk;
use crate::office::answers::{EventAnswer, Items, OrderAnswer, OrderStory, TradeAnswer};
use crate::office::csv;
use crate::office::desk::{Catalogue, Desk, answer};
use crate::office::error::ApiError;
use crate::office::requests::{Ask, Body, LIMIT_MAX, Page, market_named, order_named, reason};
use crate::office::state::{Deed, OfficeState, blocking};

/// Most events of one order that are told.
const EVENTS_MAX: usize = 1_000;
const ORDER_COLUMNS: &[&str] = &[
    "market",
    "symbol",
    "id",
    "client_id",
    "account",
    "side",
    "type",
    "time_in_force",
    "price",
    "qty",
    "budget",
    "executed",
    "leaves",
    "average_price",
    "state",
    "reason",
    "created_at",
    "updated_at",
];
const TRADE_COLUMNS: &[&str] = &[
    "market",
    "symbol",
    "id",
    "at",
    "price",
    "qty",
    "notional",
    "taker_side",
    "buyer",
    "seller",
    "buyer_order",
    "seller_order",
    "buyer_fee",
    "seller_fee",
];

/// Rows with the number of the last one if there are more.
pub fn cut<T>(mut rows: Vec<T>, limit: usize, number: impl Fn(&T) -> u64) -> (Vec<T>, Option<u64>) {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().map(number).filter(|_| more);
    (rows, last)
}

/// A page of orders.
pub fn page_of_orders(
    office: &OfficeState,
    desk: &Desk,
    catalogue: &Catalogue,
    filter: &Filter,
) -> Result<(Vec<OrderAnswer>, Option<u64>), ApiError> {
    let more = Filter {
        limit: filter.limit + 1,
        ..*filter
    };
    let rows = office.history.orders(desk.tenant, &more)?;
    let (rows, next) = cut(rows, filter.limit, |row: &OrderRow| row.number);
    let answers = rows.iter().map(|row| OrderAnswer::new(catalogue, row));
    Ok((answers.collect::<Result<_, _>>()?, next))
}

/// A page of trades.
pub fn page_of_trades(
    office: &OfficeState,
    desk: &Desk,
    filter: &Filter,
) -> Result<(Vec<TradeRow>, Option<u64>), ApiError> {
    let more = Filter {
        limit: filter.limit + 1,
        ..*filter
    };
    let rows = office.history.trades(desk.tenant, &more)?;
    Ok(cut(rows, filter.limit, |row: &TradeRow| row.number))
}

/// A page as JSON.
pub fn items<T: Serialize>((items, next): (Vec<T>, Option<u64>)) -> Json<Items<T>> {
    let next = next.map(|next| next.to_string());
    Json(Items { items, next })
}

/// The tenant's orders, newest first.
#[utoipa::path(get, path = "/v1/orders", params(Page), responses((status = 200, body = Items<OrderAnswer>)))]
pub async fn list(
    State(office): State<Arc<OfficeState>>,
    AtDesk { desk, .. }: AtDesk,
    Ask(page): Ask<Page>,
) -> Result<Response, ApiError> {
    let filter = page.filter()?;
    let catalogue = desk.catalogue().await?;
    if page.is_csv() {
        let pages = move |before| {
            let filter = Filter {
                before,
                limit: LIMIT_MAX,
                ..filter
            };
            page_of_orders(&office, &desk, &catalogue, &filter)
        };
        return Ok(csv::file("orders", ORDER_COLUMNS, pages));
    }
    let page = blocking(|| page_of_orders(&office, &desk, &catalogue, &filter))?;
    Ok(items(page).into_response())
}

/// The tenant's trades, newest first.
#[utoipa::path(get, path = "/v1/trades", params(Page), responses((status = 200, body = Items<TradeAnswer>)))]
pub async fn trades(
    State(office): State<Arc<OfficeState>>,
    AtDesk { desk, .. }: AtDesk,
    Ask(page): Ask<Page>,
) -> Result<Response, ApiError> {
    let filter = page.filter()?;
    let catalogue = desk.catalogue().await?;
    let answers = move |office: &OfficeState, filter: &Filter| {
        let (rows, next) = page_of_trades(office, &desk, filter)?;
        let rows = rows.iter().map(|row| TradeAnswer::new(&catalogue, row));
        Ok::<_, ApiError>((rows.collect::<Result<Vec<_>, _>>()?, next))
    };
    if page.is_csv() {
        let pages = move |before| {
            let filter = Filter {
                before,
                limit: LIMIT_MAX,
                ..filter
            };
            answers(&office, &filter)
        };
        return Ok(csv::file("trades", TRADE_COLUMNS, pages));
    }
    Ok(items(blocking(|| answers(&office, &filter))?).into_response())
}

fn row_of(
    office: &OfficeState,
    desk: &Desk,
    market: MarketId,
    order: OrderId,
) -> Result<OrderRow, ApiError> {
    let row = blocking(|| office.history.order(desk.tenant, market, order))?;
    row.ok_or_else(ApiError::not_found)
}

/// An order as it stands.
pub async fn order_answer(
    office: &OfficeState,
    desk: &Desk,
    market: MarketId,
    order: OrderId,
) -> Result<OrderAnswer, ApiError> {
    let catalogue = desk.catalogue().await?;
    OrderAnswer::new(&catalogue, &row_of(office, desk, market, order)?)
}

/// An order and what happened to it.
#[utoipa::path(get, path = "/v1/orders/{market}/{order}", responses((status = 200, body = OrderStory)))]
pub async fn one(
    State(office): State<Arc<OfficeState>>,
    AtDesk { desk, .. }: AtDesk,
    Path((market, order)): Path<(String, String)>,
) -> Result<Json<OrderStory>, ApiError> {
    let (market, order) = (market_named(&market)?, order_named(&order)?);
    let row = row_of(&office, &desk, market, order)?;
    let catalogue = desk.catalogue().await?;
    let events = blocking(|| {
        office
            .history
            .order_events(desk.tenant, market, order, EVENTS_MAX)
    })?;
    let known = catalogue.market(market)?;
    let events = events.iter().map(|event| EventAnswer::new(known, event));
    Ok(Json(OrderStory {
        order: OrderAnswer::new(&catalogue, &row)?,
        events: events.collect(),
    }))
}

/// Why something is done.
#[derive(serde::Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// 1 to 200 characters.
    pub reason: String,
}

/// Cancel an order on behalf of its account.
#[utoipa::path(delete, path = "/v1/orders/{market}/{order}", request_body = Why, responses((status = 200, body = OrderAnswer)))]
pub async fn cancel(
    State(office): State<Arc<OfficeState>>,
    AtDesk {
        caller,
        address,
        desk,
    }: AtDesk,
    Path((market, order)): Path<(String, String)>,
    Body(body): Body<Why>,
) -> Result<Json<OrderAnswer>, ApiError> {
    let why = reason(&body.reason)?;
    let (market, order) = (market_named(&market)?, order_named(&order)?);
    let row = row_of(&office, &desk, market, order)?;
    let target = format!("order {} of market {}", order.0, market.0);
    let deed = Deed::new("order.cancel", target, why, &body);
    let canceled = office.audited(&caller, address, deed, cancel_order(&office, &desk, &row));
    canceled.await.map(Json)
}

/// Cancels an order that a row tells of.
pub async fn cancel_order(
    office: &OfficeState,
    desk: &Desk,
    row: &OrderRow,
) -> Result<OrderAnswer, ApiError> {
    if row.standing != Standing::Open {
        return Err(ApiError::not_open());
    }
    let client = desk.client().await?;
    let canceled = client
        .cancel(row.market, row.account, OrderRef::Id(row.id))
        .await?;
    match answer(canceled).await {
        Ok(_) => {}
        // It was filled or canceled a moment ago.
        Err(error) if error.body().code == "NotFound" => return Err(ApiError::not_open()),
        Err(error) => return Err(error),
    }
    office.is_listed(desk.tenant).await?;
    order_answer(office, desk, row.market, row.id).await
}

/// An order of the caller's account.
pub fn own_row(
    office: &OfficeState,
    desk: &Desk,
    caller: &Caller,
    market: &str,
    order: &str,
) -> Result<OrderRow, ApiError> {
    let row = row_of(office, desk, market_named(market)?, order_named(order)?)?;
    let is_own = Some(row.account) == caller.account;
    is_own.then_some(row).ok_or_else(ApiError::not_found)
}
