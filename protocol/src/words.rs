//! The field's words as types: every number that has a unit or an owner has a type of its own.
//!
//! Must never: do arithmetic that belongs to the engine, or know a byte layout.

use crate::RejectReason;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($int:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(pub $int);

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// A price in ticks of the market. Legal order prices are `1..=PRICE_MAX`; 0 means "no price".
    Price(i64);
    /// A quantity in lots of the market, `0..=QTY_MAX`.
    Qty(u64);
    /// An amount of money in the smallest unit of its currency, `0..=AMOUNT_MAX`.
    Amount(u64);
    /// A company that shares the engine. Cluster-wide, `1..`; 0 is null.
    TenantId(u32);
    /// A market (instrument) of one tenant. Meaningless without its tenant. `1..`; 0 is null.
    MarketId(u32);
    /// An account (participant) of one tenant. Meaningless without its tenant. `1..`; 0 is null.
    AccountId(u32);
    /// A public key that may log on, cluster-wide, `1..=KEY_ID_MAX`; 0 is null.
    KeyId(u32);
    /// A session: one key and one session number. Cluster-wide. See [`SessionId::new`].
    SessionId(u32);
    /// An order, unique for ever within its market, issued by the engine. 0 is null.
    OrderId(u64);
    /// The client's own name for an order, unique among the open orders of its account in a
    /// market. 0 is null: the order can then be named by its order id only.
    ClOrdId(u64);
    /// An execution of one maker against one taker, numbered 1, 2, 3 ... within its market.
    MatchId(u64);
    /// A group of accounts that must not trade with each other. 0 is "in no group".
    StpGroup(u16);
    /// Accounts of one group pay a market's rates for that group; 0 is the default group.
    FeeGroup(u16);
    /// A rate in parts per million of the notional; negative is a rebate.
    Ppm(i32);
}

/// The highest legal price in ticks: 2^62. Leaves room so that sums of prices cannot overflow.
pub const PRICE_MAX: Price = Price(1 << 62);
/// The highest legal quantity in lots: 2^62.
pub const QTY_MAX: Qty = Qty(1 << 62);
/// The highest legal amount of money: 2^63 - 1, so that every amount has a negative.
pub const AMOUNT_MAX: Amount = Amount(i64::MAX as u64);
/// The highest rate of a fee, and of a rebate: the whole notional.
pub const PPM_MAX: Ppm = Ppm(1_000_000);
/// The highest number of digits after the point of a currency's unit.
pub const SCALE_MAX: u8 = 18;
/// The highest key id: 20 bits, because a [`SessionId`] holds key and number in 32.
pub const KEY_ID_MAX: u32 = (1 << 20) - 1;
/// The highest session number of a key: 12 bits.
pub const SESSION_NUMBER_MAX: u16 = (1 << 12) - 1;

impl SessionId {
    /// The session of `key` with `number`: key in the upper 20 bits, number in the lower 12.
    /// Returns `None` when either is out of range.
    #[must_use]
    pub const fn new(key: KeyId, number: u16) -> Option<Self> {
        if key.0 == 0 || key.0 > KEY_ID_MAX || number > SESSION_NUMBER_MAX {
            return None;
        }
        Some(Self((key.0 << 12) | number as u32))
    }

    /// The key this session belongs to.
    #[must_use]
    pub const fn key(self) -> KeyId {
        KeyId(self.0 >> 12)
    }
}

