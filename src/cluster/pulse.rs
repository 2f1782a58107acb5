//! Whether a matcher's thread still comes round.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::clock::{self, Moment};

/// How often a thread says that it comes round.
const EVERY: Duration = Duration::from_millis(100);
/// After which a thread that has not said so stands still.
const STILL: Duration = Duration::from_secs(1);

/// The pulse of a thread that runs a runtime.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    name: Arc<str>,
    last: Arc<AtomicU64>,
}

impl Pulse {
    /// Begins to take the pulse of `runtime`'s thread.
    pub(crate) fn of(name: &str, runtime: &Handle) -> Self {
        let last = Arc::new(AtomicU64::new(clock::boottime().0));
        let told = Arc::downgrade(&last);
        runtime.spawn(async move {
            while let Some(last) = told.upgrade() {
                last.store(clock::boottime().0, Ordering::Relaxed);
                drop(last);
                sleep(EVERY).await;
            }
        });
        Self {
            name: name.into(),
            last,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the thread stands still.
    pub(crate) fn is_still(&self) -> bool {
        let last = Moment(self.last.load(Ordering::Relaxed));
        clock::boottime().since(last) > STILL
    }
}
