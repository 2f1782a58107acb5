//! `[cluster]` and `[database]`.

use super::*;
use crate::lease::LeaseTerms;

const ADDRESS: &str = "must be a host and a port, such as 127.0.0.1:3306";

/// The cluster of a node with `durability = "mysql"`; nothing for any other.
pub(super) fn resolve_cluster(
    source: &Source<'_>,
    raw: &RawConfig,
    overrides: &Overrides,
) -> Result<Option<ClusterConfig>, ConfigError> {
    if raw.journal.durability.as_ref().map(Spanned::get_ref) != Some(&RawDurability::Mysql) {
        let unused = [
            ("cluster", raw.cluster.as_ref().map(Spanned::span)),
            ("database", raw.database.as_ref().map(Spanned::span)),
        ];
        for (key, span) in unused {
            if let Some(span) = span {
                let rule = "is for durability = \"mysql\" only";
                let remedy = "set [journal] durability = \"mysql\", or leave the section out";
                return Err(source.error(key, span, "[...]", rule, remedy));
            }
        }
        return Ok(None);
    }
    let Some(database) = &raw.database else {
        let span = raw.journal.durability.as_ref().map(Spanned::span);
        return Err(source.error(
            "durability",
            span.unwrap_or_default(),
            "\"mysql\"",
            "needs a section [database]",
            "add one with address, user and password_file",
        ));
    };
    let none = RawCluster::default();
    let cluster = raw.cluster.as_ref().map_or(&none, Spanned::get_ref);
    Ok(Some(ClusterConfig {
        advertise: advertise(source, cluster, overrides)?,
        weight: source.number("weight", cluster.weight.as_ref(), 1, 1..=100)? as u32,
        lease: lease(source, raw)?,
        rebalance_after: Duration::from_millis(source.number(
            "rebalance_after_ms",
            cluster.rebalance_after_ms.as_ref(),
            10_000,
            100..=86_400_000,
        )?),
        snapshot_rows: source.number(
            "snapshot_rows",
            cluster.snapshot_rows.as_ref(),
            16_384,
            16..=1 << 40,
        )?,
        database: resolve_database(source, database.get_ref())?,
    }))
}

fn advertise(
    source: &Source<'_>,
    raw: &RawCluster,
    overrides: &Overrides,
) -> Result<Option<String>, ConfigError> {
    let rule = format!("must be a host and a port of at most {ADVERTISE_MAX} characters");
    if let Some(text) = &overrides.advertise {
        return match HostPort::parse(text) {
            Some(_) if text.len() <= ADVERTISE_MAX => Ok(Some(text.clone())),
            _ => Err(ConfigError::Override {
                name: "advertise",
                value: text.clone(),
                rule,
            }),
        };
    }
    let Some(given) = &raw.advertise else {
        return Ok(None);
    };
    let text = given.get_ref();
    match HostPort::parse(text) {
        Some(_) if text.len() <= ADVERTISE_MAX => Ok(Some(text.clone())),
        _ => Err(source.error(
            "advertise",
            given.span(),
            text,
            rule,
            "write it as host:port",
        )),
    }
}

fn lease(source: &Source<'_>, raw: &RawConfig) -> Result<LeaseTerms, ConfigError> {
    let none = RawCluster::default();
    let cluster = raw.cluster.as_ref().map_or(&none, Spanned::get_ref);
    let ms = |key, given: &Option<Spanned<u64>>, default| {
        let value = source.number(key, given.as_ref(), default, 1..=3_600_000)?;
        Ok::<_, ConfigError>(Duration::from_millis(value))
    };
    let ttl = ms("lease_ttl_ms", &cluster.lease_ttl_ms, 3_000)?;
    let period = ms("renewal_period_ms", &cluster.renewal_period_ms, 200)?;
    let timeout = ms("renewal_timeout_ms", &cluster.renewal_timeout_ms, 150)?;
    let poll = ms("poll_ms", &cluster.poll_ms, 25)?;
    LeaseTerms::new(ttl, period, timeout, poll).map_err(|error| {
        let span = raw.cluster.as_ref().map(Spanned::span).unwrap_or_default();
        source.error(
            "cluster",
            span,
            "[...]",
            error.to_string(),
            "change one of them; the defaults are 3000, 200, 150 and 25",
        )
    })
}

fn resolve_database(source: &Source<'_>, raw: &RawDatabase) -> Result<DatabaseConfig, ConfigError> {
    let parse = |key, given: &Spanned<String>| {
        HostPort::parse(given.get_ref()).ok_or_else(|| {
            let text = given.get_ref();
            source.error(key, given.span(), text, ADDRESS, "write it as host:port")
        })
    };
    let address = parse("address", &raw.address)?;
    let lease = match raw.lease_addresses.as_ref().map(|it| (it, it.get_ref())) {
        None => [address.clone(), address.clone()],
        Some((_, list)) if (1..=2).contains(&list.len()) => [
            parse("lease_addresses", &list[0])?,
            parse("lease_addresses", &list[list.len() - 1])?,
        ],
        Some((given, list)) => {
            return Err(source.error(
                "lease_addresses",
                given.span(),
                list.len(),
                "must be one or two addresses",
                "name one for each connection of the heartbeat, or one for both",
            ));
        }
    };
    let journal = raw
        .journal_address
        .as_ref()
        .map(|given| parse("journal_address", given))
        .transpose()?;
    let ms = |key, given: &Option<Spanned<u64>>, default, range| {
        source
            .number(key, given.as_ref(), default, range)
            .map(Duration::from_millis)
    };
    Ok(DatabaseConfig {
        lease_addresses: lease,
        journal_address: journal.unwrap_or_else(|| address.clone()),
        address,
        name: raw.name.clone().unwrap_or_else(|| "souk".to_owned()),
        user: raw.user.clone().unwrap_or_else(|| "souk".to_owned()),
        password_file: raw.password_file.clone(),
        journal_timeout: ms(
            "journal_timeout_ms",
            &raw.journal_timeout_ms,
            500,
            10..=60_000,
        )?,
        outage_max: ms(
            "outage_max_ms",
            &raw.outage_max_ms,
            600_000,
            100..=86_400_000,
        )?,
    })
}
