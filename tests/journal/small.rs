//! Every bit and every length of a journal of three groups in two segments.

use std::path::Path;
use std::sync::Arc;

use souk::journal::{
    BatchWriter, Body, ChainEnd, Journal, JournalOptions, Problem, Reader, Segments, StreamRecord,
    TornTail,
};
use souk::storage::{CommitStrategy, Disk};
use souk_protocol::{MarketId, SessionId, TenantId};

use super::{BLOCK, FOLDER, Patient, Twin, path};

/// A header and two blocks.
const SEGMENT_BYTES: usize = 3 * BLOCK;
/// Records of each group's only batch. The second fills the first segment.
const RECORDS: [u64; 3] = [3, 5, 4];

/// The records of a batch, which its number makes.
fn records(number: u64) -> Vec<StreamRecord> {
    let count = RECORDS[number as usize - 1];
    let record = |index| StreamRecord {
        tenant: TenantId(1),
        market: MarketId(1 + (index % 2) as u32),
        stream_seq: number,
        transact_time: number,
        session: SessionId(0),
        body: Body::StateHash(number << 8 | index),
    };
    (0..count).map(record).collect()
}

/// The journal, one group a batch.
fn small() -> Patient {
    let disk = Twin::default();
    let options = JournalOptions {
        folder: FOLDER.into(),
        cluster_id: 7,
        segment_bytes: SEGMENT_BYTES as u64,
        strategy: CommitStrategy::Fdatasync,
    };
    let segments = Segments::begin(Arc::new(disk.clone()), options, 1, ChainEnd::START).unwrap();
    let (journal, writer) = Journal::new(segments, 1);
    let thread = std::thread::spawn(move || writer.run());
    let mut writer = BatchWriter::new(souk::ids::Epoch::ALONE);
    for number in 1..=RECORDS.len() as u64 {
        records(number).iter().for_each(|record| writer.add(record));
        let ticket = journal.append(writer.finish(number, 0)).unwrap();
        journal.wait_for(ticket).unwrap();
    }
    journal.close();
    thread.join().unwrap();
    let bytes = |number| {
        let bytes = souk::journal::segment::read(&disk, Path::new(FOLDER), number).unwrap();
        assert_eq!(bytes.len(), SEGMENT_BYTES);
        (number, bytes)
    };
    let small = Patient {
        files: vec![bytes(1), bytes(2)],
    };
    assert_eq!(Patient::groups(&small.files[0].1), [BLOCK, 2 * BLOCK]);
    assert_eq!(Patient::groups(&small.files[1].1), [BLOCK]);
    small
}

/// How many batches are read, each as it was written, and where the tail is torn; or what is wrong with which segment.
fn read(disk: &Arc<dyn Disk>) -> Result<(u64, Option<TornTail>), (u64, Problem)> {
    let refused = |error: souk::journal::ReadError| {
        let text = error.to_string();
        for part in ["byte ", "group ", "remedy"] {
            assert!(text.contains(part), "{text} lacks {part}");
        }
        let is = |number: &u64| error.file == path(*number);
        ([1, 2].into_iter().find(is).unwrap_or(0), error.problem)
    };
    let reader = Reader::open(Arc::clone(disk), Path::new(FOLDER), Some(7));
    let mut reader = reader.map_err(refused)?;
    let (mut batches, mut found) = (0, Vec::new());
    while let Some(head) = reader.next_batch(&mut found).map_err(refused)? {
        batches += 1;
        assert_eq!(head.number, batches);
        assert_eq!(found, records(batches));
        found.clear();
    }
    Ok((batches, reader.end().torn))
}

/// Where a byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// In a header, or in what fills its block.
    Header,
    Group,
    /// In what fills a group's block.
    Padding,
    /// Where the next group would be.
    Behind,
}

fn part(bytes: &[u8], at: usize) -> Part {
    let groups = Patient::groups(bytes);
    let Some(group) = groups.iter().rfind(|group| **group <= at) else {
        return Part::Header;
    };
    let len = u32::from_le_bytes(bytes[group + 16..group + 20].try_into().unwrap()) as usize;
    match at - group {
        inside if inside < len => Part::Group,
        inside if inside < len.next_multiple_of(BLOCK) => Part::Padding,
        _ => Part::Behind,
    }
}

#[test]
fn every_bit_of_a_small_journal_is_found_or_cuts_the_last_group_off() {
    let whole = small();
    let twin = whole.disk();
    let disk: Arc<dyn Disk> = Arc::new(twin);
    let all = RECORDS.len() as u64;
    assert_eq!(read(&disk).unwrap(), (all, None));
    let torn = |offset| {
        let segment = 2;
        Some(TornTail { segment, offset })
    };
    for (number, bytes) in &whole.files {
        let mut file = disk.open(&path(*number), CommitStrategy::Dsync).unwrap();
        for at in 0..bytes.len() {
            let part = part(bytes, at);
            for bit in 0..8 {
                file.write_at(&[bytes[at] ^ (1 << bit)], at as u64).unwrap();
                let found = read(&disk);
                let what = format!("bit {bit} of byte {at} of segment {number}: {found:?}");
                match (number, part) {
                    // The header is written with the first group, which is the last of all.
                    (2, Part::Header) => assert_eq!(found.unwrap(), (all - 1, None), "{what}"),
                    (2, Part::Group) => {
                        assert_eq!(found.unwrap(), (all - 1, torn(BLOCK as u64)), "{what}");
                    }
                    (2, Part::Behind) => {
                        assert_eq!(found.unwrap(), (all, torn(2 * BLOCK as u64)), "{what}");
                    }
                    (_, Part::Padding) => {
                        let (segment, problem) = found.expect_err(&what);
                        let is_it = matches!(problem, Problem::Padding { at: place, found }
                            if place == at as u64 && found == 1 << bit);
                        assert!(segment == *number && is_it, "{what}");
                    }
                    _ => assert_eq!(found.expect_err(&what).0, *number, "{what}"),
                }
            }
            file.write_at(&bytes[at..=at], at as u64).unwrap();
        }
    }
    assert_eq!(read(&disk).unwrap(), (all, None));
}

#[test]
fn a_small_journal_that_is_cut_at_any_length_is_a_prefix_or_refused() {
    let whole = small();
    let all = RECORDS.len() as u64;
    for (index, (number, bytes)) in whole.files.iter().enumerate() {
        for len in 0..=bytes.len() {
            let mut cut = Patient::new_from(&whole);
            cut.files[index].1.truncate(len);
            let disk: Arc<dyn Disk> = Arc::new(cut.disk());
            let found = read(&disk);
            let what = format!("segment {number} is cut at {len}: {found:?}");
            // Only zeros are missing behind the end of a group.
            let is_whole = match len.checked_sub(1) {
                Some(last) => matches!(part(bytes, last + 1), Part::Padding | Part::Behind),
                None => false,
            };
            match number {
                _ if is_whole && (*number == 2 || len > 2 * BLOCK) => {
                    assert_eq!(found.unwrap(), (all, None), "{what}");
                }
                2 => assert_eq!(found.unwrap().0, all - 1, "{what}"),
                _ => {
                    let (segment, problem) = found.expect_err(&what);
                    let is_damage = matches!(
                        problem,
                        Problem::DamagedGroup { .. } | Problem::SegmentHeader
                    );
                    assert!(is_damage && segment <= 1, "{what}");
                }
            }
        }
    }
}
