//! What the office answers: ids, amounts, prices and quantities as text, times in RFC 3339.

mod orders;

use serde::{Deserialize, Serialize};
use souk_client::{Currency, Market};
use souk_protocol::message::BalanceEntry;
use souk_protocol::{
    AccountStatus, Amount, CurrencyStatus, FeeGroup, MarketState, OrderType, Price, Qty, Side,
    StatementKind, TimeInForce,
};
use utoipa::ToSchema;

use super::desk::Catalogue;
use super::error::ApiError;
use crate::history::{AccountRow, FeesRow, Standing, StatementRow, Volume};
pub use orders::{EventAnswer, FillAnswer, OrderAnswer, OrderStory, TradeAnswer};

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Items<T> {
    /// What was asked for.
    pub items: Vec<T>,
    /// Give this as `after` to get the next page; null: there is none.
    pub next: Option<String>,
}

impl<T> Items<T> {
    /// A whole list.
    pub const fn all(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// RFC 3339 of nanoseconds since 1970-01-01 UTC, to the microsecond.
pub fn time(ns: u64) -> String {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(ns);
    humantime::format_rfc3339_micros(at).to_string()
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident of $wire:ty { $($variant:ident = $text:literal from $value:pat => $to:expr,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        pub enum $name {
            $(#[serde(rename = $text)]
            #[allow(missing_docs)]
            $variant,)*
        }

        impl From<$wire> for $name {
            fn from(value: $wire) -> Self {
                match value { $($value => Self::$variant,)* }
            }
        }

        impl From<$name> for $wire {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => $to,)* }
            }
        }
    )*};
}

words! {
    /// The side of an order.
    SideWord of Side {
        Buy = "buy" from Side::Buy => Side::Buy,
        Sell = "sell" from Side::Sell => Side::Sell,
    }
    /// The type of an order.
    TypeWord of OrderType {
        Limit = "limit" from OrderType::Limit => OrderType::Limit,
        Market = "market" from OrderType::Market => OrderType::Market,
    }
    /// How long an order lives.
    TimeInForceWord of TimeInForce {
        Gtc = "gtc" from TimeInForce::Gtc => TimeInForce::Gtc,
        Ioc = "ioc" from TimeInForce::Ioc => TimeInForce::Ioc,
        Fok = "fok" from TimeInForce::Fok => TimeInForce::Fok,
    }
    /// What a market accepts.
    StateWord of MarketState {
        Continuous = "continuous" from MarketState::Continuous => MarketState::Continuous,
        Halted = "halted" from MarketState::Halted => MarketState::Halted,
        CancelOnly = "cancel-only" from MarketState::CancelOnly => MarketState::CancelOnly,
    }
    /// What may be done with a currency.
    CurrencyWord of CurrencyStatus {
        Listed = "listed" from CurrencyStatus::Listed => CurrencyStatus::Listed,
        Hidden = "hidden" from CurrencyStatus::Hidden => CurrencyStatus::Hidden,
        Delisting = "delisting" from CurrencyStatus::Delisting => CurrencyStatus::Delisting,
    }
    /// What an account may do.
    AccountWord of AccountStatus {
        Active = "active" from AccountStatus::Active => AccountStatus::Active,
        CancelOnly = "cancel-only" from AccountStatus::CancelOnly => AccountStatus::CancelOnly,
        Frozen = "frozen" from AccountStatus::Frozen => AccountStatus::Frozen,
    }
    /// Where an order stands.
    StandingWord of Standing {
        Open = "open" from Standing::Open => Standing::Open,
        Filled = "filled" from Standing::Filled => Standing::Filled,
        Canceled = "canceled" from Standing::Canceled => Standing::Canceled,
        Rejected = "rejected" from Standing::Rejected => Standing::Rejected,
    }
    /// What changed a balance.
    KindWord of StatementKind {
        Credit = "credit" from StatementKind::Credit => StatementKind::Credit,
        Debit = "debit" from StatementKind::Debit => StatementKind::Debit,
        TransferIn = "transfer-in" from StatementKind::TransferIn => StatementKind::TransferIn,
        TransferOut = "transfer-out" from StatementKind::TransferOut => StatementKind::TransferOut,
        Trade = "trade" from StatementKind::Trade => StatementKind::Trade,
        Fee = "fee" from StatementKind::Fee => StatementKind::Fee,
    }
}

