//! Hex dumps of frames, one line for each field.

use std::fmt::Write as _;

use souk_protocol::message::{FieldInfo, MessageInfo};
use souk_protocol::{GROUP_HEADER_LEN, HEADER_LEN, RejectReason};

use super::draft::{Draft, word};

/// Bytes on one line.
const WIDTH: usize = 16;

/// The annotated dump of a frame.
pub fn dump(draft: &Draft) -> String {
    let bytes = draft.bytes();
    let mut out = String::new();
    let number = |at: usize, size: usize| number(&bytes, at, size);
    for (at, size, name) in [
        (0, 4, "frame_len"),
        (4, 2, "template_id"),
        (6, 2, "block_len"),
        (8, 1, "schema_id"),
        (9, 1, "version"),
        (10, 1, "flags"),
        (11, 1, "group_count"),
        (12, 4, "reserved"),
        (16, 8, "seq"),
    ] {
        let mut meaning = format!("{name} {}", number(at, size));
        match name {
            "template_id" => write!(meaning, " ({})", draft.info.name).expect("a string"),
            "reserved" => meaning = "reserved".to_owned(),
            _ => {}
        }
        line(&mut out, &bytes, at, size, &meaning);
    }
    fields(&mut out, &bytes, HEADER_LEN, draft.info, "");
    if let Some(entry) = draft.info.entry {
        let at = HEADER_LEN + draft.info.block_len;
        line(
            &mut out,
            &bytes,
            at,
            2,
            &format!("entry_len {}", number(at, 2)),
        );
        line(
            &mut out,
            &bytes,
            at + 2,
            2,
            &format!("count {}", number(at + 2, 2)),
        );
        line(&mut out, &bytes, at + 4, 4, "reserved");
        for index in 0..draft.entries.len() {
            let from = at + GROUP_HEADER_LEN + index * entry.block_len;
            fields(&mut out, &bytes, from, entry, &format!("[{index}] "));
        }
    }
    out
}

fn fields(out: &mut String, bytes: &[u8], at: usize, info: &MessageInfo, prefix: &str) {
    for field in info.fields {
        let from = at + field.offset;
        let meaning = match field.kind {
            "zero" => "reserved".to_owned(),
            "bytes" => field.name.to_owned(),
            "ASCII" => {
                let text = String::from_utf8_lossy(&bytes[from..from + field.size]);
                format!("{} {:?}", field.name, text.trim_end_matches('\0'))
            }
            _ => format!("{} {}", field.name, shown(bytes, from, field)),
        };
        line(out, bytes, from, field.size, &format!("{prefix}{meaning}"));
    }
}

/// The number, and its name if it has one.
fn shown(bytes: &[u8], at: usize, field: &FieldInfo) -> String {
    let number = number(bytes, at, field.size);
    if field.kind == "u16 code" {
        let reason = RejectReason::from_code(number as u16).expect("a code of the table");
        return format!("{number} ({})", reason.name());
    }
    if number_is_negative(field, number) {
        let bits = 64 - 8 * field.size as u32;
        return (((number << bits) as i64) >> bits).to_string();
    }
    let named = word(field).and_then(|word| {
        let values = word.values.iter();
        values
            .clone()
            .find(|value| u64::from(value.value) == number)
    });
    match named {
        Some(value) => format!("{number} ({})", value.name),
        None => number.to_string(),
    }
}

/// Whether the number is one that can be negative, and is.
fn number_is_negative(field: &FieldInfo, number: u64) -> bool {
    ["i32", "i64"].contains(&field.kind) && number >> (8 * field.size - 1) == 1
}

fn number(bytes: &[u8], at: usize, size: usize) -> u64 {
    let mut raw = [0; 8];
    raw[..size].copy_from_slice(&bytes[at..at + size]);
    u64::from_le_bytes(raw)
}

fn line(out: &mut String, bytes: &[u8], at: usize, size: usize, meaning: &str) {
    for (index, part) in bytes[at..at + size].chunks(WIDTH).enumerate() {
        let hex: Vec<_> = part.iter().map(|byte| format!("{byte:02x}")).collect();
        let hex = hex.join(" ");
        let at = at + index * WIDTH;
        if index == 0 {
            let line = format!("{at:4}  {hex:<24} {meaning}");
            writeln!(out, "{}", line.trim_end()).expect("a string");
        } else {
            writeln!(out, "{at:4}  {hex}").expect("a string");
        }
    }
}
