//! The numbered messages of one (session, market): which are waiting, which are on their way,
//! which must be sent again. Sans-I/O: bytes go to a buffer, time is an argument.
//!
//! Invariant: the numbers in flight are consecutive, oldest first, and the next number given
//! follows the last of them.
//!
//! Must never: give one number to two messages that could both be applied, or take silence for a
//! refusal.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use souk_protocol::message::{NotApplied, SessionReject};
use souk_protocol::{Code, FLAG_POSS_RESEND, MarketId, RejectReason};
use tokio::sync::oneshot;

use crate::lane_resume::Resuming;
use crate::options::RetryPolicy;
use crate::order::{Complete, Message};
use crate::outcome::{Answer, Doubt, Refusal};
use crate::pace::Paces;
use crate::report::Report;

/// Offset of the flags in a frame's header.
const FLAGS_AT: usize = 10;
/// Offset of the number in a frame's header.
const SEQ_AT: usize = 16;

/// What a report's number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It is the next one.
    Next,
    /// It came before.
    Before,
    /// Others should have come before it.
    After {
        /// The first of them.
        expected: u64,
    },
}

/// One message and who waits for its outcome.
#[derive(Debug)]
pub(crate) struct Item {
    message: Message,
    waiter: Option<oneshot::Sender<Answer>>,
    pub(super) state: State,
    reports: Vec<Report>,
    /// How often it was refused and sent again.
    attempts: u32,
    pub(super) poss_resend: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not sent on this connection, or sent and unanswered.
    Unanswered,
    /// Its first report came; it is complete only with a later one.
    Answered,
    /// Refused; it may be sent again.
    Refused(Refused),
    /// Its outcome was told.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    code: Code,
    retry_after: Duration,
}

impl Refused {
    /// Whether it was refused only because an earlier message was.
    fn is_gap(&self) -> bool {
        self.code == Code::from(RejectReason::SequenceGap)
    }
}

impl Item {
    pub(crate) fn new(message: Message, waiter: oneshot::Sender<Answer>) -> Self {
        Self {
            message,
            waiter: Some(waiter),
            state: State::Unanswered,
            reports: Vec::new(),
            attempts: 0,
            poss_resend: false,
        }
    }

    pub(super) fn resolve(&mut self, answer: Answer) {
        self.state = State::Done;
        if let Some(waiter) = self.waiter.take() {
            // Nobody need wait: an outcome that is not asked for is still in the events.
            let _ = waiter.send(answer);
        }
    }

    /// Takes a report that this message led to; resolves it when it is the last that is needed.
    fn report(&mut self, report: Report) {
        if self.state == State::Unanswered {
            self.state = State::Answered;
        }
        match self.message.complete {
            Complete::First => self.resolve(Answer::One(report)),
            Complete::MassCanceled => match report {
                Report::MassCanceled(_) | Report::Rejected(_) => self.resolve(Answer::One(report)),
                _ => {}
            },
            Complete::Entry(entries) => {
                if usize::from(report.batch_index()) == self.reports.len() {
                    self.reports.push(report);
                }
                if self.reports.len() == entries {
                    let reports = std::mem::take(&mut self.reports);
                    self.resolve(Answer::Batch(reports));
                }
            }
        }
    }
}

/// The numbered messages of one market.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(super) market: MarketId,
    /// Whether the market has told where the session stands, on this connection.
    pub(super) joined: bool,
    pub(super) epoch: u64,
    /// The number the next message gets. Valid once joined.
    pub(super) next_seq: u64,
    /// The highest number that is known to be applied.
    pub(super) applied: u64,
    /// The number of the last report handed on.
    pub(super) report_seq: u64,
    /// Whether `report_seq` is known, so that the market can be resumed after it.
    pub(super) resumable: bool,
    /// Reports of before are being sent again.
    pub(super) resuming: Option<Resuming>,
    pub(super) waiting: VecDeque<Item>,
    /// Invariant: the last has number `next_seq - 1`.
    pub(super) inflight: VecDeque<Item>,
    /// Messages in flight without an answer: what credits are counted by.
    pub(super) unanswered: usize,
    /// Since a refusal nothing is sent until everything in flight is answered; then the first of
    /// the refused gets this number.
    pub(super) free_from: Option<u64>,
    /// Nothing is sent before this.
    hold_until: Option<Instant>,
    /// Messages that may be in flight: half of what there was when the server had no room, and
    /// one more for each that it takes.
    window: usize,
}

