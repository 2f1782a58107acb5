//! The lock of a data directory: one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::named;

/// The lock of a data directory.
const LOCK_FILE: &str = "LOCK";

/// A locked file. Unlocked when it is dropped, and by the system when the process ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
    before: String,
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
    /// Locks `folder`; its lock file says who holds it: this process, which is `node`.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn take(folder: &Path, node: &str) -> Result<Self, LockError> {
        let file = &folder.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let opened = options.mode(0o600).open(file);
        let mut lock = opened.map_err(|error| named(file, &error))?;
        let mut before = String::new();
        match lock.try_lock() {
            Ok(()) => {
                // Nothing that it says is needed to go on.
                let _ = lock.read_to_string(&mut before);
            }
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
        let text = format!("process {}, node {node}\n", std::process::id());
        let write = |lock: &mut File| {
            lock.set_len(0)?;
            lock.rewind()?;
            lock.write_all(text.as_bytes())
        };
        write(&mut lock).map_err(|error| named(file, &error))?;
        Ok(Self {
            _file: lock,
            before,
        })
    }

    /// What the process wrote of itself that held the lock before, and has ended.
    #[must_use]
    pub fn before(&self) -> &str {
        self.before.trim()
    }
}
