//! Frames put together from the byte tables, field by field.

use souk_protocol::message::{CATALOGUE, FieldInfo, HELLO_MAGIC, MessageInfo, Sender};
use souk_protocol::{GROUP_HEADER_LEN, HEADER_LEN, WORDS, WordInfo};

/// What to put into the fields of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Filling {
    /// The lowest value of each type.
    Min,
    /// The highest value of each type.
    Max,
    /// Zero wherever zero is legal.
    Zero,
    /// What one would see on a good day.
    Typical,
}

/// A frame that is being put together.
#[derive(Clone)]
pub struct Draft {
    pub info: &'static MessageInfo,
    pub version: u8,
    pub flags: u8,
    pub seq: u64,
    pub block: Vec<u8>,
    /// What a later version appended to the block.
    pub block_extra: Vec<u8>,
    pub entries: Vec<Vec<u8>>,
    /// What a later version appended to each entry.
    pub entry_extra: Vec<u8>,
}

impl Draft {
    /// The frame of a message with the filling in block and entries.
    pub fn new(info: &'static MessageInfo, filling: Filling) -> Self {
        Self {
            info,
            version: 1,
            flags: 0,
            seq: seq(info, filling),
            block: block(info, filling),
            block_extra: Vec::new(),
            entries: entries(info, filling),
            entry_extra: Vec::new(),
        }
    }

    /// The named message, filled typically.
    pub fn typical(name: &str) -> Self {
        Self::new(message(name), Filling::Typical)
    }

    /// Sets a field of the block to the low bytes of a number.
    pub fn set(mut self, name: &str, value: u64) -> Self {
        put(&mut self.block, field(self.info, name), value);
        self
    }

    /// Sets a field of an entry to the low bytes of a number.
    pub fn set_entry(mut self, index: usize, name: &str, value: u64) -> Self {
        let info = self.info.entry.expect("the message has a group");
        put(&mut self.entries[index], field(info, name), value);
        self
    }

    /// The frame.
    pub fn bytes(&self) -> Vec<u8> {
        let mut body = self.block.clone();
        body.extend(&self.block_extra);
        let block_len = body.len() as u16;
        if let Some(entry) = self.info.entry {
            let entry_len = (entry.block_len + self.entry_extra.len()) as u16;
            body.extend(entry_len.to_le_bytes());
            body.extend((self.entries.len() as u16).to_le_bytes());
            body.extend([0; GROUP_HEADER_LEN - 4]);
            for one in &self.entries {
                body.extend(one);
                body.extend(&self.entry_extra);
            }
        }
        let mut frame = ((HEADER_LEN + body.len()) as u32).to_le_bytes().to_vec();
        frame.extend(self.info.template.to_le_bytes());
        frame.extend(block_len.to_le_bytes());
        frame.extend([1, self.version, self.flags]);
        frame.push(u8::from(self.info.entry.is_some()));
        frame.extend([0; 4]);
        frame.extend(self.seq.to_le_bytes());
        frame.extend(body);
        frame
    }
}

/// Messages, without the entries of groups.
pub fn messages() -> impl Iterator<Item = &'static MessageInfo> {
    CATALOGUE.iter().filter(|info| info.template != 0)
}

pub fn message(name: &str) -> &'static MessageInfo {
    let found = CATALOGUE.iter().find(|info| info.name == name);
    found.unwrap_or_else(|| panic!("no message {name}"))
}

pub fn field(info: &MessageInfo, name: &str) -> &'static FieldInfo {
    let found = info.fields.iter().find(|field| field.name == name);
    found.unwrap_or_else(|| panic!("no field {name} in {}", info.name))
}

/// Whether the message goes to a market and is numbered by the client.
pub fn has_client_seq(info: &MessageInfo) -> bool {
    (32..48).contains(&info.template)
}

/// Whether the message carries a number of the server.
pub fn has_server_seq(info: &MessageInfo) -> bool {
    info.sender == Sender::Server && matches!(info.template, 96..104 | 128..)
}

pub fn is_reserved(field: &FieldInfo) -> bool {
    field.kind == "zero"
}

/// The table of the field's word, if the field is a number with a name.
pub fn word(field: &FieldInfo) -> Option<&'static WordInfo> {
    let name = field.kind.strip_prefix("u8 ")?.split(' ').next()?;
    WORDS.iter().find(|word| word.name == name)
}

/// Whether the word may be absent, as 0.
pub fn is_optional(field: &FieldInfo) -> bool {
    field.kind.ends_with(" or 0")
}

fn seq(info: &MessageInfo, filling: Filling) -> u64 {
    if !has_client_seq(info) && !has_server_seq(info) {
        return 0;
    }
    match filling {
        Filling::Max => u64::MAX,
        Filling::Min | Filling::Zero => 1,
        Filling::Typical => 42,
    }
}

