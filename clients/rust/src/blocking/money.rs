//! The requests about money and the tenant's control stream, each waiting for its answer.

use super::Client;
use crate::message::{BalanceEntry, FundingResult, RequestAccepted, SettlementsFrom};
use crate::{
    AccountId, AccountTerms, ClientError, Currency, CurrencyTerms, FeeGroup, FeeTerms, Funding,
    MarketId, MarketLimits, MarketState, MarketTerms, Movement, Statement, Text,
};

impl Client {
    /// Brings money into an account.
    ///
    /// # Errors
    /// As [`crate::Client::credit`].
    pub fn credit(&self, funding: &Funding) -> Result<FundingResult, ClientError> {
        self.wait(self.client().credit(funding))
    }

    /// Takes money out of an account.
    ///
    /// # Errors
    /// As [`crate::Client::debit`].
    pub fn debit(&self, funding: &Funding) -> Result<FundingResult, ClientError> {
        self.wait(self.client().debit(funding))
    }

    /// Moves money between two accounts.
    ///
    /// # Errors
    /// As [`crate::Client::transfer`].
    pub fn transfer(&self, movement: &Movement) -> Result<FundingResult, ClientError> {
        self.wait(self.client().transfer(movement))
    }

    /// The balances of an account, one for each currency it ever had.
    ///
    /// # Errors
    /// As [`crate::Client::balances`].
    pub fn balances(&self, account: AccountId) -> Result<Vec<BalanceEntry>, ClientError> {
        self.wait(self.client().balances(account))
    }

    /// The balance of an account in one currency; `None` if it never had any.
    ///
    /// # Errors
    /// As [`crate::Client::balance`].
    pub fn balance(
        &self,
        account: AccountId,
        currency: Text<8>,
    ) -> Result<Option<BalanceEntry>, ClientError> {
        self.wait(self.client().balance(account, currency))
    }

    /// What changed a balance after `after_sequence` (0: ever): at most `count` entries, 1 to 512.
    ///
    /// # Errors
    /// As [`crate::Client::statement`].
    pub fn statement(
        &self,
        account: AccountId,
        currency: Text<8>,
        after_sequence: u64,
        count: u16,
    ) -> Result<Statement, ClientError> {
        self.wait(
            self.client()
                .statement(account, currency, after_sequence, count),
        )
    }

    /// The balances of an account now, and every change of them as an event from now on.
    ///
    /// # Errors
    /// As [`crate::Client::subscribe_account`].
    pub fn subscribe_account(&self, account: AccountId) -> Result<Vec<BalanceEntry>, ClientError> {
        self.wait(self.client().subscribe_account(account))
    }

    /// The settlements of a market from `from_number` on, as events.
    ///
    /// # Errors
    /// As [`crate::Client::settlements`].
    pub fn settlements(
        &self,
        market: MarketId,
        from_number: u64,
    ) -> Result<SettlementsFrom, ClientError> {
        self.wait(self.client().settlements(market, from_number))
    }

    /// The tenant's currencies.
    ///
    /// # Errors
    /// As [`crate::Client::currencies`].
    pub fn currencies(&self) -> Result<Vec<Currency>, ClientError> {
        self.wait(self.client().currencies())
    }

    /// Creates a currency.
    ///
    /// # Errors
    /// As [`crate::Client::create_currency`].
    pub fn create_currency(&self, terms: &CurrencyTerms) -> Result<RequestAccepted, ClientError> {
        self.wait(self.client().create_currency(terms))
    }

    /// Changes a currency: everything but its scale.
    ///
    /// # Errors
    /// As [`crate::Client::update_currency`].
    pub fn update_currency(&self, terms: &CurrencyTerms) -> Result<RequestAccepted, ClientError> {
        self.wait(self.client().update_currency(terms))
    }

    /// Creates a market.
    ///
    /// # Errors
    /// As [`crate::Client::create_market`].
    pub fn create_market(&self, terms: &MarketTerms) -> Result<RequestAccepted, ClientError> {
        self.wait(self.client().create_market(terms))
    }

    /// Changes the bounds of a market.
    ///
    /// # Errors
    /// As [`crate::Client::set_market_limits`].
    pub fn set_market_limits(
        &self,
        market: MarketId,
        limits: &MarketLimits,
    ) -> Result<RequestAccepted, ClientError> {
        self.wait(self.client().set_market_limits(market, limits))
    }

    /// Opens, halts or closes a market to new orders.
    ///
    /// # Errors
    /// As [`crate::Client::set_market_state`].
    pub fn set_market_state(
        &self,
        market: MarketId,
        state: MarketState,
    ) -> Result<RequestAccepted, ClientError> {
        self.wait(self.client().set_market_state(market, state))
    }

    /// Sets what the accounts of a group pay in a market, for orders accepted from then on.
    ///
    /// # Errors
    /// As [`crate::Client::set_fees`].
    pub fn set_fees(
        &self,
        market: MarketId,
        group: FeeGroup,
        fees: &FeeTerms,
    ) -> Result<RequestAccepted, ClientError> {
        self.wait(self.client().set_fees(market, group, fees))
    }

    /// Creates an account. `external_id` is the platform's own id of the user, or empty.
    ///
    /// # Errors
    /// As [`crate::Client::create_account`].
    pub fn create_account(
        &self,
        terms: &AccountTerms,
        external_id: Text<32>,
    ) -> Result<RequestAccepted, ClientError> {
        self.wait(self.client().create_account(terms, external_id))
    }

    /// Changes groups and status of an account.
    ///
    /// # Errors
    /// As [`crate::Client::update_account`].
    pub fn update_account(&self, terms: &AccountTerms) -> Result<RequestAccepted, ClientError> {
        self.wait(self.client().update_account(terms))
    }
}
