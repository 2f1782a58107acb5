//! `souk audit`: recomputes every balance and hold of a recording from its streams, and compares.
//!
//! It replays the pure parts of the engine (control streams, markets, settlement) into a plain
//! ledger of its own. In which order streams stand in the file is the same to it.
//!
//! Must never: use the ledger of the running node, panic on what a file says, or call a file sound of
//! which it did not read everything.

mod difference;
mod ledger;
mod market;
mod report;
mod tenant;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use souk_protocol::TenantId;

use crate::journal::{Body, Ending, ReadError, Reader, StreamRecord};
use difference::{Findings, Place};
use tenant::TenantReplay;

pub use difference::{Difference, Money, Quantity};
pub use report::{CurrencySum, Report, StreamCount};

/// Audits a recording.
///
/// # Errors
/// When the file cannot be read, or is damaged anywhere but at its tail.
pub fn audit(path: &Path) -> Result<Report, ReadError> {
    audit_of(Reader::open(path)?)
}

/// Audits what a reader reads.
///
/// # Errors
/// When it cannot be read.
pub fn audit_of<R: Read>(mut reader: Reader<R>) -> Result<Report, ReadError> {
    let mut audit = Audit::default();
    while let Some(record) = reader.next_record()? {
        audit.replay(&record);
    }
    let ending = reader.ending();
    let has_finals = ending == Ending::Complete;
    for tenant in audit.tenants.values() {
        tenant.finish(has_finals, &mut audit.findings);
    }
    let tenants = audit.tenants.values();
    Ok(Report {
        header: reader.header(),
        ending,
        records: reader.records(),
        sums: tenants.clone().flat_map(TenantReplay::sums).collect(),
        streams: tenants.flat_map(TenantReplay::counts).collect(),
        balances_compared: has_finals.then_some(audit.balances),
        differences: audit.findings.kept,
        differences_found: audit.findings.count,
    })
}

/// An audit under way.
#[derive(Debug, Default)]
struct Audit {
    tenants: BTreeMap<TenantId, TenantReplay>,
    findings: Findings,
    /// Final balances read.
    balances: u64,
}

impl Audit {
    fn replay(&mut self, record: &StreamRecord) {
        let place = Place {
            tenant: record.tenant,
            market: record.market,
            stream_seq: record.stream_seq,
        };
        let findings = &mut self.findings;
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
                return place.compare("final balances", balances, &self.balances, findings);
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
