//! An audit of a data directory whose first segments are gone: it begins with the oldest snapshot.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::traffic::{config, run_sessions};
use super::{Batches, audited, folder, records_mut, souk_audit, start, trades};
use souk::audit::{Difference, Money, Quantity, Report};
use souk::config::{Config, Overrides};
use souk::journal::{BatchWriter, Body, ChainEnd, Journal, JournalOptions, Segments, StreamRecord};
use souk::recovery::{DataDirectory, take_snapshot};
use souk::storage::CommitStrategy;
use souk_protocol::{AccountId, TenantId, Text};

/// Runs sessions against a node, and starts and stops it once more: what the last segment has is only that.
fn run(data: &Path, commands: u64) {
    let server = start(data).unwrap();
    run_sessions(server.address(), commands);
    server.drain().unwrap();
    start(data).unwrap().drain().unwrap();
}

fn snapshot(data: &Path) -> usize {
    let config = Config::from_toml(&config(data), &Overrides::default()).unwrap();
    let files = DataDirectory::new(data);
    let taken = take_snapshot(&Arc::new(config), &files, &Arc::default(), &mut |_| {});
    taken.unwrap().unwrap().segments_removed
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A data directory whose first segments are gone, another one that has them all, and the records before the oldest snapshot.
fn pruned(name: &str) -> (PathBuf, PathBuf, Batches) {
    let data = folder(name).join("data");
    let whole = data.with_file_name("whole");
    run(&data, 700);
    assert_eq!(snapshot(&data), 0);
    let before = super::read(&data);
    run(&data, 300);
    copy(&data.join("journal"), &whole.join("journal"));
    assert!(snapshot(&data) > 0);
    run(&data, 300);
    copy(&data.join("journal"), &whole.join("journal"));
    (data, whole, before)
}

/// The oldest segment of a journal that is left, and where it begins.
fn oldest(data: &Path) -> (u64, ChainEnd) {
    let snapshot = DataDirectory::new(data).oldest_snapshot().unwrap().unwrap();
    assert!(snapshot.segment > 1);
    (snapshot.segment, snapshot.start)
}

#[test]
fn an_audit_from_a_snapshot_comes_to_the_same_as_one_of_the_whole_journal() {
    let (data, whole, _) = pruned("pruned");
    let (segment, start) = oldest(&data);
    let (report, full) = (audited(&data), audited(&whole));
    assert!(report.is_sound() && full.is_sound(), "{report}{full}");
    assert!(report.ended_in_order && full.start.is_none());
    assert_eq!(report.start.map(|head| head.segment), Some(segment));
    assert_eq!(report.sums, full.sums);
    assert!(report.sums.iter().any(|sum| sum.held.units > 0), "{report}");
    // The ends of five nodes, of four accounts and the fees in two currencies each; the whole journal has that of one more.
    assert_eq!(report.balances_compared + 9, full.balances_compared);
    assert!(report.balances_compared >= 9 * 4, "{report}");
    assert!(
        report.records < full.records && trades(&report) > 100,
        "{report}"
    );
    for (part, all) in report.streams.iter().zip(&full.streams) {
        assert_eq!(
            (&part.stream, part.open_orders),
            (&all.stream, all.open_orders)
        );
    }
    let (code, text) = souk_audit(&data);
    assert_eq!((code, text.lines().last()), (0, Some("sound")), "{text}");
    let from = format!("\nfrom segment {segment} on: ");
    let batches = format!(
        " records in {} batches, ",
        report.end.chain.batch - start.batch
    );
    assert!(text.contains(&from) && text.contains(&batches), "{text}");
    // The older snapshot is damaged: the other one has all that is left but less to audit.
    let files = DataDirectory::new(&data);
    let file = files.snapshots.join(format!("{segment:010}.snapshot"));
    fs::write(&file, b"SOUKSNAP").unwrap();
    let newer = audited(&data);
    assert!(
        newer.is_sound() && newer.records < report.records,
        "{newer}"
    );
    assert_eq!(newer.sums, report.sums);
    // Without any there is nothing to begin with.
    fs::remove_dir_all(&files.snapshots).unwrap();
    let (code, text) = souk_audit(&data);
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("but group 1 comes next") && text.contains("remedy"),
        "{text}"
    );
}

/// A journal of these batches, under good checksums, in place of the one there.
fn write(data: &Path, batches: &Batches, first: u64, start: ChainEnd) {
    let folder = data.join("journal");
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir_all(&folder).unwrap();
    let options = JournalOptions {
        folder,
        cluster_id: 1,
        segment_bytes: 1 << 20,
        strategy: CommitStrategy::Fdatasync,
    };
    let disk = Arc::new(souk::storage::SystemDisk);
    let segments = Segments::begin(disk, options, first, start).unwrap();
    let (journal, writer) = Journal::new(segments, start.batch);
    let thread = std::thread::spawn(move || writer.run());
    let mut writer = BatchWriter::new(souk::ids::Epoch::ALONE);
    for (head, records) in batches {
        records.iter().for_each(|record| writer.add(record));
        let bytes = writer.finish(head.transact_time, head.events);
        journal.append(bytes).unwrap();
    }
    journal.close();
    thread.join().unwrap();
    journal.failure().unwrap();
}

