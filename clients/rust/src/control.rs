//! What a tenant's control stream is asked for: currencies, markets, fees, accounts.

use std::str::FromStr;

use souk_protocol::message::{
    CreateAccount, CreateCurrency, CreateMarket, SetFees, SetMarketLimits, SetMarketState,
    UpdateAccount, UpdateCurrency,
};
use souk_protocol::{
    AccountId, AccountStatus, Amount, CurrencyStatus, FeeGroup, MarketId, MarketState, Ppm, Price,
    Qty, Reserved, StpGroup, Text,
};

use crate::market::{DecimalError, parse};
use crate::request::Request;

/// A currency, new or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrencyTerms {
    /// Its code: 1 to 8 of A-Z and 0-9.
    pub code: Text<8>,
    /// Digits after the point of its smallest unit. Only a new currency's counts.
    pub scale: u8,
    /// Digits after the point that are shown to users.
    pub display_scale: u8,
    /// What may be done with it.
    pub status: CurrencyStatus,
    /// Lowest amount of one credit, debit or transfer; 0 is no bound.
    pub amount_min: Amount,
    /// Highest amount of one credit, debit or transfer; 0 is no bound.
    pub amount_max: Amount,
}

impl CurrencyTerms {
    /// A listed currency without bounds, all of whose digits are shown.
    #[must_use]
    pub const fn listed(code: Text<8>, scale: u8) -> Self {
        Self {
            code,
            scale,
            display_scale: scale,
            status: CurrencyStatus::Listed,
            amount_min: Amount(0),
            amount_max: Amount(0),
        }
    }

    pub(crate) fn create(&self) -> Request {
        let create = CreateCurrency {
            request_id: 0,
            code: self.code,
            amount_min: self.amount_min,
            amount_max: self.amount_max,
            scale: self.scale,
            display_scale: self.display_scale,
            status: self.status,
            reserved: Reserved,
        };
        Request::new(&create.frame(0))
    }

    pub(crate) fn update(&self) -> Request {
        let update = UpdateCurrency {
            request_id: 0,
            code: self.code,
            amount_min: self.amount_min,
            amount_max: self.amount_max,
            display_scale: self.display_scale,
            status: self.status,
            reserved: Reserved,
        };
        Request::new(&update.frame(0))
    }
}

/// The size of a tick or a lot: `mantissa` x 10^-`scale`. Read from text such as `0.01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepSize {
    /// The digits.
    pub mantissa: u64,
    /// How many of them are after the point.
    pub scale: u8,
}

impl FromStr for StepSize {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let text = text.trim();
        let (value, digits) = parse(text)?;
        let too_long = || DecimalError::TooLong {
            text: text.to_owned(),
        };
        Ok(Self {
            mantissa: u64::try_from(value).map_err(|_| too_long())?,
            scale: u8::try_from(digits).map_err(|_| too_long())?,
        })
    }
}

/// The bounds of a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketLimits {
    /// Lowest price in ticks.
    pub price_min: Price,
    /// Highest price in ticks.
    pub price_max: Price,
    /// Lowest quantity in lots.
    pub qty_min: Qty,
    /// Highest quantity in lots.
    pub qty_max: Qty,
    /// Lowest price x quantity in units of the quote currency; 0 is no bound.
    pub notional_min: Amount,
    /// Highest price x quantity in units of the quote currency; 0 is no bound.
    pub notional_max: Amount,
    /// Open orders there may be.
    pub orders_max: u32,
    /// Open orders one account may have.
    pub account_orders_max: u32,
}

/// Bounds that few markets meet: 2^40 ticks and lots, a million open orders, ten thousand of one
/// account.
impl Default for MarketLimits {
    fn default() -> Self {
        Self {
            price_min: Price(1),
            price_max: Price(1 << 40),
            qty_min: Qty(1),
            qty_max: Qty(1 << 40),
            notional_min: Amount(0),
            notional_max: Amount(0),
            orders_max: 1_000_000,
            account_orders_max: 10_000,
        }
    }
}

impl MarketLimits {
    pub(crate) fn set(&self, market: MarketId) -> Request {
        let set = SetMarketLimits {
            request_id: 0,
            market,
            reserved: Reserved,
            price_min: self.price_min,
            price_max: self.price_max,
            qty_min: self.qty_min,
            qty_max: self.qty_max,
            notional_min: self.notional_min,
            notional_max: self.notional_max,
            orders_max: self.orders_max,
            account_orders_max: self.account_orders_max,
        };
        Request::new(&set.frame(0))
    }
}

