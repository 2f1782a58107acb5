//! The balances and accounts of the node, shared by all matchers and publishers.
//!
//! Matchers `hold` when a command is numbered; publishers `commit` when its batch has passed the
//! journal. So money is taken early and given late, and a balance is a sum of the changes of
//! its streams, in whatever order they come.
//!
//! Must never: take a lock that is not one balance's own where orders pass; let a number become
//! negative; move or free a balance; know a market, an order or a fee.

mod accounts;
mod audit;
mod balance;
mod chunks;
mod owners;
mod wallets;

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

pub use souk_protocol::AccountStatus;
use souk_protocol::{AccountId, Amount, StpGroup};

pub use self::accounts::{ACCOUNTS_MAX, AccountIndex, AccountTerms};
pub use self::audit::{BalanceRecord, Sums, Unsound};
pub use self::balance::{BalanceView, Change, InsufficientFunds};
pub use self::wallets::{Leg, Wallet, Wallets};

use self::accounts::{Account, Accounts};
use self::balance::Balance;
use self::chunks::Chunks;
use self::owners::{Found, Owner, Tree};
use crate::ids::TenantIndex;

/// Balances that a node can hold.
pub const BALANCES_MAX: usize = 1 << 28;
/// Currencies that a node can hold.
pub const CURRENCIES_MAX: usize = 1 << 18;
/// The most of a currency that can exist: then every sum of balances fits.
pub const SUPPLY_MAX: Amount = Amount(i64::MAX as u64);

/// What a balance is made of and how its lock is waited for.
mod sync {
    pub(super) use std::hint::spin_loop;
    pub(super) use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};
    pub(super) use std::thread::yield_now;
}

const _: () = assert!(size_of::<Balance>() == 32, "two balances fill a cache line");

/// A chunk of balances is two mebibytes: with huge pages, what an allocator rounds up is resident memory
/// too, and of small chunks it rounds up a third.
const BALANCE_CHUNK_LEN: usize = 1 << 16;
const CURRENCY_CHUNK_LEN: usize = 64;

/// A tenant's currency: its place in the node's table of currencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CurrencyIndex(pub u32);

/// A balance that exists: one account, one currency. Good for as long as the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BalanceSlot(u32);

/// A credit would make more of a currency than can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a credit of {asked} would make more of the currency than {SUPPLY_MAX}: there are {supply}"
)]
pub struct SupplyExceeded {
    /// The credit.
    pub asked: Amount,
    /// What there is, with credits that were admitted and are not committed yet.
    pub supply: Amount,
}

/// Credits less debits. On a line of its own: currencies are of different tenants.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Supply {
    /// With credits that are admitted and not committed yet. Invariant: at most [`SUPPLY_MAX`].
    admitted: AtomicI64,
    /// Committed.
    supply: AtomicI64,
}

/// Accounts, their balances, and how much of each currency there is.
pub struct Ledger {
    accounts: Accounts,
    balances: Chunks<Balance, BALANCE_CHUNK_LEN>,
    owners: Chunks<Owner, BALANCE_CHUNK_LEN>,
    balances_len: AtomicU32,
    supplies: Chunks<Supply, CURRENCY_CHUNK_LEN>,
    currencies_len: AtomicU32,
    /// Taken to make a balance or a currency, never to use one.
    growing: Mutex<()>,
}

impl Ledger {
    /// No currencies and no accounts.
    #[must_use]
    pub fn new() -> Self {
        Self {
            accounts: Accounts::new(),
            balances: Chunks::new(BALANCES_MAX / BALANCE_CHUNK_LEN),
            owners: Chunks::new(BALANCES_MAX / BALANCE_CHUNK_LEN),
            balances_len: AtomicU32::new(0),
            supplies: Chunks::new(CURRENCIES_MAX / CURRENCY_CHUNK_LEN),
            currencies_len: AtomicU32::new(0),
            growing: Mutex::new(()),
        }
    }

    /// A new currency: one for each (tenant, code), numbered 0, 1, 2 ... over the whole node.
    ///
    /// # Panics
    /// When there are [`CURRENCIES_MAX`].
    pub fn add_currency(&self) -> CurrencyIndex {
        let _one = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let index = self.currencies_len.load(Ordering::Relaxed);
        self.supplies.reach(index);
        self.currencies_len.store(index + 1, Ordering::Release);
        CurrencyIndex(index)
    }

    /// Takes the memory for so many accounts and balances now. Without it some new balance, one in
    /// tens of thousands, waits until the system has given and cleared two mebibytes.
    pub fn reserve(&self, accounts: u32, balances: u32) {
        self.accounts.reserve(accounts);
        for index in (0..balances).step_by(BALANCE_CHUNK_LEN) {
            self.balances.reach(index);
            self.owners.reach(index);
        }
    }

    /// How many currencies there are.
    #[must_use]
    pub fn currencies(&self) -> u32 {
        self.currencies_len.load(Ordering::Acquire)
    }

