//! What a hold and its commit cost when nobody else is there.

use std::hint::black_box;

use crate::Extent;
use crate::clock::cpu_time;
use crate::figures::{median, median_of_ratios, spread};
use crate::random::Random;
use crate::rivals::{Atomics, Balances, Locked, Rival, Souk, change};

/// Balances that are in use: 2 KiB of the nearest cache.
const BALANCES: usize = 64;

/// Measures holds with their commits.
pub fn report(extent: &Extent) -> String {
    let (souk, atomics, locked) = (
        Souk::new(BALANCES),
        Rival::<Atomics>::new(BALANCES),
        Rival::<Locked>::new(BALANCES),
    );
    let mut nanos = [(); 3].map(|()| Vec::new());
    for round in 0..=extent.rounds as u64 {
        let taken = [
            run(&souk, extent.commands, round),
            run(&atomics, extent.commands, round),
            run(&locked, extent.commands, round),
        ];
        for (nanos, taken) in nanos.iter_mut().zip(taken).filter(|_| round > 0) {
            nanos.push(taken);
        }
    }
    let totals = [souk.total(), atomics.total(), locked.total()];
    assert!(totals.iter().all(|total| *total == totals[0]), "{totals:?}");
    let names = [Souk::NAME, Rival::<Atomics>::NAME, Rival::<Locked>::NAME];
    let mut report = String::from(
        "\n## One thread: an order and its end\n\
         hold + commit of an order that rests + commit of its fill or cancel, ns of processor time\n\n\
         | balance | median (min..max) | times the ledger's |\n|---|---|---|\n",
    );
    for (name, taken) in names.iter().zip(&nanos) {
        let ratio = median_of_ratios(taken, &nanos[0]);
        report += &format!("| {name} | {} | {ratio:.2} |\n", spread(taken));
    }
    assert!(median(&nanos[0]) > 0.0, "something was measured");
    report
}

fn run<T: Balances>(balances: &T, orders: usize, seed: u64) -> f64 {
    let mut random = Random::new(seed);
    let start = cpu_time();
    for _ in 0..orders {
        let draw = random.next();
        let index = draw as usize % BALANCES;
        let amount = 1 + (draw >> 32) as i64 % 1000;
        assert!(balances.hold(index, amount), "there is enough");
        balances.commit(index, change(0, amount, 0));
        let end = if draw >> 63 == 0 {
            change(0, -amount, amount)
        } else {
            // Of a fill with price improvement, a tenth comes back and the rest is paid to the same.
            change(0, -amount, amount - amount / 10 + amount / 10)
        };
        black_box(balances.commit(index, end));
    }
    (cpu_time() - start).as_nanos() as f64 / orders as f64
}
