//! The state of a control stream in bytes, and back.

use souk_engine::{FeeRates, FeeTable, MarketSpec, TakesBytes};
use souk_protocol::message::{CurrencyDefinition, MarketDefinition};
use souk_protocol::{AccountId, Amount, FeeGroup, StpGroup, Text};
use twox_hash::XxHash64;

use super::account::AccountTerms;
use super::currency::Currency;
use super::funding::{FundingKey, FundingRecord};
use super::market::MarketTerms;
use super::{Control, CurrencyCode, Custody, FEE_ACCOUNT};
use crate::storage::{StateFileError, StateReader, StateWriter};

impl Control {
    /// Writes the whole state.
    pub fn write_state(&self, out: &mut StateWriter) {
        self.write_currencies_and_markets(out);
        out.u32(self.accounts.len() as u32);
        for (account, terms) in self.accounts.iter() {
            write_account(*account, terms, out);
        }
        out.u32(self.fundings.len() as u32);
        for (key, record) in self.fundings.iter() {
            write_funding(key, record, out);
        }
    }

    /// A hash of the whole state, in whatever order accounts and fundings are kept.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        let mut out = StateWriter::to_nowhere();
        self.write_currencies_and_markets(&mut out);
        let mut entry = Vec::new();
        let (mut accounts, mut fundings) = (0_u64, 0_u64);
        for (account, terms) in self.accounts.iter() {
            entry.clear();
            write_account(*account, terms, &mut entry);
            accounts = accounts.wrapping_add(XxHash64::oneshot(0, &entry));
        }
        for (key, record) in self.fundings.iter() {
            entry.clear();
            write_funding(key, record, &mut entry);
            fundings = fundings.wrapping_add(XxHash64::oneshot(0, &entry));
        }
        out.u64(accounts);
        out.u64(fundings);
        out.checksum()
    }

    fn write_currencies_and_markets(&self, out: &mut StateWriter) {
        out.u64(self.seq);
        out.u32(self.currencies.len() as u32);
        for currency in self.currencies.values() {
            out.block(&currency.definition);
            out.u64(currency.supply.0);
        }
        out.u32(self.markets.len() as u32);
        for terms in self.markets.values() {
            terms.write_state(out);
        }
    }

    /// The stream whose state was written.
    ///
    /// # Errors
    /// The first thing that is not a control stream's.
    pub fn read_state(source: &mut StateReader, custody: Custody) -> Result<Self, StateFileError> {
        let mut control = Self::new(custody);
        control.seq = source.sequence()?;
        for _ in 0..source.u32()? {
            let definition: CurrencyDefinition = source.block()?;
            let supply = Amount(source.u64()?);
            let code = definition.code.0;
            let currency = Currency { definition, supply };
            if control.currencies.insert(code, currency).is_some() {
                return Err(source.content("a currency's place", 2));
            }
        }
        for _ in 0..source.u32()? {
            let terms = MarketTerms::read_state(source)?;
            let definition = &terms.definition;
            for code in [definition.base, definition.quote] {
                if !control.currencies.contains_key(&code.0) {
                    return Err(source.content("a market's currency", definition.market.0.into()));
                }
            }
            control.symbols.insert(definition.symbol.0);
            control.markets.insert(definition.market, terms);
        }
        for _ in 0..source.u32()? {
            let account = AccountId(source.u32()?);
            let terms = AccountTerms {
                external_id: Text(source.bytes()?),
                status: source.word()?,
                fee_group: FeeGroup(source.u16()?),
                stp_group: StpGroup(source.u16()?),
            };
            if terms.external_id != Text([0; 32]) {
                control.external_ids.insert(terms.external_id.0, account);
            }
            control.accounts.insert(account, terms);
        }
        if !control.accounts.contains(&FEE_ACCOUNT) {
            return Err(source.content("the fee account", 0));
        }
        for _ in 0..source.u32()? {
            let key = FundingKey::read_state(source)?;
            let record = FundingRecord::read_state(source)?;
            control.fundings.insert(key, record);
        }
        Ok(control)
    }

    /// How much there is of each currency: credits less debits.
    pub fn supplies(&self) -> impl Iterator<Item = (CurrencyCode, Amount)> {
        let currencies = self.currencies.values();
        currencies.map(|currency| (currency.definition.code, currency.supply))
    }

    /// The currencies, by code.
    pub fn currencies(&self) -> impl Iterator<Item = &CurrencyDefinition> {
        self.currencies
            .values()
            .map(|currency| &currency.definition)
    }
}

