//! Snapshots on a disk that fails or loses power at any call of who takes one. Afterwards, as many snapshots are good as before, the
//! files of the journal lack nothing that they need, and from each of them on the journal comes to the same state.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use souk::config::{Config, Overrides};
use souk::journal::{ChainEnd, Reader};
use souk::recovery::{
    DataDirectory, RecoveryError, SnapshotHead, SnapshotTaken, take_snapshot, verify_snapshot,
};
use souk::server::Server;
use souk::storage::Disk;

use super::traffic::{config, run_sessions};
use super::twin::{Fault, Twin};

/// Segments that a node has used, one each time it was started.
const SEGMENTS: u64 = 6;

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What a node has left behind that was started a few times.
struct Past {
    root: PathBuf,
    config: Arc<Config>,
    /// All of its files; what snapshots cover, too.
    files: Files,
    /// The state before the last segment, as the whole journal gives it.
    state_hash: u64,
    end: ChainEnd,
}

/// Some of a past's files, and how many snapshots of those are good.
struct Start {
    name: &'static str,
    disk: Twin,
    good: usize,
}

impl Past {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("journal-snapshots");
        let _ = fs::remove_dir_all(&folder);
        let root = folder.join("data");
        let config = Config::from_toml(&config(&root), &Overrides::default()).unwrap();
        let mut past = Self {
            root,
            config: Arc::new(config),
            files: Files::new(),
            state_hash: 0,
            end: ChainEnd::START,
        };
        for segment in 1..=SEGMENTS {
            let server = Server::start(&past.config).unwrap();
            run_sessions(server.address(), 50);
            server.drain().unwrap();
            if segment % 2 == 0 && segment < SEGMENTS {
                past.take_files();
                let data = DataDirectory::new(&past.root);
                let taken = past.take(&data).unwrap().unwrap();
                assert_eq!(taken.head.segment, segment);
            }
        }
        past.take_files();
        let whole = past.disk(|path| !is_snapshot(path));
        past.end = past.end_of(&whole, None);
        let taken = past.take(&past.data(&whole)).unwrap().unwrap();
        past.state_hash = taken.state_hash;
        past
    }

    /// Reads what the node has left so far. Of a segment without the zeros behind what was written.
    fn take_files(&mut self) {
        for folder in ["journal", "snapshots"] {
            for entry in fs::read_dir(self.root.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                let mut bytes = fs::read(&path).unwrap();
                let used = bytes.iter().rposition(|byte| *byte != 0);
                if folder == "journal" {
                    bytes.truncate(used.map_or(0, |last| last + 1).next_multiple_of(4_096));
                }
                self.files.insert(path, bytes);
            }
        }
        self.files.remove(&self.root.join("snapshots/LOCK"));
    }

    fn disk(&self, has: impl Fn(&Path) -> bool) -> Twin {
        let disk = Twin::default();
        for (path, bytes) in self.files.iter().filter(|(path, _)| has(path)) {
            disk.put(path.clone(), bytes.clone());
        }
        disk
    }

    fn data(&self, disk: &Twin) -> DataDirectory {
        DataDirectory::on(Arc::new(disk.clone()), &self.root)
    }

    fn take(&self, data: &DataDirectory) -> Result<Option<SnapshotTaken>, RecoveryError> {
        take_snapshot(&self.config, data, &Arc::default(), &mut |_| {})
    }

    fn snapshot(&self, number: u64) -> PathBuf {
        self.root.join(format!("snapshots/{number:010}.snapshot"))
    }

    /// With no snapshot; with two good ones; with two of which the newer one is damaged.
    fn starts(&self) -> [Start; 3] {
        let two = || self.disk(|path| !is_segment_before(path, 2));
        let damaged = two();
        let mut bytes = self.files[&self.snapshot(4)].clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        damaged.put(self.snapshot(4), bytes);
        let start = |name, disk, good| Start { name, disk, good };
        [
            start("no snapshot", self.disk(|path| !is_snapshot(path)), 0),
            start("two snapshots", two(), 2),
            start("the newer of two damaged", damaged, 1),
        ]
    }

    /// Where the journal ends, read from where a snapshot was taken on.
    fn end_of(&self, disk: &Twin, from: Option<&SnapshotHead>) -> ChainEnd {
        let folder = self.root.join("journal");
        let from = from.map(|head| (head.segment, head.start));
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut reader = Reader::open_range(disk, &folder, None, from, None).unwrap();
        let mut records = Vec::new();
        while reader.next_batch(&mut records).unwrap().is_some() {
            records.clear();
        }
        reader.end().chain
    }

    /// From each good snapshot on, as if the newer ones were not there, and from none while no two were good, the journal
    /// comes to the state that it came to.
    fn check(&self, disk: &Twin, good_before: usize, what: &str) {
        let data = self.data(disk);
        let numbers = data.snapshot_numbers().unwrap();
        let good = numbers.into_iter().filter_map(|n| data.check(n).ok());
        let good: Vec<SnapshotHead> = good.collect();
        assert!(good.len() >= good_before, "{what}: {good:?}");
        let mut from: Vec<_> = good.iter().map(Some).collect();
        if good.len() < 2 && good_before == 0 {
            from.push(None);
        }
        for from in from {
            let copy = disk.after_kill();
            let newer = good.iter().map(|head| head.segment);
            for number in newer.filter(|number| *number > from.map_or(0, |head| head.segment)) {
                copy.remove(&self.snapshot(number)).unwrap();
            }
            assert_eq!(self.end_of(&copy, from), self.end, "{what}: from {from:?}");
            let data = self.data(&copy);
            let taken = self.take(&data);
            let taken = taken.unwrap_or_else(|error| panic!("{what}: from {from:?}: {error}"));
            let hash = match taken {
                Some(taken) => taken.state_hash,
                None => verify_snapshot(&self.config, &data, SEGMENTS).unwrap().1,
            };
            assert_eq!(hash, self.state_hash, "{what}: from {from:?}");
            let names = copy.list(&data.snapshots).unwrap();
            let is_left = names.iter().any(|name| name.ends_with(".unfinished"));
            assert!(taken.is_none() || !is_left, "{what}: {names:?}");
        }
        // What is left can be read from its beginning, as `souk journal verify` does.
        let mut reader = data.oldest_reader().unwrap();
        let mut records = Vec::new();
        let mut next = || reader.next_batch(&mut records);
        while next()
            .unwrap_or_else(|error| panic!("{what}: {error}"))
            .is_some()
        {}
    }
}

