//! From a frame to a message: one enum for what a client may send, one for what a server may.

use crate::RejectReason;
use crate::field::Value;
use crate::frame::{FLAG_MORE_FOLLOWS, FLAG_POSS_RESEND, Frame, HEADER_LEN};
use crate::group::Group;
use crate::message::*;

/// What `seq` must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbered {
    /// 0: a session message.
    No,
    /// 1 or more: a message to a market.
    ClientSeq,
    /// Any: reports and market data carry numbers, session messages 0.
    Any,
}

macro_rules! messages {
    (
        $(#[$doc:meta])* $enum:ident {
            plain { $($plain:ident: $pnum:ident,)* }
            grouped { $($grouped:ident [$entry:ident]: $gnum:ident,)* }
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $enum<'a> {
            $(#[doc = concat!("[`struct@", stringify!($plain), "`].")] $plain($plain),)*
            $(#[doc = concat!("[`struct@", stringify!($grouped), "`] with its group.")] $grouped($grouped, Group<'a, $entry>),)*
        }

        impl<'a> $enum<'a> {
            /// Reads the message of a frame. Entries of a group are read, and may be refused,
            /// when they are iterated over.
            ///
            /// # Errors
            /// The first rule that is broken, with the byte of the frame at which it is. The
            /// order: template, flags, `seq`, `group_count`, `block_len`, the fields of the
            /// root block by offset, the group's header, the values (subscription flags, number of batch entries).
            #[inline]
            pub fn decode(frame: &Frame<'a>) -> Result<Self, FieldError> {
                match frame.header.template_id {
                    $($plain::TEMPLATE => {
                        check_header(frame, Numbered::$pnum, 0)?;
                        Self::$plain(root(frame)?).checked()
                    })*
                    $($grouped::TEMPLATE => {
                        check_header(frame, Numbered::$gnum, 1)?;
                        Self::$grouped(root(frame)?, Group::of(frame)?).checked()
                    })*
                    _ => Err(FieldError { reason: RejectReason::UnknownTemplate, offset: 4 }),
                }
            }

            /// The message's entry in the catalogue.
            #[must_use]
            pub const fn info(&self) -> &'static MessageInfo {
                match self {
                    $(Self::$plain(_) => &$plain::INFO,)*
                    $(Self::$grouped(..) => &$grouped::INFO,)*
                }
            }

            /// Writes the message to the front of `out`, as this version does, and gives the
            /// length of the frame; `None` when `out` is too short or an entry is not legal.
            #[must_use]
            pub fn write(&self, seq: u64, flags: u8, out: &mut [u8]) -> Option<usize> {
                match self {
                    $(Self::$plain(message) => {
                        let frame = message.frame_with_flags(seq, flags);
                        out.get_mut(..frame.len())?.copy_from_slice(&frame);
                        Some(frame.len())
                    })*
                    $(Self::$grouped(root, entries) => entries.write_frame(root, seq, flags, out),)*
                }
            }

            /// Shows each field of the root block and its value, in order of offset.
            pub fn visit(&self, visitor: &mut dyn FnMut(&'static FieldInfo, Value<'_>)) {
                match self {
                    $(Self::$plain(message) => message.visit(visitor),)*
                    $(Self::$grouped(root, _) => root.visit(visitor),)*
                }
            }
        }
    };
}

messages! {
    /// A message from a client.
    ClientMessage {
        plain {
            Hello: No, Logon: No, Heartbeat: No, Ping: No, Pong: No, Terminate: No,
            JoinMarket: No, MarketListRequest: No, ResumeMarket: No,
            NewOrder: ClientSeq, CancelOrder: ClientSeq, ReplaceOrder: ClientSeq,
            MassCancel: ClientSeq, OrderStatusRequest: ClientSeq,
            Subscribe: No, Unsubscribe: No,
            CreateCurrency: No, UpdateCurrency: No, CreateMarket: No, SetMarketLimits: No,
            SetMarketState: No, SetFees: No, CreateAccount: No, UpdateAccount: No,
            Credit: No, Debit: No, Transfer: No, BalanceQuery: No, StatementQuery: No,
            SubscribeSettlements: No, SubscribeAccount: No, CurrencyListRequest: No,
        }
        grouped { Batch [BatchEntry]: ClientSeq, }
    }
}

messages! {
    /// A message from a server.
    ServerMessage {
        plain {
            Challenge: Any, LogonReject: Any, Heartbeat: Any, Ping: Any, Pong: Any,
            Terminate: Any, SessionReject: Any, NotApplied: Any, Redirect: Any,
            MarketJoined: Any, ReportsResent: Any,
            MarketDefinition: Any, MarketListEnd: Any,
            Accepted: Any, Rejected: Any, Canceled: Any, Replaced: Any, Trade: Any,
            SelfTradePrevented: Any, MassCanceled: Any, OrderStatus: Any,
            TradeTick: Any, MarketStatus: Any,
            AccountUpdate: Any, RequestAccepted: Any, FundingResult: Any, RequestRejected: Any,
            Settlement: Any, SettlementsFrom: Any, CurrencyDefinition: Any, CurrencyListEnd: Any,
        }
        grouped {
            LogonAck [AccountEntry]: Any, DepthSnapshot [LevelEntry]: Any,
            DepthUpdate [LevelEntry]: Any, BalanceReport [BalanceEntry]: Any,
            StatementReport [StatementEntry]: Any,
        }
    }
}

impl ClientMessage<'_> {
    /// Rules of values that no field's type says.
    #[inline(always)]
    fn checked(self) -> Result<Self, FieldError> {
        let broken = match &self {
            Self::Subscribe(subscribe) if !subscription_is_legal(subscribe.flags) => FieldError {
                reason: RejectReason::SubscriptionFlagsUnknown,
                offset: (HEADER_LEN + SUBSCRIBE_FLAGS_AT) as u16,
            },
            Self::Batch(_, entries) if !(1..=BATCH_ENTRIES_MAX).contains(&entries.len()) => {
                FieldError {
                    reason: RejectReason::BatchSizeOutOfRange,
                    offset: (entries.count_offset()) as u16,
                }
            }
            Self::StatementQuery(query) if !(1..=STATEMENT_ENTRIES_MAX).contains(&query.count) => {
                FieldError {
                    reason: RejectReason::CountOutOfRange,
                    offset: (HEADER_LEN + STATEMENT_COUNT_AT) as u16,
                }
            }
            _ => return Ok(self),
        };
        Err(broken)
    }

    /// The sender's number of a request ([`REQUEST_TEMPLATES`]), which its answer carries.
    #[must_use]
    pub const fn request_id(&self) -> Option<u64> {
        Some(match self {
            Self::CreateCurrency(request) => request.request_id,
            Self::UpdateCurrency(request) => request.request_id,
            Self::CreateMarket(request) => request.request_id,
            Self::SetMarketLimits(request) => request.request_id,
            Self::SetMarketState(request) => request.request_id,
            Self::SetFees(request) => request.request_id,
            Self::CreateAccount(request) => request.request_id,
            Self::UpdateAccount(request) => request.request_id,
            Self::Credit(request) => request.request_id,
            Self::Debit(request) => request.request_id,
            Self::Transfer(request) => request.request_id,
            Self::BalanceQuery(request) => request.request_id,
            Self::StatementQuery(request) => request.request_id,
            Self::SubscribeSettlements(request) => request.request_id,
            Self::SubscribeAccount(request) => request.request_id,
            Self::CurrencyListRequest(request) => request.request_id,
            _ => return None,
        })
    }
}

