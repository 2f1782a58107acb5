//! Does again what a journal says: the same streams, the same books, and what other streams decided taken from the record.
//!
//! Must never: go on after a difference. A stream that does not come out as it was recorded is not the stream.

use std::sync::Arc;

use souk_engine::Event;
use souk_protocol::{RejectReason, SessionId};

use super::{Matcher, Output, PREFETCH_AHEAD, Place, Seated};
use crate::control::Control;
use crate::handoff::{
    Item, Lane, Link, Outcome, Record, Recorded, Request, Seat, Submission, SubmissionTimes,
    TakesBatches, TenantIndex, Verdict,
};
use crate::ids::Epoch;

/// Recorded requests to the streams of one matcher, in the order of one batch of the journal. Used again and again: its
/// vectors stay where they are made.
#[derive(Debug, Default)]
pub struct ReplayBatch {
    /// A run of requests of one session each.
    submissions: Vec<Submission>,
    /// What the journal says of each request.
    said: Vec<Said>,
    /// When they were applied, nanoseconds since 1970-01-01 UTC.
    transact_time: u64,
    /// Emptied vectors.
    spare: Vec<Vec<Item>>,
}

/// What the journal says of a request.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    /// The number its stream had after it.
    pub stream_seq: u64,
    /// What came of it.
    pub recorded: Recorded,
}

/// What a book is told to fetch of a command that comes soon.
#[derive(Clone, Copy, Debug)]
enum Hint {
    /// Where to look for its order, or the order itself.
    Far,
    /// The order that a client order id names.
    Order,
    /// The order's neighbours.
    Neighbours,
}

/// How many requests ahead of the one being replayed a book is told what.
const HINTS: [(usize, Hint); 3] = [
    (3 * PREFETCH_AHEAD, Hint::Far),
    (2 * PREFETCH_AHEAD, Hint::Order),
    (PREFETCH_AHEAD, Hint::Neighbours),
];

impl ReplayBatch {
    /// Empties it, for requests that were applied at `transact_time`.
    pub fn begin(&mut self, transact_time: u64) {
        self.transact_time = transact_time;
        self.said.clear();
        for mut submission in self.submissions.drain(..) {
            submission.items.clear();
            self.spare.push(submission.items);
        }
    }

    /// Adds a request of a tenant's session. `link` is asked for unless the request before was the session's too.
    #[inline]
    pub fn push(
        &mut self,
        tenant: TenantIndex,
        session: SessionId,
        link: impl FnOnce() -> Arc<Link>,
        item: Item,
        said: Said,
    ) {
        self.said.push(said);
        if let Some(last) = self.submissions.last_mut()
            && (last.link.session, last.tenant) == (session, tenant)
        {
            return last.items.push(item);
        }
        let mut items = self.spare.pop().unwrap_or_default();
        items.push(item);
        self.submissions.push(Submission {
            tenant,
            link: link(),
            lane: Lane::Orders,
            items,
            times: SubmissionTimes::default(),
        });
    }
}

/// Where a replay does not come out as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the replay of {what} gives {replayed}, the journal says {recorded}")]
pub struct Difference {
    /// The stream.
    pub seat: Seat,
    /// Its number there.
    pub stream_seq: u64,
    /// What differs.
    pub what: &'static str,
    /// What the replay gives.
    pub replayed: String,
    /// What the journal says.
    pub recorded: String,
}

impl<J: TakesBatches> Matcher<J> {
    /// Does the requests again, compares what comes of them with what the journal says, and hands them on. Gives how many
    /// events they had.
    ///
    /// # Errors
    /// The first difference. What came before it is handed on.
    pub fn replay(&mut self, replayed: &mut ReplayBatch) -> Result<usize, Difference> {
        let ReplayBatch {
            submissions,
            said,
            transact_time,
            ..
        } = replayed;
        let compared = self.replay_submissions(submissions, said);
        let events = self.batch.events.len();
        self.time = self.time.max(*transact_time);
        self.batch.transact_time = *transact_time;
        std::mem::swap(&mut self.batch.submissions, submissions);
        self.journal.take(&mut self.batch);
        std::mem::swap(&mut self.batch.submissions, submissions);
        drop(self.batch.clear());
        compared.map(|()| events)
    }

    fn replay_submissions(
        &mut self,
        submissions: &[Submission],
        said: &[Said],
    ) -> Result<(), Difference> {
        let all = || submissions.iter().flat_map(|submission| &submission.items);
        let mut ahead = HINTS.map(|(ahead, hint)| {
            let mut items = all();
            items
                .by_ref()
                .take(ahead)
                .for_each(|item| self.prefetch(item, hint));
            (items, hint)
        });
        let mut said = said.iter();
        for (number, submission) in (0..).zip(submissions) {
            for (index, (item, said)) in (0..).zip(submission.items.iter().zip(&mut said)) {
                for (items, hint) in &mut ahead {
                    items.next().inspect(|item| self.prefetch(item, *hint));
                }
                let place = Place {
                    submission: number,
                    item: index,
                };
                let mut out = Output {
                    items: &submission.items,
                    records: &mut self.batch.records,
                    events: &mut self.batch.events,
                };
                let recorded = said.recorded;
                replay_one(&mut self.seats, &submission.link, place, recorded, &mut out);
                if let Err(difference) = self.compare(place, item.seat, said) {
                    self.forget(place);
                    return Err(difference);
                }
            }
        }
        Ok(())
    }

