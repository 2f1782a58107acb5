//! Stores' tables in the cluster's database: what [`crate::tables`] asks, for a thread that may wait.
//!
//! Must never: send the rest of a transaction through another connection than the one that has its beginning.

use std::path::Path;

use mysql_async::{Params, Row as Answer, Value as Sent};
use souk_protocol::TenantId;
use tokio::runtime::{Handle, Runtime};
use tokio::task::block_in_place;

use super::connection::{Class, Connection, runtime};
use super::error::DatabaseError;
use super::schema::check_schema;
use crate::config::ClusterConfig;
use crate::ids::{Epoch, Position};
use crate::tables::{Dialect, Fault, Row, Session, TablesError, Value, values};

/// Tables in the cluster's database.
#[derive(Debug)]
pub struct DatabaseTables {
    /// None only while it is dropped.
    runtime: Option<Runtime>,
    connection: Connection,
    transaction: Transaction,
}

/// Where a tenant's newest log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnd {
    /// Behind its last row.
    pub position: Position,
    /// The first row of the ownership.
    pub first_row: u64,
}

impl LogEnd {
    /// How many rows somebody is behind who has come to `reached`: those of the newest ownership at most, and one for those
    /// before.
    #[must_use]
    pub fn behind(&self, reached: Position) -> u64 {
        if reached >= self.position {
            return 0;
        }
        let end = self.position.next_row;
        if reached.epoch == self.position.epoch {
            end.saturating_sub(reached.next_row.max(self.first_row))
        } else {
            end.saturating_sub(self.first_row) + 1
        }
    }
}

const LOG_END: &str = "SELECT t.epoch, (SELECT COALESCE(MAX(r.seq), 0) FROM log_row r WHERE r.log_id = t.log_id), t.first_row \
     FROM tenure t WHERE t.tenant_id = ?1 ORDER BY t.epoch DESC LIMIT 2";

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transaction {
    None,
    Open,
    /// A statement of it was not done: it can only end.
    Failed,
}

impl DatabaseTables {
    /// Tables that are spoken to when they are first needed.
    ///
    /// # Errors
    /// When the password cannot be read.
    pub fn new(config: &ClusterConfig) -> Result<Self, DatabaseError> {
        Ok(Self {
            runtime: Some(runtime()?),
            connection: Connection::new(&config.database, &config.lease, Class::Tables)?,
            transaction: Transaction::None,
        })
    }

    /// [`Self::new`], when the tables are of this version.
    ///
    /// # Errors
    /// When they are not, or the database does not answer.
    pub fn checked(config: &ClusterConfig) -> Result<Self, DatabaseError> {
        let mut tables = Self::new(config)?;
        tables.ask(async |connection| check_schema(connection).await)?;
        Ok(tables)
    }

    /// Asks something of the database, for a thread that may wait; also for one of a runtime with several.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn ask<T>(
        &mut self,
        ask: impl AsyncFnOnce(&mut Connection) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let Some(runtime) = &self.runtime else {
            return Err(DatabaseError::Runtime(std::io::Error::other("it ends")));
        };
        let connection = &mut self.connection;
        if Handle::try_current().is_err() {
            return runtime.block_on(ask(connection));
        }
        block_in_place(|| runtime.block_on(ask(connection)))
    }

    /// Where a tenant's newest log ends; nothing before its first owner.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn log_end(&mut self, tenant: TenantId) -> Result<Option<LogEnd>, TablesError> {
        let ends = self.rows(LOG_END, values![tenant.0])?;
        let Some(newest) = ends.first() else {
            return Ok(None);
        };
        let (epoch, last, first_row) = (
            newest.unsigned(0)?,
            newest.unsigned(1)?,
            newest.unsigned(2)?,
        );
        let position = |epoch, next_row| Position {
            epoch: Epoch(epoch),
            next_row,
        };
        let position = match ends.get(1) {
            _ if last >= first_row => position(epoch, last + 1),
            // Nothing of the newest ownership is there yet: behind the one before.
            Some(before) => position(before.unsigned(0)? + 1, 0),
            None => Position::START,
        };
        Ok(Some(LogEnd {
            position,
            first_row,
        }))
    }

    fn command(&mut self, text: &str) -> Result<(), DatabaseError> {
        self.ask(async |connection| connection.command(text).await)
    }

    /// What is asked outside of a transaction, or as long as nothing of it has failed.
    fn within<T>(
        &mut self,
        ask: impl AsyncFnOnce(&mut Connection) -> Result<T, DatabaseError>,
    ) -> Result<T, TablesError> {
        if self.transaction == Transaction::Failed {
            return Err(TablesError::Store {
                fault: Fault::Refused,
                text: "an earlier statement of the transaction has failed".to_owned(),
            });
        }
        let answer = self.ask(ask);
        if answer.is_err() && self.transaction == Transaction::Open {
            self.transaction = Transaction::Failed;
        }
        answer.map_err(Into::into)
    }
}

