//! Reads a journal from a segment on, group by group, and says where it ends, or what is wrong with it and where.
//!
//! A journal ends at the first group that is not whole, if nothing whole comes after it: that group was being written when
//! the process or the machine stopped, so nobody was told of it. If something whole does come after it, what is not
//! whole was once synced, and is damaged.
//!
//! The node may be running: what it writes meanwhile may be read or not, and is never taken for damage.
//!
//! Must never: take damage for an end, or panic on what a file says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use souk_protocol::{MarketId, TenantId};

use super::decode::{BatchHead, read_batch};
use super::group::{ChainEnd, GROUP_HEADER_LEN, GroupHead, blocks_of, check_padding, read_head};
use super::problem::{Problem, ReadError};
use super::record::{Damage, StreamRecord};
use super::segment::{self, Beginning, SegmentHead};
use crate::storage::{BLOCK, Disk};

/// A group that was being written when the journal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub segment: u64,
    /// Where it begins there.
    pub offset: u64,
}

/// How a journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalEnd {
    /// What comes next.
    pub chain: ChainEnd,
    /// The last segment that is in use; 0 if none is.
    pub segment: u64,
    /// The cluster, if any segment says so.
    pub cluster_id: Option<u64>,
    /// What was cut off.
    pub torn: Option<TornTail>,
}

/// Reads groups in order.
#[derive(Debug)]
pub struct Reader {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// Segments that are still to be read, the next one last.
    later: Vec<u64>,
    cluster_id: Option<u64>,
    segment: u64,
    bytes: Vec<u8>,
    at: usize,
    chain: ChainEnd,
    groups: u64,
    last: Option<(TenantId, MarketId, u64)>,
    torn: Option<TornTail>,
    ended: bool,
    /// Where something was missing, and was looked for once more.
    looked_again: Option<(u64, usize)>,
    batches: Vec<u8>,
    batch_at: usize,
    batches_left: u32,
}

