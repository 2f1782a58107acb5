//! The code table: every refusal Souk can give, once, for the code, the wire and the documents.
//!
//! A code is never reused and never moved. A code names a rule.

/// What a reader of a code needs to know besides its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectInfo {
    /// The reason.
    pub reason: RejectReason,
    /// Its name, as the documents spell it.
    pub name: &'static str,
    /// Whether the same request may succeed later without being changed.
    pub retryable: bool,
    /// The rule that was broken, in words.
    pub rule: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

macro_rules! reject_reasons {
    ($($name:ident = $code:literal, $retry:ident, $rule:literal, $remedy:literal;)*) => {
        /// Why Souk refuses something. The number is the wire code; it never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum RejectReason {
            $(#[doc = $rule] $name = $code,)*
        }

        impl RejectReason {
            /// The whole table, in order of code.
            pub const TABLE: &'static [RejectInfo] = &[
                $(RejectInfo {
                    reason: Self::$name,
                    name: stringify!($name),
                    retryable: reject_reasons!(@$retry),
                    rule: $rule,
                    remedy: $remedy,
                },)*
            ];

            /// The reason with this wire code.
            #[must_use]
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// The wire code.
            #[must_use]
            #[inline]
            pub const fn code(self) -> u16 {
                self as u16
            }

            /// The reason's name, as the documents spell it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The rule that was broken, in words.
            #[must_use]
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$name => $rule,)* }
            }

            /// What to do about it.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }

            /// Whether the same request may succeed later without being changed.
            #[must_use]
            pub const fn retryable(self) -> bool {
                match self { $(Self::$name => reject_reasons!(@$retry),)* }
            }
        }
    };
    (@retry) => { true };
    (@final) => { false };
}

impl core::fmt::Display for RejectReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} ({}): {}", self.name(), self.code(), self.rule())
    }
}

impl core::error::Error for RejectReason {}

