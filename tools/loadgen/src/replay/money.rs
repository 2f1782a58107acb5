//! The money of a replay: what the accounts have before and after, and what they must have by the
//! list of executions and the orders that are left.

use std::collections::BTreeMap;

use souk_protocol::message::BalanceEntry;
use souk_protocol::{AMOUNT_MAX, AccountId, Amount, Liquidity, Side, Text};

use super::recorder::Complaints;
use super::set::{Input, Operation, RestingRow, Set, TradeRow};
use super::{Played, ReplayError};
use crate::connection::Connection;
use crate::funding::Funds;
use crate::money::{FEE_ACCOUNT, Rates, Terms};

/// Which account enters which order: a fixed hash of the recorded order id decides, so that both
/// sides of an execution are often different accounts and sometimes the same.
#[derive(Clone, Debug)]
pub(crate) struct Dealing(Vec<AccountId>);

impl Dealing {
    /// Orders are dealt out to these accounts; `None` when there is none.
    pub(crate) fn new(accounts: Vec<AccountId>) -> Option<Self> {
        (!accounts.is_empty()).then_some(Self(accounts))
    }

    pub(crate) fn account_of(&self, order_id: u64) -> AccountId {
        let mixed = (order_id ^ (order_id >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        self.0[mixed as usize % self.0.len()]
    }

    /// The first account, for what belongs to no order.
    pub(crate) fn first(&self) -> AccountId {
        self.0[0]
    }
}

/// How the money of a replay is looked after. The key needs the permission `funding`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MoneyOption {
    /// Whether the accounts are credited with what the set needs before it begins.
    pub fund: bool,
    /// What accounts pay that have no rates of their own here.
    pub rates: Rates,
    /// What some accounts pay.
    pub account_rates: BTreeMap<AccountId, Rates>,
}

impl MoneyOption {
    fn rates_of(&self, account: AccountId) -> Rates {
        let own = self.account_rates.get(&account);
        own.copied().unwrap_or(self.rates)
    }
}

/// A balance has an account and a currency.
type Place = (AccountId, Text<8>);

/// What the server said of the accounts, and what it must be measured by.
#[derive(Clone, Debug)]
pub struct MoneySeen {
    /// Every balance of the accounts and of the fee account before the first input.
    pub before: BTreeMap<Place, BalanceEntry>,
    /// What was credited then.
    pub credits: BTreeMap<Place, Amount>,
    /// Every balance after the last answer.
    pub after: BTreeMap<Place, BalanceEntry>,
    /// Currencies and units of each symbol's market.
    pub terms: BTreeMap<u32, Terms>,
    option: MoneyOption,
    dealing: Dealing,
}

impl MoneySeen {
    /// Looks at the accounts and credits them.
    pub(crate) fn open(
        connection: &mut Connection,
        set: &Set,
        terms: BTreeMap<u32, Terms>,
        dealing: &Dealing,
        option: &MoneyOption,
    ) -> Result<Self, ReplayError> {
        let mut seen = Self {
            before: BTreeMap::new(),
            credits: BTreeMap::new(),
            after: BTreeMap::new(),
            terms,
            option: option.clone(),
            dealing: dealing.clone(),
        };
        seen.before = seen.look(connection)?;
        if option.fund {
            for (place, needed) in seen.needs(set) {
                let amount = seen.credit(connection, place, needed)?;
                seen.credits.insert(place, amount);
            }
        }
        Ok(seen)
    }

    /// Looks at the accounts again.
    pub(crate) fn close(&mut self, connection: &mut Connection) -> Result<(), ReplayError> {
        self.after = self.look(connection)?;
        Ok(())
    }

    fn look(
        &self,
        connection: &mut Connection,
    ) -> Result<BTreeMap<Place, BalanceEntry>, ReplayError> {
        let mut balances = BTreeMap::new();
        for account in self.dealing.0.iter().copied().chain([FEE_ACCOUNT]) {
            let entries = connection
                .balances(account)
                .map_err(|error| ReplayError::Money { account, error })?;
            balances.extend(entries.iter().map(|e| ((account, e.currency), *e)));
        }
        Ok(balances)
    }

