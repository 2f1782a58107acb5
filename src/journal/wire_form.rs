//! Commands as the wire blocks they came as: what a record holds of them.
//!
//! Must never: decide anything. What a block says is checked by whoever applies it.

use souk_engine::{
    CancelOrder, Command, FeeRates, FeeTier, MarketLimits, MassCancel, NewOrder, OrderRef,
    OrderStatus, ReplaceOrder,
};
use souk_protocol::message as wire;
use souk_protocol::{Block, FieldError, MarketId, Ppm, Reserved, SessionId, StpGroup};

use crate::control::ControlCommand;
use crate::handoff::MarketChange;

/// Why a block is not what its template says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WireFormError {
    /// Nothing of this kind has such a template.
    Template(u16),
    /// The block has another size than its template.
    Size,
    /// A field breaks a rule.
    Field(FieldError),
}

pub(super) fn write_block<B: Block>(block: &B, out: &mut Vec<u8>) {
    let at = out.len();
    out.resize(at + B::LEN, 0);
    block.write(&mut out[at..]);
}

fn read_block<B: Block>(bytes: &[u8]) -> Result<B, WireFormError> {
    if bytes.len() != B::LEN {
        return Err(WireFormError::Size);
    }
    B::read(bytes, 0).map_err(WireFormError::Field)
}

/// Appends the block of a command that a session may send. Gives its template.
///
/// # Panics
/// When no session may send it: those are [`MarketChange`]s.
pub(super) fn write_command(command: &Command, market: MarketId, out: &mut Vec<u8>) -> u16 {
    match command {
        Command::New(new) => {
            write_block(&wire_new(new, market), out);
            wire::NewOrder::TEMPLATE
        }
        Command::Cancel(CancelOrder { account, order }) => {
            let block = wire::CancelOrder {
                orig_cl_ord_id: order.cl_ord_id,
                order_id: order.order_id,
                market,
                account: *account,
            };
            write_block(&block, out);
            wire::CancelOrder::TEMPLATE
        }
        Command::Replace(replace) => {
            let block = wire::ReplaceOrder {
                cl_ord_id: replace.cl_ord_id,
                orig_cl_ord_id: replace.order.cl_ord_id,
                order_id: replace.order.order_id,
                price: replace.price,
                total_qty: replace.total_qty,
                market,
                account: replace.account,
            };
            write_block(&block, out);
            wire::ReplaceOrder::TEMPLATE
        }
        Command::MassCancel(MassCancel { account, side }) => {
            let block = wire::MassCancel {
                market,
                account: *account,
                side: *side,
                reserved: Reserved,
            };
            write_block(&block, out);
            wire::MassCancel::TEMPLATE
        }
        Command::Status(OrderStatus { account, order }) => {
            let block = wire::OrderStatusRequest {
                orig_cl_ord_id: order.cl_ord_id,
                order_id: order.order_id,
                market,
                account: *account,
            };
            write_block(&block, out);
            wire::OrderStatusRequest::TEMPLATE
        }
        Command::SetState(_) | Command::AddFees(_) | Command::SetLimits(_) => {
            unreachable!("no session sends {command:?}")
        }
    }
}

const fn wire_new(new: &NewOrder, market: MarketId) -> wire::NewOrder {
    wire::NewOrder {
        cl_ord_id: new.cl_ord_id,
        price: new.price,
        qty: new.qty,
        budget: new.budget,
        market,
        account: new.account,
        side: new.side,
        order_type: new.order_type,
        time_in_force: new.time_in_force,
        post_only: new.post_only,
        stp_mode: new.stp_mode,
        stp_scope: new.stp_scope,
        reserved: Reserved,
    }
}

