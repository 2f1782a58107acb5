//! What happened to each balance lately, with the balance after it: the last entries of each
//! tenant, in memory, in the order of the balance's changes.
//!
//! Must never: hold a lock for longer than some hundred entries take, grow beyond its bound, or show an
//! entry of a balance before an earlier one of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use souk_protocol::AccountId;
use souk_protocol::message::StatementEntry;

use crate::control::CurrencyCode;
use crate::handoff::TenantIndex;
use crate::history::Recorder;

/// Entries looked at before others get the lock.
const ENTRIES_PER_LOCK_MAX: usize = 1_024;
/// Parts of a tenant's entries, each with a lock of its own. All entries of a balance are in one.
const PARTS: usize = 16;

/// One entry, and whose it is.
#[derive(Clone, Copy, Debug)]
struct Posting {
    account: AccountId,
    currency: CurrencyCode,
    entry: StatementEntry,
}

/// The last entries of all tenants.
#[derive(Debug)]
pub struct Statements {
    tenants: Vec<[Mutex<Postings>; PARTS]>,
    /// Entries of a part.
    part_max: usize,
    /// Takes down every entry: a follower's.
    recorder: Option<Arc<Recorder>>,
}

/// A page of a statement.
#[derive(Debug, Default, PartialEq)]
pub struct Page {
    /// In order of sequence.
    pub entries: Vec<StatementEntry>,
    /// Whether there are later ones.
    pub more: bool,
}

/// The entries of a tenant, numbered 0, 1, 2 ... for ever; the oldest go when there are too many.
#[derive(Debug, Default)]
struct Postings {
    kept: VecDeque<Posting>,
    /// The number of the oldest that is kept.
    oldest: u64,
}

impl Statements {
    /// Statements of `tenants` tenants, of about `entries_max` entries each.
    #[must_use]
    pub fn new(tenants: usize, entries_max: usize) -> Self {
        Self {
            tenants: (0..tenants).map(|_| Default::default()).collect(),
            part_max: entries_max.div_ceil(PARTS),
            recorder: None,
        }
    }

    /// Has every entry taken down.
    pub(super) fn record_with(&mut self, recorder: Arc<Recorder>) {
        self.recorder = Some(recorder);
    }

    /// Whether anything is kept.
    #[inline]
    #[must_use]
    pub const fn are_kept(&self) -> bool {
        self.part_max > 0 || self.recorder.is_some()
    }

    /// Changes a balance and adds the entry that tells of it, so that the entries of a balance are
    /// in the order of its changes.
    #[inline]
    pub fn record(
        &self,
        tenant: TenantIndex,
        account: AccountId,
        currency: CurrencyCode,
        change: impl FnOnce() -> StatementEntry,
    ) {
        if !self.are_kept() {
            change();
            return;
        }
        let mut kept = self.lock(tenant, account, currency);
        let posting = Posting {
            account,
            currency,
            entry: change(),
        };
        kept.add(&posting, self.part_max);
        if let Some(recorder) = &self.recorder {
            recorder.statement(tenant, account, currency, &posting.entry);
        }
    }

    /// The first `count` kept entries of a balance with a sequence above `after`.
    #[must_use]
    pub fn page(
        &self,
        tenant: TenantIndex,
        account: AccountId,
        currency: CurrencyCode,
        after: u64,
        count: usize,
    ) -> Page {
        let mut entries = Vec::new();
        let mut next = 0;
        loop {
            let postings = self.lock(tenant, account, currency);
            next = next.max(postings.oldest);
            let from = (next - postings.oldest) as usize;
            let until = postings.kept.len().min(from + ENTRIES_PER_LOCK_MAX);
            if from == until {
                break;
            }
            for posting in postings.kept.range(from..until) {
                let wanted = posting.account == account && posting.currency == currency;
                if wanted && posting.entry.sequence > after {
                    entries.push(posting.entry);
                }
            }
            next += (until - from) as u64;
        }
        entries.sort_unstable_by_key(|entry: &StatementEntry| entry.sequence);
        let more = entries.len() > count;
        entries.truncate(count);
        Page { entries, more }
    }

