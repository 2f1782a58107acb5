//! The records of one batch in bytes: small, because they are what a disk has to take.
//!
//! A batch is a header of 40 bytes and then entries, packed. All of it was applied under one epoch. Entries that are alike share what they have in common:
//! a stream, a session and its numbers are named when they change, and counted on from there.
//!
//! | at | type | batch header |
//! |---|---|---|
//! | 0 | u32 | length of the batch, a multiple of 8; zero bytes fill it up |
//! | 4 | u32 | entries |
//! | 8 | u64 | the batch's number in the journal, 1, 2, 3 ... without a gap |
//! | 16 | u64 | `transact_time`, nanoseconds since 1970-01-01 UTC |
//! | 24 | u32 | events that the batch's commands gave, to be compared by a replay |
//! | 28 | u32 | zero |
//! | 32 | u64 | epoch: grows when another process takes the streams over; 1 where there is only one |
//!
//! An entry begins with its kind; bit 7 of it says that the entry used up a number of its stream.
//!
//! | kind | after it |
//! |---|---|
//! | 0x01 stream | u32 tenant, u32 market (0: the control stream), u64 number of the entry before |
//! | 0x02 session | u32 session, u64 `client_seq` and u8 place in its frame of the next command |
//! | 0x10 new order | flags, u32 account, side, type, time in force, post-only, STP mode, STP scope, fee tier, u16 STP group, u64 `cl_ord_id`, i64 price, u64 quantity, budget?, codes? |
//! | 0x11 cancel, 0x15 status | flags, u32 account, `order_id`?, `orig_cl_ord_id`?, codes? |
//! | 0x12 replace | the same, then u64 `cl_ord_id`, i64 price, u64 total quantity, codes? |
//! | 0x13 mass cancel | flags, u32 account, u8 side or 0, codes? |
//! | 0x18 session opened | u32 session, u64 incarnation, u8 cancel on disconnect, u32 grace in ms |
//! | 0x19 session canceled | flags, codes?, u32 session, u32 account |
//! | 0x20 change of a market, 0x30 control command | flags, codes?, u16 template, u16 length, block |
//! | 0x31 tenant | flags, 32 bytes name |
//! | 0x40 state hash | u64 |
//! | 0x41 balances | u16 count, and for each u32 account, 8 bytes currency, u64 total, u64 held |
//! | 0x42 end | u64 balances |
//!
//! Flags: 1 last of its frame, 2 the frame stops at a reject, 4 budget, 8 `order_id`, 16 `orig_cl_ord_id`, 32 codes
//! (u16 of the refusal before the book or 0, u16 of any refusal or 0), 64 repeated (control), external custody (tenant).

use souk_engine::{
    CancelOrder, Command, MassCancel, NewOrder, OrderRef, OrderStatus, ReplaceOrder,
};
use souk_protocol::{MarketId, RejectReason, SessionId, TenantId};

use super::record::{BALANCES_MAX, Body, StreamRecord};
use super::wire_form;
use crate::control::Custody;
use crate::handoff::{Admitted, Numbered, Verdict};
use crate::ids::Epoch;

/// Bytes of a batch before its entries.
pub const BATCH_HEADER_LEN: usize = 40;

pub(super) const COUNTS: u8 = 0x80;
pub(super) const STREAM: u8 = 0x01;
pub(super) const SESSION: u8 = 0x02;
pub(super) const NEW: u8 = 0x10;
pub(super) const CANCEL: u8 = 0x11;
pub(super) const REPLACE: u8 = 0x12;
pub(super) const MASS_CANCEL: u8 = 0x13;
pub(super) const STATUS: u8 = 0x15;
pub(super) const SESSION_OPENED: u8 = 0x18;
pub(super) const SESSION_CANCELED: u8 = 0x19;
pub(super) const CHANGE: u8 = 0x20;
pub(super) const CONTROL: u8 = 0x30;
pub(super) const TENANT: u8 = 0x31;
pub(super) const STATE_HASH: u8 = 0x40;
pub(super) const BALANCES: u8 = 0x41;
pub(super) const END: u8 = 0x42;

