//! History: what people ask for after it has left memory. Orders, trades, statements, accounts, fees, states of markets, and the
//! check of the money, in tables that a follower fills from the journal.
//!
//! The follower does every durable batch again ([`crate::recovery`]); its publisher tells a [`Recorder`], and a [`Store`] writes the
//! rows and the number of the next batch in one transaction. So a row is there exactly once, whatever was interrupted, and the
//! tables can be thrown away and made again as long as the journal reaches back. In a cluster the node that serves a tenant does
//! the same with the tenant's rows of the logs and a [`SharedStore`].
//!
//! Must never: tell of what is not durable, be written by anybody but the follower, or answer for one tenant with rows of another.

mod error;
mod query;
mod reach;
mod record;
mod rows;
mod schema;
mod shared;
mod store;
mod write;

use std::path::{Path, PathBuf};

pub use error::HistoryError;
pub use query::{
    AccountRow, EventRow, FeesRow, Filter, Happening, HistoryReader, MoneyRow, OrderRow, Standing,
    StateRow, StatementRow, TradeRow, Volume,
};
pub use reach::Reach;
pub use record::{MarketRecord, Recorder};
pub use rows::{Happened, Row};
pub use shared::{Committed, Quiet, SharedStore, position};
pub use store::Store;
pub use write::MoneyChecked;

/// Nanoseconds of a minute, by which trades are added up.
pub const MINUTE_NS: u64 = 60_000_000_000;

/// The file of the tables in a data directory.
#[must_use]
pub fn file(data: &Path) -> PathBuf {
    data.join("history.db")
}
