//! The command streams: made in memory from a seed, bit for bit the same everywhere.
//!
//! `mixed`, `ecmix`, `deep` and `sweep` have the distributions under which other engines have been
//! measured, `calibrated` (its own file) those of a real exchange day.

use super::calibrated;
use super::random::Random;
use super::reference::{Book, FNV_BASIS, Totals, fnv};

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A limit order that may rest.
    New,
    /// A limit order, immediate or cancel.
    Ioc,
    /// Cancels an order.
    Cancel,
    /// Cancels an order and enters it again at another price, at the back, where it does not trade at once.
    MoveAway,
    /// The same, where it trades at once.
    MoveAcross,
    /// Cancels an order and enters it again at its price, at the back.
    MoveToSamePrice,
}

impl Op {
    /// Whether the step names an order that is open.
    pub fn ends_an_order(self) -> bool {
        !matches!(self, Self::New | Self::Ioc)
    }

    /// The stream format's number for it: a move is a move.
    fn code(self) -> u8 {
        match self {
            Self::New => 0,
            Self::Ioc => 1,
            Self::Cancel => 2,
            Self::MoveAway | Self::MoveAcross | Self::MoveToSamePrice => 3,
        }
    }
}

/// One command of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What it does.
    pub op: Op,
    /// 0 buy, 1 sell.
    pub side: u8,
    /// Who sends it.
    pub user: u16,
    /// Lots: of a move, the order's leaves; of a cancel, 0.
    pub qty: u32,
    /// The client's number of the order, from 1.
    pub id: u32,
    /// Limit price; of a cancel, the order's.
    pub price: u32,
    /// Lots of the order in all, executed ones included.
    pub total: u32,
    /// Lots that it executes at once.
    pub executed: u32,
}

/// A stream and what a correct engine must make of it.
pub struct Workload {
    /// Its name.
    pub name: &'static str,
    /// The commands.
    pub steps: Vec<Step>,
    /// How many of them only build the start book, and are not timed.
    pub setup: usize,
    /// What comes out.
    pub expected: Totals,
    /// Lots open at the end.
    pub open_qty: u64,
    /// The highest order number.
    pub id_max: u32,
    /// Price levels of both sides at the end.
    pub levels: usize,
}

/// How long a stream is made.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Timed commands; `sweep` ends with the group of commands that reaches it.
    pub commands: usize,
    /// Orders of the start book of `deep`, which then adds `commands / 2` pairs.
    pub deep_orders: usize,
    /// Price levels of each side of `deep`.
    pub deep_levels: u32,
}

impl Size {
    /// The published size of a stream.
    pub fn full(name: &str) -> Self {
        let commands = match name {
            "deep" => 4_000_000,
            "sweep" => 2_000_000,
            _ => 3_000_000,
        };
        Self {
            commands,
            deep_orders: 1_000_000,
            deep_levels: 5000,
        }
    }

    /// A few thousand commands, for tests.
    pub fn small() -> Self {
        Self {
            commands: 8000,
            deep_orders: 4000,
            deep_levels: 50,
        }
    }
}

/// A book of evenly spread orders.
#[derive(Clone, Copy, Debug)]
pub struct BookShape {
    /// Resting orders.
    pub orders: usize,
    /// Price levels of each side.
    pub levels: u32,
}

/// All streams, in the order in which they are printed.
pub const NAMES: [&str; 5] = ["mixed", "ecmix", "deep", "sweep", "calibrated"];

/// The seed of the published figures.
pub const SEED: u64 = 1;

const MID: u32 = 100_000;

impl Workload {
    /// Makes a stream. Returns `None` for a name that is not one of [`NAMES`].
    pub fn new(name: &str, seed: u64, size: Size) -> Option<Self> {
        let mut stream = Stream::new(seed);
        let name = NAMES.into_iter().find(|known| *known == name)?;
        let setup = match name {
            "mixed" => stream.mixed(size),
            "ecmix" => stream.ecmix(size),
            "deep" => stream.deep(size),
            "sweep" => stream.sweep(size),
            _ => calibrated::make(&mut stream, size),
        };
        Some(stream.finish(name, setup))
    }

