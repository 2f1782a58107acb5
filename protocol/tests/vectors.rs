//! The golden vectors: files, codec and document say the same, both ways.

#![allow(clippy::unwrap_used)]

mod kit;

use std::fs;

use kit::auth;
use kit::draft::{Draft, field, message};
use kit::judge::{Outcome, Side, judge};
use serde_json::Value as Json;
use souk_protocol::message::{Challenge, FieldInfo, Hello, Logon, MessageInfo};
use souk_protocol::{
    Block, ClientMessage, FRAME_FROM_CLIENT_MAX, FRAME_FROM_SERVER_MAX, RejectReason,
    logon_signed_bytes, request_id_of, split_frame,
};

#[test]
fn vectors_and_document_are_what_the_code_generates() {
    for (path, expected) in kit::generated_files() {
        let found = fs::read_to_string(&path).unwrap_or_default();
        let same = found == expected;
        let (path, command) = (
            path.display(),
            "cargo run -p souk-protocol --example generate",
        );
        assert!(
            same,
            "{path} is not what the code says; review and run `{command}`"
        );
    }
}

#[test]
fn positive_vectors_say_what_they_say_and_are_written_back() {
    let lines = read("positive.jsonl");
    assert!(lines.len() >= 1_400, "{} positive vectors", lines.len());
    for line in &lines {
        let bytes = unhex(&line["hex"]);
        let outcome = judge(side(line), FRAME_FROM_SERVER_MAX, &bytes);
        let Outcome::Legal(decoded) = outcome else {
            panic!("{line}: {outcome:?}");
        };
        assert_eq!(decoded.used, bytes.len(), "{line}");
        let found: Json = serde_json::from_str(&format!("{{{}}}", decoded.json)).unwrap();
        for (key, value) in found.as_object().unwrap() {
            assert_eq!(&line[key], value, "{line}");
        }
        assert_eq!(decoded.written[24..], decoded.known[24..], "{line}");
        if line.get("version").is_none() && line.get("block_extra").is_none() {
            assert_eq!(decoded.written, bytes, "{line}");
        }
        assert_eq!(draft(line).bytes(), bytes, "{line}");
    }
}

#[test]
fn negative_vectors_are_refused_with_their_code_and_byte() {
    let lines = read("negative.jsonl");
    assert!(lines.len() >= 3_900, "{} negative vectors", lines.len());
    for line in &lines {
        let frame_max = line["frame_max"].as_u64().unwrap() as u32;
        let expected = match line["outcome"].as_str().unwrap() {
            "incomplete" => Outcome::Incomplete,
            _ => Outcome::Refused {
                code: line["code"].as_u64().unwrap() as u16,
                offset: line["field_offset"].as_u64().unwrap() as u16,
                fatal: line["fatal"].as_bool().unwrap(),
            },
        };
        assert_eq!(
            judge(side(line), frame_max, &unhex(&line["hex"])),
            expected,
            "{line}"
        );
    }
}

#[test]
fn a_message_has_a_request_id_exactly_if_it_is_a_request() {
    let mut requests = 0;
    for line in &read("positive.jsonl") {
        let bytes = unhex(&line["hex"]);
        let (frame, _) = split_frame(&bytes, FRAME_FROM_SERVER_MAX).unwrap().unwrap();
        if side(line) == Side::Server {
            continue;
        }
        let expected = line["fields"].get("request_id");
        let expected = expected.map(|id| id.as_str().unwrap().parse::<u64>().unwrap());
        let message = ClientMessage::decode(&frame).unwrap();
        assert_eq!(message.request_id(), expected, "{line}");
        assert_eq!(request_id_of(&frame), expected, "{line}");
        requests += usize::from(expected.is_some());
    }
    assert!(requests > 150, "{requests} requests");
}

#[test]
fn every_code_of_frames_and_fields_has_a_vector() {
    let lines = read("negative.jsonl");
    for info in RejectReason::TABLE {
        // What a codec cannot see: hello's values, and what only a market or the tenant's control
        // stream knows.
        let elsewhere = matches!(
            info.reason.code(),
            108 | 111 | 414..=420 | 424..=426 | 429..=436 | 439 | 440 | 442 | 200..=399 | 500..
        );
        let code = u64::from(info.reason.code());
        let has = lines.iter().any(|line| line["code"].as_u64() == Some(code));
        assert_eq!(has, !elsewhere, "{}", info.name);
    }
}

#[test]
fn logons_of_the_auth_vectors_come_to_their_code() {
    let lines = read("auth.jsonl");
    let refused = lines.iter().filter(|line| line["code"] != 0).count();
    assert!(refused >= 10, "{refused} refusals");
    for line in &lines {
        let case = auth::Case {
            name: "from the file",
            public_key: line["public_key"].as_str().map(|_| {
                let key = unhex(&line["public_key"]);
                key.try_into().unwrap()
            }),
            incarnation_highest: line["incarnation_highest"]
                .as_str()
                .unwrap()
                .parse()
                .unwrap(),
            hello: block::<Hello>(&line["hello"]),
            challenge: block::<Challenge>(&line["challenge"]),
            logon: block::<Logon>(&line["logon"]),
        };
        let signed = logon_signed_bytes(&case.hello, &case.challenge, &case.logon);
        assert_eq!(signed[..], unhex(&line["signed"]), "{line}");
        let code = auth::judge(&case).map_or(0, RejectReason::code);
        assert_eq!(Json::from(code), line["code"], "{line}");
    }
}

