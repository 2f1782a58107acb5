//! `souk journal verify|dump|stat` and `souk snapshot now|list|verify`: on a data directory that is good, cut, damaged, pruned, and
//! written meanwhile. What is wrong is named with file, byte, group and the record before it.

mod place;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::audit::traffic::run_sessions;
use place::{Place, batch_of, change, read};
use souk::inspect::{self, Wanted};
use souk::journal::{
    BatchWriter, Body, ChainEnd, Journal, JournalOptions, Segments, StreamRecord, segment,
};
use souk::server::Server;
use souk::storage::{CommitStrategy, SystemDisk};
use souk_protocol::{MarketId, SessionId, TenantId};

#[test]
fn of_a_good_directory_each_command_tells_what_is_in_it() {
    let place = Place::new("good");
    place.run(200);
    let second = place.run(100);
    let (whole, last) = (read(&place), *place.used().last().unwrap());

    let said = place.verify().good();
    let sums = format!(
        "{} groups, {} batches, {} records, cluster 1; ends in segment {last}\ngood\n",
        whole.groups,
        whole.batches,
        whole.records.len()
    );
    assert!(said.ends_with(&sums), "{said}lacks {sums}");
    for ((tenant, market), seq) in &whole.streams {
        let name = match market.0 {
            0 => "control".to_owned(),
            market => format!("market {market}"),
        };
        let line = format!("tenant {tenant} {name}: up to stream_seq {seq}\n");
        assert!(said.contains(&line), "{said}lacks {line}");
    }
    assert_eq!(said.lines().count(), whole.streams.len() + 2);

    let dumped = place.souk(&["journal", "dump"], &[]).good();
    assert_eq!(dumped.lines().count(), whole.records.len());
    for (line, (batch, record)) in dumped.lines().zip(&whole.records) {
        let StreamRecord {
            tenant,
            market,
            stream_seq,
            transact_time,
            ..
        } = record;
        let begins = format!(
            "batch {batch} time {transact_time} tenant {tenant} market {market} seq {stream_seq}"
        );
        assert!(line.starts_with(&begins), "{line} is not {begins}");
    }
    let wanted = ["--tenant", "1", "--market", "2", "--from", "50"];
    let some = place.souk(&["journal", "dump"], &wanted).good();
    let is_wanted = |(_, record): &&(u64, StreamRecord)| {
        (record.tenant, record.market) == (TenantId(1), MarketId(2)) && record.stream_seq >= 50
    };
    let count = whole.records.iter().filter(is_wanted).count();
    assert!(count > 50 && count < whole.records.len() / 2);
    assert_eq!(some.lines().count(), count);
    assert!(some.lines().all(|line| dumped.contains(line)));

    let stat = place.souk(&["journal", "stat"], &[]).good();
    let kinds = stat
        .lines()
        .skip(1)
        .take_while(|line| !line.contains("batches"));
    let records = kinds.map(|line| {
        let columns: Vec<_> = line.split_whitespace().rev().collect();
        columns[2].parse::<usize>().unwrap()
    });
    assert_eq!(records.sum::<usize>(), whole.records.len(), "{stat}");
    let batches = format!("\n{} batches of ", whole.batches);
    let groups = format!("\n{} groups, ", whole.groups);
    assert!(stat.contains(&batches) && stat.contains(&groups), "{stat}");

    assert_eq!(place.souk(&["snapshot", "list"], &[]).good(), "");
    let none = place.souk(&["snapshot", "verify"], &[]);
    assert_eq!(none.code, 1);
    none.has(&["there is no snapshot"]);
    let now = place.souk(&["snapshot", "now"], &[]).good();
    assert!(now.starts_with(&format!("snapshot of everything before segment {last}: ")));
    assert!(last >= second);
    let again = place.souk(&["snapshot", "now"], &[]).good();
    assert!(again.starts_with("nothing to take"), "{again}");
    let first = place.groups(last)[0];
    assert_eq!(
        place.souk(&["snapshot", "list"], &[]).good(),
        format!(
            "before segment {last}: good, up to group {} and batch {}\n",
            first.number - 1,
            first.first_batch - 1
        )
    );
    let verified = place.souk(&["snapshot", "verify"], &[]).good();
    let hash = verified.split("state ").nth(1).unwrap().trim();
    assert!(now.contains(&format!("state {hash};")), "{now}{verified}");
}

