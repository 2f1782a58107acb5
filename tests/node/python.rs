//! The client that was written from `protocol/PROTOCOL.md` alone, in Python: it must understand every
//! golden vector, and trade with a live server.

use crate::conform::MARKET;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use souk::config::{Config, Overrides};
use souk::keys;
use souk::server::Server;

#[test]
fn a_client_written_from_the_document_understands_every_vector() {
    let output = python([OsStr::new("vectors"), vectors().as_os_str()]);
    let checks = passed(&output);
    assert!(checks > 9_000, "{checks} checks");
}

#[test]
fn a_changed_vector_is_noticed() {
    let folder = temporary("changed-vectors");
    for name in ["positive.jsonl", "negative.jsonl", "auth.jsonl"] {
        let text = fs::read_to_string(vectors().join(name)).unwrap();
        // A code that is none, in the last vector that has one.
        let changed = match text.rfind("\"code\":202") {
            Some(at) if name == "auth.jsonl" => {
                format!("{}\"code\":299{}", &text[..at], &text[at + 10..])
            }
            _ => text,
        };
        fs::write(folder.join(name), changed).unwrap();
    }
    let output = python([OsStr::new("vectors"), folder.as_os_str()]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{errors}");
    assert!(errors.contains("auth.jsonl"), "{errors}");
}

#[test]
fn a_client_written_from_the_document_trades_with_a_live_server() {
    let folder = temporary("trade");
    let (mut text, mut arguments) = (MARKET.to_owned(), Vec::new());
    for id in 1..=2 {
        let key = keys::generate().unwrap();
        let path = folder.join(format!("key-{id}"));
        let _ = fs::remove_file(&path);
        keys::write_private(&path, &key.seed).unwrap();
        let public = keys::hex(&key.public);
        text += &format!(
            "[[tenant.key]]\nid = {id}\npublic_key = \"{public}\"\naccounts = \"all\"\n\
             permissions = [\"trade\", \"market-data\", \"funding\"]\n"
        );
        arguments.push(format!("{id}={}", path.display()));
    }
    let config = Config::from_toml(&text, &Overrides::default()).unwrap();
    let server = Server::start(&config).unwrap();
    let (host, port) = (server.address().ip().to_string(), server.address().port());
    let port = port.to_string();
    let output = python(["trade", &host, &port, &arguments[0], &arguments[1]]);
    let checks = passed(&output);
    assert!(checks > 340, "{checks} checks");
    server.drain().unwrap();
}

/// Runs the client.
fn python<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    let script = root().join("tests/protocol_client.py");
    let run = Command::new("python3")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(script)
        .args(arguments)
        .output();
    run.unwrap_or_else(|error| {
        panic!(
            "python3 cannot be run ({error}); this test needs Python 3.9 or later: \
             `apt install python3`, `dnf install python3` or `brew install python3`"
        )
    })
}

/// The number of checks in the client's last line.
fn passed(output: &Output) -> u64 {
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    let number = said
        .trim()
        .strip_suffix(" checks passed")
        .and_then(|line| line.parse().ok());
    number.unwrap_or_else(|| panic!("no summary: {said}{errors}"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn vectors() -> PathBuf {
    root().join("protocol/vectors")
}

fn temporary(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}
