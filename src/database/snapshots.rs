//! Snapshots of tenants, in rows; and the removal of log rows that they cover.

use std::collections::BTreeMap;

use souk_protocol::TenantId;

use super::connection::Connection;
use super::error::DatabaseError;
use super::log::{LogId, Tenure};
use crate::ids::Epoch;
pub use crate::ids::Position;

/// Snapshots of a tenant that are kept: if one cannot be read, there is another, and the log from there on.
pub const SNAPSHOTS_KEPT: usize = 2;
/// Rows that one statement removes.
const TRIM_ROWS: u32 = 256;

impl Position {
    /// The first row of an ownership that is not done; nothing if all of it is.
    #[must_use]
    pub fn first_row(&self, tenure: &Tenure) -> Option<u64> {
        if tenure.epoch < self.epoch {
            return None;
        }
        let within = tenure.epoch == self.epoch && self.next_row > 0;
        Some(if within {
            self.next_row
        } else {
            tenure.first_row
        })
    }
}

/// A snapshot of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantSnapshot {
    /// Its number: higher than that of an older one.
    pub id: u64,
    /// What it is behind.
    pub position: Position,
    /// Its rows.
    pub chunks: u32,
    /// Its length in bytes.
    pub bytes: u64,
    /// The hash of the state in it.
    pub state_hash: u64,
}

impl Connection {
    /// The snapshots of a tenant, the newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn snapshots(
        &mut self,
        tenant: TenantId,
    ) -> Result<Vec<TenantSnapshot>, DatabaseError> {
        let statement = "SELECT snapshot_id, epoch, next_row, chunks, bytes, state_hash FROM snapshot WHERE tenant_id = ? ORDER BY snapshot_id DESC";
        let rows: Vec<(u64, u64, u64, u32, u64, u64)> = self.rows(statement, (tenant.0,)).await?;
        let snapshot = |(id, epoch, next_row, chunks, bytes, state_hash)| TenantSnapshot {
            id,
            position: Position {
                epoch: Epoch(epoch),
                next_row,
            },
            chunks,
            bytes,
            state_hash,
        };
        Ok(rows.into_iter().map(snapshot).collect())
    }

    /// The bytes of a snapshot.
    ///
    /// # Errors
    /// When the database does not answer, or has not all of it.
    pub async fn snapshot_bytes(
        &mut self,
        tenant: TenantId,
        snapshot: &TenantSnapshot,
    ) -> Result<Vec<u8>, DatabaseError> {
        let statement = "SELECT payload FROM snapshot_chunk WHERE tenant_id = ? AND snapshot_id = ? AND chunk = ?";
        let mut bytes = Vec::with_capacity(snapshot.bytes as usize);
        for chunk in 0..snapshot.chunks {
            let key = (tenant.0, snapshot.id, chunk);
            let rows: Vec<Vec<u8>> = self.rows(statement, key).await?;
            let row = rows.first();
            let row = row.ok_or_else(|| DatabaseError::answer("snapshot_chunk", "no such row"))?;
            bytes.extend_from_slice(row);
        }
        if bytes.len() as u64 != snapshot.bytes {
            return Err(DatabaseError::answer("snapshot's bytes", bytes.len()));
        }
        Ok(bytes)
    }

    /// Adds a row of a snapshot that is not published yet.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn add_chunk(
        &mut self,
        tenant: TenantId,
        id: u64,
        chunk: u32,
        bytes: &[u8],
    ) -> Result<(), DatabaseError> {
        let add = "REPLACE INTO snapshot_chunk(tenant_id, snapshot_id, chunk, payload) VALUES(?, ?, ?, ?)";
        self.execute(add, (tenant.0, id, chunk, bytes))
            .await
            .map(drop)
    }

    /// Publishes a snapshot whose rows are all there.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn publish(
        &mut self,
        tenant: TenantId,
        snapshot: &TenantSnapshot,
    ) -> Result<(), DatabaseError> {
        let add = "INSERT IGNORE INTO snapshot(tenant_id, snapshot_id, epoch, next_row, chunks, bytes, state_hash, taken_at) \
             VALUES(?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(6))";
        let values = (
            tenant.0,
            snapshot.id,
            snapshot.position.epoch.0,
            snapshot.position.next_row,
            snapshot.chunks,
            snapshot.bytes,
            snapshot.state_hash,
        );
        self.execute(add, values).await.map(drop)
    }

    /// Removes all but the last snapshots of a tenant, and what unfinished ones before those have left.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget_snapshots(&mut self, tenant: TenantId) -> Result<(), DatabaseError> {
        let all = self.snapshots(tenant).await?;
        let Some(oldest) = all.get(SNAPSHOTS_KEPT - 1) else {
            return Ok(());
        };
        let manifests = "DELETE FROM snapshot WHERE tenant_id = ? AND snapshot_id < ?";
        self.execute(manifests, (tenant.0, oldest.id)).await?;
        let rows = "DELETE FROM snapshot_chunk WHERE tenant_id = ? AND snapshot_id < ? LIMIT 16";
        while self.execute(rows, (tenant.0, oldest.id)).await? > 0 {}
        Ok(())
    }

    /// How far a tenant's history goes, and when it was written last, in nanoseconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn history_position(
        &mut self,
        tenant: TenantId,
    ) -> Result<Option<(Position, u64)>, DatabaseError> {
        let statement = "SELECT epoch, next_row, written_at FROM history_position WHERE tenant = ?";
        let rows: Vec<(u64, u64, u64)> = self.rows(statement, (tenant.0,)).await?;
        let row = |&(epoch, next_row, written_at): &(u64, u64, u64)| {
            let epoch = Epoch(epoch);
            (Position { epoch, next_row }, written_at)
        };
        Ok(rows.first().map(row))
    }

    /// The last row of each log, and whether the log is sealed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn log_ends(&mut self) -> Result<BTreeMap<LogId, (u64, bool)>, DatabaseError> {
        let statement = "SELECT l.log_id, l.sealed, COALESCE((SELECT MAX(r.seq) FROM log_row r WHERE r.log_id = l.log_id), 0) FROM node_log l";
        let rows: Vec<(u64, u8, u64)> = self.rows(statement, ()).await?;
        let end = |(log, sealed, last)| (LogId(log), (last, sealed != 0));
        Ok(rows.into_iter().map(end).collect())
    }

    /// Removes some rows of a log before `row`. Gives how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn trim(&mut self, log: LogId, row: u64) -> Result<u64, DatabaseError> {
        let trim = format!(
            "DELETE FROM log_row WHERE log_id = ? AND seq < ? ORDER BY seq LIMIT {TRIM_ROWS}"
        );
        self.execute(&trim, (log.0, row)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_knows_what_is_left_of_each_ownership() {
        let tenure = |epoch| Tenure {
            epoch: Epoch(epoch),
            log: LogId(1),
            first_row: 10,
        };
        let within = Position {
            epoch: Epoch(5),
            next_row: 30,
        };
        assert_eq!(within.first_row(&tenure(4)), None);
        assert_eq!(within.first_row(&tenure(5)), Some(30));
        assert_eq!(within.first_row(&tenure(6)), Some(10));
        assert_eq!(Position::START.first_row(&tenure(4)), Some(10));
    }
}
