//! `souk journal verify|dump|stat`: reads a data directory, also while its node runs, and prints what is there.
//!
//! Must never: write to a data directory.

mod stat;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

use souk_protocol::{MarketId, TenantId};

use crate::journal::{BatchHead, Body, JournalEnd, ReadError, Reader, StreamRecord};
use crate::recovery::DataDirectory;

pub use stat::{Statistics, statistics};

/// Why nothing more is printed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The journal cannot be read, or is damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What is printed cannot be written.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// Which records are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Of this tenant only.
    pub tenant: Option<TenantId>,
    /// Of this market only; 0 is the control stream.
    pub market: Option<MarketId>,
    /// From this number of each stream on.
    pub from: u64,
}

impl Wanted {
    fn is(&self, record: &StreamRecord) -> bool {
        self.tenant.is_none_or(|tenant| tenant == record.tenant)
            && self.market.is_none_or(|market| market == record.market)
            && record.stream_seq >= self.from
    }
}

/// What a whole journal holds.
#[derive(Clone, Debug)]
pub struct Contents {
    /// Groups that were read.
    pub groups: u64,
    /// Batches in them.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// The last number of each stream.
    pub streams: BTreeMap<(TenantId, MarketId), u64>,
    /// Where it ends.
    pub end: JournalEnd,
}

/// Reads a journal to its end.
///
/// # Errors
/// What is wrong with it, and where.
pub fn verify(data: &DataDirectory) -> Result<Contents, ReadError> {
    let (mut batches, mut count) = (0, 0);
    let mut streams = BTreeMap::new();
    let reader = read(data, |_, records| {
        batches += 1;
        count += records.len() as u64;
        for record in records {
            streams.insert((record.tenant, record.market), record.stream_seq);
        }
        Ok(())
    })?;
    Ok(Contents {
        groups: reader.groups(),
        batches,
        records: count,
        // The ends of nodes are of no tenant.
        streams: streams
            .into_iter()
            .filter(|((tenant, _), _)| tenant.0 != 0)
            .collect(),
        end: reader.end(),
    })
}

/// Prints each record that is wanted on a line of its own.
///
/// # Errors
/// What is wrong with the journal, or with the output.
pub fn dump(
    data: &DataDirectory,
    wanted: Wanted,
    out: &mut impl Write,
) -> Result<(), InspectError> {
    let mut printed = Ok(());
    read(data, |head, records| {
        for record in records.iter().filter(|record| wanted.is(record)) {
            if printed.is_ok() {
                printed = writeln!(out, "{}", Line { head, record });
            }
        }
        Ok(())
    })?;
    Ok(printed?)
}

/// Reads all batches of a journal, from its oldest segment on. Gives the reader at its end.
fn read(
    data: &DataDirectory,
    mut each: impl FnMut(&BatchHead, &[StreamRecord]) -> Result<(), ReadError>,
) -> Result<Reader, ReadError> {
    let mut reader = data.oldest_reader()?;
    let mut records = Vec::new();
    while let Some(head) = reader.next_batch(&mut records)? {
        each(&head, &records)?;
        records.clear();
    }
    Ok(reader)
}

/// A record for people.
struct Line<'a> {
    head: &'a BatchHead,
    record: &'a StreamRecord,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.record;
        write!(
            f,
            "batch {} time {} tenant {} market {} seq {}",
            self.head.number, record.transact_time, record.tenant, record.market, record.stream_seq
        )?;
        if record.session.0 != 0 {
            write!(f, " session {}", record.session)?;
        }
        match &record.body {
            Body::Command {
                numbered, refused, ..
            } => {
                write!(f, " client_seq {}", numbered.client_seq)?;
                if numbered.batch.index > 0 || !numbered.batch.last {
                    write!(f, " entry {}", numbered.batch.index)?;
                }
                match refused {
                    Some(reason) => write!(f, " refused {}:", reason.name())?,
                    None => write!(f, " done:")?,
                }
                write!(f, " {:?}", numbered.command)
            }
            body => write!(f, " {body:?}"),
        }
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((tenant, market), seq) in &self.streams {
            let stream = if market.0 == 0 {
                "control".to_owned()
            } else {
                format!("market {market}")
            };
            writeln!(f, "tenant {tenant} {stream}: up to stream_seq {seq}")?;
        }
        writeln!(
            f,
            "{} groups, {} batches, {} records, cluster {}; ends in segment {}",
            self.groups,
            self.batches,
            self.records,
            self.end.cluster_id.unwrap_or(0),
            self.end.segment
        )?;
        if let Some(torn) = self.end.torn {
            writeln!(
                f,
                "the tail is cut: at byte {} of segment {} a group was being written; nobody was told of it",
                torn.offset, torn.segment
            )?;
        }
        writeln!(f, "good")
    }
}
