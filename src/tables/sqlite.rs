//! Tables in a file.

use std::path::{Path, PathBuf};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, params_from_iter};

use super::{Dialect, Fault, Row, Session, TablesError, Value};
use crate::storage::{self, FileStamp};

/// Statements that are kept compiled.
const STATEMENTS_MAX: usize = 64;

/// What a file is made as.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Said at every opening.
    pub pragmas: &'static str,
    /// Makes the tables.
    pub tables: &'static str,
    /// Their version.
    pub version: i64,
}

/// A file of tables cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// It cannot be made.
    File(std::io::Error),
    /// It refuses.
    Store(TablesError),
    /// Another version wrote it.
    Version(i64),
}

/// Tables in a file.
#[derive(Debug)]
pub struct Sqlite {
    file: PathBuf,
    /// A reader waits for the writer to make the file.
    connection: Option<Connection>,
    reads: Reads,
}

/// Who made the file that is open.
#[derive(Debug)]
enum Reads {
    /// This session, or one before it.
    Own,
    /// A writer, which may put another file in its place.
    Of(Option<FileStamp>),
}

impl Sqlite {
    /// Opens the tables in `file`, or makes them; nobody but their owner may read the file.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn open(file: &Path, layout: &Layout) -> Result<Self, OpenError> {
        storage::make_secret(file).map_err(OpenError::File)?;
        let Layout {
            pragmas,
            tables,
            version,
        } = layout;
        let opened = Connection::open(file).and_then(|connection| {
            connection.execute_batch(pragmas)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
            let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            if found == 0 {
                let made =
                    format!("BEGIN IMMEDIATE; {tables} PRAGMA user_version = {version}; COMMIT;");
                connection.execute_batch(&made)?;
            }
            Ok((connection, found))
        });
        let (connection, found) = opened.map_err(|error| OpenError::Store(error.into()))?;
        if found != 0 && found != *version {
            return Err(OpenError::Version(found));
        }
        Ok(Self {
            file: file.to_owned(),
            connection: Some(connection),
            reads: Reads::Own,
        })
    }

    /// Reads the tables in `file`, as soon as their writer has made them.
    #[must_use]
    pub const fn reading(file: PathBuf) -> Self {
        Self {
            file,
            connection: None,
            reads: Reads::Of(None),
        }
    }

    fn connection(&mut self) -> Result<&Connection, rusqlite::Error> {
        if let Reads::Of(open) = &mut self.reads {
            let there = storage::stamp(&self.file).ok();
            let same = |open: FileStamp| there.is_some_and(|there| there.is_same_file(open));
            if !open.is_some_and(same) {
                self.connection = None;
                *open = there;
            }
        }
        let open = match self.connection.take() {
            Some(open) => open,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let open = Connection::open_with_flags(&self.file, flags)?;
                open.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
                open
            }
        };
        Ok(self.connection.insert(open))
    }

    fn command(&mut self, sql: &str) -> Result<(), TablesError> {
        Ok(self.connection()?.execute_batch(sql)?)
    }
}

impl Session for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.file)
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, TablesError> {
        let mut statement = self.connection()?.prepare_cached(sql)?;
        Ok(statement.execute(params_from_iter(values))? as u64)
    }

    fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, TablesError> {
        let mut statement = self.connection()?.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(values))?;
        let mut read = Vec::new();
        while let Some(row) = rows.next()? {
            let column = |at| row.get_ref(at).map(owned);
            let values = (0..columns).map(column).collect::<Result<_, _>>()?;
            read.push(Row::new(values));
        }
        Ok(read)
    }

    fn begin(&mut self) -> Result<(), TablesError> {
        // At once: another process may write to the same file.
        self.command("BEGIN IMMEDIATE")
    }

    fn commit(&mut self) -> Result<(), TablesError> {
        let done = self.command("COMMIT");
        if done.is_err() {
            self.roll_back();
        }
        done
    }

    fn roll_back(&mut self) {
        if let Some(connection) = &self.connection
            && !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            // With its connection the transaction ends.
            tracing::warn!(%error, file = %self.file.display(), "a transaction ends with its connection");
            self.connection = None;
        }
    }
}

fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Real(number) => Value::Text(number.to_string()),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl From<rusqlite::Error> for TablesError {
    fn from(error: rusqlite::Error) -> Self {
        let fault = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Fault::Busy,
            Some(ErrorCode::ConstraintViolation) => Fault::Duplicate,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Fault::Damaged,
            _ => Fault::Refused,
        };
        let text = error.to_string();
        Self::Store { fault, text }
    }
}
