//! A history whose file is damaged.

use std::fs;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use souk::office::access::Role;

use crate::kit::{Venue, block_on, trade};

/// What the nodes of all tests log.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
        log.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines about a node's files.
fn logged(data: &Path) -> Vec<String> {
    let log = LOG.lock().unwrap().clone();
    let log = String::from_utf8(log).unwrap();
    let data = data.display().to_string();
    let own = log.lines().filter(|line| line.contains(&data));
    own.map(str::to_owned).collect()
}

/// Overwrites pages of a closed history, from the one at which something begins; all pages behind it, too, if `rest`.
fn damage(data: &Path, what: &str, rest: bool) {
    let file = souk::history::file(data);
    let tables = Connection::open(&file).unwrap();
    tables
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let number = |sql: &str| -> u64 {
        let found: i64 = tables.query_row(sql, [], |row| row.get(0)).unwrap();
        found as u64
    };
    let size = number("PRAGMA page_size");
    let count = number("PRAGMA page_count");
    let page = match what {
        "" => 1,
        name => number(&format!(
            "SELECT rootpage FROM sqlite_master WHERE name = '{name}'"
        )),
    };
    tables.close().unwrap();
    let pages = if rest { count - page + 1 } else { 1 };
    let mut file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.seek(SeekFrom::Start((page - 1) * size)).unwrap();
    file.write_all(&vec![0x5a; (pages * size) as usize])
        .unwrap();
}

/// The files that were set aside.
fn set_aside(data: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(data).unwrap().map(|it| it.unwrap().path());
    let is_damaged = |file: &PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("history.db.damaged-") && !name.contains("-wal") && !name.contains("-shm")
    };
    files.filter(is_damaged).collect()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_damaged_history_is_set_aside_and_made_again() {
    // The head; the page that says how far it goes; one that is read when somebody asks.
    for (what, rest) in [("", false), ("meta", true), ("statements", false)] {
        let name = if what.is_empty() { "head" } else { what };
        let mut venue = Venue::start(&format!("damaged-{name}"));
        let owner = venue.token("acme", Role::Owner);
        block_on(trade(venue.gateway(), 200));
        venue.wait_for_history(&owner);
        let before = venue.listed(&owner);
        venue.close();
        damage(&venue.data, what, rest);
        venue.reopen();
        wait_until(name, || venue.listed(&owner) == before);
        assert_eq!(set_aside(&venue.data).len(), 1, "{name}");
        // It goes on: also in a file that a reader had open before.
        block_on(trade(venue.gateway(), 1));
        venue.wait_for_history(&owner);
        assert!(venue.listed(&owner).len() > before.len(), "{name}");
        assert!(venue.data.join("history.db-wal").exists(), "{name}");
        let after = venue.listed(&owner);
        venue.reopen();
        venue.wait_for_history(&owner);
        assert_eq!(venue.listed(&owner), after, "{name}");
        assert_eq!(set_aside(&venue.data).len(), 1, "{name}");
    }
}

#[test]
fn a_history_that_cannot_be_made_again_wholly_says_since_when_it_is_whole() {
    let _ = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .with_writer(|| Log)
        .try_init();
    let mut venue = Venue::start("damaged-late");
    let owner = venue.token("acme", Role::Owner);
    venue.trade_until_segments_are_gone(&owner);
    let accounts = venue.get("/v1/accounts", &owner).text;
    venue.close();
    damage(&venue.data, "", false);
    venue.reopen();
    venue.wait_for_history(&owner);
    assert_eq!(venue.get("/v1/accounts", &owner).text, accounts);
    let logged = logged(&venue.data);
    let told = |parts: &[&str]| {
        logged
            .iter()
            .filter(|line| parts.iter().all(|part| line.contains(part)))
            .count()
    };
    let aside = [
        "made again from the journal",
        "remedy",
        "history.db.damaged-",
    ];
    assert_eq!(told(&aside), 1, "{logged:?}");
    let gap = ["history has a gap", "missing_until=20"];
    assert_eq!(told(&gap), 1, "{logged:?}");
}
