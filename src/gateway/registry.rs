//! Which connection a session has, and how often networks may come.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use souk_protocol::{RejectReason, SessionId};
use tokio::task::AbortHandle;

use super::throttle::TokenBucket;
use crate::clock;
use crate::directory::Route;
use crate::handoff::{Link, SessionTerms};
use crate::metrics::CodeCounts;
use crate::peer::{Place, Places, PlacesMax, network_of};

/// Networks remembered for their rates; the map is emptied when it grows beyond.
const NETWORKS_MAX: usize = 65_536;
/// TLS handshakes that may begin in a second, and at once: they run on the thread that orders need too.
const HANDSHAKE_RATE: u32 = 500;
/// Those of one network, so that it does not use up what all have.
const OF_NETWORK_RATE: u32 = HANDSHAKE_RATE / 2;

/// Shared by all connections of a node. Locked at logon and at the end of a connection only.
#[derive(Debug)]
pub struct Registry {
    places: Arc<Places>,
    logon_rate: u32,
    outbox_bytes_max: usize,
    /// Connections are numbered in the order of their logon.
    next_connection: AtomicU64,
    /// What was refused before any market saw it.
    refused: CodeCounts,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    sessions: HashMap<SessionId, Incarnation>,
    networks: HashMap<IpAddr, Network>,
    /// Of all networks.
    handshakes: TokenBucket,
}

/// How often a network may come.
#[derive(Debug)]
struct Network {
    logons: TokenBucket,
    handshakes: TokenBucket,
}

#[derive(Debug, Default)]
struct Incarnation {
    number: u64,
    /// Not kept alive: the outbox of a connection goes with the connection.
    link: Weak<Link>,
    /// Markets that have to be told when the session is gone for good: those it used while it asked for
    /// cancel on disconnect.
    markets: HashSet<Route>,
    /// What waits for the session to be away too long.
    grace: Option<AbortHandle>,
}

