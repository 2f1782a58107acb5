//! The journal's thread: takes all batches that wait, writes them as one group, syncs once, and says so. While one group
//! is synced the next one fills, so a batch waits for one sync under way and its own, never for more.
//!
//! Must never: say "durable" before the sync has returned, ask for a failed sync again, or leave a batch out and go on.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::Notify;

use super::bytes::u32_at;
use super::entry::number;
use super::group::{ChainEnd, GROUP_HEADER_LEN, blocks_of, seal};
use super::segment::{self, SegmentHead};
use crate::clock;
use crate::storage::{AlignedBuffer, BLOCK, CommitStrategy, Disk, DiskFile};

/// Bytes that may wait for a sync before matchers apply nothing more.
const PENDING_BYTES_MAX: usize = 8 << 20;
/// Memory that is kept for the next group.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Why a journal cannot go on. Nothing that is not durable is ever answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A group could not be written or synced.
    #[error(
        "cannot write the journal {}: {error}\nremedy: mend the disk or make room, and start again: everything acknowledged is in the journal", file.display()
    )]
    Write {
        /// The segment.
        file: PathBuf,
        /// What the system said.
        error: String,
    },
    /// The next segment could not be made.
    #[error(
        "cannot make the journal's next segment in {}: {error}\nremedy: make room, and start again: everything acknowledged is in the journal", folder.display()
    )]
    Segment {
        /// The journal's folder.
        folder: PathBuf,
        /// What the system said.
        error: String,
    },
}

/// Where and how a journal is written.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// The folder of the segments.
    pub folder: PathBuf,
    /// The cluster of the node.
    pub cluster_id: u64,
    /// Bytes of a segment, a multiple of [`BLOCK`].
    pub segment_bytes: u64,
    /// How groups come to be durable.
    pub strategy: CommitStrategy,
}

/// What can be told when something is durable.
#[derive(Clone, Debug)]
pub enum Wake {
    /// A matcher on a gateway's thread.
    Task(Arc<Notify>),
    /// A matcher's own thread.
    Thread(Sender<()>),
}

impl Wake {
    fn wake(&self) {
        match self {
            Self::Task(notify) => notify.notify_one(),
            // Full: it has been woken and has not looked yet.
            Self::Thread(sender) => drop(sender.try_send(())),
        }
    }
}

/// What the journal's thread did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalCounts {
    /// Groups, each with one sync.
    pub groups: u64,
    /// Batches in them.
    pub batches: u64,
    /// Bytes of batches and headers, without what fills blocks.
    pub bytes: u64,
}

/// A journal that is written, as all who add to it share it.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pending: Mutex<Pending>,
    /// Told when something waits and the thread rests.
    something: Condvar,
    /// The highest ticket that is durable.
    durable: AtomicU64,
    failed: AtomicBool,
    failure: OnceLock<JournalError>,
    groups: AtomicU64,
    batches: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    /// What the bytes that wait now get when they are taken.
    ticket: u64,
    /// The number of the next batch.
    batch: u64,
    resting: bool,
    closed: bool,
}

/// Says when what was appended is durable: see [`Journal::durable`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

impl Journal {
    /// A journal that goes on at `end` in a new segment `first_segment`, and its thread's part.
    ///
    /// # Errors
    /// When the segment cannot be made.
    pub fn begin(
        disk: Arc<dyn Disk>,
        options: JournalOptions,
        first_segment: u64,
        end: ChainEnd,
    ) -> Result<(Self, JournalWriter), JournalError> {
        let shared = Arc::new(Shared {
            pending: Mutex::new(Pending {
                ticket: 1,
                batch: end.batch,
                ..Pending::default()
            }),
            something: Condvar::new(),
            durable: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            failure: OnceLock::new(),
            groups: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        });
        let len = options.segment_bytes;
        let made = segment::make(
            disk.as_ref(),
            &options.folder,
            first_segment,
            len,
            options.strategy,
        );
        let file = made.map_err(|error| JournalError::Segment {
            folder: options.folder.clone(),
            error: error.to_string(),
        })?;
        let writer = JournalWriter {
            shared: Arc::clone(&shared),
            disk,
            segment: OpenSegment {
                number: first_segment,
                file,
                at: 0,
            },
            options,
            end,
            wakes: Vec::new(),
            buffer: AlignedBuffer::default(),
        };
        Ok((Self { shared }, writer))
    }

