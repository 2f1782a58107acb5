//! Who is a node, who owns a tenant: the statements of leases, each of them one step that is done or not.

use std::collections::BTreeMap;
use std::time::Duration;

use mysql_async::{Row, Value, from_value_opt};
use souk_protocol::TenantId;

use super::connection::Connection;
use super::error::DatabaseError;
use super::log::{LogId, seal_in_transaction};
use crate::ids::Epoch;
use crate::lease::{BootId, Incarnation, NodeId, NodeRow, NodeState, Registered};

/// A tenant's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// The node; 0: nobody yet.
    pub node: NodeId,
    /// Its process.
    pub incarnation: Incarnation,
    /// Grows with every change of the owner.
    pub epoch: Epoch,
}

/// A tenant that was claimed, and under which epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Which.
    pub tenant: TenantId,
    /// Its new one.
    pub epoch: Epoch,
}

/// What a look at all nodes shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// Which server answered.
    pub server: Vec<u8>,
    /// Whether it refuses to write.
    pub read_only: bool,
    /// All nodes.
    pub nodes: Vec<NodeRow>,
    /// The highest epoch of all tenants: it changes with every owner.
    pub newest: Epoch,
}

/// What a node says of itself when it registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its configured name.
    pub name: String,
    /// Its process.
    pub boot: BootId,
    /// What it promises.
    pub ttl: Duration,
    /// Where its clients connect.
    pub advertise: String,
    /// Its share.
    pub weight: u32,
}

/// A new epoch: higher than the one before, and never given out again even if a database loses its last commits.
const NEXT_EPOCH: &str = "GREATEST(epoch + 1, CAST(UNIX_TIMESTAMP(NOW(6)) * 1000 AS UNSIGNED))";
/// Tenants of one claim.
const CLAIM_MAX: usize = 1_000;

const NODE: &str = "SELECT node_id, node_name, incarnation, boot_uuid, state, beat, ttl_ms, advertise, weight FROM engine_node";

