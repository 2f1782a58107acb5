//! What an audit reads: every balance, and the sums that must agree.

use std::sync::atomic::Ordering;

use super::{AccountIndex, BalanceSlot, BalanceView, CurrencyIndex, Ledger, Tree};

/// A balance with its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceRecord {
    /// Where it is.
    pub slot: BalanceSlot,
    /// Whose it is.
    pub account: AccountIndex,
    /// What it counts.
    pub currency: CurrencyIndex,
    /// What is committed.
    pub view: BalanceView,
    /// What commands hold that are not committed yet. Never negative, except while streams are replayed.
    pub under_way: i128,
}

/// Sums over all balances of a currency. They agree only while nothing is being settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Of the totals.
    pub total: i128,
    /// Of what open orders hold.
    pub held: i128,
    /// Of what commands hold that are not committed yet.
    pub under_way: i128,
    /// Credits less debits: must be the sum of the totals.
    pub supply: i128,
}

/// Why a ledger at rest is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// A number is negative, or something is held by a command that does not exist.
    #[error(
        "balance of {account:?} in {currency:?}: total {total}, held {held}, available {available}; \
         available must be total - held and nothing negative"
    )]
    Balance {
        /// Whose it is.
        account: AccountIndex,
        /// What it counts.
        currency: CurrencyIndex,
        /// Its total.
        total: i64,
        /// What open orders hold.
        held: i64,
        /// What may be held.
        available: i64,
    },
    /// Money appeared or vanished.
    #[error("{currency:?}: totals add up to {total}, credits less debits to {supply}")]
    Supply {
        /// The currency.
        currency: CurrencyIndex,
        /// Sum of the totals.
        total: i128,
        /// Credits less debits.
        supply: i128,
    },
}

impl Ledger {
    /// How many balances exist.
    #[must_use]
    pub fn balances(&self) -> u32 {
        self.balances_len.load(Ordering::Acquire)
    }

    /// The balances of an account that exist, in no order that means anything.
    pub fn balances_of(&self, account: AccountIndex) -> impl Iterator<Item = BalanceRecord> {
        let root = &self.account_at(account).root;
        Tree::new(root, |slot| self.owner_at(slot)).filter_map(|slot| self.record(slot))
    }

    /// All balances that exist, of all tenants.
    pub fn all_balances(&self) -> impl Iterator<Item = BalanceRecord> {
        (0..self.balances()).filter_map(|slot| self.record(BalanceSlot(slot)))
    }

    /// The sums of a currency. Reads all balances: for more than one currency ask for
    /// [`Self::all_sums`].
    #[must_use]
    pub fn sums(&self, currency: CurrencyIndex) -> Sums {
        self.all_sums()[currency.0 as usize]
    }

    /// The sums of all currencies, by index.
    #[must_use]
    pub fn all_sums(&self) -> Vec<Sums> {
        let supply = |index| Sums {
            supply: i128::from(self.supplies.get(index).supply.load(Ordering::Relaxed)),
            ..Sums::default()
        };
        let mut sums: Vec<Sums> = (0..self.currencies()).map(supply).collect();
        for slot in 0..self.balances() {
            let owner = self.owner_at(BalanceSlot(slot));
            if owner.account().is_none() {
                continue;
            }
            // A currency may have been added since.
            if let Some(sums) = sums.get_mut(owner.currency().0 as usize) {
                let raw = self.balances.get(slot).read();
                sums.total += i128::from(raw.total);
                sums.held += i128::from(raw.held);
                sums.under_way += raw.under_way();
            }
        }
        sums
    }

    /// Whether everything adds up when no command is under way: after a replay, and at the end.
    ///
    /// # Errors
    /// The first thing that does not.
    pub fn check_at_rest(&self) -> Result<(), Unsound> {
        self.check_balances(|under_way| under_way == 0)?;
        self.check_supplies()
    }

    fn check_balances(&self, may_be_under_way: impl Fn(i128) -> bool) -> Result<(), Unsound> {
        for slot in 0..self.balances() {
            let owner = self.owner_at(BalanceSlot(slot));
            let Some(account) = owner.account() else {
                continue;
            };
            let raw = self.balances.get(slot).read();
            let negative = (raw.total | raw.held | raw.available) < 0;
            if negative || !may_be_under_way(raw.under_way()) {
                return Err(Unsound::Balance {
                    account,
                    currency: owner.currency(),
                    total: raw.total,
                    held: raw.held,
                    available: raw.available,
                });
            }
        }
        Ok(())
    }

    fn check_supplies(&self) -> Result<(), Unsound> {
        for (index, sums) in (0..).zip(self.all_sums()) {
            if sums.total != sums.supply {
                return Err(Unsound::Supply {
                    currency: CurrencyIndex(index),
                    total: sums.total,
                    supply: sums.supply,
                });
            }
        }
        Ok(())
    }

    /// Whether everything adds up while commands hold what is not committed yet. Nothing is negative at any time; totals add
    /// up only if nothing was settled while this looked, which the caller must know.
    ///
    /// # Errors
    /// The first thing that does not.
    pub fn check_running(&self) -> Result<(), Unsound> {
        self.check_balances(|under_way| under_way >= 0)?;
        self.check_supplies()
    }

    fn record(&self, slot: BalanceSlot) -> Option<BalanceRecord> {
        let owner = self.owner_at(slot);
        let raw = self.balances.get(slot.0).read();
        Some(BalanceRecord {
            slot,
            account: owner.account()?,
            currency: owner.currency(),
            view: raw.view(),
            under_way: raw.under_way(),
        })
    }
}