/// The `request_id` of a frame that is, or wants to be, a request: also of one that
/// [`ClientMessage::decode`] refuses, so that the refusal can carry it.
#[must_use]
pub fn request_id_of(frame: &Frame<'_>) -> Option<u64> {
    if !REQUEST_TEMPLATES.contains(&frame.header.template_id) {
        return None;
    }
    frame.block::<8>().ok().map(|id| u64::from_le_bytes(*id))
}

impl ServerMessage<'_> {
    /// What a server says of a market needs no further rule to be read.
    #[inline(always)]
    fn checked(self) -> Result<Self, FieldError> {
        Ok(self)
    }
}

/// A snapshot alone, or depth, trades, or both.
const fn subscription_is_legal(flags: u8) -> bool {
    flags == SUBSCRIBE_SNAPSHOT_ONLY
        || (flags != 0 && flags & !(SUBSCRIBE_DEPTH | SUBSCRIBE_TRADES) == 0)
}

const STATEMENT_COUNT_AT: usize = match StatementQuery::INFO.offset_of("count") {
    Some(offset) => offset,
    None => panic!("a statement query has a count"),
};

const SUBSCRIBE_FLAGS_AT: usize = match Subscribe::INFO.offset_of("flags") {
    Some(offset) => offset,
    None => panic!("a subscription has flags"),
};

/// Reads a frame whose template is `B`'s, and which is a numbered message without a group: the way
/// of the messages that come by the million, without a detour over [`ClientMessage`].
///
/// # Errors
/// The first rule that is broken, as [`ClientMessage::decode`] gives it.
#[inline(always)]
pub fn decode_numbered<B: Block>(frame: &Frame<'_>) -> Result<B, FieldError> {
    check_header(frame, Numbered::ClientSeq, 0)?;
    root(frame)
}

