//! The disk as the journal and the snapshots use it: a trait, so that tests can crash it.
//!
//! Must never: retry what the system refused, or say "written" of what is not.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::named;

/// What direct I/O aligns to: buffers, offsets and lengths.
pub const BLOCK: usize = 4_096;

/// How bytes come to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommitStrategy {
    /// Written to the page cache, then `fdatasync`.
    Fdatasync,
    /// `O_DSYNC`: each write is durable when it returns.
    Dsync,
    /// `O_DIRECT` past the page cache, then `fdatasync`.
    DirectFdatasync,
    /// `O_DIRECT | O_DSYNC`.
    DirectDsync,
}

impl CommitStrategy {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Fdatasync,
        Self::Dsync,
        Self::DirectFdatasync,
        Self::DirectDsync,
    ];

    /// Its name, as the configuration has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fdatasync => "fdatasync",
            Self::Dsync => "dsync",
            Self::DirectFdatasync => "direct-fdatasync",
            Self::DirectDsync => "direct-dsync",
        }
    }

    const fn flags(self) -> i32 {
        match self {
            Self::Fdatasync => 0,
            Self::Dsync => libc::O_DSYNC,
            Self::DirectFdatasync => libc::O_DIRECT,
            Self::DirectDsync => libc::O_DIRECT | libc::O_DSYNC,
        }
    }

    /// Whether a write still needs a sync.
    const fn syncs(self) -> bool {
        matches!(self, Self::Fdatasync | Self::DirectFdatasync)
    }
}

/// One open file.
pub trait DiskFile: Send + Debug {
    /// Writes all of `bytes` at `at`. With direct I/O both, and the memory, are aligned to [`BLOCK`].
    ///
    /// # Errors
    /// What the system says; some of the bytes may be written.
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Makes what was written durable. When it fails nobody knows what is; it must not be asked again.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&mut self) -> io::Result<()>;

    /// Reads from `at` on until `bytes` are full or the file ends. Gives how many were read.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize>;

    /// How long it is, in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn length(&self) -> io::Result<u64>;
}

/// Folders and files.
pub trait Disk: Send + Sync + Debug {
    /// Makes a folder, and those above it, if they are not there. The names of those that it made are durable then.
    ///
    /// # Errors
    /// What the system says, with the path; so all others.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;

    /// The names of a folder's files, sorted.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Makes a file that only its owner can read; it must not exist.
    ///
    /// # Errors
    /// What the system says.
    fn create(&self, path: &Path, strategy: CommitStrategy) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to write to it.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, path: &Path, strategy: CommitStrategy) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to read it.
    ///
    /// # Errors
    /// What the system says.
    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, in place of whatever has it.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// What the system says.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// The system's disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDisk;

#[derive(Debug)]
struct SystemFile {
    file: File,
    syncs: bool,
}

impl DiskFile for SystemFile {
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.syncs {
            self.file.sync_data()
        } else {
            Ok(())
        }
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.file.read_at(&mut bytes[filled..], at + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

impl SystemFile {
    fn open(
        options: &mut OpenOptions,
        path: &Path,
        strategy: CommitStrategy,
    ) -> io::Result<Box<dyn DiskFile>> {
        let file = options.custom_flags(strategy.flags()).open(path);
        Ok(Box::new(Self {
            file: file.map_err(|error| named(path, &error))?,
            syncs: strategy.syncs(),
        }))
    }
}

impl Disk for SystemDisk {
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        let above = match folder.parent() {
            Some(above) if !above.as_os_str().is_empty() => above,
            _ => Path::new("."),
        };
        self.make_folder(above)?;
        match std::fs::create_dir(folder) {
            // By another process, which is in time with its lock or this one is.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            made => made.map_err(|error| named(folder, &error))?,
        }
        self.sync_folder(above)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|error| named(folder, &error))? {
            let entry = entry.map_err(|error| named(folder, &error))?;
            if let Ok(name) = entry.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn create(&self, path: &Path, strategy: CommitStrategy) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        SystemFile::open(&mut options, path, strategy)
    }

    fn open(&self, path: &Path, strategy: CommitStrategy) -> io::Result<Box<dyn DiskFile>> {
        SystemFile::open(OpenOptions::new().read(true).write(true), path, strategy)
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        SystemFile::open(options.read(true), path, CommitStrategy::Fdatasync)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to).map_err(|error| named(from, &error))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path).map_err(|error| named(path, &error))
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| named(folder, &error))
    }
}

/// Memory that direct I/O takes: it begins at a multiple of [`BLOCK`].
#[derive(Debug, Default)]
pub struct AlignedBuffer {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBuffer {
    /// `len` zero bytes, in place of what was there. `len` is a multiple of [`BLOCK`].
    pub fn reset(&mut self, len: usize) -> &mut [u8] {
        debug_assert!(len.is_multiple_of(BLOCK), "whole blocks: {len}");
        if self.bytes.len() < len + BLOCK {
            self.bytes = vec![0; len + BLOCK];
        }
        self.start = self.bytes.as_ptr().align_offset(BLOCK);
        self.len = len;
        let bytes = &mut self.bytes[self.start..self.start + len];
        bytes.fill(0);
        bytes
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }
}
