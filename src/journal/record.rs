//! One record of a stream, in bytes. `docs/audit.md` has the tables.
//!
//! Little-endian; every record is a multiple of 8 bytes. The length stands there twice, once inverted,
//! so that a record that is cut off and a length that is damaged are two things. The checksum is
//! XXH64, seeded with the checksum of the record before: a chain.
//!
//! Must never: panic on what a file says.

use souk_protocol::{
    AccountId, Amount, FieldError, MarketId, RejectReason, SessionId, StpGroup, TenantId, Text,
};

use souk_engine::FeeTier;

use super::wire_form::{self, WireFormError};
use crate::control::{ControlCommand, CurrencyCode, Custody};
use crate::handoff::{Admitted, BatchPlace, MarketChange, Numbered};

/// Bytes before what a record's kind adds.
pub const RECORD_HEADER_LEN: usize = 48;
/// The longest record.
pub const RECORD_LEN_MAX: usize = 65_536;
/// Most balances of one record.
pub const BALANCES_MAX: usize = 1_024;

const BALANCE_LEN: usize = 32;
const COMMAND: u8 = 1;
const CHANGE: u8 = 2;
const CONTROL: u8 = 3;
const FOUNDING: u8 = 4;
const TENANT: u8 = 5;
const BALANCES: u8 = 6;
const END: u8 = 7;
const LAST_OF_FRAME: u8 = 1;
const STOP_AT_REJECT: u8 = 2;
const REPEATED: u8 = 1;
const EXTERNAL_CUSTODY: u8 = 1;

/// A record of a stream: what happened, under which number.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamRecord {
    /// Whose stream.
    pub tenant: TenantId,
    /// The market, or 0 for the tenant's control stream.
    pub market: MarketId,
    /// Commands the stream had applied, this one included.
    pub stream_seq: u64,
    /// Nanoseconds since 1970-01-01 UTC; 0 for what was there from the beginning.
    pub transact_time: u64,
    /// Who asked; 0 for nobody outside.
    pub session: SessionId,
    /// What happened.
    pub body: Body,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A numbered command to a market.
    Command {
        /// The command as its session sent it.
        numbered: Numbered,
        /// What was decided outside the book.
        admitted: Admitted,
        /// Why it was refused, by whomever.
        refused: Option<RejectReason>,
    },
    /// Something the control stream, or the operator, changed of a market.
    Change {
        /// The change.
        change: MarketChange,
        /// Why the market refused it.
        refused: Option<RejectReason>,
    },
    /// A command to a control stream.
    Control {
        /// The command.
        command: ControlCommand,
        /// What came of it.
        verdict: Verdict,
    },
    /// A command to a control stream that the node's configuration led to, before anything else.
    Founding(ControlCommand),
    /// A tenant. Comes before everything else of it.
    Tenant {
        /// Who keeps its money.
        custody: Custody,
        /// Its name.
        name: Text<32>,
    },
    /// Balances of the node's ledger at its orderly end.
    Balances(Vec<BalanceLine>),
    /// The orderly end of the recording.
    End {
        /// How many balances came before.
        balances: u64,
    },
}

/// What came of a control command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was applied.
    Applied,
    /// It had been applied before, under another number.
    Repeated,
    /// It was refused.
    Refused(RejectReason),
}

