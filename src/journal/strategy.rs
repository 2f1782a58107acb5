//! Which way to make groups durable is the fastest on this disk: measured, not believed.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::segment;
use crate::clock;
use crate::storage::{AlignedBuffer, BLOCK, CommitStrategy, Disk, DiskFile};

/// Writes of each strategy. They take turns, so that all see the same noise.
const ROUNDS: usize = 24;
/// The number of the file that is written to: no journal comes that far.
const SCRATCH: u64 = u64::MAX;

/// What a write of one block and its sync took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The way.
    pub strategy: CommitStrategy,
    /// The median.
    pub median: Duration,
}

/// Measures all strategies that the folder's file system takes, the fastest first.
///
/// # Errors
/// When none works.
pub fn measure(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<Measured>> {
    let path = segment::path(folder, SCRATCH);
    // Left behind by a process that was killed just here.
    let _ = disk.remove(&path);
    let len = (ROUNDS * CommitStrategy::ALL.len() * BLOCK) as u64;
    drop(segment::make(
        disk,
        folder,
        SCRATCH,
        len,
        CommitStrategy::Fdatasync,
    )?);
    let measured = measure_on(disk, &path);
    disk.remove(&path)?;
    let mut measured = measured?;
    measured.sort_by_key(|measured| measured.median);
    Ok(measured)
}

fn measure_on(disk: &dyn Disk, path: &Path) -> io::Result<Vec<Measured>> {
    let mut block = AlignedBuffer::default();
    block.reset(BLOCK).fill(0x5a);
    let mut files = Vec::new();
    let mut refused = None;
    for strategy in CommitStrategy::ALL {
        // Direct I/O is not for every file system.
        match disk.open(path, strategy) {
            Ok(file) => files.push((strategy, file, Vec::new())),
            Err(error) => refused = Some(error),
        }
    }
    let mut at = 0;
    for _ in 0..ROUNDS {
        for (_, file, times) in &mut files {
            match timed(file.as_mut(), block.bytes(), at) {
                Ok(time) => times.push(time),
                Err(error) => refused = Some(error),
            }
            at += BLOCK as u64;
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        (times.len() == ROUNDS).then(|| times[ROUNDS / 2])
    };
    let measured: Vec<_> = files
        .into_iter()
        .filter_map(|(strategy, _, mut times)| {
            let median = median(&mut times)?;
            Some(Measured { strategy, median })
        })
        .collect();
    match refused {
        Some(error) if measured.is_empty() => Err(error),
        _ => Ok(measured),
    }
}

fn timed(file: &mut dyn DiskFile, block: &[u8], at: u64) -> io::Result<Duration> {
    let begun = clock::monotonic();
    file.write_at(block, at)?;
    file.sync()?;
    Ok(clock::monotonic() - begun)
}
