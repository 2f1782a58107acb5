//! The book that the streams are made against: it says which orders are open and what a correct
//! engine must execute. It is written for clearness, and shares nothing with the engine.

use std::collections::BTreeMap;

use super::random::Random;
use super::workload::{Op, Step};

/// What an engine must have done with a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Number of executions.
    pub trades: u64,
    /// Lots executed.
    pub qty: u64,
    /// Sum of price x lots over the executions.
    pub notional: u64,
    /// Orders open at the end.
    pub open_orders: u64,
}

impl Totals {
    /// FNV-1a over the four numbers: the result that a run prints.
    pub fn checksum(&self) -> u64 {
        let numbers = [self.trades, self.qty, self.notional, self.open_orders];
        fnv(FNV_BASIS, numbers.iter().flat_map(|n| n.to_le_bytes()))
    }
}

/// Where FNV-1a starts.
pub const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a of `bytes`, going on from `hash`.
pub fn fnv(hash: u64, bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// An order that was submitted. Orders are numbered from 1 by their stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Order {
    /// 0 buy, 1 sell.
    pub side: u8,
    /// Its owner.
    pub user: u16,
    /// Limit price.
    pub price: u32,
    /// Lots still open; 0 when the order is gone.
    pub leaves: u32,
    /// Lots it may reach in all, executed ones included.
    pub total: u32,
    /// The number of the command that brought it to its place in the queue.
    pub since: u32,
    before: u32,
    behind: u32,
    place: u32,
}

/// The orders of one price, first to last.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    first: u32,
    last: u32,
}

/// A price-time book over numbered orders. Order 0 is "none".
#[derive(Default)]
pub struct Book {
    sides: [BTreeMap<u32, Level>; 2],
    orders: Vec<Order>,
    open: Vec<u32>,
    commands: u32,
    executed: Totals,
}

/// What [`Book::submit`] enters.
#[derive(Clone, Copy)]
struct Taker {
    id: u32,
    order: Order,
    rests: bool,
}

impl Book {
    /// Does what `step` says.
    pub fn apply(&mut self, step: &Step) {
        self.commands += 1;
        let id = step.id;
        let (mut user, mut total) = (step.user, step.qty);
        if step.op.ends_an_order() {
            let order = self.cancel(id);
            user = order.user;
            if step.op != Op::MoveToSamePrice {
                total = order.total;
            }
        }
        if step.op != Op::Cancel {
            let (side, price, leaves, since) = (step.side, step.price, step.qty, self.commands);
            let order = Order {
                side,
                user,
                price,
                leaves,
                total,
                since,
                ..Order::default()
            };
            self.submit(Taker {
                id,
                order,
                rests: step.op != Op::Ioc,
            });
        }
    }

    /// What was executed so far, and how many orders are open now.
    pub fn totals(&self) -> Totals {
        Totals {
            open_orders: self.open.len() as u64,
            ..self.executed
        }
    }

    /// Lots open in all.
    pub fn open_qty(&self) -> u64 {
        self.open
            .iter()
            .map(|&id| u64::from(self.order(id).leaves))
            .sum()
    }

    /// Number of open orders.
    pub fn open_orders(&self) -> usize {
        self.open.len()
    }

    /// Number of commands applied.
    pub fn commands(&self) -> u32 {
        self.commands
    }

    /// Number of price levels of both sides.
    pub fn levels(&self) -> usize {
        self.sides[0].len() + self.sides[1].len()
    }

    /// Any open order, each as likely as another.
    pub fn any_open(&self, random: &mut Random) -> u32 {
        self.open[random.below(self.open.len() as u64) as usize]
    }

    /// The order of that number, open or not.
    pub fn order(&self, id: u32) -> &Order {
        &self.orders[id as usize]
    }

    /// Whether the order of that number is open.
    pub fn is_open(&self, id: u32) -> bool {
        self.orders
            .get(id as usize)
            .is_some_and(|order| order.leaves > 0)
    }

    /// The best price of a side.
    pub fn best(&self, side: u8) -> Option<u32> {
        self.best_level(side).map(|(price, _)| price)
    }

    /// Prices and orders of a side, best price first and first order first.
    pub fn ranked(&self, side: u8) -> impl Iterator<Item = (u32, &Order)> {
        let levels = &self.sides[usize::from(side)];
        let buys = (side == 0).then(|| levels.iter().rev());
        let sells = (side == 1).then(|| levels.iter());
        let levels = buys
            .into_iter()
            .flatten()
            .chain(sells.into_iter().flatten());
        levels.flat_map(move |(&price, level)| {
            let next = move |id: &u32| Some(self.order(*id).behind).filter(|&id| id != 0);
            let ids = std::iter::successors(Some(level.first), next);
            ids.map(move |id| (price, self.order(id)))
        })
    }

    fn best_level(&self, side: u8) -> Option<(u32, Level)> {
        let levels = &self.sides[usize::from(side)];
        let best = if side == 0 {
            levels.last_key_value()
        } else {
            levels.first_key_value()
        };
        best.map(|(&price, &level)| (price, level))
    }

    fn submit(&mut self, taker: Taker) {
        let Taker {
            id,
            mut order,
            rests,
        } = taker;
        while order.leaves > 0 {
            let Some((price, level)) = self.best_level(order.side ^ 1) else {
                break;
            };
            let crosses = if order.side == 0 {
                price <= order.price
            } else {
                price >= order.price
            };
            if !crosses {
                break;
            }
            let maker = &mut self.orders[level.first as usize];
            let qty = maker.leaves.min(order.leaves);
            maker.leaves -= qty;
            order.leaves -= qty;
            self.executed.trades += 1;
            self.executed.qty += u64::from(qty);
            self.executed.notional += u64::from(qty) * u64::from(price);
            if maker.leaves == 0 {
                self.remove(level.first);
            }
        }
        if rests && order.leaves > 0 {
            self.rest(id, order);
        }
    }

    fn rest(&mut self, id: u32, mut order: Order) {
        let level = self.sides[usize::from(order.side)]
            .entry(order.price)
            .or_default();
        order.before = std::mem::replace(&mut level.last, id);
        order.place = self.open.len() as u32;
        if order.before == 0 {
            level.first = id;
        }
        if self.orders.len() <= id as usize {
            self.orders.resize(id as usize + 1, Order::default());
        }
        if order.before != 0 {
            self.orders[order.before as usize].behind = id;
        }
        self.orders[id as usize] = order;
        self.open.push(id);
    }

    fn cancel(&mut self, id: u32) -> Order {
        let order = *self.order(id);
        assert!(
            order.leaves > 0,
            "streams end only open orders, {id} is not"
        );
        self.remove(id);
        self.orders[id as usize].leaves = 0;
        order
    }

    fn remove(&mut self, id: u32) {
        let Order {
            side,
            price,
            before,
            behind,
            place,
            ..
        } = *self.order(id);
        let levels = &mut self.sides[usize::from(side)];
        if before == 0 && behind == 0 {
            levels.remove(&price);
        } else {
            let level = levels.get_mut(&price).expect("an open order has a level");
            match before {
                0 => level.first = behind,
                _ => self.orders[before as usize].behind = behind,
            }
            match behind {
                0 => level.last = before,
                _ => self.orders[behind as usize].before = before,
            }
        }
        self.open.swap_remove(place as usize);
        if let Some(&moved) = self.open.get(place as usize) {
            self.orders[moved as usize].place = place;
        }
    }
}
