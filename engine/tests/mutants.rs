//! Proves that the differential test would see a broken market: variants of the oracle, each
//! with one rule broken, are run against the oracle, and every one must be found out.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, reason = "each test uses a part of it")]
mod oracle;
#[allow(dead_code, reason = "each test uses a part of it")]
mod swarm;

use oracle::ledger::{Balance, Funding};
use oracle::{Oracle, Order, Snapshot};
use souk_engine::{Command, Event, LevelUpdate, PairCurrency};
use souk_protocol::{
    AccountId, CancelReason, OrderId, PostOnly, Price, RejectReason, SessionId, StpGroup, StpScope,
    TimeInForce,
};
use swarm::coverage::Coverage;
use swarm::{Failure, Run, Setting, Step, Subject};

/// A broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Within a price the last order that came to rest trades first.
    LastInFirstOut,
    /// A maker that is left with something goes to the back of its queue.
    PartlyFilledMakerToTheBack,
    /// What an IOC order leaves comes to rest.
    IocRests,
    /// Less quantity at the same price loses priority.
    ReplaceDownLosesPriority,
    /// More quantity at the same price keeps priority.
    ReplaceUpKeepsPriority,
    /// A replaced order goes to the end of its account's list.
    ReplaceMovesInAccountList,
    /// Self-trade prevention asks the first own maker's mode instead of the taker's.
    MakersStpMode,
    /// Accounts without a group count as one group.
    GroupZeroIsAGroup,
    /// What decrement-and-cancel takes off counts as executed.
    DecrementCountsAsExecuted,
    /// A fill-or-kill order passes that is one lot too large.
    FokOneLotShort,
    /// A budget is spent without the market's notional unit.
    BudgetWithoutUnit,
    /// An order id is its slot alone.
    IdsWithoutGeneration,
    /// The slot freed first, not last, is used next.
    OldestFreeSlotFirst,
    /// A taker that is gone frees its slot before its makers do.
    TakerFreedBeforeMakers,
    /// A sliding order stops at the best opposite price.
    SlideToTheTouch,
    /// A mass cancel of one session takes the orders of all.
    MassCancelIgnoresSession,
    /// A session that is gone keeps its orders in a halted market.
    HaltKeepsOrdersOfTheGone,
    /// A mass cancel of one side takes both.
    MassCancelIgnoresSide,
    /// A level of which only the quantity changed is not told.
    LevelsByOrdersOnly,
    /// A refused order uses a slot up.
    RejectedTakesASlot,
    /// A client order id is taken for all accounts.
    ClOrdIdsOfTheMarket,
}

const FAULTS: [Fault; 21] = [
    Fault::LastInFirstOut,
    Fault::PartlyFilledMakerToTheBack,
    Fault::IocRests,
    Fault::ReplaceDownLosesPriority,
    Fault::ReplaceUpKeepsPriority,
    Fault::ReplaceMovesInAccountList,
    Fault::MakersStpMode,
    Fault::GroupZeroIsAGroup,
    Fault::DecrementCountsAsExecuted,
    Fault::FokOneLotShort,
    Fault::BudgetWithoutUnit,
    Fault::IdsWithoutGeneration,
    Fault::OldestFreeSlotFirst,
    Fault::TakerFreedBeforeMakers,
    Fault::SlideToTheTouch,
    Fault::MassCancelIgnoresSession,
    Fault::HaltKeepsOrdersOfTheGone,
    Fault::MassCancelIgnoresSide,
    Fault::LevelsByOrdersOnly,
    Fault::RejectedTakesASlot,
    Fault::ClOrdIdsOfTheMarket,
];

/// The oracle with a fault around it: it bends the command before, or the state and the events
/// after.
struct Mutant {
    fault: Fault,
    oracle: Oracle,
}

impl Subject for Mutant {
    fn apply(&mut self, step: &Step) -> Vec<Event> {
        let command = self.bent_command(step.command);
        let before = self.oracle.clone();
        let mut events = self.oracle.apply(&command, step.levels);
        if self.fault == Fault::FokOneLotShort
            && events.first() == Some(&Event::Rejected(RejectReason::FokUnfillable))
            && let Command::New(mut new) = command
        {
            new.qty.0 -= 1;
            if new.qty.0 > 0 && before.clone().apply(&Command::New(new), false) != events {
                new.qty.0 += 1;
                new.time_in_force = TimeInForce::Ioc;
                self.oracle = before.clone();
                events = self.oracle.apply(&Command::New(new), step.levels);
            }
        }
        self.bend_state(&before, &events);
        self.bend_events(&before, &mut events);
        events
    }

