//! Builds a node from its configuration, and stops it: all threads, in order.

mod closing;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, watch};

use crate::clock;
use crate::config::{Config, Layout};
use crate::gateway::entrance::Entrance;
use crate::gateway::grace::Gone;
use crate::gateway::session::Shared;
use crate::gateway::{Acceptor, ConnectionBounds};
use crate::journal::{Journal, JournalError};
use crate::ledger::Unsound;
use crate::node::{Node, NodeError, OpenJournal};
use crate::partition::{Partition, PartitionMatcher};
use crate::recovery::{Progress, Recovered, Snapshotter};
use crate::threads::{self, Plan, PlanError};
use closing::Closing;

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

/// Why the end of a node is not a good one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// The journal could not go on, and what is not in it was not answered.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The ledger does not add up.
    #[error("the ledger is wrong at the end: {0}\nremedy: keep the data directory and report it")]
    Ledger(#[from] Unsound),
}

/// A running node. Dropping it stops it without waiting for answers; see [`Server::drain`].
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    plan: Plan,
    entrance: Arc<Entrance>,
    shared: Option<Arc<Shared>>,
    drain: watch::Sender<bool>,
    gateways: Vec<JoinHandle<()>>,
    matchers: Vec<JoinHandle<()>>,
    administrator: Option<JoinHandle<()>>,
    journal: Option<JoinHandle<()>>,
    snapshots: Option<JoinHandle<()>>,
    stop_snapshots: Arc<AtomicBool>,
    recovered: Recovered,
    /// None when it has been looked at.
    closing: Option<Closing>,
}

impl Server {
    /// Starts a node. When it returns, clients can connect to [`Server::address`].
    ///
    /// # Errors
    /// What cannot be had; nothing is left running then.
    pub fn start(config: &Config) -> Result<Self, ServerError> {
        Self::start_telling(config, &mut |_| {})
    }

