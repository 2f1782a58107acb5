//! Counts what happened, so that a generator that is stuck on refusals cannot pass for a test.

use super::money_coverage::{self, MoneyFact};
use crate::oracle::Oracle;
use souk_engine::{Canceled, Command, Event, NewOrder};
use souk_protocol::{
    AccountId, CancelReason, OrderId, OrderType, RejectReason, Side, StpMode, TimeInForce,
};
use std::collections::BTreeMap;

/// Something that a test of all rules must have met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    Event(&'static str),
    Rejected(By, RejectReason),
    Canceled(CancelReason),
    SelfTrade(StpMode, Outcome, Owner, By),
    SelfTradeAfterTrades,
    ReplaceKept,
    ReplaceLost,
    ReplaceTraded,
    ReplaceFilled,
    ReplaceSlid,
    Slid,
    GtcTradedAndRested,
    FokFilled(OrderType),
    FokSkippedItsOwn,
    MarketTradedOnBudget,
    BudgetStopAfterTrades,
    BudgetStopAtOnce,
    LevelGone,
    /// An order id of at least the third generation of its slot.
    GenerationThree,
    GenerationHundred,
    MassCanceledMany,
    MassCanceledNothing,
    Money(MoneyFact),
}

/// What a command was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    New,
    Cancel,
    Replace,
    MassCancel,
    Status,
    SetState,
    AddFees,
    SetLimits,
}

/// Why taker and maker have the same owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    Account,
    Group,
}

/// What self-trade prevention did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Traded,
    TakerCanceled,
    MakerCanceled,
    BothCanceled,
    MakerGone,
    TakerGone,
    BothGone,
}

/// The order that a command makes a taker.
#[derive(Clone, Copy, Debug)]
pub struct Taker {
    account: AccountId,
    mode: StpMode,
}

/// The taker of a command, looked up before it is applied.
pub fn taker(oracle: &Oracle, command: &Command) -> Option<Taker> {
    match command {
        Command::New(new) => Some(Taker {
            account: new.account,
            mode: new.stp_mode,
        }),
        Command::Replace(replace) => {
            let order = &oracle.orders[oracle.find(replace.account, replace.order).ok()?];
            Some(Taker {
                account: order.account,
                mode: order.stp_mode,
            })
        }
        _ => None,
    }
}

/// How often each fact was met.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    counts: BTreeMap<Fact, u64>,
    pub commands: u64,
    /// Those in markets with holds.
    pub with_money: u64,
    pub events: u64,
    pub open_orders_max: usize,
    open_orders_sum: u64,
    pub levels_max: usize,
}

impl Coverage {
    /// Counts one command. `after` is the oracle after it.
    pub fn observe(
        &mut self,
        after: &Oracle,
        taker: Option<Taker>,
        command: &Command,
        events: &[Event],
    ) {
        self.commands += 1;
        self.with_money += u64::from(after.ledger.is_some());
        self.events += events.len() as u64;
        self.open_orders_max = self.open_orders_max.max(after.orders.len());
        self.open_orders_sum += after.orders.len() as u64;
        if self.commands.is_multiple_of(1_024) {
            let levels = [Side::Buy, Side::Sell].map(|side| after.levels(side).len());
            self.levels_max = self.levels_max.max(levels[0].max(levels[1]));
        }
        for event in events {
            self.add(Fact::Event(kind(event)));
            self.event(command, event);
        }
        if let Some(taker) = taker {
            self.self_trades(after, taker, command, events);
        }
        match command {
            Command::New(new) => self.new_order(new, events),
            Command::Replace(replace) => {
                let trades = trades(events);
                if let Some(Event::Replaced(r)) = events.first() {
                    self.add(if r.kept_priority {
                        Fact::ReplaceKept
                    } else {
                        Fact::ReplaceLost
                    });
                    self.add_if(r.price != replace.price, Fact::ReplaceSlid);
                    self.add_if(trades > 0, Fact::ReplaceTraded);
                    let filled = |e: &Event| matches!(e, Event::Trade(t) if t.taker.leaves.0 == 0);
                    self.add_if(events.iter().any(filled), Fact::ReplaceFilled);
                }
            }
            _ => {}
        }
    }

    fn event(&mut self, command: &Command, event: &Event) {
        match event {
            Event::Rejected(reason) => self.add(Fact::Rejected(by(command), *reason)),
            Event::Canceled(canceled) => self.add(Fact::Canceled(canceled.reason)),
            Event::Level(level) => self.add_if(level.orders == 0, Fact::LevelGone),
            Event::Accepted(accepted) => {
                let generation = accepted.order_id.0 >> 32;
                self.add_if(generation >= 3, Fact::GenerationThree);
                self.add_if(generation >= 100, Fact::GenerationHundred);
            }
            Event::MassCanceled { count } => {
                self.add_if(*count > 1, Fact::MassCanceledMany);
                self.add_if(*count == 0, Fact::MassCanceledNothing);
            }
            _ => {}
        }
    }

