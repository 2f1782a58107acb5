//! Answers, as the tables give them: ids, ticks, lots and whole units.

use souk_engine::FeeRates;
use souk_protocol::{
    AccountId, AccountStatus, Amount, CancelReason, ClOrdId, Code, FeeGroup, MarketId, MarketState,
    OrderId, OrderType, Price, Qty, SessionId, Side, StatementKind, StpGroup, TimeInForce,
};

use super::super::schema::{CANCELED, FILLED, OPEN};
use super::super::write::what;
use crate::tables::{Row, TablesError};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In the book.
    Open,
    /// Executed in full.
    Filled,
    /// Gone before that.
    Canceled,
    /// Never taken.
    Rejected,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// Its place in the list.
    pub number: u64,
    /// Its market.
    pub market: MarketId,
    /// Its id; 0 if it was rejected.
    pub id: OrderId,
    /// The client's id.
    pub cl_ord_id: ClOrdId,
    /// Whose it is.
    pub account: AccountId,
    /// Which session gets its reports.
    pub session: SessionId,
    /// Buy or sell.
    pub side: Side,
    /// Limit or market.
    pub order_type: OrderType,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// Its price.
    pub price: Price,
    /// All of it.
    pub qty: Qty,
    /// What it may spend, if it has a budget.
    pub budget: Amount,
    /// Lots executed.
    pub executed: Qty,
    /// Lots open.
    pub leaves: Qty,
    /// Ticks times lots executed, if that was not too large.
    pub value: Option<i128>,
    /// Where it stands.
    pub standing: Standing,
    /// Why it is canceled.
    pub canceled: Option<CancelReason>,
    /// Why it is rejected.
    pub rejected: Option<Code>,
    /// When it came.
    pub created_at: u64,
    /// When it changed.
    pub updated_at: u64,
}

/// Something that happened to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// The number of the command in the market's stream.
    pub stream_seq: u64,
    /// When.
    pub at: u64,
    /// What.
    pub happening: Happening,
    /// At which price.
    pub price: Price,
    /// How many lots.
    pub qty: Qty,
    /// Lots open after it.
    pub leaves: Qty,
}

/// What happened to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It was accepted.
    Entered,
    /// It traded.
    Traded,
    /// It is gone.
    Canceled(CancelReason),
    /// It was changed.
    Replaced,
    /// It met an order of its owner.
    SelfTradePrevented,
}

/// A trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeRow {
    /// Its place in the list.
    pub number: u64,
    /// Its market.
    pub market: MarketId,
    /// Its number in the market.
    pub id: u64,
    /// When.
    pub at: u64,
    /// The maker's price.
    pub price: Price,
    /// Lots.
    pub qty: Qty,
    /// Quote units, 2^63 - 1 for that or more.
    pub notional: Amount,
    /// The taker's side.
    pub taker_side: Side,
    /// Who bought.
    pub buyer: AccountId,
    /// Who sold.
    pub seller: AccountId,
    /// With which order.
    pub buyer_order: OrderId,
    /// With which order.
    pub seller_order: OrderId,
    /// Quote units the buyer paid.
    pub buyer_fee: i64,
    /// Quote units the seller paid.
    pub seller_fee: i64,
}

/// A line of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementRow {
    /// The balance's number.
    pub sequence: u64,
    /// When.
    pub at: u64,
    /// Why.
    pub kind: StatementKind,
    /// By how much the total changed.
    pub change: i64,
    /// The total after it.
    pub total: Amount,
    /// The market, if it was a trade or a fee.
    pub market: MarketId,
    /// The last trade, or the caller's business id.
    pub reference: u64,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Its id.
    pub account: AccountId,
    /// The platform's own id.
    pub external_id: String,
    /// What it may do.
    pub status: AccountStatus,
    /// Which rates it pays.
    pub fee_group: FeeGroup,
    /// Whom it must not trade with.
    pub stp_group: StpGroup,
}

/// What a fee group pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeesRow {
    /// The group.
    pub fee_group: FeeGroup,
    /// The rates.
    pub rates: FeeRates,
}

/// What a market accepted from a time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateRow {
    /// What.
    pub state: MarketState,
    /// When.
    pub at: u64,
}

/// A check of a currency's money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoneyRow {
    /// The currency.
    pub currency: String,
    /// Credits less debits.
    pub supply: i128,
    /// Sum of all balances.
    pub balances: i128,
    /// What open orders hold.
    pub held: i128,
    /// What the fee account has.
    pub fees: i128,
    /// When.
    pub at: u64,
}

/// What was traded in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Trades.
    pub trades: u64,
    /// Lots.
    pub qty: i128,
    /// Quote units.
    pub notional: i128,
    /// The first price, in ticks.
    pub first_price: Option<i64>,
    /// The highest.
    pub high: Option<i64>,
    /// The lowest.
    pub low: Option<i64>,
    /// The last price.
    pub last_price: Option<i64>,
    /// The last price before that time.
    pub price_before: Option<i64>,
}

pub(super) const ORDER: &str = "number, market, id, cl_ord_id, account, session, side, type, time_in_force, price, qty, budget, executed, leaves, value_high, value_low, state, reason, created_at, updated_at";
pub(super) const TRADE: &str = "number, market, id, at, price, qty, notional, taker_side, buyer, seller, buyer_order, seller_order, buyer_fee, seller_fee";
pub(super) const STATEMENT: &str = "sequence, at, kind, `change`, total, market, reference";
pub(super) const ACCOUNT: &str = "id, external_id, status, fee_group, stp_group";