#[test]
fn a_cut_tail_is_told_of_and_a_cut_before_it_is_refused() {
    let place = Place::new("cut");
    place.run(100);
    place.run(100);
    let whole = read(&place);
    let last = *place.used().last().unwrap();
    let good = fs::read(place.segment(last)).unwrap();
    let group = *place.groups(last).last().unwrap();
    change(&place.segment(last), |bytes| {
        bytes.truncate(group.at + group.len / 2);
    });
    let said = place.verify().good();
    let cut = format!(
        "the tail is cut: at byte {} of segment {last} a group was being written; nobody was told of it\ngood\n",
        group.at
    );
    assert!(said.ends_with(&cut), "{said}");
    let sums = format!(
        "{} groups, {} batches, ",
        whole.groups - 1,
        group.first_batch - 1
    );
    assert!(said.contains(&sums), "{said}");
    let dumped = place.souk(&["journal", "dump"], &[]).good();
    let left = |(batch, _): &&(u64, StreamRecord)| *batch < group.first_batch;
    assert_eq!(
        dumped.lines().count(),
        whole.records.iter().filter(left).count()
    );
    let stat = place.souk(&["journal", "stat"], &[]).good();
    assert!(
        stat.contains(&format!("\n{} groups, ", whole.groups - 1)),
        "{stat}"
    );
    // What is before the segment in use is whole.
    place.souk(&["snapshot", "now"], &[]).good();
    place.souk(&["snapshot", "verify"], &[]).good();
    fs::remove_file(place.snapshot(last)).unwrap();

    fs::write(place.segment(last), good).unwrap();
    let group = place.groups(1)[1];
    change(&place.segment(1), |bytes| {
        bytes.truncate(group.at + group.len / 2);
    });
    let what = format!("group {} is damaged or missing", group.number);
    place.refused(&place.segment(1), group.at, group.number, &what);
    let now = place.souk(&["snapshot", "now"], &[]);
    assert_eq!(now.code, 1);
    // It reads up to the segment in use, and all before that must be there.
    let reached = format!(
        "the journal reaches group {}, the next segment begins with group ",
        group.number
    );
    now.has(&[&reached, "remedy: "]);
}

