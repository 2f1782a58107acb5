//! One market of a replay: how far its plan is sent and answered.
//!
//! Everything is sent without waiting for answers. When the server has no room for a message it
//! refuses that one and all behind it; then nothing is sent until all are answered, and the plan
//! goes on from the refused one (go-back-N). A look at the book that was asked for behind it
//! counts for nothing and is asked for again. While the server answers a look nothing is sent to
//! that market, because a look that is refused can be repeated only if the book has not moved on.

use std::time::{Duration, Instant};

use souk_protocol::message::{
    DepthSnapshot, LevelEntry, NotApplied, SUBSCRIBE_SNAPSHOT_ONLY, SessionReject, Subscribe,
};
use souk_protocol::{
    FLAG_MORE_FOLLOWS, Group, Header, RejectReason, Reserved, ServerMessage, Side,
};

use super::ReplayError;
use super::fifo::BookHash;
use super::plan::{Plan, SIDES, Step};
use super::recorder::Recorder;
use super::set::{BookRow, GOLDEN_LEVELS, LevelRow, SideRow};

/// How often in a row a lane goes back without an answer in between, before the replay gives up.
const REFUSALS_IN_A_ROW_MAX: u32 = 1_000;

/// The depth that the server is telling.
#[derive(Debug)]
struct OpenDepth {
    check: usize,
    /// A message before it was refused after it was asked for.
    void: bool,
    levels: [Vec<LevelRow>; 2],
}

/// What is refused and not sent again yet.
#[derive(Clone, Copy, Debug)]
struct Refused {
    from: u64,
    count: u64,
    retry_after: Duration,
}

/// A market of a replay.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) plan: Plan,
    pub(crate) recorder: Recorder,
    /// The next step.
    cursor: usize,
    /// The number of the next message.
    next_seq: u64,
    /// The highest number that was answered with a report.
    answered: u64,
    refused: Option<Refused>,
    hold_until: Option<Instant>,
    refusals_in_a_row: u32,
    /// Messages that were refused and sent again.
    pub(crate) resent: u64,
    open_depth: Option<OpenDepth>,
    /// What the server told at each check.
    pub(crate) books: Vec<Option<BookRow>>,
}

impl Lane {
    pub(crate) fn new(plan: Plan, report_seq: u64) -> Self {
        Self {
            recorder: Recorder::new(&plan, report_seq),
            cursor: 0,
            next_seq: plan.first_seq,
            answered: plan.first_seq - 1,
            refused: None,
            hold_until: None,
            refusals_in_a_row: 0,
            resent: 0,
            open_depth: None,
            books: vec![None; plan.checks.len()],
            plan,
        }
    }

    /// Whether everything was sent and answered.
    pub(crate) fn is_complete(&self) -> bool {
        self.recorder.complete && self.cursor == self.plan.steps.len() && self.open_depth.is_none()
    }

    /// Messages in flight without an answer.
    pub(crate) fn unanswered(&self) -> u64 {
        let refused = self.refused.map_or(0, |refused| refused.count);
        (self.next_seq - 1 - self.answered).saturating_sub(refused)
    }

    /// The next step, if it may be done now.
    pub(crate) fn next_step(&self, now: Instant) -> Option<&Step> {
        let looking = self.open_depth.is_some();
        if looking || self.refused.is_some() || self.hold_until.is_some_and(|at| now < at) {
            return None;
        }
        self.plan.steps.get(self.cursor)
    }

    /// Where in the set the next step is: markets take turns so that the set's order is kept.
    pub(crate) fn position(&self) -> u64 {
        let next = self.plan.input_of(self.next_seq);
        next.unwrap_or(u64::MAX)
    }

