//! A connection that is made when it is needed, and given up when an answer does not come.

use std::future::Future;
use std::time::Duration;

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, Error, OptsBuilder, Params};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::error::DatabaseError;
use crate::config::{DatabaseConfig, HostPort};
use crate::lease::LeaseTerms;
use crate::storage;

/// A heartbeat's statement has little time; and who writes for one tenant keeps others waiting.
const LOCK_WAIT_SECONDS: u32 = 1;
/// People wait longer than leases do.
const TABLES_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements that a connection keeps prepared.
const STATEMENTS_MAX: usize = 128;
/// The largest row that is sent or read, and what the server is asked to allow.
pub(super) const PACKET_MAX: usize = 64 << 20;
/// Probes of a silent connection.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Renews the lease: the first or the second of the heartbeat's two.
    Lease(usize),
    /// Adds to the node's log.
    Journal,
    /// Looks at the other nodes, claims tenants, reads logs.
    Steward,
    /// An operator's command.
    Operator,
    /// Reads and writes what people see: the history, and the office's tables.
    Tables,
}

/// A connection to the database.
#[derive(Debug)]
pub struct Connection {
    address: HostPort,
    options: OptsBuilder,
    timeout: Duration,
    /// A connection takes several round trips, and hurries less than what waits for a statement.
    connect_timeout: Duration,
    open: Option<Conn>,
}

impl Connection {
    /// A connection that is made at the first statement.
    ///
    /// # Errors
    /// When the password cannot be read.
    pub fn new(
        config: &DatabaseConfig,
        terms: &LeaseTerms,
        class: Class,
    ) -> Result<Self, DatabaseError> {
        let (address, timeout) = match class {
            Class::Lease(which) => (&config.lease_addresses[which % 2], terms.timeout()),
            Class::Journal => (&config.journal_address, config.journal_timeout),
            Class::Steward => (&config.address, config.journal_timeout.max(terms.timeout())),
            Class::Operator => (&config.address, Duration::from_secs(10)),
            Class::Tables => (&config.address, TABLES_TIMEOUT),
        };
        let password = config.password_file.as_ref().map(|file| {
            let text = storage::read_text(file).map_err(|error| DatabaseError::Password {
                file: file.clone(),
                error,
            });
            text.map(|text| text.trim_end_matches(['\n', '\r']).to_owned())
        });
        let options = OptsBuilder::default()
            .ip_or_hostname(address.host.clone())
            .tcp_port(address.port)
            .user(Some(config.user.clone()))
            .pass(password.transpose()?)
            .db_name(Some(config.name.clone()))
            // A socket beside the network would hide from a test, and from an operator, what the network does.
            .prefer_socket(false)
            .tcp_nodelay(true)
            .tcp_keepalive(Some(KEEPALIVE))
            .client_found_rows(true)
            .max_allowed_packet(Some(PACKET_MAX))
            .stmt_cache_size(STATEMENTS_MAX)
            .setup(session(timeout, class));
        Ok(Self {
            address: address.clone(),
            options,
            timeout,
            connect_timeout: timeout.max(terms.ttl() / 4),
            open: None,
        })
    }

    /// Where it goes.
    #[must_use]
    pub const fn address(&self) -> &HostPort {
        &self.address
    }

    /// Makes the connection, unless there is one.
    ///
    /// # Errors
    /// When it cannot be made in time.
    pub async fn open(&mut self) -> Result<&mut Conn, DatabaseError> {
        let conn = match self.open.take().filter(|conn| !conn.is_disconnected()) {
            Some(conn) => conn,
            None => self.connect().await?,
        };
        Ok(self.open.insert(conn))
    }

    /// Gives the connection up; the next statement makes another.
    pub fn forget(&mut self) {
        self.open = None;
    }

