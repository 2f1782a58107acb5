//! Does again what a journal says: the same streams, the same books, and what other streams decided taken from the record.
//!
//! Must never: go on after a difference. A stream that does not come out as it was recorded is not the stream.

use std::sync::Arc;

use souk_engine::Event;
use souk_protocol::RejectReason;

use super::{Matcher, Output, Place, Seated};
use crate::control::Control;
use crate::handoff::{
    Item, Lane, Link, Outcome, Recorded, Request, Seat, Submission, SubmissionTimes, TakesBatches,
    TenantIndex, Verdict,
};
use crate::ids::Epoch;

/// A journaled request, and what the journal says came of it.
#[derive(Debug)]
pub struct ReplayItem {
    /// The request.
    pub item: Item,
    /// The number its stream had after it.
    pub stream_seq: u64,
    /// What came of it.
    pub recorded: Recorded,
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
    /// Replays requests of one session, in order, and adds them to the batch that [`Self::end_replayed`] hands on.
    ///
    /// # Errors
    /// The first difference.
    pub fn replay(
        &mut self,
        tenant: TenantIndex,
        link: &Arc<Link>,
        items: Vec<ReplayItem>,
    ) -> Result<(), Difference> {
        let submission = self.batch.submissions.len() as u32;
        let (items, said): (Vec<_>, Vec<_>) = items
            .into_iter()
            .map(|replayed| (replayed.item, (replayed.stream_seq, replayed.recorded)))
            .unzip();
        for (index, (stream_seq, recorded)) in said.into_iter().enumerate() {
            let item = index as u32;
            let place = Place { submission, item };
            let mut out = Output {
                items: &items,
                records: &mut self.batch.records,
                events: &mut self.batch.events,
            };
            replay_one(&mut self.seats, link, place, recorded, &mut out);
            self.compare(items[index].seat, stream_seq, recorded)?;
        }
        self.batch.submissions.push(Submission {
            tenant,
            link: Arc::clone(link),
            lane: Lane::Orders,
            items,
            times: SubmissionTimes::default(),
        });
        Ok(())
    }

    /// Compares the last record with what the journal says.
    fn compare(&self, seat: Seat, stream_seq: u64, recorded: Recorded) -> Result<(), Difference> {
        let record = self.batch.records.last();
        let differ = |what, replayed: String, recorded: String| {
            Err(Difference {
                seat,
                stream_seq,
                what,
                replayed,
                recorded,
            })
        };
        let Some(record) = record else {
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

    /// Hands on what was replayed since the last time. Gives how many events it had.
    pub fn end_replayed(&mut self, transact_time: u64) -> usize {
        self.time = self.time.max(transact_time);
        self.batch.transact_time = transact_time;
        let events = self.batch.events.len();
        if !self.batch.submissions.is_empty() {
            self.commit();
        }
        events
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

fn verdict_of(refused: Option<RejectReason>) -> String {
    refused.map_or_else(|| "done".to_owned(), |reason| format!("refused: {reason}"))
}