    fn new_order(&mut self, new: &NewOrder, events: &[Event]) {
        let Some(Event::Accepted(accepted)) = events.first() else {
            return;
        };
        let trades = trades(events);
        let canceled = |reason: CancelReason| move |e: &Event| matches!(e, Event::Canceled(c) if c.reason == reason);
        self.add_if(accepted.price != new.price, Fact::Slid);
        if new.time_in_force == TimeInForce::Fok {
            self.add(Fact::FokFilled(new.order_type));
            let skipped = events.iter().any(canceled(CancelReason::SelfTrade));
            self.add_if(skipped, Fact::FokSkippedItsOwn);
        }
        if new.time_in_force == TimeInForce::Gtc {
            let ended = |e: &Event| match e {
                Event::Trade(t) => t.taker.leaves.0 == 0,
                Event::SelfTradePrevented(p) => p.taker.leaves.0 == 0,
                Event::Canceled(c) => c.order.order_id == accepted.order_id,
                _ => false,
            };
            self.add_if(
                trades > 0 && !events.iter().any(ended),
                Fact::GtcTradedAndRested,
            );
        }
        self.add_if(new.budget.0 != 0 && trades > 0, Fact::MarketTradedOnBudget);
        if events.iter().any(canceled(CancelReason::BudgetSpent)) {
            let after_trades = trades > 0;
            self.add(if after_trades {
                Fact::BudgetStopAfterTrades
            } else {
                Fact::BudgetStopAtOnce
            });
        }
    }

    fn self_trades(&mut self, after: &Oracle, taker: Taker, command: &Command, events: &[Event]) {
        let taker_id = match events.first() {
            Some(Event::Accepted(accepted)) => accepted.order_id,
            Some(Event::Replaced(replaced)) => replaced.order.order_id,
            _ => return,
        };
        let owner = |maker: AccountId| {
            if maker == taker.account {
                Owner::Account
            } else {
                Owner::Group
            }
        };
        let met = |outcome, owner| Fact::SelfTrade(taker.mode, outcome, owner, by(command));
        for event in events {
            match event {
                Event::Trade(t) if t.maker.account == taker.account => {
                    self.add(met(Outcome::Traded, Owner::Account));
                }
                Event::SelfTradePrevented(p) => {
                    let outcome = match (p.maker.leaves.0, p.taker.leaves.0) {
                        (0, 0) => Outcome::BothGone,
                        (0, _) => Outcome::MakerGone,
                        _ => Outcome::TakerGone,
                    };
                    self.add(met(outcome, owner(p.maker.account)));
                }
                Event::Canceled(c) if c.reason == CancelReason::SelfTrade => {
                    self.self_trade_cancel(after, taker, taker_id, c, met, owner);
                    self.add_if(trades(events) > 0, Fact::SelfTradeAfterTrades);
                }
                _ => {}
            }
        }
    }

    fn self_trade_cancel(
        &mut self,
        after: &Oracle,
        taker: Taker,
        taker_id: OrderId,
        canceled: &Canceled,
        met: impl Fn(Outcome, Owner) -> Fact,
        owner: impl Fn(AccountId) -> Owner,
    ) {
        let order = &canceled.order;
        if order.order_id != taker_id {
            let both = taker.mode == StpMode::CancelBoth;
            let outcome = if both {
                Outcome::BothCanceled
            } else {
                Outcome::MakerCanceled
            };
            self.add(met(outcome, owner(order.account)));
        } else if taker.mode == StpMode::CancelNewest {
            // The maker that it met is still the best of its side.
            let maker = after.ranked(order.side.opposite())[0];
            self.add(met(Outcome::TakerCanceled, owner(maker.account)));
        }
    }

    pub(super) fn add(&mut self, fact: Fact) {
        *self.counts.entry(fact).or_default() += 1;
    }

    pub(super) fn add_if(&mut self, is: bool, fact: Fact) {
        if is {
            self.add(fact);
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (fact, count) in &other.counts {
            *self.counts.entry(*fact).or_default() += count;
        }
        self.commands += other.commands;
        self.with_money += other.with_money;
        self.events += other.events;
        self.open_orders_max = self.open_orders_max.max(other.open_orders_max);
        self.open_orders_sum += other.open_orders_sum;
        self.levels_max = self.levels_max.max(other.levels_max);
    }

    /// Open orders at a command, on average.
    pub fn open_orders_mean(&self) -> u64 {
        self.open_orders_sum / self.commands.max(1)
    }

    /// How often a fact was met.
    pub fn count(&self, fact: &Fact) -> u64 {
        self.counts.get(fact).copied().unwrap_or_default()
    }

    /// Every fact that must be met, and those that were met besides, with their counts.
    pub fn table(&self) -> String {
        let mut counts = self.counts.clone();
        for fact in required() {
            counts.entry(fact).or_default();
        }
        counts
            .iter()
            .map(|(fact, count)| format!("{count:>12}  {fact:?}\n"))
            .collect()
    }

    /// The required facts that were met less often than `least`.
    pub fn rarer_than(&self, least: u64) -> Vec<Fact> {
        required()
            .into_iter()
            .filter(|fact| self.count(fact) < least)
            .collect()
    }
}

fn trades(events: &[Event]) -> usize {
    events
        .iter()
        .filter(|e| matches!(e, Event::Trade(_)))
        .count()
}

fn by(command: &Command) -> By {
    match command {
        Command::New(_) => By::New,
        Command::Cancel(_) => By::Cancel,
        Command::Replace(_) => By::Replace,
        Command::MassCancel(_) => By::MassCancel,
        Command::Status(_) => By::Status,
        Command::SetState(_) => By::SetState,
        Command::AddFees(_) => By::AddFees,
        Command::SetLimits(_) => By::SetLimits,
    }
}

fn kind(event: &Event) -> &'static str {
    match event {
        Event::Accepted(_) => "Accepted",
        Event::Rejected(_) => "Rejected",
        Event::Trade(_) => "Trade",
        Event::Canceled(_) => "Canceled",
        Event::Replaced(_) => "Replaced",
        Event::SelfTradePrevented(_) => "SelfTradePrevented",
        Event::MassCanceled { .. } => "MassCanceled",
        Event::Status(_) => "Status",
        Event::StateChanged(_) => "StateChanged",
        Event::FeesAdded { .. } => "FeesAdded",
        Event::LimitsChanged => "LimitsChanged",
        Event::Level(_) => "Level",
    }
}

