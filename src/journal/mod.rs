//! The only door between matchers and the publisher: a batch passes when it is durable.
//!
//! In the durability class `memory`, the only one of this version, the door stands open and nothing
//! survives the process. The server says so at start and in each logon acknowledgement. A node may
//! record all streams to a file on the way ([`Recording`]), which promises no sync.

mod chain;
mod reader;
mod record;
#[cfg(test)]
mod record_tests;
mod recording;
mod wire_form;

pub use chain::{RECORD_PREFIX_LEN, length, seal, verify};
pub use reader::{Ending, FILE_HEADER_LEN, FileHeader, Problem, ReadError, Reader};
pub use record::{
    BALANCES_MAX, BalanceLine, Body, Damage, RECORD_HEADER_LEN, RECORD_LEN_MAX, StreamRecord,
    Verdict,
};
pub(crate) use recording::founding;
pub use recording::{
    PENDING_BYTES_MAX, Recording, RecordingError, RecordingWriter, StreamRecorder,
};

use crate::handoff::{Batch, TakesBatches};

/// The journal of the durability class `memory`: passes each batch on at once, recorded if asked.
#[derive(Debug)]
pub struct MemoryJournal<P> {
    publisher: P,
    recorder: Option<StreamRecorder>,
}

impl<P: TakesBatches> MemoryJournal<P> {
    /// A journal in front of `publisher`.
    #[must_use]
    pub const fn new(publisher: P, recorder: Option<StreamRecorder>) -> Self {
        Self {
            publisher,
            recorder,
        }
    }
}

impl<P: TakesBatches> TakesBatches for MemoryJournal<P> {
    /// A batch is recorded before it is published, so that whatever comes of it is recorded later.
    fn take(&mut self, batch: &mut Batch) {
        if let Some(recorder) = &mut self.recorder
            && recorder.record(batch).is_err()
        {
            return StreamRecorder::refuse(&batch.submissions);
        }
        self.publisher.take(batch);
    }
}