    /// Opens an account.
    ///
    /// # Panics
    /// When the tenant has it already, or when there are [`ACCOUNTS_MAX`].
    pub fn open_account(
        &self,
        tenant: TenantIndex,
        id: AccountId,
        terms: AccountTerms,
    ) -> AccountIndex {
        self.accounts.open(tenant, id, terms)
    }

    /// The account of a tenant with this id.
    #[must_use]
    pub fn account(&self, tenant: TenantIndex, id: AccountId) -> Option<AccountIndex> {
        self.accounts.find(tenant, id)
    }

    /// How many accounts there are.
    #[must_use]
    pub fn accounts(&self) -> u32 {
        self.accounts.len()
    }

    /// Whose account it is, and its id there.
    #[must_use]
    pub fn account_owner(&self, account: AccountIndex) -> (TenantIndex, AccountId) {
        self.account_at(account).owner()
    }

    /// What an account may do.
    #[inline]
    #[must_use]
    pub fn status(&self, account: AccountIndex) -> AccountStatus {
        self.account_at(account).status()
    }

    /// What picks an account's fees.
    #[inline]
    #[must_use]
    pub fn fee_group(&self, account: AccountIndex) -> u16 {
        self.account_at(account).fee_group()
    }

    /// Whom an account does not trade with.
    #[inline]
    #[must_use]
    pub fn stp_group(&self, account: AccountIndex) -> StpGroup {
        self.account_at(account).stp_group()
    }

    /// All of what an operator sets. Each is right by itself; a change may be seen half.
    #[inline]
    #[must_use]
    pub fn terms(&self, account: AccountIndex) -> AccountTerms {
        let account = self.account_at(account);
        AccountTerms {
            status: account.status(),
            fee_group: account.fee_group(),
            stp_group: account.stp_group(),
        }
    }

    /// Changes what an operator sets. Matchers see it soon, not at once.
    pub fn set_terms(&self, account: AccountIndex, terms: AccountTerms) {
        self.account_at(account).set_terms(terms);
    }

    /// Whether somebody wants to be told of this account's balances.
    #[inline]
    #[must_use]
    pub fn watched(&self, account: AccountIndex) -> bool {
        self.account_at(account).watched()
    }

    /// Says whether somebody wants to be told of this account's balances.
    pub fn set_watched(&self, account: AccountIndex, watched: bool) {
        self.account_at(account).set_watched(watched);
    }

    /// The balance of an account in a currency, if it exists.
    #[must_use]
    pub fn balance(&self, account: AccountIndex, currency: CurrencyIndex) -> Option<BalanceSlot> {
        match self.find(account, currency) {
            Found::Balance(slot) => Some(slot),
            Found::Gap(_) => None,
        }
    }

    /// The balance of an account in a currency, which exists from now on.
    ///
    /// # Panics
    /// When the currency does not exist, or when there are [`BALANCES_MAX`] balances.
    pub fn balance_or_new(&self, account: AccountIndex, currency: CurrencyIndex) -> BalanceSlot {
        if let Found::Balance(slot) = self.find(account, currency) {
            return slot;
        }
        let known = currency.0 < self.currencies();
        assert!(known, "a currency is added first: {currency:?}");
        let _one = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        // Again: another thread may have been here in between.
        match self.find(account, currency) {
            Found::Balance(slot) => slot,
            Found::Gap(gap) => {
                let slot = self.add_balance(account, currency);
                owners::hang(gap, slot);
                slot
            }
        }
    }

    /// Takes from what is available, or refuses and changes nothing. What is held so is no longer
    /// available, and becomes part of `held` or leaves the total when its command is committed.
    ///
    /// # Errors
    /// [`InsufficientFunds`].
    #[inline]
    pub fn hold(&self, slot: BalanceSlot, amount: Amount) -> Result<(), InsufficientFunds> {
        self.balances.get(slot.0).hold(amount)
    }

    /// Adds the change of a command whose batch has passed the journal. Whoever settles takes
    /// from those who pay before it gives to those who receive: then no total is ever above the supply.
    ///
    /// # Panics
    /// When something would be negative: then the ledger or its caller is wrong.
    #[inline]
    pub fn commit(&self, slot: BalanceSlot, change: Change) -> BalanceView {
        self.balances.get(slot.0).commit(change)
    }

    /// Adds the change of a recorded command, also of one that other streams pay for which are not
    /// replayed yet. A hold that the record says was granted is taken by `available: -amount`, and
    /// nobody is asked. When all streams are replayed, [`Self::check_at_rest`] says if it adds up; until then nothing
    /// else may use the balance.
    pub fn replay(&self, slot: BalanceSlot, change: Change) {
        self.balances.get(slot.0).replay(change);
    }

    /// What is committed of a balance: the numbers of one moment.
    #[must_use]
    pub fn view(&self, slot: BalanceSlot) -> BalanceView {
        self.balances.get(slot.0).read().view()
    }

    /// What could be held now: what is committed and not held, less what commands hold that are not
    /// committed yet.
    #[inline]
    #[must_use]
    pub fn available(&self, slot: BalanceSlot) -> Amount {
        Amount(self.balances.get(slot.0).available().max(0) as u64)
    }

