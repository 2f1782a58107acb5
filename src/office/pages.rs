//! The console and the trading page: static files, inside the program.
//!
//! Must never: let a page run what is not one of these files, or be shown inside another page without leave.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use include_dir::{Dir, include_dir};

use super::error::ApiError;
use super::state::{OfficeState, blocking};
use crate::keys;

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src/office/web");

/// What a page may do: run, show and fetch its own files, and talk to this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     font-src 'self'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'";

/// Changes with any of the files.
static TAG: LazyLock<HeaderValue> = LazyLock::new(|| {
    let mut names_and_bytes = Vec::new();
    gather(&FILES, &mut names_and_bytes);
    let hash = digest(&SHA256, &names_and_bytes);
    let tag = format!("\"{}\"", keys::hex(&hash.as_ref()[..16]));
    HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""))
});

fn gather(folder: &Dir<'_>, into: &mut Vec<u8>) {
    for file in folder.files() {
        into.extend_from_slice(file.path().as_os_str().as_encoded_bytes());
        into.extend_from_slice(file.contents());
    }
    for folder in folder.dirs() {
        gather(folder, into);
    }
}

/// A file of a page, for what is no route.
pub async fn page(
    State(office): State<Arc<OfficeState>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) || uri.path().starts_with("/v1/") {
        return ApiError::not_found().into_response();
    }
    let path = match uri.path() {
        "/" => "console/index.html",
        "/trade" => return Redirect::permanent("/trade/").into_response(),
        "/trade/" => "trade/index.html",
        "/favicon.ico" => "shared/icon.svg",
        path => path.trim_start_matches('/'),
    };
    let kind = match path.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => return ApiError::not_found().into_response(),
    };
    let Some(file) = FILES.get_file(path) else {
        return ApiError::not_found().into_response();
    };
    let is_known = headers.get(header::IF_NONE_MATCH) == Some(&*TAG);
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Body::from(file.contents()).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::ETAG, TAG.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let name = uri.query().and_then(|query| query.strip_prefix("page="));
    let embedders = match (path, name) {
        ("trade/index.html", Some(name)) => {
            let all = blocking(|| office.embedders());
            all.get(name).cloned().unwrap_or_default()
        }
        _ => Vec::new(),
    };
    let policy = match embedders.as_slice() {
        [] => format!("{POLICY}; frame-ancestors 'none'"),
        origins => format!("{POLICY}; frame-ancestors {}", origins.join(" ")),
    };
    // Origins were checked to be nothing else when they were written.
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if embedders.is_empty() {
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    }
    response
}

/// What every answer says to a browser.
pub fn protect(mut response: Response, secure: bool) -> Response {
    let headers = response.headers_mut();
    if secure {
        // Heeded over TLS alone (RFC 6797, section 8.1).
        let thirty_days = HeaderValue::from_static("max-age=2592000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, thirty_days);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
