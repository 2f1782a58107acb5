//! A node's state in bytes, and back: all tenants, then all markets.

use hashbrown::HashMap;
use souk_engine::{FeeRates, MarketLimits, TakesBytes};
use souk_protocol::{AccountId, Amount, FeeGroup, MarketId, Price, Qty, TenantId, Text};

use super::{Recovery, RecoveryError, market_seat, tenants};
use crate::control::{Control, Custody, FEE_ACCOUNT};
use crate::handoff::{MarketChange, TenantIndex};
use crate::ledger::CurrencyIndex;
use crate::storage::{StateFileError, StateReader, StateWriter};

/// What the open orders of accounts need, by currency.
type Needs = HashMap<(TenantIndex, AccountId, CurrencyIndex), u128>;

const STATE: u8 = 0;
const LIMITS: u8 = 1;
const FEES: u8 = 2;

impl Recovery {
    /// Writes everything.
    pub(crate) fn write_state(&self, out: &mut StateWriter) {
        let known: Vec<_> = tenants(&self.config)
            .filter(|(index, _)| self.streams.is_known(*index))
            .collect();
        out.u32(known.len() as u32);
        for (index, tenant) in known {
            let name = Text::<32>::new(&tenant.name);
            out.u32(tenant.id.0);
            out.take(
                &name
                    .expect("a tenant's name is checked with its configuration")
                    .0,
            );
            out.u8(u8::from(tenant.control.custody() == Custody::External));
            let route = self.directory.tenants[index.0 as usize].control;
            self.matchers[route.matcher].write_state(route.seat, out);
            self.treasury.write_state(index, out);
        }
        let markets = self.streams.markets();
        out.u32(markets.len() as u32);
        for ((tenant, market), route) in markets {
            out.u32(tenant.0);
            out.u32(market.0);
            let matcher = &self.matchers[route.matcher];
            matcher.write_state(route.seat, out);
            matcher.journal().write_state(route.seat, out);
            let decided = self.streams.decided_of(tenant, market);
            out.u32(decided.len() as u32);
            decided.iter().for_each(|change| write_change(change, out));
        }
    }

    /// Restores everything into a node that has nothing yet.
    pub(crate) fn read_state(&mut self, source: &mut StateReader) -> Result<(), RecoveryError> {
        let mut markets = 0;
        for _ in 0..source.u32()? {
            let id = TenantId(source.u32()?);
            let name: Text<32> = Text(source.bytes()?);
            let custody = match source.u8()? {
                0 => Custody::Internal,
                1 => Custody::External,
                other => return Err(source.content("a tenant's custody", other.into()).into()),
            };
            let index = self.check_tenant(id, custody, name.as_str())?;
            let control = Control::read_state(source, custody)?;
            markets += control.markets();
            self.restore_tenant(index, control);
            self.treasury.read_state(index, source)?;
        }
        let count = source.u32()?;
        if count as usize != markets {
            return Err(source.content("the number of markets", count.into()).into());
        }
        let mut needs = Needs::default();
        for _ in 0..count {
            self.restore_market(source, &mut needs)?;
        }
        self.check_held(needs, source)
    }

    /// Whether what balances have on hold is what the open orders need.
    fn check_held(&self, mut needs: Needs, source: &StateReader) -> Result<(), RecoveryError> {
        let ledger = self.treasury.ledger();
        for balance in ledger.all_balances() {
            let (tenant, account) = ledger.account_owner(balance.account);
            let need = needs.remove(&(tenant, account, balance.currency));
            let held = balance.view.held.0;
            if need.unwrap_or(0) != u128::from(held) {
                return Err(source
                    .content("what a balance holds for its orders", held)
                    .into());
            }
        }
        match needs.keys().next() {
            Some((_, account, _)) => {
                let what = "the account of orders that nothing is held for";
                Err(source.content(what, account.0.into()).into())
            }
            None => Ok(()),
        }
    }

