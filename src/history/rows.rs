//! What the publisher of a follower tells.

use souk_engine::{
    Accepted, Canceled, FeeRates, NewOrder, OrderView, Replaced, SelfTradePrevented, Trade,
    TradeMoney,
};
use souk_protocol::message::StatementEntry;
use souk_protocol::{AccountId, FeeGroup, MarketId, MarketState, Price, RejectReason};

use crate::control::{AccountTerms, CurrencyCode};
use crate::handoff::TenantIndex;

/// One thing that people may ask for later.
#[derive(Clone, Debug)]
pub enum Row {
    /// Something happened in a market.
    Market {
        /// Whose it is.
        tenant: TenantIndex,
        /// The market.
        market: MarketId,
        /// The number of the command in the market's stream.
        stream_seq: u64,
        /// When, nanoseconds since 1970-01-01 UTC.
        at: u64,
        /// What.
        happened: Happened,
    },
    /// A balance's total changed.
    Statement {
        /// Whose it is.
        tenant: TenantIndex,
        /// The account.
        account: AccountId,
        /// The currency.
        currency: CurrencyCode,
        /// The entry.
        entry: StatementEntry,
    },
    /// An account is this from now on.
    Account {
        /// Whose it is.
        tenant: TenantIndex,
        /// The account.
        account: AccountId,
        /// Its terms.
        terms: AccountTerms,
        /// When.
        at: u64,
    },
    /// A market holds this many open orders from now on: what no client is told.
    OrdersMax {
        /// Whose it is.
        tenant: TenantIndex,
        /// The market.
        market: MarketId,
        /// How many.
        orders_max: u32,
    },
    /// A fee group pays this from now on.
    Fees {
        /// Whose it is.
        tenant: TenantIndex,
        /// The market.
        market: MarketId,
        /// The group.
        fee_group: FeeGroup,
        /// The rates.
        rates: FeeRates,
    },
}

/// What happened in a market.
#[derive(Clone, Debug)]
pub enum Happened {
    /// An order was accepted.
    Entered {
        /// As it was asked for.
        order: NewOrder,
        /// What it became.
        accepted: Accepted,
    },
    /// An order was refused.
    Refused {
        /// As it was asked for.
        order: NewOrder,
        /// Why.
        reason: RejectReason,
    },
    /// Two orders traded.
    Traded {
        /// The trade.
        trade: Trade,
        /// What it was in money.
        money: TradeMoney,
    },
    /// An order, or what was left of it, is gone.
    Canceled(Canceled),
    /// An order was changed.
    Replaced(Replaced),
    /// Two orders of one owner met.
    Prevented(SelfTradePrevented),
    /// The market accepts this from now on.
    State(MarketState),
    /// Nobody knows what became of the orders that were open until now, but for those that [`Self::Rests`] tells of next.
    Gap,
    /// An order rests in the book, and it is not known how it came there.
    Rests {
        /// The order.
        order: OrderView,
        /// Its price.
        price: Price,
    },
}
