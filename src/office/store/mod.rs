//! The office's own tables, in a file of their own: users, tokens, keys, brands, the audit log.
//!
//! Must never: keep a password or a token as it is, or change what the audit log says.

mod audit;
mod keys;
mod schema;
mod users;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};
use souk_protocol::TenantId;

pub use audit::{Attempt, AuditEntry, AuditFilter, ChainBroken, Checked};
pub use keys::StoredKey;
use schema::{PRAGMAS, TABLES, VERSION};
pub use users::{StoredToken, StoredUser, TokenTerms};

use crate::storage;

/// The office's tables cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OfficeError {
    /// The store refused something.
    #[error(
        "office in {}: {error}\nremedy: see that the disk is not full and the file is this user's, or restore it from a copy", file.display()
    )]
    Store {
        /// The file.
        file: PathBuf,
        /// What it said.
        error: rusqlite::Error,
    },
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

/// The office's tables.
#[derive(Debug)]
pub struct OfficeStore {
    file: PathBuf,
    connection: Mutex<Connection>,
}

impl OfficeStore {
    /// Opens the tables in `file`, or makes them; nobody but their owner may read the file.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn open(file: &Path) -> Result<Self, OfficeError> {
        let store = |error| OfficeError::Store {
            file: file.to_owned(),
            error,
        };
        storage::make_secret(file)?;
        let connection = Connection::open(file).map_err(store)?;
        let made = connection.execute_batch(PRAGMAS).and_then(|()| {
            let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            if found == 0 {
                let made =
                    format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;");
                connection.execute_batch(&made)?;
            }
            Ok(found)
        });
        let found = made.map_err(store)?;
        if found != 0 && found != VERSION {
            return Err(OfficeError::Version {
                file: file.to_owned(),
                found,
                known: VERSION,
            });
        }
        Ok(Self {
            file: file.to_owned(),
            connection: Mutex::new(connection),
        })
    }

    /// What a tenant's pages look like, as it was given.
    ///
    /// # Errors
    /// What the store says.
    pub fn brand(&self, tenant: TenantId) -> Result<Option<String>, OfficeError> {
        self.ask(|connection| {
            let sql = "SELECT brand FROM brands WHERE tenant = ?1";
            connection
                .query_row(sql, [tenant.0], |row| row.get(0))
                .optional()
        })
    }

    /// Changes what a tenant's pages look like.
    ///
    /// # Errors
    /// What the store says.
    pub fn set_brand(&self, tenant: TenantId, brand: &str) -> Result<(), OfficeError> {
        let sql =
            "INSERT INTO brands VALUES (?1, ?2) ON CONFLICT DO UPDATE SET brand = excluded.brand";
        self.ask(|connection| {
            connection
                .execute(sql, params![tenant.0, brand])
                .map(|_| ())
        })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn ask<T>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, OfficeError> {
        question(&self.lock()).map_err(|error| self.error(error))
    }

    fn error(&self, error: rusqlite::Error) -> OfficeError {
        OfficeError::Store {
            file: self.file.clone(),
            error,
        }
    }
}

/// The tenant of a row; tenant 0 stands for those who run the nodes.
fn number_of(tenant: Option<TenantId>) -> u32 {
    tenant.map_or(0, |tenant| tenant.0)
}

fn tenant_of(number: u32) -> Option<TenantId> {
    (number != 0).then_some(TenantId(number))
}