/// What every long enough test must have met.
fn required() -> Vec<Fact> {
    let events = [
        "Accepted",
        "Rejected",
        "Trade",
        "Canceled",
        "Replaced",
        "SelfTradePrevented",
        "MassCanceled",
        "Status",
        "StateChanged",
        "FeesAdded",
        "LimitsChanged",
        "Level",
    ];
    let mut facts = vec![
        Fact::SelfTradeAfterTrades,
        Fact::ReplaceKept,
        Fact::ReplaceLost,
        Fact::ReplaceTraded,
        Fact::ReplaceFilled,
        Fact::ReplaceSlid,
        Fact::Slid,
        Fact::GtcTradedAndRested,
        Fact::FokFilled(OrderType::Market),
        Fact::FokFilled(OrderType::Limit),
        Fact::FokSkippedItsOwn,
        Fact::MarketTradedOnBudget,
        Fact::BudgetStopAfterTrades,
        Fact::BudgetStopAtOnce,
        Fact::LevelGone,
        Fact::GenerationThree,
        Fact::GenerationHundred,
        Fact::MassCanceledMany,
        Fact::MassCanceledNothing,
    ];
    facts.extend(events.map(Fact::Event));
    facts.extend(
        CancelReason::ALL
            .iter()
            .map(|reason| Fact::Canceled(*reason)),
    );
    required_rejects(&mut facts);
    money_coverage::required(&mut facts);
    required_self_trades(&mut facts);
    facts
}

/// Every reason that section 3 of the rules names, for every command that it names it for.
fn required_rejects(facts: &mut Vec<Fact>) {
    use RejectReason as R;
    let of_new_and_replace = [
        R::MarketHalted,
        R::MarketCancelOnly,
        R::QtyMustNotBeZero,
        R::PriceMustBePositive,
        R::PriceOutOfRange,
        R::QtyOutOfRange,
        R::DuplicateClOrdId,
        R::BookQtyExceeded,
        R::PostOnlyWouldCross,
    ];
    let of_new = [
        R::UnsupportedCombination,
        R::MarketOrderUnbounded,
        R::TooManyOpenOrders,
        R::TooManyOpenOrdersOfAccount,
        R::FokUnfillable,
    ];
    let of_reference = [R::OrderReferenceMissing, R::UnknownOrder];
    for by in [By::New, By::Replace] {
        facts.extend(of_new_and_replace.map(|reason| Fact::Rejected(by, reason)));
    }
    facts.extend(of_new.map(|reason| Fact::Rejected(By::New, reason)));
    for by in [By::Replace, By::Cancel, By::Status] {
        facts.extend(of_reference.map(|reason| Fact::Rejected(by, reason)));
    }
    facts.extend([By::Cancel, By::MassCancel].map(|by| Fact::Rejected(by, R::MarketHalted)));
}

/// Every mode with everything that it can lead to, for new orders and replaced ones.
fn required_self_trades(facts: &mut Vec<Fact>) {
    let outcomes = [
        (StpMode::CancelNewest, Outcome::TakerCanceled),
        (StpMode::CancelOldest, Outcome::MakerCanceled),
        (StpMode::CancelBoth, Outcome::BothCanceled),
        (StpMode::DecrementAndCancel, Outcome::MakerGone),
        (StpMode::DecrementAndCancel, Outcome::TakerGone),
        (StpMode::DecrementAndCancel, Outcome::BothGone),
    ];
    for by in [By::New, By::Replace] {
        facts.push(Fact::SelfTrade(
            StpMode::None,
            Outcome::Traded,
            Owner::Account,
            by,
        ));
        for owner in [Owner::Account, Owner::Group] {
            let fact = |(mode, outcome)| Fact::SelfTrade(mode, outcome, owner, by);
            facts.extend(outcomes.map(fact));
        }
    }
}
