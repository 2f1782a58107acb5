//! What an audit prints.

use std::fmt;

use super::difference::{Difference, Money};
use crate::control::CurrencyCode;
use crate::journal::JournalEnd;
use crate::recovery::SnapshotHead;

/// The sums of a currency of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrencySum {
    /// The tenant's name.
    pub tenant: String,
    /// The currency.
    pub currency: CurrencyCode,
    /// How many balances there are.
    pub balances: u64,
    /// Credits less debits.
    pub supply: Money,
    /// All balances, the fee account's too.
    pub totals: Money,
    /// What open orders hold.
    pub held: Money,
    /// What the fee account has.
    pub fees: Money,
    /// Whether somebody else keeps the money: then there are no balances.
    pub external: bool,
}

/// How much there is of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamCount {
    /// The tenant's name.
    pub tenant: String,
    /// The market's symbol.
    pub stream: String,
    /// Records.
    pub records: u64,
    /// Refused commands among them.
    pub refused: u64,
    /// Trades they led to.
    pub trades: u64,
    /// Open orders at the end.
    pub open_orders: u32,
}

/// What an audit found.
#[derive(Debug)]
pub struct Report {
    /// The snapshot that it began with; nothing if it began with the first record of all.
    pub start: Option<SnapshotHead>,
    /// Where the journal ends.
    pub end: JournalEnd,
    /// Whether the node that wrote it last stopped in order.
    pub ended_in_order: bool,
    /// Records of all kinds.
    pub records: u64,
    /// By tenant and currency.
    pub sums: Vec<CurrencySum>,
    /// By tenant and stream.
    pub streams: Vec<StreamCount>,
    /// Balances that running nodes wrote down at their ends, compared.
    pub balances_compared: u64,
    /// Differences, as many as were kept.
    pub differences: Vec<Difference>,
    /// Differences in all.
    pub differences_found: u64,
}

impl Report {
    /// Whether everything adds up.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.differences_found == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["tenant", "currency", "balances", "credits - debits"];
        let more = ["totals", "held", "fees", ""];
        let sums = self.sums.iter().map(|sum| {
            vec![
                sum.tenant.clone(),
                sum.currency.as_str().to_owned(),
                sum.balances.to_string(),
                sum.supply.to_string(),
                sum.totals.to_string(),
                sum.held.to_string(),
                sum.fees.to_string(),
                match (sum.external, sum.supply == sum.totals) {
                    (true, _) => "external custody".to_owned(),
                    (false, true) => "equal".to_owned(),
                    (false, false) => "NOT EQUAL".to_owned(),
                },
            ]
        });
        table(f, &[header, more].concat(), sums.collect())?;
        writeln!(f)?;
        let header = ["tenant", "stream", "records", "refused", "trades", "open"];
        let streams = self.streams.iter().map(|stream| {
            vec![
                stream.tenant.clone(),
                stream.stream.clone(),
                stream.records.to_string(),
                stream.refused.to_string(),
                stream.trades.to_string(),
                stream.open_orders.to_string(),
            ]
        });
        table(f, &header, streams.collect())?;
        let first = self.start.map_or(1, |head| head.start.batch);
        writeln!(
            f,
            "\n{} records in {} batches, cluster {}",
            self.records,
            self.end.chain.batch - first,
            self.end.cluster_id.unwrap_or(0)
        )?;
        if let Some(head) = self.start {
            writeln!(
                f,
                "from segment {} on: what was before it is taken from the snapshot",
                head.segment
            )?;
            if self.records == 0 && !self.is_sound() {
                writeln!(
                    f,
                    "the snapshot does not add up; the journal was not replayed"
                )?;
            }
        }
        if let Some(torn) = self.end.torn {
            writeln!(
                f,
                "the tail is cut: at byte {} of segment {} a group was being written; it is left out",
                torn.offset, torn.segment
            )?;
        }
        if !self.ended_in_order {
            writeln!(f, "the node was stopped hard, or runs")?;
        }
        writeln!(f, "{} final balances compared", self.balances_compared)?;
        for difference in &self.differences {
            writeln!(f, "{difference}")?;
        }
        let hidden = self.differences_found - self.differences.len() as u64;
        if hidden > 0 {
            writeln!(f, "and {hidden} more")?;
        }
        match self.differences_found {
            0 => writeln!(f, "sound"),
            1 => writeln!(f, "1 difference: NOT sound"),
            count => writeln!(f, "{count} differences: NOT sound"),
        }
    }
}

/// Prints rows in columns: the first two are names, the others numbers.
fn table(f: &mut fmt::Formatter<'_>, header: &[&str], rows: Vec<Vec<String>>) -> fmt::Result {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].len());
        cells.chain([header[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let header = header.iter().map(|name| (*name).to_owned()).collect();
    for row in std::iter::once(&header).chain(&rows) {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if column < 2 {
                line += &format!("{cell:<width$}  ");
            } else {
                line += &format!("{cell:>width$}  ");
            }
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}
