//! Section 10 of `RULES.md`: who has what. What is on hold is never kept anywhere: it is added up
//! from the open orders whenever somebody asks.

use super::{Oracle, Order};
use souk_engine::{FeeTier, NewOrder, PairCurrency};
use souk_protocol::{AccountId, Price, Qty, RejectReason, Side};
use std::collections::BTreeMap;

/// The highest amount.
pub const MONEY_MAX: u128 = (1 << 63) - 1;

/// What an account has of a currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    pub total: i128,
    pub held: i128,
    pub available: i128,
}

/// Money that comes into the tenant's books, or leaves them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funding {
    pub account: AccountId,
    pub currency: PairCurrency,
    /// Negative: a debit.
    pub amount: i64,
}

/// What everybody has.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    totals: BTreeMap<(AccountId, PairCurrency), i128>,
    /// Credits - debits.
    supply: BTreeMap<PairCurrency, i128>,
    /// What the fee account has, in quote currency.
    pub earned: i128,
}

impl Ledger {
    /// Every account that ever had something, each at least once.
    pub fn accounts(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.totals.keys().map(|(account, _)| *account)
    }
}

impl Oracle {
    /// What an account has of a currency: nothing in a market without holds.
    pub fn balance(&self, account: AccountId, currency: PairCurrency) -> Balance {
        let Some(ledger) = &self.ledger else {
            return Balance::default();
        };
        let total = *ledger.totals.get(&(account, currency)).unwrap_or(&0);
        let held = (self.orders.iter())
            .filter(|o| o.account == account && pays(o.side) == currency)
            .map(|o| self.need(o.side, o.price, o.leaves, o.fee_tier))
            .sum::<u128>();
        let held = i128::try_from(held).expect("needs are bounded");
        let available = total - held;
        assert!(available >= 0, "nobody holds more than it has");
        Balance {
            total,
            held,
            available,
        }
    }

    /// A credit or a debit; whether it was done.
    pub fn fund(&mut self, funding: &Funding) -> bool {
        let available = self.balance(funding.account, funding.currency).available;
        let Some(ledger) = &mut self.ledger else {
            return false;
        };
        let amount = i128::from(funding.amount);
        let supply = ledger.supply.entry(funding.currency).or_default();
        if available + amount < 0 || *supply + amount > MONEY_MAX.cast_signed() {
            return false;
        }
        *supply += amount;
        let key = (funding.account, funding.currency);
        *ledger.totals.entry(key).or_default() += amount;
        true
    }

    /// What an order holds.
    fn need(&self, side: Side, price: Price, leaves: Qty, tier: FeeTier) -> u128 {
        match side {
            Side::Buy => {
                let notional = self.cost(price, leaves.0);
                self.with_worst_fee(notional, tier)
            }
            Side::Sell => u128::from(leaves.0) * u128::from(self.spec.lot_units),
        }
    }

    fn with_worst_fee(&self, notional: u128, tier: FeeTier) -> u128 {
        if notional > MONEY_MAX {
            // With or without its fee, it is too large.
            return notional;
        }
        let rates = self.fees[usize::from(tier.0)];
        let worst = rates.maker_ppm.max(rates.taker_ppm).max(0);
        notional + notional * u128::from(worst.unsigned_abs()) / 1_000_000
    }

    /// New 11. `price` is the one after a slide.
    pub(super) fn check_hold_of_new(
        &self,
        new: &NewOrder,
        price: Price,
    ) -> Result<(), RejectReason> {
        let need = if new.budget.0 == 0 {
            self.need(new.side, price, new.qty, new.fee_tier)
        } else {
            let mut bound = u128::from(new.budget.0);
            if price.0 != 0 {
                bound = bound.min(self.cost(price, new.qty.0));
            }
            self.with_worst_fee(bound, new.fee_tier)
        };
        self.check_hold(new.account, new.side, need, 0)
    }

    /// Replace 9.
    pub(super) fn check_hold_of_replace(
        &self,
        order: &Order,
        price: Price,
        leaves: Qty,
    ) -> Result<(), RejectReason> {
        let need = self.need(order.side, price, leaves, order.fee_tier);
        let old = self.need(order.side, order.price, order.leaves, order.fee_tier);
        self.check_hold(order.account, order.side, need, old)
    }

    /// Whether the account can hold `need` in place of `old`.
    fn check_hold(
        &self,
        account: AccountId,
        side: Side,
        need: u128,
        old: u128,
    ) -> Result<(), RejectReason> {
        if self.ledger.is_none() {
            return Ok(());
        }
        if need > MONEY_MAX {
            return Err(RejectReason::AmountTooLarge);
        }
        let more = need.cast_signed() - old.cast_signed();
        if more > self.balance(account, pays(side)).available {
            return Err(RejectReason::InsufficientFunds);
        }
        Ok(())
    }

    /// A trade moves money between the two and to the fee account.
    pub(super) fn pay(&mut self, maker: &Order, taker: &Order, price: Price, qty: u64) {
        if self.ledger.is_none() {
            return;
        }
        let notional = self.cost(price, qty).cast_signed();
        let lots = i128::from(qty) * i128::from(self.spec.lot_units);
        let rates = |order: &Order| self.fees[usize::from(order.fee_tier.0)];
        // Division of whole numbers rounds towards zero.
        let maker_fee = notional * i128::from(rates(maker).maker_ppm) / 1_000_000;
        let taker_fee = notional * i128::from(rates(taker).taker_ppm) / 1_000_000;
        for (order, fee) in [(maker, maker_fee), (taker, taker_fee)] {
            let sign = match order.side {
                Side::Buy => 1,
                Side::Sell => -1,
            };
            self.add(order.account, PairCurrency::Base, sign * lots);
            self.add(order.account, PairCurrency::Quote, -sign * notional - fee);
        }
        let ledger = self.ledger.as_mut().expect("looked at above");
        ledger.earned += maker_fee + taker_fee;
        assert!(maker_fee + taker_fee >= 0, "the fee account only gains");
    }

    fn add(&mut self, account: AccountId, currency: PairCurrency, amount: i128) {
        let ledger = self.ledger.as_mut().expect("only a market with holds pays");
        *ledger.totals.entry((account, currency)).or_default() += amount;
    }

    /// Nothing came from nowhere and nothing is lost.
    pub fn check_sums(&self) {
        let Some(ledger) = &self.ledger else {
            return;
        };
        for currency in [PairCurrency::Base, PairCurrency::Quote] {
            let of_currency = ledger.totals.iter().filter(|((_, c), _)| *c == currency);
            let mut sum: i128 = of_currency.map(|(_, total)| *total).sum();
            if currency == PairCurrency::Quote {
                sum += ledger.earned;
            }
            let supply = ledger.supply.get(&currency).copied().unwrap_or(0);
            assert_eq!(sum, supply, "totals and fees are credits - debits");
        }
    }

    /// The same, and nobody holds more than it has.
    pub fn check_conservation(&self) {
        self.check_sums();
        let Some(ledger) = &self.ledger else {
            return;
        };
        let accounts: Vec<_> = ledger.totals.keys().copied().collect();
        for (account, currency) in accounts {
            self.balance(account, currency);
        }
    }
}

/// What an order of this side pays in.
fn pays(side: Side) -> PairCurrency {
    match side {
        Side::Buy => PairCurrency::Quote,
        Side::Sell => PairCurrency::Base,
    }
}
