//! The audit log: what somebody was about to do, and what came of it. Each tenant's entries are a chain: an entry's hash is
//! the SHA-256 of the hash before it and of its own fields, each with its length before it.
//!
//! Must never: change an entry, or let something be done before its entry is on disk.

use aws_lc_rs::digest::{Context, SHA256};
use souk_protocol::TenantId;

use super::{OfficeError, OfficeStore, number_of};
use crate::tables::{Dialect, Row, Session, TablesError, Value, row, values};

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
/// Entries that are read at one time to check them.
const CHECKED_TOGETHER: usize = 1_024;

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
        self.change(|session| append(session, attempt, at, outcome, begun))
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
        let mut values = values![number_of(tenant)].to_vec();
        let mut add = |condition: &str, value: Option<Value>| {
            if let Some(value) = value {
                values.push(value);
                conditions.push_str(&format!(" AND {condition} ?{}", values.len()));
            }
        };
        let number = |number: Option<u64>| number.map(|number| Value::Int(number.cast_signed()));
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
        self.ask(|session| {
            let rows = session.rows(&sql, &values)?;
            rows.iter().map(|row| read(row, tenant)).collect()
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
        mut checked: Checked,
    ) -> Result<Checked, OfficeError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM audit WHERE tenant = ?1 AND number > ?2 ORDER BY number LIMIT {CHECKED_TOGETHER}"
        );
        // Looked up first: what is added meanwhile comes behind it.
        let end = self.ask(|session| match session.dialect() {
            Dialect::Sqlite => Ok(None),
            Dialect::MySql => head(session, tenant, ""),
        })?;
        loop {
            let values = values![number_of(tenant), checked.number.cast_signed()];
            let rows = self.ask(|session| session.rows(&sql, values))?;
            for entry in &rows {
                let entry = self.ask(|_| read(entry, tenant))?;
                checked = checked.follow(&entry)?;
                if let Some((number, hash)) = end
                    && number == entry.number
                    && hash != entry.hash
                {
                    return Err(ChainBroken(number).into());
                }
            }
            if rows.len() < CHECKED_TOGETHER {
                break;
            }
        }
        match end {
            // Its last entries are gone.
            Some((number, _)) if number > checked.number => Err(ChainBroken(number).into()),
            _ => Ok(checked),
        }
    }
}

impl Checked {
    fn follow(self, entry: &AuditEntry) -> Result<Self, ChainBroken> {
        let AuditEntry { attempt, at, .. } = entry;
        let hash = hash(&self.hash, attempt, *at, &entry.outcome, entry.begun);
        if hash != entry.hash {
            return Err(ChainBroken(entry.number));
        }
        Ok(Self {
            number: entry.number,
            entries: self.entries + 1,
            hash,
        })
    }
}

/// The number and the hash of a tenant's last entry. In a database that several offices write to, a row of its own says so:
/// whoever reads it `FOR UPDATE` is the only one to add an entry until the transaction ends.
fn head(
    session: &mut dyn Session,
    tenant: Option<TenantId>,
    lock: &str,
) -> Result<Option<(u64, [u8; 32])>, TablesError> {
    let sql = match session.dialect() {
        Dialect::Sqlite => {
            "SELECT number, hash FROM audit WHERE tenant = ?1 ORDER BY number DESC LIMIT 1"
                .to_owned()
        }
        Dialect::MySql => format!("SELECT number, hash FROM audit_head WHERE tenant = ?1{lock}"),
    };
    let found = row(session, &sql, values![number_of(tenant)])?;
    let read = |row: Row| Ok((row.unsigned(0)?, row.bytes32(1)?));
    found.map(read).transpose()
}

fn append(
    session: &mut dyn Session,
    attempt: &Attempt,
    at: u64,
    outcome: &str,
    begun: u64,
) -> Result<u64, TablesError> {
    let tenant = number_of(attempt.tenant);
    let dialect = session.dialect();
    let mut before = head(session, attempt.tenant, dialect.for_update())?;
    if before.is_none() && dialect == Dialect::MySql {
        let first = "INSERT IGNORE INTO audit_head (tenant, number, hash) VALUES (?1, 0, ?2)";
        session.execute(first, values![tenant, START])?;
        before = head(session, attempt.tenant, dialect.for_update())?;
    }
    let (last, before) = before.unwrap_or((0, START));
    let hash = hash(&before, attempt, at, outcome, begun);
    // A file counts the entries of all tenants together.
    let number = (dialect == Dialect::MySql).then_some((last + 1).cast_signed());
    session.execute(
        "INSERT INTO audit (number, tenant, at, user, role, address, action, target, reason, request, outcome, ref, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        values![
            number,
            tenant,
            at.cast_signed(),
            &attempt.user,
            &attempt.role,
            &attempt.address,
            &attempt.action,
            &attempt.target,
            &attempt.reason,
            &attempt.request,
            outcome,
            begun.cast_signed(),
            hash
        ],
    )?;
    if let Some(number) = number {
        let moved = "UPDATE audit_head SET number = ?2, hash = ?3 WHERE tenant = ?1";
        session.execute(moved, values![tenant, number, hash])?;
    }
    let added = head(session, attempt.tenant, "")?;
    Ok(added.map_or(0, |(number, _)| number))
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

fn read(row: &Row, tenant: Option<TenantId>) -> Result<AuditEntry, TablesError> {
    Ok(AuditEntry {
        number: row.unsigned(0)?,
        at: row.unsigned(1)?,
        attempt: Attempt {
            tenant,
            user: row.text(2)?,
            role: row.text(3)?,
            address: row.text(4)?,
            action: row.text(5)?,
            target: row.text(6)?,
            reason: row.text(7)?,
            request: row.text(8)?,
        },
        outcome: row.text(9)?,
        begun: row.unsigned(10)?,
        hash: row.bytes32(11)?,
    })
}
