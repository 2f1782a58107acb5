//! The rules of leases, without a database, a thread or a clock: how long a renewal counts, when the next one is due, when a
//! silent node may be taken for dead, what an answer means, and who comes next.
//!
//! A lease is for liveness: it lets others take over in bounded time. Nobody's safety rests on it; that is the log's seal
//! ([`crate::journal`]'s store refuses the writes of an owner that was replaced).
//!
//! Must never: count a lease from the moment of an answer, take one's own pause for somebody else's silence, or let one
//! failed renewal end the renewals.

mod deadline;
mod identity;
mod placement;
mod schedule;
mod terms;
mod watch;

pub use deadline::Deadline;
pub use identity::{
    BootId, Entry, Incarnation, NodeId, NodeRow, NodeState, Registered, Registration, Renewal,
};
pub use placement::{Candidate, ranking};
pub use schedule::{Schedule, Tick};
pub use terms::{GUARD, LeaseTerms, TermsError};
pub use watch::{Sighting, Watch};
