//! A real MariaDB of the test's own: on a temporary directory and a free port, stopped, killed and started as the test likes.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mysql_async::prelude::{FromRow, Queryable};

/// How long a server may take to start, also after a crash.
const START: Duration = Duration::from_secs(60);
pub const USER: &str = "souk";
pub const PASSWORD: &str = "bazaar";

/// A server.
#[derive(Debug)]
pub struct MariaDb {
    folder: PathBuf,
    port: u16,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    child: Child,
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// An empty data directory, made once for all servers of this test program.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let folder = scratch("template");
        let made = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal"])
            .args(["--skip-test-db", "--user=root"])
            .arg(format!("--datadir={}", folder.display()))
            .stdin(Stdio::null())
            .output()
            .expect("mariadb-install-db runs; remedy: apt-get install mariadb-server");
        assert!(made.status.success(), "{made:?}");
        folder
    })
}

fn scratch(name: &str) -> PathBuf {
    let name = format!("mariadb-{}-{name}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

impl MariaDb {
    /// Starts a server.
    pub fn start(name: &str) -> Self {
        Self::start_with(name, &[], &[])
    }

    /// Starts a server with more arguments, and variables of the environment.
    pub fn start_with(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let folder = scratch(name);
        let copied = Command::new("cp")
            .arg("-a")
            .arg(format!("{}/.", template().display()))
            .arg(folder.join("data"))
            .status()
            .unwrap();
        assert!(copied.success());
        let mut init = std::fs::File::create(folder.join("init.sql")).unwrap();
        writeln!(
            init,
            "CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO '{USER}'@'%';"
        )
        .unwrap();
        let port = free_port();
        let owned = |pair: &(&str, &str)| (pair.0.to_owned(), pair.1.to_owned());
        let environment: Vec<_> = environment.iter().map(owned).collect();
        let arguments: Vec<_> = arguments.iter().map(|it| (*it).to_owned()).collect();
        let child = spawn(&folder, port, &arguments, &environment);
        let mut server = Self {
            folder,
            port,
            environment,
            arguments,
            child,
        };
        server.wait();
        server
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// A file with its password.
    pub fn password_file(&self) -> PathBuf {
        let file = self.folder.join("password");
        std::fs::write(&file, PASSWORD).unwrap();
        file
    }

    /// An empty database in it.
    pub fn database(&self, name: &str) -> String {
        self.run(&format!("CREATE DATABASE {name}"));
        name.to_owned()
    }

    /// Executes a statement.
    pub fn run(&self, statement: &str) {
        self.try_run(statement)
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// Executes a statement, or says why not.
    pub fn try_run(&self, statement: &str) -> mysql_async::Result<()> {
        runtime().block_on(async {
            let mut conn = self.connect().await?;
            conn.query_drop(statement).await
        })
    }

    /// Executes a statement with all rights.
    pub fn as_root(&self, statement: &str) {
        let done = Command::new("mariadb")
            .args(["--no-defaults", "--user=root", "--execute", statement])
            .arg(format!("--socket={}", self.folder.join("socket").display()))
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    }

    /// Asks for rows.
    pub fn rows<R: FromRow + Send + 'static>(&self, query: &str) -> Vec<R> {
        runtime().block_on(async {
            let mut conn = self.connect().await.unwrap();
            conn.query(query).await.unwrap()
        })
    }

    /// A connection.
    pub async fn connect(&self) -> mysql_async::Result<mysql_async::Conn> {
        let options = mysql_async::OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some(USER))
            .pass(Some(PASSWORD))
            .prefer_socket(false);
        mysql_async::Conn::new(options).await
    }

    /// Sends a signal to the server's process.
    pub fn signal(&self, signal: i32) {
        send(&self.child, signal);
    }

    /// Kills it, and starts it again on what it has left.
    pub fn crash_and_restart(&mut self) {
        self.crash();
        self.restart();
    }

    /// Kills it.
    pub fn crash(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again.
    pub fn restart(&mut self) {
        self.child = spawn(&self.folder, self.port, &self.arguments, &self.environment);
        self.wait();
    }

    fn wait(&mut self) {
        let begun = Instant::now();
        while let Err(error) = self.try_run("SELECT 1") {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{status}: {}", self.log());
            }
            assert!(begun.elapsed() < START, "{error}: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

fn spawn(
    folder: &Path,
    port: u16,
    arguments: &[String],
    environment: &[(String, String)],
) -> Child {
    let path = |name: &str| folder.join(name).display().to_string();
    Command::new("mariadbd")
        .arg("--no-defaults")
        .arg(format!("--datadir={}", path("data")))
        .arg(format!("--socket={}", path("socket")))
        .arg(format!("--pid-file={}", path("pid")))
        .arg(format!("--init-file={}", path("init.sql")))
        .arg(format!("--log-error={}", path("log")))
        .arg(format!("--port={port}"))
        .args([
            "--bind-address=127.0.0.1",
            "--user=root",
            "--skip-name-resolve",
        ])
        .args([
            "--innodb-flush-log-at-trx-commit=1",
            "--innodb-buffer-pool-size=128M",
        ])
        .args(["--innodb-log-file-size=64M", "--max-allowed-packet=64M"])
        .args(arguments)
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mariadbd runs; remedy: apt-get install mariadb-server")
}

pub fn send(child: &Child, signal: i32) {
    let pid = rustix::process::Pid::from_child(child);
    let signal = rustix::process::Signal::from_named_raw(signal).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
