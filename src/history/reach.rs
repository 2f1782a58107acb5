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
    /// Files of tables that were set aside.
    set_aside: AtomicU64,
    /// Of them, with the one in use, how many were found damaged by a reader.
    damaged: AtomicU64,
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

    /// How many files of tables were set aside.
    #[must_use]
    pub fn set_aside(&self) -> u64 {
        self.set_aside.load(Ordering::Acquire)
    }

    /// Another file was set aside.
    pub fn begin_anew(&self) {
        self.set_aside.fetch_add(1, Ordering::AcqRel);
    }

    /// A reader has found the file damaged that is in use after so many were set aside.
    pub fn found_damaged(&self, set_aside: u64) {
        self.damaged.fetch_max(set_aside + 1, Ordering::AcqRel);
    }

    /// Whether a reader has found the file damaged that is in use.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Acquire) > self.set_aside()
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
