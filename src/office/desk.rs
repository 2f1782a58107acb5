//! A tenant's way to the engine: the office logs on at the gateway with a key of its own, as any client does. It has no other
//! door, so whatever the gateway and the markets refuse, they refuse to the office too.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use souk_client::{
    Client, ClientOptions, Currency, Doubt, FromReports, Market, Outcome, Pending, ReconnectPolicy,
    SigningKey, Tls,
};
use souk_protocol::{CurrencyStatus, KeyId, MarketId, TenantId};

use super::error::ApiError;
use crate::clock;
use crate::control::Custody;

/// How long a market may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How old the lists of markets and currencies may be.
const CATALOGUE_MAX: Duration = Duration::from_secs(1);

/// The office of one tenant.
#[derive(Debug)]
pub struct Desk {
    /// The tenant.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
    /// Who keeps its money.
    pub custody: Custody,
    access: DeskAccess,
    client: tokio::sync::Mutex<Option<Client>>,
    /// Held by who changes a part of something and sends all of it.
    pub changes: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
}

/// How a desk logs on.
#[derive(Debug)]
pub struct DeskAccess {
    /// The gateway.
    pub address: String,
    /// Which nodes to believe, if the session may be sent to another one, over TLS.
    pub tls: Option<Tls>,
    /// The key.
    pub key: KeyId,
    /// Its private part, which lives in this process only.
    pub seed: [u8; 32],
}

/// The lists, as they were when they were asked for last.
#[derive(Debug, Default)]
struct Known {
    /// Changes that were made so far.
    changes: u64,
    lists: Option<(Instant, Arc<Catalogue>)>,
}

/// What a tenant offers.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// Markets by id.
    pub markets: BTreeMap<MarketId, Market>,
    /// Currencies by code.
    pub currencies: BTreeMap<String, Currency>,
}

impl Desk {
    /// A desk that logs on when it is first needed.
    pub fn new(tenant: TenantId, name: String, custody: Custody, access: DeskAccess) -> Self {
        Self {
            tenant,
            name,
            custody,
            access,
            client: tokio::sync::Mutex::default(),
            changes: tokio::sync::Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// The session for requests and orders.
    pub async fn client(&self) -> Result<Client, ApiError> {
        let mut known = self.client.lock().await;
        if let Some(client) = known.as_ref()
            && !is_over(client).await
        {
            return Ok(client.clone());
        }
        let client = self.log_on(0).await?;
        *known = Some(client.clone());
        Ok(client)
    }

    /// A session with this number.
    pub async fn log_on(&self, session_number: u16) -> Result<Client, ApiError> {
        let key = SigningKey::from_seed(&self.access.seed)
            .map_err(|error| ApiError::unavailable(error.to_string()))?;
        let mut options = ClientOptions::new(self.access.key);
        options.tls = self.access.tls.clone();
        options.session_number = session_number;
        options.reconnect = Some(ReconnectPolicy::default());
        let client = Client::connect(&self.access.address, key, options).await?;
        Ok(client)
    }

    /// What the tenant offers, at most a second old.
    pub async fn catalogue(&self) -> Result<Arc<Catalogue>, ApiError> {
        let asked = clock::monotonic();
        let changes = {
            let known = self.lock();
            if let Some(lists) = known.lists(asked) {
                return Ok(lists);
            }
            known.changes
        };
        let client = self.client().await?;
        let markets = client.markets().await?;
        let currencies = client.currencies().await?;
        let catalogue = Arc::new(Catalogue {
            markets: markets.into_iter().map(|it| (it.id(), it)).collect(),
            currencies: currencies
                .into_iter()
                .map(|it| (it.code().to_owned(), it))
                .collect(),
        });
        self.lock().keep(changes, asked, &catalogue);
        Ok(catalogue)
    }

    /// The lists have changed.
    pub fn forget_catalogue(&self) {
        self.lock().change();
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn lists(&self, now: Instant) -> Option<Arc<Catalogue>> {
        let (asked, lists) = self.lists.as_ref()?;
        (now - *asked < CATALOGUE_MAX).then(|| Arc::clone(lists))
    }

    /// Keeps lists that were asked for after so many changes, unless there was one since: they may be from before it.
    fn keep(&mut self, changes: u64, asked: Instant, lists: &Arc<Catalogue>) {
        if changes == self.changes {
            self.lists = Some((asked, Arc::clone(lists)));
        }
    }

    fn change(&mut self) {
        self.changes += 1;
        self.lists = None;
    }
}

impl Catalogue {
    /// A market.
    pub fn market(&self, id: MarketId) -> Result<&Market, ApiError> {
        self.markets.get(&id).ok_or_else(ApiError::not_found)
    }

    /// A currency.
    pub fn currency(&self, code: &str) -> Result<&Currency, ApiError> {
        self.currencies.get(code).ok_or_else(ApiError::not_found)
    }

    /// What a market's trades are paid in.
    pub fn quote(&self, market: &Market) -> Result<&Currency, ApiError> {
        self.currency(market.definition().quote.as_str())
    }

    /// Whether one of a market's currencies is not shown to users.
    pub fn is_hidden(&self, market: &Market) -> Result<bool, ApiError> {
        let definition = market.definition();
        for code in [definition.base, definition.quote] {
            if self.currency(code.as_str())?.definition().status == CurrencyStatus::Hidden {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What a market says to a message, or why it does not.
pub async fn answer<T: FromReports>(mut pending: Pending<T>) -> Result<T, ApiError> {
    match pending.within(ANSWER_MAX).await {
        Outcome::Accepted(report) => Ok(report),
        Outcome::Rejected(rejected) => Err(rejected.into()),
        Outcome::NotApplied(refusal) => Err(refusal.into()),
        Outcome::Unknown(doubt) => Err(ApiError::unavailable(match doubt {
            Doubt::TimedOut => {
                "the market has not answered in time; look at the lists for what became of it"
            }
            _ => "the connection was lost; look at the lists for what became of it",
        })),
    }
}

async fn is_over(client: &Client) -> bool {
    tokio::select! {
        biased;
        _ = client.closed() => true,
        () = std::future::ready(()) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_were_asked_for_before_a_change_are_not_kept_after_it() {
        let (mut known, now) = (Known::default(), clock::monotonic());
        let lists = Arc::new(Catalogue::default());
        let before = known.changes;
        known.change();
        known.keep(before, now, &lists);
        assert!(known.lists(now).is_none());
        known.keep(known.changes, now, &lists);
        assert!(known.lists(now).is_some());
        assert!(known.lists(now + CATALOGUE_MAX).is_none());
    }
}
