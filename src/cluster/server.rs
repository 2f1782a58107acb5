//! Builds a node of a cluster, and stops it: all threads, in order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Sender, unbounded};
use souk_protocol::{KeyId, TenantId};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::heart::Heart;
use super::keeper::{Keeper, each_alone};
use super::keyring::Keyring;
use super::lease::{Lease, Loss};
use super::past::Past;
use super::people::{OfficeAccess, People};
use super::pulse::Pulse;
use super::registration::{RegistrationError, register};
use super::served::Floor;
use super::snapshots::{Responsible, Snapshots};
use super::steward::Steward;
use super::tasks::{Done, Task, keep};
use crate::clock;
use crate::config::{ClusterConfig, Config, Layout};
use crate::database::{Class, Connection, DatabaseError, LogId, LogStore, Node, check_schema};
use crate::gateway::ConnectionBounds;
use crate::gateway::entrance::Entrance;
use crate::journal::{ChainEnd, Journal, JournalError};
use crate::keys;
use crate::lease::{BootId, Deadline, Registered};
use crate::metrics::Meters;
use crate::operations::{Operations, Parts, Phase};
use crate::server::parts::{Gateway, certificate, join, listen, operations, runtime, thread};
use crate::server::{ServerError, StopError};
use crate::storage::{Disk, FolderLock, LockError, SystemDisk};
use crate::threads::{self, Plan};
use crate::tls::{Certificate, Port};

/// What the lock says before the boot id of the process that holds it.
const BOOT: &str = ", boot ";
/// How long a drain may take longer than its connections.
const DRAIN_MORE: Duration = Duration::from_secs(2);
/// How often it is looked whether a thread has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Why a node of a cluster cannot start, or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// Its sockets or threads cannot be had.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The data directory is another process's.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The data directory cannot be used.
    #[error(
        "cannot use the data directory: {0}\nremedy: name another one ([journal] directory, --data), or mend this one"
    )]
    Data(#[from] std::io::Error),
    /// The system gives no randomness.
    #[error(transparent)]
    Random(#[from] keys::KeyError),
    /// The database does not answer, or not as it should.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// It cannot become a node.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// Its lease is lost.
    #[error(transparent)]
    Lost(#[from] Loss),
    /// Its journal has failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its end was not a good one.
    #[error(transparent)]
    Stop(#[from] StopError),
    /// A key of the configuration has an id that was given in the office.
    #[error(
        "key {}: the configuration has this id, and the office has given it to a key\nremedy: choose an id that `GET /v1/keys` does not show, in the configuration", _0.0
    )]
    KeyTaken(KeyId),
    /// All ids are taken that offices log on with.
    #[error(
        "tenant {}: no key id is left for this node's office\nremedy: remove rows of nodes that are no more from the table office_key", _0.0
    )]
    OfficeKeys(TenantId),
}

/// A running node of a cluster. Dropping it stops it without handing anything over; see [`ClusterServer::drain`].
#[derive(Debug)]
pub struct ClusterServer {
    address: SocketAddr,
    plan: Plan,
    lease: Arc<Lease>,
    entrance: Arc<Entrance>,
    drain: watch::Sender<bool>,
    drain_timeout: Duration,
    hands_over: Arc<AtomicBool>,
    /// Asks the matchers' runtimes to end.
    rest: watch::Sender<bool>,
    heart: Option<JoinHandle<()>>,
    steward: Option<JoinHandle<()>>,
    keeper: Option<JoinHandle<()>>,
    gateway: Option<JoinHandle<()>>,
    matchers: Vec<JoinHandle<()>>,
    writer: Option<JoinHandle<()>>,
    snapshots: Option<JoinHandle<()>>,
    /// For people: keys, history.
    people: Vec<JoinHandle<()>>,
    keyring: Arc<Keyring>,
    office: Option<OfficeAccess>,
    meters: Arc<Meters>,
    certificate: Option<Arc<Certificate>>,
    operations: Option<Operations>,
    _lock: FolderLock,
}

