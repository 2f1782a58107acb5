//! The money of one market's committed records: balances, settlements, statements.
//!
//! Must never: settle a record twice, or one that is not committed.

use souk_engine::{
    BalanceChange, BalanceSink, Command, Event, FeeTable, PairCurrency, Settlement, Trade,
    TradeMoney,
};
use souk_protocol::message::{self as wire, StatementEntry};
use souk_protocol::{AccountId, Amount, MarketId, Reserved, Side, StatementKind};

use super::links::Links;
use super::settlements::Settlements;
use crate::control::{CurrencyCode, Custody, FEE_ACCOUNT};
use crate::handoff::{Admitted, MarketChange, MarketSeat, TenantIndex};
use crate::ledger::{BalanceSlot, BalanceView, Change, CurrencyIndex, Leg, Wallets};
use crate::treasury::{Posting, Touched, Treasury};

/// What a publisher keeps of a market's money.
#[derive(Debug)]
pub(super) struct MarketMoney {
    market: MarketId,
    tenant: TenantIndex,
    custody: Custody,
    settlement: Settlement,
    wallets: Wallets,
    base: CurrencyCode,
    quote: CurrencyCode,
    quote_index: CurrencyIndex,
    /// The last record settled.
    settled_seq: u64,
    pub(super) log: Settlements,
}

/// What a batch gathers for after its last record.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    postings: Vec<(TenantIndex, Posting)>,
    fees: Vec<Fees>,
    pub(super) touched: Touched,
}

/// Fees that go to a tenant's fee account in one credit.
#[derive(Debug)]
struct Fees {
    tenant: TenantIndex,
    quote: CurrencyCode,
    quote_index: CurrencyIndex,
    market: MarketId,
    stream_seq: u64,
    /// The last trade that earned them.
    reference: u64,
    amount: i64,
}

/// A committed record: what was asked and what came of it.
#[derive(Clone, Copy)]
pub(super) struct Committed<'a> {
    pub stream_seq: u64,
    pub transact_time: u64,
    pub command: &'a Command,
    pub admitted: &'a Admitted,
    pub events: &'a [Event],
}

impl MarketMoney {
    pub(super) fn new(seat: &MarketSeat, treasury: &Treasury) -> Self {
        let code = |currency| {
            let code = treasury.code(currency);
            code.expect("a market is opened between currencies that exist")
        };
        let mut fees = FeeTable::new(seat.spec.fees);
        for change in &seat.changes {
            if let MarketChange::Fees { rates, .. } = change {
                fees.add(*rates)
                    .expect("rates are checked before they are a change");
            }
        }
        Self {
            market: seat.market,
            tenant: seat.tenant,
            custody: seat.custody,
            settlement: Settlement::resume(&seat.spec, fees),
            wallets: Wallets::new(seat.tenant, seat.base, seat.quote),
            base: code(seat.base),
            quote: code(seat.quote),
            quote_index: seat.quote,
            settled_seq: 0,
            log: Settlements::new(seat.settlements_max),
        }
    }

    /// What a trade is in money.
    pub(super) fn trade(&self, trade: &Trade) -> TradeMoney {
        self.settlement.trade(trade)
    }

    /// Moves the money of a record, unless it has been moved.
    pub(super) fn settle(
        &mut self,
        record: &Committed<'_>,
        treasury: &Treasury,
        gathered: &mut Gathered,
        links: &mut Links,
    ) {
        if record.stream_seq <= self.settled_seq {
            return;
        }
        self.settled_seq = record.stream_seq;
        self.log_settlements(record, links);
        let mut reference = 0;
        for event in record.events {
            if let Event::Trade(trade) = event {
                reference = trade.match_id.0;
            }
        }
        let mut command = *record.command;
        if let Command::New(new) = &mut command {
            new.fee_tier = record.admitted.fee_tier;
        }
        match self.custody {
            Custody::Internal => {
                let mut sink = LedgerSink {
                    market: self.market,
                    tenant: self.tenant,
                    wallets: &mut self.wallets,
                    codes: [self.base, self.quote],
                    quote_index: self.quote_index,
                    record,
                    reference,
                    treasury,
                    gathered,
                };
                let hold = record.admitted.hold;
                self.settlement
                    .settle(&command, hold, record.events, &mut sink);
            }
            Custody::External => self.follow_fees(&command, record.events),
        }
    }

    /// The fee table follows the market's also where no balance does.
    fn follow_fees(&mut self, command: &Command, events: &[Event]) {
        if matches!(command, Command::AddFees(_)) {
            self.settlement
                .settle(command, Amount(0), events, &mut NoBalances);
        }
    }

