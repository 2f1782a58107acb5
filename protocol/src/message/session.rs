//! Messages of the session: logging on, keeping alive, ending, refusals.

use crate::field::{Code, Reserved};
use crate::{AccountId, CancelOnDisconnect, ClOrdId, Durability, KeyId, MarketId, SessionId, TenantId, Text};
use super::{Block, FieldError, FieldInfo, HEADER_LEN, MessageInfo, Sender, plain_header};
use crate::RejectReason;
use crate::field::{Field, Value};

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
        /// When the session's open orders are canceled because the connection ended.
        cancel_on_disconnect: CancelOnDisconnect,
        /// Zero.
        reserved: Reserved<1>,
        /// Higher than in every earlier logon of this session; the time in nanoseconds will do.
        incarnation: u64,
        /// The client's clock, nanoseconds since 1970-01-01 UTC; within 60 s of the server's.
        client_time: u64,
        /// The interval after which an idle side sends a heartbeat, 100 to 60,000 ms.
        keepalive_ms: u32,
        /// How long after the end a new logon of the session still keeps them, 0 to 60,000 ms; 0 without cancel on disconnect.
        cancel_grace_ms: u32,
        /// Ed25519 signature; what it covers is said in "Logon" of PROTOCOL.md.
        signature: [u8; 64],
    }
    /// The session is established. A group of `AccountEntry` follows.
    Server LogonAck [AccountEntry] = 4 {
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
    /// Another node matches the tenant's markets. Sent before the `LogonReject` or `Terminate` with `NotOwner`.
    Server Redirect = 20 {
        /// The epoch under which that node owns them; of two redirects the one with the higher epoch is right.
        epoch: u64,
        /// Host and port of that node: ASCII, padded with zeros.
        address: Text<64>,
    }
}
