//! Snapshots: a node that starts from one and the rest of its journal is the node that did all of its journal, wherever it
//! was cut; and of a damaged one nothing is taken.
#![allow(clippy::unwrap_used)]

mod support;
#[path = "audit/traffic.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod traffic;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use souk::config::{Config, Overrides};
use souk::control::FEE_ACCOUNT;
use souk::handoff::TenantIndex;
use souk::journal::{
    BatchHead, BatchWriter, Body, ChainEnd, Journal, JournalOptions, Reader, Segments, StreamRecord,
};
use souk::node::Node;
use souk::recovery::{
    DataDirectory, Recovered, RecoveryError, SnapshotTaken, take_snapshot, verify_snapshot,
};
use souk::server::Server;
use souk::storage::{CommitStrategy, SystemDisk};
use souk_protocol::{AccountId, MarketId, RejectReason, TenantId, Text};
use traffic::{config, run_sessions};

/// Cuts of the journal, each with a snapshot of its own.
const CUTS: u64 = 100;

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

type Batches = Vec<(BatchHead, Vec<StreamRecord>)>;

fn read(data: &Path) -> Batches {
    let mut reader = Reader::open(Arc::new(SystemDisk), &data.join("journal"), None).unwrap();
    let mut batches = Vec::new();
    let mut records = Vec::new();
    while let Some(head) = reader.next_batch(&mut records).unwrap() {
        batches.push((head, std::mem::take(&mut records)));
    }
    batches
}

/// A journal of these batches, with a new segment at `cut`.
fn write_cut(data: &Path, batches: &Batches, cut: usize) {
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

/// What a node knows of money and sessions, after a start with so many matchers.
fn told(data: &Path, matchers: usize) -> (Recovered, Vec<String>) {
    let node = Node::new(&configured(data), matchers, None).unwrap();
    let shared = &node.partition.shared;
    let mut told = Vec::new();
    for (tenant, entry) in (0..).map(TenantIndex).zip(shared.directory.tenants.iter()) {
        for account in (1..=4).map(AccountId).chain([FEE_ACCOUNT]) {
            told.push(format!("{:?}", shared.treasury.balances(tenant, account)));
            for code in ["BTC", "USDT"].map(|code| Text::new(code).unwrap()) {
                let statements = shared.treasury.statements();
                let page = statements.page(tenant, account, code, 0, usize::MAX);
                told.push(format!("{page:?}"));
            }
        }
        for market in (1..=9).map(MarketId) {
            let Some(route) = entry.route(market) else {
                continue;
            };
            let matcher = &node.partition.matchers[route.matcher];
            let mut sessions: Vec<_> = matcher.sessions(route.seat).collect();
            sessions.sort_by_key(|(session, _)| *session);
            told.push(format!("{market} {sessions:?}"));
        }
    }
    (node.partition.recovered, told)
}

#[test]
fn however_many_matchers_replay_a_journal_it_comes_to_the_same() {
    let data = folder("matchers").join("data");
    run(&data, 600);
    run(&data, 300);
    let (one, told_by_one) = told(&data, 1);
    assert!(one.records > 2_000 && one.hashes_compared > 0, "{one:?}");
    assert!(told_by_one.iter().any(|told| told.contains("Trade")));
    for matchers in [2, 3, 7] {
        let (many, told) = told(&data, matchers);
        assert_eq!(many, one, "{matchers} matchers");
        // Two have written it. Of more, several may have a part of one batch, and each tells of its own fees.
        if matchers == 2 {
            for (told, by_one) in told.iter().zip(&told_by_one) {
                assert_eq!(told, by_one);
            }
        }
    }
}

#[test]
fn however_many_matchers_replay_a_journal_the_first_difference_is_named() {
    let data = folder("differences").join("data");
    run(&data, 600);
    let mut batches = read(&data);
    let mut changed = Vec::new();
    // Two streams of one tenant are wrong, the first of them in its last third.
    for (number, (_, records)) in batches.iter_mut().enumerate() {
        for record in records {
            let StreamRecord {
                market, stream_seq, ..
            } = *record;
            let is_next = changed.iter().all(|(_, known, _)| *known != market);
            if let Body::Command {
                refused: refused @ Some(_),
                ..
            } = &mut record.body
                && record.tenant == TenantId(1)
                && stream_seq > 300
                && is_next
            {
                *refused = Some(RejectReason::SessionTakenOver);
                changed.push((number, market, stream_seq));
            }
        }
    }
    assert!(changed.len() > 1, "{changed:?}");
    let data = folder("differences-in").join("data");
    write_cut(&data, &batches, changed[0].0 / 2);
    let (_, market, stream_seq) = changed[0];
    for matchers in [1, 2, 3] {
        let error = Node::new(&configured(&data), matchers, None).unwrap_err();
        let place = format!("tenant 1, market {market}, stream_seq {stream_seq}: ");
        assert!(error.to_string().contains(&place), "{matchers}: {error}");
    }
}

#[test]
fn a_replay_that_is_stopped_ends() {
    let data = folder("stopped").join("data");
    run(&data, 300);
    run(&data, 50);
    let (files, stop) = (DataDirectory::new(&data), Arc::new(AtomicBool::new(true)));
    let taken = take_snapshot(&Arc::new(configured(&data)), &files, &stop, &mut |_| {});
    assert!(matches!(taken, Err(RecoveryError::Stopped)), "{taken:?}");
    assert!(files.snapshot_numbers().unwrap().is_empty());
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