/// A balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceLine {
    /// Whose.
    pub account: AccountId,
    /// Of what.
    pub currency: CurrencyCode,
    /// All of it.
    pub total: Amount,
    /// What open orders hold.
    pub held: Amount,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The two lengths do not fit each other, or are no length of a record.
    #[error("the length is damaged: {length} and, inverted, {check}")]
    Length {
        /// The length.
        length: u32,
        /// What it is compared with.
        check: u32,
    },
    /// The bytes are not those that were written.
    #[error("the checksum is {found:#018x}, the bytes give {computed:#018x}")]
    Checksum {
        /// What stands there.
        found: u64,
        /// What should.
        computed: u64,
    },
    /// No kind of record.
    #[error("no record is of kind {0}")]
    Kind(u8),
    /// Bits without a meaning.
    #[error("the flags {0:#04x} mean nothing")]
    Flags(u8),
    /// Bytes without a meaning.
    #[error("bytes that must be 0 are not")]
    Reserved,
    /// The record's kind takes another size.
    #[error("{0} bytes are no size of this kind of record")]
    Size(usize),
    /// The record's kind has no such template.
    #[error("template {0} is none of this kind of record")]
    Template(u16),
    /// A field of the block breaks a rule.
    #[error("the block is not legal: {0}")]
    Field(FieldError),
    /// The block is for another market than the record.
    #[error("the block is for market {0}")]
    Market(MarketId),
    /// No reason has this code.
    #[error("no reason has code {0}")]
    Code(u16),
    /// Something comes after the end.
    #[error("something comes after the end of the recording")]
    AfterEnd,
}

impl From<WireFormError> for Damage {
    fn from(error: WireFormError) -> Self {
        match error {
            WireFormError::Template(template) => Self::Template(template),
            WireFormError::Size => Self::Size(0),
            WireFormError::Field(error) => Self::Field(error),
        }
    }
}

impl StreamRecord {
    /// Appends the record, not sealed yet: see [`seal`](super::seal).
    ///
    /// # Panics
    /// When it is longer than [`RECORD_LEN_MAX`]: of [`BALANCES_MAX`] balances no record is.
    pub fn write(&self, out: &mut Vec<u8>) {
        let at = out.len();
        out.resize(at + RECORD_HEADER_LEN, 0);
        let head = &mut out[at..];
        head[16..20].copy_from_slice(&self.tenant.0.to_le_bytes());
        head[20..24].copy_from_slice(&self.market.0.to_le_bytes());
        head[24..32].copy_from_slice(&self.stream_seq.to_le_bytes());
        head[32..40].copy_from_slice(&self.transact_time.to_le_bytes());
        head[40..44].copy_from_slice(&self.session.0.to_le_bytes());
        let (kind, flags, template) = self.write_body(out);
        let len = out.len() - at;
        assert!(
            len <= RECORD_LEN_MAX && len.is_multiple_of(8),
            "a record of {len} bytes"
        );
        let head = &mut out[at..];
        // No truncation: the length is at most RECORD_LEN_MAX.
        let len = len as u32;
        head[..4].copy_from_slice(&len.to_le_bytes());
        head[4..8].copy_from_slice(&(!len).to_le_bytes());
        head[44] = kind;
        head[45] = flags;
        head[46..48].copy_from_slice(&template.to_le_bytes());
    }

    /// Gives kind, flags and template.
    fn write_body(&self, out: &mut Vec<u8>) -> (u8, u8, u16) {
        match &self.body {
            Body::Command {
                numbered,
                admitted,
                refused,
            } => {
                out.extend_from_slice(&numbered.client_seq.to_le_bytes());
                out.extend_from_slice(&admitted.hold.0.to_le_bytes());
                out.extend_from_slice(&code_of(admitted.refused).to_le_bytes());
                out.extend_from_slice(&code_of(*refused).to_le_bytes());
                out.extend_from_slice(&admitted.stp_group.0.to_le_bytes());
                out.extend_from_slice(&[admitted.fee_tier.0, numbered.batch.index]);
                let template = wire_form::write_command(&numbered.command, self.market, out);
                let last = u8::from(numbered.batch.last) * LAST_OF_FRAME;
                let stop = u8::from(numbered.batch.stop_at_reject) * STOP_AT_REJECT;
                (COMMAND, last | stop, template)
            }
            Body::Change { change, refused } => {
                write_code(*refused, out);
                let template = wire_form::write_change(change, self.market, out);
                (CHANGE, 0, template)
            }
            Body::Control { command, verdict } => {
                let (refused, flags) = match verdict {
                    Verdict::Applied => (None, 0),
                    Verdict::Repeated => (None, REPEATED),
                    Verdict::Refused(reason) => (Some(*reason), 0),
                };
                write_code(refused, out);
                (CONTROL, flags, wire_form::write_control(command, out))
            }
            Body::Founding(command) => {
                write_code(None, out);
                (FOUNDING, 0, wire_form::write_control(command, out))
            }
            Body::Tenant { custody, name } => {
                out.extend_from_slice(&name.0);
                let external = *custody == Custody::External;
                (TENANT, u8::from(external) * EXTERNAL_CUSTODY, 0)
            }
            Body::Balances(lines) => {
                for line in lines {
                    out.extend_from_slice(&line.account.0.to_le_bytes());
                    out.extend_from_slice(&[0; 4]);
                    out.extend_from_slice(&line.currency.0);
                    out.extend_from_slice(&line.total.0.to_le_bytes());
                    out.extend_from_slice(&line.held.0.to_le_bytes());
                }
                (BALANCES, 0, 0)
            }
            Body::End { balances } => {
                out.extend_from_slice(&balances.to_le_bytes());
                (END, 0, 0)
            }
        }
    }

