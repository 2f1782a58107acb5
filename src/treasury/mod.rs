//! The money that threads share: the ledger, what it calls currencies, statements, and who hears
//! of changes.
//!
//! Matchers take ([`Treasury::take`], or the ledger's `hold` for orders); publishers settle after the commit; nobody
//! else writes.
//!
//! Must never: give money before the command that earned it is durable.

mod posting;
mod state;
mod statements;
mod watchers;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use souk_protocol::message::{AccountUpdate, BalanceEntry};
use souk_protocol::{AccountId, Amount, RejectReason, Reserved, Text};

use crate::control::{AccountTerms, CurrencyCode, FEE_ACCOUNT, Movement};
use crate::handoff::{Link, TenantIndex};
use crate::history::Recorder;
use crate::ledger::{self, AccountIndex, BalanceSlot, CurrencyIndex, Ledger, Sums};
pub use posting::Posting;
pub use statements::{Page, Statements};
use watchers::Watchers;

/// From here on no currency is added.
const CURRENCIES_FULL: u32 = (ledger::CURRENCIES_MAX - 65_536) as u32;
/// From here on no account is opened.
const ACCOUNTS_FULL: u32 = (ledger::ACCOUNTS_MAX - 65_536) as u32;

/// The money of all tenants of a node.
#[derive(Debug)]
pub struct Treasury {
    ledger: Ledger,
    statements: Statements,
    currencies: RwLock<Currencies>,
    watchers: Watchers,
}

#[derive(Debug, Default)]
struct Currencies {
    by_code: HashMap<(TenantIndex, [u8; 8]), CurrencyIndex>,
    codes: HashMap<CurrencyIndex, CurrencyCode>,
}

/// A movement that is durable.
#[derive(Clone, Copy, Debug)]
pub struct Moved<'a> {
    /// Who gave what to whom.
    pub movement: &'a Movement,
    /// Its number in the tenant's control stream.
    pub control_seq: u64,
    /// When it was applied, nanoseconds since 1970-01-01 UTC; 0 for what was there from the beginning.
    pub transact_time: u64,
}

/// What all balances of a currency come to.
#[derive(Clone, Copy, Debug)]
pub struct CurrencySums {
    /// Whose it is.
    pub tenant: TenantIndex,
    /// The currency.
    pub currency: CurrencyCode,
    /// The sums.
    pub sums: Sums,
    /// What the fee account has.
    pub fees: Amount,
}

/// Watched balances that changed, until their watchers are told.
#[derive(Debug, Default)]
pub struct Touched {
    balances: Vec<(AccountIndex, BalanceSlot)>,
}

impl Treasury {
    /// Nothing yet, for `tenants` tenants whose statements keep `statement_entries_max` entries
    /// each.
    #[must_use]
    pub fn new(tenants: usize, statement_entries_max: usize) -> Self {
        Self {
            ledger: Ledger::new(),
            statements: Statements::new(tenants, statement_entries_max),
            currencies: RwLock::default(),
            watchers: Watchers::default(),
        }
    }

    /// Has every entry of a statement taken down.
    #[must_use]
    pub fn recording(mut self, recorder: Arc<Recorder>) -> Self {
        self.statements.record_with(recorder);
        self
    }

    /// The balances.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What happened to them lately.
    #[must_use]
    pub const fn statements(&self) -> &Statements {
        &self.statements
    }

