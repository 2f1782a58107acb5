//! The tables, and how they come to be: numbered migrations, each done once.

mod people;

use super::connection::Connection;
use super::error::DatabaseError;

/// The version of the tables that this version of souk works with.
pub const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

/// What makes each version out of the one before. Never changed once released.
const MIGRATIONS: &[&[&str]] = &[CLUSTER, people::TABLES];

/// Version 1: nodes, tenants, logs, snapshots.
const CLUSTER: &[&str] = &[
    "CREATE TABLE engine_node(
        node_id      INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        node_name    VARBINARY(64) NOT NULL UNIQUE,
        incarnation  BIGINT UNSIGNED NOT NULL,
        boot_uuid    BINARY(16) NOT NULL,
        state        TINYINT UNSIGNED NOT NULL,
        beat         BIGINT UNSIGNED NOT NULL,
        ttl_ms       INT UNSIGNED NOT NULL,
        beat_at      DATETIME(6) NOT NULL,
        advertise    VARBINARY(64) NOT NULL,
        weight       INT UNSIGNED NOT NULL,
        renewal_us   INT UNSIGNED NOT NULL DEFAULT 0) ENGINE=InnoDB",
    "CREATE TABLE tenant(
        tenant_id    INT UNSIGNED NOT NULL PRIMARY KEY,
        node_id      INT UNSIGNED NOT NULL DEFAULT 0,
        incarnation  BIGINT UNSIGNED NOT NULL DEFAULT 0,
        epoch        BIGINT UNSIGNED NOT NULL DEFAULT 0,
        KEY owner(node_id, incarnation), KEY newest(epoch)) ENGINE=InnoDB",
    "CREATE TABLE node_log(
        log_id       BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        node_id      INT UNSIGNED NOT NULL,
        incarnation  BIGINT UNSIGNED NOT NULL,
        sealed       TINYINT UNSIGNED NOT NULL DEFAULT 0,
        sealed_by    INT UNSIGNED NOT NULL DEFAULT 0,
        UNIQUE KEY process(node_id, incarnation)) ENGINE=InnoDB",
    "CREATE TABLE log_row(
        log_id       BIGINT UNSIGNED NOT NULL,
        seq          BIGINT UNSIGNED NOT NULL,
        kind         TINYINT UNSIGNED NOT NULL,
        payload      MEDIUMBLOB NOT NULL,
        PRIMARY KEY(log_id, seq)) ENGINE=InnoDB",
    "CREATE TABLE tenure(
        tenant_id    INT UNSIGNED NOT NULL,
        epoch        BIGINT UNSIGNED NOT NULL,
        log_id       BIGINT UNSIGNED NOT NULL,
        first_row    BIGINT UNSIGNED NOT NULL,
        begun_at     DATETIME(6) NOT NULL,
        PRIMARY KEY(tenant_id, epoch)) ENGINE=InnoDB",
    "CREATE TABLE snapshot(
        tenant_id    INT UNSIGNED NOT NULL,
        snapshot_id  BIGINT UNSIGNED NOT NULL,
        epoch        BIGINT UNSIGNED NOT NULL,
        next_row     BIGINT UNSIGNED NOT NULL,
        chunks       INT UNSIGNED NOT NULL,
        bytes        BIGINT UNSIGNED NOT NULL,
        state_hash   BIGINT UNSIGNED NOT NULL,
        taken_at     DATETIME(6) NOT NULL,
        PRIMARY KEY(tenant_id, snapshot_id)) ENGINE=InnoDB",
    "CREATE TABLE snapshot_chunk(
        tenant_id    INT UNSIGNED NOT NULL,
        snapshot_id  BIGINT UNSIGNED NOT NULL,
        chunk        INT UNSIGNED NOT NULL,
        payload      MEDIUMBLOB NOT NULL,
        PRIMARY KEY(tenant_id, snapshot_id, chunk)) ENGINE=InnoDB",
];

const MIGRATE: &str = "run `souk db migrate` with this version";
const UPDATE: &str = "run a newer version of souk: a newer one has changed the tables";

/// The version of the tables; 0 if there are none.
async fn version(connection: &mut Connection) -> Result<u32, DatabaseError> {
    let tables: Vec<u64> = connection
        .rows(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'schema_version'",
            (),
        )
        .await?;
    if tables.first() == Some(&0) {
        return Ok(0);
    }
    let versions: Vec<Option<u32>> = connection
        .rows("SELECT MAX(version) FROM schema_version", ())
        .await?;
    Ok(versions.first().copied().flatten().unwrap_or(0))
}

/// Checks that the tables are of the right version.
///
/// # Errors
/// When they are not, or the database does not answer.
pub async fn check_schema(connection: &mut Connection) -> Result<(), DatabaseError> {
    let found = version(connection).await?;
    if found == SCHEMA_VERSION {
        return Ok(());
    }
    Err(DatabaseError::Schema {
        found,
        needed: SCHEMA_VERSION,
        remedy: if found < SCHEMA_VERSION {
            MIGRATE
        } else {
            UPDATE
        },
    })
}

/// Brings the tables to this version. Gives the versions before and after.
///
/// # Errors
/// When a newer version has changed them, or the database refuses.
pub async fn migrate(connection: &mut Connection) -> Result<(u32, u32), DatabaseError> {
    let found = version(connection).await?;
    if found > SCHEMA_VERSION {
        return Err(DatabaseError::Schema {
            found,
            needed: SCHEMA_VERSION,
            remedy: UPDATE,
        });
    }
    connection
        .command(
            "CREATE TABLE IF NOT EXISTS schema_version(
                version INT UNSIGNED NOT NULL PRIMARY KEY, applied_at DATETIME(6) NOT NULL) ENGINE=InnoDB",
        )
        .await?;
    for (number, statements) in (1..).zip(MIGRATIONS).skip(found as usize) {
        for statement in *statements {
            // Done before, by a migration that was cut off.
            let again = statement.replacen("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ", 1);
            connection.command(&again).await?;
        }
        let done = "INSERT INTO schema_version VALUES(?, UTC_TIMESTAMP(6))";
        connection.execute(done, (number as u32,)).await?;
    }
    Ok((found, SCHEMA_VERSION))
}

/// The triggers that are missing of those that keep the audit log as it was written.
///
/// # Errors
/// When the database does not answer.
pub async fn missing_triggers(
    connection: &mut Connection,
) -> Result<Vec<&'static str>, DatabaseError> {
    let there: Vec<Vec<u8>> = connection
        .rows(
            "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
            (),
        )
        .await?;
    let is_missing = |name: &&str| !there.iter().any(|known| known == name.as_bytes());
    let names = people::TRIGGERS.iter().map(|(name, _)| *name);
    Ok(names.filter(is_missing).collect())
}

/// Makes the triggers that keep the audit log as it was written. Gives how many it made.
///
/// # Errors
/// When the server does not let this user: the log is chained all the same, and a change is found, not prevented.
pub async fn protect_audit(connection: &mut Connection) -> Result<usize, DatabaseError> {
    let missing = missing_triggers(connection).await?;
    for (name, change) in people::TRIGGERS {
        if missing.contains(&name) {
            let trigger = format!(
                "CREATE TRIGGER {name} BEFORE {change} ON audit FOR EACH ROW \
                 SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the audit log is append-only'"
            );
            connection.command(&trigger).await?;
        }
    }
    Ok(missing.len())
}
