//! What a journal says of what was asked.

use souk_protocol::{AccountId, RejectReason};

use super::{Admitted, SessionTerms};
use crate::control::Effect;

/// What a journal says came of a request: a replay takes from it what other streams decided, and compares the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// Of a numbered command.
    Applied {
        /// What was decided outside the book.
        admitted: Admitted,
        /// Why it was refused, by whomever.
        refused: Option<RejectReason>,
    },
    /// Of a change of a market: why it was refused.
    Changed(Option<RejectReason>),
    /// Of a command to a control stream.
    Controlled(Verdict),
    /// A session came with a new incarnation.
    Opened(SessionTerms),
    /// What an account had open through a session that is gone was canceled.
    SessionCanceled {
        /// The account.
        account: AccountId,
        /// Why it was refused.
        refused: Option<RejectReason>,
    },
}

/// What came of a control command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was applied.
    Applied,
    /// It had been applied before, under another number.
    Repeated,
    /// It was refused.
    Refused(RejectReason),
}

impl From<&Result<Effect, RejectReason>> for Verdict {
    fn from(result: &Result<Effect, RejectReason>) -> Self {
        match result {
            Ok(Effect::Repeated { .. }) => Self::Repeated,
            Ok(_) => Self::Applied,
            Err(reason) => Self::Refused(*reason),
        }
    }
}
