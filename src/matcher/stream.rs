//! A market as a stream: its book, the number of commands applied, and where each session stands.

use std::hash::Hasher;
use std::sync::Arc;

use souk_engine::{Command, Event, EventSink, FeeTier, Hold, Market};
use souk_protocol::message::{LevelEntry, MarketJoined, SUBSCRIBE_DEPTH, SUBSCRIBE_SNAPSHOT_ONLY};
use souk_protocol::{
    AccountId, Amount, FeeGroup, MarketId, RejectReason, Reserved, SessionId, Side,
};
use twox_hash::XxHash64;

use super::admission::Admission;
use super::marks::{MarkPlace, Marks};
use crate::handoff::{
    Admitted, Item, Link, MarketChange, MarketSeat, Numbered, Outcome, Record, Recorded, Request,
    SessionTerms,
};
use crate::ids::Epoch;
use crate::treasury::Treasury;

/// The number that grows when another process takes a market over. Nothing does in the
/// durability class `memory`.

#[derive(Debug)]
pub(super) struct Stream {
    market: MarketId,
    book: Market,
    pub(super) admission: Admission,
    /// What a subscriber to settlements may be sent at once.
    settlements_max: usize,
    /// Commands applied.
    pub(super) seq: u64,
    pub(super) marks: Marks,
    /// Bytes of reports that may be sent again at once.
    reports_bytes_max: usize,
    /// Connections that want depth.
    watchers: Vec<u64>,
    /// What was decided at the first entry of the batch frame that is being applied.
    frame: FrameVerdict,
    /// Whose frame it is.
    sender: MarkPlace,
    /// Of a book that was restored: the stream's number then, and the book's hash.
    pub(super) restored: Option<(u64, u64)>,
}

/// What happens to the rest of a batch frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FrameVerdict {
    Apply,
    /// Its number was refused, or its incarnation is an old one.
    Skip,
    /// An entry was refused and the frame stops there.
    Stopped,
}

/// Where a request stands in its batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub submission: u32,
    pub item: u32,
}

/// What applying a submission writes to.
pub(super) struct Output<'a> {
    /// The submission's items.
    pub items: &'a [Item],
    pub records: &'a mut Vec<Record>,
    pub events: &'a mut Vec<Event>,
}

impl Output<'_> {
    pub(super) fn record(&mut self, place: Place, stream_seq: u64, outcome: Outcome) {
        self.records.push(Record {
            submission: place.submission,
            item: place.item,
            stream_seq,
            outcome,
        });
    }
}

/// What a book tells and asks while it applies a command.
struct Surroundings<'a> {
    events: &'a mut Vec<Event>,
    levels: bool,
    admission: &'a mut Admission,
    /// What the command took.
    held: Amount,
}

impl EventSink for Surroundings<'_> {
    #[inline]
    fn on(&mut self, event: Event) {
        self.events.push(event);
    }

    #[inline]
    fn wants_levels(&self) -> bool {
        self.levels
    }

    #[inline]
    fn takes_holds(&self) -> bool {
        true
    }

    #[inline]
    fn hold(&mut self, hold: Hold) -> Result<(), RejectReason> {
        self.admission.hold(hold)?;
        self.held = hold.amount;
        Ok(())
    }
}

impl Stream {
    pub(super) fn new(seat: &MarketSeat, book: Market, treasury: Arc<Treasury>) -> Self {
        let mut stream = Self::restore(seat, book, treasury, 0);
        let mut events = Vec::new();
        stream.change(&MarketChange::State(seat.state), &mut events);
        stream
    }

    /// A stream that goes on where another one left off, without its sessions and fee groups.
    pub(super) fn restore(
        seat: &MarketSeat,
        book: Market,
        treasury: Arc<Treasury>,
        seq: u64,
    ) -> Self {
        Self {
            market: seat.market,
            book,
            admission: Admission::new(seat, treasury),
            settlements_max: seat.settlements_max,
            seq,
            marks: Marks::default(),
            reports_bytes_max: seat.reports_bytes_max,
            watchers: Vec::new(),
            frame: FrameVerdict::Apply,
            sender: MarkPlace::default(),
            restored: None,
        }
    }

    /// Where a session of another stream stood.
    pub(super) fn restore_mark(
        &mut self,
        session: SessionId,
        client_seq: u64,
        terms: SessionTerms,
        accounts: Vec<AccountId>,
    ) {
        let place = self.marks.open(session, terms);
        let mark = self.marks.mark(place);
        mark.client_seq = client_seq;
        mark.accounts.extend(accounts);
    }

    /// Orders of a group get this tier from now on.
    pub(super) fn set_tier(&mut self, group: FeeGroup, tier: FeeTier) {
        self.admission.set_tier(group, tier);
    }

