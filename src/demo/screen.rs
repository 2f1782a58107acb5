//! What the demo prints: two books side by side, the last trades, and how long answers take.

use std::time::Duration;

use souk_loadgen::load::Snapshot;
use souk_protocol::Side;

use super::watch::{LEVELS, TRADES, View, decimal};

/// Columns of one tenant.
const WIDTH: usize = 36;
/// Digits after the point of a price: the tick is 0.01.
const PRICE_SCALE: u32 = 2;
/// Digits after the point of a quantity: the lot is 0.0001.
const QTY_SCALE: u32 = 4;

/// The screen, line by line. Always the same number of lines.
pub(super) fn lines(
    tenants: &[&str; 2],
    views: &[View; 2],
    stats: &Snapshot,
    elapsed: Duration,
) -> Vec<String> {
    let columns = [column(tenants[0], &views[0]), column(tenants[1], &views[1])];
    let mut lines: Vec<String> = columns[0]
        .iter()
        .zip(&columns[1])
        .map(|(left, right)| format!("  {left:<WIDTH$}   {right}"))
        .collect();
    let us = |ns: u64| format!("{:.0} us", ns as f64 / 1_000.0);
    let response = &stats.response;
    lines.push(format!(
        "  {:>3.0} s  sent {}  answered {}  trades {}  refused {}",
        elapsed.as_secs_f64(),
        stats.sent,
        stats.answered,
        stats.trades,
        stats.refused
    ));
    lines.push(format!(
        "  answer after  p50 {}  p99 {}  p99.9 {}  max {}   (from the planned send time)",
        us(response.p50),
        us(response.p99),
        us(response.p99_9),
        us(response.max)
    ));
    lines
}

fn column(tenant: &str, view: &View) -> Vec<String> {
    let mut lines = vec![
        format!("{tenant} BTC-USDT"),
        format!("{:>11} {:>9} | {:<9}", "qty", "buy", "sell"),
    ];
    let blank = String::new;
    for level in 0..LEVELS {
        let buy = view.buys.get(level);
        let sell = view.sells.get(level);
        let qty = |units: u64| text(units as i64, QTY_SCALE);
        lines.push(format!(
            "{:>11} {:>9} | {:<9} {}",
            buy.map_or_else(blank, |(_, q)| qty(q.0)),
            buy.map_or_else(blank, |(p, _)| text(p.0, PRICE_SCALE)),
            sell.map_or_else(blank, |(p, _)| text(p.0, PRICE_SCALE)),
            sell.map_or_else(blank, |(_, q)| qty(q.0)),
        ));
    }
    lines.push(format!("trades: {}", view.traded));
    for trade in 0..TRADES {
        lines.push(view.trades.get(trade).map_or_else(blank, |tick| {
            let side = if tick.taker_side == Side::Buy {
                "buy "
            } else {
                "sell"
            };
            let (price, qty) = (
                text(tick.price.0, PRICE_SCALE),
                text(tick.qty.0 as i64, QTY_SCALE),
            );
            format!("  #{:<8} {side} {qty} @ {price}", tick.match_id)
        }));
    }
    lines
}

fn text(units: i64, scale: u32) -> String {
    decimal(units, scale).unwrap_or_else(|_| units.to_string())
}
