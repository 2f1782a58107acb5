//! HTTP: the paths, and a listener that holds few connections for a short time.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::Listener;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Sleep, sleep};

use super::board::Board;
use super::{health, page};

/// Connections at one time; more wait in the system's queue.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection lives, whatever it does: a peer that sends nothing takes nobody's place for ever.
const CONNECTION_TIME: Duration = Duration::from_secs(30);
/// Pause after the system refuses to accept, for want of descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
    board: Arc<Board>,
    mut stop: watch::Receiver<bool>,
) {
    runtime.block_on(async {
        let prepared = listener.set_nonblocking(true);
        let listener = match prepared.and_then(|()| TcpListener::from_std(listener)) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "the operations listener cannot be used");
                return;
            }
        };
        let bounded = Bounded {
            listener,
            room: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        };
        let serve = axum::serve(bounded, router(board));
        tokio::select! {
            _ = serve.into_future() => {}
            // An error: whoever could ask for the end is gone.
            _ = stop.wait_for(|stop| *stop) => {}
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

/// Accepts no more than there is room for.
struct Bounded {
    listener: TcpListener,
    room: Arc<Semaphore>,
}

/// A connection that ends when its time is over.
struct Visit {
    stream: TcpStream,
    over: Pin<Box<Sleep>>,
    _room: OwnedSemaphorePermit,
}

impl Listener for Bounded {
    type Io = Visit;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visit, SocketAddr) {
        loop {
            // Never closed, so there is always some room in the end.
            let Ok(room) = Arc::clone(&self.room).acquire_owned().await else {
                std::future::pending::<()>().await;
                continue;
            };
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let visit = Visit {
                        stream,
                        over: Box::pin(sleep(CONNECTION_TIME)),
                        _room: room,
                    };
                    return (visit, peer);
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection for operations");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl AsyncRead for Visit {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.over.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Visit {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.over.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
