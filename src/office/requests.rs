//! What the office is asked: bodies, queries, and the way from their text to ids, amounts and times.

use std::time::{Duration, UNIX_EPOCH};

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use souk_client::BusinessKey;
use souk_protocol::{AccountId, MarketId, OrderId, Text};
use tokio::time::timeout;

use super::answers::StandingWord;
use super::error::ApiError;
use crate::history::Filter;

/// Rows of a page, if nothing is said.
const LIMIT: usize = 100;
/// Most rows of a page.
pub const LIMIT_MAX: usize = 500;
/// How long a body may take to come.
const BODY_MAX: Duration = Duration::from_secs(10);
/// Longest reason.
const REASON_MAX: usize = 200;

/// A JSON body.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = timeout(BODY_MAX, Json::<T>::from_request(request, state)).await;
        let body = body.map_err(|_| ApiError::bad("body", "did not come within 10 s"))?;
        let read = |rejection: JsonRejection| ApiError::bad("body", rejection.body_text());
        body.map(|Json(body)| Self(body)).map_err(read)
    }
}

/// The query of a URL.
pub struct Ask<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Ask<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let read = |rejection: QueryRejection| ApiError::bad("query", rejection.body_text());
        query.map(|Query(query)| Self(query)).map_err(read)
    }
}

/// A number in a path: what is none names nothing.
pub fn named(text: &str) -> Result<u32, ApiError> {
    text.parse().map_err(|_| ApiError::not_found())
}

/// A market in a path.
pub fn market_named(text: &str) -> Result<MarketId, ApiError> {
    named(text).map(MarketId)
}

/// An account in a path.
pub fn account_named(text: &str) -> Result<AccountId, ApiError> {
    named(text).map(AccountId)
}

/// An order in a path.
pub fn order_named(text: &str) -> Result<OrderId, ApiError> {
    let id = text.parse().map_err(|_| ApiError::not_found())?;
    Ok(OrderId(id))
}

/// A number in a body or query.
pub fn number<T: std::str::FromStr>(field: &str, text: &str) -> Result<T, ApiError> {
    let rule = || ApiError::bad(field, format!("{text:?} is no number in range"));
    text.parse().map_err(|_| rule())
}

/// A text of the wire.
pub fn text<const N: usize>(field: &str, text: &str) -> Result<Text<N>, ApiError> {
    let rule = || {
        ApiError::bad(
            field,
            format!("{text:?} is not at most {N} printable ASCII characters"),
        )
    };
    Text::new(text).ok_or_else(rule)
}

/// Why something is done, in the words of who does it.
pub fn reason(text: &str) -> Result<&str, ApiError> {
    let text = text.trim();
    let length = text.chars().count();
    if (1..=REASON_MAX).contains(&length) && !text.chars().any(char::is_control) {
        return Ok(text);
    }
    Err(ApiError::bad(
        "reason",
        format!("has {length} characters, must be 1 to {REASON_MAX} on one line"),
    ))
}

/// What names a movement of money for ever.
pub fn business_key(business: &str, id: &str) -> Result<BusinessKey, ApiError> {
    let rule =
        "business is 1 to 16 printable characters without spaces, business_id a number above 0";
    BusinessKey::new(business, number("business_id", id)?)
        .ok_or_else(|| ApiError::bad("business", rule))
}

fn moment(field: &str, text: Option<&String>) -> Result<Option<u64>, ApiError> {
    let Some(text) = text else {
        return Ok(None);
    };
    let parsed = humantime::parse_rfc3339_weak(text).ok();
    let since = parsed.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let ns = since.and_then(|since| u64::try_from(since.as_nanos()).ok());
    let rule = || {
        ApiError::bad(
            field,
            format!("{text:?} is no time such as 2026-01-31T12:00:00Z"),
        )
    };
    ns.map(Some).ok_or_else(rule)
}

/// Which rows of a list are wanted.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Of this market.
    pub market: Option<String>,
    /// Of this account.
    pub account: Option<String>,
    /// Orders that stand like this.
    pub state: Option<StandingWord>,
    /// Not before this time.
    pub from: Option<String>,
    /// Before this time.
    pub to: Option<String>,
    /// What the page before gave as `next`.
    pub after: Option<String>,
    /// 1 to 500 rows; 100 if absent.
    pub limit: Option<usize>,
    /// `csv`: the whole list as a file.
    pub format: Option<Format>,
    /// Statements: of this currency.
    pub currency: Option<String>,
    /// Accounts: with this id of the platform.
    pub external_id: Option<String>,
    /// Accounts: with this status.
    pub status: Option<super::answers::AccountWord>,
    /// Statements: `oldest` or `newest` first; `oldest` if absent.
    pub order: Option<Order>,
    /// Audit log: of this user.
    pub user: Option<String>,
    /// Audit log: this action.
    pub action: Option<String>,
}

/// What comes first in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The oldest.
    Oldest,
    /// The newest.
    Newest,
}

/// How a list is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A page of JSON.
    Json,
    /// A file of everything.
    Csv,
}

impl Page {
    /// Rows of a page.
    pub fn limit(&self) -> Result<usize, ApiError> {
        let limit = self.limit.unwrap_or(LIMIT);
        if (1..=LIMIT_MAX).contains(&limit) {
            return Ok(limit);
        }
        Err(ApiError::bad(
            "limit",
            format!("{limit} is not 1 to {LIMIT_MAX}"),
        ))
    }

    /// Whether a file is wanted.
    pub fn is_csv(&self) -> bool {
        self.format == Some(Format::Csv)
    }

    /// The number after which the page begins.
    pub fn after(&self) -> Result<Option<u64>, ApiError> {
        let after = self.after.as_deref();
        after.map(|text| number("after", text)).transpose()
    }

    /// Times.
    pub fn times(&self) -> Result<(Option<u64>, Option<u64>), ApiError> {
        Ok((
            moment("from", self.from.as_ref())?,
            moment("to", self.to.as_ref())?,
        ))
    }

    /// As the history is asked. What is no id matches nothing.
    pub fn filter(&self) -> Result<Filter, ApiError> {
        let id = |text: &Option<String>| text.as_ref().map(|text| text.parse().unwrap_or(0));
        let (from, to) = self.times()?;
        Ok(Filter {
            market: id(&self.market).map(MarketId),
            account: id(&self.account).map(AccountId),
            standing: self.state.map(Into::into),
            from,
            to,
            before: self.after()?,
            limit: self.limit()?,
        })
    }
}
