//! Takes tenants in and lets them go.

use std::collections::BTreeMap;
use std::sync::Arc;

use souk_protocol::TenantId;

use super::keyring::Keyring;
use super::past::Past;
use super::served::{Floor, Served};
use super::warm::{Warm, WarmError};
use crate::config::{Config, TenantConfig};
use crate::database::{DatabaseError, LogId, LogRow, Tenure};
use crate::gateway::entrance::{Entrance, Place};
use crate::history::HistoryError;
use crate::ids::Epoch;
use crate::journal::Journal;
use crate::server::{ServerError, StopError};

/// Why a tenant cannot be taken in, kept warm, or let go.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeeperError {
    /// The database does not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Its history cannot be written.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Its past cannot be done again.
    #[error(transparent)]
    Warm(Box<WarmError>),
    /// A thread cannot be made.
    #[error(transparent)]
    Start(#[from] ServerError),
    /// Its end is not a good one.
    #[error(transparent)]
    Stop(#[from] StopError),
    /// A log of an owner before has no end.
    #[error(
        "log {log} of the database ends at row {row} without a seal, and tenant {} has not ended in it\nremedy: keep the tables and report it", tenant.0
    )]
    NotEnded {
        /// The log.
        log: u64,
        /// The row that should come.
        row: u64,
        /// Whose past it is.
        tenant: TenantId,
    },
    /// The configuration has no such tenant.
    #[error(
        "the cluster has tenant {}, this node's configuration has not\nremedy: give all nodes the same [[tenant]] entries", .0.0
    )]
    NotConfigured(TenantId),
}

impl KeeperError {
    /// Whether to try again is of use.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Database(error) => error.is_passing(),
            Self::History(error) => error.is_passing(),
            _ => false,
        }
    }

    /// Whether the database is not reached, whoever it is about.
    pub(crate) fn is_away(&self) -> bool {
        match self {
            Self::Database(error) => error.is_away(),
            Self::History(error) => error.is_away(),
            _ => false,
        }
    }
}

impl From<WarmError> for KeeperError {
    fn from(error: WarmError) -> Self {
        Self::Warm(Box::new(error))
    }
}

/// A configuration for each tenant, with that tenant alone.
pub(crate) fn each_alone(config: &Config) -> BTreeMap<TenantId, Arc<Config>> {
    let alone = |tenant: &TenantConfig| {
        let alone = Config {
            tenants: vec![tenant.clone()],
            ..config.clone()
        };
        (tenant.id, Arc::new(alone))
    };
    config.tenants.iter().map(alone).collect()
}

/// What a node does with each tenant of the cluster.
pub(crate) struct Keeper {
    past: Past,
    /// By tenant, each alone.
    configs: BTreeMap<TenantId, Arc<Config>>,
    entrance: Arc<Entrance>,
    keyring: Arc<Keyring>,
    floor: Floor,
    journal: Journal,
    /// The log of this process.
    log: LogId,
    warm: BTreeMap<TenantId, Warmth>,
    served: BTreeMap<TenantId, Served>,
}

/// A tenant that is kept warm, and its ownerships as far as they are known.
struct Warmth {
    warm: Warm,
    tenures: Vec<Tenure>,
}

impl Keeper {
    /// A keeper with no tenant yet, of a process that writes `log` through `journal`.
    pub(crate) fn new(
        past: Past,
        configs: BTreeMap<TenantId, Arc<Config>>,
        entrance: Arc<Entrance>,
        keyring: Arc<Keyring>,
        floor: Floor,
        journal: Journal,
        log: LogId,
    ) -> Self {
        Self {
            past,
            configs,
            entrance,
            keyring,
            floor,
            journal,
            log,
            warm: BTreeMap::new(),
            served: BTreeMap::new(),
        }
    }

    /// Begins to keep a tenant warm.
    ///
    /// # Errors
    /// When it is not configured, or the database does not answer.
    pub(crate) fn warm_up(&mut self, tenant: TenantId) -> Result<(), KeeperError> {
        if self.warm.contains_key(&tenant) || self.served.contains_key(&tenant) {
            return Ok(());
        }
        let config = self.configs.get(&tenant);
        let config = config.ok_or(KeeperError::NotConfigured(tenant))?;
        let warm = self.past.warmest(config, self.floor.matchers.len())?;
        let tenures = Vec::new();
        self.warm.insert(tenant, Warmth { warm, tenures });
        Ok(())
    }

    /// Keeps a tenant warm no more.
    pub(crate) fn cool(&mut self, tenant: TenantId) {
        self.warm.remove(&tenant);
    }

