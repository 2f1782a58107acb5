//! The journal, replayed while nothing runs: what each stream says, who was told what, and what everybody has.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hasher;
use std::path::Path;
use std::sync::Arc;

use souk::control::{Control, ControlCommand, Effect, FEE_ACCOUNT, Funds, MarketTerms, Movement};
use souk::handoff::{Admitted, MarketChange, Numbered, Verdict};
use souk::journal::{Body, Reader, StreamRecord};
use souk::storage::SystemDisk;
use souk_engine::{
    BalanceChange, BalanceSink, Command, Event, EventSink, FeeTable, Hold, Market, PairCurrency,
    Settlement,
};
use souk_protocol::*;
use twox_hash::XxHash64;

use crate::reports::{Cause, frame_of};

/// Total and held, by account and currency.
pub type Balances = BTreeMap<(AccountId, String), (i128, i128)>;

/// What the journal says.
#[derive(Default)]
pub struct Oracle {
    pub tenants: BTreeMap<TenantId, Tenant>,
    pub records: u64,
    /// Hashes of running nodes that are those of the replay.
    pub hashes: u64,
    /// Orderly ends.
    pub ends: u64,
    pub torn: bool,
}

/// What it says of a tenant.
pub struct Tenant {
    control: Control,
    pub books: BTreeMap<MarketId, Book>,
    pub balances: Balances,
    /// Each funding once, by its business id: what moved, and under which number.
    pub fundings: HashMap<u64, (Movement, u64)>,
}

/// What it says of a market.
pub struct Book {
    market: Market,
    settlement: Settlement,
    codes: [String; 2],
    seq: u64,
    last_match: u64,
    pub trades: u64,
    pub sessions: BTreeMap<SessionId, Truth>,
}

/// What it says of a session in a market.
#[derive(Default)]
pub struct Truth {
    /// What was applied, by `client_seq`, as the frames that carried it.
    pub applied: Vec<Vec<u8>>,
    /// The commands of the frame that is not complete yet.
    frame: Vec<(Command, bool)>,
    /// What it was told or would have been, by `report_seq`.
    pub reports: Vec<Vec<u8>>,
}

struct Answers<'a> {
    events: &'a mut Vec<Event>,
    refused: bool,
    granted: Amount,
}

impl EventSink for Answers<'_> {
    fn on(&mut self, event: Event) {
        self.events.push(event);
    }

    fn takes_holds(&self) -> bool {
        true
    }

    fn hold(&mut self, hold: Hold) -> Result<(), RejectReason> {
        if self.refused {
            return Err(RejectReason::InsufficientFunds);
        }
        self.granted = hold.amount;
        Ok(())
    }
}

struct Sums<'a> {
    balances: &'a mut Balances,
    codes: &'a [String; 2],
}

impl BalanceSink for Sums<'_> {
    fn change(&mut self, change: BalanceChange) {
        let code = match change.currency {
            PairCurrency::Base => &self.codes[0],
            PairCurrency::Quote => &self.codes[1],
        };
        let balance = self.balances.entry((change.account, code.clone()));
        let (total, held) = balance.or_default();
        *total += i128::from(change.total);
        *held += i128::from(change.held);
    }

    fn earn(&mut self, fees: Amount) {
        let fee_account = (FEE_ACCOUNT, self.codes[1].clone());
        self.balances.entry(fee_account).or_default().0 += i128::from(fees.0);
    }
}

/// Says of a debit what the record says.
struct Recorded(bool);

impl Funds for Recorded {
    fn take(&mut self, _: AccountId, _: Text<8>, _: Amount) -> Result<(), RejectReason> {
        if self.0 {
            return Err(RejectReason::InsufficientFunds);
        }
        Ok(())
    }
}

