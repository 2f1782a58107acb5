//! Threads with markets of their own that share one account: a market maker on all of them.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::Extent;
use crate::clock::cpu_time;
use crate::figures::{median, quantile};
use crate::random::Random;
use crate::rivals::{Atomics, Balances, Locked, Rival, Souk, change};
use souk::ledger::Change;

/// Accounts that each thread has for itself; they need the second cache, like those of a market.
const OWN: usize = 1000;
const THREADS: [usize; 3] = [1, 2, 4];
const GOAL: f64 = 1.5;
/// Rounds are many and short, about a millisecond: others who use the machine leave some of them alone.
const ROUNDS_TIMES: usize = 20;
const COMMANDS_PART: usize = 25;

/// Each with the engine's work and without.
const CASES: [Case; 6] = [
    case(10, true, 1),
    case(10, true, BATCH),
    case(50, true, 1),
    case(50, true, BATCH),
    case(50, false, 1),
    case(50, false, BATCH),
];

/// Commands that a publisher settles together.
const BATCH: usize = 64;

/// Rounds of arithmetic in the engine's place. They add some 40 ns to a command of one thread, a little less than the engine
/// takes for one of its stream `mixed`.
const WORK_ROUNDS: u32 = 60;

#[derive(Clone, Copy)]
struct Case {
    /// Of 100 commands, those of the shared account or with it as the maker.
    shared_percent: u64,
    /// Work besides.
    work_rounds: u32,
    /// Commands whose changes of the shared account are added up before they are committed.
    batch: usize,
}

const fn case(shared_percent: u64, works: bool, batch: usize) -> Case {
    Case {
        shared_percent,
        work_rounds: if works { WORK_ROUNDS } else { 0 },
        batch,
    }
}

/// Measures threads.
pub fn report(extent: &Extent) -> String {
    let mut report = format!(
        "\n## Threads that share one account\n\
         million commands per second, all threads together, wall-clock time: what 19 of 20 short rounds stay below, and the \
         median; each command is a hold with its commit, a cancel, or a trade (hold and four commits); other work: {} ns of arithmetic when it runs alone, less beside the ledger: compare the columns of 1 thread\n\n\
         | shared % | other work | settled by | balance | 1 thread | 2 threads | 4 threads | 2 to 1 | 4 to 1 |\n|---|---|---|---|---|---|---|---|---|\n",
        work_nanos(extent)
    );
    let mut reached = true;
    for case in CASES {
        let souk = rows::<Souk>(case, extent);
        let atomics = rows::<Rival<Atomics>>(case, extent);
        let locked = rows::<Rival<Locked>>(case, extent);
        report += &(souk.0 + &atomics.0 + &locked.0);
        reached &= case.work_rounds == 0 || case.batch != 1 || souk.1 >= GOAL;
    }
    let verdict = if reached { "hit" } else { "missed" };
    report
        + &format!(
            "goal, with the other work, each command settled by itself as publishers do: 2 threads {GOAL} times 1 thread: {verdict}\n"
        )
}

fn rows<T: Balances>(case: Case, extent: &Extent) -> (String, f64) {
    let mut rates = [(); 3].map(|()| Vec::new());
    for _ in 0..extent.rounds * ROUNDS_TIMES {
        for (rates, threads) in rates.iter_mut().zip(THREADS) {
            rates.push(rate::<T>(case, threads, extent.commands / COMMANDS_PART));
        }
    }
    let [one, two, four] = rates.each_ref().map(|rates| quantile(rates, 95));
    let [low, mid, high] = rates.each_ref().map(|rates| median(rates));
    let row = format!(
        "| {} | {} | {} | {} | {one:.1} ({low:.1}) | {two:.1} ({mid:.1}) | {four:.1} ({high:.1}) | {:.2} | {:.2} |\n",
        case.shared_percent,
        if case.work_rounds == 0 { "no" } else { "yes" },
        case.batch,
        T::NAME,
        two / one,
        four / one
    );
    (row, two / one)
}

