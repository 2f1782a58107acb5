//! Snapshots: a node that starts from one and the rest of its journal is the node that did all of its journal, wherever it
//! was cut; and of a damaged one nothing is taken.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::audit::traffic::{config, run_sessions};
use souk::config::{Config, HistoryConfig, Overrides};
use souk::journal::{
    BatchHead, BatchWriter, Body, ChainEnd, Journal, JournalOptions, Reader, Segments, StreamRecord,
};
use souk::node::Node;
use souk::recovery::{DataDirectory, Recovered, SnapshotTaken, take_snapshot, verify_snapshot};
use souk::server::Server;
use souk::storage::{CommitStrategy, SystemDisk};
use twox_hash::XxHash64;

/// Cuts of the journal, each with a snapshot of its own.
const CUTS: u64 = 100;
/// Snapshots that are forged.
const FORGERIES: usize = 2_000;

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("snapshots-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn configured(data: &Path) -> Config {
    Config::from_toml(&config(data), &Overrides::default()).unwrap()
}

/// Runs sessions against a node, which then stops in order.
fn run(data: &Path, commands: u64) {
    let server = Server::start(&configured(data)).unwrap();
    run_sessions(server.address(), commands);
    server.drain().unwrap();
}

/// What a node begins with.
fn recovered(data: &Path) -> Recovered {
    let node = Node::new(&configured(data), 2, None).unwrap();
    node.partition.recovered
}

fn snapshot(data: &Path) -> Option<SnapshotTaken> {
    let files = DataDirectory::new(data);
    let config = Arc::new(configured(data));
    take_snapshot(&config, &files, &Arc::default(), &mut |_| {}).unwrap()
}

pub type Batches = Vec<(BatchHead, Vec<StreamRecord>)>;

pub fn read(data: &Path) -> Batches {
    let mut reader = Reader::open(Arc::new(SystemDisk), &data.join("journal"), None).unwrap();
    let mut batches = Vec::new();
    let mut records = Vec::new();
    while let Some(head) = reader.next_batch(&mut records).unwrap() {
        batches.push((head, std::mem::take(&mut records)));
    }
    batches
}

/// A journal of these batches, with a new segment at `cut`.
pub fn write_cut(data: &Path, batches: &Batches, cut: usize) {
    let _ = fs::remove_dir_all(data);
    let files = DataDirectory::new(data);
    files.make().unwrap();
    let mut end = ChainEnd::START;
    for (segment, part) in [(1, &batches[..cut]), (2, &batches[cut..])] {
        let options = JournalOptions {
            folder: files.journal.clone(),
            cluster_id: 1,
            segment_bytes: 8 << 20,
            strategy: CommitStrategy::Fdatasync,
        };
        let disk = Arc::clone(files.disk());
        let (journal, writer) = Journal::new(
            Segments::begin(disk, options, segment, end).unwrap(),
            end.batch,
        );
        let mut bytes = BatchWriter::new(souk::ids::Epoch::ALONE);
        for (head, records) in part {
            records.iter().for_each(|record| bytes.add(record));
            journal
                .append(bytes.finish(head.transact_time, head.events))
                .unwrap();
        }
        journal.close();
        writer.run();
        journal.failure().unwrap();
        // What was made ahead is not used.
        let _ = fs::remove_file(files.journal.join(format!("{:010}.journal", segment + 1)));
        let mut reader = Reader::open(Arc::clone(files.disk()), &files.journal, None).unwrap();
        let mut records = Vec::new();
        while reader.next_batch(&mut records).unwrap().is_some() {
            records.clear();
        }
        end = reader.end().chain;
    }
}

