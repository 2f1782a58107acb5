//! A data directory that commands are run on, and what is in its files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::audit::traffic::{config, run_sessions};
use souk::config::{Config, Overrides};
use souk::journal::{Reader, StreamRecord, segment};
use souk::recovery::DataDirectory;
use souk::server::Server;
use souk::storage::SystemDisk;
use souk_protocol::{MarketId, TenantId};

const BLOCK: usize = 4_096;

/// A data directory, and the configuration of its node.
pub struct Place {
    pub data: PathBuf,
    pub config: PathBuf,
}

/// What a command said, and its exit code.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A group of a segment.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    pub at: usize,
    pub number: u64,
    pub len: usize,
    pub first_batch: u64,
}

impl Place {
    pub fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("inspect-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let (data, file) = (folder.join("data"), folder.join("souk.toml"));
        fs::write(&file, config(&data)).unwrap();
        Self { data, config: file }
    }

    pub fn configured(&self) -> Config {
        Config::from_toml(&config(&self.data), &Overrides::default()).unwrap()
    }

    /// Runs sessions against a node, which then stops in order. Gives the segment it began with.
    pub fn run(&self, commands: u64) -> u64 {
        let first = self.used().last().map_or(1, |last| last + 1);
        let server = Server::start(&self.configured()).unwrap();
        run_sessions(server.address(), commands);
        server.drain().unwrap();
        first
    }

    pub fn files(&self) -> DataDirectory {
        DataDirectory::new(&self.data)
    }

    pub fn segment(&self, number: u64) -> PathBuf {
        segment::path(&self.files().journal, number)
    }

    pub fn snapshot(&self, number: u64) -> PathBuf {
        let name = format!("{number:010}.snapshot");
        self.files().snapshots.join(name)
    }

    /// The segments that are in use.
    pub fn used(&self) -> Vec<u64> {
        let numbers = segment::numbers(&SystemDisk, &self.files().journal).unwrap_or_default();
        let is_used = |number: &u64| fs::read(self.segment(*number)).unwrap()[0] != 0;
        numbers.into_iter().filter(is_used).collect()
    }

    pub fn groups(&self, number: u64) -> Vec<Group> {
        let bytes = fs::read(self.segment(number)).unwrap();
        let blocks = (BLOCK..bytes.len()).step_by(BLOCK);
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let group = |at: usize| Group {
            at,
            number: u64_at(at + 8),
            len: u64_at(at + 16) as u32 as usize,
            first_batch: u64_at(at + 48),
        };
        blocks
            .filter(|at| bytes[*at..].starts_with(b"SOUKGRUP"))
            .map(group)
            .collect()
    }

    pub fn souk(&self, words: &[&str], more: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_souk"));
        command.args(words).env("NO_COLOR", "1");
        match words {
            ["journal", _] | ["snapshot", "list"] => command.arg(&self.data),
            _ => command.arg("--config").arg(&self.config),
        };
        let output = command.args(more).output().unwrap();
        Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub fn verify(&self) -> Said {
        self.souk(&["journal", "verify"], &[])
    }

    /// All three commands refuse the journal, and name the place. Gives what was printed of it before.
    pub fn refused(&self, file: &Path, offset: usize, group: u64, what: &str) -> Said {
        let place = format!("{}: byte {offset}, group {group} (", file.display());
        for command in ["verify", "stat", "dump"] {
            let said = self.souk(&["journal", command], &[]);
            assert_eq!(said.code, 2, "{command}: {said:?}");
            for part in [place.as_str(), what, "\nremedy: "] {
                assert!(said.err.contains(part), "{command} lacks {part}: {said:?}");
            }
        }
        self.souk(&["journal", "dump"], &[])
    }
}

impl Said {
    pub fn good(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{self:?}");
        self.out
    }

    pub fn has(&self, parts: &[&str]) {
        for part in parts {
            let (out, err) = (&self.out, &self.err);
            assert!(
                out.contains(part) || err.contains(part),
                "lacks {part}: {self:?}"
            );
        }
    }
}

pub fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

/// What a journal has, as the reader gives it.
#[derive(Debug, Default)]
pub struct Whole {
    pub records: Vec<(u64, StreamRecord)>,
    pub batches: u64,
    pub groups: u64,
    pub streams: BTreeMap<(TenantId, MarketId), u64>,
}

pub fn read(place: &Place) -> Whole {
    let mut reader = Reader::open(Arc::new(SystemDisk), &place.files().journal, None).unwrap();
    let (mut whole, mut records) = (Whole::default(), Vec::new());
    while let Some(head) = reader.next_batch(&mut records).unwrap() {
        whole.batches += 1;
        for record in records.drain(..) {
            if record.tenant != TenantId(0) {
                let stream = (record.tenant, record.market);
                whole.streams.insert(stream, record.stream_seq);
            }
            whole.records.push((head.number, record));
        }
    }
    whole.groups = reader.groups();
    whole
}

/// The batch that a printed record is of.
pub fn batch_of(line: &str) -> u64 {
    let number = line.strip_prefix("batch ").unwrap();
    number.split(' ').next().unwrap().parse().unwrap()
}
