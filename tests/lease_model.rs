//! The lease protocol as a state machine.
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

use model::*;
use state::*;
use stateright::{Checker, Model};
use std::time::Instant;

fn env(name: &str, or: u8) -> u8 {
    std::env::var(name).map_or(or, |v| v.parse().unwrap())
}

#[test]
fn probe() {
    let bounds = Bounds {
        budget: Budget {
            unanswered: env("U", 1),
            ends: env("E", 0),
            fences: env("F", 1),
            registrations: env("R", 1),
            beats: env("B", 1),
            batches: env("A", 1),
        },
        epochs: env("K", 2),
        timed: env("T", 0) == 1,
        owners: if env("O", 1) == 1 {
            &[[0, 0]]
        } else {
            &[[0, 0], [0, 1]]
        },
    };
    let start = Instant::now();
    let checker = LeaseModel {
        mutant: None,
        bounds,
    }
    .checker()
    .threads(2)
    .target_state_count(60_000_000)
    .spawn_dfs()
    .join();
    println!(
        "{} unique, {} generated, depth {}, {:?}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        start.elapsed()
    );
    for (name, path) in checker.discoveries() {
        println!("{name}: {:?}", path.into_actions().len());
    }
}