reject_reasons! {
    // 1xx: the bytes are not a frame. The connection ends, except where the rule says otherwise.
    FrameLengthOutOfRange = 101, final, "frame_len is at least 24 and at most the limit told in the challenge (512 before logon)", "Send smaller frames; read max_frame_in of the challenge.";
    FrameLengthNotAligned = 102, final, "frame_len is a multiple of 8", "Pad the frame to 8 bytes.";
    UnknownTemplate = 103, final, "template_id is one the server knows; the frame is skipped and the session goes on", "Check the version told in the challenge.";
    BlockLengthMismatch = 104, final, "block_len is at least the template's size, a multiple of 8, and fits the frame", "Check the template's byte table.";
    GroupLengthMismatch = 105, final, "group_count, entry_len and count are the template's and fill the frame exactly", "Check the template's byte table.";
    ReservedNotZero = 106, final, "reserved bytes are zero", "Zero every byte the table calls reserved.";
    SchemaNotSupported = 107, final, "schema_id is one that both sides speak", "Use the schema told in the challenge.";
    BadMagic = 108, final, "a connection begins with the hello's magic number", "Is this the right port and protocol?";
    SequenceMustBeZero = 109, final, "seq is 0 in session messages", "Number only messages to a market.";
    FlagNotSupported = 110, final, "header flags are 0 from client to server, except poss_resend on messages to a market", "Clear the other flags.";
    UnknownFeature = 111, final, "features is 0 in this version", "Clear the bits.";

    // 2xx: the session.
    ProtocolOrder = 201, final, "messages come in the order of the state diagram", "Hello, then logon, then the rest.";
    AuthenticationFailed = 202, final, "key, session number and signature fit together; which of them is wrong is not told", "Check key id and private key; the signature covers hello, challenge and logon.";
    ClockSkew = 203, final, "client_time is within 60 s of the server's clock", "Synchronise the clock.";
    SessionTakenOver = 204, final, "a session has one connection: a newer incarnation of it has logged on", "Stop the other one, or use another session number.";
    IncarnationNotNewer = 205, final, "a new logon of a session carries a higher incarnation than the one before", "Use the time in nanoseconds as incarnation.";
    HandshakeTimeout = 206, final, "hello and logon arrive within the handshake time", "Send them at once.";
    KeepaliveLapsed = 207, final, "something arrives at least every two keepalive intervals", "Send a heartbeat when idle.";
    KeepaliveOutOfRange = 208, final, "keepalive_ms is 100 to 60,000", "Choose one in the range.";
    ServerDraining = 209, retry, "the server takes no new work before it stops", "Reconnect after retry_after_ms, or to another node.";
    LoggedOut = 210, final, "the session was ended by its own terminate", "Nothing to do.";
    TooManyConnections = 211, retry, "connections are limited, in all and by address", "Close some, or try later.";
    PermissionDenied = 212, final, "the key has the permission the message needs", "Use another key, or ask your tenant's administrator.";
    CancelOnDisconnectNotSupported = 213, final, "cancel_on_disconnect is 0 with servers that do not know it; not given any more", "Send 0.";
    SlowConsumer = 214, retry, "a session reads what it is sent: its outbox is bounded", "Read faster, subscribe to less; reconnect and join again.";
    NotJoined = 215, final, "the session has the subscription it gives up", "Subscribe first.";
    JournalFailed = 216, retry, "a node answers nothing that its journal cannot keep: its disk has failed, and it stops", "Reconnect when it runs again, and resume: it knows what was applied.";
    NotOwner = 217, retry, "a tenant's markets are matched by one node at a time, and this is not it", "Connect to the node of the Redirect that came before, and resume; without one, to another node of the cluster.";
    TenantMoving = 218, retry, "a tenant's markets are between two nodes for a moment", "Log on again after retry_after_ms, and resume: nothing acknowledged is lost.";
    TlsRequired = 219, final, "a node that has a certificate is spoken to with TLS from beyond its machine", "Connect with TLS.";

    // 3xx: too much. Nothing was applied; the same bytes may be sent again.
    SessionRateExceeded = 301, retry, "a session keeps to its rate", "Wait retry_after_us; rate and burst are in the logon acknowledgement.";
    CreditExceeded = 302, retry, "a session has at most max_inflight unanswered messages", "Wait for answers.";
    TenantShareExceeded = 303, retry, "a tenant queues no more than its share of a matcher, and has few changes of its markets under way", "Wait retry_after_us.";
    MarketBusy = 304, retry, "the market's queue has room", "Wait retry_after_us.";
    LogonRateExceeded = 305, retry, "logons are limited by address", "Wait retry_after_ms.";
    TooManySubscriptions = 306, final, "a session has at most the configured number of subscriptions; few connections follow one market's settlements or one account", "Unsubscribe first.";

    // 4xx: a field.
    UnknownSide = 401, final, "side is 1 (buy) or 2 (sell)", "See the field's table.";
    UnknownOrderType = 402, final, "order_type is 1 (market) or 2 (limit)", "See the field's table.";
    UnknownTimeInForce = 403, final, "time_in_force is 1 (GTC), 3 (IOC) or 4 (FOK)", "See the field's table.";
    UnknownPostOnly = 404, final, "post_only is 0 (no), 1 (reject) or 2 (slide)", "See the field's table.";
    UnknownStpMode = 405, final, "stp_mode is 0 to 4", "See the field's table.";
    UnknownStpScope = 406, final, "stp_scope is 0 (account) or 1 (group)", "See the field's table.";
    UnknownMarketState = 407, final, "market state is 1 to 3", "See the field's table.";
    UnknownCancelReason = 408, final, "cancel reason is 1 to 6", "See the field's table.";
    UnknownBatchMode = 409, final, "batch mode is 0 (independent) or 1 (stop at first reject)", "See the field's table.";
    UnknownBatchOperation = 410, final, "a batch entry is 32 (new), 33 (cancel) or 34 (replace)", "See the entry's table.";
    UnknownOrderState = 411, final, "order state is 1 or 2", "See the field's table.";
    UnknownLiquidity = 412, final, "liquidity is 1 (maker) or 2 (taker)", "See the field's table.";
    UnknownDurability = 413, final, "durability is 0 to 2", "See the field's table.";
    UnsupportedCombination = 414, final, "order type, time in force, post-only and budget go together as the order table says", "See the table of combinations.";
    QtyMustNotBeZero = 415, final, "quantity is at least 1 lot", "Send a quantity.";
    PriceMustBePositive = 416, final, "a limit price is at least 1 tick", "Send a price.";
    PriceOutOfRange = 417, final, "price is within the market's price_min and price_max", "See the market definition.";
    QtyOutOfRange = 418, final, "quantity is within the market's qty_min and qty_max", "See the market definition.";
    MarketOrderUnbounded = 419, final, "a market order has a protection price, a budget, or both", "Bound it.";
    OrderReferenceMissing = 420, final, "exactly one of order_id and orig_cl_ord_id is given", "Give one, leave the other 0.";
    BatchSizeOutOfRange = 421, final, "a batch has 1 to 32 entries", "Split it.";
    SubscriptionFlagsUnknown = 422, final, "subscription flags are 1 (depth), 2 (trades), 4 (snapshot only), at least one of them", "See the field's table.";
    SequenceMustNotBeZero = 423, final, "seq is 1 or more in messages to a market", "Number them 1, 2, 3 ... per market.";
    AmountMustNotBeZero = 424, final, "an amount of money is at least 1 unit", "Send an amount.";
    AmountTooLarge = 425, final, "an amount of money, price x quantity with its fee too, is at most 2^63 - 1 units", "Reduce the amount or the quantity.";
    NotionalOutOfRange = 426, final, "price x quantity, or a market order's budget, is within the market's notional_min and notional_max", "See the market definition.";
    UnknownCurrencyStatus = 427, final, "currency status is 1 to 3", "See the field's table.";
    UnknownAccountStatus = 428, final, "account status is 1 to 3", "See the field's table.";
    ScaleOutOfRange = 429, final, "a scale is 0 to 18, and display_scale is at most scale", "Choose one in the range.";
    TickTooFine = 430, final, "one tick x one lot is a whole number of units of the quote currency", "Use a coarser tick or lot, or a quote currency with a higher scale.";
    LotTooFine = 431, final, "one lot is a whole number of units of the base currency", "Use a coarser lot, or a base currency with a higher scale.";
    FeesOutOfRange = 432, final, "rates are within 1,000,000 parts per million, taker rates not negative, and no rebate of a market is above any of its taker rates", "Choose rates in the range.";
    NameNotLegal = 433, final, "a currency code is 1 to 8 of A-Z and 0-9; other names are printable ASCII without spaces; zeros follow", "Choose another name.";
    LimitsOutOfRange = 434, final, "a market's bounds are in order and within what its book can hold", "See the rules of market limits.";
    AmountOutOfRange = 435, final, "the amount of a credit, debit or transfer is within the currency's amount_min and amount_max", "See the currency definition.";
    WrongScale = 436, final, "scale is the currency's", "See the currency definition; was the amount meant in other units?";
    UnknownStatementKind = 437, final, "statement kind is 1 to 6", "See the field's table.";
    CountOutOfRange = 438, final, "count is 1 to 512", "Ask for the rest afterwards.";
    SameCurrency = 439, final, "a market's base and quote are two currencies", "Choose another one.";
    IdMustNotBeZero = 440, final, "ids and idempotency keys are 1 or more", "Choose one.";
    UnknownCancelOnDisconnect = 441, final, "cancel_on_disconnect is 0 to 3", "See the field's table.";
    CancelGraceOutOfRange = 442, final, "cancel_grace_ms is 0 to 60,000, and 0 without cancel on disconnect", "Choose one in the range.";

    // 5xx: a reference. What belongs to another tenant does not exist.
    UnknownMarket = 501, final, "the market exists", "Ask for the list of markets.";
    UnknownAccount = 502, final, "the account exists and the key may use it", "See the accounts in the logon acknowledgement.";
    UnknownOrder = 503, final, "the order is open and belongs to the account", "It may be filled or canceled by now; see your reports.";
    UnknownCurrency = 504, final, "the currency exists", "Ask for the list of currencies.";
    MarketExists = 505, final, "a new market has an id and a symbol that no market has", "Use another one, or change the market there is.";
    AccountExists = 506, final, "a new account has an id that no account has", "Use another one, or change the account there is.";
    CurrencyExists = 507, final, "a new currency has a code that no currency has", "Use another one, or change the currency there is.";
    ExternalIdExists = 508, final, "an external_id names one account", "Look for the account that has it.";

    // 6xx: money.
    InsufficientFunds = 601, retry, "the account has the available amount that is needed", "Credit the account, or cancel orders that hold its money.";
    AccountFrozen = 602, retry, "no account taking part is frozen", "Ask your tenant's administrator.";
    AccountCancelOnly = 603, retry, "an account that enters or replaces an order is active", "Ask your tenant's administrator.";
    SupplyExceeded = 604, retry, "credits less debits of a currency are at most 2^63 - 1 units", "Reduce the amount, or use a currency with a lower scale.";
    CurrencyNotListed = 605, retry, "a currency that is being delisted gets no credits and no new markets", "Ask your tenant's administrator.";
    BusinessIdReused = 606, final, "an idempotency key is repeated only with the same content", "Use a new business_id for a new request.";
    SameAccount = 607, final, "a transfer is between two accounts", "Choose another one.";
    FeeTableFull = 608, final, "a market has at most 256 different pairs of rates in its life", "Use a pair it had before.";
    ExternalCustody = 609, final, "the tenant's money is in Souk's custody", "The platform holds the money: use its own balances, and the settlements.";
    SettlementsTooOld = 610, final, "the settlement asked for is still kept", "Begin at oldest; restore what is missing from elsewhere.";
    TenantLimitReached = 611, final, "a tenant has at most 4,096 currencies, 100,000 markets, 16,777,216 accounts and 16,777,216 idempotency keys, and a node has room for them", "Use what there is.";
    FeeAccountFixed = 612, final, "the fee account stays as it is: it enters no orders", "Transfer its money to another account.";

    // 7xx: the market's state and limits.
    MarketHalted = 701, retry, "the market is not halted", "Wait for the market's status.";
    MarketCancelOnly = 702, retry, "the market is not cancel-only", "Wait for the market's status.";
    PostOnlyWouldCross = 703, final, "a post-only order does not trade at once, and slides only to a legal price", "Choose a passive price.";
    FokUnfillable = 704, final, "a fill-or-kill order can be filled in full at once", "Reduce the quantity or choose another price.";
    TooManyOpenOrders = 705, retry, "the market has room for one more open order", "Try later.";
    TooManyOpenOrdersOfAccount = 706, final, "the account has room for one more open order in the market", "Cancel some.";
    BookQtyExceeded = 707, retry, "the quantity resting on one side of a book is at most 2^63 - 1 lots", "Reduce the quantity.";

    // 8xx: seen before, or out of order.
    DuplicateClOrdId = 801, final, "client order ids are unique among the open orders of an account in a market", "Use another id.";
    AlreadyApplied = 802, final, "a message to a market is applied once", "Read its reports.";
    SequenceGap = 803, retry, "messages to a market are numbered without a gap", "Send expected_client_seq next.";
    ReportSeqNotReached = 804, final, "last_report_seq of a resume is a number that the market has given to a report of the session", "Client and server disagree about what happened: join, and ask where orders stand.";

    // 9xx: the rest.
    BatchStopped = 901, final, "an earlier entry of the batch was refused and the batch stops at the first reject", "See the earlier entry's reason.";
}