impl Drop for DatabaseTables {
    fn drop(&mut self) {
        // It may be dropped by a task, which must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Session for DatabaseTables {
    fn dialect(&self) -> Dialect {
        Dialect::MySql
    }

    fn file(&self) -> Option<&Path> {
        None
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, TablesError> {
        let (text, values) = positional(sql, values);
        self.within(async |connection| connection.execute(&text, values).await)
    }

    fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, TablesError> {
        let (text, values) = positional(sql, values);
        let rows = self.within(async |connection| {
            connection
                .rows::<Answer, _>(&text, Params::Positional(values.clone()))
                .await
        });
        // A connection that nobody has used for long is gone without a word: asking again changes nothing.
        let rows = match rows {
            Err(error) if error.fault() == Fault::Lost && self.transaction == Transaction::None => {
                self.within(async |connection| connection.rows::<Answer, _>(&text, values).await)
            }
            rows => rows,
        };
        rows?.into_iter().map(row_of).collect()
    }

    fn begin(&mut self) -> Result<(), TablesError> {
        // What was left open by a failed commit must not go on.
        self.roll_back();
        let begun = match self.command("START TRANSACTION") {
            Err(error) if error.is_passing() => self.command("START TRANSACTION"),
            begun => begun,
        };
        begun?;
        self.transaction = Transaction::Open;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), TablesError> {
        if self.transaction != Transaction::Open {
            return self.within(async |_| Ok(()));
        }
        let done = self.command("COMMIT");
        self.transaction = Transaction::None;
        if done.is_err() {
            self.connection.forget();
        }
        done.map_err(Into::into)
    }

    fn roll_back(&mut self) {
        if self.transaction != Transaction::None {
            self.transaction = Transaction::None;
            if self.command("ROLLBACK").is_err() {
                // With its connection the transaction ends.
                self.connection.forget();
            }
        }
    }
}

impl From<DatabaseError> for TablesError {
    fn from(error: DatabaseError) -> Self {
        let fault = if error.is_busy() {
            Fault::Busy
        } else if error.is_away() {
            Fault::Away
        } else if error.is_duplicate() {
            Fault::Duplicate
        } else if error.is_passing() {
            Fault::Lost
        } else {
            Fault::Refused
        };
        let text = error.to_string();
        Self::Store { fault, text }
    }
}

/// A statement whose values are named by number (`?1`), or in their order (`?`), as the server takes it.
fn positional(sql: &str, values: &[Value]) -> (String, Vec<Sent>) {
    let mut text = String::with_capacity(sql.len());
    let mut sent = Vec::with_capacity(values.len());
    let mut parts = sql.split('?');
    text.push_str(parts.next().unwrap_or(""));
    for (place, part) in parts.enumerate() {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let named: Option<usize> = part[..part.len() - rest.len()].parse().ok();
        let at = named.map_or(place, |number| number - 1);
        sent.push(sent_of(&values[at]));
        text.push('?');
        text.push_str(rest);
    }
    (text, sent)
}

fn sent_of(value: &Value) -> Sent {
    match value {
        Value::Null => Sent::NULL,
        Value::Int(number) => Sent::Int(*number),
        Value::Text(text) => Sent::Bytes(text.clone().into_bytes()),
        Value::Bytes(bytes) => Sent::Bytes(bytes.clone()),
    }
}

fn row_of(answer: Answer) -> Result<Row, TablesError> {
    let column = |(column, value)| match value {
        Sent::NULL => Ok(Value::Null),
        Sent::Int(number) => Ok(Value::Int(number)),
        Sent::UInt(number) => Ok(Value::Int(number.cast_signed())),
        Sent::Bytes(bytes) => Ok(Value::Bytes(bytes)),
        other => Err(TablesError::Unknown {
            column,
            value: other.as_sql(true),
        }),
    };
    let columns = answer.unwrap().into_iter().enumerate().map(column);
    columns.collect::<Result<_, _>>().map(Row::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_sent_in_the_order_in_which_a_statement_names_them() {
        let values = [Value::Int(1), Value::Null, Value::Text("c".to_owned())];
        let (text, sent) = positional("a = ?3 OR b = ?1 AND c = ?3 -- ?2", &values);
        assert_eq!(text, "a = ? OR b = ? AND c = ? -- ?");
        let c = Sent::Bytes(b"c".to_vec());
        assert_eq!(sent, [c.clone(), Sent::Int(1), c.clone(), Sent::NULL]);
        let (text, sent) = positional("VALUES (?, ?, ?)", &values);
        assert_eq!(text, "VALUES (?, ?, ?)");
        assert_eq!(sent, [Sent::Int(1), Sent::NULL, c]);
    }
}
