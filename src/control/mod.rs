//! A tenant's control stream: which currencies, markets and accounts it has, and the funding of
//! its accounts.
//!
//! A pure state machine, as a market is one: [`Control::apply`] takes commands in order; the same
//! commands give the same state. What a command leads to outside (a book opens, money moves) is a
//! value, an [`Effect`], for whoever runs it once the command is durable.
//!
//! Must never: know another tenant, read a clock, or touch a book or a balance.

mod account;
mod currency;
mod funding;
mod market;
mod sharded;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};

use souk_engine::{FeeRates, MarketLimits};
use souk_protocol::message::{
    CreateAccount, CreateCurrency, CreateMarket, Credit, CurrencyDefinition, Debit, SetFees,
    SetMarketLimits, SetMarketState, Transfer, UpdateAccount, UpdateCurrency,
};
use souk_protocol::{AccountId, Amount, FeeGroup, MarketId, MarketState, RejectReason, Text};

pub use account::{AccountTerms, FEE_ACCOUNT};
pub use funding::Movement;
pub use market::{MarketTerms, Step, UnitsError, tell_limits, units};

use currency::Currency;
use funding::{FundingKey, FundingRecord};
use sharded::Sharded;

/// The code of a currency.
pub type CurrencyCode = Text<8>;
/// The platform's own name for an account.
pub type ExternalId = Text<32>;

/// Most currencies of a tenant.
pub const CURRENCIES_MAX: usize = 4_096;
/// Most markets of a tenant.
pub const MARKETS_MAX: usize = 100_000;

/// Most accounts of a tenant.
pub const ACCOUNTS_MAX: usize = 1 << 24;
/// Most idempotency keys of a tenant, which are remembered for good.
pub const FUNDINGS_MAX: usize = 1 << 24;

/// Who keeps the money of a tenant's accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Custody {
    /// Souk: orders hold money, trades settle.
    #[default]
    Internal,
    /// The platform: Souk matches without holds and tells what is to be settled.
    External,
}

/// One thing that happens to a tenant, as it came over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlCommand {
    /// A new currency.
    CreateCurrency(CreateCurrency),
    /// Other terms for a currency.
    UpdateCurrency(UpdateCurrency),
    /// A new market.
    CreateMarket(CreateMarket),
    /// Other bounds for a market.
    SetMarketLimits(SetMarketLimits),
    /// What a market accepts from now on.
    SetMarketState(SetMarketState),
    /// What orders of a fee group pay in a market, from the next order on.
    SetFees(SetFees),
    /// A new account.
    CreateAccount(CreateAccount),
    /// Other terms for an account.
    UpdateAccount(UpdateAccount),
    /// Money comes to an account.
    Credit(Credit),
    /// Money leaves an account.
    Debit(Debit),
    /// Money goes from one account to another.
    Transfer(Transfer),
}

/// What an applied command leads to, once it is durable.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A currency is this from now on.
    Currency(CurrencyDefinition),
    /// A market opens.
    MarketCreated(Box<MarketTerms>),
    /// A market gets other bounds.
    Limits {
        /// The market.
        market: MarketId,
        /// Its bounds.
        limits: MarketLimits,
    },
    /// A market accepts something else.
    State {
        /// The market.
        market: MarketId,
        /// Its state.
        state: MarketState,
    },
    /// Orders of a fee group pay other rates.
    Fees {
        /// The market.
        market: MarketId,
        /// The group.
        fee_group: FeeGroup,
        /// The rates.
        rates: FeeRates,
    },
    /// An account is this from now on.
    Account {
        /// The account.
        account: AccountId,
        /// Its terms.
        terms: AccountTerms,
    },
    /// Money moves.
    Moved(Movement),
    /// The same funding was done before; nothing moves.
    Repeated {
        /// What was moved then.
        movement: Movement,
        /// The number it was done under.
        control_seq: u64,
    },
}

impl ControlCommand {
    /// Whether it is about a market, which is told of it.
    #[must_use]
    pub const fn changes_a_market(&self) -> bool {
        matches!(
            self,
            Self::CreateMarket(_)
                | Self::SetMarketLimits(_)
                | Self::SetMarketState(_)
                | Self::SetFees(_)
        )
    }

    /// Whether it takes a place in the node's tables.
    #[must_use]
    pub const fn takes_a_place(&self) -> bool {
        matches!(self, Self::CreateCurrency(_) | Self::CreateAccount(_))
    }

    /// Whether it moves money.
    #[must_use]
    pub const fn is_funding(&self) -> bool {
        matches!(self, Self::Credit(_) | Self::Debit(_) | Self::Transfer(_))
    }
}

