//! Nodes of a cluster, as processes: started, stopped, killed, and what they wrote.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use souk::config::{ClusterConfig, Config, DatabaseConfig, Overrides};
use souk::lease::BootId;

use crate::mariadb::{MariaDb, USER, free_port, send};
use crate::support::two_tenants;

/// How long anything may take that should take no time.
const DEADLINE: Duration = Duration::from_secs(30);

/// Where the nodes of a cluster live, and how they reach their database.
#[derive(Clone, Debug)]
pub struct Cluster {
    folder: PathBuf,
    pub database: String,
    password_file: PathBuf,
    pub settings: Settings,
    /// What follows a node's own settings in its configuration.
    pub tenants: String,
}

/// What a test may change of a node's configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    pub ttl_ms: u32,
    pub period_ms: u32,
    pub timeout_ms: u32,
    pub poll_ms: u32,
    pub rebalance_after_ms: u32,
    pub snapshot_rows: u32,
    pub address: SocketAddr,
    pub lease_addresses: [SocketAddr; 2],
    pub journal_address: SocketAddr,
}

impl Cluster {
    /// A cluster of a server's, with its tables.
    pub fn new(name: &str, server: &MariaDb) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("cluster-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let address = server.address();
        let cluster = Self {
            folder,
            database: server.database(name),
            password_file: server.password_file(),
            tenants: two_tenants(""),
            settings: Settings {
                ttl_ms: 1_500,
                period_ms: 150,
                timeout_ms: 120,
                poll_ms: 20,
                rebalance_after_ms: 600_000,
                snapshot_rows: 1_000_000,
                address,
                lease_addresses: [address; 2],
                journal_address: address,
            },
        };
        let (status, said) = cluster.command(&["db", "migrate"]);
        assert!(status.success(), "{said}");
        cluster
    }

    /// Writes a node's configuration. Gives the file.
    pub fn config(&self, node: &str, port: u16) -> PathBuf {
        let Settings {
            ttl_ms,
            period_ms,
            timeout_ms,
            poll_ms,
            rebalance_after_ms,
            snapshot_rows,
            address,
            lease_addresses: [first, second],
            journal_address,
        } = &self.settings;
        let data = self.folder.join(node).join("data");
        let head = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n\
             [journal]\ndurability = \"mysql\"\ndirectory = \"{}\"\nnode = \"{node}\"\n\
             [cluster]\nlease_ttl_ms = {ttl_ms}\nrenewal_period_ms = {period_ms}\nrenewal_timeout_ms = {timeout_ms}\n\
             poll_ms = {poll_ms}\nrebalance_after_ms = {rebalance_after_ms}\nsnapshot_rows = {snapshot_rows}\n\
             [database]\naddress = \"{address}\"\nlease_addresses = [\"{first}\", \"{second}\"]\n\
             journal_address = \"{journal_address}\"\nname = \"{}\"\nuser = \"{USER}\"\npassword_file = \"{}\"\n",
            data.display(),
            self.database,
            self.password_file.display(),
        );
        std::fs::create_dir_all(self.folder.join(node)).unwrap();
        let file = self.folder.join(node).join("souk.toml");
        std::fs::write(&file, head + &self.tenants).unwrap();
        file
    }

    /// How a process reaches the database.
    pub fn database_config(&self) -> DatabaseConfig {
        self.cluster_config().database
    }

    /// What a node is told of the cluster.
    pub fn cluster_config(&self) -> ClusterConfig {
        let file = self.config("reader", free_port());
        let text = std::fs::read_to_string(file).unwrap();
        let config = Config::from_toml(&text, &Overrides::default()).unwrap();
        config.cluster.unwrap()
    }

    /// Runs an operator's command to its end.
    pub fn command(&self, words: &[&str]) -> (ExitStatus, String) {
        let config = self.config("operator", free_port());
        let output = Command::new(env!("CARGO_BIN_EXE_souk"))
            .args(words)
            .arg("--config")
            .arg(config)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        (output.status, said)
    }

    /// Starts a node on a port of its own.
    pub fn node(&self, name: &str) -> Node {
        self.node_in(name, name)
    }

    /// Starts a node at an address.
    pub fn node_at(&self, name: &str, address: SocketAddr) -> Node {
        let config = self.config(name, address.port());
        self.start(name, name, &config)
    }

    /// Starts a node whose data directory is another one's.
    pub fn node_in(&self, name: &str, folder: &str) -> Node {
        let mut config = self.config(name, free_port());
        if folder != name {
            let text = std::fs::read_to_string(&config).unwrap();
            let own = self.folder.join(name).join("data").display().to_string();
            let other = self.folder.join(folder).join("data").display().to_string();
            config = self.folder.join(folder).join("souk.toml");
            std::fs::create_dir_all(self.folder.join(folder)).unwrap();
            std::fs::write(&config, text.replace(&own, &other)).unwrap();
        }
        self.start(name, folder, &config)
    }

    fn start(&self, name: &str, folder: &str, config: &Path) -> Node {
        let number = (0..)
            .find(|it| !self.log_file(folder, *it).exists())
            .unwrap();
        let log = self.log_file(folder, number);
        let child = Command::new(env!("CARGO_BIN_EXE_souk"))
            .args(["serve", "--config"])
            .arg(config)
            .env("NO_COLOR", "1")
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Node {
            name: name.to_owned(),
            child,
            address: None,
            log,
        }
    }

    fn log_file(&self, node: &str, number: u32) -> PathBuf {
        self.folder.join(node).join(format!("log-{number}"))
    }
}

/// What a test's own process says of itself when it registers as a node.
pub fn registrant(name: &str) -> souk::database::Node {
    souk::database::Node {
        name: name.to_owned(),
        boot: BootId([7; 16]),
        ttl: Duration::from_secs(3),
        advertise: "127.0.0.1:1".to_owned(),
        weight: 1,
    }
}

/// A node's process.
#[derive(Debug)]
pub struct Node {
    pub name: String,
    child: Child,
    address: Option<SocketAddr>,
    log: PathBuf,
}

impl Node {
    /// Waits until it listens. Gives where.
    pub fn address(&mut self) -> SocketAddr {
        if let Some(address) = self.address {
            return address;
        }
        let mut line = String::new();
        let out = self.child.stdout.as_mut().expect("it is piped");
        BufReader::new(out).read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening ").map(str::trim);
        let address = address.unwrap_or_else(|| panic!("{line:?}: {}", self.log()));
        *self.address.insert(address.parse().unwrap())
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn signal(&self, signal: i32) {
        send(&self.child, signal);
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub fn exit(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                begun.elapsed() < DEADLINE,
                "{} does not end: {}",
                self.name,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks it to end in good order, and waits for that.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(libc::SIGTERM);
        self.exit()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("-- {}:\n{}", self.name, self.log());
        }
    }
}
