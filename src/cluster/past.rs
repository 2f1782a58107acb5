//! What the database keeps of a tenant's past: who owned it one after another, and the logs in which that is written.

use souk_protocol::TenantId;

use crate::ids::Epoch;

/// A log of a node's incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub u64);

/// One ownership of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// Its epoch.
    pub epoch: Epoch,
    /// Where its batches are.
    pub log: LogId,
    /// The first row that may have one of them.
    pub first_row: u64,
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// A group of batches.
    Group,
    /// The end of a log: nothing comes after it.
    Seal,
}

/// A row of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its place in the log, counted from 1.
    pub seq: u64,
    /// What it is.
    pub kind: RowKind,
    /// The group.
    pub payload: Vec<u8>,
}

/// Reads and adds to the past.
pub trait Past {
    /// Why it cannot.
    type Error: std::error::Error + Send + Sync + 'static;

    /// All ownerships of a tenant, in the order of their epochs.
    ///
    /// # Errors
    /// When the database does not answer.
    fn tenures(&mut self, tenant: TenantId) -> Result<Vec<Tenure>, Self::Error>;

    /// Rows of a log from `from` on, in order: as many as are there, or fewer.
    ///
    /// # Errors
    /// When the database does not answer.
    fn rows(&mut self, log: LogId, from: u64) -> Result<Vec<Row>, Self::Error>;

    /// Adds an ownership; once it is there it stays, and adding it again changes nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    fn begin(&mut self, tenant: TenantId, tenure: Tenure) -> Result<(), Self::Error>;
}