pub(super) const LAST_OF_FRAME: u8 = 1;
pub(super) const STOP_AT_REJECT: u8 = 2;
pub(super) const HAS_BUDGET: u8 = 4;
pub(super) const HAS_ORDER_ID: u8 = 8;
pub(super) const HAS_CLIENT_ID: u8 = 16;
pub(super) const HAS_CODES: u8 = 32;
pub(super) const REPEATED: u8 = 64;
pub(super) const EXTERNAL_CUSTODY: u8 = 64;

/// Where the entries that were written or read last leave off.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context {
    pub stream: Option<(TenantId, MarketId)>,
    /// The number of the stream's last entry.
    pub stream_seq: u64,
    pub session: SessionId,
    /// What the next command of the session has.
    pub client_seq: u64,
    pub index: u8,
}

impl Context {
    /// After a command of a frame.
    pub(super) const fn pass(&mut self, last_of_frame: bool) {
        if last_of_frame {
            // The numbers of a session never come near 2^64.
            self.client_seq = self.client_seq.wrapping_add(1);
            self.index = 0;
        } else {
            self.index = self.index.wrapping_add(1);
        }
    }
}

/// Writes batches, one after another.
#[derive(Debug)]
pub struct BatchWriter {
    epoch: Epoch,
    bytes: Vec<u8>,
    entries: u32,
    context: Context,
}

