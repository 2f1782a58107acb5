//! A tenant that this node does not serve, kept warm: its partition does again what the owner writes to its log, so that a
//! takeover has only the last rows to read.
//!
//! Must never: leave a batch of the tenant out, or take one of another ownership for it.

use std::path::Path;
use std::sync::Arc;

use souk_protocol::TenantId;
use tokio::sync::Notify;

use crate::config::Config;
use crate::database::{LogId, LogRow, Position, RowKind, TenantSnapshot, Tenure};
use crate::gateway::registry::Registry;
use crate::history::Recorder;
use crate::ids::Epoch;
use crate::journal::{Body, Damage, Journal, RawBatch, RowError, Rows, StreamRecord, read_batch};
use crate::metrics::Meters;
use crate::partition::{Partition, PartitionError, Rising};
use crate::recovery::{Recovery, RecoveryError};
use crate::storage::{MemoryFile, StateReader, StateWriter};

/// Why a tenant's past cannot be done again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WarmError {
    /// A row is damaged, or not what should come.
    #[error(
        "log {} of the database: {error}\nremedy: keep the tables; restore the database from a copy", log.0
    )]
    Row {
        /// The log.
        log: LogId,
        /// What is wrong.
        error: RowError,
    },
    /// A row that should be there is not.
    #[error(
        "log {} of the database: row {expected} is missing, row {found} is there\nremedy: keep the tables; restore the database from a copy", log.0
    )]
    Missing {
        /// The log.
        log: LogId,
        /// The row that comes next.
        expected: u64,
        /// The row that came.
        found: u64,
    },
    /// A batch's bytes are whole, what they say is not.
    #[error(
        "a batch of tenant {} in the database: {damage}\nremedy: keep the tables; restore the database from a copy", tenant.0
    )]
    Batch {
        /// Whose it is.
        tenant: TenantId,
        /// What is wrong.
        damage: Damage,
    },
    /// A snapshot is not what was written.
    #[error("snapshot {id} of tenant {} has the state {read:#018x}, {written:#018x} was written", tenant.0)]
    Snapshot {
        /// Whose it is.
        tenant: TenantId,
        /// Its number.
        id: u64,
        /// The hash of what was read.
        read: u64,
        /// The hash of what was written.
        written: u64,
    },
    /// The tenant's streams do not come out as they were recorded.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// Its partition cannot be made.
    #[error(transparent)]
    Partition(#[from] PartitionError),
}

/// A tenant that is kept warm.
pub(crate) struct Warm {
    tenant: TenantId,
    rising: Rising,
    wakes: Vec<Arc<Notify>>,
    /// Tenures before this epoch are read to their end.
    from: Epoch,
    /// In the log of the first tenure that is not, once anything of it was read.
    rows: Option<Rows>,
    records: Vec<StreamRecord>,
}

impl Warm {
    /// A tenant of which nothing has been read but a snapshot, if there is one. `config` has it alone. `recorder` takes down
    /// what people may ask for later.
    ///
    /// # Errors
    /// What cannot be had, or what is wrong with the snapshot.
    pub(crate) fn new(
        config: Arc<Config>,
        matchers: usize,
        snapshot: Option<(&TenantSnapshot, Vec<u8>)>,
        recorder: Option<Arc<Recorder>>,
    ) -> Result<Self, WarmError> {
        let tenant = config.tenants[0].id;
        let wakes: Vec<_> = (0..matchers).map(|_| Arc::new(Notify::new())).collect();
        let rising = Rising::new(config, wakes.iter().cloned().map(Some), recorder)?;
        let mut warm = Self {
            tenant,
            rising,
            wakes,
            from: Epoch(0),
            rows: None,
            records: Vec::new(),
        };
        if let Some((snapshot, bytes)) = snapshot {
            warm.restore(snapshot, bytes)?;
        }
        Ok(warm)
    }

    fn restore(&mut self, snapshot: &TenantSnapshot, bytes: Vec<u8>) -> Result<(), WarmError> {
        let name = format!("snapshot {} of tenant {}", snapshot.id, self.tenant.0);
        let file = Box::new(MemoryFile::with(bytes));
        let mut source = StateReader::new(file, Path::new(&name), 0, snapshot.id);
        self.rising.recovery().read_state(&mut source)?;
        source.finish().map_err(RecoveryError::from)?;
        let Position { epoch, next_row } = snapshot.position;
        self.from = epoch;
        self.rows = (next_row > 0).then(|| Rows::from(next_row));
        Ok(())
    }

