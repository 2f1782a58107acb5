//! The lock of a data directory: one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::named;

/// A locked file. Unlocked when it is dropped, and by the system when the process ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

/// Why a data directory cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process has it.
    #[error(
        "{} is in use by {holder}\nremedy: stop that process, or use another data directory", file.display()
    )]
    Held {
        /// The lock file.
        file: PathBuf,
        /// What that process wrote of itself.
        holder: String,
    },
    /// The system refuses.
    #[error("cannot lock the data directory: {0}")]
    Io(#[from] io::Error),
}

impl FolderLock {
    /// Locks `file`, which says who holds it: this process, `name`d so.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn take(file: &Path, name: &str) -> Result<Self, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let opened = options.mode(0o600).open(file);
        let mut lock = opened.map_err(|error| named(file, &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Whatever it says is only shown.
                let _ = lock.read_to_string(&mut holder);
                let holder = holder.trim();
                let unknown = "a process that has not said who it is yet";
                let holder = if holder.is_empty() { unknown } else { holder };
                return Err(LockError::Held {
                    file: file.to_owned(),
                    holder: holder.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(named(file, &error).into()),
        }
        let text = format!("process {}, node {name}\n", std::process::id());
        let write = |lock: &mut File| {
            lock.set_len(0)?;
            lock.rewind()?;
            lock.write_all(text.as_bytes())
        };
        write(&mut lock).map_err(|error| named(file, &error))?;
        Ok(Self { _file: lock })
    }
}