impl Reader {
    /// A reader of the journal in `folder`, from its oldest segment on. `cluster_id` is checked if it is given.
    ///
    /// # Errors
    /// What is wrong with the folder.
    pub fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        cluster_id: Option<u64>,
    ) -> Result<Self, ReadError> {
        Self::open_range(disk, folder, cluster_id, None, None)
    }

    /// A reader that begins with the segment whose first group comes where `from` says, and ends before segment `until`.
    ///
    /// # Errors
    /// What is wrong with the folder; also when it has no such segment.
    pub fn open_range(
        disk: Arc<dyn Disk>,
        folder: &Path,
        cluster_id: Option<u64>,
        from: Option<(u64, ChainEnd)>,
        until: Option<u64>,
    ) -> Result<Self, ReadError> {
        let (first, chain) = from.unwrap_or((0, ChainEnd::START));
        let mut reader = Self {
            disk,
            folder: folder.to_owned(),
            later: Vec::new(),
            cluster_id,
            segment: 0,
            bytes: Vec::new(),
            at: 0,
            chain,
            groups: 0,
            last: None,
            torn: None,
            ended: false,
            looked_again: None,
            batches: Vec::new(),
            batch_at: 0,
            batches_left: 0,
        };
        let numbers = segment::numbers(reader.disk.as_ref(), folder)
            .map_err(|error| reader.error(error.into()))?;
        let range = first..until.unwrap_or(u64::MAX);
        let mut numbers: Vec<u64> = numbers.into_iter().filter(|n| range.contains(n)).collect();
        for pair in numbers.windows(2) {
            if pair[1] != pair[0] + 1 {
                let missing = Problem::MissingSegment(pair[0] + 1);
                return Err(reader.error(missing));
            }
        }
        if from.is_some() && numbers.first() != Some(&first) && !numbers.is_empty() {
            return Err(reader.error(Problem::MissingSegment(first)));
        }
        numbers.reverse();
        reader.later = numbers;
        Ok(reader)
    }

    /// Segments that are still to be read, this one not included.
    #[must_use]
    pub fn segments_left(&self) -> usize {
        self.later.len()
    }

    /// Groups read so far.
    #[must_use]
    pub const fn groups(&self) -> u64 {
        self.groups
    }

    /// The segment that is read, and the byte in it.
    #[must_use]
    pub const fn position(&self) -> (u64, u64) {
        (self.segment, self.at as u64)
    }

    /// Where the journal ends, once [`Self::next_batch`] gave nothing.
    #[must_use]
    pub const fn end(&self) -> JournalEnd {
        JournalEnd {
            chain: self.chain,
            segment: self.segment,
            cluster_id: self.cluster_id,
            torn: self.torn,
        }
    }

    /// Adds the records of the next batch to `records`; nothing at the end, wherever that is.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn next_batch(
        &mut self,
        records: &mut Vec<StreamRecord>,
    ) -> Result<Option<BatchHead>, ReadError> {
        while self.batches_left == 0 {
            let next = self.next_group().map_err(|problem| self.error(problem))?;
            let Some(head) = next else {
                return Ok(None);
            };
            self.take_group(&head)
                .map_err(|problem| self.error(problem))?;
        }
        let from = records.len();
        let head = self.batch(records).map_err(|problem| self.error(problem))?;
        if let Some(record) = records[from..].last() {
            self.last = Some((record.tenant, record.market, record.stream_seq));
        }
        Ok(Some(head))
    }

    fn batch(&mut self, records: &mut Vec<StreamRecord>) -> Result<BatchHead, Problem> {
        let head = read_batch(&self.batches[self.batch_at..], records)?;
        if head.number != self.chain.batch {
            return Err(Problem::BatchNumber {
                found: head.number,
                expected: self.chain.batch,
            });
        }
        self.batch_at += head.len;
        self.batches_left -= 1;
        self.chain.batch += 1;
        if self.batches_left == 0 && self.batch_at != self.batches.len() {
            let rest = self.batches.len() - self.batch_at;
            return Err(Damage::Short(rest).into());
        }
        Ok(head)
    }

    fn take_group(&mut self, head: &GroupHead) -> Result<(), Problem> {
        self.batches.clear();
        let end = self.at + head.len;
        let blocks = self.bytes.len().min(self.at + blocks_of(head.len));
        check_padding(&self.bytes[self.at..blocks], head.len, self.at as u64)?;
        let from = self.at + GROUP_HEADER_LEN;
        self.batches.extend_from_slice(&self.bytes[from..end]);
        self.batch_at = 0;
        self.batches_left = head.batches;
        self.at += blocks_of(head.len);
        self.chain.group += 1;
        self.chain.checksum = head.checksum;
        self.groups += 1;
        Ok(())
    }

    /// The next group, at [`Self::at`] of the segment; nothing at the end of the journal.
    fn next_group(&mut self) -> Result<Option<GroupHead>, Problem> {
        loop {
            if self.ended {
                return Ok(None);
            }
            if self.segment != 0 {
                let here = self.bytes.get(self.at..).and_then(read_head);
                if let Some(head) = here.filter(|head| self.is_next(head)) {
                    if head.first_batch != self.chain.batch {
                        return Err(Problem::BatchNumber {
                            found: head.first_batch,
                            expected: self.chain.batch,
                        });
                    }
                    return Ok(Some(head));
                }
            }
            let here = (self.segment, self.at);
            match self.go_on() {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(Problem::DamagedGroup { .. } | Problem::SegmentHeader)
                    if self.looked_again != Some(here) =>
                {
                    self.look_again(here)?;
                }
                Err(problem) => return Err(problem),
            }
        }
    }

    /// Goes on behind the last group that is here: in the next segment, or not at all.
    fn go_on(&mut self) -> Result<bool, Problem> {
        let goes_on = self.next_segment()?;
        if !goes_on {
            self.end_here()?;
        }
        Ok(goes_on)
    }

    /// Reads the segment again: beside a node that runs, what was missing has been written before what is behind it.
    fn look_again(&mut self, here: (u64, usize)) -> Result<(), Problem> {
        (self.segment, self.at) = here;
        (self.ended, self.looked_again) = (false, Some(here));
        if self.segment != 0 {
            self.bytes = segment::read(self.disk.as_ref(), &self.folder, self.segment)?;
        }
        Ok(())
    }

    const fn is_next(&self, head: &GroupHead) -> bool {
        head.number == self.chain.group && head.previous == self.chain.checksum
    }

    /// Goes on with the next segment, if it is in use.
    fn next_segment(&mut self) -> Result<bool, Problem> {
        let Some(&number) = self.later.last() else {
            return Ok(false);
        };
        let head = match segment::head(self.disk.as_ref(), &self.folder, number)? {
            Beginning::Unused => {
                // Nothing behind it may be in use.
                return self.only_unused_left().map(|()| false);
            }
            Beginning::Head(head) => head,
            // What is torn there was never synced: nothing was in use behind it.
            Beginning::Damaged if self.is_torn_beginning(number)? => return Ok(false),
            beginning => {
                (self.segment, self.at) = (number, 0);
                return Err(match beginning {
                    Beginning::Version(version) => Problem::Version(version),
                    _ => Problem::SegmentHeader,
                });
            }
        };
        self.check_segment(number, &head)?;
        self.later.pop();
        segment::read_into(self.disk.as_ref(), &self.folder, number, &mut self.bytes)?;
        (self.segment, self.at) = (number, BLOCK);
        Ok(true)
    }

    fn check_segment(&mut self, number: u64, head: &SegmentHead) -> Result<(), Problem> {
        let own = *self.cluster_id.get_or_insert(head.cluster_id);
        if head.number != number || head.cluster_id != own {
            return Err(Problem::WrongSegment {
                found: head.number,
                cluster: head.cluster_id,
                expected: number,
                own,
            });
        }
        if head.start == self.chain {
            return Ok(());
        }
        if self.segment == 0 {
            return Err(Problem::Gap {
                found: head.start.group,
                expected: self.chain.group,
            });
        }
        // The segment before has lost groups that this one follows.
        Err(Problem::DamagedGroup {
            expected: self.chain.group,
            found: head.start.group,
            segment: number,
            at: 0,
        })
    }

    /// Whether a damaged header is one that was being written: nothing whole is behind it or in a later segment.
    fn is_torn_beginning(&self, number: u64) -> Result<bool, Problem> {
        let is_last = self.later.first() == Some(&number) || {
            self.later[..self.later.len() - 1]
                .iter()
                .map(|later| self.is_unused(*later))
                .collect::<Result<Vec<_>, _>>()?
                .into_iter()
                .all(|unused| unused)
        };
        // Only the first group of a segment is written together with its header.
        let bytes = segment::read(self.disk.as_ref(), &self.folder, number)?;
        let later_group =
            whole_groups(&bytes, BLOCK).any(|(_, head)| head.number > self.chain.group);
        Ok(is_last && !later_group)
    }

    fn is_unused(&self, number: u64) -> Result<bool, Problem> {
        let beginning = segment::head(self.disk.as_ref(), &self.folder, number)?;
        Ok(beginning == Beginning::Unused)
    }

    fn only_unused_left(&self) -> Result<(), Problem> {
        for number in self.later.iter().rev().copied() {
            if !self.is_unused(number)? {
                return Err(Problem::DamagedGroup {
                    expected: self.chain.group,
                    found: self.chain.group + 1,
                    segment: number,
                    at: 0,
                });
            }
        }
        Ok(())
    }

    /// The journal ends at [`Self::at`], unless something whole comes after it.
    fn end_here(&mut self) -> Result<(), Problem> {
        self.ended = true;
        if self.at >= self.bytes.len() {
            return Ok(());
        }
        let later =
            whole_groups(&self.bytes, self.at).find(|(_, head)| head.number > self.chain.group);
        if let Some((at, head)) = later {
            return Err(Problem::DamagedGroup {
                expected: self.chain.group,
                found: head.number,
                segment: self.segment,
                at: at as u64,
            });
        }
        if self.bytes[self.at..].iter().any(|byte| *byte != 0) {
            self.torn = Some(TornTail {
                segment: self.segment,
                offset: self.at as u64,
            });
        }
        Ok(())
    }

    fn error(&self, problem: Problem) -> ReadError {
        let file = if self.segment == 0 {
            self.folder.clone()
        } else {
            segment::path(&self.folder, self.segment)
        };
        ReadError {
            file,
            offset: self.at as u64,
            group: self.chain.group,
            after_record: self.last,
            problem,
        }
    }
}

/// The whole groups at block boundaries from `from` on.
fn whole_groups(bytes: &[u8], from: usize) -> impl Iterator<Item = (usize, GroupHead)> + '_ {
    let blocks = (from.next_multiple_of(BLOCK)..bytes.len()).step_by(BLOCK);
    blocks.filter_map(|at| Some((at, read_head(&bytes[at..])?)))
}
