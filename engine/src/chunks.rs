//! A vector that grows without moving what it holds, so that growing at ten million elements
//! costs one command no more than growing at a few thousand.
//!
//! Must never: shrink, or move an element once there are more than [`CHUNK_LEN`] of them.

use alloc::vec::Vec;

const CHUNK_BITS: u32 = 13;

/// Elements per chunk. The first chunk grows by doubling (a small market pays for what it holds)
/// and is the only one that is ever copied: at most half of it at a time.
pub(crate) const CHUNK_LEN: usize = 1 << CHUNK_BITS;

const CHUNK_FIRST_LEN: usize = 8;

/// Elements 0, 1, 2 ... in chunks of equal length.
#[derive(Debug)]
pub(crate) struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    len: u32,
}

impl<T: Copy> Chunks<T> {
    pub(crate) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            len: 0,
        }
    }

    #[inline]
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Adds an element at index `len`.
    #[inline]
    pub(crate) fn push(&mut self, element: T) {
        if (self.len as usize).is_multiple_of(CHUNK_LEN) {
            let capacity = if self.len == 0 {
                CHUNK_FIRST_LEN
            } else {
                CHUNK_LEN
            };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        let last = self.chunks.len() - 1;
        self.chunks[last].push(element);
        self.len += 1;
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.chunks
            .get((index >> CHUNK_BITS) as usize)?
            .get(index as usize % CHUNK_LEN)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let elements: usize = self.chunks.iter().map(Vec::capacity).sum();
        elements * size_of::<T>() + self.chunks.capacity() * size_of::<Vec<T>>()
    }
}

impl<T> core::ops::Index<u32> for Chunks<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.chunks[(index >> CHUNK_BITS) as usize][index as usize % CHUNK_LEN]
    }
}

impl<T> core::ops::IndexMut<u32> for Chunks<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.chunks[(index >> CHUNK_BITS) as usize][index as usize % CHUNK_LEN]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_keep_their_index_and_their_place_across_chunks() {
        let mut chunks = Chunks::new();
        let count = 3 * CHUNK_LEN as u32 + 5;
        let mut places = Vec::new();
        for index in 0..count {
            chunks.push(u64::from(index));
            if index as usize >= CHUNK_LEN {
                places.push(&raw const chunks[index]);
            }
        }
        assert_eq!(chunks.len(), count);
        for index in 0..count {
            assert_eq!(chunks[index], u64::from(index));
        }
        for (index, &place) in (CHUNK_LEN as u32..count).zip(&places) {
            assert_eq!(place, &raw const chunks[index]);
        }
        assert_eq!(chunks.get(count), None);
        assert_eq!(chunks.get(u32::MAX), None);
    }

    #[test]
    fn an_empty_one_holds_no_memory() {
        assert_eq!(Chunks::<u64>::new().memory_bytes(), 0);
    }
}
