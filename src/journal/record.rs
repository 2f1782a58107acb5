//! One record of a stream: what happened, under which number. `entry` has its bytes.

use souk_protocol::{
    AccountId, Amount, FieldError, MarketId, RejectReason, SessionId, TenantId, Text,
};

use super::wire_form::WireFormError;
use crate::control::{ControlCommand, CurrencyCode, Custody};
use crate::handoff::{Admitted, MarketChange, Numbered, SessionTerms, Verdict};

/// Most balances of one record.
pub const BALANCES_MAX: usize = 1_024;

/// A record of a stream: what happened, under which number.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamRecord {
    /// Whose stream.
    pub tenant: TenantId,
    /// The market, or 0 for the tenant's control stream.
    pub market: MarketId,
    /// Commands the stream had applied, this one included.
    pub stream_seq: u64,
    /// Nanoseconds since 1970-01-01 UTC; 0 for what was there from the beginning.
    pub transact_time: u64,
    /// Who asked; 0 for nobody outside.
    pub session: SessionId,
    /// What happened.
    pub body: Body,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A numbered command to a market.
    Command {
        /// The command as its session sent it.
        numbered: Numbered,
        /// What was decided outside the book.
        admitted: Admitted,
        /// Why it was refused, by whomever.
        refused: Option<RejectReason>,
    },
    /// Something the control stream, or the operator, changed of a market.
    Change {
        /// The change.
        change: MarketChange,
        /// Why the market refused it.
        refused: Option<RejectReason>,
    },
    /// A command to a control stream.
    Control {
        /// The command.
        command: ControlCommand,
        /// What came of it.
        verdict: Verdict,
    },
    /// A tenant. Comes before everything else of it.
    Tenant {
        /// Who keeps its money.
        custody: Custody,
        /// Its name.
        name: Text<32>,
    },
    /// A session came with a new incarnation.
    SessionOpened(SessionTerms),
    /// A session is gone, and what an account had open through it was canceled.
    SessionCanceled {
        /// The account.
        account: AccountId,
        /// Why the market refused it.
        refused: Option<RejectReason>,
    },
    /// The hash of everything the stream's future depends on, as the node that ran it had it.
    StateHash(u64),
    /// Balances of the node's ledger at its orderly end.
    Balances(Vec<BalanceLine>),
    /// The orderly end of a node.
    End {
        /// How many balances came before.
        balances: u64,
    },
}

/// A balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceLine {
    /// Whose.
    pub account: AccountId,
    /// Of what.
    pub currency: CurrencyCode,
    /// All of it.
    pub total: Amount,
    /// What open orders hold.
    pub held: Amount,
}

/// What is wrong with an entry of the journal whose checksum is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// A batch or an entry goes beyond its frame.
    #[error("it goes beyond the {0} bytes there are")]
    Short(usize),
    /// No kind of entry.
    #[error("no entry is of kind {0:#04x}")]
    Kind(u8),
    /// Bits without a meaning.
    #[error("the flags {0:#04x} mean nothing")]
    Flags(u8),
    /// A number that does not fit the others.
    #[error("{what} is {found}, not {expected}")]
    Mismatch {
        /// Of what.
        what: &'static str,
        /// What stands there.
        found: u64,
        /// What should.
        expected: u64,
    },
    /// An entry of a stream comes before the stream is named.
    #[error("an entry belongs to no stream")]
    NoStream,
    /// A word has a value without a meaning.
    #[error("a word is not legal: {0}")]
    Word(RejectReason),
    /// The kind has no such template.
    #[error("template {0} is none of this kind of entry")]
    Template(u16),
    /// A block has another size than its template.
    #[error("the block of template {template} has {size} bytes")]
    BlockSize {
        /// The template.
        template: u16,
        /// Its size.
        size: usize,
    },
    /// A field of a block breaks a rule.
    #[error("the block is not legal: {0}")]
    Field(FieldError),
    /// The block is for another market than its stream.
    #[error("the block is for market {0}")]
    Market(MarketId),
    /// No reason has this code.
    #[error("no reason has code {0}")]
    Code(u16),
}

impl From<WireFormError> for Damage {
    fn from(error: WireFormError) -> Self {
        match error {
            WireFormError::Template(template) => Self::Template(template),
            WireFormError::Size { template, size } => Self::BlockSize { template, size },
            WireFormError::Field(error) => Self::Field(error),
        }
    }
}
