//! Says whether money moved while somebody looked: a sequence that is odd while a matcher's publisher settles a batch.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Odd while a batch is settled. Invariant: one thread writes.
#[derive(Debug, Default)]
pub struct Settling(AtomicU64);

/// What a [`Settling`] was when somebody began to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettlingMark(u64);

impl Settling {
    /// From now on balances change.
    #[inline]
    pub fn begin(&self) {
        self.0
            .store(self.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        // No change of a balance is seen before the mark.
        fence(Ordering::Release);
    }

    /// Balances do not change any more.
    #[inline]
    pub fn end(&self) {
        self.0
            .store(self.0.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Begins to look; nothing while a batch is settled.
    #[must_use]
    pub fn look(&self) -> Option<SettlingMark> {
        let mark = self.0.load(Ordering::Acquire);
        mark.is_multiple_of(2).then_some(SettlingMark(mark))
    }

    /// Whether nothing was settled since.
    #[must_use]
    pub fn is_still(&self, mark: SettlingMark) -> bool {
        fence(Ordering::Acquire);
        self.0.load(Ordering::Relaxed) == mark.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_of_worth_only_if_nothing_was_settled_meanwhile() {
        let settling = Settling::default();
        let mark = settling.look().expect("nothing is settled");
        assert!(settling.is_still(mark));
        settling.begin();
        assert!(!settling.is_still(mark));
        assert_eq!(settling.look(), None);
        settling.end();
        assert!(!settling.is_still(mark));
        assert!(settling.look().is_some());
    }
}
