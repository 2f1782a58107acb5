//! The last reports of one session and market, for the session to have again when it resumes.
//!
//! Must never: keep part of a frame, or more bytes than it was given.

use std::collections::VecDeque;

use souk_protocol::{FLAG_POSS_RESEND, FRAME_FROM_SERVER_MAX, HEADER_LEN, split_frame};

/// Bytes that the first reports make room for.
const BYTES_AT_FIRST: usize = 1_024;
/// Where the flags lie in a frame.
const FLAGS_AT: usize = 10;

/// A ring of whole frames. Grows as it is used, up to its bound.
#[derive(Debug, Default)]
pub(super) struct Kept {
    bytes: VecDeque<u8>,
    frames: u64,
}

impl Kept {
    /// Keeps a frame, at the cost of the oldest.
    #[inline]
    pub(super) fn push(&mut self, frame: &[u8], bytes_max: usize) {
        if self.bytes.len() + frame.len() > self.bytes.capacity().min(bytes_max) {
            self.make_room(frame.len(), bytes_max);
            if frame.len() > bytes_max {
                return;
            }
        }
        self.bytes.extend(frame);
        self.frames += 1;
    }

    /// Grows, or forgets the oldest frames.
    #[cold]
    fn grow(&mut self, wanted: usize, bytes_max: usize) {
        let capacity = wanted.max(BYTES_AT_FIRST).next_power_of_two();
        let more = capacity.min(bytes_max).saturating_sub(self.bytes.len());
        self.bytes.reserve_exact(more);
    }

    fn make_room(&mut self, len: usize, bytes_max: usize) {
        let wanted = self.bytes.len() + len;
        if self.bytes.capacity() < bytes_max {
            self.grow(wanted, bytes_max);
        }
        let room = self.bytes.capacity().min(bytes_max);
        while self.bytes.len() + len > room && self.frames > 0 {
            let oldest = self.front_len();
            self.bytes.drain(..oldest);
            self.frames -= 1;
        }
    }

    /// The length of the oldest frame.
    fn front_len(&self) -> usize {
        let byte = |at: usize| self.bytes.get(at).copied().unwrap_or(0);
        u32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)]) as usize
    }

    /// How many frames.
    pub(super) const fn frames(&self) -> u64 {
        self.frames
    }

    /// All bytes, oldest first, in two parts.
    pub(super) fn bytes(&self) -> (&[u8], &[u8]) {
        self.bytes.as_slices()
    }

    /// The newest `count` frames, marked as sent again.
    pub(super) fn again(&self, count: u64) -> Vec<Vec<u8>> {
        let mut skip = self.frames.saturating_sub(count);
        let mut frames = Vec::new();
        let mut at = 0;
        while at < self.bytes.len() {
            let len: Vec<u8> = self.bytes.range(at..at + 4).copied().collect();
            let len = u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize;
            if skip > 0 {
                skip -= 1;
            } else {
                let mut frame: Vec<u8> = self.bytes.range(at..at + len).copied().collect();
                frame[FLAGS_AT] |= FLAG_POSS_RESEND;
                frames.push(frame);
            }
            at += len;
        }
        frames
    }

    /// What [`Self::bytes`] gave, or nothing if that is not whole frames.
    pub(super) fn from_bytes(bytes: &[u8], bytes_max: usize) -> Option<Self> {
        let mut kept = Self::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (_, len) = split_frame(rest, FRAME_FROM_SERVER_MAX).ok()??;
            kept.push(&rest[..len], bytes_max);
            rest = &rest[len..];
        }
        Some(kept)
    }
}

const _: () = assert!(FLAGS_AT < HEADER_LEN, "every frame has flags");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use souk_protocol::message::{Heartbeat, Pong};

    fn frame(number: u64) -> Vec<u8> {
        if number.is_multiple_of(3) {
            return Heartbeat { time: number }.frame(number).to_vec();
        }
        let pong = Pong {
            nonce: 0,
            ping_time: 0,
            time: 0,
        };
        pong.frame(number).to_vec()
    }

    fn numbers(frames: &[Vec<u8>]) -> Vec<u64> {
        let number = |frame: &Vec<u8>| {
            let (frame, _) = split_frame(frame, FRAME_FROM_SERVER_MAX).unwrap().unwrap();
            assert_eq!(frame.header.flags, FLAG_POSS_RESEND);
            frame.header.seq
        };
        frames.iter().map(number).collect()
    }

    #[test]
    fn the_newest_frames_that_fit_are_kept_in_order() {
        for bytes_max in [0, 10, 32, 48, 100, 1_000, 1_024, 5_000] {
            let mut kept = Kept::default();
            for number in 1..=500 {
                kept.push(&frame(number), bytes_max);
                let (front, back) = kept.bytes();
                let len = front.len() + back.len();
                assert!(len <= bytes_max, "{len} of {bytes_max}");
                assert!(kept.bytes.capacity() <= bytes_max.max(1) * 2);
                let again = kept.again(u64::MAX);
                let count = again.len() as u64;
                assert_eq!(kept.frames(), count);
                let expected: Vec<u64> = (number + 1 - count..=number).collect();
                assert_eq!(numbers(&again), expected);
                assert_eq!(numbers(&kept.again(1)).last(), expected.last());
            }
            if bytes_max >= 100 {
                let least = bytes_max as u64 / 48 - 1;
                assert!(kept.frames() >= least, "{bytes_max}: {}", kept.frames());
            }
        }
    }

    #[test]
    fn what_is_kept_can_be_restored() {
        let mut kept = Kept::default();
        for number in 1..=100 {
            kept.push(&frame(number), 1_000);
        }
        let (front, back) = kept.bytes();
        let bytes = [front, back].concat();
        let again = Kept::from_bytes(&bytes, 1_000).unwrap();
        assert_eq!(again.again(u64::MAX), kept.again(u64::MAX));
        assert!(Kept::from_bytes(&bytes[..bytes.len() - 8], 1_000).is_none());
        assert!(Kept::from_bytes(&[0; 64], 1_000).is_none());
    }
}