fn is_snapshot(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "snapshot")
}

fn is_segment_before(path: &Path, number: u64) -> bool {
    let name = format!("{number:010}.journal");
    let own = path.file_name().and_then(|it| it.to_str()).unwrap();
    own.ends_with(".journal") && own < name.as_str()
}

#[test]
fn a_snapshot_that_fails_at_any_call_leaves_what_a_start_needs() {
    let past = Past::new();
    let mut fired: BTreeMap<(&'static str, Fault), u32> = BTreeMap::new();
    for Start { name, disk, good } in past.starts() {
        past.check(&disk, good, name);
        let whole = disk.after_kill();
        let taken = past.take(&past.data(&whole)).unwrap().unwrap();
        assert_eq!(taken.state_hash, past.state_hash, "{name}");
        past.check(&whole, (good + 1).min(2), name);
        for call in 1..=whole.calls() {
            for fault in Fault::ALL {
                let ill = disk.failing_from_here(call, fault);
                let failed = past.take(&past.data(&ill));
                let hit = ill.fired().expect("each time the same calls");
                *fired.entry((hit, fault)).or_default() += 1;
                let what = format!("{name}: {fault:?} at call {call}, a {hit}");
                assert!(failed.is_err(), "{what}: {failed:?}");
                assert!(!ill.retried_a_sync(), "{what}");
                past.check(&ill.after_kill(), good, &what);
                let losses = if Fault::CUTS.contains(&fault) { 4 } else { 1 };
                for seed in 0..losses {
                    past.check(
                        &ill.after_crash(seed),
                        good,
                        &format!("{what}, SEED={seed}"),
                    );
                }
            }
        }
    }
    println!("{fired:#?}");
    for call in ["write", "sync", "create", "rename", "remove", "sync folder"] {
        for fault in Fault::ALL {
            assert!(
                fired.contains_key(&(call, fault)),
                "no {fault:?} in a {call}"
            );
        }
    }
}
