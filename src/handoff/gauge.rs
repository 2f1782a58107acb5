//! How much may wait for a matcher.

use std::sync::atomic::{AtomicU32, Ordering};

use souk_protocol::RejectReason;

use super::{BATCH_COMMANDS_MAX, TenantIndex};

/// How much waits for one matcher, in all and by tenant. Counted by whoever submits, uncounted by
/// the matcher.
#[derive(Debug)]
pub struct QueueGauge {
    commands_max: u32,
    tenant_max: u32,
    commands: AtomicU32,
    tenants: Vec<AtomicU32>,
}

impl QueueGauge {
    /// A gauge for `tenants` tenants, each of which may fill `share_percent` of `commands_max`.
    #[must_use]
    pub fn new(tenants: usize, commands_max: u32, share_percent: u32) -> Self {
        let share = u64::from(commands_max) * u64::from(share_percent) / 100;
        Self {
            commands_max,
            tenant_max: (share as u32).max(BATCH_COMMANDS_MAX as u32),
            commands: AtomicU32::new(0),
            tenants: (0..tenants).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// Counts `count` commands in, or says why not. The last eighth of the queue is for cancels, and
    /// an eighth beyond its share is for those of each tenant.
    ///
    /// # Errors
    /// `MarketBusy` or `TenantShareExceeded`.
    pub fn admit(
        &self,
        tenant: TenantIndex,
        kind: CountsAs,
        count: u32,
    ) -> Result<(), RejectReason> {
        let tenant = &self.tenants[tenant.0 as usize];
        let (all_max, own_max) = match kind {
            CountsAs::Cancel => (self.commands_max, self.tenant_max + self.commands_max / 8),
            CountsAs::Order => (self.commands_max - self.commands_max / 8, self.tenant_max),
        };
        if tenant.load(Ordering::Relaxed).saturating_add(count) > own_max {
            return Err(RejectReason::TenantShareExceeded);
        }
        if self.commands.load(Ordering::Relaxed).saturating_add(count) > all_max {
            return Err(RejectReason::MarketBusy);
        }
        tenant.fetch_add(count, Ordering::Relaxed);
        self.commands.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }

    /// Commands that wait.
    #[must_use]
    pub fn commands(&self) -> u32 {
        self.commands.load(Ordering::Relaxed)
    }

    /// Commands that may wait.
    #[must_use]
    pub const fn commands_max(&self) -> u32 {
        self.commands_max
    }

    /// Counts one request in that must not be refused: the end of a connection, or an operator's.
    pub fn admit_always(&self, tenant: TenantIndex) {
        self.tenants[tenant.0 as usize].fetch_add(1, Ordering::Relaxed);
        self.commands.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts commands out: taken from the queue, or never put there.
    pub fn release(&self, tenant: TenantIndex, count: u32) {
        self.tenants[tenant.0 as usize].fetch_sub(count, Ordering::Relaxed);
        self.commands.fetch_sub(count, Ordering::Relaxed);
    }
}

/// What a message counts as when a queue is nearly full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountsAs {
    /// May use the reserved part of the queue.
    Cancel,
    /// May not.
    Order,
}

#[cfg(test)]
mod tests {
    use super::*;
    use RejectReason::{MarketBusy, TenantShareExceeded};

    const NOISY: TenantIndex = TenantIndex(0);
    const OTHER: TenantIndex = TenantIndex(1);

    /// Three tenants, 800 commands of which 100 are for cancels, and 400 of them for one tenant.
    fn gauge() -> QueueGauge {
        QueueGauge::new(3, 800, 50)
    }

    /// What can be admitted one by one, and why no more can.
    fn fill(gauge: &QueueGauge, tenant: TenantIndex, kind: CountsAs) -> (u32, RejectReason) {
        let mut count = 0;
        loop {
            match gauge.admit(tenant, kind, 1) {
                Ok(()) => count += 1,
                Err(reason) => return (count, reason),
            }
        }
    }

    #[test]
    fn a_tenant_fills_its_share_with_orders_and_an_eighth_more_with_cancels() {
        let gauge = gauge();
        assert_eq!(
            fill(&gauge, NOISY, CountsAs::Order),
            (400, TenantShareExceeded)
        );
        assert_eq!(
            fill(&gauge, NOISY, CountsAs::Cancel),
            (100, TenantShareExceeded)
        );
        assert_eq!(
            fill(&gauge, NOISY, CountsAs::Order),
            (0, TenantShareExceeded)
        );
    }

    #[test]
    fn cancels_alone_fill_no_more_than_orders_and_cancels_together() {
        let gauge = gauge();
        assert_eq!(
            fill(&gauge, NOISY, CountsAs::Cancel),
            (500, TenantShareExceeded)
        );
    }

    #[test]
    fn the_last_eighth_of_the_queue_is_for_cancels_of_anybody() {
        let gauge = gauge();
        assert_eq!(gauge.admit(NOISY, CountsAs::Order, 400), Ok(()));
        assert_eq!(fill(&gauge, OTHER, CountsAs::Order), (300, MarketBusy));
        let third = TenantIndex(2);
        assert_eq!(fill(&gauge, third, CountsAs::Order), (0, MarketBusy));
        assert_eq!(fill(&gauge, third, CountsAs::Cancel), (100, MarketBusy));
        assert_eq!(fill(&gauge, NOISY, CountsAs::Cancel), (0, MarketBusy));
    }

    #[test]
    fn what_is_refused_is_not_counted_and_what_is_released_is_there_again() {
        let gauge = gauge();
        assert_eq!(gauge.admit(NOISY, CountsAs::Order, 300), Ok(()));
        assert_eq!(
            gauge.admit(NOISY, CountsAs::Order, 101),
            Err(TenantShareExceeded)
        );
        assert_eq!(gauge.admit(NOISY, CountsAs::Order, 100), Ok(()));
        gauge.release(NOISY, 400);
        assert_eq!(gauge.admit(NOISY, CountsAs::Order, 400), Ok(()));
        assert_eq!(gauge.admit(OTHER, CountsAs::Order, 301), Err(MarketBusy));
        assert_eq!(gauge.admit(OTHER, CountsAs::Order, 300), Ok(()));
    }

    #[test]
    fn what_must_not_be_refused_is_counted_although_the_queue_is_full() {
        let gauge = QueueGauge::new(1, 800, 100);
        assert_eq!(fill(&gauge, NOISY, CountsAs::Cancel).0, 800);
        gauge.admit_always(NOISY);
        gauge.release(NOISY, 1);
        assert_eq!(fill(&gauge, NOISY, CountsAs::Cancel), (0, MarketBusy));
        gauge.release(NOISY, 800);
        assert_eq!(fill(&gauge, NOISY, CountsAs::Order), (700, MarketBusy));
    }

    #[test]
    fn the_smallest_share_holds_a_batch_and_the_largest_count_does_not_overflow() {
        let gauge = QueueGauge::new(1, 1_000, 1);
        let batch = BATCH_COMMANDS_MAX as u32;
        assert_eq!(gauge.admit(NOISY, CountsAs::Order, batch), Ok(()));
        assert_eq!(
            gauge.admit(NOISY, CountsAs::Order, u32::MAX),
            Err(TenantShareExceeded)
        );
        assert_eq!(
            gauge.admit(NOISY, CountsAs::Order, 1),
            Err(TenantShareExceeded)
        );
    }
}