    fn lock(
        &self,
        tenant: TenantIndex,
        account: AccountId,
        currency: CurrencyCode,
    ) -> MutexGuard<'_, Postings> {
        self.part(tenant, account, currency)
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn part(
        &self,
        tenant: TenantIndex,
        account: AccountId,
        currency: CurrencyCode,
    ) -> &Mutex<Postings> {
        let code = u64::from_le_bytes(currency.0);
        let mixed = (u64::from(account.0) ^ code).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.tenants[tenant.0 as usize][(mixed >> 60) as usize % PARTS]
    }
}

impl Statements {
    /// What is kept of a tenant, part by part, the oldest first.
    pub(super) fn each(
        &self,
        tenant: TenantIndex,
        mut each: impl FnMut(AccountId, CurrencyCode, &StatementEntry),
    ) {
        for part in &self.tenants[tenant.0 as usize] {
            let postings = part.lock().unwrap_or_else(PoisonError::into_inner);
            for posting in &postings.kept {
                each(posting.account, posting.currency, &posting.entry);
            }
        }
    }
}

impl Postings {
    fn add(&mut self, posting: &Posting, entries_max: usize) {
        if self.kept.len() >= entries_max && self.kept.pop_front().is_some() {
            self.oldest += 1;
        }
        if self.kept.len() < entries_max {
            self.kept.push_back(*posting);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use souk_protocol::{Amount, MarketId, Reserved, StatementKind, Text};

    fn post(statements: &Statements, account: u32, sequence: u64) {
        statements.record(TenantIndex(0), AccountId(account), usd(), || {
            StatementEntry {
                sequence,
                transact_time: 0,
                change: 1,
                total: Amount(sequence),
                reference: 0,
                stream_seq: 0,
                market: MarketId(0),
                kind: StatementKind::Credit,
                reserved: Reserved,
            }
        });
    }

    fn same_part(statements: &Statements, left: u32, right: u32) -> bool {
        let part = |account| {
            let part = statements.part(TenantIndex(0), AccountId(account), usd());
            std::ptr::from_ref(part)
        };
        part(left) == part(right)
    }

    fn usd() -> CurrencyCode {
        Text::new("USD").unwrap()
    }

    fn page(statements: &Statements, account: u32, after: u64, count: usize) -> (Vec<u64>, bool) {
        let page = statements.page(TenantIndex(0), AccountId(account), usd(), after, count);
        let sequences = page.entries.iter().map(|entry| entry.sequence).collect();
        (sequences, page.more)
    }

    #[test]
    fn a_page_has_the_entries_of_one_balance_in_order_from_where_it_is_asked() {
        let statements = Statements::new(1, 100);
        for sequence in [1, 2, 4, 3, 5] {
            post(&statements, 7, sequence);
            post(&statements, 8, sequence);
        }
        assert_eq!(page(&statements, 7, 0, 10), (vec![1, 2, 3, 4, 5], false));
        assert_eq!(page(&statements, 7, 2, 2), (vec![3, 4], true));
        assert_eq!(page(&statements, 9, 0, 10), (vec![], false));
    }

    #[test]
    fn the_oldest_entries_go_when_there_are_too_many() {
        let statements = Statements::new(1, 4 * PARTS);
        for sequence in 1..=600 {
            post(&statements, 7, sequence);
        }
        assert_eq!(
            page(&statements, 7, 0, 10),
            (vec![597, 598, 599, 600], false)
        );
        let same_part = (8..)
            .find(|account| same_part(&statements, 7, *account))
            .unwrap();
        for _ in 0..4 {
            post(&statements, same_part, 1);
        }
        assert_eq!(page(&statements, 7, 0, 10), (vec![], false));
    }

    #[test]
    fn a_long_walk_gives_the_lock_away_and_still_finds_everything() {
        let entries = 2 * ENTRIES_PER_LOCK_MAX as u64 + 1;
        let statements = Statements::new(1, 10_000 * PARTS);
        for sequence in 1..=entries {
            post(&statements, 7, sequence);
        }
        let all: Vec<u64> = (1..=entries).collect();
        assert_eq!(page(&statements, 7, 0, 10_000), (all, false));
    }

    #[test]
    fn tenants_do_not_see_each_other() {
        let statements = Statements::new(2, 4);
        post(&statements, 7, 1);
        assert_eq!(
            statements.page(TenantIndex(1), AccountId(7), usd(), 0, 10),
            Page::default()
        );
    }
}
