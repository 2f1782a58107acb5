//! The messages: one declaration each, from which come the struct, its codec, and the byte table
//! in `PROTOCOL.md`.
//!
//! A field is never moved, retyped or reused. A new field is appended at the end of its block.

use crate::field::{Code, Field, Reserved, Text};
use crate::frame::{HEADER_LEN, Header, SCHEMA_ID, VERSION};
use crate::{
    AccountId, Amount, BatchMode, CancelReason, ClOrdId, Durability, KeyId, Liquidity, MarketId,
    MarketState, MatchId, OrderId, OrderState, OrderType, PostOnly, Price, Qty, RejectReason,
    SessionId, Side, StpMode, StpScope, TenantId, TimeInForce,
};

/// A block that could not become a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Which rule is broken.
    pub reason: RejectReason,
    /// Byte in the frame at which the broken field begins (in a group: in the whole frame too).
    pub offset: u16,
}

impl core::fmt::Display for FieldError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}; byte {}", self.reason, self.offset)
    }
}

impl core::error::Error for FieldError {}

/// One row of a byte table.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// The field's name.
    pub name: &'static str,
    /// Its type, as the documents call it.
    pub kind: &'static str,
    /// First byte in the block.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
    /// What it means.
    pub doc: &'static str,
}

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Client to server.
    Client,
    /// Server to client.
    Server,
    /// Both.
    Both,
}

/// A message's entry in the catalogue, for documents and vectors.
#[derive(Clone, Copy, Debug)]
pub struct MessageInfo {
    /// Its name.
    pub name: &'static str,
    /// Its template id; 0 for the entry of a group.
    pub template: u16,
    /// Who sends it.
    pub sender: Sender,
    /// Bytes of its block.
    pub block_len: usize,
    /// What it is for.
    pub doc: &'static str,
    /// Its byte table.
    pub fields: &'static [FieldInfo],
}

impl MessageInfo {
    /// Where the named field begins in the block.
    #[must_use]
    pub const fn offset_of(&self, name: &str) -> Option<usize> {
        let mut index = 0;
        while index < self.fields.len() {
            if same(self.fields[index].name.as_bytes(), name.as_bytes()) {
                return Some(self.fields[index].offset);
            }
            index += 1;
        }
        None
    }
}

/// Whether two names are equal; `==` of slices cannot be used in a `const fn`.
const fn same(left: &[u8], right: &[u8]) -> bool {
    let mut index = 0;
    while index < left.len() && index < right.len() && left[index] == right[index] {
        index += 1;
    }
    index == left.len() && index == right.len()
}

/// A fixed layout: the root block of a message, or the entry of a group.
pub trait Block: Sized {
    /// Its catalogue entry.
    const INFO: MessageInfo;
    /// Bytes of the block.
    const LEN: usize;
    /// Reads it from its first `LEN` bytes. `at` is the block's offset in the frame.
    ///
    /// # Errors
    /// The first field that breaks a rule.
    fn read(bytes: &[u8], at: usize) -> Result<Self, FieldError>;
    /// Writes it to the first `LEN` bytes.
    fn write(&self, bytes: &mut [u8]);
}

/// The header of a message without groups.
pub(crate) const fn plain_header(template_id: u16, block_len: usize, seq: u64) -> Header {
    Header {
        frame_len: (HEADER_LEN + block_len) as u32,
        template_id,
        block_len: block_len as u16,
        schema_id: SCHEMA_ID,
        version: VERSION,
        flags: 0,
        group_count: 0,
        seq,
    }
}