/// A currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct CurrencyAnswer {
    pub code: String,
    pub scale: u8,
    pub display_scale: u8,
    pub status: CurrencyWord,
    /// Lowest amount of a credit, debit or transfer; null: no bound.
    pub amount_min: Option<String>,
    pub amount_max: Option<String>,
}

impl From<&Currency> for CurrencyAnswer {
    fn from(currency: &Currency) -> Self {
        let definition = currency.definition();
        Self {
            code: currency.code().to_owned(),
            scale: definition.scale,
            display_scale: definition.display_scale,
            status: definition.status.into(),
            amount_min: bound(currency, definition.amount_min),
            amount_max: bound(currency, definition.amount_max),
        }
    }
}

/// A bound of an amount; 0 is none.
fn bound(currency: &Currency, amount: Amount) -> Option<String> {
    (amount != Amount(0)).then(|| currency.text(amount))
}

/// A market.
#[derive(Debug, Serialize, ToSchema)]
pub struct MarketAnswer {
    pub id: String,
    pub symbol: String,
    pub base: String,
    pub quote: String,
    pub base_scale: u8,
    pub quote_scale: u8,
    pub tick_size: String,
    pub lot_size: String,
    pub price_min: String,
    pub price_max: String,
    pub qty_min: String,
    pub qty_max: String,
    pub notional_min: Option<String>,
    pub notional_max: Option<String>,
    pub account_orders_max: u32,
    pub state: StateWord,
    /// One of its currencies is hidden: only for those who have something in it.
    pub is_hidden: bool,
    /// What the smallest order costs at the last price, or at one tick.
    pub smallest_order: String,
    /// What the caller's account pays, on the trading page; of the default group elsewhere.
    pub maker_ppm: Option<i32>,
    pub taker_ppm: Option<i32>,
    #[serde(flatten)]
    pub ticker: Ticker,
}

/// What a market did lately.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Ticker {
    pub best_bid: Option<String>,
    pub best_ask: Option<String>,
    pub last_price: Option<String>,
    /// Base currency in 24 hours.
    pub volume_24h: Option<String>,
    /// Quote currency in 24 hours.
    pub quote_volume_24h: Option<String>,
    /// Last price less the price 24 hours ago.
    pub change_24h: Option<String>,
}

impl MarketAnswer {
    pub fn new(catalogue: &Catalogue, market: &Market, ticker: Ticker) -> Result<Self, ApiError> {
        let definition = market.definition();
        let quote = catalogue.quote(market)?;
        let least = smallest_order(market, quote, &ticker);
        Ok(Self {
            id: market.id().0.to_string(),
            symbol: market.symbol().to_owned(),
            base: definition.base.as_str().to_owned(),
            quote: definition.quote.as_str().to_owned(),
            base_scale: definition.base_scale,
            quote_scale: definition.quote_scale,
            tick_size: market.price_text(Price(1)),
            lot_size: market.qty_text(Qty(1)),
            price_min: market.price_text(definition.price_min),
            price_max: market.price_text(definition.price_max),
            qty_min: market.qty_text(definition.qty_min),
            qty_max: market.qty_text(definition.qty_max),
            notional_min: bound(quote, definition.notional_min),
            notional_max: bound(quote, definition.notional_max),
            account_orders_max: definition.account_orders_max,
            state: definition.state.into(),
            is_hidden: catalogue.is_hidden(market)?,
            smallest_order: least,
            maker_ppm: None,
            taker_ppm: None,
            ticker,
        })
    }
}

impl MarketAnswer {
    /// With what `fees` say that a group pays; a group without rates of its own pays those of group 0.
    pub fn with_fees(mut self, fees: &[FeesRow], group: FeeGroup) -> Self {
        let of = |group| fees.iter().find(|row| row.fee_group == group);
        let row = of(group).or_else(|| of(FeeGroup(0)));
        self.maker_ppm = row.map(|row| row.rates.maker_ppm);
        self.taker_ppm = row.map(|row| row.rates.taker_ppm);
        self
    }
}

