//! What a recovery tells.

use crate::journal::JournalEnd;

/// How far a recovery has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records done again.
    pub records: u64,
    /// Segments read, the one under way included.
    pub segments_read: usize,
    /// All segments; 0 before the first of them, while a snapshot is loaded.
    pub segments: usize,
}

/// What a node was made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records done again, those of new tenants included.
    pub records: u64,
    /// Batches they were in.
    pub batches: u64,
    /// Tenants that are new.
    pub founded: u32,
    /// Streams there are now.
    pub open_streams: usize,
    /// Recorded state hashes that were found again.
    pub hashes_compared: u64,
    /// One hash of the state of all streams, and of all balances.
    pub state_hash: u64,
    /// The snapshot it began with, by the first segment that is not in it.
    pub snapshot: Option<u64>,
    /// Where the journal ended; nothing without one.
    pub end: Option<JournalEnd>,
}
