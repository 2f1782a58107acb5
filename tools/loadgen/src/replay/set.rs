//! A recorded set: the inputs, and what a correct price-time engine makes of them.

use std::path::Path;

use souk_protocol::Side;

use super::ReplayError;
use super::table::{Row, Table};

/// Depth of the golden books, in levels of each side.
pub const GOLDEN_LEVELS: usize = 10;

/// What an input does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `N`: a limit order, good till cancel.
    Limit,
    /// `I`: a limit order, immediate or cancel.
    ImmediateOrCancel,
    /// `C`: cancel.
    Cancel,
    /// `R`: reduce the open quantity, which keeps priority.
    Reduce,
    /// `X`: cancel, and enter another order on the same side at the back of the queue.
    Replace,
}

/// One row of `input.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its number.
    pub seq: u64,
    /// Which of the set's symbols.
    pub sym: u32,
    /// What it does.
    pub operation: Operation,
    /// The order.
    pub order_id: u64,
    /// The order's side.
    pub side: Side,
    /// Price in ticks.
    pub price: i64,
    /// Quantity in the set's unit; of a reduce, by how much.
    pub qty: u64,
    /// Replace: the new order.
    pub new_id: u64,
}

/// One row of `expected_trades.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeRow {
    /// The input it came out of.
    pub input_seq: u64,
    /// The symbol.
    pub sym: u32,
    /// The order that rested.
    pub maker_id: u64,
    /// The order that came in.
    pub taker_id: u64,
    /// The side of the order that came in.
    pub taker_side: Side,
    /// Price in ticks.
    pub price: i64,
    /// Quantity.
    pub qty: u64,
    /// What is left of the order that rested.
    pub maker_left: u64,
}

/// A price level of a golden book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelRow {
    /// Price in ticks.
    pub price: i64,
    /// Quantity.
    pub qty: u64,
    /// Number of orders.
    pub orders: u64,
}

/// One side of a golden book.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SideRow {
    /// Number of orders.
    pub orders: u64,
    /// Number of levels.
    pub levels: u64,
    /// The best levels, at most [`GOLDEN_LEVELS`].
    pub best: Vec<LevelRow>,
}

/// One row of `expected_book.csv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookRow {
    /// After which input.
    pub input_seq: u64,
    /// The symbol.
    pub sym: u32,
    /// CRC-32 of every order in its place.
    pub l3_crc32: u32,
    /// Buys.
    pub buys: SideRow,
    /// Sells.
    pub sells: SideRow,
}

/// One row of `final_book.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestingRow {
    /// The symbol.
    pub sym: u32,
    /// The order's side.
    pub side: Side,
    /// Price in ticks.
    pub price: i64,
    /// The order.
    pub order_id: u64,
    /// Open quantity.
    pub qty: u64,
}

/// A set in memory. The goldens may be missing: then only what the server says of itself is
/// compared.
#[derive(Clone, Debug)]
pub struct Set {
    /// The name of its folder or file.
    pub name: String,
    /// What is sent.
    pub inputs: Vec<Input>,
    /// The executions expected, in order.
    pub trades: Option<Vec<TradeRow>>,
    /// The books expected after some of the inputs.
    pub books: Option<Vec<BookRow>>,
    /// The book expected at the end.
    pub final_book: Option<Vec<RestingRow>>,
}

impl Set {
    /// Reads a set: a folder with `input.csv` and its goldens, or one file of inputs. Each may be
    /// compressed and have `.zst` behind its name.
    ///
    /// # Errors
    /// When there are no inputs, or a file cannot be read or has a value that makes no sense.
    pub fn read(path: &Path) -> Result<Self, ReplayError> {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let name = name.to_string_lossy().into_owned();
        let input_file = if path.is_dir() {
            path.join("input.csv")
        } else {
            path.to_owned()
        };
        let missing = || ReplayError::NoInputs(input_file.clone());
        let inputs = inputs(&Table::read(&input_file)?.ok_or_else(missing)?)?;
        if inputs.is_empty() {
            return Err(missing());
        }
        let golden = |file| {
            let there = path.is_dir().then(|| Table::read(&path.join(file)));
            there.transpose().map(Option::flatten)
        };
        Ok(Self {
            name,
            inputs,
            trades: golden("expected_trades.csv")?
                .as_ref()
                .map(trades)
                .transpose()?,
            books: golden("expected_book.csv")?
                .as_ref()
                .map(books)
                .transpose()?,
            final_book: golden("final_book.csv")?
                .as_ref()
                .map(resting)
                .transpose()?,
        })
    }
}

fn inputs(table: &Table) -> Result<Vec<Input>, ReplayError> {
    let names = [
        "seq", "sym", "op", "order_id", "side", "price", "qty", "new_id",
    ];
    let mut inputs: Vec<Input> = Vec::new();
    for row in table.columns(names)? {
        let operation = match row.text(2) {
            "N" => Operation::Limit,
            "I" => Operation::ImmediateOrCancel,
            "C" => Operation::Cancel,
            "R" => Operation::Reduce,
            "X" => Operation::Replace,
            _ => return Err(row.bad(2)),
        };
        let input = Input {
            seq: row.value(0)?,
            sym: row.value(1)?,
            operation,
            order_id: row.value(3)?,
            side: side(&row, 4)?,
            price: row.value(5)?,
            qty: row.value(6)?,
            new_id: match operation {
                Operation::Replace => row.value(7)?,
                _ => 0,
            },
        };
        if inputs.last().is_some_and(|last| last.seq >= input.seq) {
            return Err(row.bad(0));
        }
        // 0 is the wire's null, the highest number names nothing: it ends a replay.
        if [0, u64::MAX].contains(&input.order_id) {
            return Err(row.bad(3));
        }
        inputs.push(input);
    }
    Ok(inputs)
}

