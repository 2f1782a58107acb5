//! The ledger's balance and two others that could have been in its place. All are found the same
//! way, by index in chunks, so that only the balance differs.

use std::array;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};

use souk::handoff::TenantIndex;
use souk::ledger::{AccountTerms, BalanceSlot, BalanceView, Change, CurrencyIndex, Ledger};
use souk_protocol::{AccountId, AccountStatus, Amount, StpGroup};

/// What an account is opened with.
pub const TERMS: AccountTerms = AccountTerms {
    status: AccountStatus::Active,
    fee_group: 0,
    stp_group: StpGroup(0),
};
/// Whose accounts they are.
pub const TENANT: TenantIndex = TenantIndex(0);
/// What a balance has at first.
pub const FUNDS: i64 = 1 << 40;

/// Balances 0, 1, 2 ... of `FUNDS` each, shared by threads.
pub trait Balances: Sync {
    /// Its name in the tables.
    const NAME: &'static str;
    /// So many balances.
    fn new(count: usize) -> Self;
    /// Takes from what is available, or not.
    fn hold(&self, index: usize, amount: i64) -> bool;
    /// Adds a change.
    fn commit(&self, index: usize, change: Change) -> BalanceView;
    /// Total of all.
    fn total(&self) -> i128;
}

/// The ledger itself: holds by compare-and-swap, commits under the balance's lock.
pub struct Souk {
    ledger: Ledger,
    slots: Vec<BalanceSlot>,
}

impl Balances for Souk {
    const NAME: &'static str = "ledger: hold without, commit with the lock";

    fn new(count: usize) -> Self {
        let ledger = Ledger::new();
        let currency = ledger.add_currency();
        let slots = (1..=count as u32).map(|id| {
            let account = ledger.open_account(TENANT, AccountId(id), TERMS);
            let slot = ledger.balance_or_new(account, currency);
            let funded = ledger.credit(slot, Amount(FUNDS as u64));
            funded.expect("the supply has room");
            slot
        });
        let slots = slots.collect();
        Self { ledger, slots }
    }

    #[inline]
    fn hold(&self, index: usize, amount: i64) -> bool {
        let slot = self.slots[index];
        self.ledger.hold(slot, Amount(amount as u64)).is_ok()
    }

    #[inline]
    fn commit(&self, index: usize, change: Change) -> BalanceView {
        self.ledger.commit(self.slots[index], change)
    }

    fn total(&self) -> i128 {
        self.ledger.check_at_rest().expect("all adds up");
        self.ledger.sums(CurrencyIndex(0)).total
    }
}

/// A balance that could have been.
pub trait Cell: Send + Sync + Default {
    /// Its name in the tables.
    const NAME: &'static str;
    /// Takes from what is available, or not.
    fn hold(&self, amount: i64) -> bool;
    /// Adds a change.
    fn commit(&self, change: Change) -> BalanceView;
    /// Its total.
    fn total(&self) -> i64;
}

const CHUNK_LEN: usize = 4096;
type Chunk<T> = OnceLock<Box<[T; CHUNK_LEN]>>;

/// Balances of another kind.
pub struct Rival<T> {
    chunks: Box<[Chunk<T>]>,
    /// As the ledger has it: whoever uses a balance knows its place.
    slots: Vec<u32>,
}

impl<T: Cell> Rival<T> {
    #[inline]
    fn at(&self, index: usize) -> &T {
        let place = self.slots[index] as usize;
        let chunk = self.chunks.get(place / CHUNK_LEN).and_then(OnceLock::get);
        &chunk.expect("made at the start")[place % CHUNK_LEN]
    }
}

impl<T: Cell> Balances for Rival<T> {
    const NAME: &'static str = T::NAME;

    fn new(count: usize) -> Self {
        let chunk = || OnceLock::from(Box::new(array::from_fn(|_| T::default())));
        let rival = Self {
            chunks: (0..count.div_ceil(CHUNK_LEN)).map(|_| chunk()).collect(),
            slots: (0..count as u32).collect(),
        };
        for index in 0..count {
            rival.commit(index, change(FUNDS, 0, FUNDS));
        }
        rival
    }

