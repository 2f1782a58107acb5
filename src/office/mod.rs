//! The office: what people see and do. An HTTP API for each tenant's back office and for the trading page, the pages themselves,
//! and live data over WebSockets, on threads of its own at a low priority.
//!
//! What changes something goes to the engine through the gateway, as from any client (`desk`), after an entry in the audit log is
//! on disk; what is asked for comes from the history and from the market data of committed events.
//!
//! Must never: answer for one tenant with what belongs to another, or for a role with what it may not; do what is not in
//! the audit log; keep a password, a token or a private key as it is.

pub mod access;
mod admission;
mod answers;
mod attempts;
mod csv;
mod desk;
mod error;
mod keys;
mod live;
mod node;
mod pages;
pub mod people;
mod requests;
mod routes;
pub mod secrets;
mod start;
mod state;
pub mod store;

pub use keys::AdmitError;
pub use keys::{OwnKeys, admit};
pub use people::{PeopleError, set_user};
pub use routes::{ROUTES, Route, openapi};
pub use start::{Office, StartError};
