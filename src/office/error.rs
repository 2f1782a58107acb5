//! What a request is answered with when it is not done.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use souk_client::{ClientError, DecimalError, Refusal};
use souk_protocol::message::Rejected;
use souk_protocol::{Code, RejectReason};
use utoipa::ToSchema;

use super::node::NodeError;
use super::store::OfficeError;
use crate::history::HistoryError;

/// Why a request was not done.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

/// What a caller is told.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// Names the rule.
    pub code: Cow<'static, str>,
    /// Says it, with the value.
    pub text: String,
    /// What to do.
    pub remedy: Cow<'static, str>,
    /// When to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// The body of every refusal.
#[derive(Serialize, ToSchema)]
pub struct Refused {
    /// Why.
    pub error: ErrorBody,
}

/// It is done, and the lists do not have it yet.
const DONE_NOT_LISTED: &str = "DoneNotListed";
/// When to try again if the engine does not answer.
const RETRY_MS: u64 = 1_000;

impl ApiError {
    fn new(
        status: StatusCode,
        code: &'static str,
        text: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        Self {
            status,
            body: ErrorBody {
                code: code.into(),
                text: text.into(),
                remedy: remedy.into(),
                retry_after_ms: None,
            },
        }
    }

    /// A value of the request breaks a rule.
    pub fn bad(field: &str, rule: impl std::fmt::Display) -> Self {
        let text = format!("{field}: {rule}");
        Self::new(
            StatusCode::BAD_REQUEST,
            "BadRequest",
            text,
            "mend the value and send it again",
        )
    }

    /// It is not there, or not the caller's: nobody can tell which.
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NotFound",
            "there is no such thing",
            "look at the list for what there is",
        )
    }

    /// The order is not open any more.
    pub fn not_open() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "OrderNotOpen",
            "the order is filled or canceled already",
            "look at the order for what became of it",
        )
    }

    /// Nobody knows who asks.
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "Unauthorized",
            "no token, or one that is not good any more",
            "log on, and send `Authorization: Bearer TOKEN`",
        )
    }

    /// Name or password are wrong.
    pub fn wrong_password() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "WrongPassword",
            "tenant, user or password is wrong",
            "try again, or ask an owner for a new password",
        )
    }

    /// The role does not allow it.
    pub fn forbidden() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Forbidden",
            "the role of this token does not allow it",
            "ask an owner of the tenant",
        )
    }

    /// Something of this name is there.
    pub fn exists(what: &str) -> Self {
        let text = format!("{what} is there already");
        Self::new(StatusCode::CONFLICT, "Exists", text, "choose another name")
    }

    /// The tenant has as many keys as it may have.
    pub fn too_many_keys(max: u64) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "TooManyKeys",
            format!("the tenant has {max} keys that work, and may not have more"),
            "revoke those that nobody uses, or wait until those that were rotated end",
        )
    }

    /// Too many attempts.
    pub fn too_many(retry_after_ms: u64) -> Self {
        let mut error = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequests",
            "too many attempts",
            "wait, then try again",
        );
        error.body.retry_after_ms = Some(retry_after_ms);
        error
    }

    /// The engine does not answer.
    pub fn unavailable(text: impl Into<String>) -> Self {
        let mut error = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Unavailable",
            text,
            "try again; what changes something and has a key of its own may be sent again as it is",
        );
        error.body.retry_after_ms = Some(RETRY_MS);
        error
    }

    /// It is done, and cannot be shown yet.
    pub fn done_not_listed() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            DONE_NOT_LISTED,
            "it is done, and the history does not have it yet",
            "do not send it again: look at the lists in a moment",
        )
    }

    /// Something that should not happen: it is in the log.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "the office failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal",
            "the office failed; the node's log says why",
            "try again, and report it if it stays",
        )
    }

    /// The engine has refused it.
    pub fn refused(code: Code) -> Self {
        let Some(reason) = code.reason() else {
            return Self::unavailable(format!("the engine refused it with code {}", code.0));
        };
        if is_unknown(reason) {
            return Self::not_found();
        }
        let row = RejectReason::TABLE.iter().find(|row| row.reason == reason);
        Self {
            status: StatusCode::CONFLICT,
            body: ErrorBody {
                code: format!("{reason:?}").into(),
                text: reason.to_string(),
                remedy: row.map_or("", |row| row.remedy).into(),
                retry_after_ms: None,
            },
        }
    }

    /// Whether what was asked for is done all the same.
    pub fn is_done(&self) -> bool {
        self.body.code == DONE_NOT_LISTED
    }

    /// What the caller is told.
    pub const fn body(&self) -> &ErrorBody {
        &self.body
    }
}

/// Whether it says that something does not exist.
const fn is_unknown(reason: RejectReason) -> bool {
    matches!(
        reason,
        RejectReason::UnknownMarket
            | RejectReason::UnknownAccount
            | RejectReason::UnknownCurrency
            | RejectReason::UnknownOrder
    )
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(Refused { error: self.body })).into_response();
        // Also what is refused is nobody's to keep.
        let no_store = HeaderValue::from_static("no-store");
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, no_store);
        response
    }
}

impl From<ClientError> for ApiError {
    fn from(error: ClientError) -> Self {
        match &error {
            ClientError::RequestRefused { code, .. } | ClientError::Refused { code, .. } => {
                Self::refused(*code)
            }
            // What it says has the addresses of nodes in it: that is for those who run them.
            _ => {
                tracing::warn!(%error, "the engine does not answer the office");
                Self::unavailable(match error {
                    ClientError::InDoubt { .. } => {
                        "it was sent and not answered; look at the lists for what became of it"
                    }
                    _ => "the engine was not reached",
                })
            }
        }
    }
}

impl From<Rejected> for ApiError {
    fn from(rejected: Rejected) -> Self {
        Self::refused(rejected.code)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ByServer { code, .. } => Self::refused(code),
            _ => Self::unavailable("the engine was not reached"),
        }
    }
}

impl From<DecimalError> for ApiError {
    fn from(error: DecimalError) -> Self {
        Self::bad("decimal", error)
    }
}

impl From<OfficeError> for ApiError {
    fn from(error: OfficeError) -> Self {
        if !error.is_passing() {
            return Self::internal(&error);
        }
        tracing::warn!(%error, "the office's tables do not answer");
        Self::unavailable(
            "the office's tables do not answer just now; look at the lists for what became of it",
        )
    }
}

impl From<HistoryError> for ApiError {
    fn from(error: HistoryError) -> Self {
        tracing::warn!(%error, "the history cannot be read");
        Self::unavailable("the history cannot be read; the node's log says why")
    }
}

impl From<NodeError> for ApiError {
    fn from(error: NodeError) -> Self {
        tracing::warn!(%error, "the cluster cannot be looked at");
        Self::unavailable("the database does not answer; the node's log says why")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_where_nodes_are() {
        let address = "10.1.2.3:7001";
        for error in [
            ClientError::ConnectTimeout {
                address: address.to_owned(),
                limit: std::time::Duration::from_secs(5),
            },
            ClientError::InDoubt {
                request: "Credit",
                reason: format!("connecting to {address}: refused"),
            },
        ] {
            assert!(error.to_string().contains(address));
            let told = ApiError::from(error);
            assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(!told.body.text.contains("10.1.2.3"), "{}", told.body.text);
        }
    }
}
