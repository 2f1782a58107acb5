//! How a batch goes from stage to stage.

use super::{Batch, Seat};
use crate::metrics::MatcherMeter;

/// A stage that takes batches: the journal behind a matcher, the publisher behind the journal.
/// It may take the contents out of the batch; what it leaves is cleared and used again.
pub trait TakesBatches {
    /// Takes one batch.
    fn take(&mut self, batch: &mut Batch);

    /// Publishes the oldest batch that was kept, if it is durable by now, and gives it back to be used again.
    fn release(&mut self) -> Option<Batch> {
        None
    }

    /// Whether another batch may be applied: less waits than may.
    fn has_room(&self) -> bool {
        true
    }

    /// Whether nothing is kept.
    fn is_idle(&self) -> bool {
        true
    }

    /// Writes down what it does from now on.
    fn meter(&mut self, _meter: &MatcherMeter) {}

    /// The matcher ends, and left its streams like this.
    fn end(&mut self, _states: &[SeatState], _transact_time: u64) {}
}

/// What a stream has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeatState {
    /// Where it is.
    pub seat: Seat,
    /// The number of its last command.
    pub stream_seq: u64,
    /// The hash of everything its future depends on.
    pub hash: u64,
}
