//! The audit's own ledger: plain numbers in a map, wide enough never to overflow.

use std::collections::BTreeMap;

use souk_engine::{BalanceChange, BalanceSink, PairCurrency};
use souk_protocol::{AccountId, Amount};

use crate::control::{CurrencyCode, FEE_ACCOUNT};

/// One balance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PlainBalance {
    pub total: i128,
    pub held: i128,
    pub available: i128,
}

/// The balances of a tenant, by account and currency.
#[derive(Debug, Default)]
pub(super) struct PlainLedger {
    balances: BTreeMap<(AccountId, [u8; 8]), PlainBalance>,
}

impl PlainLedger {
    pub(super) fn balance(&mut self, account: AccountId, code: CurrencyCode) -> &mut PlainBalance {
        self.balances.entry((account, code.0)).or_default()
    }

    pub(super) fn get(&self, account: AccountId, code: CurrencyCode) -> PlainBalance {
        let balance = self.balances.get(&(account, code.0));
        balance.copied().unwrap_or_default()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (AccountId, CurrencyCode, PlainBalance)> {
        self.balances
            .iter()
            .map(|((account, code), balance)| (*account, souk_protocol::Text(*code), *balance))
    }
}

/// Settles a command of one market.
pub(super) struct PlainSink<'a> {
    pub ledger: &'a mut PlainLedger,
    pub base: CurrencyCode,
    pub quote: CurrencyCode,
}

impl BalanceSink for PlainSink<'_> {
    fn change(&mut self, change: BalanceChange) {
        let code = match change.currency {
            PairCurrency::Base => self.base,
            PairCurrency::Quote => self.quote,
        };
        let balance = self.ledger.balance(change.account, code);
        balance.total += i128::from(change.total);
        balance.held += i128::from(change.held);
        balance.available += i128::from(change.available);
    }

    fn earn(&mut self, fees: Amount) {
        let balance = self.ledger.balance(FEE_ACCOUNT, self.quote);
        balance.total += i128::from(fees.0);
        balance.available += i128::from(fees.0);
    }
}
