//! A shared vector that only grows: readers need no lock, and what it holds never moves.
//!
//! Must never: give memory back, or move an element.

use std::sync::OnceLock;

/// Elements 0, 1, 2 ... in chunks of `LEN`. Elements of a chunk that exists are all there, as
/// their `Default`; whoever hands out indexes says which of them mean something.
pub(super) struct Chunks<T, const LEN: usize> {
    chunks: Box<[OnceLock<Box<[T; LEN]>>]>,
}

impl<T: Default, const LEN: usize> Chunks<T, LEN> {
    /// No elements yet, and room for `chunks_max * LEN` of them.
    pub(super) fn new(chunks_max: usize) -> Self {
        const { assert!(LEN.is_power_of_two(), "places are taken by mask") };
        Self {
            chunks: (0..chunks_max).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Makes sure that the element exists.
    pub(super) fn reach(&self, index: u32) {
        let number = index as usize / LEN;
        assert!(number < self.chunks.len(), "there is room for it: {index}");
        self.chunks[number].get_or_init(|| {
            let elements: Vec<T> = (0..LEN).map(|_| T::default()).collect();
            let chunk: Result<Box<[T; LEN]>, _> = elements.into_boxed_slice().try_into();
            chunk.unwrap_or_else(|_| unreachable!("a chunk has LEN elements"))
        });
    }

    /// The element, which must have been reached.
    #[inline]
    pub(super) fn get(&self, index: u32) -> &T {
        let index = index as usize;
        match self.chunks.get(index / LEN).and_then(OnceLock::get) {
            Some(chunk) => &chunk[index % LEN],
            None => never_given(index),
        }
    }
}

#[cold]
#[inline(never)]
fn never_given(index: usize) -> ! {
    panic!("an index comes from the ledger that it is used with: {index}");
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn elements_keep_their_place_while_it_grows() {
        let chunks = Chunks::<AtomicU32, 8>::new(100);
        let mut places = Vec::new();
        for index in 0..800 {
            chunks.reach(index);
            chunks.get(index).store(index, Ordering::Relaxed);
            places.push(std::ptr::from_ref(chunks.get(index)));
        }
        for index in 0..800 {
            assert_eq!(chunks.get(index).load(Ordering::Relaxed), index);
            assert_eq!(
                std::ptr::from_ref(chunks.get(index)),
                places[index as usize]
            );
        }
    }

    #[test]
    #[should_panic(expected = "comes from the ledger")]
    fn an_index_that_was_not_reached_is_a_bug() {
        let chunks = Chunks::<AtomicU32, 8>::new(4);
        chunks.reach(0);
        chunks.get(8);
    }

    #[test]
    #[should_panic(expected = "there is room")]
    fn it_has_an_end() {
        Chunks::<AtomicU32, 8>::new(4).reach(32);
    }
}