    /// The tiers that groups have, by group.
    pub(super) fn tiers(&self) -> Vec<(FeeGroup, FeeTier)> {
        self.admission.tiers()
    }

    pub(super) const fn book(&self) -> &Market {
        &self.book
    }

    /// Applies a command that came from no session.
    fn apply(&mut self, command: &Command, events: &mut Vec<Event>) {
        let mut surroundings = Surroundings {
            events,
            levels: false,
            admission: &mut self.admission,
            held: Amount(0),
        };
        self.book.apply(command, &mut surroundings);
    }

    pub(super) const fn seq(&self) -> u64 {
        self.seq
    }

    /// Hash of everything the stream's future depends on: two streams with equal hashes answer every future
    /// request alike.
    pub(super) fn state_hash(&self) -> u64 {
        self.hash_with(self.book.state_hash())
    }

    /// [`Self::state_hash`], given that of the book.
    pub(super) fn hash_with(&self, book: u64) -> u64 {
        let mut marks: Vec<_> = self.marks.iter().collect();
        marks.sort_unstable_by_key(|(session, _)| *session);
        let mut hasher = XxHash64::with_seed(book);
        hasher.write_u64(self.seq);
        for (session, mark) in marks {
            hasher.write_u32(session.0);
            hasher.write_u64(mark.client_seq);
            hasher.write_u64(mark.terms.incarnation);
            hasher.write_u8(mark.terms.cancel_on_disconnect as u8);
            hasher.write_u32(mark.terms.grace_ms);
            for account in &mark.accounts {
                hasher.write_u32(account.0);
            }
        }
        hasher.finish()
    }

    /// What the journal says of the next command, if it is replayed.
    pub(super) const fn replays(&mut self, recorded: Option<Recorded>) {
        self.admission.recorded = recorded;
    }

    /// Settlements that the answer to a request may hold.
    pub(super) fn settlements_asked(&self, request: &Request) -> usize {
        match request {
            Request::SubscribeSettlements { .. } => self.settlements_max,
            _ => 0,
        }
    }

    /// Work of the last commands that their events do not show: orders looked at.
    pub(super) fn take_walked(&self) -> u32 {
        self.book.take_walked()
    }

    pub(super) fn prefetch(&self, command: &Command, far: bool) {
        if far {
            self.book.prefetch_far(command);
        } else {
            self.book.prefetch(command);
        }
    }

    /// Applies a numbered command once, or says why its number is not used up.
    pub(super) fn command(
        &mut self,
        numbered: &Numbered,
        link: &Link,
        place: Place,
        out: &mut Output<'_>,
    ) {
        if numbered.batch.index == 0 {
            self.frame = self.number(numbered, link, place, out);
        }
        if self.frame == FrameVerdict::Skip {
            return;
        }
        let first = out.events.len();
        self.seq += 1;
        let admitted = if self.frame == FrameVerdict::Stopped {
            out.events.push(Event::Rejected(RejectReason::BatchStopped));
            Admitted {
                refused: Some(RejectReason::BatchStopped),
                ..Admitted::default()
            }
        } else {
            let admitted = self.admit_and_apply(&numbered.command, out.events);
            let refused = matches!(out.events.get(first), Some(Event::Rejected(_)));
            if refused && numbered.batch.stop_at_reject {
                self.frame = FrameVerdict::Stopped;
            }
            if !refused && let Some(account) = entered_for(&numbered.command) {
                self.marks.mark(self.sender).note_account(account);
            }
            admitted
        };
        let events = (out.events.len() - first) as u32;
        out.record(place, self.seq, Outcome::Applied { events, admitted });
    }

    /// Decides about a frame by its number and its sender.
    fn number(
        &mut self,
        numbered: &Numbered,
        link: &Link,
        place: Place,
        out: &mut Output<'_>,
    ) -> FrameVerdict {
        let Some(sender) = self.enter(link, place, out) else {
            return FrameVerdict::Skip;
        };
        self.sender = sender;
        let last = &mut self.marks.mark(sender).client_seq;
        // No overflow: numbers are applied one by one from 0.
        let expected = *last + 1;
        if numbered.client_seq == expected {
            *last = expected;
            return FrameVerdict::Apply;
        }
        self.refuse(numbered, expected, place, out);
        FrameVerdict::Skip
    }

    /// Bytes of reports that the answer to a request may hold.
    pub(super) const fn reports_asked(&self, request: &Request) -> usize {
        match request {
            Request::Resume { .. } => self.reports_bytes_max,
            _ => 0,
        }
    }

