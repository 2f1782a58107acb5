//! What the database keeps of tenants, for a thread that may wait.

use std::collections::BTreeMap;
use std::sync::Arc;

use souk_protocol::TenantId;
use tokio::runtime::Runtime;

use super::keeper::KeeperError;
use super::warm::Warm;
use crate::config::Config;
use crate::database::{
    Connection, DatabaseError, LogId, LogRow, Position, TenantSnapshot, Tenure, runtime,
};
use crate::history::Recorder;

/// Reads and adds to what the database keeps of tenants' pasts.
#[derive(Debug)]
pub(crate) struct Past {
    runtime: Runtime,
    connection: Connection,
}

impl Past {
    pub(crate) fn new(connection: Connection) -> Result<Self, DatabaseError> {
        Ok(Self {
            runtime: runtime()?,
            connection,
        })
    }

    fn ask<T>(
        &mut self,
        ask: impl AsyncFnOnce(&mut Connection) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        self.runtime.block_on(ask(&mut self.connection))
    }

    /// All ownerships of a tenant, in the order of their epochs.
    pub(crate) fn tenures(&mut self, tenant: TenantId) -> Result<Vec<Tenure>, DatabaseError> {
        self.ask(async |it| it.tenures(tenant).await)
    }

    /// Rows of a log from `from` on, in order: as many as are there, or fewer.
    pub(crate) fn rows(&mut self, log: LogId, from: u64) -> Result<Vec<LogRow>, DatabaseError> {
        self.ask(async |it| it.log_rows(log, from).await)
    }

    /// What is to be read next for tenants that are kept warm: by log and row, those that wait for it. Looks for further
    /// ownerships of a tenant whose known ones are read to their end.
    pub(crate) fn wanted<'a>(
        &mut self,
        tenants: impl Iterator<Item = (TenantId, &'a Warm, &'a mut Vec<Tenure>)>,
    ) -> Result<BTreeMap<(LogId, u64), Vec<TenantId>>, DatabaseError> {
        let mut wanted: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (tenant, warm, tenures) in tenants {
            if warm.next(tenures).is_none() {
                *tenures = self.tenures(tenant)?;
            }
            if let Some(next) = warm.next(tenures) {
                wanted.entry(next).or_default().push(tenant);
            }
        }
        Ok(wanted)
    }

    /// Adds an ownership; adding it again changes nothing.
    pub(crate) fn begin(&mut self, tenant: TenantId, tenure: Tenure) -> Result<(), DatabaseError> {
        self.ask(async |it| it.begin_tenure(tenant, tenure).await)
    }

    /// The tenants that the cluster has.
    pub(crate) fn tenants(&mut self) -> Result<Vec<TenantId>, DatabaseError> {
        let owners = self.ask(async |it| it.owners().await)?;
        Ok(owners.into_keys().collect())
    }

    /// The snapshots of a tenant, the newest first.
    pub(crate) fn snapshots(
        &mut self,
        tenant: TenantId,
    ) -> Result<Vec<TenantSnapshot>, DatabaseError> {
        self.ask(async |it| it.snapshots(tenant).await)
    }

    /// Adds a row of a snapshot.
    pub(crate) fn add_chunk(
        &mut self,
        tenant: TenantId,
        id: u64,
        chunk: u32,
        bytes: &[u8],
    ) -> Result<(), DatabaseError> {
        self.ask(async |it| it.add_chunk(tenant, id, chunk, bytes).await)
    }

    /// Publishes a snapshot, and removes all but the last ones.
    pub(crate) fn publish(
        &mut self,
        tenant: TenantId,
        snapshot: &TenantSnapshot,
    ) -> Result<(), DatabaseError> {
        self.ask(async |it| {
            it.publish(tenant, snapshot).await?;
            it.forget_snapshots(tenant).await
        })
    }

    /// The last row of each log, and whether the log is sealed.
    pub(crate) fn log_ends(&mut self) -> Result<BTreeMap<LogId, (u64, bool)>, DatabaseError> {
        self.ask(async |it| it.log_ends().await)
    }

    /// Removes some rows of a log before `row`. Gives how many.
    pub(crate) fn trim(&mut self, log: LogId, row: u64) -> Result<u64, DatabaseError> {
        self.ask(async |it| it.trim(log, row).await)
    }

    /// How far a tenant's history goes, and when it was written last, in nanoseconds since 1970-01-01 UTC.
    pub(crate) fn history(
        &mut self,
        tenant: TenantId,
    ) -> Result<Option<(Position, u64)>, DatabaseError> {
        self.ask(async |it| it.history_position(tenant).await)
    }

    /// A tenant as a snapshot has it, or as one of which nothing was read.
    pub(crate) fn warm(
        &mut self,
        config: &Arc<Config>,
        matchers: usize,
        snapshot: Option<&TenantSnapshot>,
    ) -> Result<Warm, KeeperError> {
        self.recording(config, matchers, snapshot, None)
    }

    /// [`Self::warm`], with who takes down what people may ask for later.
    pub(crate) fn recording(
        &mut self,
        config: &Arc<Config>,
        matchers: usize,
        snapshot: Option<&TenantSnapshot>,
        recorder: Option<Arc<Recorder>>,
    ) -> Result<Warm, KeeperError> {
        let tenant = config.tenants[0].id;
        let snapshot = match snapshot {
            Some(snapshot) => {
                let bytes = self.ask(async |it| it.snapshot_bytes(tenant, snapshot).await)?;
                Some((snapshot, bytes))
            }
            None => None,
        };
        Ok(Warm::new(Arc::clone(config), matchers, snapshot, recorder)?)
    }

    /// A tenant as its newest snapshot that can be read has it.
    pub(crate) fn warmest(
        &mut self,
        config: &Arc<Config>,
        matchers: usize,
    ) -> Result<Warm, KeeperError> {
        for snapshot in self.snapshots(config.tenants[0].id)? {
            match self.warm(config, matchers, Some(&snapshot)) {
                Err(error) if !error.is_passing() => {
                    tracing::error!(%error, "a snapshot cannot be read and is left alone");
                }
                warm => return warm,
            }
        }
        self.warm(config, matchers, None)
    }
}
