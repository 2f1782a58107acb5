//! What the benches share: streams, the totals they must reach, how Souk is driven, and clocks.
#![allow(dead_code, reason = "each bench uses a part of it")]

pub mod calibrated;
pub mod clock;
pub mod made_up;
pub mod random;
pub mod reference;
pub mod souk;
pub mod stream;
pub mod workload;
