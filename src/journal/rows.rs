//! A node's log in a database, read back: each row is one group, and its sequence is the group's number.
//!
//! Must never: panic on what a row says, or go on behind a row that does not follow the one before.

use super::bytes::{u32_at, u64_at};
use super::entry::{BATCH_HEADER_LEN, STREAM};
use super::group::{GROUP_HEADER_LEN, read_head};
use souk_protocol::TenantId;

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// It is no group, or not a whole one.
    #[error("row {0} is damaged: it is no whole group")]
    NoGroup(u64),
    /// Its group has another number.
    #[error("row {row} has group {group}")]
    Number {
        /// The row's sequence.
        row: u64,
        /// The group's number.
        group: u64,
    },
    /// It was not written behind the row before.
    #[error("row {0} does not follow the row before it: another writer wrote one of them")]
    Broken(u64),
    /// A batch in it is not whole.
    #[error("row {0} has a batch that is not whole")]
    Batch(u64),
}

/// Reads the rows of one log in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    next: u64,
    /// The checksum of the last group; nothing before the first row that is read.
    last: Option<u64>,
}

/// A batch of a row, not decoded yet.
#[derive(Clone, Copy, Debug)]
pub struct RawBatch<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
}

impl RawBatch<'_> {
    /// Whose it is. A batch of a cluster's node is of one tenant.
    #[must_use]
    pub fn tenant(&self) -> Option<TenantId> {
        let entry = self.bytes.get(BATCH_HEADER_LEN..BATCH_HEADER_LEN + 5)?;
        (entry[0] == STREAM).then(|| TenantId(u32_at(entry, 1)))
    }

    /// Under which ownership it was applied.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        u64_at(self.bytes, 32)
    }
}

impl Rows {
    /// Begins with row `first`, whatever was before it.
    #[must_use]
    pub const fn from(first: u64) -> Self {
        Self {
            next: first,
            last: None,
        }
    }

    /// The row that comes next.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// The batches of the next row.
    ///
    /// # Errors
    /// What is wrong with it; nothing of it is to be used then.
    pub fn read<'a>(&mut self, row: &'a [u8]) -> Result<Vec<RawBatch<'a>>, RowError> {
        let number = self.next;
        let head = read_head(row).filter(|head| head.len == row.len());
        let head = head.ok_or(RowError::NoGroup(number))?;
        if head.number != number {
            return Err(RowError::Number {
                row: number,
                group: head.number,
            });
        }
        if self.last.is_some_and(|last| last != head.previous) {
            return Err(RowError::Broken(number));
        }
        let mut rest = &row[GROUP_HEADER_LEN..];
        let mut batches = Vec::with_capacity(head.batches as usize);
        for _ in 0..head.batches {
            let len = rest.get(..BATCH_HEADER_LEN).map(|head| u32_at(head, 0));
            let split = len.and_then(|len| rest.split_at_checked(len as usize));
            let (bytes, later) = split
                .filter(|(bytes, _)| bytes.len() >= BATCH_HEADER_LEN)
                .ok_or(RowError::Batch(number))?;
            batches.push(RawBatch { bytes });
            rest = later;
        }
        if !rest.is_empty() {
            return Err(RowError::Batch(number));
        }
        self.next += 1;
        self.last = Some(head.checksum);
        Ok(batches)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BatchWriter, Body, ChainEnd, StreamRecord, seal};
    use super::*;
    use crate::ids::Epoch;
    use souk_protocol::{MarketId, SessionId};

    fn row(end: ChainEnd, tenants: &[u32]) -> (Vec<u8>, ChainEnd) {
        let mut bytes = vec![0; GROUP_HEADER_LEN];
        let mut writer = BatchWriter::new(Epoch(7));
        for tenant in tenants {
            writer.add(&StreamRecord {
                tenant: TenantId(*tenant),
                market: MarketId(0),
                stream_seq: 3,
                transact_time: 9,
                session: SessionId(0),
                body: Body::StateHash(5),
            });
            bytes.extend_from_slice(writer.finish(9, 0));
        }
        let count = tenants.len() as u32;
        let checksum = seal(&mut bytes, end, count);
        (bytes, end.after(count, checksum))
    }

    #[test]
    fn rows_give_their_batches_and_tell_whose_they_are() {
        let (first, end) = row(ChainEnd::START, &[1, 2]);
        let (second, _) = row(end, &[2]);
        let mut rows = Rows::from(1);
        let whose = |batches: Vec<RawBatch<'_>>| -> Vec<_> {
            let name = |batch: &RawBatch<'_>| (batch.tenant().expect("a stream").0, batch.epoch());
            batches.iter().map(name).collect()
        };
        assert_eq!(rows.read(&first).map(whose), Ok(vec![(1, 7), (2, 7)]));
        assert_eq!(rows.read(&second).map(whose), Ok(vec![(2, 7)]));
        assert_eq!(rows.next(), 3);
        // Somebody who begins later does not know what was before.
        assert!(Rows::from(2).read(&second).is_ok());
    }

    #[test]
    fn a_row_that_does_not_follow_or_is_damaged_is_refused_and_read_no_further() {
        let (first, end) = row(ChainEnd::START, &[1, 2]);
        let (second, _) = row(end, &[2]);
        let (stranger, _) = row(ChainEnd { checksum: 4, ..end }, &[2]);
        let mut rows = Rows::from(1);
        let error = rows.read(&second).expect_err("the first comes first");
        assert_eq!(error, RowError::Number { row: 1, group: 2 });
        rows.read(&first).expect("the first");
        assert_eq!(rows.read(&stranger).err(), Some(RowError::Broken(2)));
        for at in 0..second.len() {
            for bit in 0..8 {
                let mut ill = second.clone();
                ill[at] ^= 1 << bit;
                assert!(rows.read(&ill).is_err(), "bit {bit} of byte {at}");
            }
            assert_eq!(
                rows.read(&second[..at]).err(),
                Some(RowError::NoGroup(2)),
                "cut at {at}"
            );
        }
        assert!(rows.read(&second).is_ok(), "the right one still is");
    }
}
