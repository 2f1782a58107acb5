//! Looks at a database server as somebody who has seen what goes wrong: each finding names its remedy.
//!
//! Sources: the MariaDB and MySQL manuals' pages on `innodb_flush_log_at_trx_commit`, `sync_binlog`, semi-synchronous
//! replication and Galera's `wsrep` variables.

use std::collections::BTreeMap;
use std::time::Duration;

use super::connection::Connection;
use super::error::DatabaseError;
use super::schema::{check_schema, missing_triggers};
use crate::clock;
use crate::lease::LeaseTerms;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// As it should be.
    Good,
    /// It works, and something is worse than it could be.
    Warning,
    /// What is acknowledged may be lost, or a node cannot work.
    Wrong,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub gravity: Gravity,
    /// What was looked at, what stands there, and what that means.
    pub text: String,
    /// What to do; empty if nothing.
    pub remedy: String,
}

/// Variables of the server, by name, in small letters.
type Variables = BTreeMap<String, String>;

/// The smallest packet that takes the largest row.
const PACKET_MIN: u64 = 16 << 20;
/// How far the server's clock may be off: only people read its times.
const CLOCK_OFF_MAX: Duration = Duration::from_secs(5);
/// Of a semi-synchronous commit: the server must rather wait than go on alone.
const SEMI_SYNC_WAIT_MIN_MS: u64 = 3_600_000;

/// Examines the server behind a connection. Gives all findings, the good ones, too.
///
/// # Errors
/// When it cannot be looked at.
pub async fn examine(
    connection: &mut Connection,
    terms: &LeaseTerms,
) -> Result<Vec<Finding>, DatabaseError> {
    let rows: Vec<(String, String)> = connection.rows("SHOW GLOBAL VARIABLES", ()).await?;
    let variables: Variables = rows
        .into_iter()
        .map(|(name, value)| (name.to_lowercase(), value))
        .collect();
    let mut findings = judge(&variables);
    findings.push(round_trip(connection, terms).await?);
    findings.push(server_clock(connection).await?);
    findings.push(tables(connection).await);
    findings.extend(rights(connection).await);
    findings.push(audit_log(connection).await);
    Ok(findings)
}

fn finding(gravity: Gravity, text: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding {
        gravity,
        text: text.into(),
        remedy: remedy.into(),
    }
}

fn good(text: impl Into<String>) -> Finding {
    finding(Gravity::Good, text, "")
}

/// What the variables alone tell.
fn judge(variables: &Variables) -> Vec<Finding> {
    let mut found = vec![version(variables)];
    found.extend(flush(variables));
    found.extend(packets(variables));
    found.extend(waits(variables));
    found.extend(read_only(variables));
    found.extend(semi_sync(variables));
    found.extend(galera(variables));
    found
}

fn number(variables: &Variables, name: &str) -> Option<u64> {
    variables.get(name)?.parse::<u64>().ok()
}

fn is_on(variables: &Variables, name: &str) -> bool {
    let value = variables.get(name).map(|value| value.to_uppercase());
    matches!(value.as_deref(), Some("ON" | "1" | "YES"))
}

fn version(variables: &Variables) -> Finding {
    let text = variables.get("version").map_or("", String::as_str);
    let maria = text.contains("MariaDB");
    let mut parts = text
        .split(['.', '-'])
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    let oldest = if maria { (10, 6) } else { (8, 0) };
    if version >= oldest {
        return good(format!("version {text}"));
    }
    finding(
        Gravity::Warning,
        format!("version {text} is older than what Souk is tested with"),
        "use MariaDB 10.6 or MySQL 8.0, or newer; tested: MariaDB 10.11",
    )
}

/// What is committed must be on the disk.
fn flush(variables: &Variables) -> Vec<Finding> {
    let mut found = Vec::new();
    let names = ["innodb_flush_log_at_trx_commit", "sync_binlog"];
    for name in names {
        // Without a binary log there is nothing to sync.
        if name == "sync_binlog" && !is_on(variables, "log_bin") {
            continue;
        }
        found.push(match number(variables, name) {
            Some(1) => good(format!("{name} = 1: what is committed is on the disk")),
            value => finding(
                Gravity::Wrong,
                format!(
                    "{name} = {}: a power cut loses what was acknowledged",
                    value.map_or_else(|| "nothing".to_owned(), |it| it.to_string())
                ),
                format!("SET GLOBAL {name} = 1, and write it into the server's configuration"),
            ),
        });
    }
    found
}

