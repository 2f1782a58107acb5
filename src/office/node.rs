//! The node that the office belongs to: one that has its tenants alone, or one of a cluster, whose tenants may be served by any
//! other. What differs between the two is here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use souk_protocol::{KeyId, TenantId};

use super::state::blocking;
use crate::clock;
use crate::cluster::Keyring;
use crate::config::{Config, KeyConfig};
use crate::database::{ClusterStatus, DatabaseError, DatabaseTables, LogEnd};
use crate::directory::Directory;
use crate::gateway::entrance::Entrance;
use crate::handoff::TenantIndex;
use crate::history::{self, Reach};
use crate::ids::Position;
use crate::journal::Journal;
use crate::tables::TablesError;

/// How long an answer waits for the history to have what it tells of.
const HISTORY_WAIT: Duration = Duration::from_secs(3);
/// How often it is looked meanwhile how far the history goes that another node writes.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The node.
pub enum Node {
    /// It has its tenants alone.
    Alone(Alone),
    /// It is one of a cluster.
    Clustered(Box<Clustered>),
}

/// A node that has its tenants alone.
pub struct Alone {
    pub entrance: Arc<Entrance>,
    pub directory: Arc<Directory>,
    pub journal: Journal,
    pub reach: Arc<Reach>,
}

/// A node of a cluster.
pub struct Clustered {
    pub entrance: Arc<Entrance>,
    pub keyring: Arc<Keyring>,
    pub journal: Journal,
    /// A connection of its own: what is asked here is short, and somebody waits for it.
    tables: Mutex<DatabaseTables>,
}

/// What cannot be asked of a cluster's database.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Tables(#[from] TablesError),
}

impl Node {
    /// What this process knows of its own journal.
    pub const fn journal(&self) -> &Journal {
        match self {
            Self::Alone(alone) => &alone.journal,
            Self::Clustered(clustered) => &clustered.journal,
        }
    }

    /// Connections of this process.
    pub fn connections(&self) -> usize {
        let entrance = match self {
            Self::Alone(alone) => &alone.entrance,
            Self::Clustered(clustered) => &clustered.entrance,
        };
        entrance.registry.connections()
    }

    /// Lets a key log on that is in the tables by now; other nodes of a cluster see it there within a second or so.
    pub fn admit_key(&self, config: &Config, tenant: TenantId, key: &KeyConfig) {
        match self {
            Self::Alone(alone) => {
                let place = config.tenants.iter().position(|it| it.id == tenant);
                if let Some(place) = place {
                    alone.directory.add_key(TenantIndex(place as u32), key);
                    alone.entrance.add_key(tenant, key.id, key.public_key);
                }
            }
            Self::Clustered(clustered) => clustered.keyring.admit(tenant, key),
        }
    }

    /// Lets a key log on no more, and ends its sessions here; other nodes of a cluster do so within a second or so.
    pub fn revoke_key(&self, tenant: TenantId, key: KeyId) {
        match self {
            Self::Alone(alone) => alone.entrance.revoke_key(tenant, key),
            Self::Clustered(clustered) => clustered.keyring.revoke(tenant, key),
        }
    }

    /// Waits until a tenant's history has everything that was acknowledged until now, for a bounded time. Gives whether it has.
    pub async fn history_reaches_now(&self, tenant: TenantId) -> bool {
        match self {
            Self::Alone(alone) => {
                let until = alone.journal.durable_until();
                alone.reach.reaches(until, HISTORY_WAIT).await
            }
            Self::Clustered(clustered) => match clustered.reaches_now(tenant).await {
                Ok(reaches) => reaches,
                Err(error) => {
                    tracing::warn!(%error, "it is not known how far the history goes");
                    false
                }
            },
        }
    }

    /// How far a tenant's history goes: something else whenever something is added.
    pub fn history_version(&self, tenant: TenantId) -> Result<Position, NodeError> {
        match self {
            Self::Alone(alone) => Ok(Position {
                next_row: alone.reach.next_batch(),
                ..Position::START
            }),
            Self::Clustered(clustered) => {
                blocking(|| Ok(history::position(&mut *clustered.lock(), tenant)?))
            }
        }
    }

    /// What is durable and not in a tenant's history yet: batches, or rows of a cluster's logs.
    pub fn history_lag(&self, tenant: TenantId) -> Result<u64, NodeError> {
        match self {
            Self::Alone(alone) => {
                let durable = alone.journal.durable_until();
                Ok(durable.saturating_sub(alone.reach.next_batch()))
            }
            Self::Clustered(clustered) => blocking(|| {
                let mut tables = clustered.lock();
                let end = tables.log_end(tenant)?;
                let reached = history::position(&mut *tables, tenant)?;
                Ok(end.map_or(0, |end| end.behind(reached)))
            }),
        }
    }

    /// The nodes of the cluster, if it is one of a cluster.
    pub fn cluster(&self) -> Result<Option<ClusterStatus>, NodeError> {
        match self {
            Self::Alone(_) => Ok(None),
            Self::Clustered(clustered) => blocking(|| {
                let status = clustered
                    .lock()
                    .ask(async |connection| connection.cluster_status().await);
                Ok(Some(status?))
            }),
        }
    }
}

impl Clustered {
    pub const fn new(
        entrance: Arc<Entrance>,
        keyring: Arc<Keyring>,
        journal: Journal,
        tables: DatabaseTables,
    ) -> Self {
        Self {
            entrance,
            keyring,
            journal,
            tables: Mutex::new(tables),
        }
    }

    fn lock(&self) -> MutexGuard<'_, DatabaseTables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn reaches_now(&self, tenant: TenantId) -> Result<bool, NodeError> {
        let begun = clock::monotonic();
        // What was acknowledged is in the log: it was committed before.
        let end: Option<LogEnd> = blocking(|| self.lock().log_end(tenant))?;
        let Some(end) = end else {
            return Ok(true);
        };
        loop {
            let reached = blocking(|| history::position(&mut *self.lock(), tenant))?;
            if reached >= end.position {
                return Ok(true);
            }
            if clock::monotonic() - begun >= HISTORY_WAIT {
                return Ok(false);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}
