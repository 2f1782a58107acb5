//! Starts and stops the office.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::middleware::map_response;
use souk_client::{Tls, TlsError};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::desk::{Desk, DeskAccess};
use super::keys::OwnKeys;
use super::live::Hub;
use super::node::{Alone, Clustered, Node};
use super::state::{Memory, OfficeState, blocking};
use super::store::{Checked, OfficeError, OfficeStore};
use super::{pages, routes};
use crate::clock;
use crate::cluster::ClusterServer;
use crate::config::{ClusterConfig, Config, OfficeConfig, TenantConfig, TlsConfig};
use crate::database::DatabaseTables;
use crate::history::{self, HistoryReader};
use crate::http::{self, HttpBounds};
use crate::metrics::Meters;
use crate::peer::PlacesMax;
use crate::priority;
use crate::server::Server;
use crate::tls::Port;

/// Threads of the office.
const THREADS: usize = 2;
/// Connections at one time.
const CONNECTIONS_MAX: usize = 4_096;
/// Of one network.
const OF_NETWORK_MAX: usize = 512;
/// The office has one file descriptor in so many of the process; the others are the trading port's and the journal's.
const DESCRIPTORS_SHARE: usize = 4;
/// How long a peer may take for its handshake, and for the head of a request.
const ENTRY_TIME: Duration = Duration::from_secs(10);
/// How often it looks for keys whose time is over.
const KEYS_PERIOD: Duration = Duration::from_secs(1);
/// Their priority: behind everything that an order waits for.
const NICE: i32 = 5;

/// Why the office cannot open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    #[error(
        "the office cannot listen on {address}: {error}\nremedy: stop what uses it, or set another [office] listen"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// A thread or the runtime cannot be made.
    #[error("the office cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// It cannot tell which nodes to believe.
    #[error(
        "the office cannot speak to the nodes of the cluster over TLS: {0}\nremedy: name a file as [tls] authorities"
    )]
    Tls(TlsError),
    /// Its tables cannot be used.
    #[error(transparent)]
    Office(#[from] OfficeError),
}

/// What the office needs of a node.
struct OfficeParts {
    config: Arc<Config>,
    keys: OwnKeys,
    /// Where its clients' sessions are taken in.
    gateway: String,
    /// Which nodes they believe, over TLS.
    tls: Option<Tls>,
    history: HistoryReader,
    node: Node,
    meters: Arc<Meters>,
}

/// The office, open. Dropping it closes it.
#[derive(Debug)]
pub struct Office {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Office {
    /// Opens the office of a node, if its configuration has one. `keys` were admitted to the configuration before the node was
    /// started with it.
    ///
    /// # Errors
    /// What cannot be had.
    pub fn beside(
        server: &Server,
        config: &Config,
        keys: &OwnKeys,
    ) -> Result<Option<Self>, StartError> {
        let (Some(office), Some(directory), Some(journal), Some(reach), Some(meters)) = (
            &config.office,
            server.directory(),
            server.journal(),
            server.reach(),
            server.meters(),
        ) else {
            return Ok(None);
        };
        let parts = OfficeParts {
            config: Arc::new(config.clone()),
            keys: keys.clone(),
            gateway: server.address().to_string(),
            tls: None,
            history: HistoryReader::new(
                history::file(&config.journal.directory),
                Arc::clone(reach),
            ),
            node: Node::Alone(Alone {
                entrance: Arc::clone(server.entrance()),
                directory: Arc::clone(directory),
                journal: journal.clone(),
                reach: Arc::clone(reach),
            }),
            meters: Arc::clone(meters),
        };
        let port = Port::http(server.certificate().cloned());
        Self::open(office, port, parts).map(Some)
    }

    /// Opens the office of a node of a cluster, if its configuration has one.
    ///
    /// # Errors
    /// What cannot be had.
    pub fn in_cluster(server: &ClusterServer, config: &Config) -> Result<Option<Self>, StartError> {
        let (Some(office), Some(cluster), Some(access)) =
            (&config.office, &config.cluster, server.office())
        else {
            return Ok(None);
        };
        // Another node than this one may serve a tenant, and has a certificate as this one has.
        let (gateway, tls) = match &config.tls {
            Some(tls) => (advertised(server, cluster), Some(believed(tls)?)),
            None => (server.address().to_string(), None),
        };
        let tables = || DatabaseTables::new(cluster).map_err(OfficeError::from);
        let parts = OfficeParts {
            config: Arc::new(config.clone()),
            keys: OwnKeys::of_cluster(access.clone()),
            gateway,
            tls,
            history: HistoryReader::over(Box::new(tables()?)),
            node: Node::Clustered(Box::new(Clustered::new(
                Arc::clone(server.entrance()),
                Arc::clone(server.keyring()),
                server.journal().clone(),
                tables()?,
            ))),
            meters: Arc::clone(server.meters()),
        };
        let port = Port::http(server.certificate().cloned());
        Self::open(office, port, parts).map(Some)
    }

