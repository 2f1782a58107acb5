//! All rows of one stream, taking turns, and the table of it.

use std::hint::black_box;

use crate::AHEAD;
use crate::server::Server;
use crate::support::clock::cpu_time;
use crate::support::souk::{Client, Driver, Naming, Target, market};
use crate::support::workload::{Step, Workload};
use crate::venue::{Bank, Extent, Venue};

/// Entries of statements that a tenant keeps, as configured unless it is told otherwise.
const STATEMENT_ENTRIES: usize = 65_536;
/// The goal on `mixed`: so much more than the engine alone.
const MORE_GOAL_NANOS: f64 = 45.0;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// The engine, nobody's money.
    Alone,
    /// The same, its events kept until the batch ends, as for any publisher.
    Kept,
    /// Accounts, holds, settlement, fees.
    Money,
    /// The same with statements.
    Statements,
    /// The matcher and the publisher whole: items in, execution reports out.
    Server,
}

impl Row {
    /// In the order of the table.
    pub const ALL: [Self; 5] = [
        Self::Alone,
        Self::Kept,
        Self::Money,
        Self::Statements,
        Self::Server,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Kept => "kept",
            Self::Money => "money",
            Self::Statements => "statements",
            Self::Server => "server",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Alone => "the engine alone",
            Self::Kept => "its events kept for a publisher",
            Self::Money => "accounts, holds, settlement, fees",
            Self::Statements => "the same, and statements",
            Self::Server => "all of matcher and publisher, reports too",
        }
    }
}

/// Lets all rows take turns on the stream and prints the table.
pub fn run(workload: &Workload, rounds: usize) {
    let mut samples = Row::ALL.map(|_| Vec::new());
    for _ in 0..rounds {
        for (row, sample) in Row::ALL.into_iter().zip(&mut samples) {
            sample.push(nanos_per_command(row, workload));
        }
    }
    println!(
        "\n## {}: {} commands, totals reached, no unit lost, held is what open orders need",
        workload.name,
        workload.timed()
    );
    println!(
        "\n| row | ns of processor time per command: median (min..max) | more than alone | times alone |"
    );
    println!("|---|---|---|---|");
    let alone = &samples[0];
    for (row, sample) in Row::ALL.into_iter().zip(&samples) {
        let more = paired(sample, alone, |own, alone| own - alone);
        let times = paired(sample, alone, |own, alone| own / alone);
        println!(
            "| {} | {} | {} | {:.2} |",
            row.title(),
            spread(sample),
            spread(&more),
            median(&times)
        );
    }
    let more = median(&paired(&samples[2], alone, |own, alone| own - alone));
    let beyond_kept = median(&paired(&samples[2], &samples[1], |own, kept| own - kept));
    if workload.name == "mixed" {
        println!(
            "goal at most {MORE_GOAL_NANOS} ns more than alone: {more:.1}, {} ({beyond_kept:.1} more than with events kept)",
            verdict(more <= MORE_GOAL_NANOS)
        );
    } else {
        println!("{more:.1} ns more than alone, {beyond_kept:.1} more than with events kept");
    }
    let total = median(&samples[2]);
    let goal = half_of_the_peer(workload.name);
    println!(
        "goal at most {goal} ns in all: {total:.1}, {}",
        verdict(total <= goal)
    );
}

/// Half of what another engine with accounts was measured to need, on another machine.
fn half_of_the_peer(name: &str) -> f64 {
    match name {
        "mixed" => 85.5,
        "ecmix" => 120.5,
        "deep" => 215.0,
        _ => 155.0,
    }
}

/// Runs the stream with a new market, checks what it did, and returns the time of a command.
pub fn nanos_per_command(row: Row, workload: &Workload) -> f64 {
    let entries = if matches!(row, Row::Statements | Row::Server) {
        STATEMENT_ENTRIES
    } else {
        0
    };
    let extent = match row {
        Row::Alone => return timed(client(market(), workload), workload).0,
        Row::Server => {
            let (nanos, client) = timed(client(Server::new(workload, entries), workload), workload);
            client.target.bank.check_supply();
            return nanos;
        }
        Row::Kept => Extent::Kept,
        Row::Money | Row::Statements => Extent::Batches,
    };
    let venue = Venue::new(Bank::new(workload, entries), extent);
    let (nanos, client) = timed(client(venue, workload), workload);
    client.target.check();
    let traded = workload.expected.trades > 0 && row != Row::Kept;
    assert_eq!(client.target.bank.fees() > 0, traded, "fees are paid");
    nanos
}

fn client<T: Target>(target: T, workload: &Workload) -> Client<T> {
    Client::new(target, workload.id_max, Naming::OrderId, AHEAD)
}

fn timed<T: Target>(mut client: Client<T>, workload: &Workload) -> (f64, Client<T>) {
    let (setup, steps) = workload.steps.split_at(workload.setup);
    client.run(setup);
    let start = cpu_time();
    measured_region(&mut client, black_box(steps));
    let nanos = (cpu_time() - start).as_nanos() as f64 / steps.len() as f64;
    assert_eq!(
        client.totals(),
        workload.expected,
        "there is one right result"
    );
    (nanos, client)
}

/// A function of its own, so that valgrind can be told to look at nothing else.
#[inline(never)]
fn measured_region<T: Target>(client: &mut Client<T>, steps: &[Step]) {
    client.run(steps);
}

fn paired(a: &[f64], b: &[f64], of: fn(f64, f64) -> f64) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| of(*a, *b)).collect()
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn spread(figures: &[f64]) -> String {
    let min = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let max = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{:.1} ({min:.1}..{max:.1})", median(figures))
}

/// How a goal's line ends.
pub fn verdict(reached: bool) -> &'static str {
    if reached { "hit" } else { "missed" }
}
