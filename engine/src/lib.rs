//! Souk's pure core: what a market does with each command.
//!
//! A [`Market`] takes commands and gives events; the same commands give the same events for
//! ever. `RULES.md` beside this crate is the specification that both this code and the naive
//! oracle in `tests/` were written from.
//!
//! Must never: read a clock, open anything, start a thread, use randomness or floats, iterate in
//! an undefined order, or panic because of what a client sent.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

mod accounts;
mod balance;
mod cancel;
mod chunks;
mod command;
mod event;
mod far_levels;
mod hash;
mod hash_index;
mod holds;
mod invariants;
mod level;
mod market;
mod matching;
mod money;
mod new_order;
mod open_orders;
mod orders;
mod prefetch;
mod replace;
mod settlement;
mod side_book;
mod spec;
mod state_bytes;
mod state_source;
mod taker;
#[cfg(test)]
mod tests;
mod touched_levels;
mod window;

pub use balance::*;
pub use command::*;
pub use event::*;
pub use market::Market;
pub use money::*;
pub use settlement::*;
pub use spec::*;
pub use state_source::{GivesBytes, StateError, TakesBytes, TooFewBytes};
