//! Logons with fixed keys: what is signed, the signature, and ten and more refusals.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use souk_protocol::message::{Challenge, Hello, Logon};
use souk_protocol::{
    CancelOnDisconnect, Credentials, KeyId, RejectReason, Reserved, SESSION_NUMBER_MAX, hello,
    logon, logon_signed_bytes,
};

use super::hex;

/// Secret keys of tests 1 and 2 of RFC 8032, section 7.1.
pub const SEEDS: [&str; 2] = [
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
];
/// The server's clock in the vectors.
const NOW: u64 = 1_767_225_600_000_000_000;
const SECOND: u64 = 1_000_000_000;

/// One logon, as the server sees it.
pub struct Case {
    pub name: &'static str,
    /// The public key that the server has for the key id, if it has one.
    pub public_key: Option<[u8; 32]>,
    /// Highest incarnation seen of the session.
    pub incarnation_highest: u64,
    pub hello: Hello,
    pub challenge: Challenge,
    pub logon: Logon,
}

pub fn key(index: usize) -> Ed25519KeyPair {
    let seed: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&SEEDS[index][2 * at..2 * at + 2], 16).expect("hex digits"))
        .collect();
    Ed25519KeyPair::from_seed_unchecked(&seed).expect("32 bytes")
}

pub fn public(index: usize) -> [u8; 32] {
    let key = key(index);
    key.public_key().as_ref().try_into().expect("32 bytes")
}

fn sign(index: usize, bytes: &[u8]) -> [u8; 64] {
    key(index)
        .sign(bytes)
        .as_ref()
        .try_into()
        .expect("64 bytes")
}

pub fn challenge() -> Challenge {
    Challenge {
        nonce: core::array::from_fn(|at| at as u8),
        server_time: NOW,
        cluster_id: 1,
        schema_id: 1,
        version: 1,
        reserved: Reserved,
        max_frame_in: 4_096,
    }
}

const CREDENTIALS: Credentials = Credentials {
    key_id: KeyId(9),
    session_number: 5,
    incarnation: NOW,
    keepalive_ms: 1_000,
    cancel_on_disconnect: CancelOnDisconnect::None,
    cancel_grace_ms: 0,
};

/// A logon that is accepted.
fn accepted(name: &'static str) -> Case {
    Case {
        name,
        public_key: Some(public(0)),
        incarnation_highest: 0,
        hello: hello(),
        challenge: challenge(),
        logon: logon(&CREDENTIALS, &challenge(), NOW, |bytes| sign(0, bytes)),
    }
}

/// Changes the logon, and signs what came of it.
fn changed(name: &'static str, change: impl FnOnce(&mut Logon)) -> Case {
    let mut case = accepted(name);
    change(&mut case.logon);
    let signed = logon_signed_bytes(&case.hello, &case.challenge, &case.logon);
    case.logon.signature = sign(0, &signed);
    case
}

/// Changes anything after the signature was made.
fn tampered(name: &'static str, change: impl FnOnce(&mut Case)) -> Case {
    let mut case = accepted(name);
    change(&mut case);
    case
}

