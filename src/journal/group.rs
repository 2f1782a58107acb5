//! A group: the batches that one sync makes durable, and the unit that is whole or not there.
//!
//! | at | type | what |
//! |---|---|---|
//! | 0 | 8 bytes | `SOUKGRUP` |
//! | 8 | u64 | the group's number in the journal, 1, 2, 3 ... |
//! | 16, 20 | u32, u32 | length of the group, this header included, and the same inverted |
//! | 24 | u64 | checksum of the group before; of the segment's header for the first of a journal |
//! | 32 | u64 | XXH64, seeded with the checksum before, of bytes 0 to 32 and 40 to the end |
//! | 40 | u32 | batches |
//! | 44 | u32 | zero |
//! | 48 | u64 | number of the first batch |
//! | 56 | u64 | zero |
//!
//! A group begins at a multiple of 4,096 bytes, and zero bytes fill it up to the next: no write touches a block in which
//! something durable is.

use std::hash::Hasher;

use twox_hash::XxHash64;

use super::bytes::{u32_at, u64_at};
use super::problem::Problem;
use crate::storage::BLOCK;

/// Bytes before the first batch.
pub const GROUP_HEADER_LEN: usize = 64;
/// The longest group; a group is closed at the batch with which it exceeds half of it.
pub const GROUP_LEN_MAX: usize = 64 << 20;
const MAGIC: [u8; 8] = *b"SOUKGRUP";

/// What a group says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupHead {
    /// Its number in the journal.
    pub number: u64,
    /// Its length in bytes, without what fills the last block.
    pub len: usize,
    /// The checksum of the group before.
    pub previous: u64,
    /// Its own.
    pub checksum: u64,
    /// Batches in it.
    pub batches: u32,
    /// The number of the first of them.
    pub first_batch: u64,
}

/// Where a journal goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainEnd {
    /// The number of the next group.
    pub group: u64,
    /// The number of the next batch.
    pub batch: u64,
    /// The checksum of the last group.
    pub checksum: u64,
}

impl ChainEnd {
    /// The beginning of a journal.
    pub const START: Self = Self {
        group: 1,
        batch: 1,
        checksum: 0,
    };

    /// Behind a group with this many batches and this checksum.
    #[must_use]
    pub const fn after(self, batches: u32, checksum: u64) -> Self {
        Self {
            group: self.group + 1,
            batch: self.batch + batches as u64,
            checksum,
        }
    }
}

/// Writes the header of a group whose batches are in `group` behind it. Gives its checksum.
///
/// # Panics
/// When it is longer than [`GROUP_LEN_MAX`].
pub fn seal(group: &mut [u8], end: ChainEnd, batches: u32) -> u64 {
    assert!(group.len() <= GROUP_LEN_MAX, "{} bytes", group.len());
    let len = group.len() as u32;
    group[..8].copy_from_slice(&MAGIC);
    group[8..16].copy_from_slice(&end.group.to_le_bytes());
    group[16..20].copy_from_slice(&len.to_le_bytes());
    group[20..24].copy_from_slice(&(!len).to_le_bytes());
    group[24..32].copy_from_slice(&end.checksum.to_le_bytes());
    group[40..44].copy_from_slice(&batches.to_le_bytes());
    group[44..48].fill(0);
    group[48..56].copy_from_slice(&end.batch.to_le_bytes());
    group[56..64].fill(0);
    let checksum = checksum_of(group);
    group[32..40].copy_from_slice(&checksum.to_le_bytes());
    checksum
}

/// The group that `bytes` begin with, if it is whole.
#[must_use]
pub fn read_head(bytes: &[u8]) -> Option<GroupHead> {
    let header = bytes.get(..GROUP_HEADER_LEN)?;
    let (len, inverted) = (u32_at(header, 16), u32_at(header, 20));
    let plausible = header[..8] == MAGIC
        && len == !inverted
        && (GROUP_HEADER_LEN..=GROUP_LEN_MAX).contains(&(len as usize))
        && u32_at(header, 44) == 0
        && u64_at(header, 56) == 0;
    if !plausible {
        return None;
    }
    let group = bytes.get(..len as usize)?;
    let checksum = u64_at(header, 32);
    (checksum_of(group) == checksum).then(|| GroupHead {
        number: u64_at(header, 8),
        len: len as usize,
        previous: u64_at(header, 24),
        checksum,
        batches: u32_at(header, 40),
        first_batch: u64_at(header, 48),
    })
}

/// Checks what fills the last block of a group, as far as it is there. `blocks` are the group's, which has `len` bytes and begins at
/// `at`.
pub(super) fn check_padding(blocks: &[u8], len: usize, at: u64) -> Result<(), Problem> {
    let padding = blocks.get(len..).unwrap_or_default();
    match padding.iter().position(|byte| *byte != 0) {
        Some(index) => Err(Problem::Padding {
            at: at + (len + index) as u64,
            found: padding[index],
        }),
        None => Ok(()),
    }
}

/// Bytes on disk of a group with `len` bytes: whole blocks.
#[must_use]
pub const fn blocks_of(len: usize) -> usize {
    len.next_multiple_of(BLOCK)
}

fn checksum_of(group: &[u8]) -> u64 {
    let mut hasher = XxHash64::with_seed(u64_at(group, 24));
    hasher.write(&group[..32]);
    hasher.write(&group[40..]);
    hasher.finish()
}
