//! The only door between matchers and the publisher: a batch passes when it is durable.
//!
//! Class `local`: one thread writes the batches of all matchers in groups to segment files, one sync for each
//! ([`Journal`]); each matcher's [`LocalJournal`] keeps its batches until then. Class `memory`: the door stands open
//! ([`MemoryJournal`]), and nothing survives the process.
//!
//! Must never: open before a batch is durable; leave a record out and go on; make a matcher wait for a disk.

mod bytes;
mod decode;
mod entry;
mod group;
mod local;
mod problem;
mod reader;
mod record;
mod rows;
pub mod segment;
mod segments;
mod strategy;
mod tail;
mod wire_form;
mod writer;

pub use decode::{BatchHead, read_batch};
pub use entry::{BATCH_HEADER_LEN, BatchWriter, number};
pub use group::{ChainEnd, GROUP_HEADER_LEN, GROUP_LEN_MAX, GroupHead, blocks_of, read_head, seal};
pub use local::LocalJournal;
pub use problem::{Problem, ReadError};
pub use reader::{JournalEnd, Reader, TornTail};
pub use record::{BALANCES_MAX, BalanceLine, Body, Damage, StreamRecord};
pub use rows::{RawBatch, RowError, Rows};
pub use segments::{JournalOptions, Segments};
pub use strategy::{Measured, measure};
pub use tail::{Next, Tail};
pub use writer::{
    GroupStore, Journal, JournalCounts, JournalError, JournalLag, JournalWriter, Ticket, Wake,
};

use crate::handoff::{Batch, SeatState, TakesBatches};
use crate::metrics::MatcherMeter;

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

    fn meter(&mut self, meter: &MatcherMeter) {
        self.publisher.meter(meter);
    }
}

/// The journal of a node, of whichever class.
#[derive(Debug)]
pub enum NodeJournal<P> {
    /// Durability class `memory`.
    Memory(MemoryJournal<P>),
    /// Durability class `local`.
    Local(LocalJournal<P>),
}

impl<P: TakesBatches> TakesBatches for NodeJournal<P> {
    fn take(&mut self, batch: &mut Batch) {
        match self {
            Self::Memory(journal) => journal.take(batch),
            Self::Local(journal) => journal.take(batch),
        }
    }

    fn release(&mut self) -> Option<Batch> {
        match self {
            Self::Memory(journal) => journal.release(),
            Self::Local(journal) => journal.release(),
        }
    }

    fn has_room(&self) -> bool {
        match self {
            Self::Memory(journal) => journal.has_room(),
            Self::Local(journal) => journal.has_room(),
        }
    }

    fn is_idle(&self) -> bool {
        match self {
            Self::Memory(journal) => journal.is_idle(),
            Self::Local(journal) => journal.is_idle(),
        }
    }

    fn meter(&mut self, meter: &MatcherMeter) {
        match self {
            Self::Memory(journal) => journal.meter(meter),
            Self::Local(journal) => journal.meter(meter),
        }
    }

    fn end(&mut self, states: &[SeatState], transact_time: u64) {
        match self {
            Self::Memory(journal) => journal.end(states, transact_time),
            Self::Local(journal) => journal.end(states, transact_time),
        }
    }
}
