//! The recording of all streams: matchers put records down in memory, one thread writes them to a file.
//!
//! No sync is promised: what the system has not written yet is lost with the machine. What is in the
//! file is whole and in order; when something cannot be written, the recording has failed for good,
//! and no batch after that is published.
//!
//! Must never: make a matcher wait for a disk, or leave a record out and go on.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use souk_protocol::{MarketId, SessionId, TenantId};

use super::chain::seal;
use super::reader::FileHeader;
use super::record::{Body, StreamRecord, Verdict};
use crate::control::Effect;
use crate::handoff::{
    Admitted, Batch, MarketSeat, Numbered, Outcome, Record, Request, SeatConfig, Submission,
    TenantIndex, session_cancel,
};
use crate::storage::NewFile;
use souk_engine::Event;

/// Bytes that may wait for the file: seconds of the highest load.
pub const PENDING_BYTES_MAX: usize = 256 << 20;
/// Memory that is kept for the next time.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// How long the writer rests when nothing waits.
const REST: Duration = Duration::from_millis(1);

/// Why a recording has failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The file cannot be made.
    #[error(
        "cannot record to {}: {error}\nremedy: move an earlier recording away, or set another `record_to`", file.display()
    )]
    Create {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: String,
    },
    /// The file cannot be written.
    #[error(
        "cannot write to the recording {}: {error}\nremedy: make room, start again with a new file; what is in this one is whole", file.display()
    )]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: String,
    },
    /// The file is slower than the load.
    #[error(
        "the recording {} is too slow: {waiting} bytes wait, at most {max} may\nremedy: use a faster disk, or lower the load", file.display()
    )]
    TooSlow {
        /// The file.
        file: PathBuf,
        /// Bytes that wait.
        waiting: usize,
        /// Bytes that may.
        max: usize,
    },
}

/// A recording that goes on, shared by all who add to it.
#[derive(Clone, Debug)]
pub struct Recording {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    file: PathBuf,
    pending: Mutex<Pending>,
    pending_max: usize,
    failed: AtomicBool,
    failure: OnceLock<RecordingError>,
}

#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    closed: bool,
}

/// Writes what waits to the file.
#[derive(Debug)]
pub struct RecordingWriter<W> {
    shared: Arc<Shared>,
    file: W,
    checksum: u64,
}

impl Recording {
    /// A recording into a new file.
    ///
    /// # Errors
    /// When the file exists, or cannot be made.
    pub fn create(
        path: &Path,
        header: &FileHeader,
    ) -> Result<(Self, RecordingWriter<NewFile>), RecordingError> {
        let create = |error: std::io::Error| RecordingError::Create {
            file: path.to_owned(),
            error: error.to_string(),
        };
        let file = NewFile::create(path).map_err(create)?;
        Self::new(file, path, header, PENDING_BYTES_MAX).map_err(create)
    }

    /// A recording into `file`, which errors call `path`.
    ///
    /// # Errors
    /// When the header cannot be written.
    pub fn new<W: Write>(
        mut file: W,
        path: &Path,
        header: &FileHeader,
        pending_max: usize,
    ) -> std::io::Result<(Self, RecordingWriter<W>)> {
        let (bytes, checksum) = header.write();
        file.write_all(&bytes)?;
        let shared = Arc::new(Shared {
            file: path.to_owned(),
            pending: Mutex::default(),
            pending_max,
            failed: AtomicBool::new(false),
            failure: OnceLock::new(),
        });
        let writer = RecordingWriter {
            shared: Arc::clone(&shared),
            file,
            checksum,
        };
        Ok((Self { shared }, writer))
    }

    /// Adds whole records, in order, after everything that was added before.
    ///
    /// # Errors
    /// When the recording has failed, now or before.
    pub fn add(&self, records: &[u8]) -> Result<(), RecordingError> {
        self.failure()?;
        let mut pending = self.shared.lock();
        let waiting = pending.bytes.len() + records.len();
        if waiting > self.shared.pending_max {
            drop(pending);
            let max = self.shared.pending_max;
            let file = self.shared.file.clone();
            return Err(self
                .shared
                .fail(RecordingError::TooSlow { file, waiting, max }));
        }
        pending.bytes.extend_from_slice(records);
        Ok(())
    }