    /// Fetches what the request of an item will need.
    #[inline]
    fn prefetch(&self, item: &Item, hint: Hint) {
        let (Request::Command(numbered), Seated::Market(stream)) =
            (&item.request, &self.seats[item.seat.0 as usize])
        else {
            return;
        };
        let (book, command) = (stream.book(), &numbered.command);
        match hint {
            Hint::Far => book.prefetch_far(command),
            Hint::Order => book.prefetch_client_order(command, false),
            Hint::Neighbours => {
                book.prefetch(command);
                book.prefetch_client_order(command, true);
            }
        }
    }

    /// Takes back what came of an item, because it is not what the journal says.
    fn forget(&mut self, place: Place) {
        let its = |record: &mut Record| is_at(record, place);
        while let Some(record) = self.batch.records.pop_if(its) {
            let left = self.batch.events.len() - record.outcome.events();
            self.batch.events.truncate(left);
        }
    }

    /// Compares the record of an item with what the journal says.
    #[inline]
    fn compare(&self, place: Place, seat: Seat, said: &Said) -> Result<(), Difference> {
        let Said {
            stream_seq,
            recorded,
        } = *said;
        let differ = |what, replayed: String, recorded: String| {
            Err(Difference {
                seat,
                stream_seq,
                what,
                replayed,
                recorded,
            })
        };
        let record = self.batch.records.last();
        let Some(record) = record.filter(|record| is_at(record, place)) else {
            return differ("a request", "nothing".to_owned(), "something".to_owned());
        };
        if record.stream_seq != stream_seq {
            let (replayed, recorded) = (record.stream_seq.to_string(), stream_seq.to_string());
            return differ("the stream's number", replayed, recorded);
        }
        let refused = match (&record.outcome, recorded) {
            (Outcome::Applied { .. }, Recorded::Applied { refused, .. })
            | (Outcome::Changed { .. }, Recorded::Changed(refused)) => refused,
            (
                Outcome::SessionCanceled { account, .. },
                Recorded::SessionCanceled {
                    account: recorded,
                    refused,
                },
            ) if *account == recorded => refused,
            (Outcome::SessionOpened(_), Recorded::Opened(_)) => None,
            (Outcome::Controlled(result), Recorded::Controlled(verdict)) => {
                return match Verdict::from(result) {
                    replayed if replayed == verdict => Ok(()),
                    replayed => {
                        differ("a command", format!("{replayed:?}"), format!("{verdict:?}"))
                    }
                };
            }
            (outcome, recorded) => {
                let (outcome, recorded) = (format!("{outcome:?}"), format!("{recorded:?}"));
                return differ("a request", outcome, recorded);
            }
        };
        let events = record.outcome.events();
        let first = self.batch.events.len() - events;
        let replayed = match self.batch.events.get(first) {
            Some(Event::Rejected(reason)) if events > 0 => Some(*reason),
            _ => None,
        };
        if replayed == refused {
            return Ok(());
        }
        differ("a command", verdict_of(replayed), verdict_of(refused))
    }

    /// The hash of the stream in a seat.
    #[must_use]
    pub fn state_hash(&self, seat: Seat) -> Option<u64> {
        match self.seats.get(seat.0 as usize)? {
            Seated::Market(stream) => Some(stream.state_hash()),
            Seated::Control(_) => None,
        }
    }

    /// The control stream in a seat.
    #[must_use]
    pub fn control(&self, seat: Seat) -> Option<&Control> {
        match self.seats.get(seat.0 as usize)? {
            Seated::Market(_) => None,
            Seated::Control(stream) => Some(stream.control()),
        }
    }

    /// What is behind it.
    pub const fn journal(&self) -> &J {
        &self.journal
    }

    /// What is behind it.
    pub const fn journal_mut(&mut self) -> &mut J {
        &mut self.journal
    }
}

fn replay_one(
    seats: &mut [Seated],
    link: &Link,
    place: Place,
    recorded: Recorded,
    out: &mut Output<'_>,
) {
    let item = &out.items[place.item as usize];
    match (&mut seats[item.seat.0 as usize], &item.request) {
        (Seated::Market(stream), Request::Command(numbered)) => {
            stream.replays(Some(recorded));
            stream.command(numbered, link, place, out);
            stream.replays(None);
        }
        (Seated::Market(stream), Request::Join) => {
            if let Recorded::Opened(terms) = recorded {
                stream.opened(link.session, terms, place, out);
            }
        }
        (
            Seated::Market(stream),
            Request::CancelSession {
                session,
                incarnation,
            },
        ) => {
            stream.replays(Some(recorded));
            stream.cancel_account(*session, *incarnation, place, out);
            stream.replays(None);
        }
        (Seated::Market(stream), request) => {
            let outcome = stream.other(request, link, Epoch::ALONE, out.events);
            out.record(place, stream.seq(), outcome);
        }
        (Seated::Control(stream), Request::Control(request)) => {
            let outcome = match recorded {
                Recorded::Controlled(verdict) => stream.replay(request, verdict),
                _ => stream.command(request),
            };
            out.record(place, stream.seq(), outcome);
        }
        (Seated::Control(stream), _) => out.record(place, stream.seq(), Outcome::Left),
    }
}

fn is_at(record: &Record, place: Place) -> bool {
    (record.submission, record.item) == (place.submission, place.item)
}

fn verdict_of(refused: Option<RejectReason>) -> String {
    refused.map_or_else(|| "done".to_owned(), |reason| format!("refused: {reason}"))
}