    /// Whether the node can hold some more currencies and accounts of any tenant: what matchers
    /// decide at the same moment fits, too.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.ledger.currencies() < CURRENCIES_FULL && self.ledger.accounts() < ACCOUNTS_FULL
    }

    /// A tenant's currency.
    #[must_use]
    pub fn currency(&self, tenant: TenantIndex, code: CurrencyCode) -> Option<CurrencyIndex> {
        let currencies = self
            .currencies
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        currencies.by_code.get(&(tenant, code.0)).copied()
    }

    /// Makes a tenant's currency known, if it is not.
    pub fn define_currency(&self, tenant: TenantIndex, code: CurrencyCode) {
        let mut currencies = self
            .currencies
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let Currencies { by_code, codes } = &mut *currencies;
        by_code.entry((tenant, code.0)).or_insert_with(|| {
            let index = self.ledger.add_currency();
            codes.insert(index, code);
            index
        });
    }

    /// The code of a currency.
    #[must_use]
    pub fn code(&self, currency: CurrencyIndex) -> Option<CurrencyCode> {
        let currencies = self
            .currencies
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        currencies.codes.get(&currency).copied()
    }

    /// A tenant's account.
    #[must_use]
    pub fn account(&self, tenant: TenantIndex, account: AccountId) -> Option<AccountIndex> {
        self.ledger.account(tenant, account)
    }

    /// Makes an account known, or its new terms.
    pub fn set_account(&self, tenant: TenantIndex, account: AccountId, terms: &AccountTerms) {
        let terms = ledger::AccountTerms {
            status: terms.status,
            fee_group: terms.fee_group.0,
            stp_group: terms.stp_group,
        };
        match self.ledger.account(tenant, account) {
            Some(index) => self.ledger.set_terms(index, terms),
            None => {
                self.ledger.open_account(tenant, account, terms);
            }
        }
    }

    /// Takes what is to leave an account off what it has available.
    ///
    /// # Errors
    /// `InsufficientFunds`, also when it never had any of that currency.
    pub fn take(
        &self,
        tenant: TenantIndex,
        account: AccountId,
        code: CurrencyCode,
        amount: Amount,
    ) -> Result<(), RejectReason> {
        let slot = self
            .slot(tenant, account, code)
            .ok_or(RejectReason::InsufficientFunds)?;
        self.ledger
            .hold(slot, amount)
            .map_err(|_| RejectReason::InsufficientFunds)
    }

    fn slot(
        &self,
        tenant: TenantIndex,
        account: AccountId,
        code: CurrencyCode,
    ) -> Option<BalanceSlot> {
        let account = self.ledger.account(tenant, account)?;
        self.ledger.balance(account, self.currency(tenant, code)?)
    }

    /// Moves money as a durable command of the control stream says. What leaves was taken before.
    ///
    /// # Panics
    /// When its accounts or its currency are not known: the control stream has made them before.
    pub fn move_money(&self, tenant: TenantIndex, moved: &Moved<'_>, touched: &mut Touched) {
        for posting in self.movement_postings(tenant, moved).iter().flatten() {
            self.post(posting, moved.transact_time);
            let (account, _) = self.ledger.balance_owner(posting.slot);
            touched.add(&self.ledger, account, posting.slot);
        }
    }

    /// What an account has, by code of the currency.
    #[must_use]
    pub fn balances(&self, tenant: TenantIndex, account: AccountId) -> Vec<BalanceEntry> {
        let Some(account) = self.ledger.account(tenant, account) else {
            return Vec::new();
        };
        let entry = |record: ledger::BalanceRecord| {
            Some(BalanceEntry {
                currency: self.code(record.currency)?,
                total: record.view.total,
                held: record.view.held,
                available: record.view.available,
                sequence: record.view.sequence,
            })
        };
        let balances = self.ledger.balances_of(account);
        let mut entries: Vec<_> = balances.filter_map(entry).collect();
        entries.sort_unstable_by_key(|entry| entry.currency.0);
        entries
    }

    /// The sums of all currencies. They agree only while nothing is being settled.
    pub fn sums(&self) -> impl Iterator<Item = CurrencySums> {
        let of: Vec<_> = {
            let currencies = self
                .currencies
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            let of = currencies.by_code.iter();
            of.map(|((tenant, code), index)| (*tenant, Text(*code), *index))
                .collect()
        };
        let sums = self.ledger.all_sums();
        of.into_iter().filter_map(move |(tenant, currency, index)| {
            let account = self.ledger.account(tenant, FEE_ACCOUNT);
            let slot = account.and_then(|account| self.ledger.balance(account, index));
            let fees = slot.map_or(Amount(0), |slot| self.ledger.view(slot).total);
            Some(CurrencySums {
                tenant,
                currency,
                sums: *sums.get(index.0 as usize)?,
                fees,
            })
        })
    }

    /// Sends a connection what happens to an account from now on.
    ///
    /// # Errors
    /// `UnknownAccount`; `TooManySubscriptions` when as many as may watch it already.
    pub fn watch(
        &self,
        tenant: TenantIndex,
        account: AccountId,
        link: &Arc<Link>,
    ) -> Result<(), RejectReason> {
        let account = self
            .ledger
            .account(tenant, account)
            .ok_or(RejectReason::UnknownAccount)?;
        self.watchers.add(&self.ledger, account, link)
    }

    /// Tells watchers what has been touched, each balance once, as it is now.
    pub fn tell_watchers(&self, touched: &mut Touched, transact_time: u64) {
        if touched.balances.is_empty() {
            return;
        }
        touched.balances.sort_unstable();
        touched.balances.dedup();
        for (account, slot) in touched.balances.drain(..) {
            let (_, currency) = self.ledger.balance_owner(slot);
            let (_, id) = self.ledger.account_owner(account);
            let view = self.ledger.view(slot);
            let Some(code) = self.code(currency) else {
                continue;
            };
            let update = AccountUpdate {
                account: id,
                reserved: Reserved,
                currency: code,
                available: view.available,
                held: view.held,
                sequence: view.sequence,
                transact_time,
            };
            self.watchers.send(&self.ledger, account, &update.frame(0));
        }
    }
}

impl Touched {
    /// Remembers a balance that changed, if anybody watches its account.
    #[inline]
    pub fn add(&mut self, ledger: &Ledger, account: AccountIndex, slot: BalanceSlot) {
        if ledger.watched(account) {
            self.balances.push((account, slot));
        }
    }
}
