//! The follower: does every durable batch again, a moment after the node did, on books and a ledger of its own. It fills the
//! history, takes the snapshots, and checks that money is conserved, all without a hand on the way of an order: what it costs the
//! node is memory, and time that nobody else wants.
//!
//! A snapshot is taken only when the history reaches as far, so that a node that starts from one can go on filling it without a gap.
//!
//! Must never: be waited for by a matcher, or tell the history of a batch twice.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use crossbeam_channel::{Receiver, bounded};
use souk_protocol::TenantId;

use super::snapshots::write_snapshot;
use super::sums::SumsCheck;
use super::{DataDirectory, Recovery, RecoveryError};
use crate::clock;
use crate::config::Config;
use crate::history::{HistoryError, Reach, Recorder, Row, Store};
use crate::journal::segment::{self, Beginning};
use crate::journal::{ChainEnd, Journal, Next, Tail, Wake};
use crate::priority;
use crate::tables::{Fault, TablesError};

/// Rows of one transaction, after which the next one begins.
const ROWS_MAX: usize = 8_192;
/// Batches of one transaction.
const BATCHES_MAX: u64 = 4_096;
/// How long it lets batches gather, so that a busy node does not make it write a transaction for each group.
const PACE: Duration = Duration::from_millis(5);
/// How often it looks for a reason to end.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How long it waits after a failure before it begins anew.
const AFTER_FAILURE: Duration = Duration::from_secs(30);
/// Damaged files of tables that are set aside; if there are more, the disk is to be mended first.
const SET_ASIDE_MAX: u64 = 3;

/// Follows the journal of a node.
#[derive(Debug)]
pub struct Follower {
    config: Arc<Config>,
    data: DataDirectory,
    file: PathBuf,
    journal: Journal,
    /// Told of each group that is durable.
    durable: Receiver<()>,
    reach: Arc<Reach>,
    stop: Arc<AtomicBool>,
}

impl Follower {
    /// For a node with this configuration; the tables are in `file`. It ends when `stop` becomes true.
    #[must_use]
    pub fn new(
        config: Arc<Config>,
        data: DataDirectory,
        file: PathBuf,
        journal: Journal,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let reach = Arc::new(Reach::default());
        let (wake, durable) = bounded(1);
        journal.wakes(Wake::Thread(wake));
        Self {
            config,
            data,
            file,
            journal,
            durable,
            reach,
            stop,
        }
    }

    /// How far the tables reach.
    #[must_use]
    pub const fn reach(&self) -> &Arc<Reach> {
        &self.reach
    }

    /// Runs until it is stopped, at the lowest priority.
    pub fn run(self) {
        priority::give_way(priority::LAST);
        while !self.is_stopped() {
            match self.follow() {
                Ok(()) => return,
                Err(RecoveryError::History(HistoryError::Store { error, .. }))
                    if error.fault() == Fault::Damaged
                        && self.reach.set_aside() < SET_ASIDE_MAX =>
                {
                    self.set_aside(&error);
                }
                Err(error) => {
                    tracing::error!(%error, "the journal cannot be followed: history and snapshots wait");
                    self.wait(AFTER_FAILURE);
                }
            }
        }
    }

    fn follow(&self) -> Result<(), RecoveryError> {
        let store = Store::open(&self.file, tenants(&self.config))?;
        let durable = self.journal.durable_until();
        if store.next_batch() > durable {
            return Err(RecoveryError::History(HistoryError::Foreign {
                file: self.file.clone(),
                found: store.next_batch(),
                known: durable,
            }));
        }
        self.reach.set(store.next_batch());
        let recorder = Arc::new(Recorder::default());
        let mut recovery = Recovery::alone(&self.config, Some(Arc::clone(&recorder)))?;
        let (segment, start) = self.begin(&mut recovery, store.next_batch())?;
        let has_gap = start.batch > store.next_batch();
        let tail = Tail::begin(
            Arc::clone(self.data.disk()),
            &self.data.journal,
            self.config.server.cluster_id,
            segment,
            start,
        )?;
        let mut rows = Vec::new();
        // What a snapshot brought is in the tables.
        recorder.take(&mut rows);
        rows.clear();
        if has_gap {
            rows = recovery.state_rows(clock::wall_ns());
        }
        let following = Following {
            follower: self,
            recovery,
            tail,
            store,
            recorder,
            rows,
            snapshot: segment,
            money: SumsCheck::default(),
        };
        following.run()
    }

