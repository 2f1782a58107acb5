//! What an operator sees of a cluster.

use std::time::Duration;

use mysql_async::Row;

use super::connection::Connection;
use super::error::DatabaseError;
use super::leases::node_row;
use crate::lease::NodeRow;

/// A node, as the database shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// What it says of itself.
    pub row: NodeRow,
    /// Since its last renewal, by the database's clock.
    pub silent: Duration,
    /// What its renewals take, the 99th percentile since it started.
    pub renewal_p99: Duration,
    /// Tenants that it owns.
    pub tenants: u64,
    /// Rows in its log.
    pub log_rows: u64,
}

impl NodeStatus {
    /// What is left of its lease, as others see it: they wait until nothing is.
    #[must_use]
    pub fn lease_left(&self) -> Duration {
        if self.row.state.is_open() {
            self.row.ttl.saturating_sub(self.silent)
        } else {
            Duration::ZERO
        }
    }
}

/// A cluster, as the database shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterStatus {
    /// The nodes, by name.
    pub nodes: Vec<NodeStatus>,
    /// Tenants that nobody owns who is alive.
    pub orphans: u64,
}

const NODES: &str = "SELECT node_id, node_name, incarnation, boot_uuid, state, beat, ttl_ms, advertise, weight, \
        CAST(GREATEST(0, TIMESTAMPDIFF(MICROSECOND, beat_at, UTC_TIMESTAMP(6))) AS UNSIGNED), renewal_us, \
        (SELECT COUNT(*) FROM tenant t WHERE t.node_id = n.node_id AND t.incarnation = n.incarnation), \
        (SELECT COALESCE(MAX(r.seq), 0) FROM node_log l JOIN log_row r ON r.log_id = l.log_id \
            WHERE l.node_id = n.node_id AND l.incarnation = n.incarnation) \
     FROM engine_node n ORDER BY node_name";
const ORPHANS: &str = "SELECT COUNT(*) FROM tenant t WHERE NOT EXISTS( \
        SELECT 1 FROM engine_node n WHERE n.node_id = t.node_id AND n.incarnation = t.incarnation AND n.state IN (1, 2))";

impl Connection {
    /// Looks at all nodes and their tenants.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn cluster_status(&mut self) -> Result<ClusterStatus, DatabaseError> {
        let rows: Vec<Row> = self.rows(NODES, ()).await?;
        let number = |row: &Row, at: usize| row.get::<u64, _>(at).unwrap_or(0);
        let node = |row: Row| {
            Ok::<_, DatabaseError>(NodeStatus {
                silent: Duration::from_micros(number(&row, 9)),
                renewal_p99: Duration::from_micros(number(&row, 10)),
                tenants: number(&row, 11),
                log_rows: number(&row, 12),
                row: node_row(row)?,
            })
        };
        let nodes = rows.into_iter().map(node).collect::<Result<_, _>>()?;
        let orphans: Vec<u64> = self.rows(ORPHANS, ()).await?;
        Ok(ClusterStatus {
            nodes,
            orphans: orphans.first().copied().unwrap_or(0),
        })
    }
}
