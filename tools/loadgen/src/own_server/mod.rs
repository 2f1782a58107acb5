//! A server of one's own: its process and its folder. What it is configured with is its owner's business.

mod configuration;
mod page;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::connection::unix_time_ns;

pub(crate) use configuration::{MakesKeys, Tenant, server_text};
pub(crate) use page::{Page, free_address};

/// How long the server may take to end in good order.
const END_TIMEOUT: Duration = Duration::from_secs(20);

/// Why there is no server of one's own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The program could not be run.
    #[error("{program} cannot be run: {error}", program = program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The server did not do as it should.
    #[error("the server: {what}\n{log}")]
    Server {
        /// What is wrong.
        what: String,
        /// What it wrote.
        log: String,
    },
    /// The system gave no random numbers for a key.
    #[error("the system has no random numbers for a key")]
    NoRandom,
    /// The system refused something.
    #[error("system: {0}")]
    System(#[from] std::io::Error),
}

/// A server's process. Killed when dropped.
#[derive(Debug)]
pub(crate) struct OwnServer {
    child: Child,
    folder: Folder,
    pub address: SocketAddr,
}

impl OwnServer {
    /// Starts the program in a new folder within `within` and waits until it listens.
    pub fn start(program: &Path, within: &Path, configuration: &str) -> Result<Self, ServerError> {
        let folder = Folder::make(within)?;
        let file = folder.path().join("souk.toml");
        fs::write(&file, configuration)?;
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
            .arg(folder.data())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.log())?)
            .spawn()
            .map_err(|error| ServerError::Program {
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
        })
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.data()
    }

    /// Ends it in good order: it looks whether its ledger is sound.
    pub fn stop(mut self) -> Result<(), ServerError> {
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
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A new one, within `within`.
    pub fn make(within: &Path) -> std::io::Result<Self> {
        let name = format!("souk-loadgen-{}-{}", std::process::id(), unix_time_ns());
        let folder = within.join(name);
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// What went wrong, with the server's log.
    fn complaint(&self, what: &str) -> ServerError {
        ServerError::Server {
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
