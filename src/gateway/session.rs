//! A session without its socket: bytes in, frames and submissions out.
//!
//! Must never: read a clock, wait, or take a tenant, an account or a permission from a message
//! instead of from the logon.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use souk_protocol::message::{
    AccountEntry, Challenge, Hello, Logon, LogonAck, LogonReject, Redirect, SessionReject,
    Terminate,
};
use souk_protocol::{
    ClOrdId, ClientMessage, Code, Durability, FRAME_BEFORE_LOGON_MAX, FRAME_FROM_CLIENT_MAX,
    FieldError, Frame, KeyId, MarketId, RejectReason, Reserved, SCHEMA_ID, SessionId, VERSION,
    frame_len_with_group, logon_signed_bytes, split_frame, write_frame_with_group,
};

use super::entrance::{Entrance, Place};
use super::established::Established;
use super::registry::Registry;
use crate::config::{HistoryConfig, KeyAccounts, Limits};
use crate::directory::{Directory, KeyEntry};
use crate::handoff::{MatcherDoor, SessionTerms};
use crate::treasury::Treasury;

/// When a node that takes no new work may be asked again.
pub const RETRY_AFTER_DRAIN_MS: u32 = 1_000;
/// When a node may be asked again for a tenant that is between two nodes.
const RETRY_AFTER_MOVE_MS: u32 = 50;
/// Accounts that a key which may use all of them is told of.
const ACCOUNTS_TOLD_MAX: usize = 1_024;
/// A key that no directory holds, so that an unknown key costs the same work as a known one.
const NOBODYS_KEY: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];

/// What all sessions of a partition share: the tenants whose markets and money are recovered and moved together.
#[derive(Debug)]
pub struct Shared {
    /// Who exists.
    pub directory: Arc<Directory>,
    /// What accounts have.
    pub treasury: Arc<Treasury>,
    /// Who is connected.
    pub registry: Arc<Registry>,
    /// The matchers' queues, by matcher.
    pub doors: Vec<MatcherDoor>,
    /// What one session may do.
    pub limits: Limits,
    /// What an acknowledgement is worth.
    pub durability: Durability,
    /// What is kept of the past of a market that opens.
    pub history: HistoryConfig,
}

/// The present moment, on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Nanoseconds since 1970-01-01 UTC.
    pub wall_ns: u64,
    /// Monotonic.
    pub instant: Instant,
}

/// What the owner of the socket does next.
#[derive(Debug)]
pub enum Next {
    /// Read on.
    Read,
    /// Verify a signature, off this thread, and tell [`Session::verified`].
    Verify(Box<Verification>),
    /// Wait until everything taken is answered, then end with this code.
    Finish(RejectReason),
    /// Write what there is and close.
    Close,
}

/// A logon whose signature is to be verified.
#[derive(Debug)]
pub struct Verification {
    /// The key to verify with; nobody's if the key is unknown.
    pub public_key: [u8; 32],
    /// What was signed.
    pub message: [u8; souk_protocol::LOGON_SIGNED_LEN],
    /// The signature.
    pub signature: [u8; 64],
    logon: Logon,
    is_known: bool,
}

impl Verification {
    /// The keepalive interval the logon asks for.
    #[must_use]
    pub const fn keepalive(&self) -> Duration {
        Duration::from_millis(self.logon.keepalive_ms as u64)
    }

    /// The key that the client says it has.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.logon.key_id
    }
}

/// A session's state.
#[derive(Debug)]
pub struct Session {
    entrance: Arc<Entrance>,
    address: IpAddr,
    nonce: [u8; 32],
    state: State,
    /// Frames to write before logon. Afterwards everything goes through the link's outbox.
    out: Vec<u8>,
}

#[derive(Debug)]
enum State {
    AwaitsHello,
    AwaitsLogon(Hello, Challenge),
    Verifying,
    Established(Box<Established>),
    Closed,
}

impl Session {
    /// A session that has just been connected. `nonce` is 32 random bytes, used once.
    #[must_use]
    pub const fn new(entrance: Arc<Entrance>, address: IpAddr, nonce: [u8; 32]) -> Self {
        Self {
            entrance,
            address,
            nonce,
            state: State::AwaitsHello,
            out: Vec::new(),
        }
    }

    /// Frames to write now, from before the logon.
    pub const fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// The established session, once it is.
    pub fn established(&mut self) -> Option<&mut Established> {
        match &mut self.state {
            State::Established(established) => Some(established),
            _ => None,
        }
    }

    /// Takes the whole frames at the front of `bytes`: gives how many bytes they were, and what
    /// to do next. Submissions for matchers are handed over before it returns.
    pub fn receive(&mut self, bytes: &[u8], now: Now) -> (usize, Next) {
        let mut taken = 0;
        let mut next = Next::Read;
        if let State::Established(established) = &mut self.state {
            established.begin(now.instant);
        }
        while matches!(next, Next::Read) {
            let frame_max = match self.state {
                State::Established(_) => FRAME_FROM_CLIENT_MAX,
                _ => FRAME_BEFORE_LOGON_MAX,
            };
            match split_frame(&bytes[taken..], frame_max) {
                Ok(None) => break,
                Ok(Some((frame, len))) => {
                    taken += len;
                    next = self.frame(&frame, now);
                }
                Err(error) => next = self.broken_frame(error.reason, error.offset),
            }
        }
        if let State::Established(established) = &mut self.state {
            established.submit();
        }
        (taken, next)
    }

