//! Runs seeds.

use std::collections::BTreeMap;
use std::ops::Range;

use super::checks::Property;
use super::database::Counts;
use super::mutant::Mutant;
use super::plan::{MS, NODES, Plan, Weather};
use super::random::Random;
use super::renewer::Renewer;
use super::world::{Samples, TENANTS, World};

#[derive(Debug)]
pub struct Outcome {
    pub violations: BTreeMap<Property, String>,
    pub counts: Counts,
    pub samples: Samples,
    pub told: usize,
}

/// The seeds of a test that runs `count` of them when nobody asks for more.
pub fn seeds(count: u64) -> Range<u64> {
    let number = |name| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().unwrap())
    };
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SOUK_SIMULATION_SEEDS").unwrap_or(count),
    }
}

pub fn run(seed: u64, weather: Weather, mutant: Option<Mutant>, renewer: Renewer) -> Outcome {
    let plan = Plan::draw(&mut Random(seed), weather);
    let mut world = World::new(seed, plan, mutant, renewer);
    world.run();
    finish(&mut world, weather);
    Outcome {
        violations: std::mem::take(&mut world.checks.violations),
        counts: world.database.counts,
        samples: world.samples,
        told: world.checks.told_count(),
    }
}

/// A tenant that is served tells something so often, also while it is handed over.
const SERVED_WITHIN_MS: u64 = 500;

/// What is looked at when all is over.
fn finish(world: &mut World, weather: Weather) {
    let counts = world.database.counts;
    for tenant in TENANTS {
        let numbers = world.database.history(tenant);
        world.checks.read(tenant, &numbers);
        let told_at = world.checks.told_at_ms.get(&tenant).copied().unwrap_or(0);
        if told_at + SERVED_WITHIN_MS < world.now / MS {
            world.checks.violated(Property::Served, || {
                format!("nothing of {tenant:?} is told since {told_at} ms")
            });
        }
    }
    let causes = NODES as u64 + world.crashes + world.twins + world.pauses + counts.fences;
    // An answer to a registration may be lost: it waits for its own silence then.
    if counts.registrations > causes * 2 {
        world.checks.violated(Property::NoDuel, || {
            format!("{} registrations, {causes} causes", counts.registrations)
        });
    }
    if matches!(weather, Weather::Freezes | Weather::OneAnswer)
        && (counts.fences > 0 || counts.registrations > NODES as u64)
    {
        world
            .checks
            .violated(Property::Still, || format!("{counts:?}"));
    }
}

/// Runs seeds, and fails with the first that violates anything.
pub fn check(weather: Weather, seeds: Range<u64>) {
    let mut told = 0;
    let mut total = Counts::default();
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let outcome = run(seed, weather, None, Renewer::Souk);
        assert!(
            outcome.violations.is_empty(),
            "SEED={seed}: {:#?}\n{:#?}",
            outcome.violations,
            Plan::draw(&mut Random(seed), weather)
        );
        told += outcome.told;
        total.fences += outcome.counts.fences;
        total.claims += outcome.counts.claims;
        total.registrations += outcome.counts.registrations;
        total.handovers += outcome.counts.handovers;
        total.rows += outcome.counts.rows;
    }
    println!("{weather:?}: {count} seeds, {told} entries told, {total:?}");
    assert!(told as u64 > count * 50, "nodes have worked");
}
