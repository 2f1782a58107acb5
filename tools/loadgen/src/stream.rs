//! A session's stream of messages to one market: numbers out, reports in.
//!
//! Messages are numbered without a gap, every answer is put to its message, and every report is
//! checked against the order it is about. No allocation after warm-up, no clock, no socket.

use souk_protocol::message::NotApplied;
use souk_protocol::{AccountId, ClOrdId, MarketId, OrderId, Price, Qty, StpMode};

use crate::model::{Model, Zipf};
use crate::money::{Rates, Terms};
use crate::orders::Orders;
use crate::stats::{Latency, Tally};
use crate::venue::Venue;
use crate::verify::{Fault, Faults, Flow, Matches};

/// What a driver thread shares among its streams.
#[derive(Debug)]
pub struct Common {
    /// The workload.
    pub model: Model,
    /// Self-trade prevention mode of new orders.
    pub stp_mode: StpMode,
    /// What the accounts pay, when it is known.
    pub rates: Option<Rates>,
    /// Whether reports are checked in full: not against an echo, which does not match orders.
    pub strict: bool,
    /// Broken promises.
    pub faults: Faults,
    /// Numbers.
    pub tally: Tally,
    /// Latencies.
    pub latency: Latency,
    /// Messages planned from this time on are measured, until `measure_until`.
    pub measure_from: u64,
    /// See `measure_from`.
    pub measure_until: u64,
}

/// A market, shared by the streams of one tenant in one thread.
#[derive(Debug)]
pub struct MarketView {
    /// Prices.
    pub venue: Venue,
    /// Executions.
    pub matches: Matches,
}

/// What kind of message waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A new order.
    New,
    /// A cancel.
    Cancel,
    /// A replace.
    Replace,
}

/// A message that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    planned: u64,
    sent: u64,
    seq: u64,
    /// The order it is about, and its client order id, because slots are used again.
    pub(crate) slot: u32,
    pub(crate) cl_ord_id: ClOrdId,
    /// A replace's new total quantity.
    pub(crate) total_qty: Qty,
    /// A replace's new price.
    pub(crate) price: Price,
    pub(crate) kind: Kind,
    waiting: bool,
}

impl Sent {
    /// A message about an order; [`Stream::note_sent`] fills in the rest.
    pub(crate) const fn about(slot: u32, kind: Kind) -> Self {
        Self {
            slot,
            kind,
            ..NOTHING_SENT
        }
    }
}

const NOTHING_SENT: Sent = Sent {
    planned: 0,
    sent: 0,
    seq: 0,
    slot: 0,
    cl_ord_id: ClOrdId(0),
    total_qty: Qty(0),
    price: Price(0),
    kind: Kind::New,
    waiting: false,
};

/// One session in one market.
#[derive(Debug)]
pub struct Stream {
    /// The market.
    pub market: MarketId,
    /// Index of the market in the thread's [`MarketView`]s.
    pub view: usize,
    /// Index of the market in the run's plan.
    pub plan_market: usize,
    /// Its orders.
    pub orders: Orders,
    /// The accounts it trades for, and how often it picks each.
    pub(crate) accounts: Vec<AccountId>,
    /// What its reports said was traded, by account.
    pub(crate) flows: Vec<Flow>,
    pub(crate) terms: Terms,
    pub(crate) account_choice: Zipf,
    /// New orders of the market to one of this stream.
    pub(crate) orders_shared: u32,
    pub(crate) next_seq: u64,
    last_report_seq: u64,
    sent: Box<[Sent]>,
    /// Messages without an answer.
    waiting: u32,
    /// A refusal came: nothing is sent until all that is under way was refused too.
    rewind_to: Option<u64>,
    /// Not before this time, because a refusal asked for patience.
    not_before: u64,
    /// What the market said last when it was asked where the session stands.
    standing: Option<Standing>,
}

/// Where a session stands with a market: the last numbers both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The last client_seq that was applied.
    pub client_seq: u64,
    /// The last report_seq.
    pub report_seq: u64,
}