fn block(info: &MessageInfo, filling: Filling) -> Vec<u8> {
    let mut bytes = vec![0; info.block_len];
    for field in info.fields {
        let range = field.offset..field.offset + field.size;
        bytes[range].copy_from_slice(&value(info, field, filling));
    }
    bytes
}

fn entries(info: &'static MessageInfo, filling: Filling) -> Vec<Vec<u8>> {
    let Some(entry) = info.entry else {
        return Vec::new();
    };
    if info.name == "Batch" {
        return vec![
            batch_entry(entry, 32, filling),
            batch_entry(entry, 33, filling),
            batch_entry(entry, 34, filling),
        ];
    }
    match filling {
        Filling::Zero => Vec::new(),
        _ => vec![block(entry, filling); 2],
    }
}

/// Fields that an operation of a batch does not have stay zero.
fn batch_entry(entry: &MessageInfo, operation: u8, filling: Filling) -> Vec<u8> {
    let mut bytes = block(entry, filling);
    bytes[0] = operation;
    for field in entry.fields {
        if !batch_field_is_used(operation, field.name) {
            bytes[field.offset..field.offset + field.size].fill(0);
        }
    }
    if filling == Filling::Typical {
        // An order is named once.
        let unused = if operation == 33 {
            "order_id"
        } else {
            "orig_cl_ord_id"
        };
        put(&mut bytes, field(entry, unused), 0);
    }
    if operation == 32 {
        for (at, name) in ["Side", "OrderType", "TimeInForce"].into_iter().enumerate() {
            let word = WORDS.iter().find(|info| info.name == name);
            let values = word.expect("a word").values;
            let pick = match (filling, name) {
                (Filling::Max, _) => values.len() - 1,
                (Filling::Typical, "OrderType") => 1,
                _ => 0,
            };
            bytes[1 + at] = values[pick].value;
        }
        let rest = match filling {
            Filling::Max => [2, 4, 1],
            _ => [0, 0, 0],
        };
        bytes[4..7].copy_from_slice(&rest);
    }
    bytes
}

/// Which fields of an entry its operation has, as the table in PROTOCOL.md says.
pub fn batch_field_is_used(operation: u8, name: &str) -> bool {
    match name {
        "operation" | "account" => true,
        "cl_ord_id" | "price" | "qty" => operation != 33,
        "orig_cl_ord_id" | "order_id" => operation != 32,
        "reserved" | "reserved2" => false,
        _ => operation == 32,
    }
}

fn value(info: &MessageInfo, field: &FieldInfo, filling: Filling) -> Vec<u8> {
    if info.name == "Hello" && field.name == "magic" {
        return HELLO_MAGIC.to_vec();
    }
    let number = match (field.kind, filling) {
        ("zero", _) => 0,
        ("ASCII" | "bytes", _) => return text(field, filling),
        _ => number(info, field, filling),
    };
    let mut bytes = vec![0; field.size];
    put(
        &mut bytes,
        &FieldInfo {
            offset: 0,
            ..*field
        },
        number,
    );
    bytes
}

fn number(info: &MessageInfo, field: &FieldInfo, filling: Filling) -> u64 {
    if let Some(word) = word(field) {
        let values = word.values;
        return match filling {
            Filling::Max => u64::from(values[values.len() - 1].value),
            Filling::Typical => typical_word(word.name),
            _ if is_optional(field) => 0,
            _ => u64::from(values[0].value),
        };
    }
    if info.name == "Subscribe" && field.name == "flags" {
        return match filling {
            Filling::Max => 4,
            Filling::Typical => 3,
            _ => 1,
        };
    }
    match (field.kind, filling) {
        ("u8 0 or 1", Filling::Max | Filling::Typical) => 1,
        ("i32", Filling::Min) => i32::MIN as u64,
        ("i32", Filling::Max) => i32::MAX as u64,
        ("i64", Filling::Min) => i64::MIN as u64,
        ("i64", Filling::Max) => i64::MAX as u64,
        (_, Filling::Max) if is_statement_count(info, field) => 512,
        (_, Filling::Min | Filling::Zero) if is_statement_count(info, field) => 1,
        (_, Filling::Max) => u64::MAX,
        (_, Filling::Typical) => typical(info, field),
        _ => 0,
    }
}

/// Whether the field is the only count that a request is refused for.
fn is_statement_count(info: &MessageInfo, field: &FieldInfo) -> bool {
    info.name == "StatementQuery" && field.name == "count"
}

/// Words that go together.
fn typical_word(name: &str) -> u64 {
    match name {
        "Durability" | "CancelOnDisconnect" => 0,
        "TimeInForce" | "StpScope" | "MarketState" | "CancelReason" | "BatchMode" => 1,
        "CurrencyStatus" | "AccountStatus" => 1,
        "StatementKind" => 5,
        _ => 2,
    }
}

