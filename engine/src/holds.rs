//! What a command must hold before it may go on, and the bounds of an order's notional.
//!
//! Must never: be asked by a market whose sink takes no holds.

use crate::market::Market;
use crate::money::with_worst_fee;
use crate::orders::Slot;
use crate::{EventSink, Hold, MarketSpec, NewOrder};
use souk_protocol::{Amount, Price, Qty, RejectReason};

impl Market {
    /// Check 11 of a new order: its account can hold what all of it needs. `price` is its price
    /// after a slide.
    #[inline]
    pub(crate) fn hold_new<S: EventSink>(
        &self,
        new: &NewOrder,
        price: Price,
        sink: &mut S,
    ) -> Result<(), RejectReason> {
        let need = self.need_of_new(new, price);
        sink.hold(Hold {
            account: new.account,
            side: new.side,
            amount: need.ok_or(RejectReason::AmountTooLarge)?,
        })
    }

    #[inline]
    fn need_of_new(&self, new: &NewOrder, price: Price) -> Option<Amount> {
        let units = self.spec.units();
        let rates = self.fees.rates(new.fee_tier);
        if new.budget.0 == 0 {
            return units.need(new.side, price, new.qty, rates);
        }
        // A market buy order: its protection price may be a closer bound than its budget.
        let bound = match units.notional(price, new.qty) {
            Some(notional) if price.0 != 0 => notional.min(new.budget),
            _ => new.budget,
        };
        with_worst_fee(bound, rates)
    }

    /// Check 9 of a replace that loses priority: the account can hold what the order in `slot`
    /// needs more than now.
    #[inline]
    pub(crate) fn hold_more<S: EventSink>(
        &self,
        slot: Slot,
        price: Price,
        leaves: Qty,
        sink: &mut S,
    ) -> Result<(), RejectReason> {
        let order = &self.open.orders[slot];
        let side = order.flags.side();
        let rates = self.fees.rates(order.fee_tier);
        let need = |price, leaves| {
            let need = self.spec.units().need(side, price, leaves, rates);
            need.ok_or(RejectReason::AmountTooLarge)
        };
        let (needed, held) = (need(price, leaves)?, need(order.price, order.leaves)?);
        if needed <= held {
            return Ok(());
        }
        sink.hold(Hold {
            account: self.open.accounts[order.account].id,
            side,
            amount: Amount(needed.0 - held.0),
        })
    }
}

/// Check 6 of a new order, check 6 of a replace. Without a price the budget is looked at.
#[inline]
pub(crate) fn check_notional(
    spec: &MarketSpec,
    price: Price,
    qty: Qty,
    budget: Amount,
) -> Result<(), RejectReason> {
    if spec.notional_min.0 | spec.notional_max.0 == 0 {
        return Ok(());
    }
    check_bounded_notional(spec, price, qty, budget)
}

/// [`check_notional`] in a market that has such bounds.
#[cold]
fn check_bounded_notional(
    spec: &MarketSpec,
    price: Price,
    qty: Qty,
    budget: Amount,
) -> Result<(), RejectReason> {
    let (min, max) = (spec.notional_min, spec.notional_max);
    let notional = if price.0 == 0 {
        Some(budget)
    } else {
        spec.units().notional(price, qty)
    };
    let inside = match notional {
        Some(notional) => min <= notional && (max.0 == 0 || notional <= max),
        // It is above every bound that there can be.
        None => max.0 == 0,
    };
    inside.then_some(()).ok_or(RejectReason::NotionalOutOfRange)
}
