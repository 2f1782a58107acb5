//! Section 10 of `RULES.md`: fees, limits, and what orders hold.

use super::Oracle;
use souk_engine::{Event, FeeRates, FeeTier, MarketLimits};
use souk_protocol::{Amount, Price, Qty, RejectReason};

/// The highest price and quantity.
const STEPS_MAX: u64 = 1 << 62;
/// The highest amount.
const MONEY_MAX: u64 = (1 << 63) - 1;

impl Oracle {
    /// Section 4, AddFees.
    pub(super) fn add_fees(
        &mut self,
        rates: FeeRates,
        events: &mut Vec<Event>,
    ) -> Result<(), RejectReason> {
        let million = -1_000_000..=1_000_000;
        let in_range = million.contains(&rates.maker_ppm) && million.contains(&rates.taker_ppm);
        if !in_range || rates.taker_ppm < 0 {
            return Err(RejectReason::FeesOutOfRange);
        }
        let mut all = self.fees.clone();
        if !all.contains(&rates) {
            all.push(rates);
        }
        for taker in &all {
            for maker in &all {
                if taker.taker_ppm + maker.maker_ppm < 0 {
                    return Err(RejectReason::FeesOutOfRange);
                }
            }
        }
        if all.len() > 256 {
            return Err(RejectReason::FeeTableFull);
        }
        let tier = all.iter().position(|known| *known == rates);
        let tier = tier.expect("it was put there");
        self.fees = all;
        events.push(Event::FeesAdded {
            tier: FeeTier(u8::try_from(tier).expect("at most 256")),
        });
        Ok(())
    }

    /// Section 4, SetLimits.
    pub(super) fn set_limits(
        &mut self,
        limits: &MarketLimits,
        events: &mut Vec<Event>,
    ) -> Result<(), RejectReason> {
        let MarketLimits {
            price_min,
            price_max,
            qty_min,
            qty_max,
            notional_min,
            notional_max,
            orders_max,
            account_orders_max,
        } = *limits;
        let prices = price_min >= Price(1) && price_max >= price_min;
        let prices = prices && price_max.0.cast_unsigned() <= STEPS_MAX;
        let qtys = qty_min >= Qty(1) && qty_min <= qty_max && qty_max.0 <= STEPS_MAX;
        let unbounded = notional_max == Amount(0);
        let notionals = notional_min.0 <= MONEY_MAX && notional_max.0 <= MONEY_MAX;
        let notionals = notionals && (unbounded || notional_min <= notional_max);
        let orders = (1..u32::MAX).contains(&orders_max) && account_orders_max >= 1;
        let widest = i128::from(price_max.0)
            .checked_mul(i128::from(qty_max.0))
            .and_then(|lots| lots.checked_mul(i128::from(self.spec.notional_unit)));
        if !(prices && qtys && notionals && orders) || widest.is_none() {
            return Err(RejectReason::LimitsOutOfRange);
        }
        self.spec.price_min = price_min;
        self.spec.price_max = price_max;
        self.spec.qty_min = qty_min;
        self.spec.qty_max = qty_max;
        self.spec.notional_min = notional_min;
        self.spec.notional_max = notional_max;
        self.spec.orders_max = orders_max;
        self.spec.account_orders_max = account_orders_max;
        events.push(Event::LimitsChanged);
        Ok(())
    }
}
