//! The audit log.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::orders::cut;
use crate::keys;
use crate::office::admission::AtDesk;
use crate::office::answers::time;
use crate::office::csv;
use crate::office::error::ApiError;
use crate::office::requests::{Ask, LIMIT_MAX, Page};
use crate::office::state::{OfficeState, blocking};
use crate::office::store::{AuditEntry, AuditFilter, ChainBroken, OfficeError};

const COLUMNS: &[&str] = &[
    "number", "at", "user", "role", "address", "action", "target", "reason", "request", "outcome",
    "begun", "hash",
];

/// A line of the log.
#[derive(Serialize, ToSchema)]
pub struct AuditAnswer {
    number: String,
    at: String,
    user: String,
    role: String,
    address: String,
    action: String,
    target: String,
    reason: String,
    /// The request as JSON, without secrets.
    request: String,
    /// `begun`, `done`, or the code of the refusal.
    outcome: String,
    /// The number of the entry that says it was begun.
    begun: Option<String>,
    /// SHA-256 of the hash before and of this entry.
    hash: String,
}

impl From<&AuditEntry> for AuditAnswer {
    fn from(entry: &AuditEntry) -> Self {
        let attempt = &entry.attempt;
        Self {
            number: entry.number.to_string(),
            at: time(entry.at),
            user: attempt.user.clone(),
            role: attempt.role.clone(),
            address: attempt.address.clone(),
            action: attempt.action.clone(),
            target: attempt.target.clone(),
            reason: attempt.reason.clone(),
            request: attempt.request.clone(),
            outcome: entry.outcome.clone(),
            begun: (entry.begun != 0).then(|| entry.begun.to_string()),
            hash: keys::hex(&entry.hash),
        }
    }
}

/// A page of the log.
#[derive(Serialize, ToSchema)]
pub struct Log {
    items: Vec<AuditAnswer>,
    next: Option<String>,
    chain: Chain,
}

/// Whether the whole log is as it was written.
#[derive(Serialize, ToSchema)]
pub struct Chain {
    holds: bool,
    entries: u64,
    /// The first entry that does not follow the one before it.
    at: Option<String>,
}

/// What was done, newest first.
#[utoipa::path(get, path = "/v1/audit", params(Page), responses((status = 200, body = Log)))]
pub async fn list(
    State(office): State<Arc<OfficeState>>,
    AtDesk { desk, .. }: AtDesk,
    Ask(page): Ask<Page>,
) -> Result<Response, ApiError> {
    let (from, to) = page.times()?;
    let filter = AuditFilter {
        user: page.user.clone(),
        action: page.action.clone(),
        target: None,
        from,
        to,
        before: page.after()?,
        limit: page.limit()?,
    };
    let tenant = desk.tenant;
    let rows = move |office: &OfficeState, before: Option<u64>, limit: usize| {
        let filter = AuditFilter {
            before,
            limit: limit + 1,
            ..filter.clone()
        };
        let rows = office.store.audit(Some(tenant), &filter)?;
        let (rows, next) = cut(rows, limit, |row| row.number);
        let answers: Vec<AuditAnswer> = rows.iter().map(Into::into).collect();
        Ok::<_, ApiError>((answers, next))
    };
    if page.is_csv() {
        let pages = move |before| rows(&office, before, LIMIT_MAX);
        return Ok(csv::file("audit", COLUMNS, pages));
    }
    let (entries, next) = blocking(|| rows(&office, page.after()?, page.limit()?))?;
    let chain = match blocking(|| office.check_audit(tenant)) {
        Ok(checked) => Chain {
            holds: true,
            entries: checked.entries,
            at: None,
        },
        Err(OfficeError::Chain(ChainBroken(number))) => {
            tracing::error!(%tenant, number, "an audit log is not as it was written");
            Chain {
                holds: false,
                entries: 0,
                at: Some(number.to_string()),
            }
        }
        Err(error) => return Err(error.into()),
    };
    let log = Log {
        items: entries,
        next: next.map(|next| next.to_string()),
        chain,
    };
    Ok(Json(log).into_response())
}
