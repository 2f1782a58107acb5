//! The historian: does everything again that is durable of the tenants that this node serves, and fills the tables of the
//! history with it, on a thread of its own at the lowest priority.
//!
//! It reads the logs from the database, as a node does that keeps a tenant warm. While a tenant moves, the historians of two
//! nodes may be at it: what one has added the other finds, and begins anew where the tables end ([`SharedStore`]).
//!
//! Must never: be waited for by an order, or add a row of a batch that is not durable.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use souk_protocol::TenantId;

use super::keeper::KeeperError;
use super::lease::Lease;
use super::past::Past;
use super::warm::{Warm, WarmError};
use crate::clock::{self, Moment};
use crate::config::Config;
use crate::database::{LogId, LogRow, Position, SNAPSHOTS_KEPT, Tenure};
use crate::gateway::entrance::Entrance;
use crate::history::{Committed, MoneyChecked, Quiet, Recorder, Row, SharedStore};
use crate::priority;
use crate::recovery::SumsCheck;

/// Rows of one transaction, after which the next one begins.
const ROWS_MAX: usize = 4_096;
/// How long it lets rows gather, so that a busy node does not make it write a transaction for each of them.
const PACE: Duration = Duration::from_millis(10);
/// How soon it looks again when there was nothing.
const IDLE: Duration = Duration::from_millis(20);
/// How often it says how far it is with tenants of whom nothing has happened.
const QUIET_PERIOD: Duration = Duration::from_millis(100);
/// How soon a database that did not answer is asked again.
const AGAIN: Duration = Duration::from_millis(200);
/// How long a tenant waits whose rows somebody else has locked, or of whom an answer did not come.
const AFTER_BUSY: Duration = Duration::from_secs(5);
/// How long a tenant waits whose past could not be done again.
const AFTER_FAILURE: Duration = Duration::from_secs(30);

/// What the thread runs.
pub(crate) struct Historian {
    past: Past,
    store: SharedStore,
    /// By tenant, each alone.
    configs: BTreeMap<TenantId, Arc<Config>>,
    entrance: Arc<Entrance>,
    lease: Arc<Lease>,
    chronicles: BTreeMap<TenantId, Chronicle>,
    /// Tenants that wait until then.
    waiting: BTreeMap<TenantId, Moment>,
    quiet_at: Moment,
}

/// A tenant whose history is written here.
struct Chronicle {
    warm: Warm,
    tenures: Vec<Tenure>,
    recorder: Arc<Recorder>,
    /// Not in the tables yet; so is the last check of the money.
    rows: Vec<Row>,
    money: Vec<MoneyChecked>,
    /// What the tables have.
    committed: Position,
    /// Log rows that had something of the tenant.
    done: u64,
    sums: SumsCheck,
}

impl Historian {
    pub(crate) fn new(
        past: Past,
        store: SharedStore,
        configs: BTreeMap<TenantId, Arc<Config>>,
        entrance: Arc<Entrance>,
        lease: Arc<Lease>,
    ) -> Self {
        Self {
            past,
            store,
            configs,
            entrance,
            lease,
            chronicles: BTreeMap::new(),
            waiting: BTreeMap::new(),
            quiet_at: clock::boottime(),
        }
    }

    /// Runs until the node ends.
    pub(crate) fn run(mut self) {
        priority::give_way(priority::LAST);
        while !self.ends() {
            let pause = match self.look() {
                Ok(0) => IDLE,
                Ok(_) => PACE,
                Err(error) => {
                    tracing::warn!(%error, "the history waits");
                    AGAIN
                }
            };
            std::thread::sleep(pause);
        }
    }

    fn ends(&self) -> bool {
        self.lease.ends() || self.lease.loss().is_some()
    }

    /// Reads what is new, and writes it. Gives how many log rows that was.
    fn look(&mut self) -> Result<usize, KeeperError> {
        let here = self.entrance.tenants_here();
        self.chronicles.retain(|tenant, _| here.contains(tenant));
        let now = clock::boottime();
        self.waiting.retain(|_, until| now < *until);
        // What could not be written comes first: nothing is added to it before it is known what became of it.
        self.write()?;
        for tenant in here {
            self.attempt(tenant, Self::begin)?;
        }
        let read = self.read()?;
        self.write()?;
        Ok(read)
    }

