//! When the next renewal is due.

use std::time::Duration;

use crate::clock::Moment;

/// Ticks at a fixed rate from a fixed beginning. No tick knows what became of another; what was missed is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    start: Moment,
    period: Duration,
    /// The number of the last tick that was given.
    last: Option<u64>,
}

/// A renewal's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Counted from 0.
    pub number: u64,
    /// When it is due.
    pub at: Moment,
}

impl Schedule {
    /// Ticks at `start` and every `period` after it.
    #[must_use]
    pub const fn new(start: Moment, period: Duration) -> Self {
        Self {
            start,
            period,
            last: None,
        }
    }

    /// The next tick at `now`: the one that is due, or the first that will be.
    pub fn next(&mut self, now: Moment) -> Tick {
        let due = (now.since(self.start).as_nanos() / self.period.as_nanos()) as u64;
        let number = match self.last {
            // The next, unless later ones are due, too: then the last of these.
            Some(last) => due.max(last + 1),
            None => due,
        };
        self.last = Some(number);
        let after = Duration::from_nanos(self.period.as_nanos() as u64 * number);
        Tick {
            number,
            at: self.start.plus(after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_keep_their_places_however_long_each_takes() {
        let mut schedule = Schedule::new(Moment(1_000), Duration::from_nanos(100));
        let mut at = |now| {
            let tick = schedule.next(Moment(now));
            (tick.number, tick.at.0)
        };
        assert_eq!(at(1_000), (0, 1_000));
        assert_eq!(
            at(1_001),
            (1, 1_100),
            "a quick one does not bring the next forward"
        );
        assert_eq!(at(1_199), (2, 1_200), "a slow one does not put it off");
        assert_eq!(
            at(1_650),
            (6, 1_600),
            "what was missed is left out, not made up for"
        );
        assert_eq!(at(1_650), (7, 1_700));
    }
}
