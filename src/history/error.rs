//! What can go wrong with the tables.

use std::path::PathBuf;

use crate::tables::{Fault, Session, TablesError};

/// The tables cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The file refused something.
    #[error(
        "history in {}: {error}\nremedy: see that the disk is not full and the file is this user's; a damaged file may be removed, it is made again as far as the journal reaches back", file.display()
    )]
    Store {
        /// The file.
        file: PathBuf,
        /// What it said.
        error: TablesError,
    },
    /// The cluster's database refused something, or did not answer.
    #[error(
        "history in the database: {0}\nremedy: see that the database runs; `souk doctor` looks at it"
    )]
    Database(TablesError),
    /// The file cannot be made.
    #[error("history in {}: {error}\nremedy: mend the data directory, or name another one", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It reaches further than the journal: it was made from another one.
    #[error(
        "history in {} reaches batch {found}, the journal only batch {known}: it is another journal's\nremedy: remove the file, it is made again from the journal as far as that reaches back", file.display()
    )]
    Foreign {
        /// The file.
        file: PathBuf,
        /// How far it reaches.
        found: u64,
        /// How far the journal reaches.
        known: u64,
    },
    /// Another version wrote the file.
    #[error(
        "history in {} is of version {found}, this program writes version {known}\nremedy: remove the file, it is made again as far as the journal reaches back", file.display()
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

impl HistoryError {
    /// Whether to try again is of use.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        let (Self::Store { error, .. } | Self::Database(error)) = self else {
            return false;
        };
        error.is_passing()
    }

    /// Whether others are in the way: another time they may not be.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.fault() == Some(Fault::Busy)
    }

    /// Whether the file is not whole, or something else than tables.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.fault() == Some(Fault::Damaged)
    }

    /// Whether the tables are not reached, whoever's they are.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.fault() == Some(Fault::Away)
    }

    const fn fault(&self) -> Option<Fault> {
        match self {
            Self::Store { error, .. } | Self::Database(error) => Some(error.fault()),
            _ => None,
        }
    }

    /// What tables said, with where they are.
    pub(super) fn of(session: &dyn Session, error: TablesError) -> Self {
        match session.file() {
            Some(file) => Self::Store {
                file: file.to_owned(),
                error,
            },
            None => Self::Database(error),
        }
    }
}
