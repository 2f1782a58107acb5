//! The handle's requests about money and the tenant's control stream. Each waits for its answer;
//! which permission it needs is in PROTOCOL.md.

use souk_protocol::message::{
    BalanceEntry, BalanceQuery, CurrencyListRequest, FundingResult, RequestAccepted,
    SettlementsFrom, StatementQuery,
};
use souk_protocol::{AccountId, FeeGroup, MarketId, MarketState, Reserved, Text};

use super::Client;
use crate::control::{
    AccountTerms, CurrencyTerms, FeeTerms, MarketLimits, MarketTerms, set_market_state,
};
use crate::error::ClientError;
use crate::money::{Currency, Funding, Movement, Statement};
use crate::request::{Awaited, Request};
use crate::session::Command;

impl Client {
    /// Brings money into an account. Repeat it with the same content when in doubt.
    ///
    /// # Errors
    /// When it is refused, the connection is lost before the answer, or the session is over.
    pub async fn credit(&self, funding: &Funding) -> Result<FundingResult, ClientError> {
        self.fund(funding.credit()).await
    }

    /// Takes money out of an account. Repeat it with the same content when in doubt.
    ///
    /// # Errors
    /// As [`Self::credit`].
    pub async fn debit(&self, funding: &Funding) -> Result<FundingResult, ClientError> {
        self.fund(funding.debit()).await
    }

    /// Moves money between two accounts. Repeat it with the same content when in doubt.
    ///
    /// # Errors
    /// As [`Self::credit`].
    pub async fn transfer(&self, movement: &Movement) -> Result<FundingResult, ClientError> {
        self.fund(movement.transfer()).await
    }

    /// The balances of an account, one for each currency it ever had.
    ///
    /// # Errors
    /// When it is refused, or the session is over.
    pub async fn balances(&self, account: AccountId) -> Result<Vec<BalanceEntry>, ClientError> {
        let query = BalanceQuery {
            request_id: 0,
            account,
            reserved: Reserved,
        };
        let request = Request::new(&query.frame(0));
        self.request(|waiter| {
            Command::Ask(request, Awaited::balances(account, false, Some(waiter)))
        })
        .await
    }

    /// The balance of an account in one currency; `None` if it never had any.
    ///
    /// # Errors
    /// When it is refused, or the session is over.
    pub async fn balance(
        &self,
        account: AccountId,
        currency: Text<8>,
    ) -> Result<Option<BalanceEntry>, ClientError> {
        let balances = self.balances(account).await?;
        let found = balances.iter().find(|entry| entry.currency == currency);
        Ok(found.copied())
    }

    /// What changed a balance after `after_sequence` (0: ever): at most `count` entries, 1 to 512.
    ///
    /// # Errors
    /// When it is refused, or the session is over.
    pub async fn statement(
        &self,
        account: AccountId,
        currency: Text<8>,
        after_sequence: u64,
        count: u16,
    ) -> Result<Statement, ClientError> {
        let query = StatementQuery {
            request_id: 0,
            account,
            count,
            reserved: Reserved,
            currency,
            after_sequence,
        };
        let request = Request::new(&query.frame(0));
        self.request(|waiter| Command::Ask(request, Awaited::Statement(waiter)))
            .await
    }

    /// The balances of an account now, and every change of them as an event from now on. After a
    /// reconnect the client subscribes again by itself.
    ///
    /// # Errors
    /// When it is refused, or the session is over.
    pub async fn subscribe_account(
        &self,
        account: AccountId,
    ) -> Result<Vec<BalanceEntry>, ClientError> {
        self.request(|waiter| Command::SubscribeAccount(account, waiter))
            .await
    }

    /// The settlements of a market from `from_number` on, as events. After a reconnect the client
    /// goes on behind the last one that came.
    ///
    /// # Errors
    /// When it is refused (the number is no longer kept), or the session is over.
    pub async fn settlements(
        &self,
        market: MarketId,
        from_number: u64,
    ) -> Result<SettlementsFrom, ClientError> {
        self.request(|waiter| Command::Settlements(market, from_number, waiter))
            .await
    }

    /// The tenant's currencies.
    ///
    /// # Errors
    /// When the session is over, or a definition makes no sense.
    pub async fn currencies(&self) -> Result<Vec<Currency>, ClientError> {
        let list = CurrencyListRequest { request_id: 0 };
        let request = Request::new(&list.frame(0));
        let definitions = self
            .request(|waiter| Command::Ask(request, Awaited::Currencies(waiter)))
            .await?;
        let currency = |definition: souk_protocol::message::CurrencyDefinition| {
            Currency::new(definition).map_err(|source| ClientError::CurrencyDefinition {
                code: definition.code,
                source,
            })
        };
        definitions.into_iter().map(currency).collect()
    }

    /// Creates a currency.
    ///
    /// # Errors
    /// When it is refused, the connection is lost before the answer, or the session is over.
    pub async fn create_currency(
        &self,
        terms: &CurrencyTerms,
    ) -> Result<RequestAccepted, ClientError> {
        self.control(terms.create()).await
    }

    /// Changes a currency: everything but its scale.
    ///
    /// # Errors
    /// As [`Self::create_currency`].
    pub async fn update_currency(
        &self,
        terms: &CurrencyTerms,
    ) -> Result<RequestAccepted, ClientError> {
        self.control(terms.update()).await
    }

    /// Creates a market.
    ///
    /// # Errors
    /// As [`Self::create_currency`].
    pub async fn create_market(&self, terms: &MarketTerms) -> Result<RequestAccepted, ClientError> {
        self.control(terms.create()).await
    }

    /// Changes the bounds of a market.
    ///
    /// # Errors
    /// As [`Self::create_currency`].
    pub async fn set_market_limits(
        &self,
        market: MarketId,
        limits: &MarketLimits,
    ) -> Result<RequestAccepted, ClientError> {
        self.control(limits.set(market)).await
    }

    /// Opens, halts or closes a market to new orders.
    ///
    /// # Errors
    /// As [`Self::create_currency`].
    pub async fn set_market_state(
        &self,
        market: MarketId,
        state: MarketState,
    ) -> Result<RequestAccepted, ClientError> {
        self.control(set_market_state(market, state)).await
    }

    /// Sets what the accounts of a group pay in a market, for orders accepted from then on.
    ///
    /// # Errors
    /// As [`Self::create_currency`].
    pub async fn set_fees(
        &self,
        market: MarketId,
        group: FeeGroup,
        fees: &FeeTerms,
    ) -> Result<RequestAccepted, ClientError> {
        self.control(fees.set(market, group)).await
    }

    /// Creates an account. `external_id` is the platform's own id of the user, or empty.
    ///
    /// # Errors
    /// As [`Self::create_currency`].
    pub async fn create_account(
        &self,
        terms: &AccountTerms,
        external_id: Text<32>,
    ) -> Result<RequestAccepted, ClientError> {
        self.control(terms.create(external_id)).await
    }

    /// Changes groups and status of an account.
    ///
    /// # Errors
    /// As [`Self::create_currency`].
    pub async fn update_account(
        &self,
        terms: &AccountTerms,
    ) -> Result<RequestAccepted, ClientError> {
        self.control(terms.update()).await
    }

    async fn fund(&self, request: Request) -> Result<FundingResult, ClientError> {
        self.request(|waiter| Command::Ask(request, Awaited::Funding(waiter)))
            .await
    }

    async fn control(&self, request: Request) -> Result<RequestAccepted, ClientError> {
        self.request(|waiter| Command::Ask(request, Awaited::Accepted(waiter)))
            .await
    }
}
