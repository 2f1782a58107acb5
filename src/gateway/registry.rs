//! Which connection a session has, and how often addresses may come.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use souk_protocol::{RejectReason, SessionId};

use super::throttle::TokenBucket;
use crate::handoff::Link;

/// Addresses remembered for their logon rate; the map is emptied when it grows beyond.
const ADDRESSES_MAX: usize = 65_536;

/// Shared by all connections of a node. Locked at logon and at the end of a connection only.
#[derive(Debug)]
pub struct Registry {
    connections_max: usize,
    per_address_max: usize,
    logon_rate: u32,
    outbox_bytes_max: usize,
    /// Connections are numbered in the order of their logon.
    next_connection: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<SessionId, Incarnation>,
    connections: usize,
    by_address: HashMap<IpAddr, usize>,
    logons: HashMap<IpAddr, TokenBucket>,
}

#[derive(Debug)]
struct Incarnation {
    number: u64,
    /// Not kept alive: the outbox of a connection goes with the connection.
    link: Weak<Link>,
}

/// A place among the connections; given back when dropped.
#[derive(Debug)]
pub struct Admission {
    registry: Arc<Registry>,
    address: IpAddr,
}

impl Registry {
    /// A registry with these bounds.
    #[must_use]
    pub fn new(
        connections_max: usize,
        per_address_max: usize,
        logon_rate: u32,
        outbox_bytes_max: usize,
    ) -> Self {
        Self {
            connections_max,
            per_address_max,
            logon_rate,
            outbox_bytes_max,
            next_connection: AtomicU64::new(1),
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more connection, if there is one.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Admission> {
        let mut inner = self.lock();
        let of_address = inner.by_address.get(&address).copied().unwrap_or(0);
        if inner.connections >= self.connections_max || of_address >= self.per_address_max {
            return None;
        }
        inner.connections += 1;
        *inner.by_address.entry(address).or_insert(0) += 1;
        Some(Admission {
            registry: Arc::clone(self),
            address,
        })
    }

    /// Counts a logon of an address, before any signature is looked at.
    ///
    /// # Errors
    /// The microseconds after which the address may try again.
    pub fn logon_attempt(&self, address: IpAddr, now: Instant) -> Result<(), u32> {
        let mut inner = self.lock();
        if inner.logons.len() >= ADDRESSES_MAX && !inner.logons.contains_key(&address) {
            inner.logons.clear();
        }
        let rate = self.logon_rate;
        let bucket = inner
            .logons
            .entry(address)
            .or_insert_with(|| TokenBucket::new(rate, rate, now));
        bucket.take(1, now)
    }

    /// Gives the session to a new connection and ends its old one.
    ///
    /// # Errors
    /// `IncarnationNotNewer`.
    pub fn log_on(&self, session: SessionId, number: u64) -> Result<Arc<Link>, RejectReason> {
        let mut inner = self.lock();
        if let Some(known) = inner.sessions.get(&session) {
            if number <= known.number {
                return Err(RejectReason::IncarnationNotNewer);
            }
            if let Some(link) = known.link.upgrade() {
                link.end(RejectReason::SessionTakenOver);
            }
        }
        let connection = self.next_connection.fetch_add(1, Ordering::Relaxed);
        let link = Arc::new(Link::new(session, connection, self.outbox_bytes_max));
        let incarnation = Incarnation {
            number,
            link: Arc::downgrade(&link),
        };
        inner.sessions.insert(session, incarnation);
        Ok(link)
    }

    /// Connections at this moment.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.lock().connections
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut inner = self.registry.lock();
        inner.connections -= 1;
        if let Some(count) = inner.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                inner.by_address.remove(&self.address);
            }
        }
    }
}
