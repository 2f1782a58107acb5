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
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Sleep, sleep, timeout};

use super::board::Board;
use super::{health, page};
use crate::tls::{Port, Socket};

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
    port: Port,
    board: Arc<Board>,
    mut stop: watch::Receiver<bool>,
) {
    runtime.block_on(async {
        let prepared = listener.set_nonblocking(true);
        let listener = prepared.and_then(|()| TcpListener::from_std(listener));
        let serve = match listener.and_then(|listener| Bounded::new(listener, port)) {
            Ok(bounded) => axum::serve(bounded, router(board)),
            Err(error) => {
                tracing::error!(%error, "the operations listener cannot be used");
                return;
            }
        };
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

/// Those who were let in, no more than there is room for.
struct Bounded {
    address: SocketAddr,
    visits: mpsc::Receiver<(Visit, SocketAddr)>,
}

/// A connection that ends when its time is over.
struct Visit {
    socket: Socket,
    over: Pin<Box<Sleep>>,
    _room: OwnedSemaphorePermit,
}

impl Bounded {
    fn new(listener: TcpListener, port: Port) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, visits) = mpsc::channel(1);
        tokio::spawn(accept(listener, port, sender));
        Ok(Self { address, visits })
    }
}

async fn accept(listener: TcpListener, port: Port, visits: mpsc::Sender<(Visit, SocketAddr)>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // Never closed, so there is always some room in the end.
    while let Ok(room) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let over = Box::pin(sleep(CONNECTION_TIME));
                let (port, visits) = (port.clone(), visits.clone());
                tokio::spawn(async move {
                    // Whoever speaks plainly and may not is cut off: probes and scrapers are told by the manual.
                    let Ok(Ok(socket)) =
                        timeout(CONNECTION_TIME, port.enter(stream, || true)).await
                    else {
                        return;
                    };
                    let visit = Visit {
                        socket,
                        over,
                        _room: room,
                    };
                    // Nobody takes visits any more: the end.
                    let _ = visits.send((visit, peer)).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection for operations");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Listener for Bounded {
    type Io = Visit;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visit, SocketAddr) {
        match self.visits.recv().await {
            Some(visit) => visit,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
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
        Pin::new(&mut self.socket).poll_read(context, buffer)
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
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