    /// Reads a whole record, whose length and checksum are good.
    ///
    /// # Errors
    /// The first thing that is not a record's.
    pub fn read(bytes: &[u8]) -> Result<Self, Damage> {
        let short = Damage::Size(bytes.len());
        let body = bytes.get(RECORD_HEADER_LEN..).ok_or(short)?;
        let session = SessionId(u32_at(bytes, 40));
        let market = MarketId(u32_at(bytes, 20));
        Ok(Self {
            tenant: TenantId(u32_at(bytes, 16)),
            market,
            stream_seq: u64_at(bytes, 24),
            transact_time: u64_at(bytes, 32),
            session,
            body: read_body(
                Head {
                    kind: bytes[44],
                    flags: bytes[45],
                    template: u16_at(bytes, 46),
                    market,
                    session,
                },
                body,
            )?,
        })
    }
}

/// What the header says of the body.
#[derive(Clone, Copy)]
struct Head {
    kind: u8,
    flags: u8,
    template: u16,
    market: MarketId,
    session: SessionId,
}

impl Head {
    /// Refuses flags that the kind does not have.
    const fn allow(self, flags: u8) -> Result<(), Damage> {
        if self.flags & !flags == 0 {
            Ok(())
        } else {
            Err(Damage::Flags(self.flags))
        }
    }

    fn is_for(self, market: MarketId) -> Result<(), Damage> {
        if market == self.market {
            Ok(())
        } else {
            Err(Damage::Market(market))
        }
    }
}

fn read_body(head: Head, body: &[u8]) -> Result<Body, Damage> {
    match head.kind {
        COMMAND => read_command(head, body),
        CHANGE => {
            head.allow(0)?;
            let (refused, block) = read_code(body)?;
            let (market, change) = sized(wire_form::read_change(head.template, block), body)?;
            head.is_for(market)?;
            Ok(Body::Change { change, refused })
        }
        CONTROL => {
            head.allow(REPEATED)?;
            let (refused, block) = read_code(body)?;
            let command = sized(wire_form::read_control(head.template, block), body)?;
            let verdict = match (refused, head.flags) {
                (Some(reason), 0) => Verdict::Refused(reason),
                (Some(_), flags) => return Err(Damage::Flags(flags)),
                (None, 0) => Verdict::Applied,
                (None, _) => Verdict::Repeated,
            };
            Ok(Body::Control { command, verdict })
        }
        FOUNDING => {
            head.allow(0)?;
            let (refused, block) = read_code(body)?;
            if refused.is_some() {
                return Err(Damage::Reserved);
            }
            let command = sized(wire_form::read_control(head.template, block), body)?;
            Ok(Body::Founding(command))
        }
        TENANT => {
            head.allow(EXTERNAL_CUSTODY)?;
            let name: [u8; 32] = body.try_into().map_err(|_| Damage::Size(body.len()))?;
            let custody = if head.flags == 0 {
                Custody::Internal
            } else {
                Custody::External
            };
            let name = Text(name);
            Ok(Body::Tenant { custody, name })
        }
        BALANCES => {
            head.allow(0)?;
            read_balances(body).map(Body::Balances)
        }
        END => {
            head.allow(0)?;
            let balances: [u8; 8] = body.try_into().map_err(|_| Damage::Size(body.len()))?;
            let balances = u64::from_le_bytes(balances);
            Ok(Body::End { balances })
        }
        kind => Err(Damage::Kind(kind)),
    }
}

