//! What a sync takes without a server: one block written and made durable, one after another, on the disk at hand.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::fs::OFlags;

use crate::own_server::Folder;

/// Bytes of a write: the block that a group with one order takes.
pub const BLOCK: usize = 4_096;
/// Blocks of a file that is written to, from its beginning to its end and again.
const FILE_BLOCKS: usize = 2_048;
/// Writes of each way when all are compared. They take turns, so that all see the same noise.
const ROUNDS: usize = 24;

/// How a block comes to be durable: the ways a server has, by the names of its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Commit {
    /// Written to the page cache, then `fdatasync`.
    Fdatasync,
    /// `O_DSYNC`.
    Dsync,
    /// `O_DIRECT`, then `fdatasync`.
    DirectFdatasync,
    /// `O_DIRECT | O_DSYNC`.
    DirectDsync,
}

impl Commit {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Fdatasync,
        Self::Dsync,
        Self::DirectFdatasync,
        Self::DirectDsync,
    ];

    /// Its name, as a configuration has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fdatasync => "fdatasync",
            Self::Dsync => "dsync",
            Self::DirectFdatasync => "direct-fdatasync",
            Self::DirectDsync => "direct-dsync",
        }
    }

    fn flags(self) -> OFlags {
        match self {
            Self::Fdatasync => OFlags::empty(),
            Self::Dsync => OFlags::DSYNC,
            Self::DirectFdatasync => OFlags::DIRECT,
            Self::DirectDsync => OFlags::DIRECT | OFlags::DSYNC,
        }
    }

    /// Whether a write still needs a sync.
    const fn syncs(self) -> bool {
        matches!(self, Self::Fdatasync | Self::DirectFdatasync)
    }
}

/// A file that is written to and synced. It goes when dropped.
#[derive(Debug)]
pub(super) struct BareFile {
    // Closed before its folder is removed.
    file: File,
    commit: Commit,
    next: usize,
    /// Memory with an aligned block in it, as direct I/O wants it.
    memory: Vec<u8>,
    _folder: Folder,
}

impl BareFile {
    /// A new one in `within`, made and zeroed as a segment is.
    pub fn make(within: &Path, commit: Commit) -> std::io::Result<Self> {
        let folder = Folder::make(within)?;
        let path = folder.path().join("bare");
        let made = File::create_new(&path)?;
        made.write_all_at(&vec![0; FILE_BLOCKS * BLOCK], 0)?;
        made.sync_all()?;
        let file = OpenOptions::new()
            .write(true)
            .custom_flags(commit.flags().bits() as i32)
            .open(&path)?;
        Ok(Self {
            file,
            commit,
            next: 0,
            memory: vec![0x5a; 2 * BLOCK],
            _folder: folder,
        })
    }

    /// Writes a block and makes it durable. Gives what that took, in nanoseconds.
    fn write(&mut self) -> std::io::Result<u64> {
        let start = self.memory.as_ptr().align_offset(BLOCK);
        let block = &self.memory[start..start + BLOCK];
        let begun = Instant::now();
        self.file.write_all_at(block, (self.next * BLOCK) as u64)?;
        if self.commit.syncs() {
            self.file.sync_data()?;
        }
        let took = begun.elapsed();
        self.next = (self.next + 1) % FILE_BLOCKS;
        Ok(took.as_nanos() as u64)
    }

    /// Writes one block after another for some time, at least one, and adds what each took, in nanoseconds.
    pub fn measure(&mut self, time: Duration, taken: &mut Histogram<u64>) -> std::io::Result<()> {
        let deadline = Instant::now() + time;
        loop {
            taken.saturating_record(self.write()?);
            if Instant::now() >= deadline {
                return Ok(());
            }
        }
    }
}

/// What one way takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Measured {
    /// The way.
    pub commit: Commit,
    /// The median, in nanoseconds.
    pub median_ns: u64,
}

/// Measures all ways that the file system takes, the fastest first, as a server does at start.
pub(super) fn compare(within: &Path) -> std::io::Result<Vec<Measured>> {
    let mut files = Vec::new();
    let mut refused = None;
    for commit in Commit::ALL {
        // Direct I/O is not for every file system.
        match BareFile::make(within, commit) {
            Ok(file) => files.push((file, Vec::new())),
            Err(error) => refused = Some(error),
        }
    }
    for _ in 0..ROUNDS {
        for (file, times) in &mut files {
            match file.write() {
                Ok(took) => times.push(took),
                Err(error) => refused = Some(error),
            }
        }
    }
    files.retain(|(_, times)| times.len() == ROUNDS);
    let mut measured: Vec<_> = files
        .iter_mut()
        .map(|(file, times)| {
            times.sort_unstable();
            Measured {
                commit: file.commit,
                median_ns: times[ROUNDS / 2],
            }
        })
        .collect();
    measured.sort_by_key(|measured| measured.median_ns);
    match refused {
        Some(error) if measured.is_empty() => Err(error),
        _ => Ok(measured),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::stats::histogram;

    #[test]
    fn ways_that_the_disk_takes_are_measured_the_fastest_first() {
        let measured = compare(&std::env::temp_dir()).unwrap();
        assert!(measured.iter().any(|it| it.commit == Commit::Fdatasync));
        assert!(measured.is_sorted_by_key(|it| it.median_ns));
        assert!(measured[0].median_ns > 0);
    }

    #[test]
    fn a_file_is_written_from_its_end_on_at_its_beginning() {
        let mut file = BareFile::make(&std::env::temp_dir(), Commit::Dsync).unwrap();
        file.next = FILE_BLOCKS - 1;
        let mut taken = histogram();
        file.measure(Duration::ZERO, &mut taken).unwrap();
        assert_eq!(taken.len(), 1);
        assert_eq!(file.next, 0);
        assert_eq!(
            file.file.metadata().unwrap().len(),
            (FILE_BLOCKS * BLOCK) as u64
        );
    }
}
