//! A market's depth, kept from its market data.

use std::collections::BTreeMap;

use souk_protocol::message::LevelEntry;
use souk_protocol::{MarketId, MarketState, Price, Qty, Side};

use crate::event::{MarketData, MarketDataBody, SnapshotFrame};

/// What rests at one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The price.
    pub price: Price,
    /// Lots resting.
    pub qty: Qty,
    /// Number of orders.
    pub orders: u32,
}

/// The depth of one market: a snapshot with the updates after it.
///
/// Invariant: while [`Book::is_complete`], it is what the market had after `stream_seq` commands,
/// and no message of the subscription is missing.
#[derive(Clone, Debug)]
pub struct Book {
    market: MarketId,
    /// The number of the last message of the subscription.
    md_seq: u64,
    stream_seq: u64,
    state: Option<MarketState>,
    buys: BTreeMap<Price, Level>,
    sells: BTreeMap<Price, Level>,
    /// Frames of the snapshot that are there so far, while it is not complete.
    complete: bool,
}

impl Book {
    /// An empty book of this market. It is complete once a snapshot was applied.
    #[must_use]
    pub const fn new(market: MarketId) -> Self {
        Self {
            market,
            md_seq: 0,
            stream_seq: 0,
            state: None,
            buys: BTreeMap::new(),
            sells: BTreeMap::new(),
            complete: false,
        }
    }

    /// Applies a message of the subscription. Messages of other markets are left alone. A
    /// subscription that starts anew (number 1) starts the book anew.
    ///
    /// # Errors
    /// When a message is missing, or the snapshot does not add up. The book is then not complete
    /// until it was given a new snapshot: subscribe again.
    pub fn apply(&mut self, data: &MarketData) -> Result<(), BookError> {
        if data.market != self.market {
            return Ok(());
        }
        let applied = self.apply_next(data);
        if applied.is_err() {
            self.complete = false;
        }
        applied
    }

    fn apply_next(&mut self, data: &MarketData) -> Result<(), BookError> {
        if data.md_seq == 1 {
            *self = Self::new(self.market);
        }
        let expected = self.md_seq + 1;
        if data.md_seq != expected {
            return Err(BookError::Gap {
                expected,
                found: data.md_seq,
            });
        }
        self.md_seq = data.md_seq;
        match &data.body {
            MarketDataBody::Snapshot(frame) => self.snapshot(frame),
            MarketDataBody::Update {
                stream_seq, levels, ..
            } => {
                if !self.complete {
                    return Err(BookError::UpdateBeforeSnapshot);
                }
                if *stream_seq < self.stream_seq {
                    return Err(BookError::StreamWentBack {
                        before: self.stream_seq,
                        found: *stream_seq,
                    });
                }
                self.stream_seq = *stream_seq;
                levels.iter().for_each(|level| self.set(level));
                Ok(())
            }
            MarketDataBody::Trade(_) => Ok(()),
            MarketDataBody::Status(status) => {
                self.state = Some(status.state);
                Ok(())
            }
        }
    }

    fn snapshot(&mut self, frame: &SnapshotFrame) -> Result<(), BookError> {
        if self.complete {
            self.buys.clear();
            self.sells.clear();
            self.complete = false;
        }
        self.state = Some(frame.state);
        self.stream_seq = frame.stream_seq;
        frame.levels.iter().for_each(|level| self.set(level));
        if frame.more_follows {
            return Ok(());
        }
        let found = (self.buys.len(), self.sells.len());
        let expected = (frame.buy_levels as usize, frame.sell_levels as usize);
        if found != expected {
            return Err(BookError::LevelCount { expected, found });
        }
        if self.hash() != frame.book_hash {
            return Err(BookError::Hash {
                expected: frame.book_hash,
                found: self.hash(),
            });
        }
        self.complete = true;
        Ok(())
    }

    fn set(&mut self, entry: &LevelEntry) {
        let levels = match entry.side {
            Side::Buy => &mut self.buys,
            Side::Sell => &mut self.sells,
        };
        if entry.orders == 0 {
            levels.remove(&entry.price);
        } else {
            let level = Level {
                price: entry.price,
                qty: entry.qty,
                orders: entry.orders,
            };
            levels.insert(entry.price, level);
        }
    }

    /// Whether a whole snapshot was applied, and nothing is missing since.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The market.
    #[must_use]
    pub const fn market(&self) -> MarketId {
        self.market
    }

    /// The market's state, once it is known.
    #[must_use]
    pub const fn state(&self) -> Option<MarketState> {
        self.state
    }

    /// The number of commands the market had applied.
    #[must_use]
    pub const fn stream_seq(&self) -> u64 {
        self.stream_seq
    }

    /// Buy levels from the best to the worst price.
    pub fn buys(&self) -> impl Iterator<Item = &Level> {
        self.buys.values().rev()
    }

    /// Sell levels from the best to the worst price.
    pub fn sells(&self) -> impl Iterator<Item = &Level> {
        self.sells.values()
    }

    /// The best buy level.
    #[must_use]
    pub fn best_buy(&self) -> Option<&Level> {
        self.buys().next()
    }

    /// The best sell level.
    #[must_use]
    pub fn best_sell(&self) -> Option<&Level> {
        self.sells().next()
    }

