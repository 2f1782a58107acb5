//! What a node says of itself, for whoever asks. Told by the threads that start and stop it; nothing on the way of an order
//! comes here.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use souk_protocol::TenantId;

use crate::clock::{self, Moment};
use crate::config::Config;
use crate::gateway::entrance::Entrance;
use crate::history::Reach;
use crate::journal::Journal;
use crate::metrics::{Distribution, Meters};
use crate::recovery::Progress;
use crate::tls::Certificate;

/// What a node is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It waits for something that it cannot start without.
    Waiting(&'static str),
    /// It does again what its journal says.
    Recovering(Progress),
    /// It takes sessions in.
    Serving,
    /// It takes nothing any more, and answers what it took.
    Draining,
}

/// The parts of a node that somebody may look at.
#[derive(Debug)]
pub struct Parts {
    /// Where sessions are taken in.
    pub entrance: Arc<Entrance>,
    /// None with durability `memory`.
    pub journal: Option<Journal>,
    /// What matchers write down.
    pub meters: Arc<Meters>,
    /// The folder of snapshots, if they are files.
    pub snapshots: Option<PathBuf>,
    /// How far the history reaches, if it is kept.
    pub reach: Option<Arc<Reach>>,
    /// Whether there are fewer cores than threads that want one.
    pub shares_cores: bool,
}

/// The tenants of a node of a cluster, by what it does with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantsHere {
    /// Owned and served.
    pub served: u64,
    /// Owned, and not served yet, or on their way out.
    pub moving: u64,
    /// Owned by another node, and kept ready.
    pub warm: u64,
    /// Owned, and cannot be served.
    pub failed: u64,
}

/// What can be read of a node's lease.
#[derive(Clone, Debug, Default)]
pub struct LeaseReading {
    /// Until it ends, if it is not renewed.
    pub left: Duration,
    /// What others wait for.
    pub ttl: Duration,
    /// Why it is lost for ever, if it is.
    pub lost: Option<String>,
    /// What renewals took.
    pub renewals: Distribution,
    /// Renewals that failed.
    pub failures: u64,
    /// Other nodes that this one has taken for dead.
    pub fenced: u64,
    /// Its tenants; nothing before it has seen the cluster.
    pub tenants: Option<TenantsHere>,
    /// When the oldest of the newest snapshots of the tenants whose snapshots it takes was taken, nanoseconds since
    /// 1970-01-01 UTC.
    pub snapshot_ns: Option<u64>,
}

/// Where the lease of a node of a cluster is read.
pub trait ReadsLease: std::fmt::Debug + Send + Sync {
    /// As it is now. Asks no database.
    fn read(&self) -> LeaseReading;
}

/// What the money checks have found.
#[derive(Debug)]
pub(super) struct MoneyState {
    pub sound: AtomicU64,
    /// Given up because money moved meanwhile.
    pub disturbed: AtomicU64,
    pub unsound: AtomicU64,
    /// When everything was found sound last; 0: not yet.
    pub sound_at: AtomicU64,
}

/// What a node says of itself.
#[derive(Debug)]
pub struct Board {
    pub(super) node: String,
    /// By id, all that are configured.
    pub(super) tenants: Vec<(TenantId, String)>,
    pub(super) began: Moment,
    pub(super) began_ns: u64,
    phase: Mutex<Phase>,
    parts: OnceLock<Parts>,
    lease: OnceLock<Arc<dyn ReadsLease>>,
    /// It has been ready to serve once.
    pub(super) started: AtomicBool,
    pub(super) money: MoneyState,
    pub(super) certificate: Option<Arc<Certificate>>,
}

impl Board {
    /// The board of a node that has just begun to start.
    #[must_use]
    pub fn new(config: &Config, certificate: Option<Arc<Certificate>>) -> Self {
        let name = |tenant: &crate::config::TenantConfig| (tenant.id, tenant.name.clone());
        Self {
            node: config.journal.node.clone(),
            tenants: config.tenants.iter().map(name).collect(),
            began: clock::boottime(),
            began_ns: clock::wall_ns(),
            phase: Mutex::new(Phase::Waiting("the node has just begun to start")),
            parts: OnceLock::new(),
            lease: OnceLock::new(),
            started: AtomicBool::new(false),
            certificate,
            money: MoneyState {
                sound: AtomicU64::new(0),
                disturbed: AtomicU64::new(0),
                unsound: AtomicU64::new(0),
                sound_at: AtomicU64::new(0),
            },
        }
    }

    /// Says what the node is at from now on.
    pub fn set(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    /// What the node is at.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the parts of a node, once it has them.
    pub fn show(&self, parts: Parts) {
        let shown = self.parts.set(parts);
        assert!(shown.is_ok(), "a node has its parts once");
    }

    /// Shows the lease of a node of a cluster.
    pub fn show_lease(&self, lease: Arc<dyn ReadsLease>) {
        let shown = self.lease.set(lease);
        assert!(shown.is_ok(), "a process has one lease");
    }

    pub(super) fn parts(&self) -> Option<&Parts> {
        self.parts.get()
    }

    pub(super) fn lease(&self) -> Option<LeaseReading> {
        self.lease.get().map(|lease| lease.read())
    }

    /// How many tenants are served here.
    pub(super) fn served(&self) -> Vec<TenantId> {
        let here = self.parts().map(|parts| parts.entrance.here());
        let tenants = here.into_iter().flatten();
        tenants.map(|(tenant, _)| tenant).collect()
    }

    pub(super) fn latch_started(&self) {
        self.started.store(true, Ordering::Relaxed);
    }
}
