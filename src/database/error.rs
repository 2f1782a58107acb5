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
/// A lock was not had in time; a deadlock; the statement's time was over; it was ended; another server's transaction came first.
const AGAIN: [u16; 6] = [1_205, 1_213, 1_969, 3_024, 1_317, 3_101];
/// The server can be read only; so can the group; the cluster is not ready.
const AWAY: [u16; 4] = [1_290, 1_836, 3_100, 1_047];
/// The server ends; it has ended the connection, for one of three reasons.
const ENDED: [u16; 4] = [1_053, 1_927, 1_152, 4_031];

impl DatabaseError {
    /// What a server has said, with its number.
    pub(crate) fn said(address: &HostPort, code: u16, message: String) -> Self {
        if ENDED.contains(&code) {
            return Self::lost(address, message);
        }
        Self::Server { code, message }
    }

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
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Server { code, .. } if AGAIN.contains(code))
    }

    /// Whether no server was reached, or one that takes no changes for a moment. By then another one may be the first.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            Self::Refused { .. } => true,
            Self::Server { code, .. } => AWAY.contains(code),
            _ => false,
        }
    }

    /// Whether it may go away by itself.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Lost { .. }) || self.is_away() || self.is_busy()
    }

    /// Whether what should be added was there already.
    #[must_use]
    pub const fn is_duplicate(&self) -> bool {
        matches!(self, Self::Server { code, .. } if *code == DUPLICATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{Fault, TablesError};

    #[test]
    fn what_a_server_says_is_told_by_what_may_have_been_done() {
        let address = HostPort {
            host: "db".to_owned(),
            port: 3306,
        };
        let fault = |code| {
            let error = DatabaseError::said(&address, code, String::new());
            TablesError::from(error).fault()
        };
        for (code, expected) in [
            (1_205, Fault::Busy),
            (1_213, Fault::Busy),
            (1_290, Fault::Away),
            (1_047, Fault::Away),
            (1_053, Fault::Lost),
            (1_927, Fault::Lost),
            (1_062, Fault::Duplicate),
            (1_146, Fault::Refused),
        ] {
            assert_eq!(fault(code), expected, "error {code}");
        }
        let late = DatabaseError::late(&address, Duration::from_secs(1));
        assert_eq!(TablesError::from(late).fault(), Fault::Lost);
    }
}
