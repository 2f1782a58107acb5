//! The cluster's database: the only place that speaks to it.
//!
//! Every statement has a deadline. A connection that missed one is given up, because its next answer might be the last
//! one's; and whatever was asked may have been done nevertheless.
//!
//! Must never: use a connection again after a timeout, keep a transaction open while this process thinks, or take an
//! answer that did not come for a "no".

mod connection;
mod doctor;
mod error;
mod keys;
mod leases;
mod log;
mod pack;
mod schema;
mod snapshots;
mod status;
mod tables;

pub use connection::{Class, Connection, runtime};
pub use doctor::{Finding, Gravity, examine};
pub use error::{DatabaseError, TELL_EVERY};
pub use keys::GivenKey;
pub use leases::{Claimed, Node, Ownership, Poll};
pub use log::{LogId, LogRow, LogStore, RowKind, Tenure};
pub use schema::{SCHEMA_VERSION, check_schema, migrate, missing_triggers, protect_audit};
pub use snapshots::{Position, SNAPSHOTS_KEPT, TenantSnapshot};
pub use status::{ClusterStatus, NodeStatus};
pub use tables::{DatabaseTables, LogEnd};