/// What a stream begins with.
#[derive(Debug)]
pub struct StreamStart {
    /// The market.
    pub market: MarketId,
    /// Index of its view.
    pub view: usize,
    /// Index of the market in the run's plan.
    pub plan_market: usize,
    /// The connection's number.
    pub lane: usize,
    /// Accounts to trade for.
    pub accounts: Vec<AccountId>,
    /// Units of the market.
    pub terms: Terms,
    /// Zipf exponent of the choice among them.
    pub skew: f64,
    /// Streams that share the market.
    pub sharers: usize,
    /// Messages that may be unanswered.
    pub inflight_max: u32,
    /// The last client_seq that the market applied.
    pub last_client_seq: u64,
    /// The last report_seq of the session.
    pub last_report_seq: u64,
}

/// When a message was due and when it is being sent.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// When it was due.
    pub planned: u64,
    /// Now.
    pub now: u64,
}

impl Stream {
    /// A stream without orders.
    #[must_use]
    pub fn new(start: StreamStart) -> Self {
        let ring = (start.inflight_max as usize).next_power_of_two();
        Self {
            market: start.market,
            view: start.view,
            plan_market: start.plan_market,
            orders: Orders::new(start.lane),
            flows: vec![Flow::default(); start.accounts.len()],
            terms: start.terms,
            account_choice: Zipf::new(start.accounts.len(), start.skew),
            accounts: start.accounts,
            orders_shared: start.sharers.max(1) as u32,
            next_seq: start.last_client_seq + 1,
            last_report_seq: start.last_report_seq,
            sent: vec![NOTHING_SENT; ring].into_boxed_slice(),
            waiting: 0,
            rewind_to: None,
            not_before: 0,
            standing: None,
        }
    }

    /// Messages without an answer.
    #[must_use]
    pub const fn waiting(&self) -> u32 {
        self.waiting
    }

    /// Whether a message may be sent now.
    #[inline]
    #[must_use]
    pub fn ready(&self, now: u64) -> bool {
        self.rewind_to.is_none()
            && now >= self.not_before
            && !self.sent[self.at(self.next_seq)].waiting
    }

    /// When a message may be sent that may not be sent now; `u64::MAX`: when an answer came.
    #[must_use]
    pub fn held_until(&self, now: u64) -> u64 {
        let patient = self.rewind_to.is_none() && self.not_before > now;
        if patient { self.not_before } else { u64::MAX }
    }

    /// The accounts.
    #[must_use]
    pub fn accounts(&self) -> &[AccountId] {
        &self.accounts
    }

    #[inline]
    fn at(&self, seq: u64) -> usize {
        seq as usize & (self.sent.len() - 1)
    }

    pub(crate) fn note_sent(&mut self, common: &mut Common, times: Times, sent: Sent) {
        let seq = self.next_seq;
        let at = self.at(seq);
        self.sent[at] = Sent {
            planned: times.planned,
            sent: times.now,
            seq,
            cl_ord_id: self.orders.cl_ord_id(sent.slot),
            waiting: true,
            ..sent
        };
        self.next_seq += 1;
        self.waiting += 1;
        common.tally.sent += 1;
    }

    /// Notes a report's number.
    #[inline]
    pub(crate) fn note_report_seq(&mut self, common: &mut Common, seq: u64) {
        common.tally.reports += 1;
        if seq != self.last_report_seq + 1 && common.strict {
            common.faults.note(
                Fault::ReportGap,
                format_args!(
                    "market {}: {seq} after {}",
                    self.market, self.last_report_seq
                ),
            );
        }
        self.last_report_seq = seq;
    }

    /// The message that a report answers. Every message has one answer; what it leads to besides
    /// comes with its number too, and is no answer: see [`Self::led_to`].
    #[inline]
    pub(crate) fn answer(&mut self, common: &mut Common, seq: u64, now: u64) -> Option<Sent> {
        let at = self.at(seq);
        let sent = &mut self.sent[at];
        if sent.seq != seq || seq == 0 {
            common.faults.note(
                Fault::AnswerForNothing,
                format_args!("market {}: client_seq {seq}", self.market),
            );
            return None;
        }
        if !sent.waiting {
            common.faults.note(
                Fault::AnsweredTwice,
                format_args!("market {}: client_seq {seq}", self.market),
            );
            return None;
        }
        sent.waiting = false;
        self.waiting -= 1;
        common.tally.answered += 1;
        if sent.planned >= common.measure_from && sent.planned < common.measure_until {
            common.latency.record(sent.planned, sent.sent, now);
        }
        Some(*sent)
    }

