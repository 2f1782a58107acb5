//! Taking snapshots: a follower that does the journal again from the last snapshot to the segment in use, in the background,
//! and writes down what it comes to. It reads files only, so the node does not wait for it; and because it is the same code
//! that starts a node, every snapshot proves that the journal can be recovered.
//!
//! Must never: remove a segment that two good snapshots do not cover, give a snapshot its name before it was read back and
//! found equal, or write one while another process does.

mod snapshotter;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crossbeam_channel::{bounded, never, unbounded};

use super::snapshot_file::{self, SnapshotHead};
use super::{Progress, Recovery, RecoveryError};
use crate::config::Config;
use crate::handoff::QueueGauge;
use crate::history::Recorder;
use crate::journal::segment::{self, Beginning};
use crate::journal::{ChainEnd, ReadError, Reader};
use crate::matcher::Inbox;
use crate::storage::{self, Disk, FolderLock, LockError, StateReader, SystemDisk};

pub use snapshotter::Snapshotter;

/// Good snapshots that are kept: if one cannot be read, there is another, and the journal from there on.
const SNAPSHOTS_KEPT: usize = 2;

/// The files of a node.
#[derive(Clone, Debug)]
pub struct DataDirectory {
    disk: Arc<dyn Disk>,
    /// The folder of the journal's segments.
    pub journal: PathBuf,
    /// The folder of the snapshots.
    pub snapshots: PathBuf,
}

/// A snapshot that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotTaken {
    /// What it says of itself.
    pub head: SnapshotHead,
    /// Its length in bytes.
    pub bytes: u64,
    /// Records done again since the snapshot before.
    pub records: u64,
    /// The hash of the state in it.
    pub state_hash: u64,
    /// Segments removed, because it and the one before cover them.
    pub segments_removed: usize,
}

