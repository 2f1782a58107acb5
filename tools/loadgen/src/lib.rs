//! The honest load generator for Souk.
//!
//! Must never: depend on the server, the engine or the client library. What it measures and
//! verifies, it knows from the wire alone.

#[cfg(test)]
mod broken_streams;
pub mod connection;
pub mod driver;
pub mod echo;
pub mod facts;
pub mod funding;
mod inbound;
pub mod journal;
pub mod key;
pub mod lane;
pub mod limit;
pub mod load;
mod making;
pub mod model;
pub mod money;
pub mod neighbours;
pub mod orders;
pub mod output;
mod own_server;
mod owner;
pub mod profile;
pub mod replay;
pub mod report;
mod reports;
pub mod rng;
pub mod schedule;
mod sending;
pub mod session;
pub mod stats;
pub mod stream;
#[cfg(test)]
mod testing;
pub mod turns;
pub mod venue;
pub mod verify;
pub mod wire;
