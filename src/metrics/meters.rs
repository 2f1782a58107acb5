//! What each matcher's thread writes down.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use souk_protocol::{RejectReason, TenantId};

use super::{CodeCounts, Distribution, Histogram, Settling, add_alone};
use crate::clock::Stamp;

/// A part of the way of an order. Together they are the time from the read of its bytes to the moment at which the bytes
/// of its reports wait to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// From the read of the socket to the matcher's queue.
    Gateway,
    /// In the queue.
    Queue,
    /// From the beginning to the end of the batch it is applied in.
    Match,
    /// Until its batch is durable and its matcher looks.
    Journal,
    /// Settlement, reports, market data, of its whole batch.
    Publish,
}

/// All stages, in the order of the way.
pub const STAGES: [Stage; 5] = [
    Stage::Gateway,
    Stage::Queue,
    Stage::Match,
    Stage::Journal,
    Stage::Publish,
];

impl Stage {
    /// As metrics call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Queue => "queue",
            Self::Match => "match",
            Self::Journal => "journal",
            Self::Publish => "publish",
        }
    }
}

/// What a matcher's thread writes down of its own work. Invariant: that thread alone writes.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct StageMeter {
    stages: [Histogram; STAGES.len()],
    /// Refused by the rules of a market.
    pub rejects: CodeCounts,
    /// Whether a batch is being settled.
    pub settling: Settling,
}

impl StageMeter {
    /// Counts that `count` requests were in a stage from one moment to another. Nothing if one of them is not known.
    #[inline]
    pub fn record(&self, stage: Stage, from: Stamp, to: Stamp, count: u64) {
        if let Some(ns) = to.since(from) {
            self.stages[stage as usize].record_many(ns, count);
        }
    }

    /// What was counted of a stage.
    #[must_use]
    pub fn stage(&self, stage: Stage) -> Distribution {
        self.stages[stage as usize].read()
    }
}

/// What a matcher's thread writes down of one tenant. Invariant: that thread alone writes.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct TenantMeter {
    orders: AtomicU64,
    cancels: AtomicU64,
    trades: AtomicU64,
    rejects: AtomicU64,
}

/// What was counted of a tenant, on all matchers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantCounts {
    /// New orders and replacements that a market took.
    pub orders: u64,
    /// Cancels and mass cancels that a market took.
    pub cancels: u64,
    /// Trades; each has a maker and a taker and is counted once.
    pub trades: u64,
    /// Commands that a market refused.
    pub rejects: u64,
}

impl TenantMeter {
    /// Counts what came of a batch.
    #[inline]
    pub fn add(&self, counts: TenantCounts) {
        let TenantCounts {
            orders,
            cancels,
            trades,
            rejects,
        } = counts;
        for (count, more) in [
            (&self.orders, orders),
            (&self.cancels, cancels),
            (&self.trades, trades),
            (&self.rejects, rejects),
        ] {
            if more > 0 {
                add_alone(count, more);
            }
        }
    }

    fn read(&self) -> TenantCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TenantCounts {
            orders: read(&self.orders),
            cancels: read(&self.cancels),
            trades: read(&self.trades),
            rejects: read(&self.rejects),
        }
    }
}

/// What one matcher writes: of itself, and of each tenant by index.
#[derive(Clone, Debug)]
pub struct MatcherMeter {
    /// Of itself.
    pub stages: Arc<StageMeter>,
    /// Of its tenants.
    pub tenants: Vec<Arc<TenantMeter>>,
}

/// All meters of a node. They stay when a tenant moves away and comes back, so that no count ever falls.
#[derive(Debug)]
pub struct Meters {
    matchers: Vec<Arc<StageMeter>>,
    /// By matcher.
    tenants: BTreeMap<TenantId, Vec<Arc<TenantMeter>>>,
}

impl Meters {
    /// Meters of so many matchers' threads, and these tenants.
    #[must_use]
    pub fn new(matchers: usize, tenants: impl IntoIterator<Item = TenantId>) -> Self {
        let of_tenant = |tenant| (tenant, (0..matchers).map(|_| Arc::default()).collect());
        Self {
            matchers: (0..matchers).map(|_| Arc::default()).collect(),
            tenants: tenants.into_iter().map(of_tenant).collect(),
        }
    }

    /// What a matcher writes whose tenants are these, by index.
    ///
    /// # Panics
    /// When it has no such matcher or tenant.
    #[must_use]
    pub fn of(&self, matcher: usize, tenants: &[TenantId]) -> MatcherMeter {
        MatcherMeter {
            stages: Arc::clone(&self.matchers[matcher]),
            tenants: tenants
                .iter()
                .map(|tenant| Arc::clone(&self.tenants[tenant][matcher]))
                .collect(),
        }
    }

    /// What was counted of a stage, on all matchers.
    #[must_use]
    pub fn stage(&self, stage: Stage) -> Distribution {
        let mut all = Distribution::default();
        for matcher in &self.matchers {
            all.add(&matcher.stage(stage));
        }
        all
    }

    /// What was counted of each tenant.
    pub fn tenants(&self) -> impl Iterator<Item = (TenantId, TenantCounts)> {
        self.tenants.iter().map(|(tenant, meters)| {
            let all = meters.iter().map(|meter| meter.read());
            let all = all.fold(TenantCounts::default(), |sum, own| TenantCounts {
                orders: sum.orders + own.orders,
                cancels: sum.cancels + own.cancels,
                trades: sum.trades + own.trades,
                rejects: sum.rejects + own.rejects,
            });
            (*tenant, all)
        })
    }

    /// How often markets refused something, by reason.
    #[must_use]
    pub fn rejects(&self) -> BTreeMap<u16, (RejectReason, u64)> {
        let mut all = BTreeMap::new();
        let each = self
            .matchers
            .iter()
            .flat_map(|matcher| matcher.rejects.read());
        for (reason, count) in each {
            all.entry(reason.code()).or_insert((reason, 0)).1 += count;
        }
        all
    }

    /// Whether matchers settle something now.
    pub fn settling(&self) -> impl Iterator<Item = &Settling> {
        self.matchers.iter().map(|matcher| &matcher.settling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matchers_count_of_a_tenant_is_added_up_and_of_no_other() {
        let (one, other) = (TenantId(7), TenantId(9));
        let meters = Meters::new(2, [one, other]);
        // Each partition has its own indexes.
        let first = meters.of(0, &[one, other]);
        let second = meters.of(1, &[other]);
        let orders = |orders| TenantCounts {
            orders,
            ..TenantCounts::default()
        };
        first.tenants[1].add(orders(3));
        second.tenants[0].add(orders(4));
        let counted: Vec<_> = meters.tenants().collect();
        assert_eq!(counted, [(one, orders(0)), (other, orders(7))]);
    }

    #[test]
    fn a_stage_whose_beginning_nobody_saw_is_not_counted() {
        let meters = Meters::new(1, []);
        let meter = meters.of(0, &[]);
        let (from, to) = (Stamp::from_ns(1_000), Stamp::from_ns(3_000));
        meter.stages.record(Stage::Queue, Stamp::NONE, to, 1);
        meter.stages.record(Stage::Queue, from, to, 5);
        let queue = meters.stage(Stage::Queue);
        assert_eq!((queue.count(), queue.sum_ns), (5, 10_000));
        assert_eq!(meters.stage(Stage::Match).count(), 0);
    }
}
