//! A file of state: numbers and blocks one after another, in chunks that are checked before anything is made of them.
//!
//! | at | type | chunk |
//! |---|---|---|
//! | 0, 4 | u32, u32 | bytes in it, 0 for the last; the same inverted |
//! | 8 | u64 | XXH64 of the bytes, seeded with the checksum before: of the header for the first |
//! | 16 | | the bytes |
//!
//! Nothing is behind the last chunk.
//!
//! Must never: give a byte that was not checked.

use std::io;
use std::path::{Path, PathBuf};

use souk_engine::{GivesBytes, StateError, TakesBytes};
use souk_protocol::{Block, FieldError, RejectReason};
use twox_hash::XxHash64;

use super::disk::DiskFile;

/// Bytes of a chunk before its content.
const CHUNK_HEADER_LEN: usize = 16;
/// Content of a chunk.
const CHUNK_LEN: usize = 1 << 20;

/// Why a file of state cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateFileError {
    /// The system cannot read it.
    #[error("{}: {error}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A chunk is not what was written.
    #[error("{}: byte {offset}: the chunk is damaged or cut off", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where the chunk begins.
        offset: u64,
    },
    /// The content is not what it should be.
    #[error("{}: before byte {offset}: {what} is {found}", file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// Where the chunk after it begins.
        offset: u64,
        /// Of what.
        what: &'static str,
        /// What stands there.
        found: u64,
    },
    /// A word or a block has no meaning.
    #[error("{}: before byte {offset}: {reason}", file.display())]
    Refused {
        /// The file.
        file: PathBuf,
        /// Where the chunk after it begins.
        offset: u64,
        /// Why.
        reason: RejectReason,
    },
    /// A market's state breaks a rule.
    #[error("{}: before byte {offset}: {error}", file.display())]
    Market {
        /// The file.
        file: PathBuf,
        /// Where the chunk after it begins.
        offset: u64,
        /// Which.
        error: String,
    },
}

/// Writes state to a file. What goes wrong is told at the end.
#[derive(Debug)]
pub struct StateWriter {
    /// Nothing where only the checksum is wanted.
    file: Option<Box<dyn DiskFile>>,
    at: u64,
    checksum: u64,
    chunk: Vec<u8>,
    failed: Option<io::Error>,
}

impl StateWriter {
    /// Writes to `file` from `at` on. `checksum` is that of what is before.
    #[must_use]
    pub fn new(file: Box<dyn DiskFile>, at: u64, checksum: u64) -> Self {
        Self {
            file: Some(file),
            at,
            checksum,
            chunk: vec![0; CHUNK_HEADER_LEN],
            failed: None,
        }
    }

    /// Writes to nowhere, for [`Self::checksum`].
    #[must_use]
    pub fn to_nowhere() -> Self {
        Self {
            file: None,
            at: 0,
            checksum: 0,
            chunk: vec![0; CHUNK_HEADER_LEN],
            failed: None,
        }
    }

    /// The checksum of all that was written.
    #[must_use]
    pub fn checksum(mut self) -> u64 {
        self.end_chunk();
        self.checksum
    }

    /// A number.
    pub fn u8(&mut self, number: u8) {
        self.take(&[number]);
    }

    /// A number.
    pub fn u16(&mut self, number: u16) {
        self.take(&number.to_le_bytes());
    }

    /// A number.
    pub fn u32(&mut self, number: u32) {
        self.take(&number.to_le_bytes());
    }

    /// A number.
    pub fn u64(&mut self, number: u64) {
        self.take(&number.to_le_bytes());
    }

    /// A block of the wire.
    pub fn block<B: Block>(&mut self, block: &B) {
        let mut bytes = [0; 256];
        let bytes = &mut bytes[..B::LEN];
        block.write(bytes);
        self.take(bytes);
    }

    /// Ends the file and makes it durable. Gives its length.
    ///
    /// # Errors
    /// What the system said, the first time.
    pub fn finish(mut self) -> io::Result<u64> {
        if self.chunk.len() > CHUNK_HEADER_LEN {
            self.end_chunk();
        }
        // An empty one is the last.
        self.end_chunk();
        match (self.failed, self.file) {
            (Some(error), _) => Err(error),
            (None, Some(mut file)) => file.sync().map(|()| self.at),
            (None, None) => Ok(self.at),
        }
    }

