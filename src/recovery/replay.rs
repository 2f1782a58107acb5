//! Does a journal again, batch by batch, and compares.

use std::sync::atomic::Ordering;

use crossbeam_channel::{Receiver, Sender, bounded};
use souk_protocol::SessionId;

use super::{Progress, Recovery, RecoveryError};
use crate::directory::Route;
use crate::handoff::{ControlRequest, Item, Recorded, Request, RequestOrigin, TenantIndex};
use crate::journal::{BatchHead, Body, ReadError, Reader, StreamRecord};
use crate::matcher::ReplayItem;

/// Batches that are decoded before they are done again.
const DECODED_BATCHES_MAX: usize = 256;

impl Recovery {
    /// Does again everything that the journal says. What comes next is read and decoded on a thread of its own meanwhile.
    pub(super) fn replay(
        &mut self,
        mut reader: Reader,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), RecoveryError> {
        let (decoded_in, decoded) = bounded::<Decoded>(DECODED_BATCHES_MAX);
        let (spare, used) = bounded::<Vec<StreamRecord>>(DECODED_BATCHES_MAX);
        let segments = reader.segments_left();
        std::thread::scope(|scope| {
            let reading = scope.spawn(move || {
                let ahead = ReadsAhead {
                    decoded: decoded_in,
                    used,
                };
                ahead.run(&mut reader).map(|()| reader.end())
            });
            // Dropped before the thread is waited for, so that it ends after a difference, too.
            let replayed = self.replay_decoded(decoded, spare, segments, progress);
            let read = reading.join();
            replayed?;
            let end = read.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            self.recovered.end = Some(end);
            Ok(())
        })
    }

    fn replay_decoded(
        &mut self,
        decoded: Receiver<Decoded>,
        spare: Sender<Vec<StreamRecord>>,
        segments: usize,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), RecoveryError> {
        for Decoded {
            head,
            mut records,
            segments_left,
        } in decoded
        {
            self.batch(&head, &records)?;
            records.clear();
            // A full pool lets the vector go.
            let _ = spare.try_send(records);
            if self
                .stop
                .as_ref()
                .is_some_and(|stop| stop.load(Ordering::Relaxed))
            {
                return Err(RecoveryError::Stopped);
            }
            if head.number.is_multiple_of(1_024) {
                progress(Progress {
                    records: self.recovered.records,
                    segments_read: segments - segments_left,
                    segments,
                });
            }
        }
        Ok(())
    }

    /// Does one batch again.
    pub(crate) fn batch(
        &mut self,
        head: &BatchHead,
        records: &[StreamRecord],
    ) -> Result<(), RecoveryError> {
        let mut run = Run::default();
        let mut touched = Touched::default();
        for record in records {
            match &record.body {
                Body::Tenant { custody, name } => {
                    self.check_tenant(record.tenant, *custody, name.as_str())?;
                }
                Body::StateHash(hash) => {
                    self.end_run(&mut run, &mut touched)?;
                    self.compare_hash(record, *hash)?;
                }
                Body::Balances(lines) => self.compare_balances(record, lines)?,
                Body::End { .. } => {}
                Body::Command { .. }
                | Body::Change { .. }
                | Body::Control { .. }
                | Body::SessionOpened(_)
                | Body::SessionCanceled { .. } => {
                    let (tenant, route) = self.streams.find(record)?;
                    if run.is_other(route, record.session) {
                        self.end_run(&mut run, &mut touched)?;
                        run.begin(tenant, route, record.session);
                    }
                    run.items.push(self.item(route, record)?);
                }
            }
        }
        self.end_run(&mut run, &mut touched)?;
        let mut events = 0;
        for matcher in touched.matchers {
            events += self.matchers[matcher].end_replayed(head.transact_time);
        }
        if events != head.events as usize {
            return Err(RecoveryError::Events {
                batch: head.number,
                replayed: events as u64,
                recorded: head.events.into(),
            });
        }
        self.recovered.records += u64::from(head.entries);
        self.recovered.batches += 1;
        self.carry_out_tasks()
    }

