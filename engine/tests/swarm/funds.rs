//! What the ledger around a market does, as plainly as it can be done: it takes the engine's
//! holds, and applies what settlement says of each command.

use crate::oracle::ledger::{Balance, Funding};
use souk_engine::{BalanceChange, BalanceSink, Hold, PairCurrency};
use souk_protocol::{AMOUNT_MAX, AccountId, Amount, RejectReason};
use std::collections::BTreeMap;

/// All balances of a market's accounts.
#[derive(Debug, Default)]
pub struct Funds {
    balances: BTreeMap<(AccountId, PairCurrency), Account>,
    supply: BTreeMap<PairCurrency, i64>,
    /// How far the sum of totals is from what it was before the command.
    drift: BTreeMap<PairCurrency, i128>,
    pub earned: i64,
}

/// One balance. `available` is not `total - held` while a command is under way.
#[derive(Debug, Default)]
struct Account {
    total: i64,
    held: i64,
    available: i64,
}

impl Funds {
    pub fn hold(&mut self, hold: Hold) -> Result<(), RejectReason> {
        assert!(hold.amount.0 > 0, "a hold is not nothing: {hold:?}");
        let key = (hold.account, PairCurrency::paid_by(hold.side));
        let balance = self.balances.entry(key).or_default();
        let amount = i64::try_from(hold.amount.0).expect("the engine looked at that");
        if balance.available < amount {
            return Err(RejectReason::InsufficientFunds);
        }
        balance.available -= amount;
        Ok(())
    }

    pub fn fund(&mut self, funding: &Funding) -> bool {
        let supply = self.supply.entry(funding.currency).or_default();
        let key = (funding.account, funding.currency);
        let balance = self.balances.entry(key).or_default();
        // An overflow is beyond 2^63 - 1 too.
        let Some(more) = supply.checked_add(funding.amount) else {
            return false;
        };
        if balance.available.checked_add(funding.amount) < Some(0) {
            return false;
        }
        *supply = more;
        balance.total += funding.amount;
        balance.available += funding.amount;
        true
    }

    pub fn balance(&self, account: AccountId, currency: PairCurrency) -> Balance {
        let nothing = Account::default();
        let balance = self.balances.get(&(account, currency)).unwrap_or(&nothing);
        Balance {
            total: balance.total.into(),
            held: balance.held.into(),
            available: balance.available.into(),
        }
    }

    /// Another command is settled.
    pub fn begin(&mut self) {
        self.drift.clear();
    }

    /// The command is settled: what was paid was received, to the unit.
    pub fn end(&self) {
        for (currency, drift) in &self.drift {
            assert_eq!(*drift, 0, "a command makes no money: {currency:?}");
        }
    }

    /// Another may spend at once what came in.
    fn check_paid_for(&mut self, currency: PairCurrency, total: i64) {
        let drift = self.drift.entry(currency).or_default();
        *drift += i128::from(total);
        assert!(*drift <= 0, "received before it was paid: {currency:?}");
    }

    /// A fee besides those that settlement takes: for faults.
    pub fn pay_fee(&mut self, account: AccountId, fee: i64) {
        let key = (account, PairCurrency::Quote);
        let balance = self.balances.entry(key).or_default();
        balance.total -= fee;
        balance.available -= fee;
        self.earned += fee;
    }

    /// Quote currency is not available any more, and nobody knows why: for faults.
    pub fn lose(&mut self, account: AccountId, amount: i64) {
        let key = (account, PairCurrency::Quote);
        let balance = self.balances.entry(key).or_default();
        balance.available -= amount.min(balance.available);
    }

    /// After a command has been settled, everything adds up.
    pub fn check_conservation(&self) {
        for currency in [PairCurrency::Base, PairCurrency::Quote] {
            let of_currency = self.balances.iter().filter(|((_, c), _)| *c == currency);
            let mut sum: i128 = of_currency.map(|(_, b)| i128::from(b.total)).sum();
            if currency == PairCurrency::Quote {
                sum += i128::from(self.earned);
            }
            let supply = self.supply.get(&currency).copied().unwrap_or(0);
            assert_eq!(sum, i128::from(supply), "totals and fees are the supply");
        }
        for (key, balance) in &self.balances {
            let Account {
                total,
                held,
                available,
            } = balance;
            assert_eq!(total - held, *available, "no hold is left over: {key:?}");
        }
    }
}

impl BalanceSink for Funds {
    fn change(&mut self, change: BalanceChange) {
        let key = (change.account, change.currency);
        let balance = self.balances.entry(key).or_default();
        balance.total += change.total;
        balance.held += change.held;
        balance.available += change.available;
        let Account {
            total,
            held,
            available,
        } = *balance;
        let least = total.min(held).min(available).min(total - held - available);
        assert!(
            least >= 0,
            "nothing is ever negative: {balance:?} {change:?}"
        );
        self.check_paid_for(change.currency, change.total);
    }

    fn earn(&mut self, fees: Amount) {
        assert!(0 < fees.0 && fees <= AMOUNT_MAX, "fees are a legal amount");
        self.earned += fees.0.cast_signed();
        self.check_paid_for(PairCurrency::Quote, fees.0.cast_signed());
    }
}
