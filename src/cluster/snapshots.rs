//! Takes snapshots of tenants, and removes the log rows that they cover, on a thread of its own at the lowest priority.
//!
//! It does a tenant's past again from the last snapshot on, from the database alone: so every snapshot proves that the
//! tenant can be taken over, and no owner waits for one.
//!
//! Must never: publish a snapshot that was not read back and found equal, or remove a row that a kept snapshot does not cover.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use souk_protocol::TenantId;

use super::keeper::KeeperError;
use super::lease::Lease;
use super::past::Past;
use super::warm::WarmError;
use crate::clock;
use crate::config::Config;
use crate::database::{LogId, Position, SNAPSHOTS_KEPT, TenantSnapshot};
use crate::priority;

/// How often it is looked whether a snapshot is due.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Between two rows of a snapshot or two removals: appends go first.
const PAUSE: Duration = Duration::from_millis(40);
/// Bytes of a row of a snapshot.
const CHUNK_BYTES: usize = 1 << 20;
/// How long it waits after one that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// A history that was not written for so long is waited for no more.
const HISTORY_REST: Duration = Duration::from_secs(3_600);

/// The tenants whose snapshots this node takes.
pub(crate) type Responsible = Arc<Mutex<BTreeSet<TenantId>>>;

/// What the thread runs.
pub(crate) struct Snapshots {
    pub past: Past,
    /// By tenant, each alone.
    pub configs: BTreeMap<TenantId, Arc<Config>>,
    pub responsible: Responsible,
    pub lease: Arc<Lease>,
    /// Log rows after which one is due.
    pub rows: u64,
    /// When the newest of each was taken.
    pub taken_ns: BTreeMap<TenantId, u64>,
}

impl Snapshots {
    /// Runs until the node ends.
    pub(crate) fn run(mut self) {
        priority::give_way(priority::LAST);
        while self.wait(LOOK_AGAIN) {
            if let Err(error) = self.look() {
                if !error.is_passing() {
                    tracing::error!(%error, "no snapshot could be taken; the log grows until one can");
                }
                self.wait(AFTER_FAILURE);
            }
        }
    }

    /// Gives whether to go on.
    fn wait(&self, time: Duration) -> bool {
        let begun = clock::boottime();
        while clock::boottime().since(begun) < time && !self.ends() {
            std::thread::sleep(LOOK_AGAIN.min(PAUSE));
        }
        !self.ends()
    }

    fn ends(&self) -> bool {
        self.lease.ends() || self.lease.loss().is_some()
    }

    fn look(&mut self) -> Result<(), KeeperError> {
        let responsible = self.responsible.lock();
        let tenants = responsible.unwrap_or_else(PoisonError::into_inner).clone();
        let mut taken = false;
        self.taken_ns.retain(|tenant, _| tenants.contains(tenant));
        for tenant in tenants {
            if self.ends() {
                return Ok(());
            }
            taken |= self.look_at(tenant)?;
        }
        self.lease.seen.set_snapshots(self.taken_ns.clone());
        if taken {
            self.trim()?;
        }
        Ok(())
    }

    /// Takes a snapshot if one is due. Gives whether it did.
    fn look_at(&mut self, tenant: TenantId) -> Result<bool, KeeperError> {
        let newest = self.past.snapshots(tenant)?.into_iter().next();
        if let Some(newest) = &newest {
            // A snapshot's number is when it was taken.
            self.taken_ns.insert(tenant, newest.id);
        }
        let from = newest.map_or(Position::START, |newest| newest.position);
        if self.history_is_behind(tenant, from)? {
            return Ok(false);
        }
        let ends = self.past.log_ends()?;
        let rows = |log: LogId, first: u64| {
            let last = ends.get(&log).map_or(0, |(last, _)| *last);
            (last + 1).saturating_sub(first)
        };
        let tenures = self.past.tenures(tenant)?;
        let waiting: u64 = tenures
            .iter()
            .filter_map(|tenure| Some(rows(tenure.log, from.first_row(tenure)?)))
            .sum();
        if waiting < self.rows {
            return Ok(false);
        }
        self.take(tenant, newest.as_ref())?;
        Ok(true)
    }

