//! The matcher: owns the books of its markets alone, and applies what its queue brings.
//!
//! Must never: wait for a disk, touch a socket, see another matcher's books, or let a clock say what it does: it looks at
//! one for its meter only.

mod admission;
mod control_stream;
mod lanes;
mod marks;
mod replay;
#[cfg(test)]
mod session_tests;
mod state;
mod stream;
mod stream_sessions;

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};
use souk_engine::{Market, SpecError};
use souk_protocol::{RejectReason, SessionId};

use crate::clock::{self, Stamp};
use crate::handoff::{
    BATCH_COMMANDS_MAX, Batch, Item, Outcome, QueueGauge, Record, Request, Seat, SeatConfig,
    SeatState, Submission, SubmissionTimes, TakesBatches,
};
use crate::ids::Epoch;
use crate::metrics::{MatcherMeter, Stage, StageMeter};
use crate::treasury::Treasury;
use control_stream::ControlStream;
use lanes::Lanes;
pub use marks::SessionMark;
pub use replay::{Difference, ReplayBatch, Said};
use stream::{Output, Place, Stream};

/// How many items ahead of the one being applied a book is told to fetch an order, and its
/// neighbours. Books that fit the cache ignore it.
const PREFETCH_FAR_AHEAD: usize = 16;
const PREFETCH_AHEAD: usize = 8;
/// Events that count as the work of one more command: a mass cancel or a sweep has thousands.
const EVENTS_PER_COMMAND: usize = 4;
/// Levels of a snapshot that do.
const LEVELS_PER_COMMAND: usize = 32;
/// Settlements sent to a new subscriber that do.
const SETTLEMENTS_PER_COMMAND: usize = 2;
/// Orders looked at for a fill-or-kill order that do.
const ORDERS_PER_COMMAND: usize = 16;
/// Bytes of reports sent again that do.
const BYTES_PER_COMMAND: usize = 16_384;

/// Batches kept to be used again: about as many as wait for one sync.
const SPARE_BATCHES_MAX: usize = 256;

/// The queue a matcher takes from.
#[derive(Debug)]
pub struct Inbox {
    /// Submissions of all gateways.
    pub queue: Receiver<Submission>,
    /// What waits in the queue and in the lanes.
    pub gauge: Arc<QueueGauge>,
    /// Where emptied vectors go.
    pub spare: Sender<Vec<Item>>,
    /// Tells that something has become durable.
    pub committed: Receiver<()>,
}

/// Applies commands to the books it owns.
#[derive(Debug)]
pub struct Matcher<J> {
    inbox: Inbox,
    lanes: Lanes,
    seats: Vec<Seated>,
    batch: Batch,
    /// Batches that were published, to be used again.
    spare_batches: Vec<Batch>,
    /// The time of the last batch.
    time: u64,
    journal: J,
    treasury: Arc<Treasury>,
    /// Keys the books' hash indexes.
    index_key: u64,
    /// Told to sessions that join a market.
    epoch: Epoch,
    /// All gateways are gone: nothing can come any more.
    closed: bool,
    /// Where it writes down what stages take; most of the time nobody measures.
    meter: Option<Arc<StageMeter>>,
}

/// A stream and its state.
#[derive(Debug)]
enum Seated {
    Market(Box<Stream>),
    Control(Box<ControlStream>),
}

impl<J: TakesBatches> Matcher<J> {
    /// A matcher with an empty book for each market. `index_key` keys the books' hash indexes.
    ///
    /// # Errors
    /// The first market whose bounds are refused.
    pub fn new(
        inbox: Inbox,
        tenants: usize,
        seats: Vec<SeatConfig>,
        treasury: Arc<Treasury>,
        index_key: u64,
        journal: J,
    ) -> Result<Self, SpecError> {
        let mut matcher = Self {
            inbox,
            lanes: Lanes::new(tenants),
            seats: Vec::new(),
            batch: Batch::default(),
            spare_batches: Vec::new(),
            time: 0,
            journal,
            treasury,
            index_key,
            epoch: Epoch::ALONE,
            closed: false,
            meter: None,
        };
        for seat in seats {
            matcher.open(seat)?;
        }
        Ok(matcher)
    }

