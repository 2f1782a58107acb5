//! Threads with markets of their own that share one account: a market maker on all of them.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::Extent;
use crate::figures::{median, quantile};
use crate::random::Random;
use crate::rivals::{Atomics, Balances, Locked, Rival, Souk, change};

/// Accounts that each thread has for itself; they need the second cache, like those of a market.
const OWN: usize = 1000;
const THREADS: [usize; 3] = [1, 2, 4];
const GOAL: f64 = 1.5;
/// Rounds are many and short, about a millisecond: others who use the machine leave some of them alone.
const ROUNDS_TIMES: usize = 20;
const COMMANDS_PART: usize = 25;

/// Of 100 commands, those of the shared account or with it as the maker; and work besides.
const CASES: [Case; 4] = [
    Case {
        shared_percent: 10,
        work_rounds: WORK_ROUNDS,
    },
    Case {
        shared_percent: 50,
        work_rounds: WORK_ROUNDS,
    },
    Case {
        shared_percent: 10,
        work_rounds: 0,
    },
    Case {
        shared_percent: 50,
        work_rounds: 0,
    },
];

/// Rounds of the generator that take about as long as the engine takes for a command of the stream
/// `mixed`; what they take is printed.
const WORK_ROUNDS: u32 = 68;

#[derive(Clone, Copy)]
struct Case {
    shared_percent: u64,
    work_rounds: u32,
}

/// Measures threads.
pub fn report(extent: &Extent) -> String {
    let mut report = format!(
        "\n## Threads that share one account\n\
         million commands per second, all threads together, wall-clock time: what nine of ten short rounds stay below, and the \
         median; each command is a hold with its commit, a cancel, or a trade (hold and four commits); other work: {} ns of arithmetic, as long as the engine takes\n\n\
         | shared % | other work | balance | 1 thread | 2 threads | 4 threads | 2 to 1 | 4 to 1 |\n|---|---|---|---|---|---|---|---|\n",
        work_nanos(extent)
    );
    let mut reached = true;
    for case in CASES {
        let souk = rows::<Souk>(case, extent);
        let atomics = rows::<Rival<Atomics>>(case, extent);
        let locked = rows::<Rival<Locked>>(case, extent);
        report += &(souk.0 + &atomics.0 + &locked.0);
        reached &= case.work_rounds == 0 || souk.1 >= GOAL;
    }
    let verdict = if reached { "hit" } else { "missed" };
    report + &format!("goal, with the other work: 2 threads {GOAL} times 1 thread: {verdict}\n")
}

fn rows<T: Balances>(case: Case, extent: &Extent) -> (String, f64) {
    let mut rates = [(); 3].map(|()| Vec::new());
    for _ in 0..extent.rounds * ROUNDS_TIMES {
        for (rates, threads) in rates.iter_mut().zip(THREADS) {
            rates.push(rate::<T>(case, threads, extent.commands / COMMANDS_PART));
        }
    }
    let [one, two, four] = rates.each_ref().map(|rates| quantile(rates, 90));
    let [low, mid, high] = rates.each_ref().map(|rates| median(rates));
    let row = format!(
        "| {} | {} | {} | {one:.1} ({low:.1}) | {two:.1} ({mid:.1}) | {four:.1} ({high:.1}) | {:.2} | {:.2} |\n",
        case.shared_percent,
        if case.work_rounds == 0 { "no" } else { "yes" },
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

fn run<T: Balances>(balances: &T, market: usize, threads: usize, case: Case, commands: usize) {
    let mut random = Random::new(market as u64);
    let shared_quote = 0;
    let shared_base = 1 + market;
    let own_first = 1 + threads + 2 * market * OWN;
    let mut open: Option<(usize, i64)> = None;
    for _ in 0..commands {
        work(case.work_rounds);
        let draw = random.next();
        let shared = (draw >> 8) % 100 < case.shared_percent;
        let own = own_first + 2 * ((draw >> 20) as usize % OWN);
        let who = if shared { shared_quote } else { own };
        match draw % 4 {
            // A trade: an own account buys from the shared one, or from another own one.
            0 => {
                let (base, quote) = if shared {
                    (shared_base, shared_quote)
                } else {
                    let other = own_first + 2 * ((draw >> 40) as usize % OWN);
                    (other + 1, other)
                };
                trade(balances, [own + 1, own], [base, quote]);
            }
            // A cancel, if there is an order.
            1 if open.is_some() => {
                let (who, amount) = open.take().expect("looked at before");
                balances.commit(who, change(0, -amount, amount));
            }
            // A new order. What was open is canceled in the same command, so that no money is stuck.
            _ => {
                let amount = 100 + (draw >> 52) as i64;
                assert!(balances.hold(who, amount), "there is enough");
                let before = open.replace((who, amount));
                balances.commit(who, change(0, amount, 0));
                if let Some((who, amount)) = before {
                    balances.commit(who, change(0, -amount, amount));
                }
            }
        }
    }
    if let Some((who, amount)) = open {
        balances.commit(who, change(0, -amount, amount));
    }
}

/// The buyer pays 5 and gets 1; the seller's unit was held by its order.
fn trade<T: Balances>(balances: &T, buyer: [usize; 2], seller: [usize; 2]) {
    let ([buyer_base, buyer_quote], [seller_base, seller_quote]) = (buyer, seller);
    if balances.hold(buyer_quote, 5) && balances.hold(seller_base, 1) {
        balances.commit(buyer_quote, change(-5, 0, 0));
        balances.commit(seller_base, change(-1, 0, 0));
        balances.commit(buyer_base, change(1, 0, 1));
        balances.commit(seller_quote, change(5, 0, 5));
    }
}

fn work(rounds: u32) {
    let mut state = rounds;
    for _ in 0..rounds {
        state = black_box(state.wrapping_mul(0x9e37_79b1) ^ state >> 13);
    }
}

fn work_nanos(extent: &Extent) -> u64 {
    let mut nanos: Vec<f64> = Vec::new();
    for _ in 0..extent.rounds {
        let start = Instant::now();
        for _ in 0..extent.commands {
            work(WORK_ROUNDS);
        }
        nanos.push(start.elapsed().as_nanos() as f64 / extent.commands as f64);
    }
    median(&nanos) as u64
}
