//! What became of a message, and the future that tells.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use souk_protocol::Code;
use souk_protocol::message::{Accepted, Canceled, MassCanceled, OrderStatus, Rejected, Replaced};
use tokio::sync::oneshot;

use crate::report::Report;

/// What became of a message to a market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// The market applied it.
    Accepted(T),
    /// The market refused it: nothing changed.
    Rejected(Rejected),
    /// It did not reach the market: nothing changed.
    NotApplied(Refusal),
    /// Nobody knows yet. It may have been applied. Ask for the order's status, or look at the
    /// account, before doing it again.
    Unknown(Doubt),
}

impl<T> Outcome<T> {
    /// What the market reported, if it applied the message.
    #[must_use]
    pub fn accepted(self) -> Option<T> {
        match self {
            Self::Accepted(report) => Some(report),
            _ => None,
        }
    }
}

/// Why a message did not reach its market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The server refused it.
    ByServer {
        /// Why.
        code: Code,
        /// Byte in the frame at which the broken field begins, or 0.
        field_offset: u16,
        /// When to try again; zero if trying again unchanged is useless.
        retry_after: Duration,
    },
    /// The session ended before it was sent.
    NeverSent,
}

/// Why it is not known what became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// The answer did not come in the time given. It may still come: see [`Pending::within`].
    TimedOut,
    /// The connection was lost and the session was not resumed.
    ConnectionLost,
    /// The session was resumed: the message was applied, and its reports are lost.
    AppliedUnanswered,
    /// The session was resumed, and the market had lost its state.
    StateLost,
    /// The answer was of a kind that this version does not expect.
    UnexpectedReport,
}

/// What the session's lane tells the one who waits.
#[derive(Debug)]
pub(crate) enum Answer {
    One(Report),
    Batch(Vec<Report>),
    NotApplied(Refusal),
    Unknown(Doubt),
}

/// A message's outcome that is still to come. Dropping it does not take the message back.
#[derive(Debug)]
#[must_use = "the outcome tells whether the message was applied"]
pub struct Pending<T> {
    answer: oneshot::Receiver<Answer>,
    kind: PhantomData<fn() -> T>,
}

impl<T: FromReports> Pending<T> {
    pub(crate) fn new(answer: oneshot::Receiver<Answer>) -> Self {
        Self {
            answer,
            kind: PhantomData,
        }
    }

    /// Waits at most `timeout`. A timeout is never a rejection: the outcome is then
    /// `Unknown(TimedOut)`, and the same `Pending` may be awaited again.
    pub async fn within(&mut self, timeout: Duration) -> Outcome<T> {
        tokio::time::timeout(timeout, self)
            .await
            .unwrap_or(Outcome::Unknown(Doubt::TimedOut))
    }
}

impl<T: FromReports> Future for Pending<T> {
    type Output = Outcome<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
        Pin::new(&mut self.answer)
            .poll(cx)
            .map(|answer| match answer {
                Ok(Answer::One(Report::Rejected(rejected))) => Outcome::Rejected(rejected),
                Ok(Answer::One(report)) => accepted(T::from_reports(vec![report])),
                Ok(Answer::Batch(reports)) => accepted(T::from_reports(reports)),
                Ok(Answer::NotApplied(refusal)) => Outcome::NotApplied(refusal),
                Ok(Answer::Unknown(doubt)) => Outcome::Unknown(doubt),
                Err(_) => Outcome::Unknown(Doubt::ConnectionLost),
            })
    }
}

fn accepted<T>(reports: Option<T>) -> Outcome<T> {
    reports.map_or(Outcome::Unknown(Doubt::UnexpectedReport), Outcome::Accepted)
}

/// What a message's first report is when it was applied.
pub trait FromReports: Sized {
    /// The value these reports are, or `None` when they are of another kind.
    fn from_reports(reports: Vec<Report>) -> Option<Self>;
}

/// What an applied replace did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplaceReport {
    /// The order was changed.
    Replaced(Replaced),
    /// The new total was already executed: the rest of the order was canceled.
    Canceled(Canceled),
}

macro_rules! single_reports {
    ($($name:ident)*) => {$(
        impl FromReports for $name {
            fn from_reports(reports: Vec<Report>) -> Option<Self> {
                match reports.first() {
                    Some(Report::$name(report)) => Some(*report),
                    _ => None,
                }
            }
        }
    )*};
}
single_reports! { Accepted Canceled MassCanceled OrderStatus }

impl FromReports for ReplaceReport {
    fn from_reports(reports: Vec<Report>) -> Option<Self> {
        match reports.first() {
            Some(Report::Replaced(report)) => Some(Self::Replaced(*report)),
            Some(Report::Canceled(report)) => Some(Self::Canceled(*report)),
            _ => None,
        }
    }
}

/// The first report of each entry of a batch, in order.
impl FromReports for Vec<Report> {
    fn from_reports(reports: Vec<Report>) -> Option<Self> {
        Some(reports)
    }
}