impl Connection {
    /// The node with a name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn node(&mut self, name: &str) -> Result<Option<NodeRow>, DatabaseError> {
        let statement = format!("{NODE} WHERE node_name = ?");
        let rows: Vec<Row> = self.rows(&statement, (name.as_bytes(),)).await?;
        rows.into_iter().next().map(node_row).transpose()
    }

    /// The log of a process that is registered, as a row shows it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn log_of(&mut self, row: &NodeRow) -> Result<(Registered, LogId), DatabaseError> {
        let find = "SELECT log_id FROM node_log WHERE node_id = ? AND incarnation = ?";
        let logs: Vec<u64> = self.rows(find, (row.id.0, row.incarnation.0)).await?;
        let own = Registered {
            node: row.id,
            incarnation: row.incarnation,
            boot: row.boot,
        };
        match logs.first() {
            Some(log) => Ok((own, LogId(*log))),
            None => Err(DatabaseError::answer("node_log of a node", "nothing")),
        }
    }

    /// Registers a process as a node, if the name's row is still `seen`: ends the log of the process before, begins a new
    /// one, and takes that process's tenants under new epochs. Nothing: somebody else was faster.
    ///
    /// # Errors
    /// When the database does not answer; then the transaction is not done, or done as a whole.
    pub async fn register(
        &mut self,
        node: &Node,
        seen: Option<&NodeRow>,
    ) -> Result<Option<(Registered, LogId)>, DatabaseError> {
        if seen.is_none() {
            let add = "INSERT IGNORE INTO engine_node(node_name, incarnation, boot_uuid, state, beat, ttl_ms, beat_at, advertise, weight) \
                 VALUES(?, 0, ?, 3, 0, 0, UTC_TIMESTAMP(6), '', 1)";
            self.execute(add, (node.name.as_bytes(), &[0_u8; 16][..]))
                .await?;
        }
        let row = self.node(&node.name).await?;
        let expected = match (row, seen) {
            (Some(row), None) if row.incarnation.0 == 0 => row,
            (Some(row), Some(seen))
                if row.incarnation == seen.incarnation && row.beat == seen.beat =>
            {
                row
            }
            _ => return Ok(None),
        };
        self.command("START TRANSACTION").await?;
        let registered = self.register_in_transaction(node, &expected).await;
        self.end_transaction(registered).await
    }

    async fn register_in_transaction(
        &mut self,
        node: &Node,
        seen: &NodeRow,
    ) -> Result<Option<(Registered, LogId)>, DatabaseError> {
        let own = Registered {
            node: seen.id,
            incarnation: Incarnation(seen.incarnation.0 + 1),
            boot: node.boot,
        };
        let take = "UPDATE engine_node SET incarnation = ?, boot_uuid = ?, state = 1, beat = 0, ttl_ms = ?, advertise = ?, weight = ?, \
             beat_at = UTC_TIMESTAMP(6) WHERE node_id = ? AND incarnation = ? AND beat = ?";
        let values = (
            own.incarnation.0,
            &own.boot.0[..],
            node.ttl.as_millis() as u32,
            node.advertise.as_bytes(),
            node.weight,
            own.node.0,
            seen.incarnation.0,
            seen.beat,
        );
        if self.execute(take, values).await? != 1 {
            return Ok(None);
        }
        self.seal_logs_of(own.node, own.incarnation, own.node)
            .await?;
        let begin = "INSERT INTO node_log(node_id, incarnation) VALUES(?, ?)";
        self.execute(begin, (own.node.0, own.incarnation.0)).await?;
        let logs: Vec<u64> = self.rows("SELECT LAST_INSERT_ID()", ()).await?;
        let log = logs.first().copied().unwrap_or(0);
        let reclaim =
            format!("UPDATE tenant SET epoch = {NEXT_EPOCH}, incarnation = ? WHERE node_id = ?");
        self.execute(&reclaim, (own.incarnation.0, own.node.0))
            .await?;
        Ok(Some((own, LogId(log))))
    }

    /// Ends a transaction: as a whole if something was done in it, else not at all.
    async fn end_transaction<T>(
        &mut self,
        done: Result<Option<T>, DatabaseError>,
    ) -> Result<Option<T>, DatabaseError> {
        match done {
            Ok(Some(done)) => self.command("COMMIT").await.map(|()| Some(done)),
            Ok(None) => {
                self.forget();
                Ok(None)
            }
            Err(error) => {
                // With its connection the transaction ends.
                self.forget();
                Err(error)
            }
        }
    }

    /// Renews a lease: one row, whatever the number of tenants. Gives whether it did.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn renew(
        &mut self,
        own: &Registered,
        beat: u64,
        renewal: Duration,
    ) -> Result<bool, DatabaseError> {
        let renew = "UPDATE engine_node SET beat = ?, renewal_us = ?, beat_at = UTC_TIMESTAMP(6) \
             WHERE node_id = ? AND incarnation = ? AND boot_uuid = ? AND state IN (1, 2) AND beat < ?";
        let values = (
            beat,
            renewal.as_micros() as u32,
            own.node.0,
            own.incarnation.0,
            &own.boot.0[..],
            beat,
        );
        Ok(self.execute(renew, values).await? == 1)
    }

    /// The row of a node.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn node_by_id(&mut self, node: NodeId) -> Result<Option<NodeRow>, DatabaseError> {
        let statement = format!("{NODE} WHERE node_id = ?");
        let rows: Vec<Row> = self.rows(&statement, (node.0,)).await?;
        rows.into_iter().next().map(node_row).transpose()
    }

    /// Looks at all nodes.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn poll(&mut self) -> Result<Poll, DatabaseError> {
        let servers: Vec<(Value, Value, u8, Option<u64>)> = self
            .rows(
                "SELECT @@server_id, @@hostname, @@read_only, (SELECT MAX(epoch) FROM tenant)",
                (),
            )
            .await?;
        let (server, read_only, newest) = match servers.into_iter().next() {
            Some((id, host, read_only, newest)) => {
                let server = format!("{}@{}", id.as_sql(true), host.as_sql(true));
                (server.into_bytes(), read_only != 0, newest.unwrap_or(0))
            }
            None => return Err(DatabaseError::answer("@@server_id", "nothing")),
        };
        let rows: Vec<Row> = self.rows(NODE, ()).await?;
        Ok(Poll {
            server,
            read_only,
            nodes: rows.into_iter().map(node_row).collect::<Result<_, _>>()?,
            newest: Epoch(newest),
        })
    }

    /// Takes a silent process for dead, unless it has beaten since. Gives whether it did.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn fence(&mut self, seen: &NodeRow) -> Result<bool, DatabaseError> {
        let fence = "UPDATE engine_node SET state = 4 WHERE node_id = ? AND incarnation = ? AND beat = ? AND state IN (1, 2)";
        let values = (seen.id.0, seen.incarnation.0, seen.beat);
        Ok(self.execute(fence, values).await? == 1)
    }

    /// Says what a process does from now on: nothing if another one has the name, or it was taken for dead.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_state(
        &mut self,
        own: &Registered,
        state: NodeState,
    ) -> Result<bool, DatabaseError> {
        let set = "UPDATE engine_node SET state = ? WHERE node_id = ? AND incarnation = ? AND state IN (1, 2)";
        let values = (state as u8, own.node.0, own.incarnation.0);
        Ok(self.execute(set, values).await? == 1)
    }

    /// Asks a node by name to give its tenants away. Gives whether there is such a node at work.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn drain(&mut self, name: &str) -> Result<bool, DatabaseError> {
        let drain = "UPDATE engine_node SET state = 2 WHERE node_name = ? AND state IN (1, 2)";
        Ok(self.execute(drain, (name.as_bytes(),)).await? == 1)
    }

    /// Makes tenants known that are not yet.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn add_tenants(&mut self, tenants: &[TenantId]) -> Result<(), DatabaseError> {
        for some in tenants.chunks(CLAIM_MAX) {
            let places = vec!["(?)"; some.len()].join(", ");
            let add = format!("INSERT IGNORE INTO tenant(tenant_id) VALUES {places}");
            let values: Vec<Value> = some.iter().map(|tenant| tenant.0.into()).collect();
            self.execute(&add, values).await?;
        }
        Ok(())
    }

    /// All tenants and their owners.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn owners(&mut self) -> Result<BTreeMap<TenantId, Ownership>, DatabaseError> {
        let rows: Vec<(u32, u32, u64, u64)> = self
            .rows(
                "SELECT tenant_id, node_id, incarnation, epoch FROM tenant",
                (),
            )
            .await?;
        let owner = |(tenant, node, incarnation, epoch)| {
            let owner = Ownership {
                node: NodeId(node),
                incarnation: Incarnation(incarnation),
                epoch: Epoch(epoch),
            };
            (TenantId(tenant), owner)
        };
        Ok(rows.into_iter().map(owner).collect())
    }

    /// Claims tenants of a process that has ended for ever, or that nobody owned. Gives how many it got.
    ///
    /// # Errors
    /// When the database does not answer: what was claimed is read back with [`Self::owners`].
    pub async fn claim(
        &mut self,
        own: &Registered,
        tenants: &[TenantId],
        of: (NodeId, Incarnation),
    ) -> Result<u64, DatabaseError> {
        let mut claimed = 0;
        for some in tenants.chunks(CLAIM_MAX) {
            let places = vec!["?"; some.len()].join(", ");
            let claim = format!(
                "UPDATE tenant SET node_id = ?, incarnation = ?, epoch = {NEXT_EPOCH} \
                 WHERE tenant_id IN ({places}) AND node_id = ? AND incarnation = ?"
            );
            let mut values: Vec<Value> = vec![own.node.0.into(), own.incarnation.0.into()];
            values.extend(some.iter().map(|tenant| Value::from(tenant.0)));
            values.extend([Value::from(of.0.0), Value::from(of.1.0)]);
            claimed += self.execute(&claim, values).await?;
        }
        Ok(claimed)
    }

    /// Gives a tenant that this process owns to another process. Gives whether it did.
    ///
    /// # Errors
    /// When the database does not answer: see [`Self::owners`].
    pub async fn hand_over(
        &mut self,
        own: &Registered,
        claimed: Claimed,
        to: (NodeId, Incarnation),
    ) -> Result<bool, DatabaseError> {
        let give = format!(
            "UPDATE tenant SET node_id = ?, incarnation = ?, epoch = {NEXT_EPOCH} \
             WHERE tenant_id = ? AND node_id = ? AND incarnation = ? AND epoch = ?"
        );
        let values = (
            to.0.0,
            to.1.0,
            claimed.tenant.0,
            own.node.0,
            own.incarnation.0,
            claimed.epoch.0,
        );
        Ok(self.execute(&give, values).await? == 1)
    }

    /// Ends the logs of a node's processes before `incarnation`: nothing is added to them any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn seal(
        &mut self,
        node: NodeId,
        before: Incarnation,
        by: NodeId,
    ) -> Result<(), DatabaseError> {
        self.command("START TRANSACTION").await?;
        let sealed = self.seal_logs_of(node, before, by).await;
        self.end_transaction(sealed.map(Some)).await.map(drop)
    }

    async fn seal_logs_of(
        &mut self,
        node: NodeId,
        before: Incarnation,
        by: NodeId,
    ) -> Result<(), DatabaseError> {
        let open = "SELECT log_id FROM node_log WHERE node_id = ? AND incarnation < ? AND sealed = 0 ORDER BY log_id FOR UPDATE";
        let logs: Vec<u64> = self.rows(open, (node.0, before.0)).await?;
        for log in logs {
            seal_in_transaction(self, LogId(log), by).await?;
        }
        Ok(())
    }
}

