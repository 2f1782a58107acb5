//! Who exists: tenants, their markets, currencies and accounts, and the keys that may log on. Made from the
//! configuration, read by every gateway, and added to while the node runs.
//!
//! Must never: answer for one tenant with what belongs to another.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::iter;
use std::ops::Bound;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use souk_protocol::message::{CurrencyDefinition, MarketDefinition};
use souk_protocol::{AccountId, KeyId, MarketId, SessionId, TenantId};

use crate::config::{Config, KeyAccounts, KeyConfig, Permissions};
use crate::control::Custody;
use crate::handoff::{Seat, TenantIndex};

/// Definitions that are copied from a catalogue at once. Whoever waits to change it waits for these
/// only, never for a whole list.
pub const PAGE_LEN: usize = 256;

/// Everything a gateway looks up.
#[derive(Debug, Default)]
pub struct Directory {
    keys: RwLock<HashMap<KeyId, Arc<KeyEntry>>>,
    /// Tenants by index.
    pub tenants: Vec<Arc<TenantEntry>>,
}

/// A key that may log on.
#[derive(Debug)]
pub struct KeyEntry {
    /// Its id.
    pub id: KeyId,
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
    /// Changes of its markets that are under way.
    pub changes: Arc<AtomicU32>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
        let (mut keys, mut tenants) = (HashMap::new(), Vec::new());
        for (index, tenant) in config.tenants.iter().enumerate() {
            let index = TenantIndex(index as u32);
            let entry = Arc::new(TenantEntry {
                id: tenant.id,
                name: tenant.name.clone(),
                index,
                custody: tenant.control.custody(),
                control: control(index),
                changes: Arc::default(),
                catalogue: RwLock::default(),
            });
            for key in &tenant.keys {
                keys.insert(key.id, Arc::new(KeyEntry::new(key, &entry)));
            }
            tenants.push(entry);
        }
        Self {
            keys: RwLock::new(keys),
            tenants,
        }
    }

    /// A key, if it was ever one of this node's tenants.
    #[must_use]
    pub fn key(&self, key: KeyId) -> Option<Arc<KeyEntry>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(&key).cloned()
    }

    /// Makes another key of a tenant known. Sessions that are there keep what they were given at their logon.
    pub fn add_key(&self, tenant: TenantIndex, key: &KeyConfig) {
        let entry = KeyEntry::new(key, &self.tenants[tenant.0 as usize]);
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.id, Arc::new(entry));
    }

    /// Whose a session is, if its key still exists.
    #[must_use]
    pub fn tenant_of(&self, session: SessionId) -> Option<TenantIndex> {
        Some(self.key(session.key())?.tenant.index)
    }
}