    /// Opens another seat, after the last one.
    ///
    /// # Errors
    /// When a market's bounds are refused.
    pub fn open(&mut self, seat: SeatConfig) -> Result<(), SpecError> {
        let treasury = Arc::clone(&self.treasury);
        self.seats.push(match seat {
            SeatConfig::Market(seat) => {
                let book = Market::new(seat.spec, self.index_key)?;
                Seated::Market(Box::new(Stream::new(&seat, book, treasury)))
            }
            SeatConfig::Control(seat) => Seated::Control(Box::new(ControlStream::new(
                seat.tenant,
                seat.control,
                treasury,
            ))),
        });
        Ok(())
    }

    /// Publishes what is durable by now, and applies up to about one batch of what waits. Gives the number of
    /// items applied and batches published, and more for those that were much work; 0 means that there is nothing
    /// to do.
    pub fn poll(&mut self, now_ns: u64) -> usize {
        let mut done = self.release();
        self.fill_lanes();
        if !self.has_room() {
            return done;
        }
        // A clock that is set back does not turn the market's time back.
        self.time = self.time.max(now_ns);
        self.batch.transact_time = self.time;
        let mut begun = Stamp::NONE;
        while done < BATCH_COMMANDS_MAX {
            let Some(submission) = self.lanes.pop() else {
                break;
            };
            if let Some(meter) = &self.meter {
                if begun == Stamp::NONE {
                    begun = clock::stamp();
                }
                arrived(meter, &submission, begun);
            }
            let (tenant, commands) = (submission.tenant, submission.items.len());
            let work = self.apply(submission);
            self.lanes.charge(tenant, work);
            done += commands + work;
        }
        if !self.batch.submissions.is_empty() {
            self.measure(begun);
            self.commit();
        }
        done
    }

    /// Writes down from now on what it does.
    pub fn meter(&mut self, meter: &MatcherMeter) {
        self.journal.meter(meter);
        self.meter = Some(Arc::clone(&meter.stages));
    }