    fn end_run(&mut self, run: &mut Run, touched: &mut Touched) -> Result<(), RecoveryError> {
        if run.items.is_empty() {
            return Ok(());
        }
        let (Some(route), items) = (run.route, std::mem::take(&mut run.items)) else {
            return Ok(());
        };
        touched.add(route.matcher);
        let link = self.streams.link(run.session);
        let matcher = &mut self.matchers[route.matcher];
        matcher
            .replay(run.tenant, &link, items)
            .map_err(|difference| {
                let (tenant, market) = self.streams.name(route.matcher, difference.seat);
                RecoveryError::Difference {
                    tenant,
                    market,
                    stream_seq: difference.stream_seq,
                    what: difference.to_string(),
                }
            })
    }

    /// The request that a record tells of.
    fn item(&mut self, route: Route, record: &StreamRecord) -> Result<ReplayItem, RecoveryError> {
        let (request, recorded) = match &record.body {
            Body::Command {
                numbered,
                admitted,
                refused,
            } => (
                Request::Command(*numbered),
                Recorded::Applied {
                    admitted: *admitted,
                    refused: *refused,
                },
            ),
            Body::Change { change, refused } => {
                self.streams.carried(record, change)?;
                (Request::Change(*change), Recorded::Changed(*refused))
            }
            // A session asks for something when it is opened; what that was is nothing of the stream's.
            Body::SessionOpened(terms) => (Request::Join, Recorded::Opened(*terms)),
            Body::SessionCanceled { account, refused } => {
                let request = Request::CancelSession {
                    session: record.session,
                    incarnation: u64::MAX,
                };
                let (account, refused) = (*account, *refused);
                (request, Recorded::SessionCanceled { account, refused })
            }
            Body::Control { command, verdict } => {
                let request = ControlRequest {
                    origin: RequestOrigin {
                        request_id: 0,
                        template: 0,
                    },
                    command: *command,
                    permit: None,
                };
                let recorded = Recorded::Controlled(*verdict);
                (Request::Control(Box::new(request)), recorded)
            }
            _ => unreachable!("these ask for nothing"),
        };
        let seat = route.seat;
        Ok(ReplayItem {
            item: Item { seat, request },
            stream_seq: record.stream_seq,
            recorded,
        })
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
}

/// A batch of the journal, read and decoded.
struct Decoded {
    head: BatchHead,
    records: Vec<StreamRecord>,
    /// Segments that were still to be read then.
    segments_left: usize,
}

/// Reads batches before they are needed.
struct ReadsAhead {
    decoded: Sender<Decoded>,
    /// Emptied vectors come back here.
    used: Receiver<Vec<StreamRecord>>,
}

impl ReadsAhead {
    /// Reads until the end, or until nobody wants more.
    fn run(self, reader: &mut Reader) -> Result<(), ReadError> {
        loop {
            let mut records = self.used.try_recv().unwrap_or_default();
            let Some(head) = reader.next_batch(&mut records)? else {
                return Ok(());
            };
            let segments_left = reader.segments_left();
            let batch = Decoded {
                head,
                records,
                segments_left,
            };
            if self.decoded.send(batch).is_err() {
                return Ok(());
            }
        }
    }
}

/// Requests of one session to one matcher, in a row.
#[derive(Default)]
struct Run {
    tenant: TenantIndex,
    route: Option<Route>,
    session: SessionId,
    items: Vec<ReplayItem>,
}

impl Run {
    fn is_other(&self, route: Route, session: SessionId) -> bool {
        let matcher = self.route.map(|route| route.matcher);
        matcher != Some(route.matcher) || self.session != session
    }

    const fn begin(&mut self, tenant: TenantIndex, route: Route, session: SessionId) {
        self.tenant = tenant;
        self.route = Some(route);
        self.session = session;
    }
}

/// The matchers that a batch is for.
#[derive(Default)]
struct Touched {
    matchers: Vec<usize>,
}

impl Touched {
    fn add(&mut self, matcher: usize) {
        if !self.matchers.contains(&matcher) {
            self.matchers.push(matcher);
        }
    }
}