impl DataDirectory {
    /// The data directory `root` on the system's disk.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self::on(Arc::new(SystemDisk), root)
    }

    /// The data directory `root` on `disk`.
    #[must_use]
    pub fn on(disk: Arc<dyn Disk>, root: &Path) -> Self {
        Self {
            disk,
            journal: root.join("journal"),
            snapshots: root.join("snapshots"),
        }
    }

    /// Makes its folders.
    ///
    /// # Errors
    /// What the system says.
    pub fn make(&self) -> io::Result<()> {
        self.disk.make_folder(&self.journal)?;
        self.disk.make_folder(&self.snapshots)
    }

    /// Its disk.
    #[must_use]
    pub const fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// The newest snapshot that is whole, if there is one. Damaged ones are left alone and told of.
    ///
    /// # Errors
    /// What the system says of the folder.
    pub fn newest_snapshot(&self) -> io::Result<Option<SnapshotHead>> {
        self.snapshot_until(u64::MAX)
    }

    /// [`Self::newest_snapshot`], of those that have nothing of batch `until` or later.
    ///
    /// # Errors
    /// What the system says of the folder.
    pub fn snapshot_until(&self, until: u64) -> io::Result<Option<SnapshotHead>> {
        let disk = self.disk.as_ref();
        if !self.has_snapshots()? {
            return Ok(None);
        }
        let numbers = snapshot_file::numbers(disk, &self.snapshots)?;
        let mut good = numbers.into_iter().rev().filter_map(|n| self.good(n));
        Ok(good.find(|head| head.start.batch <= until))
    }

    /// A snapshot, if it is whole. A damaged one is told of.
    fn good(&self, number: u64) -> Option<SnapshotHead> {
        let checked = self.check(number);
        checked
            .inspect_err(|error| tracing::error!(%error, "a snapshot is damaged and left alone"))
            .ok()
    }

    /// The oldest snapshot that is whole, if there is one.
    ///
    /// # Errors
    /// What the system says of the folder.
    pub fn oldest_snapshot(&self) -> io::Result<Option<SnapshotHead>> {
        let mut numbers = self.snapshot_numbers()?.into_iter();
        Ok(numbers.find_map(|number| self.check(number).ok()))
    }

    /// When a snapshot was written, in nanoseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn written_at(&self, snapshot: &SnapshotHead) -> Option<u64> {
        let file = snapshot_file::path(&self.snapshots, snapshot.segment);
        let name = file.file_name()?.to_string_lossy().into_owned();
        storage::newest_of(&self.snapshots, &name).ok().flatten()
    }

    fn has_snapshots(&self) -> io::Result<bool> {
        match self.disk.list(&self.snapshots) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The segments of all snapshots, sorted.
    ///
    /// # Errors
    /// What the system says.
    pub fn snapshot_numbers(&self) -> io::Result<Vec<u64>> {
        if !self.has_snapshots()? {
            return Ok(Vec::new());
        }
        snapshot_file::numbers(self.disk.as_ref(), &self.snapshots)
    }

    /// Reads a snapshot to its end and checks all checksums.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, number: u64) -> Result<SnapshotHead, RecoveryError> {
        let (head, mut reader) = self.open_snapshot(number)?;
        while !reader.is_at_end()? {
            reader.pass();
        }
        Ok(head)
    }

    pub(crate) fn open_snapshot(
        &self,
        number: u64,
    ) -> Result<(SnapshotHead, StateReader), RecoveryError> {
        let file = snapshot_file::path(&self.snapshots, number);
        let (head, reader) = snapshot_file::open(self.disk.as_ref(), &file)?;
        if head.segment != number {
            return Err(reader
                .content("the segment that a snapshot's name gives", head.segment)
                .into());
        }
        Ok((head, reader))
    }

    /// Locks the snapshots for `node`, which takes one: it writes, removes and reads what another that takes one does, too.
    pub(super) fn lock_snapshots(&self, node: &str) -> Result<FolderLock, RecoveryError> {
        self.disk.make_folder(&self.snapshots)?;
        FolderLock::take(&self.snapshots, node).map_err(|error| match error {
            LockError::Held { holder, .. } => RecoveryError::SnapshotUnderWay {
                folder: self.snapshots.clone(),
                holder,
            },
            LockError::Io(error) => RecoveryError::Disk(error),
        })
    }

    /// A reader of everything that is left of the journal.
    ///
    /// # Errors
    /// What is wrong with the folder.
    pub fn oldest_reader(&self) -> Result<Reader, ReadError> {
        let disk = self.disk.as_ref();
        let oldest = segment::numbers(disk, &self.journal).ok();
        let oldest = oldest.and_then(|numbers| numbers.first().copied());
        let head = oldest.and_then(|number| segment::head(disk, &self.journal, number).ok());
        match (oldest, head) {
            // The segments before it are covered by snapshots.
            (Some(number), Some(Beginning::Head(head))) if number > 1 => {
                let from = Some((number, head.start));
                let disk = Arc::clone(&self.disk);
                Reader::open_range(disk, &self.journal, None, from, None)
            }
            _ => self.reader(None, None, None),
        }
    }

    /// A reader of the journal behind a snapshot, up to a segment.
    pub(super) fn reader(
        &self,
        cluster_id: Option<u64>,
        from: Option<&SnapshotHead>,
        until: Option<u64>,
    ) -> Result<Reader, ReadError> {
        let from = from.map(|head| (head.segment, head.start));
        Reader::open_range(
            Arc::clone(&self.disk),
            &self.journal,
            cluster_id,
            from,
            until,
        )
    }

    /// The segment in use, and where it begins.
    fn segment_in_use(&self) -> io::Result<Option<(u64, ChainEnd)>> {
        let disk = self.disk.as_ref();
        for number in segment::numbers(disk, &self.journal)?.into_iter().rev() {
            if let Beginning::Head(head) = segment::head(disk, &self.journal, number)? {
                return Ok(Some((number, head.start)));
            }
        }
        Ok(None)
    }

    /// Removes what is older than the last good snapshots, of snapshots and segments; nothing while there are fewer. Snapshot
    /// `written` was just read back. Gives how many segments.
    fn prune(&self, written: u64) -> io::Result<usize> {
        let disk = self.disk.as_ref();
        let numbers = snapshot_file::numbers(disk, &self.snapshots)?;
        let is_good = |number: &u64| *number == written || self.good(*number).is_some();
        let mut newest_first = numbers.iter().rev().copied().filter(is_good);
        let Some(oldest) = newest_first.nth(SNAPSHOTS_KEPT - 1) else {
            return Ok(0);
        };
        for number in numbers.into_iter().filter(|number| *number < oldest) {
            disk.remove(&snapshot_file::path(&self.snapshots, number))?;
        }
        disk.sync_folder(&self.snapshots)?;
        let mut removed = 0;
        // The oldest first, and durable before the next: what is left is without a gap, wherever this is interrupted.
        for number in segment::numbers(disk, &self.journal)? {
            if number < oldest {
                disk.remove(&segment::path(&self.journal, number))?;
                disk.sync_folder(&self.journal)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// Takes a snapshot of everything before the segment in use; nothing if there is one already. May run beside the node,
/// which it does not disturb. `stop` ends it early.
///
/// # Errors
/// What cannot be read or written, or does not come out as it was recorded; then nothing is removed. Also when another
/// process takes one.
pub fn take_snapshot(
    config: &Arc<Config>,
    data: &DataDirectory,
    stop: &Arc<AtomicBool>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<SnapshotTaken>, RecoveryError> {
    let Some((number, start)) = data.segment_in_use()? else {
        return Ok(None);
    };
    let lock = data.lock_snapshots(&config.journal.node)?;
    let newest = data.newest_snapshot()?;
    let from = newest.map_or(0, |head| head.segment);
    if number <= from.max(1) {
        return Ok(None);
    }
    let mut follower = Recovery::alone(config, None)?;
    follower.stop = Some(Arc::clone(stop));
    follower.recover(data, newest.as_ref(), Some(number), progress)?;
    let end = follower.recovered.end.map(|end| end.chain);
    if end != Some(start) {
        let expected = end.map_or(0, |end| end.group);
        return Err(RecoveryError::NotReached {
            group: start.group,
            reached: expected,
        });
    }
    write_snapshot(&lock, &mut follower, config, data, number, start).map(Some)
}

/// Writes down what a follower, which did everything before segment `segment` again, has come to. `_lock`: nobody else writes one.
pub(super) fn write_snapshot(
    _lock: &FolderLock,
    follower: &mut Recovery,
    config: &Arc<Config>,
    data: &DataDirectory,
    segment: u64,
    start: ChainEnd,
) -> Result<SnapshotTaken, RecoveryError> {
    follower.finish()?;
    let head = SnapshotHead {
        cluster_id: config.server.cluster_id,
        segment,
        start,
    };
    let records = follower.recovered.records;
    let state_hash = follower.recovered.state_hash;
    let bytes = snapshot_file::write(
        data.disk.as_ref(),
        &data.snapshots,
        &head,
        |out| follower.write_state(out),
        |file| verify(config, data, file, state_hash),
    )?;
    Ok(SnapshotTaken {
        head,
        bytes,
        records,
        state_hash,
        segments_removed: data.prune(segment)?,
    })
}

/// Reads a snapshot that was written into another node, and compares.
fn verify(
    config: &Arc<Config>,
    data: &DataDirectory,
    file: &Path,
    state_hash: u64,
) -> Result<(), RecoveryError> {
    let (_, mut source) = snapshot_file::open(data.disk.as_ref(), file)?;
    let restored = restored_hash(config, &mut source)?;
    source.finish()?;
    if restored == state_hash {
        return Ok(());
    }
    Err(RecoveryError::SnapshotDiffers {
        file: file.to_owned(),
        read: restored,
        written: state_hash,
    })
}

fn restored_hash(config: &Arc<Config>, source: &mut StateReader) -> Result<u64, RecoveryError> {
    let mut restored = Recovery::alone(config, None)?;
    restored.read_state(source)?;
    restored.finish()?;
    Ok(restored.recovered.state_hash)
}

/// Restores a snapshot and gives the hash of its state.
///
/// # Errors
/// What is wrong with it.
pub fn verify_snapshot(
    config: &Arc<Config>,
    data: &DataDirectory,
    number: u64,
) -> Result<(SnapshotHead, u64), RecoveryError> {
    let (head, mut source) = data.open_snapshot(number)?;
    let hash = restored_hash(config, &mut source)?;
    source.finish()?;
    Ok((head, hash))
}

impl Recovery {
    /// A node of one matcher that nobody can ask anything. `recorder` takes down what it does.
    pub(super) fn alone(
        config: &Arc<Config>,
        recorder: Option<Arc<Recorder>>,
    ) -> Result<Self, RecoveryError> {
        let (spare, _) = bounded(1);
        let inbox = Inbox {
            queue: never(),
            gauge: Arc::new(QueueGauge::new(config.tenants.len(), 1, 100)),
            spare,
            committed: never(),
        };
        // The key of the books' indexes is of no meaning where no client names anything.
        let config = Arc::clone(config);
        Self::new(config, vec![inbox], unbounded(), recorder, || 0).map(|(recovery, _)| recovery)
    }

    /// Restores a snapshot, and does again what the journal says behind it.
    pub(crate) fn recover(
        &mut self,
        data: &DataDirectory,
        snapshot: Option<&SnapshotHead>,
        until: Option<u64>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), RecoveryError> {
        if let Some(head) = snapshot {
            let (_, mut source) = data.open_snapshot(head.segment)?;
            self.read_state(&mut source)?;
            source.finish()?;
            self.recovered.snapshot = Some(head.segment);
        }
        let cluster = Some(self.config.server.cluster_id);
        let reader = data.reader(cluster, snapshot, until)?;
        self.replay(reader, progress)
    }
}

impl From<io::Error> for RecoveryError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}
