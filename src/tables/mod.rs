//! Tables of stores: the same statements for a file of a node's own and for a cluster's database. What the two say differently
//! is in [`Dialect`]; whoever keeps a store writes its statements once.
//!
//! Numbers of 64 bits without a sign are kept as the same 64 bits with one.
//!
//! Must never: go on in a transaction of which a statement has failed, or do a commit again whose answer did not come.

mod dialect;
mod row;
mod sqlite;

use std::fmt::Debug;
use std::path::Path;

pub use dialect::{Bulk, Dialect};
pub use row::{Row, Value};
pub use sqlite::{Layout, OpenError, Sqlite};

/// How often a transaction is begun again that others were in the way of.
const ATTEMPTS_MAX: usize = 5;

/// Values of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::tables::Value::from($value)),*][..]
    };
}
pub(crate) use values;

/// What kind of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Others are in the way: nothing was done, and to try again is of use.
    Busy,
    /// The store is not reached, or takes no changes for a moment: nothing was done.
    Away,
    /// No answer came: what was asked may have been done.
    Lost,
    /// A row with this key is there.
    Duplicate,
    /// The file is not whole, or something else than tables.
    Damaged,
    /// Anything else.
    Refused,
}

/// A statement was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TablesError {
    /// The store refused it.
    #[error("{text}")]
    Store {
        /// What kind of refusal it is.
        fault: Fault,
        /// What it said.
        text: String,
    },
    /// A row is not what this version writes.
    #[error("column {column} holds {value}, which this version does not know")]
    Unknown {
        /// The column of the answer, counted from 0.
        column: usize,
        /// What stands there.
        value: String,
    },
}

impl TablesError {
    /// What kind of refusal it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Store { fault, .. } => *fault,
            Self::Unknown { .. } => Fault::Refused,
        }
    }

    /// Whether it may go away by itself.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self.fault(), Fault::Busy | Fault::Away | Fault::Lost)
    }
}

/// What speaks to tables. One thread at a time; it may wait for a disk or a server.
pub trait Session: Debug + Send {
    /// How it wants to be spoken to.
    fn dialect(&self) -> Dialect;

    /// The file they are in, if they are in one.
    fn file(&self) -> Option<&Path>;

    /// Executes a statement. Gives how many rows it changed or found as they should be.
    ///
    /// # Errors
    /// When it was not done, or nobody knows.
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, TablesError>;

    /// Asks for rows.
    ///
    /// # Errors
    /// When no answer came.
    fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, TablesError>;

    /// Begins a transaction: nobody else writes to what it has read `FOR UPDATE` until it ends.
    ///
    /// # Errors
    /// When it cannot.
    fn begin(&mut self) -> Result<(), TablesError>;

    /// Ends the transaction: everything in it is done, and as durable as the store makes it.
    ///
    /// # Errors
    /// When it is not done, or nobody knows.
    fn commit(&mut self) -> Result<(), TablesError>;

    /// Ends the transaction: nothing in it is done.
    fn roll_back(&mut self);
}

/// Asks for one row at most.
///
/// # Errors
/// When no answer came.
pub fn row(
    session: &mut dyn Session,
    sql: &str,
    values: &[Value],
) -> Result<Option<Row>, TablesError> {
    Ok(session.rows(sql, values)?.into_iter().next())
}

/// Does `work` in one transaction: all of it, or nothing. It is begun anew if others were in the way.
///
/// # Errors
/// Why nothing of it is done; if the answer to the commit was lost, nobody knows.
pub fn transaction<T>(
    session: &mut dyn Session,
    mut work: impl FnMut(&mut dyn Session) -> Result<T, TablesError>,
) -> Result<T, TablesError> {
    let mut attempts = 1;
    loop {
        match once(session, &mut work) {
            Err(error) if error.fault() == Fault::Busy && attempts < ATTEMPTS_MAX => attempts += 1,
            done => return done,
        }
    }
}

/// [`transaction`], for who does not begin anew if others were in the way.
///
/// # Errors
/// The same.
pub fn once<T>(
    session: &mut dyn Session,
    work: impl FnOnce(&mut dyn Session) -> Result<T, TablesError>,
) -> Result<T, TablesError> {
    match session.begin().and_then(|()| work(session)) {
        Ok(done) => session.commit().map(|()| done),
        Err(error) => {
            session.roll_back();
            Err(error)
        }
    }
}