    /// The first steps only: the start book and `commands` timed ones.
    pub fn prefix(&self, commands: usize) -> Self {
        let end = self.steps.len().min(self.setup.saturating_add(commands));
        let steps = self.steps[..end].to_vec();
        let mut book = Book::default();
        steps.iter().for_each(|step| book.apply(step));
        let (expected, open_qty, levels) = (book.totals(), book.open_qty(), book.levels());
        Self {
            name: self.name,
            steps,
            setup: self.setup,
            expected,
            open_qty,
            id_max: self.id_max,
            levels,
        }
    }

    /// Makes a stream for a book of `orders` resting orders on `2 * levels` levels: with `mix`,
    /// half of the commands new orders, a tenth aggressors, the rest cancels; otherwise pairs of a
    /// cancel and a new order.
    pub fn of_book(shape: BookShape, mix: bool, commands: usize) -> Self {
        let mut stream = Stream::new(SEED);
        let BookShape { orders, levels } = shape;
        let size = Size {
            commands: if mix { 0 } else { commands },
            deep_orders: orders,
            deep_levels: levels,
        };
        let setup = stream.deep(size);
        while stream.len() < setup + commands {
            stream.mix_in(shape);
        }
        stream.finish(if mix { "mix" } else { "pairs" }, setup)
    }

    /// Number of timed commands.
    pub fn timed(&self) -> usize {
        self.steps.len() - self.setup
    }

    /// FNV-1a over the stream in its file format, header first: anybody's file of the same stream
    /// can be compared with it.
    pub fn fingerprint(&self) -> u64 {
        let Totals {
            trades,
            qty,
            notional,
            open_orders,
        } = self.expected;
        let (count, setup) = (self.steps.len() as u64, self.setup as u64);
        let numbers = [
            count,
            setup,
            trades,
            qty,
            notional,
            open_orders,
            self.open_qty,
            u64::from(self.id_max),
        ];
        let prices = self
            .steps
            .iter()
            .filter(|step| step.op != Op::Cancel)
            .map(|step| step.price);
        let (low, high) = prices.fold((u32::MAX, 0), |(low, high), p| (low.min(p), high.max(p)));
        let mut hash = fnv(FNV_BASIS, *b"MEWLOAD1");
        hash = fnv(hash, [1_u32, 24].into_iter().flat_map(u32::to_le_bytes));
        hash = fnv(hash, numbers.into_iter().flat_map(u64::to_le_bytes));
        hash = fnv(
            hash,
            [low, high, 0, 0, 0, 0]
                .into_iter()
                .flat_map(u32::to_le_bytes),
        );
        fingerprint(hash, &self.steps)
    }
}

/// FNV-1a over steps in the file format, going on from `hash`.
pub fn fingerprint(hash: u64, steps: &[Step]) -> u64 {
    steps.iter().fold(hash, |hash, step| {
        let user = if step.op.ends_an_order() {
            0
        } else {
            step.user
        };
        let hash = fnv(hash, [step.op.code(), step.side]);
        let hash = fnv(
            hash,
            user.to_le_bytes().into_iter().chain(step.qty.to_le_bytes()),
        );
        let hash = fnv(hash, u64::from(step.id).to_le_bytes());
        fnv(hash, [step.price, 0].into_iter().flat_map(u32::to_le_bytes))
    })
}

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
    fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            book: Book::default(),
            steps: Vec::new(),
            ids: 0,
        }
    }

    fn finish(self, name: &'static str, setup: usize) -> Workload {
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

    fn enter_at_random_size(&mut self, op: Op, side: u8, price: u32) {
        let user = self.random.below(1000) as u16;
        let qty = 1 + self.random.below_u32(100);
        self.enter(op, side, price, qty, user);
    }

    fn move_to(&mut self, id: u32, price: u32) {
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
    fn mixed(&mut self, size: Size) -> usize {
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
    fn ecmix(&mut self, size: Size) -> usize {
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
    fn deep(&mut self, size: Size) -> usize {
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

    fn mix_in(&mut self, shape: BookShape) {
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
    fn sweep(&mut self, size: Size) -> usize {
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
