//! Writes what a tenant saw in the format of the goldens.

use std::fs::{File, create_dir_all};
use std::io::{BufWriter, Write};
use std::path::Path;

use super::set::{BookRow, GOLDEN_LEVELS, SideRow, book_header, side_letter};
use super::{Played, ReplayError};

/// Writes `trades.csv`, `book.csv` and `final.csv` to `folder`, which is made if need be.
///
/// # Errors
/// When a file cannot be written.
pub fn write(played: &Played, folder: &Path) -> Result<(), ReplayError> {
    write_files(played, folder).map_err(|error| ReplayError::Unreadable {
        path: folder.to_owned(),
        error,
    })
}

fn write_files(played: &Played, folder: &Path) -> std::io::Result<()> {
    create_dir_all(folder)?;
    let mut trades = BufWriter::new(File::create(folder.join("trades.csv"))?);
    writeln!(
        trades,
        "trade_no,input_seq,sym,maker_id,taker_id,taker_side,price,qty,maker_left"
    )?;
    for (index, trade) in played.trades.iter().enumerate() {
        writeln!(
            trades,
            "{},{},{},{},{},{},{},{},{}",
            index + 1,
            trade.input_seq,
            trade.sym,
            trade.maker_id,
            trade.taker_id,
            side_letter(trade.taker_side),
            trade.price,
            trade.qty,
            trade.maker_left
        )?;
    }
    trades.flush()?;
    let mut books = BufWriter::new(File::create(folder.join("book.csv"))?);
    writeln!(books, "{}", book_header())?;
    for book in &played.books {
        write_book(&mut books, book)?;
    }
    books.flush()?;
    let mut resting = BufWriter::new(File::create(folder.join("final.csv"))?);
    writeln!(resting, "sym,side,price,order_id,qty")?;
    for order in &played.final_book {
        let side = side_letter(order.side);
        let (sym, price, id, qty) = (order.sym, order.price, order.order_id, order.qty);
        writeln!(resting, "{sym},{side},{price},{id},{qty}")?;
    }
    resting.flush()
}

fn write_book(out: &mut impl Write, book: &BookRow) -> std::io::Result<()> {
    write!(
        out,
        "{},{},{},{},{},{},{:08x}",
        book.input_seq,
        book.sym,
        book.buys.orders,
        book.sells.orders,
        book.buys.levels,
        book.sells.levels,
        book.l3_crc32
    )?;
    write_side(out, &book.buys)?;
    write_side(out, &book.sells)?;
    writeln!(out)
}

fn write_side(out: &mut impl Write, side: &SideRow) -> std::io::Result<()> {
    for index in 0..GOLDEN_LEVELS {
        match side.best.get(index) {
            Some(level) => write!(out, ",{},{},{}", level.price, level.qty, level.orders)?,
            None => write!(out, ",,,")?,
        }
    }
    Ok(())
}