    /// Whether any tenant is kept warm.
    pub(crate) fn is_warm(&self) -> bool {
        !self.warm.is_empty()
    }

    /// Does again what owners of the warm tenants have written since. Gives how many rows that was.
    ///
    /// # Errors
    /// When the database does not answer, or a past does not come out as it was recorded: that tenant is warm no more.
    pub(crate) fn follow(&mut self) -> Result<usize, KeeperError> {
        let warm = self.warm.iter_mut();
        let tenants = warm.map(|(tenant, it)| (*tenant, &it.warm, &mut it.tenures));
        let mut count = 0;
        for ((log, from), tenants) in self.past.wanted(tenants)? {
            let rows = self.past.rows(log, from)?;
            count += rows.len();
            for tenant in tenants {
                let Some(warmth) = self.warm.get_mut(&tenant) else {
                    continue;
                };
                if let Err(error) = warmth.take(log, &rows) {
                    self.warm.remove(&tenant);
                    if !matches!(error, WarmError::Missing { .. }) {
                        return Err(error.into());
                    }
                    // A snapshot covers what was removed.
                    self.warm_up(tenant)?;
                }
            }
        }
        Ok(count)
    }

    /// Serves a tenant that this process has claimed: reads what is left of its past, adds its own ownership, and lets
    /// sessions in. The logs of all owners before are sealed, or ended.
    ///
    /// # Errors
    /// When the database does not answer, or the past does not come out as it was recorded: the tenant is not served then.
    pub(crate) fn take_in(&mut self, tenant: TenantId, epoch: Epoch) -> Result<(), KeeperError> {
        self.warm_up(tenant)?;
        self.catch_up(tenant, epoch)?;
        let tenure = Tenure {
            epoch,
            log: self.log,
            // Nothing of it is in an earlier row.
            first_row: self.journal.counts().groups + 1,
        };
        self.past.begin(tenant, tenure)?;
        let Some(Warmth { mut warm, .. }) = self.warm.remove(&tenant) else {
            return Ok(());
        };
        self.keyring.fill(tenant, &warm.recovery().directory);
        let registry = &self.entrance.registry;
        let (partition, wakes) =
            warm.serve(epoch, registry, &self.journal, self.floor.meters.as_deref())?;
        let shared = Arc::clone(&partition.shared);
        let served = Served::begin(tenant, epoch, partition, wakes, &self.journal, &self.floor)?;
        self.served.insert(tenant, served);
        self.entrance.set(tenant, Place::Here(Arc::clone(&shared)));
        // What was given in between.
        self.keyring.fill(tenant, &shared.directory);
        Ok(())
    }

    /// Reads all that owners before `epoch` have written.
    fn catch_up(&mut self, tenant: TenantId, epoch: Epoch) -> Result<(), KeeperError> {
        let Some(warmth) = self.warm.get_mut(&tenant) else {
            return Ok(());
        };
        warmth.tenures = self.past.tenures(tenant)?;
        // A claim whose outcome was not known may have begun it.
        warmth.tenures.retain(|tenure| tenure.epoch < epoch);
        while let Some((log, row)) = warmth.warm.next(&warmth.tenures) {
            let rows = self.past.rows(log, row)?;
            if rows.is_empty() {
                let log = log.0;
                return Err(KeeperError::NotEnded { log, row, tenant });
            }
            warmth.take(log, &rows)?;
        }
        Ok(())
    }

    /// Lets a tenant go: when this returns, everything that was taken is answered and durable, and another node may claim it.
    /// Its clients are told that it is in `place` from now on.
    ///
    /// # Errors
    /// When the journal has failed, or the ledger does not add up.
    pub(crate) fn let_go(&mut self, tenant: TenantId, place: Place) -> Result<(), KeeperError> {
        if let Some(served) = self.served.remove(&tenant) {
            served.end(&self.entrance, place)?;
        }
        Ok(())
    }

    /// Ends what is still served, because the node cannot go on: the journal has failed, or its lease is lost.
    pub(crate) fn abandon(mut self) {
        for (tenant, served) in std::mem::take(&mut self.served) {
            if let Err(error) = served.end(&self.entrance, Place::Moving) {
                tracing::error!(%error, tenant = tenant.0, "a tenant's end is not a good one");
            }
        }
    }
}

impl Warmth {
    /// Does rows of a log again, as far as they are of the tenant's ownerships.
    fn take(&mut self, log: LogId, rows: &[LogRow]) -> Result<(), WarmError> {
        for row in rows {
            match self.warm.next(&self.tenures) {
                Some((next, _)) if next == log => self.warm.take(&self.tenures, row)?,
                _ => return Ok(()),
            }
        }
        Ok(())
    }
}
