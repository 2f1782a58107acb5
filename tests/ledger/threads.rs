//! Threads that hold, settle, credit and debit the same few balances, with funds so tight that most
//! holds are refused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use souk::ledger::{BalanceSlot, CurrencyIndex, Ledger};
use souk_protocol::Amount;

use super::{Random, change, ledger, seeds};

const ACCOUNTS: usize = 3;
const CURRENCIES: usize = 2;
const THREADS: u64 = 4;
const STEPS: usize = 20_000;
/// What an account has at first, and what is asked for is up to half of it.
const FUNDS: u64 = 12;

/// One thread of a node: a market with its orders, and funding. Knows what it did, so that it
/// can be compared.
struct Worker<'a> {
    ledger: &'a Ledger,
    slots: &'a [Vec<BalanceSlot>],
    random: Random,
    /// What it holds: granted, not committed.
    granted: Vec<(usize, usize, u64)>,
    /// Its open orders.
    open: Vec<(usize, usize, u64)>,
    /// Its credits less its debits, by currency.
    supplied: [i64; CURRENCIES],
    /// Commits by account and currency.
    commits: [[u64; CURRENCIES]; ACCOUNTS],
    refused: u64,
}

impl<'a> Worker<'a> {
    fn new(ledger: &'a Ledger, slots: &'a [Vec<BalanceSlot>], seed: u64) -> Self {
        Self {
            ledger,
            slots,
            random: Random(seed),
            granted: Vec::new(),
            open: Vec::new(),
            supplied: [0; CURRENCIES],
            commits: [[0; CURRENCIES]; ACCOUNTS],
            refused: 0,
        }
    }

    fn step(&mut self) {
        let account = self.random.below(ACCOUNTS as u64) as usize;
        let currency = self.random.below(CURRENCIES as u64) as usize;
        let amount = 1 + self.random.below(FUNDS / 2);
        let slot = self.slots[account][currency];
        match self.random.below(10) {
            0..4 => match self.ledger.hold(slot, Amount(amount)) {
                Ok(()) => self.granted.push((account, currency, amount)),
                Err(_) => self.refused += 1,
            },
            4..7 => self.settle(account),
            7 => self.cancel(),
            8 => match self.ledger.debit(slot, Amount(amount)) {
                Ok(_) => {
                    self.supplied[currency] -= amount as i64;
                    self.commits[account][currency] += 1;
                }
                Err(_) => self.refused += 1,
            },
            _ => {
                // What debits took comes back, so that the funds stay tight but do not run out.
                if self.supplied[currency] < 0 {
                    let amount = amount.min(self.supplied[currency].unsigned_abs());
                    self.ledger.credit(slot, Amount(amount)).unwrap();
                    self.supplied[currency] += amount as i64;
                    self.commits[account][currency] += 1;
                }
            }
        }
        self.look(account);
    }

    /// Commits what was granted longest ago: a part is paid to `other`, a part rests, a part comes back.
    fn settle(&mut self, other: usize) {
        if self.granted.is_empty() {
            return;
        }
        let (account, currency, amount) = self.granted.remove(0);
        let spent = self.random.below(amount + 1);
        let rests = self.random.below(amount - spent + 1);
        let back = amount - spent - rests;
        self.commit(
            account,
            currency,
            -(spent as i64),
            rests as i64,
            back as i64,
        );
        if spent > 0 {
            self.commit(other, currency, spent as i64, 0, spent as i64);
        }
        if rests > 0 {
            self.open.push((account, currency, rests));
        }
    }

    fn cancel(&mut self) {
        if let Some((account, currency, amount)) = self.open.pop() {
            self.commit(account, currency, 0, -(amount as i64), amount as i64);
        }
    }

    fn commit(&mut self, account: usize, currency: usize, total: i64, held: i64, available: i64) {
        let slot = self.slots[account][currency];
        let view = self.ledger.commit(slot, change(total, held, available));
        self.commits[account][currency] += 1;
        let is_one_moment = view.available.0 == view.total.0 - view.held.0;
        assert!(is_one_moment && view.sequence > 0, "{view:?}");
    }

    /// Reads somebody's balances: nothing is negative, however it falls between what others do.
    fn look(&self, account: usize) {
        for &slot in &self.slots[account] {
            let (account, _) = self.ledger.balance_owner(slot);
            for record in self.ledger.balances_of(account) {
                let view = record.view;
                assert!(view.held.0 <= view.total.0, "{record:?}");
                assert!(view.total.0 <= THREADS * FUNDS * 10, "{record:?}");
                assert!(record.under_way >= 0, "{record:?}");
                assert!(record.under_way <= view.available.0.into(), "{record:?}");
            }
            assert!(self.ledger.available(slot).0 <= THREADS * FUNDS * 10);
        }
    }
}

