//! `souk audit`: recomputes every balance and hold of a journal from its streams, and compares.
//!
//! It replays the pure parts of the engine (control streams, markets, settlement) into a plain
//! ledger of its own. In which order streams stand in it is the same to it.
//!
//! Must never: use the ledger of the running node, panic on what a file says, or call a file sound of
//! which it did not read everything.

mod difference;
mod ledger;
mod market;
mod report;
mod start;
mod tenant;

use std::collections::BTreeMap;
use std::sync::Arc;

use souk_protocol::TenantId;

use crate::journal::{Body, ReadError, Reader, StreamRecord, segment};
use crate::recovery::{DataDirectory, RecoveryError, SnapshotHead};
use difference::{Findings, Place};
use tenant::TenantReplay;

pub use difference::{Difference, Money, Quantity};
pub use report::{CurrencySum, Report, StreamCount};

/// Why there is nothing to report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The journal cannot be read, or is damaged anywhere but at its tail.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The snapshot that it begins with cannot be read.
    #[error(transparent)]
    Snapshot(#[from] RecoveryError),
}

/// Audits the journal of a data directory: all of it, or, if its first segments are gone, what comes behind the oldest snapshot.
///
/// # Errors
/// When something cannot be read, or is damaged.
pub fn audit(data: &DataDirectory) -> Result<Report, AuditError> {
    let mut audit = Audit::default();
    let start = start(data)?;
    if let Some(head) = &start {
        let (_, mut source) = data.open_snapshot(head.segment)?;
        let read = audit.read_state(&mut source);
        read.and_then(|()| source.finish())
            .map_err(RecoveryError::from)?;
    }
    let disk = Arc::clone(data.disk());
    let from = start.map(|head| (head.segment, head.start));
    let cluster_id = start.map(|head| head.cluster_id);
    let mut reader = Reader::open_range(disk, &data.journal, cluster_id, from, None)?;
    // What does not add up already is not replayed: all that follows from it would be wrong.
    if audit.findings.count == 0 {
        audit.read(&mut reader)?;
    }
    let tenants = audit.tenants.values();
    Ok(Report {
        start,
        end: reader.end(),
        ended_in_order: audit.ended_in_order,
        records: audit.records,
        sums: tenants.clone().flat_map(TenantReplay::sums).collect(),
        streams: tenants.flat_map(TenantReplay::counts).collect(),
        balances_compared: audit.balances_compared,
        differences: audit.findings.kept,
        differences_found: audit.findings.count,
    })
}

/// The snapshot to begin with, if the journal's first segment is gone.
fn start(data: &DataDirectory) -> Result<Option<SnapshotHead>, RecoveryError> {
    // What is wrong with the folder, its reader says.
    let segments = segment::numbers(data.disk().as_ref(), &data.journal).unwrap_or_default();
    let Some(oldest) = segments.first().filter(|oldest| **oldest > 1) else {
        return Ok(None);
    };
    let snapshots = data.snapshot_numbers()?.into_iter();
    let mut behind = snapshots.filter(|number| number >= oldest);
    Ok(behind.find_map(|number| data.check(number).ok()))
}

/// An audit under way.
#[derive(Debug, Default)]
struct Audit {
    tenants: BTreeMap<TenantId, TenantReplay>,
    findings: Findings,
    records: u64,
    /// Balances read since a node ended.
    balances: u64,
    balances_compared: u64,
    /// Whether the last record is a node's end.
    ended_in_order: bool,
}

impl Audit {
    /// Replays all that a reader reads, and checks what it comes to.
    fn read(&mut self, reader: &mut Reader) -> Result<(), ReadError> {
        let mut records = Vec::new();
        while reader.next_batch(&mut records)?.is_some() {
            for record in &records {
                self.replay(record);
            }
            records.clear();
        }
        for tenant in self.tenants.values() {
            tenant.finish(&mut self.findings);
        }
        Ok(())
    }

    fn replay(&mut self, record: &StreamRecord) {
        let place = Place {
            tenant: record.tenant,
            market: record.market,
            stream_seq: record.stream_seq,
        };
        let findings = &mut self.findings;
        self.records += 1;
        self.ended_in_order = matches!(record.body, Body::End { .. });
        match &record.body {
            Body::Tenant { custody, name } => {
                let tenant = TenantReplay::new(record.tenant, name.as_str(), *custody);
                if self.tenants.insert(record.tenant, tenant).is_some() {
                    let (expected, found) = ("once", "again");
                    place.differ("tenant", expected.into(), found.into(), findings);
                }
                return;
            }
            Body::End { balances } => {
                place.compare("final balances", balances, &self.balances, findings);
                self.balances_compared += std::mem::take(&mut self.balances);
                return self.tenants.values_mut().for_each(|it| it.end(findings));
            }
            Body::Balances(lines) => self.balances += lines.len() as u64,
            _ => {}
        }
        match self.tenants.get_mut(&record.tenant) {
            Some(tenant) => tenant.replay(record, findings),
            None => {
                let (expected, found) = ("there from the beginning", "unknown");
                place.differ("tenant", expected.into(), found.into(), findings);
            }
        }
    }
}