    fn end_chunk(&mut self) {
        let (header, content) = self.chunk.split_at_mut(CHUNK_HEADER_LEN);
        let len = content.len() as u32;
        self.checksum = XxHash64::oneshot(self.checksum, content);
        header[..4].copy_from_slice(&len.to_le_bytes());
        header[4..8].copy_from_slice(&(!len).to_le_bytes());
        header[8..].copy_from_slice(&self.checksum.to_le_bytes());
        if self.failed.is_none()
            && let Some(file) = &mut self.file
            && let Err(error) = file.write_at(&self.chunk, self.at)
        {
            self.failed = Some(error);
        }
        self.at += self.chunk.len() as u64;
        self.chunk.truncate(CHUNK_HEADER_LEN);
    }
}

impl TakesBytes for StateWriter {
    #[inline]
    fn take(&mut self, bytes: &[u8]) {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK_LEN {
            self.end_chunk();
        }
    }
}

/// Reads what a [`StateWriter`] wrote.
#[derive(Debug)]
pub struct StateReader {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    at: u64,
    checksum: u64,
    chunk: Vec<u8>,
    taken: usize,
    ended: bool,
}

impl StateReader {
    /// Reads `file`, which errors call `path`, from `at` on. `checksum` is that of what is before.
    #[must_use]
    pub fn new(file: Box<dyn DiskFile>, path: &Path, at: u64, checksum: u64) -> Self {
        Self {
            file,
            path: path.to_owned(),
            at,
            checksum,
            chunk: Vec::new(),
            taken: 0,
            ended: false,
        }
    }

    /// A number.
    ///
    /// # Errors
    /// When there is none; so all others.
    pub fn u8(&mut self) -> Result<u8, StateFileError> {
        self.bytes::<1>().map(|[number]| number)
    }

    /// A number.
    ///
    /// # Errors
    /// When there is none.
    pub fn u16(&mut self) -> Result<u16, StateFileError> {
        self.bytes().map(u16::from_le_bytes)
    }

    /// A number.
    ///
    /// # Errors
    /// When there is none.
    pub fn u32(&mut self) -> Result<u32, StateFileError> {
        self.bytes().map(u32::from_le_bytes)
    }

    /// A number.
    ///
    /// # Errors
    /// When there is none.
    pub fn u64(&mut self) -> Result<u64, StateFileError> {
        self.bytes().map(u64::from_le_bytes)
    }

    /// A number that is counted on from: one that would ever run out is refused.
    ///
    /// # Errors
    /// When there is none, or it is 2^62 or more.
    pub fn sequence(&mut self) -> Result<u64, StateFileError> {
        match self.u64()? {
            number if number >> 62 == 0 => Ok(number),
            number => Err(self.content("a number that is counted on from", number)),
        }
    }

