//! Builds a node from its configuration, and stops it: all threads, in order.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use souk_protocol::MarketState;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, watch};

use crate::administrator;
use crate::clock;
use crate::config::{Config, Layout};
use crate::gateway::session::Shared;
use crate::gateway::{Acceptor, ConnectionBounds};
use crate::handoff::{MarketChange, Request};
use crate::node::{Node, NodeError, NodeMatcher};
use crate::threads::{self, Plan, PlanError};

/// Connections the system may hold for us before we accept them.
const BACKLOG: i32 = 4_096;
/// Batches an inline matcher applies before it lets the sockets have a turn.
const INLINE_BATCHES_MAX: usize = 8;
/// How often the end of a drain is looked for.
const DRAIN_POLL: Duration = Duration::from_millis(5);

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {error}\nremedy: stop what uses it, or set another `listen`"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// A thread or the runtime cannot be made.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// The threads cannot be laid out as asked.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Its parts cannot be made.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// A running node. Dropping it stops it without waiting for answers; see [`Server::drain`].
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    plan: Plan,
    shared: Option<Arc<Shared>>,
    drain: watch::Sender<bool>,
    gateways: Vec<JoinHandle<()>>,
    matchers: Vec<JoinHandle<()>>,
    administrator: Option<JoinHandle<()>>,
}

/// No such market in this node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no market {symbol} of tenant {tenant}")]
pub struct NoSuchMarket {
    tenant: String,
    symbol: String,
}

impl Server {
    /// Starts a node. When it returns, clients can connect to [`Server::address`].
    ///
    /// # Errors
    /// What cannot be had; nothing is left running then.
    pub fn start(config: &Config) -> Result<Self, ServerError> {
        let plan = Plan::new(&config.threads)?;
        let (listener, address) = listen(config.server.listen)?;
        let inline_wake = (plan.layout == Layout::Inline).then(|| Arc::new(Notify::new()));
        let Node {
            shared,
            matchers,
            administrator,
        } = Node::new(config, plan.matchers, inline_wake.as_ref())?;
        let (drain, drained) = watch::channel(false);
        let gateway = Gateway {
            listener,
            shared: Arc::clone(&shared),
            bounds: ConnectionBounds {
                handshake_timeout: config.server.handshake_timeout,
                drain_timeout: config.server.drain_timeout,
            },
            drained,
        };
        let mut server = Self {
            address,
            plan,
            shared: Some(shared),
            drain,
            gateways: Vec::new(),
            matchers: Vec::new(),
            administrator: None,
        };
        server.administrator = Some(thread("souk-administrator", move || administrator.run())?);
        server.spawn(gateway, matchers, inline_wake)?;
        Ok(server)
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How its threads are laid out.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Connections at this moment.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared
            .as_ref()
            .map_or(0, |shared| shared.registry.connections())
    }

    /// Sets what a market accepts, as a command in its stream: everything queued before it is
    /// applied in the old state.
    ///
    /// # Errors
    /// When there is no such market, or its matcher has ended.
    pub fn set_market_state(
        &self,
        tenant: &str,
        symbol: &str,
        state: MarketState,
    ) -> Result<(), NoSuchMarket> {
        let missing = || NoSuchMarket {
            tenant: tenant.to_owned(),
            symbol: symbol.to_owned(),
        };
        let shared = self.shared.as_ref().ok_or_else(missing)?;
        let mut tenants = shared.directory.tenants.iter();
        let entry = tenants
            .find(|entry| entry.name == tenant)
            .ok_or_else(missing)?;
        let route = entry.route_of_symbol(symbol).ok_or_else(missing)?;
        let change = Request::Change(MarketChange::State(state));
        administrator::send(shared, entry.index, route, change);
        Ok(())
    }

    /// Takes no more connections and messages, answers what was taken, says good-bye, and ends
    /// all threads.
    pub fn drain(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        let _ = self.drain.send(true);
        for gateway in self.gateways.drain(..) {
            join(gateway);
        }
        // The last doors: without them the matchers end.
        self.shared = None;
        for matcher in self.matchers.drain(..) {
            join(matcher);
        }
        if let Some(administrator) = self.administrator.take() {
            join(administrator);
        }
    }

    fn spawn(
        &mut self,
        gateway: Gateway,
        matchers: Vec<NodeMatcher>,
        inline_wake: Option<Arc<Notify>>,
    ) -> Result<(), ServerError> {
        if let Some(wake) = inline_wake {
            let core = self.plan.matcher_core(0);
            let runtime = runtime(1)?;
            let run = move || {
                threads::pin(core);
                for matcher in matchers {
                    runtime.spawn(run_inline(matcher, Arc::clone(&wake)));
                }
                gateway.run(&runtime);
            };
            self.gateways.push(thread("souk-inline", run)?);
            return Ok(());
        }
        for (index, mut matcher) in matchers.into_iter().enumerate() {
            let (core, wait) = (self.plan.matcher_core(index), self.plan.wait);
            let run = move || {
                threads::pin(core);
                threads::run_matcher(&mut matcher, wait);
            };
            self.matchers
                .push(thread(&format!("souk-matcher-{index}"), run)?);
        }
        let runtime = runtime(self.plan.gateways)?;
        self.gateways
            .push(thread("souk-gateway", move || gateway.run(&runtime))?);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the gateway's thread is given.
struct Gateway {
    listener: TcpListener,
    shared: Arc<Shared>,
    bounds: ConnectionBounds,
    drained: watch::Receiver<bool>,
}

impl Gateway {
    /// Runs until the drain is over.
    fn run(self, runtime: &Runtime) {
        let Self {
            listener,
            shared,
            bounds,
            drained,
        } = self;
        runtime.block_on(async move {
            let listener = match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::error!(%error, "the listener cannot be used");
                    return;
                }
            };
            let registry = Arc::clone(&shared.registry);
            Acceptor::new(listener, shared, bounds, drained).run().await;
            // Connections see the drain themselves and bound their own end.
            let deadline = clock::monotonic() + bounds.drain_timeout + 2 * bounds.handshake_timeout;
            while registry.connections() > 0 && clock::monotonic() < deadline {
                tokio::time::sleep(DRAIN_POLL).await;
            }
        });
    }
}

/// A matcher on a gateway's thread: applies what was submitted whenever it is woken.
async fn run_inline(mut matcher: NodeMatcher, wake: Arc<Notify>) {
    loop {
        let mut batches = 0;
        while matcher.poll(clock::wall_ns()) > 0 {
            batches += 1;
            if batches == INLINE_BATCHES_MAX {
                batches = 0;
                tokio::task::yield_now().await;
            }
        }
        wake.notified().await;
    }
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
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

fn runtime(threads: usize) -> Result<Runtime, ServerError> {
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

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, ServerError> {
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(run).map_err(ServerError::Thread)
}

fn join(thread: JoinHandle<()>) {
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
