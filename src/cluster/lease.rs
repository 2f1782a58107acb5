//! This process's lease, as its threads share it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::seen::Seen;
use crate::clock;
use crate::journal::{Journal, JournalError};
use crate::lease::{Deadline, Incarnation, LeaseTerms, Registered, Renewal};

/// Why a process must not be a node any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Loss {
    /// Others took it for dead.
    #[error(
        "this node was silent for longer than its lease, and the others have taken it for dead\nremedy: start it again; everything acknowledged is in the database"
    )]
    Fenced,
    /// A newer process has its name.
    #[error(
        "a newer process has this node's name, incarnation {}\nremedy: give every node its own [journal] node; this process ends", .0.0
    )]
    Superseded(Incarnation),
}

/// What the threads of a node share of its lease.
#[derive(Debug)]
pub(crate) struct Lease {
    pub own: Registered,
    pub terms: LeaseTerms,
    pub deadline: Arc<Deadline>,
    pub journal: Journal,
    pub log: u64,
    /// What others may see of it.
    pub seen: Seen,
    loss: OnceLock<Loss>,
    ends: AtomicBool,
    renewals_us: Mutex<Histogram<u64>>,
}

/// Renewals are counted up to a minute.
const RENEWAL_US_MAX: u64 = 60_000_000;

impl Lease {
    pub(crate) fn new(
        own: Registered,
        terms: LeaseTerms,
        deadline: Arc<Deadline>,
        journal: Journal,
        log: u64,
    ) -> Self {
        let renewals = Histogram::new_with_bounds(1, RENEWAL_US_MAX, 2);
        Self {
            own,
            terms,
            deadline,
            journal,
            log,
            seen: Seen::default(),
            loss: OnceLock::new(),
            ends: AtomicBool::new(false),
            renewals_us: Mutex::new(renewals.expect("the bounds are constants that fit")),
        }
    }

    /// What to do when a renewal changed nothing, or the node's row was read: nothing, or to stop for ever.
    pub(crate) fn judge(&self, renewal: Renewal) {
        match renewal {
            Renewal::Later => {}
            // Its own last word.
            Renewal::Fenced if self.ends() => {}
            Renewal::Fenced => self.lose(Loss::Fenced),
            Renewal::Superseded(newer) => self.lose(Loss::Superseded(newer)),
        }
    }

    fn lose(&self, loss: Loss) {
        if self.loss.set(loss).is_ok() {
            tracing::error!(%loss, "the lease is lost");
            self.deadline.lose();
            let (log, row) = (self.log, self.journal.counts().groups + 1);
            self.journal.give_up(JournalError::Fenced { log, row });
        }
    }

    /// Why the lease is lost, if it is.
    pub(crate) fn loss(&self) -> Option<Loss> {
        self.loss.get().copied()
    }

    /// Ends the renewals, in good order.
    pub(crate) fn end(&self) {
        self.ends.store(true, Ordering::Release);
    }

    /// Whether the renewals end.
    pub(crate) fn ends(&self) -> bool {
        self.ends.load(Ordering::Acquire)
    }

    /// Counts a renewal that was answered after `took`.
    pub(crate) fn renewed(&self, took: Duration) {
        self.seen.renewals.record(took);
        let micros = (took.as_micros() as u64).clamp(1, RENEWAL_US_MAX);
        let renewals = self.renewals_us.lock();
        let mut renewals = renewals.unwrap_or_else(PoisonError::into_inner);
        renewals.saturating_record(micros);
    }

    /// The 99th percentile of all renewals so far.
    pub(crate) fn renewal_p99(&self) -> Duration {
        let renewals = self.renewals_us.lock();
        let renewals = renewals.unwrap_or_else(PoisonError::into_inner);
        Duration::from_micros(renewals.value_at_quantile(0.99))
    }

    /// Whether the lease holds now.
    pub(crate) fn holds(&self) -> bool {
        self.deadline.holds(clock::boottime())
    }
}
