//! The same seeds find what is wrong on purpose: a simulation that does not find these is worth nothing.

use std::collections::BTreeMap;

use super::checks::Property;
use super::mutant::Mutant;
use super::plan::Weather;
use super::renewer::Renewer;
use super::run::{run, seeds};

/// Seeds that a mutant survives at most.
const SEEDS: u64 = 300;

/// A seed shows that the mutant breaks the property.
fn breaks(mutant: Mutant, property: Property, weather: Weather) {
    let found = seeds(SEEDS).find_map(|seed| {
        let mut outcome = run(seed, weather, Some(mutant), Renewer::Souk);
        let violation = outcome.violations.remove(&property)?;
        Some((seed, violation))
    });
    let (seed, violation) = found.unwrap_or_else(|| panic!("{mutant:?} survives: {property:?}"));
    println!("{mutant:?}, {property:?}: SEED={seed}: {violation}");
}

/// No seed shows anything else: something makes up for the mutant.
fn breaks_nothing_but(properties: &[Property], mutant: Mutant, weather: Weather) {
    for seed in seeds(SEEDS / 2) {
        let mut outcome = run(seed, weather, Some(mutant), Renewer::Souk);
        outcome
            .violations
            .retain(|property, _| !properties.contains(property));
        assert!(
            outcome.violations.is_empty(),
            "SEED={seed}: {mutant:?} breaks {:#?}",
            outcome.violations
        );
    }
}

#[test]
fn s3_a_lease_counted_from_the_answer_is_believed_by_two() {
    breaks(
        Mutant::DeadlineFromAnswer,
        Property::OneBelief,
        Weather::Any,
    );
}

#[test]
fn s3_half_a_silence_is_too_short() {
    breaks(Mutant::HalfTheSilence, Property::OneBelief, Weather::Any);
}

#[test]
fn a_silence_counted_from_the_sending_takes_leases_that_hold() {
    breaks(
        Mutant::SilenceFromSending,
        Property::Kept,
        Weather::SlowWatchers,
    );
}

#[test]
fn without_the_rule_of_the_gap_a_database_freeze_moves_something() {
    breaks(Mutant::NoGap, Property::Still, Weather::Freezes);
}

#[test]
fn a_fence_that_overlooks_a_beat_takes_a_lease_that_holds() {
    breaks(Mutant::FenceWithoutBeat, Property::Kept, Weather::Any);
}

#[test]
fn s3_a_renewal_that_overlooks_the_state_brings_the_dead_back() {
    breaks(
        Mutant::RenewalWithoutState,
        Property::OneBelief,
        Weather::Any,
    );
}

/// The seal is a row of the log, with the number that the owner's next row would have: the key refuses what the statement's
/// condition would have refused.
#[test]
fn an_append_that_overlooks_the_seal_is_refused_by_the_seals_row() {
    breaks_nothing_but(&[], Mutant::AppendWithoutSeal, Weather::Any);
}

#[test]
fn s1_a_log_that_goes_on_behind_its_end_makes_two_histories() {
    breaks(
        Mutant::AppendWithoutSealOrItsRow,
        Property::LinearHistory,
        Weather::Any,
    );
}

#[test]
fn s2_new_content_for_a_row_of_unknown_fate_is_a_lie() {
    breaks(Mutant::BlindRetry, Property::NoLie, Weather::Any);
}

#[test]
fn s4_tenants_taken_back_under_their_old_epoch_name_two_processes() {
    breaks(Mutant::ReclaimWithoutEpoch, Property::OneName, Weather::Any);
}

#[test]
fn s1_tenants_taken_back_under_their_old_epoch_lose_their_history() {
    breaks(
        Mutant::ReclaimWithoutEpoch,
        Property::LinearHistory,
        Weather::Any,
    );
}

/// A process that does not hear that it has lost its lease cannot extend it, and its log takes nothing: it does no harm. But it
/// stays, and is of no use: with a few of them nobody is left to serve.
#[test]
fn who_overlooks_his_end_can_do_nothing() {
    breaks_nothing_but(&[Property::Served], Mutant::NoExit, Weather::Any);
}

#[test]
fn who_takes_his_name_back_duels() {
    breaks(Mutant::NoExitButDuel, Property::NoDuel, Weather::Any);
}

#[test]
fn s3_a_blind_proof_of_death_lets_two_of_one_name_believe() {
    breaks(Mutant::BlindProof, Property::OneBelief, Weather::Any);
}

#[test]
fn s3_the_databases_wall_clock_takes_leases_that_hold() {
    breaks(Mutant::WallClock, Property::OneBelief, Weather::Any);
}

#[test]
fn s1_a_claim_without_a_seal_goes_on_from_a_log_without_an_end() {
    breaks(
        Mutant::ClaimWithoutSeal,
        Property::LinearHistory,
        Weather::Any,
    );
}

/// Found by this simulation in the steward: the heir of a tenant that was let go was taken for dead before the tenant was handed
/// over.
#[test]
fn s1_a_tenant_served_again_under_an_epoch_that_has_ended_loses_its_history() {
    breaks(
        Mutant::ServeAgainUnderOldEpoch,
        Property::LinearHistory,
        Weather::Any,
    );
}

/// Found by this simulation in the steward: a node registered and took its tenants back between another one's look at the nodes and
/// its look at the owners.
#[test]
fn an_owner_newer_than_what_is_known_of_its_node_is_robbed() {
    breaks(
        Mutant::NewOwnerIsDead,
        Property::Kept,
        Weather::EdgeRestarts,
    );
}

/// `SOUK_SIMULATION_SEEDS=1000 cargo test --test lease_simulation the_table -- --nocapture` prints what the documentation has.
#[test]
fn the_table_of_mutants() {
    let all = [
        (Mutant::DeadlineFromAnswer, Weather::Any),
        (Mutant::HalfTheSilence, Weather::Any),
        (Mutant::SilenceFromSending, Weather::Any),
        (Mutant::SilenceFromSending, Weather::SlowWatchers),
        (Mutant::NoGap, Weather::Any),
        (Mutant::NoGap, Weather::Freezes),
        (Mutant::FenceWithoutBeat, Weather::Any),
        (Mutant::RenewalWithoutState, Weather::Any),
        (Mutant::AppendWithoutSeal, Weather::Any),
        (Mutant::AppendWithoutSealOrItsRow, Weather::Any),
        (Mutant::BlindRetry, Weather::Any),
        (Mutant::ReclaimWithoutEpoch, Weather::Any),
        (Mutant::NoExit, Weather::Any),
        (Mutant::NoExitButDuel, Weather::Any),
        (Mutant::BlindProof, Weather::Any),
        (Mutant::WallClock, Weather::Any),
        (Mutant::ClaimWithoutSeal, Weather::Any),
        (Mutant::ServeAgainUnderOldEpoch, Weather::Any),
        (Mutant::NewOwnerIsDead, Weather::Any),
        (Mutant::NewOwnerIsDead, Weather::EdgeRestarts),
    ];
    for (mutant, weather) in all {
        let range = seeds(10);
        let count = range.end - range.start;
        let mut caught = 0;
        let mut by_property = BTreeMap::new();
        for seed in range {
            let outcome = run(seed, weather, Some(mutant), Renewer::Souk);
            caught += u64::from(!outcome.violations.is_empty());
            for property in outcome.violations.into_keys() {
                *by_property.entry(property).or_insert(0) += 1;
            }
        }
        println!("{mutant:?}, {weather:?}: {caught} of {count}: {by_property:?}");
    }
}
