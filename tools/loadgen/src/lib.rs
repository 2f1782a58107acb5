//! The honest load generator for Souk.
//!
//! Must never: depend on the server, the engine or the client library. What it measures and
//! verifies, it knows from the wire alone.

pub mod connection;
pub mod key;
pub mod replay;
