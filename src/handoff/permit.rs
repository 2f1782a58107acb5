//! Counts what is under way by what holds it: nothing that is dropped on the way stays counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// One of the changes of a tenant's markets that are under way: from the gateway to the market. It is
/// over when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Permit {
    _under_way: Arc<UnderWay>,
}

#[derive(Debug)]
struct UnderWay(Arc<AtomicU32>);

impl Permit {
    /// A permit if fewer than `most` are given out of those that `count` counts.
    #[must_use]
    pub fn take(count: &Arc<AtomicU32>, most: u32) -> Option<Self> {
        let more = |under_way| (under_way < most).then_some(under_way + 1);
        let taken = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Self {
            _under_way: Arc::new(UnderWay(Arc::clone(count))),
        })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_is_back_when_its_last_clone_is_gone() {
        let count = Arc::new(AtomicU32::new(0));
        let first = Permit::take(&count, 2).expect("two are free");
        let second = Permit::take(&count, 2).expect("one is free");
        assert!(Permit::take(&count, 2).is_none());
        let clone = second.clone();
        drop(second);
        assert!(Permit::take(&count, 2).is_none(), "its clone is under way");
        drop(clone);
        drop(first);
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }
}
