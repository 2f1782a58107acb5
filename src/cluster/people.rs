//! What a node does for people: the keys that offices give, what its own office logs on with, and the history.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;

use souk_protocol::{KeyId, TenantId};

use super::historian::Historian;
use super::keeper::each_alone;
use super::keyring::{Keyring, watch};
use super::lease::Lease;
use super::past::Past;
use super::server::ClusterError;
use crate::config::{ClusterConfig, Config};
use crate::database::{Class, Connection, DatabaseTables, runtime};
use crate::gateway::entrance::Entrance;
use crate::history::SharedStore;
use crate::keys;
use crate::lease::Registered;
use crate::server::parts::thread;

/// What the office of this process logs on with.
#[derive(Clone)]
pub struct OfficeAccess {
    /// The private part of all its keys: it is nowhere else.
    pub seed: [u8; 32],
    /// The key for each tenant.
    pub keys: BTreeMap<TenantId, KeyId>,
}

impl fmt::Debug for OfficeAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = &self.keys;
        f.debug_struct("OfficeAccess").field("keys", keys).finish()
    }
}

/// What is begun for people, once the node's lease is renewed.
pub(super) struct People {
    pub threads: Vec<JoinHandle<()>>,
    /// If the node has an office.
    pub office: Option<OfficeAccess>,
}

impl People {
    /// Makes the keys of this process's office known, lets those in that were given until now, and begins the threads by which
    /// keys are read again and again, and the history is written if the configuration wants it.
    pub(super) fn begin(
        config: &Config,
        cluster: &ClusterConfig,
        keyring: &Arc<Keyring>,
        entrance: &Arc<Entrance>,
        lease: &Arc<Lease>,
    ) -> Result<Self, ClusterError> {
        let connection = |class| Connection::new(&cluster.database, &cluster.lease, class);
        let (mut keys, waiting) = (connection(Class::Tables)?, runtime()?);
        let office = waiting.block_on(register_office(&mut keys, &lease.own, config))?;
        let given = waiting.block_on(keys.given_keys())?;
        if let Some(id) = keyring.taken(&given) {
            return Err(ClusterError::KeyTaken(id));
        }
        keyring.apply(given);
        let (keyring, watched) = (Arc::clone(keyring), Arc::clone(lease));
        let run = move || watch(&keyring, &waiting, &mut keys, &watched);
        let mut threads = vec![thread("souk-keys", run)?];
        if config.history.tables {
            let past = Past::new(connection(Class::Steward)?)?;
            let store = SharedStore::new(Box::new(DatabaseTables::new(cluster)?));
            let (entrance, lease) = (Arc::clone(entrance), Arc::clone(lease));
            let historian = Historian::new(past, store, each_alone(config), entrance, lease);
            threads.push(thread("souk-historian", move || historian.run())?);
        }
        Ok(Self { threads, office })
    }
}

async fn register_office(
    connection: &mut Connection,
    own: &Registered,
    config: &Config,
) -> Result<Option<OfficeAccess>, ClusterError> {
    if config.office.is_none() {
        return Ok(None);
    }
    let seed = keys::nonce()?;
    let public_key = keys::public_of(&seed)?;
    let tenants: Vec<_> = config.tenants.iter().map(|tenant| tenant.id).collect();
    let keys = connection
        .register_office(own, &tenants, &public_key)
        .await?;
    if let Some(tenant) = tenants.iter().find(|tenant| !keys.contains_key(tenant)) {
        return Err(ClusterError::OfficeKeys(*tenant));
    }
    Ok(Some(OfficeAccess { seed, keys }))
}
