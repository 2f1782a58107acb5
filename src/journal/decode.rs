//! Batches back from their bytes.
//!
//! Must never: panic on what a file says.

use souk_engine::{
    CancelOrder, Command, FeeTier, MassCancel, NewOrder, OrderRef, OrderStatus, ReplaceOrder,
};
use souk_protocol::{
    AccountId, Amount, ClOrdId, MarketId, OrderId, Price, Qty, RejectReason, SessionId, Side,
    StpGroup, TenantId, Text,
};

use super::entry::*;
use super::record::{BALANCES_MAX, BalanceLine, Body, Damage, StreamRecord};
use super::wire_form;
use crate::control::Custody;
use crate::handoff::{Admitted, BatchPlace, Numbered, SessionTerms, Verdict};
use crate::ids::Epoch;

/// What a batch says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHead {
    /// Its length in bytes.
    pub len: usize,
    /// Its entries.
    pub entries: u32,
    /// Its number in the journal.
    pub number: u64,
    /// When it was applied, nanoseconds since 1970-01-01 UTC.
    pub transact_time: u64,
    /// Events that its commands gave.
    pub events: u32,
    /// Under which it was applied.
    pub epoch: Epoch,
}

/// Reads the batch that `bytes` begin with, and adds its records to `records`.
///
/// # Errors
/// The first thing that is not a batch's.
pub fn read_batch(bytes: &[u8], records: &mut Vec<StreamRecord>) -> Result<BatchHead, Damage> {
    let mut cursor = Cursor { bytes };
    let len = cursor.u32()? as usize;
    let entries = cursor.u32()?;
    let (number, transact_time) = (cursor.u64()?, cursor.u64()?);
    let events = cursor.u32()?;
    same("what a batch's header keeps free", cursor.u32()?, 0)?;
    let head = BatchHead {
        len,
        entries,
        number,
        transact_time,
        events,
        epoch: Epoch(cursor.u64()?),
    };
    if len < BATCH_HEADER_LEN || !len.is_multiple_of(8) {
        return Err(Damage::Mismatch {
            what: "the length of a batch",
            found: len as u64,
            expected: BATCH_HEADER_LEN as u64,
        });
    }
    let body = bytes
        .get(BATCH_HEADER_LEN..len)
        .ok_or(Damage::Short(bytes.len()))?;
    let mut reader = EntryReader {
        cursor: Cursor { bytes: body },
        context: Context::default(),
        transact_time: head.transact_time,
    };
    let before = records.len();
    // An entry has at least one byte: this is bounded by the bytes there are.
    for _ in 0..entries {
        let record = reader.record()?;
        records.push(record);
    }
    debug_assert_eq!(records.len() - before, entries as usize);
    match reader.cursor.bytes {
        rest if rest.len() >= 8 => Err(Damage::Mismatch {
            what: "bytes after the last entry",
            found: rest.len() as u64,
            expected: 0,
        }),
        rest if rest.iter().any(|byte| *byte != 0) => Err(Damage::Mismatch {
            what: "a byte after the last entry",
            found: 1,
            expected: 0,
        }),
        _ => Ok(head),
    }
}

fn same(what: &'static str, found: u32, expected: u32) -> Result<(), Damage> {
    if found == expected {
        return Ok(());
    }
    let (found, expected) = (found.into(), expected.into());
    Err(Damage::Mismatch {
        what,
        found,
        expected,
    })
}

/// Bytes that are taken from the front.
struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline]
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let (taken, rest) = self
            .bytes
            .split_first_chunk::<N>()
            .ok_or(Damage::Short(self.bytes.len()))?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn slice(&mut self, len: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(len)
            .ok_or(Damage::Short(self.bytes.len()))?;
        self.bytes = rest;
        Ok(taken)
    }

    #[inline]
    fn u8(&mut self) -> Result<u8, Damage> {
        Ok(self.take::<1>()?[0])
    }

    #[inline]
    fn u16(&mut self) -> Result<u16, Damage> {
        Ok(u16::from_le_bytes(self.take()?))
    }

    #[inline]
    fn u32(&mut self) -> Result<u32, Damage> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    #[inline]
    fn u64(&mut self) -> Result<u64, Damage> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    #[inline]
    fn i64(&mut self) -> Result<i64, Damage> {
        Ok(i64::from_le_bytes(self.take()?))
    }

    #[inline]
    fn word<T: TryFrom<u8, Error = RejectReason>>(&mut self) -> Result<T, Damage> {
        T::try_from(self.u8()?).map_err(Damage::Word)
    }
}

/// Why a command was refused: before its book, and at all.
#[derive(Clone, Copy, Debug, Default)]
struct Codes {
    before: Option<RejectReason>,
    refused: Option<RejectReason>,
}

struct EntryReader<'a> {
    cursor: Cursor<'a>,
    context: Context,
    transact_time: u64,
}