    /// Adds a whole batch after everything that was added before.
    ///
    /// # Errors
    /// When the journal has failed.
    pub fn append(&self, batch: &mut [u8]) -> Result<Ticket, JournalError> {
        self.failure()?;
        let mut pending = self.shared.lock();
        number(batch, pending.batch);
        pending.batch += 1;
        pending.bytes.extend_from_slice(batch);
        let ticket = Ticket(pending.ticket);
        if pending.resting {
            pending.resting = false;
            drop(pending);
            self.shared.something.notify_one();
        }
        Ok(ticket)
    }

    /// The last ticket whose batches are durable, and all before it.
    #[inline]
    #[must_use]
    pub fn durable(&self) -> Ticket {
        Ticket(self.shared.durable.load(Ordering::Acquire))
    }

    /// Whether more may be appended without letting too much wait.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.shared.lock().bytes.len() < PENDING_BYTES_MAX
    }

    /// Ends the journal: its thread ends when everything is written.
    pub fn close(&self) {
        let mut pending = self.shared.lock();
        pending.closed = true;
        pending.resting = false;
        drop(pending);
        self.shared.something.notify_one();
    }

    /// Whether it goes on.
    ///
    /// # Errors
    /// Why it has failed.
    #[inline]
    pub fn failure(&self) -> Result<(), JournalError> {
        if !self.shared.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.shared.failure.get().cloned().map_or(Ok(()), Err)
    }

    /// What has been written so far.
    #[must_use]
    pub fn counts(&self) -> JournalCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        JournalCounts {
            groups: read(&self.shared.groups),
            batches: read(&self.shared.batches),
            bytes: read(&self.shared.bytes),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct OpenSegment {
    number: u64,
    file: Box<dyn DiskFile>,
    /// Where the next group goes; 0 while the header is not written.
    at: u64,
}

type Prepared = std::io::Result<(u64, Box<dyn DiskFile>)>;

/// Writes what waits.
#[derive(Debug)]
pub struct JournalWriter {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    options: JournalOptions,
    segment: OpenSegment,
    end: ChainEnd,
    wakes: Vec<Wake>,
    buffer: AlignedBuffer,
}

impl JournalWriter {
    /// Whom to tell of each sync, and of a failure.
    pub fn wakes(&mut self, wake: Wake) {
        self.wakes.push(wake);
    }

    /// Writes until the journal is closed, or something fails. The next segment is made by a thread of its own.
    pub fn run(mut self) {
        let (made, prepared) = bounded(0);
        let (disk, options) = (Arc::clone(&self.disk), self.options.clone());
        let first = self.segment.number + 1;
        std::thread::scope(|scope| {
            // It ends when nobody takes from it any more.
            let maker = std::thread::Builder::new().name("souk-segments".to_owned());
            let make = move || make_segments(disk.as_ref(), &options, first, &made);
            if let Err(error) = maker.spawn_scoped(scope, make) {
                let folder = self.options.folder.clone();
                let error = error.to_string();
                return self.fail(JournalError::Segment { folder, error });
            }
            // Dropped before the scope ends, which waits for the maker.
            let prepared = prepared;
            let mut taken = Vec::new();
            while let Some(ticket) = self.take(&mut taken) {
                if let Err(error) = self.write_all(&taken, &prepared) {
                    return self.fail(error);
                }
                taken.clear();
                taken.shrink_to(KEPT_BYTES_MAX);
                self.shared.durable.store(ticket, Ordering::Release);
                self.wakes.iter().for_each(Wake::wake);
            }
        });
    }

    /// Waits for bytes; nothing when the journal is closed.
    fn take(&self, taken: &mut Vec<u8>) -> Option<u64> {
        let mut pending = self.shared.lock();
        while pending.bytes.is_empty() {
            if pending.closed {
                return None;
            }
            pending.resting = true;
            let waited = self.shared.something.wait(pending);
            pending = waited.unwrap_or_else(PoisonError::into_inner);
        }
        pending.resting = false;
        std::mem::swap(&mut pending.bytes, taken);
        let ticket = pending.ticket;
        pending.ticket += 1;
        Some(ticket)
    }

    /// Writes whole batches as one group, or as a few if they are many.
    fn write_all(
        &mut self,
        batches: &[u8],
        prepared: &Receiver<Prepared>,
    ) -> Result<(), JournalError> {
        // Half a segment, so that any group fits one.
        let group_max = (self.options.segment_bytes / 2) as usize;
        let (mut rest, mut from) = (batches, 0);
        let mut count = 0;
        while from < rest.len() {
            let len = u32_at(rest, from) as usize;
            if from > 0 && from + len > group_max {
                self.write_group(&rest[..from], count, prepared)?;
                (rest, from, count) = (&rest[from..], 0, 0);
            }
            from += len;
            count += 1;
        }
        self.write_group(rest, count, prepared)
    }

    fn write_group(
        &mut self,
        batches: &[u8],
        count: u32,
        prepared: &Receiver<Prepared>,
    ) -> Result<(), JournalError> {
        let len = GROUP_HEADER_LEN + batches.len();
        let blocks = blocks_of(len);
        if self.segment.at + blocks as u64 > self.options.segment_bytes {
            self.next_segment(prepared)?;
        }
        let head = if self.segment.at == 0 { BLOCK } else { 0 };
        let out = self.buffer.reset(head + blocks);
        if head > 0 {
            let segment = SegmentHead {
                cluster_id: self.options.cluster_id,
                number: self.segment.number,
                start: self.end,
                begun: clock::wall_ns(),
            };
            segment.write(&mut out[..BLOCK]);
        }
        let group = &mut out[head..head + len];
        group[GROUP_HEADER_LEN..].copy_from_slice(batches);
        let checksum = seal(group, self.end, count);
        let OpenSegment { number, file, at } = &mut self.segment;
        let written = file.write_at(self.buffer.bytes(), *at);
        written
            .and_then(|()| file.sync())
            .map_err(|error| JournalError::Write {
                file: segment::path(&self.options.folder, *number),
                error: error.to_string(),
            })?;
        *at += (head + blocks) as u64;
        self.end = ChainEnd {
            group: self.end.group + 1,
            batch: self.end.batch + u64::from(count),
            checksum,
        };
        self.shared.groups.fetch_add(1, Ordering::Relaxed);
        self.shared
            .batches
            .fetch_add(count.into(), Ordering::Relaxed);
        self.shared.bytes.fetch_add(len as u64, Ordering::Relaxed);
        Ok(())
    }

    fn next_segment(&mut self, prepared: &Receiver<Prepared>) -> Result<(), JournalError> {
        let made = prepared.recv().unwrap_or_else(|_| {
            Err(std::io::Error::other(
                "the thread that makes segments ended",
            ))
        });
        let (number, file) = made.map_err(|error| JournalError::Segment {
            folder: self.options.folder.clone(),
            error: error.to_string(),
        })?;
        self.segment = OpenSegment {
            number,
            file,
            at: 0,
        };
        Ok(())
    }

    /// The first failure counts. Everybody who waits is told, and finds that it failed.
    fn fail(&self, error: JournalError) {
        tracing::error!(%error, "the journal has failed: nothing is answered any more");
        let _ = self.shared.failure.set(error);
        self.shared.failed.store(true, Ordering::Release);
        self.wakes.iter().for_each(Wake::wake);
    }
}

/// Makes one segment after another, each before it is needed.
fn make_segments(disk: &dyn Disk, options: &JournalOptions, first: u64, made: &Sender<Prepared>) {
    for number in first.. {
        let file = segment::make(
            disk,
            &options.folder,
            number,
            options.segment_bytes,
            options.strategy,
        );
        let failed = file.is_err();
        let made = made.send(file.map(|file| (number, file)));
        if failed || made.is_err() {
            return;
        }
    }
}

/// How often somebody who may wait looks whether something is durable.
const LOOK_AGAIN: Duration = Duration::from_micros(200);

impl Journal {
    /// Waits until what was appended is durable: for who may wait.
    ///
    /// # Errors
    /// When the journal has failed.
    pub fn wait_for(&self, ticket: Ticket) -> Result<(), JournalError> {
        while self.durable() < ticket {
            self.failure()?;
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}
