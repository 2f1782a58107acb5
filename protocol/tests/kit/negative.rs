//! Bytes that are refused, or are not yet a frame.

use souk_protocol::RejectReason::{self, *};
use souk_protocol::message::{FieldInfo, MessageInfo, Sender};
use souk_protocol::{FRAME_BEFORE_LOGON_MAX, FRAME_FROM_CLIENT_MAX, FRAME_FROM_SERVER_MAX};
use souk_protocol::{GROUP_HEADER_LEN, HEADER_LEN};

use super::draft::{Draft, has_client_seq, is_optional, is_reserved, messages, word};
use super::hex;
use super::judge::{Outcome, Side, judge};
use super::negative_groups;
use super::negative_order;
use super::positive::FLIPPED;

/// The lines of `negative.jsonl`.
pub fn vectors() -> Vec<String> {
    let mut all = Vec::new();
    all.extend(truncations());
    all.extend(lengths());
    for info in messages() {
        all.extend(headers(info));
        all.extend(reserved_bytes(info));
        all.extend(illegal_words(info));
        all.extend(short_blocks(info));
    }
    all.extend(templates());
    all.extend(negative_groups::groups());
    all.extend(negative_groups::batches());
    all.extend(negative_groups::subscriptions());
    all.extend(negative_groups::statement_counts());
    all.extend(flips());
    all.extend(negative_order::order_of_checks());
    all.extend(negative_order::order_of_request_checks());
    all
}

/// What a vector must come to. Every builder says it from the rule, and the codec must agree.
pub fn refused(
    name: &str,
    side: Side,
    bytes: &[u8],
    reason: RejectReason,
    offset: usize,
) -> String {
    expect(
        name,
        side,
        frame_max(side),
        bytes,
        &Outcome::Refused {
            code: reason.code(),
            offset: offset as u16,
            fatal: false,
        },
    )
}

/// A vector after which the stream cannot go on.
pub fn fatal(name: &str, side: Side, bytes: &[u8], reason: RejectReason, offset: usize) -> String {
    expect(
        name,
        side,
        frame_max(side),
        bytes,
        &Outcome::Refused {
            code: reason.code(),
            offset: offset as u16,
            fatal: true,
        },
    )
}

fn expect(name: &str, side: Side, frame_max: u32, bytes: &[u8], outcome: &Outcome) -> String {
    let found = judge(side, frame_max, bytes);
    assert_eq!(found, *outcome, "{name}: {}", hex(bytes));
    line(name, side, frame_max, bytes, outcome)
}

fn line(name: &str, side: Side, frame_max: u32, bytes: &[u8], outcome: &Outcome) -> String {
    let outcome = match outcome {
        Outcome::Incomplete => "\"outcome\":\"incomplete\"".to_owned(),
        Outcome::Refused {
            code,
            offset,
            fatal,
        } => format!(
            "\"outcome\":\"refused\",\"code\":{code},\"field_offset\":{offset},\"fatal\":{fatal}"
        ),
        Outcome::Legal(_) => panic!("{name} is legal: {}", hex(bytes)),
    };
    format!(
        "{{\"name\":\"{name}\",\"side\":\"{}\",\"frame_max\":{frame_max},\"hex\":\"{}\",{outcome}}}",
        side.name(),
        hex(bytes)
    )
}

const fn frame_max(side: Side) -> u32 {
    match side {
        Side::Client => FRAME_FROM_CLIENT_MAX,
        Side::Server => FRAME_FROM_SERVER_MAX,
    }
}

/// The side that sends the message; the client for what both send.
pub fn sender(info: &MessageInfo) -> Side {
    match info.sender {
        Sender::Server => Side::Server,
        Sender::Client | Sender::Both => Side::Client,
    }
}

/// Every beginning of four frames, as a stream has them, and with `frame_len` made to fit.
fn truncations() -> Vec<String> {
    let mut all = Vec::new();
    for name in ["NewOrder", "Hello", "Batch", "Trade"] {
        let draft = Draft::typical(name);
        let (side, frame) = (sender(draft.info), draft.bytes());
        for end in 0..frame.len() {
            let title = format!("{name}, the first {end} bytes");
            let part = &frame[..end];
            all.push(expect(
                &title,
                side,
                frame_max(side),
                part,
                &Outcome::Incomplete,
            ));
            let mut fitted = part.to_vec();
            if end < 4 {
                continue;
            }
            fitted[..4].copy_from_slice(&(end as u32).to_le_bytes());
            let title = format!("{name}, cut to {end} bytes and frame_len with it");
            let (reason, offset) = match end {
                ..HEADER_LEN => (FrameLengthOutOfRange, 0),
                _ if end % 8 != 0 => (FrameLengthNotAligned, 0),
                _ if end < HEADER_LEN + draft.info.block_len => (BlockLengthMismatch, 6),
                _ => {
                    let group = HEADER_LEN + draft.info.block_len;
                    let at = if end < group + GROUP_HEADER_LEN { 0 } else { 2 };
                    all.push(refused(
                        &title,
                        side,
                        &fitted,
                        GroupLengthMismatch,
                        group + at,
                    ));
                    continue;
                }
            };
            all.push(fatal(&title, side, &fitted, reason, offset));
        }
    }
    all
}