/// The command of a block, as its session sent it: without what its account adds.
pub(super) fn read_command(
    template: u16,
    bytes: &[u8],
    session: SessionId,
) -> Result<(MarketId, Command), WireFormError> {
    Ok(match template {
        wire::NewOrder::TEMPLATE => {
            let m: wire::NewOrder = read_block(bytes)?;
            let new = NewOrder {
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
                stp_group: StpGroup(0),
                fee_tier: FeeTier(0),
            };
            (m.market, Command::New(new))
        }
        wire::CancelOrder::TEMPLATE => {
            let m: wire::CancelOrder = read_block(bytes)?;
            let cancel = CancelOrder {
                account: m.account,
                order: OrderRef {
                    order_id: m.order_id,
                    cl_ord_id: m.orig_cl_ord_id,
                },
            };
            (m.market, Command::Cancel(cancel))
        }
        wire::ReplaceOrder::TEMPLATE => {
            let m: wire::ReplaceOrder = read_block(bytes)?;
            let replace = ReplaceOrder {
                account: m.account,
                session,
                order: OrderRef {
                    order_id: m.order_id,
                    cl_ord_id: m.orig_cl_ord_id,
                },
                cl_ord_id: m.cl_ord_id,
                price: m.price,
                total_qty: m.total_qty,
            };
            (m.market, Command::Replace(replace))
        }
        wire::MassCancel::TEMPLATE => {
            let m: wire::MassCancel = read_block(bytes)?;
            let mass_cancel = MassCancel {
                account: m.account,
                side: m.side,
            };
            (m.market, Command::MassCancel(mass_cancel))
        }
        wire::OrderStatusRequest::TEMPLATE => {
            let m: wire::OrderStatusRequest = read_block(bytes)?;
            let status = OrderStatus {
                account: m.account,
                order: OrderRef {
                    order_id: m.order_id,
                    cl_ord_id: m.orig_cl_ord_id,
                },
            };
            (m.market, Command::Status(status))
        }
        _ => return Err(WireFormError::Template(template)),
    })
}

/// Appends the block that a change of a market is in the control stream. Gives its template.
pub(super) fn write_change(change: &MarketChange, market: MarketId, out: &mut Vec<u8>) -> u16 {
    match change {
        MarketChange::State(state) => {
            let block = wire::SetMarketState {
                request_id: 0,
                market,
                state: *state,
                reserved: Reserved,
            };
            write_block(&block, out);
            wire::SetMarketState::TEMPLATE
        }
        MarketChange::Limits(limits) => {
            let block = wire::SetMarketLimits {
                request_id: 0,
                market,
                reserved: Reserved,
                price_min: limits.price_min,
                price_max: limits.price_max,
                qty_min: limits.qty_min,
                qty_max: limits.qty_max,
                notional_min: limits.notional_min,
                notional_max: limits.notional_max,
                orders_max: limits.orders_max,
                account_orders_max: limits.account_orders_max,
            };
            write_block(&block, out);
            wire::SetMarketLimits::TEMPLATE
        }
        MarketChange::Fees { fee_group, rates } => {
            let block = wire::SetFees {
                request_id: 0,
                market,
                fee_group: *fee_group,
                reserved: Reserved,
                maker_ppm: Ppm(rates.maker_ppm),
                taker_ppm: Ppm(rates.taker_ppm),
            };
            write_block(&block, out);
            wire::SetFees::TEMPLATE
        }
    }
}

/// The change of a block.
pub(super) fn read_change(
    template: u16,
    bytes: &[u8],
) -> Result<(MarketId, MarketChange), WireFormError> {
    Ok(match template {
        wire::SetMarketState::TEMPLATE => {
            let m: wire::SetMarketState = read_block(bytes)?;
            (m.market, MarketChange::State(m.state))
        }
        wire::SetMarketLimits::TEMPLATE => {
            let m: wire::SetMarketLimits = read_block(bytes)?;
            let limits = MarketLimits {
                price_min: m.price_min,
                price_max: m.price_max,
                qty_min: m.qty_min,
                qty_max: m.qty_max,
                notional_min: m.notional_min,
                notional_max: m.notional_max,
                orders_max: m.orders_max,
                account_orders_max: m.account_orders_max,
            };
            (m.market, MarketChange::Limits(limits))
        }
        wire::SetFees::TEMPLATE => {
            let m: wire::SetFees = read_block(bytes)?;
            let rates = FeeRates {
                maker_ppm: m.maker_ppm.0,
                taker_ppm: m.taker_ppm.0,
            };
            let fee_group = m.fee_group;
            (m.market, MarketChange::Fees { fee_group, rates })
        }
        _ => return Err(WireFormError::Template(template)),
    })
}

macro_rules! control_blocks {
    ($($name:ident)*) => {
        /// Appends the block of a control command. Gives its template.
        pub(super) fn write_control(command: &ControlCommand, out: &mut Vec<u8>) -> u16 {
            match command {
                $(ControlCommand::$name(block) => {
                    write_block(block, out);
                    wire::$name::TEMPLATE
                })*
            }
        }

        /// The control command of a block.
        pub(super) fn read_control(
            template: u16,
            bytes: &[u8],
        ) -> Result<ControlCommand, WireFormError> {
            Ok(match template {
                $(wire::$name::TEMPLATE => ControlCommand::$name(read_block(bytes)?),)*
                _ => return Err(WireFormError::Template(template)),
            })
        }
    };
}
control_blocks! {
    CreateCurrency UpdateCurrency CreateMarket SetMarketLimits SetMarketState SetFees
    CreateAccount UpdateAccount Credit Debit Transfer
}
