//! Counts by code of refusal.

use std::sync::atomic::{AtomicU64, Ordering};

use souk_protocol::RejectReason;

use super::add_alone;

/// Reasons there are.
const REASONS: usize = RejectReason::TABLE.len();

/// How often something was refused, by reason.
#[derive(Debug)]
pub struct CodeCounts {
    counts: [AtomicU64; REASONS],
}

impl Default for CodeCounts {
    fn default() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; REASONS],
        }
    }
}

impl CodeCounts {
    /// Counts a refusal, from any thread.
    pub fn add(&self, reason: RejectReason) {
        if let Some(count) = self.of(reason) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a refusal. One thread alone does.
    pub fn add_alone(&self, reason: RejectReason) {
        if let Some(count) = self.of(reason) {
            add_alone(count, 1);
        }
    }

    /// What was counted so far, by reason, without those that never came up.
    pub fn read(&self) -> impl Iterator<Item = (RejectReason, u64)> {
        let counts = RejectReason::TABLE.iter().zip(&self.counts);
        counts
            .map(|(info, count)| (info.reason, count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
    }

    fn of(&self, reason: RejectReason) -> Option<&AtomicU64> {
        let code = reason.code();
        let at = RejectReason::TABLE.binary_search_by_key(&code, |info| info.reason.code());
        self.counts.get(at.ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_count_of_its_own() {
        let counts = CodeCounts::default();
        for (times, info) in (1..).zip(RejectReason::TABLE) {
            for _ in 0..times {
                counts.add(info.reason);
            }
        }
        let expected: Vec<_> = RejectReason::TABLE
            .iter()
            .map(|info| info.reason)
            .zip(1..)
            .collect();
        assert_eq!(counts.read().collect::<Vec<_>>(), expected);
    }
}
