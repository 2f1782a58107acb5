//! The messages: one declaration each, from which come the struct, its codec, and the byte table
//! in `PROTOCOL.md`.
//!
//! A field is never moved, retyped or reused. A new field is appended at the end of its block.

use crate::RejectReason;
use crate::field::Value;
use crate::frame::{HEADER_LEN, Header, SCHEMA_ID, VERSION};

/// A block that could not become a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Which rule is broken.
    pub reason: RejectReason,
    /// Byte in the frame at which the broken field begins (in a group: in the whole frame too).
    pub offset: u16,
}

impl core::fmt::Display for FieldError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}; byte {}", self.reason, self.offset)
    }
}

impl core::error::Error for FieldError {}

/// One row of a byte table.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// The field's name.
    pub name: &'static str,
    /// Its type, as the documents call it.
    pub kind: &'static str,
    /// First byte in the block.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
    /// What it means.
    pub doc: &'static str,
}

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Client to server.
    Client,
    /// Server to client.
    Server,
    /// Both.
    Both,
}

/// A message's entry in the catalogue, for documents and vectors.
#[derive(Clone, Copy, Debug)]
pub struct MessageInfo {
    /// Its name.
    pub name: &'static str,
    /// Its template id; 0 for the entry of a group.
    pub template: u16,
    /// Who sends it.
    pub sender: Sender,
    /// Bytes of its block.
    pub block_len: usize,
    /// What it is for.
    pub doc: &'static str,
    /// Its byte table.
    pub fields: &'static [FieldInfo],
    /// The entry of the group that follows the block, if one does.
    pub entry: Option<&'static MessageInfo>,
}

impl MessageInfo {
    /// Where the named field begins in the block.
    #[must_use]
    pub const fn offset_of(&self, name: &str) -> Option<usize> {
        let mut index = 0;
        while index < self.fields.len() {
            if same(self.fields[index].name.as_bytes(), name.as_bytes()) {
                return Some(self.fields[index].offset);
            }
            index += 1;
        }
        None
    }
}

/// Whether two names are equal; `==` of slices cannot be used in a `const fn`.
const fn same(left: &[u8], right: &[u8]) -> bool {
    let mut index = 0;
    while index < left.len() && index < right.len() && left[index] == right[index] {
        index += 1;
    }
    index == left.len() && index == right.len()
}

/// A fixed layout: the root block of a message, or the entry of a group.
pub trait Block: Sized {
    /// Its catalogue entry.
    const INFO: MessageInfo;
    /// Bytes of the block.
    const LEN: usize;
    /// Reads it from its first `LEN` bytes. `at` is the block's offset in the frame.
    ///
    /// # Errors
    /// The first field that breaks a rule.
    fn read(bytes: &[u8], at: usize) -> Result<Self, FieldError>;
    /// Writes it to the first `LEN` bytes.
    fn write(&self, bytes: &mut [u8]);
    /// Shows each field and its value, in order of offset.
    fn visit(&self, visitor: &mut dyn FnMut(&'static FieldInfo, Value<'_>));
}

/// The header of a message without groups.
pub(crate) const fn plain_header(
    template_id: u16,
    block_len: usize,
    seq: u64,
    flags: u8,
) -> Header {
    Header {
        frame_len: (HEADER_LEN + block_len) as u32,
        template_id,
        block_len: block_len as u16,
        schema_id: SCHEMA_ID,
        version: VERSION,
        flags,
        group_count: 0,
        seq,
    }
}

