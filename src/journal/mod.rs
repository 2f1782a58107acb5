//! The only door between matchers and the publisher: a batch passes when it is durable.
//!
//! In the durability class `memory`, the only one of this version, the door stands open and nothing
//! survives the process. The server says so at start and in each logon acknowledgement.

use crate::handoff::{Batch, TakesBatches};

/// The journal of the durability class `memory`: passes each batch on at once.
#[derive(Debug)]
pub struct MemoryJournal<P> {
    publisher: P,
}

impl<P: TakesBatches> MemoryJournal<P> {
    /// A journal in front of `publisher`.
    #[must_use]
    pub const fn new(publisher: P) -> Self {
        Self { publisher }
    }
}

impl<P: TakesBatches> TakesBatches for MemoryJournal<P> {
    fn take(&mut self, batch: &mut Batch) {
        self.publisher.take(batch);
    }
}