/// What the fuzzer begins with, and whatever it finds.
#[test]
fn the_corpus_of_the_fuzzer_is_read_or_refused() {
    let folder = format!(
        "{}/fuzz/corpus/split_and_decode",
        env!("CARGO_MANIFEST_DIR")
    );
    let mut legal = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let from_client = bytes[0] & 1 == 0;
        let outcome = kit::reread::reread(from_client, FRAME_FROM_SERVER_MAX, &bytes[1..]);
        legal += usize::from(outcome == Some(true));
    }
    assert!(legal >= 70, "{legal} legal frames");
}

/// Changed frames: nothing panics, and what is read is written back as it was.
#[test]
fn millions_of_changed_frames_are_read_or_refused() {
    const ROUNDS: u64 = 3_000_000;
    const SEED: u64 = 0x736f_756b;
    let seeds: Vec<_> = read("positive.jsonl")
        .iter()
        .map(|l| (side(l), unhex(&l["hex"])))
        .collect();
    let mut random = SplitMix(SEED);
    let (mut legal, mut refused, mut incomplete) = (0_u64, 0_u64, 0_u64);
    let mut bytes = Vec::new();
    for _ in 0..ROUNDS {
        let (side, seed) = &seeds[random.below(seeds.len())];
        bytes.clear();
        bytes.extend(seed);
        change(&mut bytes, &mut random);
        match kit::reread::reread(*side == Side::Client, FRAME_FROM_CLIENT_MAX, &bytes) {
            None => incomplete += 1,
            Some(false) => refused += 1,
            Some(true) => legal += 1,
        }
    }
    println!("SEED={SEED}: {legal} legal, {refused} refused, {incomplete} incomplete");
    assert!(legal > ROUNDS / 20, "{legal} of {ROUNDS} legal");
    assert!(refused > ROUNDS / 20, "{refused} of {ROUNDS} refused");
    assert!(incomplete > 0);
}

/// One to four changes: a bit, a byte, a length, a cut, an interesting number.
fn change(bytes: &mut Vec<u8>, random: &mut SplitMix) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(8) {
            0 | 1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.next() as u8,
            3 => bytes[at] = [0, 1, 2, 3, 32, 33, 34, 0x7f, 0x80, 0xff][random.below(10)],
            4 => bytes.truncate(at),
            5 => bytes[at % 12] = random.next() as u8,
            6 => {
                let len = (bytes.len() as u32).to_le_bytes();
                let prefix = bytes.len().min(4);
                bytes[..prefix].copy_from_slice(&len[..prefix]);
            }
            _ => bytes.extend([0; 8]),
        }
    }
}

struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// The frame that the JSON describes, built from the byte tables.
fn draft(line: &Json) -> Draft {
    let info = message(line["message"].as_str().unwrap());
    let list = |key: &str| {
        line.get(key)
            .and_then(Json::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let extra = list("entry_extra");
    assert!(
        extra.iter().all(|one| *one == extra[0]),
        "entries have one layout: {line}"
    );
    Draft {
        info,
        version: line
            .get("version")
            .map_or(1, |version| version.as_u64().unwrap() as u8),
        flags: line["flags"].as_u64().unwrap() as u8,
        seq: line["seq"].as_str().unwrap().parse().unwrap(),
        block: block_of(info, &line["fields"]),
        block_extra: line.get("block_extra").map(unhex).unwrap_or_default(),
        entries: list("entries")
            .iter()
            .map(|e| block_of(info.entry.unwrap(), e))
            .collect(),
        entry_extra: extra.first().map(unhex).unwrap_or_default(),
    }
}

fn block_of(info: &MessageInfo, fields: &Json) -> Vec<u8> {
    let mut bytes = vec![0; info.block_len];
    for (name, value) in fields.as_object().unwrap() {
        let field = field(info, name);
        let raw = raw(field, value);
        bytes[field.offset..field.offset + raw.len()].copy_from_slice(&raw);
    }
    bytes
}

fn raw(field: &FieldInfo, value: &Json) -> Vec<u8> {
    match (field.kind, value) {
        ("ASCII", value) => value.as_str().unwrap().as_bytes().to_vec(),
        ("bytes", value) => unhex(value),
        ("i32", value) => (value.as_i64().unwrap() as i32).to_le_bytes().to_vec(),
        ("i64", value) => value
            .as_str()
            .unwrap()
            .parse::<i64>()
            .unwrap()
            .to_le_bytes()
            .to_vec(),
        (_, Json::String(number)) => number.parse::<u64>().unwrap().to_le_bytes().to_vec(),
        (_, number) => number.as_u64().unwrap().to_le_bytes()[..field.size].to_vec(),
    }
}

fn block<B: Block>(frame: &Json) -> B {
    let bytes = unhex(frame);
    let (frame, _) = split_frame(&bytes, 512).unwrap().unwrap();
    assert_eq!(frame.header.template_id, B::INFO.template);
    B::read(frame.body, 24).unwrap()
}

fn side(line: &Json) -> Side {
    match line["side"].as_str().unwrap() {
        "client" => Side::Client,
        _ => Side::Server,
    }
}

fn read(name: &str) -> Vec<Json> {
    let path = format!("{}/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn unhex(digits: &Json) -> Vec<u8> {
    let digits = digits.as_str().unwrap();
    (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}
