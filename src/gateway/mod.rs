//! The gateway: sockets, frames, sessions, and the way from a market's name to its matcher.
//!
//! Must never: trust a message for its tenant, drop anything without an answer, or hold more
//! bytes for a connection than its bounds.

mod acceptor;
mod connection;
pub mod entrance;
mod established;
pub mod grace;
mod lists;
mod market_message;
mod refusals;
pub mod registry;
pub mod session;
mod tenant_request;
pub mod throttle;

pub use acceptor::Acceptor;
pub use connection::ConnectionBounds;
pub use grace::Gone;
