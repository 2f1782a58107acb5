//! Everything a session has to tell, in the order in which it happened.

use souk_protocol::message::{
    AccountUpdate, BalanceEntry, LevelEntry, MarketJoined, MarketStatus, NotApplied,
    RequestRejected, SessionReject, Settlement, TradeTick,
};
use souk_protocol::{AccountId, Code, MarketId, MarketState};

use crate::report::Report;

/// Something that happened to the session. Reports of one market come in the order of their
/// `report_seq`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A market reports about an order of this session.
    Report {
        /// The report's number within (session, market).
        report_seq: u64,
        /// The report.
        report: Report,
    },
    /// Market data of a subscription.
    MarketData(MarketData),
    /// The session stands with a market as this says.
    Joined(MarketJoined),
    /// Messages were not applied. With [`crate::RetryPolicy`] on, the client sends them again by
    /// itself; this is for the record.
    NotApplied(NotApplied),
    /// A message was refused before any market saw it.
    SessionRejected(SessionReject),
    /// A balance of a subscribed account is this now. Of two of one account and currency the one
    /// with the higher `sequence` is the newer.
    AccountUpdate(AccountUpdate),
    /// The balances of a subscribed account after a reconnect, when the client subscribed again by
    /// itself.
    Balances {
        /// The account.
        account: AccountId,
        /// One for each currency.
        balances: Vec<BalanceEntry>,
    },
    /// A settlement of a subscription. Those of one market come in the order of their numbers, each
    /// once, also over reconnects.
    Settlement(Settlement),
    /// Settlements are missing.
    SettlementGap {
        /// The market.
        market: MarketId,
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// What the client asked for by itself after a reconnect was refused: the subscription of an
    /// account or of settlements is over.
    RequestRejected(RequestRejected),
    /// The server sent a heartbeat because it had nothing else to send.
    Heartbeat {
        /// The server's clock, nanoseconds since 1970-01-01 UTC.
        server_time: u64,
    },
    /// Reports of a market are gone: they were made while the session was away, and the server does not
    /// keep them any more. Ask where orders stand.
    ReportsLost {
        /// The market.
        market: MarketId,
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// The numbers of a market's reports have a gap, without a reconnect that would explain it.
    ReportGap {
        /// The market.
        market: MarketId,
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// The server says that it ends the connection, and why: slow consumer, taken over, draining,
    /// keepalive lapsed ... `Disconnected` follows.
    Terminated(Terminated),
    /// The connection is gone. What was sent and not answered is in doubt until the session is
    /// resumed.
    Disconnected {
        /// Why, in words.
        reason: String,
    },
    /// The session logged on again.
    Reconnected {
        /// The incarnation of the new logon.
        incarnation: u64,
    },
    /// The session resumed a market after a reconnect: the reports that it missed came before this.
    Resumed(Resumed),
}

/// Why the server ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminated {
    /// The reason.
    pub code: Code,
    /// When to come back, in milliseconds; 0 if the same would happen again.
    pub retry_after_ms: u32,
    /// The byte at which a frame broke a rule, or 0.
    pub detail: u64,
}

/// What became of a market's unanswered messages when the session was resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The market.
    pub market: MarketId,
    /// The last number the market has applied.
    pub last_client_seq: u64,
    /// Messages that were applied and whose reports are lost: their outcome is `Unknown`.
    pub applied_unanswered: usize,
    /// Messages that were not applied and are sent again.
    pub resent: usize,
    /// The market has applied less than it had already reported: it was started anew without its
    /// state. Nothing was sent again.
    pub state_lost: bool,
}

/// A message of a market-data subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketData {
    /// The market.
    pub market: MarketId,
    /// Its number within the subscription: 1, 2, 3 ...
    pub md_seq: u64,
    /// What it says.
    pub body: MarketDataBody,
}

/// What a message of market data says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarketDataBody {
    /// A frame of a depth snapshot.
    Snapshot(SnapshotFrame),
    /// Levels that changed, with what they are now.
    Update {
        /// The number of commands the market had applied.
        stream_seq: u64,
        /// When, nanoseconds since 1970-01-01 UTC.
        transact_time: u64,
        /// The levels; quantity and orders 0 for one that is gone.
        levels: Vec<LevelEntry>,
    },
    /// A public trade.
    Trade(TradeTick),
    /// The market's state.
    Status(MarketStatus),
}

/// A frame of a depth snapshot: its levels, and what the whole snapshot is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFrame {
    /// The market's state.
    pub state: MarketState,
    /// The number of commands the market had applied.
    pub stream_seq: u64,
    /// Hash of the whole snapshot.
    pub book_hash: u64,
    /// Buy levels of the whole snapshot.
    pub buy_levels: u32,
    /// Sell levels of the whole snapshot.
    pub sell_levels: u32,
    /// The levels of this frame: buys from best to worst, then sells.
    pub levels: Vec<LevelEntry>,
    /// Whether another frame of the same snapshot follows.
    pub more_follows: bool,
}
