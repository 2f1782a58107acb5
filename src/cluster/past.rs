//! The keeper's connection to the database, for a thread that may wait.

use souk_protocol::TenantId;
use tokio::runtime::Runtime;

use crate::database::{Connection, DatabaseError, LogId, LogRow, Tenure};

/// Reads and adds to what the database keeps of tenants' pasts.
#[derive(Debug)]
pub(crate) struct Past {
    runtime: Runtime,
    connection: Connection,
}

impl Past {
    pub(crate) fn new(connection: Connection) -> Result<Self, DatabaseError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(DatabaseError::Runtime)?;
        Ok(Self {
            runtime,
            connection,
        })
    }

    /// All ownerships of a tenant, in the order of their epochs.
    pub(crate) fn tenures(&mut self, tenant: TenantId) -> Result<Vec<Tenure>, DatabaseError> {
        self.runtime.block_on(self.connection.tenures(tenant))
    }

    /// Rows of a log from `from` on, in order: as many as are there, or fewer.
    pub(crate) fn rows(&mut self, log: LogId, from: u64) -> Result<Vec<LogRow>, DatabaseError> {
        self.runtime.block_on(self.connection.log_rows(log, from))
    }

    /// Adds an ownership; adding it again changes nothing.
    pub(crate) fn begin(&mut self, tenant: TenantId, tenure: Tenure) -> Result<(), DatabaseError> {
        self.runtime
            .block_on(self.connection.begin_tenure(tenant, tenure))
    }
}