    /// What every order of the set holds when it is entered, all of them together: more than the
    /// accounts ever need.
    fn needs(&self, set: &Set) -> BTreeMap<Place, i128> {
        let mut needs = BTreeMap::new();
        let enters =
            |input: &&Input| !matches!(input.operation, Operation::Cancel | Operation::Reduce);
        for input in set.inputs.iter().filter(enters) {
            let id = match input.operation {
                Operation::Replace => input.new_id,
                _ => input.order_id,
            };
            let order = RestingRow {
                sym: input.sym,
                side: input.side,
                price: input.price,
                order_id: id,
                qty: input.qty,
            };
            let (place, need) = self.need(&order);
            let sum: &mut i128 = needs.entry(place).or_default();
            *sum = sum.saturating_add(need);
        }
        needs
    }

    /// Where an open order holds money, and how much.
    fn need(&self, order: &RestingRow) -> (Place, i128) {
        let (account, terms) = (
            self.dealing.account_of(order.order_id),
            self.terms_of(order.sym),
        );
        let currency = match order.side {
            Side::Buy => terms.quote,
            Side::Sell => terms.base,
        };
        let rates = self.option.rates_of(account);
        let need = rates.need(terms, order.side, order.price, order.qty);
        ((account, currency), need)
    }

    fn terms_of(&self, sym: u32) -> &Terms {
        let terms = self.terms.get(&sym);
        terms.expect("every symbol of the set has a market, or the replay had not begun")
    }

    fn credit(
        &self,
        connection: &mut Connection,
        (account, currency): Place,
        needed: i128,
    ) -> Result<Amount, ReplayError> {
        let amount = u64::try_from(needed).map(Amount);
        let amount = amount.ok().filter(|amount| *amount <= AMOUNT_MAX);
        let amount = amount.ok_or(ReplayError::TooMuchMoney { account, needed })?;
        let scales = self.terms.values().find_map(|terms| match currency {
            code if code == terms.base => Some(terms.base_scale),
            code if code == terms.quote => Some(terms.quote_scale),
            _ => None,
        });
        let funds = Funds {
            account,
            currency,
            scale: scales.expect("what is needed is a currency of a market"),
            amount,
        };
        let result = connection.credit(&funds);
        result.map_err(|error| ReplayError::Money { account, error })?;
        Ok(amount)
    }

    /// What the balances must be by these executions and these open orders: total and held.
    fn expected(&self, trades: &[TradeRow], open: &[RestingRow]) -> BTreeMap<Place, (i128, i128)> {
        let mut expected: BTreeMap<Place, (i128, i128)> = BTreeMap::new();
        for (place, entry) in &self.before {
            let held = i128::from(entry.held.0);
            expected.insert(*place, (i128::from(entry.total.0), held));
        }
        for (place, amount) in &self.credits {
            expected.entry(*place).or_default().0 += i128::from(amount.0);
        }
        // Goldens may name symbols that are not there; the comparison of the rows says so.
        let known = |sym| self.terms.contains_key(&sym);
        for trade in trades.iter().filter(|trade| known(trade.sym)) {
            for (place, change) in self.changes(trade) {
                let total = &mut expected.entry(place).or_default().0;
                *total = total.saturating_add(change);
            }
        }
        for order in open.iter().filter(|order| known(order.sym)) {
            let (place, need) = self.need(order);
            let held = &mut expected.entry(place).or_default().1;
            *held = held.saturating_add(need);
        }
        expected
    }

    /// What an execution adds to balances: to the buyer's and the seller's two, and to the fee
    /// account's.
    fn changes(&self, trade: &TradeRow) -> [(Place, i128); 5] {
        let terms = self.terms_of(trade.sym);
        let (base, notional) = (
            terms.base(trade.qty),
            terms.notional(trade.price, trade.qty),
        );
        let (maker_fee, taker_fee) = self.fees(trade);
        let maker = (self.dealing.account_of(trade.maker_id), maker_fee);
        let taker = (self.dealing.account_of(trade.taker_id), taker_fee);
        let (buyer, seller) = match trade.taker_side {
            Side::Buy => (taker, maker),
            Side::Sell => (maker, taker),
        };
        [
            ((buyer.0, terms.base), base),
            ((buyer.0, terms.quote), -notional - buyer.1),
            ((seller.0, terms.base), -base),
            ((seller.0, terms.quote), notional - seller.1),
            ((FEE_ACCOUNT, terms.quote), maker_fee + taker_fee),
        ]
    }

