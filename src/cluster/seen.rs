//! What a node of a cluster shows of itself to whoever looks after it, written by the threads that do the work.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use souk_protocol::TenantId;

use super::lease::Lease;
use crate::clock;
use crate::metrics::Histogram;
use crate::operations::{LeaseReading, ReadsLease, TenantsHere};

/// What can be seen from outside.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The heartbeat's thread writes.
    pub renewals: Histogram,
    pub failures: AtomicU64,
    /// Other nodes that this one has taken for dead.
    pub fenced: AtomicU64,
    /// Nothing before the steward has looked.
    tenants: OnceLock<Mutex<TenantsHere>>,
    /// When the newest snapshot of each tenant was taken whose snapshots this node takes.
    snapshots_ns: Mutex<BTreeMap<TenantId, u64>>,
}

impl Seen {
    /// Counts in what no order waits for.
    pub(crate) fn count(count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Says what the node does with its tenants.
    pub(crate) fn set_tenants(&self, here: TenantsHere) {
        let tenants = self.tenants.get_or_init(Mutex::default);
        *tenants.lock().unwrap_or_else(PoisonError::into_inner) = here;
    }

    /// Says when the newest snapshots were taken.
    pub(crate) fn set_snapshots(&self, taken_ns: BTreeMap<TenantId, u64>) {
        let snapshots = self.snapshots_ns.lock();
        *snapshots.unwrap_or_else(PoisonError::into_inner) = taken_ns;
    }
}

impl ReadsLease for Lease {
    fn read(&self) -> LeaseReading {
        let seen = &self.seen;
        let tenants = seen.tenants.get().map(|tenants| {
            let tenants = tenants.lock();
            *tenants.unwrap_or_else(PoisonError::into_inner)
        });
        let snapshots = seen.snapshots_ns.lock();
        let snapshots = snapshots.unwrap_or_else(PoisonError::into_inner);
        LeaseReading {
            left: self.deadline.left(clock::boottime()),
            ttl: self.terms.ttl(),
            lost: self.loss().map(|loss| loss.to_string()),
            renewals: seen.renewals.read(),
            failures: seen.failures.load(Ordering::Relaxed),
            fenced: seen.fenced.load(Ordering::Relaxed),
            tenants,
            snapshot_ns: snapshots.values().min().copied(),
        }
    }
}