fn packets(variables: &Variables) -> Option<Finding> {
    let name = "max_allowed_packet";
    let value = number(variables, name)?;
    Some(if value >= PACKET_MIN {
        good(format!("{name} = {value}"))
    } else {
        finding(
            Gravity::Wrong,
            format!(
                "{name} = {value}: the largest batch does not fit, {PACKET_MIN} bytes are needed"
            ),
            format!("SET GLOBAL {name} = {PACKET_MIN}, or more"),
        )
    })
}

/// Souk sets these for its own connections; others may still hold a lock for a day.
fn waits(variables: &Variables) -> Option<Finding> {
    let name = "lock_wait_timeout";
    let value = number(variables, name)?;
    Some(if value <= 60 {
        good(format!("{name} = {value} s"))
    } else {
        finding(
            Gravity::Warning,
            format!(
                "{name} = {value} s: a change of a table that waits for a reader makes every renewal behind it fail for as long"
            ),
            "change no table while nodes run; make backups with mariadb-backup or from a replica",
        )
    })
}

fn read_only(variables: &Variables) -> Option<Finding> {
    is_on(variables, "read_only").then(|| {
        finding(
            Gravity::Wrong,
            "read_only = ON: this server takes no writes",
            "name the primary as [database] address",
        )
    })
}

fn semi_sync(variables: &Variables) -> Vec<Finding> {
    let name = "rpl_semi_sync_master_enabled";
    if !is_on(variables, name) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let point = "rpl_semi_sync_master_wait_point";
    let value = variables.get(point).map_or("", String::as_str);
    found.push(if value.eq_ignore_ascii_case("AFTER_SYNC") {
        good(format!("{point} = {value}"))
    } else {
        finding(
            Gravity::Wrong,
            format!("{point} = {value}: others see what a failover may lose"),
            format!("SET GLOBAL {point} = 'AFTER_SYNC'"),
        )
    });
    let timeout = "rpl_semi_sync_master_timeout";
    let ms = number(variables, timeout).unwrap_or(0);
    found.push(if ms >= SEMI_SYNC_WAIT_MIN_MS {
        good(format!("{timeout} = {ms} ms"))
    } else {
        finding(
            Gravity::Wrong,
            format!("{timeout} = {ms} ms: after that the server goes on alone without a word, and a failover loses what was acknowledged"),
            format!("SET GLOBAL {timeout} = 4294967295"),
        )
    });
    found
}

fn galera(variables: &Variables) -> Vec<Finding> {
    if !is_on(variables, "wsrep_on") {
        return Vec::new();
    }
    vec![finding(
        Gravity::Warning,
        "wsrep_on = ON: when a server of the cluster dies, all commits wait about five seconds with the defaults",
        "set lease_ttl_ms to at least 12000, and let all nodes write to one server",
    )]
}

async fn round_trip(
    connection: &mut Connection,
    terms: &LeaseTerms,
) -> Result<Finding, DatabaseError> {
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        let sent = clock::boottime();
        let _: Vec<u8> = connection.rows("SELECT 1", ()).await?;
        longest = longest.max(clock::boottime().since(sent));
    }
    let limit = terms.timeout();
    Ok(if longest * 3 <= limit {
        good(format!("the slowest of 20 round trips took {longest:?}"))
    } else {
        finding(
            Gravity::Wrong,
            format!(
                "the slowest of 20 round trips took {longest:?}, and a renewal is given up after {limit:?}"
            ),
            "set renewal_timeout_ms to three times that at least, and renewal_period_ms and lease_ttl_ms with it",
        )
    })
}

async fn server_clock(connection: &mut Connection) -> Result<Finding, DatabaseError> {
    let query = "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS UNSIGNED)";
    let shown: Vec<u64> = connection.rows(query, ()).await?;
    let own = clock::wall_ns() / 1_000;
    let off = Duration::from_micros(shown.first().copied().unwrap_or(0).abs_diff(own));
    Ok(if off <= CLOCK_OFF_MAX {
        good(format!("the server's clock is {off:?} off this machine's"))
    } else {
        finding(
            Gravity::Warning,
            format!(
                "the server's clock is {off:?} off this machine's: no lease depends on it, what people read does"
            ),
            "synchronise the clocks",
        )
    })
}