    /// The fees of maker and taker.
    fn fees(&self, trade: &TradeRow) -> (i128, i128) {
        let notional = self.terms_of(trade.sym).notional(trade.price, trade.qty);
        let fee = |order_id, liquidity| {
            let rates = self.option.rates_of(self.dealing.account_of(order_id));
            rates.fee(liquidity, notional)
        };
        (
            fee(trade.maker_id, Liquidity::Maker),
            fee(trade.taker_id, Liquidity::Taker),
        )
    }

    /// Executions between two accounts, and of an account with itself.
    #[must_use]
    pub fn parties(&self, trades: &[TradeRow]) -> (usize, usize) {
        let account = |order_id| self.dealing.account_of(order_id);
        let (alone, between): (Vec<&TradeRow>, Vec<_>) = trades
            .iter()
            .partition(|trade| account(trade.maker_id) == account(trade.taker_id));
        (between.len(), alone.len())
    }
}

/// Compares the money with the executions: the goldens where there are some. Gives the number of
/// balances.
pub(crate) fn check(set: &Set, played: &Played, differences: &mut Complaints) -> Option<usize> {
    let seen = played.money.as_ref()?;
    let trades = set.trades.as_ref().unwrap_or(&played.trades);
    let open = set.final_book.as_ref().unwrap_or(&played.final_book);
    let told = played.trades.iter().zip(&played.fees);
    for (number, (trade, (maker, taker))) in told.enumerate() {
        let expected = seen.fees(trade);
        if expected != (i128::from(*maker), i128::from(*taker)) {
            let number = number + 1;
            differences.add(|| {
                format!("fees of execution {number} must be {expected:?}, are ({maker}, {taker})")
            });
        }
    }
    let expected = seen.expected(trades, open);
    let told = |(account, currency): &Place| {
        let none = no_balance(*currency);
        seen.after
            .get(&(*account, *currency))
            .copied()
            .unwrap_or(none)
    };
    for (place, (total, held)) in &expected {
        let (found, (account, currency)) = (told(place), place);
        let amounts = [found.total, found.held, found.available].map(|a| i128::from(a.0));
        if amounts != [*total, *held, total - held] {
            let currency = currency.as_str();
            differences.add(|| {
                format!(
                    "balance of account {account} in {currency} must be total {total}, held \
                     {held}, available {}, and is {amounts:?}",
                    total - held
                )
            });
        }
    }
    for (account, currency) in seen.after.keys() {
        if !expected.contains_key(&(*account, *currency)) {
            differences.add(|| format!("account {account} has {}", currency.as_str()));
        }
    }
    conserved(seen, differences);
    Some(expected.len())
}

/// The totals together are what they were before and what was credited, whatever was traded.
fn conserved(seen: &MoneySeen, differences: &mut Complaints) {
    let mut sums: BTreeMap<Text<8>, (i128, i128)> = BTreeMap::new();
    for ((_, currency), entry) in &seen.before {
        sums.entry(*currency).or_default().0 += i128::from(entry.total.0);
    }
    for ((_, currency), amount) in &seen.credits {
        sums.entry(*currency).or_default().0 += i128::from(amount.0);
    }
    for ((_, currency), entry) in &seen.after {
        sums.entry(*currency).or_default().1 += i128::from(entry.total.0);
    }
    for (currency, (there, found)) in sums {
        if there != found {
            let currency = currency.as_str();
            differences.add(|| format!("{there} {currency} must be there in all, {found} are"));
        }
    }
}

const fn no_balance(currency: Text<8>) -> BalanceEntry {
    BalanceEntry {
        currency,
        total: Amount(0),
        held: Amount(0),
        available: Amount(0),
        sequence: 0,
    }
}
