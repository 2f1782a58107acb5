//! What comes out of a market: events, in the order in which they happened.

use crate::FeeTier;
use souk_protocol::message::LevelEntry;
use souk_protocol::{
    AccountId, Amount, CancelReason, ClOrdId, MarketState, MatchId, OrderId, Price, Qty,
    RejectReason, Reserved, SessionId, Side, StpMode,
};

/// Receives the events of a command, in order.
pub trait EventSink {
    /// One event.
    fn on(&mut self, event: Event);

    /// Whether [`Event::Level`] is wanted. Asked once per command; a market nobody watches does
    /// not pay for market data.
    #[inline]
    fn wants_levels(&self) -> bool {
        false
    }

    /// Whether orders are to be held for. A market without holds does not pay for them, and may
    /// trade amounts that do not fit [`AMOUNT_MAX`](souk_protocol::AMOUNT_MAX).
    #[inline]
    fn takes_holds(&self) -> bool {
        false
    }

    /// Holds what the order of this command needs, or says why not. Asked at most once per command,
    /// and only when nothing else stands against it; an error refuses the command.
    ///
    /// # Errors
    /// The reason with which the command is rejected.
    #[inline]
    fn hold(&mut self, hold: Hold) -> Result<(), RejectReason> {
        let _ = hold;
        Ok(())
    }
}

/// What an account must have available before its order may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Whose order it is.
    pub account: AccountId,
    /// The order's side: a buy order holds quote currency, a sell order base currency.
    pub side: Side,
    /// How much. For a new order what all of it needs; for a replace what it needs more than before.
    pub amount: Amount,
}

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The new order of this command was accepted, with its effective price.
    Accepted(Accepted),
    /// The command was refused and changed nothing.
    Rejected(RejectReason),
    /// The order of this command took from a resting one.
    Trade(Trade),
    /// An order, or what was left of it, is gone.
    Canceled(Canceled),
    /// A resting order was changed.
    Replaced(Replaced),
    /// Decrement-and-cancel took quantity off both orders of one owner.
    SelfTradePrevented(SelfTradePrevented),
    /// The mass cancel is complete; its `Canceled` events came before.
    MassCanceled {
        /// Number of orders canceled.
        count: u32,
    },
    /// Answer to a status request.
    Status(StatusReport),
    /// The market's state was set.
    StateChanged(MarketState),
    /// The pair of rates of this command has this tier.
    FeesAdded {
        /// Where the pair is in the market's table.
        tier: FeeTier,
    },
    /// The market's bounds are those of this command.
    LimitsChanged,
    /// A price level is now this. Only for sinks that want it; after the other events of the
    /// command, each touched level once, with its final content.
    Level(LevelUpdate),
}

/// The new order of this command was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The id it got.
    pub order_id: OrderId,
    /// Its effective price: after a slide the price it slid to, otherwise the price it came with.
    pub price: Price,
}

/// One execution. Price is the maker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Numbered 1, 2, 3 ... within the market.
    pub match_id: MatchId,
    /// The maker's price.
    pub price: Price,
    /// Lots executed.
    pub qty: Qty,
    /// The maker.
    pub maker: OrderView,
    /// The taker.
    pub taker: OrderView,
}

/// An order as its owner sees it right after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// The engine's id.
    pub order_id: OrderId,
    /// The client's id, or 0.
    pub cl_ord_id: ClOrdId,
    /// Whose it is.
    pub account: AccountId,
    /// Who gets its reports.
    pub session: SessionId,
    /// Buy or sell.
    pub side: Side,
    /// Lots still open. In `Canceled`: lots that were canceled.
    pub leaves: Qty,
    /// Lots executed so far.
    pub cum: Qty,
    /// The rates it pays.
    pub fee_tier: FeeTier,
}

/// An order, or what was left of it, is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canceled {
    /// The order; `leaves` is the quantity that was canceled.
    pub order: OrderView,
    /// Its limit price, after a slide the price it slid to; of a market order the price it came
    /// with.
    pub price: Price,
    /// Why.
    pub reason: CancelReason,
}

/// A resting order was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The order as it is now (before any trade that the change leads to).
    pub order: OrderView,
    /// Its client id before.
    pub orig_cl_ord_id: ClOrdId,
    /// Its effective price.
    pub price: Price,
    /// Its price before.
    pub old_price: Price,
    /// Its leaves before.
    pub old_leaves: Qty,
    /// Whether it kept its place in the queue.
    pub kept_priority: bool,
}

/// Decrement-and-cancel took `qty` off both orders. The one whose leaves are 0 is gone; no
/// `Canceled` follows for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelfTradePrevented {
    /// Lots taken off each.
    pub qty: Qty,
    /// The resting order's price.
    pub price: Price,
    /// The resting order, after.
    pub maker: OrderView,
    /// The incoming order, after.
    pub taker: OrderView,
}

/// Where an open order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusReport {
    /// The order.
    pub order: OrderView,
    /// Its price.
    pub price: Price,
    /// The self-trade prevention it carries.
    pub stp_mode: StpMode,
}

/// A price level is now this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelUpdate {
    /// The side.
    pub side: Side,
    /// The price.
    pub price: Price,
    /// Lots resting in all; 0 when the level is gone.
    pub qty: Qty,
    /// Number of orders; 0 when the level is gone.
    pub orders: u32,
}

impl From<LevelUpdate> for LevelEntry {
    fn from(level: LevelUpdate) -> Self {
        Self {
            price: level.price,
            qty: level.qty,
            orders: level.orders,
            side: level.side,
            reserved: Reserved,
        }
    }
}