impl ClusterServer {
    /// Starts a node: when it returns, it is registered, and clients can connect to [`ClusterServer::address`].
    ///
    /// # Errors
    /// What cannot be had; nothing is left running then.
    pub fn start(config: &Config, cluster: &ClusterConfig) -> Result<Self, ClusterError> {
        let plan = Plan::new(&config.threads).map_err(ServerError::from)?;
        // First: it answers while the node waits for the database.
        let certificate = certificate(config)?;
        let operations = operations(config, certificate.as_ref())?;
        if let Some(operations) = &operations {
            let wait = Phase::Waiting("the node registers in the database");
            operations.board().set(wait);
        }
        let (listener, address) = listen(config.server.listen)?;
        let random = keys::nonce()?;
        let boot = BootId(std::array::from_fn(|i| random[i]));
        let (lock, dead) = lock(config, boot)?;
        let node = Node {
            name: config.journal.node.clone(),
            boot,
            ttl: cluster.lease.ttl(),
            advertise: cluster
                .advertise
                .clone()
                .unwrap_or_else(|| address.to_string()),
            weight: cluster.weight,
        };
        let connection = |class| Connection::new(&cluster.database, &cluster.lease, class);
        let mut steward = connection(Class::Steward)?;
        let waiting = runtime(1)?;
        let (own, log) = waiting.block_on(enter(&mut steward, &node, dead, config, cluster))?;
        tracing::info!(
            node = node.name,
            incarnation = own.incarnation.0,
            log = log.0,
            "registered"
        );
        let deadline = Arc::new(Deadline::default());
        let journal_connection = connection(Class::Journal)?;
        let store = LogStore::new(journal_connection, log, cluster.database.outage_max)?;
        let (journal, writer) =
            Journal::under(Some(Arc::clone(&deadline)), store, ChainEnd::START.batch);
        let lease = Lease::new(own, cluster.lease, deadline, journal.clone(), log.0);
        let lease = Arc::new(lease);
        let entrance = Arc::new(Entrance::new(config));
        let tenants = config.tenants.iter().map(|tenant| tenant.id);
        let meters = Arc::new(Meters::new(plan.matchers, tenants));
        if let Some(operations) = &operations {
            let board = operations.board();
            board.show(Parts {
                entrance: Arc::clone(&entrance),
                journal: Some(journal.clone()),
                meters: Arc::clone(&meters),
                snapshots: None,
                reach: None,
                shares_cores: plan.shares_cores(),
            });
            board.show_lease(Arc::clone(&lease) as _);
        }
        let keyring = Arc::new(Keyring::new(config, Arc::clone(&entrance)));
        let (drain, drained) = watch::channel(false);
        let (rest, rests) = watch::channel(false);
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
        let mut server = Self {
            address,
            plan,
            lease: Arc::clone(&lease),
            entrance: Arc::clone(&entrance),
            drain,
            drain_timeout: config.server.drain_timeout,
            hands_over: Arc::default(),
            rest,
            heart: None,
            steward: None,
            keeper: None,
            gateway: None,
            matchers: Vec::new(),
            snapshots: None,
            people: Vec::new(),
            keyring: Arc::clone(&keyring),
            office: None,
            meters: Arc::clone(&meters),
            certificate,
            writer: Some(thread("souk-journal", move || writer.run())?),
            operations,
            _lock: lock,
        };
        let (gateway, matchers) = server.spawn_runtimes(gateway, &rests)?;
        let pulse = |(number, handle)| Pulse::of(&format!("souk-matcher-{number}"), handle);
        let pulses = matchers.iter().enumerate().map(pulse).collect();
        let heart = Heart::new(&cluster.database, &cluster.lease, pulses)?;
        let beaten = Arc::clone(&lease);
        server.heart = Some(thread("souk-heart", move || heart.run(&beaten))?);
        let people = People::begin(config, cluster, &keyring, &entrance, &lease)?;
        (server.people, server.office) = (people.threads, people.office);
        let floor = Floor {
            matchers,
            gateway,
            drained,
            meters: config.is_measured().then_some(meters),
            drain_timeout: config.server.drain_timeout,
        };
        let past = Past::new(connection(Class::Steward)?)?;
        let configs = each_alone(config);
        let responsible = Responsible::default();
        let snapshots = Snapshots {
            past: Past::new(connection(Class::Steward)?)?,
            configs: configs.clone(),
            responsible: Arc::clone(&responsible),
            lease: Arc::clone(&lease),
            rows: cluster.snapshot_rows,
            taken_ns: BTreeMap::new(),
        };
        server.snapshots = Some(thread("souk-snapshots", move || snapshots.run())?);
        let places = Arc::clone(&entrance);
        let keeper = Keeper::new(past, configs, places, keyring, floor, journal, log);
        let (tasks, asked) = unbounded::<Task>();
        let (tell, done): (Sender<Done>, _) = unbounded();
        server.keeper = Some(thread("souk-keeper", move || keep(keeper, &asked, &tell))?);
        let steward = Steward {
            lease,
            connection: steward,
            runtime: waiting,
            entrance,
            tasks,
            done,
            rebalance_after: cluster.rebalance_after,
            configured: config.tenants.iter().map(|tenant| tenant.id).collect(),
            responsible,
            ends: Arc::clone(&server.hands_over),
        };
        server.steward = Some(thread("souk-steward", move || steward.run())?);
        server.tell(Phase::Serving);
        Ok(server)
    }