impl EntryReader<'_> {
    /// The next record, and what names its stream and session.
    #[inline]
    fn record(&mut self) -> Result<StreamRecord, Damage> {
        loop {
            let kind = self.cursor.u8()?;
            match kind {
                STREAM => self.stream()?,
                SESSION => self.session()?,
                kind => return self.entry(kind),
            }
        }
    }

    fn stream(&mut self) -> Result<(), Damage> {
        let (tenant, market) = (self.cursor.u32()?, self.cursor.u32()?);
        self.context.stream = Some((TenantId(tenant), MarketId(market)));
        self.context.stream_seq = self.cursor.u64()?;
        Ok(())
    }

    fn session(&mut self) -> Result<(), Damage> {
        self.context.session = SessionId(self.cursor.u32()?);
        self.context.client_seq = self.cursor.u64()?;
        self.context.index = self.cursor.u8()?;
        Ok(())
    }

    #[inline]
    fn entry(&mut self, kind: u8) -> Result<StreamRecord, Damage> {
        let (tenant, market) = self.context.stream.ok_or(Damage::NoStream)?;
        if kind & COUNTS != 0 {
            let next = self.context.stream_seq.checked_add(1);
            self.context.stream_seq = next.ok_or(Damage::NoStream)?;
        }
        let mut session = SessionId(0);
        let body = match kind & !COUNTS {
            NEW | CANCEL | REPLACE | MASS_CANCEL | STATUS => {
                session = self.context.session;
                self.command(kind & !COUNTS)?
            }
            CONTROL => {
                session = self.context.session;
                self.control()?
            }
            SESSION_OPENED => {
                session = SessionId(self.cursor.u32()?);
                Body::SessionOpened(SessionTerms {
                    incarnation: self.cursor.u64()?,
                    cancel_on_disconnect: self.cursor.word()?,
                    grace_ms: self.cursor.u32()?,
                })
            }
            SESSION_CANCELED => {
                let (_, refused) = self.head(HAS_CODES)?;
                session = SessionId(self.cursor.u32()?);
                let account = AccountId(self.cursor.u32()?);
                Body::SessionCanceled { account, refused }
            }
            kind => self.rare(kind, market)?,
        };
        Ok(StreamRecord {
            tenant,
            market,
            stream_seq: self.context.stream_seq,
            transact_time: self.transact_time,
            session,
            body,
        })
    }

    #[inline]
    fn command(&mut self, kind: u8) -> Result<Body, Damage> {
        let flags = self.cursor.u8()?;
        allow(
            flags,
            match kind {
                NEW => LAST_OF_FRAME | STOP_AT_REJECT | HAS_CODES | HAS_BUDGET,
                MASS_CANCEL => LAST_OF_FRAME | STOP_AT_REJECT | HAS_CODES,
                _ => LAST_OF_FRAME | STOP_AT_REJECT | HAS_CODES | HAS_ORDER_ID | HAS_CLIENT_ID,
            },
        )?;
        let (client_seq, index) = (self.context.client_seq, self.context.index);
        let last = flags & LAST_OF_FRAME != 0;
        self.context.pass(last);
        let account = AccountId(self.cursor.u32()?);
        let mut admitted = Admitted::default();
        let command = match kind {
            NEW => self.new_order(flags, account, &mut admitted)?,
            CANCEL => Command::Cancel(CancelOrder {
                account,
                order: self.order(flags)?,
            }),
            STATUS => Command::Status(OrderStatus {
                account,
                order: self.order(flags)?,
            }),
            REPLACE => Command::Replace(ReplaceOrder {
                account,
                session: self.context.session,
                order: self.order(flags)?,
                cl_ord_id: ClOrdId(self.cursor.u64()?),
                price: Price(self.cursor.i64()?),
                total_qty: Qty(self.cursor.u64()?),
            }),
            _ => {
                let side = match self.cursor.u8()? {
                    0 => None,
                    side => Some(Side::try_from(side).map_err(Damage::Word)?),
                };
                Command::MassCancel(MassCancel::asked(account, side))
            }
        };
        let codes = self.codes(flags)?;
        admitted.refused = codes.before;
        Ok(Body::Command {
            numbered: Numbered {
                client_seq,
                command,
                batch: BatchPlace {
                    index,
                    last,
                    stop_at_reject: flags & STOP_AT_REJECT != 0,
                },
            },
            admitted,
            refused: codes.refused,
        })
    }

    #[inline]
    fn new_order(
        &mut self,
        flags: u8,
        account: AccountId,
        admitted: &mut Admitted,
    ) -> Result<Command, Damage> {
        let cursor = &mut self.cursor;
        let mut new = NewOrder {
            cl_ord_id: ClOrdId(0),
            account,
            session: self.context.session,
            side: cursor.word()?,
            order_type: cursor.word()?,
            time_in_force: cursor.word()?,
            post_only: cursor.word()?,
            price: Price(0),
            qty: Qty(0),
            budget: Amount(0),
            stp_mode: cursor.word()?,
            stp_scope: cursor.word()?,
            // What the account added is in `admitted`.
            stp_group: StpGroup(0),
            fee_tier: FeeTier(0),
        };
        admitted.fee_tier = FeeTier(cursor.u8()?);
        admitted.stp_group = StpGroup(cursor.u16()?);
        new.cl_ord_id = ClOrdId(cursor.u64()?);
        new.price = Price(cursor.i64()?);
        new.qty = Qty(cursor.u64()?);
        if flags & HAS_BUDGET != 0 {
            new.budget = Amount(cursor.u64()?);
        }
        Ok(Command::New(new))
    }

    #[inline]
    fn order(&mut self, flags: u8) -> Result<OrderRef, Damage> {
        let mut order = OrderRef::default();
        if flags & HAS_ORDER_ID != 0 {
            order.order_id = OrderId(self.cursor.u64()?);
        }
        if flags & HAS_CLIENT_ID != 0 {
            order.cl_ord_id = ClOrdId(self.cursor.u64()?);
        }
        Ok(order)
    }

    #[inline]
    fn codes(&mut self, flags: u8) -> Result<Codes, Damage> {
        if flags & HAS_CODES == 0 {
            return Ok(Codes::default());
        }
        Ok(Codes {
            before: reason_of(self.cursor.u16()?)?,
            refused: reason_of(self.cursor.u16()?)?,
        })
    }

    /// Flags and the refusal of an entry that is no session's order.
    fn head(&mut self, legal: u8) -> Result<(u8, Option<RejectReason>), Damage> {
        let flags = self.cursor.u8()?;
        allow(flags, legal)?;
        Ok((flags, self.codes(flags)?.refused))
    }

    fn block(&mut self) -> Result<(u16, &[u8]), Damage> {
        let (template, len) = (self.cursor.u16()?, self.cursor.u16()?);
        Ok((template, self.cursor.slice(len.into())?))
    }

    fn control(&mut self) -> Result<Body, Damage> {
        let (flags, refused) = self.head(HAS_CODES | REPEATED)?;
        let (template, block) = self.block()?;
        let command = wire_form::read_control(template, block)?;
        let verdict = match (refused, flags & REPEATED) {
            (Some(_), REPEATED) => return Err(Damage::Flags(flags)),
            (Some(reason), _) => Verdict::Refused(reason),
            (None, REPEATED) => Verdict::Repeated,
            (None, _) => Verdict::Applied,
        };
        Ok(Body::Control { command, verdict })
    }

    #[cold]
    fn rare(&mut self, kind: u8, stream: MarketId) -> Result<Body, Damage> {
        Ok(match kind {
            CHANGE => {
                let (_, refused) = self.head(HAS_CODES)?;
                let (template, block) = self.block()?;
                let (market, change) = wire_form::read_change(template, block)?;
                if market != stream {
                    return Err(Damage::Market(market));
                }
                Body::Change { change, refused }
            }
            TENANT => {
                let (flags, _) = self.head(EXTERNAL_CUSTODY)?;
                let custody = if flags & EXTERNAL_CUSTODY == 0 {
                    Custody::Internal
                } else {
                    Custody::External
                };
                let name = Text(self.cursor.take()?);
                Body::Tenant { custody, name }
            }
            STATE_HASH => Body::StateHash(self.cursor.u64()?),
            BALANCES => self.balances()?,
            END => Body::End {
                balances: self.cursor.u64()?,
            },
            kind => return Err(Damage::Kind(kind)),
        })
    }

    fn balances(&mut self) -> Result<Body, Damage> {
        let count = self.cursor.u16()?;
        if usize::from(count) > BALANCES_MAX {
            return Err(Damage::Mismatch {
                what: "the number of balances",
                found: count.into(),
                expected: BALANCES_MAX as u64,
            });
        }
        let mut line = || {
            Ok(BalanceLine {
                account: AccountId(self.cursor.u32()?),
                currency: Text(self.cursor.take()?),
                total: Amount(self.cursor.u64()?),
                held: Amount(self.cursor.u64()?),
            })
        };
        let lines: Result<Vec<_>, Damage> = (0..count).map(|_| line()).collect();
        lines.map(Body::Balances)
    }
}

#[inline]
const fn allow(flags: u8, legal: u8) -> Result<(), Damage> {
    if flags & !legal == 0 {
        Ok(())
    } else {
        Err(Damage::Flags(flags))
    }
}

fn reason_of(code: u16) -> Result<Option<RejectReason>, Damage> {
    if code == 0 {
        return Ok(None);
    }
    let reason = RejectReason::from_code(code).ok_or(Damage::Code(code))?;
    Ok(Some(reason))
}
