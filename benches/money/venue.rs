//! A market with accounts: what the matcher and the publisher do with money, on one thread.

use std::collections::HashMap;
use std::sync::Arc;

use souk::control::{AccountTerms, Custody, FEE_ACCOUNT};
use souk::handoff::{Admitted, MarketSeat};
use souk::ids::TenantIndex;
use souk::ledger::CurrencyIndex;
use souk::treasury::Treasury;
use souk_engine::{Command, Event, EventSink, FeeRates, Hold, Market, MarketSpec};
use souk_protocol::{
    AccountId, AccountStatus, Amount, MarketId, MarketState, RejectReason, Side, Text,
};

use crate::admission::Admission;
use crate::publisher::Settling;
use crate::support::souk::{Reports, Target, market};
use crate::support::workload::Workload;

/// Whose the market is.
pub const TENANT: TenantIndex = TenantIndex(0);
/// What each account has of each currency: more than its orders of a stream can ever need.
const FUNDS: Amount = Amount(1 << 50);

/// The market that the streams run on, with fees.
pub const SPEC: MarketSpec = MarketSpec {
    fees: FeeRates {
        maker_ppm: -20,
        taker_ppm: 50,
    },
    ..MarketSpec::WIDE
};

/// The money of a run: a tenant with two currencies and all users of a stream, funded.
pub struct Bank {
    /// Whose ledger matcher and publisher share.
    pub treasury: Arc<Treasury>,
    /// The market.
    pub seat: MarketSeat,
    pair: [CurrencyIndex; 2],
    supply: i128,
}

impl Bank {
    /// Opens and funds the accounts of a stream.
    pub fn new(workload: &Workload, statement_entries_max: usize) -> Self {
        let treasury = Arc::new(Treasury::new(1, statement_entries_max));
        let pair = ["BASE", "QUOTE"].map(|code| {
            let code = Text::new(code).expect("a short code");
            treasury.define_currency(TENANT, code);
            treasury.currency(TENANT, code).expect("just defined")
        });
        treasury.set_account(TENANT, FEE_ACCOUNT, &AccountTerms::FEES);
        let terms = AccountTerms {
            status: AccountStatus::Active,
            ..AccountTerms::FEES
        };
        let users = workload.steps.iter().map(|step| step.user).max();
        let accounts = u32::from(users.unwrap_or_default()) + 1;
        for id in 1..=accounts {
            treasury.set_account(TENANT, AccountId(id), &terms);
            let ledger = treasury.ledger();
            let account = ledger.account(TENANT, AccountId(id));
            let account = account.expect("just opened");
            for currency in pair {
                let slot = ledger.balance_or_new(account, currency);
                ledger.credit(slot, FUNDS).expect("there is room");
            }
        }
        Self {
            treasury,
            seat: MarketSeat {
                tenant: TENANT,
                market: MarketId(1),
                spec: SPEC,
                state: MarketState::Continuous,
                base: pair[0],
                quote: pair[1],
                custody: Custody::Internal,
                settlements_max: 0,
                reports_bytes_max: 0,
            },
            pair,
            supply: i128::from(accounts) * i128::from(FUNDS.0),
        }
    }

    /// Checks that no unit appeared or vanished, that nothing is under way, and, when the book is
    /// given, that every balance holds what the orders that are open need.
    pub fn check(&self, book: &Market) {
        let ledger = self.treasury.ledger();
        ledger.check_at_rest().expect("a ledger at rest adds up");
        let mut needs: HashMap<(AccountId, CurrencyIndex), i128> = HashMap::new();
        for side in [Side::Buy, Side::Sell] {
            for (order, price) in book.orders(side) {
                let rates = book.fees().rates(order.fee_tier);
                let need = SPEC.units().need(side, price, order.leaves, rates);
                let need = need.expect("an open order holds what it needs");
                let currency = self.pair[usize::from(side == Side::Buy)];
                *needs.entry((order.account, currency)).or_default() += i128::from(need.0);
            }
        }
        for record in ledger.all_balances() {
            let (_, account) = ledger.account_owner(record.account);
            let need = needs.remove(&(account, record.currency));
            assert_eq!(
                i128::from(record.view.held.0),
                need.unwrap_or_default(),
                "{account} holds what its open orders need"
            );
        }
        assert!(needs.is_empty(), "no order is without a balance: {needs:?}");
        self.check_supply();
    }

    /// Checks that as much is there as came in.
    pub fn check_supply(&self) {
        for currency in self.pair {
            let sums = self.treasury.ledger().sums(currency);
            assert_eq!(
                (sums.total, sums.supply),
                (self.supply, self.supply),
                "no unit appeared or vanished"
            );
        }
    }