    /// What accounts and fees say about a command first, then what the book does with it.
    pub(super) fn admit_and_apply(
        &mut self,
        command: &Command,
        events: &mut Vec<Event>,
    ) -> Admitted {
        let mut command = *command;
        let mut admitted = self.admission.admit(&mut command);
        if let Some(reason) = admitted.refused {
            events.push(Event::Rejected(reason));
            return admitted;
        }
        let mut surroundings = Surroundings {
            events,
            levels: !self.watchers.is_empty(),
            admission: &mut self.admission,
            held: Amount(0),
        };
        self.book.apply(&command, &mut surroundings);
        admitted.hold = surroundings.held;
        admitted
    }

    /// Records that a number was refused. A run of numbers above a gap is one record.
    fn refuse(&self, numbered: &Numbered, expected: u64, place: Place, out: &mut Output<'_>) {
        let seq = numbered.client_seq;
        let reason = if seq < expected {
            RejectReason::AlreadyApplied
        } else {
            RejectReason::SequenceGap
        };
        let seat = out.items[place.item as usize].seat;
        if let Some(last) = out.records.last_mut()
            && last.submission == place.submission
            && out.items[last.item as usize].seat == seat
            && let Outcome::NotApplied {
                from,
                count,
                messages,
                expected: last_expected,
                reason: last_reason,
            } = &mut last.outcome
            && (*last_expected, *last_reason) == (expected, reason)
            && from.checked_add(u64::from(*count)) == Some(seq)
        {
            *count += 1;
            *messages += 1;
            return;
        }
        let refused = Outcome::NotApplied {
            from: seq,
            count: 1,
            messages: 1,
            expected,
            reason,
        };
        out.record(place, self.seq, refused);
    }

    /// Everything that is not a numbered command.
    pub(super) fn other(
        &mut self,
        request: &Request,
        link: &Link,
        epoch: Epoch,
        events: &mut Vec<Event>,
    ) -> Outcome {
        match request {
            Request::Command(_)
            | Request::CancelSession { .. }
            | Request::KeepOrders { .. }
            | Request::Control(_)
            | Request::Open(_) => unreachable!("these go elsewhere"),
            Request::Join | Request::Resume { .. } => Outcome::Joined(MarketJoined {
                market: self.market,
                state: self.book.state(),
                reserved: Reserved,
                epoch: epoch.0,
                last_client_seq: self
                    .marks
                    .of(link.session)
                    .map_or(0, |mark| mark.client_seq),
                last_report_seq: 0,
                stream_seq: self.seq,
            }),
            Request::Subscribe(flags) => self.subscribe(*flags, link.connection),
            Request::Unsubscribe => {
                self.forget_watcher(link.connection);
                Outcome::Unsubscribed
            }
            Request::Leave => {
                self.forget_watcher(link.connection);
                Outcome::Left
            }
            Request::SubscribeSettlements { .. } => Outcome::SettlementsWanted,
            Request::Change(change) => {
                let first = events.len();
                self.seq += 1;
                self.change(change, events);
                Outcome::Changed {
                    events: (events.len() - first) as u32,
                }
            }
        }
    }

    fn change(&mut self, change: &MarketChange, events: &mut Vec<Event>) {
        let first = events.len();
        self.apply(&Command::from(change), events);
        if let MarketChange::Fees { fee_group, .. } = change
            && let Some(Event::FeesAdded { tier }) = events.get(first)
        {
            self.admission.set_tier(*fee_group, *tier);
        }
    }

    fn forget_watcher(&mut self, connection: u64) {
        self.watchers.retain(|watcher| *watcher != connection);
    }

    fn subscribe(&mut self, flags: u8, connection: u64) -> Outcome {
        if flags != SUBSCRIBE_SNAPSHOT_ONLY {
            self.forget_watcher(connection);
        }
        if flags & SUBSCRIBE_DEPTH != 0 {
            self.watchers.push(connection);
        }
        let wanted = flags & (SUBSCRIBE_DEPTH | SUBSCRIBE_SNAPSHOT_ONLY) != 0;
        let levels = if wanted {
            let sides = [Side::Buy, Side::Sell];
            sides
                .iter()
                .flat_map(|side| self.book.levels(*side))
                .map(LevelEntry::from)
                .collect()
        } else {
            Vec::new()
        };
        Outcome::Subscribed {
            flags,
            state: self.book.state(),
            book_hash: if wanted { self.book.book_hash() } else { 0 },
            levels,
        }
    }
}

/// The account whose order may be in the book through the session that sent the command.
const fn entered_for(command: &Command) -> Option<AccountId> {
    match command {
        Command::New(order) => Some(order.account),
        Command::Replace(replace) => Some(replace.account),
        _ => None,
    }
}
