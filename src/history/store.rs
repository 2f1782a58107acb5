//! Tables in a file: rows, and how far they go in the journal, in one transaction.

use std::io;
use std::path::{Path, PathBuf};

use souk_protocol::TenantId;

use super::HistoryError;
use super::rows::Row;
use super::schema::LAYOUT;
use super::write::{MoneyChecked, Writer};
use crate::storage;
use crate::tables::{OpenError, Sqlite, row, transaction, values};

/// The tables, as their writer has them.
#[derive(Debug)]
pub struct Store {
    session: Sqlite,
    /// The ids of the configuration's tenants, by index.
    tenants: Vec<TenantId>,
    /// The number of the first batch that is not in the tables.
    next_batch: u64,
}

impl Store {
    /// Opens the tables in `file`, or makes them.
    ///
    /// # Errors
    /// When that cannot be done, or another version made them.
    pub fn open(file: &Path, tenants: Vec<TenantId>) -> Result<Self, HistoryError> {
        let opened = Sqlite::open(file, &LAYOUT);
        let file = file.to_owned();
        let mut session = opened.map_err(|error| match error {
            OpenError::File(error) => HistoryError::File { file, error },
            OpenError::Store(error) => HistoryError::Store { file, error },
            OpenError::Version(found) => HistoryError::Version {
                file,
                found,
                known: LAYOUT.version,
            },
        })?;
        let sql = "SELECT value FROM meta WHERE name = 'next_batch'";
        let next = row(&mut session, sql, &[])
            .and_then(|row| row.map_or(Ok(1), |row| row.unsigned(0)))
            .map_err(|error| HistoryError::of(&session, error))?;
        Ok(Self {
            session,
            tenants,
            next_batch: next,
        })
    }

    /// Gives a file that nobody writes any more, and what belongs to it, another name. Gives that.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_aside(file: &Path, now: u64) -> io::Result<PathBuf> {
        let with = |file: &Path, end: &str| {
            let mut name = file.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        let aside = with(file, &format!(".damaged-{}", now / 1_000_000_000));
        // The file first: without it nobody opens what belongs to it.
        for end in ["", "-wal", "-shm"] {
            storage::rename(&with(file, end), &with(&aside, end))?;
        }
        Ok(aside)
    }

    /// The number of the first batch that is not in the tables.
    #[must_use]
    pub const fn next_batch(&self) -> u64 {
        self.next_batch
    }

    /// Writes `rows` and `money`, which reach up to batch `next_batch`, or nothing of them.
    ///
    /// # Errors
    /// What the store says.
    pub fn commit(
        &mut self,
        rows: &[Row],
        money: &[MoneyChecked],
        next_batch: u64,
    ) -> Result<(), HistoryError> {
        let tenants = &self.tenants;
        let written = transaction(&mut self.session, |session| {
            let mut writer = Writer::new(session, None);
            writer.all(tenants, rows, money)?;
            writer.finish()?;
            let replace = session.dialect().replace("name", &["value"]);
            let sql = format!("INSERT INTO meta (name, value) VALUES ('next_batch', ?1) {replace}");
            session
                .execute(&sql, values![next_batch.cast_signed()])
                .map(|_| ())
        });
        written.map_err(|error| HistoryError::of(&self.session, error))?;
        self.next_batch = next_batch;
        Ok(())
    }
}