impl OrderRow {
    pub(super) fn read(row: &Row) -> Result<Self, TablesError> {
        let state = row.int(16)?;
        let standing = match state {
            OPEN => Standing::Open,
            FILLED => Standing::Filled,
            CANCELED => Standing::Canceled,
            _ => Standing::Rejected,
        };
        // 0: it is gone, and nobody knows why.
        let is_told = standing == Standing::Canceled && row.int(17)? != 0;
        let canceled = is_told.then(|| row.word(17));
        let rejected = (standing == Standing::Rejected).then(|| row.small(17).map(Code));
        let (high, low) = (row.int(14)?, row.int(15)?);
        Ok(Self {
            number: row.unsigned(0)?,
            market: MarketId(row.small(1)?),
            id: OrderId(row.unsigned(2)?),
            cl_ord_id: ClOrdId(row.unsigned(3)?),
            account: AccountId(row.small(4)?),
            session: SessionId(row.small(5)?),
            side: row.word(6)?,
            order_type: row.word(7)?,
            time_in_force: row.word(8)?,
            price: Price(row.int(9)?),
            qty: Qty(row.unsigned(10)?),
            budget: Amount(row.unsigned(11)?),
            executed: Qty(row.unsigned(12)?),
            leaves: Qty(row.unsigned(13)?),
            value: (high >= 0).then(|| (i128::from(high) << 32) + i128::from(low)),
            standing,
            canceled: canceled.transpose()?,
            rejected: rejected.transpose()?,
            created_at: row.unsigned(18)?,
            updated_at: row.unsigned(19)?,
        })
    }
}

impl EventRow {
    pub(super) fn read(row: &Row) -> Result<Self, TablesError> {
        let happening = match row.int(2)? {
            what::TRADED => Happening::Traded,
            what::CANCELED => Happening::Canceled(row.word(6)?),
            what::REPLACED => Happening::Replaced,
            what::PREVENTED => Happening::SelfTradePrevented,
            _ => Happening::Entered,
        };
        Ok(Self {
            stream_seq: row.unsigned(0)?,
            at: row.unsigned(1)?,
            happening,
            price: Price(row.int(3)?),
            qty: Qty(row.unsigned(4)?),
            leaves: Qty(row.unsigned(5)?),
        })
    }
}

impl TradeRow {
    pub(super) fn read(row: &Row) -> Result<Self, TablesError> {
        Ok(Self {
            number: row.unsigned(0)?,
            market: MarketId(row.small(1)?),
            id: row.unsigned(2)?,
            at: row.unsigned(3)?,
            price: Price(row.int(4)?),
            qty: Qty(row.unsigned(5)?),
            notional: Amount(row.unsigned(6)?),
            taker_side: row.word(7)?,
            buyer: AccountId(row.small(8)?),
            seller: AccountId(row.small(9)?),
            buyer_order: OrderId(row.unsigned(10)?),
            seller_order: OrderId(row.unsigned(11)?),
            buyer_fee: row.int(12)?,
            seller_fee: row.int(13)?,
        })
    }
}

impl StatementRow {
    pub(super) fn read(row: &Row) -> Result<Self, TablesError> {
        Ok(Self {
            sequence: row.unsigned(0)?,
            at: row.unsigned(1)?,
            kind: row.word(2)?,
            change: row.int(3)?,
            total: Amount(row.unsigned(4)?),
            market: MarketId(row.small(5)?),
            reference: row.unsigned(6)?,
        })
    }
}

impl AccountRow {
    pub(super) fn read(row: &Row) -> Result<Self, TablesError> {
        Ok(Self {
            account: AccountId(row.small(0)?),
            external_id: row.text(1)?,
            status: row.word(2)?,
            fee_group: FeeGroup(row.small(3)?),
            stp_group: StpGroup(row.small(4)?),
        })
    }
}

impl FeesRow {
    pub(super) fn read(row: &Row) -> Result<Self, TablesError> {
        Ok(Self {
            fee_group: FeeGroup(row.small(0)?),
            rates: FeeRates {
                maker_ppm: row.small(1)?,
                taker_ppm: row.small(2)?,
            },
        })
    }
}

impl StateRow {
    pub(super) fn read(row: &Row) -> Result<Self, TablesError> {
        Ok(Self {
            state: row.word(0)?,
            at: row.unsigned(1)?,
        })
    }
}

impl MoneyRow {
    pub(super) fn read(row: &Row) -> Result<Self, TablesError> {
        let sum = |column| row.parsed(column, |text| text.parse().ok());
        Ok(Self {
            currency: row.text(0)?,
            supply: sum(1)?,
            balances: sum(2)?,
            held: sum(3)?,
            fees: sum(4)?,
            at: row.unsigned(5)?,
        })
    }
}

impl Volume {
    pub(super) fn add(&mut self, row: &Row) -> Result<(), TablesError> {
        self.trades += row.unsigned(0)?;
        self.qty += i128::from(row.int(1)?);
        self.notional += i128::from(row.int(2)?);
        let (high, low) = (row.int(3)?, row.int(4)?);
        self.high = self.high.max(Some(high));
        self.low = Some(self.low.map_or(low, |known| known.min(low)));
        let first = row.int(5)?;
        self.first_price.get_or_insert(first);
        self.last_price = Some(row.int(6)?);
        Ok(())
    }
}
