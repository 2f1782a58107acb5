//! Orders and trades.

use serde::Serialize;
use souk_client::Market;
use souk_protocol::{AccountId, CancelReason, Price, Side};
use utoipa::ToSchema;

use super::{SideWord, StandingWord, TimeInForceWord, TypeWord, bound, time};
use crate::history::{EventRow, Happening, OrderRow, TradeRow};
use crate::office::desk::Catalogue;
use crate::office::error::ApiError;

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderAnswer {
    pub market: String,
    pub symbol: String,
    /// Null: it was rejected and never had one.
    pub id: Option<String>,
    pub client_id: Option<String>,
    pub account: String,
    pub side: SideWord,
    #[serde(rename = "type")]
    pub order_type: TypeWord,
    pub time_in_force: TimeInForceWord,
    /// Null: a market order without protection.
    pub price: Option<String>,
    pub qty: Option<String>,
    pub budget: Option<String>,
    pub executed: String,
    pub leaves: String,
    pub average_price: Option<String>,
    pub state: StandingWord,
    /// Why it is canceled or rejected.
    pub reason: Option<String>,
    pub created_at: String,
    pub updated_at: String,
}

impl OrderAnswer {
    pub fn new(catalogue: &Catalogue, row: &OrderRow) -> Result<Self, ApiError> {
        let market = catalogue.market(row.market)?;
        let quote = catalogue.quote(market)?;
        let id = |number: u64| (number != 0).then(|| number.to_string());
        let average = row.value.filter(|_| row.executed.0 > 0);
        // Rounded towards zero to a tick.
        let average = average.map(|value| Price((value / i128::from(row.executed.0)) as i64));
        let rejected = row.rejected.map(|code| {
            let reason = code.reason();
            reason.map_or_else(|| code.0.to_string(), |reason| format!("{reason:?}"))
        });
        Ok(Self {
            market: row.market.0.to_string(),
            symbol: market.symbol().to_owned(),
            id: id(row.id.0),
            client_id: id(row.cl_ord_id.0),
            account: row.account.0.to_string(),
            side: row.side.into(),
            order_type: row.order_type.into(),
            time_in_force: row.time_in_force.into(),
            price: (row.price.0 > 0).then(|| market.price_text(row.price)),
            qty: (row.qty.0 > 0).then(|| market.qty_text(row.qty)),
            budget: bound(quote, row.budget),
            executed: market.qty_text(row.executed),
            leaves: market.qty_text(row.leaves),
            average_price: average.map(|price| market.price_text(price)),
            state: row.standing.into(),
            reason: rejected.or_else(|| row.canceled.map(reason_word)),
            created_at: time(row.created_at),
            updated_at: time(row.updated_at),
        })
    }
}

fn reason_word(reason: CancelReason) -> String {
    reason.name().to_owned()
}

/// An order and what happened to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderStory {
    #[serde(flatten)]
    pub order: OrderAnswer,
    pub events: Vec<EventAnswer>,
}

/// Something that happened to an order.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventAnswer {
    /// The number of the command in the market's stream.
    pub seq: String,
    pub at: String,
    /// `entered`, `traded`, `canceled`, `replaced`, `self-trade-prevented`.
    pub what: &'static str,
    pub price: Option<String>,
    pub qty: String,
    pub leaves: String,
    pub reason: Option<String>,
}

impl EventAnswer {
    pub fn new(market: &Market, row: &EventRow) -> Self {
        let (what, reason) = match row.happening {
            Happening::Entered => ("entered", None),
            Happening::Traded => ("traded", None),
            Happening::Canceled(reason) => ("canceled", Some(reason_word(reason))),
            Happening::Replaced => ("replaced", None),
            Happening::SelfTradePrevented => ("self-trade-prevented", None),
        };
        Self {
            seq: row.stream_seq.to_string(),
            at: time(row.at),
            what,
            price: (row.price.0 > 0).then(|| market.price_text(row.price)),
            qty: market.qty_text(row.qty),
            leaves: market.qty_text(row.leaves),
            reason,
        }
    }
}

/// A trade, as the tenant's people see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct TradeAnswer {
    pub market: String,
    pub symbol: String,
    pub id: String,
    pub at: String,
    pub price: String,
    pub qty: String,
    pub notional: String,
    pub taker_side: SideWord,
    pub buyer: String,
    pub seller: String,
    pub buyer_order: String,
    pub seller_order: String,
    pub buyer_fee: String,
    pub seller_fee: String,
}

impl TradeAnswer {
    pub fn new(catalogue: &Catalogue, row: &TradeRow) -> Result<Self, ApiError> {
        let market = catalogue.market(row.market)?;
        let quote = catalogue.quote(market)?;
        Ok(Self {
            market: row.market.0.to_string(),
            symbol: market.symbol().to_owned(),
            id: row.id.to_string(),
            at: time(row.at),
            price: market.price_text(row.price),
            qty: market.qty_text(row.qty),
            notional: quote.text(row.notional),
            taker_side: row.taker_side.into(),
            buyer: row.buyer.0.to_string(),
            seller: row.seller.0.to_string(),
            buyer_order: row.buyer_order.0.to_string(),
            seller_order: row.seller_order.0.to_string(),
            buyer_fee: quote.change_text(row.buyer_fee),
            seller_fee: quote.change_text(row.seller_fee),
        })
    }
}

/// A trade, as the holder of one of its accounts sees it: nothing of the other side.
#[derive(Debug, Serialize, ToSchema)]
pub struct FillAnswer {
    pub market: String,
    pub symbol: String,
    pub id: String,
    pub at: String,
    pub price: String,
    pub qty: String,
    pub notional: String,
    pub side: SideWord,
    pub order: String,
    pub fee: String,
    /// `maker` or `taker`.
    pub liquidity: &'static str,
}

impl FillAnswer {
    /// The sides of a trade that are `account`'s: two, if it traded with itself.
    pub fn of(
        catalogue: &Catalogue,
        row: &TradeRow,
        account: AccountId,
    ) -> Result<Vec<Self>, ApiError> {
        let market = catalogue.market(row.market)?;
        let quote = catalogue.quote(market)?;
        let fill = |side: Side, order: u64, fee: i64| Self {
            market: row.market.0.to_string(),
            symbol: market.symbol().to_owned(),
            id: row.id.to_string(),
            at: time(row.at),
            price: market.price_text(row.price),
            qty: market.qty_text(row.qty),
            notional: quote.text(row.notional),
            side: side.into(),
            order: order.to_string(),
            fee: quote.change_text(fee),
            liquidity: if row.taker_side == side {
                "taker"
            } else {
                "maker"
            },
        };
        let mut fills = Vec::new();
        if row.buyer == account {
            fills.push(fill(Side::Buy, row.buyer_order.0, row.buyer_fee));
        }
        if row.seller == account {
            fills.push(fill(Side::Sell, row.seller_order.0, row.seller_fee));
        }
        Ok(fills)
    }
}