macro_rules! wire_enum {
    ($($(#[doc = $doc:literal])* $name:ident, unknown $reason:ident {
        $($(#[doc = $vdoc:literal])* $variant:ident = $value:literal,)*
    })*) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name {
            $($(#[doc = $vdoc])* $variant = $value,)*
        }

        impl $name {
            /// Every value, in wire order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value's name, as the documents spell it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }
        }

        impl TryFrom<u8> for $name {
            type Error = RejectReason;
            #[inline]
            fn try_from(byte: u8) -> Result<Self, RejectReason> {
                match byte {
                    $($value => Ok(Self::$variant),)*
                    _ => Err(RejectReason::$reason),
                }
            }
        }
    )*

    /// Every word of the protocol that is a number with a name.
    pub const WORDS: &[WordInfo] = &[$(WordInfo {
        name: stringify!($name),
        doc: concat!($($doc,)*),
        unknown: RejectReason::$reason,
        values: &[$(ValueInfo {
            value: $value,
            name: stringify!($variant),
            doc: concat!($($vdoc,)*),
        },)*],
    },)*];
    };
}

/// One word's table, for documents and vectors.
#[derive(Clone, Copy, Debug)]
pub struct WordInfo {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// How a value outside the table is refused.
    pub unknown: RejectReason,
    /// Its legal values.
    pub values: &'static [ValueInfo],
}

/// One legal value of a word.
#[derive(Clone, Copy, Debug)]
pub struct ValueInfo {
    /// The byte.
    pub value: u8,
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
}

wire_enum! {
    /// The side of an order. The values are FIX tag 54's.
    Side, unknown UnknownSide {
        /// Buys the base currency.
        Buy = 1,
        /// Sells the base currency.
        Sell = 2,
    }
    /// The type of an order. The values are FIX tag 40's, as numbers.
    OrderType, unknown UnknownOrderType {
        /// Trades at its price or better.
        Market = 1,
        /// Trades at its limit price or better, and may rest.
        Limit = 2,
    }
    /// How long an order lives. The values are FIX tag 59's, as numbers.
    TimeInForce, unknown UnknownTimeInForce {
        /// Good till cancel: what does not trade at once rests in the book.
        Gtc = 1,
        /// Immediate or cancel: what does not trade at once is canceled.
        Ioc = 3,
        /// Fill or kill: trades in full at once, or is rejected without effect.
        Fok = 4,
    }
    /// What a post-only order does when it would trade at once.
    PostOnly, unknown UnknownPostOnly {
        /// Not post-only.
        No = 0,
        /// The order is rejected.
        Reject = 1,
        /// The order's price moves to one tick from the best opposite price.
        Slide = 2,
    }
    /// Self-trade prevention: what the taker asks for when it meets an order of its own owner.
    StpMode, unknown UnknownStpMode {
        /// Trade as with anybody.
        None = 0,
        /// Cancel what is left of the taker.
        CancelNewest = 1,
        /// Cancel the maker and go on.
        CancelOldest = 2,
        /// Cancel the maker and what is left of the taker.
        CancelBoth = 3,
        /// Take the smaller quantity off both; the one that reaches zero is canceled.
        DecrementAndCancel = 4,
    }
    /// Who counts as the same owner for self-trade prevention.
    StpScope, unknown UnknownStpScope {
        /// The same account.
        Account = 0,
        /// The same account, or an account of the same non-zero group. Groups are given to
        /// accounts by their tenant, never by an order.
        Group = 1,
    }
    /// What a market accepts.
    MarketState, unknown UnknownMarketState {
        /// Everything.
        Continuous = 1,
        /// Nothing but status requests.
        Halted = 2,
        /// Cancels and mass cancels.
        CancelOnly = 3,
    }
    /// Why an order, or what was left of it, is gone.
    CancelReason, unknown UnknownCancelReason {
        /// Asked for by order or client order id.
        ByRequest = 1,
        /// Asked for by mass cancel.
        MassCancel = 2,
        /// Immediate or cancel, and market orders: what did not trade at once.
        ImmediateOrCancel = 3,
        /// A self trade was prevented.
        SelfTrade = 4,
        /// What is left of the budget does not buy one more lot at the best price.
        BudgetSpent = 5,
        /// A replace asked for a total quantity that was already executed.
        ReplacedBelowExecuted = 6,
        /// The session's connection ended, and it had asked for this.
        OnDisconnect = 7,
    }
    /// When a session's open orders are canceled because its connection ended.
    CancelOnDisconnect, unknown UnknownCancelOnDisconnect {
        /// Never: they stay.
        None = 0,
        /// When the connection ends in any other way than by logging out.
        OnDisconnect = 1,
        /// When the session logs out.
        OnLogout = 2,
        /// When the connection ends, in whatever way.
        Both = 3,
    }
    /// What a batch does after one of its entries was refused.
    BatchMode, unknown UnknownBatchMode {
        /// Go on: entries are independent.
        Independent = 0,
        /// Refuse the entries after it with `BatchStopped`; what was applied before it stays.
        StopAtFirstReject = 1,
    }
    /// Where an order stands, in an order status report.
    OrderState, unknown UnknownOrderState {
        /// In the book, nothing executed.
        New = 1,
        /// In the book, partly executed.
        PartiallyFilled = 2,
    }
    /// Which part a side had in an execution.
    Liquidity, unknown UnknownLiquidity {
        /// The order was resting in the book.
        Maker = 1,
        /// The order came in and took.
        Taker = 2,
    }
    /// What an acknowledgement is worth; told to each client at logon.
    Durability, unknown UnknownDurability {
        /// Acknowledged when matched; survives nothing.
        Memory = 0,
        /// Acknowledged when synced to the local journal.
        Local = 1,
        /// Acknowledged when committed in MySQL under the lease's epoch.
        Mysql = 2,
    }
    /// What may be done with a currency.
    CurrencyStatus, unknown UnknownCurrencyStatus {
        /// Everything.
        Listed = 1,
        /// Everything; platforms do not show it to their users.
        Hidden = 2,
        /// It runs out: no credits and no new markets.
        Delisting = 3,
    }
    /// What may be done with an account.
    AccountStatus, unknown UnknownAccountStatus {
        /// Everything.
        Active = 1,
        /// Its orders may be canceled and its money moved; it enters and replaces no orders.
        CancelOnly = 2,
        /// Nothing but cancels: no orders, no credits, no debits, no transfers to or from it.
        Frozen = 3,
    }
    /// What changed a balance, in a statement.
    StatementKind, unknown UnknownStatementKind {
        /// Money came in from outside.
        Credit = 1,
        /// Money went out.
        Debit = 2,
        /// Money came from another account of the tenant.
        TransferIn = 3,
        /// Money went to another account of the tenant.
        TransferOut = 4,
        /// Trades in a market, their fees included.
        Trade = 5,
        /// Fees of trades in a market, paid to the tenant's fee account.
        Fee = 6,
    }
}

impl Side {
    /// The other side.
    #[must_use]
    #[inline]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// Whether a taker on `self`, limited at `limit`, may trade at the maker's price.
    #[must_use]
    #[inline]
    pub const fn crosses(self, limit: Price, maker: Price) -> bool {
        match self {
            Self::Buy => maker.0 <= limit.0,
            Self::Sell => maker.0 >= limit.0,
        }
    }
}
