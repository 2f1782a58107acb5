//! Frames that break several rules at once: the one that is documented first is named.

use souk_protocol::RejectReason::{self, *};

use super::draft::Draft;
use super::judge::Side;
use super::negative::{fatal, refused};

/// A message to a market.
pub fn order_of_checks() -> Vec<String> {
    let mut all = Vec::new();
    let frame = Draft::typical("NewOrder").bytes();
    let with = |changes: &[(usize, u8)]| {
        let mut bytes = frame.clone();
        for (at, byte) in changes {
            bytes[*at] = *byte;
        }
        bytes
    };
    let fatals: [(usize, u8, RejectReason, usize); 5] = [
        (0, 71, FrameLengthNotAligned, 0),
        (13, 1, ReservedNotZero, 12),
        (8, 9, SchemaNotSupported, 8),
        (6, 47, BlockLengthMismatch, 6),
        (11, 3, GroupLengthMismatch, 11),
    ];
    for from in 0..fatals.len() {
        let mut changes: Vec<_> = fatals[from..].iter().map(|f| (f.0, f.1)).collect();
        changes.extend([(4, 99), (10, 0x80), (64, 9)]);
        let (_, _, reason, offset) = fatals[from];
        let title = format!("NewOrder, fatal rules from {} on broken", reason.name());
        all.push(fatal(&title, Side::Client, &with(&changes), reason, offset));
    }
    let others: [(usize, u8, RejectReason, usize); 11] = [
        (4, 99, UnknownTemplate, 4),
        (10, 0x80, FlagNotSupported, 10),
        (16, 0, SequenceMustNotBeZero, 16),
        (11, 1, GroupLengthMismatch, 11),
        (64, 9, UnknownSide, 64),
        (65, 9, UnknownOrderType, 65),
        (66, 9, UnknownTimeInForce, 66),
        (67, 9, UnknownPostOnly, 67),
        (68, 9, UnknownStpMode, 68),
        (69, 9, UnknownStpScope, 69),
        (71, 9, ReservedNotZero, 70),
    ];
    for from in 0..others.len() {
        let changes: Vec<_> = others[from..].iter().map(|o| (o.0, o.1)).collect();
        let (_, _, reason, offset) = others[from];
        let title = format!("NewOrder, rules from {} on broken", reason.name());
        all.push(refused(
            &title,
            Side::Client,
            &with(&changes),
            reason,
            offset,
        ));
    }
    all
}

/// A request: no number, reserved bytes in its middle, and a value that is checked last.
pub fn order_of_request_checks() -> Vec<String> {
    let rules: [(usize, u8, RejectReason, usize); 6] = [
        (4, 64, UnknownTemplate, 4),
        (10, 1, FlagNotSupported, 10),
        (16, 1, SequenceMustBeZero, 16),
        (11, 1, GroupLengthMismatch, 11),
        (39, 1, ReservedNotZero, 38),
        (37, 0xff, CountOutOfRange, 36),
    ];
    let mut all = Vec::new();
    for from in 0..rules.len() {
        let mut bytes = Draft::typical("StatementQuery").bytes();
        for (at, byte, ..) in &rules[from..] {
            bytes[*at] = *byte;
        }
        let (_, _, reason, offset) = rules[from];
        let title = format!("StatementQuery, rules from {} on broken", reason.name());
        all.push(refused(&title, Side::Client, &bytes, reason, offset));
    }
    all
}
