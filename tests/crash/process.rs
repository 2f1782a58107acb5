//! The process: started on a data directory, killed, stopped, and what it wrote.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::support::public_hex;

/// How long anything may take that should take no time.
const DEADLINE: Duration = Duration::from_secs(60);
/// How often segments are kept while a node runs: far more often than it can write what two snapshots need to cover one.
const KEEP_EVERY: Duration = Duration::from_millis(10);

/// Keys of acme's and of globex's sessions, and of their back offices.
pub const ACME: [u32; 2] = [1, 2];
pub const GLOBEX: [u32; 2] = [13, 14];
pub const OFFICES: [u32; 2] = [9, 19];

/// How a node is laid out.
#[derive(Clone, Copy, Debug)]
pub struct How {
    pub layout: &'static str,
    pub matchers: u32,
}

impl Default for How {
    fn default() -> Self {
        Self {
            layout: "inline",
            matchers: 1,
        }
    }
}

/// A data directory, and all that its processes write.
#[derive(Debug)]
pub struct Place {
    folder: PathBuf,
    data: PathBuf,
    /// A data directory with every segment there ever was, if the node removes some.
    whole: Option<PathBuf>,
    starts: std::cell::Cell<u32>,
}

impl Place {
    /// An empty one, whose journal is written to the page cache and synced.
    pub fn new(name: &str) -> Self {
        Self::with(name, "commit = \"fdatasync\"")
    }

    /// An empty one, with these lines in its `[journal]`.
    pub fn with(name: &str, journal: &str) -> Self {
        let name = format!("crash-{}-{name}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("souk.toml"), config(journal)).unwrap();
        let data = folder.join("data");
        Self {
            folder,
            data,
            whole: None,
            starts: 0.into(),
        }
    }

    /// An empty one whose node takes a snapshot with each segment, and removes what two of them cover; by a thread of its own, or
    /// by the follower that fills the history.
    pub fn with_snapshots(name: &str, follower: bool) -> Self {
        let mut lines = "commit = \"fdatasync\"\nsnapshot_bytes = 1048576".to_owned();
        if follower {
            lines.push_str("\n[history]\ntables = true");
        }
        let place = Self::with(name, &lines);
        let whole = place.folder.join("whole");
        std::fs::create_dir_all(whole.join("journal")).unwrap();
        Self {
            whole: Some(whole),
            ..place
        }
    }

    /// Where other things may be put.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The same place with another data directory.
    pub fn with_data(&self, data: PathBuf) -> Self {
        Self {
            folder: self.folder.clone(),
            data,
            whole: None,
            starts: (self.starts.get() + 1_000).into(),
        }
    }

    pub fn journal(&self) -> PathBuf {
        self.data.join("journal")
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The same place with a data directory of the whole journal and nothing else, if the node removes some of it.
    pub fn whole(&self) -> Option<Self> {
        self.whole.clone().map(|whole| self.with_data(whole))
    }

    /// Links the segments that are there to where they stay when the node removes them.
    pub fn keep(&self) {
        let (Some(whole), Ok(entries)) = (&self.whole, std::fs::read_dir(self.journal())) else {
            return;
        };
        let (kept, new) = (whole.join("journal"), whole.join("new"));
        for entry in entries {
            let entry = entry.unwrap();
            let link = kept.join(entry.file_name());
            let linked = std::fs::metadata(&link).map(|metadata| metadata.ino());
            if linked.ok() == Some(entry.ino()) {
                continue;
            }
            // One that was made ahead is made again at a start. One that is gone meanwhile was linked before, or will be missed.
            let _ = std::fs::remove_file(&new);
            if std::fs::hard_link(entry.path(), &new).is_ok() {
                std::fs::rename(&new, &link).unwrap();
            }
        }
    }

    /// Lets time pass, and keeps segments meanwhile.
    pub fn keep_for(&self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            self.keep();
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(KEEP_EVERY));
        }
    }

    /// Keeps segments until a snapshot gets its name that was not there at first: what it covers is about to be removed.
    pub fn keep_until_a_snapshot(&self) {
        let snapshots = || {
            let mut names = names(&self.data.join("snapshots"));
            names.retain(|name| name.to_string_lossy().ends_with(".snapshot"));
            names.pop_last()
        };
        let (first, until) = (snapshots(), Instant::now() + DEADLINE);
        while snapshots() == first {
            assert!(Instant::now() < until, "no snapshot within {DEADLINE:?}");
            self.keep();
            std::thread::sleep(Duration::from_millis(1));
        }
        self.keep();
    }

