//! Money of accounts: funding, balances, statements, and what changed. Requests have `seq` 0 and
//! begin with a `request_id`.

use crate::field::{Reserved, Text};
use crate::{AccountId, Amount, MarketId, StatementKind};
use super::{Block, FieldError, FieldInfo, HEADER_LEN, MessageInfo, Sender, plain_header};
use crate::RejectReason;
use crate::field::{Field, Value};

blocks! {
    /// Brings money into an account, from outside.
    Client Credit = 56 {
        /// The sender's number for the request; comes back in the answer.
        request_id: u64,
        /// First part of the idempotency key: what kind of business it is.
        business: Text<16>,
        /// Second part of the idempotency key: which piece of that business.
        business_id: u64,
        /// The account.
        account: AccountId,
        /// The currency's scale, as the sender believes it.
        scale: u8,
        /// Zero.
        reserved: Reserved<3>,
        /// Code of the currency.
        currency: Text<8>,
        /// How much, in units of the currency.
        amount: Amount,
    }
    /// Takes available money out of an account.
    Client Debit = 57 {
        /// The sender's number for the request; comes back in the answer.
        request_id: u64,
        /// First part of the idempotency key: what kind of business it is.
        business: Text<16>,
        /// Second part of the idempotency key: which piece of that business.
        business_id: u64,
        /// The account.
        account: AccountId,
        /// The currency's scale, as the sender believes it.
        scale: u8,
        /// Zero.
        reserved: Reserved<3>,
        /// Code of the currency.
        currency: Text<8>,
        /// How much, in units of the currency.
        amount: Amount,
    }
    /// Moves available money from one account of the tenant to another.
    Client Transfer = 58 {
        /// The sender's number for the request; comes back in the answer.
        request_id: u64,
        /// First part of the idempotency key: what kind of business it is.
        business: Text<16>,
        /// Second part of the idempotency key: which piece of that business.
        business_id: u64,
        /// The account that gives.
        from: AccountId,
        /// The account that gets.
        to: AccountId,
        /// The currency's scale, as the sender believes it.
        scale: u8,
        /// Zero.
        reserved: Reserved<7>,
        /// Code of the currency.
        currency: Text<8>,
        /// How much, in units of the currency.
        amount: Amount,
    }
    /// Asks for the balances of an account.
    Client BalanceQuery = 59 {
        /// The sender's number for the request; comes back in the answer.
        request_id: u64,
        /// The account.
        account: AccountId,
        /// Zero.
        reserved: Reserved<4>,
    }
    /// Asks what changed a balance.
    Client StatementQuery = 60 {
        /// The sender's number for the request; comes back in the answer.
        request_id: u64,
        /// The account.
        account: AccountId,
        /// The most entries the answer may have, 1 to 512.
        count: u16,
        /// Zero.
        reserved: Reserved<2>,
        /// Code of the currency.
        currency: Text<8>,
        /// Entries with a higher `sequence` than this; 0 is from the first.
        after_sequence: u64,
    }
    /// Asks for the balances of an account, and for every change of them from now on.
    Client SubscribeAccount = 62 {
        /// The sender's number for the request; comes back in the answer.
        request_id: u64,
        /// The account.
        account: AccountId,
        /// Zero.
        reserved: Reserved<4>,
    }
    /// A balance changed: this is what it is now.
    Server AccountUpdate = 104 {
        /// The account.
        account: AccountId,
        /// Zero.
        reserved: Reserved<4>,
        /// Code of the currency.
        currency: Text<8>,
        /// What may be held, debited or transferred.
        available: Amount,
        /// What open orders need.
        held: Amount,
        /// Grows with each change of the balance; updates are conflated, so it may skip.
        sequence: u64,
        /// When it changed, nanoseconds since 1970-01-01 UTC.
        transact_time: u64,
    }
    /// A credit, debit or transfer was carried out.
    Server FundingResult = 106 {
        /// The request's.
        request_id: u64,
        /// Its place in the tenant's control stream.
        control_seq: u64,
        /// The request's.
        business_id: u64,
        /// The amount that was moved, in units.
        amount: Amount,
        /// Whether the key was used before: then nothing moved now, and `control_seq` is the first request's.
        repeated: bool,
        /// Zero.
        reserved: Reserved<7>,
    }
    /// The balances of an account. A group of `BalanceEntry` follows.
    Server BalanceReport [BalanceEntry] = 108 {
        /// The request's.
        request_id: u64,
        /// The account.
        account: AccountId,
        /// Zero.
        reserved: Reserved<4>,
    }
    /// One currency of an account.
    Server BalanceEntry = 0 {
        /// Code of the currency.
        currency: Text<8>,
        /// What the account has: held and available.
        total: Amount,
        /// What open orders need.
        held: Amount,
        /// What may be held, debited or transferred.
        available: Amount,
        /// Grows with each change of the balance.
        sequence: u64,
    }
    /// What changed a balance, oldest first. A group of `StatementEntry` follows.
    Server StatementReport [StatementEntry] = 109 {
        /// The request's.
        request_id: u64,
        /// The account.
        account: AccountId,
        /// Whether there are later entries; ask for those after the last one's `sequence`.
        more: bool,
        /// Zero.
        reserved: Reserved<3>,
        /// Code of the currency.
        currency: Text<8>,
    }
    /// One change of a balance's total.
    Server StatementEntry = 0 {
        /// The balance's `sequence` after the change.
        sequence: u64,
        /// When it changed, nanoseconds since 1970-01-01 UTC.
        transact_time: u64,
        /// What was added; negative was taken away.
        change: i64,
        /// What the account had after it.
        total: Amount,
        /// Funding: the `business_id`. Trade and fee: the `match_id` of the last trade.
        reference: u64,
        /// The number in its stream of what changed it: `control_seq`, or the market's `stream_seq`.
        stream_seq: u64,
        /// The market; 0 for funding.
        market: MarketId,
        /// What changed it.
        kind: StatementKind,
        /// Zero.
        reserved: Reserved<3>,
    }
}
