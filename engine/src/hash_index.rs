//! A hash index from a 32-bit tag to a 32-bit number that the owner gives meaning to.
//!
//! It grows by linear hashing: one segment after the other is split in two, so that no insert
//! pays for more than one segment, however many there are.
//!
//! Must never: influence the order of anything that leaves the engine.

use crate::hash::IndexKey;
use alloc::vec;
use alloc::vec::Vec;
use core::hint::select_unpredictable;

/// Places of a segment: bounds what an insert that splits one pays.
const SEGMENT_LEN: usize = 1 << 12;

/// Places of the first segment at first. It doubles until it is as long as the others.
const SEGMENT_FIRST_LEN: usize = 16;

/// A segment is split for so many entries: two fifths of its places. Those that wait for their
/// turn in the round are up to twice as full.
const ENTRIES_PER_SEGMENT: usize = SEGMENT_LEN * 2 / 5;

/// Entries by tag: open addressing, linear probing, deletion by shifting back.
///
/// An entry is `tag * 2^32 + number + 1`; 0 is an empty place.
///
/// Invariant: the number of places is a power of two, and one of them at least is empty.
#[derive(Debug)]
struct Segment {
    places: Vec<u64>,
    len: usize,
}

/// Numbers found by tag.
#[derive(Debug)]
pub(crate) struct HashIndex {
    segments: Vec<Segment>,
    /// The segments at the beginning of the round, a power of two, - 1. The first ones of them
    /// have been split in this round; the halves that left are behind the others.
    round_mask: usize,
    len: usize,
    key: IndexKey,
}

#[inline]
const fn entry(tag: u32, number: u32) -> u64 {
    (tag as u64) << 32 | (number as u64 + 1)
}

const fn tag(entry: u64) -> u32 {
    (entry >> 32) as u32
}