/// Every case with the code it must come to; `None` is accepted.
pub fn cases() -> Vec<(Case, Option<RejectReason>)> {
    use RejectReason::*;
    let failed = Some(AuthenticationFailed);
    let mut cases = vec![(accepted("the worked example"), None)];
    let second = || {
        let mut case = accepted("another key");
        case.public_key = Some(public(1));
        case.logon.signature = sign(1, &logon_signed_bytes(&hello(), &challenge(), &case.logon));
        case
    };
    cases.push((second(), None));
    for (name, change) in [
        (
            "the highest session number",
            (|l| l.session_number = SESSION_NUMBER_MAX) as fn(&mut Logon),
        ),
        ("a clock 60 s ahead", |l| l.client_time += 60 * SECOND),
        ("a clock 60 s behind", |l| l.client_time -= 60 * SECOND),
        ("the shortest keepalive", |l| l.keepalive_ms = 100),
        ("the longest keepalive", |l| l.keepalive_ms = 60_000),
    ] {
        cases.push((changed(name, change), None));
    }
    for (name, change) in [
        ("an unknown key", (|c| c.public_key = None) as fn(&mut Case)),
        ("another key's public key", |c| {
            c.public_key = Some(public(1))
        }),
        ("a bit of R flipped", |c| c.logon.signature[0] ^= 1),
        ("a bit of S flipped", |c| c.logon.signature[32] ^= 1),
        ("S above the group order", |c| {
            add_group_order(&mut c.logon.signature)
        }),
        ("a signature of zeros", |c| c.logon.signature = [0; 64]),
        ("another nonce, as in a replay", |c| {
            c.challenge.nonce[31] ^= 1
        }),
        ("another cluster", |c| c.challenge.cluster_id = 2),
        ("another hello", |c| c.hello.max_frame_in = 131_072),
        ("another incarnation", |c| c.logon.incarnation += 1),
        ("another session number", |c| c.logon.session_number += 1),
        ("another key id", |c| c.logon.key_id.0 += 1),
    ] {
        cases.push((tampered(name, change), failed));
    }
    let too_high = changed("a session number above 4,095", |l| l.session_number = 4_096);
    cases.push((too_high, failed));
    let mut domain = accepted("signed without the domain");
    let bytes = logon_signed_bytes(&domain.hello, &domain.challenge, &domain.logon);
    domain.logon.signature = sign(0, &bytes[16..]);
    cases.push((domain, failed));
    let ahead = changed("a clock 61 s ahead", |l| l.client_time += 61 * SECOND);
    let behind = changed("a clock 61 s behind", |l| l.client_time -= 61 * SECOND);
    let short = changed("a keepalive of 99 ms", |l| l.keepalive_ms = 99);
    let long = changed("a keepalive of 60,001 ms", |l| l.keepalive_ms = 60_001);
    let cod = changed("cancel on disconnect", |l| {
        l.cancel_on_disconnect = CancelOnDisconnect::OnDisconnect;
    });
    let with_grace = |name, grace| {
        changed(name, |l| {
            l.cancel_on_disconnect = CancelOnDisconnect::Both;
            l.cancel_grace_ms = grace;
        })
    };
    let longest = with_grace("the longest grace", 60_000);
    let too_long = with_grace("a grace of 60,001 ms", 60_001);
    let for_nothing = changed("a grace without cancel on disconnect", |l| {
        l.cancel_grace_ms = 1
    });
    let mut equal = accepted("the incarnation of before");
    equal.incarnation_highest = equal.logon.incarnation;
    let mut lower = accepted("a lower incarnation");
    lower.incarnation_highest = lower.logon.incarnation + 1;
    cases.extend([
        (ahead, Some(ClockSkew)),
        (behind, Some(ClockSkew)),
        (short, Some(KeepaliveOutOfRange)),
        (long, Some(KeepaliveOutOfRange)),
        (cod, None),
        (equal, Some(IncarnationNotNewer)),
        (lower, Some(IncarnationNotNewer)),
        (longest, None),
        (too_long, Some(CancelGraceOutOfRange)),
        (for_nothing, Some(CancelGraceOutOfRange)),
    ]);
    cases
}

/// The rules of a logon, in the order of PROTOCOL.md.
pub fn judge(case: &Case) -> Option<RejectReason> {
    let signed = logon_signed_bytes(&case.hello, &case.challenge, &case.logon);
    let fits = case.public_key.is_some_and(|key| {
        UnparsedPublicKey::new(&ED25519, key)
            .verify(&signed, &case.logon.signature)
            .is_ok()
    });
    if !fits || case.logon.session_number > SESSION_NUMBER_MAX {
        return Some(RejectReason::AuthenticationFailed);
    }
    if let Err(error) = case.logon.check(NOW) {
        return Some(error.reason);
    }
    (case.logon.incarnation <= case.incarnation_highest)
        .then_some(RejectReason::IncarnationNotNewer)
}

/// The lines of `auth.jsonl`.
pub fn vectors() -> Vec<String> {
    cases()
        .iter()
        .map(|(case, code)| line(case, *code))
        .collect()
}

fn line(case: &Case, code: Option<RejectReason>) -> String {
    assert_eq!(judge(case), code, "{}", case.name);
    let public_key = match case.public_key {
        Some(key) => format!("\"{}\"", hex(&key)),
        None => "null".to_owned(),
    };
    format!(
        "{{\"name\":\"{}\",\"public_key\":{public_key},\"server_time\":\"{NOW}\",\
         \"incarnation_highest\":\"{}\",\"hello\":\"{}\",\"challenge\":\"{}\",\"logon\":\"{}\",\
         \"signed\":\"{}\",\"code\":{}}}",
        case.name,
        case.incarnation_highest,
        hex(&case.hello.frame(0)),
        hex(&case.challenge.frame(0)),
        hex(&case.logon.frame(0)),
        hex(&logon_signed_bytes(
            &case.hello,
            &case.challenge,
            &case.logon
        )),
        code.map_or(0, RejectReason::code)
    )
}

/// The same signature modulo the group's order: one that a careless verifier takes.
fn add_group_order(signature: &mut [u8; 64]) {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
}