impl BatchWriter {
    /// Writes what is applied under `epoch`.
    #[must_use]
    pub fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            bytes: Vec::new(),
            entries: 0,
            context: Context::default(),
        }
    }

    /// Whether nothing was added since the last batch.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Bytes of the batch so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a record.
    #[inline]
    pub fn add(&mut self, record: &StreamRecord) {
        if self.entries == 0 {
            self.bytes.clear();
            self.bytes.resize(BATCH_HEADER_LEN, 0);
            self.context = Context::default();
        }
        self.entries += 1;
        let counts = self.enter_stream(record);
        match &record.body {
            Body::Command {
                numbered,
                admitted,
                refused,
            } => self.command(record.session, numbered, admitted, *refused, counts),
            body => self.rare(record.session, body, record.market, counts),
        }
    }

    /// Ends the batch. Gives its bytes, whose number is set by [`number`]; the next [`Self::add`] begins another one.
    pub fn finish(&mut self, transact_time: u64, events: u32) -> &mut [u8] {
        let len = self.bytes.len().next_multiple_of(8);
        self.bytes.resize(len, 0);
        // No truncation: batches are bounded far below.
        let len = u32::try_from(len).expect("a batch is shorter than 4 GiB");
        self.bytes[..4].copy_from_slice(&len.to_le_bytes());
        self.bytes[4..8].copy_from_slice(&self.entries.to_le_bytes());
        self.bytes[16..24].copy_from_slice(&transact_time.to_le_bytes());
        self.bytes[24..28].copy_from_slice(&events.to_le_bytes());
        self.bytes[32..40].copy_from_slice(&self.epoch.0.to_le_bytes());
        self.entries = 0;
        &mut self.bytes
    }

    /// Names the stream if it is not the last one. Gives the kind's bit for an entry that used up a number.
    #[inline]
    fn enter_stream(&mut self, record: &StreamRecord) -> u8 {
        let stream = Some((record.tenant, record.market));
        let last = self.context.stream_seq;
        let goes_on = record.stream_seq == last || Some(record.stream_seq) == last.checked_add(1);
        if self.context.stream != stream || !goes_on {
            // A stream is entered at the number before its entry.
            let counts = !matches!(
                record.body,
                Body::Tenant { .. } | Body::StateHash(_) | Body::Balances(_) | Body::End { .. }
            ) && !is_unnumbered(&record.body);
            let before = record.stream_seq - u64::from(counts);
            self.bytes.push(STREAM);
            self.u32(record.tenant.0);
            self.u32(record.market.0);
            self.u64(before);
            self.context.stream = stream;
            self.context.stream_seq = before;
        }
        let counts = record.stream_seq != self.context.stream_seq;
        self.context.stream_seq = record.stream_seq;
        if counts { COUNTS } else { 0 }
    }

    #[inline]
    fn enter_session(&mut self, session: SessionId, client_seq: u64, index: u8) {
        let context = &mut self.context;
        let next = (context.session, context.client_seq, context.index);
        if next != (session, client_seq, index) {
            (context.session, context.client_seq, context.index) = (session, client_seq, index);
            self.bytes.push(SESSION);
            self.u32(session.0);
            self.u64(client_seq);
            self.bytes.push(index);
        }
    }

    #[inline]
    fn command(
        &mut self,
        session: SessionId,
        numbered: &Numbered,
        admitted: &Admitted,
        refused: Option<RejectReason>,
        counts: u8,
    ) {
        self.enter_session(session, numbered.client_seq, numbered.batch.index);
        self.context.pass(numbered.batch.last);
        let codes = (admitted.refused.is_some() | refused.is_some())
            .then(|| [code_of(admitted.refused), code_of(refused)]);
        let mut flags = bit(numbered.batch.last, LAST_OF_FRAME);
        flags |= bit(numbered.batch.stop_at_reject, STOP_AT_REJECT);
        flags |= bit(codes.is_some(), HAS_CODES);
        match &numbered.command {
            Command::New(new) => self.new_order(counts, flags, new, admitted),
            Command::Cancel(CancelOrder { account, order }) => {
                self.named(CANCEL | counts, flags, account.0, *order);
            }
            Command::Status(OrderStatus { account, order }) => {
                self.named(STATUS | counts, flags, account.0, *order);
            }
            Command::Replace(replace) => self.replace(counts, flags, replace),
            Command::MassCancel(MassCancel { account, side, .. }) => {
                self.bytes.extend_from_slice(&[MASS_CANCEL | counts, flags]);
                self.u32(account.0);
                self.bytes.push(side.map_or(0, |side| side as u8));
            }
            other => unreachable!("no session sends {other:?}"),
        }
        if let Some(codes) = codes {
            self.codes(codes);
        }
    }

    #[inline]
    fn new_order(&mut self, counts: u8, flags: u8, new: &NewOrder, admitted: &Admitted) {
        let has_budget = new.budget.0 != 0;
        let flags = flags | bit(has_budget, HAS_BUDGET);
        // One write of one size: most orders are such.
        let mut entry = [0; 39];
        entry[0] = NEW | counts;
        entry[1] = flags;
        entry[2..6].copy_from_slice(&new.account.0.to_le_bytes());
        entry[6] = new.side as u8;
        entry[7] = new.order_type as u8;
        entry[8] = new.time_in_force as u8;
        entry[9] = new.post_only as u8;
        entry[10] = new.stp_mode as u8;
        entry[11] = new.stp_scope as u8;
        entry[12] = admitted.fee_tier.0;
        entry[13..15].copy_from_slice(&admitted.stp_group.0.to_le_bytes());
        entry[15..23].copy_from_slice(&new.cl_ord_id.0.to_le_bytes());
        entry[23..31].copy_from_slice(&new.price.0.to_le_bytes());
        entry[31..39].copy_from_slice(&new.qty.0.to_le_bytes());
        self.bytes.extend_from_slice(&entry);
        if has_budget {
            self.u64(new.budget.0);
        }
    }

    fn replace(&mut self, counts: u8, flags: u8, replace: &ReplaceOrder) {
        self.named(REPLACE | counts, flags, replace.account.0, replace.order);
        self.u64(replace.cl_ord_id.0);
        self.bytes.extend_from_slice(&replace.price.0.to_le_bytes());
        self.u64(replace.total_qty.0);
    }

    /// The beginning of an entry that names an order.
    #[inline]
    fn named(&mut self, kind: u8, flags: u8, account: u32, order: OrderRef) {
        let (has_order, has_client) = (order.order_id.0 != 0, order.cl_ord_id.0 != 0);
        let flags = flags | bit(has_order, HAS_ORDER_ID) | bit(has_client, HAS_CLIENT_ID);
        self.bytes.extend_from_slice(&[kind, flags]);
        self.u32(account);
        if has_order {
            self.u64(order.order_id.0);
        }
        if has_client {
            self.u64(order.cl_ord_id.0);
        }
    }

    /// Everything that no session's order is.
    #[cold]
    fn rare(&mut self, session: SessionId, body: &Body, market: MarketId, counts: u8) {
        match body {
            Body::Command { .. } => unreachable!("has a form of its own"),
            Body::Change { change, refused } => {
                self.head(CHANGE | counts, 0, *refused);
                self.block(|out| wire_form::write_change(change, market, out));
            }
            Body::Control { command, verdict } => {
                self.enter_session(session, 0, 0);
                let (flags, refused) = match verdict {
                    Verdict::Applied => (0, None),
                    Verdict::Repeated => (REPEATED, None),
                    Verdict::Refused(reason) => (0, Some(*reason)),
                };
                self.head(CONTROL | counts, flags, refused);
                self.block(|out| wire_form::write_control(command, out));
            }
            Body::SessionOpened(terms) => {
                self.bytes.push(SESSION_OPENED);
                self.u32(session.0);
                self.u64(terms.incarnation);
                self.bytes.push(terms.cancel_on_disconnect as u8);
                self.u32(terms.grace_ms);
            }
            Body::SessionCanceled { account, refused } => {
                self.head(SESSION_CANCELED | counts, 0, *refused);
                self.u32(session.0);
                self.u32(account.0);
            }
            Body::Tenant { custody, name } => {
                let external = bit(*custody == Custody::External, EXTERNAL_CUSTODY);
                self.head(TENANT, external, None);
                self.bytes.extend_from_slice(&name.0);
            }
            Body::StateHash(hash) => {
                self.bytes.push(STATE_HASH);
                self.u64(*hash);
            }
            Body::Balances(lines) => {
                assert!(lines.len() <= BALANCES_MAX, "{} balances", lines.len());
                self.bytes.push(BALANCES);
                let count = lines.len() as u16;
                self.bytes.extend_from_slice(&count.to_le_bytes());
                for line in lines {
                    self.u32(line.account.0);
                    self.bytes.extend_from_slice(&line.currency.0);
                    self.u64(line.total.0);
                    self.u64(line.held.0);
                }
            }
            Body::End { balances } => {
                self.bytes.push(END);
                self.u64(*balances);
            }
        }
    }

    /// Kind, flags and codes.
    fn head(&mut self, kind: u8, flags: u8, refused: Option<RejectReason>) {
        let has_codes = bit(refused.is_some(), HAS_CODES);
        self.bytes.extend_from_slice(&[kind, flags | has_codes]);
        if refused.is_some() {
            self.codes([0, code_of(refused)]);
        }
    }

    fn codes(&mut self, [before, refused]: [u16; 2]) {
        self.bytes.extend_from_slice(&before.to_le_bytes());
        self.bytes.extend_from_slice(&refused.to_le_bytes());
    }

    fn block(&mut self, write: impl FnOnce(&mut Vec<u8>) -> u16) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        let template = write(&mut self.bytes);
        // No truncation: the longest block has 136 bytes.
        let len = (self.bytes.len() - at - 4) as u16;
        self.bytes[at..at + 2].copy_from_slice(&template.to_le_bytes());
        self.bytes[at + 2..at + 4].copy_from_slice(&len.to_le_bytes());
    }

    #[inline]
    fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }
}

/// A flag, if it is on.
#[inline]
const fn bit(is_on: bool, flag: u8) -> u8 {
    if is_on { flag } else { 0 }
}

/// Whether a record leaves its stream at the number it had.
const fn is_unnumbered(body: &Body) -> bool {
    matches!(
        body,
        Body::SessionOpened(_)
            | Body::Control {
                verdict: Verdict::Refused(_) | Verdict::Repeated,
                ..
            }
    )
}

/// Numbers the batch that `bytes` begins with.
pub fn number(bytes: &mut [u8], batch: u64) {
    bytes[8..16].copy_from_slice(&batch.to_le_bytes());
}

const fn code_of(refused: Option<RejectReason>) -> u16 {
    match refused {
        Some(reason) => reason.code(),
        None => 0,
    }
}
