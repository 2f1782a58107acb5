//! The thread that takes a node's snapshots, where no follower does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{DataDirectory, take_snapshot};
use crate::config::Config;
use crate::priority;
use crate::recovery::RecoveryError;

/// How often the snapshotter looks whether one is due.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How long it waits after one that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// Takes a snapshot whenever enough was written to the journal.
#[derive(Debug)]
pub struct Snapshotter {
    config: Arc<Config>,
    data: DataDirectory,
    stop: Arc<AtomicBool>,
}

impl Snapshotter {
    /// For a node with this configuration; it ends when `stop` becomes true.
    #[must_use]
    pub const fn new(config: Arc<Config>, data: DataDirectory, stop: Arc<AtomicBool>) -> Self {
        Self { config, data, stop }
    }

    /// Runs until it is stopped, at the lowest priority.
    pub fn run(self) {
        priority::give_way(priority::LAST);
        let mut last = self.newest();
        while self.wait(LOOK_AGAIN) {
            if !self.is_due(last) {
                continue;
            }
            match take_snapshot(&self.config, &self.data, &self.stop, &mut |_| {}) {
                Ok(Some(taken)) => {
                    last = Some(taken.head.segment);
                    tracing::info!(?taken, "snapshot");
                }
                // Somebody else took it.
                Ok(None) => last = self.newest(),
                // Somebody else takes one; then it is looked at again.
                Err(RecoveryError::SnapshotUnderWay { .. }) => {}
                Err(RecoveryError::Stopped) => return,
                Err(error) => {
                    tracing::error!(%error, "no snapshot could be taken; the journal grows until one can");
                    self.wait(AFTER_FAILURE);
                }
            }
        }
    }

    /// The segment of the newest good snapshot.
    fn newest(&self) -> Option<u64> {
        let newest = self.data.newest_snapshot().ok().flatten();
        newest.map(|head| head.segment)
    }

    fn is_due(&self, last: Option<u64>) -> bool {
        let journal = &self.config.journal;
        let Ok(Some((number, _))) = self.data.segment_in_use() else {
            return false;
        };
        let segments = number - last.unwrap_or(1);
        segments > 0 && segments.saturating_mul(journal.segment_bytes) >= journal.snapshot_bytes
    }

    /// Gives whether to go on.
    fn wait(&self, time: Duration) -> bool {
        let mut left = time;
        while !left.is_zero() && !self.stop.load(Ordering::Relaxed) {
            let step = left.min(LOOK_AGAIN);
            std::thread::sleep(step);
            left -= step;
        }
        !self.stop.load(Ordering::Relaxed)
    }
}
