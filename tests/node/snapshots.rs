//! Snapshots: a node that starts from one and the rest of its journal is the node that did all of its journal, wherever it
//! was cut; and of a damaged one nothing is taken.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::audit::traffic::{config, run_sessions};
use souk::config::{Config, HistoryConfig, Overrides};
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
use souk::storage::{CommitStrategy, FolderLock, SystemDisk};
use souk_protocol::{AccountId, MarketId, RejectReason, TenantId, Text};
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

fn try_snapshot(data: &Path) -> Result<Option<SnapshotTaken>, RecoveryError> {
    let files = DataDirectory::new(data);
    let config = Arc::new(configured(data));
    take_snapshot(&config, &files, &Arc::default(), &mut |_| {})
}

fn snapshot(data: &Path) -> Option<SnapshotTaken> {
    try_snapshot(data).unwrap()
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
    let file = snapshot_file(&data, &taken);
    let good = fs::read(&file).unwrap();
    assert_eq!(good.len() as u64, taken.bytes);
    assert_eq!(recovered(&data).state_hash, whole.state_hash);
    // It is left alone, and the journal is used.
    let mut bytes = good.clone();
    bytes[good.len() / 2] ^= 1;
    let longer = [good.as_slice(), &[0]].concat();
    for bytes in [bytes, longer, good[..good.len() - 1].to_vec()] {
        fs::write(&file, &bytes).unwrap();
        let started = recovered(&data);
        assert_eq!(
            (started.snapshot, started.state_hash),
            (None, whole.state_hash)
        );
        assert_eq!(fs::read(&file).unwrap(), bytes);
    }
}

fn snapshot_file(data: &Path, taken: &SnapshotTaken) -> PathBuf {
    let number = taken.head.segment;
    let snapshots = DataDirectory::new(data).snapshots;
    snapshots.join(format!("{number:010}.snapshot"))
}

#[test]
fn of_a_small_snapshot_every_flipped_bit_every_cut_and_what_is_appended_is_found() {
    let data = folder("small").join("data");
    run(&data, 0);
    run(&data, 0);
    let taken = snapshot(&data).unwrap();
    let path = snapshot_file(&data, &taken);
    let good = fs::read(&path).unwrap();
    assert!(good.len() < 16_384, "{} bytes are not small", good.len());
    let (files, number) = (DataDirectory::new(&data), taken.head.segment);
    let file = fs::File::options().write(true).open(&path).unwrap();
    for (at, byte) in good.iter().enumerate() {
        for bit in 0..8 {
            file.write_all_at(&[byte ^ (1 << bit)], at as u64).unwrap();
            assert!(files.check(number).is_err(), "bit {bit} of byte {at}");
        }
        file.write_all_at(&[*byte], at as u64).unwrap();
    }
    assert_eq!(files.check(number).unwrap(), taken.head);
    for more in [&b"\0"[..], &[0; 16], &good[good.len() - 16..], &good[..]] {
        file.write_all_at(more, good.len() as u64).unwrap();
        let error = files.check(number).unwrap_err().to_string();
        let what = format!(
            "before byte {}: the number of bytes behind the last chunk is {}",
            good.len(),
            more.len()
        );
        assert!(error.contains(&what), "{error}");
        let config = Arc::new(configured(&data));
        let verified = verify_snapshot(&config, &files, number);
        assert!(verified.unwrap_err().to_string().contains(&what));
        file.set_len(good.len() as u64).unwrap();
    }
    for len in (0..good.len()).rev() {
        file.set_len(len as u64).unwrap();
        assert!(files.check(number).is_err(), "cut at {len}");
    }
}

#[test]
fn a_damaged_snapshot_is_not_one_of_the_two_that_are_kept() {
    let data = folder("two-good").join("data");
    let files = DataDirectory::new(&data);
    let file = |number: u64| files.snapshots.join(format!("{number:010}.snapshot"));
    let oldest_segment = || {
        let names = fs::read_dir(&files.journal).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.min().unwrap()
    };
    run(&data, 50);
    for number in [2, 3] {
        run(&data, 50);
        assert_eq!(snapshot(&data).unwrap().head.segment, number);
    }
    let mut bytes = fs::read(file(3)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file(3), &bytes).unwrap();
    run(&data, 50);
    let taken = snapshot(&data).unwrap();
    assert_eq!((taken.head.segment, taken.segments_removed), (4, 0));
    assert_eq!(files.snapshot_numbers().unwrap(), [2, 3, 4]);
    assert_eq!(oldest_segment(), "0000000002.journal");
    // Without the newest, the earlier good one and its segments are the same node.
    let whole = recovered(&data);
    assert_eq!(whole.snapshot, Some(4));
    let aside = data.join("aside");
    fs::rename(file(4), &aside).unwrap();
    let earlier = recovered(&data);
    assert_eq!(
        (earlier.snapshot, earlier.state_hash),
        (Some(2), whole.state_hash)
    );
    fs::rename(&aside, file(4)).unwrap();
    // With two good ones everything before them goes.
    run(&data, 50);
    let taken = snapshot(&data).unwrap();
    assert_eq!((taken.head.segment, taken.segments_removed), (5, 2));
    assert_eq!(files.snapshot_numbers().unwrap(), [4, 5]);
    assert_eq!(oldest_segment(), "0000000004.journal");
}

#[test]
fn of_two_that_take_a_snapshot_one_is_refused() {
    let data = folder("two-takers").join("data");
    run(&data, 50);
    run(&data, 50);
    let files = DataDirectory::new(&data);
    let unfinished = files.snapshots.join("0000000002.snapshot.unfinished");
    fs::write(&unfinished, "somebody else's").unwrap();
    let other = FolderLock::take(&files.snapshots, "another").unwrap();
    let refused = try_snapshot(&data).unwrap_err();
    assert!(matches!(refused, RecoveryError::SnapshotUnderWay { .. }));
    let text = refused.to_string();
    let holder = format!("by process {}, node another\nremedy: ", std::process::id());
    assert!(text.contains(&holder), "{text}");
    assert_eq!(fs::read(&unfinished).unwrap(), b"somebody else's");
    drop(other);
    // Several at one time: one takes it, and what it took is good.
    let taken = std::thread::scope(|scope| {
        let takers = [(); 4].map(|()| scope.spawn(|| try_snapshot(&data)));
        let taken = takers.map(|taker| match taker.join().unwrap() {
            Ok(taken) => u32::from(taken.is_some()),
            Err(RecoveryError::SnapshotUnderWay { .. }) => 0,
            Err(error) => panic!("{error}"),
        });
        taken.iter().sum::<u32>()
    });
    assert_eq!(taken, 1);
    assert!(!unfinished.exists());
    assert_eq!(files.check(2).unwrap().segment, 2);
}

#[test]
fn a_node_takes_its_snapshot_when_nobody_else_takes_one() {
    let data = folder("node-waits").join("data");
    run(&data, 50);
    let files = DataDirectory::new(&data);
    let mut config = configured(&data);
    config.journal.snapshot_bytes = 1 << 20;
    let other = FolderLock::take(&files.snapshots, "another").unwrap();
    let server = Server::start(&config).unwrap();
    run_sessions(server.address(), 50);
    // It looks five times a second.
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(files.snapshot_numbers().unwrap().is_empty());
    drop(other);
    let is_taken = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        files.snapshot_numbers().unwrap() == [2]
    });
    assert!(is_taken, "it does not take having to wait for a failure");
    server.drain().unwrap();
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
