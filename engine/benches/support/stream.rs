//! A stream while it is made.

use super::random::Random;
use super::reference::Book;
use super::workload::{Op, Step, Workload};

/// A stream while it is made: every step is applied to a book at once, so that the next one can
/// name an order that is open.
pub struct Stream {
    /// The numbers that decide.
    pub random: Random,
    /// The book after the steps so far.
    pub book: Book,
    steps: Vec<Step>,
    ids: u32,
}

impl Stream {
    /// An empty stream.
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            book: Book::default(),
            steps: Vec::new(),
            ids: 0,
        }
    }

    /// The stream and what comes out of it.
    pub fn finish(self, name: &'static str, setup: usize) -> Workload {
        let (expected, open_qty, levels) =
            (self.book.totals(), self.book.open_qty(), self.book.levels());
        Workload {
            name,
            steps: self.steps,
            setup,
            expected,
            open_qty,
            id_max: self.ids,
            levels,
        }
    }

    /// Number of steps so far.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Enters an order and returns its number.
    pub fn enter(&mut self, op: Op, side: u8, price: u32, qty: u32, user: u16) -> u32 {
        self.ids += 1;
        self.push(Step {
            op,
            side,
            user,
            qty,
            id: self.ids,
            price,
            total: qty,
            executed: 0,
        });
        self.ids
    }

    /// Cancels an open order.
    pub fn cancel(&mut self, id: u32) {
        let order = *self.book.order(id);
        let (side, user, price, total) = (order.side, order.user, order.price, order.total);
        self.push(Step {
            op: Op::Cancel,
            side,
            user,
            qty: 0,
            id,
            price,
            total,
            executed: 0,
        });
    }

    /// Cancels an open order and enters it again.
    pub fn move_to(&mut self, id: u32, price: u32) {
        let order = *self.book.order(id);
        let crosses = |best: u32| {
            if order.side == 0 {
                best <= price
            } else {
                best >= price
            }
        };
        let op = if order.price == price {
            Op::MoveToSamePrice
        } else if self.book.best(order.side ^ 1).is_some_and(crosses) {
            Op::MoveAcross
        } else {
            Op::MoveAway
        };
        let (side, user, qty, total) = (order.side, order.user, order.leaves, order.total);
        self.push(Step {
            op,
            side,
            user,
            qty,
            id,
            price,
            total,
            executed: 0,
        });
    }

    fn push(&mut self, step: Step) {
        let before = self.book.totals().qty;
        self.book.apply(&step);
        let executed = (self.book.totals().qty - before) as u32;
        self.steps.push(Step { executed, ..step });
    }
}

/// `distance` ticks from `price`, away from the other side.
pub fn behind(price: u32, side: u8, distance: u32) -> u32 {
    if side == 0 {
        price - distance
    } else {
        price + distance
    }
}

/// `distance` ticks from `price`, towards the other side.
pub fn ahead(price: u32, side: u8, distance: u32) -> u32 {
    behind(price, side ^ 1, distance)
}
