//! Beat the anchor: how much of the time a lease is held, by Souk's renewals and by those of others, in the same runs.

use super::plan::Weather;
use super::renewer::Renewer;
use super::run::{run, seeds};

/// Per million: of all moments of all nodes, those at which the node's lease holds.
fn share(renewer: Renewer, count: u64) -> u64 {
    let (mut held, mut taken) = (0, 0);
    for seed in seeds(count) {
        let outcome = run(seed, Weather::Hiccups, None, renewer);
        held += outcome.samples.held;
        taken += outcome.samples.taken;
    }
    held * 1_000_000 / taken
}

/// `SOUK_SIMULATION_SEEDS=1000 cargo test --test lease_simulation hiccups_leave -- --nocapture` prints what the documentation has.
#[test]
fn hiccups_leave_more_of_a_lease_than_to_others() {
    let count = 40;
    let of = |what, renewer| {
        let share = share(renewer, count);
        let (percent, rest) = (share / 10_000, share % 10_000 / 100);
        println!("{percent:3}.{rest:02} % of the time: {what}");
        share
    };
    let souk = of("Souk: a fixed rate, two connections", Renewer::Souk);
    let others = [
        of(
            "the next from the success of the last, a third of the lease after it (Redisson up to 3.43)",
            Renewer::AfterSuccess { part: 3, tries: 1 },
        ),
        of(
            "the same, each tried four times",
            Renewer::AfterSuccess { part: 3, tries: 4 },
        ),
        of(
            "the same, as often as Souk, each tried once",
            Renewer::AfterSuccess { part: 10, tries: 1 },
        ),
        of(
            "a fixed rate of two in a lease, until one fails (ShedLock's keeper alive)",
            Renewer::UntilFailure { part: 2 },
        ),
        of(
            "the same, as often as Souk",
            Renewer::UntilFailure { part: 10 },
        ),
    ];
    for other in others {
        assert!(souk > other, "{souk} of a million, against {other}");
    }
}
