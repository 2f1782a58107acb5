//! Where a session is taken in: which key belongs to which tenant, and whether this node matches that tenant's markets.
//!
//! Must never: let a session into a partition that is not its tenant's, or tell anybody whose logon is not right where a
//! tenant is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use souk_protocol::message::Redirect;
use souk_protocol::{KeyId, RejectReason, TenantId};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::registry::Registry;
use super::session::Shared;
use crate::config::Config;
use crate::peer::PlacesMax;

/// How long a logon waits for a tenant that is between two nodes.
const MOVE_WAIT: Duration = Duration::from_secs(1);

/// What all connections of a node share before they are logged on.
#[derive(Debug)]
pub struct Entrance {
    /// Who is connected.
    pub registry: Arc<Registry>,
    /// The cluster's id.
    pub cluster_id: u64,
    keys: RwLock<HashMap<KeyId, EntranceKey>>,
    places: RwLock<HashMap<TenantId, Place>>,
    /// Nobody is taken in, whatever the places say.
    suspended: AtomicBool,
    /// Told of every change of a place.
    changed: Notify,
}

/// A key as far as the entrance knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct EntranceKey {
    /// Ed25519.
    pub public_key: [u8; 32],
    /// Whose it is.
    pub tenant: TenantId,
}

/// Where a tenant's markets are matched.
#[derive(Clone, Debug, Default)]
pub enum Place {
    /// Here.
    Here(Arc<Shared>),
    /// By another node.
    Elsewhere(Redirect),
    /// Between two nodes, or nobody knows yet.
    #[default]
    Moving,
}

impl Entrance {
    /// An entrance for the keys of a configuration; no tenant is anywhere yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let server = &config.server;
        let keys = config.tenants.iter().flat_map(|tenant| {
            let known = |key: &crate::config::KeyConfig| EntranceKey {
                public_key: key.public_key,
                tenant: tenant.id,
            };
            let working = tenant.keys.iter().filter(|key| key.works);
            working.map(move |key| (key.id, known(key)))
        });
        Self {
            registry: Arc::new(Registry::new(
                PlacesMax {
                    all: server.connections_max,
                    of_network: server.connections_per_address_max,
                },
                server.logon_rate,
                server.outbox_bytes_max,
            )),
            cluster_id: server.cluster_id,
            keys: RwLock::new(keys.collect()),
            places: RwLock::default(),
            suspended: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    /// Takes a partition's tenants in from now on.
    pub fn open(&self, shared: &Arc<Shared>) {
        for tenant in &shared.directory.tenants {
            self.set(tenant.id, Place::Here(Arc::clone(shared)));
        }
    }

    /// Says where a tenant is from now on, and gives where it was.
    pub fn set(&self, tenant: TenantId, place: Place) -> Place {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        let before = places.insert(tenant, place);
        drop(places);
        self.changed.notify_waiters();
        before.unwrap_or_default()
    }

    /// Where a tenant is.
    #[must_use]
    pub fn place(&self, tenant: TenantId) -> Place {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        match places.get(&tenant).cloned().unwrap_or_default() {
            Place::Here(_) if self.suspended.load(Ordering::Acquire) => Place::Moving,
            place => place,
        }
    }

    /// The tenants that are matched here, and what works for them. Nobody may keep it: a partition ends when it is let go.
    #[must_use]
    pub fn here(&self) -> Vec<(TenantId, Arc<Shared>)> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        let here = |(tenant, place): (&TenantId, &Place)| match place {
            Place::Here(shared) => Some((*tenant, Arc::clone(shared))),
            Place::Elsewhere(_) | Place::Moving => None,
        };
        places.iter().filter_map(here).collect()
    }

    /// The tenants that are matched here.
    #[must_use]
    pub fn tenants_here(&self) -> Vec<TenantId> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        let is_here = |place: &&Place| matches!(place, Place::Here(_));
        let here = places.iter().filter(|(_, place)| is_here(place));
        here.map(|(tenant, _)| *tenant).collect()
    }

    /// Takes nobody in for a while, or does again: this node cannot tell whether the tenants that are here are still its own.
    /// Who is connected is told to look elsewhere.
    pub fn suspend(&self, suspended: bool) {
        let before = self.suspended.swap(suspended, Ordering::AcqRel);
        if suspended && !before {
            self.registry.end_all(RejectReason::TenantMoving);
        }
        if before && !suspended {
            self.changed.notify_waiters();
        }
    }

    /// Takes nobody in any more.
    pub fn close(&self) {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        places.clear();
    }

    pub(super) fn key(&self, key: KeyId) -> Option<EntranceKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(&key).copied()
    }

    /// Lets a key of a tenant log on from now on.
    pub fn add_key(&self, tenant: TenantId, key: KeyId, public_key: [u8; 32]) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key, EntranceKey { public_key, tenant });
    }

    /// Lets a key of a tenant log on no more, and ends its sessions.
    pub fn revoke_key(&self, tenant: TenantId, key: KeyId) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.get(&key).is_none_or(|known| known.tenant != tenant) {
            return;
        }
        keys.remove(&key);
        // Logons that are under way look it up once more when they are registered.
        drop(keys);
        self.registry.end_those(
            |session| session.key() == key,
            RejectReason::AuthenticationFailed,
        );
    }

    /// Where the tenant of a key is, for who is told that it is not here.
    pub(super) fn redirect(&self, key: KeyId) -> Option<Redirect> {
        match self.place(self.key(key)?.tenant) {
            Place::Elsewhere(redirect) => Some(redirect),
            Place::Here(_) | Place::Moving => None,
        }
    }

    /// Waits while a key's tenant is between two nodes, for a bounded time.
    pub(super) async fn settle(&self, key: KeyId) {
        let Some(EntranceKey { tenant, .. }) = self.key(key) else {
            return;
        };
        let settled = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                // Registered before the look, so that no change falls between.
                changed.as_mut().enable();
                if !matches!(self.place(tenant), Place::Moving) {
                    return;
                }
                changed.await;
            }
        };
        let _ = timeout(MOVE_WAIT, settled).await;
    }
}
