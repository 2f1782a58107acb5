//! The journal's thread: takes the batches that wait, up to a group's length, writes them as one group, syncs once, and says
//! so. While one group is synced the next ones fill, so a batch waits for one sync under way and its own; for more only
//! when more waits than a group takes.
//!
//! Must never: say "durable" before the sync has returned, ask for a failed sync again, or leave a batch out and go on.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crossbeam_channel::Sender;
use tokio::sync::Notify;

use super::entry::number;
use crate::clock;
use crate::lease::Deadline;
use crate::metrics::{Distribution, Histogram};

/// Bytes that may wait for a sync before matchers apply nothing more.
const PENDING_BYTES_MAX: usize = 8 << 20;
/// Memory that is kept for a later group.
const KEPT_BYTES_MAX: usize = 4 << 20;
/// Groups whose memory is kept.
const KEPT_GROUPS_MAX: usize = 4;

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
    /// Another process has ended this one's log: it took this one for dead, or has its name.
    #[error(
        "log {log} of the database is sealed: row {row} was refused, because another process has taken this one's tenants over\nremedy: start again; everything acknowledged is in the log"
    )]
    Fenced {
        /// The log.
        log: u64,
        /// The row that was not added.
        row: u64,
    },
    /// The database does not take the log's rows.
    #[error(
        "cannot add to log {log} of the database: {error}\nremedy: mend the database, and start again: everything acknowledged is in the log"
    )]
    Database {
        /// The log.
        log: u64,
        /// What was said.
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

/// Where groups become durable.
pub trait GroupStore: Send {
    /// The length in bytes up to which batches make one group; a longer batch is a group of its own.
    fn batches_len_max(&self) -> usize;

    /// Makes `count` batches durable as one group. Gives its bytes, the header included.
    ///
    /// # Errors
    /// What failed. Nothing is written after that.
    fn write(&mut self, batches: &[u8], count: u32) -> Result<usize, JournalError>;
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
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Task(own), Self::Task(other)) => Arc::ptr_eq(own, other),
            (Self::Thread(own), Self::Thread(other)) => own.same_channel(other),
            _ => false,
        }
    }

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

/// What was appended and is not durable yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalLag {
    /// Batches.
    pub batches: u64,
    /// Their bytes.
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
    /// Bytes of batches that make a group.
    group_bytes_max: usize,
    /// Told when something waits and the thread rests.
    something: Condvar,
    /// The highest ticket that is durable.
    durable: AtomicU64,
    /// The number of the first batch that is not.
    durable_until: AtomicU64,
    /// Until when something may be taken and told; none: always.
    lease: Option<Arc<Deadline>>,
    /// Whom to tell.
    wakes: Mutex<Vec<Wake>>,
    failed: AtomicBool,
    failure: OnceLock<JournalError>,
    groups: AtomicU64,
    batches: AtomicU64,
    bytes: AtomicU64,
    /// Bytes of batches that are durable, without headers.
    batch_bytes: AtomicU64,
    /// How long groups took to become durable. The journal's thread writes.
    syncs: Histogram,
}

#[derive(Debug, Default)]
struct Pending {
    /// What waits, the oldest first; the last one still fills.
    groups: VecDeque<Group>,
    /// Bytes of batches in them.
    bytes: usize,
    /// The ticket of the newest group there was.
    ticket: u64,
    /// Memory of groups that were written.
    spare: Vec<Vec<u8>>,
    /// The number of the next batch.
    batch: u64,
    /// Batches that were appended, and their bytes.
    appended: JournalLag,
    resting: bool,
    closed: bool,
}

/// Batches that become durable together.
#[derive(Debug)]
struct Group {
    bytes: Vec<u8>,
    batches: u32,
    ticket: u64,
    /// The number of the first batch that is not in it.
    until: u64,
}

impl Pending {
    /// Adds a numbered batch. Gives the ticket of its group.
    fn add(&mut self, batch: &[u8], group_bytes_max: usize) -> Ticket {
        let fits = |last: &Group| last.bytes.len() + batch.len() <= group_bytes_max;
        if !self.groups.back().is_some_and(fits) {
            self.ticket += 1;
            self.groups.push_back(Group {
                bytes: self.spare.pop().unwrap_or_default(),
                batches: 0,
                ticket: self.ticket,
                until: 0,
            });
        }
        let group = self.groups.back_mut().expect("one that fills");
        group.bytes.extend_from_slice(batch);
        group.batches += 1;
        group.until = self.batch;
        self.bytes += batch.len();
        Ticket(group.ticket)
    }
}

/// Says when what was appended is durable: see [`Journal::durable`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

impl Journal {
    /// A journal whose groups go to `store`, and its thread's part. The first batch is number `first_batch`.
    #[must_use]
    pub fn new<S: GroupStore>(store: S, first_batch: u64) -> (Self, JournalWriter<S>) {
        Self::under(None, store, first_batch)
    }