#[test]
fn a_snapshot_and_the_rest_are_the_whole_journal_at_any_cut() {
    let data = folder("cuts").join("data");
    run(&data, 300);
    run(&data, 200);
    let whole = recovered(&data);
    assert!(
        whole.records > 1_000 && whole.hashes_compared > 0,
        "{whole:?}"
    );
    let batches = read(&data);
    let cut_data = folder("cuts-at").join("data");
    let mut random = 0x5eed_u64;
    let mut states = std::collections::BTreeSet::new();
    for _ in 0..CUTS {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let cut = 1 + (random >> 33) as usize % (batches.len() - 2);
        write_cut(&cut_data, &batches, cut);
        let taken = snapshot(&cut_data).unwrap();
        states.insert(taken.state_hash);
        assert_eq!((taken.head.segment, snapshot(&cut_data)), (2, None));
        let (_, verified) = verify_snapshot(
            &Arc::new(configured(&cut_data)),
            &DataDirectory::new(&cut_data),
            2,
        )
        .unwrap();
        assert_eq!(verified, taken.state_hash);
        // Without what it covers, so that it has to be used.
        fs::remove_file(cut_data.join("journal/0000000001.journal")).unwrap();
        let started = recovered(&cut_data);
        assert_eq!(started.snapshot, Some(2));
        assert_eq!(started.state_hash, whole.state_hash, "cut at batch {cut}");
        let last = |recovered: &Recovered| recovered.end.unwrap().chain.batch;
        assert_eq!(last(&started), last(&whole));
    }
    assert!(states.len() as u64 > CUTS / 2, "cuts differ");
}

