//! Market data: what anybody may know of a market. It carries an `md_seq`.

use crate::field::{Reserved};
use crate::{MarketId, MarketState, MatchId, Price, Qty, Side};
use super::{Block, FieldError, FieldInfo, HEADER_LEN, MessageInfo, Sender, plain_header};
use crate::RejectReason;
use crate::field::{Field, Value};

blocks! {
    /// Asks for market data.
    Client Subscribe = 128 {
        /// The market.
        market: MarketId,
        /// 1 depth, 2 trades and status, 4 one snapshot only (alone).
        flags: u8,
        /// Zero.
        reserved: Reserved<3>,
    }
    /// Ends market data of a market.
    Client Unsubscribe = 129 {
        /// The market.
        market: MarketId,
        /// Zero.
        reserved: Reserved<4>,
    }
    /// The whole depth of a market, by price level. A group of `LevelEntry` follows: buys from the best to the
    /// worst price, then sells. Header flag 2 says that another frame of the same snapshot follows.
    Server DepthSnapshot [LevelEntry] = 130 {
        /// The market.
        market: MarketId,
        /// The market's state.
        state: MarketState,
        /// Zero.
        reserved: Reserved<3>,
        /// The number of commands the market had applied.
        stream_seq: u64,
        /// `book_hash` of the whole snapshot; see "Market data".
        book_hash: u64,
        /// Number of buy levels in all frames of the snapshot.
        buy_levels: u32,
        /// Number of sell levels in all frames of the snapshot.
        sell_levels: u32,
    }
    /// A price level is now this; quantity and orders 0 when it is gone.
    Server LevelEntry = 0 {
        /// Price in ticks.
        price: Price,
        /// Lots resting.
        qty: Qty,
        /// Number of orders.
        orders: u32,
        /// Buy or sell.
        side: Side,
        /// Zero.
        reserved: Reserved<3>,
    }
    /// Levels that changed. A group of `LevelEntry` follows. `seq` is the subscription's `md_seq`.
    Server DepthUpdate [LevelEntry] = 131 {
        /// The market.
        market: MarketId,
        /// Zero.
        reserved: Reserved<4>,
        /// The number of commands the market had applied.
        stream_seq: u64,
        /// When, nanoseconds since 1970-01-01 UTC.
        transact_time: u64,
    }
    /// A public trade. `seq` is the subscription's `md_seq`.
    Server TradeTick = 132 {
        /// The market.
        market: MarketId,
        /// The side of the taker.
        taker_side: Side,
        /// Zero.
        reserved: Reserved<3>,
        /// The execution's number.
        match_id: MatchId,
        /// Price in ticks.
        price: Price,
        /// Lots executed.
        qty: Qty,
        /// When, nanoseconds since 1970-01-01 UTC.
        transact_time: u64,
    }
    /// The market's state changed. `seq` is the subscription's `md_seq`.
    Server MarketStatus = 133 {
        /// The market.
        market: MarketId,
        /// The state.
        state: MarketState,
        /// Zero.
        reserved: Reserved<3>,
        /// When, nanoseconds since 1970-01-01 UTC.
        transact_time: u64,
    }
}
