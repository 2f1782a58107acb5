//! The audit log: what somebody was about to do, and what came of it. Each tenant's entries are a chain: an entry's hash is
//! the SHA-256 of the hash before it and of its own fields, each with its length before it.
//!
//! Must never: change an entry, or let something be done before its entry is on disk.

use aws_lc_rs::digest::{Context, SHA256};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use souk_protocol::TenantId;

use super::users::unsigned;
use super::{OfficeError, OfficeStore, number_of};

/// What somebody is about to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Whose data it is about; none: the nodes'.
    pub tenant: Option<TenantId>,
    /// Who.
    pub user: String,
    /// In which role.
    pub role: String,
    /// From where.
    pub address: String,
    /// What, such as `market.state`.
    pub action: String,
    /// To what, such as `market 1`.
    pub target: String,
    /// Why, in the words of who does it.
    pub reason: String,
    /// The request, as JSON, without secrets.
    pub request: String,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number, in the order of the log.
    pub number: u64,
    /// When, nanoseconds since 1970-01-01 UTC.
    pub at: u64,
    /// What was to be done.
    pub attempt: Attempt,
    /// `begun`, `done`, or the code with which it was refused.
    pub outcome: String,
    /// The number of the entry that says it was begun; 0 for that entry itself.
    pub begun: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

/// Which entries are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this user.
    pub user: Option<String>,
    /// This action.
    pub action: Option<String>,
    /// To this.
    pub target: Option<String>,
    /// Not before this.
    pub from: Option<u64>,
    /// Before this.
    pub to: Option<u64>,
    /// Older than the one with this number.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// How far a log was found to be as it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// The number of the last entry.
    pub number: u64,
    /// Entries until there.
    pub entries: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

/// The log is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log is not as it was written: entry {0} does not follow the one before it")]
pub struct ChainBroken(pub u64);

const COLUMNS: &str =
    "number, at, user, role, address, action, target, reason, request, outcome, ref, hash";
const START: [u8; 32] = [0; 32];

impl OfficeStore {
    /// Writes down what somebody is about to do, durably. Gives the entry's number.
    ///
    /// # Errors
    /// What the store says; then it must not be done.
    pub fn begin(&self, attempt: &Attempt, at: u64) -> Result<u64, OfficeError> {
        self.append(attempt, at, "begun", 0)
    }

    /// Writes down what came of it.
    ///
    /// # Errors
    /// What the store says.
    pub fn end(
        &self,
        attempt: &Attempt,
        at: u64,
        outcome: &str,
        begun: u64,
    ) -> Result<u64, OfficeError> {
        self.append(attempt, at, outcome, begun)
    }

    fn append(
        &self,
        attempt: &Attempt,
        at: u64,
        outcome: &str,
        begun: u64,
    ) -> Result<u64, OfficeError> {
        let mut connection = self.lock();
        let written = append(&mut connection, attempt, at, outcome, begun);
        written.map_err(|error| self.error(error))
    }