pub(super) fn node_row(mut row: Row) -> Result<NodeRow, DatabaseError> {
    fn take<T: mysql_async::prelude::FromValue>(
        row: &mut Row,
        at: usize,
        what: &'static str,
    ) -> Result<T, DatabaseError> {
        let value = row.take::<Value, _>(at).unwrap_or(Value::NULL);
        let shown = value.as_sql(true);
        from_value_opt(value).map_err(|_| DatabaseError::answer(what, shown))
    }
    let boot: Vec<u8> = take(&mut row, 3, "boot_uuid")?;
    let state: u8 = take(&mut row, 4, "state")?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(NodeRow {
        id: NodeId(take(&mut row, 0, "node_id")?),
        name: text(take(&mut row, 1, "node_name")?),
        incarnation: Incarnation(take(&mut row, 2, "incarnation")?),
        boot: BootId(
            boot.try_into().map_err(|bytes: Vec<u8>| {
                DatabaseError::answer("boot_uuid's length", bytes.len())
            })?,
        ),
        state: NodeState::from_code(state)
            .ok_or_else(|| DatabaseError::answer("engine_node.state", state))?,
        beat: take(&mut row, 5, "beat")?,
        ttl: Duration::from_millis(take::<u32>(&mut row, 6, "ttl_ms")?.into()),
        advertise: text(take(&mut row, 7, "advertise")?),
        weight: take(&mut row, 8, "weight")?,
    })
}
