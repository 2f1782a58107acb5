//! The configuration file as it is written. `docs/configuration.md` documents every key.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::{Layout, Wait};
use crate::control::Custody;
use crate::storage::CommitStrategy;

/// What environment and flags may set over the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `SOUK_LISTEN`, `--listen`.
    pub listen: Option<String>,
    /// `SOUK_ALLOW_REMOTE`, `--allow-remote`: listen on addresses beyond loopback without a certificate.
    pub allow_remote: bool,
    /// `SOUK_OPERATIONS_LISTEN`, `--operations-listen`.
    pub operations_listen: Option<String>,
    /// `SOUK_OPERATIONS_ALLOW_REMOTE`, `--operations-allow-remote`: the same for metrics and probes.
    pub operations_allow_remote: bool,
    /// `SOUK_OFFICE_LISTEN`, `--office-listen`.
    pub office_listen: Option<String>,
    /// `SOUK_TLS_CERTIFICATE`, `--tls-certificate` and `SOUK_TLS_KEY`, `--tls-key`: the files of the node's certificate.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// `SOUK_LAYOUT`, `--layout`.
    pub layout: Option<Layout>,
    /// `SOUK_WAIT`, `--wait`.
    pub wait: Option<Wait>,
    /// `SOUK_MATCHERS`, `--matchers`.
    pub matchers: Option<usize>,
    /// `SOUK_GATEWAYS`, `--gateways`.
    pub gateways: Option<usize>,
    /// `SOUK_DATA`, `--data`: the data directory.
    pub data: Option<PathBuf>,
    /// `SOUK_NODE`, `--node`: the node's name.
    pub node: Option<String>,
    /// `SOUK_ADVERTISE`, `--advertise`: where other nodes send this one's clients.
    pub advertise: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(default)]
    pub server: RawServer,
    #[serde(default)]
    pub threads: RawThreads,
    #[serde(default)]
    pub limits: RawLimits,
    #[serde(default)]
    pub history: RawHistory,
    #[serde(default)]
    pub journal: RawJournal,
    pub operations: Option<RawOperations>,
    pub cluster: Option<Spanned<RawCluster>>,
    pub database: Option<Spanned<RawDatabase>>,
    pub office: Option<Spanned<RawOffice>>,
    pub tls: Option<RawTls>,
    #[serde(default)]
    pub tenant: Vec<RawTenant>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServer {
    pub listen: Option<Spanned<String>>,
    #[serde(default)]
    pub allow_remote: bool,
    pub cluster_id: Option<u64>,
    pub handshake_timeout_ms: Option<Spanned<u64>>,
    pub connections_max: Option<Spanned<u64>>,
    pub connections_per_address_max: Option<Spanned<u64>>,
    pub logon_rate: Option<Spanned<u64>>,
    pub outbox_bytes_max: Option<Spanned<u64>>,
    pub drain_timeout_ms: Option<Spanned<u64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOperations {
    pub listen: Option<Spanned<String>>,
    #[serde(default)]
    pub allow_remote: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawThreads {
    pub layout: Option<Layout>,
    pub gateways: Option<Spanned<u64>>,
    pub matchers: Option<Spanned<u64>>,
    pub wait: Option<Wait>,
    pub queue_commands_max: Option<Spanned<u64>>,
    pub tenant_share_percent: Option<Spanned<u64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHistory {
    pub statement_entries_max: Option<Spanned<u64>>,
    pub settlements_max: Option<Spanned<u64>>,
    pub reports_bytes_max: Option<Spanned<u64>>,
    pub tables: Option<Spanned<bool>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawJournal {
    pub durability: Option<Spanned<RawDurability>>,
    pub directory: Option<Spanned<String>>,
    pub node: Option<Spanned<String>>,
    pub segment_bytes: Option<Spanned<u64>>,
    pub snapshot_bytes: Option<Spanned<u64>>,
    pub commit: Option<RawCommit>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawDurability {
    Memory,
    Local,
    Mysql,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCluster {
    pub advertise: Option<Spanned<String>>,
    pub weight: Option<Spanned<u64>>,
    pub lease_ttl_ms: Option<Spanned<u64>>,
    pub renewal_period_ms: Option<Spanned<u64>>,
    pub renewal_timeout_ms: Option<Spanned<u64>>,
    pub poll_ms: Option<Spanned<u64>>,
    pub rebalance_after_ms: Option<Spanned<u64>>,
    pub snapshot_rows: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDatabase {
    pub address: Spanned<String>,
    pub lease_addresses: Option<Spanned<Vec<Spanned<String>>>>,
    pub journal_address: Option<Spanned<String>>,
    pub name: Option<String>,
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    pub journal_timeout_ms: Option<Spanned<u64>>,
    pub outage_max_ms: Option<Spanned<u64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOffice {
    pub listen: Option<Spanned<String>>,
    #[serde(default)]
    pub allow_remote: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub authorities: Option<PathBuf>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawCommit {
    Auto,
    #[serde(untagged)]
    Strategy(CommitStrategy),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    pub max_inflight: Option<Spanned<u64>>,
    pub order_rate: Option<Spanned<u64>>,
    pub order_burst: Option<Spanned<u64>>,
    pub cancel_rate: Option<Spanned<u64>>,
    pub cancel_burst: Option<Spanned<u64>>,
    pub subscriptions_max: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTenant {
    pub id: Spanned<u64>,
    pub name: Spanned<String>,
    #[serde(default)]
    pub custody: Custody,
    #[serde(default)]
    pub currency: Vec<RawCurrency>,
    #[serde(default)]
    pub market: Vec<RawMarket>,
    #[serde(default)]
    pub account: Vec<RawAccount>,
    #[serde(default)]
    pub key: Vec<RawKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCurrency {
    pub code: Spanned<String>,
    pub scale: Spanned<u64>,
    pub display_scale: Option<Spanned<u64>>,
    pub status: Option<RawCurrencyStatus>,
    pub amount_min: Option<Spanned<String>>,
    pub amount_max: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawCurrencyStatus {
    Listed,
    Hidden,
    Delisting,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMarket {
    pub id: Spanned<u64>,
    pub symbol: Spanned<String>,
    pub base: Spanned<String>,
    pub quote: Spanned<String>,
    pub tick_size: Spanned<String>,
    pub lot_size: Spanned<String>,
    pub price_min: Option<Spanned<String>>,
    pub price_max: Option<Spanned<String>>,
    pub qty_min: Option<Spanned<String>>,
    pub qty_max: Option<Spanned<String>>,
    pub notional_min: Option<Spanned<String>>,
    pub notional_max: Option<Spanned<String>>,
    #[serde(default)]
    pub maker_ppm: i32,
    #[serde(default)]
    pub taker_ppm: i32,
    #[serde(default)]
    pub fees: Vec<RawFees>,
    pub orders_max: Option<Spanned<u64>>,
    pub account_orders_max: Option<Spanned<u64>>,
    pub state: Option<RawState>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFees {
    pub group: Spanned<u64>,
    pub maker_ppm: i32,
    pub taker_ppm: i32,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawState {
    Continuous,
    Halted,
    CancelOnly,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAccount {
    pub id: Spanned<u64>,
    pub external_id: Option<Spanned<String>>,
    pub stp_group: Option<Spanned<u64>>,
    pub fee_group: Option<Spanned<u64>>,
    pub status: Option<RawAccountStatus>,
    #[serde(default)]
    pub credit: BTreeMap<String, Spanned<String>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawAccountStatus {
    Active,
    CancelOnly,
    Frozen,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawKey {
    pub id: Spanned<u64>,
    pub public_key: Spanned<String>,
    pub accounts: Spanned<RawAccounts>,
    pub permissions: Option<Vec<Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RawAccounts {
    Word(String),
    List(Vec<u64>),
}