#[test]
fn a_balance_that_was_changed_behind_the_snapshot_is_named() {
    let (data, _, _) = pruned("pruned-journal");
    let (first, start) = oldest(&data);
    let mut reader = DataDirectory::new(&data).oldest_reader().unwrap();
    let (mut batches, mut records) = (Batches::new(), Vec::new());
    while let Some(head) = reader.next_batch(&mut records).unwrap() {
        batches.push((head, std::mem::take(&mut records)));
    }
    write(&data, &batches, first, start);
    assert!(audited(&data).is_sound(), "it is written as it was");
    let line = records_mut(&mut batches).find_map(|record| match &mut record.body {
        Body::Balances(lines) => lines.iter_mut().find(|line| line.total.0 > 0),
        _ => None,
    });
    let line = line.unwrap();
    line.total.0 -= 1;
    let line = *line;
    write(&data, &batches, first, start);
    let report = audited(&data);
    let [difference] = report.differences.as_slice() else {
        panic!("{report}")
    };
    let named = is_balance(difference, Quantity::FinalTotal);
    assert_eq!(named, Some((line.account, line.currency, 1)), "{report}");
    let (code, text) = souk_audit(&data);
    assert!(
        code == 1 && text.contains(&difference.to_string()),
        "{text}"
    );
}

/// Whose balance it is, of what, and how much less was found than expected.
fn is_balance(difference: &Difference, wanted: Quantity) -> Option<(AccountId, Text<8>, i128)> {
    match difference {
        Difference::Balance {
            account,
            currency,
            quantity,
            expected: Money { units, .. },
            found,
            ..
        } if *quantity == wanted => Some((*account, *currency, units - found.units)),
        _ => None,
    }
}

/// Changes the content of a snapshot that has one chunk, under good checksums.
fn falsify(file: &Path, change: impl FnOnce(&mut [u8])) {
    let hash = twox_hash::XxHash64::oneshot;
    let mut bytes = fs::read(file).unwrap();
    let number =
        |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let end = bytes.len() - 16;
    assert_eq!(number(&bytes, 64) as u32 as usize, end - 80, "one chunk");
    change(&mut bytes[80..end]);
    let seed = number(&bytes, 56);
    let checksum = hash(seed, &bytes[80..end]);
    bytes[72..80].copy_from_slice(&checksum.to_le_bytes());
    bytes[end + 8..].copy_from_slice(&hash(checksum, &[]).to_le_bytes());
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_balance_that_was_changed_in_the_snapshot_is_named_before_anything_is_replayed() {
    let (data, _, before) = pruned("pruned-snapshot");
    let (first, _) = oldest(&data);
    // What a node had at its end is what the snapshot behind it has.
    let lines = |record: &StreamRecord| match &record.body {
        Body::Balances(lines) if record.tenant == TenantId(1) => Some(lines.clone()),
        _ => None,
    };
    let lines = super::records(&before).filter_map(lines).last().unwrap();
    let line = lines.into_iter().rfind(|line| line.held.0 > 0).unwrap();
    let told = [
        &line.account.0.to_le_bytes()[..],
        &line.currency.0,
        &line.total.0.to_le_bytes(),
        &line.held.0.to_le_bytes(),
    ];
    let told = told.concat();
    let file = DataDirectory::new(&data).snapshots;
    let file = file.join(format!("{first:010}.snapshot"));
    let good = fs::read(&file).unwrap();
    let at = |bytes: &[u8]| bytes.windows(told.len()).position(|part| part == told);
    falsify(&file, |_| {});
    assert_eq!(fs::read(&file).unwrap(), good, "checksums are as they were");

    let named = |quantity, by: i128, report: &Report| {
        let wanted = Some((line.account, line.currency, by));
        let mut named = report.differences.iter();
        assert!(
            named.any(|it| is_balance(it, quantity) == wanted),
            "{report}"
        );
        assert_eq!((report.records, report.is_sound()), (0, false), "{report}");
    };
    falsify(&file, |bytes| {
        let held = at(bytes).unwrap() + 20;
        bytes[held..held + 8].copy_from_slice(&(line.held.0 - 1).to_le_bytes());
    });
    named(Quantity::Held, 1, &audited(&data));
    fs::write(&file, &good).unwrap();
    falsify(&file, |bytes| {
        let total = at(bytes).unwrap() + 12;
        bytes[total..total + 8].copy_from_slice(&(line.total.0 + 1).to_le_bytes());
    });
    let report = audited(&data);
    let [Difference::Sum { currency, .. }] = report.differences.as_slice() else {
        panic!("{report}")
    };
    assert_eq!(*currency, line.currency);
    let (code, text) = souk_audit(&data);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("the snapshot does not add up"), "{text}");
}