#[test]
fn damage_is_named_with_file_byte_group_and_the_record_before_it() {
    let place = Place::new("damaged");
    for _ in 0..3 {
        place.run(50);
    }
    let (whole, last) = (read(&place), *place.used().last().unwrap());
    let now = place.souk(&["snapshot", "now"], &[]).good();
    let dumped = place.souk(&["journal", "dump"], &[]).good();
    let (file, good) = (place.segment(1), fs::read(place.segment(1)).unwrap());

    let group = place.groups(1)[2];
    change(&file, |bytes| bytes[group.at + group.len / 2] ^= 1);
    let what = format!(
        "group {} is damaged or missing: group {} comes after it, at byte 0 of segment 2",
        group.number,
        place.groups(2)[0].number
    );
    let said = place.refused(&file, group.at, group.number, &what);
    let is_before = |(batch, _): &&(u64, StreamRecord)| *batch < group.first_batch;
    let (_, before) = whole.records.iter().rfind(is_before).unwrap();
    said.has(&[&format!(
        "(after tenant {}, market {}, stream_seq {})",
        before.tenant, before.market, before.stream_seq
    )]);
    let printed: Vec<_> = dumped
        .lines()
        .filter(|line| batch_of(line) < group.first_batch)
        .collect();
    assert_eq!(said.out.lines().collect::<Vec<_>>(), printed);

    fs::write(&file, &good).unwrap();
    change(&file, |bytes| bytes[20] ^= 1);
    place.refused(
        &file,
        0,
        1,
        "(nothing before it): the segment's header is damaged",
    );
    fs::write(&file, &good).unwrap();
    let other = place.data.with_file_name("aside");
    fs::rename(place.segment(2), &other).unwrap();
    let what = "segment 2 is missing, although there are later ones";
    place.refused(&place.files().journal, 0, 1, what);
    fs::rename(&other, place.segment(2)).unwrap();
    assert_eq!(place.souk(&["journal", "dump"], &[]).good(), dumped);

    // A snapshot: its header, its content, its end.
    let (file, good) = (
        place.snapshot(last),
        fs::read(place.snapshot(last)).unwrap(),
    );
    let name = file.display().to_string();
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 3] = [
        ("the header is damaged, or this is no snapshot", |bytes| {
            bytes[30] ^= 1
        }),
        ("byte 64: the chunk is damaged or cut off", |bytes| {
            bytes[200] ^= 1
        }),
        ("byte 64: the chunk is damaged or cut off", |bytes| {
            bytes.truncate(500)
        }),
    ];
    for (what, damage) in damages {
        change(&file, damage);
        for command in ["list", "verify"] {
            let said = place.souk(&["snapshot", command], &[]);
            assert_eq!(said.code, 1, "{said:?}");
            said.has(&[&name, what]);
        }
        fs::write(&file, &good).unwrap();
    }
    // Another one is made from the whole journal, and comes to the same.
    change(&file, |bytes| bytes[200] ^= 1);
    let again = place.souk(&["snapshot", "now"], &[]);
    assert_eq!(again.code, 0, "{again:?}");
    let hash = |text: &str| text.split("state ").nth(1).unwrap()[..18].to_owned();
    assert_eq!(hash(&again.out), hash(&now));
}

#[test]
fn a_pruned_directory_is_read_from_its_oldest_segment_on() {
    let place = Place::new("pruned");
    place.run(100);
    let mut newest = 0;
    for _ in 0..2 {
        newest = place.run(100);
        place.souk(&["snapshot", "now"], &[]).good();
    }
    let (used, last) = (place.used(), *place.used().last().unwrap());
    let oldest = used[0];
    assert!(oldest > 1 && newest > oldest, "{used:?}");
    let numbers = place.files().snapshot_numbers().unwrap();
    assert_eq!(numbers, [oldest, last]);
    let first = place.groups(oldest)[0];
    let groups: usize = used.iter().map(|number| place.groups(*number).len()).sum();

    let said = place.verify().good();
    assert!(said.contains(&format!("\n{groups} groups, ")), "{said}");
    assert!(
        said.ends_with(&format!("ends in segment {last}\ngood\n")),
        "{said}"
    );
    let dumped = place.souk(&["journal", "dump"], &[]).good();
    assert_eq!(batch_of(&dumped), first.first_batch);
    let stat = place.souk(&["journal", "stat"], &[]).good();
    assert!(stat.contains(&format!("\n{groups} groups, ")), "{stat}");
    let list = place.souk(&["snapshot", "list"], &[]).good();
    for number in numbers {
        assert!(
            list.contains(&format!("before segment {number}: good")),
            "{list}"
        );
        let number = number.to_string();
        let said = place.souk(&["snapshot", "verify"], &["--segment", &number]);
        assert!(
            said.good()
                .starts_with(&format!("snapshot before segment {number}: good"))
        );
    }

    let group = place.groups(oldest)[1];
    let file = place.segment(oldest);
    let good = fs::read(&file).unwrap();
    change(&file, |bytes| bytes[group.at + 70] ^= 1);
    let what = format!("group {} is damaged or missing", group.number);
    let said = place.refused(&file, group.at, group.number, &what);
    assert_eq!(batch_of(&said.out), first.first_batch);
    fs::write(&file, good).unwrap();
    place.verify().good();
}