    /// Says what came of a verification.
    pub fn verified(&mut self, verification: &Verification, valid: bool, now: Now) -> Next {
        self.state = State::Closed;
        let logon = &verification.logon;
        let session = SessionId::new(logon.key_id, logon.session_number);
        let (Some(session), true) = (session, valid && verification.is_known) else {
            return self.refuse_logon(RejectReason::AuthenticationFailed, 0, now);
        };
        if let Err(error) = logon.check(now.wall_ns) {
            return self.refuse_logon(error.reason, 0, now);
        }
        let (shared, key) = match self.partition_of(logon.key_id) {
            Ok(found) => found,
            Err(redirect) => return self.send_elsewhere(redirect, now),
        };
        match shared.registry.log_on(session, terms_of(logon)) {
            // It may have been revoked meanwhile: before this session could be found and ended.
            Ok(_) if self.entrance.key(logon.key_id).is_none() => {
                self.refuse_logon(RejectReason::AuthenticationFailed, 0, now)
            }
            Ok(link) => {
                link.outbox
                    .append(&acknowledgement(&shared, &key, session, logon, now));
                let established = Established::new(shared, key, link, now.instant);
                self.state = State::Established(Box::new(established));
                Next::Read
            }
            Err(reason) => self.refuse_logon(reason, 0, now),
        }
    }

    /// Where the key's tenant is matched; if not here, the redirect if there is one.
    fn partition_of(&self, key: KeyId) -> Result<(Arc<Shared>, Arc<KeyEntry>), Option<Redirect>> {
        let tenant = self.entrance.key(key).ok_or(None)?.tenant;
        match self.entrance.place(tenant) {
            Place::Here(shared) => {
                let entry = shared.directory.key(key).ok_or(None)?;
                Ok((shared, entry))
            }
            Place::Elsewhere(redirect) => Err(Some(redirect)),
            Place::Moving => Err(None),
        }
    }

    fn send_elsewhere(&mut self, redirect: Option<Redirect>, now: Now) -> Next {
        let Some(redirect) = redirect else {
            return self.refuse_logon(RejectReason::TenantMoving, RETRY_AFTER_MOVE_MS, now);
        };
        self.out.extend_from_slice(&redirect.frame(0));
        self.refuse_logon(RejectReason::NotOwner, 0, now)
    }

    /// Writes a `Terminate` and closes. When the tenant has moved away, says where first, if that is known.
    pub fn terminate(&mut self, reason: RejectReason, retry_after_ms: u32, detail: u64) -> Next {
        if reason != RejectReason::LoggedOut {
            self.entrance.registry.refuse(reason);
        }
        let frame = Terminate {
            code: Code::from(reason),
            reserved: Reserved,
            retry_after_ms,
            detail,
        }
        .frame(0);
        match &mut self.state {
            State::Established(established) => {
                let outbox = &established.link().outbox;
                if reason == RejectReason::NotOwner
                    && let Some(redirect) = self.entrance.redirect(established.key.id)
                {
                    outbox.append(&redirect.frame(0));
                }
                outbox.append(&frame);
            }
            _ => self.out.extend_from_slice(&frame),
        }
        Next::Close
    }

    fn frame(&mut self, frame: &Frame<'_>, now: Now) -> Next {
        match &mut self.state {
            State::Established(established) => established.frame(frame, now.instant, now.wall_ns),
            State::AwaitsHello => match ClientMessage::decode(frame) {
                Ok(ClientMessage::Hello(hello)) => self.hello(&hello, now),
                Ok(_) => self.terminate(RejectReason::ProtocolOrder, 0, 0),
                Err(error) => self.bad_field(&error),
            },
            State::AwaitsLogon(hello, challenge) => match ClientMessage::decode(frame) {
                Ok(ClientMessage::Logon(logon)) => {
                    let message = logon_signed_bytes(hello, challenge, &logon);
                    self.logon(logon, message, now)
                }
                Ok(_) => self.terminate(RejectReason::ProtocolOrder, 0, 0),
                Err(error) => self.bad_field(&error),
            },
            State::Verifying | State::Closed => Next::Close,
        }
    }

    fn hello(&mut self, hello: &Hello, now: Now) -> Next {
        if let Err(error) = hello.check() {
            return self.bad_field(&error);
        }
        let challenge = Challenge {
            nonce: self.nonce,
            server_time: now.wall_ns,
            cluster_id: self.entrance.cluster_id,
            schema_id: SCHEMA_ID,
            version: VERSION.min(hello.version_max),
            reserved: Reserved,
            max_frame_in: FRAME_FROM_CLIENT_MAX,
        };
        self.out.extend_from_slice(&challenge.frame(0));
        self.state = State::AwaitsLogon(*hello, challenge);
        Next::Read
    }

