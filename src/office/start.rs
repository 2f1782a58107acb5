//! Starts and stops the office.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::middleware::map_response;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::desk::{Desk, DeskAccess};
use super::keys::{OwnKeys, file};
use super::live::Hub;
use super::state::{Memory, OfficeState, blocking};
use super::store::{Checked, OfficeError, OfficeStore};
use super::{listener, pages, routes};
use crate::clock;
use crate::config::{Config, OfficeConfig};
use crate::directory::Directory;
use crate::gateway::entrance::Entrance;
use crate::history::{self, HistoryReader, Reach};
use crate::journal::Journal;
use crate::metrics::Meters;
use crate::server::Server;
use crate::tls::Port;

/// Threads of the office.
const THREADS: usize = 2;
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
    /// Its tables cannot be used.
    #[error(transparent)]
    Office(#[from] OfficeError),
}

/// What the office needs of a node.
struct OfficeParts {
    config: Arc<Config>,
    keys: OwnKeys,
    gateway: SocketAddr,
    entrance: Arc<Entrance>,
    directory: Arc<Directory>,
    journal: Journal,
    reach: Arc<Reach>,
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
            gateway: server.address(),
            entrance: Arc::clone(server.entrance()),
            directory: Arc::clone(directory),
            journal: journal.clone(),
            reach: Arc::clone(reach),
            meters: Arc::clone(meters),
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
        runtime.spawn(end_keys(Arc::clone(&state)));
        let run = move || {
            runtime.block_on(listener::serve(listener, port, router, stopped));
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

fn state(parts: OfficeParts) -> Result<OfficeState, StartError> {
    let OfficeParts {
        config,
        keys,
        gateway,
        entrance,
        directory,
        journal,
        reach,
        meters,
    } = parts;
    let folder = &config.journal.directory;
    let store = OfficeStore::open(&file(folder))?;
    for tenant in [None]
        .into_iter()
        .chain(config.tenants.iter().map(|it| Some(it.id)))
    {
        store.check_audit(tenant, Checked::default())?;
    }
    let history = HistoryReader::new(history::file(folder));
    let desk = |(index, tenant): (usize, &crate::config::TenantConfig)| {
        let access = DeskAccess {
            address: gateway.to_string(),
            key: OwnKeys::id(index),
            seed: keys.seed(),
        };
        let custody = tenant.control.custody();
        let desk = Desk::new(tenant.id, tenant.name.clone(), custody, access);
        (tenant.id, Arc::new(desk))
    };
    let desks: HashMap<_, _> = config.tenants.iter().enumerate().map(desk).collect();
    let hub = |desk: &Arc<Desk>| (desk.tenant, Hub::new(Arc::clone(desk)));
    let hubs = desks.values().map(hub).collect();
    Ok(OfficeState {
        config,
        store,
        history,
        reach,
        meters,
        journal,
        entrance,
        directory,
        desks,
        hubs,
        memory: Memory::default(),
    })
}

/// Lets keys log on no more whose time is over, as long as the office is open.
async fn end_keys(office: Arc<OfficeState>) {
    let mut from = 0;
    loop {
        let now = clock::wall_ns();
        match blocking(|| office.store.ended_keys(from, now)) {
            Ok(ended) => {
                for (tenant, key) in ended {
                    office.entrance.revoke_key(tenant, key);
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
            if let Err(error) = rustix::process::setpriority_process(None, NICE) {
                tracing::warn!(%error, "the office runs at the node's own priority");
            }
        })
        .enable_all()
        .build()
}
