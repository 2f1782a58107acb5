//! `souk serve`: a node alone, or one of a cluster.

use std::net::SocketAddr;
use std::process::ExitCode;

use souk::cluster::{ClusterError, ClusterServer, RegistrationError};
use souk::config::Config;
use souk::journal::JournalError;
use souk::office::{self, Office};
use souk::server::Server;
use souk::threads::Plan;
use souk_protocol::Durability;

use super::data::ProgressBar;

/// Others have this node's tenants: start it again, and it gets its part.
const EX_TEMPFAIL: u8 = 75;
/// Another process has this node's name: to start it again is of no use.
const EX_CONFIG: u8 = 78;

/// A node that runs.
pub enum Running {
    /// With tenants of its own, and perhaps their back office.
    Alone(Box<Server>, Option<Office>),
    /// That shares its tenants with others, and perhaps the back office of all.
    Cluster(Box<ClusterServer>, Option<Office>),
}

impl Running {
    /// Starts a node.
    pub fn start(mut config: Config) -> anyhow::Result<Self> {
        if let Some(cluster) = &config.cluster {
            let server = ClusterServer::start(&config, cluster)?;
            let office = Office::in_cluster(&server, &config)?;
            tell(office.as_ref());
            return Ok(Self::Cluster(Box::new(server), office));
        }
        let own_keys = config.office.is_some().then(|| office::admit(&mut config));
        let own_keys = own_keys.transpose()?;
        let mut bar = ProgressBar::default();
        let server = Server::start_telling(&config, &mut |progress| bar.show(progress))?;
        bar.end();
        let recovered = server.recovered();
        if config.journal.durability != Durability::Memory {
            tracing::info!(
                directory = %config.journal.directory.display(),
                snapshot = recovered.snapshot,
                records = recovered.records,
                batches = recovered.batches,
                streams = recovered.open_streams,
                hashes_compared = recovered.hashes_compared,
                state_hash = %format_args!("{:#018x}", recovered.state_hash),
                torn = ?recovered.end.and_then(|end| end.torn),
                "recovered"
            );
        }
        let office = match own_keys {
            Some(keys) => Office::beside(&server, &config, &keys)?,
            None => None,
        };
        tell(office.as_ref());
        Ok(Self::Alone(Box::new(server), office))
    }

    /// Where clients connect.
    pub const fn address(&self) -> SocketAddr {
        match self {
            Self::Alone(server, _) => server.address(),
            Self::Cluster(server, _) => server.address(),
        }
    }

    /// How its threads are laid out.
    pub const fn plan(&self) -> &Plan {
        match self {
            Self::Alone(server, _) => server.plan(),
            Self::Cluster(server, _) => server.plan(),
        }
    }

    /// Whether it cannot go on.
    pub fn has_failed(&self) -> bool {
        match self {
            Self::Alone(server, _) => server.failure().is_err(),
            Self::Cluster(server, _) => server.failure().is_err(),
        }
    }

    /// Ends it in good order.
    pub fn drain(self) -> anyhow::Result<()> {
        match self {
            Self::Alone(server, office) => {
                // It holds a session, and nobody is served without the engine.
                drop(office);
                server.drain()?;
            }
            Self::Cluster(server, office) => {
                drop(office);
                server.drain()?;
            }
        }
        Ok(())
    }
}

fn tell(office: Option<&Office>) {
    if let Some(office) = office {
        tracing::info!(url = %format_args!("http://{}/", office.address()), "office");
    }
}

/// What an acknowledgement of a node is worth.
pub const fn worth(durability: Durability) -> &'static str {
    match durability {
        Durability::Memory => "memory: nothing survives this process",
        Durability::Local => "local: what is acknowledged is synced",
        Durability::Mysql => "mysql: what is acknowledged is committed in the database",
    }
}

/// What to end with, so that whoever watches this process knows whether to start it again.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<ClusterError>() {
        Some(ClusterError::Lost(_) | ClusterError::Journal(JournalError::Fenced { .. })) => {
            ExitCode::from(EX_TEMPFAIL)
        }
        Some(ClusterError::Registration(RegistrationError::Duplicate { .. })) => {
            ExitCode::from(EX_CONFIG)
        }
        _ => ExitCode::FAILURE,
    }
}