impl Oracle {
    /// Reads a whole journal.
    pub fn read(journal: &Path) -> Self {
        let mut reader = Reader::open(Arc::new(SystemDisk), journal, Some(1)).unwrap();
        let (mut oracle, mut records) = (Self::default(), Vec::new());
        while reader
            .next_batch(&mut records)
            .unwrap_or_else(|error| panic!("{error}"))
            .is_some()
        {
            for record in records.drain(..) {
                oracle.replay(&record);
            }
        }
        oracle.torn = reader.end().torn.is_some();
        let books = oracle
            .tenants
            .values()
            .flat_map(|tenant| tenant.books.values());
        for truth in books.flat_map(|book| book.sessions.values()) {
            assert!(truth.frame.is_empty(), "a frame is there as a whole");
        }
        oracle
    }

    fn replay(&mut self, record: &StreamRecord) {
        self.records += 1;
        if let Body::Tenant { custody, .. } = &record.body {
            let tenant = Tenant {
                control: Control::new(*custody),
                books: BTreeMap::new(),
                balances: BTreeMap::new(),
                fundings: HashMap::new(),
            };
            let known = self.tenants.insert(record.tenant, tenant);
            return assert!(known.is_none(), "a tenant begins once: {record:?}");
        }
        if let Body::End { .. } = record.body {
            self.ends += 1;
            return;
        }
        let tenant = self.tenants.get_mut(&record.tenant).expect("a tenant");
        match &record.body {
            Body::Control { command, verdict } => tenant.control(record, command, *verdict),
            Body::Balances(lines) => {
                for line in lines {
                    let key = (line.account, line.currency.as_str().to_owned());
                    let balance = tenant.balances.get(&key).copied().unwrap_or_default();
                    let said = (i128::from(line.total.0), i128::from(line.held.0));
                    assert_eq!(balance, said, "the balance of {key:?}");
                }
            }
            Body::Command { .. } | Body::Change { .. } => {
                let book = tenant.books.get_mut(&record.market).expect("a market");
                book.replay(record, &mut tenant.balances);
            }
            Body::StateHash(hash) => {
                let book = tenant.books.get(&record.market);
                let book = book.expect("a market");
                assert_eq!(*hash, book.state_hash(), "the state of {record:?}");
                self.hashes += 1;
            }
            Body::Tenant { .. } | Body::End { .. } => unreachable!(),
        }
    }

    /// What it says of a session in a market, if anything.
    pub fn truth(&self, tenant: u32, market: u32, session: SessionId) -> Option<&Truth> {
        let book = self
            .tenants
            .get(&TenantId(tenant))?
            .books
            .get(&MarketId(market))?;
        book.sessions.get(&session)
    }
}

impl Tenant {
    fn control(&mut self, record: &StreamRecord, command: &ControlCommand, verdict: Verdict) {
        let no_money = verdict == Verdict::Refused(RejectReason::InsufficientFunds);
        let result = self.control.apply(command, &mut Recorded(no_money));
        assert_eq!(Verdict::from(&result), verdict, "{record:?}");
        assert_eq!(self.control.seq(), record.stream_seq, "{record:?}");
        match result {
            Ok(Effect::MarketCreated(terms)) => {
                let book = Book::new(&terms);
                self.books.insert(terms.id(), book);
            }
            Ok(Effect::Moved(movement)) => self.moved(movement, record.stream_seq),
            _ => {}
        }
    }

    fn moved(&mut self, movement: Movement, control_seq: u64) {
        let amount = i128::from(movement.amount.0);
        for (account, amount) in [(movement.from, -amount), (movement.to, amount)] {
            if let Some(account) = account {
                let key = (account, movement.currency.as_str().to_owned());
                self.balances.entry(key).or_default().0 += amount;
            }
        }
        // What accounts begin with has a name of its own.
        if movement.business.as_str() == crate::office::BUSINESS {
            let done = (movement, control_seq);
            let before = self.fundings.insert(movement.business_id, done);
            assert!(before.is_none(), "a funding moves once: {movement:?}");
        }
    }
}

impl Book {
    fn new(terms: &MarketTerms) -> Self {
        let definition = &terms.definition;
        let code = |code: &Text<8>| code.as_str().to_owned();
        let mut book = Self {
            market: Market::new(terms.spec, 77).unwrap(),
            settlement: Settlement::resume(&terms.spec, FeeTable::new(terms.spec.fees)),
            codes: [code(&definition.base), code(&definition.quote)],
            seq: 0,
            last_match: 0,
            trades: 0,
            sessions: BTreeMap::new(),
        };
        let state = Command::from(&MarketChange::State(definition.state));
        book.apply(&state, false, &mut Balances::new());
        book
    }

