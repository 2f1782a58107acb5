//! Names that mean something inside one process only.

/// A tenant's place in the node's table of tenants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantIndex(pub u32);

/// Under which ownership a command was applied: grows whenever a tenant gets another owner, and names one process for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Of a process that shares its tenants with no other.
    pub const ALONE: Self = Self(1);
}

/// How far a tenant's past is done again, in the logs of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Ownerships before this epoch are done to their end.
    pub epoch: Epoch,
    /// The row that comes next in the log of this epoch's ownership; 0: its first.
    pub next_row: u64,
}

impl Position {
    /// Nothing is done.
    pub const START: Self = Self {
        epoch: Epoch(0),
        next_row: 0,
    };
}
