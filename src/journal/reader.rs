//! Reads a recording from its beginning, record by record, and says what is wrong with it and where.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use souk_protocol::{MarketId, TenantId};
use twox_hash::XxHash64;

use super::chain::{RECORD_PREFIX_LEN, length, verify};
use super::record::{Body, Damage, StreamRecord, u64_at};
use crate::storage;

/// The first bytes of a recording.
const MAGIC: [u8; 8] = *b"SOUKREC\0";
/// The version of the layout.
const VERSION: u32 = 1;
/// Bytes of a record after which its length can be trusted.
const LENGTHS_LEN: usize = 8;
/// Bytes before the first record.
pub const FILE_HEADER_LEN: usize = 40;

/// What a recording says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// The cluster of the node.
    pub cluster_id: u64,
    /// When it began, nanoseconds since 1970-01-01 UTC.
    pub begun: u64,
}

impl FileHeader {
    /// Its bytes, and the checksum that the first record's begins with.
    #[must_use]
    pub fn write(&self) -> ([u8; FILE_HEADER_LEN], u64) {
        let mut bytes = [0; FILE_HEADER_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&(FILE_HEADER_LEN as u32).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.cluster_id.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.begun.to_le_bytes());
        let checksum = XxHash64::oneshot(0, &bytes[..32]);
        bytes[32..].copy_from_slice(&checksum.to_le_bytes());
        (bytes, checksum)
    }

    fn read(bytes: &[u8; FILE_HEADER_LEN]) -> Result<(Self, u64), Problem> {
        if bytes[..8] != MAGIC {
            return Err(Problem::NotARecording);
        }
        let header = Self {
            cluster_id: u64_at(bytes, 16),
            begun: u64_at(bytes, 24),
        };
        let (found, computed) = (u64_at(bytes, 32), XxHash64::oneshot(0, &bytes[..32]));
        if found != computed {
            return Err(Damage::Checksum { found, computed }.into());
        }
        // The length is the version's.
        let (written, _) = header.write();
        if *bytes != written {
            return Err(Problem::Version(u64_at(bytes, 8) as u32));
        }
        Ok((header, found))
    }
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The system cannot read it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It does not begin like a recording.
    #[error("this is no recording of Souk")]
    NotARecording,
    /// Another version wrote it.
    #[error("it is of version {0}; this program reads version {VERSION}")]
    Version(u32),
    /// It is not what was written.
    #[error(transparent)]
    Damage(#[from] Damage),
}

/// What is wrong with a recording, and where.
#[derive(Debug, thiserror::Error)]
#[error("{}: byte {offset}, record {number} ({}): {problem}", file.display(), after(*after_record))]
pub struct ReadError {
    /// The file.
    pub file: PathBuf,
    /// Where the record begins.
    pub offset: u64,
    /// The record's number in the file, from 1; 0 for the file's header.
    pub number: u64,
    /// The record before it: tenant, market and number in its stream.
    pub after_record: Option<(TenantId, MarketId, u64)>,
    /// What is wrong.
    pub problem: Problem,
}

fn after(record: Option<(TenantId, MarketId, u64)>) -> String {
    match record {
        Some((tenant, market, seq)) => {
            format!("after tenant {tenant}, market {market}, stream_seq {seq}")
        }
        None => "nothing before it".to_owned(),
    }
}

/// How a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its last record.
    Complete,
    /// After a whole record that is not the last: the node was stopped hard.
    Stopped,
    /// Within a record: the bytes that are left of it, and where it begins.
    Cut {
        /// Where the record begins.
        offset: u64,
        /// Bytes there are of it.
        bytes: usize,
    },
}

/// Reads records in order.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    file: PathBuf,
    header: FileHeader,
    checksum: u64,
    offset: u64,
    number: u64,
    last: Option<(TenantId, MarketId, u64)>,
    ended: bool,
    ending: Ending,
    buffer: Vec<u8>,
}

impl Reader<Box<dyn Read>> {
    /// Opens a recording.
    ///
    /// # Errors
    /// What is wrong with the file or its header.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let source = storage::open(path).map_err(|error| ReadError {
            file: path.to_owned(),
            offset: 0,
            number: 0,
            after_record: None,
            problem: error.into(),
        })?;
        Self::new(Box::new(source), path)
    }
}

impl<R: Read> Reader<R> {
    /// Reads from `source`, which errors call `path`.
    ///
    /// # Errors
    /// What is wrong with the header.
    pub fn new(mut source: R, path: &Path) -> Result<Self, ReadError> {
        let mut bytes = [0; FILE_HEADER_LEN];
        let header = fill(&mut source, &mut bytes)
            .map_err(Problem::from)
            .and_then(|filled| match filled {
                FILE_HEADER_LEN => FileHeader::read(&bytes),
                _ => Err(Problem::NotARecording),
            });
        let (header, checksum) = header.map_err(|problem| ReadError {
            file: path.to_owned(),
            offset: 0,
            number: 0,
            after_record: None,
            problem,
        })?;
        Ok(Self {
            source,
            file: path.to_owned(),
            header,
            checksum,
            offset: FILE_HEADER_LEN as u64,
            number: 0,
            last: None,
            ended: false,
            ending: Ending::Stopped,
            buffer: Vec::new(),
        })
    }

    /// What the file says of itself.
    #[must_use]
    pub const fn header(&self) -> FileHeader {
        self.header
    }

    /// How the recording ends, once [`Self::next_record`] gave nothing.
    #[must_use]
    pub const fn ending(&self) -> Ending {
        self.ending
    }

    /// Records read so far.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.number
    }

    /// The next record; nothing at the end, wherever that is.
    ///
    /// # Errors
    /// What is wrong with the record.
    pub fn next_record(&mut self) -> Result<Option<StreamRecord>, ReadError> {
        self.read().map_err(|problem| ReadError {
            file: self.file.clone(),
            offset: self.offset,
            number: self.number + 1,
            after_record: self.last,
            problem,
        })
    }

    fn read(&mut self) -> Result<Option<StreamRecord>, Problem> {
        let mut prefix = [0; RECORD_PREFIX_LEN];
        let filled = fill(&mut self.source, &mut prefix)?;
        if filled == 0 {
            return Ok(None);
        }
        if self.ended {
            return Err(Damage::AfterEnd.into());
        }
        if filled < LENGTHS_LEN {
            return self.cut(filled);
        }
        let len = length(&prefix)?;
        if filled < RECORD_PREFIX_LEN {
            return self.cut(filled);
        }
        self.buffer.clear();
        self.buffer.extend_from_slice(&prefix);
        self.buffer.resize(len, 0);
        let filled = fill(&mut self.source, &mut self.buffer[RECORD_PREFIX_LEN..])?;
        if RECORD_PREFIX_LEN + filled < len {
            return self.cut(RECORD_PREFIX_LEN + filled);
        }
        let checksum = verify(&self.buffer, self.checksum)?;
        let read = StreamRecord::read(&self.buffer)?;
        self.checksum = checksum;
        self.offset += len as u64;
        self.number += 1;
        self.last = Some((read.tenant, read.market, read.stream_seq));
        if matches!(read.body, Body::End { .. }) {
            (self.ended, self.ending) = (true, Ending::Complete);
        }
        Ok(Some(read))
    }

    /// The file ends here.
    const fn cut(&mut self, bytes: usize) -> Result<Option<StreamRecord>, Problem> {
        self.ending = Ending::Cut {
            offset: self.offset,
            bytes,
        };
        Ok(None)
    }
}

/// Fills `bytes` as far as the source goes.
fn fill(source: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match source.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