    /// The whole journal, while nothing runs: what the node has, and what it had before that.
    pub fn whole_journal(&self) -> PathBuf {
        let Some(whole) = &self.whole else {
            return self.journal();
        };
        self.keep();
        let (own, kept) = (names(&self.journal()), names(&whole.join("journal")));
        let gone = kept
            .difference(&own)
            .filter(|name| Some(*name) > own.first());
        for name in gone {
            std::fs::remove_file(whole.join("journal").join(name)).unwrap();
        }
        whole.join("journal")
    }

    /// How many segments the node has removed, while nothing runs.
    pub fn segments_removed(&self) -> usize {
        names(&self.whole_journal()).len() - names(&self.journal()).len()
    }

    /// A snapshot that a killed node was writing, if there is one: its inode.
    pub fn unfinished(&self) -> Option<u64> {
        let folder = self.data.join("snapshots");
        let is_unfinished = |name: &&OsString| name.to_string_lossy().ends_with(".unfinished");
        let name = names(&folder).iter().find(is_unfinished).cloned()?;
        Some(std::fs::metadata(folder.join(name)).unwrap().ino())
    }

    /// The arguments with which `souk` serves here.
    pub fn serve(&self, how: &How) -> Vec<String> {
        let config = self.folder.join("souk.toml").display().to_string();
        let (data, matchers) = (self.data.display().to_string(), how.matchers.to_string());
        let words = [
            "serve",
            "--config",
            &config,
            "--data",
            &data,
            "--layout",
            how.layout,
            "--matchers",
            &matchers,
        ];
        words.map(str::to_owned).to_vec()
    }

    /// Starts the program, or the other build if there is one and it is its turn.
    pub fn spawn(&self, how: &How) -> Souk {
        let other = std::env::var("SOUK_CRASH_OTHER").ok();
        let other = other.filter(|_| self.starts.get() % 2 == 1);
        let program = other.unwrap_or_else(|| env!("CARGO_BIN_EXE_souk").to_owned());
        let mut command = Command::new(program);
        command.args(self.serve(how));
        self.run(command)
    }

    /// Starts a command that ends in the program.
    pub fn run(&self, mut command: Command) -> Souk {
        self.starts.set(self.starts.get() + 1);
        let log = self.folder.join(format!("log-{}", self.starts.get()));
        let child = command
            .env("NO_COLOR", "1")
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Souk {
            child,
            log,
            lock: self.data.join("LOCK"),
        }
    }

    /// Starts it, and waits until it listens.
    pub fn start(&self, how: &How) -> Listening {
        self.spawn(how).listening()
    }

