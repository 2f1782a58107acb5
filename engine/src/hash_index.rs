//! A hash index from a 32-bit hash to a 32-bit number that the owner gives meaning to.
//!
//! Must never: influence the order of anything that leaves the engine.

use alloc::vec;
use alloc::vec::Vec;

const TABLE_FIRST_LEN: usize = 16;

/// Numbers found by hash: open addressing, linear probing, deletion by shifting back.
///
/// An entry is `hash * 2^32 + number + 1`; 0 is an empty place.
#[derive(Debug)]
pub(crate) struct HashIndex {
    table: Vec<u64>,
    len: usize,
}

#[inline]
const fn entry(hash: u32, number: u32) -> u64 {
    (hash as u64) << 32 | (number as u64 + 1)
}

impl HashIndex {
    pub(crate) const fn new() -> Self {
        Self {
            table: Vec::new(),
            len: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The number with this hash for which `is` holds.
    #[inline]
    pub(crate) fn find(&self, hash: u32, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.table.is_empty() {
            return None;
        }
        let mask = self.table.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let found = self.table[place];
            if found == 0 {
                return None;
            }
            if (found >> 32) as u32 == hash {
                let number = (found as u32).wrapping_sub(1);
                if is(number) {
                    return Some(number);
                }
            }
            place = (place + 1) & mask;
        }
    }

    /// Adds a number that is not in the index.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u32, number: u32) {
        if (self.len + 1) * 2 > self.table.len() {
            self.grow();
        }
        self.len += 1;
        self.put(entry(hash, number));
    }

    #[inline]
    fn put(&mut self, new: u64) {
        let mask = self.table.len() - 1;
        let mut place = (new >> 32) as usize & mask;
        while self.table[place] != 0 {
            place = (place + 1) & mask;
        }
        self.table[place] = new;
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

    /// Takes out a number that is in the index with this hash.
    #[inline]
    pub(crate) fn remove(&mut self, hash: u32, number: u32) {
        let mask = self.table.len() - 1;
        let mut hole = hash as usize & mask;
        while self.table[hole] != entry(hash, number) {
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
            let home = (moved >> 32) as usize & mask;
            let from_home = place.wrapping_sub(home) & mask;
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

    /// Whatever the hashes, the index holds what a map holds.
    fn check(hash_of: impl Fn(u32) -> u32, rounds: u32) {
        let mut index = HashIndex::new();
        let mut map = BTreeMap::new();
        let mut random = 1u64;
        for _ in 0..rounds {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let number = (random >> 40) as u32 % 5000;
            if map.remove(&number).is_some() {
                index.remove(hash_of(number), number);
            } else {
                map.insert(number, ());
                index.insert(hash_of(number), number);
            }
            let asked = (random >> 20) as u32 % 5000;
            let found = index.find(hash_of(asked), |number| number == asked);
            assert_eq!(found.is_some(), map.contains_key(&asked));
            assert_eq!(index.len(), map.len());
        }
        for number in 0..5000 {
            let found = index.find(hash_of(number), |found| found == number);
            assert_eq!(found.is_some(), map.contains_key(&number));
        }
    }

    #[test]
    fn it_holds_what_was_put_in_and_not_what_was_taken_out() {
        check(|number| number.wrapping_mul(0x9e37_79b1), 200_000);
    }

    #[test]
    fn it_holds_although_many_hashes_are_equal() {
        check(|number| number % 64, 3_000);
        check(|number| u32::MAX - number % 7, 3_000);
    }

    #[test]
    fn the_highest_number_is_kept() {
        let mut index = HashIndex::new();
        index.insert(u32::MAX, u32::MAX - 1);
        assert_eq!(index.find(u32::MAX, |_| true), Some(u32::MAX - 1));
    }
}
