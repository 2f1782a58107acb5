//! The book a client rebuilds from its own reports: every order in its place.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use souk_protocol::{OrderId, Side};

use super::crc::Crc32;
use super::plan::SIDES;
use super::set::{LevelRow, RestingRow, side_letter};

/// An order that rests.
#[derive(Clone, Copy, Debug)]
struct Resting {
    /// The set's id of the order.
    set_id: u64,
    side: Side,
    price: i64,
    leaves: u64,
    /// Its place in the queue of its price: lower is earlier.
    rank: u64,
}

/// The queue of one price: by rank, the server's ids.
type Queue = BTreeMap<u64, OrderId>;

/// Orders by side and price, first in first out.
#[derive(Debug, Default)]
pub(crate) struct FifoBook {
    orders: HashMap<OrderId, Resting>,
    buys: BTreeMap<i64, Queue>,
    sells: BTreeMap<i64, Queue>,
    ranks_given: u64,
}

impl FifoBook {
    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<i64, Queue> {
        match side {
            Side::Buy => &mut self.buys,
            Side::Sell => &mut self.sells,
        }
    }

    /// Puts an order at the back of the queue of its price.
    pub(crate) fn enter(&mut self, id: OrderId, set_id: u64, side: Side, price: i64, leaves: u64) {
        self.remove(id);
        self.ranks_given += 1;
        let rank = self.ranks_given;
        let order = Resting {
            set_id,
            side,
            price,
            leaves,
            rank,
        };
        self.orders.insert(id, order);
        let queue = self.side_mut(side).entry(price).or_default();
        queue.insert(rank, id);
    }

    /// What is left of an order, if it is there.
    pub(crate) fn leaves(&self, id: OrderId) -> Option<u64> {
        self.orders.get(&id).map(|order| order.leaves)
    }

    /// Sets what is left of an order, in its place; at 0 it is gone. Gives whether it was there.
    pub(crate) fn set_leaves(&mut self, id: OrderId, leaves: u64) -> bool {
        if leaves == 0 {
            return self.remove(id);
        }
        let order = self.orders.get_mut(&id);
        order.map(|order| order.leaves = leaves).is_some()
    }

    /// Takes an order out. Gives whether it was there.
    pub(crate) fn remove(&mut self, id: OrderId) -> bool {
        let Some(order) = self.orders.remove(&id) else {
            return false;
        };
        let levels = self.side_mut(order.side);
        if let Some(queue) = levels.get_mut(&order.price) {
            queue.remove(&order.rank);
            if queue.is_empty() {
                levels.remove(&order.price);
            }
        }
        true
    }

    /// All orders: buys from the best price, then sells from the best price, first in first out.
    pub(crate) fn rows(&self, sym: u32) -> impl Iterator<Item = RestingRow> {
        let queues = self.buys.values().rev().chain(self.sells.values());
        queues.flat_map(Queue::values).map(move |id| {
            let order = &self.orders[id];
            RestingRow {
                sym,
                side: order.side,
                price: order.price,
                order_id: order.set_id,
                qty: order.leaves,
            }
        })
    }

    /// CRC-32 of all orders as the golden books have it.
    pub(crate) fn crc32(&self) -> u32 {
        let mut crc = Crc32::new();
        let mut line = String::new();
        for row in self.rows(0) {
            line.clear();
            let side = side_letter(row.side);
            writeln!(line, "{side},{},{},{}", row.price, row.order_id, row.qty)
                .expect("writing to a string does not fail");
            crc.update(line.as_bytes());
        }
        crc.value()
    }

    /// All levels of a side, from the best price to the worst.
    pub(crate) fn levels(&self, side: Side) -> Vec<LevelRow> {
        let level = |(price, queue): (&i64, &Queue)| LevelRow {
            price: *price,
            qty: queue
                .values()
                .map(|id| self.orders[id].leaves)
                .fold(0, u64::saturating_add),
            orders: queue.len() as u64,
        };
        match side {
            Side::Buy => self.buys.iter().rev().map(level).collect(),
            Side::Sell => self.sells.iter().map(level).collect(),
        }
    }

    /// The `book_hash` that the server would tell of this book.
    pub(crate) fn hash(&self) -> u64 {
        let mut hash = BookHash::new();
        for side in SIDES {
            let levels = self.levels(side);
            levels.iter().for_each(|level| hash.level(side, level));
        }
        hash.value()
    }
}

/// 64-bit FNV-1a over the levels of a book: buys from best to worst, then sells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BookHash(u64);

impl BookHash {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds a level: side, price, quantity and number of orders.
    pub(crate) fn level(&mut self, side: Side, level: &LevelRow) {
        self.bytes(&[side as u8]);
        self.bytes(&level.price.to_le_bytes());
        self.bytes(&level.qty.to_le_bytes());
        self.bytes(&(level.orders as u32).to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) const fn value(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_keep_their_place_when_they_shrink_and_lose_it_when_they_enter_again() {
        let mut book = FifoBook::default();
        book.enter(OrderId(1), 11, Side::Buy, 100, 5);
        book.enter(OrderId(2), 12, Side::Buy, 100, 6);
        book.enter(OrderId(3), 13, Side::Buy, 101, 7);
        book.enter(OrderId(4), 14, Side::Sell, 103, 8);
        assert!(book.set_leaves(OrderId(1), 4));
        let ids = |book: &FifoBook| book.rows(0).map(|row| row.order_id).collect::<Vec<_>>();
        assert_eq!(ids(&book), [13, 11, 12, 14]);
        book.enter(OrderId(1), 11, Side::Buy, 100, 4);
        assert_eq!(ids(&book), [13, 12, 11, 14]);
        assert!(book.set_leaves(OrderId(3), 0));
        assert!(!book.remove(OrderId(3)));
        let touch = book.levels(Side::Buy);
        assert_eq!(
            touch,
            [LevelRow {
                price: 100,
                qty: 10,
                orders: 2
            }]
        );
    }

    #[test]
    fn the_hash_of_levels_is_fnv_1a() {
        let mut book = FifoBook::default();
        book.enter(OrderId(1), 11, Side::Buy, 100, 5);
        book.enter(OrderId(2), 12, Side::Buy, 99, 3);
        book.enter(OrderId(3), 13, Side::Buy, 99, 4);
        book.enter(OrderId(4), 14, Side::Sell, 101, 3);
        // Computed apart from this code.
        assert_eq!(book.hash(), 0x54f1_bb42_c4a2_c2be);
    }

    #[test]
    fn the_crc_is_that_of_the_lines() {
        let mut book = FifoBook::default();
        book.enter(OrderId(1), 11, Side::Sell, 103, 8);
        book.enter(OrderId(2), 12, Side::Buy, 100, 6);
        let mut crc = Crc32::new();
        crc.update(b"B,100,12,6\nS,103,11,8\n");
        assert_eq!(book.crc32(), crc.value());
    }
}