    /// Everything as bytes of a snapshot with number `id`, and the state's hash.
    ///
    /// # Errors
    /// When it does not add up.
    pub(crate) fn write(&mut self, id: u64) -> Result<(Vec<u8>, u64), WarmError> {
        let hash = self.hash()?;
        let file = MemoryFile::default();
        let mut writer = StateWriter::new(Box::new(file.clone()), 0, id);
        self.rising.recovery().write_state(&mut writer);
        writer.finish().map_err(RecoveryError::from)?;
        Ok((file.take(), hash))
    }

    /// The hash of its state.
    ///
    /// # Errors
    /// When it does not add up.
    pub(crate) fn hash(&mut self) -> Result<u64, WarmError> {
        let recovery = self.rising.recovery();
        recovery.finish()?;
        Ok(recovery.recovered.state_hash)
    }

    /// How far it is.
    pub(crate) fn position(&self) -> Position {
        Position {
            epoch: self.from,
            next_row: self.rows.map_or(0, |rows| rows.next()),
        }
    }

    /// What does the tenant's past again.
    pub(crate) const fn recovery(&mut self) -> &mut Recovery {
        self.rising.recovery()
    }

    /// The first tenure that is not read to its end.
    fn tenure<'a>(&self, tenures: &'a [Tenure]) -> Option<&'a Tenure> {
        tenures.iter().find(|tenure| tenure.epoch >= self.from)
    }

    /// The log and the row that comes next, given all tenures so far; nothing when all are read to their end.
    pub(crate) fn next(&self, tenures: &[Tenure]) -> Option<(LogId, u64)> {
        let tenure = self.tenure(tenures)?;
        let row = self.rows.map_or(tenure.first_row, |rows| rows.next());
        Some((tenure.log, row))
    }

    /// Does a row again: the one that [`Self::next`] names.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn take(&mut self, tenures: &[Tenure], row: &LogRow) -> Result<(), WarmError> {
        let Some(tenure) = self.tenure(tenures) else {
            return Ok(());
        };
        self.from = tenure.epoch;
        let log = tenure.log;
        let mut rows = self.rows.unwrap_or(Rows::from(tenure.first_row));
        if row.seq != rows.next() {
            return Err(WarmError::Missing {
                log,
                expected: rows.next(),
                found: row.seq,
            });
        }
        if row.kind == RowKind::Seal {
            self.end(tenure);
            return Ok(());
        }
        let wrong = |error| WarmError::Row { log, error };
        let batches = rows.read(&row.payload).map_err(wrong)?;
        self.rows = Some(rows);
        for batch in batches {
            if self.is_own(&batch, tenure.epoch) && self.batch(&batch)? {
                self.end(tenure);
                // What comes behind it is of a later tenure.
                return Ok(());
            }
        }
        Ok(())
    }

    fn is_own(&self, batch: &RawBatch<'_>, epoch: Epoch) -> bool {
        batch.tenant() == Some(self.tenant) && batch.epoch() == epoch.0
    }

    const fn end(&mut self, tenure: &Tenure) {
        self.from = Epoch(tenure.epoch.0 + 1);
        self.rows = None;
    }

    /// Does a batch again. Gives whether it is the tenure's last.
    fn batch(&mut self, batch: &RawBatch<'_>) -> Result<bool, WarmError> {
        self.records.clear();
        let damaged = |damage| WarmError::Batch {
            tenant: self.tenant,
            damage,
        };
        let head = read_batch(batch.bytes, &mut self.records).map_err(damaged)?;
        self.rising.recovery().batch(&head, &self.records)?;
        let ends = |record: &StreamRecord| matches!(record.body, Body::End { .. });
        Ok(self.records.iter().any(ends))
    }

    /// Serves from now on: everything has been read.
    ///
    /// # Errors
    /// When it does not add up, or the journal has failed.
    pub(crate) fn serve(
        mut self,
        epoch: Epoch,
        registry: &Arc<Registry>,
        journal: &Journal,
        meters: Option<&Meters>,
    ) -> Result<(Partition, Vec<Arc<Notify>>), WarmError> {
        self.rising.recovery().epoch = epoch;
        let partition = self.rising.rise()?.serve(registry, Some(journal), meters)?;
        Ok((partition, self.wakes))
    }
}
