//! Keys that are given while the node runs, by the office of any node: read from the database again and again, and let in or
//! turned away at this node's entrance.
//!
//! Must never: let a key in that the database does not have, or keep a session of one that was revoked for longer than a look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use souk_protocol::{KeyId, TenantId};
use tokio::runtime::Runtime;

use super::lease::Lease;
use crate::clock::{self, Seldom};
use crate::config::{Config, KeyConfig};
use crate::database::{Connection, GivenKey, TELL_EVERY};
use crate::directory::Directory;
use crate::gateway::entrance::Entrance;
use crate::handoff::TenantIndex;

/// How often the keys are read: a key that was revoked by another node's office works this long at most, and what the answer
/// takes.
const PERIOD: Duration = Duration::from_secs(1);
/// How often it is looked whether the node ends.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The keys that were given, as this node knows them.
#[derive(Debug)]
pub struct Keyring {
    entrance: Arc<Entrance>,
    /// Ids of the configuration: they are nobody else's.
    configured: BTreeSet<KeyId>,
    /// Also those that do not work any more.
    known: Mutex<BTreeMap<KeyId, GivenKey>>,
}

impl Keyring {
    /// A keyring with nothing on it, for the keys beside those of a configuration.
    pub(crate) fn new(config: &Config, entrance: Arc<Entrance>) -> Self {
        let keys = config.tenants.iter().flat_map(|tenant| &tenant.keys);
        Self {
            entrance,
            configured: keys.map(|key| key.id).collect(),
            known: Mutex::default(),
        }
    }

    /// The first of some keys that has the id of another one in the configuration.
    pub(crate) fn taken(&self, given: &[GivenKey]) -> Option<KeyId> {
        let mut ids = given.iter().map(|given| given.key.id);
        ids.find(|id| self.configured.contains(id))
    }

    /// Lets in and turns away what has changed; `given` are all that work, and some that do not any more.
    pub(crate) fn apply(&self, given: Vec<GivenKey>) {
        let given = given.into_iter().map(|given| (given.key.id, given));
        let given: BTreeMap<_, _> = given
            .filter(|(id, _)| !self.configured.contains(id))
            .collect();
        let (mut ended, mut changed) = (Vec::new(), Vec::new());
        let mut known = self.lock();
        for (id, before) in known.iter_mut().filter(|(_, it)| it.works) {
            let now = given.get(id).filter(|now| now.works);
            if now.is_none_or(|now| now.key.public_key != before.key.public_key) {
                before.works = false;
                ended.push((before.tenant, *id));
            }
        }
        for (id, now) in given {
            if known.get(&id) != Some(&now) {
                known.insert(id, now.clone());
                changed.push(now);
            }
        }
        drop(known);
        for (tenant, id) in ended {
            self.entrance.revoke_key(tenant, id);
        }
        for GivenKey { tenant, key, works } in changed {
            self.make_known(tenant, &key);
            if works {
                self.let_in(tenant, &key);
            } else {
                // Given here and revoked elsewhere between two looks.
                self.entrance.revoke_key(tenant, key.id);
            }
        }
    }

    /// Lets a key in that the database has by now.
    pub fn admit(&self, tenant: TenantId, key: &KeyConfig) {
        self.make_known(tenant, key);
        self.let_in(tenant, key);
    }

    /// Turns a key away that the database has revoked by now.
    pub fn revoke(&self, tenant: TenantId, key: KeyId) {
        self.entrance.revoke_key(tenant, key);
    }

    fn let_in(&self, tenant: TenantId, key: &KeyConfig) {
        self.entrance.add_key(tenant, key.id, key.public_key);
    }

    /// What works for the tenant knows the key before anybody logs on with it.
    fn make_known(&self, tenant: TenantId, key: &KeyConfig) {
        for (here, shared) in self.entrance.here() {
            if here == tenant {
                // A partition of a cluster has one tenant.
                shared.directory.add_key(TenantIndex(0), key);
            }
        }
    }

    /// Makes a tenant's keys known to its partition: also those that do not work any more, whose sessions may have left orders.
    pub(crate) fn fill(&self, tenant: TenantId, directory: &Directory) {
        for given in self.lock().values().filter(|it| it.tenant == tenant) {
            directory.add_key(TenantIndex(0), &given.key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<KeyId, GivenKey>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the keys until the node ends.
pub(crate) fn watch(
    keyring: &Keyring,
    runtime: &Runtime,
    connection: &mut Connection,
    lease: &Lease,
) {
    let mut tell = Seldom::new(TELL_EVERY);
    let ends = || lease.ends() || lease.loss().is_some();
    while !ends() {
        match runtime.block_on(connection.recent_keys()) {
            Ok(given) => keyring.apply(given),
            Err(error) if tell.is_due(clock::boottime()) => {
                tracing::warn!(%error, "the keys cannot be read: what was given or revoked elsewhere waits");
            }
            Err(_) => {}
        }
        let begun = clock::boottime();
        while !ends() && clock::boottime().since(begun) < PERIOD {
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}