fn read_command(head: Head, body: &[u8]) -> Result<Body, Damage> {
    head.allow(LAST_OF_FRAME | STOP_AT_REJECT)?;
    let Some((fixed, block)) = body.split_at_checked(24) else {
        return Err(Damage::Size(body.len()));
    };
    let command = wire_form::read_command(head.template, block, head.session);
    let (market, command) = sized(command, body)?;
    head.is_for(market)?;
    Ok(Body::Command {
        numbered: Numbered {
            client_seq: u64_at(fixed, 0),
            command,
            batch: BatchPlace {
                index: fixed[23],
                last: head.flags & LAST_OF_FRAME != 0,
                stop_at_reject: head.flags & STOP_AT_REJECT != 0,
            },
        },
        admitted: Admitted {
            hold: Amount(u64_at(fixed, 8)),
            refused: reason_of(u16_at(fixed, 16))?,
            stp_group: StpGroup(u16_at(fixed, 20)),
            fee_tier: FeeTier(fixed[22]),
        },
        refused: reason_of(u16_at(fixed, 18))?,
    })
}

fn read_balances(body: &[u8]) -> Result<Vec<BalanceLine>, Damage> {
    if !body.len().is_multiple_of(BALANCE_LEN) {
        return Err(Damage::Size(body.len()));
    }
    let line = |bytes: &[u8]| {
        if u32_at(bytes, 4) != 0 {
            return Err(Damage::Reserved);
        }
        Ok(BalanceLine {
            account: AccountId(u32_at(bytes, 0)),
            currency: Text(u64_at(bytes, 8).to_le_bytes()),
            total: Amount(u64_at(bytes, 16)),
            held: Amount(u64_at(bytes, 24)),
        })
    };
    body.chunks_exact(BALANCE_LEN).map(line).collect()
}

/// Names the size when the size is what is wrong.
fn sized<T>(read: Result<T, WireFormError>, body: &[u8]) -> Result<T, Damage> {
    read.map_err(|error| match error {
        WireFormError::Size => Damage::Size(body.len()),
        other => other.into(),
    })
}

const fn code_of(refused: Option<RejectReason>) -> u16 {
    match refused {
        Some(reason) => reason.code(),
        None => 0,
    }
}

fn reason_of(code: u16) -> Result<Option<RejectReason>, Damage> {
    if code == 0 {
        return Ok(None);
    }
    let reason = RejectReason::from_code(code).ok_or(Damage::Code(code))?;
    Ok(Some(reason))
}

/// A code in 8 bytes.
fn write_code(refused: Option<RejectReason>, out: &mut Vec<u8>) {
    out.extend_from_slice(&u64::from(code_of(refused)).to_le_bytes());
}

fn read_code(body: &[u8]) -> Result<(Option<RejectReason>, &[u8]), Damage> {
    let Some((code, block)) = body.split_at_checked(8) else {
        return Err(Damage::Size(body.len()));
    };
    let code = u16::try_from(u64_at(code, 0)).map_err(|_| Damage::Reserved)?;
    Ok((reason_of(code)?, block))
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[at + index])
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes_at(bytes, at))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(bytes, at))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes_at(bytes, at))
}