    fn restore_tenant(&mut self, index: TenantIndex, control: Control) {
        let entry = &self.directory.tenants[index.0 as usize];
        for definition in control.currencies() {
            self.treasury.define_currency(index, definition.code);
            entry.set_currency(*definition);
        }
        for (account, terms) in control.accounts() {
            self.treasury.set_account(index, account, terms);
            if account != FEE_ACCOUNT {
                entry.add_account(account);
            }
        }
        let route = entry.control;
        self.matchers[route.matcher].restore_control(route.seat, index, control);
    }

    fn restore_market(
        &mut self,
        source: &mut StateReader,
        needs: &mut Needs,
    ) -> Result<(), RecoveryError> {
        let (id, market) = (TenantId(source.u32()?), MarketId(source.u32()?));
        let unknown = |source: &StateReader| source.content("a market's tenant", id.0.into());
        let index = tenants(&self.config)
            .find(|(_, tenant)| tenant.id == id)
            .map(|(index, _)| index)
            .ok_or_else(|| unknown(source))?;
        let entry = &self.directory.tenants[index.0 as usize];
        let control = self.matchers[entry.control.matcher].control(entry.control.seat);
        let terms = control.and_then(|control| control.terms(market));
        let terms = terms.ok_or_else(|| unknown(source))?.clone();
        if self.streams.has(id, market) {
            return Err(source.content("a market's place", market.0.into()).into());
        }
        let matcher = self.matcher_of(index, &terms);
        let history = self.config.history;
        let seat = market_seat(&self.treasury, index, entry.custody, &terms, history);
        let route = self.streams.add(index, id, market, matcher);
        let matcher = &mut self.matchers[matcher];
        let mut needed = |account, [base, quote]: [u128; 2]| {
            let holds = seat.custody == Custody::Internal;
            for (currency, need) in [(seat.base, base), (seat.quote, quote)] {
                if holds && need > 0 {
                    *needs.entry((index, account, currency)).or_default() += need;
                }
            }
        };
        let fees = matcher.restore_market(&seat, source, &mut needed)?;
        matcher.journal_mut().restore_market(&seat, fees, source)?;
        entry.add_market(route, terms.definition);
        for _ in 0..source.u32()? {
            let change = read_change(source)?;
            self.streams.decided(id, market, change);
        }
        Ok(())
    }
}

pub(super) fn write_change(change: &MarketChange, out: &mut StateWriter) {
    match change {
        MarketChange::State(state) => {
            out.u8(STATE);
            out.u8(*state as u8);
        }
        MarketChange::Limits(limits) => {
            out.u8(LIMITS);
            for number in [
                limits.price_min.0.cast_unsigned(),
                limits.price_max.0.cast_unsigned(),
                limits.qty_min.0,
                limits.qty_max.0,
                limits.notional_min.0,
                limits.notional_max.0,
            ] {
                out.u64(number);
            }
            out.u32(limits.orders_max);
            out.u32(limits.account_orders_max);
        }
        MarketChange::Fees { fee_group, rates } => {
            out.u8(FEES);
            out.u16(fee_group.0);
            out.u32(rates.maker_ppm.cast_unsigned());
            out.u32(rates.taker_ppm.cast_unsigned());
        }
    }
}

fn read_change(source: &mut StateReader) -> Result<MarketChange, StateFileError> {
    Ok(match source.u8()? {
        STATE => MarketChange::State(source.word()?),
        LIMITS => MarketChange::Limits(MarketLimits {
            price_min: Price(source.u64()?.cast_signed()),
            price_max: Price(source.u64()?.cast_signed()),
            qty_min: Qty(source.u64()?),
            qty_max: Qty(source.u64()?),
            notional_min: Amount(source.u64()?),
            notional_max: Amount(source.u64()?),
            orders_max: source.u32()?,
            account_orders_max: source.u32()?,
        }),
        FEES => MarketChange::Fees {
            fee_group: FeeGroup(source.u16()?),
            rates: FeeRates {
                maker_ppm: source.u32()?.cast_signed(),
                taker_ppm: source.u32()?.cast_signed(),
            },
        },
        other => return Err(source.content("a change of a market", other.into())),
    })
}
