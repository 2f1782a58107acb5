//! Keys: the office's own, one for each tenant and this process only, and those that owners gave while a node ran.

use std::path::{Path, PathBuf};

use souk_protocol::{AccountId, KEY_ID_MAX, KeyId};

use super::store::{OfficeError, OfficeStore, StoredKey};
use crate::clock;
use crate::config::{Config, GIVEN_KEY_ID_MAX, KeyAccounts, KeyConfig, Permissions};
use crate::keys::{self, KeyError};

/// What the office logs on with.
#[derive(Clone, Debug)]
pub struct OwnKeys {
    seed: [u8; 32],
}

impl OwnKeys {
    /// The office's key at a tenant, by the tenant's place in the configuration.
    pub(super) const fn id(index: usize) -> KeyId {
        KeyId(KEY_ID_MAX - index as u32)
    }

    pub(super) const fn seed(&self) -> [u8; 32] {
        self.seed
    }
}

/// What the office may do: everything that a tenant may.
const EVERYTHING: Permissions = Permissions {
    trade: true,
    cancel: true,
    market_data: true,
    control: true,
    funding: true,
    drop_copy: true,
};

/// The file of the office's tables in a data directory.
#[must_use]
pub(super) fn file(data: &Path) -> PathBuf {
    data.join("office.db")
}

/// Adds the office's own keys to a configuration, and those that owners gave earlier. To be called before the node starts.
///
/// # Errors
/// When the tables cannot be read or the system gives no randomness.
pub fn admit(config: &mut Config) -> Result<OwnKeys, AdmitError> {
    let seed = keys::nonce()?;
    let public_key = keys::public_of(&seed)?;
    let store = OfficeStore::open(&file(&config.journal.directory))?;
    let now = clock::wall_ns();
    let given: Vec<StoredKey> = store.all_keys()?;
    for key in &given {
        let configured = |tenant: &crate::config::TenantConfig| {
            tenant.keys.iter().any(|known| known.id == key.id)
        };
        if config.tenants.iter().any(configured) {
            return Err(AdmitError::KeyTaken(key.id));
        }
    }
    for (index, tenant) in config.tenants.iter_mut().enumerate() {
        tenant.keys.push(KeyConfig {
            id: OwnKeys::id(index),
            public_key,
            accounts: KeyAccounts::All,
            permissions: EVERYTHING,
        });
        let own = given.iter().filter(|key| key.tenant == tenant.id);
        tenant
            .keys
            .extend(own.filter(|key| key.works(now)).map(config_of));
    }
    Ok(OwnKeys { seed })
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

/// A key as the gateway knows it.
pub(super) fn config_of(key: &StoredKey) -> KeyConfig {
    let accounts = if key.accounts == "all" {
        KeyAccounts::All
    } else {
        let ids = key.accounts.split(',').filter_map(|id| id.parse().ok());
        KeyAccounts::Some(ids.map(AccountId).collect())
    };
    let mut permissions = Permissions::NONE;
    for word in key.permissions.split(',') {
        permissions.allow(word);
    }
    KeyConfig {
        id: key.id,
        public_key: key.public_key,
        accounts,
        permissions,
    }
}

/// The highest key id of a configuration, without the office's own.
pub(super) fn highest(config: &Config) -> KeyId {
    let ids = config.tenants.iter().flat_map(|tenant| &tenant.keys);
    let given = ids.map(|key| key.id).filter(|id| *id <= GIVEN_KEY_ID_MAX);
    given.max().unwrap_or(KeyId(0))
}
