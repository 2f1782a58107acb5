//! Percentiles, and how they are printed.

use std::time::Duration;

/// Times of one kind.
#[derive(Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// The part of them, in percent, that is not above it.
    pub fn percentile(&mut self, percent: usize) -> Duration {
        self.0.sort_unstable();
        let at = (self.0.len() * percent).div_ceil(100).max(1) - 1;
        self.0[at]
    }

    /// Prints smallest, median, 99th percentile and largest.
    pub fn print(&mut self, what: &str) {
        let [least, median, high, most] = [0, 50, 99, 100].map(|percent| self.percentile(percent));
        let count = self.0.len();
        println!(
            "{what:<44} {least:>10.1?} {median:>10.1?} {high:>10.1?} {most:>10.1?}  of {count}"
        );
    }
}

/// Prints what [`Times::print`] prints under.
pub fn head(what: &str) {
    println!(
        "\n{what:<44} {:>10} {:>10} {:>10} {:>10}",
        "least", "p50", "p99", "most"
    );
}
