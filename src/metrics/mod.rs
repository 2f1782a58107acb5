//! What stages write down while they work, for whoever looks at the node: counts and times.
//!
//! A matcher's thread writes its own [`StageMeter`] and its own [`TenantMeter`]s, and nobody else does: a count is a load
//! and a store, never a locked instruction, and its cache line leaves the core only when somebody looks. Who looks reads
//! whatever is there, so there is nothing to publish and nothing to wait for.
//!
//! Must never: make an order wait; change what a stage decides.

mod codes;
mod histogram;
mod meters;
mod settling;

pub use codes::CodeCounts;
pub use histogram::{BUCKETS, Distribution, Histogram, bound_ns};
pub use meters::{MatcherMeter, Meters, STAGES, Stage, StageMeter, TenantCounts, TenantMeter};
pub use settling::{Settling, SettlingMark};

use std::sync::atomic::{AtomicU64, Ordering};

/// Adds to a count that one thread alone writes.
#[inline]
fn add_alone(count: &AtomicU64, more: u64) {
    count.store(
        count.load(Ordering::Relaxed).wrapping_add(more),
        Ordering::Relaxed,
    );
}
