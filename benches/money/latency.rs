//! How long single commands take with money: each is a batch of its own, settled at once.

use crate::AHEAD;
use crate::race::verdict;
use crate::support::clock::Histogram;
use crate::support::souk::{Client, Driver, Naming};
use crate::support::workload::Workload;
use crate::venue::{Bank, Extent, Venue};

const ROUNDS: usize = 3;
const P99_GOAL_NANOS: f64 = 250.0;
/// p50, p99, p99.9 and the longest.
const PER_MILLES: [u64; 4] = [500, 990, 999, 1000];
/// Executions of a command up to which it counts as one command, not as many.
const FEW_TRADES: u64 = 3;

/// Measures every command of the stream, some times over, and prints the percentiles.
pub fn run(workload: &Workload) {
    println!(
        "\n| {}: one command with its money, ns | p50 | p99 | p99.9 | max | p99 of each round |",
        workload.name
    );
    println!("|---|---|---|---|---|---|");
    let mut verdicts = Vec::new();
    for (name, trades_max) in [
        ("all commands", u64::MAX),
        ("commands with at most 3 executions", FEW_TRADES),
    ] {
        let mut rounds: Vec<_> = (0..ROUNDS)
            .map(|_| of_at_most(trades_max, workload))
            .collect();
        let each: Vec<_> = rounds
            .iter()
            .map(|h| format!("{:.0}", h.nanos_at(990)))
            .collect();
        rounds.sort_by(|a, b| a.nanos_at(990).total_cmp(&b.nanos_at(990)));
        let middle = &rounds[ROUNDS / 2];
        let columns = PER_MILLES.map(|per_mille| format!("{:.0}", middle.nanos_at(per_mille)));
        println!("| {name} | {} | {} |", columns.join(" | "), each.join(", "));
        verdicts.push(verdict(middle.nanos_at(990) < P99_GOAL_NANOS));
    }
    println!(
        "p99 goal below {P99_GOAL_NANOS} ns: {}, with at most {FEW_TRADES} executions {}",
        verdicts[0], verdicts[1]
    );
}

/// Measures every command of the stream.
pub fn measure(workload: &Workload) -> Histogram {
    of_at_most(u64::MAX, workload)
}

fn of_at_most(trades_max: u64, workload: &Workload) -> Histogram {
    let mut histogram = Histogram::new(trades_max);
    let venue = Venue::new(Bank::new(workload, 0), Extent::Commands);
    let mut client = Client::new(venue, workload.id_max, Naming::OrderId, AHEAD);
    let (setup, steps) = workload.steps.split_at(workload.setup);
    client.run(setup);
    client.run_measured(steps, &mut histogram);
    assert_eq!(
        client.totals(),
        workload.expected,
        "there is one right result"
    );
    client.target.check();
    histogram
}
