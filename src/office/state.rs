//! What all requests to the office share.

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use souk_protocol::{AccountId, TenantId};

use super::access::Caller;
use super::desk::Desk;
use super::error::ApiError;
use super::live::Hub;
use super::secrets::Digest;
use super::store::{Attempt, Checked, OfficeError, OfficeStore};
use crate::clock;
use crate::config::Config;
use crate::directory::Directory;
use crate::gateway::entrance::Entrance;
use crate::gateway::throttle::TokenBucket;
use crate::history::{HistoryReader, Reach};
use crate::journal::Journal;
use crate::metrics::Meters;

/// How long an answer waits for the history to have what it tells of.
const HISTORY_WAIT: Duration = Duration::from_secs(3);
/// Addresses and names whose attempts are counted; all are forgotten when there are more.
const ATTEMPTS_MAX: usize = 65_536;
/// What attempts use up: ten at once, and then one every five seconds.
const ATTEMPT_TOKENS: u32 = 5;
const TOKENS_PER_SECOND: u32 = 1;
const TOKENS_MAX: u32 = 50;
/// One-time codes that may wait to be used.
const CODES_MAX: usize = 100_000;

/// What all requests share.
pub struct OfficeState {
    pub config: Arc<Config>,
    pub store: OfficeStore,
    pub history: HistoryReader,
    pub reach: Arc<Reach>,
    pub meters: Arc<Meters>,
    pub journal: Journal,
    pub entrance: Arc<Entrance>,
    pub directory: Arc<Directory>,
    pub desks: HashMap<TenantId, Arc<Desk>>,
    pub hubs: HashMap<TenantId, Arc<Hub>>,
    attempts: Mutex<HashMap<String, TokenBucket>>,
    codes: Mutex<HashMap<Digest, Code>>,
    /// How far each tenant's audit log was found to be as it was written.
    checked: Mutex<HashMap<TenantId, Checked>>,
}

/// What a one-time code is good for.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// Whose account.
    pub tenant: TenantId,
    /// Which.
    pub account: AccountId,
    /// Until when.
    pub expires: Instant,
}

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

/// What the state is made of.
pub struct StateParts {
    pub config: Arc<Config>,
    pub store: OfficeStore,
    pub history: HistoryReader,
    pub reach: Arc<Reach>,
    pub meters: Arc<Meters>,
    pub journal: Journal,
    pub entrance: Arc<Entrance>,
    pub directory: Arc<Directory>,
    pub desks: HashMap<TenantId, Arc<Desk>>,
    pub hubs: HashMap<TenantId, Arc<Hub>>,
}

impl OfficeState {
    pub fn new(parts: StateParts) -> Self {
        let StateParts {
            config,
            store,
            history,
            reach,
            meters,
            journal,
            entrance,
            directory,
            desks,
            hubs,
        } = parts;
        Self {
            config,
            store,
            history,
            reach,
            meters,
            journal,
            entrance,
            directory,
            desks,
            hubs,
            attempts: Mutex::default(),
            codes: Mutex::default(),
            checked: Mutex::default(),
        }
    }

    /// The desk of a caller's tenant.
    pub fn desk(&self, caller: &Caller) -> Result<&Arc<Desk>, ApiError> {
        let desk = caller.tenant.and_then(|tenant| self.desks.get(&tenant));
        desk.ok_or_else(ApiError::not_found)
    }

    /// Does what `deed` says, after an entry in the audit log is on disk, and writes down what came of it.
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
            Err(error) => error.body().code.to_string(),
        };
        blocking(|| self.store.end(&attempt, clock::wall_ns(), &outcome, begun))?;
        done
    }

    /// Checks what was added to a tenant's audit log since the last time.
    pub fn check_audit(&self, tenant: TenantId) -> Result<Checked, OfficeError> {
        let mut known = lock(&self.checked);
        let before = known.get(&tenant).copied().unwrap_or_default();
        let checked = self.store.check_audit(Some(tenant), before)?;
        known.insert(tenant, checked);
        Ok(checked)
    }

    /// Waits until the history has everything that was acknowledged until now; before something is done.
    pub async fn history_is_up(&self) -> Result<(), ApiError> {
        if self.reaches_now().await {
            return Ok(());
        }
        Err(ApiError::unavailable(
            "the history is behind; nothing was done",
        ))
    }

    /// [`Self::history_is_up`], after something was done.
    pub async fn is_listed(&self) -> Result<(), ApiError> {
        let is_up = self.reaches_now().await;
        is_up.then_some(()).ok_or_else(ApiError::done_not_listed)
    }

    async fn reaches_now(&self) -> bool {
        let until = self.journal.durable_until();
        self.reach.reaches(until, HISTORY_WAIT).await
    }

    /// Batches that are durable and not in the history yet.
    pub fn history_lag(&self) -> u64 {
        let durable = self.journal.durable_until();
        durable.saturating_sub(self.reach.next_batch())
    }

    /// Counts an attempt to come in.
    pub fn attempt(&self, name: String) -> Result<(), ApiError> {
        let now = clock::monotonic();
        let mut attempts = lock(&self.attempts);
        if attempts.len() >= ATTEMPTS_MAX && !attempts.contains_key(&name) {
            attempts.clear();
        }
        let bucket = attempts
            .entry(name)
            .or_insert_with(|| TokenBucket::new(TOKENS_PER_SECOND, TOKENS_MAX, now));
        let taken = bucket.take(ATTEMPT_TOKENS, now);
        taken.map_err(|wait_us| ApiError::too_many(u64::from(wait_us).div_ceil(1_000)))
    }

    /// Keeps a one-time code.
    pub fn keep_code(&self, digest: Digest, code: Code) -> Result<(), ApiError> {
        let now = clock::monotonic();
        let mut codes = lock(&self.codes);
        if codes.len() >= CODES_MAX {
            codes.retain(|_, code| code.expires > now);
        }
        if codes.len() >= CODES_MAX {
            return Err(ApiError::too_many(1_000));
        }
        codes.insert(digest, code);
        Ok(())
    }

    /// Uses a code up.
    pub fn use_code(&self, digest: &Digest) -> Option<Code> {
        let now = clock::monotonic();
        let code = lock(&self.codes).remove(digest)?;
        (code.expires > now).then_some(code)
    }
}

/// Does something that waits for a disk, without keeping others from this thread.
pub fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
