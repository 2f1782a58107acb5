//! Money, through a running server: what orders hold and trades move, what is refused, and what
//! clients are told.
#![allow(clippy::unwrap_used)]

#[path = "support/bank.rs"]
mod bank;
#[path = "money/custody.rs"]
mod custody;
#[path = "money/life.rs"]
mod life;
#[path = "money/refusals.rs"]
mod refusals;
#[path = "money/running.rs"]
mod running;
#[path = "money/soak.rs"]
mod soak;
#[path = "money/strangers.rs"]
mod strangers;
mod support;
#[path = "money/told.rs"]
mod told;
