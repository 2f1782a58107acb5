//! A node of a cluster: it serves the tenants that it owns, keeps those warm that it is the next for, and sends the clients of all
//! others to their owners.
//!
//! Must never: serve a tenant before its whole past was done again, or say that one may be taken over before everything taken
//! is durable.

mod keeper;
pub mod past;
mod served;
mod warm;
