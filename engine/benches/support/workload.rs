//! The command streams: made in memory from a seed, bit for bit the same everywhere.
//!
//! `mixed`, `ecmix`, `deep` and `sweep` have the distributions under which other engines have been
//! measured, `calibrated` (its own file) those of a real exchange day.

use super::calibrated;
use super::reference::{Book, FNV_BASIS, Totals, fnv};
use super::stream::Stream;

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

/// What happens to a book of some size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Pairs of a cancel of any order and a new order anywhere.
    Pairs,
    /// Half of the commands new orders anywhere, a tenth aggressors, the rest cancels of any order.
    Mix,
    /// The flow of `calibrated`: mostly near the touch, mostly young orders are canceled.
    Calibrated,
}

impl Flow {
    /// What it is.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pairs => "pairs of cancel and new, anywhere",
            Self::Mix => "50 % new, 10 % IOC, 40 % cancel, anywhere",
            Self::Calibrated => "the calibrated flow",
        }
    }
}

/// All streams, in the order in which they are printed.
pub const NAMES: [&str; 5] = ["mixed", "ecmix", "deep", "sweep", "calibrated"];

/// The seed of the published figures.
pub const SEED: u64 = 1;

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
            _ => calibrated::make(&mut stream, calibrated::SHANGHAI, size.commands),
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

    /// Makes a stream for a book of some size.
    pub fn of_book(shape: BookShape, flow: Flow, commands: usize) -> Self {
        let mut stream = Stream::new(SEED);
        let size = Size {
            commands: if flow == Flow::Pairs { commands } else { 0 },
            deep_orders: shape.orders,
            deep_levels: shape.levels,
        };
        let setup = match flow {
            Flow::Calibrated => calibrated::make(&mut stream, shape, commands),
            Flow::Pairs | Flow::Mix => stream.deep(size),
        };
        while stream.len() < setup + commands {
            stream.mix_in(shape);
        }
        stream.finish(flow.name(), setup)
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