fn trades(table: &Table) -> Result<Vec<TradeRow>, ReplayError> {
    let names = [
        "input_seq",
        "sym",
        "maker_id",
        "taker_id",
        "taker_side",
        "price",
        "qty",
        "maker_left",
    ];
    let rows = table.columns(names)?;
    rows.map(|row| {
        Ok(TradeRow {
            input_seq: row.value(0)?,
            sym: row.value(1)?,
            maker_id: row.value(2)?,
            taker_id: row.value(3)?,
            taker_side: side(&row, 4)?,
            price: row.value(5)?,
            qty: row.value(6)?,
            maker_left: row.value(7)?,
        })
    })
    .collect()
}

fn resting(table: &Table) -> Result<Vec<RestingRow>, ReplayError> {
    let rows = table.columns(["sym", "side", "price", "order_id", "qty"])?;
    rows.map(|row| {
        Ok(RestingRow {
            sym: row.value(0)?,
            side: side(&row, 1)?,
            price: row.value(2)?,
            order_id: row.value(3)?,
            qty: row.value(4)?,
        })
    })
    .collect()
}

/// Columns of a golden book before its levels.
const BOOK_COLUMNS: [&str; 7] = [
    "input_seq",
    "sym",
    "orders_b",
    "orders_s",
    "levels_b",
    "levels_s",
    "l3_crc32",
];
/// Names of the columns of its levels: three for each.
const BUY_COLUMNS: [&str; 3 * GOLDEN_LEVELS] = [
    "b1_px", "b1_qty", "b1_n", "b2_px", "b2_qty", "b2_n", "b3_px", "b3_qty", "b3_n", "b4_px",
    "b4_qty", "b4_n", "b5_px", "b5_qty", "b5_n", "b6_px", "b6_qty", "b6_n", "b7_px", "b7_qty",
    "b7_n", "b8_px", "b8_qty", "b8_n", "b9_px", "b9_qty", "b9_n", "b10_px", "b10_qty", "b10_n",
];
const SELL_COLUMNS: [&str; 3 * GOLDEN_LEVELS] = [
    "s1_px", "s1_qty", "s1_n", "s2_px", "s2_qty", "s2_n", "s3_px", "s3_qty", "s3_n", "s4_px",
    "s4_qty", "s4_n", "s5_px", "s5_qty", "s5_n", "s6_px", "s6_qty", "s6_n", "s7_px", "s7_qty",
    "s7_n", "s8_px", "s8_qty", "s8_n", "s9_px", "s9_qty", "s9_n", "s10_px", "s10_qty", "s10_n",
];

/// The header line of a golden book.
pub(crate) fn book_header() -> String {
    let columns = BOOK_COLUMNS.iter().chain(&BUY_COLUMNS).chain(&SELL_COLUMNS);
    columns.copied().collect::<Vec<_>>().join(",")
}

fn books(table: &Table) -> Result<Vec<BookRow>, ReplayError> {
    let rows = table.columns(BOOK_COLUMNS)?;
    let buys = table.columns(BUY_COLUMNS)?;
    let sells = table.columns(SELL_COLUMNS)?;
    let mut books = Vec::new();
    for ((row, buys), sells) in rows.zip(buys).zip(sells) {
        let side = |orders, levels, best: &Row<'_, _>| {
            Ok::<_, ReplayError>(SideRow {
                orders: row.value(orders)?,
                levels: row.value(levels)?,
                best: best_levels(best)?,
            })
        };
        books.push(BookRow {
            input_seq: row.value(0)?,
            sym: row.value(1)?,
            l3_crc32: u32::from_str_radix(row.text(6), 16).map_err(|_| row.bad(6))?,
            buys: side(2, 4, &buys)?,
            sells: side(3, 5, &sells)?,
        });
    }
    Ok(books)
}

fn best_levels(row: &Row<'_, { 3 * GOLDEN_LEVELS }>) -> Result<Vec<LevelRow>, ReplayError> {
    let there = (0..GOLDEN_LEVELS)
        .map(|level| 3 * level)
        .filter(|at| !row.text(*at).is_empty());
    there
        .map(|at| {
            Ok(LevelRow {
                price: row.value(at)?,
                qty: row.value(at + 1)?,
                orders: row.value(at + 2)?,
            })
        })
        .collect()
}

fn side<const N: usize>(row: &Row<'_, N>, column: usize) -> Result<Side, ReplayError> {
    match row.text(column) {
        "B" => Ok(Side::Buy),
        "S" => Ok(Side::Sell),
        _ => Err(row.bad(column)),
    }
}

/// How a side is written in a set.
pub(crate) const fn side_letter(side: Side) -> char {
    match side {
        Side::Buy => 'B',
        Side::Sell => 'S',
    }
}
