//! Logging on: what a client sends, and what its signature covers.

use crate::RejectReason;
use crate::field::Reserved;
use crate::frame::{FRAME_FROM_SERVER_MAX, HEADER_LEN, SCHEMA_ID, VERSION};
use crate::message::{Block, Challenge, FieldError, HELLO_MAGIC, Hello, Logon, MessageInfo};
use crate::words::{CancelOnDisconnect, KeyId};

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

/// The clock of a client may differ from the server's by this much at logon: 60 s.
pub const CLIENT_TIME_DISTANCE_MAX_NS: u64 = 60_000_000_000;
/// The legal keepalive intervals, in milliseconds.
pub const KEEPALIVE_MS: core::ops::RangeInclusive<u32> = 100..=60_000;

/// The longest time a session may be away before its orders are canceled, in milliseconds.
pub const CANCEL_GRACE_MS_MAX: u32 = 60_000;

impl Hello {
    /// The rules of a hello that its layout does not say, by offset: magic, schema, features,
    /// longest frame.
    ///
    /// # Errors
    /// The first one that is broken, with its byte in the frame.
    pub fn check(&self) -> Result<(), FieldError> {
        if self.magic != HELLO_MAGIC {
            return Err(broken(RejectReason::BadMagic, &Self::INFO, "magic"));
        }
        if !(self.schema_min..=self.schema_max).contains(&SCHEMA_ID) {
            let reason = RejectReason::SchemaNotSupported;
            return Err(broken(reason, &Self::INFO, "schema_min"));
        }
        if self.features != 0 {
            return Err(broken(
                RejectReason::UnknownFeature,
                &Self::INFO,
                "features",
            ));
        }
        if self.max_frame_in < FRAME_FROM_SERVER_MAX {
            let reason = RejectReason::FrameLengthOutOfRange;
            return Err(broken(reason, &Self::INFO, "max_frame_in"));
        }
        Ok(())
    }
}

impl Logon {
    /// The rules of a logon whose signature fits: clock, keepalive, grace of cancel on
    /// disconnect, in this order. `now` is the server's clock in nanoseconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// The first one that is broken, with its byte in the frame.
    pub fn check(&self, now: u64) -> Result<(), FieldError> {
        if self.client_time.abs_diff(now) > CLIENT_TIME_DISTANCE_MAX_NS {
            return Err(broken(RejectReason::ClockSkew, &Self::INFO, "client_time"));
        }
        if !KEEPALIVE_MS.contains(&self.keepalive_ms) {
            let reason = RejectReason::KeepaliveOutOfRange;
            return Err(broken(reason, &Self::INFO, "keepalive_ms"));
        }
        let grace_max = match self.cancel_on_disconnect {
            CancelOnDisconnect::None => 0,
            _ => CANCEL_GRACE_MS_MAX,
        };
        if self.cancel_grace_ms > grace_max {
            let reason = RejectReason::CancelGraceOutOfRange;
            return Err(broken(reason, &Self::INFO, "cancel_grace_ms"));
        }
        Ok(())
    }
}

