//! Replays one market: its book, and what its records say was decided outside of it.

use std::collections::HashMap;

use souk_engine::{Command, Event, EventSink, Hold, Market, PairCurrency, Settlement, SpecError};
use souk_protocol::{AccountId, Amount, MarketState, RejectReason, SessionId, Side};

use super::difference::{Findings, Place};
use super::ledger::{PlainLedger, PlainSink};
use crate::control::{CurrencyCode, Custody, MarketTerms};
use crate::handoff::{Admitted, MarketChange, Numbered};

/// The key of the book's indexes, which influences nothing that an audit sees.
pub(super) const INDEX_KEY: u64 = 0x5eed;

/// A market while it is replayed.
#[derive(Debug)]
pub(super) struct MarketReplay {
    pub symbol: String,
    pub base: CurrencyCode,
    pub quote: CurrencyCode,
    custody: Custody,
    market: Market,
    settlement: Settlement,
    /// The number of the last record.
    pub seq: u64,
    /// The last `client_seq` of each session.
    pub marks: HashMap<SessionId, u64>,
    events: Vec<Event>,
    pub commands: u64,
    pub changes: u64,
    pub refused: u64,
    pub trades: u64,
}

/// What a book asks during a replay: the record has the answers.
struct ReplaySink<'a> {
    events: &'a mut Vec<Event>,
    ledger: &'a mut PlainLedger,
    codes: [CurrencyCode; 2],
    custody: Custody,
    /// Whether the record says that the money was not there.
    refused: bool,
    granted: Amount,
    /// A hold that the account had no money for: what it had.
    beyond: Option<(Amount, i128)>,
}

impl EventSink for ReplaySink<'_> {
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
        if self.custody == Custody::Internal {
            let code = match hold.side {
                Side::Buy => self.codes[1],
                Side::Sell => self.codes[0],
            };
            let balance = self.ledger.balance(hold.account, code);
            let amount = i128::from(hold.amount.0);
            // What a batch earns can be used once it is durable, so in the order of the journal no hold comes before its
            // money. This also bounds all sums of the replay.
            if balance.available < amount {
                self.beyond = Some((hold.amount, balance.available));
                return Err(RejectReason::InsufficientFunds);
            }
            balance.available -= amount;
        }
        self.granted = hold.amount;
        Ok(())
    }
}

impl MarketReplay {
    /// A market that is new.
    pub(super) fn new(terms: &MarketTerms, custody: Custody) -> Result<Self, SpecError> {
        let market = Market::new(terms.spec, INDEX_KEY)?;
        let mut replay = Self::resume(terms, custody, market);
        let state = MarketChange::State(terms.definition.state);
        replay.apply_unasked(&Command::from(&state), &mut PlainLedger::default());
        Ok(replay)
    }

    /// A market with the book that it has by now.
    pub(super) fn resume(terms: &MarketTerms, custody: Custody, market: Market) -> Self {
        Self {
            symbol: terms.definition.symbol.as_str().to_owned(),
            base: terms.definition.base,
            quote: terms.definition.quote,
            custody,
            settlement: Settlement::resume(market.spec(), market.fees().clone()),
            market,
            seq: 0,
            marks: HashMap::new(),
            events: Vec::new(),
            commands: 0,
            changes: 0,
            refused: 0,
            trades: 0,
        }
    }

    /// Replays something that no session asked for: a change of the market, a cancel for a session that is gone.
    pub(super) fn change(
        &mut self,
        place: Place,
        command: &Command,
        refused: Option<RejectReason>,
        ledger: &mut PlainLedger,
        findings: &mut Findings,
    ) {
        self.number(place, findings);
        self.changes += 1;
        let replayed = self.apply_unasked(command, ledger);
        place.compare_refusals(replayed, refused, findings);
    }

    /// Whether a cancel for a session that is gone was refused because the market was halted: journals of before have such
    /// records.
    pub(super) fn was_halted_then(&self, refused: Option<RejectReason>) -> bool {
        refused == Some(RejectReason::MarketHalted) && self.market.state() == MarketState::Halted
    }

    /// Replays something that no session asked for and that was refused.
    pub(super) fn nothing_changed(&mut self, place: Place, findings: &mut Findings) {
        self.number(place, findings);
        self.changes += 1;
    }