    /// Whether a history that is being written has not come to the newest snapshot: the rows between the kept ones are its
    /// way there, and another snapshot would let them go.
    fn history_is_behind(
        &mut self,
        tenant: TenantId,
        newest: Position,
    ) -> Result<bool, KeeperError> {
        let history = self.past.history(tenant)?;
        let oldest = clock::wall_ns().saturating_sub(HISTORY_REST.as_nanos() as u64);
        Ok(history.is_some_and(|(reached, written_at)| reached < newest && written_at > oldest))
    }

    fn take(
        &mut self,
        tenant: TenantId,
        newest: Option<&TenantSnapshot>,
    ) -> Result<(), KeeperError> {
        let config = self.configs.get(&tenant);
        let config = Arc::clone(config.ok_or(KeeperError::NotConfigured(tenant))?);
        let mut warm = self.past.warm(&config, 1, newest)?;
        let mut rows_read = 0;
        loop {
            let tenures = self.past.tenures(tenant)?;
            let Some((log, row)) = warm.next(&tenures) else {
                break;
            };
            let rows = self.past.rows(log, row)?;
            if rows.is_empty() || self.ends() {
                break;
            }
            rows_read += rows.len();
            for row in &rows {
                if warm.next(&tenures).is_some_and(|(next, _)| next == log) {
                    warm.take(&tenures, row)?;
                }
            }
        }
        // Higher than every earlier one's, as long as clocks go on: else it is not the newest, and no harm is done.
        let id = clock::wall_ns();
        let (bytes, state_hash) = warm.write(id)?;
        let snapshot = TenantSnapshot {
            id,
            position: warm.position(),
            chunks: bytes.len().div_ceil(CHUNK_BYTES) as u32,
            bytes: bytes.len() as u64,
            state_hash,
        };
        for (number, chunk) in (0..).zip(bytes.chunks(CHUNK_BYTES)) {
            self.past.add_chunk(tenant, snapshot.id, number, chunk)?;
            std::thread::sleep(PAUSE);
        }
        // What is read back is what was written, or it is not published.
        let read = self.past.warm(&config, 1, Some(&snapshot))?.hash()?;
        if read != state_hash {
            let written = state_hash;
            let wrong = WarmError::Snapshot {
                tenant,
                id,
                read,
                written,
            };
            return Err(wrong.into());
        }
        self.past.publish(tenant, &snapshot)?;
        tracing::info!(
            tenant = tenant.0,
            rows_read,
            bytes = snapshot.bytes,
            "snapshot"
        );
        Ok(())
    }

    /// Removes the rows that no tenant needs any more.
    fn trim(&mut self) -> Result<(), KeeperError> {
        let mut needed: BTreeMap<LogId, u64> = BTreeMap::new();
        for tenant in self.past.tenants()? {
            let snapshots = self.past.snapshots(tenant)?;
            let oldest = snapshots.get(SNAPSHOTS_KEPT - 1);
            let from = oldest.map_or(Position::START, |oldest| oldest.position);
            for tenure in self.past.tenures(tenant)? {
                if let Some(row) = from.first_row(&tenure) {
                    let low = needed.entry(tenure.log).or_insert(row);
                    *low = row.min(*low);
                }
            }
        }
        for (log, (last, sealed)) in self.past.log_ends()? {
            let before = match needed.get(&log) {
                Some(row) => *row,
                // Its owners' tenants are elsewhere, and all of it is in snapshots.
                None if sealed => last + 1,
                None => continue,
            };
            while !self.ends() && self.past.trim(log, before)? > 0 {
                std::thread::sleep(PAUSE / 8);
            }
        }
        Ok(())
    }
}

/// Whose snapshots a node takes is told by who looks after the tenants.
pub(crate) fn set(responsible: &Responsible, tenants: BTreeSet<TenantId>) {
    let mut now = responsible.lock().unwrap_or_else(PoisonError::into_inner);
    *now = tenants;
}
