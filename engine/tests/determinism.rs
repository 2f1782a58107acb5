//! The same commands give the same events and hashes, whatever the index key, the build and the
//! machine. The golden values were computed from the oracle's events; a debug and a release
//! build, and any later version, must give them again.

#[allow(dead_code, reason = "each test uses a part of it")]
mod oracle;
#[allow(dead_code, reason = "each test uses a part of it")]
mod swarm;

mod canonical;

use oracle::Oracle;
use oracle::view::fnv_1a;
use souk_engine::Command;
use souk_protocol::{MarketState, Price};
use swarm::coverage::Coverage;
use swarm::market::EngineMarket;
use swarm::{Make, Run, Setting, Step, Subject};

/// The runs that the golden values are of.
const SEED: u64 = 2026;
const RUNS: u64 = 12;

/// FNV-1a over the credits, debits and commands as Rust text. If it changes, the generator changed and not the engine,
/// and all four are to be set anew.
const GOLDEN_COMMANDS: u64 = 0x95e5_06dc_eb13_1087;
/// FNV-1a over the canonical bytes of all events of the golden runs.
const GOLDEN_EVENTS: u64 = 0xbf50_2f71_eb36_d926;
/// FNV-1a over the book hash after each command of the golden runs.
const GOLDEN_BOOKS: u64 = 0xb1f8_8cc9_356d_4b0b;
/// FNV-1a over the engine's state hash after every 16th command of the golden runs.
const GOLDEN_STATES: u64 = 0xb908_ceb4_a88b_e64a;

/// The commands of a golden run, with the oracle's part of what the golden values are made of.
struct Golden {
    setting: Setting,
    steps: Vec<Step>,
    events: Vec<u8>,
    books: Vec<u8>,
}

/// The golden runs, in which `make` must not differ from the oracle.
fn golden_runs(make: Make<'_>) -> Vec<Golden> {
    let run = |number| {
        let run = Run::new(SEED, number);
        let setting = run.profile.setting();
        let mut golden = Golden {
            setting,
            steps: Vec::new(),
            events: Vec::new(),
            books: Vec::new(),
        };
        let see = |step: &Step, events: &[souk_engine::Event], oracle: &Oracle| {
            golden.steps.push(*step);
            events
                .iter()
                .for_each(|event| canonical::write(event, &mut golden.events));
            golden.books.extend(oracle.book_hash().to_le_bytes());
        };
        if let Err(failure) = run.drive(make, &mut Coverage::default(), see) {
            panic!("run {number} differs from the oracle:\n{}", failure.story());
        }
        golden
    };
    (0..RUNS).map(run).collect()
}

fn engine(index_key: u64) -> impl Fn(Setting) -> Box<dyn Subject> + Sync {
    move |setting| Box::new(EngineMarket::new(setting, index_key))
}

/// A step as lockstep does it.
fn apply(market: &mut EngineMarket, step: &Step) {
    step.funding.inspect(|funding| {
        market.fund(funding);
    });
    market.apply(step);
}

/// The state hash after every 16th step.
fn state_hashes(setting: Setting, steps: &[Step], index_key: u64) -> Vec<u64> {
    let mut market = EngineMarket::new(setting, index_key);
    let mut hashes = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        apply(&mut market, step);
        if index % 16 == 0 {
            hashes.extend(market.state_hash());
        }
    }
    hashes
}

#[test]
fn the_golden_runs_give_the_golden_hashes() {
    let runs = golden_runs(&engine(1));
    let all =
        |part: fn(&Golden) -> Vec<u8>| fnv_1a(&runs.iter().flat_map(part).collect::<Vec<u8>>());
    let events = all(|run| run.events.clone());
    let books = all(|run| run.books.clone());
    let states = all(|run| {
        state_hashes(run.setting, &run.steps, 1)
            .iter()
            .flat_map(|hash| hash.to_le_bytes())
            .collect()
    });
    let commands = all(|run| {
        run.steps
            .iter()
            .flat_map(|step| format!("{:?} {:?}", step.funding, step.command).into_bytes())
            .collect()
    });
    let steps: usize = runs.iter().map(|run| run.steps.len()).sum();
    println!(
        "{steps} commands {commands:#018x}, events {events:#018x}, books {books:#018x}, states \
         {states:#018x}"
    );
    assert_eq!(commands, GOLDEN_COMMANDS, "the commands of the golden runs");
    assert_eq!(events, GOLDEN_EVENTS, "the events of the golden runs");
    assert_eq!(books, GOLDEN_BOOKS, "the books of the golden runs");
    assert_eq!(states, GOLDEN_STATES, "the states of the golden runs");
}

#[test]
fn the_index_key_changes_nothing_that_is_seen() {
    let runs = golden_runs(&engine(0));
    for index_key in [1, u64::MAX, 0x5eed_5eed_5eed_5eed] {
        let same = golden_runs(&engine(index_key));
        for (a, b) in runs.iter().zip(&same) {
            assert!(
                a.events == b.events && a.books == b.books,
                "index key {index_key}"
            );
            assert_eq!(
                state_hashes(a.setting, &a.steps, 0),
                state_hashes(b.setting, &b.steps, index_key),
                "index key {index_key}"
            );
        }
    }
}

/// The state hash covers the meaning, not the layout: a market that reached its state by way of
/// far prices, refusals and state changes has the hash of one that did not.
#[test]
fn the_way_to_a_state_does_not_show_in_its_hash() {
    for Golden { setting, steps, .. } in golden_runs(&engine(1)) {
        let mut plain = EngineMarket::new(setting, 1);
        let mut detoured = EngineMarket::new(setting, 1);
        for (index, step) in steps.iter().enumerate() {
            apply(&mut plain, step);
            apply(&mut detoured, step);
            if index % 8 == 0 {
                detour(&mut detoured, step);
            }
            if index % 64 == 0 {
                assert_eq!(
                    plain.state_hash(),
                    detoured.state_hash(),
                    "after command {index}"
                );
            }
        }
    }
}

/// Commands that lead back to where they started, or are refused.
fn detour(market: &mut EngineMarket, step: &Step) {
    let state = market.snapshot().state;
    let plain = |command| Step {
        funding: None,
        command,
        levels: false,
        prefetch: true,
        compare_state: false,
    };
    market.apply(&plain(Command::SetState(MarketState::Halted)));
    market.apply(&plain(step.command));
    market.apply(&plain(Command::SetState(MarketState::Continuous)));
    if let Command::New(mut new) = step.command {
        new.price = Price(i64::MAX);
        market.apply(&plain(Command::New(new)));
    }
    market.apply(&plain(Command::SetState(state)));
}