    /// Does something for a tenant, unless it waits. If it fails, the tenant waits, and the others do not; unless it is because the
    /// database is not reached.
    fn attempt(
        &mut self,
        tenant: TenantId,
        act: impl FnOnce(&mut Self, TenantId) -> Result<(), KeeperError>,
    ) -> Result<(), KeeperError> {
        if self.waiting.contains_key(&tenant) {
            return Ok(());
        }
        match act(self, tenant) {
            Err(error) if error.is_away() => return Err(error),
            Err(error) if error.is_passing() => {
                tracing::warn!(%error, tenant = tenant.0, "the history of a tenant waits a moment");
                self.wait(tenant, AFTER_BUSY);
            }
            Err(error) => {
                tracing::error!(%error, tenant = tenant.0, "the history of a tenant waits");
                self.chronicles.remove(&tenant);
                self.wait(tenant, AFTER_FAILURE);
            }
            Ok(()) => {}
        }
        Ok(())
    }

    fn wait(&mut self, tenant: TenantId, time: Duration) {
        self.waiting.insert(tenant, clock::boottime().plus(time));
    }

    /// Begins where the tables end: from the last snapshot before that. If there is none any more, the history has a gap, and
    /// goes on with the state behind it.
    fn begin(&mut self, tenant: TenantId) -> Result<(), KeeperError> {
        if self.chronicles.contains_key(&tenant) {
            return Ok(());
        }
        let config = self.configs.get(&tenant);
        let config = Arc::clone(config.ok_or(KeeperError::NotConfigured(tenant))?);
        let committed = self.store.position(tenant)?;
        let snapshots = self.past.snapshots(tenant)?;
        let before = snapshots.iter().find(|it| it.position <= committed);
        // As long as there are fewer, no row was removed.
        let has_gap = before.is_none() && snapshots.len() >= SNAPSHOTS_KEPT;
        let from = before.or_else(|| snapshots.last().filter(|_| has_gap));
        let recorder = Arc::new(Recorder::default());
        let recording = Some(Arc::clone(&recorder));
        let mut warm = self.past.recording(&config, 1, from, recording)?;
        // What a snapshot brought is in the tables, or told as state.
        let mut rows = Vec::new();
        recorder.take(&mut rows);
        rows.clear();
        if has_gap {
            rows = warm.recovery().state_rows(clock::wall_ns());
            tracing::warn!(
                tenant = tenant.0,
                from = ?committed,
                to = ?warm.position(),
                "history has a gap: the logs do not reach back to where it ended"
            );
        }
        let chronicle = Chronicle {
            warm,
            tenures: Vec::new(),
            recorder,
            rows,
            money: Vec::new(),
            committed,
            done: 0,
            sums: SumsCheck::default(),
        };
        self.chronicles.insert(tenant, chronicle);
        Ok(())
    }

    /// Does again what is new in the logs. Gives how many rows that was.
    fn read(&mut self) -> Result<usize, KeeperError> {
        let waits = |tenant: &TenantId| self.waiting.contains_key(tenant);
        // Of who waits nothing is added to what may have been written already.
        let chronicles = self.chronicles.iter_mut().filter(|(it, _)| !waits(it));
        let tenants = chronicles.map(|(tenant, it)| (*tenant, &it.warm, &mut it.tenures));
        let mut count = 0;
        for ((log, from), tenants) in self.past.wanted(tenants)? {
            let rows = self.past.rows(log, from)?;
            count += rows.len();
            for tenant in tenants {
                self.attempt(tenant, |it, tenant| it.take(tenant, log, &rows))?;
            }
        }
        Ok(count)
    }

