//! How a process becomes a node.

use std::time::Duration;

use crate::clock;
use crate::database::{Connection, DatabaseError, LogId, Node};
use crate::lease::{BootId, Entry, LeaseTerms, Registered, Registration, Sighting, Watch};

/// Why a process cannot become a node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// Another process that is alive has the name.
    #[error(
        "another process is node {name} of the cluster, at {advertise}, and it is alive\nremedy: give every node its own name ([journal] node), or stop the other process"
    )]
    Duplicate {
        /// The name.
        name: String,
        /// Where that process is.
        advertise: String,
    },
    /// The name is longer than the database takes.
    #[error(
        "node name {name} is {len} bytes long, which must be 1 to 64\nremedy: choose a shorter [journal] node"
    )]
    Name {
        /// The name.
        name: String,
        /// Its length.
        len: usize,
    },
    /// The database does not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The longest name of a node, in bytes.
const NAME_MAX: usize = 64;
/// How long a database may be away when a node starts.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// Registers, as soon as it is sure that whoever had the name has ended.
pub(super) async fn register(
    connection: &mut Connection,
    node: &Node,
    dead: Option<BootId>,
    terms: &LeaseTerms,
) -> Result<(Registered, LogId), RegistrationError> {
    let len = node.name.len();
    if !(1..=NAME_MAX).contains(&len) {
        let name = node.name.clone();
        return Err(RegistrationError::Name { name, len });
    }
    let mut registration = Registration::new(dead);
    let mut watch = Watch::new(terms);
    let begun = clock::boottime();
    let mut told = false;
    loop {
        let now = clock::boottime();
        match step(connection, node, &mut registration, &mut watch).await {
            Ok(Some(registered)) => return Ok(registered),
            Ok(None) => {
                if !told {
                    told = true;
                    tracing::info!(
                        node = node.name,
                        "waiting: a process with this name has not ended in good order, and its lease must run out"
                    );
                }
            }
            Err(RegistrationError::Database(error))
                if error.is_passing() && now.since(begun) < START_PATIENCE =>
            {
                tracing::warn!(%error, "cannot register: once more");
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(terms.poll()).await;
    }
}

async fn step(
    connection: &mut Connection,
    node: &Node,
    registration: &mut Registration,
    watch: &mut Watch,
) -> Result<Option<(Registered, LogId)>, RegistrationError> {
    let sent = clock::boottime();
    let row = connection.node(&node.name).await?;
    if let Some(row) = row.as_ref().filter(|row| row.boot == node.boot) {
        // An earlier step did it, and its answer was lost.
        return Ok(Some(connection.log_of(row).await?));
    }
    let shown: Vec<_> = row.iter().map(Sighting::from).collect();
    watch.see(b"", sent, clock::boottime(), &shown);
    let silence = row
        .as_ref()
        .map_or(Duration::ZERO, |row| watch.silence(row.id));
    match (registration.decide(row.as_ref(), silence), row) {
        (Entry::Now, row) => Ok(connection.register(node, row.as_ref()).await?),
        (Entry::Duplicate, Some(row)) => Err(RegistrationError::Duplicate {
            name: row.name,
            advertise: row.advertise,
        }),
        _ => Ok(None),
    }
}
