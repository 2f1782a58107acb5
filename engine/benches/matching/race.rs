//! All engines on one stream, taking turns, and the table of it.

use std::hint::black_box;

use crate::arguments::{Arguments, Engine};
use crate::peers::{Matchcore, OrderbookRs};
use crate::support::clock::cpu_time;
use crate::support::souk::{Client, Driver, Naming, market};
use crate::support::workload::Workload;

/// `orderbook-rs` needs microseconds for a command, so it gets the start of a stream only, and only
/// in the first rounds.
const SLOW_COMMANDS: usize = 200_000;
const SLOW_ROUNDS: usize = 3;

/// Where the row that is judged and those of the peers are in [`Engine::ALL`].
const SOUK: usize = 2;
const PEERS: std::ops::Range<usize> = 4..6;

/// What Souk must reach on a stream.
struct Goal {
    nanos: f64,
    ratio: f64,
}

/// Nanoseconds per timed command, one number for each round.
struct Sample {
    engine: Engine,
    rounds: Vec<f64>,
}

impl Sample {
    fn median(&self) -> f64 {
        median(self.rounds.clone())
    }

    /// How many times the time of `other` it took: the median over the rounds of both, so that
    /// what slows a whole round down is left out.
    fn ratio(&self, other: &Self) -> f64 {
        let pairs = self.rounds.iter().zip(&other.rounds);
        median(pairs.map(|(own, others)| own / others).collect())
    }

    fn min(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn max(&self) -> f64 {
        self.rounds.iter().copied().fold(0.0, f64::max)
    }
}

/// Lets all engines take turns on the stream and prints the table.
pub fn run(workload: &Workload, arguments: &Arguments) {
    let start = workload.prefix(SLOW_COMMANDS);
    let mut samples = Engine::ALL.map(|engine| Sample {
        engine,
        rounds: Vec::new(),
    });
    for round in 0..arguments.rounds {
        for sample in &mut samples {
            let slow = sample.engine == Engine::OrderbookRs;
            if slow && round >= SLOW_ROUNDS {
                continue;
            }
            let stream = if slow { &start } else { workload };
            sample
                .rounds
                .push(nanos_per_command(sample.engine, stream, arguments.ahead));
        }
    }
    print(workload, &start, &samples, arguments);
}

/// Runs the stream once with one engine.
pub fn once(workload: &Workload, engine: Engine, arguments: &Arguments) {
    let nanos = nanos_per_command(engine, workload, arguments.ahead);
    println!(
        "{} {}: {} commands after {} that build the start book",
        engine.name(),
        workload.name,
        workload.timed(),
        workload.setup
    );
    println!(
        "result {:016x}, {nanos:.1} ns per command",
        workload.expected.checksum()
    );
}

/// Runs the stream with a new engine, checks what it did, and returns the time of a command.
pub fn nanos_per_command(engine: Engine, workload: &Workload, ahead: usize) -> f64 {
    let id_max = workload.id_max;
    let souk = |naming, ahead| Client::new(market(), id_max, naming, ahead);
    match engine {
        Engine::Nothing => {
            let mut client = Client::of_nothing(workload);
            timed(&mut client, workload)
        }
        Engine::Souk => checked(souk(Naming::OrderId, 0), workload),
        Engine::SoukPrefetch => checked(souk(Naming::OrderId, ahead), workload),
        Engine::SoukClOrdId => checked(souk(Naming::ClOrdId, ahead), workload),
        Engine::Matchcore => checked(Matchcore::new(workload), workload),
        Engine::OrderbookRs => checked(OrderbookRs::new(workload), workload),
    }
}

fn checked(mut driver: impl Driver, workload: &Workload) -> f64 {
    let nanos = timed(&mut driver, workload);
    assert_eq!(
        driver.totals(),
        workload.expected,
        "{} has one right result",
        workload.name
    );
    nanos
}

fn timed(driver: &mut impl Driver, workload: &Workload) -> f64 {
    let (setup, steps) = workload.steps.split_at(workload.setup);
    driver.run(setup);
    let start = cpu_time();
    measured_region(driver, black_box(steps));
    (cpu_time() - start).as_nanos() as f64 / steps.len() as f64
}

/// A function of its own, so that valgrind can be told to look at nothing else.
#[inline(never)]
fn measured_region(driver: &mut impl Driver, steps: &[crate::support::workload::Step]) {
    driver.run(steps);
}

fn goal(name: &str) -> Option<Goal> {
    let (nanos, ratio) = match name {
        "mixed" => (35.0, 2.8),
        "ecmix" => (35.0, 4.0),
        "deep" => (50.0, 4.0),
        "sweep" => (30.0, 2.8),
        _ => return None,
    };
    Some(Goal { nanos, ratio })
}

fn print(workload: &Workload, start: &Workload, samples: &[Sample], arguments: &Arguments) {
    println!(
        "\n## {}: {} commands, seed {}, prefetch {} ahead, result {:016x}, all totals reached",
        workload.name,
        workload.timed(),
        arguments.seed,
        arguments.ahead,
        workload.expected.checksum()
    );
    println!(
        "| engine | ns of processor time per command: median (min..max) | times the time of souk-prefetch |"
    );
    println!("|---|---|---|");
    let souk = &samples[SOUK];
    for sample in samples {
        let (name, median, ratio) = (sample.engine.name(), sample.median(), sample.ratio(souk));
        let (min, max) = (sample.min(), sample.max());
        let note = match sample.engine {
            Engine::OrderbookRs => format!(" (the first {} commands only)", start.timed()),
            _ => String::new(),
        };
        println!("| {name}{note} | {median:.1} ({min:.1}..{max:.1}) | {ratio:.2} |");
    }
    let ratios = samples[PEERS].iter().map(|peer| peer.ratio(souk));
    let ratio = ratios.fold(f64::INFINITY, f64::min);
    let souk = souk.median();
    match goal(workload.name) {
        None => println!("no goal; {ratio:.2} times as fast as the faster peer"),
        Some(goal) => println!(
            "goal {} ns: {}; goal {} times the faster peer: {ratio:.2}, {}",
            goal.nanos,
            verdict(souk <= goal.nanos),
            goal.ratio,
            verdict(ratio >= goal.ratio)
        ),
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len() % 2 == 1 {
        numbers[middle]
    } else {
        (numbers[middle - 1] + numbers[middle]) / 2.0
    }
}

/// How a goal's line ends.
pub fn verdict(reached: bool) -> &'static str {
    if reached { "hit" } else { "missed" }
}
