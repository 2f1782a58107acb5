//! Keys that clients log on with, given by owners while the node runs.

use rusqlite::{OptionalExtension, Row, params};
use souk_protocol::{KeyId, TenantId};

use super::users::unsigned;
use super::{OfficeError, OfficeStore};
use crate::config::GIVEN_KEY_ID_MAX;

/// A key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// Its id.
    pub id: KeyId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What its owner calls it.
    pub name: String,
    /// Ed25519.
    pub public_key: [u8; 32],
    /// What it may do, with commas between.
    pub permissions: String,
    /// `all`, or ids with commas between.
    pub accounts: String,
    /// When it was added, nanoseconds since 1970-01-01 UTC.
    pub created_at: u64,
    /// Who added it.
    pub created_by: String,
    /// When it stops working; 0: never.
    pub revoked_at: u64,
}

const COLUMNS: &str =
    "id, tenant, name, public_key, permissions, accounts, created_at, created_by, revoked_at";

impl StoredKey {
    /// Whether it works at `now`.
    #[must_use]
    pub const fn works(&self, now: u64) -> bool {
        self.revoked_at == 0 || self.revoked_at > now
    }
}

impl OfficeStore {
    /// All keys of all tenants.
    ///
    /// # Errors
    /// What the store says.
    pub fn all_keys(&self) -> Result<Vec<StoredKey>, OfficeError> {
        let sql = format!("SELECT {COLUMNS} FROM keys ORDER BY id");
        self.ask(|connection| {
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map([], read_key)?;
            rows.collect()
        })
    }

    /// The keys of a tenant.
    ///
    /// # Errors
    /// What the store says.
    pub fn keys(&self, tenant: TenantId) -> Result<Vec<StoredKey>, OfficeError> {
        let mut keys = self.all_keys()?;
        keys.retain(|key| key.tenant == tenant);
        Ok(keys)
    }

    /// A key of a tenant.
    ///
    /// # Errors
    /// What the store says.
    pub fn key(&self, tenant: TenantId, id: KeyId) -> Result<Option<StoredKey>, OfficeError> {
        let sql = format!("SELECT {COLUMNS} FROM keys WHERE tenant = ?1 AND id = ?2");
        self.ask(|connection| {
            let values = params![tenant.0, id.0];
            connection.query_row(&sql, values, read_key).optional()
        })
    }

    /// Adds a key. Its id is the lowest above `taken` and above all that were ever given; nothing if there is no more.
    ///
    /// # Errors
    /// What the store says.
    pub fn add_key(&self, key: &StoredKey, taken: KeyId) -> Result<Option<KeyId>, OfficeError> {
        self.ask(|connection| {
            let sql = "INSERT INTO keys SELECT next, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0
                       FROM (SELECT max(coalesce(max(id), 0), ?1) + 1 AS next FROM keys) WHERE next <= ?9 RETURNING id";
            let values = params![
                taken.0,
                key.tenant.0,
                key.name,
                key.public_key,
                key.permissions,
                key.accounts,
                key.created_at.cast_signed(),
                key.created_by,
                GIVEN_KEY_ID_MAX.0
            ];
            let id = connection.query_row(sql, values, |row| row.get(0));
            id.map(KeyId).optional()
        })
    }

    /// The keys that have stopped working after `from`, until `to`.
    ///
    /// # Errors
    /// What the store says.
    pub fn ended_keys(&self, from: u64, to: u64) -> Result<Vec<(TenantId, KeyId)>, OfficeError> {
        let sql = "SELECT tenant, id FROM keys WHERE revoked_at > ?1 AND revoked_at <= ?2";
        self.ask(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let values = params![from.cast_signed(), to.cast_signed()];
            let rows = statement.query_map(values, |row| {
                Ok((TenantId(row.get(0)?), KeyId(row.get(1)?)))
            })?;
            rows.collect()
        })
    }

    /// Says when a key stops working: never later than was said before. Gives whether it is there and works until then.
    ///
    /// # Errors
    /// What the store says.
    pub fn revoke_key(&self, tenant: TenantId, id: KeyId, at: u64) -> Result<bool, OfficeError> {
        let sql = "UPDATE keys SET revoked_at = ?3 WHERE tenant = ?1 AND id = ?2 AND (revoked_at = 0 OR revoked_at > ?3)";
        self.ask(|connection| {
            let values = params![tenant.0, id.0, at.cast_signed()];
            Ok(connection.execute(sql, values)? == 1)
        })
    }
}

fn read_key(row: &Row<'_>) -> Result<StoredKey, rusqlite::Error> {
    Ok(StoredKey {
        id: KeyId(row.get(0)?),
        tenant: TenantId(row.get(1)?),
        name: row.get(2)?,
        public_key: row.get(3)?,
        permissions: row.get(4)?,
        accounts: row.get(5)?,
        created_at: unsigned(row, 6)?,
        created_by: row.get(7)?,
        revoked_at: unsigned(row, 8)?,
    })
}
