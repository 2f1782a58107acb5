//! The engine with its settlement against the naive oracle with its naive ledger: random commands,
//! credits and debits; every event of every command and every balance that it touches; and every so
//! many commands the whole state, all balances and their sums.
//!
//! `SOUK_DIFF_COMMANDS` (default 20,000,000) says how many commands with money, `SOUK_DIFF_SEED`
//! (default 1) which; about four tenths more run in markets without. A billion:
//!
//! ```text
//! SOUK_DIFF_COMMANDS=1000000000 cargo test --release -p souk-engine --test differential -- --nocapture
//! ```
//!
//! A run is a market of its own with a profile of its own; run 0, 1, 2 ... of a seed are the same
//! for ever. A difference is printed with its seed and run and a shrunk list of commands.

#[allow(dead_code, reason = "each test uses a part of it")]
mod oracle;
#[allow(dead_code, reason = "each test uses a part of it")]
mod swarm;

use souk_protocol::RejectReason::InsufficientFunds;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use swarm::coverage::{By, Coverage, Fact};
use swarm::market::EngineMarket;
use swarm::{Failure, Run, Setting, Subject};

/// A fact that is met less often than once in so many commands makes the test worthless.
const COMMANDS_PER_FACT: u64 = 200_000;
/// Of a hundred commands with money so many are refused for want of it.
const REFUSED_PERCENT_MIN: u64 = 2;
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// What the threads share.
struct Progress {
    next_run: u64,
    /// Commands of the runs with money that were given out. Decides which run is the last, so that the same
    /// numbers make the same runs on any machine.
    commands_given: u64,
    coverage: Coverage,
    failure: Option<(u64, Box<Failure>)>,
    printed: Instant,
}

#[test]
fn the_engine_does_what_the_rules_say() {
    let commands = from_environment("SOUK_DIFF_COMMANDS", 20_000_000);
    let seed = from_environment("SOUK_DIFF_SEED", 1);
    let started = Instant::now();
    let progress = Mutex::new(Progress {
        next_run: 0,
        commands_given: 0,
        coverage: Coverage::default(),
        failure: None,
        printed: started,
    });
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(seed, commands, &progress));
        }
    });
    let progress = progress.into_inner().expect("a run's panics are caught");
    if let Some((number, failure)) = progress.failure {
        let index = failure.script.len() - 1;
        println!("SEED={seed} run {number}, command {index} differs; shrinking");
        let story = failure
            .shrunk(&|setting| market(setting, seed, number))
            .story();
        panic!("SEED={seed} run {number}, command {index}, shrunk to:\n{story}");
    }
    let coverage = &progress.coverage;
    let refused: u64 = [By::New, By::Replace]
        .map(|by| coverage.count(&Fact::Rejected(by, InsufficientFunds)))
        .iter()
        .sum();
    println!("{}", coverage.table());
    println!(
        "SEED={seed} runs 0..{}: {} commands, {} with money, {} refused for want of it, {} events, {} open orders on average, at most {} \
         and {} levels of a side, {:.1} s",
        progress.next_run,
        coverage.commands,
        coverage.with_money,
        refused,
        coverage.events,
        coverage.open_orders_mean(),
        coverage.open_orders_max,
        coverage.levels_max,
        started.elapsed().as_secs_f64()
    );
    assert!(coverage.with_money >= commands, "all commands ran");
    assert!(
        refused >= commands / 100 * REFUSED_PERCENT_MIN,
        "funds are tight: {refused} of {}",
        coverage.with_money
    );
    let least = commands / COMMANDS_PER_FACT;
    let rare = coverage.rarer_than(least);
    assert!(
        rare.is_empty(),
        "each of these must happen at least {least} times: {rare:#?}"
    );
}

/// One thread: run after run, until all are given out or one has failed.
fn work(seed: u64, commands: u64, progress: &Mutex<Progress>) {
    loop {
        let (number, run) = {
            let mut progress = progress.lock().expect("a run's panics are caught");
            if progress.failure.is_some() || progress.commands_given >= commands {
                return;
            }
            let number = progress.next_run;
            let run = Run::new(seed, number);
            progress.next_run += 1;
            if run.profile.setting().holds {
                progress.commands_given += run.profile.commands as u64;
            }
            (number, run)
        };
        let mut coverage = Coverage::default();
        let outcome = run.drive(
            &|setting| market(setting, seed, number),
            &mut coverage,
            |_, _, _| {},
        );
        let mut progress = progress.lock().expect("a run's panics are caught");
        progress.coverage.merge(&coverage);
        if let Err(failure) = outcome {
            progress.failure.get_or_insert((number, failure));
        }
        if progress.printed.elapsed() >= PROGRESS_EVERY {
            progress.printed = Instant::now();
            println!(
                "SEED={seed} runs 0..{number}: {} commands",
                progress.coverage.commands
            );
        }
    }
}

/// A market with an index key that belongs to the run.
fn market(setting: Setting, seed: u64, number: u64) -> Box<dyn Subject> {
    Box::new(EngineMarket::new(
        setting,
        swarm::rng::Rng::new(seed, !number).next(),
    ))
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a whole number, not {text:?}"))
    })
}
