//! What a journal is made of.

use std::collections::BTreeMap;
use std::fmt;

use super::read;
use crate::ids::Epoch;
use crate::journal::{BATCH_HEADER_LEN, BatchWriter, Body, ReadError, StreamRecord};
use crate::recovery::DataDirectory;
use souk_engine::Command;

/// What a journal is made of.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Records and their bytes, by kind.
    kinds: BTreeMap<&'static str, (u64, u64)>,
    /// Records of each batch.
    batch_records: Sizes,
    /// Bytes of each batch.
    batch_bytes: Sizes,
    groups: u64,
    begun: u64,
    ended: u64,
}

/// Counts of powers of two.
#[derive(Clone, Copy, Debug, Default)]
struct Sizes {
    /// Of batches, which are below 4 GiB.
    counts: [u64; 32],
    sum: u64,
    max: u64,
}

impl Sizes {
    fn add(&mut self, size: u64) {
        let power = 64 - size.leading_zeros() as usize;
        self.counts[power.min(31)] += 1;
        self.sum += size;
        self.max = self.max.max(size);
    }

    fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The power of two that this part of all sizes is below.
    fn below(&self, percent: u64) -> u64 {
        let wanted = self.count() * percent / 100;
        let mut seen = 0;
        for (power, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen > wanted {
                return (1 << power).min(self.max);
            }
        }
        self.max
    }
}

/// Reads a journal to its end and counts.
///
/// # Errors
/// What is wrong with it, and where.
pub fn statistics(data: &DataDirectory) -> Result<Statistics, ReadError> {
    let mut statistics = Statistics::default();
    let mut writer = BatchWriter::new(Epoch::ALONE);
    let reader = read(data, |head, records| {
        statistics.batch_records.add(records.len() as u64);
        statistics.batch_bytes.add(head.len as u64);
        if head.transact_time > 0 {
            statistics.ended = head.transact_time;
            if statistics.begun == 0 {
                statistics.begun = head.transact_time;
            }
        }
        let mut before = BATCH_HEADER_LEN as u64;
        for record in records {
            writer.add(record);
            let bytes = writer.len() as u64;
            let kind = statistics.kinds.entry(kind_of(record)).or_default();
            kind.0 += 1;
            kind.1 += bytes - before;
            before = bytes;
        }
        writer.finish(0, 0);
        Ok(())
    })?;
    statistics.groups = reader.groups();
    Ok(statistics)
}

fn kind_of(record: &StreamRecord) -> &'static str {
    match &record.body {
        Body::Command { numbered, .. } => match numbered.command {
            Command::New(_) => "new order",
            Command::Cancel(_) => "cancel",
            Command::Replace(_) => "replace",
            Command::MassCancel(_) => "mass cancel",
            _ => "status",
        },
        Body::Change { .. } => "change of a market",
        Body::Control { .. } => "control",
        Body::SessionOpened(_) => "session opened",
        Body::SessionCanceled { .. } => "session canceled",
        Body::Tenant { .. } => "tenant",
        Body::StateHash(_) => "state hash",
        Body::Balances(_) => "balances",
        Body::End { .. } => "end",
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<20} {:>12} {:>14} {:>12}",
            "kind", "records", "bytes", "bytes each"
        )?;
        for (kind, (records, bytes)) in &self.kinds {
            let tenths = bytes * 10 / records;
            writeln!(
                f,
                "{kind:<20} {records:>12} {bytes:>14} {:>10}.{}",
                tenths / 10,
                tenths % 10
            )?;
        }
        let batches = self.batch_records.count().max(1);
        writeln!(
            f,
            "{} batches of {} records on average, half below {}, 99 % below {}, at most {}",
            self.batch_records.count(),
            self.batch_records.sum / batches,
            self.batch_records.below(50),
            self.batch_records.below(99),
            self.batch_records.max
        )?;
        writeln!(
            f,
            "{} bytes in all, {} a batch on average, at most {}",
            self.batch_bytes.sum,
            self.batch_bytes.sum / batches,
            self.batch_bytes.max
        )?;
        let seconds = (self.ended.saturating_sub(self.begun) / 1_000_000_000).max(1);
        writeln!(
            f,
            "{} groups, {} a second over {seconds} s, {} records each on average",
            self.groups,
            self.groups / seconds,
            self.batch_records.sum / self.groups.max(1)
        )
    }
}
