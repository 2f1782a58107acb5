//! What goes into a market: commands, already decoded, authorised and in order.

use crate::{FeeRates, FeeTier};
use souk_protocol::{
    AccountId, Amount, CancelReason, ClOrdId, MarketState, OrderId, OrderType, PostOnly, Price,
    Qty, SessionId, Side, StpGroup, StpMode, StpScope, TimeInForce,
};

/// One thing that happens to a market. `RULES.md` says what each does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Enter an order.
    New(NewOrder),
    /// Cancel one order.
    Cancel(CancelOrder),
    /// Change price or quantity of one order.
    Replace(ReplaceOrder),
    /// Cancel all orders of an account, of one side or of both.
    MassCancel(MassCancel),
    /// Ask where an order stands. Changes nothing.
    Status(OrderStatus),
    /// Change what the market accepts.
    SetState(MarketState),
    /// Give a pair of rates a tier.
    AddFees(FeeRates),
    /// Change the bounds of orders to come.
    SetLimits(MarketLimits),
}

/// Names one open order of an account. Exactly one of the two ids is non-zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderRef {
    /// The engine's id, or 0.
    pub order_id: OrderId,
    /// The client's id, or 0.
    pub cl_ord_id: ClOrdId,
}

/// Enter an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// The client's id, or 0 for none.
    pub cl_ord_id: ClOrdId,
    /// Whose order it is.
    pub account: AccountId,
    /// Who gets its reports.
    pub session: SessionId,
    /// Buy or sell.
    pub side: Side,
    /// Limit or market.
    pub order_type: OrderType,
    /// GTC, IOC or FOK.
    pub time_in_force: TimeInForce,
    /// Post-only behaviour.
    pub post_only: PostOnly,
    /// Limit price; for a market order its protection price, or 0 for none.
    pub price: Price,
    /// Quantity in lots.
    pub qty: Qty,
    /// Market buy orders: the most quote currency it may spend, in smallest units, or 0 for no
    /// such bound. 0 for all other orders.
    pub budget: Amount,
    /// What to do on meeting an order of the same owner.
    pub stp_mode: StpMode,
    /// Who is the same owner.
    pub stp_scope: StpScope,
    /// The group the account belongs to, filled in by the gateway from the account, never by the
    /// client. 0 is none.
    pub stp_group: StpGroup,
    /// The rates the order pays for life, filled in by the matcher from the account, never by the
    /// client: a tier of the market's table.
    pub fee_tier: FeeTier,
}

/// Cancel one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelOrder {
    /// The account the order must belong to.
    pub account: AccountId,
    /// Which order.
    pub order: OrderRef,
}

/// Change price or quantity of one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplaceOrder {
    /// The account the order must belong to.
    pub account: AccountId,
    /// Who gets the order's reports from now on.
    pub session: SessionId,
    /// Which order.
    pub order: OrderRef,
    /// The order's client id from now on; 0 keeps the one it has.
    pub cl_ord_id: ClOrdId,
    /// The new limit price.
    pub price: Price,
    /// The new total quantity, which includes what has been executed.
    pub total_qty: Qty,
}

/// Cancel all orders of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MassCancel {
    /// The account.
    pub account: AccountId,
    /// One side, or both.
    pub side: Option<Side>,
    /// Orders whose reports go to this session; 0 for all.
    pub session: SessionId,
    /// What it is told of each.
    pub reason: CancelReason,
}

impl MassCancel {
    /// What a session asks for: whatever session its orders came through.
    #[must_use]
    pub const fn asked(account: AccountId, side: Option<Side>) -> Self {
        Self {
            account,
            side,
            session: SessionId(0),
            reason: CancelReason::MassCancel,
        }
    }
}

/// Ask where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderStatus {
    /// The account the order must belong to.
    pub account: AccountId,
    /// Which order.
    pub order: OrderRef,
}

/// The bounds of a market that may change while it runs. Orders that rest stay as they are; new
/// ones and replaces obey the bounds of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketLimits {
    /// Lowest order price, at least 1.
    pub price_min: Price,
    /// Highest order price.
    pub price_max: Price,
    /// Lowest order quantity, at least 1.
    pub qty_min: Qty,
    /// Highest order quantity.
    pub qty_max: Qty,
    /// Lowest notional of an order in quote currency, or 0 for no bound.
    pub notional_min: Amount,
    /// Highest notional of an order in quote currency, or 0 for no bound.
    pub notional_max: Amount,
    /// Open orders the market may hold.
    pub orders_max: u32,
    /// Open orders one account may hold in the market.
    pub account_orders_max: u32,
}
