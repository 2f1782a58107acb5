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
mod tenant;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use souk_protocol::TenantId;

use crate::journal::{Body, ReadError, Reader, StreamRecord};
use crate::storage::SystemDisk;
use difference::{Findings, Place};
use tenant::TenantReplay;

pub use difference::{Difference, Money, Quantity};
pub use report::{CurrencySum, Report, StreamCount};

/// Audits the journal in a folder.
///
/// # Errors
/// When it cannot be read, or is damaged anywhere but at its tail.
pub fn audit(journal: &Path) -> Result<Report, ReadError> {
    audit_of(Reader::open(Arc::new(SystemDisk), journal, None)?)
}

/// Audits what a reader reads.
///
/// # Errors
/// When it cannot be read.
pub fn audit_of(mut reader: Reader) -> Result<Report, ReadError> {
    let mut audit = Audit::default();
    let mut records = Vec::new();
    while reader.next_batch(&mut records)?.is_some() {
        for record in &records {
            audit.replay(record);
        }
        records.clear();
    }
    for tenant in audit.tenants.values() {
        tenant.finish(&mut audit.findings);
    }
    let tenants = audit.tenants.values();
    Ok(Report {
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