#[test]
fn beside_a_node_under_load_every_command_is_good() {
    let place = Place::new("beside");
    place.run(50);
    let server = Server::start(&place.configured()).unwrap();
    let (address, stop) = (server.address(), Arc::new(AtomicBool::new(false)));
    let stopped = Arc::clone(&stop);
    let load = std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            run_sessions(address, 500);
        }
    });
    let begun = place.used().len();
    let mut rounds = 0;
    while rounds < 5 || place.used().len() < begun + 3 {
        for words in [
            ["journal", "verify"],
            ["journal", "dump"],
            ["journal", "stat"],
            ["snapshot", "now"],
            ["snapshot", "list"],
            ["snapshot", "verify"],
        ] {
            let said = place.souk(&words, &[]);
            assert_eq!(said.code, 0, "{words:?}: {said:?}");
        }
        rounds += 1;
    }
    stop.store(true, Ordering::Relaxed);
    load.join().unwrap();
    server.drain().unwrap();
    assert!(place.verify().good().ends_with("good\n"));
}

/// What is printed meanwhile, and lets the journal go on in other segments first.
struct Overtaken<'a> {
    journal: &'a Journal,
    folder: &'a Path,
    printed: Vec<u8>,
    number: &'a mut u64,
}

impl Overtaken<'_> {
    fn append(&mut self) {
        *self.number += 1;
        let mut writer = BatchWriter::new(souk::ids::Epoch::ALONE);
        for _ in 0..100 {
            writer.add(&StreamRecord {
                tenant: TenantId(1),
                market: MarketId(1),
                stream_seq: *self.number,
                transact_time: 1,
                session: SessionId(0),
                body: Body::StateHash(*self.number),
            });
        }
        let ticket = self.journal.append(writer.finish(1, 0)).unwrap();
        self.journal.wait_for(ticket).unwrap();
    }

    fn is_used(&self, number: u64) -> bool {
        let file = segment::path(self.folder, number);
        fs::read(file).is_ok_and(|bytes| bytes.first().is_some_and(|byte| *byte != 0))
    }
}

impl Write for Overtaken<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        while !self.is_used(3) {
            self.append();
        }
        self.printed.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_the_writer_overtakes_reads_on() {
    let place = Place::new("overtaken");
    let files = place.files();
    files.make().unwrap();
    let options = JournalOptions {
        folder: files.journal.clone(),
        cluster_id: 1,
        segment_bytes: 64 << 10,
        strategy: CommitStrategy::Fdatasync,
    };
    let disk = Arc::new(SystemDisk);
    let segments = Segments::begin(disk, options, 1, ChainEnd::START).unwrap();
    let (journal, writer) = Journal::new(segments, 1);
    let thread = std::thread::spawn(move || writer.run());
    // The next segment is made before it is needed.
    let prepared = segment::path(&files.journal, 2);
    while fs::metadata(&prepared).map_or(0, |it| it.len()) < 64 << 10 {
        std::thread::yield_now();
    }
    let mut number = 0;
    let mut out = Overtaken {
        journal: &journal,
        folder: &files.journal,
        printed: Vec::new(),
        number: &mut number,
    };
    out.append();
    out.append();
    assert!(!out.is_used(2));
    inspect::dump(&files, Wanted::default(), &mut out).unwrap();
    let printed = String::from_utf8(out.printed).unwrap();
    journal.close();
    thread.join().unwrap();
    let batches = printed.lines().map(batch_of);
    let last = batches.clone().next_back().unwrap();
    // All that the segment came to, and the one that was there, unused, when this began; each batch once.
    let first_of_third = place.groups(3)[0].first_batch;
    assert!(
        last + 1 >= first_of_third && last <= number,
        "{last} of {number}"
    );
    let expected = (1..=last).flat_map(|batch| std::iter::repeat_n(batch, 100));
    assert!(batches.eq(expected));
}
