//! What can be wrong with a journal.

use std::io;
use std::path::PathBuf;

use souk_protocol::{MarketId, TenantId};

use super::record::Damage;
use super::segment::VERSION;

/// What is wrong with a journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The system cannot read it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The folder has no journal.
    #[error("there is no journal here")]
    NoJournal,
    /// The segment's header is damaged.
    #[error("the segment's header is damaged")]
    SegmentHeader,
    /// Another version wrote it.
    #[error("it is of version {0}; this program reads version {VERSION}")]
    Version(u32),
    /// The segment is not the one that its name says, or of another cluster.
    #[error(
        "it is segment {found} of cluster {cluster}, where segment {expected} of cluster {own} belongs"
    )]
    WrongSegment {
        /// Its number.
        found: u64,
        /// Its cluster.
        cluster: u64,
        /// The number that is expected.
        expected: u64,
        /// The cluster that is expected.
        own: u64,
    },
    /// A segment is not there, although there are later ones.
    #[error("segment {0} is missing, although there are later ones")]
    MissingSegment(u64),
    /// The segment does not begin where the one before ends.
    #[error("the segment begins with group {found}, but group {expected} comes next")]
    Gap {
        /// The group it begins with.
        found: u64,
        /// The group that comes next.
        expected: u64,
    },
    /// A group is damaged: later ones are whole.
    #[error(
        "group {expected} is damaged or missing: group {found} comes after it, at byte {at} of segment {segment}"
    )]
    DamagedGroup {
        /// The group that should be here.
        expected: u64,
        /// A whole group behind it.
        found: u64,
        /// The segment of that one.
        segment: u64,
        /// Its place there.
        at: u64,
    },
    /// What fills the last block of a group is not zero.
    #[error("byte {at}, behind the end of the group in its last block, is {found:#04x}, must be 0")]
    Padding {
        /// Its place.
        at: u64,
        /// What stands there.
        found: u8,
    },
    /// A group's bytes are good, what they say is not.
    #[error("{0}")]
    Damage(#[from] Damage),
    /// A batch has another number than it should.
    #[error("it has batch {found}, but batch {expected} comes next")]
    BatchNumber {
        /// Its number.
        found: u64,
        /// What comes next.
        expected: u64,
    },
}

/// What is wrong with a journal, and where.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: byte {offset}, group {group} ({}): {problem}\nremedy: keep the files; restore the data directory from a copy, or start with another one",
    file.display(), after(*after_record)
)]
pub struct ReadError {
    /// The segment, or the folder.
    pub file: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// The group that is expected there.
    pub group: u64,
    /// The last good record: tenant, market and number in its stream.
    pub after_record: Option<(TenantId, MarketId, u64)>,
    /// What is wrong.
    pub problem: Problem,
}

fn after(record: Option<(TenantId, MarketId, u64)>) -> String {
    match record {
        Some((tenant, market, seq)) => {
            format!("after tenant {tenant}, market {market}, stream_seq {seq}")
        }
        None => "nothing before it".to_owned(),
    }
}
