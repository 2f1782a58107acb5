//! The only place that opens files.

mod disk;
mod lock;
mod memory;
mod state;

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::UNIX_EPOCH;

pub use disk::{AlignedBuffer, BLOCK, CommitStrategy, Disk, DiskFile, SystemDisk};
pub use lock::{FolderLock, LockError};
pub use memory::MemoryFile;
pub use state::{StateFileError, StateReader, StateWriter};

/// Bytes of one read of a long file.
const READ_BYTES: usize = 1 << 20;

/// Reads a text file.
///
/// # Errors
/// What the system says, with the path.
pub fn read_text(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path).map_err(|error| named(path, &error))
}

/// What of a file differs when it is another one, or has been written to; and who may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    inode: u64,
    len: u64,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
    /// The permissions, as `chmod` has them.
    pub mode: u32,
}

impl FileStamp {
    /// Whether it is of the same file, whatever was written to it meanwhile.
    #[must_use]
    pub const fn is_same_file(&self, other: Self) -> bool {
        self.inode == other.inode
    }
}

/// The stamp of a file, or of what a link leads to.
///
/// # Errors
/// What the system says, with the path.
pub fn stamp(path: &Path) -> io::Result<FileStamp> {
    let metadata = std::fs::metadata(path).map_err(|error| named(path, &error))?;
    Ok(FileStamp {
        inode: metadata.ino(),
        len: metadata.len(),
        changed: (metadata.mtime(), metadata.mtime_nsec()),
        mode: metadata.mode() & 0o777,
    })
}

/// When the newest file of a folder whose name ends so was written, in nanoseconds since 1970-01-01 UTC; nothing if there
/// is none.
///
/// # Errors
/// What the system says, with the path.
pub fn newest_of(folder: &Path, suffix: &str) -> io::Result<Option<u64>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries.map_err(|error| named(folder, &error))?,
    };
    let mut newest = None;
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(suffix) {
            let modified = entry.metadata()?.modified()?.duration_since(UNIX_EPOCH);
            newest = newest.max(modified.ok().map(|since| since.as_nanos() as u64));
        }
    }
    Ok(newest)
}

/// Opens a file to read it from its beginning.
///
/// # Errors
/// What the system says, with the path.
pub fn open(path: &Path) -> io::Result<impl Read + use<>> {
    let file = File::open(path).map_err(|error| named(path, &error))?;
    Ok(BufReader::with_capacity(READ_BYTES, file))
}

/// A new file that only its owner can read, written from its beginning. Never overwrites.
#[derive(Debug)]
pub struct NewFile {
    file: File,
}

impl NewFile {
    /// Makes the file.
    ///
    /// # Errors
    /// What the system says; also when the file exists.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(path)?;
        Ok(Self { file })
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a new file that only its owner can read. Never overwrites.
///
/// # Errors
/// What the system says, with the path; also when the file exists.
pub fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let file = options.open(path);
    file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    })
    .map_err(|error| named(path, &error))
}

/// Makes a folder and those above it, if they are not there, and an empty file in it that only its owner can read, if there is none.
///
/// # Errors
/// What the system says, with the path.
pub fn make_secret(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| named(folder, &error))?;
    }
    match NewFile::create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(named(path, &error)),
        _ => Ok(()),
    }
}

/// Gives a file another name. Gives whether there was one.
///
/// # Errors
/// What the system says, with the path.
pub fn rename(from: &Path, to: &Path) -> io::Result<bool> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        renamed => renamed.map(|()| true).map_err(|error| named(from, &error)),
    }
}

/// Removes a folder of this process's own with everything in it.
///
/// # Errors
/// What the system says, with the path.
pub fn remove_folder(path: &Path) -> io::Result<()> {
    std::fs::remove_dir_all(path).map_err(|error| named(path, &error))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
