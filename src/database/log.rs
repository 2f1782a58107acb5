//! A process's log in the database: one row for each group of batches, added in one statement that finds the log sealed or
//! not in the same step.
//!
//! Must never: add a second row with a number, say "durable" when the answer is not known, or add anything once the log is
//! sealed.

use std::time::Duration;

use tokio::runtime::Runtime;

use super::connection::{Connection, PACKET_MAX, runtime};
use super::error::{DatabaseError, TELL_EVERY};
use super::pack::{pack, unpack};
use crate::clock::{self, Moment, Seldom};
use crate::ids::Epoch;
use crate::journal::{ChainEnd, GROUP_HEADER_LEN, GroupStore, JournalError, seal};
use crate::lease::NodeId;
use souk_protocol::TenantId;

/// Bytes of batches that make a row. Packed they are half as many: with more nothing is gained, and the answer comes later.
const ROW_BYTES: usize = 128 << 10;
/// What the header of a packet and the other values of a row take.
const PACKET_OVERHEAD: usize = 4 << 10;
/// How soon a database that did not answer is asked again.
const AGAIN: Duration = Duration::from_millis(10);
/// Rows of one answer.
const READ_ROWS: u32 = 256;

/// A log of a node's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub u64);

/// One ownership of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// Its epoch.
    pub epoch: Epoch,
    /// Where its batches are.
    pub log: LogId,
    /// The first row that may have one of them.
    pub first_row: u64,
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RowKind {
    /// A group of batches.
    Group = 0,
    /// The end of a log: nothing comes after it.
    Seal = 1,
    /// A group of batches, packed. Whoever reads rows gets it as a group.
    Packed = 2,
}

/// A row of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// Its place in the log, counted from 1.
    pub seq: u64,
    /// What it is.
    pub kind: RowKind,
    /// The group.
    pub payload: Vec<u8>,
}

/// One statement: it adds the row if the log is not sealed, and whoever seals waits for it or is waited for. The lock lives
/// as long as the statement, whatever becomes of this process.
const APPEND: &str = "INSERT INTO log_row(log_id, seq, kind, payload) \
     SELECT ?, ?, ?, ? FROM node_log WHERE log_id = ? AND sealed = 0 LOCK IN SHARE MODE";
const READ_BACK: &str = "SELECT kind, payload FROM log_row WHERE log_id = ? AND seq = ?";

/// The log that this process writes.
#[derive(Debug)]
pub struct LogStore {
    runtime: Runtime,
    connection: Connection,
    log: LogId,
    end: ChainEnd,
    row: Vec<u8>,
    packed: Vec<u8>,
    outage_max: Duration,
}

/// A row to be added.
#[derive(Clone, Copy)]
struct NewRow<'a> {
    log: LogId,
    seq: u64,
    kind: RowKind,
    payload: &'a [u8],
}

/// What became of a row.
enum Fate {
    Durable,
    Fenced,
    /// The database was not heard.
    Unknown(DatabaseError),
}

impl LogStore {
    /// A log without rows.
    ///
    /// # Errors
    /// When its runtime cannot be made.
    pub fn new(
        connection: Connection,
        log: LogId,
        outage_max: Duration,
    ) -> Result<Self, DatabaseError> {
        Ok(Self {
            runtime: runtime()?,
            connection,
            log,
            end: ChainEnd::START,
            row: Vec::new(),
            packed: Vec::new(),
            outage_max,
        })
    }

    /// Adds the row, until it is known what became of it.
    async fn append(
        connection: &mut Connection,
        row: &NewRow<'_>,
        outage_max: Duration,
    ) -> Result<bool, DatabaseError> {
        let mut silent_since: Option<Moment> = None;
        let mut tell = Seldom::new(TELL_EVERY);
        let mut fate = Self::add(connection, row).await;
        loop {
            match fate {
                Fate::Durable => return Ok(true),
                Fate::Fenced => return Ok(false),
                Fate::Unknown(error) => {
                    let now = clock::boottime();
                    let since = *silent_since.get_or_insert(now);
                    if now.since(since) > outage_max {
                        return Err(error);
                    }
                    if tell.is_due(now) {
                        let silent = now.since(since);
                        tracing::warn!(%error, row = row.seq, ?silent, "the log's answer did not come: reading back");
                    }
                }
            }
            connection.forget();
            tokio::time::sleep(AGAIN).await;
            fate = match Self::read_back(connection, row).await {
                // Not there: the same row once more. If the lost statement is still under way, its key or this one's is
                // refused, never both taken.
                Ok(None) => Self::add(connection, row).await,
                Ok(Some(fate)) => fate,
                Err(error) => Fate::Unknown(error),
            };
        }
    }

    async fn add(connection: &mut Connection, row: &NewRow<'_>) -> Fate {
        let NewRow {
            log,
            seq,
            kind,
            payload,
        } = *row;
        let values = (log.0, seq, kind as u8, payload, log.0);
        match connection.execute(APPEND, values).await {
            Ok(1) => Fate::Durable,
            Ok(_) => Fate::Fenced,
            Err(error) => Fate::Unknown(error),
        }
    }