    /// Whether all senders are gone and everything they sent is applied.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.closed && self.is_idle()
    }

    /// Whether another batch may be applied now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.journal.has_room()
    }

    /// Whether everything that came is applied and published.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lanes.is_empty() && self.inbox.queue.is_empty() && self.journal.is_idle()
    }

    /// Takes a submission that a waiting thread received itself.
    pub fn accept(&mut self, submission: Submission) {
        match submission.items.first().map(|item| &item.request) {
            Some(Request::Open(_)) => self.open_now(submission),
            _ => self.lanes.push(submission),
        }
    }

    /// Opens the seat that a submission brings, before anything that came after it.
    fn open_now(&mut self, submission: Submission) {
        self.inbox.gauge.release(submission.tenant, 1);
        let place = self.batch.submissions.len() as u32;
        for item in &submission.items {
            let Request::Open(seat) = &item.request else {
                unreachable!("a seat is opened by a submission of its own");
            };
            assert_eq!(
                item.seat.0 as usize,
                self.seats.len(),
                "seats are opened in order"
            );
            self.open(SeatConfig::Market(seat.as_ref().clone()))
                .expect("a market's bounds are checked before its command is durable");
            self.batch.records.push(Record {
                submission: place,
                item: 0,
                stream_seq: 0,
                outcome: Outcome::Opened,
            });
        }
        self.batch.submissions.push(submission);
    }

    /// The queue, for a thread that waits on it.
    pub const fn queue(&self) -> &Receiver<Submission> {
        &self.inbox.queue
    }

    /// What counts what waits.
    pub fn gauge(&self) -> &QueueGauge {
        &self.inbox.gauge
    }

    /// What tells a thread that waits that there may be something to publish.
    pub const fn committed(&self) -> &Receiver<()> {
        &self.inbox.committed
    }

    /// Says that the queue has ended.
    pub const fn close(&mut self) {
        self.closed = true;
    }

    /// Whether the queue has ended.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    fn fill_lanes(&mut self) {
        // Bounded by what waits now, so that a fast sender cannot keep the books idle.
        for _ in 0..self.inbox.queue.len() {
            match self.inbox.queue.try_recv() {
                Ok(submission) => self.accept(submission),
                Err(_) => break,
            }
        }
    }

    /// Applies a submission. Gives the work it was beyond its number of items, in commands.
    fn apply(&mut self, mut submission: Submission) -> usize {
        let commands = submission.items.len() as u32;
        self.inbox.gauge.release(submission.tenant, commands);
        // A newer connection of the session has logged on, and may have asked where it stands:
        // what the old one still had under way is not applied any more.
        if submission.link.ending() == Some(RejectReason::SessionTakenOver) {
            let leaves =
                |item: &Item| matches!(item.request, Request::Leave | Request::Unsubscribe);
            submission.items.retain(leaves);
        }
        let place = self.batch.submissions.len() as u32;
        let first_event = self.batch.events.len();
        let (mut levels, mut walked, mut settlements, mut resent) = (0, 0, 0, 0);
        let mut unfinished = Vec::new();
        let mut out = Output {
            items: &submission.items,
            records: &mut self.batch.records,
            events: &mut self.batch.events,
        };
        for (index, item) in submission.items.iter().enumerate() {
            for (ahead, far) in [(PREFETCH_FAR_AHEAD, true), (PREFETCH_AHEAD, false)] {
                if let Some(item) = submission.items.get(index + ahead)
                    && let Request::Command(numbered) = &item.request
                    && let Seated::Market(stream) = &self.seats[item.seat.0 as usize]
                {
                    stream.prefetch(&numbered.command, far);
                }
            }
            let place = Place {
                submission: place,
                item: index as u32,
            };
            match (&mut self.seats[item.seat.0 as usize], &item.request) {
                (Seated::Market(stream), Request::Command(numbered)) => {
                    stream.command(numbered, &submission.link, place, &mut out);
                    walked += stream.take_walked() as usize;
                }
                (
                    Seated::Market(stream),
                    Request::CancelSession {
                        session,
                        incarnation,
                    },
                ) => {
                    if stream.cancel_session(*session, *incarnation, place, &mut out) {
                        unfinished.push(item.clone());
                    }
                    walked += stream.take_walked() as usize;
                }
                (
                    Seated::Market(stream),
                    Request::KeepOrders {
                        session,
                        incarnation,
                    },
                ) => stream.keep_orders(*session, *incarnation, place, &mut out),
                (Seated::Market(stream), request) => {
                    if matches!(request, Request::Join | Request::Resume { .. })
                        && stream.enter(&submission.link, place, &mut out).is_none()
                    {
                        continue;
                    }
                    settlements += stream.settlements_asked(request);
                    resent += stream.reports_asked(request);
                    let outcome = stream.other(request, &submission.link, self.epoch, out.events);
                    if let Outcome::Subscribed { levels: shown, .. } = &outcome {
                        levels += shown.len();
                    }
                    out.record(place, stream.seq(), outcome);
                }
                (Seated::Control(stream), Request::Control(request)) => {
                    let outcome = stream.command(request);
                    out.record(place, stream.seq(), outcome);
                }
                (Seated::Control(stream), _) => out.record(place, stream.seq(), Outcome::Left),
            }
        }
        let work = (self.batch.events.len() - first_event) / EVENTS_PER_COMMAND
            + levels / LEVELS_PER_COMMAND
            + walked / ORDERS_PER_COMMAND
            + settlements / SETTLEMENTS_PER_COMMAND
            + resent / BYTES_PER_COMMAND;
        self.go_on(&submission, unfinished);
        self.batch.submissions.push(submission);
        work
    }

    /// Queues what was too much for one turn, behind what others have waiting.
    fn go_on(&mut self, submission: &Submission, unfinished: Vec<Item>) {
        if unfinished.is_empty() {
            return;
        }
        for _ in &unfinished {
            self.inbox.gauge.admit_always(submission.tenant);
        }
        self.lanes.push(Submission {
            tenant: submission.tenant,
            link: Arc::clone(&submission.link),
            lane: submission.lane,
            items: unfinished,
            times: SubmissionTimes::default(),
        });
    }

    /// Where each session stands with the market of a seat.
    pub fn sessions(&self, seat: Seat) -> impl Iterator<Item = (SessionId, &SessionMark)> {
        let stream = match self.seats.get(seat.0 as usize) {
            Some(Seated::Market(stream)) => Some(stream.sessions()),
            _ => None,
        };
        stream.into_iter().flatten()
    }

    /// Writes down how long it took to apply the batch.
    fn measure(&mut self, begun: Stamp) {
        let Some(meter) = &self.meter else {
            return;
        };
        let requests = |submission: &Submission| submission.items.len() as u64;
        self.batch.requests = self.batch.submissions.iter().map(requests).sum();
        self.batch.applied_at = clock::stamp();
        let applied_at = self.batch.applied_at;
        meter.record(Stage::Match, begun, applied_at, self.batch.requests);
    }

    /// Hands the batch on. If it is kept, another one takes its place.
    fn commit(&mut self) {
        self.journal.take(&mut self.batch);
        self.recycle();
        if let Some(spare) = self
            .spare_batches
            .pop_if(|_| self.batch.records.capacity() == 0)
        {
            self.batch = spare;
        }
    }

    /// Publishes what is durable. Gives how many batches that were.
    fn release(&mut self) -> usize {
        let mut released = 0;
        while let Some(batch) = self.journal.release() {
            let current = std::mem::replace(&mut self.batch, batch);
            self.recycle();
            let spare = std::mem::replace(&mut self.batch, current);
            if self.spare_batches.len() < SPARE_BATCHES_MAX {
                self.spare_batches.push(spare);
            }
            released += 1;
        }
        released
    }

    /// Gives the vectors of the batch's submissions back to the gateways.
    fn recycle(&mut self) {
        for mut submission in self.batch.clear() {
            submission.items.clear();
            // A full pool lets the vector go.
            let _ = self.inbox.spare.try_send(submission.items);
        }
    }

    /// What the matcher's market streams have come to.
    fn states(&self) -> Vec<SeatState> {
        let seats = (0..).map(Seat).zip(&self.seats);
        let state = |(seat, seated): (Seat, &Seated)| match seated {
            Seated::Market(stream) => Some(SeatState {
                seat,
                stream_seq: stream.seq(),
                hash: stream.state_hash(),
            }),
            Seated::Control(_) => None,
        };
        seats.filter_map(state).collect()
    }

    /// Puts down what the streams have come to, at the end.
    pub fn end(&mut self) {
        let states = self.states();
        self.journal.end(&states, self.time);
    }

    /// The same matcher with another stage behind it, at work under `epoch`.
    pub fn behind<K>(self, epoch: Epoch, journal: impl FnOnce(J) -> K) -> Matcher<K> {
        Matcher {
            inbox: self.inbox,
            lanes: self.lanes,
            seats: self.seats,
            batch: self.batch,
            spare_batches: self.spare_batches,
            time: self.time,
            journal: journal(self.journal),
            treasury: self.treasury,
            index_key: self.index_key,
            epoch,
            closed: self.closed,
            meter: self.meter,
        }
    }
}

/// Writes down how long a submission has taken until its matcher took it.
fn arrived(meter: &StageMeter, submission: &Submission, taken_at: Stamp) {
    let times = submission.times;
    let requests = submission.items.len() as u64;
    meter.record(Stage::Gateway, times.read_at, times.queued_at, requests);
    meter.record(Stage::Queue, times.queued_at, taken_at, requests);
}
