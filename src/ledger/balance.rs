//! One balance: 32 bytes that matchers and publishers share.
//!
//! | bytes | field | written |
//! |---|---|---|
//! | 0..8 | `available` | by `hold`, without the lock; by `commit`, under it |
//! | 8..16 | `total` | under the lock |
//! | 16..24 | `held` | under the lock |
//! | 24..32 | `sequence` | twice the number of commits; the lowest bit is the lock |
//!
//! Invariant (live): `total`, `held`, `available` and `total - held - available` are never
//! negative. The last is what commands hold that are not committed yet.

use souk_protocol::Amount;

// Also compiled by the test that tries every order in which threads can see each other's writes, with
// that test's atomics.
use super::sync::{AtomicI64, AtomicU64, Ordering, fence, spin_loop, yield_now};

/// How often a thread looks at a taken lock before it lets others run: the owner needs a few
/// nanoseconds, unless it is not running.
const SPINS_MAX: u32 = 64;

/// What a command changes in a balance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Added to the total.
    pub total: i64,
    /// Added to what open orders hold.
    pub held: i64,
    /// Added to what may be held or debited from now on. Only a replay takes away here.
    pub available: i64,
}

impl std::ops::AddAssign for Change {
    /// What two commands change together. A publisher that adds up a batch touches the balance of an
    /// account that trades everywhere once, not once for each command.
    fn add_assign(&mut self, more: Self) {
        self.total += more.total;
        self.held += more.held;
        self.available += more.available;
    }
}

/// A balance as its owner is told: what is committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BalanceView {
    /// All of it.
    pub total: Amount,
    /// What open orders hold.
    pub held: Amount,
    /// `total - held`.
    pub available: Amount,
    /// The number of commits so far.
    pub sequence: u64,
}

/// More was asked for than is available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more was asked for than is available")]
pub struct InsufficientFunds;

/// Aligned so that none lies on two cache lines. Two share one: those that were made one after the
/// other, so mostly base and quote of one account, which the same commands change. What is only read on
/// the way of an order (accounts, owners) lies elsewhere.
#[derive(Debug, Default)]
#[repr(C, align(32))]
pub(super) struct Balance {
    available: AtomicI64,
    total: AtomicI64,
    held: AtomicI64,
    sequence: AtomicU64,
}

/// All of a balance at one moment, as signed numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Raw {
    pub(super) total: i64,
    pub(super) held: i64,
    pub(super) available: i64,
    pub(super) sequence: u64,
}

impl Balance {
    /// Takes from what is available. Takes no lock: one compare-and-swap where nobody else writes.
    #[inline]
    pub(super) fn hold(&self, amount: Amount) -> Result<(), InsufficientFunds> {
        let mut available = self.available.load(Ordering::Relaxed);
        loop {
            let after = i64::try_from(amount.0)
                .ok()
                .and_then(|amount| available.checked_sub(amount));
            let after = after.filter(|after| *after >= 0).ok_or(InsufficientFunds)?;
            // Relaxed: what is available stands for itself, and everything else is read under the lock.
            match self.available.compare_exchange_weak(
                available,
                after,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(found) => available = found,
            }
        }
    }

    #[inline]
    pub(super) fn commit(&self, change: Change) -> BalanceView {
        assert!(
            change.available >= 0,
            "what is available is taken by holds: {change:?}"
        );
        let sequence = self.lock();
        let total = self
            .total
            .load(Ordering::Relaxed)
            .wrapping_add(change.total);
        let held = self.held.load(Ordering::Relaxed).wrapping_add(change.held);
        // Holds may take at any time, but only a commit gives: `available` is an upper bound from here.
        let available = match change.available {
            0 => self.available.load(Ordering::Relaxed),
            more => self
                .available
                .fetch_add(more, Ordering::Relaxed)
                .wrapping_add(more),
        };
        if (total | held | available) < 0 || available > total - held {
            broken(change, total, held, available);
        }
        self.total.store(total, Ordering::Relaxed);
        self.held.store(held, Ordering::Relaxed);
        self.unlock(sequence);
        BalanceView {
            total: Amount(total as u64),
            held: Amount(held as u64),
            available: Amount((total - held) as u64),
            sequence: sequence / 2 + 1,
        }
    }

