//! From a frame to a message: one enum for what a client may send, one for what a server may.

use crate::RejectReason;
use crate::frame::{FLAG_MORE_FOLLOWS, FLAG_POSS_RESEND, Frame, GROUP_HEADER_LEN, HEADER_LEN};
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
        }
    };
}

messages! {
    /// A message from a client.
    ClientMessage {
        plain {
            Hello: No, Logon: No, Heartbeat: No, Ping: No, Pong: No, Terminate: No,
            JoinMarket: No, MarketListRequest: No,
            NewOrder: ClientSeq, CancelOrder: ClientSeq, ReplaceOrder: ClientSeq,
            MassCancel: ClientSeq, OrderStatusRequest: ClientSeq,
            Subscribe: No, Unsubscribe: No,
        }
        grouped { Batch [BatchEntry]: ClientSeq, }
    }
}

messages! {
    /// A message from a server.
    ServerMessage {
        plain {
            Challenge: Any, LogonReject: Any, Heartbeat: Any, Ping: Any, Pong: Any,
            Terminate: Any, SessionReject: Any, NotApplied: Any, MarketJoined: Any,
            MarketDefinition: Any, MarketListEnd: Any,
            Accepted: Any, Rejected: Any, Canceled: Any, Replaced: Any, Trade: Any,
            SelfTradePrevented: Any, MassCanceled: Any, OrderStatus: Any,
            TradeTick: Any, MarketStatus: Any,
        }
        grouped {
            LogonAck [AccountEntry]: Any, DepthSnapshot [LevelEntry]: Any,
            DepthUpdate [LevelEntry]: Any,
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
                    offset: (entries.offset() - GROUP_HEADER_LEN + 2) as u16,
                }
            }
            _ => return Ok(self),
        };
        Err(broken)
    }
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

const SUBSCRIBE_FLAGS_AT: usize = match Subscribe::INFO.offset_of("flags") {
    Some(offset) => offset,
    None => panic!("a subscription has flags"),
};

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
