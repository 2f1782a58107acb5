//! The balances of the used accounts: what changed is what their reports said was traded, and what
//! is held is what their open orders need. With the fee account in sight, nothing came or went.

use std::collections::BTreeMap;
use std::fmt;

use souk_protocol::message::{BalanceEntry, Trade};
use souk_protocol::{AccountId, Side, TenantId, Text};

use super::Fault;
use crate::connection::{Connection, ConnectionError};
use crate::funding::is_out_of_sight;
use crate::load::LoadConfig;
use crate::money::{FEE_ACCOUNT, Terms};
use crate::report::Verified;
use crate::session::Plan;
use crate::stream::Stream;

/// What an account traded in a market, in lots, ticks and units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Lots bought less lots sold.
    lots: i128,
    /// Price x quantity of what was sold less that of what was bought.
    turnover: i128,
    /// Fees paid, as the reports told them.
    fees: i128,
}

impl Flow {
    /// Adds what an execution moved.
    #[inline]
    pub(crate) fn note(&mut self, trade: &Trade) {
        let lots = i128::from(trade.qty.0);
        let turnover = i128::from(trade.price.0) * lots;
        let sign = match trade.side {
            Side::Buy => 1,
            Side::Sell => -1,
        };
        self.lots += sign * lots;
        self.turnover -= sign * turnover;
        self.fees += i128::from(trade.fee);
    }
}

/// A balance.
type Place = (TenantId, AccountId, Text<8>);
/// Total and held.
type Amounts = (i128, i128);

/// The balances that could be seen before the load.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    /// Accounts that can be seen, the fee account among them where the key may.
    accounts: BTreeMap<(TenantId, AccountId), usize>,
    balances: BTreeMap<Place, Amounts>,
}

