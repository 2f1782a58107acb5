//! The rules of leases in a world that one seed makes as a whole: three nodes, two tenants, a database, and everything that
//! goes wrong between them. `docs/lease-simulation.md` says what is simulated and what is not.
//!
//! `SOUK_SIMULATION_SEEDS` says how many seeds are run (default 300), `SEED` names the only one.
#![allow(clippy::unwrap_used)]

#[path = "lease_simulation/anchors.rs"]
mod anchors;
#[path = "lease_simulation/checks.rs"]
mod checks;
#[path = "lease_simulation/database.rs"]
mod database;
#[path = "lease_simulation/faults.rs"]
mod faults;
#[path = "lease_simulation/keeper.rs"]
mod keeper;
#[path = "lease_simulation/mutant.rs"]
mod mutant;
#[path = "lease_simulation/mutants.rs"]
mod mutants;
#[path = "lease_simulation/plan.rs"]
mod plan;
#[path = "lease_simulation/process.rs"]
mod process;
#[path = "lease_simulation/random.rs"]
mod random;
#[path = "lease_simulation/renewer.rs"]
mod renewer;
#[path = "lease_simulation/run.rs"]
mod run;
#[path = "lease_simulation/steward.rs"]
mod steward;
#[path = "lease_simulation/world.rs"]
mod world;

use plan::Weather;
use run::{check, seeds};

#[test]
fn whatever_fails_every_history_is_one_and_every_tenant_is_served_again() {
    check(Weather::Any, seeds(300));
}

#[test]
fn a_database_freeze_moves_nothing() {
    check(Weather::Freezes, seeds(60));
}

#[test]
fn hiccups_break_nothing() {
    check(Weather::Hiccups, seeds(60));
}

#[test]
fn one_answered_renewal_within_a_lease_keeps_it() {
    check(Weather::OneAnswer, seeds(60));
}

#[test]
fn who_watches_over_a_slow_link_takes_nothing_that_is_held() {
    check(Weather::SlowWatchers, seeds(60));
}

#[test]
fn who_is_back_when_it_is_taken_for_dead_is_not_robbed() {
    check(Weather::EdgeRestarts, seeds(60));
}