    /// Applies a command that holds nothing. Gives why it is refused.
    fn apply_unasked(
        &mut self,
        command: &Command,
        ledger: &mut PlainLedger,
    ) -> Option<RejectReason> {
        let (replayed, _) = self.apply(command, false, ledger);
        replayed
    }

    /// Replays a numbered command.
    pub(super) fn command(
        &mut self,
        place: Place,
        session: SessionId,
        numbered: &Numbered,
        (admitted, refused): (&Admitted, Option<RejectReason>),
        ledger: &mut PlainLedger,
        findings: &mut Findings,
    ) {
        self.number(place, findings);
        self.commands += 1;
        self.refused += u64::from(refused.is_some());
        self.mark(place, session, numbered, findings);
        if admitted.refused.is_some() {
            return place.compare_refusals(admitted.refused, refused, findings);
        }
        let mut command = numbered.command;
        if let Command::New(new) = &mut command {
            new.stp_group = admitted.stp_group;
            new.fee_tier = admitted.fee_tier;
            let tiers = self.market.fees().tiers().len();
            if usize::from(admitted.fee_tier.0) >= tiers {
                let found = admitted.fee_tier.0.to_string();
                return place.differ("fee tier", format!("below {tiers}"), found, findings);
            }
        }
        let no_money = refused == Some(RejectReason::InsufficientFunds);
        let (replayed, asked) = self.apply(&command, no_money, ledger);
        if let Some((amount, available)) = asked.beyond {
            let expected = format!("at most the {available} units available");
            place.differ("hold", expected, amount.to_string(), findings);
        }
        place.compare_refusals(replayed, refused, findings);
    }

    /// Applies and settles.
    fn apply(
        &mut self,
        command: &Command,
        refused: bool,
        ledger: &mut PlainLedger,
    ) -> (Option<RejectReason>, Asked) {
        self.events.clear();
        let mut sink = ReplaySink {
            events: &mut self.events,
            ledger,
            codes: [self.base, self.quote],
            custody: self.custody,
            refused,
            granted: Amount(0),
            beyond: None,
        };
        self.market.apply(command, &mut sink);
        let asked = Asked {
            granted: sink.granted,
            beyond: sink.beyond,
        };
        let is_trade = |event: &&Event| matches!(event, Event::Trade(_));
        self.trades += self.events.iter().filter(is_trade).count() as u64;
        // Without custody there are no balances, but the table of fees goes on.
        if self.custody == Custody::Internal || matches!(command, Command::AddFees(_)) {
            let mut sink = PlainSink {
                ledger,
                base: self.base,
                quote: self.quote,
            };
            self.settlement
                .settle(command, asked.granted, &self.events, &mut sink);
        }
        let refused = match self.events.first() {
            Some(Event::Rejected(reason)) => Some(*reason),
            _ => None,
        };
        (refused, asked)
    }

    /// Checks that no record is missing.
    fn number(&mut self, place: Place, findings: &mut Findings) {
        let expected = self.seq + 1;
        place.compare("stream_seq", &expected, &place.stream_seq, findings);
        self.seq = place.stream_seq.min(u64::MAX - 1);
    }

    /// Checks that each number of a session is applied once, in order.
    fn mark(
        &mut self,
        place: Place,
        session: SessionId,
        numbered: &Numbered,
        findings: &mut Findings,
    ) {
        let mark = self.marks.entry(session).or_insert(0);
        let expected = if numbered.batch.index == 0 {
            mark.saturating_add(1)
        } else {
            *mark
        };
        place.compare("client_seq", &expected, &numbered.client_seq, findings);
        *mark = numbered.client_seq;
    }

    /// What each open order needs.
    pub(super) fn needs(&self) -> impl Iterator<Item = (AccountId, CurrencyCode, Amount)> {
        let sides = [Side::Buy, Side::Sell];
        let orders = sides.into_iter().flat_map(|side| self.market.orders(side));
        orders.map(|(order, price)| {
            let code = match PairCurrency::paid_by(order.side) {
                PairCurrency::Base => self.base,
                PairCurrency::Quote => self.quote,
            };
            let need = self
                .settlement
                .need(order.side, price, order.leaves, order.fee_tier);
            (order.account, code, need)
        })
    }

    pub(super) fn open_orders(&self) -> u32 {
        self.market.open_orders()
    }
}

/// What a replayed command asked of its account.
struct Asked {
    granted: Amount,
    beyond: Option<(Amount, i128)>,
}
