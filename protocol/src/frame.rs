//! Frames: the header that every message begins with, and cutting a byte stream into frames.

use crate::RejectReason;
use crate::field::Field;

/// Size of the frame header in bytes.
pub const HEADER_LEN: usize = 24;
/// Size of the header of a repeating group in bytes.
pub const GROUP_HEADER_LEN: usize = 8;
/// The schema this crate speaks. Grows when a layout is broken.
pub const SCHEMA_ID: u8 = 1;
/// The version of the schema. Grows when something is appended.
pub const VERSION: u8 = 1;
/// Longest frame a server takes before logon, in bytes.
pub const FRAME_BEFORE_LOGON_MAX: u32 = 512;
/// Longest frame a server takes after logon, in bytes.
pub const FRAME_FROM_CLIENT_MAX: u32 = 4_096;
/// Longest frame a server sends, in bytes.
pub const FRAME_FROM_SERVER_MAX: u32 = 65_536;

/// Header flag: this frame may have been sent before, on another connection of the session.
pub const FLAG_POSS_RESEND: u8 = 1;
/// Header flag: more frames of this message follow (a depth snapshot that needs several).
pub const FLAG_MORE_FOLLOWS: u8 = 2;

/// The first 24 bytes of every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the whole frame, header included; a multiple of 8.
    pub frame_len: u32,
    /// Which message it is.
    pub template_id: u16,
    /// Bytes of the root block, without groups.
    pub block_len: u16,
    /// The schema.
    pub schema_id: u8,
    /// The version of the schema the sender wrote.
    pub version: u8,
    /// `FLAG_...` bits.
    pub flags: u8,
    /// Number of repeating groups after the root block: 0 or 1.
    pub group_count: u8,
    /// `client_seq`, `report_seq` or `md_seq`; 0 in session messages.
    pub seq: u64,
}

impl Header {
    /// Reads a header. Its reserved bytes are the caller's to check.
    #[inline(always)]
    fn read(bytes: &[u8; HEADER_LEN]) -> Self {
        let [
            l0,
            l1,
            l2,
            l3,
            t0,
            t1,
            b0,
            b1,
            schema_id,
            version,
            flags,
            group_count,
            ..,
        ] = *bytes;
        let [.., s0, s1, s2, s3, s4, s5, s6, s7] = *bytes;
        Self {
            frame_len: u32::from_le_bytes([l0, l1, l2, l3]),
            template_id: u16::from_le_bytes([t0, t1]),
            block_len: u16::from_le_bytes([b0, b1]),
            schema_id,
            version,
            flags,
            group_count,
            seq: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
        }
    }

    /// Writes the header to the first 24 bytes of a frame.
    #[inline]
    pub fn write(&self, bytes: &mut [u8; HEADER_LEN]) {
        self.frame_len.write(&mut bytes[0..4]);
        self.template_id.write(&mut bytes[4..6]);
        self.block_len.write(&mut bytes[6..8]);
        bytes[8] = self.schema_id;
        bytes[9] = self.version;
        bytes[10] = self.flags;
        bytes[11] = self.group_count;
        bytes[12..16].fill(0);
        self.seq.write(&mut bytes[16..24]);
    }
}

/// One frame: its header, and the bytes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The header; its `frame_len` and `block_len` have been checked against the bytes.
    pub header: Header,
    /// Root block and groups.
    pub body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The first `N` bytes of the root block: what this version knows of it. What a later
    /// version appended is skipped.
    ///
    /// # Errors
    /// `BlockLengthMismatch` when the block is shorter than `N`.
    #[inline]
    pub fn block<const N: usize>(&self) -> Result<&'a [u8; N], RejectReason> {
        if usize::from(self.header.block_len) < N {
            return Err(RejectReason::BlockLengthMismatch);
        }
        self.body
            .first_chunk::<N>()
            .ok_or(RejectReason::BlockLengthMismatch)
    }

    /// The bytes after the root block.
    #[inline]
    #[must_use]
    pub fn after_block(&self) -> &'a [u8] {
        self.body
            .get(usize::from(self.header.block_len)..)
            .unwrap_or(&[])
    }
}

/// Why the bytes at the front of a stream are not a frame. The stream cannot go on after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameError {
    /// Which rule is broken.
    pub reason: RejectReason,
    /// Where in the frame, in bytes.
    pub offset: u16,
    /// The value found there.
    pub found: u64,
}

impl core::fmt::Display for FrameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "{}; byte {}: found {}",
            self.reason, self.offset, self.found
        )
    }
}

impl core::error::Error for FrameError {}