    fn take(&mut self, tenant: TenantId, log: LogId, rows: &[LogRow]) -> Result<(), KeeperError> {
        for row in rows {
            let Some(chronicle) = self.chronicles.get_mut(&tenant) else {
                return Ok(());
            };
            match chronicle.take(log, row) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(WarmError::Missing { .. }) => {
                    // It was removed: the tables may be behind a snapshot now.
                    self.chronicles.remove(&tenant);
                    self.wait(tenant, AGAIN);
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
            if chronicle.rows.len() >= ROWS_MAX {
                self.commit(tenant)?;
            }
        }
        Ok(())
    }

    /// Writes what waits.
    fn write(&mut self) -> Result<(), KeeperError> {
        // Also the check of the money, which comes later than the rows it is about.
        let has_some =
            |it: &Chronicle| !it.rows.is_empty() || !it.money.is_empty() || it.sums.is_due(it.done);
        let tenants = self.chronicles.iter().filter(|(_, it)| has_some(it));
        let tenants: Vec<TenantId> = tenants.map(|(tenant, _)| *tenant).collect();
        for tenant in tenants {
            self.attempt(tenant, Self::commit)?;
        }
        let now = clock::boottime();
        if now.since(self.quiet_at) >= QUIET_PERIOD {
            self.pass_over()?;
            self.quiet_at = now;
        }
        Ok(())
    }

    fn commit(&mut self, tenant: TenantId) -> Result<(), KeeperError> {
        let Some(chronicle) = self.chronicles.get_mut(&tenant) else {
            return Ok(());
        };
        let Chronicle {
            warm, rows, money, ..
        } = chronicle;
        let checked = chronicle.sums.check(warm.recovery(), chronicle.done);
        if !checked.is_empty() {
            *money = checked;
        }
        let (from, to) = (chronicle.committed, warm.position());
        let at = clock::wall_ns();
        match self.store.commit(tenant, rows, money, (from, to), at)? {
            Committed::Done => {
                chronicle.committed = to;
                rows.clear();
                money.clear();
            }
            Committed::Elsewhere => {
                self.chronicles.remove(&tenant);
            }
        }
        Ok(())
    }

    /// Says how far it is with tenants of whom nothing has happened.
    fn pass_over(&mut self) -> Result<(), KeeperError> {
        let mut together: BTreeMap<(u64, u64), Vec<Quiet>> = BTreeMap::new();
        let mut alone = Vec::new();
        for (tenant, chronicle) in &self.chronicles {
            let (from, to) = (chronicle.committed, chronicle.warm.position());
            if from >= to || !chronicle.rows.is_empty() || self.waiting.contains_key(tenant) {
                continue;
            }
            if from.epoch == to.epoch {
                let tenant = *tenant;
                let group = together.entry((from.next_row, to.next_row)).or_default();
                group.push(Quiet { tenant, from, to });
            } else {
                alone.push(*tenant);
            }
        }
        for tenant in alone {
            self.attempt(tenant, Self::commit)?;
        }
        let at = clock::wall_ns();
        for group in together.into_values() {
            let all = match self.store.pass_over(&group, at) {
                // One of them keeps the others waiting: each alone, then.
                Err(error) if error.is_busy() => {
                    for quiet in group {
                        self.attempt(quiet.tenant, Self::commit)?;
                    }
                    continue;
                }
                all => all?,
            };
            for quiet in group {
                match self.chronicles.get_mut(&quiet.tenant) {
                    Some(chronicle) if all => chronicle.committed = quiet.to,
                    // Somebody else has written for one of them: all begin where the tables end.
                    _ => drop(self.chronicles.remove(&quiet.tenant)),
                }
            }
        }
        Ok(())
    }
}

impl Chronicle {
    /// Does a row of a log again. Gives whether it was the one that comes next.
    fn take(&mut self, log: LogId, row: &LogRow) -> Result<bool, WarmError> {
        match self.warm.next(&self.tenures) {
            Some((next, _)) if next == log => {}
            _ => return Ok(false),
        }
        self.warm.take(&self.tenures, row)?;
        let known = self.rows.len();
        self.recorder.take(&mut self.rows);
        if self.warm.position() <= self.committed {
            // The tables have it.
            self.rows.truncate(known);
        }
        self.done += u64::from(self.rows.len() > known);
        Ok(true)
    }
}
