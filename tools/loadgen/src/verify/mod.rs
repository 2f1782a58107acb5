//! What must hold for every report of a run, and for all of them together.

mod balances;
mod books;
mod matches;

use std::fmt;

pub(crate) use balances::check_money;
pub use balances::{Flow, MoneyCheck, Opening};
pub use books::{BookCheck, OwnBook, check_book};
pub use matches::Matches;

/// A kind of broken promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Fault {
    /// A message was never answered.
    Unanswered,
    /// A message was answered twice.
    AnsweredTwice,
    /// An answer came for a message that was not sent, or of a kind that does not fit it.
    AnswerForNothing,
    /// A report number was left out or came twice.
    ReportGap,
    /// At the end the market tells other last numbers than the session has.
    StandingDiffers,
    /// A report names an order that is not open, or not of this session.
    UnknownOrder,
    /// An order was called unknown although it is open.
    OpenOrderCalledUnknown,
    /// Executed, open and canceled lots do not add up to the order.
    QtyDoesNotAddUp,
    /// A price, side, account or order id is not the order's.
    WrongTerms,
    /// A report names a market or account that the session does not have.
    ForeignReport,
    /// An execution has one side only within its tenant: the other is somewhere else.
    OneSidedMatch,
    /// An execution was reported twice for the same side.
    MatchTwice,
    /// The sides of the executions differ in price or quantity.
    SidesDiffer,
    /// The book computed from the reports is not the server's.
    BookDiffers,
    /// A fee is not what the rates make of the execution.
    FeeDiffers,
    /// A balance is not what the reports make of it.
    BalanceDiffers,
    /// Money came or went.
    MoneyNotConserved,
    /// Bytes that are no message, or a message that has no place here.
    BadMessage,
    /// The server refused a message as malformed.
    Refused,
    /// The server ended a session.
    Ended,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 20] = [
        Self::Unanswered,
        Self::AnsweredTwice,
        Self::AnswerForNothing,
        Self::ReportGap,
        Self::StandingDiffers,
        Self::UnknownOrder,
        Self::OpenOrderCalledUnknown,
        Self::QtyDoesNotAddUp,
        Self::WrongTerms,
        Self::ForeignReport,
        Self::OneSidedMatch,
        Self::MatchTwice,
        Self::SidesDiffer,
        Self::BookDiffers,
        Self::FeeDiffers,
        Self::BalanceDiffers,
        Self::MoneyNotConserved,
        Self::BadMessage,
        Self::Refused,
        Self::Ended,
    ];

    /// The rule that was broken, in words.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Unanswered => "every message is answered",
            Self::AnsweredTwice => "every message is answered once",
            Self::AnswerForNothing => "every answer belongs to a message and fits it",
            Self::ReportGap => "report_seq has no gap and no repetition",
            Self::StandingDiffers => "no report is missing at the end, and no message is lost",
            Self::UnknownOrder => "every report is about an open order of the session",
            Self::OpenOrderCalledUnknown => "an open order is not unknown",
            Self::QtyDoesNotAddUp => "executed + open + canceled = quantity",
            Self::WrongTerms => "reports repeat the order's terms",
            Self::ForeignReport => "reports are about the session's own markets and accounts",
            Self::OneSidedMatch => "both sides of an execution are in one tenant",
            Self::MatchTwice => "an execution has one maker and one taker",
            Self::SidesDiffer => "both sides of an execution tell the same price and quantity",
            Self::BookDiffers => "the book is the sum of the open orders",
            Self::FeeDiffers => "a fee is notional x rate, rounded towards zero",
            Self::BalanceDiffers => "balances change by what was traded, and hold what is open",
            Self::MoneyNotConserved => "what accounts pay is what accounts and the fee account get",
            Self::BadMessage => "the server's bytes are messages of the protocol",
            Self::Refused => "well-formed messages are not refused as malformed",
            Self::Ended => "a session ends when its client ends it",
        }
    }
}

/// Faults kept with their particulars; the rest is only counted.
const SAMPLES_MAX: usize = 20;

/// The faults found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    counts: [u64; Fault::ALL.len()],
    samples: Vec<String>,
}

impl Faults {
    /// Notes a fault with its particulars.
    #[cold]
    pub fn note(&mut self, fault: Fault, particulars: fmt::Arguments<'_>) {
        self.counts[fault as usize] += 1;
        if self.samples.len() < SAMPLES_MAX {
            self.samples
                .push(format!("{}: {particulars}", fault.rule()));
        }
    }

    /// How often the rule was broken.
    #[must_use]
    pub fn count(&self, fault: Fault) -> u64 {
        self.counts[fault as usize]
    }

    /// How often any rule was broken.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The first ones, in words.
    #[must_use]
    pub fn samples(&self) -> &[String] {
        &self.samples
    }

    /// The kinds that occurred, with their numbers.
    pub fn kinds(&self) -> impl Iterator<Item = (Fault, u64)> {
        Fault::ALL
            .into_iter()
            .map(|fault| (fault, self.count(fault)))
            .filter(|(_, count)| *count > 0)
    }

    /// Takes over another thread's.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
        let room = SAMPLES_MAX - self.samples.len().min(SAMPLES_MAX);
        self.samples
            .extend(other.samples.iter().take(room).cloned());
    }
}