    /// Puts `recovery` where the history ends, or before it. Gives where the journal goes on from there.
    fn begin(
        &self,
        recovery: &mut Recovery,
        next_batch: u64,
    ) -> Result<(u64, ChainEnd), RecoveryError> {
        let disk = self.data.disk().as_ref();
        let mut snapshot = self.data.snapshot_until(next_batch)?;
        let oldest = segment::numbers(disk, &self.data.journal)?.first().copied();
        if snapshot.is_none() && oldest.is_some_and(|oldest| oldest > 1) {
            snapshot = self.data.oldest_snapshot()?;
            let at = snapshot.and_then(|head| self.data.written_at(&head));
            let at = UNIX_EPOCH + Duration::from_nanos(at.unwrap_or(0));
            tracing::warn!(
                file = %self.file.display(),
                from = next_batch,
                to = snapshot.map(|head| head.start.batch),
                missing_until = %humantime::format_rfc3339_seconds(at),
                "history has a gap: the journal does not reach back to the batch where it ended"
            );
        }
        if let Some(head) = snapshot {
            let (_, mut source) = self.data.open_snapshot(head.segment)?;
            recovery.read_state(&mut source)?;
            source.finish()?;
            return Ok((head.segment, head.start));
        }
        let segment = oldest.unwrap_or(1);
        match segment::head(disk, &self.data.journal, segment)? {
            Beginning::Head(head) => Ok((segment, head.start)),
            _ => Ok((segment, ChainEnd::START)),
        }
    }

    /// What a reader has found.
    fn damaged(&self) -> RecoveryError {
        RecoveryError::History(HistoryError::Store {
            file: self.file.clone(),
            error: TablesError::Store {
                fault: Fault::Damaged,
                text: "a reader has found it damaged".to_owned(),
            },
        })
    }

    /// Puts damaged tables out of the way, so that they are made again.
    fn set_aside(&self, error: &TablesError) {
        match Store::set_aside(&self.file, clock::wall_ns()) {
            Ok(aside) => tracing::error!(
                %error,
                aside = %aside.display(),
                "the history was damaged and is made again from the journal; remedy: see that the disk is sound, and remove what was set aside"
            ),
            Err(error) => {
                tracing::error!(%error, file = %self.file.display(), "the history is damaged and cannot be set aside");
                self.wait(AFTER_FAILURE);
            }
        }
        self.reach.begin_anew();
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn wait(&self, time: Duration) {
        let until = clock::monotonic() + time;
        while !self.is_stopped() && clock::monotonic() < until {
            std::thread::sleep(LOOK_AGAIN.min(time));
        }
    }
}

/// A follower under way.
struct Following<'a> {
    follower: &'a Follower,
    recovery: Recovery,
    tail: Tail,
    store: Store,
    recorder: Arc<Recorder>,
    /// Not in the tables yet.
    rows: Vec<Row>,
    /// The segment before which everything is in a snapshot.
    snapshot: u64,
    money: SumsCheck,
}

impl Following<'_> {
    fn run(mut self) -> Result<(), RecoveryError> {
        let mut records = Vec::new();
        while !self.follower.is_stopped() {
            if self.follower.reach.is_damaged() {
                return Err(self.follower.damaged());
            }
            let durable = self.follower.journal.durable_until();
            match self.tail.next(durable, &mut records)? {
                Next::Batch(head) => {
                    self.recovery.batch(&head, &records)?;
                    records.clear();
                    self.recorder.take(&mut self.rows);
                    if head.number < self.store.next_batch() {
                        self.rows.clear();
                    }
                    let batches = self.next_batch().saturating_sub(self.store.next_batch());
                    if self.rows.len() >= ROWS_MAX || batches >= BATCHES_MAX {
                        self.commit()?;
                    }
                }
                Next::Segment => self.snapshot()?,
                Next::Nothing => {
                    self.commit()?;
                    if self.follower.durable.recv_timeout(LOOK_AGAIN).is_ok() {
                        // What comes meanwhile is one transaction with it.
                        std::thread::sleep(PACE);
                    }
                }
            }
        }
        self.commit()
    }

    const fn next_batch(&self) -> u64 {
        self.tail.chain().batch
    }

    fn commit(&mut self) -> Result<(), RecoveryError> {
        let next = self.next_batch();
        let money = self.money.check(&self.recovery, next);
        if next > self.store.next_batch() || !money.is_empty() {
            let next = next.max(self.store.next_batch());
            self.store.commit(&self.rows, &money, next)?;
            self.rows.clear();
            self.follower.reach.set(next);
        }
        Ok(())
    }

    /// Takes a snapshot if enough was written since the last one. A segment has just begun.
    fn snapshot(&mut self) -> Result<(), RecoveryError> {
        let (config, data) = (&self.follower.config, &self.follower.data);
        let segment = self.tail.segment();
        let bytes = (segment - self.snapshot).saturating_mul(config.journal.segment_bytes);
        if bytes < config.journal.snapshot_bytes {
            return Ok(());
        }
        self.commit()?;
        let lock = match data.lock_snapshots(&config.journal.node) {
            Err(error @ RecoveryError::SnapshotUnderWay { .. }) => {
                tracing::info!(%error, "no snapshot now; the next segment is another occasion");
                return Ok(());
            }
            lock => lock?,
        };
        // Somebody else may have been asked for one.
        let newest = data.newest_snapshot()?;
        if newest.is_none_or(|head| head.segment < segment) {
            let start = self.tail.chain();
            let recovery = &mut self.recovery;
            let taken = write_snapshot(&lock, recovery, config, data, segment, start)?;
            tracing::info!(?taken, "snapshot");
        }
        self.snapshot = segment;
        Ok(())
    }
}

fn tenants(config: &Config) -> Vec<TenantId> {
    config.tenants.iter().map(|tenant| tenant.id).collect()
}
