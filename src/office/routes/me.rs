//! The trading page: one account, and nothing of anybody else.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use souk_client::Order;
use souk_protocol::{
    AccountId, Amount, ClOrdId, FeeGroup, MarketId, OrderType, PostOnly, Price, Qty, StpMode,
    StpScope,
};
use utoipa::ToSchema;

use super::accounts;
use super::markets::all_markets;
use super::orders::{cancel_order, items, order_answer, own_row, page_of_orders, page_of_trades};
use crate::history::Filter;
use crate::office::access::Caller;
use crate::office::admission::AtDesk;
use crate::office::answers::{
    BalanceAnswer, CurrencyAnswer, FillAnswer, Items, MarketAnswer, OrderAnswer, SideWord,
    TimeInForceWord, TypeWord,
};
use crate::office::desk::{Catalogue, answer};
use crate::office::error::ApiError;
use crate::office::requests::{Ask, Body, Page, number};
use crate::office::state::{OfficeState, blocking};

/// The caller's account.
fn account_of(caller: &Caller) -> Result<AccountId, ApiError> {
    caller.account.ok_or_else(ApiError::forbidden)
}

/// What the account has.
#[utoipa::path(get, path = "/v1/me/balances", responses((status = 200, body = Items<BalanceAnswer>)))]
pub async fn balances(
    AtDesk { caller, desk, .. }: AtDesk,
) -> Result<Json<Items<BalanceAnswer>>, ApiError> {
    let balances = accounts::balances(&desk, account_of(&caller)?).await?;
    Ok(Json(Items::all(balances)))
}

/// The markets, with what the account pays in them.
#[utoipa::path(get, path = "/v1/me/markets", responses((status = 200, body = Items<MarketAnswer>)))]
pub async fn markets(
    State(office): State<Arc<OfficeState>>,
    AtDesk { caller, desk, .. }: AtDesk,
) -> Result<Json<Items<MarketAnswer>>, ApiError> {
    let account = account_of(&caller)?;
    let account = blocking(|| office.history.account(desk.tenant, account))?;
    let group = account.map_or(FeeGroup(0), |account| account.fee_group);
    all_markets(&office, &desk, group).await.map(Json)
}

/// The currencies.
#[utoipa::path(get, path = "/v1/me/currencies", responses((status = 200, body = Items<CurrencyAnswer>)))]
pub async fn currencies(
    AtDesk { desk, .. }: AtDesk,
) -> Result<Json<Items<CurrencyAnswer>>, ApiError> {
    let catalogue = desk.catalogue().await?;
    let items = catalogue.currencies.values().map(Into::into).collect();
    Ok(Json(Items::all(items)))
}

fn own(page: &Page, caller: &Caller) -> Result<Filter, ApiError> {
    Ok(Filter {
        account: Some(account_of(caller)?),
        ..page.filter()?
    })
}

/// The account's orders, newest first.
#[utoipa::path(get, path = "/v1/me/orders", params(Page), responses((status = 200, body = Items<OrderAnswer>)))]
pub async fn orders(
    State(office): State<Arc<OfficeState>>,
    AtDesk { caller, desk, .. }: AtDesk,
    Ask(page): Ask<Page>,
) -> Result<Json<Items<OrderAnswer>>, ApiError> {
    let filter = own(&page, &caller)?;
    let catalogue = desk.catalogue().await?;
    let page = blocking(|| page_of_orders(&office, &desk, &catalogue, &filter))?;
    Ok(items(page))
}

/// The account's trades, newest first.
#[utoipa::path(get, path = "/v1/me/trades", params(Page), responses((status = 200, body = Items<FillAnswer>)))]
pub async fn trades(
    State(office): State<Arc<OfficeState>>,
    AtDesk { caller, desk, .. }: AtDesk,
    Ask(page): Ask<Page>,
) -> Result<Json<Items<FillAnswer>>, ApiError> {
    let filter = own(&page, &caller)?;
    let account = account_of(&caller)?;
    let catalogue = desk.catalogue().await?;
    let (rows, next) = blocking(|| page_of_trades(&office, &desk, &filter))?;
    let mut fills = Vec::new();
    for row in &rows {
        fills.extend(FillAnswer::of(&catalogue, row, account)?);
    }
    Ok(items((fills, next)))
}

