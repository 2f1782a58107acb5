//! What the publisher counts of each tenant, when somebody measures.

use souk_engine::{Command, Event};

use crate::handoff::{Batch, Outcome, Record, Request};
use crate::metrics::{MatcherMeter, TenantCounts};

/// Counts a record that is published.
#[inline]
pub(super) fn count(meter: &MatcherMeter, batch: &Batch, record: &Record, events: &[Event]) {
    let submission = &batch.submissions[record.submission as usize];
    let mut counts = TenantCounts::default();
    let reason = match &record.outcome {
        Outcome::NotApplied { reason, .. } | Outcome::Controlled(Err(reason)) => Some(*reason),
        _ => match events.first() {
            Some(Event::Rejected(reason)) => Some(*reason),
            _ => None,
        },
    };
    if let Some(reason) = reason {
        meter.stages.rejects.add_alone(reason);
        counts.rejects = 1;
    } else if let Request::Command(numbered) = &submission.items[record.item as usize].request {
        match numbered.command {
            Command::New(_) | Command::Replace(_) => counts.orders = 1,
            Command::Cancel(_) | Command::MassCancel(_) => counts.cancels = 1,
            _ => {}
        }
    } else if events.is_empty() {
        return;
    }
    let is_trade = |event: &&Event| matches!(event, Event::Trade(_));
    counts.trades = events.iter().filter(is_trade).count() as u64;
    if let Some(tenant) = meter.tenants.get(submission.tenant.0 as usize) {
        tenant.add(counts);
    }
}