    fn apply(&mut self, command: &Command, refused: bool, balances: &mut Balances) -> Vec<Event> {
        let mut events = Vec::new();
        let mut answers = Answers {
            events: &mut events,
            refused,
            granted: Amount(0),
        };
        self.market.apply(command, &mut answers);
        let granted = answers.granted;
        let codes = &self.codes;
        let mut sums = Sums { balances, codes };
        self.settlement.settle(command, granted, &events, &mut sums);
        for event in &events {
            if let Event::Trade(trade) = event {
                self.last_match += 1;
                self.trades += 1;
                assert_eq!(trade.match_id.0, self.last_match, "matches are numbered");
            }
        }
        events
    }

    fn replay(&mut self, record: &StreamRecord, balances: &mut Balances) {
        self.seq += 1;
        assert_eq!(record.stream_seq, self.seq, "no gap: {record:?}");
        match &record.body {
            Body::Command {
                numbered,
                admitted,
                refused,
            } => self.command(record, numbered, (admitted, *refused), balances),
            Body::Change { change, refused } => {
                let events = self.apply(&Command::from(change), false, balances);
                assert_eq!(refused_by(&events), *refused, "{record:?}");
            }
            _ => unreachable!(),
        }
    }

    fn command(
        &mut self,
        record: &StreamRecord,
        numbered: &Numbered,
        (admitted, refused): (&Admitted, Option<RejectReason>),
        balances: &mut Balances,
    ) {
        self.take(record, numbered);
        let mut command = numbered.command;
        if let Command::New(new) = &mut command {
            new.stp_group = admitted.stp_group;
            new.fee_tier = admitted.fee_tier;
        }
        let events = if let Some(reason) = admitted.refused {
            vec![Event::Rejected(reason)]
        } else {
            let no_money = refused == Some(RejectReason::InsufficientFunds);
            self.apply(&command, no_money, balances)
        };
        assert_eq!(refused_by(&events), refused, "the verdict of {record:?}");
        let cause = Cause {
            market: record.market,
            session: record.session,
            client_seq: numbered.client_seq,
            batch_index: numbered.batch.index,
            transact_time: record.transact_time,
            command: &command,
            settlement: &self.settlement,
        };
        for (session, report) in events.iter().flat_map(|event| cause.reports(event)) {
            let truth = self.sessions.entry(session).or_default();
            let frame = report(truth.reports.len() as u64 + 1);
            truth.reports.push(frame);
        }
    }

    /// Each number once and in order, and the whole of its frame.
    fn take(&mut self, record: &StreamRecord, numbered: &Numbered) {
        let truth = self.sessions.entry(record.session).or_default();
        let place = numbered.batch;
        let next = truth.applied.len() as u64 + 1;
        assert_eq!(numbered.client_seq, next, "once, in order: {record:?}");
        let index = usize::from(place.index);
        assert_eq!(index, truth.frame.len(), "entry by entry: {record:?}");
        truth.frame.push((numbered.command, place.stop_at_reject));
        if place.last {
            let commands = std::mem::take(&mut truth.frame);
            let frame = frame_of(record.market, next, &commands, commands.len() == 1);
            truth.applied.push(frame);
        }
    }

    /// Of everything that the stream's future depends on.
    fn state_hash(&self) -> u64 {
        let mut hasher = XxHash64::with_seed(self.market.state_hash());
        hasher.write_u64(self.seq);
        for (session, truth) in &self.sessions {
            if !truth.applied.is_empty() {
                hasher.write_u32(session.0);
                hasher.write_u64(truth.applied.len() as u64);
            }
        }
        hasher.finish()
    }
}

fn refused_by(events: &[Event]) -> Option<RejectReason> {
    match events.first() {
        Some(Event::Rejected(reason)) => Some(*reason),
        _ => None,
    }
}
