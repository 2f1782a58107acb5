//! How far the tables reach, for those who wait to read what they have just changed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// How far the tables reach.
#[derive(Debug, Default)]
pub struct Reach {
    /// The number of the first batch that is not in the tables.
    next_batch: AtomicU64,
    changed: Notify,
}

impl Reach {
    /// The number of the first batch that is not in the tables.
    #[must_use]
    pub fn next_batch(&self) -> u64 {
        self.next_batch.load(Ordering::Acquire)
    }

    /// The tables reach up to batch `next_batch` from now on.
    pub fn set(&self, next_batch: u64) {
        self.next_batch.store(next_batch, Ordering::Release);
        self.changed.notify_waiters();
    }

    /// Waits until everything before batch `until` is in the tables, but not longer than `wait_max`. Gives whether it is.
    pub async fn reaches(&self, until: u64, wait_max: Duration) -> bool {
        let reached = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                // Registered before the look, so that no change falls between.
                changed.as_mut().enable();
                if self.next_batch() >= until {
                    return;
                }
                changed.await;
            }
        };
        timeout(wait_max, reached).await.is_ok()
    }
}
