//! Replays a tenant: its control stream, its markets, and the funding of its accounts.

use std::collections::BTreeMap;

use souk_engine::Command;
use souk_protocol::message::CurrencyDefinition;
use souk_protocol::{AccountId, Amount, MarketId, RejectReason, TenantId};

use super::difference::{Difference, Findings, Money, Place, Quantity};
use super::ledger::PlainLedger;
use super::market::MarketReplay;
use super::report::{CurrencySum, StreamCount};
use crate::control::{
    Control, ControlCommand, CurrencyCode, Custody, Effect, FEE_ACCOUNT, Funds, Movement,
};
use crate::handoff::{Verdict, session_cancel};
use crate::journal::{BalanceLine, Body, StreamRecord};

/// A tenant while it is replayed.
#[derive(Debug)]
pub(super) struct TenantReplay {
    id: TenantId,
    name: String,
    pub control: Control,
    currencies: BTreeMap<[u8; 8], Currency>,
    pub markets: BTreeMap<MarketId, MarketReplay>,
    pub ledger: PlainLedger,
    /// What the running node had at its end.
    finals: BTreeMap<(AccountId, [u8; 8]), BalanceLine>,
    commands: u64,
    refused: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Currency {
    scale: u8,
    /// Credits less debits.
    supply: i128,
}

/// Answers as the record says, if the money is there.
struct RecordedFunds<'a> {
    ledger: &'a PlainLedger,
    refused: bool,
    beyond: Option<i128>,
}

impl Funds for RecordedFunds<'_> {
    fn take(
        &mut self,
        account: AccountId,
        currency: CurrencyCode,
        amount: Amount,
    ) -> Result<(), RejectReason> {
        let available = self.ledger.get(account, currency).available;
        if !self.refused && available < i128::from(amount.0) {
            self.beyond = Some(available);
        }
        if self.refused || self.beyond.is_some() {
            return Err(RejectReason::InsufficientFunds);
        }
        Ok(())
    }
}

impl TenantReplay {
    /// A tenant that is new.
    pub(super) fn new(id: TenantId, name: &str, custody: Custody) -> Self {
        Self::resume(id, name, Control::new(custody))
    }

    /// A tenant with the control stream that it has by now.
    pub(super) fn resume(id: TenantId, name: &str, control: Control) -> Self {
        let currency = |definition: &CurrencyDefinition| {
            let supply = control.supply(definition.code).map_or(0, |it| it.0.into());
            let scale = definition.scale;
            (definition.code.0, Currency { scale, supply })
        };
        Self {
            id,
            name: name.to_owned(),
            currencies: control.currencies().map(currency).collect(),
            control,
            markets: BTreeMap::new(),
            ledger: PlainLedger::default(),
            finals: BTreeMap::new(),
            commands: 0,
            refused: 0,
        }
    }

    /// Replays a record of this tenant.
    pub(super) fn replay(&mut self, record: &StreamRecord, findings: &mut Findings) {
        let place = Place {
            tenant: record.tenant,
            market: record.market,
            stream_seq: record.stream_seq,
        };
        match &record.body {
            Body::Command { .. } | Body::Change { .. } | Body::SessionCanceled { .. } => {
                self.market(place, record, findings);
            }
            Body::Control { command, verdict } => {
                self.commands += 1;
                self.control(place, command, *verdict, findings);
            }
            Body::Balances(lines) => {
                for line in lines {
                    self.finals.insert((line.account, line.currency.0), *line);
                }
            }
            Body::Tenant { .. }
            | Body::SessionOpened(_)
            | Body::StateHash(_)
            | Body::End { .. } => {}
        }
    }

    fn market(&mut self, place: Place, record: &StreamRecord, findings: &mut Findings) {
        let Some(market) = self.markets.get_mut(&record.market) else {
            let (expected, found) = ("created before", "never created");
            return place.differ("market", expected.into(), found.into(), findings);
        };
        let ledger = &mut self.ledger;
        match &record.body {
            Body::Command {
                numbered,
                admitted,
                refused,
            } => {
                let said = (admitted, *refused);
                market.command(place, record.session, numbered, said, ledger, findings);
            }
            Body::Change { change, refused } => {
                let command = Command::from(change);
                market.change(place, &command, *refused, ledger, findings);
            }
            Body::SessionCanceled { refused, .. } if market.was_halted_then(*refused) => {
                market.nothing_changed(place, findings);
            }
            Body::SessionCanceled { account, refused } => {
                let command = session_cancel(record.session, *account);
                market.change(place, &command, *refused, ledger, findings);
            }
            _ => {}
        }
    }

