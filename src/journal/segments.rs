//! Where a journal's groups go on the disk at hand: one segment file after another, the next one made before it is needed.
//!
//! Must never: ask for a failed sync again.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::group::{ChainEnd, GROUP_HEADER_LEN, blocks_of, seal};
use super::segment::{self, SegmentHead};
use super::writer::{GroupStore, JournalError};
use crate::clock;
use crate::storage::{AlignedBuffer, BLOCK, CommitStrategy, Disk, DiskFile};

/// Where and how a journal is written.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// The folder of the segments.
    pub folder: PathBuf,
    /// The cluster of the node.
    pub cluster_id: u64,
    /// Bytes of a segment, a multiple of [`BLOCK`].
    pub segment_bytes: u64,
    /// How groups come to be durable.
    pub strategy: CommitStrategy,
}

/// The segments of a journal that is written.
#[derive(Debug)]
pub struct Segments {
    options: JournalOptions,
    open: OpenSegment,
    end: ChainEnd,
    buffer: AlignedBuffer,
    maker: Option<Maker>,
}

#[derive(Debug)]
struct OpenSegment {
    number: u64,
    file: Box<dyn DiskFile>,
    /// Where the next group goes; 0 while the header is not written.
    at: u64,
}

/// A thread that makes segments. It ends when nobody takes from it any more.
#[derive(Debug)]
struct Maker {
    prepared: Receiver<Prepared>,
    thread: JoinHandle<()>,
}

type Prepared = std::io::Result<(u64, Box<dyn DiskFile>)>;

impl Segments {
    /// Goes on at `end` in a new segment `first`.
    ///
    /// # Errors
    /// When the segment, or the thread that makes the later ones, cannot be made.
    pub fn begin(
        disk: Arc<dyn Disk>,
        options: JournalOptions,
        first: u64,
        end: ChainEnd,
    ) -> Result<Self, JournalError> {
        let begun = segment::make(
            disk.as_ref(),
            &options.folder,
            first,
            options.segment_bytes,
            options.strategy,
        )
        .and_then(|file| Ok((file, Maker::start(disk, &options, first + 1)?)));
        let (file, maker) = begun.map_err(|error| no_segment(&options, &error))?;
        Ok(Self {
            options,
            open: OpenSegment {
                number: first,
                file,
                at: 0,
            },
            end,
            buffer: AlignedBuffer::default(),
            maker: Some(maker),
        })
    }

    fn next(&mut self) -> Result<(), JournalError> {
        let made = self.maker.as_ref().map(|maker| maker.prepared.recv());
        let made = made.and_then(Result::ok).unwrap_or_else(|| {
            let ended = "the thread that makes segments ended";
            Err(std::io::Error::other(ended))
        });
        let (number, file) = made.map_err(|error| no_segment(&self.options, &error))?;
        self.open = OpenSegment {
            number,
            file,
            at: 0,
        };
        Ok(())
    }
}

impl GroupStore for Segments {
    /// Half a segment, so that any group of several batches fits one. A longer batch makes its segment longer.
    fn batches_len_max(&self) -> usize {
        (self.options.segment_bytes / 2) as usize
    }

    fn write(&mut self, batches: &[u8], count: u32) -> Result<usize, JournalError> {
        let len = GROUP_HEADER_LEN + batches.len();
        let blocks = blocks_of(len);
        if self.open.at > 0 && self.open.at + blocks as u64 > self.options.segment_bytes {
            self.next()?;
        }
        let head = if self.open.at == 0 { BLOCK } else { 0 };
        let out = self.buffer.reset(head + blocks);
        if head > 0 {
            let segment = SegmentHead {
                cluster_id: self.options.cluster_id,
                number: self.open.number,
                start: self.end,
                begun: clock::wall_ns(),
            };
            segment.write(&mut out[..BLOCK]);
        }
        let group = &mut out[head..head + len];
        group[GROUP_HEADER_LEN..].copy_from_slice(batches);
        let checksum = seal(group, self.end, count);
        let OpenSegment { number, file, at } = &mut self.open;
        let written = file.write_at(self.buffer.bytes(), *at);
        written
            .and_then(|()| file.sync())
            .map_err(|error| JournalError::Write {
                file: segment::path(&self.options.folder, *number),
                error: error.to_string(),
            })?;
        *at += (head + blocks) as u64;
        self.end = self.end.after(count, checksum);
        Ok(len)
    }
}

impl Drop for Segments {
    /// Waits for the maker: what it is writing must not go on when the data directory is given back.
    fn drop(&mut self) {
        if let Some(Maker { prepared, thread }) = self.maker.take() {
            drop(prepared);
            let _ = thread.join();
        }
    }
}

impl Maker {
    fn start(disk: Arc<dyn Disk>, options: &JournalOptions, first: u64) -> std::io::Result<Self> {
        let (made, prepared) = bounded(0);
        let options = options.clone();
        let maker = std::thread::Builder::new().name("souk-segments".to_owned());
        let thread = maker.spawn(move || make_segments(disk.as_ref(), &options, first, &made))?;
        Ok(Self { prepared, thread })
    }
}

fn no_segment(options: &JournalOptions, error: &std::io::Error) -> JournalError {
    JournalError::Segment {
        folder: options.folder.clone(),
        error: error.to_string(),
    }
}

/// Makes one segment after another, each before it is needed.
fn make_segments(disk: &dyn Disk, options: &JournalOptions, first: u64, made: &Sender<Prepared>) {
    for number in first.. {
        let file = segment::make(
            disk,
            &options.folder,
            number,
            options.segment_bytes,
            options.strategy,
        );
        let failed = file.is_err();
        let made = made.send(file.map(|file| (number, file)));
        if failed || made.is_err() {
            return;
        }
    }
}
