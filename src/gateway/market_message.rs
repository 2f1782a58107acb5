//! Messages to a market in one shape: what the gateway checks about all of them alike.

use souk_engine::{
    CancelOrder, Command, FeeTier, MassCancel, NewOrder, OrderRef, OrderStatus, ReplaceOrder,
};
use souk_protocol::message::{self as wire, BATCH_ENTRIES_MAX, MessageInfo};
use souk_protocol::{
    AccountId, BatchInstruction, BatchMode, Block, ClOrdId, ClientMessage, FieldError, Frame,
    HEADER_LEN, MarketId, RejectReason, SessionId, StpGroup, decode_numbered,
};

use crate::handoff::{BatchPlace, Numbered};

/// A message to a market: one instruction, or the entries of a batch.
#[derive(Debug)]
pub(super) struct MarketMessage {
    market: MarketId,
    info: &'static MessageInfo,
    stop_at_reject: bool,
    first: Part,
    /// Empty, without memory of its own, for everything but a batch.
    others: Vec<Part>,
}

/// One instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    instruction: Instruction,
    index: u8,
    last: bool,
}

#[derive(Clone, Copy, Debug)]
enum Instruction {
    New(wire::NewOrder),
    Cancel(wire::CancelOrder),
    Replace(wire::ReplaceOrder),
    MassCancel(wire::MassCancel),
    Status(wire::OrderStatusRequest),
}

impl MarketMessage {
    /// The message of a frame in this shape; `None` if it is not for a market.
    ///
    /// # Errors
    /// The first rule that the frame breaks.
    pub(super) fn of(frame: &Frame<'_>) -> Result<Option<Self>, FieldError> {
        let one = |market, info, instruction| {
            Ok(Some(Self {
                market,
                info,
                stop_at_reject: false,
                first: Part {
                    instruction,
                    index: 0,
                    last: true,
                },
                others: Vec::new(),
            }))
        };
        match frame.header.template_id {
            wire::NewOrder::TEMPLATE => {
                let m: wire::NewOrder = decode_numbered(frame)?;
                one(m.market, &wire::NewOrder::INFO, Instruction::New(m))
            }
            wire::CancelOrder::TEMPLATE => {
                let m: wire::CancelOrder = decode_numbered(frame)?;
                one(m.market, &wire::CancelOrder::INFO, Instruction::Cancel(m))
            }
            wire::ReplaceOrder::TEMPLATE => {
                let m: wire::ReplaceOrder = decode_numbered(frame)?;
                one(m.market, &wire::ReplaceOrder::INFO, Instruction::Replace(m))
            }
            wire::MassCancel::TEMPLATE => {
                let m: wire::MassCancel = decode_numbered(frame)?;
                one(
                    m.market,
                    &wire::MassCancel::INFO,
                    Instruction::MassCancel(m),
                )
            }
            wire::OrderStatusRequest::TEMPLATE => {
                let m: wire::OrderStatusRequest = decode_numbered(frame)?;
                one(
                    m.market,
                    &wire::OrderStatusRequest::INFO,
                    Instruction::Status(m),
                )
            }
            wire::Batch::TEMPLATE => Self::of_batch(frame),
            _ => Ok(None),
        }
    }

    fn of_batch(frame: &Frame<'_>) -> Result<Option<Self>, FieldError> {
        let ClientMessage::Batch(batch, entries) = ClientMessage::decode(frame)? else {
            return Ok(None);
        };
        let (first, others) = batch_parts(batch.market, &entries)?;
        Ok(Some(Self {
            market: batch.market,
            info: &wire::Batch::INFO,
            stop_at_reject: batch.mode == BatchMode::StopAtFirstReject,
            first,
            others,
        }))
    }

    pub(super) const fn market(&self) -> MarketId {
        self.market
    }

    /// The first instruction, and the others of a batch.
    pub(super) fn parts(&self) -> (&Part, &[Part]) {
        (&self.first, &self.others)
    }

    /// How many instructions.
    pub(super) fn count(&self) -> u32 {
        1 + self.others.len() as u32
    }

    fn all(&self, holds: impl Fn(&Instruction) -> bool) -> bool {
        holds(&self.first.instruction) && self.others.iter().all(|part| holds(&part.instruction))
    }

    /// Whether it only takes orders away or asks where they stand.
    pub(super) fn is_harmless(&self) -> bool {
        self.is_cancel() || self.all(|instruction| matches!(instruction, Instruction::Status(_)))
    }