#[test]
fn no_unit_appears_or_vanishes_between_threads() {
    for seed in seeds(6) {
        println!("SEED={seed}");
        one_run(seed);
    }
}

fn one_run(seed: u64) {
    let (ledger, slots) = ledger(ACCOUNTS, CURRENCIES);
    for slot in slots.iter().flatten() {
        ledger.credit(*slot, Amount(FUNDS)).unwrap();
    }
    let running = AtomicBool::new(true);
    let workers: Vec<Worker<'_>> = thread::scope(|scope| {
        let auditor = scope.spawn(|| audit(&ledger, &running));
        let start = |number| {
            let mut worker = Worker::new(&ledger, &slots, seed * THREADS + number);
            scope.spawn(move || {
                (0..STEPS).for_each(|_| worker.step());
                worker
            })
        };
        let handles: Vec<_> = (0..THREADS).map(start).collect();
        let workers = handles.into_iter().map(|handle| handle.join().unwrap());
        let workers = workers.collect();
        running.store(false, Ordering::Relaxed);
        assert!(auditor.join().unwrap() > 0, "the auditor has looked");
        workers
    });
    let refused: u64 = workers.iter().map(|worker| worker.refused).sum();
    assert!(refused > STEPS as u64 / 10, "funds are tight: {refused}");
    compare(&ledger, &slots, &workers);
    end(&ledger, workers);
}

/// Reads all balances all the time. Each is of one moment, and sequences never go back.
fn audit(ledger: &Ledger, running: &AtomicBool) -> u64 {
    let mut sequences = vec![0; ledger.balances() as usize];
    let mut rounds = 0;
    while running.load(Ordering::Relaxed) || rounds == 0 {
        for (record, sequence) in ledger.all_balances().zip(&mut sequences) {
            let view = record.view;
            assert!(view.held.0 <= view.total.0, "{record:?}");
            assert_eq!(view.available.0, view.total.0 - view.held.0, "{record:?}");
            assert!(record.under_way >= 0, "{record:?}");
            assert!(view.sequence >= *sequence, "{record:?}");
            *sequence = view.sequence;
        }
        rounds += 1;
        thread::yield_now();
    }
    rounds
}

/// What the balances say is what the threads know.
fn compare(ledger: &Ledger, slots: &[Vec<BalanceSlot>], workers: &[Worker<'_>]) {
    let known = |place: (usize, usize), open: bool| -> u64 {
        let list = |worker: &Worker<'_>| if open { &worker.open } else { &worker.granted }.clone();
        let all = workers.iter().flat_map(list);
        let its = all.filter(|entry| (entry.0, entry.1) == place);
        its.map(|entry| entry.2).sum()
    };
    for (account, slots) in slots.iter().enumerate() {
        for (currency, &slot) in slots.iter().enumerate() {
            let view = ledger.view(slot);
            let open = known((account, currency), true);
            let granted = known((account, currency), false);
            assert_eq!(view.held.0, open);
            assert_eq!(ledger.available(slot).0, view.available.0 - granted);
            let commits = workers
                .iter()
                .map(|worker| worker.commits[account][currency]);
            assert_eq!(view.sequence, 1 + commits.sum::<u64>());
        }
    }
    for currency in 0..CURRENCIES {
        let supplied = workers.iter().map(|worker| worker.supplied[currency]);
        let expected = (ACCOUNTS as u64 * FUNDS) as i64 + supplied.sum::<i64>();
        let sums = ledger.sums(CurrencyIndex(currency as u32));
        assert_eq!(
            (sums.total, sums.supply),
            (expected.into(), expected.into())
        );
    }
}

/// Everything that is under way or open ends, and nothing is held any more.
fn end(ledger: &Ledger, workers: Vec<Worker<'_>>) {
    for mut worker in workers {
        while !worker.granted.is_empty() {
            worker.settle(0);
        }
        while !worker.open.is_empty() {
            worker.cancel();
        }
    }
    ledger.check_at_rest().unwrap();
    for record in ledger.all_balances() {
        assert_eq!((record.view.held, record.under_way), (Amount(0), 0));
    }
}