#[test]
fn a_running_node_takes_snapshots_and_removes_what_they_cover() {
    let data = folder("running").join("data");
    let mut config = configured(&data);
    config.journal.snapshot_bytes = 1 << 20;
    // Each start begins a segment, and all before it are due at once.
    for segment in 1..=6 {
        let server = Server::start(&config).unwrap();
        run_sessions(server.address(), 300);
        let files = DataDirectory::new(&data);
        let is_taken =
            || segment == 1 || files.snapshot_numbers().unwrap().last() == Some(&segment);
        for _ in 0..500 {
            if is_taken() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(is_taken(), "no snapshot before segment {segment}");
        server.drain().unwrap();
    }
    let files = DataDirectory::new(&data);
    let snapshots = files.snapshot_numbers().unwrap();
    assert_eq!(snapshots.len(), 2, "{snapshots:?}");
    let oldest = fs::read_dir(&files.journal)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .min();
    assert_eq!(oldest, Some(format!("{:010}.journal", snapshots[0])));
    let started = recovered(&data);
    assert_eq!(started.snapshot, snapshots.last().copied());
    // From the older one it comes to the same.
    fs::remove_file(
        files
            .snapshots
            .join(format!("{:010}.snapshot", snapshots[1])),
    )
    .unwrap();
    let again = recovered(&data);
    assert_eq!(again.snapshot, snapshots.first().copied());
    assert_eq!(again.state_hash, started.state_hash);
}

#[test]
fn a_damaged_snapshot_is_never_used() {
    let data = folder("damaged").join("data");
    run(&data, 60);
    run(&data, 10);
    let whole = recovered(&data);
    let taken = snapshot(&data).unwrap();
    let files = DataDirectory::new(&data);
    let number = taken.head.segment;
    let file = files.snapshots.join(format!("{number:010}.snapshot"));
    let good = fs::read(&file).unwrap();
    assert_eq!(good.len() as u64, taken.bytes);
    assert_eq!(recovered(&data).state_hash, whole.state_hash);
    let mut tried = 0;
    for len in (0..good.len()).step_by(97) {
        fs::write(&file, &good[..len]).unwrap();
        assert!(files.check(number).is_err(), "cut at {len}");
        tried += 1;
    }
    let mut bytes = good.clone();
    let header_and_some = (0..2_000).chain((2_000..good.len() * 8).step_by(1_009));
    for bit in header_and_some {
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&file, &bytes).unwrap();
        assert!(files.check(number).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
        tried += 1;
    }
    assert!(tried > 2_000, "{tried}");
    // It is left alone, and the journal is used.
    bytes[good.len() / 2] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let started = recovered(&data);
    assert_eq!(
        (started.snapshot, started.state_hash),
        (None, whole.state_hash)
    );
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

/// Bytes of a snapshot before its first chunk; the last eight are the checksum that the chunks go on from.
const HEADER_LEN: usize = 64;

/// What is in the chunks of a snapshot.
fn content_of(file: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    let mut rest = &file[HEADER_LEN..];
    while !rest.is_empty() {
        let len = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        content.extend_from_slice(&rest[16..16 + len]);
        rest = &rest[16 + len..];
    }
    content
}

/// A snapshot with other content, of which every checksum is good.
fn forged(header: &[u8], content: &[u8]) -> Vec<u8> {
    let mut file = header.to_vec();
    let mut checksum = u64::from_le_bytes(header[56..].try_into().unwrap());
    for chunk in content.chunks(1 << 20).chain([&content[..0]]) {
        let len = chunk.len() as u32;
        checksum = XxHash64::oneshot(checksum, chunk);
        file.extend_from_slice(&len.to_le_bytes());
        file.extend_from_slice(&(!len).to_le_bytes());
        file.extend_from_slice(&checksum.to_le_bytes());
        file.extend_from_slice(chunk);
    }
    file
}

#[test]
fn a_forged_snapshot_is_refused_or_is_another_state_and_stops_no_process() {
    let data = folder("forged").join("data");
    let mut config = configured(&data);
    // Nothing that is only kept to be shown again: what is in it is state.
    config.history = HistoryConfig {
        statement_entries_max: 0,
        settlements_max: 0,
        reports_bytes_max: 0,
        ..config.history
    };
    config.journal.commit = Some(CommitStrategy::Fdatasync);
    for commands in [60, 10] {
        let server = Server::start(&config).unwrap();
        run_sessions(server.address(), commands);
        server.drain().unwrap();
    }
    let files = DataDirectory::new(&data);
    let config = Arc::new(config);
    let taken = take_snapshot(&config, &files, &Arc::default(), &mut |_| {});
    let taken = taken.unwrap().unwrap();
    let number = taken.head.segment;
    let file = files.snapshots.join(format!("{number:010}.snapshot"));
    let good = fs::read(&file).unwrap();
    let (header, content) = (&good[..HEADER_LEN], content_of(&good));
    assert_eq!(forged(header, &content), good);
    let (mut refused, mut others, mut same) = (0, 0, 0);
    let mut random = 0x5eed_u64;
    let mut below = |bound: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % bound
    };
    for round in 0..FORGERIES {
        let mut other = content.clone();
        let at = below(content.len() - 8);
        match round % 4 {
            0 | 1 => other[at] ^= 1 << below(8),
            2 => {
                let number = u64::MAX >> below(64);
                other[at..at + 8].copy_from_slice(&number.to_le_bytes());
            }
            _ => {
                let from = below(content.len() - 8);
                other.copy_within(from..from + 8, at);
            }
        }
        if other == content {
            continue;
        }
        fs::write(&file, forged(header, &other)).unwrap();
        match verify_snapshot(&config, &files, number) {
            Err(_) => refused += 1,
            Ok((_, hash)) => {
                if hash == taken.state_hash {
                    same += 1;
                } else {
                    others += 1;
                }
                // What comes after it in the journal comes out as it was recorded, or the node says what does not.
                let _ = Node::new(&config, 2, None);
            }
        }
    }
    println!("{refused} refused, {others} other states, {same} with the same hash");
    assert!(refused > FORGERIES / 4 && others > FORGERIES / 20);
    // Only how often a balance has changed is not in the hash.
    assert!(same <= FORGERIES / 50, "{same}");
}

#[test]
fn a_balance_that_is_not_what_a_node_had_at_its_orderly_end_stops_the_start() {
    let data = folder("balances").join("data");
    run(&data, 60);
    let mut batches = read(&data);
    let other = folder("balances-other").join("data");
    write_cut(&other, &batches, 1);
    assert_eq!(
        recovered(&other).state_hash,
        recovered(&data).state_hash,
        "as it was"
    );
    let mut records = batches.iter_mut().flat_map(|(_, records)| records);
    let line = records.find_map(|record| match &mut record.body {
        Body::Balances(lines) => lines.first_mut(),
        _ => None,
    });
    let line = line.unwrap();
    let name = format!(
        "account {}, currency {}",
        line.account,
        line.currency.as_str()
    );
    line.held.0 += 1;
    write_cut(&other, &batches, 1);
    let error = Node::new(&configured(&other), 2, None).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains(&name) && error.contains("on hold"),
        "{error}"
    );
}
