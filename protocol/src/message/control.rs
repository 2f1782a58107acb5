//! Requests to the tenant's control stream, currencies, markets, accounts and fees, and the answers
//! that all requests share. Requests have `seq` 0 and begin with a `request_id`.

use crate::field::{Code, Reserved, Text};
use crate::{AccountId, AccountStatus, Amount, CurrencyStatus, FeeGroup, MarketId, MarketState, Ppm, Price, Qty, StpGroup};
use super::{Block, FieldError, FieldInfo, HEADER_LEN, MessageInfo, Sender, plain_header};
use crate::RejectReason;
use crate::field::{Field, Value};

blocks! {
    /// Creates a currency.
    Client CreateCurrency = 48 {
        /// The sender's number for the request; comes back in the answer.
        request_id: u64,
        /// Its code: 1 to 8 of A-Z and 0-9.
        code: Text<8>,
        /// Lowest amount of one credit, debit or transfer; 0 is no bound.
        amount_min: Amount,
        /// Highest amount of one credit, debit or transfer; 0 is no bound.
        amount_max: Amount,
        /// Digits after the point of its smallest unit, 0 to 18; it never changes.
        scale: u8,
        /// Digits after the point that are shown to users, at most `scale`.
        display_scale: u8,
        /// What may be done with it.
        status: CurrencyStatus,
        /// Zero.
        reserved: Reserved<5>,
    }
    /// Changes a currency. Every field takes the place of what was there.
    Client UpdateCurrency = 49 {
        /// The sender's number for the request; comes back in the answer.
        request_id: u64,
        /// Code of the currency.
        code: Text<8>,
        /// Lowest amount of one credit, debit or transfer; 0 is no bound.
        amount_min: Amount,
        /// Highest amount of one credit, debit or transfer; 0 is no bound.
        amount_max: Amount,
        /// Digits after the point that are shown to users, at most the currency's scale.
        display_scale: u8,
        /// What may be done with it.
        status: CurrencyStatus,
        /// Zero.
        reserved: Reserved<6>,
    }
    /// Creates a market. Its id, symbol, currencies, tick and lot never change.
    Client CreateMarket = 50 {
        /// The sender's number for the request; comes back in the answer.
        request_id: u64,
        /// The market's id; no market of the tenant has it.
        market: MarketId,
        /// The state it opens in.
        state: MarketState,
        /// Digits after the point of `tick_mantissa`.
        tick_scale: u8,
        /// Digits after the point of `lot_mantissa`.
        lot_scale: u8,
        /// Zero.
        reserved: Reserved<1>,
        /// Its name, such as `BTC-USDT`; no market of the tenant has it.
        symbol: Text<24>,
        /// Code of the base currency.
        base: Text<8>,
        /// Code of the quote currency.
        quote: Text<8>,
        /// One tick: this many units of 10^-tick_scale of the quote currency per one base.
        tick_mantissa: u64,
        /// One lot: this many units of 10^-lot_scale of the base currency.
        lot_mantissa: u64,
        /// Lowest price in ticks.
        price_min: Price,
        /// Highest price in ticks.
        price_max: Price,
        /// Lowest quantity in lots.
        qty_min: Qty,
        /// Highest quantity in lots.
        qty_max: Qty,
        /// Lowest price x quantity of an order, in units of the quote currency; 0 is no bound.
        notional_min: Amount,
        /// Highest price x quantity of an order, in units of the quote currency; 0 is no bound.
        notional_max: Amount,
        /// Open orders there may be.
        orders_max: u32,
        /// Open orders one account may have.
        account_orders_max: u32,
        /// What makers pay; negative is a rebate.
        maker_ppm: Ppm,
        /// What takers pay.
        taker_ppm: Ppm,
    }
    /// Changes the bounds of a market. Every field takes the place of what was there; orders that
    /// are open stay.
    Client SetMarketLimits = 51 {
        /// The sender's number for the request; comes back in the answer.
        request_id: u64,
        /// The market.
        market: MarketId,
        /// Zero.
        reserved: Reserved<4>,
        /// Lowest price in ticks.
        price_min: Price,
        /// Highest price in ticks.
        price_max: Price,
        /// Lowest quantity in lots.
        qty_min: Qty,
        /// Highest quantity in lots.
        qty_max: Qty,
        /// Lowest price x quantity of an order, in units of the quote currency; 0 is no bound.
        notional_min: Amount,
        /// Highest price x quantity of an order, in units of the quote currency; 0 is no bound.
        notional_max: Amount,
        /// Open orders there may be.
        orders_max: u32,
        /// Open orders one account may have.
        account_orders_max: u32,
    }
    /// Opens, halts or closes a market to new orders.
    Client SetMarketState = 52 {
        /// The sender's number for the request; comes back in the answer.
        request_id: u64,
        /// The market.
        market: MarketId,
        /// Its state from now on.
        state: MarketState,
        /// Zero.
        reserved: Reserved<3>,
    }
    /// Sets what accounts of a fee group pay in a market, for orders accepted from now on.
    Client SetFees = 53 {
        /// The sender's number for the request; comes back in the answer.
        request_id: u64,
        /// The market.
        market: MarketId,
        /// The group; 0 is the default one, whose rates a group without its own pays.
        fee_group: FeeGroup,
        /// Zero.
        reserved: Reserved<2>,
        /// What makers pay; negative is a rebate.
        maker_ppm: Ppm,
        /// What takers pay.
        taker_ppm: Ppm,
    }
    /// Creates an account.
    Client CreateAccount = 54 {
        /// The sender's number for the request; comes back in the answer.
        request_id: u64,
        /// The account's id; no account of the tenant has it.
        account: AccountId,
        /// Whose rates it pays.
        fee_group: FeeGroup,
        /// With whom it must not trade; 0 is with nobody but itself.
        stp_group: StpGroup,
        /// What may be done with it.
        status: AccountStatus,
        /// Zero.
        reserved: Reserved<7>,
        /// The platform's own id of the user; no account of the tenant has it. Empty is none.
        external_id: Text<32>,
    }
    /// Changes an account. Every field takes the place of what was there.
    Client UpdateAccount = 55 {
        /// The sender's number for the request; comes back in the answer.
        request_id: u64,
        /// The account.
        account: AccountId,
        /// Whose rates it pays, in orders accepted from now on.
        fee_group: FeeGroup,
        /// With whom it must not trade; 0 is with nobody but itself.
        stp_group: StpGroup,
        /// What may be done with it.
        status: AccountStatus,
        /// Zero.
        reserved: Reserved<7>,
    }
    /// Asks for the tenant's currencies.
    Client CurrencyListRequest = 63 {
        /// The sender's number for the request; comes back in the answer.
        request_id: u64,
    }
    /// A control request was carried out.
    Server RequestAccepted = 105 {
        /// The request's.
        request_id: u64,
        /// Its place in the tenant's control stream.
        control_seq: u64,
    }
    /// A request was refused and changed nothing.
    Server RequestRejected = 107 {
        /// The request's.
        request_id: u64,
        /// Its template.
        ref_template: u16,
        /// Why.
        code: Code,
        /// Byte in the frame at which the broken field begins, or 0.
        field_offset: u16,
        /// Zero.
        reserved: Reserved<2>,
        /// When to try again, in microseconds; 0 if no time is known.
        retry_after_us: u32,
        /// Zero.
        reserved2: Reserved<4>,
    }
    /// One currency of the tenant.
    Server CurrencyDefinition = 112 {
        /// Its code.
        code: Text<8>,
        /// Digits after the point of its smallest unit.
        scale: u8,
        /// Digits after the point that are shown to users.
        display_scale: u8,
        /// What may be done with it.
        status: CurrencyStatus,
        /// Zero.
        reserved: Reserved<5>,
        /// Lowest amount of one credit, debit or transfer; 0 is no bound.
        amount_min: Amount,
        /// Highest amount of one credit, debit or transfer; 0 is no bound.
        amount_max: Amount,
    }
    /// All currencies were sent.
    Server CurrencyListEnd = 113 {
        /// The request's.
        request_id: u64,
        /// How many there are.
        count: u32,
        /// Zero.
        reserved: Reserved<4>,
    }
}
