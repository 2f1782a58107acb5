//! The stream `calibrated`: the flow of one stock of the Shanghai exchange, as statistics.
//!
//! Shares of new, aggressive and canceling commands, distances from the touch, sizes, executions
//! per aggressor and the age at which orders are canceled are those of five stocks on a full day
//! (65,811 commands of one of them in four hours, so a second is 4.57 commands). The tables hold
//! the published quantiles; values in between are interpolated. About 10,600 orders rest on about
//! 1,300 levels all the time.

use super::random::Random;
use super::stream::{Stream, ahead, behind};
use super::workload::{BookShape, Op};

/// Of a thousand commands, those that enter an order that may rest. One in 22 of them
/// crosses.
const NEW_PER_MILLE: u64 = 515;
/// Of a thousand commands, those that take and do not rest. The others cancel.
const IOC_PER_MILLE: u64 = 290;

/// The start book of the stream `calibrated`.
pub const SHANGHAI: BookShape = BookShape {
    orders: 10_616,
    levels: 660,
};

/// The stream keeps the number of open orders between these percentages of the start book's.
const OPEN_MIN_PERCENT: usize = 80;
const OPEN_MAX_PERCENT: usize = 120;
const MID: u32 = 100_000;

/// Points (per mille, value), rising in both.
struct Quantiles(&'static [(u64, u64)]);

/// Lots of one hundred shares.
const SIZE: Quantiles = Quantiles(&[
    (0, 1),
    (500, 3),
    (750, 10),
    (900, 30),
    (990, 154),
    (1000, 1000),
]);

/// Age in commands of an order that is canceled: 1.9 s, 34 s, 2104 s, 16868 s at 10, 50, 90, 99 %.
const CANCEL_AGE: Quantiles = Quantiles(&[
    (0, 1),
    (100, 9),
    (300, 37),
    (500, 155),
    (700, 1220),
    (900, 9600),
    (945, 27_000),
    (990, 77_000),
    (1000, 150_000),
]);

/// Executions of an aggressor: 1.71 on average, 11 at 99 %, 110 at most.
const FILLS: Quantiles = Quantiles(&[
    (0, 1),
    (750, 1),
    (880, 2),
    (950, 4),
    (990, 11),
    (999, 30),
    (1000, 110),
]);

/// Ticks behind the touch of its own side, for orders that do not improve it.
const DISTANCE: Quantiles = Quantiles(&[
    (0, 0),
    (530, 0),
    (640, 1),
    (690, 2),
    (770, 5),
    (820, 10),
    (860, 20),
    (910, 50),
    (940, 100),
    (1000, 700),
]);

/// Of a hundred new orders, those that improve the touch where there is room.
const IMPROVE_PERCENT: u64 = 7;

/// Of a hundred aggressors, those that stay within one level.
const ONE_LEVEL_PERCENT: u64 = 94;

impl Quantiles {
    fn draw(&self, random: &mut Random) -> u64 {
        let draw = random.below(1_000_000);
        let pairs = self.0.windows(2);
        let mut segments = pairs.map(|pair| (pair[0], pair[1]));
        let segment = segments.find(|(_, (to, _))| draw < to * 1000);
        let ((from, low), (to, high)) = segment.expect("the last point is at 1000");
        low + (high - low) * (draw - from * 1000) / ((to - from) * 1000)
    }
}

/// Makes a stream with this start book. Returns the length of its start book.
pub fn make(stream: &mut Stream, start: BookShape, commands: usize) -> usize {
    let open_min = start.orders * OPEN_MIN_PERCENT / 100;
    let open_max = start.orders * OPEN_MAX_PERCENT / 100;
    let mut entered = Vec::with_capacity(commands + start.orders);
    while stream.len() < start.orders {
        let side = stream.random.below(2) as u8;
        let distance = 1 + stream.random.below_u32(start.levels);
        let id = enter(stream, Op::New, side, behind(MID, side, distance));
        entered.push(id);
    }
    let setup = stream.len();
    while stream.len() < commands + setup {
        let mut draw = stream.random.below(1000);
        if stream.book.open_orders() < open_min && draw >= NEW_PER_MILLE + IOC_PER_MILLE {
            draw = 0;
        }
        let crowded = stream.book.open_orders() > open_max && draw < NEW_PER_MILLE;
        let last = entered.last().copied().unwrap_or_default();
        let id = if crowded {
            let id = stream.book.any_open(&mut stream.random);
            stream.cancel(id);
            last
        } else if draw < NEW_PER_MILLE {
            enter_new(stream)
        } else if draw < NEW_PER_MILLE + IOC_PER_MILLE {
            aggress(stream)
        } else {
            let id = order_to_cancel(stream, &entered);
            stream.cancel(id);
            last
        };
        entered.push(id);
    }
    setup
}

fn enter(stream: &mut Stream, op: Op, side: u8, price: u32) -> u32 {
    let user = stream.random.below(1000) as u16;
    let qty = SIZE.draw(&mut stream.random) as u32;
    stream.enter(op, side, price, qty, user)
}

fn enter_new(stream: &mut Stream) -> u32 {
    let side = stream.random.below(2) as u8;
    let own = stream.book.best(side).unwrap_or(behind(MID, side, 1));
    let other = stream.book.best(side ^ 1).unwrap_or(ahead(own, side, 2));
    if stream.random.below(22) == 0 {
        return enter(stream, Op::New, side, other);
    }
    let room = own.abs_diff(other) - 1;
    if room > 0 && stream.random.percent(IMPROVE_PERCENT) {
        let by = 1 + stream.random.below_u32(room);
        return enter(stream, Op::New, side, ahead(own, side, by));
    }
    let distance = DISTANCE.draw(&mut stream.random) as u32;
    enter(stream, Op::New, side, behind(own, side, distance))
}

/// An IOC for as many orders as drawn, the last of them mostly in part, sometimes in full; some
/// ask for more than that, and have a rest to cancel where it is a level's last order.
fn aggress(stream: &mut Stream) -> u32 {
    let side = stream.random.below(2) as u8;
    let fills = FILLS.draw(&mut stream.random) as usize;
    let one_level = stream.random.percent(ONE_LEVEL_PERCENT);
    let levels = if one_level {
        1
    } else {
        2 + stream.random.below(4) as usize
    };
    let (mut qty, mut last_qty, mut price, mut met) = (0, 0, MID, 0);
    for (level_price, order) in stream.book.ranked(side ^ 1).take(fills) {
        if met == 0 || level_price != price {
            if met == levels {
                break;
            }
            met += 1;
            price = level_price;
        }
        last_qty = order.leaves;
        qty += last_qty;
    }
    let user = stream.random.below(1000) as u16;
    let qty = match stream.random.below(12) {
        0 => qty,
        1 => qty + stream.random.below_u32(3),
        _ => qty - stream.random.below_u32(last_qty.max(1)),
    };
    stream.enter(Op::Ioc, side, price, qty.max(1), user)
}

/// The open order whose age is nearest to a drawn one.
fn order_to_cancel(stream: &mut Stream, entered: &[u32]) -> u32 {
    let age = CANCEL_AGE.draw(&mut stream.random) as usize;
    let around = entered
        .len()
        .checked_sub(age)
        .map(|command| entered[command]);
    let newest = entered.last().copied().unwrap_or_default();
    let near = around.and_then(|id| {
        let older = (0..256).map(|by| id.saturating_sub(by));
        let newer = (1..=256).map(|by| (id + by).min(newest));
        let mut ids = older.zip(newer).flat_map(|(older, newer)| [older, newer]);
        ids.find(|&id| stream.book.is_open(id))
    });
    near.unwrap_or_else(|| stream.book.any_open(&mut stream.random))
}
