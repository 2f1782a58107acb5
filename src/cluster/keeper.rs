//! Takes tenants in and lets them go.

use std::collections::BTreeMap;
use std::sync::Arc;

use souk_protocol::TenantId;

use super::past::{LogId, Past, Row, Tenure};
use super::served::{Floor, Served};
use super::warm::{Warm, WarmError};
use crate::config::Config;
use crate::gateway::entrance::{Entrance, Place};
use crate::ids::Epoch;
use crate::journal::{Journal, JournalError};
use crate::server::{ServerError, StopError};

/// Why a tenant cannot be taken in, kept warm, or let go.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeeperError {
    /// The database does not answer.
    #[error("the cluster's database: {0}")]
    Past(Box<dyn std::error::Error + Send + Sync>),
    /// Its past cannot be done again.
    #[error(transparent)]
    Warm(Box<WarmError>),
    /// A thread cannot be made.
    #[error(transparent)]
    Start(#[from] ServerError),
    /// Its end is not a good one.
    #[error(transparent)]
    Stop(#[from] StopError),
    /// The journal has failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The configuration has no such tenant.
    #[error(
        "the cluster has tenant {}, this node's configuration has not\nremedy: give all nodes the same [[tenant]] entries", .0.0
    )]
    NotConfigured(TenantId),
}

impl From<WarmError> for KeeperError {
    fn from(error: WarmError) -> Self {
        Self::Warm(Box::new(error))
    }
}

/// What a node does with each tenant of the cluster.
pub(crate) struct Keeper<P> {
    past: P,
    /// By tenant, each alone.
    configs: BTreeMap<TenantId, Arc<Config>>,
    entrance: Arc<Entrance>,
    floor: Floor,
    journal: Journal,
    /// The log of this process.
    log: LogId,
    warm: BTreeMap<TenantId, (Warm, Vec<Tenure>)>,
    served: BTreeMap<TenantId, Served>,
}

impl<P: Past> Keeper<P> {
    /// A keeper with no tenant yet, of a process that writes `log` through `journal`.
    pub(crate) fn new(
        past: P,
        config: &Config,
        entrance: Arc<Entrance>,
        floor: Floor,
        journal: Journal,
        log: LogId,
    ) -> Self {
        let alone = |tenant: &crate::config::TenantConfig| {
            let mut alone = Config {
                tenants: Vec::new(),
                ..config.clone()
            };
            alone.tenants.push(tenant.clone());
            (tenant.id, Arc::new(alone))
        };
        Self {
            past,
            configs: config.tenants.iter().map(alone).collect(),
            entrance,
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
        let warm = Warm::new(Arc::clone(config), self.floor.matchers.len())?;
        self.warm.insert(tenant, (warm, Vec::new()));
        Ok(())
    }

    /// Keeps a tenant warm no more.
    pub(crate) fn cool(&mut self, tenant: TenantId) {
        self.warm.remove(&tenant);
    }

    /// Does again what owners of the warm tenants have written since. Gives how many rows that was.
    ///
    /// # Errors
    /// When the database does not answer, or a past does not come out as it was recorded.
    pub(crate) fn follow(&mut self) -> Result<usize, KeeperError> {
        let mut wanted: BTreeMap<(LogId, u64), Vec<TenantId>> = BTreeMap::new();
        for (tenant, (warm, tenures)) in &mut self.warm {
            if warm.next(tenures).is_none() {
                *tenures = read(self.past.tenures(*tenant))?;
            }
            if let Some(next) = warm.next(tenures) {
                wanted.entry(next).or_default().push(*tenant);
            }
        }
        let mut count = 0;
        for ((log, from), tenants) in wanted {
            let rows = read(self.past.rows(log, from))?;
            count += rows.len();
            for tenant in tenants {
                if let Some((warm, tenures)) = self.warm.get_mut(&tenant) {
                    take(warm, tenures, log, &rows)?;
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
        let Some((mut warm, _)) = self.warm.remove(&tenant) else {
            return Ok(());
        };
        let mut tenures = read(self.past.tenures(tenant))?;
        // A claim whose outcome was not known may have begun it.
        tenures.retain(|tenure| tenure.epoch < epoch);
        while let Some((log, from)) = warm.next(&tenures) {
            let rows = read(self.past.rows(log, from))?;
            if rows.is_empty() {
                return Err(KeeperError::Past(
                    format!(
                        "log {} ends at row {from} without a seal, tenant {} has not ended in it",
                        log.0, tenant.0
                    )
                    .into(),
                ));
            }
            take(&mut warm, &tenures, log, &rows)?;
        }
        let tenure = Tenure {
            epoch,
            log: self.log,
            // Nothing of it is in an earlier row.
            first_row: self.journal.counts().groups + 1,
        };
        read(self.past.begin(tenant, tenure))?;
        let registry = &self.entrance.registry;
        let (partition, wakes) = warm.serve(epoch, registry, &self.journal)?;
        let shared = Arc::clone(&partition.shared);
        let served = Served::begin(tenant, epoch, partition, wakes, &self.journal, &self.floor)?;
        self.served.insert(tenant, served);
        self.entrance.set(tenant, Place::Here(shared));
        Ok(())
    }

    /// Lets a tenant go: when this returns, everything that was taken is answered and durable, and another node may claim it.
    ///
    /// # Errors
    /// When the journal has failed, or the ledger does not add up.
    pub(crate) fn let_go(&mut self, tenant: TenantId) -> Result<Option<Epoch>, KeeperError> {
        let Some(served) = self.served.remove(&tenant) else {
            return Ok(None);
        };
        let epoch = served.epoch();
        served.end(&self.entrance)?;
        Ok(Some(epoch))
    }

    /// The tenants that are served.
    pub(crate) fn served(&self) -> impl Iterator<Item = TenantId> + '_ {
        self.served.keys().copied()
    }
}

/// Does rows of a log again for one tenant, as far as they are of tenures of it.
fn take(warm: &mut Warm, tenures: &[Tenure], log: LogId, rows: &[Row]) -> Result<(), WarmError> {
    for row in rows {
        let Some((next_log, _)) = warm.next(tenures) else {
            return Ok(());
        };
        if next_log != log {
            return Ok(());
        }
        warm.take(tenures, row)?;
    }
    Ok(())
}

fn read<T, E>(answer: Result<T, E>) -> Result<T, KeeperError>
where
    E: std::error::Error + Send + Sync + 'static,
{
    answer.map_err(|error| KeeperError::Past(Box::new(error)))
}
