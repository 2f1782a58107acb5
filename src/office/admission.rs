//! Who may come in: looks up what the route needs and who has the token, before anything else is done.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;

use super::access::{Caller, Need};
use super::desk::Desk;
use super::error::ApiError;
use super::routes::need_of;
use super::secrets::Digest;
use super::state::{OfficeState, blocking};
use crate::clock;
use crate::http::Peer;

/// Who asks, and from where.
#[derive(Clone, Debug)]
pub struct Someone {
    pub caller: Caller,
    pub address: IpAddr,
}

/// Who asks, and the desk of its tenant.
pub struct AtDesk {
    pub caller: Caller,
    pub address: IpAddr,
    pub desk: Arc<Desk>,
}

/// Lets in whose role may do what the route needs.
pub async fn admit(
    State(office): State<Arc<OfficeState>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let path = request.extensions().get::<MatchedPath>();
    let path = path.map_or("", MatchedPath::as_str).to_owned();
    let method = match request.method() {
        &Method::HEAD => Method::GET,
        other => other.clone(),
    };
    // Deny what no line of the table allows.
    let need = need_of(&method, &path).ok_or_else(ApiError::not_found)?;
    if need != Need::Public {
        let token = bearer(request.headers()).ok_or_else(ApiError::unauthorized)?;
        let caller = caller_of(&office, token)?;
        if !caller.role.may(need) {
            return Err(ApiError::forbidden());
        }
        let address = address_of(request.extensions());
        request.extensions_mut().insert(Someone { caller, address });
    }
    // On its own: whoever hangs up does not end what was begun.
    let done = tokio::spawn(next.run(request)).await;
    let mut response = done.map_err(|error| ApiError::internal(&error))?;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Who has a token.
pub fn caller_of(office: &OfficeState, token: &str) -> Result<Caller, ApiError> {
    let digest = Digest::of(token);
    let caller = blocking(|| office.store.caller(&digest, clock::wall_ns()))?;
    let caller = caller.ok_or_else(ApiError::unauthorized)?;
    // A tenant may have left the configuration.
    let is_there = caller
        .tenant
        .is_none_or(|tenant| office.desks.contains_key(&tenant));
    is_there
        .then_some(caller)
        .ok_or_else(ApiError::unauthorized)
}

/// The token of a request.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

fn address_of(extensions: &axum::http::Extensions) -> IpAddr {
    let peer = extensions.get::<Arc<Peer>>();
    peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.address.ip())
}

impl<S: Send + Sync> FromRequestParts<S> for Someone {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let someone = parts.extensions.get::<Self>().cloned();
        someone.ok_or_else(ApiError::unauthorized)
    }
}

impl FromRequestParts<Arc<OfficeState>> for AtDesk {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        office: &Arc<OfficeState>,
    ) -> Result<Self, ApiError> {
        let Someone { caller, address } = Someone::from_request_parts(parts, office).await?;
        let desk = Arc::clone(office.desk(&caller)?);
        Ok(Self {
            caller,
            address,
            desk,
        })
    }
}

/// Where an anonymous request comes from.
pub struct From(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(address_of(&parts.extensions)))
    }
}
