//! The made-up streams: `mixed`, `ecmix`, `deep`, `sweep`, and books of any size.
//!
//! Every draw and its place in the order of draws is part of the stream: what others measured and
//! what is measured here are the same commands.

use super::stream::{Stream, ahead, behind};
use super::workload::{BookShape, Op, Size};

/// Where the start books have their middle.
const MID: u32 = 100_000;

impl Stream {
    fn enter_at_random_size(&mut self, op: Op, side: u8, price: u32) {
        let user = self.random.below(1000) as u16;
        let qty = 1 + self.random.below_u32(100);
        self.enter(op, side, price, qty, user);
    }

    /// The smallest of three draws: most orders are near the touch.
    fn distance(&mut self, bound: u32) -> u32 {
        let draws = [(); 3].map(|()| self.random.below_u32(bound));
        1 + draws.into_iter().min().unwrap_or_default()
    }

    fn side(&mut self) -> u8 {
        self.random.below(2) as u8
    }

    fn start_book(&mut self, orders: usize, distance_bound: u32) -> usize {
        while self.len() < orders {
            let side = self.side();
            let distance = self.distance(distance_bound);
            self.enter_at_random_size(Op::New, side, behind(MID, side, distance));
        }
        self.len()
    }

    fn walk(&mut self, mid: u32, one_in: u64) -> u32 {
        match (self.random.below(one_in) == 0).then(|| self.random.below(2)) {
            None => mid,
            Some(0) => mid - 1,
            Some(_) => mid + 1,
        }
    }

    /// An IOC that reaches up to 19 ticks beyond the best price.
    fn aggress(&mut self, side: u8, mid: u32) {
        let best = self.book.best(side ^ 1).unwrap_or(mid);
        let beyond = self.random.below_u32(20);
        self.enter_at_random_size(Op::Ioc, side, ahead(best, side, beyond));
    }

    /// Half passive orders, a tenth aggressors, the rest cancels, around a mid price that walks.
    pub fn mixed(&mut self, size: Size) -> usize {
        let setup = self.start_book(1000, 1000);
        let mut mid = MID;
        while self.len() < size.commands + setup {
            mid = self.walk(mid, 10).clamp(MID / 2, MID + MID / 2);
            let mut draw = self.random.below(100);
            let open = self.book.open_orders();
            let side = self.side();
            if open < 400 && draw >= 60 {
                draw = 0;
            }
            if open > 2000 && draw < 50 {
                draw = 99;
            }
            match draw {
                0..50 => {
                    let wanted = behind(mid, side, self.distance(1000));
                    let price = self.passive(side, wanted);
                    self.enter_at_random_size(Op::New, side, price);
                }
                50..60 => self.aggress(side, mid),
                _ => {
                    let id = self.book.any_open(&mut self.random);
                    self.cancel(id);
                }
            }
        }
        setup
    }

    /// The nearest price to `wanted` that does not trade at once.
    fn passive(&self, side: u8, wanted: u32) -> u32 {
        match (self.book.best(side ^ 1), side) {
            (Some(best), 0) => wanted.min(best - 1),
            (Some(best), _) => wanted.max(best + 1),
            (None, _) => wanted,
        }
    }

    /// Nearly all moves: 9 % new, 3 % aggressors, 6 % cancels, 82 % moves.
    pub fn ecmix(&mut self, size: Size) -> usize {
        let setup = self.start_book(1000, 2000);
        let mut mid = MID;
        while self.len() < size.commands + setup {
            mid = self.walk(mid, 20);
            let mut draw = self.random.below(100);
            let open = self.book.open_orders();
            let side = self.side();
            if open < 800 && (12..18).contains(&draw) {
                draw = 0;
            }
            if open > 1200 && draw < 9 {
                draw = 15;
            }
            match draw {
                0..9 => {
                    let distance = self.distance(2000);
                    self.enter_at_random_size(Op::New, side, behind(mid, side, distance));
                }
                9..12 => self.aggress(side, mid),
                12..18 => {
                    let id = self.book.any_open(&mut self.random);
                    self.cancel(id);
                }
                _ => self.move_any(mid),
            }
        }
        setup
    }

    fn move_any(&mut self, mid: u32) {
        let id = self.book.any_open(&mut self.random);
        let side = self.book.order(id).side;
        let distance = self.distance(2000);
        let price = match self.random.percent(3) {
            true => ahead(mid, side, self.random.below_u32(5)),
            false => behind(mid, side, distance),
        };
        self.move_to(id, price);
    }

    /// A deep book of even prices, then pairs of a cancel and a new order.
    pub fn deep(&mut self, size: Size) -> usize {
        while self.len() < size.deep_orders {
            self.enter_deep(size);
        }
        for _ in 0..size.commands / 2 {
            let id = self.book.any_open(&mut self.random);
            self.cancel(id);
            self.enter_deep(size);
        }
        size.deep_orders
    }

    /// One command of a mix on a book of a size: half of them new orders, a tenth aggressors, the
    /// rest cancels.
    pub fn mix_in(&mut self, shape: BookShape) {
        let draw = self.random.below(100);
        let open = self.book.open_orders();
        let wanted = match draw {
            _ if open * 100 < shape.orders * 99 => Op::New,
            0..50 if open * 100 > shape.orders * 101 => Op::Cancel,
            0..50 => Op::New,
            50..60 => Op::Ioc,
            _ => Op::Cancel,
        };
        let side = self.side();
        match wanted {
            Op::New => {
                let distance = 1 + self.random.below_u32(shape.levels);
                let price = self.passive(side, behind(MID, side, distance));
                self.enter_at_random_size(Op::New, side, price);
            }
            Op::Ioc => self.aggress(side, MID),
            _ => {
                let id = self.book.any_open(&mut self.random);
                self.cancel(id);
            }
        }
    }

    fn enter_deep(&mut self, size: Size) {
        let side = self.side();
        let distance = 1 + self.random.below_u32(size.deep_levels);
        self.enter_at_random_size(Op::New, side, behind(MID, side, distance));
    }

    /// Aggressors that take 10 to 30 whole levels of three orders, which then come back.
    pub fn sweep(&mut self, size: Size) -> usize {
        const ORDERS_OF_A_LEVEL: usize = 3;
        for distance in 1..=200 {
            for side in [0, 1] {
                for _ in 0..ORDERS_OF_A_LEVEL {
                    self.enter_at_random_size(Op::New, side, behind(MID, side, distance));
                }
            }
        }
        let setup = self.len();
        while self.len() < size.commands + setup {
            let side = self.side();
            let levels = 10 + self.random.below(21) as usize;
            let (mut prices, mut qty) = (Vec::with_capacity(levels), 0);
            for (price, order) in self.book.ranked(side ^ 1) {
                if prices.last() != Some(&price) {
                    if prices.len() == levels {
                        break;
                    }
                    prices.push(price);
                }
                qty += order.leaves;
            }
            let limit = prices.last().copied().expect("the levels always come back");
            let user = self.random.below(1000) as u16;
            self.enter(Op::Ioc, side, limit, qty, user);
            for price in prices {
                for _ in 0..ORDERS_OF_A_LEVEL {
                    self.enter_at_random_size(Op::New, side ^ 1, price);
                }
            }
        }
        setup
    }
}
