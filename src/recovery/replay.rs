//! Does a journal again, batch by batch, and compares.
//!
//! ```text
//! reads ahead -- Chunk --> the caller's thread -- jobs --> a thread for each matcher
//! decodes                  routes, moves money <-- done -- matches, reports
//! ```
//!
//! Matchers do not wait for each other. Whatever they come to is looked at in the journal's order, and the money of their
//! markets is moved in that order: so each balance, statement and sequence, and the first difference, are those of a replay
//! that does one batch after the other. (A batch may have parts for several matchers, if their number has changed since;
//! they are posted one after the other.) What changes which streams and accounts there are, or compares whole states, is
//! done between jobs: every control command that is not funding, a tenant's beginning, the end of a node.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::crew::Crew;
use super::routing::Job;
use super::{Progress, Recovery, RecoveryError};
use crate::control::ControlCommand;
use crate::journal::{BatchHead, Body, ReadError, Reader, StreamRecord};

/// Records that go from thread to thread at once, and a batch: waking a thread costs as much as tens of commands.
const CHUNK_RECORDS: usize = 512;
/// Batches of a chunk, however few records they have.
const CHUNK_BATCHES_MAX: usize = 512;
/// Chunks that are decoded before they are routed.
const DECODED_CHUNKS_MAX: usize = 4;
/// Chunks that matchers have, at the most.
const CHUNKS_UNDER_WAY_MAX: usize = 4;
/// Chunks between two reports of progress.
const CHUNKS_PER_PROGRESS: u64 = 128;

impl Recovery {
    /// Does again everything that the journal says. What comes next is read and decoded on a thread of its own meanwhile, and
    /// each matcher works on another.
    pub(super) fn replay(
        &mut self,
        mut reader: Reader,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), RecoveryError> {
        let (decoded_in, decoded) = bounded(DECODED_CHUNKS_MAX);
        let (spare, used) = bounded(DECODED_CHUNKS_MAX);
        let segments = reader.segments_left();
        std::thread::scope(|scope| {
            let reading = scope.spawn(move || {
                let ahead = ReadsAhead {
                    decoded: decoded_in,
                    used,
                };
                ahead.run(&mut reader).map(|()| reader.end())
            });
            let crew = Crew::hire(scope, self.matchers.len());
            let replaying = Replaying {
                recovery: self,
                crew,
                under_way: VecDeque::new(),
                plan: Plan::default(),
            };
            // Dropped before threads are waited for, so that they end after a difference, too.
            let replayed = replaying.run(decoded, &spare, segments, progress);
            drop(spare);
            let read = reading.join();
            replayed?;
            let end = read.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            self.recovered.end = Some(end);
            Ok(())
        })
    }

    /// Does one batch again, on this thread.
    pub(crate) fn batch(
        &mut self,
        head: &BatchHead,
        records: &[StreamRecord],
    ) -> Result<(), RecoveryError> {
        let mut events = 0;
        for record in records {
            match &record.body {
                Body::Tenant { custody, name } => {
                    self.check_tenant(record.tenant, *custody, name.as_str())?;
                }
                Body::StateHash(hash) => {
                    events += self.do_routed()?;
                    self.compare_hash(record, *hash)?;
                }
                Body::Balances(lines) => {
                    events += self.do_routed()?;
                    self.compare_balances(record, lines)?;
                }
                Body::End { .. } => {}
                _ => self.route(head, record)?,
            }
        }
        events += self.do_routed()?;
        self.end_batch(head, events)?;
        self.carry_out_tasks()
    }

    /// Does what was routed. Gives how many events there were.
    fn do_routed(&mut self) -> Result<usize, RecoveryError> {
        let routed: Vec<_> = self.jobs.take().collect();
        let mut events = 0;
        for (matcher, mut job) in routed {
            job.run(&mut self.matchers[matcher]);
            events += self.settle(matcher, job)?;
        }
        Ok(events)
    }