    fn control(
        &mut self,
        place: Place,
        command: &ControlCommand,
        verdict: Verdict,
        findings: &mut Findings,
    ) {
        let refused = match verdict {
            Verdict::Refused(reason) => Some(reason),
            Verdict::Applied | Verdict::Repeated => None,
        };
        self.refused += u64::from(refused.is_some());
        let mut funds = RecordedFunds {
            ledger: &self.ledger,
            refused: refused == Some(RejectReason::InsufficientFunds),
            beyond: None,
        };
        let result = self.control.apply(command, &mut funds);
        if let Some(available) = funds.beyond {
            let expected = format!("at most the {available} units available");
            place.differ("amount", expected, "more".to_owned(), findings);
        }
        place.compare_refusals(result.as_ref().err().copied(), refused, findings);
        let seq = self.control.seq();
        place.compare("stream_seq", &seq, &place.stream_seq, findings);
        let Ok(effect) = result else {
            return;
        };
        let repeated = matches!(effect, Effect::Repeated { .. });
        if refused.is_none() {
            let found = verdict == Verdict::Repeated;
            place.compare("repeated", &repeated, &found, findings);
        }
        self.effect(place, &effect, findings);
    }

    fn effect(&mut self, place: Place, effect: &Effect, findings: &mut Findings) {
        match effect {
            Effect::Currency(definition) => {
                let currency = self.currencies.entry(definition.code.0).or_default();
                currency.scale = definition.scale;
            }
            Effect::MarketCreated(terms) => {
                match MarketReplay::new(terms, self.control.custody()) {
                    Ok(market) => {
                        self.markets.insert(terms.id(), market);
                    }
                    Err(error) => {
                        place.differ("market", "legal bounds".into(), error.to_string(), findings);
                    }
                }
            }
            Effect::Moved(movement) => self.move_money(movement),
            // A market is changed by the records of its own stream.
            Effect::Limits { .. }
            | Effect::State { .. }
            | Effect::Fees { .. }
            | Effect::Account { .. }
            | Effect::Repeated { .. } => {}
        }
    }

    fn move_money(&mut self, movement: &Movement) {
        let amount = i128::from(movement.amount.0);
        let mut add = |account: Option<AccountId>, amount: i128| {
            if let Some(account) = account {
                let balance = self.ledger.balance(account, movement.currency);
                balance.total += amount;
                balance.available += amount;
            }
        };
        add(movement.from, -amount);
        add(movement.to, amount);
        let currency = self.currencies.entry(movement.currency.0).or_default();
        match (movement.from, movement.to) {
            (None, Some(_)) => currency.supply += amount,
            (Some(_), None) => currency.supply -= amount,
            _ => {}
        }
    }

    /// Checks everything that must hold at the end.
    pub(super) fn finish(&self, findings: &mut Findings) {
        if self.control.custody() == Custody::Internal {
            self.check_balances(findings);
            self.check_sums(findings);
        }
    }

    /// A node ended here, and wrote down its balances before.
    pub(super) fn end(&mut self, findings: &mut Findings) {
        self.check_finals(findings);
        self.finals.clear();
    }

    fn money(&self, code: CurrencyCode, units: i128) -> Money {
        let scale = self.currencies.get(&code.0).map_or(0, |it| it.scale);
        Money { units, scale }
    }

    fn compare(
        &self,
        (account, currency): (AccountId, CurrencyCode),
        quantity: Quantity,
        expected: i128,
        found: i128,
        findings: &mut Findings,
    ) {
        if expected != found {
            findings.add(Difference::Balance {
                tenant: self.id,
                account,
                currency,
                quantity,
                expected: self.money(currency, expected),
                found: self.money(currency, found),
            });
        }
    }