    /// Adds whole records as [`Self::add`] does, and waits for room: for who may wait.
    ///
    /// # Errors
    /// When the recording has failed.
    pub fn add_when_there_is_room(&self, records: &[u8]) -> Result<(), RecordingError> {
        while self.shared.lock().bytes.len() + records.len() > self.shared.pending_max {
            self.failure()?;
            std::thread::sleep(REST);
        }
        self.add(records)
    }

    /// Ends the recording: the writer ends when everything is written.
    pub fn close(&self) {
        self.shared.lock().closed = true;
    }

    /// Whether it goes on.
    ///
    /// # Errors
    /// Why it has failed.
    #[inline]
    pub fn failure(&self) -> Result<(), RecordingError> {
        if !self.shared.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.shared.failure.get().cloned().map_or(Ok(()), Err)
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first failure counts, and is logged.
    fn fail(&self, error: RecordingError) -> RecordingError {
        if self.failure.set(error.clone()).is_ok() {
            tracing::error!(%error, "the recording has failed: nothing is answered any more");
        }
        self.failed.store(true, Ordering::Release);
        self.failure.get().cloned().unwrap_or(error)
    }
}

impl<W: Write> RecordingWriter<W> {
    /// Writes until the recording is closed, or a write fails.
    pub fn run(mut self) {
        let mut bytes = Vec::new();
        while self.write_once(&mut bytes) {}
    }

    /// Gives whether there may be more.
    fn write_once(&mut self, bytes: &mut Vec<u8>) -> bool {
        let mut pending = self.shared.lock();
        std::mem::swap(&mut pending.bytes, bytes);
        let closed = pending.closed;
        drop(pending);
        if bytes.is_empty() {
            if !closed {
                std::thread::sleep(REST);
            }
            return !closed;
        }
        self.checksum = seal(bytes, self.checksum);
        if let Err(error) = self.file.write_all(bytes) {
            let error = error.to_string();
            let file = self.shared.file.clone();
            self.shared.fail(RecordingError::Write { file, error });
            return false;
        }
        bytes.clear();
        bytes.shrink_to(KEPT_BYTES_MAX);
        true
    }
}

/// What a matcher's journal adds to the recording: the records of its seats' streams.
#[derive(Debug)]
pub struct StreamRecorder {
    recording: Recording,
    tenants: Arc<[TenantId]>,
    /// By seat.
    streams: Vec<(TenantId, MarketId)>,
    bytes: Vec<u8>,
}

impl StreamRecorder {
    /// For a matcher with these seats. `tenants` are the tenants' ids by index.
    #[must_use]
    pub fn new(recording: Recording, tenants: Arc<[TenantId]>, seats: &[SeatConfig]) -> Self {
        let mut recorder = Self {
            recording,
            tenants,
            streams: Vec::new(),
            bytes: Vec::new(),
        };
        for seat in seats {
            match seat {
                SeatConfig::Market(seat) => recorder.open(seat),
                SeatConfig::Control(seat) => recorder.push(seat.tenant, MarketId(0)),
            }
        }
        recorder
    }

    fn open(&mut self, seat: &MarketSeat) {
        self.push(seat.tenant, seat.market);
    }

    fn push(&mut self, tenant: TenantIndex, market: MarketId) {
        self.streams.push((self.tenants[tenant.0 as usize], market));
    }

    /// Adds what a batch did to its streams.
    ///
    /// # Errors
    /// When the recording has failed: the batch must not be published.
    pub fn record(&mut self, batch: &Batch) -> Result<(), RecordingError> {
        self.recording.failure()?;
        let mut events = batch.events.as_slice();
        for record in &batch.records {
            let (own, others) = events.split_at(record.outcome.events());
            events = others;
            self.write(batch, record, own);
        }
        if self.bytes.is_empty() {
            return Ok(());
        }
        let added = self.recording.add(&self.bytes);
        self.bytes.clear();
        added
    }