    fn end_batch(&mut self, head: &BatchHead, events: usize) -> Result<(), RecoveryError> {
        if events != head.events as usize {
            return Err(RecoveryError::Events {
                batch: head.number,
                replayed: events as u64,
                recorded: head.events.into(),
            });
        }
        self.recovered.records += u64::from(head.entries);
        self.recovered.batches += 1;
        Ok(())
    }

    fn compare_hash(&mut self, record: &StreamRecord, recorded: u64) -> Result<(), RecoveryError> {
        let (_, route) = self.streams.find(record)?;
        let replayed = self.matchers[route.matcher].state_hash(route.seat);
        if replayed == Some(recorded) {
            self.recovered.hashes_compared += 1;
            return Ok(());
        }
        Err(RecoveryError::StateHash {
            tenant: record.tenant,
            market: record.market,
            stream_seq: record.stream_seq,
            replayed: replayed.unwrap_or(0),
            recorded,
        })
    }

    fn is_stopped(&self) -> bool {
        let stop = self.stop.as_ref();
        stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}

/// A replay under way.
struct Replaying<'a> {
    recovery: &'a mut Recovery,
    crew: Crew,
    /// What the matchers have to do, oldest first.
    under_way: VecDeque<Plan>,
    /// What they are given next.
    plan: Plan,
}

/// Batches, and who does which part of them.
#[derive(Debug, Default)]
struct Plan {
    parts: Vec<Part>,
    /// The jobs of each matcher, until they are given to it.
    jobs: Vec<(usize, Vec<Job>)>,
}

/// What a batch has for one matcher.
#[derive(Debug)]
struct Part {
    matcher: usize,
    /// The batch, if this is its last part.
    ends: Option<BatchHead>,
}

impl Replaying<'_> {
    fn run(
        mut self,
        decoded: Receiver<Chunk>,
        spare: &Sender<Chunk>,
        segments: usize,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), RecoveryError> {
        for (number, mut chunk) in (0_u64..).zip(decoded) {
            self.chunk(&chunk)?;
            let segments_left = chunk.segments_left;
            chunk.clear();
            // A full pool lets it go.
            let _ = spare.try_send(chunk);
            if self.recovery.is_stopped() {
                return Err(RecoveryError::Stopped);
            }
            if number.is_multiple_of(CHUNKS_PER_PROGRESS) {
                progress(Progress {
                    records: self.recovery.recovered.records,
                    segments_read: segments - segments_left,
                    segments,
                });
            }
        }
        self.gather()
    }

    fn chunk(&mut self, chunk: &Chunk) -> Result<(), RecoveryError> {
        let mut rest = &chunk.records[..];
        for batch in &chunk.batches {
            let (records, later) = rest.split_at(batch.records);
            rest = later;
            if batch.is_alone {
                self.gather()?;
                self.recovery.batch(&batch.head, records)?;
            } else if let Err(error) = self.plan_batch(&batch.head, records) {
                // What came before may differ, too.
                self.gather()?;
                return Err(error);
            }
        }
        self.give();
        while self.under_way.len() >= CHUNKS_UNDER_WAY_MAX {
            self.settle_oldest()?;
        }
        Ok(())
    }

    fn plan_batch(
        &mut self,
        head: &BatchHead,
        records: &[StreamRecord],
    ) -> Result<(), RecoveryError> {
        for record in records {
            self.recovery.route(head, record)?;
        }
        for (matcher, job) in self.recovery.jobs.take() {
            self.plan.add(matcher, job);
        }
        if let Some(last) = self.plan.parts.last_mut() {
            last.ends = Some(*head);
        }
        Ok(())
    }

    /// Gives the matchers what is planned.
    fn give(&mut self) {
        if self.plan.parts.is_empty() {
            return;
        }
        self.crew.lend(&mut self.recovery.matchers);
        for (matcher, jobs) in &mut self.plan.jobs {
            self.crew.give(*matcher, std::mem::take(jobs));
        }
        self.under_way.push_back(std::mem::take(&mut self.plan));
    }

    /// Looks at what came of the oldest plan, batch by batch.
    fn settle_oldest(&mut self) -> Result<(), RecoveryError> {
        let Some(plan) = self.under_way.pop_front() else {
            return Ok(());
        };
        let mut done = Vec::with_capacity(plan.jobs.len());
        for (matcher, _) in plan.jobs {
            done.push((matcher, self.crew.done(matcher)?.into_iter()));
        }
        let mut events = 0;
        for Part { matcher, ends } in plan.parts {
            let of = done.iter_mut().find(|(its, _)| *its == matcher);
            let job = of.and_then(|(_, jobs)| jobs.next());
            let job = job.ok_or(RecoveryError::Stopped)?;
            events += self.recovery.settle(matcher, job)?;
            if let Some(head) = ends {
                self.recovery
                    .end_batch(&head, std::mem::take(&mut events))?;
            }
        }
        Ok(())
    }

    /// Waits until everything is done that was planned, and takes the matchers back.
    fn gather(&mut self) -> Result<(), RecoveryError> {
        self.give();
        while !self.under_way.is_empty() {
            self.settle_oldest()?;
        }
        self.crew.take_back(&mut self.recovery.matchers)
    }
}