    /// Whether it only takes orders away.
    pub(super) fn is_cancel(&self) -> bool {
        self.all(|part| matches!(part, Instruction::Cancel(_) | Instruction::MassCancel(_)))
    }

    /// The client's name for the order, for a reject of the whole message.
    pub(super) fn cl_ord_id(&self) -> ClOrdId {
        if self.others.is_empty() {
            self.first.cl_ord_id()
        } else {
            ClOrdId(0)
        }
    }

    /// First byte in the frame of a field of the root block; 0 if it has none of that name.
    pub(super) fn offset_of(&self, field: &str) -> usize {
        self.info
            .offset_of(field)
            .map_or(0, |offset| HEADER_LEN + offset)
    }
}

fn batch_parts(
    market: MarketId,
    entries: &souk_protocol::Group<'_, wire::BatchEntry>,
) -> Result<(Part, Vec<Part>), FieldError> {
    let out_of_range = FieldError {
        reason: RejectReason::BatchSizeOutOfRange,
        offset: (HEADER_LEN + wire::Batch::LEN + 2) as u16,
    };
    let count = entries.len();
    if count > BATCH_ENTRIES_MAX {
        return Err(out_of_range);
    }
    let mut parts = entries.iter().enumerate().map(|(index, entry)| {
        let (entry, offset) = entry?;
        let instruction = match entry.instruction(market, offset)? {
            BatchInstruction::New(order) => Instruction::New(order),
            BatchInstruction::Cancel(cancel) => Instruction::Cancel(cancel),
            BatchInstruction::Replace(replace) => Instruction::Replace(replace),
        };
        Ok(Part {
            instruction,
            index: index as u8,
            last: index + 1 == count,
        })
    });
    let first = parts.next().ok_or(out_of_range)??;
    Ok((first, parts.collect::<Result<_, _>>()?))
}

impl Part {
    pub(super) const fn account(&self) -> AccountId {
        match &self.instruction {
            Instruction::New(m) => m.account,
            Instruction::Cancel(m) => m.account,
            Instruction::Replace(m) => m.account,
            Instruction::MassCancel(m) => m.account,
            Instruction::Status(m) => m.account,
        }
    }

    /// The client's name for the order.
    const fn cl_ord_id(&self) -> ClOrdId {
        match &self.instruction {
            Instruction::New(m) => m.cl_ord_id,
            Instruction::Cancel(m) => m.orig_cl_ord_id,
            Instruction::Replace(m) if m.cl_ord_id.0 != 0 => m.cl_ord_id,
            Instruction::Replace(m) => m.orig_cl_ord_id,
            Instruction::MassCancel(_) => ClOrdId(0),
            Instruction::Status(m) => m.orig_cl_ord_id,
        }
    }

    pub(super) fn numbered(
        &self,
        client_seq: u64,
        session: SessionId,
        message: &MarketMessage,
    ) -> Numbered {
        Numbered {
            client_seq,
            command: self.command(session),
            batch: BatchPlace {
                index: self.index,
                last: self.last,
                stop_at_reject: message.stop_at_reject,
            },
        }
    }

    fn command(&self, session: SessionId) -> Command {
        match &self.instruction {
            Instruction::New(m) => Command::New(NewOrder {
                cl_ord_id: m.cl_ord_id,
                account: m.account,
                session,
                side: m.side,
                order_type: m.order_type,
                time_in_force: m.time_in_force,
                post_only: m.post_only,
                price: m.price,
                qty: m.qty,
                budget: m.budget,
                stp_mode: m.stp_mode,
                stp_scope: m.stp_scope,
                // From the account, by the matcher.
                stp_group: StpGroup(0),
                fee_tier: FeeTier(0),
            }),
            Instruction::Cancel(m) => Command::Cancel(CancelOrder {
                account: m.account,
                order: OrderRef {
                    order_id: m.order_id,
                    cl_ord_id: m.orig_cl_ord_id,
                },
            }),
            Instruction::Replace(m) => Command::Replace(ReplaceOrder {
                account: m.account,
                session,
                order: OrderRef {
                    order_id: m.order_id,
                    cl_ord_id: m.orig_cl_ord_id,
                },
                cl_ord_id: m.cl_ord_id,
                price: m.price,
                total_qty: m.total_qty,
            }),
            Instruction::MassCancel(m) => Command::MassCancel(MassCancel::asked(m.account, m.side)),
            Instruction::Status(m) => Command::Status(OrderStatus {
                account: m.account,
                order: OrderRef {
                    order_id: m.order_id,
                    cl_ord_id: m.orig_cl_ord_id,
                },
            }),
        }
    }
}
