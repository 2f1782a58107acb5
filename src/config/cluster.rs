//! A node that shares its tenants with others, and the database that they share.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::lease::LeaseTerms;

/// A node's part in a cluster.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Where clients reach this node, as other nodes tell them; nothing: where it listens.
    pub advertise: Option<String>,
    /// Its share of the tenants against the other nodes', 1 to 100.
    pub weight: u32,
    /// The times of its lease.
    pub lease: LeaseTerms,
    /// How long the nodes must have been the same before tenants move to even things out.
    pub rebalance_after: Duration,
    /// Rows of logs that a tenant's snapshot may be behind before another is taken.
    pub snapshot_rows: u64,
    /// The database.
    pub database: DatabaseConfig,
}

/// The database of a cluster.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// Host and port.
    pub address: HostPort,
    /// Where the heartbeat's two connections go, in turn: a port of its own (`extra_port`, `admin_port`) is reached also when
    /// the main one has no connection left. As `address` unless given.
    pub lease_addresses: [HostPort; 2],
    /// Where the journal's connection goes. As `address` unless given.
    pub journal_address: HostPort,
    /// The schema's name.
    pub name: String,
    /// Who logs on.
    pub user: String,
    /// The file with the password; none: no password.
    pub password_file: Option<PathBuf>,
    /// After which a statement of the journal is taken for lost, and what became of it is read back.
    pub journal_timeout: Duration,
    /// How long the database may be away before a node gives up.
    pub outage_max: Duration,
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl HostPort {
    /// From `host:port`; an IPv6 address stands in brackets.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let good = !host.is_empty() && (bare.is_some() || !host.contains(':'));
        let port = port.parse().ok().filter(|port| *port != 0)?;
        good.then(|| Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
