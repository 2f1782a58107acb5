//! What all requests to the office share.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use souk_protocol::{MarketId, TenantId};

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::access::Caller;
use super::attempts::Attempts;
use super::desk::Desk;
use super::error::ApiError;
use super::live::Hub;
use super::node::Node;
use super::routes::brand::all_embedders;
use super::store::{Attempt, Checked, OfficeError, OfficeStore};
use crate::clock;
use crate::config::Config;
use crate::history::{HistoryError, HistoryReader, MINUTE_NS, Volume};
use crate::metrics::Meters;

/// Passwords that are hashed at one time.
const HASHING_MAX: usize = 2;
/// How long somebody waits for its turn.
const HASHING_WAIT: Duration = Duration::from_secs(3);
/// Connections for live data of one user or account.
const SEATS_MAX: usize = 32;
/// How old the volumes of markets may be.
const VOLUMES_MAX: Duration = Duration::from_secs(1);
/// How old the list of who may embed pages may be: anybody may ask for a page.
const EMBEDDERS_MAX: Duration = Duration::from_secs(1);
/// Minutes of a day.
const DAY: u64 = 24 * 60;

/// What all requests share.
pub struct OfficeState {
    pub config: Arc<Config>,
    pub store: OfficeStore,
    pub history: HistoryReader,
    pub node: Node,
    pub meters: Arc<Meters>,
    pub desks: HashMap<TenantId, Arc<Desk>>,
    pub hubs: HashMap<TenantId, Arc<Hub>>,
    pub memory: Memory,
}

/// What the office remembers as long as it is open, and nobody needs after that.
pub struct Memory {
    attempts: Attempts,
    /// How far each tenant's audit log was found to be as it was written.
    checked: Mutex<HashMap<TenantId, Checked>>,
    volumes: Mutex<HashMap<TenantId, (Instant, Arc<Volumes>)>>,
    embedders: Mutex<Option<(Instant, Arc<Embedders>)>>,
    /// Connections for live data, by tenant and name.
    seats: Mutex<HashMap<SeatKey, usize>>,
    /// Passwords that are hashed at one time: each takes 19 MiB.
    hashing: Semaphore,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            attempts: Attempts::default(),
            checked: Mutex::default(),
            volumes: Mutex::default(),
            embedders: Mutex::default(),
            seats: Mutex::default(),
            hashing: Semaphore::new(HASHING_MAX),
        }
    }
}

type SeatKey = (Option<TenantId>, String);

/// A connection for live data.
pub struct Seat<'a> {
    office: &'a OfficeState,
    key: SeatKey,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut seats = lock(&self.office.memory.seats);
        if let Some(count) = seats.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                seats.remove(&self.key);
            }
        }
    }
}

/// What was traded in each market of a tenant in the last 24 hours.
pub type Volumes = BTreeMap<MarketId, Volume>;

/// The origins that may embed a trading page, by its name.
pub type Embedders = HashMap<String, Vec<String>>;

/// What an entry of the audit log says of a request.
pub struct Deed<'a> {
    pub action: &'static str,
    pub target: String,
    pub reason: &'a str,
    pub request: String,
}

impl<'a> Deed<'a> {
    /// `request` is written down as it is: it must not have secrets.
    pub fn new(
        action: &'static str,
        target: String,
        reason: &'a str,
        request: &impl Serialize,
    ) -> Self {
        let request = serde_json::to_string(request).unwrap_or_default();
        Self {
            action,
            target,
            reason,
            request,
        }
    }
}

impl OfficeState {
    /// The desk of a caller's tenant.
    pub fn desk(&self, caller: &Caller) -> Result<&Arc<Desk>, ApiError> {
        let desk = caller.tenant.and_then(|tenant| self.desks.get(&tenant));
        desk.ok_or_else(ApiError::not_found)
    }

