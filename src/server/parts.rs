//! What servers are put together from.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Notify, watch};

use super::ServerError;
use crate::clock;
use crate::config::{Config, TlsConfig};
use crate::gateway::entrance::Entrance;
use crate::gateway::grace::Gone;
use crate::gateway::session::Shared;
use crate::gateway::{Acceptor, ConnectionBounds};
use crate::operations::{Board, Operations};
use crate::partition::PartitionMatcher;
use crate::priority;
use crate::tls::{Certificate, Port};

/// Connections the system may hold for us before we accept them.
const BACKLOG: i32 = 4_096;
/// Batches an inline matcher applies before it lets the sockets have a turn.
const INLINE_BATCHES_MAX: usize = 8;
/// How far behind orders those are who connect.
const ACCEPTOR_NICE: i32 = 10;
/// How often the end of a drain is looked for.
const DRAIN_POLL: Duration = Duration::from_millis(5);

/// Sessions of a partition whose orders are canceled unless they come back.
pub(crate) struct Goodbyes {
    pub gone: Vec<Gone>,
    pub shared: Arc<Shared>,
    pub drained: watch::Receiver<bool>,
}

impl Goodbyes {
    /// Begins to wait for them.
    pub(crate) fn begin(self, runtime: &Handle) {
        let _context = runtime.enter();
        for gone in self.gone {
            gone.cancel_later(&self.shared, self.drained.clone());
        }
    }
}

/// What a gateway is made of.
pub(crate) struct Gateway {
    pub listener: TcpListener,
    pub port: Port,
    pub entrance: Arc<Entrance>,
    pub bounds: ConnectionBounds,
    pub drained: watch::Receiver<bool>,
}

/// A gateway that takes connections.
pub(crate) struct OpenGateway {
    connections: Connections,
    drained: watch::Receiver<bool>,
    acceptor: JoinHandle<()>,
}

/// The connections of a gateway that drains. They see the drain themselves and bound their own end.
#[derive(Clone)]
struct Connections {
    entrance: Arc<Entrance>,
    bounds: ConnectionBounds,
}

impl Gateway {
    /// Takes connections and logs them on, on a thread of its own behind those that orders need; then they are served at `home`.
    pub(crate) fn open(self, home: Handle) -> Result<OpenGateway, ServerError> {
        let Self {
            listener,
            port,
            entrance,
            bounds,
            drained,
        } = self;
        let connections = Connections {
            entrance: Arc::clone(&entrance),
            bounds,
        };
        let (own, left, drain) = (runtime(1)?, connections.clone(), drained.clone());
        let run = move || {
            priority::give_way(ACCEPTOR_NICE);
            own.block_on(async move {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => {
                        Acceptor::new(listener, port, entrance, bounds, drain, home)
                            .run()
                            .await;
                        left.ended().await;
                    }
                    Err(error) => tracing::error!(%error, "the listener cannot be used"),
                }
            });
        };
        Ok(OpenGateway {
            connections,
            drained,
            acceptor: thread("souk-acceptor", run)?,
        })
    }
}

impl OpenGateway {
    /// Serves connections on this thread until the drain is over.
    pub(crate) fn run(mut self, runtime: &Runtime) {
        runtime.block_on(async {
            // An error: whoever could drain is gone.
            let _ = self.drained.wait_for(|drained| *drained).await;
            self.connections.ended().await;
        });
        join(self.acceptor);
    }
}

impl Connections {
    async fn ended(&self) {
        let bounds = &self.bounds;
        let deadline = clock::monotonic() + bounds.drain_timeout + 2 * bounds.handshake_timeout;
        while self.entrance.registry.connections() > 0 && clock::monotonic() < deadline {
            tokio::time::sleep(DRAIN_POLL).await;
        }
    }
}

/// A matcher on a gateway's thread: applies what was submitted and publishes what is durable whenever it is woken, until
/// all gateways have ended.
pub(crate) async fn run_inline(
    mut matcher: PartitionMatcher,
    wake: Arc<Notify>,
    mut end: watch::Receiver<bool>,
) {
    loop {
        let mut batches = 0;
        while matcher.poll(clock::wall_ns()) > 0 {
            batches += 1;
            if batches == INLINE_BATCHES_MAX {
                batches = 0;
                tokio::task::yield_now().await;
            }
        }
        if *end.borrow() {
            if matcher.is_idle() {
                return matcher.end();
            }
            wake.notified().await;
        } else {
            tokio::select! {
                () = wake.notified() => {}
                // An error: the sender is gone, which is an end too.
                _ = end.changed() => {}
            }
        }
    }
}

/// The certificate of the node, if its configuration has one.
pub(crate) fn certificate(config: &Config) -> Result<Option<Arc<Certificate>>, ServerError> {
    let read = |tls: &TlsConfig| Certificate::read(&tls.certificate, &tls.key).map(Arc::new);
    Ok(config.tls.as_ref().map(read).transpose()?)
}

/// Begins to answer probes and metrics, if the configuration asks for it.
pub(crate) fn operations(
    config: &Config,
    certificate: Option<&Arc<Certificate>>,
) -> Result<Option<Operations>, ServerError> {
    let Some(asked) = config.operations else {
        return Ok(None);
    };
    let (listener, address) = listen(asked.listen)?;
    let board = Arc::new(Board::new(config, certificate.cloned()));
    let port = Port::http(certificate.cloned());
    let operations = Operations::start(listener, port, board).map_err(ServerError::Thread)?;
    tracing::info!(%address, "operations: metrics and probes");
    Ok(Some(operations))
}

pub(crate) fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let open = || {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener: TcpListener = socket.into();
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    open().map_err(|error| ServerError::Listen { address, error })
}

pub(crate) fn runtime(threads: usize) -> Result<Runtime, ServerError> {
    let built = if threads == 1 {
        Builder::new_current_thread().enable_all().build()
    } else {
        Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
    };
    built.map_err(ServerError::Thread)
}

pub(crate) fn thread(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, ServerError> {
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(run).map_err(ServerError::Thread)
}

pub(crate) fn join(thread: JoinHandle<()>) {
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