/// `frame_len` alone: refused as soon as four bytes are there.
fn lengths() -> Vec<String> {
    let mut all = Vec::new();
    for max in [
        FRAME_BEFORE_LOGON_MAX,
        FRAME_FROM_CLIENT_MAX,
        FRAME_FROM_SERVER_MAX,
    ] {
        let side = if max == FRAME_FROM_SERVER_MAX {
            Side::Server
        } else {
            Side::Client
        };
        for length in [
            0,
            1,
            8,
            16,
            23,
            max + 1,
            max + 8,
            1 << 31,
            u32::MAX - 7,
            u32::MAX,
        ] {
            let outcome = Outcome::Refused {
                code: FrameLengthOutOfRange.code(),
                offset: 0,
                fatal: true,
            };
            let title = format!("frame_len {length} of at most {max}");
            all.push(expect(&title, side, max, &length.to_le_bytes(), &outcome));
        }
        for length in [25, 26, 28, 31, 33, max - 1, max - 4] {
            let title = format!("frame_len {length}");
            let outcome = Outcome::Refused {
                code: FrameLengthNotAligned.code(),
                offset: 0,
                fatal: true,
            };
            all.push(expect(&title, side, max, &length.to_le_bytes(), &outcome));
        }
        for length in [24, 32, max - 8, max] {
            let title = format!("frame_len {length}, nothing more yet");
            let bytes = length.to_le_bytes();
            all.push(expect(&title, side, max, &bytes, &Outcome::Incomplete));
        }
    }
    let http = b"GET / HTTP/1.1\r\nHost: souk\r\n\r\n";
    all.push(fatal(
        "an HTTP request",
        Side::Client,
        http,
        FrameLengthOutOfRange,
        0,
    ));
    let tls = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    all.push(fatal(
        "a TLS client hello",
        Side::Client,
        &tls,
        FrameLengthOutOfRange,
        0,
    ));
    all
}

/// The header of each message: flags, numbers, groups, schema, reserved bytes.
fn headers(info: &'static MessageInfo) -> Vec<String> {
    let (name, side) = (info.name, sender(info));
    let frame = Draft::typical(name).bytes();
    let with = |at: usize, byte: u8| {
        let mut bytes = frame.clone();
        bytes[at] = byte;
        bytes
    };
    let mut all = Vec::new();
    for bit in 0..8 {
        let flag = 1_u8 << bit;
        let legal = match side {
            Side::Server => 0b11,
            Side::Client if has_client_seq(info) => 0b01,
            Side::Client => 0,
        };
        if flag & !legal != 0 {
            let title = format!("{name}, flag {flag}");
            all.push(refused(&title, side, &with(10, flag), FlagNotSupported, 10));
        }
    }
    if has_client_seq(info) {
        let title = format!("{name}, seq 0");
        all.push(refused(
            &title,
            side,
            &with(16, 0),
            SequenceMustNotBeZero,
            16,
        ));
    } else if side == Side::Client {
        for at in 16..24 {
            let title = format!("{name}, seq not 0 in byte {at}");
            all.push(refused(&title, side, &with(at, 1), SequenceMustBeZero, 16));
        }
    }
    for at in 12..16 {
        let title = format!("{name}, reserved byte {at} of the header");
        all.push(fatal(&title, side, &with(at, 1), ReservedNotZero, 12));
    }
    let title = format!("{name}, schema 2");
    all.push(fatal(&title, side, &with(8, 2), SchemaNotSupported, 8));
    if info.entry.is_none() {
        let title = format!("{name}, a group it does not have");
        all.push(refused(&title, side, &with(11, 1), GroupLengthMismatch, 11));
    } else {
        let title = format!("{name}, no group");
        all.push(fatal(&title, side, &with(11, 0), GroupLengthMismatch, 11));
    }
    let title = format!("{name}, two groups");
    all.push(fatal(&title, side, &with(11, 2), GroupLengthMismatch, 11));
    let title = format!("{name}, block_len not a multiple of 8");
    all.push(fatal(
        &title,
        side,
        &with(6, frame[6] + 1),
        BlockLengthMismatch,
        6,
    ));
    let title = format!("{name}, block_len beyond the frame");
    all.push(fatal(&title, side, &with(7, 0xff), BlockLengthMismatch, 6));
    all
}

