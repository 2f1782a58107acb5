//! Compares what a tenant saw with what a correct engine must produce.

use std::fmt::Debug;

use super::money;
use super::recorder::Complaints;
use super::set::{BookRow, Set};
use super::{Played, TradeRow};

/// How a tenant's replay compares with the goldens.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Executions that were compared, books that were compared, orders of the final book that
    /// were compared; `None` without goldens.
    pub compared: (Option<usize>, Option<usize>, Option<usize>),
    /// Balances that were compared; `None` when money was not looked at.
    pub balances: Option<usize>,
    /// What differs.
    pub differences: Complaints,
}

impl Verdict {
    /// Whether all is as it must be.
    #[must_use]
    pub const fn is_equal(&self) -> bool {
        self.differences.count == 0
    }
}

/// Compares.
#[must_use]
pub fn compare(set: &Set, played: &Played) -> Verdict {
    let mut differences = played.complaints.clone();
    if let Some(expected) = &set.trades {
        rows("execution", expected, &played.trades, &mut differences);
    }
    if let Some(expected) = &set.books {
        books(expected, &played.books, &mut differences);
    }
    if let Some(expected) = &set.final_book {
        rows(
            "order of the final book",
            expected,
            &played.final_book,
            &mut differences,
        );
    }
    let balances = money::check(set, played, &mut differences);
    Verdict {
        balances,
        compared: (
            set.trades.as_ref().map(Vec::<TradeRow>::len),
            set.books.as_ref().map(Vec::len),
            set.final_book.as_ref().map(Vec::len),
        ),
        differences,
    }
}

/// Row by row in order; after the first difference of a list the rest says nothing.
fn rows<T: PartialEq + Debug>(
    what: &str,
    expected: &[T],
    found: &[T],
    differences: &mut Complaints,
) {
    let first = expected.iter().zip(found).position(|(a, b)| a != b);
    if let Some(at) = first {
        let (number, expected, found) = (at + 1, &expected[at], &found[at]);
        differences.add(|| format!("{what} {number} must be {expected:?} and is {found:?}"));
    }
    if expected.len() != found.len() {
        let (expected, found) = (expected.len(), found.len());
        differences.add(|| format!("{expected} times {what} expected, {found} found"));
    }
}

fn books(expected: &[BookRow], found: &[BookRow], differences: &mut Complaints) {
    for row in expected {
        let same_place =
            |other: &&BookRow| (other.input_seq, other.sym) == (row.input_seq, row.sym);
        match found.iter().find(same_place) {
            Some(other) if other == row => {}
            Some(other) => differences.add(|| {
                let seq = row.input_seq;
                format!("the book after input {seq} must be {row:?} and is {other:?}")
            }),
            None => differences.add(|| format!("no book after input {}", row.input_seq)),
        }
    }
}
