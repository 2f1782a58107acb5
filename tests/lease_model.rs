//! The lease protocol as a state machine, and all of its states within bounds: nodes that renew, watch and fence each other, a
//! twin with the name of another, statements that are lost, late or done without an answer, processes that stand still, crash,
//! or do not know yet that they are dead. In every state each stream has one linear history, what has left a process is in the
//! journal, and an epoch names one owner. Protocols that lack one rule show which rule is for what.
//!
//! The test command explores small bounds. The larger ones take some minutes:
//!
//! ```sh
//! SOUK_MODEL=full cargo test --test lease_model protocol -- --nocapture --test-threads=1
//! ```
//!
//! What is modelled, what is not, and the last results: `docs/lease-model.md`.
#![allow(clippy::unwrap_used)]

#[path = "lease_model/database.rs"]
mod database;
#[path = "lease_model/model.rs"]
mod model;
#[path = "lease_model/mutant.rs"]
mod mutant;
#[path = "lease_model/possible.rs"]
mod possible;
#[path = "lease_model/process.rs"]
mod process;
#[path = "lease_model/properties.rs"]
mod properties;
#[path = "lease_model/state.rs"]
mod state;

use std::collections::BTreeSet;
use std::time::Instant;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use model::{Bounds, LeaseModel};
use mutant::Mutant;
use properties::{L5, REFUSED_TWIN, S1, S2, S3, S4};
use state::Budget;

/// Threads that explore: as many as the smallest machine of the test command has processors.
const THREADS: usize = 2;

/// One takeover, one registration, and one statement without an answer.
const TAKEOVER: Bounds = Bounds {
    budget: Budget {
        unanswered: 1,
        ends: 0,
        fences: 1,
        registrations: 1,
        beats: 1,
        batches: 1,
    },
    epochs: 2,
    timed: false,
    owners: &[[0, 0]],
};

/// Takeovers only, and more of them.
const CHAIN: Bounds = Bounds {
    budget: Budget {
        unanswered: 1,
        ends: 0,
        fences: 2,
        registrations: 0,
        beats: 0,
        batches: 1,
    },
    epochs: 2,
    timed: false,
    owners: &[[0, 0], [0, 1]],
};

/// Appends only, and more of them without an answer.
const APPENDS: Bounds = Bounds {
    budget: Budget {
        unanswered: 3,
        ends: 0,
        fences: 1,
        registrations: 0,
        beats: 0,
        batches: 3,
    },
    epochs: 1,
    timed: false,
    owners: &[[0, 1]],
};

/// Registrations: the twin, and the first process again.
const TWINS: Bounds = Bounds {
    budget: Budget {
        unanswered: 1,
        ends: 0,
        fences: 1,
        registrations: 2,
        beats: 0,
        batches: 1,
    },
    epochs: 2,
    timed: false,
    owners: &[[0, 0]],
};

/// Crashes and releases.
const ENDS: Bounds = Bounds {
    budget: Budget {
        unanswered: 0,
        ends: 1,
        fences: 1,
        registrations: 1,
        beats: 0,
        batches: 1,
    },
    epochs: 2,
    timed: false,
    owners: &[[0, 0]],
};

/// Leases with deadlines.
const CLOCK: Bounds = Bounds {
    budget: Budget {
        unanswered: 1,
        ends: 0,
        fences: 1,
        registrations: 1,
        beats: 1,
        batches: 0,
    },
    epochs: 1,
    timed: true,
    owners: &[[0, 0]],
};

/// One watcher and no registration, with deadlines.
const WATCHER: Bounds = Bounds {
    budget: Budget {
        unanswered: 2,
        registrations: 0,
        ..CLOCK.budget
    },
    ..CLOCK
};

/// With `SOUK_MODEL=full` more may happen.
fn larger(bounds: Bounds, more: Budget) -> Bounds {
    if std::env::var_os("SOUK_MODEL").is_none_or(|size| size != "full") {
        return bounds;
    }
    let less = bounds.budget;
    let budget = Budget {
        unanswered: less.unanswered + more.unanswered,
        ends: less.ends + more.ends,
        fences: less.fences + more.fences,
        registrations: less.registrations + more.registrations,
        beats: less.beats + more.beats,
        batches: less.batches + more.batches,
    };
    Bounds { budget, ..bounds }
}

const NO_MORE: Budget = Budget {
    unanswered: 0,
    ends: 0,
    fences: 0,
    registrations: 0,
    beats: 0,
    batches: 0,
};

/// Explores everything. Gives which properties are broken, and which states that should be possible were seen.
fn explore(
    name: &str,
    mutant: Option<Mutant>,
    bounds: Bounds,
) -> (BTreeSet<&'static str>, BTreeSet<&'static str>) {
    let start = Instant::now();
    let model = LeaseModel { mutant, bounds };
    let checker = model.checker().threads(THREADS).spawn_dfs().join();
    println!(
        "{name}: {} states, {} steps, depth {}, {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        start.elapsed().as_secs_f64()
    );
    let found: BTreeSet<&'static str> = checker.discoveries().into_keys().collect();
    let fails =
        |name: &&'static str| checker.model().property(name).expectation == Expectation::Always;
    found.into_iter().partition(fails)
}

/// The protocol keeps every property.
fn holds(name: &str, bounds: Bounds) -> BTreeSet<&'static str> {
    let (broken, seen) = explore(name, None, bounds);
    assert_eq!(broken, BTreeSet::new(), "the protocol keeps its properties");
    seen
}

