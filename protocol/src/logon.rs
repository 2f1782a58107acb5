//! Logging on: what a client sends, and what its signature covers.

use crate::field::Reserved;
use crate::frame::{FRAME_FROM_SERVER_MAX, HEADER_LEN, SCHEMA_ID, VERSION};
use crate::message::{Block, Challenge, HELLO_MAGIC, Hello, Logon};
use crate::words::KeyId;

/// First 16 bytes of what is signed, so that a signature made for Souk fits nothing else.
pub const LOGON_DOMAIN: [u8; 16] = *b"souk-logon-v1\0\0\0";

/// Bytes that a logon signs: domain, and the frames of hello, challenge, and logon, the last with its
/// signature zero.
pub const LOGON_SIGNED_LEN: usize = LOGON_DOMAIN.len()
    + (HEADER_LEN + Hello::LEN)
    + (HEADER_LEN + Challenge::LEN)
    + (HEADER_LEN + Logon::LEN);

/// The bytes that the Ed25519 signature of `logon` covers. The signature field itself counts as
/// zero, so both sides call this with the logon as it is.
#[must_use]
pub fn logon_signed_bytes(
    hello: &Hello,
    challenge: &Challenge,
    logon: &Logon,
) -> [u8; LOGON_SIGNED_LEN] {
    let unsigned = Logon {
        signature: [0; 64],
        ..*logon
    };
    let mut bytes = [0; LOGON_SIGNED_LEN];
    let mut at = 0;
    for part in [
        &LOGON_DOMAIN[..],
        &hello.frame(0),
        &challenge.frame(0),
        &unsigned.frame(0),
    ] {
        bytes[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    bytes
}

/// What a client says of itself when it logs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The key's id.
    pub key_id: KeyId,
    /// Which of the key's sessions, 0 to 4,095.
    pub session_number: u16,
    /// Higher than in every earlier logon of this session.
    pub incarnation: u64,
    /// Keepalive interval, 100 to 60,000 ms.
    pub keepalive_ms: u32,
}

/// The hello that this version of the crate sends.
#[must_use]
pub const fn hello() -> Hello {
    Hello {
        magic: HELLO_MAGIC,
        schema_min: SCHEMA_ID,
        schema_max: SCHEMA_ID,
        version_max: VERSION,
        reserved: Reserved,
        features: 0,
        max_frame_in: FRAME_FROM_SERVER_MAX,
        reserved2: Reserved,
    }
}

/// The logon that answers `challenge`. `client_time` is nanoseconds since 1970-01-01 UTC; `sign`
/// makes the Ed25519 signature of the bytes it is given.
#[must_use]
pub fn logon(
    credentials: &Credentials,
    challenge: &Challenge,
    client_time: u64,
    sign: impl FnOnce(&[u8]) -> [u8; 64],
) -> Logon {
    let mut logon = Logon {
        key_id: credentials.key_id,
        session_number: credentials.session_number,
        cancel_on_disconnect: 0,
        reserved: Reserved,
        incarnation: credentials.incarnation,
        client_time,
        keepalive_ms: credentials.keepalive_ms,
        reserved2: Reserved,
        signature: [0; 64],
    };
    logon.signature = sign(&logon_signed_bytes(&hello(), challenge, &logon));
    logon
}