    /// Checks that a report that is not an answer belongs to a message that was answered.
    #[inline]
    pub(crate) fn led_to(&self, common: &mut Common, seq: u64) {
        if seq == 0 {
            return;
        }
        let sent = &self.sent[self.at(seq)];
        if sent.seq != seq || sent.waiting {
            common.faults.note(
                Fault::AnswerForNothing,
                format_args!("market {}: consequence of client_seq {seq}", self.market),
            );
        }
    }

    /// The kind of the message with this number, if it waits for an answer.
    #[inline]
    pub(crate) fn waiting_kind(&self, seq: u64) -> Option<Kind> {
        let sent = &self.sent[self.at(seq)];
        (sent.seq == seq && sent.waiting).then_some(sent.kind)
    }

    /// Messages were not applied: their numbers are free again.
    #[cold]
    pub(crate) fn not_applied(&mut self, common: &mut Common, refusal: &NotApplied, now: u64) {
        let end = refusal
            .from_client_seq
            .saturating_add(u64::from(refusal.count));
        for seq in refusal.from_client_seq..end {
            let Some(sent) = self.take_back(common, seq) else {
                return;
            };
            self.undo(&sent);
        }
        common
            .tally
            .refused
            .add(refusal.code, u64::from(refusal.count));
        self.not_before = self
            .not_before
            .max(now + u64::from(refusal.retry_after_us) * 1_000);
        self.rewind(refusal.expected_client_seq);
    }

    /// A message was refused before the market saw it.
    #[cold]
    pub(crate) fn session_rejected(&mut self, common: &mut Common, seq: u64) {
        if let Some(sent) = self.take_back(common, seq) {
            self.undo(&sent);
            self.rewind(seq);
        }
    }

    fn take_back(&mut self, common: &mut Common, seq: u64) -> Option<Sent> {
        let at = self.at(seq);
        let sent = &mut self.sent[at];
        if sent.seq != seq || !sent.waiting {
            common.faults.note(
                Fault::AnswerForNothing,
                format_args!("market {}: refusal of client_seq {seq}", self.market),
            );
            return None;
        }
        sent.waiting = false;
        self.waiting -= 1;
        common.tally.answered += 1;
        Some(*sent)
    }

    /// The message had no effect.
    pub(crate) fn undo(&mut self, sent: &Sent) {
        if self.orders.find(sent.cl_ord_id) != Some(sent.slot) {
            return;
        }
        match sent.kind {
            Kind::New => self.orders.end(sent.slot),
            Kind::Cancel | Kind::Replace => self.orders.at_mut(sent.slot).busy = false,
        }
    }

    fn rewind(&mut self, expected: u64) {
        let to = self.rewind_to.map_or(expected, |to| to.min(expected));
        self.rewind_to = Some(to);
        if self.waiting == 0 {
            self.next_seq = to;
            self.rewind_to = None;
        }
    }

    /// Ends a rewind when its last answer came.
    #[inline]
    pub(crate) fn settle(&mut self) {
        if let Some(to) = self.rewind_to
            && self.waiting == 0
        {
            self.next_seq = to;
            self.rewind_to = None;
        }
    }

    /// The market said where the session stands.
    pub fn stand(&mut self, standing: Standing) {
        self.standing = Some(standing);
    }

    /// Whether the market said where the session stands, and all reports up to there came.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.standing
            .is_some_and(|standing| self.last_report_seq >= standing.report_seq)
    }

    /// What does not fit at the end: the messages that were never answered, and numbers that
    /// are not what the market says they are; a session that was ended cannot ask it.
    pub fn note_loose_ends(&self, faults: &mut Faults, session_ended: bool) {
        let own = Standing {
            client_seq: self.next_seq - 1,
            report_seq: self.last_report_seq,
        };
        if !session_ended && self.standing != Some(own) {
            faults.note(
                Fault::StandingDiffers,
                format_args!("market {}: {:?}, own {own:?}", self.market, self.standing),
            );
        }
        for sent in self.sent.iter().filter(|sent| sent.waiting) {
            faults.note(
                Fault::Unanswered,
                format_args!(
                    "market {}: client_seq {} ({:?})",
                    self.market, sent.seq, sent.kind
                ),
            );
        }
    }

    /// Whether an account is one of the session's.
    #[inline]
    pub(crate) fn owns(&self, slot: u32, account: AccountId, order_id: OrderId) -> bool {
        let order = self.orders.at(slot);
        self.accounts[order.account as usize] == account && order.order_id == order_id
    }
}