/// Every reserved byte of every block and entry.
fn reserved_bytes(info: &'static MessageInfo) -> Vec<String> {
    let mut all = Vec::new();
    let typical = Draft::typical(info.name);
    for field in info.fields.iter().filter(|field| is_reserved(field)) {
        for at in field.offset..field.offset + field.size {
            let mut draft = typical.clone();
            draft.block[at] = 1 << (at % 8);
            let title = format!("{}, reserved byte {at} of the block", info.name);
            let offset = HEADER_LEN + field.offset;
            all.push(refused(
                &title,
                sender(info),
                &draft.bytes(),
                ReservedNotZero,
                offset,
            ));
        }
    }
    let Some(entry) = info.entry else { return all };
    let group = HEADER_LEN + info.block_len;
    for index in 0..typical.entries.len() {
        for field in entry.fields.iter().filter(|field| is_reserved(field)) {
            for at in field.offset..field.offset + field.size {
                let mut draft = typical.clone();
                draft.entries[index][at] = 0x80;
                let title = format!("{}, reserved byte {at} of entry {index}", info.name);
                let offset = group + GROUP_HEADER_LEN + index * entry.block_len + field.offset;
                all.push(refused(
                    &title,
                    sender(info),
                    &draft.bytes(),
                    ReservedNotZero,
                    offset,
                ));
            }
        }
    }
    all
}

/// Values that a word does not have: both edges, the gaps, the far end.
fn illegal_values(field: &FieldInfo) -> Vec<(u8, RejectReason)> {
    if field.kind == "u8 0 or 1" {
        return [2, 3, 0x80, 0xff]
            .map(|value| (value, ReservedNotZero))
            .to_vec();
    }
    let Some(word) = word(field) else {
        return Vec::new();
    };
    let legal = |value: u8| {
        (value == 0 && is_optional(field)) || word.values.iter().any(|info| info.value == value)
    };
    let edges = (0..=9).chain([0x10, 0x31, 0x7f, 0x80, 0xfe, 0xff]);
    edges
        .filter(|value| !legal(*value))
        .map(|value| (value, word.unknown))
        .collect()
}

fn illegal_words(info: &'static MessageInfo) -> Vec<String> {
    let mut all = Vec::new();
    for field in info.fields {
        for (value, reason) in illegal_values(field) {
            let draft = Draft::typical(info.name).set(field.name, value.into());
            let title = format!("{}, {} {value}", info.name, field.name);
            let offset = HEADER_LEN + field.offset;
            all.push(refused(
                &title,
                sender(info),
                &draft.bytes(),
                reason,
                offset,
            ));
        }
    }
    let Some(entry) = info.entry else { return all };
    for field in entry.fields {
        for (value, reason) in illegal_values(field) {
            let draft = Draft::typical(info.name).set_entry(1, field.name, value.into());
            let title = format!("{}, entry 1, {} {value}", info.name, field.name);
            let group = HEADER_LEN + info.block_len + GROUP_HEADER_LEN;
            let offset = group + entry.block_len + field.offset;
            all.push(refused(
                &title,
                sender(info),
                &draft.bytes(),
                reason,
                offset,
            ));
        }
    }
    all
}

/// A block 8 bytes too short, and none at all, in a frame of the right length.
fn short_blocks(info: &'static MessageInfo) -> Vec<String> {
    let mut all = Vec::new();
    let mut lengths = vec![0];
    if info.block_len > 8 {
        lengths.push(info.block_len - 8);
    }
    for length in lengths {
        let mut draft = Draft::typical(info.name);
        draft.block.truncate(length);
        let title = format!("{}, a block of {length} bytes", info.name);
        all.push(refused(
            &title,
            sender(info),
            &draft.bytes(),
            BlockLengthMismatch,
            6,
        ));
    }
    all
}

/// Templates that do not exist, and those of the other side.
fn templates() -> Vec<String> {
    let mut all = Vec::new();
    let with = |template: u16| {
        let mut bytes = Draft::typical("Heartbeat").bytes();
        bytes[4..6].copy_from_slice(&template.to_le_bytes());
        bytes
    };
    for side in [Side::Client, Side::Server] {
        for template in [
            0, 19, 31, 38, 47, 64, 95, 114, 127, 134, 255, 256, 0x2000, 0xffff,
        ] {
            let title = format!("template {template} from the {}", side.name());
            all.push(refused(&title, side, &with(template), UnknownTemplate, 4));
        }
    }
    for info in messages().filter(|info| info.sender != Sender::Both) {
        let other = match sender(info) {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        };
        let title = format!("{} from the {}", info.name, other.name());
        let bytes = Draft::typical(info.name).bytes();
        all.push(refused(&title, other, &bytes, UnknownTemplate, 4));
    }
    all
}

/// Every single-bit flip of some frames that is not a legal frame.
fn flips() -> Vec<String> {
    let mut all = Vec::new();
    for name in FLIPPED {
        let frame = Draft::typical(name).bytes();
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let outcome = judge(Side::Client, FRAME_FROM_CLIENT_MAX, &flipped);
            if matches!(outcome, Outcome::Legal(_)) {
                continue;
            }
            let title = format!("{name}, byte {} bit {} flipped", bit / 8, bit % 8);
            all.push(line(
                &title,
                Side::Client,
                FRAME_FROM_CLIENT_MAX,
                &flipped,
                &outcome,
            ));
        }
    }
    all
}
