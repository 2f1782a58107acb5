//! The office's own tables: users, tokens, keys, brands, the audit log. In a file of the node's own, or in the database of its
//! cluster, so that every node's office has the same.
//!
//! Must never: keep a password or a token as it is, or change what the audit log says.

mod audit;
mod keys;
mod schema;
mod users;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use souk_protocol::TenantId;

pub use audit::{Attempt, AuditEntry, AuditFilter, ChainBroken, Checked};
pub use keys::StoredKey;
use schema::LAYOUT;
pub use users::{StoredToken, StoredUser, TokenTerms};

use crate::clock;
use crate::config::Config;
use crate::database::{DatabaseError, DatabaseTables};
use crate::tables::{Dialect, OpenError, Session, Sqlite, TablesError, row, transaction, values};

/// The office's tables cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OfficeError {
    /// The file refused something.
    #[error(
        "office in {}: {error}\nremedy: see that the disk is not full and the file is this user's, or restore it from a copy", file.display()
    )]
    Store {
        /// The file.
        file: PathBuf,
        /// What it said.
        error: TablesError,
    },
    /// The cluster's database refused something, or did not answer.
    #[error(
        "office in the database: {0}\nremedy: see that the database runs; `souk doctor` looks at it"
    )]
    Tables(TablesError),
    /// The cluster's database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Another version wrote the file.
    #[error(
        "office in {} is of version {found}, this program writes version {known}\nremedy: start the program that wrote it", file.display()
    )]
    Version {
        /// The file.
        file: PathBuf,
        /// What it says.
        found: i64,
        /// What this program writes.
        known: i64,
    },
    /// The file cannot be made.
    #[error("the office's tables: {0}\nremedy: name another data directory, or mend this one")]
    File(#[from] std::io::Error),
    /// A password cannot be hashed, or a token not made.
    #[error("no secret can be made: {0}")]
    Secret(String),
    /// The audit log is not as it was written.
    #[error(transparent)]
    Chain(#[from] ChainBroken),
}

impl OfficeError {
    /// Whether it may go away by itself.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Store { error, .. } | Self::Tables(error) => error.is_passing(),
            Self::Database(error) => error.is_passing(),
            _ => false,
        }
    }
}

/// The office's tables.
#[derive(Debug)]
pub struct OfficeStore {
    session: Mutex<Box<dyn Session>>,
}

impl OfficeStore {
    /// The tables of a configuration: those of its cluster, or a file in its data directory.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn of(config: &Config) -> Result<Self, OfficeError> {
        match &config.cluster {
            Some(cluster) => Ok(Self::over(Box::new(DatabaseTables::checked(cluster)?))),
            None => Self::open(&config.journal.directory.join("office.db")),
        }
    }

    /// Opens the tables in `file`, or makes them; nobody but their owner may read the file.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn open(file: &Path) -> Result<Self, OfficeError> {
        let opened = Sqlite::open(file, &LAYOUT);
        let file = file.to_owned();
        let session = opened.map_err(|error| match error {
            OpenError::File(error) => OfficeError::File(error),
            OpenError::Store(error) => OfficeError::Store { file, error },
            OpenError::Version(found) => OfficeError::Version {
                file,
                found,
                known: LAYOUT.version,
            },
        })?;
        Ok(Self::over(Box::new(session)))
    }

    /// The tables that `session` speaks to.
    #[must_use]
    pub const fn over(session: Box<dyn Session>) -> Self {
        Self {
            session: Mutex::new(session),
        }
    }

    /// The time that counts for what several offices decide: nanoseconds since 1970-01-01 UTC, by the clock of who keeps the
    /// tables.
    ///
    /// # Errors
    /// What the store says.
    pub fn now(&self) -> Result<u64, OfficeError> {
        self.ask(now)
    }

    /// What a tenant's pages look like, as it was given.
    ///
    /// # Errors
    /// What the store says.
    pub fn brand(&self, tenant: TenantId) -> Result<Option<String>, OfficeError> {
        let sql = "SELECT brand FROM brands WHERE tenant = ?1";
        self.ask(|session| {
            let found = row(session, sql, values![tenant.0])?;
            found.map(|row| row.text(0)).transpose()
        })
    }

    /// Changes what a tenant's pages look like.
    ///
    /// # Errors
    /// What the store says.
    pub fn set_brand(&self, tenant: TenantId, brand: &str) -> Result<(), OfficeError> {
        self.ask(|session| {
            let replace = session.dialect().replace("tenant", &["brand"]);
            let sql = format!("INSERT INTO brands (tenant, brand) VALUES (?1, ?2) {replace}");
            session.execute(&sql, values![tenant.0, brand]).map(|_| ())
        })
    }

    fn lock(&self) -> MutexGuard<'_, Box<dyn Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask<T>(
        &self,
        question: impl FnOnce(&mut dyn Session) -> Result<T, TablesError>,
    ) -> Result<T, OfficeError> {
        let mut session = self.lock();
        let answer = question(&mut **session);
        answer.map_err(|error| error_of(&**session, error))
    }

    /// Does all of it, or nothing.
    fn change<T>(
        &self,
        change: impl FnMut(&mut dyn Session) -> Result<T, TablesError>,
    ) -> Result<T, OfficeError> {
        self.ask(|session| transaction(session, change))
    }
}

fn error_of(session: &dyn Session, error: TablesError) -> OfficeError {
    match session.file() {
        Some(file) => OfficeError::Store {
            file: file.to_owned(),
            error,
        },
        None => OfficeError::Tables(error),
    }
}

/// The time by the clock of who keeps the tables.
fn now(session: &mut dyn Session) -> Result<u64, TablesError> {
    if session.dialect() == Dialect::Sqlite {
        return Ok(clock::wall_ns());
    }
    let sql = "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS UNSIGNED)";
    let micros = row(session, sql, &[])?.map_or(Ok(0), |row| row.unsigned(0))?;
    Ok(micros * 1_000)
}

/// The tenant of a row; tenant 0 stands for those who run the nodes.
fn number_of(tenant: Option<TenantId>) -> u32 {
    tenant.map_or(0, |tenant| tenant.0)
}

fn tenant_of(number: u32) -> Option<TenantId> {
    (number != 0).then_some(TenantId(number))
}