/// Takes money that is to leave an account, so that no order and no other funding can.
pub trait Funds {
    /// Takes `amount` off what the account has available.
    ///
    /// # Errors
    /// `InsufficientFunds`.
    fn take(
        &mut self,
        account: AccountId,
        currency: CurrencyCode,
        amount: Amount,
    ) -> Result<(), RejectReason>;
}

/// One tenant's currencies, markets, accounts and fundings.
#[derive(Clone, Debug)]
pub struct Control {
    custody: Custody,
    /// Commands applied.
    seq: u64,
    currencies: BTreeMap<[u8; 8], Currency>,
    markets: BTreeMap<MarketId, MarketTerms>,
    symbols: HashSet<[u8; 24]>,
    accounts: Sharded<AccountId, AccountTerms>,
    external_ids: Sharded<[u8; 32], AccountId>,
    fundings: Sharded<FundingKey, FundingRecord>,
    fundings_max: usize,
}

impl Control {
    /// A tenant that has nothing but its fee account.
    #[must_use]
    pub fn new(custody: Custody) -> Self {
        let mut accounts = Sharded::default();
        accounts.insert(FEE_ACCOUNT, AccountTerms::FEES);
        Self {
            custody,
            seq: 0,
            currencies: BTreeMap::new(),
            markets: BTreeMap::new(),
            symbols: HashSet::new(),
            accounts,
            external_ids: Sharded::default(),
            fundings: Sharded::default(),
            fundings_max: FUNDINGS_MAX,
        }
    }

    /// Commands applied.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Who keeps the money.
    #[must_use]
    pub const fn custody(&self) -> Custody {
        self.custody
    }

    /// How many markets there are.
    #[must_use]
    pub fn markets(&self) -> usize {
        self.markets.len()
    }

    /// The terms of a market.
    #[must_use]
    pub fn terms(&self, market: MarketId) -> Option<&MarketTerms> {
        self.markets.get(&market)
    }

    /// The markets, by id.
    pub fn market_terms(&self) -> impl Iterator<Item = &MarketTerms> {
        self.markets.values()
    }

    /// The accounts, in no order.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountId, &AccountTerms)> {
        self.accounts
            .iter()
            .map(|(account, terms)| (*account, terms))
    }

    /// Whether there is such an account.
    #[must_use]
    pub fn has_account(&self, account: AccountId) -> bool {
        self.accounts.contains(&account)
    }

    /// Digits after the point of a currency's unit, if there is such a currency.
    #[must_use]
    pub fn scale(&self, code: CurrencyCode) -> Option<u8> {
        Some(self.currencies.get(&code.0)?.definition.scale)
    }

    /// Credits less debits of a currency, if there is such a currency.
    #[must_use]
    pub fn supply(&self, code: CurrencyCode) -> Option<Amount> {
        Some(self.currencies.get(&code.0)?.supply)
    }

    /// Does what `command` says. A refused command changes nothing and uses up no number.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn apply(
        &mut self,
        command: &ControlCommand,
        funds: &mut impl Funds,
    ) -> Result<Effect, RejectReason> {
        let effect = match command {
            ControlCommand::CreateCurrency(m) => self.create_currency(m),
            ControlCommand::UpdateCurrency(m) => self.update_currency(m),
            ControlCommand::CreateMarket(m) => self.create_market(m),
            ControlCommand::SetMarketLimits(m) => self.set_market_limits(m),
            ControlCommand::SetMarketState(m) => self.set_market_state(m),
            ControlCommand::SetFees(m) => self.set_fees(m),
            ControlCommand::CreateAccount(m) => self.create_account(m),
            ControlCommand::UpdateAccount(m) => self.update_account(m),
            ControlCommand::Credit(m) => self.fund(&Movement::from(m), funds),
            ControlCommand::Debit(m) => self.fund(&Movement::from(m), funds),
            ControlCommand::Transfer(m) => self.fund(&Movement::from(m), funds),
        }?;
        if !matches!(effect, Effect::Repeated { .. }) {
            self.seq += 1;
        }
        Ok(effect)
    }

    fn currency(&self, code: CurrencyCode) -> Result<&Currency, RejectReason> {
        self.currencies
            .get(&code.0)
            .ok_or(RejectReason::UnknownCurrency)
    }

    fn market(&mut self, market: MarketId) -> Result<&mut MarketTerms, RejectReason> {
        self.markets
            .get_mut(&market)
            .ok_or(RejectReason::UnknownMarket)
    }

    fn account(&self, account: AccountId) -> Result<&AccountTerms, RejectReason> {
        self.accounts
            .get(&account)
            .ok_or(RejectReason::UnknownAccount)
    }
}