#[inline(always)]
fn root<B: Block>(frame: &Frame<'_>) -> Result<B, FieldError> {
    let block = usize::from(frame.header.block_len);
    if block < B::LEN {
        return Err(FieldError {
            reason: RejectReason::BlockLengthMismatch,
            offset: 6,
        });
    }
    B::read(frame.body, HEADER_LEN)
}

/// Checks flags, number and groups of a header. Order: flags, seq, groups.
#[inline(always)]
fn check_header(frame: &Frame<'_>, numbered: Numbered, groups: u8) -> Result<(), FieldError> {
    let header = &frame.header;
    let fail = |reason, offset| Err(FieldError { reason, offset });
    let legal_flags = match numbered {
        Numbered::No => 0,
        Numbered::ClientSeq => FLAG_POSS_RESEND,
        Numbered::Any => FLAG_POSS_RESEND | FLAG_MORE_FOLLOWS,
    };
    if header.flags & !legal_flags != 0 {
        return fail(RejectReason::FlagNotSupported, 10);
    }
    match numbered {
        Numbered::No if header.seq != 0 => return fail(RejectReason::SequenceMustBeZero, 16),
        Numbered::ClientSeq if header.seq == 0 => {
            return fail(RejectReason::SequenceMustNotBeZero, 16);
        }
        _ => {}
    }
    if header.group_count != groups {
        return fail(RejectReason::GroupLengthMismatch, 11);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::frame::split_frame;
    use crate::group::write_frame_with_group;
    use crate::message::plain_header;
    use crate::{ClOrdId, MarketId, RejectReason::*, Reserved};

    const MASS_CANCEL_SIDE: usize = HEADER_LEN + 8;

    fn mass_cancel() -> [u8; MassCancel::FRAME_LEN] {
        MassCancel {
            market: MarketId(1),
            account: crate::AccountId(2),
            side: None,
            reserved: Reserved,
        }
        .frame(1)
    }

    /// A batch of `count` cancels.
    fn batch(count: usize) -> ([u8; 4096], usize) {
        let root = Batch {
            market: MarketId(1),
            mode: crate::BatchMode::Independent,
            reserved: Reserved,
        };
        let cancel = BatchEntry::from(CancelOrder {
            orig_cl_ord_id: ClOrdId(5),
            order_id: crate::OrderId(0),
            market: MarketId(1),
            account: crate::AccountId(2),
        });
        let mut bytes = [0; 4096];
        let len = write_frame_with_group(&root, &[cancel; 33][..count], 1, 0, &mut bytes).unwrap();
        (bytes, len)
    }

    fn check(bytes: &mut [u8], changes: &[(usize, u8)], reason: RejectReason, offset: u16) {
        for (at, byte) in changes {
            bytes[*at] = *byte;
        }
        let (frame, _) = split_frame(bytes, 4096).unwrap().unwrap();
        let error = ClientMessage::decode(&frame).unwrap_err();
        assert_eq!(error, FieldError { reason, offset });
    }

    #[test]
    fn rules_are_checked_from_the_template_to_the_last_field() {
        let frame = mass_cancel();
        let side = (MASS_CANCEL_SIDE, 3);
        let last = (frame.len() - 1, 1);
        let broken = [(4, 99), (10, 2), (16, 0), side, last];
        check(&mut frame.clone(), &broken, UnknownTemplate, 4);
        check(&mut frame.clone(), &broken[1..], FlagNotSupported, 10);
        check(&mut frame.clone(), &broken[2..], SequenceMustNotBeZero, 16);
        check(&mut frame.clone(), &broken[3..], UnknownSide, 32);
        check(&mut frame.clone(), &broken[4..], ReservedNotZero, 33);
        check(
            &mut frame.clone(),
            &[(11, 1), side],
            GroupLengthMismatch,
            11,
        );
    }

    #[test]
    fn a_block_that_is_too_short_is_refused_before_its_fields() {
        let mut frame = mass_cancel();
        check(&mut frame[..32], &[(0, 32), (6, 8)], BlockLengthMismatch, 6);
    }

    #[test]
    fn a_template_of_the_other_side_is_unknown() {
        let frame = Challenge {
            nonce: [0; 32],
            server_time: 0,
            cluster_id: 0,
            schema_id: 1,
            version: 1,
            reserved: Reserved,
            max_frame_in: 4096,
        };
        check(&mut frame.frame(0), &[], UnknownTemplate, 4);
    }

    #[test]
    fn a_batch_has_one_to_32_entries() {
        for count in [1, 32] {
            let (bytes, len) = batch(count);
            let (frame, _) = split_frame(&bytes[..len], 4096).unwrap().unwrap();
            let ClientMessage::Batch(_, entries) = ClientMessage::decode(&frame).unwrap() else {
                panic!("a batch");
            };
            assert_eq!(entries.len(), count);
            assert_eq!(entries.iter().filter(Result::is_ok).count(), count);
        }
        for count in [0, 33] {
            let (mut bytes, len) = batch(count);
            check(&mut bytes[..len], &[], BatchSizeOutOfRange, 34);
        }
    }

    #[test]
    fn a_group_fills_its_frame_exactly() {
        let (mut bytes, len) = batch(2);
        let bytes = &mut bytes[..len];
        check(bytes, &[(34, 3)], GroupLengthMismatch, 34);
        check(bytes, &[(34, 1)], GroupLengthMismatch, 34);
        check(bytes, &[(34, 2), (32, 56)], GroupLengthMismatch, 32);
        check(bytes, &[(32, 65)], GroupLengthMismatch, 32);
        check(bytes, &[(32, 64), (36, 1)], ReservedNotZero, 36);
        check(
            bytes,
            &[(36, 0), (33, 255), (35, 255)],
            GroupLengthMismatch,
            34,
        );
    }

    #[test]
    fn an_entry_names_the_byte_in_the_frame() {
        let (mut bytes, len) = batch(2);
        bytes[40 + 64 + 12] = 1;
        let (frame, _) = split_frame(&bytes[..len], 4096).unwrap().unwrap();
        let ClientMessage::Batch(_, entries) = ClientMessage::decode(&frame).unwrap() else {
            panic!("a batch");
        };
        let mut entries = entries.iter();
        assert_eq!(entries.next().unwrap().unwrap().1, 40);
        let error = FieldError {
            reason: ReservedNotZero,
            offset: 116,
        };
        assert_eq!(entries.next(), Some(Err(error)));
    }

    fn statement_query(count: u16) -> [u8; StatementQuery::FRAME_LEN] {
        StatementQuery {
            request_id: 77,
            account: crate::AccountId(1),
            count,
            reserved: Reserved,
            currency: crate::Text(*b"USDT\0\0\0\0"),
            after_sequence: 0,
        }
        .frame(0)
    }

    #[test]
    fn a_statement_has_one_to_512_entries() {
        for count in [1, 512] {
            let frame = statement_query(count);
            let (frame, _) = split_frame(&frame, 4096).unwrap().unwrap();
            assert!(ClientMessage::decode(&frame).is_ok(), "{count}");
        }
        for count in [0, 513, u16::MAX] {
            check(&mut statement_query(count), &[], CountOutOfRange, 36);
        }
    }

    #[test]
    fn every_request_shows_its_number_also_when_it_is_refused() {
        let mut requests = 0;
        for info in CATALOGUE {
            if !REQUEST_TEMPLATES.contains(&info.template) {
                continue;
            }
            requests += 1;
            assert_eq!(info.offset_of("request_id"), Some(0), "{}", info.name);
            let mut bytes = [0xff; 256];
            let len = HEADER_LEN + info.block_len;
            plain_header(info.template, info.block_len, 0, 0)
                .write(bytes.first_chunk_mut::<HEADER_LEN>().unwrap());
            bytes[HEADER_LEN..HEADER_LEN + 8].copy_from_slice(&77_u64.to_le_bytes());
            let (frame, _) = split_frame(&bytes[..len], 4096).unwrap().unwrap();
            assert_eq!(request_id_of(&frame), Some(77), "{}", info.name);
        }
        assert_eq!(requests, 16);
        let order = mass_cancel();
        let (frame, _) = split_frame(&order, 4096).unwrap().unwrap();
        assert_eq!(request_id_of(&frame), None);
        assert_eq!(ClientMessage::decode(&frame).unwrap().request_id(), None);
    }

    #[test]
    fn subscription_flags_are_a_snapshot_alone_or_depth_and_trades() {
        for flags in 0..=255 {
            let subscribe = Subscribe {
                market: MarketId(1),
                flags,
                reserved: Reserved,
            };
            let frame = subscribe.frame(0);
            let (frame, _) = split_frame(&frame, 4096).unwrap().unwrap();
            let legal = matches!(flags, 1..=4);
            let error = FieldError {
                reason: SubscriptionFlagsUnknown,
                offset: 28,
            };
            assert_eq!(
                ClientMessage::decode(&frame).err(),
                (!legal).then_some(error)
            );
        }
    }
}
