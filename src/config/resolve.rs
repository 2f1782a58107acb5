//! From the file as written to a checked [`Config`].

use std::collections::HashSet;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use souk_protocol::message::BATCH_ENTRIES_MAX;
use toml::Spanned;

use super::raw::*;
use super::*;
use crate::storage::BLOCK;

mod cluster;
mod listen;
mod market;
mod office;
mod tenant;

/// Bytes of a segment: half a second at the highest load.
const SEGMENT_BYTES: u64 = 64 << 20;
/// Some seconds of recovery.
const SNAPSHOT_BYTES: u64 = 512 << 20;
/// The largest batch fits many times.
const SEGMENT_BYTES_MIN: u64 = 1 << 20;
/// A segment is read into memory as a whole.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// Characters of the address that other nodes tell, as a redirect carries them.
const ADVERTISE_MAX: usize = 64;
/// Submissions that may wait for one matcher, whatever their size.
const QUEUE_SUBMISSIONS_MAX: usize = 16_384;

/// Knows the text, so that an error can name its line.
struct Source<'a> {
    text: &'a str,
}

impl Source<'_> {
    fn error(
        &self,
        key: &'static str,
        span: Range<usize>,
        value: impl Display,
        rule: impl Into<String>,
        remedy: impl Into<String>,
    ) -> ConfigError {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        ConfigError::Value {
            line: 1 + before.iter().filter(|b| **b == b'\n').count(),
            key,
            value: value.to_string(),
            rule: rule.into(),
            remedy: remedy.into(),
        }
    }

    /// A number in a range, or its default.
    fn number(
        &self,
        key: &'static str,
        given: Option<&Spanned<u64>>,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<u64, ConfigError> {
        let Some(given) = given else {
            return Ok(default);
        };
        let value = *given.get_ref();
        if range.contains(&value) {
            return Ok(value);
        }
        let rule = format!("must be {} to {}", range.start(), range.end());
        Err(self.error(
            key,
            given.span(),
            value,
            rule,
            "choose a value in the range",
        ))
    }

    /// Checks that nothing earlier has this id or name.
    fn unique<T: std::hash::Hash + Eq + Display>(
        &self,
        key: &'static str,
        seen: &mut HashSet<T>,
        value: T,
        span: Range<usize>,
    ) -> Result<(), ConfigError> {
        let text = value.to_string();
        if seen.insert(value) {
            return Ok(());
        }
        Err(self.error(key, span, text, "is used twice", "give each its own"))
    }
}

pub(super) fn resolve(text: &str, overrides: &Overrides) -> Result<Config, ConfigError> {
    let raw: RawConfig = toml::from_str(text)?;
    let source = Source { text };
    let mut tenants = Vec::new();
    let (mut ids, mut names, mut keys) = (HashSet::new(), HashSet::new(), HashSet::new());
    for tenant in &raw.tenant {
        source.unique(
            "tenant.id",
            &mut ids,
            *tenant.id.get_ref(),
            tenant.id.span(),
        )?;
        let name = tenant.name.get_ref().clone();
        source.unique("tenant.name", &mut names, name, tenant.name.span())?;
        tenants.push(tenant::resolve_tenant(&source, tenant, &mut keys)?);
    }
    let journal = resolve_journal(&source, &raw.journal, overrides)?;
    let tls = listen::resolve_tls(raw.tls.as_ref(), overrides);
    let secure = tls.is_some();
    let office = office::resolve_office(&source, &raw, &journal, secure, overrides)?;
    let (durability, read) = (journal.durability, office.is_some());
    Ok(Config {
        server: resolve_server(&source, &raw.server, secure, overrides)?,
        threads: resolve_threads(&source, &raw.threads, overrides)?,
        limits: resolve_limits(&source, &raw.limits)?,
        history: resolve_history(&source, &raw.history, durability, read)?,
        journal,
        tls,
        office,
        operations: listen::resolve_operations(&source, raw.operations.as_ref(), overrides)?,
        cluster: cluster::resolve_cluster(&source, &raw, overrides)?,
        tenants,
    })
}

fn resolve_server(
    source: &Source<'_>,
    raw: &RawServer,
    tls: bool,
    overrides: &Overrides,
) -> Result<ServerConfig, ConfigError> {
    let ms = |key, given: &Option<Spanned<u64>>, default, range| {
        source
            .number(key, given.as_ref(), default, range)
            .map(Duration::from_millis)
    };
    let connections_max = source.number(
        "connections_max",
        raw.connections_max.as_ref(),
        10_000,
        1..=1_000_000,
    )?;
    Ok(ServerConfig {
        listen: listen::resolve_server(source, raw, tls, overrides)?,
        cluster_id: raw.cluster_id.unwrap_or(1),
        handshake_timeout: ms(
            "handshake_timeout_ms",
            &raw.handshake_timeout_ms,
            3_000,
            10..=60_000,
        )?,
        connections_max: connections_max as usize,
        connections_per_address_max: source.number(
            "connections_per_address_max",
            raw.connections_per_address_max.as_ref(),
            connections_max,
            1..=1_000_000,
        )? as usize,
        logon_rate: source.number("logon_rate", raw.logon_rate.as_ref(), 1_000, 1..=1_000_000)?
            as u32,
        outbox_bytes_max: source.number(
            "outbox_bytes_max",
            raw.outbox_bytes_max.as_ref(),
            8 << 20,
            131_072..=1 << 30,
        )? as usize,
        drain_timeout: ms(
            "drain_timeout_ms",
            &raw.drain_timeout_ms,
            5_000,
            0..=600_000,
        )?,
    })
}