    fn check_balances(&self, findings: &mut Findings) {
        let mut needs: BTreeMap<(AccountId, [u8; 8]), i128> = BTreeMap::new();
        for (account, code, need) in self.markets.values().flat_map(MarketReplay::needs) {
            *needs.entry((account, code.0)).or_default() += i128::from(need.0);
        }
        for (account, currency, balance) in self.ledger.all() {
            let owner = (account, currency);
            let numbers = [
                (Quantity::Total, balance.total),
                (Quantity::Held, balance.held),
                (Quantity::Available, balance.available),
            ];
            for (quantity, number) in numbers {
                if number < 0 {
                    findings.add(Difference::Negative {
                        tenant: self.id,
                        account,
                        currency,
                        quantity,
                        found: self.money(currency, number),
                    });
                }
            }
            let need = needs.remove(&(account, currency.0)).unwrap_or(0);
            self.compare(owner, Quantity::Held, need, balance.held, findings);
            let left = balance.total - balance.held;
            let available = balance.available;
            self.compare(owner, Quantity::Available, left, available, findings);
        }
        for ((account, code), need) in needs {
            let owner = (account, souk_protocol::Text(code));
            self.compare(owner, Quantity::Held, need, 0, findings);
        }
    }

    fn check_sums(&self, findings: &mut Findings) {
        for sum in self.sums() {
            if sum.totals != sum.supply {
                findings.add(Difference::Sum {
                    tenant: self.id,
                    currency: sum.currency,
                    expected: sum.supply,
                    found: sum.totals,
                });
            }
        }
    }

    fn check_finals(&self, findings: &mut Findings) {
        for (account, currency, balance) in self.ledger.all() {
            if !self.finals.contains_key(&(account, currency.0)) {
                let owner = (account, currency);
                self.compare(owner, Quantity::FinalTotal, balance.total, 0, findings);
                self.compare(owner, Quantity::FinalHeld, balance.held, 0, findings);
            }
        }
        for line in self.finals.values() {
            let owner = (line.account, line.currency);
            let balance = self.ledger.get(line.account, line.currency);
            let (total, held) = (i128::from(line.total.0), i128::from(line.held.0));
            self.compare(owner, Quantity::FinalTotal, balance.total, total, findings);
            self.compare(owner, Quantity::FinalHeld, balance.held, held, findings);
        }
    }

    /// The sums of each currency.
    pub(super) fn sums(&self) -> Vec<CurrencySum> {
        let mut sums: BTreeMap<[u8; 8], [i128; 4]> = BTreeMap::new();
        for code in self.currencies.keys() {
            sums.insert(*code, [0; 4]);
        }
        for (account, code, balance) in self.ledger.all() {
            let sum = sums.entry(code.0).or_default();
            sum[0] += balance.total;
            sum[1] += balance.held;
            sum[2] += 1;
            if account == FEE_ACCOUNT {
                sum[3] += balance.total;
            }
        }
        let sums = sums.into_iter();
        sums.map(|(code, [total, held, balances, fees])| {
            let currency = souk_protocol::Text(code);
            let supply = self.currencies.get(&code).map_or(0, |it| it.supply);
            CurrencySum {
                tenant: self.name.clone(),
                currency,
                balances: balances as u64,
                supply: self.money(currency, supply),
                totals: self.money(currency, total),
                held: self.money(currency, held),
                fees: self.money(currency, fees),
                external: self.control.custody() == Custody::External,
            }
        })
        .collect()
    }

    /// The counts of its streams.
    pub(super) fn counts(&self) -> Vec<StreamCount> {
        let control = StreamCount {
            tenant: self.name.clone(),
            stream: "(control)".to_owned(),
            records: self.commands,
            refused: self.refused,
            trades: 0,
            open_orders: 0,
        };
        let markets = self.markets.values().map(|market| StreamCount {
            tenant: self.name.clone(),
            stream: market.symbol.clone(),
            records: market.commands + market.changes,
            refused: market.refused,
            trades: market.trades,
            open_orders: market.open_orders(),
        });
        std::iter::once(control).chain(markets).collect()
    }
}