    /// What `souk audit` says, and whether it calls the journal sound.
    pub fn assert_sound(&self) {
        let audit = Command::new(env!("CARGO_BIN_EXE_souk"))
            .arg("audit")
            .arg(self.whole.as_ref().unwrap_or(&self.data))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&audit.stdout);
        let errors = String::from_utf8_lossy(&audit.stderr);
        assert!(
            audit.status.success(),
            "{}: {text}{errors}",
            self.data.display()
        );
    }

    /// Forgets everything; not called when a test fails.
    pub fn remove(self) {
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// A process.
#[derive(Debug)]
pub struct Souk {
    child: Child,
    log: PathBuf,
    lock: PathBuf,
}

/// A process that clients can connect to.
#[derive(Debug)]
pub struct Listening {
    souk: Souk,
    pub address: SocketAddr,
}

/// What a process has written, and how it ended.
#[derive(Debug)]
pub struct Log {
    pub text: String,
    pub status: ExitStatus,
}

impl Souk {
    pub fn listening(mut self) -> Listening {
        let mut line = String::new();
        let stdout = self.child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let Some(address) = line.trim().strip_prefix("listening ") else {
            let log = self.wait();
            panic!("it does not start: {:?}\n{}", log.status, log.text);
        };
        let address = address.parse().unwrap();
        Listening {
            souk: self,
            address,
        }
    }

    /// SIGKILL.
    pub fn kill(mut self) -> Log {
        self.child.kill().unwrap();
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Log {
        let until = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > until {
                let text = std::fs::read_to_string(&self.log).unwrap_or_default();
                panic!("it does not end\n{text}");
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let text = std::fs::read_to_string(&self.log).unwrap();
        Log { text, status }
    }
}

impl Drop for Souk {
    /// A test that fails leaves no process behind, not even one that a tracer holds.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let holder = std::fs::read_to_string(&self.lock).unwrap_or_default();
        let pid = holder.strip_prefix("process ").and_then(|rest| {
            let (pid, _) = rest.split_once(',')?;
            pid.parse::<u32>().ok()
        });
        if let Some(pid) = pid {
            signal("KILL", pid);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Listening {
    pub fn kill(self) -> Log {
        let log = self.souk.kill();
        assert_eq!(log.status.code(), None, "killed: {}", log.text);
        log
    }

    /// SIGTERM: an orderly end.
    pub fn terminate(mut self) -> Log {
        signal("TERM", self.souk.child.id());
        let log = self.souk.wait();
        assert!(log.status.success(), "{:?}\n{}", log.status, log.text);
        log
    }

    pub fn id(&self) -> u32 {
        self.souk.child.id()
    }

    /// Waits until it ends by itself.
    pub fn end(mut self) -> Log {
        self.souk.wait()
    }
}

impl Log {
    /// What stands behind `key=`.
    pub fn word(&self, key: &str) -> String {
        let (_, rest) = self
            .text
            .split_once(&format!("{key}="))
            .unwrap_or_else(|| panic!("no {key} in: {}", self.text));
        rest.split_whitespace().next().unwrap().to_owned()
    }

    pub fn number(&self, key: &str) -> u64 {
        self.word(key).parse().unwrap()
    }
}

/// The files of a folder; none if it is not there.
fn names(folder: &Path) -> BTreeSet<OsString> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .status();
    assert!(sent.unwrap().success(), "kill -{name} {pid}");
}

/// Two tenants with the same pair and tight funds, fees by group, and small segments; with more lines of `[journal]`.
fn config(journal: &str) -> String {
    let fees = "maker_ppm = -200\ntaker_ppm = 1500\nfees = [{ group = 1, maker_ppm = 300, taker_ppm = 700 }]";
    let market = |id: u32, symbol: &str| {
        format!(
            "[[tenant.market]]\nid = {id}\nsymbol = \"{symbol}\"\nbase = \"BTC\"\nquote = \"USDT\"\ntick_size = \"0.01\"\nlot_size = \"1\"\n{fees}\n"
        )
    };
    let account = |id: u32, group: u32| {
        format!(
            "[[tenant.account]]\nid = {id}\nfee_group = {group}\nstp_group = {group}\ncredit = {{ BTC = \"60\", USDT = \"900\" }}\n"
        )
    };
    let key = |id: u32, more: &str| {
        let public = public_hex(id);
        format!(
            "[[tenant.key]]\nid = {id}\npublic_key = \"{public}\"\naccounts = \"all\"\npermissions = [\"trade\", \"market-data\"{more}]\n"
        )
    };
    let currencies = "[[tenant.currency]]\ncode = \"BTC\"\nscale = 4\n[[tenant.currency]]\ncode = \"USDT\"\nscale = 6\n";
    let funding = ", \"funding\", \"control\"";
    [
        "[server]\nlisten = \"127.0.0.1:0\"\ndrain_timeout_ms = 20000\n".to_owned(),
        "[threads]\ntenant_share_percent = 100\n".to_owned(),
        "[limits]\nmax_inflight = 100000\norder_rate = 100000000\norder_burst = 1000000\ncancel_rate = 100000000\ncancel_burst = 1000000\n".to_owned(),
        format!("[journal]\ndurability = \"local\"\nsegment_bytes = 1048576\nnode = \"crash\"\n{journal}\n"),
        format!("[[tenant]]\nid = 1\nname = \"acme\"\n{currencies}"),
        market(1, "BTC-USDT"),
        market(2, "BTC-USD2"),
        market(3, "BTC-USD3"),
        account(1, 0),
        account(2, 1),
        account(3, 1),
        account(4, 0),
        ACME.map(|id| key(id, "")).concat(),
        key(OFFICES[0], funding),
        format!("[[tenant]]\nid = 2\nname = \"globex\"\n{currencies}"),
        market(1, "BTC-USDT"),
        account(1, 0),
        account(2, 1),
        GLOBEX.map(|id| key(id, "")).concat(),
        key(OFFICES[1], funding),
    ]
    .concat()
}
