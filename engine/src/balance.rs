//! What settlement tells: changes of balances.

use souk_protocol::{AccountId, Amount, Side};

/// A currency of a market's pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PairCurrency {
    /// What is bought and sold.
    Base,
    /// What is paid.
    Quote,
}

impl PairCurrency {
    /// What an order of this side pays in, and holds.
    #[must_use]
    #[inline]
    pub const fn paid_by(side: Side) -> Self {
        match side {
            Side::Buy => Self::Quote,
            Side::Sell => Self::Base,
        }
    }
}

/// What a command changes in one balance. Changes of one balance add up; in which order is the
/// same to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceChange {
    /// Whose balance.
    pub account: AccountId,
    /// Which of the pair's two.
    pub currency: PairCurrency,
    /// To what it has in all.
    pub total: i64,
    /// To what its open orders hold.
    pub held: i64,
    /// To what may be held or debited now. Not `total - held`: the hold of the command itself was
    /// taken when the command came in.
    pub available: i64,
}

/// Receives what a command changes in balances. At no moment is the sum of totals, in either
/// currency, above what it was before the command: who gets is told after all who pay for it.
pub trait BalanceSink {
    /// One change, not nothing.
    fn change(&mut self, change: BalanceChange);

    /// What a trade changes in both balances of one account, in this order; neither is nothing.
    #[inline]
    fn change_both(&mut self, changes: [BalanceChange; 2]) {
        changes.into_iter().for_each(|change| self.change(change));
    }

    /// What the command earned in fees, in quote currency, not 0. Told once, at the end.
    fn earn(&mut self, fees: Amount);
}
