//! What the first page of the console shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use souk_client::Market;
use souk_protocol::{Amount, MarketState};
use utoipa::ToSchema;

use crate::office::admission::AtDesk;
use crate::office::answers::time;
use crate::office::error::ApiError;
use crate::office::state::{OfficeState, a_day_ago, blocking};

/// What the first page shows.
#[derive(Serialize, ToSchema)]
pub struct Overview {
    markets: usize,
    markets_open: usize,
    accounts: u64,
    open_orders: u64,
    trades_24h: u64,
    /// By quote currency.
    volume_24h: Vec<Sum>,
    /// The last check of each currency's money.
    money: Vec<MoneyCheck>,
    history: HistoryStands,
}

/// An amount.
#[derive(Serialize, ToSchema)]
pub struct Sum {
    currency: String,
    amount: String,
}

/// A check of a currency's money.
#[derive(Serialize, ToSchema)]
pub struct MoneyCheck {
    currency: String,
    /// Credits less debits.
    credits_less_debits: String,
    /// Sum of all balances, the fee account's among them.
    balances: String,
    /// What open orders hold.
    held: String,
    /// What the fee account has.
    fees: String,
    /// Whether the first two are the same.
    sound: bool,
    at: String,
}

/// How far the history reaches.
#[derive(Serialize, ToSchema)]
pub struct HistoryStands {
    /// Batches that are durable and not in the history yet.
    lag_batches: u64,
}

/// What the first page shows.
#[utoipa::path(get, path = "/v1/overview", responses((status = 200, body = Overview)))]
pub async fn overview(
    State(office): State<Arc<OfficeState>>,
    AtDesk { desk, .. }: AtDesk,
) -> Result<Json<Overview>, ApiError> {
    let catalogue = desk.catalogue().await?;
    let since = a_day_ago();
    let counts = blocking(|| office.history.counts(desk.tenant, since))?;
    let [accounts, open_orders, trades_24h] = counts;
    let day = blocking(|| office.volumes(desk.tenant))?;
    let mut volumes: BTreeMap<&str, i128> = BTreeMap::new();
    for market in catalogue.markets.values() {
        let Some(volume) = day.get(&market.id()) else {
            continue;
        };
        let quote = market.definition().quote.as_str();
        let code = catalogue.currency(quote)?.code();
        *volumes.entry(code).or_default() += volume.notional;
    }
    let text = |code: &str, units: i128| -> Result<String, ApiError> {
        let sign = if units < 0 { "-" } else { "" };
        let units = u64::try_from(units.unsigned_abs()).unwrap_or(u64::MAX);
        let text = catalogue.currency(code)?.text(Amount(units));
        Ok(format!("{sign}{text}"))
    };
    let mut volume_24h = Vec::new();
    for (code, units) in volumes {
        volume_24h.push(Sum {
            currency: code.to_owned(),
            amount: text(code, units)?,
        });
    }
    let mut money = Vec::new();
    for row in blocking(|| office.history.money(desk.tenant))? {
        let code = row.currency.as_str();
        money.push(MoneyCheck {
            credits_less_debits: text(code, row.supply)?,
            balances: text(code, row.balances)?,
            held: text(code, row.held)?,
            fees: text(code, row.fees)?,
            sound: row.supply == row.balances,
            at: time(row.at),
            currency: row.currency,
        });
    }
    let is_open = |market: &&Market| market.definition().state == MarketState::Continuous;
    Ok(Json(Overview {
        markets: catalogue.markets.len(),
        markets_open: catalogue.markets.values().filter(is_open).count(),
        accounts,
        open_orders,
        trades_24h,
        volume_24h,
        money,
        history: HistoryStands {
            lag_batches: office.node.history_lag(desk.tenant)?,
        },
    }))
}