/// Million commands per second of so many threads.
fn rate<T: Balances>(case: Case, threads: usize, commands: usize) -> f64 {
    // The shared account's quote balance, its base balance in each market, then for each market those of
    // its own accounts.
    let balances = T::new(1 + threads + 2 * threads * OWN);
    let before = balances.total();
    let ready = AtomicUsize::new(0);
    let worker = |market| {
        run(&balances, market, threads, case, commands / 10);
        // All run from here, none waits to be woken.
        ready.fetch_add(1, Ordering::Relaxed);
        while ready.load(Ordering::Relaxed) < threads {
            thread::yield_now();
        }
        let start = Instant::now();
        run(&balances, market, threads, case, commands);
        (start, Instant::now())
    };
    let spans: Vec<(Instant, Instant)> = thread::scope(|scope| {
        let worker = &worker;
        let spawn = |market| scope.spawn(move || worker(market));
        let handles: Vec<_> = (0..threads).map(spawn).collect();
        let join = |handle: thread::ScopedJoinHandle<'_, _>| handle.join().expect("it ends well");
        handles.into_iter().map(join).collect()
    });
    assert_eq!(
        balances.total(),
        before,
        "money neither appears nor vanishes"
    );
    let start = spans.iter().map(|span| span.0).min().expect("one thread");
    let end = spans.iter().map(|span| span.1).max().expect("one thread");
    (threads * commands) as f64 / (end - start).as_secs_f64() / 1e6
}

/// A thread's market.
struct Market<'a, T> {
    balances: &'a T,
    random: Random,
    /// Quote and base balance of the shared account.
    shared: [usize; 2],
    own_first: usize,
    case: Case,
    /// What the shared account's balances will change by.
    sums: [Change; 2],
    open: Option<(usize, i64)>,
}

fn run<T: Balances>(balances: &T, market: usize, threads: usize, case: Case, commands: usize) {
    let mut market = Market {
        balances,
        random: Random::new(market as u64),
        shared: [0, 1 + market],
        own_first: 1 + threads + 2 * market * OWN,
        case,
        sums: [Change::default(); 2],
        open: None,
    };
    for number in 1..=commands {
        work(case.work_rounds);
        market.command();
        if number % case.batch == 0 {
            market.settle();
        }
    }
    market.cancel();
    market.settle();
}

impl<T: Balances> Market<'_, T> {
    fn command(&mut self) {
        let draw = self.random.next();
        let own = |bits: u64| self.own_first + 2 * (bits as usize % OWN);
        let (buyer, other) = (own(draw >> 20), own(draw >> 40));
        let shared = (draw >> 8) % 100 < self.case.shared_percent;
        let [quote, base] = if shared {
            self.shared
        } else {
            [other, other + 1]
        };
        match draw % 4 {
            0 => self.trade(buyer, quote, base),
            1 if self.open.is_some() => self.cancel(),
            // What was open is canceled in the same command, so that no money is stuck.
            _ => {
                let amount = 100 + (draw >> 52) as i64;
                assert!(self.balances.hold(quote, amount), "there is enough");
                self.commit(quote, change(0, amount, 0));
                self.cancel();
                self.open = Some((quote, amount));
            }
        }
    }

    fn cancel(&mut self) {
        if let Some((who, amount)) = self.open.take() {
            self.commit(who, change(0, -amount, amount));
        }
    }

    /// The buyer pays 5 and gets 1; the seller's unit was held by its order.
    fn trade(&mut self, buyer: usize, seller_quote: usize, seller_base: usize) {
        let granted = self.balances.hold(buyer, 5) && self.balances.hold(seller_base, 1);
        assert!(granted, "there is enough");
        self.commit(buyer, change(-5, 0, 0));
        self.commit(seller_base, change(-1, 0, 0));
        self.commit(buyer + 1, change(1, 0, 1));
        self.commit(seller_quote, change(5, 0, 5));
    }

    fn commit(&mut self, who: usize, change: Change) {
        match self.shared.iter().position(|shared| *shared == who) {
            Some(leg) if self.case.batch > 1 => self.sums[leg] += change,
            _ => {
                black_box(self.balances.commit(who, change));
            }
        }
    }

    fn settle(&mut self) {
        for (who, sum) in self.shared.into_iter().zip(&mut self.sums) {
            let sum = std::mem::take(sum);
            if sum != Change::default() {
                black_box(self.balances.commit(who, sum));
            }
        }
    }
}

fn work(rounds: u32) {
    let mut state = rounds;
    for _ in 0..rounds {
        state = black_box(state.wrapping_mul(0x9e37_79b1) ^ state >> 13);
    }
}

fn work_nanos(extent: &Extent) -> u64 {
    let start = cpu_time();
    for _ in 0..extent.commands {
        work(WORK_ROUNDS);
    }
    (cpu_time() - start).as_nanos() as u64 / extent.commands as u64
}
