//! Snapshot files: `NNNNNNNNNN.snapshot` is the state of a node before segment N of its journal.
//!
//! | at | type | header |
//! |---|---|---|
//! | 0 | 8 bytes | `SOUKSNAP` |
//! | 8, 12 | u32, u32 | version of the layout, 1; zero |
//! | 16 | u64 | cluster id |
//! | 24 | u64 | the first segment that is not in it |
//! | 32, 40, 48 | u64 x 3 | where that segment begins: group, batch, checksum of the group before |
//! | 56 | u64 | XXH64 (seed 0) of the 56 bytes before; seeds the first chunk's checksum |
//!
//! Behind it come the chunks of a [`StateWriter`]. A file gets its name when all of it is durable.

use std::io;
use std::path::{Path, PathBuf};

use twox_hash::XxHash64;

use crate::journal::ChainEnd;
use crate::storage::{CommitStrategy, Disk, StateReader, StateWriter};

const MAGIC: [u8; 8] = *b"SOUKSNAP";
const VERSION: u32 = 1;
const HEADER_LEN: usize = 64;
const SUFFIX: &str = ".snapshot";
/// A file that is being written.
const UNFINISHED: &str = ".unfinished";

/// What a snapshot says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHead {
    /// The cluster of the node.
    pub cluster_id: u64,
    /// The first segment that is not in it.
    pub segment: u64,
    /// Where that segment begins.
    pub start: ChainEnd,
}

/// Why a snapshot's header cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The system cannot read it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is damaged, or no snapshot.
    #[error("{}: the header is damaged, or this is no snapshot", .0.display())]
    Damaged(PathBuf),
    /// Another version wrote it.
    #[error("{}: it is of version {found}; this program reads version {VERSION}", file.display())]
    Version {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u32,
    },
}

impl SnapshotHead {
    fn write(&self) -> ([u8; HEADER_LEN], u64) {
        let mut bytes = [0; HEADER_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        let numbers = [
            self.cluster_id,
            self.segment,
            self.start.group,
            self.start.batch,
            self.start.checksum,
        ];
        for (index, number) in numbers.into_iter().enumerate() {
            bytes[16 + index * 8..][..8].copy_from_slice(&number.to_le_bytes());
        }
        let checksum = XxHash64::oneshot(0, &bytes[..56]);
        bytes[56..].copy_from_slice(&checksum.to_le_bytes());
        (bytes, checksum)
    }
}

/// The file of a snapshot.
#[must_use]
pub fn path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{segment:010}{SUFFIX}"))
}

/// The segments of the snapshots in a folder, sorted.
///
/// # Errors
/// What the system says.
pub fn numbers(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<u64>> {
    let names = disk.list(folder)?;
    let number = |name: &String| name.strip_suffix(SUFFIX)?.parse().ok();
    let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Opens a snapshot.
///
/// # Errors
/// What is wrong with its header.
pub fn open(disk: &dyn Disk, file: &Path) -> Result<(SnapshotHead, StateReader), HeadError> {
    let opened = disk.open_to_read(file)?;
    let mut bytes = [0; HEADER_LEN];
    let read = opened.read_at(&mut bytes, 0)?;
    let u64_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
    let checksum = XxHash64::oneshot(0, &bytes[..56]);
    if read < HEADER_LEN || bytes[..8] != MAGIC || checksum != u64_at(56) {
        return Err(HeadError::Damaged(file.to_owned()));
    }
    let (found, file) = (u64_at(8) as u32, file.to_owned());
    if found != VERSION {
        return Err(HeadError::Version { file, found });
    }
    let head = SnapshotHead {
        cluster_id: u64_at(16),
        segment: u64_at(24),
        start: ChainEnd {
            group: u64_at(32),
            batch: u64_at(40),
            checksum: u64_at(48),
        },
    };
    let reader = StateReader::new(opened, &file, HEADER_LEN as u64, checksum);
    Ok((head, reader))
}

/// Writes a snapshot, of which `fill` writes the state, and lets `verify` read it before it gets its name. Gives its length
/// in bytes.
///
/// # Errors
/// What the system says, or `verify`; then there is no such snapshot.
pub fn write<E: From<io::Error>>(
    disk: &dyn Disk,
    folder: &Path,
    head: &SnapshotHead,
    fill: impl FnOnce(&mut StateWriter),
    verify: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<u64, E> {
    remove_unfinished(disk, folder)?;
    let file = path(folder, head.segment);
    let unfinished = PathBuf::from(format!("{}{UNFINISHED}", file.display()));
    let mut opened = disk.create(&unfinished, CommitStrategy::Fdatasync)?;
    let (header, checksum) = head.write();
    opened.write_at(&header, 0)?;
    let mut writer = StateWriter::new(opened, HEADER_LEN as u64, checksum);
    fill(&mut writer);
    let len = writer.finish()?;
    verify(&unfinished)?;
    disk.rename(&unfinished, &file)?;
    disk.sync_folder(folder)?;
    Ok(len)
}

/// Removes what a process that was killed left behind.
fn remove_unfinished(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    for name in disk.list(folder)? {
        if name.ends_with(UNFINISHED) {
            disk.remove(&folder.join(name))?;
        }
    }
    Ok(())
}