impl HashIndex {
    pub(crate) const fn new(key: IndexKey) -> Self {
        Self {
            segments: Vec::new(),
            round_mask: 0,
            len: 0,
            key,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The segment of a hash: the upper bits choose among as many segments as have this half.
    #[inline]
    fn segment(&self, hash: u64) -> usize {
        if self.round_mask == 0 && self.segments.len() < 2 {
            return 0; // Nearly every market.
        }
        let bits = (hash >> 32) as usize;
        let split = bits & (self.round_mask * 2 + 1);
        if split < self.segments.len() {
            split
        } else {
            bits & self.round_mask
        }
    }

    /// The number with this tag for which `is` holds.
    #[inline(always)]
    pub(crate) fn find(&self, tag: u32, is: impl FnMut(u32) -> bool) -> Option<u32> {
        let hash = self.key.spread(tag);
        let segment = self.segments.get(self.segment(hash))?;
        segment.find(tag, hash, is)
    }

    /// The place where the search for this tag begins.
    #[inline]
    pub(crate) fn home_of(&self, tag: u32) -> Option<&u64> {
        let hash = self.key.spread(tag);
        let segment = self.segments.get(self.segment(hash))?;
        segment.places.get(segment.home(hash))
    }

    /// Adds a number that is not in the index.
    #[inline]
    pub(crate) fn insert(&mut self, tag: u32, number: u32) {
        if self.len == self.segments.len() * ENTRIES_PER_SEGMENT {
            self.add_segment();
        }
        self.len += 1;
        let hash = self.key.spread(tag);
        let segment = self.segment(hash);
        self.segments[segment].add(entry(tag, number), hash, self.key);
    }

    /// Adds a segment: the first, or the half of the next one of the round.
    #[cold]
    fn add_segment(&mut self) {
        let count = self.segments.len();
        if count == 0 {
            self.segments.push(Segment::new(SEGMENT_FIRST_LEN));
            return;
        }
        if count > self.round_mask * 2 + 1 {
            self.round_mask = self.round_mask * 2 + 1;
        }
        let split = count & self.round_mask;
        self.segments.push(Segment::new(SEGMENT_LEN));
        let old = core::mem::replace(&mut self.segments[split], Segment::new(SEGMENT_LEN));
        for old in old.places.into_iter().filter(|&old| old != 0) {
            let hash = self.key.spread(tag(old));
            let segment = self.segment(hash);
            self.segments[segment].add(old, hash, self.key);
        }
    }

    /// Takes out a number that is in the index with this tag.
    #[inline]
    pub(crate) fn remove(&mut self, tag: u32, number: u32) {
        let hash = self.key.spread(tag);
        let segment = self.segment(hash);
        self.segments[segment].remove(entry(tag, number), hash, self.key);
        self.len -= 1;
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let places: usize = self
            .segments
            .iter()
            .map(|segment| segment.places.capacity())
            .sum();
        places * size_of::<u64>() + self.segments.capacity() * size_of::<Segment>()
    }
}

impl Segment {
    fn new(len: usize) -> Self {
        Self {
            places: vec![0; len],
            len: 0,
        }
    }

    /// Whether an entry more would make searches long: at a quarter while it is small (a search
    /// that ends at its first place is foreseen), at 15/16 when it is not, which no key that the
    /// market's clients do not know lets come about.
    #[inline]
    const fn is_full(&self) -> bool {
        let len = self.places.len();
        self.len
            >= if len < SEGMENT_LEN {
                len / 4
            } else {
                len - len / 16
            }
    }

    #[inline]
    const fn home(&self, hash: u64) -> usize {
        hash as usize & (self.places.len() - 1)
    }

    #[inline(always)]
    fn find(&self, tag: u32, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let mask = self.places.len() - 1;
        let home = self.home(hash);
        let (first, second) = (self.places[home], self.places[(home + 1) & mask]);
        // Which of the two it is, is as good as random; that it is one of them, foreseen.
        let near = select_unpredictable((second >> 32) as u32 == tag, second, first);
        if (near >> 32) as u32 == tag && near != 0 {
            let number = (near as u32).wrapping_sub(1);
            if is(number) {
                return Some(number);
            }
        }
        let mut place = home;
        loop {
            let found = self.places[place & mask];
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

    #[inline]
    fn add(&mut self, new: u64, hash: u64, key: IndexKey) {
        if self.is_full() {
            self.double(key);
        }
        self.put(new, hash);
    }

    #[inline]
    fn put(&mut self, new: u64, hash: u64) {
        let mask = self.places.len() - 1;
        let mut place = self.home(hash);
        while self.places[place & mask] != 0 {
            place += 1;
        }
        self.places[place & mask] = new;
        self.len += 1;
    }

    #[cold]
    fn double(&mut self, key: IndexKey) {
        let double = Self::new(self.places.len() * 2);
        let old = core::mem::replace(self, double);
        for old in old.places.into_iter().filter(|&old| old != 0) {
            self.put(old, key.spread(tag(old)));
        }
    }

    #[inline]
    fn remove(&mut self, gone: u64, hash: u64, key: IndexKey) {
        let mask = self.places.len() - 1;
        let mut hole = self.home(hash);
        while self.places[hole] != gone {
            assert!(self.places[hole] != 0, "what is removed is in the index");
            hole = (hole + 1) & mask;
        }
        let mut place = hole;
        loop {
            place = (place + 1) & mask;
            let moved = self.places[place];
            if moved == 0 {
                break;
            }
            let home = self.home(key.spread(tag(moved)));
            let from_home = place.wrapping_sub(home) & mask;
            let from_hole = place.wrapping_sub(hole) & mask;
            if from_home >= from_hole {
                self.places[hole] = moved;
                hole = place;
            }
        }
        self.places[hole] = 0;
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    /// Whatever the tags, the index holds what a set holds.
    fn check(tag_of: impl Fn(u32) -> u32, numbers: u32, rounds: u32) {
        let mut index = HashIndex::new(IndexKey::new(5));
        let mut set = BTreeSet::new();
        let mut random = 1u64;
        for _ in 0..rounds {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let number = (random >> 40) as u32 % numbers;
            if set.remove(&number) {
                index.remove(tag_of(number), number);
            } else {
                set.insert(number);
                index.insert(tag_of(number), number);
            }
            let asked = (random >> 20) as u32 % numbers;
            let found = index.find(tag_of(asked), |number| number == asked);
            assert_eq!(found.is_some(), set.contains(&asked));
            assert_eq!(index.len(), set.len());
        }
        for number in 0..numbers {
            let found = index.find(tag_of(number), |found| found == number);
            assert_eq!(found.is_some(), set.contains(&number));
        }
    }

    #[test]
    fn it_holds_what_was_put_in_and_not_what_was_taken_out() {
        check(|number| number.wrapping_mul(0x9e37_79b1), 5_000, 200_000);
        check(|number| number, 100_000, 400_000);
    }

    #[test]
    fn it_holds_although_many_tags_are_equal() {
        check(|number| number % 64, 5_000, 3_000);
        check(|number| u32::MAX - number % 7, 5_000, 3_000);
    }

    #[test]
    fn a_segment_holds_more_than_its_share_if_it_must() {
        let mut index = HashIndex::new(IndexKey::new(5));
        for number in 0..9_000 {
            index.insert(9, number);
        }
        for number in 0..9_000 {
            assert_eq!(index.find(9, |found| found == number), Some(number));
        }
    }

    #[test]
    fn the_highest_number_is_kept() {
        let mut index = HashIndex::new(IndexKey::new(5));
        index.insert(u32::MAX, u32::MAX - 1);
        assert_eq!(index.find(u32::MAX, |_| true), Some(u32::MAX - 1));
    }

    #[test]
    fn segments_stay_short_and_searches_too() {
        for key in 0..4 {
            let mut index = HashIndex::new(IndexKey::new(key));
            for number in 0..300_000 {
                index.insert(number, number);
                assert!(index.segments.len() * ENTRIES_PER_SEGMENT >= index.len());
            }
            let longest = index
                .segments
                .iter()
                .map(|segment| segment.places.len())
                .max();
            assert_eq!(longest, Some(SEGMENT_LEN));
            let bytes = index.memory_bytes() as f64 / 300_000.0;
            assert!(bytes < 21.0, "{bytes} bytes per entry");
        }
    }
}
