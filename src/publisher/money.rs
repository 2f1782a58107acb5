//! The money of one market's committed records: balances, settlements, statements.
//!
//! Must never: settle a record twice, or one that is not committed.

use souk_engine::{
    BalanceChange, BalanceSink, Command, Event, FeeTable, PairCurrency, Settlement, Trade,
    TradeMoney,
};
use souk_protocol::message as wire;
use souk_protocol::{Amount, MarketId, Reserved, Side, StatementKind};

use super::links::Links;
use super::settlements::Settlements;
use crate::control::{CurrencyCode, Custody, FEE_ACCOUNT};
use crate::handoff::{Admitted, MarketSeat, TenantIndex};
use crate::ledger::{AccountIndex, BalanceSlot, Change, Leg, Wallets};
use crate::treasury::{Moved, Posting, Touched, Treasury};

/// What a publisher keeps of a market's money.
#[derive(Debug)]
pub(super) struct MarketMoney {
    custody: Custody,
    settlement: Settlement,
    purse: Purse,
    /// The last record settled.
    settled_seq: u64,
    pub(super) log: Settlements,
}

/// Where a market's money goes.
#[derive(Debug)]
struct Purse {
    market: MarketId,
    tenant: TenantIndex,
    wallets: Wallets,
    /// Base and quote.
    codes: [CurrencyCode; 2],
}

/// What a batch gathers for after its last record.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    fees: Vec<Fees>,
    touched: Touched,
    /// In a replay: changes that somebody else makes, because other markets are replayed at the same time. Holds come
    /// with them; the matcher takes none then.
    postings: Option<Vec<Posting>>,
}

/// Fees that go to a tenant's fee account in one credit.
#[derive(Debug)]
struct Fees {
    tenant: TenantIndex,
    quote: CurrencyCode,
    /// The fee account and its balance.
    account: AccountIndex,
    slot: BalanceSlot,
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
        Self {
            custody: seat.custody,
            settlement: Settlement::resume(&seat.spec, FeeTable::new(seat.spec.fees)),
            purse: Purse {
                market: seat.market,
                tenant: seat.tenant,
                wallets: Wallets::new(seat.tenant, seat.base, seat.quote),
                codes: [code(seat.base), code(seat.quote)],
            },
            settled_seq: 0,
            log: Settlements::new(seat.settlements_max),
        }
    }

    /// The last record settled.
    pub(super) const fn settled_seq(&self) -> u64 {
        self.settled_seq
    }

    /// Goes on where another one left off.
    pub(super) fn restore(&mut self, settlement: Settlement, settled_seq: u64) {
        (self.settlement, self.settled_seq) = (settlement, settled_seq);
    }

    /// Whose it is.
    pub(super) const fn tenant(&self) -> TenantIndex {
        self.purse.tenant
    }

    /// What a trade is in money.
    pub(super) fn trade(&self, trade: &Trade) -> TradeMoney {
        self.settlement.trade(trade)
    }

    /// Moves the money of a record, unless it has been moved.
    #[inline]
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
        match self.custody {
            Custody::Internal => {
                let Admitted { hold, fee_tier, .. } = *record.admitted;
                let mut sink = LedgerSink {
                    purse: &mut self.purse,
                    record,
                    treasury,
                    gathered,
                    hold,
                };
                self.settlement
                    .settle_at(record.command, fee_tier, hold, record.events, &mut sink);
            }
            Custody::External => self.follow_fees(record.command, record.events),
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
                market: self.purse.market,
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
    purse: &'a mut Purse,
    record: &'a Committed<'a>,
    treasury: &'a Treasury,
    gathered: &'a mut Gathered,
    /// What the command held, until the first change: that of who pays.
    hold: Amount,
}

impl LedgerSink<'_> {
    #[inline(always)]
    fn commit(&mut self, account: AccountIndex, slot: BalanceSlot, change: &BalanceChange) {
        if self.gathered.postings.is_some() {
            return self.leave(slot, change);
        }
        let ledger = self.treasury.ledger();
        if change.total != 0 && self.treasury.statements().are_kept() {
            self.treasury
                .post(&self.posting(slot, change), self.record.transact_time);
        } else {
            ledger.commit(slot, ledger_change(change));
        }
        self.gathered.touched.add(ledger, account, slot);
    }

    /// Leaves a change to whoever replays.
    #[inline(never)]
    fn leave(&mut self, slot: BalanceSlot, change: &BalanceChange) {
        let posting = Posting {
            hold: std::mem::take(&mut self.hold),
            ..self.posting(slot, change)
        };
        self.gathered.postings.get_or_insert_default().push(posting);
    }

    fn posting(&self, slot: BalanceSlot, change: &BalanceChange) -> Posting {
        let (record, purse) = (self.record, &*self.purse);
        Posting {
            tenant: purse.tenant,
            account: change.account,
            currency: purse.codes[leg(change) as usize],
            slot,
            hold: Amount(0),
            change: ledger_change(change),
            market: purse.market,
            stream_seq: record.stream_seq,
            reference: if change.total == 0 {
                0
            } else {
                last_match(record.events)
            },
            kind: StatementKind::Trade,
        }
    }
}