    fn open(config: &OfficeConfig, port: Port, parts: OfficeParts) -> Result<Self, StartError> {
        let state = Arc::new(state(parts)?);
        let runtime = runtime().map_err(StartError::Thread)?;
        let listen = |error| StartError::Listen {
            address: config.listen,
            error,
        };
        let listener = runtime
            .block_on(TcpListener::bind(config.listen))
            .map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (stop, stopped) = watch::channel(false);
        let secure = port.is_secure();
        let router: Router = routes::router(&state)
            .fallback(pages::page)
            .with_state(Arc::clone(&state))
            .layer(map_response(move |response| async move {
                pages::protect(response, secure)
            }));
        if let Node::Alone(_) = state.node {
            runtime.spawn(end_keys(Arc::clone(&state)));
        }
        let bounds = bounds();
        let run = move || {
            runtime.block_on(http::serve(listener, port, router, bounds, stopped));
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new()
            .name("souk-office".into())
            .spawn(run)
            .map_err(StartError::Thread)?;
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// No more connections than the process has file descriptors for, beside those of the trading port.
fn bounds() -> HttpBounds {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let descriptors = limit.current.unwrap_or(u64::MAX);
    let share = usize::try_from(descriptors).unwrap_or(usize::MAX) / DESCRIPTORS_SHARE;
    HttpBounds {
        places: PlacesMax {
            all: CONNECTIONS_MAX.min(share),
            of_network: OF_NETWORK_MAX,
        },
        entry_time: ENTRY_TIME,
        connection_time: None,
    }
}

fn state(parts: OfficeParts) -> Result<OfficeState, StartError> {
    let OfficeParts {
        config,
        keys,
        gateway,
        tls,
        history,
        node,
        meters,
    } = parts;
    let store = OfficeStore::of(&config)?;
    for tenant in [None]
        .into_iter()
        .chain(config.tenants.iter().map(|it| Some(it.id)))
    {
        store.check_audit(tenant, Checked::default())?;
    }
    let desk = |tenant: &TenantConfig| {
        let access = DeskAccess {
            address: gateway.clone(),
            tls: tls.clone(),
            key: keys.id(tenant.id)?,
            seed: keys.seed(),
        };
        let custody = tenant.control.custody();
        let desk = Desk::new(tenant.id, tenant.name.clone(), custody, access);
        Some((tenant.id, Arc::new(desk)))
    };
    let desks: HashMap<_, _> = config.tenants.iter().filter_map(desk).collect();
    let hub = |desk: &Arc<Desk>| (desk.tenant, Hub::new(Arc::clone(desk)));
    let hubs = desks.values().map(hub).collect();
    Ok(OfficeState {
        config,
        store,
        history,
        node,
        meters,
        desks,
        hubs,
        memory: Memory::default(),
    })
}

/// What the node's certificate is made out to.
fn advertised(server: &ClusterServer, cluster: &ClusterConfig) -> String {
    let advertised = cluster.advertise.clone();
    advertised.unwrap_or_else(|| server.address().to_string())
}

/// The nodes that the office believes.
fn believed(tls: &TlsConfig) -> Result<Tls, StartError> {
    let believed = match &tls.authorities {
        Some(file) => Tls::of_authorities(file),
        None => Tls::of_system(),
    };
    believed.map_err(StartError::Tls)
}

/// Lets keys log on no more whose time is over, as long as the office is open.
async fn end_keys(office: Arc<OfficeState>) {
    let mut from = 0;
    loop {
        let now = clock::wall_ns();
        match blocking(|| office.store.ended_keys(from, now)) {
            Ok(ended) => {
                for (tenant, key) in ended {
                    office.node.revoke_key(tenant, key);
                }
                from = now;
            }
            // They are asked for again.
            Err(error) => tracing::error!(%error, "keys whose time is over still work"),
        }
        tokio::time::sleep(KEYS_PERIOD).await;
    }
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("souk-office")
        .on_thread_start(|| {
            priority::give_way(NICE);
        })
        .enable_all()
        .build()
}
