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
    /// Invariant: `E::LEN` or more.
    entry_len: usize,
    count: usize,
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
            count,
            at: at + GROUP_HEADER_LEN,
            entry: PhantomData,
        })
    }

    /// Offset of the first entry in the frame.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// Offset of the group's count in the frame.
    pub(crate) const fn count_offset(&self) -> usize {
        self.at.saturating_sub(GROUP_HEADER_LEN - 2)
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The entries, each with its offset in the frame.
    pub fn iter(&self) -> impl Iterator<Item = Result<(E, usize), FieldError>> + 'a {
        let (at, entry_len) = (self.at, self.entry_len.max(E::LEN));
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
    let count = u16::try_from(entries.len()).ok()?;
    let tail = write_up_to_entries::<B, E>(root, count, seq, flags, out)?;
    for (entry, bytes) in entries.iter().zip(tail.chunks_exact_mut(E::LEN)) {
        entry.write(bytes);
    }
    Some(frame_len_with_group::<B, E>(entries.len()))
}

impl<E: Block> Group<'_, E> {
    /// Writes a frame of `root` and these entries, as this version does.
    pub(crate) fn write_frame<B: Block>(
        &self,
        root: &B,
        seq: u64,
        flags: u8,
        out: &mut [u8],
    ) -> Option<usize> {
        let count = u16::try_from(self.count).ok()?;
        let tail = write_up_to_entries::<B, E>(root, count, seq, flags, out)?;
        for (entry, bytes) in self.iter().zip(tail.chunks_exact_mut(E::LEN)) {
            entry.ok()?.0.write(bytes);
        }
        Some(frame_len_with_group::<B, E>(self.count))
    }
}

/// Writes everything but the entries, and gives the bytes that are theirs.
fn write_up_to_entries<'o, B: Block, E: Block>(
    root: &B,
    count: u16,
    seq: u64,
    flags: u8,
    out: &'o mut [u8],
) -> Option<&'o mut [u8]> {
    let len = frame_len_with_group::<B, E>(usize::from(count));
    let (head, rest) = out.get_mut(..len)?.split_first_chunk_mut::<HEADER_LEN>()?;
    let mut header = plain_header(B::INFO.template, B::LEN, seq, flags);
    header.frame_len = len as u32;
    header.group_count = 1;
    header.write(head);
    let (block, group) = rest.split_at_mut_checked(B::LEN)?;
    root.write(block);
    let (group_head, tail) = group.split_first_chunk_mut::<GROUP_HEADER_LEN>()?;
    *group_head = [0; GROUP_HEADER_LEN];
    (E::LEN as u16).write(&mut group_head[0..2]);
    count.write(&mut group_head[2..4]);
    Some(tail)
}
