//! Keys that are given while nodes run: those of clients, and those that the nodes' offices log on with.

use std::collections::BTreeMap;
use std::time::Duration;

use souk_protocol::{KEY_ID_MAX, KeyId, TenantId};

use super::connection::Connection;
use super::error::DatabaseError;
use crate::config::{GIVEN_KEY_ID_MAX, KeyConfig};
use crate::lease::Registered;

/// A key that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it may do.
    pub key: KeyConfig,
    /// Whether it works, by the database's clock.
    pub works: bool,
}

/// Those that ended within `?` nanoseconds, or still work.
const GIVEN: &str = "SELECT id, tenant, public_key, permissions, accounts, revoked_at = 0 OR revoked_at > now_ns \
     FROM `keys` JOIN (SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED) * 1000 AS now_ns) AS clock \
     WHERE revoked_at = 0 OR revoked_at > now_ns - ?";
/// Of processes that are at work: who was replaced, or has ended, has no office.
const OFFICES: &str = "SELECT k.key_id, k.tenant, k.public_key FROM office_key k \
     JOIN engine_node n ON n.node_id = k.node_id AND n.incarnation = k.incarnation AND n.state IN (1, 2)";

/// How long a key that has ended is still told of: whoever looks less often has no lease any more.
const RECENT: Duration = Duration::from_secs(24 * 3_600);

type Given = (u32, u32, Vec<u8>, Vec<u8>, Vec<u8>, u8);

impl Connection {
    /// All keys that were ever given, and those of offices at work.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn given_keys(&mut self) -> Result<Vec<GivenKey>, DatabaseError> {
        self.keys_since(Duration::MAX).await
    }

    /// The keys that were given and work, or ended within the last day, and those of offices at work.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn recent_keys(&mut self) -> Result<Vec<GivenKey>, DatabaseError> {
        self.keys_since(RECENT).await
    }

    async fn keys_since(&mut self, span: Duration) -> Result<Vec<GivenKey>, DatabaseError> {
        let span = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        let given: Vec<Given> = self.rows(GIVEN, (span,)).await?;
        let offices: Vec<(u32, u32, Vec<u8>)> = self.rows(OFFICES, ()).await?;
        let mut keys = Vec::with_capacity(given.len() + offices.len());
        for (id, tenant, public_key, permissions, accounts, works) in given {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let public_key = key_of(&public_key)?;
            let (permissions, accounts) = (text(&permissions), text(&accounts));
            keys.push(GivenKey {
                tenant: TenantId(tenant),
                key: KeyConfig::of_words(KeyId(id), public_key, &permissions, &accounts),
                works: works != 0,
            });
        }
        for (id, tenant, public_key) in offices {
            keys.push(GivenKey {
                tenant: TenantId(tenant),
                key: KeyConfig::of_office(KeyId(id), key_of(&public_key)?),
                works: true,
            });
        }
        Ok(keys)
    }

    /// Makes the public part known of what a process's office logs on with: under an id for each tenant that the node keeps for
    /// ever. Nothing for a tenant if all ids are taken.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn register_office(
        &mut self,
        own: &Registered,
        tenants: &[TenantId],
        public_key: &[u8; 32],
    ) -> Result<BTreeMap<TenantId, KeyId>, DatabaseError> {
        // A process that was replaced meanwhile must not take the name back.
        let replace = "UPDATE office_key SET incarnation = ?, public_key = ? WHERE node_id = ? AND incarnation <= ?";
        let incarnation = own.incarnation.0;
        let values = (incarnation, &public_key[..], own.node.0, incarnation);
        self.execute(replace, values).await?;
        let mut ids = self.office_keys(own).await?;
        for tenant in tenants {
            while !ids.contains_key(tenant) {
                if !self.add_office_key(own, *tenant, public_key).await? {
                    break;
                }
                ids = self.office_keys(own).await?;
            }
        }
        Ok(ids)
    }

    async fn office_keys(
        &mut self,
        own: &Registered,
    ) -> Result<BTreeMap<TenantId, KeyId>, DatabaseError> {
        let known = "SELECT tenant, key_id FROM office_key WHERE node_id = ?";
        let known: Vec<(u32, u32)> = self.rows(known, (own.node.0,)).await?;
        let pair = |(tenant, id)| (TenantId(tenant), KeyId(id));
        Ok(known.into_iter().map(pair).collect())
    }

    /// Adds a key under the next id, unless another node has taken that meanwhile. Gives whether there was one.
    async fn add_office_key(
        &mut self,
        own: &Registered,
        tenant: TenantId,
        public_key: &[u8; 32],
    ) -> Result<bool, DatabaseError> {
        let lowest = "SELECT COALESCE(MIN(key_id), ?) FROM office_key";
        let lowest: Vec<u32> = self.rows(lowest, (KEY_ID_MAX + 1,)).await?;
        let id = lowest.first().copied().unwrap_or(0).saturating_sub(1);
        if id <= GIVEN_KEY_ID_MAX.0 {
            return Ok(false);
        }
        let add = "INSERT IGNORE INTO office_key(node_id, tenant, key_id, incarnation, public_key) VALUES(?, ?, ?, ?, ?)";
        let values = (own.node.0, tenant.0, id, own.incarnation.0, &public_key[..]);
        self.execute(add, values).await?;
        Ok(true)
    }
}

fn key_of(bytes: &[u8]) -> Result<[u8; 32], DatabaseError> {
    let key = bytes.try_into();
    key.map_err(|_| DatabaseError::answer("bytes of a public key", bytes.len()))
}