    fn logon(
        &mut self,
        logon: Logon,
        message: [u8; souk_protocol::LOGON_SIGNED_LEN],
        now: Now,
    ) -> Next {
        if let Err(wait_us) = self
            .entrance
            .registry
            .logon_attempt(self.address, now.instant)
        {
            let retry_after_ms = wait_us.div_ceil(1_000);
            return self.refuse_logon(RejectReason::LogonRateExceeded, retry_after_ms, now);
        }
        let key = self.entrance.key(logon.key_id);
        self.state = State::Verifying;
        Next::Verify(Box::new(Verification {
            public_key: key.map_or(NOBODYS_KEY, |key| key.public_key),
            message,
            signature: logon.signature,
            logon,
            is_known: key.is_some(),
        }))
    }

    fn refuse_logon(&mut self, reason: RejectReason, retry_after_ms: u32, now: Now) -> Next {
        self.state = State::Closed;
        self.entrance.registry.refuse(reason);
        let reject = LogonReject {
            code: Code::from(reason),
            reserved: Reserved,
            retry_after_ms,
            server_time: now.wall_ns,
        };
        self.out.extend_from_slice(&reject.frame(0));
        Next::Close
    }

    /// The stream cannot be cut into frames any more.
    fn broken_frame(&mut self, reason: RejectReason, offset: u16) -> Next {
        let reject = session_reject(reason, offset, true);
        match &mut self.state {
            State::Established(established) => established.link().outbox.append(&reject.frame(0)),
            _ => self.out.extend_from_slice(&reject.frame(0)),
        }
        self.terminate(reason, 0, u64::from(offset))
    }

    /// Before the logon a message that breaks a rule ends the connection.
    fn bad_field(&mut self, error: &FieldError) -> Next {
        self.terminate(error.reason, 0, u64::from(error.offset))
    }
}

fn acknowledgement(
    shared: &Shared,
    key: &KeyEntry,
    session: SessionId,
    logon: &Logon,
    now: Now,
) -> Vec<u8> {
    let limits = &shared.limits;
    let root = LogonAck {
        session_id: session,
        tenant: key.tenant.id,
        incarnation: logon.incarnation,
        server_time: now.wall_ns,
        max_inflight: limits.max_inflight,
        order_rate: limits.order_rate,
        order_burst: limits.order_burst,
        cancel_rate: limits.cancel_rate,
        cancel_burst: limits.cancel_burst,
        keepalive_ms: logon.keepalive_ms,
        durability: shared.durability,
        reserved: Reserved,
    };
    let accounts: Vec<_> = match &key.accounts {
        KeyAccounts::All => {
            let catalogue = key.tenant.catalogue();
            catalogue.accounts().take(ACCOUNTS_TOLD_MAX).collect()
        }
        KeyAccounts::Some(accounts) => accounts.iter().copied().collect(),
    };
    let entries: Vec<_> = accounts
        .into_iter()
        .map(|account| AccountEntry {
            account,
            reserved: Reserved,
        })
        .collect();
    let mut bytes = Vec::new();
    // A key with more accounts than fit one frame is told of them in several.
    let chunks: Vec<&[AccountEntry]> = if entries.is_empty() {
        vec![&[]]
    } else {
        entries.chunks(ACCOUNTS_PER_FRAME_MAX).collect()
    };
    for (index, chunk) in chunks.iter().enumerate() {
        let start = bytes.len();
        bytes.resize(
            start + frame_len_with_group::<LogonAck, AccountEntry>(chunk.len()),
            0,
        );
        let more = index + 1 < chunks.len();
        let flags = if more {
            souk_protocol::FLAG_MORE_FOLLOWS
        } else {
            0
        };
        let written = write_frame_with_group(&root, chunk, 0, flags, &mut bytes[start..]);
        assert_eq!(
            written,
            Some(bytes.len() - start),
            "the buffer was made for this frame"
        );
    }
    bytes
}

/// What a logon asks for.
const fn terms_of(logon: &Logon) -> SessionTerms {
    SessionTerms {
        incarnation: logon.incarnation,
        cancel_on_disconnect: logon.cancel_on_disconnect,
        grace_ms: logon.cancel_grace_ms,
    }
}

/// Accounts that fit one frame of a logon acknowledgement.
const ACCOUNTS_PER_FRAME_MAX: usize = 8_000;

/// A reject that names no market.
pub(super) const fn session_reject(
    reason: RejectReason,
    field_offset: u16,
    fatal: bool,
) -> SessionReject {
    SessionReject {
        ref_seq: 0,
        market: MarketId(0),
        ref_template: 0,
        code: Code(reason.code()),
        field_offset,
        fatal,
        reserved: Reserved,
        retry_after_us: 0,
        cl_ord_id: ClOrdId(0),
    }
}
