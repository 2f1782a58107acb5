//! The generated parts of `PROTOCOL.md`: what stands between `<!-- begin X -->` and
//! `<!-- end X -->` comes from the code.

use std::fmt::Write as _;

use souk_protocol::message::{LevelEntry, MessageInfo, Sender};
use souk_protocol::{Block, Price, Qty, RejectReason, Reserved, Side, WORDS, logon_signed_bytes};

use super::draft::{Draft, message, messages};
use super::dump::dump;
use super::{auth, hex};

/// How many vectors there are.
pub struct Counts {
    pub positive: usize,
    pub negative: usize,
    pub auth: usize,
}

/// The page with its generated parts written anew.
pub fn fill(page: &str, counts: &Counts) -> String {
    let mut out = String::new();
    let mut rest = page;
    while let Some(start) = rest.find("<!-- begin ") {
        let (before, marked) = rest.split_at(start);
        let close = marked.find("-->").expect("a comment ends");
        let name = marked["<!-- begin ".len()..close].trim();
        let end = format!("<!-- end {name} -->");
        let after = marked
            .find(&end)
            .unwrap_or_else(|| panic!("{end} is missing"));
        write!(
            out,
            "{before}<!-- begin {name} -->\n\n{}\n{end}",
            part(name, counts)
        )
        .expect("a string");
        rest = &marked[after + end.len()..];
    }
    out.push_str(rest);
    assert_complete(&out);
    out
}

/// No message may be left out of the page.
fn assert_complete(page: &str) {
    for info in messages() {
        let marker = format!("<!-- begin {} -->", info.name);
        assert!(page.contains(&marker), "PROTOCOL.md lacks {marker}");
    }
}

fn part(name: &str, counts: &Counts) -> String {
    match name {
        "messages" => message_list(),
        "words" => words(),
        "codes" => codes(),
        "logon example" => logon_example(),
        "book_hash example" => book_hash_example(),
        "fee example" => fee_example(),
        "counts" => format!(
            "`positive.jsonl` has {} lines, `negative.jsonl` {}, `auth.jsonl` {}.\n",
            counts.positive, counts.negative, counts.auth
        ),
        name => one_message(message(name)),
    }
}

fn message_list() -> String {
    let mut out = String::from("| template | message | sent by | block | group of |\n");
    out.push_str("|---:|---|---|---:|---|\n");
    let mut all: Vec<_> = messages().collect();
    all.sort_unstable_by_key(|info| info.template);
    for info in all {
        let group = info.entry.map_or(String::new(), |entry| {
            format!("{} ({} bytes)", entry.name, entry.block_len)
        });
        let (template, name, len) = (info.template, info.name, info.block_len);
        let sender = sender(info);
        writeln!(out, "| {template} | {name} | {sender} | {len} | {group} |").expect("a string");
    }
    out
}

const fn sender(info: &MessageInfo) -> &'static str {
    match info.sender {
        Sender::Client => "client",
        Sender::Server => "server",
        Sender::Both => "both",
    }
}

fn one_message(info: &MessageInfo) -> String {
    let mut out = format!(
        "{}\n\nTemplate {}, sent by {}, block of {} bytes.\n\n",
        info.doc.split_whitespace().collect::<Vec<_>>().join(" "),
        info.template,
        match info.sender {
            Sender::Both => "both sides",
            Sender::Client => "the client",
            Sender::Server => "the server",
        },
        info.block_len
    );
    out.push_str(&byte_table(info));
    if let Some(entry) = info.entry {
        write!(
            out,
            "\nGroup of `{}`, {} bytes each.\n\n",
            entry.name, entry.block_len
        )
        .expect("a string");
        out.push_str(&byte_table(entry));
    }
    let draft = Draft::typical(info.name);
    write!(out, "\n```text\n{}```\n", dump(&draft)).expect("a string");
    out
}

fn byte_table(info: &MessageInfo) -> String {
    let mut out =
        String::from("| offset | size | type | field | meaning |\n|---:|---:|---|---|---|\n");
    for field in info.fields {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            field.offset,
            field.size,
            field.kind,
            field.name,
            field.doc.trim()
        )
        .expect("a string");
    }
    out
}

