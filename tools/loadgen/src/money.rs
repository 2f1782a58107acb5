//! Fees and holds as the protocol's section "Money" defines them, in plain wide integers.
//!
//! Must never: share code with the engine, whose sums it is there to check.

use std::str::FromStr;

use souk_protocol::message::MarketDefinition;
use souk_protocol::{AccountId, Liquidity, Side, Text};

/// The account of every tenant that gets the fees.
pub const FEE_ACCOUNT: AccountId = AccountId(u32::MAX);
/// What a rate is a part of.
const MILLION: i128 = 1_000_000;

/// What an account pays, in parts per million of price x quantity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Rates {
    /// For orders that rested; negative is a rebate.
    pub maker_ppm: i32,
    /// For orders that came in.
    pub taker_ppm: i32,
}

impl Rates {
    /// The fee of one side of a trade.
    #[must_use]
    pub fn fee(self, liquidity: Liquidity, notional: i128) -> i128 {
        match liquidity {
            Liquidity::Maker => fee(notional, self.maker_ppm),
            Liquidity::Taker => fee(notional, self.taker_ppm),
        }
    }

    /// What an open order holds: of the quote currency for a buy, of the base currency for a sell.
    #[must_use]
    pub fn need(self, terms: &Terms, side: Side, price: i64, open: u64) -> i128 {
        match side {
            Side::Buy => {
                let notional = terms.notional(price, open);
                let worst = self.maker_ppm.max(self.taker_ppm).max(0);
                notional.saturating_add(fee(notional, worst))
            }
            Side::Sell => terms.base(open),
        }
    }
}

/// `notional` x `ppm` / 1,000,000 without the digits after the point, so that both fees and rebates
/// are rounded towards zero.
fn fee(notional: i128, ppm: i32) -> i128 {
    notional.saturating_mul(i128::from(ppm)) / MILLION
}

impl FromStr for Rates {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rates = text.split_once(':').and_then(|(maker, taker)| {
            Some(Self {
                maker_ppm: maker.trim().parse().ok()?,
                taker_ppm: taker.trim().parse().ok()?,
            })
        });
        rates.ok_or_else(|| format!("`{text}` is not MAKER:TAKER in parts per million: -10:30"))
    }
}

/// What a market's ticks and lots are in units of its currencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Code of the base currency.
    pub base: Text<8>,
    /// Code of the quote currency.
    pub quote: Text<8>,
    /// Digits after the point of the base currency's unit.
    pub base_scale: u8,
    /// Digits after the point of the quote currency's unit.
    pub quote_scale: u8,
    /// Units of the base currency of one lot.
    pub lot_units: u64,
    /// Units of the quote currency of one tick times one lot.
    pub notional_unit: u64,
}

impl From<&MarketDefinition> for Terms {
    fn from(market: &MarketDefinition) -> Self {
        Self {
            base: market.base,
            quote: market.quote,
            base_scale: market.base_scale,
            quote_scale: market.quote_scale,
            lot_units: market.lot_units,
            notional_unit: market.notional_unit,
        }
    }
}

impl Terms {
    /// Price x quantity in units of the quote currency.
    #[must_use]
    pub fn notional(&self, price: i64, qty: u64) -> i128 {
        let lots = i128::from(price) * i128::from(qty);
        lots.saturating_mul(i128::from(self.notional_unit))
    }

    /// A quantity in units of the base currency.
    #[must_use]
    pub fn base(&self, qty: u64) -> i128 {
        i128::from(qty) * i128::from(self.lot_units)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::market;

    /// The table of the protocol.
    #[test]
    fn fees_and_rebates_lose_their_fraction() {
        for (notional, ppm, expected) in [
            (16_280_862_500, 500, 8_140_431),
            (16_280_862_500, -100, -1_628_086),
            (6_512_345, 500, 3_256),
            (1_999, 500, 0),
            (2_000, 500, 1),
            (9_999, -100, 0),
        ] {
            assert_eq!(fee(notional, ppm), expected, "{notional} x {ppm}");
        }
    }

    /// The worked example of the protocol.
    #[test]
    fn a_buy_holds_its_worst_fee_and_a_sell_its_quantity() {
        let terms = Terms {
            lot_units: 10_000,
            ..Terms::from(&market(1))
        };
        let rates: Rates = "-100:500".parse().unwrap();
        let held = |side| rates.need(&terms, side, 6_512_345, 2_500);
        assert_eq!(held(Side::Buy), 16_289_002_931);
        assert_eq!(held(Side::Sell), 25_000_000);
    }

    #[test]
    fn rates_are_two_numbers() {
        assert!("1".parse::<Rates>().is_err());
        assert!("a:1".parse::<Rates>().is_err());
        assert_eq!("0:7".parse::<Rates>().unwrap().taker_ppm, 7);
    }
}
