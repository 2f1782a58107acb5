//! A hash index from a 32-bit tag to a 32-bit number that the owner gives meaning to.
//!
//! Must never: influence the order of anything that leaves the engine.

use crate::hash::IndexKey;
use alloc::vec;
use alloc::vec::Vec;

const TABLE_FIRST_LEN: usize = 16;

/// Numbers found by tag: open addressing, linear probing, deletion by shifting back.
///
/// An entry is `tag * 2^32 + number + 1`; 0 is an empty place.
#[derive(Debug)]
pub(crate) struct HashIndex {
    table: Vec<u64>,
    len: usize,
    key: IndexKey,
}

#[inline]
const fn entry(tag: u32, number: u32) -> u64 {
    (tag as u64) << 32 | (number as u64 + 1)
}

impl HashIndex {
    pub(crate) const fn new(key: IndexKey) -> Self {
        Self {
            table: Vec::new(),
            len: 0,
            key,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Where the search for an entry begins.
    #[inline]
    fn home(&self, entry: u64) -> usize {
        self.key.spread((entry >> 32) as u32) & (self.table.len() - 1)
    }

    /// The number with this tag for which `is` holds.
    #[inline]
    pub(crate) fn find(&self, tag: u32, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.table.is_empty() {
            return None;
        }
        let mask = self.table.len() - 1;
        let mut place = self.home(entry(tag, 0));
        loop {
            let found = self.table[place & mask];
            if found == 0 {
                return None;
            }
            if (found >> 32) as u32 == tag {
                let number = (found as u32).wrapping_sub(1);
                if is(number) {
                    return Some(number);
                }
            }
            place += 1;
        }
    }

    /// Adds a number that is not in the index.
    #[inline]
    pub(crate) fn insert(&mut self, tag: u32, number: u32) {
        if (self.len + 1) * 2 > self.table.len() {
            self.grow();
        }
        self.len += 1;
        self.put(entry(tag, number));
    }

    #[inline]
    fn put(&mut self, new: u64) {
        let mask = self.table.len() - 1;
        let mut place = self.home(new);
        while self.table[place & mask] != 0 {
            place += 1;
        }
        self.table[place & mask] = new;
    }

    #[cold]
    fn grow(&mut self) {
        let len = (self.table.len() * 2).max(TABLE_FIRST_LEN);
        for old in core::mem::replace(&mut self.table, vec![0; len]) {
            if old != 0 {
                self.put(old);
            }
        }
    }

    /// Takes out a number that is in the index with this tag.
    #[inline]
    pub(crate) fn remove(&mut self, tag: u32, number: u32) {
        let mask = self.table.len() - 1;
        let mut hole = self.home(entry(tag, number));
        while self.table[hole] != entry(tag, number) {
            assert!(self.table[hole] != 0, "what is removed is in the index");
            hole = (hole + 1) & mask;
        }
        let mut place = hole;
        loop {
            place = (place + 1) & mask;
            let moved = self.table[place];
            if moved == 0 {
                break;
            }
            let from_home = place.wrapping_sub(self.home(moved)) & mask;
            let from_hole = place.wrapping_sub(hole) & mask;
            if from_home >= from_hole {
                self.table[hole] = moved;
                hole = place;
            }
        }
        self.table[hole] = 0;
        self.len -= 1;
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.table.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    /// Whatever the tags, the index holds what a map holds.
    fn check(tag_of: impl Fn(u32) -> u32, rounds: u32) {
        let mut index = HashIndex::new(IndexKey::new(5));
        let mut map = BTreeMap::new();
        let mut random = 1u64;
        for _ in 0..rounds {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let number = (random >> 40) as u32 % 5000;
            if map.remove(&number).is_some() {
                index.remove(tag_of(number), number);
            } else {
                map.insert(number, ());
                index.insert(tag_of(number), number);
            }
            let asked = (random >> 20) as u32 % 5000;
            let found = index.find(tag_of(asked), |number| number == asked);
            assert_eq!(found.is_some(), map.contains_key(&asked));
            assert_eq!(index.len(), map.len());
        }
        for number in 0..5000 {
            let found = index.find(tag_of(number), |found| found == number);
            assert_eq!(found.is_some(), map.contains_key(&number));
        }
    }

    #[test]
    fn it_holds_what_was_put_in_and_not_what_was_taken_out() {
        check(|number| number.wrapping_mul(0x9e37_79b1), 200_000);
    }

    #[test]
    fn it_holds_although_many_tags_are_equal() {
        check(|number| number % 64, 3_000);
        check(|number| u32::MAX - number % 7, 3_000);
    }

    #[test]
    fn the_highest_number_is_kept() {
        let mut index = HashIndex::new(IndexKey::new(5));
        index.insert(u32::MAX, u32::MAX - 1);
        assert_eq!(index.find(u32::MAX, |_| true), Some(u32::MAX - 1));
    }
}