/// Every number of a message is another one, so that fields which change places are seen.
fn typical(info: &MessageInfo, field: &FieldInfo) -> u64 {
    const TIME: u64 = 1_767_225_600_000_000_000;
    match field.name {
        "schema_min" | "schema_max" | "schema_id" | "version" | "version_max" => 1,
        "features" | "cancel_grace_ms" | "budget" => 0,
        "order_id" if ["CancelOrder", "OrderStatusRequest"].contains(&info.name) => 0,
        "orig_cl_ord_id" if info.name == "ReplaceOrder" => 0,
        "max_frame_in" if info.name == "Hello" => 65_536,
        "max_frame_in" => 4_096,
        "market" => 7,
        "account" => 1_001,
        "keepalive_ms" => 1_000,
        "code" => match info.name {
            "LogonReject" => 202,
            "Terminate" => 209,
            "SessionReject" => 401,
            "NotApplied" => 803,
            "RequestRejected" => 601,
            _ => 503,
        },
        "ref_template" if info.name == "RequestRejected" => 57,
        "ref_template" if info.name == "SessionReject" => 32,
        "ref_template" => 33,
        "base_scale" => 8,
        "quote_scale" => 6,
        "tick_scale" => 2,
        "lot_scale" => 4,
        "price_max" => 100_000_000,
        "field_offset" | "retry_after_us" if info.name == "RequestRejected" => 0,
        "field_offset" => 64,
        name if is_money(info)
            && let Some(number) = typical_money(name) =>
        {
            number as u64
        }
        "session_number" => 5,
        "session_id" => (9 << 12) | 5,
        "key_id" => 9,
        "tenant" => 3,
        "epoch" | "mode" => 1,
        "count" => 2,
        name if name.ends_with("time") || name == "incarnation" => TIME + field.offset as u64,
        "order_id" => (1 << 32) | 77,
        "price" => 6_512_345,
        name if field.size == 8 => 10_000 + 100 * field.offset as u64 + name.len() as u64,
        name => (field.offset + name.len()) as u64,
    }
}

/// Whether the message is about money; its numbers belong together.
fn is_money(info: &MessageInfo) -> bool {
    const ENTRIES: [&str; 2] = ["BalanceEntry", "StatementEntry"];
    matches!(info.template, 48..=63 | 104..=113) || ENTRIES.contains(&info.name)
}

/// The trade of the worked example in PROTOCOL.md, and an account on a good day.
fn typical_money(name: &str) -> Option<i64> {
    Some(match name {
        "request_id" => 501,
        "business_id" | "reference" => 70_031,
        "from" | "buyer" => 1_001,
        "to" | "seller" => 1_002,
        "scale" => 6,
        "display_scale" => 2,
        "amount" => 250_000_000,
        "amount_min" => 1_000_000,
        "amount_max" => 5_000_000_000_000,
        "total" => 40_000_000_000,
        "held" => 16_289_002_931,
        "available" => 23_710_997_069,
        "change" => -16_279_234_414,
        "maker_ppm" => -100,
        "taker_ppm" => 500,
        "fee_group" => 3,
        "count" => 100,
        "number" => 88_214,
        "oldest" => 80_001,
        "next" => 88_215,
        "from_number" => 88_001,
        "base_amount" => 25_000_000,
        "quote_amount" => 16_280_862_500,
        "buyer_fee" => -1_628_086,
        "seller_fee" => 8_140_431,
        "qty" => 2_500,
        _ => return None,
    })
}

fn text(field: &FieldInfo, filling: Filling) -> Vec<u8> {
    let mut bytes = vec![0; field.size];
    match (field.kind, filling) {
        ("bytes", Filling::Typical) => {
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = at as u8 + 1;
            }
        }
        ("bytes", Filling::Max) => bytes.fill(0xff),
        ("ASCII", Filling::Max) => bytes.fill(b'~'),
        ("ASCII", Filling::Min) => bytes[0] = b'!',
        ("ASCII", Filling::Typical) => {
            let text = match field.name {
                "symbol" => "BTC-USDT",
                "base" => "BTC",
                "business" => "deposit",
                "external_id" => "user-81723",
                "address" => "souk-2.souk.internal:7001",
                _ => "USDT",
            };
            bytes[..text.len()].copy_from_slice(text.as_bytes());
        }
        _ => {}
    }
    bytes
}

fn put(bytes: &mut [u8], field: &FieldInfo, value: u64) {
    let width = field.size.min(8);
    bytes[field.offset..field.offset + width].copy_from_slice(&value.to_le_bytes()[..width]);
}