    /// Does the next step: writes its frame to `out`.
    pub(crate) fn do_step(&mut self, out: &mut Vec<u8>) {
        match &self.plan.steps[self.cursor] {
            Step::Message { frame, .. } => {
                out.extend_from_slice(&self.plan.bytes[frame.clone()]);
                self.next_seq += 1;
            }
            Step::Check(check) => {
                let subscribe = Subscribe {
                    market: self.plan.market,
                    flags: SUBSCRIBE_SNAPSHOT_ONLY,
                    reserved: Reserved,
                };
                out.extend_from_slice(&subscribe.frame(0));
                self.open_depth = Some(OpenDepth {
                    check: *check,
                    void: false,
                    levels: [Vec::new(), Vec::new()],
                });
            }
        }
        self.cursor += 1;
    }

    /// Takes a message about this market.
    pub(crate) fn on_message(
        &mut self,
        message: &ServerMessage<'_>,
        header: Header,
        now: Instant,
    ) -> Result<(), ReplayError> {
        match message {
            ServerMessage::NotApplied(news) => self.on_not_applied(news, now)?,
            ServerMessage::SessionReject(reject) => self.on_session_reject(reject, now)?,
            ServerMessage::DepthSnapshot(root, group) => {
                self.on_depth(root, group, header.flags & FLAG_MORE_FOLLOWS != 0);
            }
            report => {
                let client_seq = self.recorder.on_report(header.seq, report, &self.plan);
                if let Some(client_seq) = client_seq.filter(|seq| *seq > self.answered) {
                    self.answered = client_seq.min(self.next_seq - 1);
                    self.refusals_in_a_row = 0;
                }
            }
        }
        self.go_back(now);
        Ok(())
    }

    /// A look that is refused for lack of room is asked for again; anything else is the end.
    fn on_session_reject(
        &mut self,
        reject: &SessionReject,
        now: Instant,
    ) -> Result<(), ReplayError> {
        let retryable = reject.code.reason().is_some_and(RejectReason::retryable);
        let is_look = reject.ref_template == Subscribe::TEMPLATE && self.open_depth.is_some();
        self.refusals_in_a_row += 1;
        if !retryable || !is_look || self.refusals_in_a_row > REFUSALS_IN_A_ROW_MAX {
            return Err(ReplayError::Refused {
                input_seq: self.plan.input_of(reject.ref_seq).unwrap_or_default(),
                template: reject.ref_template,
                code: reject.code,
            });
        }
        self.open_depth = None;
        // Nothing was sent since, so the look is the step before.
        self.cursor -= 1;
        self.hold_until = Some(now + Duration::from_micros(u64::from(reject.retry_after_us)));
        Ok(())
    }

    fn on_not_applied(&mut self, news: &NotApplied, now: Instant) -> Result<(), ReplayError> {
        let input_seq = self.plan.input_of(news.from_client_seq).unwrap_or_default();
        let retryable = news.code.reason().is_some_and(RejectReason::retryable);
        if self.refused.is_none() {
            self.refusals_in_a_row += 1;
        }
        if !retryable || self.refusals_in_a_row > REFUSALS_IN_A_ROW_MAX {
            return Err(ReplayError::NotApplied {
                input_seq,
                code: news.code,
            });
        }
        let count = u64::from(news.count);
        let known = self.refused.map_or(0, |refused| refused.count);
        let in_flight = self.answered < news.from_client_seq
            && count.saturating_add(news.from_client_seq) <= self.next_seq
            && known + count < self.next_seq - self.answered;
        if !in_flight {
            return Err(ReplayError::NotInFlight {
                from: news.from_client_seq,
                count,
            });
        }
        let refused = self.refused.get_or_insert(Refused {
            from: news.from_client_seq,
            count: 0,
            retry_after: Duration::ZERO,
        });
        refused.from = refused.from.min(news.from_client_seq);
        refused.count += count;
        let retry_after = Duration::from_micros(u64::from(news.retry_after_us));
        refused.retry_after = refused.retry_after.max(retry_after);
        self.resent += count;
        let from = refused.from;
        if let Some(depth) = &mut self.open_depth {
            depth.void |= self.plan.checks[depth.check].client_seq >= from;
        }
        self.go_back(now);
        Ok(())
    }