    /// Credits at once: [`Self::admit_credit`] and [`Self::commit_credit`].
    ///
    /// # Errors
    /// [`SupplyExceeded`].
    pub fn credit(&self, slot: BalanceSlot, amount: Amount) -> Result<BalanceView, SupplyExceeded> {
        let (_, currency) = self.balance_owner(slot);
        self.admit_credit(currency, amount)?;
        Ok(self.commit_credit(slot, amount))
    }

    /// Debits at once: [`Self::hold`] and [`Self::commit_debit`].
    ///
    /// # Errors
    /// [`InsufficientFunds`].
    pub fn debit(
        &self,
        slot: BalanceSlot,
        amount: Amount,
    ) -> Result<BalanceView, InsufficientFunds> {
        self.hold(slot, amount)?;
        Ok(self.commit_debit(slot, amount))
    }

    /// Makes room for a credit when its command is numbered.
    ///
    /// # Errors
    /// [`SupplyExceeded`]; then nothing has changed.
    pub fn admit_credit(
        &self,
        currency: CurrencyIndex,
        amount: Amount,
    ) -> Result<(), SupplyExceeded> {
        let admitted = &self.supplies.get(currency.0).admitted;
        let more = |supply: i64| supply.checked_add(i64::try_from(amount.0).ok()?);
        let done = admitted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        done.map(|_| ()).map_err(|supply| SupplyExceeded {
            asked: amount,
            supply: Amount(supply as u64),
        })
    }

    /// Adds a credit that was admitted, when its command has passed the journal.
    pub fn commit_credit(&self, slot: BalanceSlot, amount: Amount) -> BalanceView {
        let (change, currency) = (credited(amount), self.balance_owner(slot).1);
        let supply = &self.supplies.get(currency.0).supply;
        supply.fetch_add(change.total, Ordering::Relaxed);
        self.commit(slot, change)
    }

    /// Takes a debit, which was held, out of the total, when its command has passed the journal.
    pub fn commit_debit(&self, slot: BalanceSlot, amount: Amount) -> BalanceView {
        let total = -credited(amount).total;
        let view = self.commit(
            slot,
            Change {
                total,
                ..Change::default()
            },
        );
        self.add_supply(slot, total);
        view
    }

    /// Adds a recorded credit: see [`Self::replay`].
    pub fn replay_credit(&self, slot: BalanceSlot, amount: Amount) {
        self.add_supply(slot, credited(amount).total);
        self.replay(slot, credited(amount));
    }

    /// Takes a recorded debit: see [`Self::replay`].
    pub fn replay_debit(&self, slot: BalanceSlot, amount: Amount) {
        let total = -credited(amount).total;
        self.add_supply(slot, total);
        self.replay(
            slot,
            Change {
                total,
                held: 0,
                available: total,
            },
        );
    }

    /// Sets a balance that nobody uses yet to what it was, and counts it to the supply.
    pub fn restore(&self, slot: BalanceSlot, view: &BalanceView) {
        self.balances.get(slot.0).restore(view);
        self.add_supply(slot, credited(view.total).total);
    }

    /// Whose balance it is, and in which currency.
    #[must_use]
    pub fn balance_owner(&self, slot: BalanceSlot) -> (AccountIndex, CurrencyIndex) {
        let owner = self.owner_at(slot);
        let account = owner.account().expect("a slot is given out with its owner");
        (account, owner.currency())
    }

    fn add_supply(&self, slot: BalanceSlot, amount: i64) {
        let (_, currency) = self.balance_owner(slot);
        let cell = self.supplies.get(currency.0);
        cell.supply.fetch_add(amount, Ordering::Relaxed);
        cell.admitted.fetch_add(amount, Ordering::Relaxed);
    }

    fn add_balance(&self, account: AccountIndex, currency: CurrencyIndex) -> BalanceSlot {
        let slot = BalanceSlot(self.balances_len.load(Ordering::Relaxed));
        self.balances.reach(slot.0);
        self.owners.reach(slot.0);
        self.owner_at(slot).set(account, currency);
        self.balances_len.store(slot.0 + 1, Ordering::Release);
        slot
    }

    fn find(&self, account: AccountIndex, currency: CurrencyIndex) -> Found<'_> {
        let root = &self.account_at(account).root;
        owners::find(root, |slot| self.owner_at(slot), currency)
    }

    #[inline]
    fn account_at(&self, account: AccountIndex) -> &Account {
        self.accounts.get(account)
    }

    fn owner_at(&self, slot: BalanceSlot) -> &Owner {
        self.owners.get(slot.0)
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger")
            .field("currencies", &self.currencies())
            .field("accounts", &self.accounts())
            .field("balances", &self.balances())
            .finish_non_exhaustive()
    }
}

/// What a credit changes. Amounts above [`SUPPLY_MAX`] are refused before they come here.
fn credited(amount: Amount) -> Change {
    let amount = i64::try_from(amount.0).expect("an amount is at most SUPPLY_MAX");
    Change {
        total: amount,
        held: 0,
        available: amount,
    }
}

#[cfg(test)]
mod tests;