/// A new order.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    market: String,
    side: SideWord,
    #[serde(rename = "type")]
    order_type: TypeWord,
    /// Limit price; of a market order the worst it may trade at.
    price: Option<String>,
    /// Of a market buy with a budget as much as that buys, if absent.
    qty: Option<String>,
    /// Market buy: the most it may spend, without fees.
    budget: Option<String>,
    time_in_force: Option<TimeInForceWord>,
    #[serde(default)]
    post_only: bool,
    /// The caller's own number for the order, unique among the account's open orders.
    client_id: Option<String>,
}

impl NewOrder {
    fn order(
        &self,
        catalogue: &Catalogue,
        account: AccountId,
    ) -> Result<(MarketId, Order), ApiError> {
        let id = MarketId(number("market", &self.market)?);
        let market = catalogue.market(id)?;
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let price = given(&self.price)
            .map(|text| market.price(&text))
            .transpose()?;
        let qty = given(&self.qty).map(|text| market.qty(&text)).transpose()?;
        let quote = catalogue.quote(market)?;
        let budget = given(&self.budget)
            .map(|text| quote.money(&text))
            .transpose()?;
        // With a budget alone: as much as it buys.
        let most = budget.map_or(Qty(0), |_| market.definition().qty_max);
        let (side, price, qty) = (
            self.side.into(),
            price.unwrap_or(Price(0)),
            qty.unwrap_or(most),
        );
        let mut order = match self.order_type {
            TypeWord::Limit => Order::limit(account, side, price, qty),
            TypeWord::Market => Order::market(account, side, price, qty),
        };
        order = order.prevent_self_trade(StpMode::CancelNewest, StpScope::Account);
        if let Some(time_in_force) = self.time_in_force
            && order.order_type == OrderType::Limit
        {
            order = order.time_in_force(time_in_force.into());
        }
        if self.post_only {
            order = order.post_only(PostOnly::Reject);
        }
        if let Some(client_id) = given(&self.client_id) {
            order = order.named(ClOrdId(number("client_id", &client_id)?));
        }
        let budget = budget.map_or(Amount(0), |money| money.amount);
        Ok((id, order.budget(budget)))
    }
}

/// Enter an order.
#[utoipa::path(post, path = "/v1/me/orders", request_body = NewOrder, responses((status = 200, body = OrderAnswer)))]
pub async fn enter(
    State(office): State<Arc<OfficeState>>,
    AtDesk { caller, desk, .. }: AtDesk,
    Body(body): Body<NewOrder>,
) -> Result<Json<OrderAnswer>, ApiError> {
    let catalogue = desk.catalogue().await?;
    let (market, order) = body.order(&catalogue, account_of(&caller)?)?;
    let pending = desk.client().await?.new_order(market, &order).await?;
    let accepted = answer(pending).await?;
    office.is_listed(desk.tenant).await?;
    order_answer(&office, &desk, market, accepted.order_id)
        .await
        .map(Json)
}

/// Cancel an order of the account.
#[utoipa::path(delete, path = "/v1/me/orders/{market}/{order}", responses((status = 200, body = OrderAnswer)))]
pub async fn cancel(
    State(office): State<Arc<OfficeState>>,
    AtDesk { caller, desk, .. }: AtDesk,
    Path((market, order)): Path<(String, String)>,
) -> Result<Json<OrderAnswer>, ApiError> {
    let row = own_row(&office, &desk, &caller, &market, &order)?;
    cancel_order(&office, &desk, &row).await.map(Json)
}