    #[inline]
    fn hold(&self, index: usize, amount: i64) -> bool {
        self.at(index).hold(amount)
    }

    #[inline]
    fn commit(&self, index: usize, change: Change) -> BalanceView {
        self.at(index).commit(change)
    }

    fn total(&self) -> i128 {
        let totals = (0..self.slots.len()).map(|index| i128::from(self.at(index).total()));
        totals.sum()
    }
}

/// Four atomics, no lock. What it tells of a balance after a commit is not of one moment.
#[derive(Default)]
#[repr(C, align(32))]
pub struct Atomics {
    available: AtomicI64,
    total: AtomicI64,
    held: AtomicI64,
    sequence: AtomicU64,
}

impl Cell for Atomics {
    const NAME: &'static str = "atomics: no lock";

    #[inline]
    fn hold(&self, amount: i64) -> bool {
        let after = |available: i64| available.checked_sub(amount).filter(|left| *left >= 0);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.available.fetch_update(set, fetch, after).is_ok()
    }

    #[inline]
    fn commit(&self, change: Change) -> BalanceView {
        let add = |to: &AtomicI64, amount: i64| match amount {
            0 => to.load(Ordering::Relaxed),
            amount => to.fetch_add(amount, Ordering::AcqRel) + amount,
        };
        let total = add(&self.total, change.total);
        let held = add(&self.held, change.held);
        let available = add(&self.available, change.available);
        assert!(total | held | available >= 0, "nothing is negative");
        let sequence = self.sequence.fetch_add(1, Ordering::AcqRel) + 1;
        view(total, held, sequence)
    }

    fn total(&self) -> i64 {
        self.total.load(Ordering::Relaxed)
    }
}

/// Everything under the lock, holds too.
#[derive(Default)]
#[repr(C, align(32))]
pub struct Locked {
    available: AtomicI64,
    total: AtomicI64,
    held: AtomicI64,
    sequence: AtomicU64,
}

impl Locked {
    #[inline]
    fn lock(&self) -> u64 {
        let mut tries = 0;
        while self.sequence.fetch_or(1, Ordering::Acquire) & 1 == 1 {
            while self.sequence.load(Ordering::Relaxed) & 1 == 1 {
                wait(&mut tries);
            }
        }
        fence(Ordering::Release);
        self.sequence.load(Ordering::Relaxed) - 1
    }
}

#[cold]
fn wait(tries: &mut u32) {
    *tries += 1;
    if *tries < 64 {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}

impl Cell for Locked {
    const NAME: &'static str = "lock: hold and commit with it";

    #[inline]
    fn hold(&self, amount: i64) -> bool {
        let sequence = self.lock();
        let left = self.available.load(Ordering::Relaxed) - amount;
        if left >= 0 {
            self.available.store(left, Ordering::Relaxed);
        }
        self.sequence.store(sequence, Ordering::Release);
        left >= 0
    }

    #[inline]
    fn commit(&self, change: Change) -> BalanceView {
        let sequence = self.lock();
        let total = self.total.load(Ordering::Relaxed) + change.total;
        let held = self.held.load(Ordering::Relaxed) + change.held;
        let available = self.available.load(Ordering::Relaxed) + change.available;
        let sound = (total | held | available) >= 0 && available <= total - held;
        assert!(sound, "nothing is negative");
        self.total.store(total, Ordering::Relaxed);
        self.held.store(held, Ordering::Relaxed);
        self.available.store(available, Ordering::Relaxed);
        self.sequence.store(sequence + 2, Ordering::Release);
        view(total, held, sequence / 2 + 1)
    }

    fn total(&self) -> i64 {
        self.total.load(Ordering::Relaxed)
    }
}

fn view(total: i64, held: i64, sequence: u64) -> BalanceView {
    BalanceView {
        total: Amount(total as u64),
        held: Amount(held as u64),
        available: Amount((total - held) as u64),
        sequence,
    }
}

/// A change.
#[inline]
pub const fn change(total: i64, held: i64, available: i64) -> Change {
    Change {
        total,
        held,
        available,
    }
}
