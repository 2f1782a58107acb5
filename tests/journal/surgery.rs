//! A journal under the knife: cut anywhere, every bit flipped, sectors exchanged, files exchanged. What is left is a prefix,
//! or the journal is refused with the place. Of a small journal every bit and every length is tried, in `small`; of a larger one
//! some, or with `SOUK_SURGERY=all` all.

#[path = "small.rs"]
mod small;

use std::path::Path;

use souk::journal::{ChainEnd, Problem};
use souk::storage::{CommitStrategy, Disk};

use super::twin::Twin;
use super::{FOLDER, read, write};

const BLOCK: usize = 4_096;

/// Every so many bytes, or all.
fn every(bytes: usize) -> usize {
    match std::env::var("SOUK_SURGERY") {
        Ok(word) => {
            assert_eq!(word, "all", "SOUK_SURGERY is all, or not there");
            1
        }
        Err(_) => bytes,
    }
}

/// A whole journal, as files.
struct Patient {
    files: Vec<(u64, Vec<u8>)>,
}

fn path(number: u64) -> std::path::PathBuf {
    souk::journal::segment::path(Path::new(FOLDER), number)
}

impl Patient {
    fn new() -> Self {
        let disk = Twin::default();
        let outcome = write(&disk, CommitStrategy::Fdatasync, 1, 1, ChainEnd::START);
        assert_eq!(outcome.error, None);
        let numbers = souk::journal::segment::numbers(&disk, Path::new(FOLDER)).unwrap();
        let bytes = |number| {
            let bytes = souk::journal::segment::read(&disk, Path::new(FOLDER), number).unwrap();
            (number, bytes)
        };
        let files: Vec<_> = numbers.into_iter().map(bytes).collect();
        assert!(files.len() >= 3, "several segments are in use");
        Self { files }
    }

    fn disk(&self) -> Twin {
        let disk = Twin::default();
        for (number, bytes) in &self.files {
            let mut file = disk.create(&path(*number), CommitStrategy::Dsync).unwrap();
            file.write_at(bytes, 0).unwrap();
        }
        disk
    }

    /// Where each group of a segment begins.
    fn groups(bytes: &[u8]) -> Vec<usize> {
        let blocks = (BLOCK..bytes.len()).step_by(BLOCK);
        blocks
            .filter(|at| bytes[*at..].starts_with(b"SOUKGRUP"))
            .collect()
    }

    /// Bytes of the last segment that is in use, and its place among the files.
    fn last(&self) -> usize {
        self.files
            .iter()
            .rposition(|(_, bytes)| bytes[0] != 0)
            .unwrap()
    }
}

/// A prefix is read, or the journal is refused. Gives how many batches were read, if any.
fn operated(patient: &Patient, what: &str) -> Option<u64> {
    match read(&patient.disk()) {
        Ok((batches, _)) => Some(batches),
        Err(error) => {
            let text = error.to_string();
            for part in ["byte ", "group ", "remedy"] {
                assert!(text.contains(part), "{what}: {text} lacks {part}");
            }
            None
        }
    }
}

#[test]
fn a_journal_that_is_cut_is_a_prefix() {
    let whole = Patient::new();
    let last = whole.last();
    let groups = Patient::groups(&whole.files[last].1);
    // Every byte of the last two groups; how many there are in a segment, the writer's timing decides.
    let from = groups[groups.len().saturating_sub(2)];
    let until = whole.files[last]
        .1
        .iter()
        .rposition(|byte| *byte != 0)
        .unwrap()
        + 64;
    let all = operated(&whole, "whole").unwrap();
    let mut before = 0;
    for len in (from..until).chain((0..from).step_by(every(512))) {
        let mut cut = Patient::new_from(&whole);
        cut.files.truncate(last + 1);
        cut.files[last].1.truncate(len);
        let batches = operated(&cut, &format!("cut at {len}")).expect("a cut is no damage");
        assert!(batches <= all, "cut at {len}");
        before = before.max(batches);
    }
    assert_eq!(before, all, "only zeros are cut at the end");
}

impl Patient {
    fn new_from(other: &Self) -> Self {
        Self {
            files: other.files.clone(),
        }
    }
}

