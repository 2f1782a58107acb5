//! Segment files: zeroed before they are used, so that a sync has nothing to do but the data.
//!
//! `NNNNNNNNNN.journal`, numbered without a gap. Its first 4,096 bytes are the header, all zero until the segment is used:
//!
//! | at | type | what |
//! |---|---|---|
//! | 0 | 8 bytes | `SOUKJRNL` |
//! | 8, 12 | u32, u32 | version of the layout, 2; zero |
//! | 16 | u64 | cluster id |
//! | 24 | u64 | the segment's number |
//! | 32 | u64 | number of its first group |
//! | 40 | u64 | number of its first batch |
//! | 48 | u64 | checksum of the group before it |
//! | 56 | u64 | when it was begun, nanoseconds since 1970-01-01 UTC |
//! | 64 | u64 | XXH64 (seed 0) of the 64 bytes before |

use std::io;
use std::path::{Path, PathBuf};

use twox_hash::XxHash64;

use super::bytes::{u32_at, u64_at};
use super::group::ChainEnd;
use crate::storage::{AlignedBuffer, BLOCK, CommitStrategy, Disk, DiskFile};

/// The version of the layout.
pub const VERSION: u32 = 2;
const MAGIC: [u8; 8] = *b"SOUKJRNL";
const HEADER_LEN: usize = 72;
const SUFFIX: &str = ".journal";
/// Bytes zeroed in one write.
const ZERO_BYTES: usize = 1 << 20;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHead {
    /// The cluster of the node.
    pub cluster_id: u64,
    /// The segment's number.
    pub number: u64,
    /// Where the journal stood when it began.
    pub start: ChainEnd,
    /// When it was begun, nanoseconds since 1970-01-01 UTC.
    pub begun: u64,
}

/// How a segment begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Made, and not used yet.
    Unused,
    /// With a header.
    Head(SegmentHead),
    /// Of another version.
    Version(u32),
    /// With bytes that are no header.
    Damaged,
}

impl SegmentHead {
    /// Its bytes.
    pub fn write(&self, block: &mut [u8]) {
        block[..8].copy_from_slice(&MAGIC);
        block[8..12].copy_from_slice(&VERSION.to_le_bytes());
        block[12..16].fill(0);
        let numbers = [
            self.cluster_id,
            self.number,
            self.start.group,
            self.start.batch,
            self.start.checksum,
            self.begun,
        ];
        for (index, number) in numbers.into_iter().enumerate() {
            block[16 + index * 8..][..8].copy_from_slice(&number.to_le_bytes());
        }
        let checksum = XxHash64::oneshot(0, &block[..64]);
        block[64..HEADER_LEN].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Reads the header that a segment's bytes begin with.
#[must_use]
pub fn beginning(bytes: &[u8]) -> Beginning {
    let Some(block) = bytes.get(..BLOCK) else {
        return if bytes.iter().all(|byte| *byte == 0) {
            Beginning::Unused
        } else {
            Beginning::Damaged
        };
    };
    if block.iter().all(|byte| *byte == 0) {
        return Beginning::Unused;
    }
    let rest_is_zero = block[HEADER_LEN..].iter().all(|byte| *byte == 0);
    let good = block[..8] == MAGIC && XxHash64::oneshot(0, &block[..64]) == u64_at(block, 64);
    if !good || !rest_is_zero {
        return Beginning::Damaged;
    }
    if u32_at(block, 8) != VERSION {
        return Beginning::Version(u32_at(block, 8));
    }
    Beginning::Head(SegmentHead {
        cluster_id: u64_at(block, 16),
        number: u64_at(block, 24),
        start: ChainEnd {
            group: u64_at(block, 32),
            batch: u64_at(block, 40),
            checksum: u64_at(block, 48),
        },
        begun: u64_at(block, 56),
    })
}

/// The file of a segment.
#[must_use]
pub fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}{SUFFIX}"))
}

/// The numbers of the segments in a folder, sorted. Other files are left alone.
///
/// # Errors
/// What the system says.
pub fn numbers(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<u64>> {
    let names = disk.list(folder)?;
    let number = |name: &String| name.strip_suffix(SUFFIX)?.parse().ok();
    let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes a segment of `len` zero bytes, durable, and opens it to be written.
///
/// # Errors
/// What the system says.
pub fn make(
    disk: &dyn Disk,
    folder: &Path,
    number: u64,
    len: u64,
    strategy: CommitStrategy,
) -> io::Result<Box<dyn DiskFile>> {
    let path = path(folder, number);
    let mut file = disk.create(&path, CommitStrategy::Fdatasync)?;
    let mut zeros = AlignedBuffer::default();
    zeros.reset(ZERO_BYTES);
    let mut at = 0;
    while at < len {
        let count = (len - at).min(ZERO_BYTES as u64);
        file.write_at(&zeros.bytes()[..count as usize], at)?;
        at += count;
    }
    file.sync()?;
    drop(file);
    disk.sync_folder(folder)?;
    disk.open(&path, strategy)
}

/// How a segment begins.
///
/// # Errors
/// What the system says.
pub fn head(disk: &dyn Disk, folder: &Path, number: u64) -> io::Result<Beginning> {
    let file = disk.open_to_read(&path(folder, number))?;
    let mut block = vec![0; BLOCK];
    let read = file.read_at(&mut block, 0)?;
    block.truncate(read);
    Ok(beginning(&block))
}

/// All bytes of a segment.
///
/// # Errors
/// What the system says.
pub fn read(disk: &dyn Disk, folder: &Path, number: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_into(disk, folder, number, &mut bytes)?;
    Ok(bytes)
}

/// [`read`], in place of what is in `bytes`: memory that was used before costs less than new memory.
///
/// # Errors
/// What the system says.
pub fn read_into(
    disk: &dyn Disk,
    folder: &Path,
    number: u64,
    bytes: &mut Vec<u8>,
) -> io::Result<()> {
    let file = disk.open_to_read(&path(folder, number))?;
    let len = usize::try_from(file.length()?).map_err(io::Error::other)?;
    if bytes.is_empty() {
        // Zeroed by the system, as it is used.
        *bytes = vec![0; len];
    } else {
        bytes.resize(len, 0);
    }
    let read = file.read_at(bytes, 0)?;
    bytes.truncate(read);
    Ok(())
}
