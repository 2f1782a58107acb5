//! Control commands and changes of markets as the wire blocks they came as: they are rare, and have
//! many fields.
//!
//! Must never: decide anything. What a block says is checked by whoever applies it.

use souk_engine::{FeeRates, MarketLimits};
use souk_protocol::message as wire;
use souk_protocol::{Block, FieldError, MarketId, Ppm, Reserved};

use crate::control::ControlCommand;
use crate::handoff::MarketChange;

/// Why a block is not what its template says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WireFormError {
    /// Nothing of this kind has such a template.
    Template(u16),
    /// The block has another size than its template's.
    Size { template: u16, size: usize },
    /// A field breaks a rule.
    Field(FieldError),
}

fn write_block<B: Block>(block: &B, out: &mut Vec<u8>) {
    let at = out.len();
    out.resize(at + B::LEN, 0);
    block.write(&mut out[at..]);
}

fn read_block<B: Block>(template: u16, bytes: &[u8]) -> Result<B, WireFormError> {
    if bytes.len() != B::LEN {
        let size = bytes.len();
        return Err(WireFormError::Size { template, size });
    }
    B::read(bytes, 0).map_err(WireFormError::Field)
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
            let m: wire::SetMarketState = read_block(template, bytes)?;
            (m.market, MarketChange::State(m.state))
        }
        wire::SetMarketLimits::TEMPLATE => {
            let m: wire::SetMarketLimits = read_block(template, bytes)?;
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
            let m: wire::SetFees = read_block(template, bytes)?;
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
                $(wire::$name::TEMPLATE => ControlCommand::$name(read_block(template, bytes)?),)*
                _ => return Err(WireFormError::Template(template)),
            })
        }
    };
}
control_blocks! {
    CreateCurrency UpdateCurrency CreateMarket SetMarketLimits SetMarketState SetFees
    CreateAccount UpdateAccount Credit Debit Transfer
}