fn broken(reason: RejectReason, info: &MessageInfo, field: &str) -> FieldError {
    let offset = HEADER_LEN + info.offset_of(field).unwrap_or(0);
    FieldError {
        reason,
        offset: offset as u16,
    }
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
    /// When the session's open orders are canceled because the connection ended.
    pub cancel_on_disconnect: CancelOnDisconnect,
    /// How long after that a new logon still keeps them, 0 to 60,000 ms; 0 with `None`.
    pub cancel_grace_ms: u32,
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
        cancel_on_disconnect: credentials.cancel_on_disconnect,
        reserved: Reserved,
        incarnation: credentials.incarnation,
        client_time,
        keepalive_ms: credentials.keepalive_ms,
        cancel_grace_ms: credentials.cancel_grace_ms,
        signature: [0; 64],
    };
    logon.signature = sign(&logon_signed_bytes(&hello(), challenge, &logon));
    logon
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RejectReason::*;

    const NOW: u64 = 1_700_000_000_000_000_000;

    fn check_logon(change: impl FnOnce(&mut Logon), expected: Option<(RejectReason, u16)>) {
        let challenge = Challenge {
            nonce: [1; 32],
            server_time: NOW,
            cluster_id: 1,
            schema_id: 1,
            version: 1,
            reserved: Reserved,
            max_frame_in: 4096,
        };
        let credentials = Credentials {
            key_id: KeyId(1),
            session_number: 0,
            incarnation: 1,
            keepalive_ms: 1_000,
            cancel_on_disconnect: CancelOnDisconnect::None,
            cancel_grace_ms: 0,
        };
        let mut logon = logon(&credentials, &challenge, NOW, |_| [0; 64]);
        change(&mut logon);
        let found = logon.check(NOW).err();
        assert_eq!(found.map(|error| (error.reason, error.offset)), expected);
    }

    #[test]
    fn a_logon_keeps_to_clock_and_keepalive() {
        check_logon(|_| {}, None);
        check_logon(|l| l.client_time += 60_000_000_000, None);
        check_logon(|l| l.client_time -= 60_000_000_000, None);
        check_logon(|l| l.client_time += 60_000_000_001, Some((ClockSkew, 40)));
        check_logon(|l| l.client_time = 0, Some((ClockSkew, 40)));
        check_logon(|l| l.keepalive_ms = 99, Some((KeepaliveOutOfRange, 48)));
        check_logon(|l| l.keepalive_ms = 60_001, Some((KeepaliveOutOfRange, 48)));
        let refused = Some((CancelGraceOutOfRange, 52));
        check_logon(|l| l.cancel_grace_ms = 1, refused);
        let with_grace = |grace| {
            move |l: &mut Logon| {
                l.cancel_on_disconnect = CancelOnDisconnect::Both;
                l.cancel_grace_ms = grace;
            }
        };
        check_logon(with_grace(60_000), None);
        check_logon(with_grace(60_001), refused);
    }

    #[test]
    fn a_hello_says_what_the_client_speaks() {
        let check = |change: fn(&mut Hello), expected: Option<(RejectReason, u16)>| {
            let mut hello = hello();
            change(&mut hello);
            let found = hello.check().err();
            assert_eq!(found.map(|error| (error.reason, error.offset)), expected);
        };
        check(|_| {}, None);
        check(|h| h.schema_max = 9, None);
        check(|h| h.magic[0] = b'X', Some((BadMagic, 24)));
        check(|h| h.schema_min = 2, Some((SchemaNotSupported, 32)));
        check(|h| h.schema_max = 0, Some((SchemaNotSupported, 32)));
        check(|h| h.features = 1, Some((UnknownFeature, 40)));
        check(
            |h| h.max_frame_in = 65_535,
            Some((FrameLengthOutOfRange, 48)),
        );
    }

    #[test]
    fn the_signature_covers_hello_challenge_and_logon_but_not_itself() {
        let challenge = Challenge {
            nonce: [1; 32],
            server_time: NOW,
            cluster_id: 1,
            schema_id: 1,
            version: 1,
            reserved: Reserved,
            max_frame_in: 4096,
        };
        let credentials = Credentials {
            key_id: KeyId(1),
            session_number: 0,
            incarnation: 1,
            keepalive_ms: 1_000,
            cancel_on_disconnect: CancelOnDisconnect::None,
            cancel_grace_ms: 0,
        };
        let signed = logon(&credentials, &challenge, NOW, |_| [0xaa; 64]);
        let bytes = logon_signed_bytes(&hello(), &challenge, &signed);
        assert_eq!(bytes.len(), 16 + 56 + 80 + 120);
        assert!(bytes.starts_with(&LOGON_DOMAIN));
        assert_eq!(bytes[LOGON_SIGNED_LEN - 64..], [0; 64]);
    }
}
