//! The door of the durability class `local`: batches wait behind it, in order, until the journal's thread has synced them.
//!
//! Must never: publish a batch that is not durable, or make its matcher wait for a disk.

use std::collections::VecDeque;
use std::sync::Arc;

use souk_engine::Event;
use souk_protocol::{MarketId, RejectReason, SessionId, TenantId};

use super::entry::BatchWriter;
use super::record::{Body, StreamRecord};
use super::writer::{Journal, JournalError, Ticket};
use crate::handoff::{
    Batch, MarketSeat, Outcome, Record, Request, SeatState, TakesBatches, Verdict,
};
use crate::ids::Epoch;
use crate::metrics::MatcherMeter;

/// A matcher's part of the journal.
#[derive(Debug)]
pub struct LocalJournal<P> {
    publisher: P,
    journal: Journal,
    streams: StreamNames,
    writer: BatchWriter,
    /// What is not durable yet, oldest first.
    waiting: VecDeque<(Ticket, Batch)>,
    /// Of the last batch with something to journal.
    last: Ticket,
}

/// The streams of a matcher's seats.
#[derive(Debug)]
struct StreamNames {
    tenants: Arc<[TenantId]>,
    by_seat: Vec<(TenantId, MarketId)>,
}

impl StreamNames {
    fn open(&mut self, seat: &MarketSeat) {
        let tenant = self.tenants[seat.tenant.0 as usize];
        self.by_seat.push((tenant, seat.market));
    }
}

impl<P: TakesBatches> LocalJournal<P> {
    /// In front of `publisher`, for a matcher whose seats have these streams. `tenants` are the tenants' ids by
    /// index; the matcher works under `epoch`.
    #[must_use]
    pub fn new(
        publisher: P,
        journal: Journal,
        epoch: Epoch,
        tenants: Arc<[TenantId]>,
        streams: Vec<(TenantId, MarketId)>,
    ) -> Self {
        Self {
            publisher,
            journal,
            streams: StreamNames {
                tenants,
                by_seat: streams,
            },
            writer: BatchWriter::new(epoch),
            waiting: VecDeque::new(),
            last: Ticket::default(),
        }
    }

    /// Appends what a batch did to its streams.
    fn append(&mut self, batch: &Batch) -> Result<(), JournalError> {
        let mut events = batch.events.as_slice();
        for record in &batch.records {
            let (own, later) = events.split_at(record.outcome.events());
            events = later;
            self.add(batch, record, own);
        }
        if self.writer.is_empty() {
            return self.journal.failure();
        }
        // Whether somebody watches levels is nothing of a stream's.
        let counts = |event: &&Event| !matches!(event, Event::Level(_));
        let events = batch.events.iter().filter(counts).count();
        let bytes = self.writer.finish(batch.transact_time, events as u32);
        self.last = self.journal.append(bytes)?;
        Ok(())
    }

    #[inline]
    fn add(&mut self, batch: &Batch, record: &Record, events: &[Event]) {
        let (link, item) = batch.asked(record);
        let refused = match events.first() {
            Some(Event::Rejected(reason)) => Some(*reason),
            _ => None,
        };
        let (session, body) = match (&item.request, &record.outcome) {
            (Request::Open(seat), _) => return self.streams.open(seat),
            (Request::Command(numbered), Outcome::Applied { admitted, .. }) => {
                let body = Body::Command {
                    numbered: *numbered,
                    admitted: *admitted,
                    refused,
                };
                (link.session, body)
            }
            (_, Outcome::SessionOpened(terms)) => (link.session, Body::SessionOpened(*terms)),
            (Request::CancelSession { session, .. }, Outcome::SessionCanceled { account, .. }) => {
                let account = *account;
                (*session, Body::SessionCanceled { account, refused })
            }
            (Request::Change(change), Outcome::Changed { .. }) => {
                let change = *change;
                (SessionId(0), Body::Change { change, refused })
            }
            (Request::Control(request), Outcome::Controlled(result)) => {
                let body = Body::Control {
                    command: request.command,
                    verdict: Verdict::from(result),
                };
                (link.session, body)
            }
            // Nothing of a stream's state.
            _ => return,
        };
        let (tenant, market) = self.streams.by_seat[item.seat.0 as usize];
        self.writer.add(&StreamRecord {
            tenant,
            market,
            stream_seq: record.stream_seq,
            transact_time: batch.transact_time,
            session,
            body,
        });
    }
}

impl<P: TakesBatches> TakesBatches for LocalJournal<P> {
    /// What a batch that has nothing for the disk tells is not told before what came before it.
    fn take(&mut self, batch: &mut Batch) {
        match self.append(batch) {
            Ok(()) => self.waiting.push_back((self.last, std::mem::take(batch))),
            Err(_) => refuse(batch),
        }
    }

    fn release(&mut self) -> Option<Batch> {
        let (ticket, _) = self.waiting.front()?;
        let is_durable = *ticket <= self.journal.durable();
        if self.journal.failure().is_ok() && !(is_durable && self.journal.is_leased()) {
            return None;
        }
        let (_, mut batch) = self.waiting.pop_front()?;
        if is_durable {
            self.publisher.take(&mut batch);
        } else {
            refuse(&batch);
        }
        Some(batch)
    }

    fn has_room(&self) -> bool {
        self.journal.has_room()
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    fn meter(&mut self, meter: &MatcherMeter) {
        self.publisher.meter(meter);
    }

    fn end(&mut self, states: &[SeatState], transact_time: u64) {
        for state in states {
            let (tenant, market) = self.streams.by_seat[state.seat.0 as usize];
            self.writer.add(&StreamRecord {
                tenant,
                market,
                stream_seq: state.stream_seq,
                transact_time,
                session: SessionId(0),
                body: Body::StateHash(state.hash),
            });
        }
        if !self.writer.is_empty() {
            // If the journal has failed, whoever stops the node finds out.
            let _ = self.journal.append(self.writer.finish(transact_time, 0));
        }
    }
}

/// Ends the connections of a batch that is not published: what became of it is not known before the node starts again.
fn refuse(batch: &Batch) {
    for submission in &batch.submissions {
        submission.link.end(RejectReason::JournalFailed);
    }
}
