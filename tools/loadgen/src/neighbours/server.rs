//! The server that neighbours share: who its tenants are, and what it is configured with.

use std::path::Path;

use souk_protocol::{Durability, SESSION_NUMBER_MAX};

use crate::load::SessionKey;
use crate::own_server::{MakesKeys, OwnServer, ServerError, Tenant, server_text};

/// Tenants that are measured.
pub(super) const QUIET_TENANTS: u32 = 2;
/// Sessions of each of them.
pub(super) const SESSIONS: u32 = 2;
/// Sessions of the noisy tenant: twice as many, because the server ends sessions that flood it, and half of them are always about to
/// log on.
const NOISY_SESSIONS: u32 = 2 * SESSIONS;
/// Accounts of each tenant.
const ACCOUNTS: u32 = NOISY_SESSIONS;
/// Markets of the tenant whose sessions read nothing: the list of them is what they ask for, 12 KB.
const LONG_LIST: u32 = 64;
/// What may wait for a connection that does not read, in bytes: little, so that it is cut within seconds.
const OUTBOX_BYTES_MAX: usize = 256 * 1024;

/// What the server is started with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// What an acknowledgement is worth; not `Mysql`.
    pub durability: Durability,
    /// Orders a second of each session, and cancels; `None`: no limit.
    pub session_rate: Option<u32>,
    /// Connections at one time.
    pub connections_max: usize,
}

/// The keys of the server's tenants.
#[derive(Debug)]
pub(super) struct Keys {
    /// One for each quiet tenant.
    pub quiet: Vec<SessionKey>,
    /// One for each session of the noisy tenant, with an account of its own.
    pub noisy: Vec<SessionKey>,
    /// Of the tenant whose sessions read nothing.
    pub unread: SessionKey,
}

/// A server with the tenants that are neighbours.
#[derive(Debug)]
pub(super) struct Host {
    pub own: OwnServer,
    pub keys: Keys,
}

impl Host {
    /// Starts the program and waits until it listens.
    pub fn start(program: &Path, terms: &Terms) -> Result<Self, ServerError> {
        let keys = Keys::make()?;
        let configuration = configuration(terms, &keys);
        let own = OwnServer::start(program, &std::env::temp_dir(), &configuration)?;
        Ok(Self { own, keys })
    }
}

impl Keys {
    /// New keys, which are kept in memory only.
    fn make() -> Result<Self, ServerError> {
        let mut makes = MakesKeys::default();
        let quiet = (0..QUIET_TENANTS).map(|_| makes.key(SESSIONS as u16));
        let quiet = quiet.collect::<Result<_, _>>()?;
        let noisy = (0..NOISY_SESSIONS).map(|_| makes.key(1));
        let noisy = noisy.collect::<Result<_, _>>()?;
        Ok(Self {
            quiet,
            noisy,
            unread: makes.key(SESSION_NUMBER_MAX)?,
        })
    }
}

fn configuration(terms: &Terms, keys: &Keys) -> String {
    let of_server = format!(
        "connections_max = {}\noutbox_bytes_max = {OUTBOX_BYTES_MAX}\n",
        terms.connections_max
    );
    let mut text = server_text(&of_server, terms.session_rate);
    let durability = terms.durability.name().to_lowercase();
    text += &format!("[journal]\ndurability = \"{durability}\"\n");
    let mut id = 0;
    let mut tenant = |name: &str, markets, keys: &[(&SessionKey, String)]| {
        id += 1;
        let tenant = Tenant {
            id,
            name,
            markets,
            accounts: ACCOUNTS,
            keys,
        };
        text += &tenant.text();
    };
    let all = || "\"all\"".to_owned();
    for key in &keys.quiet {
        tenant(&format!("quiet-{}", key.id), 1, &[(key, all())]);
    }
    let own = |(key, account): (_, u32)| (key, format!("[{account}]"));
    let noisy: Vec<_> = keys.noisy.iter().zip(1..).map(own).collect();
    tenant("noisy", 1, &noisy);
    tenant("unread", LONG_LIST, &[(&keys.unread, all())]);
    text
}