#[test]
fn every_flipped_bit_is_found_or_cuts_the_last_group_off() {
    let whole = Patient::new();
    let all = operated(&whole, "whole").unwrap();
    let last = whole.last();
    let (mut refused, mut cut) = (0, 0);
    for (index, (number, bytes)) in whole.files.iter().enumerate() {
        if bytes[0] == 0 {
            continue;
        }
        let groups = Patient::groups(bytes);
        // A segment's header is written with its first group.
        let last_group = match groups.as_slice() {
            _ if index != last => usize::MAX,
            [_] => 0,
            groups => *groups.last().unwrap(),
        };
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        // All bits of the headers, some of everything else.
        let headers = groups.iter().flat_map(|at| *at..*at + 64).chain(0..72);
        let others = (0..used).step_by(every(997));
        for at in headers.chain(others) {
            let is_head = |group: &usize| (*group..*group + 64).contains(&at);
            let bits: &[u8] = if every(2) == 1 || at < 72 || groups.iter().any(is_head) {
                &[1, 2, 4, 8, 16, 32, 64, 128]
            } else {
                &[1, 128]
            };
            for bit in bits {
                let mut ill = Patient::new_from(&whole);
                ill.files[index].1[at] ^= bit;
                let what = format!("bit {bit} of byte {at} of segment {number}");
                match operated(&ill, &what) {
                    None => refused += 1,
                    Some(batches) => {
                        assert!(
                            at >= last_group && batches < all,
                            "{what}: {batches} of {all} were taken for all"
                        );
                        cut += 1;
                    }
                }
            }
        }
    }
    println!("{refused} refused, {cut} cut");
    assert!(refused > 1_000 && cut > 100);
}

#[test]
fn sectors_that_are_exchanged_doubled_or_zeroed_are_found() {
    let whole = Patient::new();
    let all = operated(&whole, "whole").unwrap();
    let last = whole.last();
    for size in [512, BLOCK] {
        for (index, (number, bytes)) in whole.files.iter().enumerate().take(last) {
            let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() / size;
            for sector in 0..used {
                let here = sector * size..(sector + 1) * size;
                let there = (sector + 1) * size..(sector + 2) * size;
                let mut zeroed = Patient::new_from(&whole);
                zeroed.files[index].1[here.clone()].fill(0);
                let mut doubled = Patient::new_from(&whole);
                doubled.files[index]
                    .1
                    .copy_within(here.clone(), there.start);
                let mut exchanged = Patient::new_from(&whole);
                exchanged.files[index]
                    .1
                    .copy_within(there.clone(), here.start);
                exchanged.files[index].1[there].copy_from_slice(&bytes[here]);
                for (ill, what) in [
                    (zeroed, "zeroed"),
                    (doubled, "doubled"),
                    (exchanged, "exchanged"),
                ] {
                    if ill.files[index].1 == *bytes {
                        continue;
                    }
                    let what =
                        format!("sector {sector} of {size} bytes of segment {number}, {what}");
                    // Behind the last group of a segment; anything else is damage before whole groups.
                    if let Some(batches) = operated(&ill, &what) {
                        assert_eq!(batches, all, "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn segments_that_are_missing_foreign_or_stale_are_refused() {
    let whole = Patient::new();
    let problem = |patient: &Patient| read(&patient.disk()).map(|_| ()).unwrap_err().problem;
    let mut missing = Patient::new_from(&whole);
    missing.files.remove(1);
    assert!(matches!(problem(&missing), Problem::MissingSegment(2)));
    let mut beginning = Patient::new_from(&whole);
    beginning.files.remove(0);
    assert!(matches!(problem(&beginning), Problem::Gap { .. }));
    let mut misplaced = Patient::new_from(&whole);
    misplaced.files[1].1 = misplaced.files[0].1.clone();
    assert!(matches!(problem(&misplaced), Problem::WrongSegment { .. }));
    let mut emptied = Patient::new_from(&whole);
    emptied.files[1].1.fill(0);
    assert!(matches!(problem(&emptied), Problem::DamagedGroup { .. }));
    let mut version = Patient::new_from(&whole);
    let header = &mut version.files[0].1;
    header[8] = 3;
    let checksum = twox_hash::XxHash64::oneshot(0, &header[..64]);
    header[64..72].copy_from_slice(&checksum.to_le_bytes());
    assert!(matches!(problem(&version), Problem::Version(3)));
    // Garbage, and groups of long ago, behind the end are cut off.
    let all = operated(&whole, "whole").unwrap();
    let last = whole.last();
    let mut stale = Patient::new_from(&whole);
    let old = stale.files[0].1[BLOCK..3 * BLOCK].to_vec();
    let bytes = &mut stale.files[last].1;
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .unwrap()
        .next_multiple_of(BLOCK);
    if end + old.len() < bytes.len() {
        bytes[end..end + old.len()].copy_from_slice(&old);
    }
    assert_eq!(operated(&stale, "stale groups behind the end"), Some(all));
}
