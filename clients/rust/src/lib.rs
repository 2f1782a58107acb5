//! Rust client for Souk: asynchronous on tokio, and [`blocking`].
//!
//! ```no_run
//! use souk_client::{Client, ClientOptions, KeyId, Order, AccountId, Outcome, Side, SigningKey};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let key = SigningKey::from_file("trader.key")?;
//! let client = Client::connect("127.0.0.1:7001", key, ClientOptions::new(KeyId(1))).await?;
//! let market = client.market("BTC-USDT").await?;
//! let (price, qty) = (market.price("61234.50")?, market.qty("0.25")?);
//! let order = Order::limit(AccountId(1), Side::Buy, price, qty);
//! match client.new_order(market.id(), &order).await?.await {
//!     Outcome::Accepted(accepted) => println!("order {}", accepted.order_id),
//!     Outcome::Rejected(rejected) => println!("refused by the market: {}", rejected.code),
//!     Outcome::NotApplied(refusal) => println!("did not reach the market: {refusal:?}"),
//!     Outcome::Unknown(doubt) => println!("unknown until resumed: {doubt:?}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Must never: take a timeout for a rejection, drop a report silently, or use a float.

#![forbid(unsafe_code)]

pub mod blocking;
mod book;
mod client;
mod clock;
mod control;
mod dial;
mod driver;
mod error;
mod event;
mod inbound;
mod key;
mod lane;
mod lane_resume;
mod market;
mod money;
mod options;
mod order;
mod outcome;
mod pace;
mod report;
mod request;
mod route;
mod session;
mod session_resume;
mod tls;
mod wire;

pub use book::{Book, BookError, Level};
pub use client::{Client, Events, Feed};
pub use control::{AccountTerms, CurrencyTerms, FeeTerms, MarketLimits, MarketTerms, StepSize};
pub use error::ClientError;
pub use event::{Event, MarketData, MarketDataBody, Resumed, SnapshotFrame, Terminated};
pub use key::{KeyError, SigningKey};
pub use market::{DecimalError, Market};
pub use money::{BusinessKey, Currency, Funding, Money, Movement, Statement};
pub use options::{ClientOptions, ReconnectPolicy, RetryPolicy};
pub use order::{Change, Instruction, Order, OrderRef};
pub use outcome::{Doubt, FromReports, Outcome, Pending, Refusal, ReplaceReport};
pub use report::Report;
pub use tls::{Tls, TlsError};
pub use wire::SessionInfo;

pub use souk_protocol::message;
pub use souk_protocol::{
    AccountId, AccountStatus, Amount, BatchMode, CancelOnDisconnect, CancelReason, ClOrdId, Code,
    CurrencyStatus, Durability, FeeGroup, KeyId, Liquidity, MarketId, MarketState, MatchId,
    OrderId, OrderState, OrderType, PostOnly, Ppm, Price, Qty, RejectReason, SessionId, Side,
    StatementKind, StpGroup, StpMode, StpScope, TenantId, Text, TimeInForce,
};