impl KeyEntry {
    fn new(key: &KeyConfig, tenant: &Arc<TenantEntry>) -> Self {
        Self {
            id: key.id,
            tenant: Arc::clone(tenant),
            accounts: key.accounts.clone(),
            permissions: key.permissions,
        }
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

    /// The markets, by id, in pages; nobody is kept waiting between two. What becomes known in
    /// between may be in a later page.
    pub fn market_pages(&self) -> impl Iterator<Item = Vec<MarketDefinition>> {
        // No market has id 0.
        let mut after = MarketId(0);
        iter::from_fn(move || {
            let page = self.catalogue().markets_after(after, PAGE_LEN);
            after = page.last()?.market;
            Some(page)
        })
    }

    /// The currencies, by code, in pages as [`Self::market_pages`] gives them.
    pub fn currency_pages(&self) -> impl Iterator<Item = Vec<CurrencyDefinition>> {
        // No currency has an empty code.
        let mut after = [0; 8];
        iter::from_fn(move || {
            let page = self.catalogue().currencies_after(after, PAGE_LEN);
            after = page.last()?.code.0;
            Some(page)
        })
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
    /// How many markets there are.
    #[must_use]
    pub fn markets(&self) -> usize {
        self.markets.len()
    }

    /// How many currencies there are.
    #[must_use]
    pub fn currencies(&self) -> usize {
        self.currencies.len()
    }

    /// The first `count` markets after `after`, by id.
    fn markets_after(&self, after: MarketId, count: usize) -> Vec<MarketDefinition> {
        let later = self
            .markets
            .range((Bound::Excluded(after), Bound::Unbounded));
        let definitions = later.map(|(_, (_, definition))| *definition);
        definitions.take(count).collect()
    }

    /// The first `count` currencies after the code `after`, by code.
    fn currencies_after(&self, after: [u8; 8], count: usize) -> Vec<CurrencyDefinition> {
        let later = self
            .currencies
            .range((Bound::Excluded(after), Bound::Unbounded));
        later
            .map(|(_, definition)| *definition)
            .take(count)
            .collect()
    }

    /// The accounts, by id; the fee account, which every tenant has, is the last.
    pub fn accounts(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.accounts.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use souk_protocol::{Amount, CurrencyStatus, MarketState, Price, Qty, Reserved, Text};

    use super::*;

    const ROUTE: Route = Route {
        matcher: 0,
        seat: Seat(0),
    };

    fn tenant() -> TenantEntry {
        TenantEntry {
            id: TenantId(1),
            name: String::from("acme"),
            index: TenantIndex(0),
            custody: Custody::Internal,
            control: ROUTE,
            changes: Arc::default(),
            catalogue: RwLock::default(),
        }
    }

    fn market(id: u32) -> MarketDefinition {
        MarketDefinition {
            market: MarketId(id),
            state: MarketState::Continuous,
            base_scale: 8,
            quote_scale: 6,
            reserved: Reserved,
            symbol: Text([b'M'; 24]),
            base: Text(*b"BTC\0\0\0\0\0"),
            quote: Text(*b"USDT\0\0\0\0"),
            tick_mantissa: 1,
            lot_mantissa: 1,
            tick_scale: 2,
            lot_scale: 4,
            reserved2: Reserved,
            price_min: Price(1),
            price_max: Price(2),
            qty_min: Qty(1),
            qty_max: Qty(2),
            notional_unit: 1,
            account_orders_max: 10,
            reserved3: Reserved,
            notional_min: Amount(0),
            notional_max: Amount(0),
            lot_units: 10_000,
        }
    }

    #[test]
    fn a_list_of_markets_comes_in_pages_and_keeps_nobody_from_adding_one() {
        let tenant = tenant();
        assert_eq!(tenant.market_pages().count(), 0);
        for id in (1..=512).rev() {
            tenant.add_market(ROUTE, market(id * 10));
        }
        let mut pages = tenant.market_pages();
        let ids = |page: Vec<MarketDefinition>| -> Vec<u32> {
            page.iter().map(|market| market.market.0).collect()
        };
        let first = pages.next().map(ids).expect("there are markets");
        assert_eq!(first, (1..=256).map(|id| id * 10).collect::<Vec<_>>());
        // Would wait for ever if the list kept the catalogue.
        tenant.add_market(ROUTE, market(2_555));
        tenant.add_market(ROUTE, market(2_565));
        let second = pages.next().map(ids).expect("there are more");
        assert_eq!((second.len(), second[0], second[1]), (256, 2_565, 2_570));
        assert_eq!(pages.next().map(ids), Some(vec![5_120]));
        assert_eq!(pages.next().map(ids), None);
    }

    #[test]
    fn a_list_of_currencies_comes_in_pages() {
        let tenant = tenant();
        let mut codes = Vec::new();
        for number in 0..300 {
            let code = Text::new(&format!("C{number:03}")).expect("it fits");
            codes.push(code);
            tenant.set_currency(CurrencyDefinition {
                code,
                scale: 2,
                display_scale: 2,
                status: CurrencyStatus::Listed,
                reserved: Reserved,
                amount_min: Amount(0),
                amount_max: Amount(0),
            });
        }
        let pages: Vec<_> = tenant.currency_pages().collect();
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [256, 44]);
        let told: Vec<_> = pages.concat().iter().map(|told| told.code).collect();
        assert_eq!(told, codes);
    }
}
