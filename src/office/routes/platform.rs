//! For those who run the nodes: nothing of any tenant but that it is there.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::control::Custody;
use crate::database::NodeStatus;
use crate::metrics::{Meters, STAGES, Stage};
use crate::office::admission::Someone;
use crate::office::answers::Items;
use crate::office::error::ApiError;
use crate::office::state::{OfficeState, a_day_ago, blocking};

/// A tenant.
#[derive(Serialize, ToSchema)]
pub struct TenantAnswer {
    id: String,
    name: String,
    /// `internal` or `external`.
    custody: &'static str,
    markets: u64,
    accounts: u64,
}

/// The tenants.
#[utoipa::path(get, path = "/v1/tenants", responses((status = 200, body = Items<TenantAnswer>)))]
pub async fn tenants(
    State(office): State<Arc<OfficeState>>,
    _: Someone,
) -> Result<Json<Items<TenantAnswer>>, ApiError> {
    let mut items = Vec::new();
    for tenant in &office.config.tenants {
        let [accounts, ..] = blocking(|| office.history.counts(tenant.id, a_day_ago()))?;
        items.push(TenantAnswer {
            id: tenant.id.0.to_string(),
            name: tenant.name.clone(),
            custody: match tenant.control.custody() {
                Custody::Internal => "internal",
                Custody::External => "external",
            },
            markets: blocking(|| office.history.markets(tenant.id))?,
            accounts,
        });
    }
    Ok(Json(Items::all(items)))
}

/// A node.
#[derive(Serialize, ToSchema)]
pub struct NodeAnswer {
    node: String,
    /// `serving`, or `failed` when its journal has; of a cluster's node `live`, `draining`, `released` or `fenced`.
    state: String,
    address: String,
    /// Null: it is another node's, ask that one.
    connections: Option<usize>,
    tenants: u64,
    /// Null: it holds no lease, because it shares its tenants with no other.
    lease_left_ms: Option<u64>,
    lease_ms: Option<u64>,
    /// Null: it is another node's, ask that one.
    journal: Option<JournalAnswer>,
}

/// What a node's journal did.
#[derive(Serialize, ToSchema)]
pub struct JournalAnswer {
    groups: String,
    batches: String,
    bytes: String,
    /// Batches that are durable and not in the history yet; of a cluster's node, rows of the logs: those of the tenant of which
    /// most are missing.
    history_lag_batches: u64,
}

/// The nodes, and where the time goes on this one.
#[derive(Serialize, ToSchema)]
pub struct Nodes {
    items: Vec<NodeAnswer>,
    stages: Vec<StageAnswer>,
}

/// A part of the way of an order. Times are bounds of buckets that grow by at most a quarter; null: nothing came this way yet.
#[derive(Serialize, ToSchema)]
pub struct StageAnswer {
    /// `gateway`, `queue`, `match`, `journal`, `publish`.
    stage: &'static str,
    p50_us: Option<u64>,
    p99_us: Option<u64>,
    p999_us: Option<u64>,
}

fn stages(meters: &Meters) -> Vec<StageAnswer> {
    let answer = |stage: Stage| {
        let times = meters.stage(stage);
        let us = |per_million| times.quantile_ns(per_million).map(|ns| ns.div_ceil(1_000));
        StageAnswer {
            stage: stage.name(),
            p50_us: us(500_000),
            p99_us: us(990_000),
            p999_us: us(999_000),
        }
    };
    STAGES.into_iter().map(answer).collect()
}

/// The nodes.
#[utoipa::path(get, path = "/v1/nodes", responses((status = 200, body = Nodes)))]
pub async fn nodes(
    State(office): State<Arc<OfficeState>>,
    _: Someone,
) -> Result<Json<Nodes>, ApiError> {
    let items = match office.node.cluster()? {
        None => vec![alone(&office)?],
        Some(status) => {
            let node = |node: &NodeStatus| of_cluster(&office, node);
            status.nodes.iter().map(node).collect::<Result<_, _>>()?
        }
    };
    Ok(Json(Nodes {
        items,
        stages: stages(&office.meters),
    }))
}

/// What this process knows of itself alone.
fn own_journal(office: &OfficeState) -> Result<JournalAnswer, ApiError> {
    let counts = office.node.journal().counts();
    let mut lag = 0;
    for tenant in &office.config.tenants {
        lag = lag.max(office.node.history_lag(tenant.id)?);
    }
    Ok(JournalAnswer {
        groups: counts.groups.to_string(),
        batches: counts.batches.to_string(),
        bytes: counts.bytes.to_string(),
        history_lag_batches: lag,
    })
}

fn alone(office: &OfficeState) -> Result<NodeAnswer, ApiError> {
    let works = office.node.journal().failure().is_ok();
    Ok(NodeAnswer {
        node: office.config.journal.node.clone(),
        state: if works { "serving" } else { "failed" }.to_owned(),
        address: office.config.server.listen.to_string(),
        connections: Some(office.node.connections()),
        tenants: office.config.tenants.len() as u64,
        lease_left_ms: None,
        lease_ms: None,
        journal: Some(own_journal(office)?),
    })
}

fn of_cluster(office: &OfficeState, node: &NodeStatus) -> Result<NodeAnswer, ApiError> {
    let is_own = node.row.name == office.config.journal.node;
    let own = is_own.then(|| own_journal(office)).transpose()?;
    let ms = |time: std::time::Duration| Some(time.as_millis() as u64);
    Ok(NodeAnswer {
        node: node.row.name.clone(),
        state: node.row.state.to_string(),
        address: node.row.advertise.clone(),
        connections: is_own.then(|| office.node.connections()),
        tenants: node.tenants,
        lease_left_ms: ms(node.lease_left()),
        lease_ms: ms(node.row.ttl),
        journal: own,
    })
}
