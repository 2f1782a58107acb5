//! HTTP: the paths, and what the listener bears.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::board::Board;
use super::{health, page};
use crate::http::{self, HttpBounds};
use crate::peer::PlacesMax;
use crate::tls::Port;

/// How long a peer may take for its handshake, and for the head of a request: who says nothing takes nobody's place for long.
const ENTRY_TIME: Duration = Duration::from_secs(3);
/// Few connections, for a short time: probes and scrapers need no more.
const BOUNDS: HttpBounds = HttpBounds {
    places: PlacesMax {
        all: 64,
        of_network: 16,
    },
    entry_time: ENTRY_TIME,
    connection_time: Some(Duration::from_secs(30)),
};

/// What `/readyz` tells.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Answers until it is stopped.
pub(super) fn answer(
    runtime: &Runtime,
    listener: std::net::TcpListener,
    port: Port,
    board: Arc<Board>,
    stop: watch::Receiver<bool>,
) {
    runtime.block_on(async {
        let prepared = listener.set_nonblocking(true);
        match prepared.and_then(|()| TcpListener::from_std(listener)) {
            Ok(listener) => http::serve(listener, port, router(board), BOUNDS, stop).await,
            Err(error) => tracing::error!(%error, "the operations listener cannot be used"),
        }
    });
}

fn router(board: Arc<Board>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .route("/startupz", get(startupz))
        .with_state(board)
}

async fn metrics(State(board): State<Arc<Board>>) -> Response {
    match page::page(&board) {
        Ok(text) => ([(header::CONTENT_TYPE, page::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn readyz(State(board): State<Arc<Board>>) -> Response {
    let reason = health::ready(&board).err().map(|error| error.to_string());
    let ready = reason.is_none();
    (status(ready), Json(Readiness { ready, reason })).into_response()
}

async fn startupz(State(board): State<Arc<Board>>) -> Response {
    let progressed = health::startup(&board);
    (status(progressed.started), Json(progressed)).into_response()
}

const fn status(good: bool) -> StatusCode {
    if good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}
