//! The engine's market as a subject, with the production settlement behind it.

use super::funds::Funds;
use super::{Setting, Step, Subject};
use crate::oracle::Snapshot;
use crate::oracle::ledger::{Balance, Funding};
use souk_engine::{Command, Event, EventSink, Hold, Market, PairCurrency, Settlement};
use souk_protocol::{AccountId, Amount, RejectReason, Side};

/// The engine's market.
pub struct EngineMarket {
    pub market: Market,
    /// None without holds.
    pub money: Option<Money>,
}

/// What is behind a market with holds.
pub struct Money {
    pub settlement: Settlement,
    pub funds: Funds,
}

/// What a command led to.
pub struct Applied {
    pub events: Vec<Event>,
    /// What it held.
    pub hold: Amount,
}

impl EngineMarket {
    pub fn new(setting: Setting, index_key: u64) -> Self {
        let spec = setting.spec;
        Self {
            market: Market::new(spec, index_key).expect("the profiles make legal specs"),
            money: setting.holds.then(|| Money {
                settlement: Settlement::new(&spec),
                funds: Funds::default(),
            }),
        }
    }

    /// Applies a command and does not settle it. `bend` may spoil what the engine asks to hold.
    pub fn unsettled(&mut self, step: &Step, bend: fn(&mut Hold)) -> Applied {
        if step.prefetch {
            self.market.prefetch(&step.command);
        }
        let mut collected = Collected {
            levels: step.levels,
            events: Vec::new(),
            funds: self.money.as_mut().map(|money| &mut money.funds),
            held: None,
            bend,
        };
        self.market.apply(&step.command, &mut collected);
        Applied {
            hold: collected.held.unwrap_or(Amount(0)),
            events: collected.events,
        }
    }

    pub fn settle(&mut self, command: &Command, applied: &Applied) {
        if let Some(Money { settlement, funds }) = &mut self.money {
            funds.begin();
            settlement.settle(command, applied.hold, &applied.events, funds);
            funds.end();
        }
    }
}

impl Subject for EngineMarket {
    fn apply(&mut self, step: &Step) -> Vec<Event> {
        let applied = self.unsettled(step, |_| {});
        self.settle(&step.command, &applied);
        applied.events
    }

    fn fund(&mut self, funding: &Funding) -> bool {
        self.money
            .as_mut()
            .is_some_and(|money| money.funds.fund(funding))
    }

    fn balance(&self, account: AccountId, currency: PairCurrency) -> Balance {
        let money = self.money.as_ref();
        money.map_or(Balance::default(), |money| {
            money.funds.balance(account, currency)
        })
    }

    fn earned(&self) -> i128 {
        self.money
            .as_ref()
            .map_or(0, |money| money.funds.earned.into())
    }

    fn snapshot(&self) -> Snapshot {
        snapshot_of(&self.market)
    }

    fn state_hash(&self) -> Option<u64> {
        Some(self.market.state_hash())
    }

    fn check_invariants(&self) {
        self.market.check_invariants();
        if let Some(money) = &self.money {
            assert_eq!(
                money.settlement.fees(),
                self.market.fees(),
                "settlement has learnt all tiers"
            );
            money.funds.check_conservation();
        }
    }
}

struct Collected<'a> {
    levels: bool,
    events: Vec<Event>,
    funds: Option<&'a mut Funds>,
    held: Option<Amount>,
    bend: fn(&mut Hold),
}

impl EventSink for Collected<'_> {
    fn on(&mut self, event: Event) {
        self.events.push(event);
    }

    fn wants_levels(&self) -> bool {
        self.levels
    }

    fn takes_holds(&self) -> bool {
        self.funds.is_some()
    }

    fn hold(&mut self, mut hold: Hold) -> Result<(), RejectReason> {
        assert!(self.events.is_empty(), "a hold comes before everything");
        assert!(self.held.is_none(), "a command holds once");
        (self.bend)(&mut hold);
        let funds = self.funds.as_mut().expect("it takes holds");
        funds.hold(hold)?;
        self.held = Some(hold.amount);
        Ok(())
    }
}

/// What can be seen of a market.
pub fn snapshot_of(market: &Market) -> Snapshot {
    let sides = [Side::Buy, Side::Sell];
    Snapshot {
        state: market.state(),
        spec: *market.spec(),
        fees: market.fees().tiers().to_vec(),
        open_orders: market.open_orders(),
        last_match_id: market.last_match_id(),
        book_hash: market.book_hash(),
        best: sides.map(|side| market.best(side)),
        levels: sides.map(|side| market.levels(side).collect()),
        orders: sides.map(|side| market.orders(side).collect()),
    }
}
