//! Configuration: TOML file, then environment, then flags; each later one wins.
//!
//! `raw` is the file as it is written, [`Config`] is what the rest of the program sees: every
//! value checked once, every reference resolved. Unknown keys are refused.

mod cluster;
mod error;
mod keys;
mod raw;
mod resolve;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use souk_protocol::{AccountId, Durability, KeyId, TenantId};

use crate::control::{Control, ControlCommand};
use crate::storage::CommitStrategy;

pub use cluster::{ClusterConfig, DatabaseConfig, HostPort};
pub use error::ConfigError;
pub use raw::Overrides;

/// The highest id of a key that somebody is given where there is an office: the office has those above, one a tenant.
pub const GIVEN_KEY_ID_MAX: KeyId = KeyId(souk_protocol::KEY_ID_MAX - 4_096);

/// The whole configuration of a node, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The listener and its bounds.
    pub server: ServerConfig,
    /// Threads and where they run.
    pub threads: ThreadsConfig,
    /// What one session may do.
    pub limits: Limits,
    /// How much of the past is kept in memory.
    pub history: HistoryConfig,
    /// What survives the process.
    pub journal: JournalConfig,
    /// The listener for whoever looks after the node; off when absent.
    pub operations: Option<OperationsConfig>,
    /// The nodes it shares its tenants with; none with any durability but `mysql`.
    pub cluster: Option<ClusterConfig>,
    /// The certificate that the node shows on its ports; without one they are plain.
    pub tls: Option<TlsConfig>,
    /// The tenants' back office, if it is open.
    pub office: Option<OfficeConfig>,
    /// The tenants, in order of the file.
    pub tenants: Vec<TenantConfig>,
}

/// The certificate of the node.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// A file with the chain in PEM, the node's own certificate first.
    pub certificate: PathBuf,
    /// A file with its private key in PEM.
    pub key: PathBuf,
    /// A file with the authorities that the office believes when it speaks to other nodes of a cluster; nothing: the system's.
    pub authorities: Option<PathBuf>,
}

/// The listener for whoever looks after the node: metrics and probes.
#[derive(Clone, Copy, Debug)]
pub struct OperationsConfig {
    /// Where to listen. Port 0 takes any free one.
    pub listen: SocketAddr,
}

/// How much of the past is kept.
#[derive(Clone, Copy, Debug)]
pub struct HistoryConfig {
    /// Statement entries of each tenant.
    pub statement_entries_max: usize,
    /// Settlements of each market whose tenant copies them.
    pub settlements_max: usize,
    /// Bytes of reports of each session and market, for sessions that resume.
    pub reports_bytes_max: usize,
    /// Whether orders, trades and statements go to tables, for who asks after they have left memory.
    pub tables: bool,
}

/// The tenants' back office.
#[derive(Clone, Debug)]
pub struct OfficeConfig {
    /// Where to listen. Port 0 takes any free one.
    pub listen: SocketAddr,
}

/// What survives the process.
#[derive(Clone, Debug)]
pub struct JournalConfig {
    /// What an acknowledgement is worth.
    pub durability: Durability,
    /// The data directory.
    pub directory: PathBuf,
    /// The node's name, which a locked data directory tells.
    pub node: String,
    /// Bytes of a segment of the journal.
    pub segment_bytes: u64,
    /// Bytes of segments that are written before a snapshot is taken.
    pub snapshot_bytes: u64,
    /// How groups come to be durable; nothing chooses by a measurement at start.
    pub commit: Option<CommitStrategy>,
}

/// The listener and its bounds.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Told to clients, and part of what a logon signs.
    pub cluster_id: u64,
    /// How long a connection may take until it is logged on.
    pub handshake_timeout: Duration,
    /// Connections at one time, logged on or not.
    pub connections_max: usize,
    /// Connections from one address at one time.
    pub connections_per_address_max: usize,
    /// Logons per second and address.
    pub logon_rate: u32,
    /// Bytes that may wait for a connection that does not read.
    pub outbox_bytes_max: usize,
    /// How long a drain waits for answers before it closes anyway.
    pub drain_timeout: Duration,
}

/// Threads and where they run.
#[derive(Clone, Debug)]
pub struct ThreadsConfig {
    /// How gateways and matchers share cores.
    pub layout: Layout,
    /// Gateway threads.
    pub gateways: usize,
    /// Matcher threads.
    pub matchers: usize,
    /// What an idle matcher thread does.
    pub wait: Wait,
    /// Commands that may wait for one matcher.
    pub queue_commands_max: u32,
    /// Submissions that may wait for one matcher, whatever their size.
    pub queue_submissions_max: usize,
    /// The part of a matcher's queue that one tenant may fill, in percent.
    pub tenant_share_percent: u32,
}

