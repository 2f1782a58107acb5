//! A file that is in memory only: state on its way to or from a place that is no disk.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::DiskFile;

/// Bytes that can be written and read like a file. Clones are the same file.
#[derive(Clone, Debug, Default)]
pub struct MemoryFile {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl MemoryFile {
    /// A file with content.
    #[must_use]
    pub fn with(bytes: Vec<u8>) -> Self {
        Self {
            bytes: Arc::new(Mutex::new(bytes)),
        }
    }

    /// Takes its content out.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskFile for MemoryFile {
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        let (mut all, at) = (self.lock(), at as usize);
        let end = at + bytes.len();
        if all.len() < end {
            all.resize(end, 0);
        }
        all[at..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        let all = self.lock();
        let rest = all.get(at as usize..).unwrap_or_default();
        let count = rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.lock().len() as u64)
    }
}