    /// Does what `deed` says, after an entry in the audit log is on disk, and writes down what came of it. What is done stays so
    /// if that cannot be written.
    pub async fn audited<T>(
        &self,
        caller: &Caller,
        address: IpAddr,
        deed: Deed<'_>,
        act: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let attempt = Attempt {
            tenant: caller.tenant,
            user: caller.name.clone(),
            role: caller.role.name().to_owned(),
            address: address.to_string(),
            action: deed.action.to_owned(),
            target: deed.target,
            reason: deed.reason.to_owned(),
            request: deed.request,
        };
        let begun = blocking(|| self.store.begin(&attempt, clock::wall_ns()))?;
        let done = act.await;
        let outcome = match &done {
            Ok(_) => "done".to_owned(),
            // It is done: only the lists do not have it yet.
            Err(error) if error.is_done() => "done".to_owned(),
            Err(error) => error.body().code.to_string(),
        };
        let written = blocking(|| self.store.end(&attempt, clock::wall_ns(), &outcome, begun));
        if let Err(error) = written {
            let Attempt { tenant, action, .. } = attempt;
            tracing::error!(%error, ?tenant, action, begun, outcome, "the audit log does not say how this ended");
        }
        done
    }

    /// A seat for one more connection of a caller, if it has not too many.
    pub fn take_seat(&self, caller: &Caller) -> Option<Seat<'_>> {
        let key = (caller.tenant, caller.name.clone());
        let mut seats = lock(&self.memory.seats);
        let count = seats.entry(key.clone()).or_insert(0);
        if *count >= SEATS_MAX {
            return None;
        }
        *count += 1;
        Some(Seat { office: self, key })
    }

    /// Does something with a password, when it is its turn; who cannot wait its turn is refused.
    pub async fn with_password<T>(&self, work: impl FnOnce() -> T) -> Result<T, ApiError> {
        let turn = timeout(HASHING_WAIT, self.memory.hashing.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(ApiError::too_many(HASHING_WAIT.as_millis() as u64));
        };
        Ok(blocking(work))
    }

    /// What was traded in each market of a tenant in the last 24 hours, at most a second old: however many ask.
    pub fn volumes(&self, tenant: TenantId) -> Result<Arc<Volumes>, HistoryError> {
        let mut known = lock(&self.memory.volumes);
        let now = clock::monotonic();
        if let Some((at, volumes)) = known.get(&tenant)
            && now - *at < VOLUMES_MAX
        {
            return Ok(Arc::clone(volumes));
        }
        let volumes = Arc::new(self.history.volumes(tenant, a_day_ago())?);
        known.insert(tenant, (now, Arc::clone(&volumes)));
        Ok(volumes)
    }

    /// Who may embed which page, at most a second old: however many ask. Waits for the store.
    pub fn embedders(&self) -> Arc<Embedders> {
        let mut known = lock(&self.memory.embedders);
        let now = clock::monotonic();
        if let Some((at, embedders)) = known.as_ref()
            && now - *at < EMBEDDERS_MAX
        {
            return Arc::clone(embedders);
        }
        let embedders = Arc::new(all_embedders(self));
        *known = Some((now, Arc::clone(&embedders)));
        embedders
    }

    /// Who may embed a page has changed.
    pub fn forget_embedders(&self) {
        *lock(&self.memory.embedders) = None;
    }

    /// Checks what was added to a tenant's audit log since the last time.
    pub fn check_audit(&self, tenant: TenantId) -> Result<Checked, OfficeError> {
        let mut known = lock(&self.memory.checked);
        let before = known.get(&tenant).copied().unwrap_or_default();
        let checked = self.store.check_audit(Some(tenant), before)?;
        known.insert(tenant, checked);
        Ok(checked)
    }

    /// Waits until a tenant's history has everything that was acknowledged until now; before something is done.
    pub async fn history_is_up(&self, tenant: TenantId) -> Result<(), ApiError> {
        if self.node.history_reaches_now(tenant).await {
            return Ok(());
        }
        Err(ApiError::unavailable(
            "the history is behind; nothing was done",
        ))
    }

    /// [`Self::history_is_up`], after something was done.
    pub async fn is_listed(&self, tenant: TenantId) -> Result<(), ApiError> {
        let is_up = self.node.history_reaches_now(tenant).await;
        is_up.then_some(()).ok_or_else(ApiError::done_not_listed)
    }

    /// Counts an attempt to come in from an address, perhaps as somebody.
    pub fn attempt(&self, address: IpAddr, name: Option<&str>) -> Result<(), ApiError> {
        self.memory
            .attempts
            .count(address, name, clock::monotonic())
    }
}

/// The minute from which on something counts as of the last day.
pub fn a_day_ago() -> u64 {
    (clock::wall_ns() / MINUTE_NS).saturating_sub(DAY)
}

/// Does something that waits for a disk, without keeping others from this thread.
pub fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