    /// The hash of all levels, as the server computes it for a snapshot: 64-bit FNV-1a over side,
    /// price, quantity and orders of each level, buys from best to worst, then sells.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let buys = self.buys().map(|level| (Side::Buy, level));
        let sells = self.sells().map(|level| (Side::Sell, level));
        buys.chain(sells).fold(FNV_BASIS, |hash, (side, level)| {
            let hash = fnv(hash, &[side as u8]);
            let hash = fnv(hash, &level.price.0.to_le_bytes());
            let hash = fnv(hash, &level.qty.0.to_le_bytes());
            fnv(hash, &level.orders.to_le_bytes())
        })
    }
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME)
    })
}

/// Why market data does not make a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BookError {
    /// A message is missing.
    #[error("message {found} of the subscription came where {expected} was due: subscribe again")]
    Gap {
        /// The number that was due.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// An update came before the snapshot was complete.
    #[error("an update came before the snapshot was complete: subscribe again")]
    UpdateBeforeSnapshot,
    /// An update is older than the book.
    #[error("an update of command {found} came after command {before}: subscribe again")]
    StreamWentBack {
        /// The number of commands before.
        before: u64,
        /// The number of commands of the update.
        found: u64,
    },
    /// The snapshot has another number of levels than it says.
    #[error(
        "the snapshot has {found:?} buy and sell levels and says {expected:?}: subscribe again"
    )]
    LevelCount {
        /// Buy and sell levels it says.
        expected: (usize, usize),
        /// Buy and sell levels found.
        found: (usize, usize),
    },
    /// The snapshot's hash is not that of its levels.
    #[error(
        "the snapshot's levels have hash {found:#018x} and it says {expected:#018x}: subscribe again"
    )]
    Hash {
        /// The hash it says.
        expected: u64,
        /// The hash of its levels.
        found: u64,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use souk_protocol::Reserved;

    fn entry(side: Side, price: i64, qty: u64, orders: u32) -> LevelEntry {
        LevelEntry {
            price: Price(price),
            qty: Qty(qty),
            orders,
            side,
            reserved: Reserved,
        }
    }

    fn data(md_seq: u64, body: MarketDataBody) -> MarketData {
        MarketData {
            market: MarketId(1),
            md_seq,
            body,
        }
    }

    /// A snapshot frame that says 2 buy levels, 1 sell level and the hash of those below.
    fn frame(levels: Vec<LevelEntry>, more_follows: bool) -> MarketDataBody {
        MarketDataBody::Snapshot(SnapshotFrame {
            state: MarketState::Continuous,
            stream_seq: 7,
            book_hash: HASH,
            buy_levels: 2,
            sell_levels: 1,
            levels,
            more_follows,
        })
    }

    /// FNV-1a of (1, 100, 5, 1), (1, 99, 7, 2), (2, 101, 3, 1), computed apart from this code.
    const HASH: u64 = 0x54f1_bb42_c4a2_c2be;

    fn buys() -> Vec<LevelEntry> {
        vec![entry(Side::Buy, 100, 5, 1), entry(Side::Buy, 99, 7, 2)]
    }

    fn update(stream_seq: u64, levels: Vec<LevelEntry>) -> MarketDataBody {
        MarketDataBody::Update {
            stream_seq,
            transact_time: 0,
            levels,
        }
    }

    fn complete() -> Book {
        let mut book = Book::new(MarketId(1));
        book.apply(&data(1, frame(buys(), true))).unwrap();
        assert!(!book.is_complete());
        let sell = vec![entry(Side::Sell, 101, 3, 1)];
        book.apply(&data(2, frame(sell, false))).unwrap();
        book
    }

    #[test]
    fn a_snapshot_of_two_frames_and_its_updates_make_the_book() {
        let mut book = complete();
        assert!(book.is_complete());
        let changed = vec![entry(Side::Buy, 100, 0, 0), entry(Side::Sell, 101, 4, 2)];
        book.apply(&data(3, update(9, changed))).unwrap();
        assert_eq!(book.best_buy().map(|level| level.price), Some(Price(99)));
        assert_eq!(book.best_sell().map(|level| level.orders), Some(2));
        assert_eq!(book.stream_seq(), 9);
    }

    #[test]
    fn a_missing_message_is_noticed_and_a_new_snapshot_repairs_it() {
        let mut book = complete();
        let error = book.apply(&data(4, update(9, vec![]))).unwrap_err();
        assert_eq!(
            error,
            BookError::Gap {
                expected: 3,
                found: 4
            }
        );
        assert!(!book.is_complete());
        book.apply(&data(1, frame(buys(), true))).unwrap();
        book.apply(&data(2, frame(vec![entry(Side::Sell, 101, 3, 1)], false)))
            .unwrap();
        assert!(book.is_complete());
    }

    #[test]
    fn a_snapshot_that_does_not_add_up_is_refused() {
        let mut book = Book::new(MarketId(1));
        let error = book.apply(&data(1, frame(buys(), false))).unwrap_err();
        assert!(
            matches!(error, BookError::LevelCount { found: (2, 0), .. }),
            "{error}"
        );
        book.apply(&data(1, frame(buys(), true))).unwrap();
        let wrong = vec![entry(Side::Sell, 101, 4, 1)];
        let error = book.apply(&data(2, frame(wrong, false))).unwrap_err();
        assert!(matches!(error, BookError::Hash { .. }), "{error}");
        assert!(!book.is_complete());
    }

    #[test]
    fn an_update_needs_a_snapshot_before_it() {
        let mut book = Book::new(MarketId(1));
        let error = book.apply(&data(1, update(9, vec![]))).unwrap_err();
        assert_eq!(error, BookError::UpdateBeforeSnapshot);
    }
}
