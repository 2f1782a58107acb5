//! How long single commands take, by the time stamp counter.

use crate::arguments::Arguments;
use crate::race::verdict;
use crate::support::clock::Histogram;
use crate::support::souk::{Client, Driver, Naming, market};
use crate::support::workload::Workload;

const ROUNDS: usize = 3;
const P99_GOAL_NANOS: f64 = 150.0;
/// Per mille, and the column's name.
const COLUMNS: [(u64, &str); 4] = [(500, "p50"), (990, "p99"), (999, "p99.9"), (1000, "max")];

/// Measures every command of the stream on its own, some times over, and prints the percentiles.
pub fn run(workload: &Workload, arguments: &Arguments) {
    println!(
        "\n| {}: one command, ns | p50 | p99 | p99.9 | max | p99 of each round |",
        workload.name
    );
    println!("|---|---|---|---|---|---|");
    let mut rounds = [(0, Vec::new()), (arguments.ahead, Vec::new())];
    let mut overhead = 0.0;
    for _ in 0..ROUNDS {
        for (ahead, histograms) in &mut rounds {
            let histogram = measure(workload, *ahead);
            overhead = histogram.overhead_nanos();
            histograms.push(histogram);
        }
    }
    let mut p99 = f64::NAN;
    for (ahead, histograms) in &mut rounds {
        histograms.sort_by(|a, b| a.nanos_at(990).total_cmp(&b.nanos_at(990)));
        let middle = &histograms[ROUNDS / 2];
        let columns = COLUMNS.map(|(per_mille, _)| format!("{:.0}", middle.nanos_at(per_mille)));
        let each: Vec<_> = histograms
            .iter()
            .map(|h| format!("{:.0}", h.nanos_at(990)))
            .collect();
        let name = if *ahead == 0 { "souk" } else { "souk-prefetch" };
        println!("| {name} | {} | {} |", columns.join(" | "), each.join(", "));
        p99 = middle.nanos_at(990);
    }
    println!(
        "p99 goal {P99_GOAL_NANOS} ns: {}; {overhead:.1} ns of measuring left out of each",
        verdict(p99 <= P99_GOAL_NANOS)
    );
}

fn measure(workload: &Workload, ahead: usize) -> Histogram {
    let mut histogram = Histogram::new();
    let mut client = Client::new(market(), workload.id_max, Naming::OrderId, ahead);
    let (setup, steps) = workload.steps.split_at(workload.setup);
    client.run(setup);
    client.run_measured(steps, &mut histogram);
    assert_eq!(
        client.totals(),
        workload.expected,
        "{} has one right result",
        workload.name
    );
    histogram
}