fn words() -> String {
    let mut out = String::new();
    for word in WORDS {
        let (name, code) = (word.name, word.unknown.code());
        write!(
            out,
            "**{name}**:{} Another value is {} ({code}).\n\n",
            word.doc,
            word.unknown.name()
        )
        .expect("a string");
        out.push_str("| value | name | meaning |\n|---:|---|---|\n");
        for value in word.values {
            writeln!(
                out,
                "| {} | {} | {} |",
                value.value,
                value.name,
                value.doc.trim()
            )
            .expect("a string");
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn codes() -> String {
    let mut out = String::from("| code | name | retry | rule | remedy |\n|---:|---|---|---|---|\n");
    for info in RejectReason::TABLE {
        let retry = if info.retryable { "yes" } else { "no" };
        let code = info.reason.code();
        let (name, rule, remedy) = (info.name, info.rule, info.remedy);
        writeln!(out, "| {code} | {name} | {retry} | {rule} | {remedy} |").expect("a string");
    }
    out
}

/// The first case of `auth.jsonl`.
fn logon_example() -> String {
    let cases = auth::cases();
    let case = &cases[0].0;
    let signed = logon_signed_bytes(&case.hello, &case.challenge, &case.logon);
    let mut out = String::from("```text\n");
    for (name, bytes) in [
        ("secret key (seed)", auth::SEEDS[0].to_owned()),
        ("public key", hex(&auth::public(0))),
        ("hello", hex(&case.hello.frame(0))),
        ("challenge", hex(&case.challenge.frame(0))),
        ("signed bytes", hex(&signed)),
        ("signature", hex(&case.logon.signature)),
        ("logon", hex(&case.logon.frame(0))),
    ] {
        writeln!(out, "{name}").expect("a string");
        for part in bytes.as_bytes().chunks(64) {
            writeln!(out, "  {}", String::from_utf8_lossy(part)).expect("a string");
        }
    }
    out.push_str("```\n");
    out
}

fn level(side: Side, price: i64, qty: u64, orders: u32) -> LevelEntry {
    LevelEntry {
        price: Price(price),
        qty: Qty(qty),
        orders,
        side,
        reserved: Reserved,
    }
}

/// FNV-1a over (side, price, quantity, orders) of levels.
fn fnv(hash: u64, level: &LevelEntry) -> u64 {
    let mut bytes = vec![level.side as u8];
    bytes.extend(level.price.0.to_le_bytes());
    bytes.extend(level.qty.0.to_le_bytes());
    bytes.extend(level.orders.to_le_bytes());
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn book_hash_example() -> String {
    let levels = [
        level(Side::Buy, 100, 5, 1),
        level(Side::Buy, 99, 12, 3),
        level(Side::Sell, 102, 7, 2),
    ];
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut out = String::from("| level | bytes | hash after it |\n|---|---|---|\n");
    writeln!(out, "| (empty book) | | `{hash:016x}` |").expect("a string");
    for level in &levels {
        let mut bytes = vec![0; LevelEntry::LEN];
        level.write(&mut bytes);
        hash = fnv(hash, level);
        let side = level.side.name();
        writeln!(
            out,
            "| {side} {} x {}, {} order(s) | `{:02x} {} {} {}` | `{hash:016x}` |",
            level.price,
            level.qty,
            level.orders,
            level.side as u8,
            hex(&bytes[0..8]),
            hex(&bytes[8..16]),
            hex(&bytes[16..20]),
        )
        .expect("a string");
    }
    writeln!(out, "\n`book_hash` is {hash} (0x{hash:016x}).").expect("a string");
    out
}

/// Notionals and rates with what the fee is, rounded towards zero.
fn fee_example() -> String {
    let cases: [(i128, i128); 6] = [
        (16_280_862_500, 500),
        (16_280_862_500, -100),
        (6_512_345, 500),
        (1_999, 500),
        (2_000, 500),
        (9_999, -100),
    ];
    let mut out = String::from("| notional | rate | exact | fee |\n|---:|---:|---:|---:|\n");
    for (notional, ppm) in cases {
        let millionths = notional * ppm;
        let sign = if millionths < 0 { "-" } else { "" };
        let (whole, rest) = (millionths.abs() / 1_000_000, millionths.abs() % 1_000_000);
        let fee = millionths / 1_000_000;
        writeln!(
            out,
            "| {notional} | {ppm} | {sign}{whole}.{rest:06} | {fee} |"
        )
        .expect("a string");
    }
    out
}