    async fn read_back(
        connection: &mut Connection,
        row: &NewRow<'_>,
    ) -> Result<Option<Fate>, DatabaseError> {
        let values = (row.log.0, row.seq);
        let rows: Vec<(u8, Vec<u8>)> = connection.rows(READ_BACK, values).await?;
        Ok(rows.first().map(|(kind, payload)| {
            if *kind == row.kind as u8 && payload == row.payload {
                Fate::Durable
            } else {
                // Its seal, or a row that is not ours.
                Fate::Fenced
            }
        }))
    }
}

impl GroupStore for LogStore {
    fn batches_len_max(&self) -> usize {
        ROW_BYTES
    }

    fn write(&mut self, batches: &[u8], count: u32) -> Result<usize, JournalError> {
        let len = GROUP_HEADER_LEN + batches.len();
        let database = |error: String| JournalError::Database {
            log: self.log.0,
            error,
        };
        if len + PACKET_OVERHEAD > PACKET_MAX {
            return Err(database(format!(
                "a batch of {len} bytes is longer than {PACKET_MAX} bytes"
            )));
        }
        self.row.clear();
        self.row.resize(GROUP_HEADER_LEN, 0);
        self.row.extend_from_slice(batches);
        let checksum = seal(&mut self.row, self.end, count);
        let (kind, payload) = if pack(&self.row, &mut self.packed) {
            (RowKind::Packed, &self.packed)
        } else {
            (RowKind::Group, &self.row)
        };
        let row = NewRow {
            log: self.log,
            seq: self.end.group,
            kind,
            payload,
        };
        let append = Self::append(&mut self.connection, &row, self.outage_max);
        let durable = self.runtime.block_on(append);
        match durable {
            Ok(true) => {
                self.end = self.end.after(count, checksum);
                Ok(len)
            }
            Ok(false) => Err(JournalError::Fenced {
                log: self.log.0,
                row: self.end.group,
            }),
            Err(error) => Err(database(error.to_string())),
        }
    }
}

/// Seals a log inside of a transaction: its last row is a seal, and nothing is added any more.
pub(super) async fn seal_in_transaction(
    connection: &mut Connection,
    log: LogId,
    by: NodeId,
) -> Result<(), DatabaseError> {
    let close = "UPDATE node_log SET sealed = 1, sealed_by = ? WHERE log_id = ? AND sealed = 0";
    if connection.execute(close, (by.0, log.0)).await? != 1 {
        return Ok(());
    }
    let last = "SELECT seq FROM log_row WHERE log_id = ? ORDER BY seq DESC LIMIT 1 FOR UPDATE";
    let rows: Vec<u64> = connection.rows(last, (log.0,)).await?;
    let next = rows.first().copied().unwrap_or(0) + 1;
    let end = "INSERT INTO log_row(log_id, seq, kind, payload) VALUES(?, ?, 1, '')";
    connection.execute(end, (log.0, next)).await.map(drop)
}

impl Connection {
    /// All ownerships of a tenant, in the order of their epochs.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenures(&mut self, tenant: TenantId) -> Result<Vec<Tenure>, DatabaseError> {
        let statement =
            "SELECT epoch, log_id, first_row FROM tenure WHERE tenant_id = ? ORDER BY epoch";
        let rows: Vec<(u64, u64, u64)> = self.rows(statement, (tenant.0,)).await?;
        let tenure = |(epoch, log, first_row)| Tenure {
            epoch: Epoch(epoch),
            log: LogId(log),
            first_row,
        };
        Ok(rows.into_iter().map(tenure).collect())
    }

    /// Adds an ownership; adding it again changes nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin_tenure(
        &mut self,
        tenant: TenantId,
        tenure: Tenure,
    ) -> Result<(), DatabaseError> {
        let add = "INSERT IGNORE INTO tenure(tenant_id, epoch, log_id, first_row, begun_at) VALUES(?, ?, ?, ?, UTC_TIMESTAMP(6))";
        let values = (tenant.0, tenure.epoch.0, tenure.log.0, tenure.first_row);
        self.execute(add, values).await.map(drop)
    }

    /// Rows of a log from `from` on, in order: as many as one answer takes.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn log_rows(&mut self, log: LogId, from: u64) -> Result<Vec<LogRow>, DatabaseError> {
        let statement = format!(
            "SELECT seq, kind, payload FROM log_row WHERE log_id = ? AND seq >= ? ORDER BY seq LIMIT {READ_ROWS}"
        );
        let rows: Vec<(u64, u8, Vec<u8>)> = self.rows(&statement, (log.0, from)).await?;
        let row = |(seq, kind, payload): (u64, u8, Vec<u8>)| {
            let (kind, payload) = match kind {
                0 => (RowKind::Group, payload),
                1 => (RowKind::Seal, payload),
                2 => {
                    let damaged = |damaged| DatabaseError::answer("log_row.payload", damaged);
                    (RowKind::Group, unpack(&payload).map_err(damaged)?)
                }
                other => return Err(DatabaseError::answer("log_row.kind", other)),
            };
            Ok(LogRow { seq, kind, payload })
        };
        rows.into_iter().map(row).collect()
    }
}
