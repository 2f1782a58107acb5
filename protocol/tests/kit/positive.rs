//! Frames that are legal, with what they say.

use souk_protocol::message::{FieldInfo, Sender};
use souk_protocol::{FLAG_MORE_FOLLOWS, FLAG_POSS_RESEND, FRAME_FROM_SERVER_MAX};

use super::draft::{
    Draft, Filling, has_client_seq, is_optional, is_reserved, message, messages, word,
};
use super::hex;
use super::judge::{Outcome, Side, judge};

/// Frames of which every single-bit flip is a vector: those that stay legal here, the others
/// among the negative ones.
pub const FLIPPED: [&str; 3] = ["NewOrder", "MassCancel", "Subscribe"];

/// Messages of a server whose groups may have any number of entries.
const GROUPED: [&str; 5] = [
    "LogonAck",
    "DepthSnapshot",
    "DepthUpdate",
    "BalanceReport",
    "StatementReport",
];

/// The lines of `positive.jsonl`.
pub fn vectors() -> Vec<String> {
    let mut all = Vec::new();
    for info in messages() {
        for filling in [Filling::Min, Filling::Max, Filling::Zero, Filling::Typical] {
            let name = format!("{}, {filling:?}", info.name).to_lowercase();
            all.extend(lines(&name, &Draft::new(info, filling)));
        }
        all.extend(later_versions(info.name));
        all.extend(single_fields(info.name));
        all.extend(every_word(info.name));
        all.extend(flags(info.name));
    }
    all.extend(groups());
    all.extend(flips_that_stay_legal());
    all
}

/// One line for each side that may send the message.
fn lines(name: &str, draft: &Draft) -> Vec<String> {
    let sides: &[Side] = match draft.info.sender {
        Sender::Client => &[Side::Client],
        Sender::Server => &[Side::Server],
        Sender::Both => &[Side::Client, Side::Server],
    };
    let bytes = draft.bytes();
    sides.iter().map(|side| line(name, *side, &bytes)).collect()
}

fn line(name: &str, side: Side, bytes: &[u8]) -> String {
    let outcome = judge(side, FRAME_FROM_SERVER_MAX, bytes);
    let Outcome::Legal(decoded) = outcome else {
        panic!("{name} is legal, but: {outcome:?}");
    };
    format!(
        "{{\"name\":\"{name}\",\"side\":\"{}\",{},\"hex\":\"{}\"}}",
        side.name(),
        decoded.json,
        hex(&bytes[..decoded.used])
    )
}

/// As version 2 might look: 16 bytes more in the block, in the entries, in both.
fn later_versions(name: &str) -> Vec<String> {
    let mut draft = Draft::typical(name);
    draft.version = 2;
    draft.block_extra = (0xe0..0xf0).collect();
    let mut all = lines(&format!("{name}, later version, longer block"), &draft);
    if draft.info.entry.is_some() {
        draft.entry_extra = (0xd0..0xe0).collect();
        all.extend(lines(
            &format!("{name}, later version, longer block and entries"),
            &draft,
        ));
        draft.block_extra.clear();
        all.extend(lines(
            &format!("{name}, later version, longer entries"),
            &draft,
        ));
    }
    all
}

/// Each field at its highest value, the others typical.
fn single_fields(name: &str) -> Vec<String> {
    let typical = Draft::typical(name);
    let free = |field: &&FieldInfo| {
        let fixed = ["magic", "flags"].contains(&field.name) || word(field).is_some();
        !is_reserved(field) && !fixed && field.size <= 8 && field.kind != "ASCII"
    };
    let mut all = Vec::new();
    for field in typical.info.fields.iter().filter(free) {
        let value = match field.kind {
            "u8 0 or 1" => 0,
            "i32" => i32::MAX as u64,
            "i64" => i64::MAX as u64,
            _ if (name, field.name) == ("StatementQuery", "count") => 512,
            _ => u64::MAX,
        };
        let title = format!(
            "{name}, {} {}",
            field.name,
            if value == 0 { "no" } else { "highest" }
        );
        all.extend(lines(&title, &typical.clone().set(field.name, value)));
    }
    all
}

/// Every legal value of every field that is a number with a name.
fn every_word(name: &str) -> Vec<String> {
    let typical = Draft::typical(name);
    let mut all = Vec::new();
    for field in typical.info.fields {
        let Some(word) = word(field) else { continue };
        for value in word.values {
            let title = format!("{name}, {} {}", field.name, value.name);
            all.extend(lines(
                &title,
                &typical.clone().set(field.name, value.value.into()),
            ));
        }
        if is_optional(field) {
            let title = format!("{name}, {} absent", field.name);
            all.extend(lines(&title, &typical.clone().set(field.name, 0)));
        }
    }
    all
}

/// The header flags that are legal.
fn flags(name: &str) -> Vec<String> {
    let info = message(name);
    let server = info.sender == Sender::Server;
    let mut legal = Vec::new();
    if server || has_client_seq(info) {
        legal.push(("possible resend", FLAG_POSS_RESEND));
    }
    if server {
        legal.push(("more follows", FLAG_MORE_FOLLOWS));
    }
    let mut all = Vec::new();
    for (title, flag) in legal {
        let mut draft = Draft::typical(name);
        draft.flags = flag;
        all.extend(lines(&format!("{name}, {title}"), &draft));
    }
    all
}

/// Groups of each legal size at the edges, and every word in an entry.
fn groups() -> Vec<String> {
    let mut all = Vec::new();
    for count in [1, 32] {
        let mut batch = Draft::typical("Batch");
        batch.entries = batch.entries.into_iter().cycle().take(count).collect();
        all.extend(lines(&format!("Batch of {count}"), &batch));
    }
    for (field, values) in [
        ("side", &[1, 2][..]),
        ("order_type", &[1, 2]),
        ("time_in_force", &[1, 3, 4]),
        ("post_only", &[0, 1, 2]),
        ("stp_mode", &[0, 1, 2, 3, 4]),
        ("stp_scope", &[0, 1]),
    ] {
        for value in values {
            let draft = Draft::typical("Batch").set_entry(0, field, *value);
            all.extend(lines(&format!("Batch, entry 0 {field} {value}"), &draft));
        }
    }
    for count in [0, 1, 100] {
        for name in GROUPED {
            let mut draft = Draft::typical(name);
            draft.entries = draft.entries.into_iter().cycle().take(count).collect();
            all.extend(lines(&format!("{name} of {count}"), &draft));
        }
    }
    let gone = Draft::typical("DepthUpdate")
        .set_entry(0, "qty", 0)
        .set_entry(0, "orders", 0);
    all.extend(lines("DepthUpdate, a level is gone", &gone));
    let sell = Draft::typical("DepthUpdate").set_entry(1, "side", 1);
    all.extend(lines("DepthUpdate, a buy after a sell", &sell));
    all
}

fn flips_that_stay_legal() -> Vec<String> {
    let mut all = Vec::new();
    for name in FLIPPED {
        let frame = Draft::typical(name).bytes();
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Outcome::Legal(_) = judge(Side::Client, 4_096, &flipped) {
                let title = format!("{name}, byte {} bit {} flipped", bit / 8, bit % 8);
                all.push(line(&title, Side::Client, &flipped));
            }
        }
    }
    all
}