impl Lane {
    pub(crate) fn new(market: MarketId) -> Self {
        Self {
            market,
            joined: false,
            epoch: 0,
            next_seq: 1,
            applied: 0,
            report_seq: 0,
            resumable: false,
            resuming: None,
            waiting: VecDeque::new(),
            inflight: VecDeque::new(),
            unanswered: 0,
            free_from: None,
            hold_until: None,
            window: usize::MAX,
        }
    }

    /// Messages that are not sent yet.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether the market has let the session in, on this connection.
    pub(crate) const fn is_joined(&self) -> bool {
        self.joined
    }

    /// Messages in flight without an answer.
    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// When the lane has something to send that it holds back now.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        self.hold_until.filter(|_| !self.waiting.is_empty())
    }

    pub(crate) fn submit(&mut self, item: Item) {
        self.waiting.push_back(item);
    }

    /// Sends what may be sent: at most `credits` messages, at the session's rates. Gives how many
    /// were sent.
    pub(crate) fn pump(
        &mut self,
        now: Instant,
        credits: usize,
        paces: &mut Paces,
        out: &mut BytesMut,
    ) -> usize {
        if !self.joined || self.free_from.is_some() || self.hold_until.is_some_and(|at| now < at) {
            return 0;
        }
        self.hold_until = None;
        let room = credits.min(self.window.saturating_sub(self.unanswered));
        for sent in 0..room {
            let Some(next) = self.waiting.front() else {
                return sent;
            };
            if let Err(at) = paces.take(next.message.load, now) {
                self.hold_until = Some(at);
                return sent;
            }
            self.send_next(out);
        }
        room
    }

    fn send_next(&mut self, out: &mut BytesMut) {
        let Some(mut item) = self.waiting.pop_front() else {
            return;
        };
        let frame = &mut item.message.frame;
        frame[SEQ_AT..SEQ_AT + 8].copy_from_slice(&self.next_seq.to_le_bytes());
        frame[FLAGS_AT] = if item.poss_resend {
            FLAG_POSS_RESEND
        } else {
            0
        };
        out.extend_from_slice(frame);
        item.state = State::Unanswered;
        self.next_seq = self.next_seq.saturating_add(1);
        self.unanswered += 1;
        self.inflight.push_back(item);
    }

    /// Takes a report, unless it was seen before.
    pub(crate) fn on_report(
        &mut self,
        report_seq: u64,
        report: Report,
        policy: &RetryPolicy,
        now: Instant,
    ) -> Seen {
        let expected = self.report_seq.wrapping_add(1);
        if self.joined && report_seq < expected {
            return Seen::Before;
        }
        self.report_seq = report_seq;
        let client_seq = report.client_seq();
        if client_seq != 0 {
            self.applied = self.applied.max(client_seq);
            if let Some(item) = self.item(client_seq) {
                let first = item.state == State::Unanswered;
                item.report(report);
                self.unanswered -= usize::from(first);
                self.window = self.window.saturating_add(usize::from(first));
            }
            self.forget_done();
            self.settle(policy, now);
        }
        if self.joined && report_seq != expected {
            return Seen::After { expected };
        }
        Seen::Next
    }

    /// Takes the news that messages were not applied.
    pub(crate) fn on_not_applied(&mut self, news: &NotApplied, policy: &RetryPolicy, now: Instant) {
        let refused = Refused {
            code: news.code,
            retry_after: Duration::from_micros(u64::from(news.retry_after_us)),
        };
        let already_applied = news.code == Code::from(RejectReason::AlreadyApplied);
        // Only numbers in flight can be meant, so a count out of range costs no time.
        let last = news.from_client_seq.saturating_add(u64::from(news.count));
        let first = news.from_client_seq.max(self.first_in_flight());
        for seq in first..last.min(self.next_seq) {
            let Some(item) = self
                .item(seq)
                .filter(|item| item.state == State::Unanswered)
            else {
                continue;
            };
            if already_applied {
                item.resolve(Answer::Unknown(Doubt::AppliedUnanswered));
            } else {
                item.state = State::Refused(refused);
                self.free(seq);
            }
            self.unanswered -= 1;
        }
        self.forget_done();
        self.settle(policy, now);
    }

    /// Takes the news that a message was refused for good before the market saw it.
    pub(crate) fn on_session_reject(
        &mut self,
        news: &SessionReject,
        policy: &RetryPolicy,
        now: Instant,
    ) {
        let seq = news.ref_seq;
        let Some(item) = self
            .item(seq)
            .filter(|item| item.state == State::Unanswered)
        else {
            return;
        };
        item.resolve(Answer::NotApplied(Refusal::ByServer {
            code: news.code,
            field_offset: news.field_offset,
            retry_after: Duration::from_micros(u64::from(news.retry_after_us)),
        }));
        self.unanswered -= 1;
        self.free(seq);
        self.settle(policy, now);
    }

    /// The number of `item(seq)` is not used up.
    fn free(&mut self, seq: u64) {
        self.free_from = Some(self.free_from.map_or(seq, |from| from.min(seq)));
    }

    /// Once everything in flight is answered: what was refused goes back to the front of the
    /// queue, to be numbered anew from the first number that is free.
    pub(super) fn settle(&mut self, policy: &RetryPolicy, now: Instant) {
        let Some(free_from) = self.free_from else {
            return;
        };
        let open = |item: &Item| matches!(item.state, State::Unanswered | State::Answered);
        if self.inflight.iter().any(open) {
            return;
        }
        let sent = self.inflight.len();
        let mut wait = Duration::ZERO;
        let mut first_refused = true;
        let mut again = Vec::new();
        for mut item in self.inflight.drain(..) {
            let State::Refused(refused) = item.state else {
                continue;
            };
            // What is behind a refused message is refused with it, whatever its own code says.
            let counts = std::mem::take(&mut first_refused) && !refused.is_gap();
            if !policy.enabled || (counts && item.attempts >= policy.attempts_max) {
                item.resolve(Answer::NotApplied(Refusal::ByServer {
                    code: refused.code,
                    field_offset: 0,
                    retry_after: refused.retry_after,
                }));
                continue;
            }
            if counts {
                wait = refused.retry_after.max(policy.pause(item.attempts));
                item.attempts += 1;
                self.window = (sent / 2).max(1);
            }
            again.push(item);
        }
        for item in again.into_iter().rev() {
            self.waiting.push_front(item);
        }
        self.next_seq = free_from;
        self.free_from = None;
        self.hold_until = Some(now + wait).filter(|_| !wait.is_zero());
    }

    /// The connection is gone. What is in flight stays, in doubt.
    pub(crate) fn on_disconnect(&mut self) {
        self.joined = false;
        self.resuming = None;
    }

    /// The server does not let the session into the market: what waits is refused with it.
    pub(crate) fn on_join_refused(&mut self, refusal: Refusal) {
        for mut item in self.waiting.drain(..) {
            item.resolve(Answer::NotApplied(refusal));
        }
    }

    /// The session is over.
    pub(crate) fn close(&mut self) {
        for mut item in self.inflight.drain(..) {
            match item.state {
                State::Done => {}
                State::Refused(_) => item.resolve(Answer::NotApplied(Refusal::NeverSent)),
                _ => item.resolve(Answer::Unknown(Doubt::ConnectionLost)),
            }
        }
        for mut item in self.waiting.drain(..) {
            item.resolve(Answer::NotApplied(Refusal::NeverSent));
        }
        self.unanswered = 0;
    }

    pub(super) fn first_in_flight(&self) -> u64 {
        self.next_seq - self.inflight.len() as u64
    }

    /// The message in flight with this number.
    fn item(&mut self, seq: u64) -> Option<&mut Item> {
        let index = usize::try_from(seq.checked_sub(self.first_in_flight())?).ok()?;
        self.inflight.get_mut(index)
    }

    pub(super) fn forget_done(&mut self) {
        while self
            .inflight
            .front()
            .is_some_and(|item| item.state == State::Done)
        {
            self.inflight.pop_front();
        }
    }
}

#[cfg(test)]
#[path = "lane_simulation.rs"]
mod simulation;
#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
