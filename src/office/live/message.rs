//! What is said on a connection for live data. Prices, quantities and amounts are text.

use serde::{Deserialize, Serialize};

use crate::office::answers::{BalanceAnswer, OrderAnswer, SideWord, StateWord, Ticker};

/// A request.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum FromConsumer {
    Auth {
        token: String,
    },
    Subscribe {
        market: String,
        #[serde(default)]
        levels: usize,
    },
    Unsubscribe {
        market: String,
    },
    SubscribeTickers {},
    SubscribeAccount {},
}

/// A level of a side: price, quantity, orders.
pub(super) type Line = (String, String, u32);
/// A level that changed: side, price, quantity, orders.
pub(super) type ChangedLine = (SideWord, String, String, u32);

/// A message.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ToConsumer<'a> {
    Ready {
        time: String,
    },
    Snapshot {
        market: &'a str,
        seq: u64,
        stream_seq: String,
        state: Option<StateWord>,
        hash: String,
        buys: Vec<Line>,
        sells: Vec<Line>,
    },
    Update {
        market: &'a str,
        seq: u64,
        stream_seq: String,
        /// Of all levels, after this update; only if the consumer has all of them.
        #[serde(skip_serializing_if = "Option::is_none")]
        hash: Option<String>,
        levels: Vec<ChangedLine>,
    },
    Trade {
        market: &'a str,
        id: String,
        price: String,
        qty: String,
        taker_side: SideWord,
        at: String,
    },
    State {
        market: &'a str,
        state: StateWord,
        at: String,
    },
    Ticker {
        market: &'a str,
        #[serde(flatten)]
        ticker: &'a Ticker,
    },
    Balance {
        #[serde(flatten)]
        balance: &'a BalanceAnswer,
    },
    Order {
        order: &'a OrderAnswer,
    },
    Time {
        time: String,
    },
    Error {
        code: &'a str,
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        market: Option<&'a str>,
    },
    Bye {
        code: &'a str,
        text: &'a str,
    },
}
