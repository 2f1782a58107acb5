//! Which levels a command touches, and what they were before it.
//!
//! Must never: cost more than one branch when nobody watches the market.

use crate::Market;
use crate::level::{Level, Rank};
use crate::{Event, EventSink, LevelUpdate};
use alloc::vec::Vec;
use souk_protocol::{Qty, Side};

/// A level before the command touched it.
#[derive(Clone, Copy, Debug)]
struct TouchedLevel {
    side: Side,
    rank: Rank,
    qty: Qty,
    orders: u32,
    /// Which touch of the command it was.
    number: u32,
}

/// The levels touched by the present command, in the order of touching.
#[derive(Debug)]
pub(crate) struct TouchedLevels {
    wanted: bool,
    touched: Vec<TouchedLevel>,
}

impl TouchedLevels {
    pub(crate) const fn new() -> Self {
        Self {
            wanted: false,
            touched: Vec::new(),
        }
    }

    #[inline]
    pub(crate) const fn wanted(&self) -> bool {
        self.wanted
    }

    #[inline]
    pub(crate) const fn want(&mut self, wanted: bool) {
        self.wanted = wanted;
    }

    /// Remembers what a level is, before it changes.
    pub(crate) fn touch(&mut self, side: Side, rank: Rank, level: Level) {
        let (qty, orders) = (level.qty, level.orders);
        let last = self.touched.last();
        if last.is_none_or(|last| last.rank != rank || last.side != side) {
            let number = self.touched.len() as u32;
            self.touched.push(TouchedLevel {
                side,
                rank,
                qty,
                orders,
                number,
            });
        }
    }

    /// Leaves the first touch of each level, ordered by side, then from the best.
    fn settle(&mut self) {
        let touched = &mut self.touched;
        touched.sort_unstable_by_key(|touched| (touched.side, touched.rank, touched.number));
        touched.dedup_by_key(|touched| (touched.side, touched.rank));
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.touched.capacity() * size_of::<TouchedLevel>()
    }
}

impl Market {
    /// Gives the sink the levels that the command changed.
    #[cold]
    pub(crate) fn tell_levels<S: EventSink>(&mut self, sink: &mut S) {
        self.touched.settle();
        for touched in &self.touched.touched {
            let book = &self.sides[touched.side as usize - 1];
            let level = book.level(touched.rank);
            if (level.qty, level.orders) != (touched.qty, touched.orders) {
                sink.on(Event::Level(LevelUpdate {
                    side: touched.side,
                    price: book.price(touched.rank),
                    qty: level.qty,
                    orders: level.orders,
                }));
            }
        }
        self.touched.touched.clear();
    }
}
