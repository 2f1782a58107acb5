//! Who exists: tenants, their markets and accounts, and the keys that may log on. Made once from
//! the configuration and read by every gateway.

use std::collections::HashMap;
use std::sync::Arc;

use souk_protocol::message::MarketDefinition;
use souk_protocol::{AccountId, KeyId, MarketId, StpGroup, TenantId};

use crate::config::{Config, Permissions};
use crate::handoff::{Seat, SeatConfig, TenantIndex};
use crate::routing::{market_hash, matcher_of};

/// Everything a gateway looks up.
#[derive(Debug)]
pub struct Directory {
    /// Keys by id.
    pub keys: HashMap<KeyId, Arc<KeyEntry>>,
    /// Tenants by index.
    pub tenants: Vec<Arc<TenantEntry>>,
}

/// A key that may log on.
#[derive(Debug)]
pub struct KeyEntry {
    /// Ed25519.
    pub public_key: [u8; 32],
    /// Whose it is.
    pub tenant: Arc<TenantEntry>,
    /// The accounts it may use, and the self-trade prevention group of each.
    pub accounts: hashbrown::HashMap<AccountId, StpGroup>,
    /// What it may do.
    pub permissions: Permissions,
}

/// A tenant.
#[derive(Debug)]
pub struct TenantEntry {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// Its place in the node's tables.
    pub index: TenantIndex,
    /// Where its markets are.
    pub markets: hashbrown::HashMap<MarketId, Route>,
    /// What clients are told of its markets.
    pub definitions: Vec<MarketDefinition>,
}

/// Where a market is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The matcher's number.
    pub matcher: usize,
    /// The market's place in it.
    pub seat: Seat,
}

impl Directory {
    /// The directory of a configuration, and the seats of each of `matchers` matchers.
    #[must_use]
    pub fn new(config: &Config, matchers: usize) -> (Self, Vec<Vec<SeatConfig>>) {
        let mut seats: Vec<Vec<SeatConfig>> = vec![Vec::new(); matchers];
        let mut directory = Self {
            keys: HashMap::new(),
            tenants: Vec::new(),
        };
        for (index, tenant) in config.tenants.iter().enumerate() {
            let mut markets = hashbrown::HashMap::new();
            for market in &tenant.markets {
                let matcher = matcher_of(market_hash(&tenant.name, &market.symbol), matchers);
                let seat = Seat(seats[matcher].len() as u32);
                seats[matcher].push(SeatConfig {
                    market: market.id,
                    spec: market.spec,
                    state: market.state,
                });
                markets.insert(market.id, Route { matcher, seat });
            }
            let entry = Arc::new(TenantEntry {
                id: tenant.id,
                name: tenant.name.clone(),
                index: TenantIndex(index as u32),
                markets,
                definitions: tenant
                    .markets
                    .iter()
                    .map(|market| market.definition)
                    .collect(),
            });
            for key in &tenant.keys {
                let group = |id: &AccountId| Some((*id, tenant.accounts.get(id)?.stp_group));
                let key_entry = KeyEntry {
                    public_key: key.public_key,
                    tenant: Arc::clone(&entry),
                    accounts: key.accounts.iter().filter_map(group).collect(),
                    permissions: key.permissions,
                };
                directory.keys.insert(key.id, Arc::new(key_entry));
            }
            directory.tenants.push(entry);
        }
        (directory, seats)
    }
}
