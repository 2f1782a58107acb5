//! Reads a journal while it is written, group by group, as far as it is durable.
//!
//! Unlike [`Reader`](super::Reader), which has to find out where a journal ends, this one is told: what should be durable and is
//! not whole is damage.
//!
//! Must never: give a group that is not durable, or pass over one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bytes::u32_at;
use super::decode::{BatchHead, read_batch};
use super::group::{
    ChainEnd, GROUP_HEADER_LEN, GROUP_LEN_MAX, GroupHead, blocks_of, check_padding, read_head,
};
use super::problem::{Problem, ReadError};
use super::record::{Damage, StreamRecord};
use super::segment::{self, Beginning};
use crate::storage::{BLOCK, Disk, DiskFile};

/// Follows a journal.
#[derive(Debug)]
pub struct Tail {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    cluster_id: u64,
    segment: u64,
    file: Box<dyn DiskFile>,
    /// Where the next group begins.
    at: u64,
    chain: ChainEnd,
    group: Vec<u8>,
    batch_at: usize,
    batches_left: u32,
}

/// What comes next in a journal.
#[derive(Clone, Copy, Debug)]
pub enum Next {
    /// A batch.
    Batch(BatchHead),
    /// A segment begins: everything before it has been read.
    Segment,
    /// Nothing that is durable.
    Nothing,
}

impl Tail {
    /// Follows the journal in `folder` from the beginning of `segment` on, where the journal stands at `start`.
    ///
    /// # Errors
    /// When there is no such segment.
    pub fn begin(
        disk: Arc<dyn Disk>,
        folder: &Path,
        cluster_id: u64,
        segment: u64,
        start: ChainEnd,
    ) -> Result<Self, ReadError> {
        let path = segment::path(folder, segment);
        let file = disk.open_to_read(&path).map_err(|error| ReadError {
            file: path,
            offset: 0,
            group: start.group,
            after_record: None,
            problem: error.into(),
        })?;
        Ok(Self {
            disk,
            folder: folder.to_owned(),
            cluster_id,
            segment,
            file,
            at: BLOCK as u64,
            chain: start,
            group: Vec::new(),
            batch_at: 0,
            batches_left: 0,
        })
    }

    /// Where it stands: the next batch is `chain.batch` of segment [`Self::segment`].
    #[must_use]
    pub const fn chain(&self) -> ChainEnd {
        self.chain
    }

    /// The segment that is read.
    #[must_use]
    pub const fn segment(&self) -> u64 {
        self.segment
    }

    /// What comes next, if that is before batch `durable_until`; the records of a batch are added to `records`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn next(
        &mut self,
        durable_until: u64,
        records: &mut Vec<StreamRecord>,
    ) -> Result<Next, ReadError> {
        self.advance(durable_until, records)
            .map_err(|problem| ReadError {
                file: segment::path(&self.folder, self.segment),
                offset: self.at,
                group: self.chain.group,
                after_record: None,
                problem,
            })
    }

    fn advance(
        &mut self,
        durable_until: u64,
        records: &mut Vec<StreamRecord>,
    ) -> Result<Next, Problem> {
        if self.batches_left == 0 {
            if self.chain.batch >= durable_until {
                return Ok(Next::Nothing);
            }
            match self.read_group()? {
                Some(head) => {
                    self.at += blocks_of(head.len) as u64;
                    self.chain.group += 1;
                    self.chain.checksum = head.checksum;
                    (self.batch_at, self.batches_left) = (GROUP_HEADER_LEN, head.batches);
                }
                None => return self.next_segment().map(|()| Next::Segment),
            }
        }
        let head = read_batch(&self.group[self.batch_at..], records)?;
        if head.number != self.chain.batch {
            return Err(Problem::BatchNumber {
                found: head.number,
                expected: self.chain.batch,
            });
        }
        self.batch_at += head.len;
        self.batches_left -= 1;
        self.chain.batch += 1;
        if self.batches_left == 0 && self.batch_at != self.group.len() {
            return Err(Damage::Short(self.group.len() - self.batch_at).into());
        }
        Ok(Next::Batch(head))
    }

    /// The group at [`Self::at`] of the segment, if it is the next one.
    fn read_group(&mut self) -> Result<Option<GroupHead>, Problem> {
        self.group.resize(BLOCK, 0);
        let read = self.file.read_at(&mut self.group, self.at)?;
        if read < GROUP_HEADER_LEN {
            return Ok(None);
        }
        let len = (u32_at(&self.group, 16) as usize).clamp(GROUP_HEADER_LEN, GROUP_LEN_MAX);
        self.group.resize(blocks_of(len), 0);
        let at = self.at + read as u64;
        let rest = self.file.read_at(&mut self.group[read..], at)?;
        self.group.truncate(read + rest);
        let head = read_head(&self.group).filter(|head| {
            head.number == self.chain.group
                && head.previous == self.chain.checksum
                && head.first_batch == self.chain.batch
        });
        if head.is_some() {
            check_padding(&self.group, len, self.at)?;
            self.group.truncate(len);
        }
        Ok(head)
    }

    /// Goes on with the next segment, which must be there: something durable is in it.
    fn next_segment(&mut self) -> Result<(), Problem> {
        let number = self.segment + 1;
        let wrong = |found, cluster| Problem::WrongSegment {
            found,
            cluster,
            expected: number,
            own: self.cluster_id,
        };
        let head = match segment::head(self.disk.as_ref(), &self.folder, number)? {
            Beginning::Head(head) => head,
            Beginning::Version(version) => return Err(Problem::Version(version)),
            Beginning::Unused | Beginning::Damaged => return Err(Problem::SegmentHeader),
        };
        if head.number != number || head.cluster_id != self.cluster_id {
            return Err(wrong(head.number, head.cluster_id));
        }
        if head.start != self.chain {
            return Err(Problem::Gap {
                found: head.start.group,
                expected: self.chain.group,
            });
        }
        self.file = self
            .disk
            .open_to_read(&segment::path(&self.folder, number))?;
        (self.segment, self.at) = (number, BLOCK as u64);
        Ok(())
    }
}