macro_rules! blocks {
    ($(
        $(#[doc = $doc:literal])*
        $sender:ident $name:ident = $template:literal {
            $($(#[doc = $fdoc:literal])* $field:ident: $type:ty,)*
        }
    )*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub struct $name {
                $($(#[doc = $fdoc])* pub $field: $type,)*
            }

            impl Block for $name {
                const LEN: usize = 0 $(+ <$type as Field>::SIZE)*;
                const INFO: MessageInfo = MessageInfo {
                    name: stringify!($name),
                    template: $template,
                    sender: Sender::$sender,
                    block_len: Self::LEN,
                    doc: concat!($($doc, "\n",)*),
                    fields: &{
                        let mut at = 0;
                        [$({
                            let offset = at;
                            at += <$type as Field>::SIZE;
                            assert!(offset.is_multiple_of(<$type as Field>::ALIGN), "fields are naturally aligned");
                            assert!(at <= Self::LEN, "the table ends with the block");
                            FieldInfo {
                                name: stringify!($field),
                                kind: <$type as Field>::TYPE,
                                offset,
                                size: <$type as Field>::SIZE,
                                doc: concat!($($fdoc,)*),
                            }
                        },)*]
                    },
                };

                #[inline(always)]
                fn read(bytes: &[u8], at: usize) -> Result<Self, FieldError> {
                    let Some(bytes) = bytes.get(..Self::LEN) else {
                        return Err(FieldError { reason: RejectReason::BlockLengthMismatch, offset: 6 });
                    };
                    let mut next = 0;
                    $(
                        let from = next;
                        next += <$type as Field>::SIZE;
                        let $field = <$type as Field>::read(&bytes[from..next])
                            .map_err(|reason| FieldError { reason, offset: (at + from) as u16 })?;
                    )*
                    let _ = next;
                    Ok(Self { $($field,)* })
                }

                #[inline(always)]
                fn write(&self, bytes: &mut [u8]) {
                    let bytes = &mut bytes[..Self::LEN];
                    let mut next = 0;
                    $(
                        let from = next;
                        next += <$type as Field>::SIZE;
                        self.$field.write(&mut bytes[from..next]);
                    )*
                    let _ = next;
                }
            }

            impl $name {
                /// The template id; 0 for the entry of a group.
                pub const TEMPLATE: u16 = $template;
                /// Bytes of a whole frame of this message without a group.
                pub const FRAME_LEN: usize = HEADER_LEN + <Self as Block>::LEN;

                /// The whole frame, without a group.
                #[must_use]
                #[inline]
                pub fn frame(&self, seq: u64) -> [u8; HEADER_LEN + <$name as Block>::LEN] {
                    let mut frame = [0; HEADER_LEN + <$name as Block>::LEN];
                    if let Some((head, block)) = frame.split_first_chunk_mut::<HEADER_LEN>() {
                        plain_header($template, Self::LEN, seq).write(head);
                        self.write(block);
                    }
                    frame
                }
            }

            const _: () = assert!(<$name as Block>::LEN.is_multiple_of(8), "blocks are multiples of 8 bytes");
        )*

        /// Every block of the protocol, in order of declaration.
        pub const CATALOGUE: &[MessageInfo] = &[$(<$name as Block>::INFO,)*];
    };
}

blocks! {
    /// Opens a connection. The first frame a client sends.
    Client Hello = 1 {
        /// `HELLO_MAGIC`: the ASCII bytes `SOUKWIRE`.
        magic: [u8; 8],
        /// Lowest schema the client speaks.
        schema_min: u8,
        /// Highest schema the client speaks.
        schema_max: u8,
        /// Highest version of `schema_max` the client speaks.
        version_max: u8,
        /// Zero.
        reserved: Reserved<5>,
        /// Feature bits; none exist in version 1, so 0.
        features: u64,
        /// Longest frame the client takes, in bytes; at least 65,536.
        max_frame_in: u32,
        /// Zero.
        reserved2: Reserved<4>,
    }
    /// The server's answer to `Hello`: what the logon must sign.
    Server Challenge = 2 {
        /// 32 random bytes, used once.
        nonce: [u8; 32],
        /// The server's clock, nanoseconds since 1970-01-01 UTC.
        server_time: u64,
        /// The cluster's id.
        cluster_id: u64,
        /// The schema the connection speaks from now on.
        schema_id: u8,
        /// The version the connection speaks from now on.
        version: u8,
        /// Zero.
        reserved: Reserved<2>,
        /// Longest frame the server takes after logon, in bytes.
        max_frame_in: u32,
    }
    /// Proves who the client is.
    Client Logon = 3 {
        /// The key's id.
        key_id: KeyId,
        /// Which of the key's sessions, 0 to 4,095.
        session_number: u16,
        /// What happens to the session's open orders when the connection ends: 0, nothing.
        cancel_on_disconnect: u8,
        /// Zero.
        reserved: Reserved<1>,
        /// Higher than in every earlier logon of this session; the time in nanoseconds will do.
        incarnation: u64,
        /// The client's clock, nanoseconds since 1970-01-01 UTC; within 60 s of the server's.
        client_time: u64,
        /// The interval after which an idle side sends a heartbeat, 100 to 60,000 ms.
        keepalive_ms: u32,
        /// Zero.
        reserved2: Reserved<4>,
        /// Ed25519 signature; what it covers is said in "Logon" of PROTOCOL.md.
        signature: [u8; 64],
    }
    /// The session is established. A group of `AccountEntry` follows.
    Server LogonAck = 4 {
        /// The session: key id times 4,096 plus session number.
        session_id: SessionId,
        /// The tenant the key belongs to.
        tenant: TenantId,
        /// The incarnation of the logon.
        incarnation: u64,
        /// The server's clock, nanoseconds since 1970-01-01 UTC.
        server_time: u64,
        /// Credits: messages to markets that may be unanswered at one time.
        max_inflight: u32,
        /// Orders and replaces per second.
        order_rate: u32,
        /// Orders and replaces at once.
        order_burst: u32,
        /// Cancels and mass cancels per second.
        cancel_rate: u32,
        /// Cancels and mass cancels at once.
        cancel_burst: u32,
        /// The keepalive interval of the logon.
        keepalive_ms: u32,
        /// What an acknowledgement is worth.
        durability: Durability,
        /// Zero.
        reserved: Reserved<7>,
    }
    /// An account the session may use.
    Server AccountEntry = 0 {
        /// The account.
        account: AccountId,
        /// Zero.
        reserved: Reserved<4>,
    }
    /// The logon is refused; the connection ends.
    Server LogonReject = 5 {
        /// Why.
        code: Code,
        /// Zero.
        reserved: Reserved<2>,
        /// When to try again; 0 if trying again unchanged is useless.
        retry_after_ms: u32,
        /// The server's clock, nanoseconds since 1970-01-01 UTC.
        server_time: u64,
    }
    /// Says that the sender is there. Sent when nothing else was for a keepalive interval.
    Both Heartbeat = 6 {
        /// The sender's clock, nanoseconds since 1970-01-01 UTC.
        time: u64,
    }
    /// Asks for a `Pong` at once.
    Both Ping = 7 {
        /// Any number; comes back.
        nonce: u64,
        /// The sender's clock, nanoseconds since 1970-01-01 UTC; comes back.
        time: u64,
    }
    /// Answers a `Ping`.
    Both Pong = 8 {
        /// The ping's.
        nonce: u64,
        /// The ping's.
        ping_time: u64,
        /// The answering side's clock, nanoseconds since 1970-01-01 UTC.
        time: u64,
    }
    /// Ends the connection. A client sends it to log out; a server says why it ends.
    Both Terminate = 9 {
        /// Why.
        code: Code,
        /// Zero.
        reserved: Reserved<2>,
        /// When to come back; 0 if the same would happen again.
        retry_after_ms: u32,
        /// More about it: the byte at which a frame broke a rule, or 0.
        detail: u64,
    }
    /// A message was refused before any market saw it. `fatal` says whether the connection ends.
    /// For messages with a `client_seq` the number is not used up.
    Server SessionReject = 10 {
        /// The refused frame's `seq`.
        ref_seq: u64,
        /// The market it named, or 0.
        market: MarketId,
        /// Its template.
        ref_template: u16,
        /// Why.
        code: Code,
        /// Byte in the frame at which the broken field begins, or 0.
        field_offset: u16,
        /// Whether the connection ends.
        fatal: bool,
        /// Zero.
        reserved: Reserved<1>,
        /// When to try again, in microseconds; 0 if trying again unchanged is useless.
        retry_after_us: u32,
        /// The client's name for the order, when the frame had one.
        cl_ord_id: ClOrdId,
    }
    /// Messages to a market were not applied and their numbers are not used up.
    Server NotApplied = 11 {
        /// The first number this is about.
        from_client_seq: u64,
        /// How many numbers, beginning with it.
        count: u32,
        /// The market.
        market: MarketId,
        /// The number the market expects next.
        expected_client_seq: u64,
        /// Why.
        code: Code,
        /// Zero.
        reserved: Reserved<2>,
        /// When to try again, in microseconds.
        retry_after_us: u32,
    }
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
        /// Its state when this was sent.
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
    }
    /// All markets were sent.
    Server MarketListEnd = 16 {
        /// How many there are.
        count: u32,
        /// Zero.
        reserved: Reserved<4>,
    }
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
    Client Batch = 37 {
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
    Server DepthSnapshot = 130 {
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
    Server DepthUpdate = 131 {
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

/// The first eight bytes of the first block of a connection.
pub const HELLO_MAGIC: [u8; 8] = *b"SOUKWIRE";
/// Largest number of entries of a batch.
pub const BATCH_ENTRIES_MAX: usize = 32;
/// [`Subscribe`] flag: a snapshot, then increments.
pub const SUBSCRIBE_DEPTH: u8 = 1;
/// [`Subscribe`] flag: trades and market status.
pub const SUBSCRIBE_TRADES: u8 = 2;
/// [`Subscribe`] flag: one snapshot and nothing else.
pub const SUBSCRIBE_SNAPSHOT_ONLY: u8 = 4;
