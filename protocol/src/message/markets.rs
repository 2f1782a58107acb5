//! Messages about markets: joining them, and what they are.

use crate::field::{Reserved, Text};
use crate::{Amount, MarketId, MarketState, Price, Qty};
use super::{Block, FieldError, FieldInfo, HEADER_LEN, MessageInfo, Sender, plain_header};
use crate::RejectReason;
use crate::field::{Field, Value};

blocks! {
    /// Asks where the session stands with a market, and for its reports from now on.
    Client JoinMarket = 12 {
        /// The market.
        market: MarketId,
        /// Zero.
        reserved: Reserved<4>,
    }
    /// Where the session stands with a market.
    Server MarketJoined = 13 {
        /// The market.
        market: MarketId,
        /// The market's state.
        state: MarketState,
        /// Zero.
        reserved: Reserved<3>,
        /// Grows each time another process takes the market over.
        epoch: u64,
        /// The last `client_seq` of this session that was applied; continue with the next.
        last_client_seq: u64,
        /// The last `report_seq` of this session.
        last_report_seq: u64,
        /// The number of commands the market has applied.
        stream_seq: u64,
    }
    /// Asks for the tenant's markets.
    Client MarketListRequest = 14 {
        /// Zero.
        reserved: Reserved<8>,
    }
    /// One market of the tenant.
    Server MarketDefinition = 15 {
        /// The market.
        market: MarketId,
        /// The state it opened in; `MarketJoined` and `MarketStatus` tell the present one.
        state: MarketState,
        /// Digits after the point of the base currency's unit.
        base_scale: u8,
        /// Digits after the point of the quote currency's unit.
        quote_scale: u8,
        /// Zero.
        reserved: Reserved<1>,
        /// Its name, such as `BTC-USDT`.
        symbol: Text<24>,
        /// Code of the base currency.
        base: Text<8>,
        /// Code of the quote currency.
        quote: Text<8>,
        /// One tick: this many units of 10^-tick_scale of the quote currency per one base.
        tick_mantissa: u64,
        /// One lot: this many units of 10^-lot_scale of the base currency.
        lot_mantissa: u64,
        /// Digits after the point of `tick_mantissa`.
        tick_scale: u8,
        /// Digits after the point of `lot_mantissa`.
        lot_scale: u8,
        /// Zero.
        reserved2: Reserved<6>,
        /// Lowest price in ticks.
        price_min: Price,
        /// Highest price in ticks.
        price_max: Price,
        /// Lowest quantity in lots.
        qty_min: Qty,
        /// Highest quantity in lots.
        qty_max: Qty,
        /// Units (10^-quote_scale) of the quote currency of one tick times one lot.
        notional_unit: u64,
        /// Open orders one account may have here.
        account_orders_max: u32,
        /// Zero.
        reserved3: Reserved<4>,
        /// Lowest price x quantity of an order, in units of the quote currency; 0 is no bound.
        notional_min: Amount,
        /// Highest price x quantity of an order, in units of the quote currency; 0 is no bound.
        notional_max: Amount,
        /// Units (10^-base_scale) of the base currency of one lot.
        lot_units: u64,
    }
    /// All markets were sent.
    Server MarketListEnd = 16 {
        /// How many there are.
        count: u32,
        /// Zero.
        reserved: Reserved<4>,
    }
    /// Asks for what `JoinMarket` does, and for the reports after the last one that the client has.
    Client ResumeMarket = 17 {
        /// The market.
        market: MarketId,
        /// Zero.
        reserved: Reserved<4>,
        /// The last `report_seq` of this market that the client has; 0 if none.
        last_report_seq: u64,
    }
    /// Follows the `MarketJoined` that answers a `ResumeMarket`; then come the reports it tells of, with flag 1, then those of what
    /// happens.
    Server ReportsResent = 18 {
        /// The market.
        market: MarketId,
        /// Zero.
        reserved: Reserved<4>,
        /// The first report sent again. Above `last_report_seq` of the request plus 1 if those between are not kept any more.
        from_report_seq: u64,
        /// The last report sent again; `from_report_seq` less 1 if none is.
        to_report_seq: u64,
    }
}
