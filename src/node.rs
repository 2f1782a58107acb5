//! The parts of a node that shares its tenants with no other, wired to each other; nothing runs yet.

use std::path::Path;
use std::sync::Arc;

use souk_protocol::Durability;
use tokio::sync::Notify;

use crate::config::{Config, JournalConfig};
use crate::gateway::entrance::Entrance;
use crate::journal::{
    ChainEnd, Journal, JournalError, JournalOptions, JournalWriter, Segments, measure, segment,
};
use crate::metrics::Meters;
use crate::partition::{Partition, PartitionError, Rising};
use crate::recovery::{DataDirectory, Progress, Recovered};
use crate::storage::{Disk, FolderLock, LockError};

/// Why a node's parts cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The data directory is another process's.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The data directory cannot be used.
    #[error(
        "cannot use the data directory: {0}\nremedy: name another one ([journal] directory, --data), or mend this one"
    )]
    Data(#[from] std::io::Error),
    /// What it serves cannot be made.
    #[error(transparent)]
    Partition(#[from] PartitionError),
    /// The journal cannot go on.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The parts of a node.
#[derive(Debug)]
pub struct Node {
    /// Where sessions are taken in: they are, as soon as there is a socket.
    pub entrance: Arc<Entrance>,
    /// All tenants.
    pub partition: Partition,
    /// The journal, if there is one.
    pub journal: Option<OpenJournal>,
    /// What its matchers write down, if somebody may look.
    pub meters: Option<Arc<Meters>>,
}

/// A journal that is ready to be written.
#[derive(Debug)]
pub struct OpenJournal {
    /// What others share.
    pub journal: Journal,
    /// What its thread runs.
    pub writer: JournalWriter<Segments>,
    /// Where it is.
    pub files: DataDirectory,
    /// Held as long as the node runs.
    pub lock: FolderLock,
}

impl Node {
    /// The parts of a node with `matchers` matchers. `inline_wake` is told of every submission.
    ///
    /// # Errors
    /// What cannot be had.
    pub fn new(
        config: &Config,
        matchers: usize,
        inline_wake: Option<&Arc<Notify>>,
    ) -> Result<Self, NodeError> {
        Self::recover(config, matchers, inline_wake, &mut |_| {})
    }

    /// [`Self::new`], telling how far the recovery has come.
    ///
    /// # Errors
    /// What cannot be had.
    pub fn recover(
        config: &Config,
        matchers: usize,
        inline_wake: Option<&Arc<Notify>>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, NodeError> {
        let wakes = (0..matchers).map(|_| inline_wake.map(Arc::clone));
        let mut rising = Rising::new(Arc::new(config.clone()), wakes, None)?;
        let mut data = None;
        if config.journal.durability != Durability::Memory {
            let data = data.insert(Data::open(&config.journal)?);
            let snapshot = data.files.newest_snapshot()?;
            let recovery = rising.recovery();
            let recovered = recovery.recover(&data.files, snapshot.as_ref(), None, progress);
            recovered.map_err(PartitionError::from)?;
        }
        let risen = rising.rise()?;
        let begin = |data: Data| data.begin(config, risen.recovered());
        let journal = data.map(begin).transpose()?;
        let entrance = Arc::new(Entrance::new(config));
        let shared_journal = journal.as_ref().map(|open| &open.journal);
        let tenants = config.tenants.iter().map(|tenant| tenant.id);
        let measured = config.is_measured();
        let meters = measured.then(|| Arc::new(Meters::new(matchers, tenants)));
        let partition = risen.serve(&entrance.registry, shared_journal, meters.as_deref())?;
        entrance.open(&partition.shared);
        Ok(Self {
            entrance,
            partition,
            journal,
            meters,
        })
    }
}

/// A data directory that is this process's.
struct Data {
    files: DataDirectory,
    lock: FolderLock,
}

impl Data {
    fn open(config: &JournalConfig) -> Result<Self, NodeError> {
        let files = DataDirectory::new(&config.directory);
        files.make()?;
        let lock = FolderLock::take(&config.directory, &config.node)?;
        Ok(Self { files, lock })
    }

    /// Goes on after what was recovered, in a new segment.
    fn begin(self, config: &Config, recovered: &Recovered) -> Result<OpenJournal, NodeError> {
        let end = recovered.end;
        let (chain, last) = end.map_or((ChainEnd::START, 0), |end| (end.chain, end.segment));
        // A snapshot may be all there is.
        let last = last.max(recovered.snapshot.map_or(0, |segment| segment - 1));
        let (disk, folder) = (self.files.disk(), &self.files.journal);
        remove_unused(disk.as_ref(), folder, last)?;
        let strategy = match config.journal.commit {
            Some(strategy) => strategy,
            None => {
                let measured = measure(disk.as_ref(), folder)?;
                tracing::info!(?measured, "the fastest way to commit is taken");
                let fastest = measured.first().map(|measured| measured.strategy);
                fastest.ok_or_else(|| std::io::Error::other("no way to commit works"))?
            }
        };
        let options = JournalOptions {
            folder: folder.clone(),
            cluster_id: config.server.cluster_id,
            segment_bytes: config.journal.segment_bytes,
            strategy,
        };
        let segments = Segments::begin(Arc::clone(disk), options, last + 1, chain)?;
        let (journal, writer) = Journal::new(segments, chain.batch);
        Ok(OpenJournal {
            journal,
            writer,
            files: self.files,
            lock: self.lock,
        })
    }
}

/// Removes segments that were made ahead and hold nothing.
fn remove_unused(disk: &dyn Disk, folder: &Path, last: u64) -> std::io::Result<()> {
    for number in segment::numbers(disk, folder)? {
        if number > last {
            disk.remove(&segment::path(folder, number))?;
        }
    }
    disk.sync_folder(folder)
}