impl MarketTerms {
    fn write_state(&self, out: &mut StateWriter) {
        out.block(&self.definition);
        out.u32(self.spec.orders_max);
        let tiers = self.fees.tiers();
        out.u16(tiers.len() as u16);
        for rates in tiers {
            out.u32(rates.maker_ppm.cast_unsigned());
            out.u32(rates.taker_ppm.cast_unsigned());
        }
    }

    fn read_state(source: &mut StateReader) -> Result<Self, StateFileError> {
        let definition: MarketDefinition = source.block()?;
        let orders_max = source.u32()?;
        let tiers = source.u16()?;
        let rates = |source: &mut StateReader| -> Result<FeeRates, StateFileError> {
            Ok(FeeRates {
                maker_ppm: source.u32()?.cast_signed(),
                taker_ppm: source.u32()?.cast_signed(),
            })
        };
        let first = rates(source)?;
        if tiers == 0 || !first.are_legal() {
            return Err(source.content("a market's number of fee tiers", tiers.into()));
        }
        let mut fees = FeeTable::new(first);
        for _ in 1..tiers {
            let rates = rates(source)?;
            fees.add(rates).map_err(|reason| source.refused(reason))?;
        }
        let spec = MarketSpec {
            price_min: definition.price_min,
            price_max: definition.price_max,
            qty_min: definition.qty_min,
            qty_max: definition.qty_max,
            notional_min: definition.notional_min,
            notional_max: definition.notional_max,
            notional_unit: definition.notional_unit,
            lot_units: definition.lot_units,
            orders_max,
            account_orders_max: definition.account_orders_max,
            fees: first,
        };
        let spec = spec
            .check()
            .map_err(|_| source.content("a market's bounds", definition.market.0.into()))?;
        Ok(Self {
            definition,
            spec,
            fees,
        })
    }
}

fn write_account(account: AccountId, terms: &AccountTerms, out: &mut impl TakesBytes) {
    out.take(&account.0.to_le_bytes());
    out.take(&terms.external_id.0);
    out.take(&[terms.status as u8]);
    out.take(&terms.fee_group.0.to_le_bytes());
    out.take(&terms.stp_group.0.to_le_bytes());
}

fn write_funding(key: &FundingKey, record: &FundingRecord, out: &mut impl TakesBytes) {
    out.take(&key.business);
    out.take(&key.business_id.to_le_bytes());
    for account in [record.from, record.to] {
        // No account has the id 0.
        out.take(&account.map_or(0, |account| account.0).to_le_bytes());
    }
    out.take(&record.currency.0);
    out.take(&[record.scale]);
    out.take(&record.amount.0.to_le_bytes());
    out.take(&record.control_seq.to_le_bytes());
}

impl FundingKey {
    fn read_state(source: &mut StateReader) -> Result<Self, StateFileError> {
        Ok(Self {
            business: source.bytes()?,
            business_id: source.u64()?,
        })
    }
}

impl FundingRecord {
    fn read_state(source: &mut StateReader) -> Result<Self, StateFileError> {
        let account = |id: u32| (id != 0).then_some(AccountId(id));
        Ok(Self {
            from: account(source.u32()?),
            to: account(source.u32()?),
            currency: Text(source.bytes()?),
            scale: source.u8()?,
            amount: Amount(source.u64()?),
            control_seq: source.u64()?,
        })
    }
}
