//! Builds a node from its configuration, and stops it: all threads, in order.

pub(crate) mod closing;
pub(crate) mod parts;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::sync::{Notify, watch};

use crate::config::{Config, Layout};
use crate::directory::Directory;
use crate::gateway::ConnectionBounds;
use crate::gateway::entrance::Entrance;
use crate::gateway::session::Shared;
use crate::history::{self, Reach};
use crate::ids::Epoch;
use crate::journal::{Journal, JournalError};
use crate::ledger::Unsound;
use crate::metrics::Meters;
use crate::node::{Node, NodeError, OpenJournal};
use crate::operations::{Operations, Parts, Phase};
use crate::partition::{Partition, PartitionMatcher};
use crate::recovery::{DataDirectory, Follower, Progress, Recovered, Snapshotter};
use crate::threads::{self, Plan, PlanError};
use crate::tls::{Certificate, CertificateError, Port};
use closing::{ClosedAccounts, Closing};
use parts::{Gateway, Goodbyes, join, listen, run_inline, runtime, thread};

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
    /// Its certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
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
    /// Follows the journal, or takes snapshots only.
    follower: Option<JoinHandle<()>>,
    stop_follower: Arc<AtomicBool>,
    reach: Option<Arc<Reach>>,
    meters: Option<Arc<Meters>>,
    certificate: Option<Arc<Certificate>>,
    recovered: Recovered,
    operations: Option<Operations>,
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
        // First: it answers while the node recovers.
        let certificate = parts::certificate(config)?;
        let operations = parts::operations(config, certificate.as_ref())?;
        let board = operations.as_ref().map(|it| Arc::clone(it.board()));
        let (listener, address) = listen(config.server.listen)?;
        let inline_wake = (plan.layout == Layout::Inline).then(|| Arc::new(Notify::new()));
        let mut told = |made: Progress| {
            if let Some(board) = &board {
                board.set(Phase::Recovering(made));
            }
            progress(made);
        };
        told(Progress::default());
        let Node {
            entrance,
            partition,
            journal,
            meters,
        } = Node::recover(config, plan.matchers, inline_wake.as_ref(), &mut told)?;
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
            port: Port::of(certificate.clone()),
            entrance: Arc::clone(&entrance),
            bounds: ConnectionBounds {
                handshake_timeout: config.server.handshake_timeout,
                drain_timeout: config.server.drain_timeout,
            },
            drained: drained.clone(),
        };
        let goodbyes = Goodbyes {
            gone,
            shared: Arc::clone(&shared),
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
        let snapshots = writer.as_ref().map(|(_, files)| files.snapshots.clone());
        let closing = Closing {
            accounts: ClosedAccounts {
                treasury: Arc::clone(&shared.treasury),
                tenants: config.tenants.iter().map(|tenant| tenant.id).collect(),
                epoch: Epoch::ALONE,
            },
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
            follower: None,
            stop_follower: Arc::default(),
            reach: None,
            meters,
            certificate,
            recovered,
            operations,
            closing: Some(closing),
        };
        if let Some((writer, files)) = writer {
            server.journal = Some(thread("souk-journal", move || writer.run())?);
            server.follow(config, files)?;
        }
        server.administrator = Some(thread("souk-administrator", move || administrator.run())?);
        if let (Some(board), Some(meters)) = (&board, server.meters.clone()) {
            board.show(Parts {
                entrance: Arc::clone(&server.entrance),
                journal: server.journal().cloned(),
                meters,
                snapshots,
                reach: server.reach.clone(),
                shares_cores: server.plan.shares_cores(),
            });
        }
        server.spawn(gateway, goodbyes, matchers, inline_wake)?;
        server.tell(Phase::Serving);
        Ok(server)
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where sessions are taken in.
    #[must_use]
    pub const fn entrance(&self) -> &Arc<Entrance> {
        &self.entrance
    }

    /// Who exists on it; nothing once it has stopped.
    #[must_use]
    pub fn directory(&self) -> Option<&Arc<Directory>> {
        self.shared.as_ref().map(|shared| &shared.directory)
    }

    /// Its journal, if it has one and has not stopped.
    #[must_use]
    pub fn journal(&self) -> Option<&Journal> {
        self.closing.as_ref()?.journal.as_ref()
    }

    /// How far its history reaches, if it has one.
    #[must_use]
    pub const fn reach(&self) -> Option<&Arc<Reach>> {
        self.reach.as_ref()
    }

    /// What its stages write down, if somebody looks.
    #[must_use]
    pub const fn meters(&self) -> Option<&Arc<Meters>> {
        self.meters.as_ref()
    }

    /// What it shows to those who speak TLS, if it has a certificate.
    #[must_use]
    pub const fn certificate(&self) -> Option<&Arc<Certificate>> {
        self.certificate.as_ref()
    }

    /// Where metrics and probes are answered, if they are.
    #[must_use]
    pub fn operations_address(&self) -> Option<SocketAddr> {
        self.operations.as_ref().map(Operations::address)
    }

    fn tell(&self, phase: Phase) {
        if let Some(operations) = &self.operations {
            operations.board().set(phase);
        }
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
        self.tell(Phase::Draining);
        let _ = self.drain.send(true);
        self.stop_follower.store(true, Ordering::Relaxed);
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
        if let Some(follower) = self.follower.take() {
            join(follower);
        }
        closed?;
        // What was written last may have failed, too.
        if let Some(journal) = &closing.journal {
            journal.failure()?;
        }
        Ok(())
    }

    /// Follows the journal in the background: for the history and the snapshots, or for the snapshots alone.
    fn follow(&mut self, config: &Config, files: DataDirectory) -> Result<(), ServerError> {
        let (config, stop) = (Arc::new(config.clone()), Arc::clone(&self.stop_follower));
        let journal = self.journal().filter(|_| config.history.tables).cloned();
        self.follower = Some(match journal {
            Some(journal) => {
                let file = history::file(&config.journal.directory);
                let follower = Follower::new(config, files, file, journal, stop);
                self.reach = Some(Arc::clone(follower.reach()));
                thread("souk-follower", move || follower.run())?
            }
            None => {
                let snapshotter = Snapshotter::new(config, files, stop);
                thread("souk-snapshots", move || snapshotter.run())?
            }
        });
        Ok(())
    }

    fn spawn(
        &mut self,
        gateway: Gateway,
        goodbyes: Goodbyes,
        matchers: Vec<PartitionMatcher>,
        inline_wake: Option<Arc<Notify>>,
    ) -> Result<(), ServerError> {
        if let Some(wake) = inline_wake {
            let core = self.plan.matcher_core(0);
            let runtime = runtime(1)?;
            let gateway = gateway.open(runtime.handle().clone())?;
            let run = move || {
                threads::pin(core);
                let (ended, end) = watch::channel(false);
                let tasks: Vec<_> = matchers
                    .into_iter()
                    .map(|matcher| {
                        runtime.spawn(run_inline(matcher, Arc::clone(&wake), end.clone()))
                    })
                    .collect();
                goodbyes.begin(runtime.handle());
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
        let gateway = gateway.open(runtime.handle().clone())?;
        let run = move || {
            goodbyes.begin(runtime.handle());
            gateway.run(&runtime);
        };
        self.gateways.push(thread("souk-gateway", run)?);
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
