//! A market as a stream: its book, the number of commands applied, and where each session stands.

use hashbrown::HashMap;
use souk_engine::{Command, Event, EventSink, Market};
use souk_protocol::message::{LevelEntry, MarketJoined, SUBSCRIBE_DEPTH, SUBSCRIBE_SNAPSHOT_ONLY};
use souk_protocol::{MarketId, RejectReason, Reserved, SessionId, Side};

use crate::handoff::{Item, Link, Numbered, Outcome, Record, Request, SeatConfig};

/// The number that grows when another process takes a market over. Nothing does in the
/// durability class `memory`.
const EPOCH_OF_A_SINGLE_PROCESS: u64 = 1;

#[derive(Debug)]
pub(super) struct Stream {
    market: MarketId,
    book: Market,
    /// Commands applied.
    seq: u64,
    /// The last `client_seq` applied, by session. Part of the market's state.
    applied: HashMap<SessionId, u64>,
    /// Connections that want depth.
    watchers: Vec<u64>,
    /// What was decided at the first entry of the batch frame that is being applied.
    frame: FrameVerdict,
}

/// What happens to the rest of a batch frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FrameVerdict {
    Apply,
    /// Its number was refused.
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

struct Events<'a> {
    events: &'a mut Vec<Event>,
    levels: bool,
}

impl EventSink for Events<'_> {
    #[inline]
    fn on(&mut self, event: Event) {
        self.events.push(event);
    }

    #[inline]
    fn wants_levels(&self) -> bool {
        self.levels
    }
}

impl Stream {
    pub(super) fn new(seat: &SeatConfig, mut book: Market) -> Self {
        let mut ignored = Vec::new();
        let mut sink = Events {
            events: &mut ignored,
            levels: false,
        };
        book.apply(&Command::SetState(seat.state), &mut sink);
        Self {
            market: seat.market,
            book,
            seq: 0,
            applied: HashMap::new(),
            watchers: Vec::new(),
            frame: FrameVerdict::Apply,
        }
    }

    pub(super) const fn seq(&self) -> u64 {
        self.seq
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
        session: SessionId,
        place: Place,
        out: &mut Output<'_>,
    ) {
        if numbered.batch.index == 0 {
            self.frame = FrameVerdict::Apply;
            let last = self.applied.entry(session).or_insert(0);
            // No overflow: numbers are applied one by one from 0.
            if numbered.client_seq == *last + 1 {
                *last = numbered.client_seq;
            } else {
                self.frame = FrameVerdict::Skip;
                let expected = *last + 1;
                self.refuse(numbered, expected, place, out);
            }
        }
        if self.frame == FrameVerdict::Skip {
            return;
        }
        let first = out.events.len();
        self.seq += 1;
        if self.frame == FrameVerdict::Stopped {
            out.events.push(Event::Rejected(RejectReason::BatchStopped));
        } else {
            let mut sink = Events {
                events: out.events,
                levels: !self.watchers.is_empty(),
            };
            self.book.apply(&numbered.command, &mut sink);
            let refused = matches!(out.events.get(first), Some(Event::Rejected(_)));
            if refused && numbered.batch.stop_at_reject {
                self.frame = FrameVerdict::Stopped;
            }
        }
        let events = (out.events.len() - first) as u32;
        out.record(place, self.seq, Outcome::Applied { events });
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
        events: &mut Vec<Event>,
    ) -> Outcome {
        match request {
            Request::Command(_) => unreachable!("numbered commands go through `command`"),
            Request::Join => Outcome::Joined(MarketJoined {
                market: self.market,
                state: self.book.state(),
                reserved: Reserved,
                epoch: EPOCH_OF_A_SINGLE_PROCESS,
                last_client_seq: self.applied.get(&link.session).copied().unwrap_or(0),
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
            Request::SetState(state) => {
                let first = events.len();
                self.seq += 1;
                let mut sink = Events {
                    events,
                    levels: false,
                };
                self.book.apply(&Command::SetState(*state), &mut sink);
                Outcome::StateSet {
                    events: (events.len() - first) as u32,
                }
            }
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
