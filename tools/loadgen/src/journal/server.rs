//! The servers that are measured: one tenant that sends, one whose orders rest.

use std::net::SocketAddr;
use std::path::Path;

use souk_protocol::Durability;

use super::{Commit, JournalError};
use crate::load::SessionKey;
use crate::own_server::{MakesKeys, OwnServer, Page, Tenant, free_address, server_text};

/// Unanswered messages of a session: so many that those of all sessions fill a tenant's share of the queue.
const INFLIGHT_MAX: u32 = 8_192;
/// Most connections of the load.
pub const CONNECTIONS_MAX: usize = 4;
/// Accounts of each tenant.
const ACCOUNTS: u32 = 4;
/// No journal is so long.
const NEVER: u64 = 1 << 40;

/// What a server is started with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// What an acknowledgement is worth; not `Mysql`.
    pub durability: Durability,
    /// How groups come to be durable.
    pub commit: Commit,
    /// Bytes of a segment; `None`: as by default.
    pub segment_bytes: Option<u64>,
    /// Whether a snapshot is taken after each segment; none at all if not.
    pub snapshots: bool,
}

/// A server.
#[derive(Debug)]
pub(super) struct Host {
    pub own: OwnServer,
    operations: SocketAddr,
    /// Of the tenant that sends.
    pub sender: SessionKey,
    /// Of the tenant whose orders rest.
    pub resting: SessionKey,
}

impl Host {
    /// Starts the program and waits until it listens.
    pub fn start(program: &Path, within: &Path, terms: &Terms) -> Result<Self, JournalError> {
        let mut makes = MakesKeys::default();
        let sender = makes.key(CONNECTIONS_MAX as u16)?;
        let resting = makes.key(1)?;
        let operations = free_address()?;
        let mut text = server_text("", None);
        text +=
            &format!("max_inflight = {INFLIGHT_MAX}\n[operations]\nlisten = \"{operations}\"\n");
        text += &journal_text(terms);
        for (id, name, key) in [(1, "sender", &sender), (2, "resting", &resting)] {
            let tenant = Tenant {
                id,
                name,
                markets: 1,
                accounts: ACCOUNTS,
                keys: &[(key, "\"all\"".to_owned())],
            };
            text += &tenant.text();
        }
        Ok(Self {
            own: OwnServer::start(program, within, &text)?,
            operations,
            sender,
            resting,
        })
    }

    /// What its journal has taken so far.
    pub fn written(&self) -> std::io::Result<Written> {
        let page = Page::fetch(self.operations)?;
        Ok(Written {
            groups: page.count("souk_journal_groups_total")?,
            batches: page.count("souk_journal_batches_total")?,
            bytes: page.count("souk_journal_written_bytes_total")?,
        })
    }
}

fn journal_text(terms: &Terms) -> String {
    let segment_bytes = terms.segment_bytes;
    let segment = segment_bytes.map_or(String::new(), |bytes| format!("segment_bytes = {bytes}\n"));
    // One segment is due when it is full.
    let snapshot = segment_bytes.filter(|_| terms.snapshots).unwrap_or(NEVER);
    format!(
        "[journal]\ndurability = \"{}\"\ncommit = \"{}\"\n{segment}snapshot_bytes = {snapshot}\n",
        terms.durability.name().to_lowercase(),
        terms.commit.name(),
    )
}

/// What a journal has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// Groups, each with one sync.
    pub groups: u64,
    /// Batches in them.
    pub batches: u64,
    /// Bytes of batches and headers, without what fills blocks.
    pub bytes: u64,
}

impl Written {
    /// What it has taken since `before`.
    #[must_use]
    pub const fn since(self, before: Self) -> Self {
        Self {
            groups: self.groups - before.groups,
            batches: self.batches - before.batches,
            bytes: self.bytes - before.bytes,
        }
    }

    /// Most bytes that it can take on the disk: each group fills its last block.
    #[must_use]
    pub const fn on_disk_max(self) -> u64 {
        self.bytes + self.groups * super::BLOCK as u64
    }
}
