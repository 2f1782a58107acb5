//! What several tests need.

use souk_protocol::message::MarketDefinition;
use souk_protocol::{Amount, MarketId, MarketState, Price, Qty, Reserved, Text};

/// A market with wide limits.
pub(crate) fn market(id: u32) -> MarketDefinition {
    MarketDefinition {
        market: MarketId(id),
        state: MarketState::Continuous,
        base_scale: 8,
        quote_scale: 6,
        reserved: Reserved,
        symbol: text("BTC-USDT"),
        base: text("BTC"),
        quote: text("USDT"),
        tick_mantissa: 1,
        lot_mantissa: 1,
        tick_scale: 2,
        lot_scale: 4,
        reserved2: Reserved,
        price_min: Price(1),
        price_max: Price(100_000_000),
        qty_min: Qty(1),
        qty_max: Qty(10_000_000),
        notional_unit: 1,
        account_orders_max: 100_000,
        reserved3: Reserved,
        notional_min: Amount(0),
        notional_max: Amount(0),
        lot_units: 1,
    }
}

fn text<const N: usize>(text: &str) -> Text<N> {
    Text::new(text).expect("short printable text")
}