/// What the smallest order costs: at the last price, or at the lowest.
fn smallest_order(market: &Market, quote: &Currency, ticker: &Ticker) -> String {
    let definition = market.definition();
    let last = ticker.last_price.as_deref();
    let price = last.and_then(|text| market.price(text).ok());
    let price = price.unwrap_or(definition.price_min);
    let least = notional(market, price, definition.qty_min).unwrap_or(Amount(0));
    quote.text(least.max(definition.notional_min))
}

/// Price times quantity in units of the quote currency, if it fits.
pub fn notional(market: &Market, price: Price, qty: Qty) -> Option<Amount> {
    let unit = u128::from(market.definition().notional_unit);
    let price = u128::try_from(price.0).ok()?;
    let value = price.checked_mul(u128::from(qty.0))?.checked_mul(unit)?;
    u64::try_from(value).ok().map(Amount)
}

impl Ticker {
    /// What `volume` says of a market.
    pub fn of(market: &Market, quote: &Currency, volume: &Volume) -> Self {
        let price = |ticks: i64| market.price_text(Price(ticks));
        let last = volume.last_price.or(volume.price_before);
        let before = volume.price_before.or(volume.first_price);
        let change = last.zip(before).map(|(last, before)| {
            let change = last - before;
            let sign = if change < 0 { "-" } else { "" };
            format!("{sign}{}", price(change.abs()))
        });
        let lots = u64::try_from(volume.qty).map_or(Qty(u64::MAX), Qty);
        let units = u64::try_from(volume.notional).unwrap_or(u64::MAX);
        Self {
            best_bid: None,
            best_ask: None,
            last_price: last.map(price),
            volume_24h: Some(market.qty_text(lots)),
            quote_volume_24h: Some(quote.text(Amount(units))),
            change_24h: change,
        }
    }
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountAnswer {
    pub id: String,
    pub external_id: Option<String>,
    pub status: AccountWord,
    pub fee_group: u16,
    pub stp_group: u16,
}

impl From<&AccountRow> for AccountAnswer {
    fn from(row: &AccountRow) -> Self {
        Self {
            id: row.account.0.to_string(),
            external_id: (!row.external_id.is_empty()).then(|| row.external_id.clone()),
            status: row.status.into(),
            fee_group: row.fee_group.0,
            stp_group: row.stp_group.0,
        }
    }
}

/// An account, what it has, and how many orders it has open.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountDetail {
    #[serde(flatten)]
    pub account: AccountAnswer,
    pub balances: Vec<BalanceAnswer>,
    pub open_orders: u64,
}

/// A balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BalanceAnswer {
    pub currency: String,
    pub total: String,
    pub available: String,
    pub held: String,
}

impl BalanceAnswer {
    pub fn new(catalogue: &Catalogue, entry: &BalanceEntry) -> Result<Self, ApiError> {
        let currency = catalogue.currency(entry.currency.as_str())?;
        Ok(Self {
            currency: currency.code().to_owned(),
            total: currency.text(entry.total),
            available: currency.text(entry.available),
            held: currency.text(entry.held),
        })
    }
}

/// A line of a statement.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatementAnswer {
    pub currency: String,
    pub sequence: String,
    pub at: String,
    pub kind: KindWord,
    pub change: String,
    pub total: String,
    pub market: Option<String>,
    pub reference: String,
}

impl StatementAnswer {
    pub fn new(currency: &Currency, row: &StatementRow) -> Self {
        Self {
            currency: currency.code().to_owned(),
            sequence: row.sequence.to_string(),
            at: time(row.at),
            kind: row.kind.into(),
            change: currency.change_text(row.change),
            total: currency.text(row.total),
            market: (row.market.0 != 0).then(|| row.market.0.to_string()),
            reference: row.reference.to_string(),
        }
    }
}