#[inline]
const fn ledger_change(change: &BalanceChange) -> Change {
    Change {
        total: change.total,
        held: change.held,
        available: change.available,
    }
}

impl BalanceSink for LedgerSink<'_> {
    #[inline]
    fn change(&mut self, change: BalanceChange) {
        let ledger = self.treasury.ledger();
        let mut wallet = (self.purse.wallets)
            .wallet(ledger, change.account)
            .expect("whoever has an order has an account");
        let (account, slot) = (wallet.account(), wallet.balance_or_new(leg(&change)));
        self.commit(account, slot, &change);
    }

    fn change_both(&mut self, changes: [BalanceChange; 2]) {
        let ledger = self.treasury.ledger();
        let mut wallet = (self.purse.wallets)
            .wallet(ledger, changes[0].account)
            .expect("whoever trades has an account");
        let account = wallet.account();
        let slots = changes.map(|change| wallet.balance_or_new(leg(&change)));
        for (slot, change) in slots.into_iter().zip(&changes) {
            self.commit(account, slot, change);
        }
    }

    fn earn(&mut self, fees: Amount) {
        let stream_seq = self.record.stream_seq;
        // No overflow: fees are parts of amounts that exist.
        let amount = fees.0.cast_signed();
        let (tenant, market) = (self.purse.tenant, self.purse.market);
        let same = |known: &&mut Fees| known.tenant == tenant && known.market == market;
        if let Some(known) = self.gathered.fees.last_mut().filter(same) {
            known.amount += amount;
            known.stream_seq = stream_seq;
            known.reference = last_match(self.record.events);
            return;
        }
        let ledger = self.treasury.ledger();
        let Some(mut wallet) = self.purse.wallets.wallet(ledger, FEE_ACCOUNT) else {
            return;
        };
        self.gathered.fees.push(Fees {
            tenant,
            quote: self.purse.codes[1],
            account: wallet.account(),
            slot: wallet.balance_or_new(Leg::Quote),
            market,
            stream_seq,
            reference: last_match(self.record.events),
            amount,
        });
    }
}

/// Where a change is in its wallet.
#[inline]
const fn leg(change: &BalanceChange) -> Leg {
    match change.currency {
        PairCurrency::Base => Leg::Base,
        PairCurrency::Quote => Leg::Quote,
    }
}

/// The number of the last trade among events, or 0.
fn last_match(events: &[Event]) -> u64 {
    let trades = events.iter().rev().find_map(|event| match event {
        Event::Trade(trade) => Some(trade.match_id.0),
        _ => None,
    });
    trades.unwrap_or(0)
}

impl Gathered {
    /// Leaves changes to whoever replays, or makes them from now on.
    ///
    /// # Panics
    /// When changes that were left are not made yet.
    pub(super) fn leave_changes(&mut self, leaves: bool) {
        let left = self.postings.as_ref().map_or(0, Vec::len);
        assert_eq!(left, 0, "what was left is made first");
        self.postings = leaves.then(Vec::new);
    }

    /// Gives the changes that were left, for an empty vector.
    pub(super) const fn swap_postings(&mut self, postings: &mut Vec<Posting>) {
        if let Some(left) = &mut self.postings {
            std::mem::swap(left, postings);
        }
    }

    /// Moves money as a command of a control stream says.
    pub(super) fn move_money(
        &mut self,
        tenant: TenantIndex,
        moved: &Moved<'_>,
        treasury: &Treasury,
    ) {
        match &mut self.postings {
            Some(postings) => {
                let of_both = treasury.movement_postings(tenant, moved);
                postings.extend(of_both.into_iter().flatten());
            }
            None => treasury.move_money(tenant, moved, &mut self.touched),
        }
    }

    /// Credits the fees of the batch, and tells watchers.
    pub(super) fn finish(&mut self, treasury: &Treasury, transact_time: u64) {
        let ledger = treasury.ledger();
        for earned in self.fees.drain(..) {
            let posting = earned.posting();
            if let Some(postings) = &mut self.postings {
                postings.push(posting);
                continue;
            }
            treasury.post(&posting, transact_time);
            self.touched.add(ledger, earned.account, earned.slot);
        }
        treasury.tell_watchers(&mut self.touched, transact_time);
    }
}

impl Fees {
    const fn posting(&self) -> Posting {
        Posting {
            tenant: self.tenant,
            account: FEE_ACCOUNT,
            currency: self.quote,
            slot: self.slot,
            hold: Amount(0),
            change: Change {
                total: self.amount,
                held: 0,
                available: self.amount,
            },
            market: self.market,
            stream_seq: self.stream_seq,
            reference: self.reference,
            kind: StatementKind::Fee,
        }
    }
}
