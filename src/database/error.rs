//! What can go wrong with a database.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::HostPort;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The file with the password cannot be read.
    #[error(
        "cannot read the database's password: {error}\nremedy: name a readable file as password_file, or leave it out"
    )]
    Password {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// No connection could be made.
    #[error(
        "cannot connect to the database at {address}: {error}\nremedy: see that it runs and that [database] names it and its user rightly"
    )]
    Refused {
        /// Where.
        address: HostPort,
        /// What was said.
        error: String,
    },
    /// The connection broke, or an answer did not come in time.
    #[error("the database at {address} was lost: {error}")]
    Lost {
        /// Where.
        address: HostPort,
        /// What happened.
        error: String,
    },
    /// The server refuses a statement.
    #[error("the database says: error {code}: {message}")]
    Server {
        /// The server's number.
        code: u16,
        /// Its words.
        message: String,
    },
    /// An answer is not what this version writes.
    #[error(
        "the database holds {what} = {value}, which this version does not know\nremedy: run the same version of souk on all nodes"
    )]
    Answer {
        /// What.
        what: &'static str,
        /// What stands there.
        value: String,
    },
    /// Its tables are of another version.
    #[error(
        "the database's tables are of version {found}, this version of souk needs {needed}\nremedy: {remedy}"
    )]
    Schema {
        /// What is there; 0 if there are none.
        found: u32,
        /// What should be.
        needed: u32,
        /// What to do.
        remedy: &'static str,
    },
    /// The runtime of a thread cannot be made.
    #[error("cannot start a thread: {0}")]
    Runtime(std::io::Error),
}

/// How often a database that does not answer is told of.
pub const TELL_EVERY: Duration = Duration::from_secs(1);
/// A unique key was there already.
const DUPLICATE: u16 = 1_062;
/// A lock was not had in time; a deadlock; the statement's time was over; the cluster is not ready.
const AGAIN: [u16; 5] = [1_205, 1_213, 1_969, 3_024, 1_047];

impl DatabaseError {
    pub(crate) fn lost(address: &HostPort, error: impl ToString) -> Self {
        Self::Lost {
            address: address.clone(),
            error: error.to_string(),
        }
    }

    pub(crate) fn late(address: &HostPort, after: Duration) -> Self {
        Self::lost(address, format!("no answer within {after:?}"))
    }

    pub(crate) fn answer(what: &'static str, value: impl ToString) -> Self {
        Self::Answer {
            what,
            value: value.to_string(),
        }
    }

    /// Whether the server asks to try again.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        let Self::Server { code, .. } = self else {
            return false;
        };
        let mut at = 0;
        while at < AGAIN.len() {
            if AGAIN[at] == *code {
                return true;
            }
            at += 1;
        }
        false
    }

    /// Whether it may go away by itself.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Lost { .. }) || self.is_busy()
    }

    /// Whether what should be added was there already.
    #[must_use]
    pub const fn is_duplicate(&self) -> bool {
        matches!(self, Self::Server { code, .. } if *code == DUPLICATE)
    }
}
