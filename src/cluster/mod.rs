//! A node of a cluster: it serves the tenants that it owns, keeps those warm that it is the next for, and sends the clients of all
//! others to their owners.
//!
//! Must never: serve a tenant before its whole past was done again, or say that one may be taken over before everything taken
//! is durable.

mod heart;
mod historian;
mod keeper;
mod keyring;
mod lease;
mod past;
mod people;
mod pulse;
mod registration;
mod seen;
mod served;
mod server;
mod snapshots;
mod steward;
mod tasks;
mod view;
mod warm;

pub use keeper::KeeperError;
pub use keyring::Keyring;
pub use lease::Loss;
pub use people::OfficeAccess;
pub use registration::RegistrationError;
pub use server::{ClusterError, ClusterServer};
pub use warm::WarmError;
