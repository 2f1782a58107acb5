//! What a file and a server want to be told in different words, and rows that are added many at a time.

use super::{Session, TablesError, Value};

/// How tables want to be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// A file: SQLite.
    Sqlite,
    /// A server: MariaDB or MySQL.
    MySql,
}

impl Dialect {
    /// Goes behind an `INSERT`, before assignments to a row that has the same `key`. An assignment may name its own column
    /// only: on a server the ones behind it would find it changed.
    #[must_use]
    pub fn on_conflict(self, key: &str) -> String {
        match self {
            Self::Sqlite => format!("ON CONFLICT ({key}) DO UPDATE SET"),
            Self::MySql => "ON DUPLICATE KEY UPDATE".to_owned(),
        }
    }

    /// In such an assignment: what the new row would have had.
    #[must_use]
    pub fn new_value(self, column: &str) -> String {
        match self {
            Self::Sqlite => format!("excluded.{column}"),
            Self::MySql => format!("VALUES({column})"),
        }
    }

    /// Goes behind an `INSERT`: a row that has the same `key` gets these columns of the new one.
    #[must_use]
    pub fn replace(self, key: &str, columns: &[&str]) -> String {
        let assign = |column: &&str| format!("{column} = {}", self.new_value(column));
        let assignments: Vec<String> = columns.iter().map(assign).collect();
        format!("{} {}", self.on_conflict(key), assignments.join(", "))
    }

    /// Begins an `INSERT` that does nothing if the key is there.
    #[must_use]
    pub const fn insert_ignore(self) -> &'static str {
        match self {
            Self::Sqlite => "INSERT OR IGNORE INTO",
            Self::MySql => "INSERT IGNORE INTO",
        }
    }

    /// Goes behind a `SELECT` of a transaction whose rows nobody else may change until it ends. A file has one writer.
    #[must_use]
    pub const fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::MySql => " FOR UPDATE",
        }
    }
}

/// Rows of one statement: few texts, so that each is compiled once.
const STEPS: [usize; 4] = [64, 16, 4, 1];

/// Rows of one table that are added together, in the order in which they came.
#[derive(Debug)]
pub struct Bulk {
    /// Up to the word `VALUES`.
    head: String,
    columns: usize,
    values: Vec<Value>,
}

impl Bulk {
    /// Rows for an `INSERT` that `head` begins.
    #[must_use]
    pub const fn new(head: String, columns: usize) -> Self {
        Self {
            head,
            columns,
            values: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn add(&mut self, row: &[Value]) {
        assert_eq!(row.len(), self.columns, "a row has all its columns");
        self.values.extend_from_slice(row);
    }

    /// Sends what was added.
    ///
    /// # Errors
    /// What the store says.
    pub fn flush(&mut self, session: &mut dyn Session) -> Result<(), TablesError> {
        let mut rest = &self.values[..];
        for step in STEPS {
            let line = format!("({})", vec!["?"; self.columns].join(", "));
            let sql = format!("{} VALUES {}", self.head, vec![line; step].join(", "));
            while rest.len() >= step * self.columns {
                let (now, later) = rest.split_at(step * self.columns);
                session.execute(&sql, now)?;
                rest = later;
            }
        }
        self.values.clear();
        Ok(())
    }
}
