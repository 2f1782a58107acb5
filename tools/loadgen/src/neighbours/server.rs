//! A server of one's own: its configuration, its keys, its process.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use rustix::process::{Pid, Signal, kill_process};
use souk_protocol::{Durability, KeyId, SESSION_NUMBER_MAX};

use super::NeighboursError;
use crate::connection::unix_time_ns;
use crate::key::PrivateKey;
use crate::load::SessionKey;

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
/// Messages a second of a session without a limit: the most that a configuration can say.
const NO_LIMIT: u32 = 100_000_000;
/// How long the server may take to end in good order.
const END_TIMEOUT: Duration = Duration::from_secs(20);

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

/// A server's process. Killed when dropped.
#[derive(Debug)]
pub(super) struct OwnServer {
    child: Child,
    folder: Folder,
    pub address: SocketAddr,
    pub keys: Keys,
}

impl OwnServer {
    /// Starts the program and waits until it listens.
    pub fn start(program: &Path, terms: &Terms) -> Result<Self, NeighboursError> {
        let keys = Keys::make()?;
        let folder = Folder::make()?;
        let file = folder.0.join("souk.toml");
        fs::write(&file, configuration(terms, &keys))?;
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            // They win over the configuration.
            if name.to_string_lossy().starts_with("SOUK_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .arg("--data")
            .arg(folder.0.join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.log())?)
            .spawn()
            .map_err(|error| NeighboursError::Program {
                program: program.to_owned(),
                error,
            })?;
        let mut line = String::new();
        if let Some(stdout) = &mut child.stdout {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address = line.trim().strip_prefix("listening ");
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(folder.complaint("it does not start"));
        };
        Ok(Self {
            child,
            folder,
            address,
            keys,
        })
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it in good order: it looks whether its ledger is sound.
    pub fn stop(mut self) -> Result<(), NeighboursError> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).map_err(std::io::Error::from)?;
        let deadline = Instant::now() + END_TIMEOUT;
        while Instant::now() < deadline {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.folder.complaint(&format!("it ended: {status}"))),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        Err(self.folder.complaint("it does not end"))
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A temporary folder; removed when dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn make() -> std::io::Result<Self> {
        let name = format!("souk-neighbours-{}-{}", std::process::id(), unix_time_ns());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// What went wrong, with the server's log.
    fn complaint(&self, what: &str) -> NeighboursError {
        NeighboursError::Server {
            what: what.to_owned(),
            log: fs::read_to_string(self.log()).unwrap_or_default(),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It is in the way of nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Keys {
    /// New keys, which are kept in memory only. Ids count from 1.
    fn make() -> Result<Self, NeighboursError> {
        let mut id = 0;
        let mut key = |sessions| {
            id += 1;
            let private = random_key().ok_or(NeighboursError::NoRandom)?;
            Ok(SessionKey {
                id: KeyId(id),
                private: Arc::new(private),
                sessions,
            })
        };
        let quiet = (0..QUIET_TENANTS).map(|_| key(SESSIONS as u16));
        let quiet = quiet.collect::<Result<_, NeighboursError>>()?;
        let noisy = (0..NOISY_SESSIONS).map(|_| key(1));
        let noisy = noisy.collect::<Result<_, NeighboursError>>()?;
        Ok(Self {
            quiet,
            noisy,
            unread: key(SESSION_NUMBER_MAX)?,
        })
    }
}

fn random_key() -> Option<PrivateKey> {
    let mut seed = [0; 32];
    SystemRandom::new().fill(&mut seed).ok()?;
    PrivateKey::from_seed(&seed)
}

fn configuration(terms: &Terms, keys: &Keys) -> String {
    let rate = terms.session_rate.unwrap_or(NO_LIMIT);
    // A tenth of a second at once, as by default.
    let burst = (rate / 10).max(32);
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nconnections_max = {}\noutbox_bytes_max = {OUTBOX_BYTES_MAX}\n\
         [journal]\ndurability = \"{}\"\n\
         [limits]\norder_rate = {rate}\norder_burst = {burst}\ncancel_rate = {rate}\ncancel_burst = {burst}\n",
        terms.connections_max,
        terms.durability.name().to_lowercase()
    );
    let mut id = 0;
    let mut tenant = |name: &str, markets, of_keys: &[(&SessionKey, String)]| {
        id += 1;
        text += &tenant_text(id, name, markets, of_keys);
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

fn tenant_text(id: u32, name: &str, markets: u32, keys: &[(&SessionKey, String)]) -> String {
    let mut text = format!(
        "[[tenant]]\nid = {id}\nname = \"{name}\"\n\
         [[tenant.currency]]\ncode = \"BTC\"\nscale = 8\n[[tenant.currency]]\ncode = \"USDT\"\nscale = 6\n"
    );
    let written = "a string takes everything";
    for market in 1..=markets {
        write!(
            text,
            "[[tenant.market]]\nid = {market}\nsymbol = \"BTC-USDT-{market}\"\nbase = \"BTC\"\nquote = \"USDT\"\n\
             tick_size = \"0.01\"\nlot_size = \"0.0001\"\naccount_orders_max = 1000000\n"
        )
        .expect(written);
    }
    for account in 1..=ACCOUNTS {
        write!(
            text,
            "[[tenant.account]]\nid = {account}\ncredit = {{ BTC = \"1000000000\", USDT = \"1000000000000\" }}\n"
        )
        .expect(written);
    }
    for (key, accounts) in keys {
        let public = key
            .private
            .public()
            .map(|byte| format!("{byte:02x}"))
            .concat();
        write!(
            text,
            "[[tenant.key]]\nid = {}\npublic_key = \"{public}\"\naccounts = {accounts}\n",
            key.id
        )
        .expect(written);
    }
    text
}
