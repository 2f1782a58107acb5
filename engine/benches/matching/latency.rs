//! How long single commands take, by the time stamp counter.

use crate::arguments::Arguments;
use crate::race::verdict;
use crate::support::clock::Histogram;
use crate::support::souk::{Client, Driver, Naming, market};
use crate::support::workload::Workload;

const ROUNDS: usize = 3;
const P99_GOAL_NANOS: f64 = 150.0;
/// p50, p99, p99.9 and the longest.
const PER_MILLES: [u64; 4] = [500, 990, 999, 1000];

/// What is measured.
struct Row {
    name: &'static str,
    ahead: usize,
    trades_max: u64,
    rounds: Vec<Histogram>,
}

/// Measures every command of the stream on its own, some times over, and prints the percentiles.
pub fn run(workload: &Workload, arguments: &Arguments) {
    let ahead = arguments.ahead;
    let row = |name, ahead, trades_max| Row {
        name,
        ahead,
        trades_max,
        rounds: Vec::new(),
    };
    let mut rows = [
        row("souk", 0, u64::MAX),
        row("souk-prefetch", ahead, u64::MAX),
        row(
            "souk-prefetch, commands with at most 3 executions",
            ahead,
            3,
        ),
    ];
    for _ in 0..ROUNDS {
        for row in &mut rows {
            row.rounds.push(measure(workload, row));
        }
    }
    println!(
        "\n| {}: one command, ns | p50 | p99 | p99.9 | max | p99 of each round |",
        workload.name
    );
    println!("|---|---|---|---|---|---|");
    for row in &mut rows {
        let each: Vec<_> = row
            .rounds
            .iter()
            .map(|h| format!("{:.0}", h.nanos_at(990)))
            .collect();
        let columns =
            PER_MILLES.map(|per_mille| format!("{:.0}", row.middle().nanos_at(per_mille)));
        println!(
            "| {} | {} | {} |",
            row.name,
            columns.join(" | "),
            each.join(", ")
        );
    }
    let [_, all, few] = &rows;
    let (all, few) = (all.middle(), few.middle());
    println!(
        "p99 goal {P99_GOAL_NANOS} ns: {}, with at most 3 executions {}; {:.1} ns of measuring left out of each",
        verdict(all.nanos_at(990) <= P99_GOAL_NANOS),
        verdict(few.nanos_at(990) <= P99_GOAL_NANOS),
        all.overhead_nanos()
    );
}

impl Row {
    /// The round with the median p99.
    fn middle(&self) -> &Histogram {
        let mut rounds: Vec<_> = self.rounds.iter().collect();
        rounds.sort_by(|a, b| a.nanos_at(990).total_cmp(&b.nanos_at(990)));
        rounds[rounds.len() / 2]
    }
}

fn measure(workload: &Workload, row: &Row) -> Histogram {
    let mut histogram = Histogram::new(row.trades_max);
    let mut client = Client::new(market(), workload.id_max, Naming::OrderId, row.ahead);
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
