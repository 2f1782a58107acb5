//! Who exists: tenants, their markets, currencies and accounts, and the keys that may log on. Made from the
//! configuration, read by every gateway, and added to while the node runs.
//!
//! Must never: answer for one tenant with what belongs to another.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use souk_protocol::message::{CurrencyDefinition, MarketDefinition};
use souk_protocol::{AccountId, KeyId, MarketId, TenantId};

use crate::config::{Config, KeyAccounts, Permissions};
use crate::control::Custody;
use crate::handoff::{Seat, TenantIndex};

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
    /// The accounts it may use.
    pub accounts: KeyAccounts,
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
    /// Who keeps its money.
    pub custody: Custody,
    /// Where its control stream is.
    pub control: Route,
    catalogue: RwLock<Catalogue>,
}

/// What a tenant offers. Grows, and never loses anything.
#[derive(Debug, Default)]
pub struct Catalogue {
    markets: BTreeMap<MarketId, (Route, MarketDefinition)>,
    currencies: BTreeMap<[u8; 8], CurrencyDefinition>,
    accounts: BTreeSet<AccountId>,
}

/// Where a market or a control stream is. It stays there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The matcher's number.
    pub matcher: usize,
    /// Its place in it.
    pub seat: Seat,
}

impl Directory {
    /// The keys of a configuration, and its tenants. `control` says where each tenant's control
    /// stream is.
    #[must_use]
    pub fn new(config: &Config, control: impl Fn(TenantIndex) -> Route) -> Self {
        let mut directory = Self {
            keys: HashMap::new(),
            tenants: Vec::new(),
        };
        for (index, tenant) in config.tenants.iter().enumerate() {
            let index = TenantIndex(index as u32);
            let entry = Arc::new(TenantEntry {
                id: tenant.id,
                name: tenant.name.clone(),
                index,
                custody: tenant.control.custody(),
                control: control(index),
                catalogue: RwLock::default(),
            });
            for key in &tenant.keys {
                let key_entry = KeyEntry {
                    public_key: key.public_key,
                    tenant: Arc::clone(&entry),
                    accounts: key.accounts.clone(),
                    permissions: key.permissions,
                };
                directory.keys.insert(key.id, Arc::new(key_entry));
            }
            directory.tenants.push(entry);
        }
        directory
    }
}

impl TenantEntry {
    /// Where a market is. A route never changes: whoever asks may remember it.
    #[must_use]
    pub fn route(&self, market: MarketId) -> Option<Route> {
        self.catalogue()
            .markets
            .get(&market)
            .map(|(route, _)| *route)
    }

    /// The market that is there.
    #[must_use]
    pub fn market_at(&self, route: Route) -> Option<MarketId> {
        let catalogue = self.catalogue();
        let mut markets = catalogue.markets.iter();
        let found = markets.find(|(_, (known, _))| *known == route);
        found.map(|(market, _)| *market)
    }

    /// What it offers.
    pub fn catalogue(&self) -> RwLockReadGuard<'_, Catalogue> {
        self.catalogue
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a market known, once its matcher knows it.
    pub fn add_market(&self, route: Route, definition: MarketDefinition) {
        self.change(|catalogue| {
            catalogue
                .markets
                .insert(definition.market, (route, definition));
        });
    }

    /// Tells something else of a market from now on.
    pub fn change_market(&self, market: MarketId, change: impl FnOnce(&mut MarketDefinition)) {
        self.change(|catalogue| {
            if let Some((_, definition)) = catalogue.markets.get_mut(&market) {
                change(definition);
            }
        });
    }

    /// Makes a currency known, or its new terms.
    pub fn set_currency(&self, definition: CurrencyDefinition) {
        self.change(|catalogue| {
            catalogue.currencies.insert(definition.code.0, definition);
        });
    }

    /// Makes an account known.
    pub fn add_account(&self, account: AccountId) {
        self.change(|catalogue| {
            catalogue.accounts.insert(account);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Catalogue)) {
        let mut catalogue = self
            .catalogue
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        change(&mut catalogue);
    }
}

impl Catalogue {
    /// The markets, by id.
    pub fn markets(&self) -> impl ExactSizeIterator<Item = &MarketDefinition> {
        self.markets.values().map(|(_, definition)| definition)
    }

    /// The currencies, by code.
    pub fn currencies(&self) -> impl ExactSizeIterator<Item = &CurrencyDefinition> {
        self.currencies.values()
    }

    /// The accounts, by id; the fee account, which every tenant has, is the last.
    pub fn accounts(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.accounts.iter().copied()
    }
}
