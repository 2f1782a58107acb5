//! The journal on a disk that fails, crashes, and damages: what was durable is read again, in order and unchanged; nothing
//! else is taken for it; and a sync that failed is never asked for again.
//!
//! `SOUK_POWER_LOSSES` (default 400) says how often the power is cut.
#![allow(clippy::unwrap_used)]

#[path = "journal/snapshots.rs"]
mod snapshots;
#[path = "support/mod.rs"]
mod support;
#[path = "journal/surgery.rs"]
mod surgery;
#[path = "node/audit/traffic.rs"]
mod traffic;
#[path = "journal/twin.rs"]
mod twin;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use souk::journal::{
    BatchWriter, Body, ChainEnd, Journal, JournalEnd, JournalError, JournalOptions, ReadError,
    Reader, Segments, StreamRecord, segment,
};
use souk::storage::{CommitStrategy, Disk};
use souk_protocol::{MarketId, SessionId, TenantId};
use twin::{Fault, Random, Twin};

const FOLDER: &str = "/journal";
const SEGMENT_BYTES: u64 = 64 << 10;
/// Batches of a scenario: they fill several segments.
const BATCHES: u64 = 40;

/// A batch that only its number makes: its records, and how many there are.
fn batch(number: u64) -> (Vec<u8>, u64) {
    let mut writer = BatchWriter::new(souk::ids::Epoch::ALONE);
    let count = 1 + Random(number).below(400);
    for record in 0..count {
        writer.add(&StreamRecord {
            tenant: TenantId(1),
            market: MarketId(1 + (record % 3) as u32),
            stream_seq: number,
            transact_time: number,
            session: SessionId(0),
            body: Body::StateHash(Random(number << 20 | record).next()),
        });
    }
    (writer.finish(number, 0).to_vec(), count)
}

fn options(strategy: CommitStrategy) -> JournalOptions {
    JournalOptions {
        folder: FOLDER.into(),
        cluster_id: 7,
        segment_bytes: SEGMENT_BYTES,
        strategy,
    }
}

/// How many batches were durable, and how many were appended.
#[derive(Debug, Default)]
struct Outcome {
    durable: u64,
    appended: u64,
    error: Option<JournalError>,
}

/// Appends batches, and waits for some of them, as matchers do.
fn write(
    disk: &Twin,
    strategy: CommitStrategy,
    first: u64,
    segment: u64,
    end: ChainEnd,
) -> Outcome {
    let mut outcome = Outcome {
        durable: first - 1,
        appended: first - 1,
        error: None,
    };
    let began = Segments::begin(Arc::new(disk.clone()), options(strategy), segment, end);
    let (journal, writer) = match began {
        Ok(segments) => Journal::new(segments, end.batch),
        Err(error) => {
            outcome.error = Some(error);
            return outcome;
        }
    };
    let thread = std::thread::spawn(move || writer.run());
    let mut random = Random(first);
    for number in first..first + BATCHES {
        let (mut bytes, _) = batch(number);
        let Ok(ticket) = journal.append(&mut bytes) else {
            break;
        };
        outcome.appended = number;
        if random.below(3) == 0 {
            if journal.wait_for(ticket).is_err() {
                break;
            }
            outcome.durable = number;
        }
        if ticket <= journal.durable() {
            outcome.durable = number;
        }
    }
    journal.close();
    thread.join().unwrap();
    match journal.failure() {
        Ok(()) => outcome.durable = outcome.appended,
        Err(error) => outcome.error = Some(error),
    }
    outcome
}

/// Reads the journal. Every batch must be the one that was appended under its number.
fn read(disk: &Twin) -> Result<(u64, JournalEnd), ReadError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut reader = Reader::open(disk, Path::new(FOLDER), Some(7))?;
    let mut records = Vec::new();
    let mut batches = 0;
    while let Some(head) = reader.next_batch(&mut records)? {
        batches += 1;
        assert_eq!(head.number, batches);
        let (bytes, count) = batch(head.number);
        assert_eq!((head.len, records.len() as u64), (bytes.len(), count));
        let hash = |(index, record): (u64, &StreamRecord)| {
            record.body == Body::StateHash(Random(head.number << 20 | index).next())
        };
        assert!((0..).zip(&records).all(hash), "batch {batches} is another");
        records.clear();
    }
    Ok((batches, reader.end()))
}

