//! What the codec says of bytes: one answer for a whole frame, entries and instructions too.

use std::fmt::Write as _;

use souk_protocol::message::{FieldInfo, MessageInfo};
use souk_protocol::{
    Block, ClientMessage, FieldError, Frame, Group, HEADER_LEN, ServerMessage, Value, split_frame,
};

use super::hex;

/// Who sent the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Client,
    Server,
}

impl Side {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// What became of bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// More bytes are needed.
    Incomplete,
    /// A rule is broken.
    Refused { code: u16, offset: u16, fatal: bool },
    /// A message.
    Legal(Decoded),
}

/// A message taken apart, and the same put together again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decoded {
    pub name: &'static str,
    /// Length of the frame.
    pub used: usize,
    /// `"message":...,"seq":...,"flags":...,"fields":{...},"entries":[...]`
    pub json: String,
    /// What the codec writes for it: the frame without what a later version appended.
    pub written: Vec<u8>,
    /// Header, root block and entries, each without what a later version appended.
    pub known: Vec<u8>,
}

/// Takes one frame from the front of `bytes` and reads everything in it.
pub fn judge(side: Side, frame_max: u32, bytes: &[u8]) -> Outcome {
    let (frame, used) = match split_frame(bytes, frame_max) {
        Ok(None) => return Outcome::Incomplete,
        Ok(Some(found)) => found,
        Err(error) => {
            return Outcome::Refused {
                code: error.reason.code(),
                offset: error.offset,
                fatal: true,
            };
        }
    };
    let decoded = match side {
        Side::Client => client(&frame, used),
        Side::Server => server(&frame, used),
    };
    match decoded {
        Ok(decoded) => Outcome::Legal(decoded),
        Err(error) => Outcome::Refused {
            code: error.reason.code(),
            offset: error.offset,
            fatal: false,
        },
    }
}

fn client(frame: &Frame<'_>, used: usize) -> Result<Decoded, FieldError> {
    let message = ClientMessage::decode(frame)?;
    let mut out = vec![0; used];
    let mut parts = Parts::new(frame, message.info());
    message.visit(&mut |field, value| parts.field(field, value));
    if let ClientMessage::Batch(batch, entries) = &message {
        for entry in entries.iter() {
            let (entry, offset) = entry?;
            entry.instruction(batch.market, offset)?;
        }
        parts.group(entries)?;
    }
    let len = message.write(frame.header.seq, frame.header.flags, &mut out);
    out.truncate(len.expect("what was read can be written"));
    Ok(parts.decoded(message.info(), used, out))
}

fn server(frame: &Frame<'_>, used: usize) -> Result<Decoded, FieldError> {
    let message = ServerMessage::decode(frame)?;
    let mut out = vec![0; used];
    let mut parts = Parts::new(frame, message.info());
    message.visit(&mut |field, value| parts.field(field, value));
    match &message {
        ServerMessage::LogonAck(_, entries) => parts.group(entries)?,
        ServerMessage::DepthSnapshot(_, entries) | ServerMessage::DepthUpdate(_, entries) => {
            parts.group(entries)?;
        }
        ServerMessage::BalanceReport(_, entries) => parts.group(entries)?,
        ServerMessage::StatementReport(_, entries) => parts.group(entries)?,
        _ => {}
    }
    let len = message.write(frame.header.seq, frame.header.flags, &mut out);
    out.truncate(len.expect("what was read can be written"));
    Ok(parts.decoded(message.info(), used, out))
}

struct Parts<'a> {
    frame: Frame<'a>,
    fields: String,
    entries: Option<String>,
    extra: String,
    known: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn new(frame: &Frame<'a>, info: &MessageInfo) -> Self {
        let block_len = usize::from(frame.header.block_len);
        let (block, appended) = frame.body[..block_len].split_at(info.block_len);
        let mut extra = String::new();
        if frame.header.version != 1 {
            write!(extra, ",\"version\":{}", frame.header.version).expect("a string");
        }
        if !appended.is_empty() {
            write!(extra, ",\"block_extra\":\"{}\"", hex(appended)).expect("a string");
        }
        Self {
            frame: *frame,
            fields: String::new(),
            entries: None,
            extra,
            known: block.to_vec(),
        }
    }

    fn field(&mut self, field: &FieldInfo, value: Value<'_>) {
        put_field(&mut self.fields, field, value);
    }

    fn group<E: Block>(&mut self, group: &Group<'_, E>) -> Result<(), FieldError> {
        let at = usize::from(self.frame.header.block_len);
        let body = self.frame.body;
        let entry_len = usize::from(u16::from_le_bytes([body[at], body[at + 1]]));
        self.known.extend((E::LEN as u16).to_le_bytes());
        self.known.extend(&body[at + 2..at + 8]);
        let mut entries = Vec::new();
        let mut appended = Vec::new();
        for entry in group.iter() {
            let (entry, offset) = entry?;
            let mut fields = String::new();
            entry.visit(&mut |field, value| put_field(&mut fields, field, value));
            entries.push(format!("{{{fields}}}"));
            let from = offset - HEADER_LEN;
            self.known.extend(&body[from..from + E::LEN]);
            appended.push(format!(
                "\"{}\"",
                hex(&body[from + E::LEN..from + entry_len])
            ));
        }
        if entry_len > E::LEN {
            let extra = &mut self.extra;
            write!(extra, ",\"entry_extra\":[{}]", appended.join(",")).expect("a string");
        }
        self.entries = Some(entries.join(","));
        Ok(())
    }

    fn decoded(self, info: &MessageInfo, used: usize, written: Vec<u8>) -> Decoded {
        let header = &self.frame.header;
        let mut json = format!(
            "\"message\":\"{}\",\"seq\":\"{}\",\"flags\":{}{},\"fields\":{{{}}}",
            info.name, header.seq, header.flags, self.extra, self.fields
        );
        if let Some(entries) = self.entries {
            write!(json, ",\"entries\":[{entries}]").expect("a string");
        }
        let mut known = written[..HEADER_LEN].to_vec();
        known[4..6].copy_from_slice(&header.template_id.to_le_bytes());
        known[16..24].copy_from_slice(&header.seq.to_le_bytes());
        known.extend(&self.known);
        Decoded {
            name: info.name,
            used,
            json,
            written,
            known,
        }
    }
}

fn put_field(out: &mut String, field: &FieldInfo, value: Value<'_>) {
    let value = match value {
        Value::Zero => return,
        Value::Unsigned(number) if field.size < 8 => number.to_string(),
        Value::Unsigned(number) => format!("\"{number}\""),
        Value::Signed(number) if field.size < 8 => number.to_string(),
        Value::Signed(number) => format!("\"{number}\""),
        Value::Text(text) => format!("\"{text}\""),
        Value::Bytes(bytes) => format!("\"{}\"", hex(bytes)),
    };
    let comma = if out.is_empty() { "" } else { "," };
    write!(out, "{comma}\"{}\":{value}", field.name).expect("a string");
}
