//! The clients in Python and TypeScript: golden vectors, every scenario of `souk conform`, a live server. And the
//! runner itself: each of its scenarios finds the mistake that it is about.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use souk::config::{Config, Overrides};
use souk::conform::{self, ConformError, ConformOptions, Format, SCENARIOS};
use souk::keys;
use souk::server::Server;

const PYTHON: &str = "clients/python/conform.py";
const TYPESCRIPT: &str = "clients/typescript/conform.mjs";
/// Broken clients that are tried at one time: each of them mostly waits.
const AT_ONCE: usize = 4;

/// What the runner says, in one way or another, of the mistake that `tests/clients/broken.py` makes for a scenario.
const FINDINGS: &[(&str, &str)] = &[
    ("logon", "a signature that does not fit"),
    ("bad-signature", "the event ended"),
    ("logon-refused", "too early"),
    (
        "split-frames",
        "was closed|\"event\":\"ended\"|the event logged_on; nothing came",
    ),
    ("merged-frames", "the event report"),
    ("unknown-template", "found {\"code\":106"),
    ("longer-block", "found {\"code\":104"),
    ("unknown-code", "the event report with code 9999"),
    ("large-ids", "order_id \"18364758544493064721\""),
    ("market-list", "7 BTC-USDT and 8 ETH-USDT"),
    ("commands", "orig_cl_ord_id 0, order_id 11"),
    ("batch", "found NewOrder with seq 1"),
    ("numbers-go-on", "found NewOrder with seq 1"),
    (
        "sequence-gap",
        "NewOrder 11 with client_seq 1; nothing came",
    ),
    ("throttle", "too early"),
    ("credits", "found NewOrder with seq 3"),
    ("session-reject", "the event not_applied; nothing came"),
    (
        "duplicate-cl-ord-id",
        "found NewOrder with seq 3, cl_ord_id 11",
    ),
    ("lost-ack", "found NewOrder with seq 2, cl_ord_id 11"),
    ("lost-order", "NewOrder 12 with client_seq 2; nothing came"),
    ("cut-in-a-frame", "expected Logon"),
    ("duplicate-report", "expected the event report 2"),
    ("reports-lost", "the event reports_lost; nothing came"),
    ("going-away", "too early"),
    ("redirect-logon", "a connection to"),
    ("redirect-session", "a connection to"),
    ("taken-over", "the event ended"),
    ("fatal-refusal", "the event ended"),
    ("heartbeat", "Heartbeat; nothing came"),
    ("ping", "Pong; nothing came"),
    ("silent-server", "the end of a connection"),
    ("logout", "Terminate(LoggedOut); the connection was closed"),
    ("book", "the event book with buys [[99,12,1]]"),
    ("book-in-two-frames", "the event book with buys"),
    (
        "md-gap",
        "Subscribe to the depth of the market; nothing came",
    ),
    (
        "wrong-book-hash",
        "Subscribe to the depth of the market; nothing came",
    ),
    (
        "book-after-a-cut",
        "ResumeMarket and Subscribe; nothing came",
    ),
];

#[test]
fn both_clients_understand_every_golden_vector() {
    for program in [
        ["python3", "tests/clients/vectors.py"],
        ["node", "tests/clients/vectors.mjs"],
    ] {
        let said = run(program, [root().as_os_str()]);
        let checks = checks_passed(&said);
        assert!(checks > 11_000, "{program:?}: {checks} checks");
    }
}

#[test]
fn the_python_client_passes_every_scenario() {
    passes_every_scenario(["python3", PYTHON]);
}

#[test]
fn the_typescript_client_passes_every_scenario() {
    passes_every_scenario(["node", TYPESCRIPT]);
}

