//! The real process is killed, stopped, and given a disk that fails, while sessions trade and a back office funds. Each
//! client keeps its own record of what it sent and what it was told; afterwards the journal is replayed and compared with it:
//! nothing that was acknowledged is missing, and nothing happened twice.
//!
//! `SOUK_CRASH_CYCLES` is the number of kills (50), `SOUK_CRASH_SEED` chooses another run, `SOUK_CRASH_OTHER` names another build
//! of `souk` that takes turns with this one.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "crash/cycles.rs"]
mod cycles;
#[path = "crash/disk.rs"]
mod disk;
#[path = "crash/office.rs"]
mod office;
#[path = "crash/oracle.rs"]
mod oracle;
#[path = "crash/process.rs"]
mod process;
#[path = "crash/reports.rs"]
mod reports;
#[path = "crash/trader.rs"]
mod trader;

#[path = "support/mod.rs"]
mod support;

use cycles::{Clients, Counts, run_life};
use process::{How, Place};

/// Kills in one data directory, before the next begins with an empty one.
const CYCLES_OF_A_LIFE: u64 = 10;

#[test]
fn killed_at_any_moment_it_loses_nothing_and_does_nothing_twice() {
    let number = |name: &str, default: u64| {
        let value = std::env::var(name).ok();
        value.map_or(default, |value| value.parse().unwrap())
    };
    let (cycles, seed) = (
        number("SOUK_CRASH_CYCLES", 50),
        number("SOUK_CRASH_SEED", 1),
    );
    println!("SOUK_CRASH_CYCLES={cycles} SOUK_CRASH_SEED={seed}");
    let (mut counts, mut life) = (Counts::default(), 0);
    while counts.cycles < cycles {
        life += 1;
        let of_life = CYCLES_OF_A_LIFE.min(cycles - counts.cycles);
        let name = format!("life-{seed}-{life}");
        let place = match life % 4 {
            1 => Place::with_snapshots(&name, true),
            3 => Place::with_snapshots(&name, false),
            _ => Place::new(&name),
        };
        run_life(
            &place,
            seed.wrapping_mul(1_000_003) + life,
            of_life,
            &mut counts,
        );
        place.remove();
        println!("{counts}");
    }
    assert!(counts.acknowledged > 0 && counts.unanswered > 0 && counts.in_recovery > 0);
    assert!(counts.snapshots > 0 && counts.from_snapshots > 0 && counts.segments_removed > 0);
}

#[test]
fn a_journal_gives_the_same_state_in_every_layout() {
    let place = Place::new("layouts");
    let mut clients = Clients::new(5);
    let souk = place.start(&How::default());
    clients.load(souk, |souk| {
        std::thread::sleep(std::time::Duration::from_millis(300));
        souk.terminate()
    });
    let mut states = Vec::new();
    for (layout, matchers) in [
        ("inline", 1),
        ("threads", 1),
        ("threads", 3),
        ("threads", 2),
    ] {
        let how = How { layout, matchers };
        let log = place.start(&how).terminate();
        assert!(log.number("hashes_compared") >= 4, "{}", log.text);
        states.push(log.word("state_hash"));
    }
    assert!(
        states.iter().all(|state| *state == states[0]),
        "one state: {states:?}"
    );
    place.remove();
}