    /// Starts the gateway's thread and the matchers': one and the same, or a thread for each matcher.
    fn spawn_runtimes(
        &mut self,
        gateway: Gateway,
        rests: &watch::Receiver<bool>,
    ) -> Result<(Handle, Vec<Handle>), ServerError> {
        let inline = self.plan.layout == Layout::Inline;
        let own = runtime(if inline { 1 } else { self.plan.gateways })?;
        let handle = own.handle().clone();
        let mut handles = Vec::new();
        for number in 0..self.plan.matchers {
            if inline {
                handles.push(handle.clone());
                continue;
            }
            let core = self.plan.matcher_core(number);
            let (matcher, mut rests) = (runtime(1)?, rests.clone());
            handles.push(matcher.handle().clone());
            let run = move || {
                threads::pin(core);
                let _ = matcher.block_on(rests.wait_for(|rests| *rests));
            };
            let name = format!("souk-matcher-{number}");
            self.matchers.push(thread(&name, run)?);
        }
        let gateway = gateway.open(handle.clone())?;
        let core = inline.then(|| self.plan.matcher_core(0)).flatten();
        let mut rests = rests.clone();
        let run = move || {
            threads::pin(core);
            gateway.run(&own);
            let _ = own.block_on(rests.wait_for(|rests| *rests));
        };
        self.gateway = Some(thread("souk-gateway", run)?);
        Ok((handle, handles))
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where metrics and probes are answered, if they are.
    #[must_use]
    pub fn operations_address(&self) -> Option<SocketAddr> {
        self.operations.as_ref().map(Operations::address)
    }

    /// What it shows to those who speak TLS, if it has a certificate.
    #[must_use]
    pub const fn certificate(&self) -> Option<&Arc<Certificate>> {
        self.certificate.as_ref()
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

    /// Which process of which node it is.
    #[must_use]
    pub fn registered(&self) -> Registered {
        self.lease.own
    }

    /// How long its lease lasts from now, if it is not renewed.
    #[must_use]
    pub fn lease_left(&self) -> Duration {
        self.lease.deadline.left(clock::boottime())
    }

    /// What its renewals take, the 99th percentile since it started.
    #[must_use]
    pub fn renewal_p99(&self) -> Duration {
        self.lease.renewal_p99()
    }

    /// Where sessions are taken in.
    #[must_use]
    pub const fn entrance(&self) -> &Arc<Entrance> {
        &self.entrance
    }

    /// What its office logs on with, if it has one.
    #[must_use]
    pub const fn office(&self) -> Option<&OfficeAccess> {
        self.office.as_ref()
    }

    /// The keys that were given.
    #[must_use]
    pub const fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Its journal.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.lease.journal
    }

    /// What its stages write down.
    #[must_use]
    pub const fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    /// Why the node cannot go on, if it cannot: nothing is answered any more.
    ///
    /// # Errors
    /// When its lease is lost, or its journal has failed.
    pub fn failure(&self) -> Result<(), ClusterError> {
        if let Some(loss) = self.lease.loss() {
            return Err(loss.into());
        }
        Ok(self.lease.journal.failure()?)
    }

    /// Hands everything over to other nodes, answers what was taken, and ends all threads.
    ///
    /// # Errors
    /// When the lease was lost, or the journal has failed.
    pub fn drain(mut self) -> Result<(), ClusterError> {
        self.tell(Phase::Draining);
        self.hands_over.store(true, Ordering::Release);
        let deadline = clock::monotonic() + self.drain_timeout + DRAIN_MORE;
        let steward = self.steward.as_ref();
        while steward.is_some_and(|it| !it.is_finished()) && clock::monotonic() < deadline {
            if self.lease.journal.failure().is_err() {
                break;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        let failure = self.failure();
        self.stop();
        failure
    }

    /// Ends all threads. What is not handed over is somebody else's when the lease has run out.
    fn stop(&mut self) {
        self.tell(Phase::Draining);
        self.lease.end();
        let _ = self.drain.send(true);
        if let Some(heart) = self.heart.take() {
            join(heart);
        }
        let (log, row) = (self.lease.log, self.lease.journal.counts().groups + 1);
        let handed_over = self.steward.as_ref().is_none_or(JoinHandle::is_finished);
        if !handed_over {
            // Nothing may be told any more, and nobody may wait for it.
            self.lease.deadline.lose();
            self.lease
                .journal
                .give_up(JournalError::Fenced { log, row });
        }
        for thread in [
            self.steward.take(),
            self.keeper.take(),
            self.snapshots.take(),
        ]
        .into_iter()
        .flatten()
        .chain(self.people.drain(..))
        {
            join(thread);
        }
        self.entrance.close();
        let _ = self.rest.send(true);
        for thread in self
            .gateway
            .take()
            .into_iter()
            .chain(self.matchers.drain(..))
        {
            join(thread);
        }
        self.lease.journal.close();
        if let Some(writer) = self.writer.take() {
            join(writer);
        }
    }
}

impl Drop for ClusterServer {
    fn drop(&mut self) {
        if self.writer.is_some() {
            self.stop();
        }
    }
}

/// Takes the data directory's lock. Gives the boot id of the process that had it before: it has ended.
fn lock(config: &Config, boot: BootId) -> Result<(FolderLock, Option<BootId>), ClusterError> {
    let directory = &config.journal.directory;
    SystemDisk.make_folder(directory)?;
    let name = format!("{}{BOOT}{boot}", config.journal.node);
    let lock = FolderLock::take(directory, &name)?;
    let dead = lock.before().rsplit_once(BOOT);
    let dead = dead.and_then(|(_, boot)| BootId::parse(boot));
    Ok((lock, dead))
}

/// Registers as a node of a database whose tables are right, and makes all tenants known.
async fn enter(
    connection: &mut Connection,
    node: &Node,
    dead: Option<BootId>,
    config: &Config,
    cluster: &ClusterConfig,
) -> Result<(Registered, LogId), ClusterError> {
    check_schema(connection).await?;
    let tenants: Vec<_> = config.tenants.iter().map(|tenant| tenant.id).collect();
    connection.add_tenants(&tenants).await?;
    Ok(register(connection, node, dead, &cluster.lease).await?)
}