fn passes_every_scenario([program, script]: [&str; 2]) {
    let output = Command::new(env!("CARGO_BIN_EXE_souk"))
        .current_dir(root())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["conform", "--listen", "127.0.0.1:0", "--patience", "20s"])
        .args(["--", program, script])
        .output()
        .unwrap();
    let said = text_of(&output);
    let all = SCENARIOS.len();
    assert!(said.contains(&format!("\n{all}/{all} passed")), "{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
}

#[test]
fn every_scenario_finds_the_mistake_it_is_about() {
    let named: Vec<&str> = FINDINGS.iter().map(|(name, _)| *name).collect();
    let played: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    assert_eq!(named, played, "each scenario has a broken client");
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((scenario, finding)) =
                    FINDINGS.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    finds_the_mistake(scenario, finding);
                }
            });
        }
    });
}

fn finds_the_mistake(scenario: &str, finding: &str) {
    let script = root().join("tests/clients/broken.py");
    let command = ["python3".into(), script, root(), scenario.into()];
    let options = ConformOptions {
        command: command
            .map(|part: PathBuf| part.display().to_string())
            .to_vec(),
        ..options(scenario)
    };
    let mut said = Vec::new();
    let report = conform::run(&options, Format::Json, &mut said).unwrap();
    let outcome = &report.outcomes[0];
    let fault = outcome.fault.as_ref();
    let fault = fault.unwrap_or_else(|| panic!("{scenario}: the mistake was not found"));
    let fault = fault.to_string();
    assert!(
        finding.split('|').any(|one| fault.contains(one)),
        "{scenario}: {fault}"
    );
    let said = String::from_utf8(said).unwrap();
    assert!(said.ends_with("{\"of\":1,\"passed\":0}\n"), "{said}");
    assert!(said.contains("\"passed\":false"), "{said}");
    assert!(said.contains(&outcome.link()), "{said}");
}

fn options(scenario: &str) -> ConformOptions {
    ConformOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        command: Vec::new(),
        only: vec![scenario.to_owned()],
        patience: Duration::from_millis(2_500),
    }
}

#[test]
fn a_client_that_fails_makes_the_program_fail() {
    let output = Command::new(env!("CARGO_BIN_EXE_souk"))
        .args(["conform", "--only", "ping", "--", "true"])
        .output()
        .unwrap();
    let said = text_of(&output);
    assert!(said.contains("FAIL  ping"), "{said}");
    assert!(
        said.contains("see protocol/PROTOCOL.md#5-connection"),
        "{said}"
    );
    assert!(said.ends_with("0/1 passed\n"), "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
}

#[test]
fn what_cannot_be_played_is_refused_with_a_remedy() {
    let nothing = conform::run(&options("ping"), Format::Text, &mut Vec::new());
    assert!(
        matches!(nothing, Err(ConformError::NoCommand)),
        "{nothing:?}"
    );
    let unknown = ConformOptions {
        command: vec!["true".into()],
        ..options("chess")
    };
    let unknown = conform::run(&unknown, Format::Text, &mut Vec::new()).unwrap_err();
    assert!(
        unknown.to_string().contains("souk conform --list"),
        "{unknown}"
    );
}

#[test]
fn every_scenario_names_a_heading_of_the_protocol() {
    let document = fs::read_to_string(root().join("protocol/PROTOCOL.md")).unwrap();
    let anchor = |heading: &str| -> String {
        let kept = |c: char| c.is_alphanumeric() || "-_ ".contains(c);
        let kept: String = heading
            .trim_matches(['#', ' '])
            .chars()
            .filter(|c| kept(*c))
            .collect();
        kept.to_lowercase().replace(' ', "-")
    };
    let anchors: Vec<String> = document
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(anchor)
        .collect();
    for scenario in SCENARIOS {
        let named = anchors.iter().any(|anchor| anchor == scenario.section);
        assert!(named, "{}: no heading {}", scenario.name, scenario.section);
    }
}

#[test]
fn the_document_names_every_scenario() {
    let document = fs::read_to_string(root().join("docs/conform.md")).unwrap();
    for scenario in SCENARIOS {
        let row = format!("| `{}` | {} |", scenario.name, scenario.expects);
        assert!(document.contains(&row), "docs/conform.md has no row\n{row}");
    }
}

#[test]
fn the_clients_files_stay_short_enough_to_read() {
    for folder in [
        "clients/python",
        "clients/python/souk",
        "clients/typescript",
    ] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let is_source = path
                .extension()
                .is_some_and(|it| it == "py" || it == "mjs" || it == "mts");
            let lines = if is_source {
                fs::read_to_string(&path).unwrap().lines().count()
            } else {
                0
            };
            assert!(
                lines <= 500,
                "{} has {lines} lines: redesign it",
                path.display()
            );
        }
    }
}