impl Opening {
    /// Looks at the accounts of all sessions, and at the fee accounts of their tenants.
    pub(crate) fn look(
        plan: &Plan,
        connections: &mut [Connection],
    ) -> Result<Self, ConnectionError> {
        let mut opening = Self::default();
        let sessions = plan.sessions.iter().zip(connections).enumerate();
        for (index, (session, connection)) in sessions {
            for account in session.accounts.iter().copied().chain([FEE_ACCOUNT]) {
                let place = (session.tenant, account);
                if opening.accounts.contains_key(&place) {
                    continue;
                }
                match connection.balances(account) {
                    Ok(entries) => {
                        opening.accounts.insert(place, index);
                        opening.take(place, &entries);
                    }
                    Err(error) if is_out_of_sight(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(opening)
    }

    fn take(&mut self, (tenant, account): (TenantId, AccountId), entries: &[BalanceEntry]) {
        for entry in entries {
            let amounts = (i128::from(entry.total.0), i128::from(entry.held.0));
            let place = (tenant, account, entry.currency);
            self.balances.insert(place, amounts);
        }
    }

    fn amounts(&self, place: &Place) -> Amounts {
        self.balances.get(place).copied().unwrap_or_default()
    }
}

/// What was verified of the money.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct MoneyCheck {
    /// Balances that are what the reports make of them.
    pub balances: usize,
    /// Tenants whose fee account was seen: there, what all accounts lost it gained.
    pub tenants_conserved: usize,
    /// Whether `held` of buys was compared too, because the rates are known.
    pub buys_held: bool,
    /// Whether each fee was compared with the rates.
    pub fees: bool,
}

impl fmt::Display for MoneyCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.balances == 0 {
            return f.write_str(
                "money not verified: it is not in the server's custody, or others move it too",
            );
        }
        write!(
            f,
            "money: {} balances changed by what was traded",
            self.balances
        )?;
        if self.tenants_conserved > 0 {
            let tenants = self.tenants_conserved;
            write!(
                f,
                ", conserved in {tenants} tenants with their fee accounts"
            )?;
        }
        f.write_str(match self.fees {
            true => ", every fee by the rates",
            false => " (fees as reported: --maker-ppm and --taker-ppm would verify them)",
        })
    }
}

/// Compares the balances at the end with what the reports make of those at the beginning. A tenant
/// one of whose sessions was ended by the server is left out: what that one missed is not known.
pub(crate) fn check_money(
    config: &LoadConfig,
    plan: &Plan,
    streams: &[Vec<Stream>],
    connections: &mut [Option<Connection>],
    verified: &mut Verified,
) -> Result<(), ConnectionError> {
    let mut closing = Opening::default();
    for ((tenant, account), session) in &plan.opening.accounts {
        let ended = plan.sessions.iter().zip(connections.iter());
        let mut of_tenant = ended.filter(|(session, _)| session.tenant == *tenant);
        if of_tenant.any(|(_, connection)| connection.is_none()) {
            continue;
        }
        if let Some(connection) = &mut connections[*session] {
            let entries = connection.balances(*account)?;
            closing.accounts.insert((*tenant, *account), *session);
            closing.take((*tenant, *account), &entries);
        }
    }
    let changes = changes(config, plan, streams);
    let mut places: Vec<Place> = changes.keys().copied().collect();
    places.extend(closing.balances.keys());
    places.sort_unstable();
    places.dedup();
    for place in places {
        let (tenant, account, currency) = place;
        // What others trade changes the fee account too.
        let with_others = plan.markets.iter().any(|m| m.tenant == tenant && m.others);
        let unknown = account == FEE_ACCOUNT && with_others;
        if unknown || !closing.accounts.contains_key(&(tenant, account)) {
            continue;
        }
        let (before, after) = (plan.opening.amounts(&place), closing.amounts(&place));
        let (change, held) = changes.get(&place).copied().unwrap_or_default();
        let hold_fits = held.is_none_or(|held| after.1 == before.1 + held);
        if after.0 == before.0 + change && hold_fits {
            verified.money.balances += 1;
            continue;
        }
        verified.faults.note(
            Fault::BalanceDiffers,
            format_args!(
                "tenant {tenant} account {account} {}: total and held were {before:?}, reports add \
                 {change} and {held:?}, and are {after:?}",
                currency.as_str()
            ),
        );
    }
    check_conservation(plan, &closing, verified);
    verified.money.fees = config.rates.is_some();
    verified.money.buys_held = config.rates.is_some();
    Ok(())
}

/// What the reports make of the balances: the change of the total, and what the orders that are
/// left hold, where it can be known: that of buys only with the rates.
fn changes(
    config: &LoadConfig,
    plan: &Plan,
    streams: &[Vec<Stream>],
) -> BTreeMap<Place, (i128, Option<i128>)> {
    let mut changes: BTreeMap<Place, (i128, Option<i128>)> = BTreeMap::new();
    for stream in streams.iter().flatten() {
        let market = &plan.markets[stream.plan_market];
        let (tenant, terms) = (market.tenant, Terms::from(&market.definition));
        let mut add = |account, currency, total: i128, held: Option<i128>| {
            let entry = changes
                .entry((tenant, account, currency))
                .or_insert((0, Some(0)));
            entry.0 += total;
            entry.1 = entry.1.zip(held).map(|(sum, held)| sum + held);
        };
        for (account, flow) in stream.accounts.iter().zip(&stream.flows) {
            let base = flow.lots * i128::from(terms.lot_units);
            let quote = flow.turnover * i128::from(terms.notional_unit) - flow.fees;
            add(*account, terms.base, base, Some(0));
            add(*account, terms.quote, quote, Some(0));
            add(FEE_ACCOUNT, terms.quote, flow.fees, Some(0));
        }
        for order in stream.orders.live() {
            let account = stream.accounts[order.account as usize];
            let need = |rates: crate::money::Rates| {
                rates.need(&terms, order.side, order.price.0, order.leaves.0)
            };
            match order.side {
                Side::Buy => add(account, terms.quote, 0, config.rates.map(need)),
                Side::Sell => {
                    let need = need(config.rates.unwrap_or_default());
                    add(account, terms.base, 0, Some(need));
                }
            }
        }
    }
    changes
}

/// Where the fee account is in sight and all who trade are, the totals together have not changed.
fn check_conservation(plan: &Plan, closing: &Opening, verified: &mut Verified) {
    let tenants = closing.accounts.keys().filter(|(_, a)| *a == FEE_ACCOUNT);
    for (tenant, _) in tenants {
        if plan.markets.iter().any(|m| m.tenant == *tenant && m.others) {
            continue;
        }
        let mut sums: BTreeMap<Text<8>, i128> = BTreeMap::new();
        let of_tenant = |(place, _): &(&Place, &Amounts)| place.0 == *tenant;
        for ((_, _, currency), (total, _)) in closing.balances.iter().filter(of_tenant) {
            *sums.entry(*currency).or_default() += total;
        }
        for ((_, _, currency), (total, _)) in plan.opening.balances.iter().filter(of_tenant) {
            *sums.entry(*currency).or_default() -= total;
        }
        let mut whole = true;
        for (currency, change) in sums {
            if change != 0 {
                whole = false;
                verified.faults.note(
                    Fault::MoneyNotConserved,
                    format_args!("tenant {tenant}: {change} units of {}", currency.as_str()),
                );
            }
        }
        verified.money.tenants_conserved += usize::from(whole);
    }
}