impl Registry {
    /// A registry with these bounds.
    #[must_use]
    pub fn new(connections_max: PlacesMax, logon_rate: u32, outbox_bytes_max: usize) -> Self {
        Self {
            places: Places::new(connections_max),
            logon_rate,
            outbox_bytes_max,
            next_connection: AtomicU64::new(1),
            refused: CodeCounts::default(),
            inner: Mutex::new(Inner {
                sessions: HashMap::new(),
                networks: HashMap::new(),
                handshakes: TokenBucket::new(HANDSHAKE_RATE, HANDSHAKE_RATE, clock::monotonic()),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more connection, if there is one.
    pub fn admit(&self, address: IpAddr) -> Option<Place> {
        self.places.take(address)
    }

    /// Counts a logon of an address for its network, before any signature is looked at.
    ///
    /// # Errors
    /// The microseconds after which the network may try again.
    pub fn logon_attempt(&self, address: IpAddr, now: Instant) -> Result<(), u32> {
        let mut inner = self.lock();
        let network = self.network(&mut inner, address, now);
        network.logons.take(1, now)
    }

    /// Counts a TLS handshake of an address, as a logon of its network and among those of all.
    ///
    /// # Errors
    /// The microseconds after which it may try again.
    pub fn handshake_attempt(&self, address: IpAddr, now: Instant) -> Result<(), u32> {
        let mut inner = self.lock();
        let network = self.network(&mut inner, address, now);
        network.logons.take(1, now)?;
        network.handshakes.take(1, now)?;
        inner.handshakes.take(1, now)
    }

    fn network<'a>(&self, inner: &'a mut Inner, of: IpAddr, now: Instant) -> &'a mut Network {
        let (of, networks) = (network_of(of), &mut inner.networks);
        if networks.len() >= NETWORKS_MAX && !networks.contains_key(&of) {
            networks.clear();
        }
        let bucket = |rate| TokenBucket::new(rate, rate, now);
        networks.entry(of).or_insert_with(|| Network {
            logons: bucket(self.logon_rate),
            handshakes: bucket(OF_NETWORK_RATE),
        })
    }

    /// Gives the session to a new connection and ends its old one, or the wait for a new one.
    ///
    /// # Errors
    /// `IncarnationNotNewer`.
    pub fn log_on(
        &self,
        session: SessionId,
        terms: SessionTerms,
    ) -> Result<Arc<Link>, RejectReason> {
        let mut inner = self.lock();
        let known = inner.sessions.get(&session);
        if known.is_some_and(|known| terms.incarnation <= known.number) {
            return Err(RejectReason::IncarnationNotNewer);
        }
        let known = inner.sessions.entry(session).or_default();
        if let Some(link) = known.link.upgrade() {
            link.end(RejectReason::SessionTakenOver);
        }
        if let Some(grace) = known.grace.take() {
            grace.abort();
        }
        let connection = self.next_connection.fetch_add(1, Ordering::Relaxed);
        let outbox_bytes_max = self.outbox_bytes_max;
        let link = Arc::new(Link::new(session, terms, connection, outbox_bytes_max));
        known.number = terms.incarnation;
        known.link = Arc::downgrade(&link);
        Ok(link)
    }

    /// Seeds a session that markets knew before the node was restarted: its highest incarnation, and
    /// the markets that have to be told when it is gone for good. A logon must be newer than that.
    pub fn restore(
        &self,
        session: SessionId,
        incarnation: u64,
        markets: impl IntoIterator<Item = Route>,
    ) {
        let mut inner = self.lock();
        let known = inner.sessions.entry(session).or_default();
        known.number = known.number.max(incarnation);
        known.markets.extend(markets);
    }

    /// Notes that a market has to be told when the session is gone for good.
    pub(super) fn note_market(&self, session: SessionId, route: Route) {
        let mut inner = self.lock();
        let known = inner.sessions.entry(session).or_default();
        known.markets.insert(route);
    }

    /// Keeps what waits for an incarnation to be away too long, or ends it if there is a newer one.
    pub(super) fn await_return(&self, session: SessionId, incarnation: u64, grace: AbortHandle) {
        let mut inner = self.lock();
        let known = inner.sessions.entry(session).or_default();
        let grace = if known.number == incarnation {
            known.grace.replace(grace)
        } else {
            Some(grace)
        };
        if let Some(grace) = grace {
            grace.abort();
        }
    }

    /// The markets to be told of what an incarnation does; none if there is a newer one.
    pub(super) fn markets_of(&self, session: SessionId, incarnation: u64) -> HashSet<Route> {
        match self.lock().sessions.get(&session) {
            Some(known) if known.number == incarnation => known.markets.clone(),
            _ => HashSet::new(),
        }
    }

    /// The markets to be told that an incarnation is gone for good; none if there is a newer one.
    pub(super) fn give_up(&self, session: SessionId, incarnation: u64) -> HashSet<Route> {
        let mut inner = self.lock();
        match inner.sessions.get_mut(&session) {
            Some(known) if known.number == incarnation => {
                known.grace = None;
                std::mem::take(&mut known.markets)
            }
            _ => HashSet::new(),
        }
    }

    /// Ends the connections of all sessions that `are` the ones, and forgets them: their markets are not here any more.
    pub fn dismiss(&self, are: impl Fn(SessionId) -> bool, reason: RejectReason) {
        let mut inner = self.lock();
        for (_, known) in inner.sessions.extract_if(|session, _| are(*session)) {
            if let Some(link) = known.link.upgrade() {
                link.end(reason);
            }
            if let Some(grace) = known.grace {
                grace.abort();
            }
        }
    }

    /// Ends the connections of all sessions; they may come back.
    pub fn end_all(&self, reason: RejectReason) {
        self.end_those(|_| true, reason);
    }

    /// Ends the connections of the sessions that `are` the ones; what is known of them stays.
    pub fn end_those(&self, are: impl Fn(SessionId) -> bool, reason: RejectReason) {
        let inner = self.lock();
        for (_, known) in inner.sessions.iter().filter(|(session, _)| are(**session)) {
            if let Some(link) = known.link.upgrade() {
                link.end(reason);
            }
        }
    }

    /// Counts something that was refused before any market saw it.
    pub fn refuse(&self, reason: RejectReason) {
        self.refused.add(reason);
    }

    /// What was refused before any market saw it, by reason.
    #[must_use]
    pub const fn refused(&self) -> &CodeCounts {
        &self.refused
    }

    /// Sessions that are logged on at this moment.
    #[must_use]
    pub fn sessions(&self) -> usize {
        let inner = self.lock();
        let is_on = |known: &&Incarnation| known.link.strong_count() > 0;
        inner.sessions.values().filter(is_on).count()
    }

    /// Connections at this moment.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.places.taken()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn who_has_a_whole_network_of_ipv6_counts_as_one() {
        let connections_max = PlacesMax {
            all: 10,
            of_network: 2,
        };
        let (registry, now) = (Registry::new(connections_max, 2, 0), clock::monotonic());
        let places = [1, 2].map(|host| registry.admit(at(&format!("2001:db8::{host}"))));
        assert!(places.iter().all(Option::is_some));
        assert!(registry.admit(at("2001:db8::3")).is_none());
        assert!(registry.admit(at("2001:db8:0:1::3")).is_some());
        for host in 1..=2 {
            let address = at(&format!("2001:db8::{host}"));
            assert_eq!(registry.logon_attempt(address, now), Ok(()));
        }
        assert!(registry.logon_attempt(at("2001:db8::3"), now).is_err());
        assert_eq!(registry.logon_attempt(at("2001:db8:0:1::3"), now), Ok(()));
    }

    #[test]
    fn all_networks_together_begin_so_many_handshakes_a_second() {
        let connections_max = PlacesMax {
            all: 1,
            of_network: 1,
        };
        let registry = Registry::new(connections_max, 1_000, 0);
        let begun_at = |now| {
            let networks = (0..250).map(|network| IpAddr::from([192, 0, 2, network]));
            let attempts = networks.flat_map(|address| [address; 4]);
            let begun = attempts.filter(|it| registry.handshake_attempt(*it, now).is_ok());
            begun.count()
        };
        let now = clock::monotonic();
        assert_eq!(begun_at(now), 500);
        assert_eq!(begun_at(now + Duration::from_millis(100)), 50);
        // One network uses up no more than its own share.
        let later = now + Duration::from_secs(1);
        let one = (0..1_000).filter(|_| registry.handshake_attempt(at("::"), later).is_ok());
        assert_eq!(one.count(), 250);
        assert_eq!(registry.handshake_attempt(at("192.0.2.1"), later), Ok(()));
    }
}
