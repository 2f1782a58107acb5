//! Until when a node may work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Moment;

/// The end of a node's lease, written by its heartbeat, read by everybody who takes or tells something.
#[derive(Debug, Default)]
pub struct Deadline {
    /// Nanoseconds of the boot-time clock; 0 as long as there is no lease.
    until: AtomicU64,
}

/// The lease was lost: no renewal counts any more.
const LOST: u64 = u64::MAX;

impl Deadline {
    /// Counts a renewal that was answered: the lease holds until `until` at least. Gives whether it is longer now.
    pub fn extend(&self, until: Moment) -> bool {
        let longer = |now: u64| (now != LOST && now < until.0).then_some(until.0);
        let updated = self
            .until
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, longer);
        updated.is_ok()
    }

    /// Ends the lease for ever.
    pub fn lose(&self) {
        self.until.store(LOST, Ordering::Release);
    }

    /// Whether it was lost for ever.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.until.load(Ordering::Acquire) == LOST
    }

    /// Whether the lease holds.
    #[inline]
    #[must_use]
    pub fn holds(&self, now: Moment) -> bool {
        let until = self.until.load(Ordering::Acquire);
        until != LOST && now.0 < until
    }

    /// How long ago it ended, unless it was lost, or there was none yet.
    #[must_use]
    pub fn lapsed(&self, now: Moment) -> Duration {
        match self.until.load(Ordering::Acquire) {
            0 | LOST => Duration::ZERO,
            until => now.since(Moment(until)),
        }
    }

    /// How much is left of it.
    #[must_use]
    pub fn left(&self, now: Moment) -> Duration {
        match self.until.load(Ordering::Acquire) {
            LOST => Duration::ZERO,
            until => Moment(until).since(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_renewal_counts_in_whatever_order_answers_come() {
        let deadline = Deadline::default();
        assert!(!deadline.holds(Moment(0)), "there is no lease yet");
        assert!(deadline.extend(Moment(200)));
        assert!(!deadline.extend(Moment(100)), "an earlier one comes late");
        assert!(deadline.holds(Moment(199)));
        assert!(!deadline.holds(Moment(200)));
        assert_eq!(deadline.left(Moment(150)).as_nanos(), 50);
        assert_eq!(deadline.left(Moment(250)).as_nanos(), 0);
        assert_eq!(deadline.lapsed(Moment(250)).as_nanos(), 50);
        assert_eq!(deadline.lapsed(Moment(150)).as_nanos(), 0);
    }

    #[test]
    fn a_lost_lease_does_not_come_back() {
        let deadline = Deadline::default();
        deadline.extend(Moment(200));
        deadline.lose();
        assert!(deadline.is_lost());
        assert!(!deadline.extend(Moment(900)), "it is lost for ever");
        assert!(!deadline.holds(Moment(1)));
        assert_eq!(deadline.left(Moment(1)).as_nanos(), 0);
    }
}
