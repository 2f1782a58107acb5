//! Groups, batch entries, subscriptions and counts that are refused.

use souk_protocol::RejectReason::*;
use souk_protocol::{GROUP_HEADER_LEN, HEADER_LEN};

use super::draft::{Draft, batch_field_is_used, field, is_reserved, message, messages};
use super::judge::Side;
use super::negative::{refused, sender};

/// Group headers that do not fit the frame.
pub fn groups() -> Vec<String> {
    let mut all = Vec::new();
    for info in messages() {
        let Some(entry) = info.entry else { continue };
        let frame = Draft::typical(info.name).bytes();
        let (at, count) = (
            HEADER_LEN + info.block_len,
            Draft::typical(info.name).entries.len(),
        );
        let with = |entry_len: usize, count: usize| {
            let mut bytes = frame.clone();
            bytes[at..at + 2].copy_from_slice(&(entry_len as u16).to_le_bytes());
            bytes[at + 2..at + 4].copy_from_slice(&(count as u16).to_le_bytes());
            bytes
        };
        let len = entry.block_len;
        let mut put = |entry_len: usize, count: usize, offset: usize| {
            let title = format!("{}, entry_len {entry_len}, count {count}", info.name);
            let bytes = with(entry_len, count);
            all.push(refused(
                &title,
                sender(info),
                &bytes,
                GroupLengthMismatch,
                offset,
            ));
        };
        for entry_len in [0, len - 8, len - 1, len + 1, len + 4] {
            put(entry_len, count, at);
        }
        for wrong in [0, 1, count + 1, 255, 0xffff] {
            put(len, wrong, at + 2);
        }
        put(len + 8, count, at + 2);
        put(0xfff8, 0xffff, at + 2);
        for reserved in at + 4..at + 8 {
            let mut bytes = frame.clone();
            bytes[reserved] = 1;
            let title = format!("{}, reserved byte {reserved} of the group", info.name);
            all.push(refused(
                &title,
                sender(info),
                &bytes,
                ReservedNotZero,
                at + 4,
            ));
        }
    }
    all
}

/// Size of a batch, and fields that an operation does not have or does not allow.
pub fn batches() -> Vec<String> {
    let mut all = Vec::new();
    let batch = Draft::typical("Batch");
    let first = HEADER_LEN + batch.info.block_len + GROUP_HEADER_LEN;
    for count in [0, 33, 60] {
        let mut draft = batch.clone();
        draft.entries = draft.entries.into_iter().cycle().take(count).collect();
        let title = format!("Batch of {count}");
        let bytes = draft.bytes();
        all.push(refused(
            &title,
            Side::Client,
            &bytes,
            BatchSizeOutOfRange,
            first - 6,
        ));
    }
    let entry = message("Batch").entry.expect("a batch has entries");
    for (index, operation) in [32, 33, 34].into_iter().enumerate() {
        let at = first + index * entry.block_len;
        for illegal in [0, 31, 35, 36, 37, 255] {
            let draft = batch.clone().set_entry(index, "operation", illegal);
            let title = format!("Batch, entry {index}, operation {illegal}");
            let bytes = draft.bytes();
            all.push(refused(
                &title,
                Side::Client,
                &bytes,
                UnknownBatchOperation,
                at,
            ));
        }
        for field in entry.fields.iter().filter(|field| !is_reserved(field)) {
            if batch_field_is_used(operation, field.name) {
                continue;
            }
            let draft = batch.clone().set_entry(index, field.name, 1);
            let title = format!("Batch, operation {operation} with {}", field.name);
            let offset = at + field.offset;
            all.push(refused(
                &title,
                Side::Client,
                &draft.bytes(),
                ReservedNotZero,
                offset,
            ));
        }
    }
    for (name, reason, illegal) in [
        ("side", UnknownSide, &[0, 3, 255][..]),
        ("order_type", UnknownOrderType, &[0, 3, 255]),
        ("time_in_force", UnknownTimeInForce, &[0, 2, 5, 255]),
        ("post_only", UnknownPostOnly, &[3, 255]),
        ("stp_mode", UnknownStpMode, &[5, 255]),
        ("stp_scope", UnknownStpScope, &[2, 255]),
    ] {
        for value in illegal {
            let draft = batch.clone().set_entry(0, name, *value);
            let offset = first + field(entry, name).offset;
            let title = format!("Batch, entry 0, {name} {value}");
            all.push(refused(
                &title,
                Side::Client,
                &draft.bytes(),
                reason,
                offset,
            ));
        }
    }
    all
}

/// Flags of a subscription that go together with nothing.
pub fn subscriptions() -> Vec<String> {
    let illegal = [0_u64, 5, 6, 7, 8, 16, 32, 64, 128, 255];
    let vector = |flags: u64| {
        let bytes = Draft::typical("Subscribe").set("flags", flags).bytes();
        let title = format!("Subscribe, flags {flags}");
        refused(&title, Side::Client, &bytes, SubscriptionFlagsUnknown, 28)
    };
    illegal.into_iter().map(vector).collect()
}

/// Entries that a statement cannot have.
pub fn statement_counts() -> Vec<String> {
    let vector = |count: u64| {
        let bytes = Draft::typical("StatementQuery").set("count", count).bytes();
        let title = format!("StatementQuery, count {count}");
        refused(&title, Side::Client, &bytes, CountOutOfRange, 36)
    };
    [0_u64, 513, 1_000, 4_096, 65_535]
        .into_iter()
        .map(vector)
        .collect()
}