    fn fund(&mut self, funding: &Funding) -> bool {
        self.oracle.fund(funding)
    }

    fn balance(&self, account: AccountId, currency: PairCurrency) -> Balance {
        self.oracle.balance(account, currency)
    }

    fn earned(&self) -> i128 {
        let ledger = self.oracle.ledger.as_ref();
        ledger.map_or(0, |ledger| ledger.earned)
    }

    fn snapshot(&self) -> Snapshot {
        self.oracle.snapshot()
    }
}

impl Mutant {
    fn new(fault: Fault, mut setting: Setting) -> Self {
        let spec = &mut setting.spec;
        if fault == Fault::BudgetWithoutUnit {
            spec.notional_unit = 1;
        }
        Self {
            fault,
            oracle: Oracle::new(setting.spec, setting.holds),
        }
    }

    fn bent_command(&self, mut command: Command) -> Command {
        match (self.fault, &mut command) {
            (Fault::IocRests, Command::New(new)) if new.time_in_force == TimeInForce::Ioc => {
                new.time_in_force = TimeInForce::Gtc;
            }
            (Fault::GroupZeroIsAGroup, Command::New(new))
                if new.stp_scope == StpScope::Group && new.stp_group.0 == 0 =>
            {
                new.stp_group = StpGroup(7);
            }
            (Fault::MakersStpMode, Command::New(new)) => {
                let opposite = self.oracle.ranked(new.side.opposite());
                if let Some(maker) = opposite.iter().find(|o| o.account == new.account) {
                    new.stp_mode = maker.stp_mode;
                }
            }
            (Fault::SlideToTheTouch, Command::New(new)) => {
                if let Some(touch) = self.oracle.best(new.side.opposite())
                    && new.post_only == PostOnly::Slide
                    && new.side.crosses(new.price, touch)
                {
                    new.price = touch;
                    new.post_only = PostOnly::No;
                }
            }
            (Fault::HaltKeepsOrdersOfTheGone, Command::MassCancel(mass)) => {
                mass.reason = CancelReason::MassCancel;
            }
            (Fault::MassCancelIgnoresSide, Command::MassCancel(mass)) => mass.side = None,
            (Fault::MassCancelIgnoresSession, Command::MassCancel(mass)) => {
                mass.session = SessionId(0);
            }
            _ => {}
        }
        command
    }

    fn bend_state(&mut self, before: &Oracle, events: &[Event]) {
        let oracle = &mut self.oracle;
        match (self.fault, events.first()) {
            (Fault::LastInFirstOut, _) => {
                // Priority numbers given by this command are counted down instead of up.
                for order in &mut oracle.orders {
                    if (before.last_priority + 1..=oracle.last_priority).contains(&order.priority) {
                        order.priority = u64::MAX - order.priority;
                    }
                }
            }
            (Fault::PartlyFilledMakerToTheBack, _) => {
                for event in events {
                    if let Event::Trade(trade) = event {
                        to_the_back(oracle, trade.maker.order_id);
                    }
                }
            }
            (Fault::ReplaceDownLosesPriority, Some(Event::Replaced(r))) if r.kept_priority => {
                to_the_back(oracle, r.order.order_id);
            }
            (Fault::ReplaceUpKeepsPriority, Some(Event::Replaced(r))) => {
                let old = before
                    .orders
                    .iter()
                    .find(|o| o.order_id == r.order.order_id)
                    .unwrap();
                if let Some(order) = open(oracle, old.order_id).filter(|o| o.price == old.price) {
                    order.priority = old.priority;
                }
            }
            (Fault::ReplaceMovesInAccountList, Some(Event::Replaced(r))) => {
                oracle.last_place += 1;
                let place = oracle.last_place;
                if let Some(order) = open(oracle, r.order.order_id) {
                    order.place = place;
                }
            }
            (Fault::DecrementCountsAsExecuted, _) => {
                for event in events {
                    if let Event::SelfTradePrevented(p) = event
                        && let Some(maker) = open(oracle, p.maker.order_id)
                    {
                        maker.cum.0 += p.qty.0;
                    }
                }
            }
            (Fault::IdsWithoutGeneration, _) => oracle.generations.fill(1),
            (Fault::OldestFreeSlotFirst, _) => {
                let kept = before.free_slots.len().min(oracle.free_slots.len());
                oracle.free_slots[kept..].reverse();
            }
            (Fault::TakerFreedBeforeMakers, Some(Event::Accepted(_))) => {
                if let Some(slot) = oracle.free_slots.pop() {
                    let freed_before = before.free_slots.len().saturating_sub(1);
                    let at = freed_before.min(oracle.free_slots.len());
                    oracle.free_slots.insert(at, slot);
                }
            }
            (Fault::RejectedTakesASlot, Some(Event::Rejected(_))) => {
                oracle.free_slots.pop();
            }
            _ => {}
        }
    }