    /// [`Self::start`], telling how far the recovery has come.
    ///
    /// # Errors
    /// What cannot be had; nothing is left running then.
    pub fn start_telling(
        config: &Config,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, ServerError> {
        let plan = Plan::new(&config.threads)?;
        let (listener, address) = listen(config.server.listen)?;
        let inline_wake = (plan.layout == Layout::Inline).then(|| Arc::new(Notify::new()));
        let Node {
            entrance,
            partition,
            journal,
        } = Node::recover(config, plan.matchers, inline_wake.as_ref(), progress)?;
        let Partition {
            shared,
            matchers,
            administrator,
            gone,
            recovered,
        } = partition;
        let (drain, drained) = watch::channel(false);
        let gateway = Gateway {
            listener,
            entrance: Arc::clone(&entrance),
            shared: Arc::clone(&shared),
            gone,
            bounds: ConnectionBounds {
                handshake_timeout: config.server.handshake_timeout,
                drain_timeout: config.server.drain_timeout,
            },
            drained,
        };
        let (journal, writer, lock) = match journal {
            Some(OpenJournal {
                journal,
                writer,
                files,
                lock,
            }) => (Some(journal), Some((writer, files)), Some(lock)),
            None => (None, None, None),
        };
        let closing = Closing {
            treasury: Arc::clone(&shared.treasury),
            tenants: config.tenants.iter().map(|tenant| tenant.id).collect(),
            journal,
            _lock: lock,
        };
        let mut server = Self {
            address,
            plan,
            entrance,
            shared: Some(shared),
            drain,
            gateways: Vec::new(),
            matchers: Vec::new(),
            administrator: None,
            journal: None,
            snapshots: None,
            stop_snapshots: Arc::default(),
            recovered,
            closing: Some(closing),
        };
        if let Some((writer, files)) = writer {
            server.journal = Some(thread("souk-journal", move || writer.run())?);
            let stop = Arc::clone(&server.stop_snapshots);
            let snapshotter = Snapshotter::new(Arc::new(config.clone()), files, stop);
            server.snapshots = Some(thread("souk-snapshots", move || snapshotter.run())?);
        }
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

    /// What it began with.
    #[must_use]
    pub const fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// Connections at this moment.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.entrance.registry.connections()
    }

    /// Takes no more connections and messages, answers what was taken, says good-bye, and ends
    /// all threads. Then it looks at the ledger.
    ///
    /// # Errors
    /// When the journal has failed, or the ledger does not add up.
    pub fn drain(mut self) -> Result<(), StopError> {
        self.stop()
    }

    /// Why the node cannot go on, if it cannot: nothing is answered any more.
    ///
    /// # Errors
    /// When the journal has failed.
    pub fn failure(&self) -> Result<(), JournalError> {
        let journal = self.closing.as_ref().and_then(|it| it.journal.as_ref());
        journal.map_or(Ok(()), Journal::failure)
    }

    fn stop(&mut self) -> Result<(), StopError> {
        let _ = self.drain.send(true);
        self.stop_snapshots.store(true, Ordering::Relaxed);
        for gateway in self.gateways.drain(..) {
            join(gateway);
        }
        // The last doors: without them the matchers end.
        self.entrance.close();
        self.shared = None;
        for matcher in self.matchers.drain(..) {
            join(matcher);
        }
        if let Some(administrator) = self.administrator.take() {
            join(administrator);
        }
        let Some(closing) = self.closing.take() else {
            return Ok(());
        };
        let closed = closing.close();
        if let Some(journal) = self.journal.take() {
            join(journal);
        }
        if let Some(snapshots) = self.snapshots.take() {
            join(snapshots);
        }
        closed?;
        // What was written last may have failed, too.
        if let Some(journal) = &closing.journal {
            journal.failure()?;
        }
        Ok(())
    }

    fn spawn(
        &mut self,
        gateway: Gateway,
        matchers: Vec<PartitionMatcher>,
        inline_wake: Option<Arc<Notify>>,
    ) -> Result<(), ServerError> {
        if let Some(wake) = inline_wake {
            let core = self.plan.matcher_core(0);
            let runtime = runtime(1)?;
            let run = move || {
                threads::pin(core);
                let (ended, end) = watch::channel(false);
                let tasks: Vec<_> = matchers
                    .into_iter()
                    .map(|matcher| {
                        runtime.spawn(run_inline(matcher, Arc::clone(&wake), end.clone()))
                    })
                    .collect();
                gateway.run(&runtime);
                let _ = ended.send(true);
                for task in tasks {
                    if let Err(error) = runtime.block_on(task) {
                        std::panic::resume_unwind(error.into_panic());
                    }
                }
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
        if let Err(error) = self.stop() {
            tracing::error!(%error, "stopped badly");
        }
    }
}

/// What the gateway's thread is given.
struct Gateway {
    listener: TcpListener,
    entrance: Arc<Entrance>,
    shared: Arc<Shared>,
    gone: Vec<Gone>,
    bounds: ConnectionBounds,
    drained: watch::Receiver<bool>,
}

impl Gateway {
    /// Runs until the drain is over.
    fn run(self, runtime: &Runtime) {
        let Self {
            listener,
            entrance,
            shared,
            gone,
            bounds,
            drained,
        } = self;
        runtime.block_on(async move {
            for gone in gone {
                gone.cancel_later(&shared, drained.clone());
            }
            let listener = match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::error!(%error, "the listener cannot be used");
                    return;
                }
            };
            drop(shared);
            let registry = Arc::clone(&entrance.registry);
            Acceptor::new(listener, entrance, bounds, drained)
                .run()
                .await;
            // Connections see the drain themselves and bound their own end.
            let deadline = clock::monotonic() + bounds.drain_timeout + 2 * bounds.handshake_timeout;
            while registry.connections() > 0 && clock::monotonic() < deadline {
                tokio::time::sleep(DRAIN_POLL).await;
            }
        });
    }
}

/// A matcher on a gateway's thread: applies what was submitted and publishes what is durable whenever it is woken, until
/// all gateways have ended.
async fn run_inline(
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