/// How gateways and matchers share cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `Inline` on fewer than four cores, `Threads` otherwise.
    Auto,
    /// Gateway and matcher run to completion on one pinned thread.
    Inline,
    /// Gateways and matchers have threads of their own.
    Threads,
}

/// What an idle matcher thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// `Spin` if there is a core for every thread and one to spare, `Park` otherwise.
    Auto,
    /// Polls without pause. On a shared core this costs everybody milliseconds.
    Spin,
    /// Sleeps until it is woken.
    Park,
}

/// What one session may do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Unanswered messages to markets at one time.
    pub max_inflight: u32,
    /// Orders and replaces per second.
    pub order_rate: u32,
    /// Orders and replaces at once.
    pub order_burst: u32,
    /// Cancels and mass cancels per second.
    pub cancel_rate: u32,
    /// Cancels and mass cancels at once.
    pub cancel_burst: u32,
    /// Subscriptions at one time.
    pub subscriptions_max: usize,
}

/// A company that shares the engine.
#[derive(Clone, Debug)]
pub struct TenantConfig {
    /// Its id.
    pub id: TenantId,
    /// Its name: lower-case letters, digits and `-`, 1 to 32.
    pub name: String,
    /// What it begins with: currencies, markets, accounts, fundings.
    pub control: Control,
    /// The commands that led there, in order.
    pub commands: Vec<ControlCommand>,
    /// Its keys.
    pub keys: Vec<KeyConfig>,
}

/// A public key that may log on, or that might: its sessions may have left orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyConfig {
    /// Its id, cluster-wide.
    pub id: KeyId,
    /// The Ed25519 public key.
    pub public_key: [u8; 32],
    /// The accounts it may use.
    pub accounts: KeyAccounts,
    /// What it may do.
    pub permissions: Permissions,
    /// Whether it may log on. One that was revoked stays known, so that what its sessions asked for is still done.
    pub works: bool,
}

/// The accounts a key may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyAccounts {
    /// Every account of the tenant, also later ones.
    All,
    /// These.
    Some(BTreeSet<AccountId>),
}

impl KeyAccounts {
    /// Whether the key may use an account, if the tenant has it.
    #[must_use]
    #[inline]
    pub fn contain(&self, account: AccountId) -> bool {
        match self {
            Self::All => true,
            Self::Some(accounts) => accounts.contains(&account),
        }
    }
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Enter, replace and cancel orders.
    pub trade: bool,
    /// Cancel orders.
    pub cancel: bool,
    /// Subscribe to market data.
    pub market_data: bool,
    /// Change what the tenant has: currencies, markets, fees, accounts.
    pub control: bool,
    /// Credit, debit, transfer, and see every balance.
    pub funding: bool,
    /// Copy the settlements of all markets.
    pub drop_copy: bool,
}

impl Permissions {
    /// None at all.
    pub const NONE: Self = Self {
        trade: false,
        cancel: false,
        market_data: false,
        control: false,
        funding: false,
        drop_copy: false,
    };

    /// The words that say what a key may do.
    pub const WORDS: [&str; 6] = [
        "trade",
        "cancel",
        "market-data",
        "control",
        "funding",
        "drop-copy",
    ];

    /// Allows what one of [`Self::WORDS`] says; who trades may cancel. Gives whether it is one.
    pub fn allow(&mut self, word: &str) -> bool {
        match word {
            "trade" => (self.trade, self.cancel) = (true, true),
            "cancel" => self.cancel = true,
            "market-data" => self.market_data = true,
            "control" => self.control = true,
            "funding" => self.funding = true,
            "drop-copy" => self.drop_copy = true,
            _ => return false,
        }
        true
    }

    /// What it may do, in words.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let allowed = [
            self.trade,
            self.cancel,
            self.market_data,
            self.control,
            self.funding,
            self.drop_copy,
        ];
        let words = Self::WORDS.into_iter().zip(allowed);
        words.filter(|(_, allowed)| *allowed).map(|(word, _)| word)
    }
}

impl Config {
    /// Whether somebody looks at what its stages take.
    #[must_use]
    pub const fn is_measured(&self) -> bool {
        self.operations.is_some() || self.office.is_some()
    }

    /// Reads a configuration from TOML text; `overrides` win over it.
    ///
    /// # Errors
    /// The first thing that is wrong: line, value, bound, remedy.
    pub fn from_toml(text: &str, overrides: &Overrides) -> Result<Self, ConfigError> {
        resolve::resolve(text, overrides)
    }
}
