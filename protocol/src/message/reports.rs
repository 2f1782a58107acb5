//! Reports of a market: what became of orders. They carry a `report_seq`.

use crate::field::{Code, Reserved};
use crate::{AccountId, CancelReason, ClOrdId, Liquidity, MarketId, MatchId, OrderId, OrderState, OrderType, PostOnly, Price, Qty, Side, TimeInForce};
use super::{Block, FieldError, FieldInfo, HEADER_LEN, MessageInfo, Sender, plain_header};
use crate::RejectReason;
use crate::field::{Field, Value};

blocks! {
    /// A new order was accepted.
    Server Accepted = 96 {
        /// The market.
        market: MarketId,
        /// The account.
        account: AccountId,
        /// When the market applied the command, nanoseconds since 1970-01-01 UTC.
        transact_time: u64,
        /// The `client_seq` of the message that led to this.
        client_seq: u64,
        /// The order's client id, or 0.
        cl_ord_id: ClOrdId,
        /// The order's id.
        order_id: OrderId,
        /// Effective price in ticks (after a slide).
        price: Price,
        /// Quantity in lots.
        qty: Qty,
        /// Buy or sell.
        side: Side,
        /// Limit or market.
        order_type: OrderType,
        /// GTC, IOC or FOK.
        time_in_force: TimeInForce,
        /// Post-only behaviour.
        post_only: PostOnly,
        /// Entry of the batch, or 0.
        batch_index: u8,
        /// Zero.
        reserved: Reserved<3>,
    }
    /// A message to a market was refused by it and changed nothing. Its number is used up.
    Server Rejected = 97 {
        /// The market.
        market: MarketId,
        /// The account.
        account: AccountId,
        /// When the market applied the command, nanoseconds since 1970-01-01 UTC.
        transact_time: u64,
        /// The `client_seq` of the refused message.
        client_seq: u64,
        /// The client id the message carried: `cl_ord_id`, or else `orig_cl_ord_id`.
        cl_ord_id: ClOrdId,
        /// The order id the message carried, or 0.
        order_id: OrderId,
        /// Why.
        code: Code,
        /// What was refused: the template of the message, or of the batch entry's operation.
        ref_template: u16,
        /// Entry of the batch, or 0.
        batch_index: u8,
        /// Zero.
        reserved: Reserved<3>,
    }
    /// An order, or what was left of it, is gone.
    Server Canceled = 98 {
        /// The market.
        market: MarketId,
        /// The account.
        account: AccountId,
        /// When the market applied the command, nanoseconds since 1970-01-01 UTC.
        transact_time: u64,
        /// The `client_seq` of this session's message that led to this, or 0.
        client_seq: u64,
        /// The order's client id, or 0.
        cl_ord_id: ClOrdId,
        /// The order's id.
        order_id: OrderId,
        /// Lots canceled.
        qty: Qty,
        /// Lots executed before.
        cum: Qty,
        /// Why.
        reason: CancelReason,
        /// Buy or sell.
        side: Side,
        /// Entry of the batch, or 0.
        batch_index: u8,
        /// Zero.
        reserved: Reserved<5>,
    }
    /// An order was changed.
    Server Replaced = 99 {
        /// The market.
        market: MarketId,
        /// The account.
        account: AccountId,
        /// When the market applied the command, nanoseconds since 1970-01-01 UTC.
        transact_time: u64,
        /// The `client_seq` of the replace.
        client_seq: u64,
        /// The order's client id from now on.
        cl_ord_id: ClOrdId,
        /// The order's id; it stays.
        order_id: OrderId,
        /// The order's client id before.
        orig_cl_ord_id: ClOrdId,
        /// Effective price in ticks (after a slide).
        price: Price,
        /// Lots open, before any trade this leads to.
        leaves: Qty,
        /// Lots executed so far.
        cum: Qty,
        /// Buy or sell.
        side: Side,
        /// Whether the order kept its place in the queue.
        kept_priority: bool,
        /// Entry of the batch, or 0.
        batch_index: u8,
        /// Zero.
        reserved: Reserved<5>,
    }
    /// An order traded. Both sides get one each; neither learns who the other is.
    Server Trade = 100 {
        /// The market.
        market: MarketId,
        /// The account.
        account: AccountId,
        /// When the market applied the command, nanoseconds since 1970-01-01 UTC.
        transact_time: u64,
        /// Taker: the `client_seq` of the message that led to this. Maker: 0.
        client_seq: u64,
        /// The order's client id, or 0.
        cl_ord_id: ClOrdId,
        /// The order's id.
        order_id: OrderId,
        /// The execution's number, the same for both sides and in the public trade.
        match_id: MatchId,
        /// Price in ticks.
        price: Price,
        /// Lots executed.
        qty: Qty,
        /// Lots still open.
        leaves: Qty,
        /// Lots executed so far, with this.
        cum: Qty,
        /// Buy or sell.
        side: Side,
        /// Maker or taker.
        liquidity: Liquidity,
        /// Entry of the batch, or 0.
        batch_index: u8,
        /// Zero.
        reserved: Reserved<5>,
        /// What this order paid for the execution, in units of the quote currency; negative is a
        /// rebate it got.
        fee: i64,
    }
    /// Decrement-and-cancel took a quantity off this order. At `leaves` 0 the order is gone.
    Server SelfTradePrevented = 101 {
        /// The market.
        market: MarketId,
        /// The account.
        account: AccountId,
        /// When the market applied the command, nanoseconds since 1970-01-01 UTC.
        transact_time: u64,
        /// Taker: the `client_seq` of the message that led to this. Maker: 0.
        client_seq: u64,
        /// The order's client id, or 0.
        cl_ord_id: ClOrdId,
        /// The order's id.
        order_id: OrderId,
        /// Lots taken off.
        qty: Qty,
        /// Lots still open.
        leaves: Qty,
        /// Lots executed so far.
        cum: Qty,
        /// Buy or sell.
        side: Side,
        /// Maker or taker.
        liquidity: Liquidity,
        /// Entry of the batch, or 0.
        batch_index: u8,
        /// Zero.
        reserved: Reserved<5>,
    }
    /// A mass cancel is complete; a `Canceled` for each order came before.
    Server MassCanceled = 102 {
        /// The market.
        market: MarketId,
        /// The account.
        account: AccountId,
        /// When the market applied the command, nanoseconds since 1970-01-01 UTC.
        transact_time: u64,
        /// The `client_seq` of the mass cancel.
        client_seq: u64,
        /// How many orders were canceled.
        count: u32,
        /// Zero.
        reserved: Reserved<4>,
    }
    /// Where an open order stands.
    Server OrderStatus = 103 {
        /// The market.
        market: MarketId,
        /// The account.
        account: AccountId,
        /// When the market answered, nanoseconds since 1970-01-01 UTC.
        transact_time: u64,
        /// The `client_seq` of the request.
        client_seq: u64,
        /// The order's client id, or 0.
        cl_ord_id: ClOrdId,
        /// The order's id.
        order_id: OrderId,
        /// Price in ticks.
        price: Price,
        /// Lots open.
        leaves: Qty,
        /// Lots executed so far.
        cum: Qty,
        /// Buy or sell.
        side: Side,
        /// New or partially filled.
        state: OrderState,
        /// Zero.
        reserved: Reserved<6>,
    }
}