async fn tables(connection: &mut Connection) -> Finding {
    match check_schema(connection).await {
        Ok(()) => good("the tables are of this version"),
        Err(error) => finding(Gravity::Wrong, error.to_string(), ""),
    }
}

/// Whether this user may do what a node does, tried on no row at all.
async fn rights(connection: &mut Connection) -> Vec<Finding> {
    let tries = [
        (
            "update",
            "UPDATE engine_node SET beat = beat WHERE node_id = 0",
        ),
        (
            "insert",
            "INSERT INTO node_log(node_id, incarnation) SELECT 0, 0 FROM node_log WHERE log_id = 0",
        ),
        ("delete", "DELETE FROM log_row WHERE log_id = 0"),
        // What people see: the same rights, if they were given table by table.
        (
            "write the history",
            "UPDATE history_position SET written_at = written_at WHERE tenant = 0",
        ),
        (
            "add to the audit log",
            "INSERT INTO audit SELECT * FROM audit WHERE tenant = 0 AND number = 0",
        ),
        ("end a login", "DELETE FROM tokens WHERE id = 0"),
    ];
    let mut found = Vec::new();
    for (what, statement) in tries {
        if let Err(error) = connection.execute(statement, ()).await {
            found.push(finding(
                Gravity::Wrong,
                format!("this user may not {what}: {error}"),
                "GRANT SELECT, INSERT, UPDATE, DELETE on the database to it; CREATE too for `souk db migrate`",
            ));
        }
    }
    if found.is_empty() {
        found.push(good("this user may read, insert, update and delete"));
    }
    found
}

/// Whether the server refuses changes of the audit log. Without that they are found, by its chain, and not prevented.
async fn audit_log(connection: &mut Connection) -> Finding {
    match missing_triggers(connection).await {
        Ok(missing) if missing.is_empty() => {
            good("the audit log of the office takes no changes: its triggers are there")
        }
        Ok(missing) => finding(
            Gravity::Warning,
            format!(
                "the audit log of the office may be changed, though not unseen: trigger {} is missing",
                missing.join(", ")
            ),
            "GRANT TRIGGER on the database to this user and run `souk db migrate` again; with a binary log also SET GLOBAL log_bin_trust_function_creators = 1",
        ),
        Err(error) => finding(Gravity::Warning, error.to_string(), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(settings: &[(&str, &str)]) -> Vec<String> {
        let sound = [
            ("version", "10.11.14-MariaDB"),
            ("innodb_flush_log_at_trx_commit", "1"),
            ("log_bin", "OFF"),
            ("max_allowed_packet", "67108864"),
            ("lock_wait_timeout", "50"),
            ("read_only", "OFF"),
        ];
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables = sound.iter().chain(settings).map(pair).collect();
        let found = judge(&variables).into_iter();
        let bad = found.filter(|it| it.gravity != Gravity::Good);
        bad.map(|it| {
            assert!(!it.remedy.is_empty(), "{it:?} names what to do");
            it.text
        })
        .collect()
    }

    #[test]
    fn a_sound_server_has_nothing_against_it() {
        assert_eq!(wrong(&[]), Vec::<String>::new());
        assert_eq!(
            wrong(&[("log_bin", "ON"), ("sync_binlog", "1")]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_may_lose_something_is_told_with_its_remedy() {
        let one = |settings: &[(&str, &str)], words: &str| {
            let found = wrong(settings);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(words), "{found:?}");
        };
        one(&[("innodb_flush_log_at_trx_commit", "2")], "power cut");
        one(
            &[("log_bin", "ON"), ("sync_binlog", "0")],
            "sync_binlog = 0",
        );
        one(&[("max_allowed_packet", "1048576")], "does not fit");
        one(&[("lock_wait_timeout", "86400")], "every renewal");
        one(&[("read_only", "ON")], "no writes");
        one(&[("version", "10.3.1-MariaDB")], "older");
        one(&[("wsrep_on", "ON")], "five seconds");
        let semi = [
            ("rpl_semi_sync_master_enabled", "ON"),
            ("rpl_semi_sync_master_wait_point", "AFTER_COMMIT"),
            ("rpl_semi_sync_master_timeout", "10000"),
        ];
        assert_eq!(wrong(&semi).len(), 2);
    }
}