    fn bend_events(&mut self, before: &Oracle, events: &mut Vec<Event>) {
        match self.fault {
            Fault::LevelsByOrdersOnly => events.retain(|event| {
                let Event::Level(level) = event else {
                    return true;
                };
                let same_orders =
                    |old: &LevelUpdate| old.price == level.price && old.orders == level.orders;
                !before.levels(level.side).iter().any(same_orders)
            }),
            Fault::ClOrdIdsOfTheMarket => {
                let taken = self.oracle.orders.iter().any(|a| {
                    a.cl_ord_id.0 != 0
                        && self
                            .oracle
                            .orders
                            .iter()
                            .any(|b| a.cl_ord_id == b.cl_ord_id && a.account != b.account)
                });
                if taken && events.len() == 1 && matches!(events[0], Event::Accepted(_)) {
                    self.oracle = before.clone();
                    *events = vec![Event::Rejected(RejectReason::DuplicateClOrdId)];
                }
            }
            _ => {}
        }
    }
}

fn open(oracle: &mut Oracle, id: OrderId) -> Option<&mut Order> {
    oracle.orders.iter_mut().find(|o| o.order_id == id)
}

fn to_the_back(oracle: &mut Oracle, id: OrderId) {
    oracle.last_priority += 1;
    let priority = oracle.last_priority;
    if let Some(order) = open(oracle, id) {
        order.priority = priority;
    }
}

/// Runs the mutant on runs without holds, whose lists of commands shrink best, until it is found out: the commands that it took, and the
/// failure.
fn found_out(fault: Fault, commands_max: u64) -> Option<(u64, Box<Failure>)> {
    let make = |setting| -> Box<dyn Subject> { Box::new(Mutant::new(fault, setting)) };
    let mut commands = 0;
    for number in 0.. {
        let run = Run::new(1, number);
        if run.profile.setting().holds {
            continue;
        }
        let failure = run.drive(&make, &mut Coverage::default(), |_, _, _| {
            commands += 1;
        });
        if let Err(failure) = failure {
            return Some((commands, failure));
        }
        if commands > commands_max {
            return None;
        }
    }
    unreachable!("the runs do not end")
}

#[test]
fn every_mutant_is_found_out_and_shrunk() {
    for fault in FAULTS {
        let (commands, failure) = found_out(fault, 300_000)
            .unwrap_or_else(|| panic!("{fault:?} was not seen in 300,000 commands"));
        let make = |setting| -> Box<dyn Subject> { Box::new(Mutant::new(fault, setting)) };
        let shrunk = failure.shrunk(&make);
        println!(
            "{fault:?}: seen after {commands} commands, shown by {}",
            shrunk.script.len()
        );
        assert!(
            shrunk.script.len() <= 12,
            "{fault:?} is shown by few commands:\n{}",
            shrunk.story()
        );
    }
}

#[test]
fn the_oracle_itself_is_not_found_out() {
    assert!(
        found_out(Fault::None, 100_000).is_none(),
        "the same rules give the same events"
    );
}

#[test]
fn the_story_of_a_failure_names_commands_and_both_outcomes() {
    let (_, failure) = found_out(Fault::LastInFirstOut, 300_000).unwrap();
    let make =
        |setting| -> Box<dyn Subject> { Box::new(Mutant::new(Fault::LastInFirstOut, setting)) };
    let story = failure.shrunk(&make).story();
    for part in [
        "MarketSpec {",
        "Command::New(NewOrder {",
        "expected ",
        "got ",
        &Price(1).to_string(),
    ] {
        assert!(story.contains(part), "{part:?} is in the story:\n{story}");
    }
}
