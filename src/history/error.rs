//! What can go wrong with the tables.

use std::path::PathBuf;

/// The tables cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The store refused something.
    #[error(
        "history in {}: {error}\nremedy: see that the disk is not full and the file is this user's; a damaged file may be removed, it is made again from the journal", file.display()
    )]
    Store {
        /// The file.
        file: PathBuf,
        /// What it said.
        error: rusqlite::Error,
    },
    /// Another version wrote the file.
    #[error(
        "history in {} is of version {found}, this program writes version {known}\nremedy: remove the file, it is made again from the journal", file.display()
    )]
    Version {
        /// The file.
        file: PathBuf,
        /// What it says.
        found: i64,
        /// What this program writes.
        known: i64,
    },
}
