//! Where an audit begins when the first segments of a journal are gone: the state in the oldest snapshot that is whole. What stands
//! there is taken over and checked as the end of a journal is; what is nothing of money is passed over.
//!
//! Must never: panic on what a file says.

use souk_engine::{GivesBytes, Market};
use souk_protocol::message::Settlement;
use souk_protocol::{AMOUNT_MAX, AccountId, Block, MarketId, SessionId, TenantId, Text};

use super::Audit;
use super::market::{INDEX_KEY, MarketReplay};
use super::tenant::TenantReplay;
use crate::control::{Control, Custody};
use crate::storage::{StateFileError, StateReader};

/// Bytes of an entry of a statement: account, currency, six numbers, market, kind.
const STATEMENT_LEN: usize = 4 + 8 + 6 * 8 + 4 + 1;
/// Bytes of a session's terms behind its number: incarnation, when its orders are canceled, after how long.
const TERMS_LEN: usize = 8 + 1 + 4;
/// Bytes of a fee group and its tier.
const TIER_LEN: usize = 2 + 1;
/// Bytes of a change that is not in its market's stream yet, by its kind: state, limits, fees.
const CHANGE_LENS: [usize; 3] = [1, 6 * 8 + 2 * 4, 2 + 2 * 4];
/// Bytes that are passed over at once.
const PASSED_LEN: usize = 4_096;

impl Audit {
    /// Takes over the state of a snapshot.
    pub(super) fn read_state(&mut self, source: &mut StateReader) -> Result<(), StateFileError> {
        let mut markets = 0;
        for _ in 0..source.u32()? {
            let (id, name) = (TenantId(source.u32()?), Text::<32>(source.bytes()?));
            let custody = match source.u8()? {
                0 => Custody::Internal,
                1 => Custody::External,
                other => return Err(source.content("a tenant's custody", other.into())),
            };
            let control = Control::read_state(source, custody)?;
            markets += control.markets();
            let mut tenant = TenantReplay::resume(id, name.as_str(), control);
            tenant.read_balances(source)?;
            self.tenants.insert(id, tenant);
        }
        let count = source.u32()?;
        if count as usize != markets {
            return Err(source.content("the number of markets", count.into()));
        }
        for _ in 0..count {
            let (id, market) = (TenantId(source.u32()?), MarketId(source.u32()?));
            match self.tenants.get_mut(&id) {
                Some(tenant) => tenant.read_market(market, source)?,
                None => return Err(source.content("a market's tenant", id.0.into())),
            }
        }
        for tenant in self.tenants.values() {
            tenant.finish(&mut self.findings);
        }
        Ok(())
    }
}

impl TenantReplay {
    fn read_balances(&mut self, source: &mut StateReader) -> Result<(), StateFileError> {
        for _ in 0..source.u32()? {
            let (account, code) = (AccountId(source.u32()?), Text(source.bytes()?));
            let (total, held) = (source.u64()?, source.u64()?);
            // How often it was told.
            source.u64()?;
            if !self.control.has_account(account) || self.control.scale(code).is_none() {
                return Err(source.content("a balance's account", account.0.into()));
            }
            if total > AMOUNT_MAX.0 || held > total {
                return Err(source.content("a balance", total));
            }
            let balance = self.ledger.balance(account, code);
            (balance.total, balance.held) = (total.into(), held.into());
            balance.available = balance.total - balance.held;
        }
        let entries = source.u32()?;
        pass(source, entries, STATEMENT_LEN)
    }

    fn read_market(
        &mut self,
        id: MarketId,
        source: &mut StateReader,
    ) -> Result<(), StateFileError> {
        let Some(terms) = self.control.terms(id) else {
            return Err(source.content("a market", id.0.into()));
        };
        let seq = source.u64()?;
        let mut marks = Vec::new();
        for _ in 0..source.u32()? {
            marks.push((SessionId(source.u32()?), source.u64()?));
            pass(source, 1, TERMS_LEN)?;
            let accounts = source.u32()?;
            pass(source, accounts, 4)?;
        }
        let tiers = source.u32()?;
        pass(source, tiers, TIER_LEN)?;
        // What the orders need is compared with what is held in the end; here it must be an amount.
        let read = Market::read_state(source, INDEX_KEY, Some(&mut |_, _| {}));
        let (market, _) = read.map_err(|error| source.market(error))?;
        let custody = self.control.custody();
        let mut replay = MarketReplay::resume(terms, custody, market);
        replay.seq = seq;
        replay.marks.extend(marks);
        if self.markets.insert(id, replay).is_some() {
            return Err(source.content("a market's place", id.0.into()));
        }
        pass_reports(source)?;
        for _ in 0..source.u32()? {
            let kind = source.u8()?;
            let len = CHANGE_LENS.get(usize::from(kind));
            let len = len.ok_or_else(|| source.content("a change of a market", kind.into()))?;
            pass(source, 1, *len)?;
        }
        Ok(())
    }
}

/// Passes over what a publisher keeps of a market.
fn pass_reports(source: &mut StateReader) -> Result<(), StateFileError> {
    // Up to where it has settled.
    pass(source, 1, 8)?;
    for _ in 0..source.u32()? {
        // A session, the number of its last report, and the reports.
        pass(source, 1, 4 + 8)?;
        let len = source.u32()?;
        pass(source, len, 1)?;
    }
    // The number of the last settlement, and the settlements.
    pass(source, 1, 8)?;
    let settlements = source.u32()?;
    pass(source, settlements, Settlement::LEN)
}

/// Passes over `count` parts of `len` bytes each.
fn pass(source: &mut StateReader, count: u32, len: usize) -> Result<(), StateFileError> {
    let mut bytes = [0; PASSED_LEN];
    let mut left = u64::from(count) * len as u64;
    while left > 0 {
        let next = left.min(PASSED_LEN as u64);
        source.fill(&mut bytes[..next as usize])?;
        left -= next;
    }
    Ok(())
}
