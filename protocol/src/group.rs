//! Repeating groups: entries of one fixed layout after the root block.

use core::marker::PhantomData;

use crate::RejectReason;
use crate::field::Field;
use crate::frame::{Frame, GROUP_HEADER_LEN, HEADER_LEN};
use crate::message::{Block, FieldError, plain_header};

/// The entries of a received group, read one by one.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a, E> {
    entries: &'a [u8],
    entry_len: usize,
    /// Offset of the first entry in the frame.
    at: usize,
    entry: PhantomData<E>,
}

impl<'a, E: Block> Group<'a, E> {
    /// The group of a frame that must have one. Entries longer than `E` are legal: what a later
    /// version appended to them is skipped.
    pub(crate) fn of(frame: &Frame<'a>) -> Result<Self, FieldError> {
        let at = HEADER_LEN + usize::from(frame.header.block_len);
        let mismatch = |offset: usize| FieldError {
            reason: RejectReason::GroupLengthMismatch,
            offset: offset as u16,
        };
        if frame.header.group_count != 1 {
            return Err(mismatch(11));
        }
        let Some((head, entries)) = frame.after_block().split_first_chunk::<GROUP_HEADER_LEN>()
        else {
            return Err(mismatch(at));
        };
        let entry_len = usize::from(u16::from_le_bytes([head[0], head[1]]));
        let count = usize::from(u16::from_le_bytes([head[2], head[3]]));
        if head[4..] != [0; 4] {
            return Err(FieldError {
                reason: RejectReason::ReservedNotZero,
                offset: (at + 4) as u16,
            });
        }
        if entry_len < E::LEN || !entry_len.is_multiple_of(8) {
            return Err(mismatch(at));
        }
        if entry_len.checked_mul(count) != Some(entries.len()) {
            return Err(mismatch(at + 2));
        }
        Ok(Self {
            entries,
            entry_len,
            at: at + GROUP_HEADER_LEN,
            entry: PhantomData,
        })
    }

    /// Offset of the first entry in the frame.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() / self.entry_len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, each with its offset in the frame.
    pub fn iter(&self) -> impl Iterator<Item = Result<(E, usize), FieldError>> + 'a {
        let (at, entry_len) = (self.at, self.entry_len);
        self.entries
            .chunks_exact(entry_len)
            .enumerate()
            .map(move |(index, bytes)| {
                let offset = at + index * entry_len;
                E::read(bytes, offset).map(|entry| (entry, offset))
            })
    }
}

/// Bytes of a frame with root block `B` and `count` entries `E`.
#[must_use]
pub const fn frame_len_with_group<B: Block, E: Block>(count: usize) -> usize {
    HEADER_LEN + B::LEN + GROUP_HEADER_LEN + count * E::LEN
}

/// Writes a frame with a group to the front of `out` and gives its length, or `None` when `out`
/// is too short or the entries are more than 65,535.
#[must_use]
pub fn write_frame_with_group<B: Block, E: Block>(
    root: &B,
    entries: &[E],
    seq: u64,
    flags: u8,
    out: &mut [u8],
) -> Option<usize> {
    let len = frame_len_with_group::<B, E>(entries.len());
    let count = u16::try_from(entries.len()).ok()?;
    let (head, rest) = out.get_mut(..len)?.split_first_chunk_mut::<HEADER_LEN>()?;
    let mut header = plain_header(B::INFO.template, B::LEN, seq);
    header.frame_len = len as u32;
    header.group_count = 1;
    header.flags = flags;
    header.write(head);
    let (block, group) = rest.split_at_mut(B::LEN);
    root.write(block);
    let (group_head, mut tail) = group.split_at_mut(GROUP_HEADER_LEN);
    (E::LEN as u16).write(&mut group_head[0..2]);
    count.write(&mut group_head[2..4]);
    group_head[4..].fill(0);
    for entry in entries {
        let (bytes, next) = tail.split_at_mut(E::LEN);
        entry.write(bytes);
        tail = next;
    }
    Some(len)
}