/// Takes one frame from the front of `bytes`. `Ok(None)` means that more bytes are needed; a
/// frame longer than `frame_max` (or than any frame may be) is refused as soon as its first four
/// bytes are there.
///
/// # Errors
/// The first rule that is broken, in this order: `frame_len` in range, `frame_len` aligned (both as
/// soon as four bytes are there; the rest when the frame is complete), reserved bytes of the header
/// zero, schema, `block_len` aligned and within the frame, `group_count` 0 or 1, and if it is 0, no
/// bytes after the root block.
#[inline]
pub fn split_frame(bytes: &[u8], frame_max: u32) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some(length) = bytes.first_chunk::<4>() else {
        return Ok(None);
    };
    let frame_len = u32::from_le_bytes(*length);
    // Offsets in errors are u16: no frame may be longer than 65,536 bytes.
    let frame_max = frame_max.min(FRAME_FROM_SERVER_MAX);
    let fail = |reason, offset, found| {
        Err(FrameError {
            reason,
            offset,
            found,
        })
    };
    if (frame_len as usize) < HEADER_LEN || frame_len > frame_max {
        return fail(RejectReason::FrameLengthOutOfRange, 0, u64::from(frame_len));
    }
    if !frame_len.is_multiple_of(8) {
        return fail(RejectReason::FrameLengthNotAligned, 0, u64::from(frame_len));
    }
    let Some(frame) = bytes.get(..frame_len as usize) else {
        return Ok(None);
    };
    let Some((head, body)) = frame.split_first_chunk::<HEADER_LEN>() else {
        return Ok(None);
    };
    let header = Header::read(head);
    let reserved = u32::from_le_bytes([head[12], head[13], head[14], head[15]]);
    if reserved != 0 {
        return fail(RejectReason::ReservedNotZero, 12, u64::from(reserved));
    }
    if header.schema_id != SCHEMA_ID {
        return fail(
            RejectReason::SchemaNotSupported,
            8,
            u64::from(header.schema_id),
        );
    }
    let block_len = usize::from(header.block_len);
    if !block_len.is_multiple_of(8) || block_len > body.len() {
        return fail(
            RejectReason::BlockLengthMismatch,
            6,
            u64::from(header.block_len),
        );
    }
    if header.group_count > 1 || (header.group_count == 0 && block_len != body.len()) {
        return fail(
            RejectReason::GroupLengthMismatch,
            11,
            u64::from(header.group_count),
        );
    }
    Ok(Some((Frame { header, body }, frame_len as usize)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::message::{Heartbeat, JoinMarket};
    use crate::{MarketId, RejectReason::*, Reserved};

    const FRAME: [u8; Heartbeat::FRAME_LEN] = Heartbeat { time: 7 }.frame_const();

    impl Heartbeat {
        /// A whole frame, written by hand.
        const fn frame_const(self) -> [u8; Heartbeat::FRAME_LEN] {
            let mut frame = [0; Heartbeat::FRAME_LEN];
            (frame[0], frame[4], frame[6], frame[8], frame[9]) = (32, 6, 8, 1, 1);
            frame[24] = self.time as u8;
            frame
        }
    }

    #[test]
    fn a_heartbeat_written_by_hand_is_what_the_codec_writes() {
        assert_eq!(Heartbeat { time: 7 }.frame(0), FRAME);
    }

    #[test]
    fn a_frame_is_cut_off_the_front_and_the_rest_is_left() {
        let join = JoinMarket {
            market: MarketId(3),
            reserved: Reserved,
        };
        let mut stream = [0; 64];
        stream[..32].copy_from_slice(&FRAME);
        stream[32..].copy_from_slice(&join.frame(0));
        let (first, used) = split_frame(&stream, 512).unwrap().unwrap();
        assert_eq!((first.header.template_id, used), (6, 32));
        let (second, used) = split_frame(&stream[used..], 512).unwrap().unwrap();
        assert_eq!((second.header.template_id, used), (12, 32));
    }

    #[test]
    fn every_part_of_a_frame_asks_for_more_bytes() {
        for end in 0..FRAME.len() {
            assert_eq!(split_frame(&FRAME[..end], 512), Ok(None), "{end} bytes");
        }
    }

    /// Sets bytes of a legal frame and expects a refusal.
    fn check(changes: &[(usize, u8)], reason: RejectReason, offset: u16, found: u64) {
        let mut bytes = FRAME;
        for (at, byte) in changes {
            bytes[*at] = *byte;
        }
        let error = FrameError {
            reason,
            offset,
            found,
        };
        assert_eq!(split_frame(&bytes, 512), Err(error));
    }

    #[test]
    fn each_rule_of_the_header_is_named_with_its_byte() {
        check(&[(0, 0)], FrameLengthOutOfRange, 0, 0);
        check(&[(0, 16)], FrameLengthOutOfRange, 0, 16);
        check(&[(0, 8), (1, 2)], FrameLengthOutOfRange, 0, 520);
        check(&[(0, 31)], FrameLengthNotAligned, 0, 31);
        check(&[(12, 1)], ReservedNotZero, 12, 1);
        check(&[(15, 1)], ReservedNotZero, 12, 1 << 24);
        check(&[(8, 2)], SchemaNotSupported, 8, 2);
        check(&[(6, 7)], BlockLengthMismatch, 6, 7);
        check(&[(6, 16)], BlockLengthMismatch, 6, 16);
        check(&[(11, 2)], GroupLengthMismatch, 11, 2);
        check(&[(6, 0)], GroupLengthMismatch, 11, 0);
    }

    #[test]
    fn of_two_broken_rules_the_one_documented_first_is_named() {
        check(&[(0, 25), (1, 2)], FrameLengthOutOfRange, 0, 537);
        check(&[(12, 1), (8, 2)], ReservedNotZero, 12, 1);
        check(&[(8, 2), (6, 7)], SchemaNotSupported, 8, 2);
        check(&[(6, 7), (11, 2)], BlockLengthMismatch, 6, 7);
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_when_four_bytes_are_there() {
        let length = 65_544_u32.to_le_bytes();
        let error = split_frame(&length, u32::MAX).unwrap_err();
        assert_eq!(error.reason, FrameLengthOutOfRange);
        assert_eq!(split_frame(&65_536_u32.to_le_bytes(), u32::MAX), Ok(None));
    }

    #[test]
    fn a_later_version_may_have_appended_to_the_block() {
        let mut frame = [0; 48];
        frame[..32].copy_from_slice(&FRAME);
        (frame[0], frame[6], frame[9]) = (48, 24, 2);
        frame[32..].fill(0xee);
        let (frame, _) = split_frame(&frame, 512).unwrap().unwrap();
        assert_eq!(frame.block::<8>(), Ok(&[7, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(frame.block::<32>(), Err(BlockLengthMismatch));
        assert!(frame.after_block().is_empty());
    }
}
