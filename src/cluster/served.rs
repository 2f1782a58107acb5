//! A tenant that this node serves: its partition at work, and its end when the tenant moves away.
//!
//! Must never: say that a tenant may be taken over before everything that was taken is answered and durable.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use souk_protocol::{RejectReason, TenantId};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task;

use crate::clock;
use crate::gateway::entrance::{Entrance, Place};
use crate::gateway::session::Shared;
use crate::ids::Epoch;
use crate::journal::{Journal, Wake};
use crate::metrics::Meters;
use crate::partition::Partition;
use crate::server::closing::ClosedAccounts;
use crate::server::parts::{Goodbyes, join, run_inline, thread};
use crate::server::{ServerError, StopError};

/// How often it is looked whether the last connection has let go of a partition.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Where the matchers of partitions run.
#[derive(Clone, Debug)]
pub(crate) struct Floor {
    /// A runtime for each matcher, on its own pinned thread, or the gateway's.
    pub matchers: Vec<Handle>,
    /// The gateway's.
    pub gateway: Handle,
    /// Becomes true when the node takes nothing any more.
    pub drained: watch::Receiver<bool>,
    /// What matchers write down, if somebody may look.
    pub meters: Option<Arc<Meters>>,
    /// How long a tenant that leaves waits for answers that are under way.
    pub drain_timeout: Duration,
}

/// A partition at work.
#[derive(Debug)]
pub(crate) struct Served {
    tenant: TenantId,
    epoch: Epoch,
    shared: Arc<Shared>,
    journal: Journal,
    matchers: Vec<(Arc<Notify>, task::JoinHandle<()>)>,
    administrator: JoinHandle<()>,
    end: watch::Sender<bool>,
    floor: Floor,
}

impl Served {
    /// Puts a tenant's partition to work. Sessions are let in by whoever sets its place.
    ///
    /// # Errors
    /// When a thread cannot be made.
    pub(crate) fn begin(
        tenant: TenantId,
        epoch: Epoch,
        partition: Partition,
        wakes: Vec<Arc<Notify>>,
        journal: &Journal,
        floor: &Floor,
    ) -> Result<Self, ServerError> {
        let Partition {
            shared,
            matchers,
            administrator,
            gone,
            ..
        } = partition;
        let name = format!("souk-admin-{}", tenant.0);
        let administrator = thread(&name, move || administrator.run())?;
        let (end, ended) = watch::channel(false);
        let goodbyes = Goodbyes {
            gone,
            shared: Arc::clone(&shared),
            drained: floor.drained.clone(),
        };
        goodbyes.begin(&floor.gateway);
        let run = |((matcher, wake), runtime): ((_, Arc<Notify>), &Handle)| {
            let task = run_inline(matcher, Arc::clone(&wake), ended.clone());
            (wake, runtime.spawn(task))
        };
        let matchers = matchers.into_iter().zip(wakes).zip(&floor.matchers);
        Ok(Self {
            tenant,
            epoch,
            shared,
            journal: journal.clone(),
            matchers: matchers.map(run).collect(),
            administrator,
            end,
            floor: floor.clone(),
        })
    }

    /// Ends it: nobody is let in any more, what was taken is answered, connections are told to go elsewhere, and the
    /// balances are written behind it all. When this returns, everything is durable.
    ///
    /// # Errors
    /// When the journal has failed, or the ledger does not add up.
    pub(crate) fn end(self, entrance: &Entrance, place: Place) -> Result<(), StopError> {
        entrance.set(self.tenant, place);
        self.dismiss(entrance);
        let accounts = ClosedAccounts {
            treasury: Arc::clone(&self.shared.treasury),
            tenants: vec![self.tenant],
            epoch: self.epoch,
        };
        // The last doors: without them nothing comes any more.
        drop(self.shared);
        let _ = self.end.send(true);
        for (wake, matcher) in self.matchers {
            if let Err(error) = self.floor.gateway.block_on(matcher) {
                std::panic::resume_unwind(error.into_panic());
            }
            self.journal.forget(&Wake::Task(wake));
        }
        join(self.administrator);
        let ticket = accounts.write(&self.journal, self.tenant)?;
        self.journal.wait_for(ticket)?;
        accounts.check()
    }

    /// Ends all connections, also those that logged on while the place was changed.
    fn dismiss(&self, entrance: &Entrance) {
        let deadline = clock::monotonic() + self.floor.drain_timeout;
        let directory = &self.shared.directory;
        while Arc::strong_count(&self.shared) > 1 && clock::monotonic() < deadline {
            let own = |session| directory.tenant_of(session).is_some();
            let answers = self.journal.failure().is_ok();
            let reason = if answers {
                RejectReason::NotOwner
            } else {
                RejectReason::JournalFailed
            };
            entrance.registry.dismiss(own, reason);
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}