    /// Entries of a tenant, the newest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn audit(
        &self,
        tenant: Option<TenantId>,
        filter: &AuditFilter,
    ) -> Result<Vec<AuditEntry>, OfficeError> {
        let mut conditions = String::from("tenant = ?1");
        let mut values: Vec<Value> = vec![i64::from(number_of(tenant)).into()];
        let mut add = |condition: &str, value: Option<Value>| {
            if let Some(value) = value {
                values.push(value);
                conditions.push_str(&format!(" AND {condition} ?{}", values.len()));
            }
        };
        let number = |number: Option<u64>| number.map(|number| number.cast_signed().into());
        add("user =", filter.user.clone().map(Into::into));
        add("action =", filter.action.clone().map(Into::into));
        add("target =", filter.target.clone().map(Into::into));
        add("at >=", number(filter.from));
        add("at <", number(filter.to));
        add("number <", number(filter.before));
        let sql = format!(
            "SELECT {COLUMNS} FROM audit WHERE {conditions} ORDER BY number DESC LIMIT {}",
            filter.limit
        );
        self.ask(|connection| {
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map(params_from_iter(values), |row| read(row, tenant))?;
            rows.collect()
        })
    }

    /// Reads a tenant's log from where it was checked last, and checks that every entry follows the one before it. Gives how
    /// far it is checked now.
    ///
    /// # Errors
    /// The first entry that does not.
    pub fn check_audit(
        &self,
        tenant: Option<TenantId>,
        checked: Checked,
    ) -> Result<Checked, OfficeError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM audit WHERE tenant = ?1 AND number > ?2 ORDER BY number"
        );
        let entries = self.ask(|connection| {
            let mut statement = connection.prepare(&sql)?;
            let values = params![number_of(tenant), checked.number.cast_signed()];
            let rows = statement.query_map(values, |row| read(row, tenant))?;
            let mut checked = checked;
            for entry in rows {
                let entry = entry?;
                let AuditEntry { attempt, at, .. } = &entry;
                let hash = hash(&checked.hash, attempt, *at, &entry.outcome, entry.begun);
                if hash != entry.hash {
                    return Ok(Err(ChainBroken(entry.number)));
                }
                checked = Checked {
                    number: entry.number,
                    entries: checked.entries + 1,
                    hash,
                };
            }
            Ok(Ok(checked))
        })?;
        entries.map_err(Into::into)
    }
}

fn append(
    connection: &mut Connection,
    attempt: &Attempt,
    at: u64,
    outcome: &str,
    begun: u64,
) -> Result<u64, rusqlite::Error> {
    let tenant = number_of(attempt.tenant);
    // Another process may write to the same file.
    let behaviour = rusqlite::TransactionBehavior::Immediate;
    let transaction = connection.transaction_with_behavior(behaviour)?;
    let before: Option<[u8; 32]> = transaction
        .query_row(
            "SELECT hash FROM audit WHERE tenant = ?1 ORDER BY number DESC LIMIT 1",
            [tenant],
            |row| row.get(0),
        )
        .optional()?;
    let hash = hash(&before.unwrap_or(START), attempt, at, outcome, begun);
    transaction.execute(
        "INSERT INTO audit (tenant, at, user, role, address, action, target, reason, request, outcome, ref, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            tenant,
            at.cast_signed(),
            attempt.user,
            attempt.role,
            attempt.address,
            attempt.action,
            attempt.target,
            attempt.reason,
            attempt.request,
            outcome,
            begun.cast_signed(),
            hash
        ],
    )?;
    let number = transaction.last_insert_rowid().cast_unsigned();
    transaction.commit()?;
    Ok(number)
}

fn hash(before: &[u8; 32], attempt: &Attempt, at: u64, outcome: &str, begun: u64) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(before);
    let (tenant, at, begun) = (
        number_of(attempt.tenant).to_le_bytes(),
        at.to_le_bytes(),
        begun.to_le_bytes(),
    );
    let fields: [&[u8]; 11] = [
        &tenant,
        &at,
        attempt.user.as_bytes(),
        attempt.role.as_bytes(),
        attempt.address.as_bytes(),
        attempt.action.as_bytes(),
        attempt.target.as_bytes(),
        attempt.reason.as_bytes(),
        attempt.request.as_bytes(),
        outcome.as_bytes(),
        &begun,
    ];
    for field in fields {
        context.update(&(field.len() as u64).to_le_bytes());
        context.update(field);
    }
    let mut hash = START;
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

fn read(row: &Row<'_>, tenant: Option<TenantId>) -> Result<AuditEntry, rusqlite::Error> {
    Ok(AuditEntry {
        number: unsigned(row, 0)?,
        at: unsigned(row, 1)?,
        attempt: Attempt {
            tenant,
            user: row.get(2)?,
            role: row.get(3)?,
            address: row.get(4)?,
            action: row.get(5)?,
            target: row.get(6)?,
            reason: row.get(7)?,
            request: row.get(8)?,
        },
        outcome: row.get(9)?,
        begun: unsigned(row, 10)?,
        hash: row.get(11)?,
    })
}
