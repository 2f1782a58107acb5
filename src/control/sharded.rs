//! A map that may grow large on a thread that must not stop: it is many small maps, and each of
//! them grows alone.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Maps that a key may be in.
const SHARDS: usize = 1_024;
/// Where the 32 bits of a hash begin that choose the map. A map itself uses the lowest ones and the
/// highest seven.
const SHARD_SHIFT: u32 = 24;

/// A map in parts: when one has to grow, the entries of that part are moved, a thousandth of all.
///
/// Keys are chosen by tenants, so the hasher has random keys.
#[derive(Clone)]
pub(super) struct Sharded<K, V> {
    hasher: RandomState,
    /// Empty until there is an entry; most tenants never have one.
    shards: Box<[HashTable<(K, V)>]>,
    len: usize,
}

impl<K, V> Default for Sharded<K, V> {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: Box::default(),
            len: 0,
        }
    }
}

impl<K: Eq + Hash, V> Sharded<K, V> {
    /// How many entries there are.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// What is kept for `key`.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        let hash = self.hasher.hash_one(key);
        let shard = self.shards.get(shard_of(hash))?;
        let entry = shard.find(hash, |(known, _)| known == key)?;
        Some(&entry.1)
    }

    /// What is kept for `key`, to be changed.
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let hash = self.hasher.hash_one(key);
        let shard = self.shards.get_mut(shard_of(hash))?;
        let entry = shard.find_mut(hash, |(known, _)| known == key)?;
        Some(&mut entry.1)
    }

    /// Whether something is kept for `key`.
    pub(super) fn contains(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// Keeps `value` for `key`, in place of what was kept for it.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.shards.is_empty() {
            self.shards = (0..SHARDS).map(|_| HashTable::new()).collect();
        }
        let hasher = &self.hasher;
        let hash = hasher.hash_one(&key);
        let shard = &mut self.shards[shard_of(hash)];
        let same = |(known, _): &(K, V)| *known == key;
        match shard.entry(hash, same, |(known, _)| hasher.hash_one(known)) {
            Entry::Occupied(mut entry) => entry.get_mut().1 = value,
            Entry::Vacant(entry) => {
                entry.insert((key, value));
                self.len += 1;
            }
        }
    }

    /// The entries, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let entries = self.shards.iter().flat_map(HashTable::iter);
        entries.map(|(key, value)| (key, value))
    }
}

impl<K: Eq + Hash + fmt::Debug, V: fmt::Debug> fmt::Debug for Sharded<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The last map gets about twice as many keys as the first, evenly from one to the next: so they
/// do not all grow at the same number of keys. This is SHARDS x log2(1 + u), nearly, for u from 0 to 1.
const fn shard_of(hash: u64) -> usize {
    let u = hash >> SHARD_SHIFT & 0xffff_ffff;
    let bulge = (u * ((1 << 32) - u)) >> 32;
    let v = u + ((bulge * 351) >> 10);
    (v >> 22) as usize
}

const _: () = assert!(SHARDS == 1 << (32 - 22), "the ten highest bits choose");

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn capacities(map: &Sharded<u32, u32>) -> Vec<usize> {
        map.shards.iter().map(HashTable::capacity).collect()
    }

    #[test]
    fn an_insertion_moves_the_entries_of_one_part_at_most() {
        let mut map = Sharded::default();
        let mut growths = 0;
        let mut moved_at_once_max = 0;
        map.insert(0, 0);
        let mut before = capacities(&map);
        for key in 1..20_000 {
            let lens: Vec<usize> = map.shards.iter().map(HashTable::len).collect();
            map.insert(key, key);
            let after = capacities(&map);
            let grown: Vec<usize> = (0..SHARDS).filter(|i| before[*i] != after[*i]).collect();
            let own = shard_of(map.hasher.hash_one(key));
            assert!(grown.iter().all(|shard| *shard == own), "{grown:?}, {own}");
            growths += grown.len();
            let moved = grown.iter().map(|shard| lens[*shard]).sum();
            moved_at_once_max = moved_at_once_max.max(moved);
            before = after;
        }
        assert!(growths > SHARDS, "{growths}: all parts have grown");
        // 19.5 a part on average; a map in one piece moves 14,336 at once.
        assert!((7..=56).contains(&moved_at_once_max), "{moved_at_once_max}");
    }

    #[test]
    fn the_parts_do_not_all_grow_at_the_same_time() {
        let mut map = Sharded::default();
        let (mut before, mut most) = (Vec::new(), 0);
        for key in 0..1_000_000_u32 {
            map.insert(key, 0);
            if key % 10_000 == 9_999 {
                let after = capacities(&map);
                let grown = before.iter().zip(&after).filter(|(b, a)| b != a).count();
                // While there are few keys, everything grows all the time.
                most = if key < 200_000 { 0 } else { most.max(grown) };
                before = after;
            }
        }
        // 1,024 growths for each doubling; parts of one width have about 370 of them in 10,000 keys.
        assert!((1..100).contains(&most), "{most}");
    }

    #[test]
    fn keys_are_spread_over_all_parts() {
        let mut map = Sharded::default();
        for key in 0..102_400_u32 {
            map.insert(key, ());
        }
        let lens = || map.shards.iter().map(HashTable::len);
        // From about 75 to about 150, with a standard deviation of about 10.
        assert!(lens().min() > Some(25), "{:?}", lens().min());
        assert!(lens().max() < Some(230), "{:?}", lens().max());
        assert_eq!(lens().sum::<usize>(), map.len());
    }

    #[test]
    fn it_keeps_what_a_map_in_one_piece_keeps() {
        let mut map = Sharded::default();
        let mut model = BTreeMap::new();
        assert_eq!((map.get(&1), map.len(), map.iter().count()), (None, 0, 0));
        assert_eq!(map.get_mut(&1), None);
        for step in 0..30_000_u32 {
            let key = step.wrapping_mul(2_654_435_761) % 10_007;
            map.insert(key, step);
            model.insert(key, step);
            assert_eq!(map.len(), model.len());
        }
        *map.get_mut(&5).expect("was inserted") += 1;
        *model.get_mut(&5).expect("was inserted") += 1;
        for key in 0..11_000 {
            assert_eq!(map.get(&key), model.get(&key));
            assert_eq!(map.contains(&key), model.contains_key(&key));
        }
        let entries: BTreeMap<u32, u32> = map.iter().map(|(key, value)| (*key, *value)).collect();
        assert_eq!(entries, model);
        let copy = map.clone();
        assert_eq!(copy.get(&5), model.get(&5), "a copy finds its entries");
    }

    #[test]
    fn its_debug_text_tells_every_entry_and_every_change() {
        let mut map = Sharded::default();
        assert_eq!(format!("{map:?}"), "{}");
        map.insert(7, 70);
        assert_eq!(format!("{map:?}"), "{7: 70}");
        map.insert(7, 71);
        assert_eq!(format!("{map:?}"), "{7: 71}");
    }
}