    /// Once everything in flight is answered: back to the first message that was refused.
    fn go_back(&mut self, now: Instant) {
        let Some(refused) = self.refused else {
            return;
        };
        let all_answered = self.answered + refused.count + 1 == self.next_seq;
        if !all_answered || self.open_depth.is_some() {
            return;
        }
        self.hold_until = Some(now + refused.retry_after);
        self.refused = None;
        while self.next_seq > refused.from {
            self.cursor -= 1;
            if let Step::Message { .. } = self.plan.steps[self.cursor] {
                self.next_seq -= 1;
            }
        }
    }

    fn on_depth(&mut self, root: &DepthSnapshot, group: &Group<'_, LevelEntry>, more: bool) {
        let Some(depth) = &mut self.open_depth else {
            let market = self.plan.market;
            self.recorder
                .complaints
                .add(|| format!("a depth snapshot of market {market} that was not asked for"));
            return;
        };
        for (entry, _) in group.iter().flatten() {
            let level = LevelRow {
                price: entry.price.0,
                qty: entry.qty.0,
                orders: u64::from(entry.orders),
            };
            depth.levels[usize::from(entry.side == Side::Sell)].push(level);
        }
        if more {
            return;
        }
        if let Some(depth) = self.open_depth.take().filter(|depth| !depth.void) {
            self.keep_depth(depth, root);
        }
    }

    /// A snapshot is complete: its hash must be that of its levels.
    fn keep_depth(&mut self, depth: OpenDepth, root: &DepthSnapshot) {
        let mut hash = BookHash::new();
        for (side, levels) in SIDES.into_iter().zip(&depth.levels) {
            levels.iter().for_each(|level| hash.level(side, level));
        }
        let counts = [root.buy_levels, root.sell_levels].map(|count| count as usize);
        let found = [depth.levels[0].len(), depth.levels[1].len()];
        let input_seq = self.plan.checks[depth.check].input_seq;
        if hash.value() != root.book_hash || counts != found {
            self.recorder.complaints.add(|| {
                format!("the snapshot after input {input_seq} is not what it says of itself")
            });
        }
        let [buys, sells] = depth.levels.map(side_row);
        self.books[depth.check] = Some(BookRow {
            input_seq,
            sym: self.plan.sym,
            // Filled in from the rebuilt book when everything is there.
            l3_crc32: 0,
            buys,
            sells,
        });
        self.recorder
            .snapshot_hashes
            .push((depth.check, root.book_hash));
    }

    /// The books at the checks: depth as the server told it, order by order as it was rebuilt
    /// from the reports. The two must agree.
    pub(crate) fn take_books(&mut self) -> Vec<BookRow> {
        for (check, hash) in std::mem::take(&mut self.recorder.snapshot_hashes) {
            let (Some(look), Some(book)) = (self.recorder.looks[check], &mut self.books[check])
            else {
                continue;
            };
            book.l3_crc32 = look.crc32;
            let input_seq = book.input_seq;
            if look.hash != hash {
                self.recorder.complaints.add(|| {
                    format!("the snapshot after input {input_seq} is not the book of the reports")
                });
            }
        }
        for (book, check) in self.books.iter().zip(&self.plan.checks) {
            if book.is_none() {
                let input_seq = check.input_seq;
                self.recorder
                    .complaints
                    .add(|| format!("no snapshot came for the check after input {input_seq}"));
            }
        }
        self.books.drain(..).flatten().collect()
    }
}

fn side_row(mut levels: Vec<LevelRow>) -> SideRow {
    let orders = levels.iter().map(|level| level.orders).sum();
    let count = levels.len() as u64;
    levels.truncate(GOLDEN_LEVELS);
    SideRow {
        orders,
        levels: count,
        best: levels,
    }
}
