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
