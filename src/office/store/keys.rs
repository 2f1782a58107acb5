//! Keys that clients log on with, given by owners while the node runs.

use souk_protocol::{KeyId, TenantId};

use super::{OfficeError, OfficeStore};
use crate::config::{GIVEN_KEY_ID_MAX, KeyConfig};
use crate::tables::{Row, TablesError, row, values};

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

    /// The key as the gateway knows it at `now`.
    #[must_use]
    pub fn config(&self, now: u64) -> KeyConfig {
        KeyConfig {
            works: self.works(now),
            ..KeyConfig::of_words(self.id, self.public_key, &self.permissions, &self.accounts)
        }
    }
}

impl OfficeStore {
    /// All keys of all tenants.
    ///
    /// # Errors
    /// What the store says.
    pub fn all_keys(&self) -> Result<Vec<StoredKey>, OfficeError> {
        let sql = format!("SELECT {COLUMNS} FROM `keys` ORDER BY id");
        self.ask(|session| read_all(session.rows(&sql, &[])?))
    }

    /// The keys that have stopped working after `from`, until `to`.
    ///
    /// # Errors
    /// What the store says.
    pub fn ended_keys(&self, from: u64, to: u64) -> Result<Vec<(TenantId, KeyId)>, OfficeError> {
        let sql = "SELECT tenant, id FROM `keys` WHERE revoked_at > ?1 AND revoked_at <= ?2";
        let values = values![from.cast_signed(), to.cast_signed()];
        let read = |row: &Row| Ok((TenantId(row.small(0)?), KeyId(row.small(1)?)));
        self.ask(|session| session.rows(sql, values)?.iter().map(read).collect())
    }

    /// The keys of a tenant.
    ///
    /// # Errors
    /// What the store says.
    pub fn keys(&self, tenant: TenantId) -> Result<Vec<StoredKey>, OfficeError> {
        let sql = format!("SELECT {COLUMNS} FROM `keys` WHERE tenant = ?1 ORDER BY id");
        self.ask(|session| read_all(session.rows(&sql, values![tenant.0])?))
    }

    /// How many keys of a tenant work at `now`.
    ///
    /// # Errors
    /// What the store says.
    pub fn working_keys(&self, tenant: TenantId, now: u64) -> Result<u64, OfficeError> {
        let sql =
            "SELECT count(*) FROM `keys` WHERE tenant = ?1 AND (revoked_at = 0 OR revoked_at > ?2)";
        self.ask(|session| {
            let count = row(session, sql, values![tenant.0, now.cast_signed()])?;
            count.map_or(Ok(0), |row| row.unsigned(0))
        })
    }

    /// A key of a tenant.
    ///
    /// # Errors
    /// What the store says.
    pub fn key(&self, tenant: TenantId, id: KeyId) -> Result<Option<StoredKey>, OfficeError> {
        let sql = format!("SELECT {COLUMNS} FROM `keys` WHERE tenant = ?1 AND id = ?2");
        self.ask(|session| {
            let found = row(session, &sql, values![tenant.0, id.0])?;
            found.as_ref().map(read_key).transpose()
        })
    }

    /// Adds a key. Its id is the lowest above `taken` and above all that were ever given; nothing if there is no more.
    ///
    /// # Errors
    /// What the store says.
    pub fn add_key(&self, key: &StoredKey, taken: KeyId) -> Result<Option<KeyId>, OfficeError> {
        self.ask(|session| {
            let ignore = session.dialect().insert_ignore();
            let insert = format!(
                "{ignore} `keys` (id, tenant, name, public_key, permissions, accounts, created_at, created_by, revoked_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0)"
            );
            loop {
                let last = row(session, "SELECT max(id) FROM `keys`", &[])?;
                let last = last.map_or(Ok(None), |row| row.optional(0))?.unwrap_or(0);
                let id = last.max(taken.0.into()) + 1;
                if id > GIVEN_KEY_ID_MAX.0.into() {
                    return Ok(None);
                }
                let values = values![
                    id,
                    key.tenant.0,
                    &key.name,
                    key.public_key,
                    &key.permissions,
                    &key.accounts,
                    key.created_at.cast_signed(),
                    &key.created_by
                ];
                // Another office may have given it meanwhile: the next one then.
                if session.execute(&insert, values)? == 1 {
                    return Ok(Some(KeyId(id as u32)));
                }
            }
        })
    }

    /// Says when a key stops working: never later than was said before. Gives whether it is there and works until then.
    ///
    /// # Errors
    /// What the store says.
    pub fn revoke_key(&self, tenant: TenantId, id: KeyId, at: u64) -> Result<bool, OfficeError> {
        let sql = "UPDATE `keys` SET revoked_at = ?3 WHERE tenant = ?1 AND id = ?2 AND (revoked_at = 0 OR revoked_at > ?3)";
        let values = values![tenant.0, id.0, at.cast_signed()];
        self.ask(|session| Ok(session.execute(sql, values)? == 1))
    }
}

fn read_all(rows: Vec<Row>) -> Result<Vec<StoredKey>, TablesError> {
    rows.iter().map(read_key).collect()
}

fn read_key(row: &Row) -> Result<StoredKey, TablesError> {
    Ok(StoredKey {
        id: KeyId(row.small(0)?),
        tenant: TenantId(row.small(1)?),
        name: row.text(2)?,
        public_key: row.bytes32(3)?,
        permissions: row.text(4)?,
        accounts: row.text(5)?,
        created_at: row.unsigned(6)?,
        created_by: row.text(7)?,
        revoked_at: row.unsigned(8)?,
    })
}