#[test]
fn both_clients_trade_with_a_live_server() {
    for program in [
        ["python3", "tests/clients/live.py"],
        ["node", "tests/clients/live.mjs"],
    ] {
        let (server, keys) = live(program[0]);
        let address = server.address().to_string();
        let arguments = [
            root(),
            PathBuf::from(address),
            keys[0].clone(),
            keys[1].clone(),
        ];
        let said = run(program, &arguments);
        let checks = checks_passed(&said);
        assert!(checks > 20, "{program:?}: {checks} checks");
        server.drain().unwrap();
    }
}

/// A server with a market, and the files of two keys.
fn live(name: &str) -> (Server, [PathBuf; 2]) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("conform-{name}"));
    fs::create_dir_all(&folder).unwrap();
    let mut text = MARKET.to_owned();
    let keys = [1, 2].map(|id| {
        let key = keys::generate().unwrap();
        let path = folder.join(format!("key-{id}"));
        let _ = fs::remove_file(&path);
        keys::write_private(&path, &key.seed).unwrap();
        let public = keys::hex(&key.public);
        text += &format!(
            "[[tenant.key]]\nid = {id}\npublic_key = \"{public}\"\naccounts = \"all\"\n\
             permissions = [\"trade\", \"market-data\"]\n"
        );
        path
    });
    let config = Config::from_toml(&text, &Overrides::default()).unwrap();
    (Server::start(&config).unwrap(), keys)
}

/// A node with one market, to which the keys of a client under test are added.
pub const MARKET: &str = r#"
[journal]
durability = "memory"
[server]
listen = "127.0.0.1:0"
[[tenant]]
id = 1
name = "acme"
[[tenant.currency]]
code = "BTC"
scale = 8
[[tenant.currency]]
code = "USDT"
scale = 6
[[tenant.market]]
id = 1
symbol = "BTC-USDT"
base = "BTC"
quote = "USDT"
tick_size = "0.01"
lot_size = "0.0001"
[[tenant.account]]
id = 1
credit = { BTC = "1000000", USDT = "1000000000" }
[[tenant.account]]
id = 2
credit = { BTC = "1000000", USDT = "1000000000" }
"#;

/// Runs a script to its good end, and gives what it said.
fn run<A: AsRef<OsStr>>(
    [program, script]: [&str; 2],
    arguments: impl IntoIterator<Item = A>,
) -> String {
    let output = Command::new(program)
        .current_dir(root())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(script)
        .args(arguments)
        .output();
    let output = output.unwrap_or_else(|error| {
        panic!("{program} cannot be run ({error}); these tests need Python 3.9 and Node 18 or later: `apt install python3 nodejs`")
    });
    let said = text_of(&output);
    assert!(output.status.success(), "{script}: {said}");
    said
}

fn text_of(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout);
    format!("{}{said}", String::from_utf8_lossy(&output.stderr))
}

/// The number in `N checks passed`.
fn checks_passed(said: &str) -> u64 {
    let number = said.trim().lines().last().and_then(|line| {
        let number = line.strip_suffix(" checks passed")?;
        number.parse().ok()
    });
    number.unwrap_or_else(|| panic!("no summary: {said}"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