    fn log_settlements(&mut self, record: &Committed<'_>, links: &mut Links) {
        for event in record.events {
            let Event::Trade(trade) = event else {
                continue;
            };
            let money = self.settlement.trade(trade);
            let maker = (&trade.maker, money.maker_fee);
            let taker = (&trade.taker, money.taker_fee);
            let (buyer, seller) = match trade.taker.side {
                Side::Buy => (taker, maker),
                Side::Sell => (maker, taker),
            };
            let settlement = wire::Settlement {
                number: trade.match_id.0,
                market: self.market,
                taker_side: trade.taker.side,
                reserved: Reserved,
                transact_time: record.transact_time,
                stream_seq: record.stream_seq,
                base_amount: money.base,
                quote_amount: money.notional,
                buyer: buyer.0.account,
                seller: seller.0.account,
                buyer_fee: buyer.1,
                seller_fee: seller.1,
                buyer_order: buyer.0.order_id,
                seller_order: seller.0.order_id,
                price: trade.price,
                qty: trade.qty,
            };
            self.log.add(settlement, links);
        }
    }
}

struct NoBalances;

impl BalanceSink for NoBalances {
    fn change(&mut self, _: BalanceChange) {}

    fn earn(&mut self, _: Amount) {}
}

/// Writes the changes of one record into the ledger.
struct LedgerSink<'a> {
    market: MarketId,
    tenant: TenantIndex,
    wallets: &'a mut Wallets,
    codes: [CurrencyCode; 2],
    quote_index: CurrencyIndex,
    record: &'a Committed<'a>,
    /// The record's last trade.
    reference: u64,
    treasury: &'a Treasury,
    gathered: &'a mut Gathered,
}

impl BalanceSink for LedgerSink<'_> {
    fn change(&mut self, change: BalanceChange) {
        let ledger = self.treasury.ledger();
        let (leg, code) = match change.currency {
            PairCurrency::Base => (Leg::Base, self.codes[0]),
            PairCurrency::Quote => (Leg::Quote, self.codes[1]),
        };
        let mut wallet = self
            .wallets
            .wallet(ledger, change.account)
            .expect("whoever has an order has an account");
        let (account, slot) = (wallet.account(), wallet.balance_or_new(leg));
        let view = ledger.commit(
            slot,
            Change {
                total: change.total,
                held: change.held,
                available: change.available,
            },
        );
        self.gathered.touched.add(ledger, account, slot);
        if change.total != 0 {
            let entry = StatementEntry {
                sequence: view.sequence,
                transact_time: self.record.transact_time,
                change: change.total,
                total: view.total,
                reference: self.reference,
                stream_seq: self.record.stream_seq,
                market: self.market,
                kind: StatementKind::Trade,
                reserved: Reserved,
            };
            self.gathered.post(self.tenant, change.account, code, entry);
        }
    }

    fn earn(&mut self, fees: Amount) {
        let stream_seq = self.record.stream_seq;
        // No overflow: fees are parts of amounts that exist.
        let amount = fees.0.cast_signed();
        let same = |known: &&mut Fees| known.tenant == self.tenant && known.market == self.market;
        if let Some(known) = self.gathered.fees.last_mut().filter(same) {
            known.amount += amount;
            known.stream_seq = stream_seq;
            known.reference = self.reference;
            return;
        }
        self.gathered.fees.push(Fees {
            tenant: self.tenant,
            quote: self.codes[1],
            quote_index: self.quote_index,
            market: self.market,
            stream_seq,
            reference: self.reference,
            amount,
        });
    }
}

impl Gathered {
    fn post(
        &mut self,
        tenant: TenantIndex,
        account: AccountId,
        currency: CurrencyCode,
        entry: StatementEntry,
    ) {
        let posting = Posting {
            account,
            currency,
            entry,
        };
        self.postings.push((tenant, posting));
    }

    /// Credits the fees of the batch, writes its statements, and tells watchers.
    pub(super) fn finish(&mut self, treasury: &Treasury, transact_time: u64) {
        let mut fees = std::mem::take(&mut self.fees);
        for earned in fees.drain(..) {
            let Some((slot, view)) = credit_fees(treasury, &earned) else {
                continue;
            };
            let ledger = treasury.ledger();
            let (account, _) = ledger.balance_owner(slot);
            self.touched.add(ledger, account, slot);
            let entry = StatementEntry {
                sequence: view.sequence,
                transact_time,
                change: earned.amount,
                total: view.total,
                reference: earned.reference,
                stream_seq: earned.stream_seq,
                market: earned.market,
                kind: StatementKind::Fee,
                reserved: Reserved,
            };
            self.post(earned.tenant, FEE_ACCOUNT, earned.quote, entry);
        }
        self.fees = fees;
        let same_tenant = |a: &(TenantIndex, Posting), b: &(TenantIndex, Posting)| a.0 == b.0;
        for run in self.postings.chunk_by(same_tenant) {
            treasury.statements().post(run[0].0, run);
        }
        self.postings.clear();
        treasury.tell_watchers(&mut self.touched, transact_time);
    }
}

fn credit_fees(treasury: &Treasury, earned: &Fees) -> Option<(BalanceSlot, BalanceView)> {
    let ledger = treasury.ledger();
    let account = ledger.account(earned.tenant, FEE_ACCOUNT)?;
    let slot = ledger.balance_or_new(account, earned.quote_index);
    let change = Change {
        total: earned.amount,
        held: 0,
        available: earned.amount,
    };
    Some((slot, ledger.commit(slot, change)))
}