    /// What the fee account has earned.
    pub fn fees(&self) -> u64 {
        let entries = self.treasury.balances(TENANT, FEE_ACCOUNT);
        entries.iter().map(|entry| entry.total.0).sum()
    }
}

/// How much of the way of an order is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Events are kept until the batch ends, and nothing else.
    Kept,
    /// Accounts, holds, and settlement when the batch ends.
    Batches,
    /// The same with each command a batch of its own.
    Commands,
}

/// A market with its money.
pub struct Venue {
    book: Market,
    admission: Admission,
    settling: Settling,
    /// The money.
    pub bank: Bank,
    extent: Extent,
    seq: u64,
    events: Vec<Event>,
    records: Vec<(Admitted, u32)>,
}

impl Venue {
    /// For one run of a stream.
    pub fn new(bank: Bank, extent: Extent) -> Self {
        let treasury = Arc::clone(&bank.treasury);
        let book = match extent {
            Extent::Kept => market(),
            _ => Market::new(SPEC, 0x5eed).expect("its bounds are the widest"),
        };
        Self {
            book,
            admission: Admission::new(&bank.seat, treasury),
            settling: Settling::new(&bank.seat, &bank.treasury),
            bank,
            extent,
            seq: 0,
            events: Vec::new(),
            records: Vec::new(),
        }
    }

    /// Checks the money at the end of a run.
    pub fn check(&self) {
        match self.extent {
            Extent::Kept => self.bank.check_supply(),
            _ => self.bank.check(&self.book),
        }
    }

    fn settle<'a>(&mut self, commands: impl Iterator<Item = &'a Command>) {
        let (mut rest, treasury) = (&self.events[..], &self.bank.treasury);
        for (command, (admitted, count)) in commands.zip(&self.records) {
            let (events, later) = rest.split_at(*count as usize);
            rest = later;
            self.seq += 1;
            self.settling
                .settle(self.seq, command, admitted, events, treasury);
        }
        self.settling.finish(treasury);
        self.clear();
    }

    fn clear(&mut self) {
        self.events.clear();
        self.records.clear();
    }
}

/// Keeps events as the matcher does, and tells them as the publisher does.
struct Surroundings<'a> {
    events: &'a mut Vec<Event>,
    reports: &'a mut Reports,
}

impl EventSink for Surroundings<'_> {
    #[inline]
    fn on(&mut self, event: Event) {
        self.events.push(event);
        self.reports.on(event);
    }
}

/// The same, with money.
struct Holding<'a> {
    to: Surroundings<'a>,
    admission: &'a mut Admission,
    held: Amount,
}

impl EventSink for Holding<'_> {
    #[inline]
    fn on(&mut self, event: Event) {
        self.to.on(event);
    }

    #[inline]
    fn takes_holds(&self) -> bool {
        true
    }

    #[inline]
    fn hold(&mut self, hold: Hold) -> Result<(), RejectReason> {
        self.admission.hold(hold)?;
        self.held = hold.amount;
        Ok(())
    }
}

impl Target for Venue {
    fn prefetch_far(&self, command: &Command) {
        self.book.prefetch_far(command);
    }

    fn prefetch(&self, command: &Command) {
        self.book.prefetch(command);
    }

    #[inline]
    fn apply(&mut self, asked: &Command, reports: &mut Reports) {
        let (first, mut command) = (self.events.len(), *asked);
        let events = &mut self.events;
        let mut to = Surroundings { events, reports };
        let mut admitted = Admitted::default();
        if self.extent == Extent::Kept {
            self.book.apply(&command, &mut to);
        } else {
            admitted = self.admission.admit(&mut command);
            if let Some(reason) = admitted.refused {
                to.on(Event::Rejected(reason));
            } else {
                let admission = &mut self.admission;
                let held = Amount(0);
                let mut holding = Holding {
                    to,
                    admission,
                    held,
                };
                self.book.apply(&command, &mut holding);
                admitted.hold = holding.held;
            }
        }
        let count = (self.events.len() - first) as u32;
        self.records.push((admitted, count));
        if self.extent == Extent::Commands {
            self.settle(std::iter::once(asked));
        }
    }

    fn open_orders(&self) -> u32 {
        self.book.open_orders()
    }

    #[inline]
    fn end_batch(&mut self, commands: &[(Command, u32)], _: &mut Reports) {
        match self.extent {
            Extent::Kept => {
                std::hint::black_box(&self.events);
                self.clear();
            }
            Extent::Batches => self.settle(commands.iter().map(|(command, _)| command)),
            Extent::Commands => {}
        }
    }
}