    /// Bytes.
    ///
    /// # Errors
    /// When there are not as many.
    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N], StateFileError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// A word.
    ///
    /// # Errors
    /// When it has no meaning.
    pub fn word<T: TryFrom<u8, Error = RejectReason>>(&mut self) -> Result<T, StateFileError> {
        let number = self.u8()?;
        T::try_from(number).map_err(|reason| self.refused(reason))
    }

    /// A block of the wire.
    ///
    /// # Errors
    /// When a field breaks a rule.
    pub fn block<B: Block>(&mut self) -> Result<B, StateFileError> {
        let mut bytes = [0; 256];
        let bytes = &mut bytes[..B::LEN];
        self.fill(bytes)?;
        B::read(bytes, 0).map_err(|FieldError { reason, .. }| self.refused(reason))
    }

    /// That something is not what it should be.
    #[must_use]
    pub fn content(&self, what: &'static str, found: u64) -> StateFileError {
        StateFileError::Content {
            file: self.path.clone(),
            offset: self.at,
            what,
            found,
        }
    }

    /// That something breaks a rule.
    #[must_use]
    pub fn refused(&self, reason: RejectReason) -> StateFileError {
        StateFileError::Refused {
            file: self.path.clone(),
            offset: self.at,
            reason,
        }
    }

    /// That a market's state is not one.
    #[must_use]
    pub fn market(&self, error: StateError<StateFileError>) -> StateFileError {
        match error {
            StateError::Source(error) => error,
            error => StateFileError::Market {
                file: self.path.clone(),
                offset: self.at,
                error: error.to_string(),
            },
        }
    }

    /// Bytes that can be had without reading on.
    #[must_use]
    pub const fn at_hand(&self) -> usize {
        self.chunk.len() - self.taken
    }

    /// Takes what can be had without reading on, and looks at none of it.
    pub const fn pass(&mut self) {
        self.taken = self.chunk.len();
    }

    /// Whether everything was taken.
    ///
    /// # Errors
    /// When it cannot be told, because the next chunk cannot be read.
    pub fn is_at_end(&mut self) -> Result<bool, StateFileError> {
        if self.at_hand() == 0 && !self.ended {
            self.next_chunk()?;
        }
        Ok(self.at_hand() == 0 && self.ended)
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// When something is.
    pub fn finish(mut self) -> Result<(), StateFileError> {
        if self.is_at_end()? {
            return Ok(());
        }
        let left = self.at_hand() as u64;
        Err(self.content("the number of bytes after the end", left))
    }

    fn next_chunk(&mut self) -> Result<(), StateFileError> {
        let damaged = || StateFileError::Damaged {
            file: self.path.clone(),
            offset: self.at,
        };
        let io = |error| StateFileError::Io {
            file: self.path.clone(),
            error,
        };
        let mut header = [0; CHUNK_HEADER_LEN];
        let read = self.file.read_at(&mut header, self.at).map_err(io)?;
        let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| header[at + i]));
        let (len, inverted) = (number(0), number(4));
        // A chunk is closed by what is taken at once, which is short.
        if read < CHUNK_HEADER_LEN || len != !inverted || len as usize > 2 * CHUNK_LEN {
            return Err(damaged());
        }
        self.chunk.resize(len as usize, 0);
        let from = self.at + CHUNK_HEADER_LEN as u64;
        let read = self.file.read_at(&mut self.chunk, from).map_err(io)?;
        let checksum = XxHash64::oneshot(self.checksum, &self.chunk);
        let written = u64::from_le_bytes(std::array::from_fn(|i| header[8 + i]));
        if read < self.chunk.len() || checksum != written {
            return Err(damaged());
        }
        self.ended = len == 0;
        self.at = from + u64::from(len);
        (self.checksum, self.taken) = (checksum, 0);
        if self.ended {
            self.check_length()?;
        }
        Ok(())
    }

    /// Nothing is behind the last chunk.
    fn check_length(&self) -> Result<(), StateFileError> {
        let length = self.file.length().map_err(|error| StateFileError::Io {
            file: self.path.clone(),
            error,
        })?;
        match length.checked_sub(self.at) {
            Some(0) | None => Ok(()),
            Some(more) => Err(self.content("the number of bytes behind the last chunk", more)),
        }
    }
}

impl GivesBytes for StateReader {
    type Error = StateFileError;

    #[inline]
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), StateFileError> {
        if let Some(given) = self.chunk.get(self.taken..self.taken + bytes.len()) {
            bytes.copy_from_slice(given);
            self.taken += bytes.len();
            return Ok(());
        }
        self.fill_over_chunks(bytes)
    }
}

impl StateReader {
    #[cold]
    fn fill_over_chunks(&mut self, bytes: &mut [u8]) -> Result<(), StateFileError> {
        let mut filled = 0;
        while filled < bytes.len() {
            if self.taken == self.chunk.len() {
                if self.ended {
                    return Err(self.content("the number of bytes that are missing", 1));
                }
                self.next_chunk()?;
                continue;
            }
            let count = (bytes.len() - filled).min(self.chunk.len() - self.taken);
            bytes[filled..filled + count].copy_from_slice(&self.chunk[self.taken..][..count]);
            filled += count;
            self.taken += count;
        }
        Ok(())
    }
}
