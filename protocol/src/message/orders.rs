//! Messages to a market: orders and all that may be done to them. They carry a `client_seq`.

use crate::field::{Reserved};
use crate::{AccountId, Amount, BatchMode, ClOrdId, MarketId, OrderId, OrderType, PostOnly, Price, Qty, Side, StpMode, StpScope, TimeInForce};
use super::{Block, FieldError, FieldInfo, HEADER_LEN, MessageInfo, Sender, plain_header};
use crate::RejectReason;
use crate::field::{Field, Value};

blocks! {
    /// Enters an order.
    Client NewOrder = 32 {
        /// The client's name for the order, or 0.
        cl_ord_id: ClOrdId,
        /// Limit price in ticks; for a market order its protection price, or 0.
        price: Price,
        /// Quantity in lots.
        qty: Qty,
        /// Market buy: the most it may spend, in units of the quote currency; else 0.
        budget: Amount,
        /// The market.
        market: MarketId,
        /// The account.
        account: AccountId,
        /// Buy or sell.
        side: Side,
        /// Limit or market.
        order_type: OrderType,
        /// GTC, IOC or FOK.
        time_in_force: TimeInForce,
        /// Post-only behaviour.
        post_only: PostOnly,
        /// What to do on meeting an order of the same owner.
        stp_mode: StpMode,
        /// Who is the same owner.
        stp_scope: StpScope,
        /// Zero.
        reserved: Reserved<2>,
    }
    /// Cancels one order.
    Client CancelOrder = 33 {
        /// The order's client id, or 0 if `order_id` is given.
        orig_cl_ord_id: ClOrdId,
        /// The order's id, or 0 if `orig_cl_ord_id` is given.
        order_id: OrderId,
        /// The market.
        market: MarketId,
        /// The account.
        account: AccountId,
    }
    /// Changes price or quantity of one order.
    Client ReplaceOrder = 34 {
        /// The order's client id from now on; 0 keeps the one it has.
        cl_ord_id: ClOrdId,
        /// The order's client id, or 0 if `order_id` is given.
        orig_cl_ord_id: ClOrdId,
        /// The order's id, or 0 if `orig_cl_ord_id` is given.
        order_id: OrderId,
        /// The new limit price in ticks.
        price: Price,
        /// The new total quantity in lots; it includes what has been executed.
        total_qty: Qty,
        /// The market.
        market: MarketId,
        /// The account.
        account: AccountId,
    }
    /// Cancels all orders of an account in a market.
    Client MassCancel = 35 {
        /// The market.
        market: MarketId,
        /// The account.
        account: AccountId,
        /// One side, or 0 for both.
        side: Option<Side>,
        /// Zero.
        reserved: Reserved<7>,
    }
    /// Asks where an order stands. Answered through the market's queue.
    Client OrderStatusRequest = 36 {
        /// The order's client id, or 0 if `order_id` is given.
        orig_cl_ord_id: ClOrdId,
        /// The order's id, or 0 if `orig_cl_ord_id` is given.
        order_id: OrderId,
        /// The market.
        market: MarketId,
        /// The account.
        account: AccountId,
    }
    /// Up to 32 orders, cancels and replaces to one market that nothing comes between. A group
    /// of `BatchEntry` follows.
    Client Batch [BatchEntry] = 37 {
        /// The market.
        market: MarketId,
        /// What happens after an entry is refused.
        mode: BatchMode,
        /// Zero.
        reserved: Reserved<3>,
    }
    /// One instruction of a batch. Fields that its operation does not have are 0.
    Client BatchEntry = 0 {
        /// 32 new, 33 cancel, 34 replace.
        operation: u8,
        /// New: side.
        side: u8,
        /// New: order type.
        order_type: u8,
        /// New: time in force.
        time_in_force: u8,
        /// New: post-only.
        post_only: u8,
        /// New: self-trade prevention mode.
        stp_mode: u8,
        /// New: self-trade prevention scope.
        stp_scope: u8,
        /// Zero.
        reserved: Reserved<1>,
        /// The account.
        account: AccountId,
        /// Zero.
        reserved2: Reserved<4>,
        /// New, replace: `cl_ord_id`.
        cl_ord_id: ClOrdId,
        /// Cancel, replace: `orig_cl_ord_id`.
        orig_cl_ord_id: ClOrdId,
        /// Cancel, replace: `order_id`.
        order_id: OrderId,
        /// New, replace: price.
        price: Price,
        /// New: quantity. Replace: total quantity.
        qty: Qty,
        /// New: budget.
        budget: Amount,
    }
}