impl Plan {
    fn add(&mut self, matcher: usize, job: Job) {
        self.parts.push(Part {
            matcher,
            ends: None,
        });
        match self.jobs.iter_mut().find(|(its, _)| *its == matcher) {
            Some((_, jobs)) => jobs.push(job),
            None => self.jobs.push((matcher, vec![job])),
        }
    }
}

/// Batches of the journal, read and decoded.
#[derive(Debug, Default)]
struct Chunk {
    records: Vec<StreamRecord>,
    batches: Vec<DecodedBatch>,
    /// Segments that were still to be read then.
    segments_left: usize,
}

#[derive(Debug)]
struct DecodedBatch {
    head: BatchHead,
    /// How many of the chunk's records are its.
    records: usize,
    /// Whether it is done between jobs.
    is_alone: bool,
}

impl Chunk {
    fn clear(&mut self) {
        self.records.clear();
        self.batches.clear();
    }

    /// Reads batches until there are enough. Gives whether there may be more.
    fn fill(&mut self, reader: &mut Reader) -> Result<bool, ReadError> {
        while self.records.len() < CHUNK_RECORDS && self.batches.len() < CHUNK_BATCHES_MAX {
            let before = self.records.len();
            let Some(head) = reader.next_batch(&mut self.records)? else {
                return Ok(false);
            };
            let records = &self.records[before..];
            self.batches.push(DecodedBatch {
                head,
                records: records.len(),
                is_alone: records.is_empty() || records.iter().any(is_alone),
            });
        }
        Ok(true)
    }
}

/// Whether a record's batch is done between jobs. Funding is not: it moves money, and that is done in order anyway.
const fn is_alone(record: &StreamRecord) -> bool {
    match &record.body {
        Body::Command { .. }
        | Body::Change { .. }
        | Body::SessionOpened(_)
        | Body::SessionCanceled { .. }
        | Body::Control {
            command:
                ControlCommand::Credit(_) | ControlCommand::Debit(_) | ControlCommand::Transfer(_),
            ..
        } => false,
        Body::Control { .. }
        | Body::Tenant { .. }
        | Body::StateHash(_)
        | Body::Balances(_)
        | Body::End { .. } => true,
    }
}

/// Reads batches before they are needed.
struct ReadsAhead {
    decoded: Sender<Chunk>,
    /// Emptied chunks come back here.
    used: Receiver<Chunk>,
}

impl ReadsAhead {
    /// Reads until the end, or until nobody wants more. What was read before an error is done before it is told.
    fn run(self, reader: &mut Reader) -> Result<(), ReadError> {
        loop {
            let mut chunk = self.used.try_recv().unwrap_or_default();
            let filled = chunk.fill(reader);
            chunk.segments_left = reader.segments_left();
            let is_wanted = self.decoded.send(chunk).is_ok();
            if !filled? || !is_wanted {
                return Ok(());
            }
        }
    }
}
