//! The book that the client computes from its own open orders, against the server's snapshot.

use std::collections::BTreeMap;

use souk_protocol::{Price, Qty, Side};

use crate::connection::{Depth, Level};

/// A book put together from open orders: (quantity, number of orders) by side and price.
#[derive(Clone, Debug, Default)]
pub struct OwnBook {
    buys: BTreeMap<i64, (u64, u32)>,
    sells: BTreeMap<i64, (u64, u32)>,
}

impl OwnBook {
    /// Adds an open order.
    pub fn add(&mut self, side: Side, price: Price, leaves: Qty) {
        let levels = match side {
            Side::Buy => &mut self.buys,
            Side::Sell => &mut self.sells,
        };
        let level = levels.entry(price.0).or_default();
        level.0 += leaves.0;
        level.1 += 1;
    }

    /// The levels as a snapshot has them: buys from best to worst, then sells.
    #[must_use]
    pub fn levels(&self) -> Vec<Level> {
        let level = |side| {
            move |(price, (qty, orders)): (&i64, &(u64, u32))| Level {
                side,
                price: Price(*price),
                qty: Qty(*qty),
                orders: *orders,
            }
        };
        let buys = self.buys.iter().rev().map(level(Side::Buy));
        buys.chain(self.sells.iter().map(level(Side::Sell)))
            .collect()
    }
}

/// The hash of a book that the protocol defines: 64-bit FNV-1a over side, price, quantity and
/// number of orders of every level.
#[must_use]
pub fn book_hash(levels: &[Level]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut take = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    };
    for level in levels {
        take(&[level.side as u8]);
        take(&level.price.0.to_le_bytes());
        take(&level.qty.0.to_le_bytes());
        take(&level.orders.to_le_bytes());
    }
    hash
}

/// How a book compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BookCheck {
    /// Level by level the same, and the hash too.
    Equal,
    /// The server has more than the own orders, and all of them: others are in the book.
    Contains,
    /// They differ; in words.
    Differs(String),
}

/// Compares the own book with the server's.
#[must_use]
pub fn check_book(own: &OwnBook, server: &Depth) -> BookCheck {
    let computed = book_hash(&server.levels);
    if computed != server.book_hash {
        return BookCheck::Differs(format!(
            "book_hash is {:016x}, the snapshot's levels give {computed:016x}",
            server.book_hash
        ));
    }
    let mine = own.levels();
    if mine == server.levels {
        return BookCheck::Equal;
    }
    let find = |level: &Level| {
        let same = |other: &&Level| other.side == level.side && other.price == level.price;
        server.levels.iter().find(same)
    };
    for level in &mine {
        match find(level) {
            Some(other) if other.qty >= level.qty && other.orders >= level.orders => {}
            other => {
                return BookCheck::Differs(format!(
                    "{:?} {}: {} lots in {} orders by own reports, server has {:?}",
                    level.side,
                    level.price,
                    level.qty,
                    level.orders,
                    other.map(|level| (level.qty.0, level.orders))
                ));
            }
        }
    }
    BookCheck::Contains
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> OwnBook {
        let mut book = OwnBook::default();
        book.add(Side::Buy, Price(99), Qty(5));
        book.add(Side::Buy, Price(100), Qty(5));
        book.add(Side::Buy, Price(100), Qty(7));
        book.add(Side::Sell, Price(102), Qty(1));
        book
    }

    fn depth(levels: Vec<Level>) -> Depth {
        Depth {
            book_hash: book_hash(&levels),
            levels,
            stream_seq: 0,
        }
    }

    #[test]
    fn levels_come_best_first_and_buys_before_sells() {
        let prices: Vec<_> = own().levels().iter().map(|level| level.price.0).collect();
        assert_eq!(prices, [100, 99, 102]);
        assert_eq!(own().levels()[0].qty, Qty(12));
        assert_eq!(own().levels()[0].orders, 2);
    }

    #[test]
    fn the_same_book_is_equal() {
        assert_eq!(check_book(&own(), &depth(own().levels())), BookCheck::Equal);
    }

    #[test]
    fn a_wrong_hash_quantity_number_or_missing_level_is_found() {
        let differs = |depth: &Depth| matches!(check_book(&own(), depth), BookCheck::Differs(_));
        let mut wrong_hash = depth(own().levels());
        wrong_hash.book_hash ^= 1;
        assert!(differs(&wrong_hash));
        let mut levels = own().levels();
        levels[0].qty.0 -= 1;
        assert!(differs(&depth(levels)));
        let mut levels = own().levels();
        levels[0].orders -= 1;
        assert!(differs(&depth(levels)));
        let mut levels = own().levels();
        levels.pop();
        assert!(differs(&depth(levels)));
    }

    #[test]
    fn orders_of_others_are_told_from_an_error() {
        let mut levels = own().levels();
        levels[0].qty.0 += 1;
        levels[0].orders += 1;
        assert_eq!(check_book(&own(), &depth(levels)), BookCheck::Contains);
    }

    #[test]
    fn the_hash_of_an_empty_book_is_the_offset_basis() {
        assert_eq!(book_hash(&[]), 0xcbf2_9ce4_8422_2325);
    }
}
