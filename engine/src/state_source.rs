//! Where the bytes of a market's state come from and go to, and what is wrong with those that are none.

use alloc::vec::Vec;
use core::fmt;

use crate::orders::Slot;
use crate::state_bytes::VERSION;
use souk_protocol::RejectReason;

/// Orders that are looked at before they are restored, so that their cache misses overlap.
pub(crate) const AHEAD: usize = 64;

/// Where bytes go.
pub trait TakesBytes {
    /// Takes all of them.
    fn take(&mut self, bytes: &[u8]);
}

impl TakesBytes for Vec<u8> {
    fn take(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Where bytes come from.
pub trait GivesBytes {
    /// Why they do not come.
    type Error;

    /// Fills `bytes` with the next ones.
    ///
    /// # Errors
    /// When there are not as many, or they cannot be had.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error>;
}

/// There are fewer bytes than were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFewBytes;

impl GivesBytes for &[u8] {
    type Error = TooFewBytes;

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), TooFewBytes> {
        let (given, rest) = self.split_at_checked(bytes.len()).ok_or(TooFewBytes)?;
        bytes.copy_from_slice(given);
        *self = rest;
        Ok(())
    }
}

/// Why bytes are not the state of a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateError<E> {
    /// They could not be had.
    Source(E),
    /// Another version wrote them.
    Version(u32),
    /// A word without a meaning, or bounds or rates that are refused.
    Refused(RejectReason),
    /// The spec breaks a rule.
    Spec,
    /// A rule that ties the parts together does not hold.
    Rule {
        /// Which.
        rule: &'static str,
        /// What stands there.
        found: u64,
    },
}

impl<E: fmt::Display> fmt::Display for StateError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => error.fmt(f),
            Self::Version(found) => {
                write!(f, "a market's state is of version {found}, not {VERSION}")
            }
            Self::Refused(reason) => write!(f, "a market's state is refused: {reason}"),
            Self::Spec => write!(f, "a market's bounds break a rule"),
            Self::Rule { rule, found } => write!(f, "a market's state has {found}: {rule}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for StateError<E> {}

pub(crate) const fn broken<T, E>(rule: &'static str, found: u64) -> Result<T, StateError<E>> {
    Err(StateError::Rule { rule, found })
}

/// Numbers from a source.
pub(crate) struct Source<'a, S>(pub &'a mut S);

impl<S: GivesBytes> Source<'_, S> {
    #[inline]
    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], StateError<S::Error>> {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes).map_err(StateError::Source)?;
        Ok(bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, StateError<S::Error>> {
        self.bytes().map(u16::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, StateError<S::Error>> {
        self.bytes().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, StateError<S::Error>> {
        self.bytes().map(u64::from_le_bytes)
    }
}

/// Slots of a queue, read some ahead.
pub(crate) struct SlotsAhead {
    /// That are still to be read.
    left: u32,
    bytes: [[u8; 4]; AHEAD],
    at: usize,
    len: usize,
}

impl SlotsAhead {
    pub(crate) const fn new(count: u32) -> Self {
        Self {
            left: count,
            bytes: [[0; 4]; AHEAD],
            at: 0,
            len: 0,
        }
    }

    /// The next slot. When some are read, `fetch` is told of each that it is far, then of each that it is near.
    #[inline]
    pub(crate) fn next<S: GivesBytes>(
        &mut self,
        source: &mut Source<'_, S>,
        fetch: impl Fn(Slot, bool),
    ) -> Result<Option<Slot>, StateError<S::Error>> {
        if self.at == self.len {
            self.len = (self.left as usize).min(AHEAD);
            self.at = 0;
            self.left -= self.len as u32;
            let bytes = self.bytes[..self.len].as_flattened_mut();
            source.0.fill(bytes).map_err(StateError::Source)?;
            for far in [true, false] {
                for bytes in &self.bytes[..self.len] {
                    fetch(Slot(u32::from_le_bytes(*bytes)), far);
                }
            }
        }
        let bytes = self.bytes[..self.len].get(self.at);
        self.at += 1;
        Ok(bytes.map(|bytes| Slot(u32::from_le_bytes(*bytes))))
    }
}
