//! For those who run the nodes: nothing of any tenant but that it is there.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::control::Custody;
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
    markets: usize,
    accounts: u64,
}

/// The tenants of this node.
#[utoipa::path(get, path = "/v1/tenants", responses((status = 200, body = Items<TenantAnswer>)))]
pub async fn tenants(
    State(office): State<Arc<OfficeState>>,
    _: Someone,
) -> Result<Json<Items<TenantAnswer>>, ApiError> {
    let mut items = Vec::new();
    for entry in &office.directory.tenants {
        let [accounts, ..] = blocking(|| office.history.counts(entry.id, a_day_ago()))?;
        items.push(TenantAnswer {
            id: entry.id.0.to_string(),
            name: entry.name.clone(),
            custody: match entry.custody {
                Custody::Internal => "internal",
                Custody::External => "external",
            },
            markets: entry.catalogue().markets(),
            accounts,
        });
    }
    Ok(Json(Items::all(items)))
}

/// A node.
#[derive(Serialize, ToSchema)]
pub struct NodeAnswer {
    node: String,
    /// `serving`, or `failed` when its journal has.
    state: &'static str,
    address: String,
    connections: usize,
    tenants: usize,
    /// Null: it holds no lease, because it shares its tenants with no other.
    lease_left_ms: Option<u64>,
    journal: JournalAnswer,
}

/// What a node's journal did.
#[derive(Serialize, ToSchema)]
pub struct JournalAnswer {
    groups: String,
    batches: String,
    bytes: String,
    /// Batches that are durable and not in the history yet.
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
    let counts = office.journal.counts();
    let node = NodeAnswer {
        node: office.config.journal.node.clone(),
        state: if office.journal.failure().is_ok() {
            "serving"
        } else {
            "failed"
        },
        address: office.config.server.listen.to_string(),
        connections: office.entrance.registry.connections(),
        tenants: office.directory.tenants.len(),
        lease_left_ms: None,
        journal: JournalAnswer {
            groups: counts.groups.to_string(),
            batches: counts.batches.to_string(),
            bytes: counts.bytes.to_string(),
            history_lag_batches: office.history_lag(),
        },
    };
    Ok(Json(Nodes {
        items: vec![node],
        stages: stages(&office.meters),
    }))
}