/// What was durable is there, and nothing that was never appended; and the journal goes on from there.
fn check(disk: &Twin, outcome: &Outcome, strategy: CommitStrategy, what: &str) {
    let (batches, end) = read(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(
        batches >= outcome.durable,
        "{what}: {batches} of {outcome:?}"
    );
    assert!(
        batches <= outcome.appended,
        "{what}: {batches} of {outcome:?}"
    );
    for number in segment::numbers(disk, Path::new(FOLDER)).unwrap() {
        if number > end.segment {
            disk.remove(&segment::path(Path::new(FOLDER), number))
                .unwrap();
        }
    }
    let more = write(disk, strategy, batches + 1, end.segment + 1, end.chain);
    assert_eq!(more.error, None, "{what}");
    let (again, _) = read(disk).unwrap_or_else(|error| panic!("{what}, then: {error}"));
    assert_eq!(again, batches + BATCHES, "{what}");
}

#[test]
fn a_disk_that_fails_at_any_call_loses_nothing_that_was_durable() {
    let mut fired: BTreeMap<(&'static str, Fault), u32> = BTreeMap::new();
    for strategy in CommitStrategy::ALL {
        let whole = Twin::default();
        let outcome = write(&whole, strategy, 1, 1, ChainEnd::START);
        assert_eq!((outcome.error, outcome.durable), (None, BATCHES));
        // The calls of the thread that makes segments come when they come: some runs have a few more.
        for call in 1..=whole.calls() + 4 {
            for fault in Fault::ALL {
                let disk = Twin::failing(call, fault);
                let outcome = write(&disk, strategy, 1, 1, ChainEnd::START);
                assert!(
                    !disk.retried_a_sync(),
                    "a sync that failed was asked for again"
                );
                let Some(hit) = disk.fired() else {
                    continue;
                };
                *fired.entry((hit, fault)).or_default() += 1;
                let what = format!("{strategy:?}: {fault:?} at call {call}, a {hit}");
                if outcome.error.is_none() {
                    // A segment that nobody needed any more.
                    assert_eq!(outcome.durable, BATCHES, "{what}");
                }
                check(&disk.after_kill(), &outcome, strategy, &what);
                check(&disk.after_crash(call), &outcome, strategy, &what);
            }
        }
    }
    println!("{fired:#?}");
    for call in ["write", "sync", "create", "open", "sync folder"] {
        for fault in Fault::ALL {
            assert!(
                fired.contains_key(&(call, fault)),
                "no {fault:?} in a {call}"
            );
        }
    }
}

#[test]
fn when_the_power_is_cut_what_was_durable_is_there() {
    let losses = std::env::var("SOUK_POWER_LOSSES").map_or(400, |text| text.parse().unwrap());
    let (mut cut, mut lost) = (0, 0);
    let mut torn: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..losses {
        let mut random = Random(seed);
        let strategy = CommitStrategy::ALL[random.below(4) as usize];
        let call = 1 + random.below(90);
        let fault = Fault::CUTS[random.below(3) as usize];
        let disk = Twin::failing(call, fault);
        let outcome = write(&disk, strategy, 1, 1, ChainEnd::START);
        cut += u64::from(disk.fired().is_some());
        let after = disk.after_crash(seed);
        let what = format!("SEED={seed}, {strategy:?}: {fault:?} at call {call}");
        let (batches, end) = read(&after).unwrap_or_else(|error| panic!("{what}: {error}"));
        *torn.entry(strategy.name()).or_default() += u64::from(end.torn.is_some());
        lost += outcome.appended - batches;
        check(&after, &outcome, strategy, &what);
    }
    println!(
        "{losses} runs: the power was cut in {cut}, tails were torn: {torn:?}, {lost} batches that nobody was told of were lost"
    );
    assert!(cut > losses / 2 && torn.values().sum::<u64>() > losses / 40 && lost > 0);
    // Writes that are durable when they return are torn, too, when they do not return.
    assert!(torn["dsync"] + torn["direct-dsync"] > 0);
}

#[test]
fn a_disk_that_lies_about_syncs_is_found_out_by_this_test() {
    let found = (0..50).any(|seed| {
        let disk = Twin::lying();
        let outcome = write(&disk, CommitStrategy::Fdatasync, 1, 1, ChainEnd::START);
        let after = disk.after_crash(seed);
        read(&after).map_or(true, |(batches, _)| batches < outcome.durable)
    });
    assert!(
        found,
        "these checks would find an acknowledgement before the sync"
    );
}
