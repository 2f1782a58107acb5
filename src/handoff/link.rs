//! One connection as others see it, and the bytes that wait for it.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use souk_protocol::{RejectReason, SessionId};
use tokio::sync::Notify;

use super::SessionTerms;

/// One connection of a session, shared by the gateway task that owns the socket and by the
/// publishers that answer it.
#[derive(Debug)]
pub struct Link {
    /// The session.
    pub session: SessionId,
    /// What it asked for when it logged on.
    pub terms: SessionTerms,
    /// Differs between connections, also of one session; [`Link::AWAY`] is none.
    pub connection: u64,
    /// What waits to be written.
    pub outbox: Outbox,
    /// Messages answered so far: each gives one credit back.
    pub answered: AtomicU64,
    /// The code with which the connection must end, or 0.
    ending: AtomicU16,
}

impl Link {
    /// The number of no connection.
    pub const AWAY: u64 = 0;

    /// A connection that has just logged on.
    #[must_use]
    pub fn new(
        session: SessionId,
        terms: SessionTerms,
        connection: u64,
        outbox_bytes_max: usize,
    ) -> Self {
        Self {
            session,
            terms,
            connection,
            outbox: Outbox::new(outbox_bytes_max),
            answered: AtomicU64::new(0),
            ending: AtomicU16::new(0),
        }
    }

    /// A session that has no connection: what is sent to it goes nowhere.
    #[must_use]
    pub fn away(session: SessionId, terms: SessionTerms) -> Self {
        Self::new(session, terms, Self::AWAY, 0)
    }

    /// Asks the connection to end for this reason. The first reason counts.
    pub fn end(&self, reason: RejectReason) {
        let _ = self
            .ending
            .compare_exchange(0, reason.code(), Ordering::AcqRel, Ordering::Acquire);
        self.outbox.ready.notify_one();
    }

    /// Why the connection must end, if it must.
    #[must_use]
    pub fn ending(&self) -> Option<RejectReason> {
        RejectReason::from_code(self.ending.load(Ordering::Acquire))
    }
}

/// Bytes that wait to be written to one connection. Bounded: a session that does not read is cut
/// off, never buffered for without limit, and nothing is dropped without a word.
#[derive(Debug)]
pub struct Outbox {
    bytes: Mutex<Vec<u8>>,
    bytes_max: usize,
    overflowed: AtomicBool,
    /// Told when there is something to write, or when it overflowed.
    pub ready: Notify,
}

impl Outbox {
    /// An empty outbox that holds up to `bytes_max` bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes: Mutex::new(Vec::new()),
            bytes_max,
            overflowed: AtomicBool::new(false),
            ready: Notify::new(),
        }
    }

    /// Appends whole frames. When they do not fit, the outbox is overflowed for good: it takes
    /// nothing more, and its connection ends.
    pub fn append(&self, frames: &[u8]) {
        self.add(frames.len(), |bytes| bytes.extend_from_slice(frames));
    }

    /// Appends whole frames as [`Self::append`] does, and empties `frames`. Copies nothing when
    /// nothing waits.
    pub fn give(&self, frames: &mut Vec<u8>) {
        self.add(frames.len(), |bytes| {
            if bytes.is_empty() {
                std::mem::swap(bytes, frames);
            } else {
                bytes.extend_from_slice(frames);
            }
        });
        frames.clear();
    }

    fn add(&self, len: usize, add: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if self.overflowed() || bytes.len() + len > self.bytes_max {
            self.overflowed.store(true, Ordering::Release);
        } else {
            add(&mut bytes);
        }
        drop(bytes);
        self.ready.notify_one();
    }

    /// Swaps what waits with `empty`, which must be empty.
    pub fn take(&self, empty: &mut Vec<u8>) {
        debug_assert!(empty.is_empty(), "what was taken before is written");
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *bytes, empty);
    }

    /// Whether something did not fit.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.overflowed.load(Ordering::Acquire)
    }
}
