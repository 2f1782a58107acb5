//! The commands of whoever looks after a node, against a node that is a process: `top`, `halt`, and what the log says.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use crate::page::{Page, wait_for};
use crate::support::*;
use souk_protocol::*;

/// A node's process.
struct Node {
    child: Child,
    folder: PathBuf,
    address: SocketAddr,
    operations: SocketAddr,
}

fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

impl Node {
    fn start(name: &str, format: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.join(format!("commands-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self::start_in(folder, format)
    }

    /// Starts it with whatever data are in the folder.
    fn start_in(folder: PathBuf, format: &str) -> Self {
        let operations = free();
        let head = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[operations]\nlisten = \"{operations}\"\n[journal]\ndirectory = \"{}\"\n",
            folder.join("data").display()
        );
        let config = folder.join("souk.toml");
        std::fs::write(&config, two_tenants(&head)).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_souk"))
            .args(["serve", "--log-format", format, "--config"])
            .arg(&config)
            .env("RUST_LOG", "trace")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = child.stdout.as_mut().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening ").unwrap().trim();
        Self {
            child,
            folder,
            address: address.parse().unwrap(),
            operations,
        }
    }

    /// Sends orders that rest, and waits until they are answered.
    fn order(&self, incarnation: u64, first: u64, count: u64) {
        let mut wire = Wire::connect(self.address);
        wire.log_on(1, 0, incarnation);
        wire.join(1);
        for seq in first..first + count {
            wire.send(&limit(seq, 1, Side::Buy, 1_000, 1).frame(seq));
        }
        wire.answers_until_joined(1);
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap()
    }

    /// A private key's file.
    fn key(&self, key: u32) -> PathBuf {
        let file = self.folder.join(format!("{key}.key"));
        std::fs::write(&file, hex(key)).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        file
    }

    fn halt(&self, symbol: &str, key: u32, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_souk"))
            .args(["halt", symbol, "--reason", "a test", "--addr"])
            .arg(self.address.to_string())
            .args(["--key-id", &key.to_string(), "--key-file"])
            .arg(self.key(key))
            .args(more)
            .env("NO_COLOR", "1")
            .output()
            .unwrap()
    }

    fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success(), "{}", self.log());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hex(key: u32) -> String {
    seed(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_log_has_a_line_for_each_change_of_state_none_for_an_order_and_no_secret() {
    let mut node = Node::start("log", "json");
    node.order(1, 1, 10);
    let few = node
        .log()
        .lines()
        .filter(|line| line.contains("souk"))
        .count();
    node.order(2, 11, 2_000);
    let many = node
        .log()
        .lines()
        .filter(|line| line.contains("souk"))
        .count();
    assert_eq!(few, many, "{}", node.log());
    let command = std::fs::read(format!("/proc/{}/cmdline", node.child.id())).unwrap();
    node.stop();
    let log = node.log();
    let mut told = Vec::new();
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            line["timestamp"].is_string() && line["level"].is_string(),
            "{line}"
        );
        told.push(line["message"].as_str().unwrap_or_default().to_owned());
    }
    for state in ["recovered", "started", "draining", "stopped"] {
        let lines = told.iter().filter(|line| *line == state).count();
        assert_eq!(lines, 1, "{state}: {log}");
    }
    for key in 1..=5 {
        assert!(!log.contains(&hex(key)), "a private key is in the log");
        assert!(
            !text(&command).contains(&hex(key)),
            "a private key is an argument"
        );
    }
}

#[test]
fn top_shows_stages_and_tenants() {
    let node = Node::start("top", "human");
    node.order(1, 1, 500);
    wait_for(node.operations, "/startupz", 200);
    let top = |address: &str| {
        Command::new(env!("CARGO_BIN_EXE_souk"))
            .args(["top", "--once", "--addr", address])
            .output()
            .unwrap()
    };
    let output = top(&format!("http://{}", node.operations));
    let table = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let line = |name: &str| {
        let found = table.lines().find(|line| line.starts_with(name));
        found.unwrap_or_else(|| panic!("{name} is not in {table}"))
    };
    assert!(line("node souk").contains("ready"), "{table}");
    for stage in ["gateway", "queue", "match", "journal", "publish", "sync"] {
        assert!(!line(stage).contains(" - "), "{table}");
    }
    assert!(
        line("acme").ends_with("yes") && line("globex").ends_with("yes"),
        "{table}"
    );
    assert!(!table.contains('\x1b'), "a script reads it");
    // Nobody is there.
    let output = top(&free().to_string());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("[operations] listen"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn halt_sets_a_markets_state_says_why_and_is_refused_without_the_right() {
    let node = Node::start("halt", "human");
    let output = node.halt("BTC-USDT", 5, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("BTC-USDT is halted"),
        "{}",
        text(&output.stdout)
    );
    assert!(
        text(&output.stderr).contains("a test"),
        "{}",
        text(&output.stderr)
    );
    node.order(1, 1, 1);
    let refused = "souk_rejects_total{by=\"market\",code=\"MarketHalted\"}";
    assert_eq!(
        Page::of(node.operations).samples.get(refused),
        Some(&1.0),
        "{:#?}",
        Page::of(node.operations)
    );
    let output = node.halt("BTC-USDT", 5, &["--state", "continuous"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    // A trader's key.
    let output = node.halt("BTC-USDT", 1, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let output = node.halt("ETH-USDT", 5, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    // Nobody is there: ask again.
    let output = node.halt("BTC-USDT", 5, &["--state", "halted"]);
    assert!(output.status.success());
    let nobody = Command::new(env!("CARGO_BIN_EXE_souk"))
        .args([
            "halt", "BTC-USDT", "--reason", "a test", "--key-id", "5", "--addr",
        ])
        .arg(free().to_string())
        .env("SOUK_KEY", hex(5))
        .output()
        .unwrap();
    assert_eq!(nobody.status.code(), Some(75), "{}", text(&nobody.stderr));
}

#[test]
fn a_second_process_on_a_data_directory_is_refused_and_told_who_has_it() {
    let mut node = Node::start("locked", "human");
    let output = Command::new(env!("CARGO_BIN_EXE_souk"))
        .args(["serve", "--node", "second", "--config"])
        .arg(node.folder.join("souk.toml"))
        .args(["--operations-listen", "127.0.0.1:0"])
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let holder = format!(
        "{} is in use by process {}, node souk\nremedy: stop that process, or use another data directory\n",
        node.folder.join("data/LOCK").display(),
        node.child.id()
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).ends_with(&holder),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(text(&output.stdout), "", "it never listened");
    node.order(1, 1, 10);
    // The lock of a process that was killed is no obstacle, whatever the file says.
    node.child.kill().unwrap();
    node.child.wait().unwrap();
    let lock = std::fs::read_to_string(node.folder.join("data/LOCK")).unwrap();
    assert_eq!(lock, format!("process {}, node souk\n", node.child.id()));
    let begun = Node::start_in(node.folder.clone(), "human");
    let lock = std::fs::read_to_string(node.folder.join("data/LOCK")).unwrap();
    assert_eq!(lock, format!("process {}, node souk\n", begun.child.id()));
}

#[test]
fn no_command_takes_a_secret_as_an_argument() {
    for command in ["serve", "halt", "top", "status", "doctor", "drain", "check"] {
        let output = Command::new(env!("CARGO_BIN_EXE_souk"))
            .args([command, "--help"])
            .env("SOUK_KEY", hex(5))
            .output()
            .unwrap();
        let help = text(&output.stdout);
        assert!(
            !help.contains("--password") && !help.contains("--key <"),
            "{help}"
        );
        assert!(
            !help.contains(&hex(5)),
            "help shows no variable that is a secret"
        );
    }
}
