//! Keys: the office's own, one for each tenant and this process only, and those that owners gave while a node ran.

use std::collections::BTreeMap;

use souk_protocol::{KEY_ID_MAX, KeyId, TenantId};

use super::store::{OfficeError, OfficeStore, StoredKey};
use crate::clock;
use crate::cluster::OfficeAccess;
use crate::config::{Config, GIVEN_KEY_ID_MAX, KeyConfig, TenantConfig};
use crate::keys::{self, KeyError};

/// What the office logs on with.
#[derive(Clone, Debug)]
pub struct OwnKeys {
    access: OfficeAccess,
}

impl OwnKeys {
    /// Those of a process that is one of a cluster: the other nodes know them from the database.
    #[must_use]
    pub(super) const fn of_cluster(access: OfficeAccess) -> Self {
        Self { access }
    }

    /// The office's key at a tenant.
    pub(super) fn id(&self, tenant: TenantId) -> Option<KeyId> {
        self.access.keys.get(&tenant).copied()
    }

    pub(super) const fn seed(&self) -> [u8; 32] {
        self.access.seed
    }
}

/// Adds the office's own keys to a configuration, and those that owners gave earlier. To be called before the node starts.
///
/// # Errors
/// When the tables cannot be read or the system gives no randomness.
pub fn admit(config: &mut Config) -> Result<OwnKeys, AdmitError> {
    let seed = keys::nonce()?;
    let public_key = keys::public_of(&seed)?;
    let store = OfficeStore::of(config)?;
    let now = clock::wall_ns();
    let given: Vec<StoredKey> = store.all_keys()?;
    for key in &given {
        let configured = |tenant: &TenantConfig| tenant.keys.iter().any(|known| known.id == key.id);
        if config.tenants.iter().any(configured) {
            return Err(AdmitError::KeyTaken(key.id));
        }
    }
    let mut own = BTreeMap::new();
    for (index, tenant) in config.tenants.iter_mut().enumerate() {
        let id = KeyId(KEY_ID_MAX - index as u32);
        own.insert(tenant.id, id);
        tenant.keys.push(KeyConfig::of_office(id, public_key));
        let given = given.iter().filter(|key| key.tenant == tenant.id);
        tenant.keys.extend(given.map(|key| key.config(now)));
    }
    let access = OfficeAccess { seed, keys: own };
    Ok(OwnKeys { access })
}

/// Why the office's keys cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdmitError {
    /// No randomness.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No tables.
    #[error(transparent)]
    Office(#[from] OfficeError),
    /// A key of the configuration has an id that was given in the office.
    #[error(
        "key {}: the configuration has this id, and the office has given it to a key\nremedy: choose an id that `GET /v1/keys` does not show, in the configuration", _0.0
    )]
    KeyTaken(KeyId),
}

/// The highest key id of a configuration, without the office's own.
pub(super) fn highest(config: &Config) -> KeyId {
    let ids = config.tenants.iter().flat_map(|tenant| &tenant.keys);
    let given = ids.map(|key| key.id).filter(|id| *id <= GIVEN_KEY_ID_MAX);
    given.max().unwrap_or(KeyId(0))
}