    /// Adds a change of a recorded command. While streams are replayed one after the other, sums
    /// may be out of range; they wrap, so that the last sum is right whatever the order.
    pub(super) fn replay(&self, change: Change) {
        let sequence = self.lock();
        let total = self.total.load(Ordering::Relaxed);
        let held = self.held.load(Ordering::Relaxed);
        self.available
            .fetch_add(change.available, Ordering::Relaxed);
        self.total
            .store(total.wrapping_add(change.total), Ordering::Relaxed);
        self.held
            .store(held.wrapping_add(change.held), Ordering::Relaxed);
        self.unlock(sequence);
    }

    /// Sets all fields. Nobody else uses the balance yet.
    pub(super) fn restore(&self, view: &BalanceView) {
        let (total, held) = (view.total.0.cast_signed(), view.held.0.cast_signed());
        self.total.store(total, Ordering::Relaxed);
        self.held.store(held, Ordering::Relaxed);
        self.available
            .store(total.wrapping_sub(held), Ordering::Relaxed);
        self.sequence.store(2 * view.sequence, Ordering::Release);
    }

    /// All fields as they were between two commits.
    pub(super) fn read(&self) -> Raw {
        let mut tries = 0;
        loop {
            let sequence = self.sequence.load(Ordering::Acquire);
            if sequence & 1 == 0 {
                let raw = Raw {
                    total: self.total.load(Ordering::Relaxed),
                    held: self.held.load(Ordering::Relaxed),
                    available: self.available.load(Ordering::Relaxed),
                    sequence: sequence / 2,
                };
                // Pairs with the fence in `lock`: who has read a number of a commit sees its lock.
                fence(Ordering::Acquire);
                if self.sequence.load(Ordering::Relaxed) == sequence {
                    return raw;
                }
            }
            wait(&mut tries);
        }
    }

    /// What may be held now.
    #[inline]
    pub(super) fn available(&self) -> i64 {
        self.available.load(Ordering::Relaxed)
    }

    /// Takes the lock. Returns the sequence, which is even.
    #[inline]
    fn lock(&self) -> u64 {
        let mut tries = 0;
        let mut sequence = self.sequence.load(Ordering::Relaxed) & !1;
        while let Err(found) = self.sequence.compare_exchange(
            sequence,
            sequence | 1,
            Ordering::Acquire,
            Ordering::Relaxed,
        ) {
            sequence = found;
            while sequence & 1 == 1 {
                wait(&mut tries);
                sequence = self.sequence.load(Ordering::Relaxed);
            }
        }
        // Pairs with the fence in `read`.
        fence(Ordering::Release);
        sequence
    }

    #[inline]
    fn unlock(&self, sequence: u64) {
        self.sequence.store(sequence + 2, Ordering::Release);
    }
}

impl Raw {
    /// What commands hold that are not committed yet.
    pub(super) fn under_way(&self) -> i128 {
        i128::from(self.total) - i128::from(self.held) - i128::from(self.available)
    }

    pub(super) fn view(&self) -> BalanceView {
        BalanceView {
            total: Amount(self.total as u64),
            held: Amount(self.held as u64),
            available: Amount(self.total.wrapping_sub(self.held) as u64),
            sequence: self.sequence,
        }
    }
}

#[cold]
fn wait(tries: &mut u32) {
    if *tries < SPINS_MAX {
        *tries += 1;
        spin_loop();
    } else {
        yield_now();
    }
}

#[cold]
#[inline(never)]
fn broken(change: Change, total: i64, held: i64, available: i64) -> ! {
    panic!(
        "a balance is never negative and covers its holds: {change:?} makes total {total}, held {held}, \
         available {available}"
    );
}
