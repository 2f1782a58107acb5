//! What must be true, whatever fails. A run goes on after a violation, so that one run shows all that a mutant breaks.

use std::collections::BTreeMap;

use souk::ids::Epoch;
use souk_protocol::TenantId;

use super::database::{Content, Entry, Process};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Property {
    /// S1: a tenant's entries are numbered without a gap, in the order in which they become durable, and so are the epochs.
    LinearHistory,
    /// S2: what is told is in a log, and nothing with one number is told twice with different contents.
    NoLie,
    /// S3: at most one process believes that it may work a tenant.
    OneBelief,
    /// S4: a tenant's epoch names one process for ever.
    OneName,
    /// A process that has had an answer to a renewal within its lease is not taken for dead, and
    /// its log is not sealed.
    Kept,
    /// When only the database stands still, nothing moves.
    Still,
    /// When faults have ended, all tenants are served in bounded time.
    Served,
    /// A process registers because it was started, and never to have its name back.
    NoDuel,
}

#[derive(Debug, Default)]
pub struct Checks {
    pub violations: BTreeMap<Property, String>,
    /// For messages.
    pub now_ms: u64,
    /// Whether no clock has stood still for so long that beliefs may be wrong.
    pub clocks_run: bool,
    /// The processes whose deadlines hold now, for [`Self::ends`].
    pub holding: Vec<Process>,
    names: BTreeMap<(TenantId, Epoch), Process>,
    /// The last entry of each tenant.
    last: BTreeMap<TenantId, (Epoch, u64)>,
    durable: BTreeMap<(TenantId, u64), Vec<Content>>,
    told: BTreeMap<(TenantId, u64), Content>,
    /// When something of a tenant was told last, in milliseconds.
    pub told_at_ms: BTreeMap<TenantId, u64>,
}

impl Checks {
    pub fn violated(&mut self, property: Property, what: impl FnOnce() -> String) {
        let at = self.now_ms;
        self.violations
            .entry(property)
            .or_insert_with(|| format!("at {at} ms: {}", what()));
    }

    /// A process is no node any more.
    pub fn ends(&mut self, process: Process, why: &str) {
        if self.clocks_run && self.holding.contains(&process) {
            self.violated(Property::Kept, || {
                format!("{process:?} holds its lease: {why}")
            });
        }
    }

    pub fn owner(&mut self, tenant: TenantId, epoch: Epoch, process: Process) {
        let named = *self.names.entry((tenant, epoch)).or_insert(process);
        if named != process {
            self.violated(Property::OneName, || {
                format!("{epoch:?} of {tenant:?} names {named:?} and {process:?}")
            });
        }
    }

    pub fn durable(&mut self, entries: &[Entry]) {
        for entry in entries {
            let (epoch, number) = *self.last.get(&entry.tenant).unwrap_or(&(Epoch(0), 0));
            if entry.epoch < epoch || entry.number != number + 1 {
                self.violated(Property::LinearHistory, || {
                    format!("after {number} of {epoch:?} comes {entry:?}")
                });
            }
            self.last.insert(entry.tenant, (entry.epoch, entry.number));
            let key = (entry.tenant, entry.number);
            self.durable.entry(key).or_default().push(entry.content);
        }
    }

    /// What a reader finds of a tenant.
    pub fn read(&mut self, tenant: TenantId, numbers: &[u64]) {
        let last = self.last.get(&tenant).map_or(0, |(_, number)| *number);
        if !numbers.iter().copied().eq(1..=last) {
            self.violated(Property::LinearHistory, || {
                let wrong = (1..).zip(numbers).find(|(due, number)| due != *number);
                let count = numbers.len();
                format!("{tenant:?} has {last} entries, {count} are read; the first wrong one: {wrong:?}")
            });
        }
    }

    pub fn told(&mut self, entry: &Entry) {
        let key = (entry.tenant, entry.number);
        let durable = self.durable.get(&key);
        if !durable.is_some_and(|contents| contents.contains(&entry.content)) {
            self.violated(Property::NoLie, || {
                format!("{entry:?} is told and not durable")
            });
        }
        self.told_at_ms.insert(entry.tenant, self.now_ms);
        let told = *self.told.entry(key).or_insert(entry.content);
        if told != entry.content {
            self.violated(Property::NoLie, || {
                format!("{entry:?} was told as {told:?}")
            });
        }
    }

    pub fn told_count(&self) -> usize {
        self.told.len()
    }

    pub fn beliefs(&mut self, tenant: TenantId, believers: &[Process]) {
        if self.clocks_run && believers.len() > 1 {
            self.violated(Property::OneBelief, || {
                format!("{tenant:?} is worked by {believers:?}")
            });
        }
    }
}