/// The mutant breaks the property: prints how, in as few steps as are needed.
fn breaks(mutant: Mutant, property: &'static str, bounds: Bounds) {
    let start = Instant::now();
    let model = LeaseModel {
        mutant: Some(mutant),
        bounds,
    };
    let enough = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    let checker = model
        .checker()
        .threads(THREADS)
        .finish_when(enough)
        .spawn_bfs()
        .join();
    let path = checker.discovery(property);
    let path = path.unwrap_or_else(|| panic!("{mutant:?} does not break {property}"));
    let seconds = start.elapsed().as_secs_f64();
    let states = checker.unique_state_count();
    let actions = path.into_actions();
    println!(
        "{mutant:?} breaks {property}: {} steps, {states} states, {seconds:.1} s",
        actions.len()
    );
    for action in actions {
        println!("    {action:?}");
    }
}

/// Within the bounds the mutant breaks nothing but what `broken` says.
fn breaks_only(mutant: Mutant, broken: &[&'static str], bounds: Bounds) {
    let (found, _) = explore(&format!("{mutant:?}"), Some(mutant), bounds);
    assert_eq!(found, broken.iter().copied().collect(), "{mutant:?}");
}

#[test]
fn protocol_with_late_statements() {
    let more = Budget {
        batches: 1,
        ..NO_MORE
    };
    let seen = holds("late statements", larger(TAKEOVER, more));
    let possible = LeaseModel {
        mutant: None,
        bounds: TAKEOVER,
    }
    .properties();
    for property in possible {
        // Who registers where there is no clock reads and registers at once, so none is too late.
        if property.expectation == Expectation::Sometimes && property.name != REFUSED_TWIN {
            assert!(
                seen.contains(property.name),
                "never seen: {}",
                property.name
            );
        }
    }
}

#[test]
fn protocol_with_one_takeover_after_another() {
    let more = Budget {
        unanswered: 1,
        ..NO_MORE
    };
    holds("one takeover after another", larger(CHAIN, more));
}

#[test]
fn protocol_with_appends_of_unknown_outcome() {
    let more = Budget {
        unanswered: 1,
        batches: 1,
        ..NO_MORE
    };
    holds("appends of unknown outcome", larger(APPENDS, more));
}

#[test]
fn protocol_with_twins() {
    let more = Budget {
        batches: 1,
        ..NO_MORE
    };
    holds("twins", larger(TWINS, more));
}

#[test]
fn protocol_with_crashes_and_releases() {
    let more = Budget {
        unanswered: 1,
        ..NO_MORE
    };
    holds("crashes and releases", larger(ENDS, more));
}

#[test]
fn protocol_with_a_clock() {
    let more = Budget {
        beats: 1,
        ..NO_MORE
    };
    let seen = holds("a clock", larger(CLOCK, more));
    assert!(seen.contains(REFUSED_TWIN), "no twin was refused: {seen:?}");
}

#[test]
fn protocol_with_a_clock_and_late_statements() {
    let more = Budget {
        unanswered: 1,
        beats: 1,
        ..NO_MORE
    };
    holds("a clock and late statements", larger(WATCHER, more));
}

#[test]
fn an_append_needs_the_seal() {
    breaks(Mutant::AppendWithoutSeal, S1, CHAIN);
}

#[test]
fn the_seal_comes_before_the_claim() {
    breaks(Mutant::SealAfterClaim, S1, CHAIN);
}

#[test]
fn a_registration_seals_the_log_before() {
    breaks(Mutant::RegistrationWithoutSeal, S1, TWINS);
}

#[test]
fn a_reclaim_needs_a_new_epoch() {
    breaks(Mutant::ReclaimWithoutEpoch, S4, TWINS);
}

#[test]
fn a_claim_needs_a_new_epoch() {
    breaks(Mutant::ClaimWithoutEpoch, S4, CHAIN);
}

#[test]
fn a_claim_names_the_dead_owner() {
    breaks(Mutant::ClaimWithoutOwner, S1, TAKEOVER);
}

#[test]
fn an_unknown_append_is_not_followed_blindly() {
    breaks(Mutant::BlindRetry, S2, APPENDS);
}

#[test]
fn an_emission_waits_for_the_commit() {
    breaks(Mutant::EmissionBeforeCommit, S2, APPENDS);
}

#[test]
fn a_renewal_needs_a_live_node() {
    breaks(Mutant::RenewalWithoutState, S3, WATCHER);
}

/// The renewed process believes again, and what it appends finds its log sealed. That costs its clients time, not truth.
#[test]
fn a_renewal_of_a_dead_node_is_harmless_to_the_journal() {
    breaks_only(Mutant::RenewalWithoutState, &[], TAKEOVER);
}

#[test]
fn a_fence_needs_the_beat_that_was_seen() {
    breaks(Mutant::FenceWithoutBeat, S3, WATCHER);
}

/// A fence at the wrong time is still a fence: it stops a node that lives, and that one's log is sealed like any other.
#[test]
fn a_fence_without_the_beat_is_harmless_to_the_journal() {
    breaks_only(Mutant::FenceWithoutBeat, &[], TAKEOVER);
}

/// Nothing is matched twice, for each registration seals the log before it and gives new epochs. But the two processes of one
/// name take it from each other for as long as both run.
#[test]
fn a_superseded_process_that_stays_is_a_duel_and_harmless_to_the_journal() {
    breaks(Mutant::NoExitWhenSuperseded, L5, TWINS);
    let mut answered = TWINS;
    answered.budget.unanswered = 0;
    breaks_only(Mutant::NoExitWhenSuperseded, &[L5], answered);
}