macro_rules! blocks {
    ($(
        $(#[doc = $doc:literal])*
        $sender:ident $name:ident $([$entry:ident])? = $template:literal {
            $($(#[doc = $fdoc:literal])* $field:ident: $type:ty,)*
        }
    )*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub struct $name {
                $($(#[doc = $fdoc])* pub $field: $type,)*
            }

            impl Block for $name {
                const LEN: usize = 0 $(+ <$type as Field>::SIZE)*;
                const INFO: MessageInfo = MessageInfo {
                    name: stringify!($name),
                    template: $template,
                    sender: Sender::$sender,
                    block_len: Self::LEN,
                    doc: concat!($($doc, "\n",)*),
                    entry: entry_of!($($entry)?),
                    fields: &{
                        let mut at = 0;
                        [$({
                            let offset = at;
                            at += <$type as Field>::SIZE;
                            assert!(offset.is_multiple_of(<$type as Field>::ALIGN), "fields are naturally aligned");
                            assert!(at <= Self::LEN, "the table ends with the block");
                            FieldInfo {
                                name: stringify!($field),
                                kind: <$type as Field>::TYPE,
                                offset,
                                size: <$type as Field>::SIZE,
                                doc: concat!($($fdoc,)*),
                            }
                        },)*]
                    },
                };

                #[inline(always)]
                fn read(bytes: &[u8], at: usize) -> Result<Self, FieldError> {
                    let Some(bytes) = bytes.get(..Self::LEN) else {
                        return Err(FieldError { reason: RejectReason::BlockLengthMismatch, offset: 6 });
                    };
                    let mut next = 0;
                    $(
                        let from = next;
                        next += <$type as Field>::SIZE;
                        let $field = <$type as Field>::read(&bytes[from..next])
                            .map_err(|reason| FieldError { reason, offset: at.wrapping_add(from) as u16 })?;
                    )*
                    let _ = next;
                    Ok(Self { $($field,)* })
                }

                #[inline(always)]
                fn write(&self, bytes: &mut [u8]) {
                    let bytes = &mut bytes[..Self::LEN];
                    let mut next = 0;
                    $(
                        let from = next;
                        next += <$type as Field>::SIZE;
                        self.$field.write(&mut bytes[from..next]);
                    )*
                    let _ = next;
                }

                fn visit(&self, visitor: &mut dyn FnMut(&'static FieldInfo, Value<'_>)) {
                    let mut fields = Self::INFO.fields.iter();
                    $(
                        if let Some(field) = fields.next() {
                            visitor(field, self.$field.value());
                        }
                    )*
                }
            }

            impl $name {
                /// The template id; 0 for the entry of a group.
                pub const TEMPLATE: u16 = $template;
                /// Bytes of a whole frame of this message without a group.
                pub const FRAME_LEN: usize = HEADER_LEN + <Self as Block>::LEN;

                /// The whole frame, without a group.
                #[must_use]
                #[inline]
                pub fn frame(&self, seq: u64) -> [u8; HEADER_LEN + <$name as Block>::LEN] {
                    self.frame_with_flags(seq, 0)
                }

                /// The whole frame, without a group, with `FLAG_...` bits.
                #[must_use]
                #[inline]
                pub fn frame_with_flags(
                    &self,
                    seq: u64,
                    flags: u8,
                ) -> [u8; HEADER_LEN + <$name as Block>::LEN] {
                    let mut frame = [0; HEADER_LEN + <$name as Block>::LEN];
                    if let Some((head, block)) = frame.split_first_chunk_mut::<HEADER_LEN>() {
                        plain_header($template, Self::LEN, seq, flags).write(head);
                        self.write(block);
                    }
                    frame
                }
            }

            const _: () = assert!(<$name as Block>::LEN.is_multiple_of(8), "blocks are multiples of 8 bytes");
        )*

        /// This module's part of the catalogue.
        pub(super) const PART: &[MessageInfo] = &[$(<$name as Block>::INFO,)*];
    };
}

macro_rules! entry_of {
    () => {
        None
    };
    ($entry:ident) => {
        Some(&<$entry as Block>::INFO)
    };
}

macro_rules! modules {
    ($($module:ident)*) => {
        $(mod $module;)*
        $(pub use $module::*;)*

        const BLOCKS: usize = 0 $(+ $module::PART.len())*;

        /// Every block of the protocol, in order of declaration.
        pub const CATALOGUE: &[MessageInfo] = &{
            let parts = [$($module::PART,)*];
            let mut all = [parts[0][0]; BLOCKS];
            let (mut part, mut index, mut at) = (0, 0, 0);
            while at < BLOCKS {
                if index == parts[part].len() {
                    (part, index) = (part + 1, 0);
                } else {
                    all[at] = parts[part][index];
                    (index, at) = (index + 1, at + 1);
                }
            }
            all
        };
    };
}
modules! { session markets orders control money settlement reports market_data }

/// The first eight bytes of the first block of a connection.
pub const HELLO_MAGIC: [u8; 8] = *b"SOUKWIRE";
/// Largest number of entries of a batch.
pub const BATCH_ENTRIES_MAX: usize = 32;
/// Largest number of entries of a statement.
pub const STATEMENT_ENTRIES_MAX: u16 = 512;
/// Templates of requests: client messages without a `seq` that begin with a `request_id` and are
/// answered with it.
pub const REQUEST_TEMPLATES: core::ops::RangeInclusive<u16> = 48..=63;
/// [`Subscribe`] flag: a snapshot, then increments.
pub const SUBSCRIBE_DEPTH: u8 = 1;
/// [`Subscribe`] flag: trades and market status.
pub const SUBSCRIBE_TRADES: u8 = 2;
/// [`Subscribe`] flag: one snapshot and nothing else.
pub const SUBSCRIBE_SNAPSHOT_ONLY: u8 = 4;