    fn write(&mut self, batch: &Batch, record: &Record, events: &[Event]) {
        let (link, item) = batch.asked(record);
        let refused = match events.first() {
            Some(Event::Rejected(reason)) => Some(*reason),
            _ => None,
        };
        let body = match (&item.request, &record.outcome) {
            (Request::Open(seat), _) => return self.open(seat),
            (Request::Command(numbered), Outcome::Applied { admitted, .. }) => Body::Command {
                numbered: *numbered,
                admitted: *admitted,
                refused,
            },
            (Request::CancelSession { session, .. }, Outcome::SessionCanceled { account, .. }) => {
                Body::Command {
                    numbered: Numbered::unasked(session_cancel(*session, *account)),
                    admitted: Admitted::default(),
                    refused,
                }
            }
            (Request::Change(change), Outcome::Changed { .. }) => Body::Change {
                change: *change,
                refused,
            },
            (Request::Control(request), Outcome::Controlled(result)) => Body::Control {
                command: request.command,
                verdict: match result {
                    Ok(Effect::Repeated { .. }) => Verdict::Repeated,
                    Ok(_) => Verdict::Applied,
                    Err(reason) => Verdict::Refused(*reason),
                },
            },
            // Nothing of a stream's state.
            _ => return,
        };
        let (tenant, market) = self.streams[item.seat.0 as usize];
        let record = StreamRecord {
            tenant,
            market,
            stream_seq: record.stream_seq,
            transact_time: batch.transact_time,
            session: link.session,
            body,
        };
        record.write(&mut self.bytes);
    }

    /// Ends the connections of a batch that is not published.
    pub fn refuse(submissions: &[Submission]) {
        for submission in submissions {
            let reason = souk_protocol::RejectReason::ServerDraining;
            submission.link.end(reason);
        }
    }
}

/// Records that a stream begins with.
pub(crate) fn founding(tenant: TenantId, stream_seq: u64, body: Body) -> StreamRecord {
    StreamRecord {
        tenant,
        market: MarketId(0),
        stream_seq,
        transact_time: 0,
        session: SessionId(0),
        body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Control, ControlCommand, Custody};
    use crate::handoff::{
        ControlRequest, ControlSeat, Item, Lane, Link, RequestOrigin, Seat, SessionTerms,
        TakesBatches,
    };
    use crate::journal::MemoryJournal;
    use souk_protocol::message::SetMarketState;
    use souk_protocol::{MarketState, RejectReason, Reserved};

    /// Counts the batches that are published.
    struct Published(Arc<Mutex<u32>>);

    impl TakesBatches for Published {
        fn take(&mut self, _: &mut Batch) {
            *self.0.lock().expect("nobody panics") += 1;
        }
    }

    fn batch() -> Batch {
        let command = ControlCommand::SetMarketState(SetMarketState {
            request_id: 1,
            market: MarketId(1),
            state: MarketState::Halted,
            reserved: Reserved,
        });
        let origin = RequestOrigin {
            request_id: 1,
            template: SetMarketState::TEMPLATE,
        };
        let request = Request::Control(Box::new(ControlRequest {
            origin,
            command,
            permit: None,
        }));
        let seat = Seat(0);
        Batch {
            submissions: vec![Submission {
                tenant: TenantIndex(0),
                link: Arc::new(Link::new(SessionId(1), SessionTerms::plain(1), 1, 1)),
                lane: Lane::Orders,
                items: vec![Item { seat, request }],
            }],
            records: vec![Record {
                submission: 0,
                item: 0,
                stream_seq: 0,
                outcome: Outcome::Controlled(Err(RejectReason::UnknownMarket)),
            }],
            events: Vec::new(),
            transact_time: 1,
        }
    }

    #[test]
    fn what_cannot_be_recorded_is_not_published_and_its_connection_ends() {
        let header = FileHeader {
            cluster_id: 1,
            begun: 1,
        };
        // Room for one record of 80 bytes.
        let made = Recording::new(Vec::new(), Path::new("streams.rec"), &header, 100);
        let (recording, _writer) = made.expect("memory takes a header");
        let seat = SeatConfig::Control(ControlSeat {
            tenant: TenantIndex(0),
            control: Control::new(Custody::Internal),
        });
        let recorder = StreamRecorder::new(recording, Arc::new([TenantId(1)]), &[seat]);
        let published = Arc::new(Mutex::new(0));
        let publisher = Published(Arc::clone(&published));
        let mut journal = MemoryJournal::new(publisher, Some(recorder));
        let endings = [
            None,
            Some(RejectReason::ServerDraining),
            Some(RejectReason::ServerDraining),
        ];
        for ending in endings {
            let mut batch = batch();
            journal.take(&mut batch);
            assert_eq!(batch.submissions[0].link.ending(), ending);
        }
        assert_eq!(*published.lock().expect("nobody panics"), 1);
    }
}
