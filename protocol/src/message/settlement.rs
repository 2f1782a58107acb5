//! Drop copy: what each trade moved between whom, numbered without a gap in each market.

use crate::field::Reserved;
use crate::{AccountId, Amount, MarketId, OrderId, Price, Qty, Side};
use super::{Block, FieldError, FieldInfo, HEADER_LEN, MessageInfo, Sender, plain_header};
use crate::RejectReason;
use crate::field::{Field, Value};

blocks! {
    /// Asks for the settlements of a market, from a number on and as they come.
    Client SubscribeSettlements = 61 {
        /// The sender's number for the request; comes back in the answer.
        request_id: u64,
        /// The market.
        market: MarketId,
        /// Zero.
        reserved: Reserved<4>,
        /// The first number wanted; 1 is from the first.
        from_number: u64,
    }
    /// What one trade moved: base from seller to buyer, quote from buyer to seller, and fees.
    Server Settlement = 110 {
        /// The trade's `match_id`: 1, 2, 3 ... in its market without a gap.
        number: u64,
        /// The market.
        market: MarketId,
        /// The side that took.
        taker_side: Side,
        /// Zero.
        reserved: Reserved<3>,
        /// When the market applied the command, nanoseconds since 1970-01-01 UTC.
        transact_time: u64,
        /// The number of the command that led to it in the market's stream.
        stream_seq: u64,
        /// What the buyer gets, in units of the base currency.
        base_amount: Amount,
        /// What the buyer pays to the seller, in units of the quote currency, without fees.
        quote_amount: Amount,
        /// The account that buys.
        buyer: AccountId,
        /// The account that sells.
        seller: AccountId,
        /// What the buyer pays besides, in units of the quote currency; negative is a rebate.
        buyer_fee: i64,
        /// What is taken from what the seller gets, in units of the quote currency; negative is a
        /// rebate.
        seller_fee: i64,
        /// The buyer's order.
        buyer_order: OrderId,
        /// The seller's order.
        seller_order: OrderId,
        /// Price in ticks.
        price: Price,
        /// Lots executed.
        qty: Qty,
    }
    /// Settlements follow.
    Server SettlementsFrom = 111 {
        /// The request's.
        request_id: u64,
        /// The market.
        market: MarketId,
        /// Zero.
        reserved: Reserved<4>,
        /// The oldest number still kept.
        oldest: u64,
        /// The number that the next trade will have.
        next: u64,
    }
}