/// What makers and takers pay, in parts per million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeeTerms {
    /// What makers pay; negative is a rebate.
    pub maker: Ppm,
    /// What takers pay.
    pub taker: Ppm,
}

impl FeeTerms {
    pub(crate) fn set(&self, market: MarketId, fee_group: FeeGroup) -> Request {
        let set = SetFees {
            request_id: 0,
            market,
            fee_group,
            reserved: Reserved,
            maker_ppm: self.maker,
            taker_ppm: self.taker,
        };
        Request::new(&set.frame(0))
    }
}

/// A new market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketTerms {
    /// Its id.
    pub market: MarketId,
    /// Its name, such as `BTC-USDT`.
    pub symbol: Text<24>,
    /// Code of the base currency.
    pub base: Text<8>,
    /// Code of the quote currency.
    pub quote: Text<8>,
    /// Size of a tick, in the quote currency per one base.
    pub tick: StepSize,
    /// Size of a lot, in the base currency.
    pub lot: StepSize,
    /// The state it opens in.
    pub state: MarketState,
    /// Its bounds.
    pub limits: MarketLimits,
    /// What the default group pays.
    pub fees: FeeTerms,
}

impl MarketTerms {
    pub(crate) fn create(&self) -> Request {
        let limits = &self.limits;
        let create = CreateMarket {
            request_id: 0,
            market: self.market,
            state: self.state,
            tick_scale: self.tick.scale,
            lot_scale: self.lot.scale,
            reserved: Reserved,
            symbol: self.symbol,
            base: self.base,
            quote: self.quote,
            tick_mantissa: self.tick.mantissa,
            lot_mantissa: self.lot.mantissa,
            price_min: limits.price_min,
            price_max: limits.price_max,
            qty_min: limits.qty_min,
            qty_max: limits.qty_max,
            notional_min: limits.notional_min,
            notional_max: limits.notional_max,
            orders_max: limits.orders_max,
            account_orders_max: limits.account_orders_max,
            maker_ppm: self.fees.maker,
            taker_ppm: self.fees.taker,
        };
        Request::new(&create.frame(0))
    }
}

pub(crate) fn set_market_state(market: MarketId, state: MarketState) -> Request {
    let set = SetMarketState {
        request_id: 0,
        market,
        state,
        reserved: Reserved,
    };
    Request::new(&set.frame(0))
}

/// An account, new or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountTerms {
    /// The account.
    pub account: AccountId,
    /// Whose rates it pays.
    pub fee_group: FeeGroup,
    /// With whom it must not trade; 0 is with nobody but itself.
    pub stp_group: StpGroup,
    /// What may be done with it.
    pub status: AccountStatus,
}

impl AccountTerms {
    /// An active account in no group.
    #[must_use]
    pub const fn active(account: AccountId) -> Self {
        Self {
            account,
            fee_group: FeeGroup(0),
            stp_group: StpGroup(0),
            status: AccountStatus::Active,
        }
    }

    pub(crate) fn create(&self, external_id: Text<32>) -> Request {
        let create = CreateAccount {
            request_id: 0,
            account: self.account,
            fee_group: self.fee_group,
            stp_group: self.stp_group,
            status: self.status,
            reserved: Reserved,
            external_id,
        };
        Request::new(&create.frame(0))
    }

    pub(crate) fn update(&self) -> Request {
        let update = UpdateAccount {
            request_id: 0,
            account: self.account,
            fee_group: self.fee_group,
            stp_group: self.stp_group,
            status: self.status,
            reserved: Reserved,
        };
        Request::new(&update.frame(0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_step_is_read_from_its_decimal() {
        let step = |mantissa, scale| StepSize { mantissa, scale };
        assert_eq!("0.01".parse(), Ok(step(1, 2)));
        assert_eq!(" 0.2500 ".parse(), Ok(step(25, 2)));
        assert_eq!("100".parse(), Ok(step(100, 0)));
        for text in ["", "-0.01", "a", "18446744073709551616"] {
            assert!(text.parse::<StepSize>().is_err(), "{text}");
        }
    }
}