    /// [`Self::new`], of a node that takes and tells something only as long as its lease holds.
    #[must_use]
    pub fn under<S: GroupStore>(
        lease: Option<Arc<Deadline>>,
        store: S,
        first_batch: u64,
    ) -> (Self, JournalWriter<S>) {
        let shared = Arc::new(Shared {
            pending: Mutex::new(Pending {
                batch: first_batch,
                ..Pending::default()
            }),
            group_bytes_max: store.batches_len_max(),
            something: Condvar::new(),
            durable: AtomicU64::new(0),
            durable_until: AtomicU64::new(first_batch),
            lease,
            wakes: Mutex::default(),
            failed: AtomicBool::new(false),
            failure: OnceLock::new(),
            groups: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            batch_bytes: AtomicU64::new(0),
            syncs: Histogram::default(),
        });
        let writer = JournalWriter {
            shared: Arc::clone(&shared),
            store,
        };
        (Self { shared }, writer)
    }

    /// Whom to tell of each group that is durable, and of a failure.
    pub fn wakes(&self, wake: Wake) {
        self.shared.wakes().push(wake);
    }

    /// Whom to tell no more.
    pub fn forget(&self, wake: &Wake) {
        self.shared.wakes().retain(|known| !known.is(wake));
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
        pending.appended.batches += 1;
        pending.appended.bytes += batch.len() as u64;
        let ticket = pending.add(batch, self.shared.group_bytes_max);
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

    /// The number of the first batch that is not durable: what is before it may be read from the store.
    #[must_use]
    pub fn durable_until(&self) -> u64 {
        self.shared.durable_until.load(Ordering::Acquire)
    }

    /// Whether more may be appended: the lease holds, and not too much waits. A journal that has failed takes everything,
    /// and refuses it.
    #[must_use]
    pub fn has_room(&self) -> bool {
        if self.failure().is_err() {
            return true;
        }
        self.is_leased() && self.shared.lock().bytes < PENDING_BYTES_MAX
    }

    /// Whether the node may take and tell something now.
    #[inline]
    #[must_use]
    pub fn is_leased(&self) -> bool {
        let lease = self.shared.lease.as_ref();
        lease.is_none_or(|lease| lease.holds(clock::boottime()))
    }

    /// Ends the journal as a failed one: nothing is answered any more.
    pub fn give_up(&self, error: JournalError) {
        self.shared.fail(error);
        self.close();
    }

    /// Tells all who wait to look again: the lease holds again.
    pub fn wake_all(&self) {
        self.shared.wake_all();
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

    /// What was appended and is not durable yet.
    #[must_use]
    pub fn lag(&self) -> JournalLag {
        // First: what becomes durable meanwhile was appended before.
        let batches = self.shared.batches.load(Ordering::Relaxed);
        let bytes = self.shared.batch_bytes.load(Ordering::Relaxed);
        let appended = self.shared.lock().appended;
        JournalLag {
            batches: appended.batches.saturating_sub(batches),
            bytes: appended.bytes.saturating_sub(bytes),
        }
    }

    /// How long groups took to become durable.
    #[must_use]
    pub fn syncs(&self) -> Distribution {
        self.shared.syncs.read()
    }
}

impl Shared {
    fn wakes(&self) -> MutexGuard<'_, Vec<Wake>> {
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_all(&self) {
        self.wakes().iter().for_each(Wake::wake);
    }

    /// The first failure counts. Everybody who waits is told, and finds that it failed.
    fn fail(&self, error: JournalError) {
        tracing::error!(%error, "the journal has failed: nothing is answered any more");
        let _ = self.failure.set(error);
        self.failed.store(true, Ordering::Release);
        self.wake_all();
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what waits.
#[derive(Debug)]
pub struct JournalWriter<S> {
    shared: Arc<Shared>,
    store: S,
}

impl<S: GroupStore> JournalWriter<S> {
    /// Writes until the journal is closed, or something fails.
    pub fn run(mut self) {
        let mut spare = Vec::new();
        while let Some(mut group) = self.take(spare) {
            if let Err(error) = self.write(&group.bytes, group.batches) {
                return self.shared.fail(error);
            }
            let shared = &self.shared;
            shared.durable_until.store(group.until, Ordering::Release);
            shared.durable.store(group.ticket, Ordering::Release);
            shared.wake_all();
            group.bytes.clear();
            group.bytes.shrink_to(KEPT_BYTES_MAX);
            spare = group.bytes;
        }
    }

    /// Waits for a group, the oldest that waits; nothing when the journal is closed. Keeps the memory of the last one.
    fn take(&self, spare: Vec<u8>) -> Option<Group> {
        let mut pending = self.shared.lock();
        if pending.spare.len() < KEPT_GROUPS_MAX {
            pending.spare.push(spare);
        }
        loop {
            if let Some(group) = pending.groups.pop_front() {
                pending.resting = false;
                pending.bytes -= group.bytes.len();
                return Some(group);
            }
            if pending.closed {
                return None;
            }
            pending.resting = true;
            let waited = self.shared.something.wait(pending);
            pending = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn write(&mut self, batches: &[u8], count: u32) -> Result<(), JournalError> {
        let begun = clock::monotonic();
        let len = self.store.write(batches, count)?;
        let shared = &self.shared;
        shared.syncs.record(clock::monotonic() - begun);
        let batch_bytes = batches.len() as u64;
        shared.batch_bytes.fetch_add(batch_bytes, Ordering::Relaxed);
        shared.groups.fetch_add(1, Ordering::Relaxed);
        shared.batches.fetch_add(count.into(), Ordering::Relaxed);
        shared.bytes.fetch_add(len as u64, Ordering::Relaxed);
        Ok(())
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

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