    async fn connect(&self) -> Result<Conn, DatabaseError> {
        let refused = |error: String| DatabaseError::Refused {
            address: self.address.clone(),
            error,
        };
        let connecting = Conn::new(self.options.clone());
        match timeout(self.connect_timeout, connecting).await {
            Ok(Ok(conn)) => Ok(conn),
            Ok(Err(error)) => Err(refused(error.to_string())),
            Err(_) => Err(refused(format!(
                "no answer within {:?}",
                self.connect_timeout
            ))),
        }
    }

    /// Executes a statement. Gives how many rows it changed, or found unchanged.
    ///
    /// # Errors
    /// When it is refused, or its answer does not come in time.
    pub async fn execute<P>(&mut self, statement: &str, values: P) -> Result<u64, DatabaseError>
    where
        P: Into<Params> + Send,
    {
        let limit = self.timeout;
        let conn = self.open().await?;
        let answer = within(limit, conn.exec_drop(statement, values)).await;
        let affected = self.open.as_ref().map_or(0, Conn::affected_rows);
        self.settle(answer).map(|()| affected)
    }

    /// Asks for rows.
    ///
    /// # Errors
    /// When it is refused, or its answer does not come in time.
    pub async fn rows<R, P>(&mut self, statement: &str, values: P) -> Result<Vec<R>, DatabaseError>
    where
        R: FromRow + Send + 'static,
        P: Into<Params> + Send,
    {
        let limit = self.timeout;
        let conn = self.open().await?;
        let answer = within(limit, conn.exec(statement, values)).await;
        self.settle(answer)
    }

    /// Sends a text that cannot be prepared: the definition of a table, the bounds of a transaction.
    ///
    /// # Errors
    /// When it is refused, or its answer does not come in time.
    pub async fn command(&mut self, text: &str) -> Result<(), DatabaseError> {
        let limit = self.timeout;
        let conn = self.open().await?;
        let answer = within(limit, conn.query_drop(text)).await;
        self.settle(answer)
    }

    /// Keeps the connection after a good answer and after a refusal; gives it up after anything else, and if the server takes no
    /// changes.
    fn settle<T>(&mut self, answer: Option<Result<T, Error>>) -> Result<T, DatabaseError> {
        let error = match answer {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(Error::Server(error))) => {
                DatabaseError::said(&self.address, error.code, error.message)
            }
            Some(Err(error)) => DatabaseError::lost(&self.address, error),
            None => DatabaseError::late(&self.address, self.timeout),
        };
        if !matches!(error, DatabaseError::Server { .. }) || error.is_away() {
            self.forget();
        }
        Err(error)
    }
}

/// A runtime of a thread that waits for the database.
///
/// # Errors
/// When the system refuses.
pub fn runtime() -> Result<Runtime, DatabaseError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(DatabaseError::Runtime)
}

async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Error>>,
) -> Option<Result<T, Error>> {
    timeout(limit, answer).await.ok()
}

/// What every connection sets, in few round trips. What stands in `/*M! */` is MariaDB's alone.
fn session(timeout: Duration, class: Class) -> Vec<String> {
    let (seconds, millis) = (timeout.as_secs(), timeout.subsec_millis());
    // What was committed through another server of the database is seen by who takes over.
    let sync_wait = match class {
        Class::Steward | Class::Tables => 15,
        Class::Lease(_) | Class::Journal | Class::Operator => 0,
    };
    // What writes for people has the lowest priority, and may be kept waiting for longer.
    let idle = if class == Class::Tables { 5 } else { 1 };
    // A statement that nobody waits for any more ends by itself, and so does a transaction. The clock of another time zone may
    // have an hour twice.
    let set = format!(
        "SET SESSION autocommit=1, time_zone='+00:00', innodb_lock_wait_timeout={LOCK_WAIT_SECONDS}, lock_wait_timeout={LOCK_WAIT_SECONDS} \
         /*M!100103 , max_statement_time={seconds}.{millis:03}, wsrep_sync_wait={sync_wait} */ \
         /*M!100300 , idle_write_transaction_timeout={idle}, idle_transaction_timeout={idle} */"
    );
    let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
    vec![isolation.to_owned(), set]
}