fn resolve_journal(
    source: &Source<'_>,
    raw: &RawJournal,
    overrides: &Overrides,
) -> Result<JournalConfig, ConfigError> {
    let named = |key, given: &Option<Spanned<String>>, default: &str| match given {
        Some(given) if given.get_ref().is_empty() => Err(source.error(
            key,
            given.span(),
            "\"\"",
            "must not be empty",
            "leave the key out for the default",
        )),
        Some(given) => Ok(given.get_ref().clone()),
        None => Ok(default.to_owned()),
    };
    let segment_bytes = source.number(
        "segment_bytes",
        raw.segment_bytes.as_ref(),
        SEGMENT_BYTES,
        SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX,
    )?;
    let directory = named("directory", &raw.directory, "souk-data")?;
    Ok(JournalConfig {
        durability: match raw.durability.as_ref().map(|it| *it.get_ref()) {
            Some(RawDurability::Memory) => Durability::Memory,
            Some(RawDurability::Mysql) => Durability::Mysql,
            None | Some(RawDurability::Local) => Durability::Local,
        },
        directory: overrides
            .data
            .clone()
            .unwrap_or_else(|| PathBuf::from(directory)),
        node: match &overrides.node {
            Some(name) if name.is_empty() => {
                return Err(ConfigError::Override {
                    name: "node",
                    value: "\"\"".to_owned(),
                    rule: "must not be empty".to_owned(),
                });
            }
            Some(name) => name.clone(),
            None => named("node", &raw.node, "souk")?,
        },
        // Whole blocks.
        segment_bytes: segment_bytes.next_multiple_of(BLOCK as u64),
        snapshot_bytes: source.number(
            "snapshot_bytes",
            raw.snapshot_bytes.as_ref(),
            SNAPSHOT_BYTES,
            SEGMENT_BYTES_MIN..=u64::MAX,
        )?,
        commit: match raw.commit {
            None | Some(RawCommit::Auto) => None,
            Some(RawCommit::Strategy(strategy)) => Some(strategy),
        },
    })
}

fn resolve_threads(
    source: &Source<'_>,
    raw: &RawThreads,
    overrides: &Overrides,
) -> Result<ThreadsConfig, ConfigError> {
    let count = |key, given: &Option<Spanned<u64>>, flag: Option<usize>| {
        let value = match flag {
            Some(value) if (1..=256).contains(&value) => return Ok(value),
            Some(value) => {
                return Err(ConfigError::Override {
                    name: key,
                    value: value.to_string(),
                    rule: "must be 1 to 256".to_owned(),
                });
            }
            None => source.number(key, given.as_ref(), 1, 1..=256)?,
        };
        Ok(value as usize)
    };
    Ok(ThreadsConfig {
        layout: overrides.layout.or(raw.layout).unwrap_or(Layout::Auto),
        gateways: count("gateways", &raw.gateways, overrides.gateways)?,
        matchers: count("matchers", &raw.matchers, overrides.matchers)?,
        wait: overrides.wait.or(raw.wait).unwrap_or(Wait::Auto),
        queue_commands_max: source.number(
            "queue_commands_max",
            raw.queue_commands_max.as_ref(),
            65_536,
            64..=16_777_216,
        )? as u32,
        queue_submissions_max: QUEUE_SUBMISSIONS_MAX,
        tenant_share_percent: source.number(
            "tenant_share_percent",
            raw.tenant_share_percent.as_ref(),
            50,
            1..=100,
        )? as u32,
    })
}

fn resolve_limits(source: &Source<'_>, raw: &RawLimits) -> Result<Limits, ConfigError> {
    let at_least = |least, key, given: &Option<Spanned<u64>>, default: u64| {
        source
            .number(key, given.as_ref(), default, least..=100_000_000)
            .map(|value| value as u32)
    };
    let number = |key, given, default| at_least(1, key, given, default);
    // A batch is admitted as a whole, so a burst holds at least one.
    let burst = |key, given, default| at_least(BATCH_ENTRIES_MAX as u64, key, given, default);
    Ok(Limits {
        max_inflight: number("max_inflight", &raw.max_inflight, 1_024)?,
        order_rate: number("order_rate", &raw.order_rate, 100_000)?,
        order_burst: burst("order_burst", &raw.order_burst, 10_000)?,
        cancel_rate: number("cancel_rate", &raw.cancel_rate, 200_000)?,
        cancel_burst: burst("cancel_burst", &raw.cancel_burst, 20_000)?,
        subscriptions_max: number("subscriptions_max", &raw.subscriptions_max, 1_000)? as usize,
    })
}

/// `wanted`: somebody reads the tables.
fn resolve_history(
    source: &Source<'_>,
    raw: &RawHistory,
    durability: Durability,
    wanted: bool,
) -> Result<HistoryConfig, ConfigError> {
    let number = |key, given: &Option<Spanned<u64>>, default| {
        source
            .number(key, given.as_ref(), default, 0..=100_000_000)
            .map(|value| value as usize)
    };
    Ok(HistoryConfig {
        statement_entries_max: number("statement_entries_max", &raw.statement_entries_max, 65_536)?,
        settlements_max: number("settlements_max", &raw.settlements_max, 4_096)?,
        reports_bytes_max: number("reports_bytes_max", &raw.reports_bytes_max, 262_144)?,
        tables: match &raw.tables {
            None => wanted,
            Some(given) if *given.get_ref() && durability == Durability::Memory => {
                return Err(source.error(
                    "history.tables",
                    given.span(),
                    true,
                    "needs a journal to be filled from",
                    "set [journal] durability = \"local\" or \"mysql\", or leave it out",
                ));
            }
            Some(given) => *given.get_ref(),
        },
    })
}
