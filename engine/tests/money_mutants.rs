//! Proves that the differential test would see money go wrong: the engine with its settlement, each
//! time with one thing about money spoiled on the way, is run against the oracle and its naive
//! ledger, and every fault must be found out.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, reason = "each test uses a part of it")]
mod oracle;
#[allow(dead_code, reason = "each test uses a part of it")]
mod swarm;

use oracle::Snapshot;
use oracle::ledger::{Balance, Funding};
use souk_engine::{
    Accepted, BalanceChange, BalanceSink, Command, Event, FeeTier, Hold, PairCurrency, Settlement,
    Trade, TradeMoney,
};
use souk_protocol::{
    AccountId, Amount, CancelReason, OrderId, Price, RejectReason, Side, TimeInForce,
};
use swarm::coverage::Coverage;
use swarm::market::{Applied, EngineMarket, Money};
use swarm::{Failure, Run, Setting, Step, Subject};

/// Something about money that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// A taker's fee is rounded up.
    FeesRoundedUp,
    /// A rebate is paid and not taken off what the fee account gains.
    RebateFromNowhere,
    /// A maker pays the rate of the taker's tier.
    FeeFromTakersTier,
    /// Every order pays the rates of tier 0.
    FeeFromTierZero,
    /// What a buyer saved by a better price stays away.
    ImprovementKept,
    /// What a fill-or-kill order held and did not pay stays away.
    FokHoldKept,
    /// What an order that was canceled at once held stays on hold.
    RemainderKept,
    /// What self-trade prevention took off stays on hold.
    PreventedKept,
    /// What a mass cancel canceled stays on hold.
    MassCancelKept,
    /// A slid order holds what its first price needs.
    SlideHoldsFirstPrice,
    /// A replaced order is taken to have held what its new price needs.
    ReplaceForgetsOldPrice,
    /// A replaced order is taken to have had its new leaves before.
    ReplaceForgetsOldLeaves,
    /// A maker's fill releases at the taker's quantity left.
    MakerLeavesOfTaker,
    /// Trades are settled one lot short.
    OneLotShort,
    /// A hold is one unit too small.
    HoldOneLess,
    /// A hold is one unit too large.
    HoldOneMore,
    /// Buy orders hold for account 1 whoever entered them.
    HoldOfAnother,
    /// A need that is not a legal amount is refused as one that is not there.
    TooLargeIsInsufficient,
    /// All who get are told before all who pay.
    ReceiptsFirst,
    /// What the taker pays is told after everything else but fees.
    TakerPaysLast,
    /// What the taker gets is told before its makers have paid.
    TakerGetsEarly,
}

const FAULTS: [Fault; 21] = [
    Fault::FeesRoundedUp,
    Fault::RebateFromNowhere,
    Fault::FeeFromTakersTier,
    Fault::FeeFromTierZero,
    Fault::ImprovementKept,
    Fault::FokHoldKept,
    Fault::RemainderKept,
    Fault::PreventedKept,
    Fault::MassCancelKept,
    Fault::SlideHoldsFirstPrice,
    Fault::ReplaceForgetsOldPrice,
    Fault::ReplaceForgetsOldLeaves,
    Fault::MakerLeavesOfTaker,
    Fault::OneLotShort,
    Fault::HoldOneLess,
    Fault::HoldOneMore,
    Fault::HoldOfAnother,
    Fault::TooLargeIsInsufficient,
    Fault::ReceiptsFirst,
    Fault::TakerPaysLast,
    Fault::TakerGetsEarly,
];

/// What settlement tells, to be told in another order.
#[derive(Default)]
struct Told {
    changes: Vec<BalanceChange>,
    fees: Option<Amount>,
}

impl BalanceSink for Told {
    fn change(&mut self, change: BalanceChange) {
        self.changes.push(change);
    }

    fn earn(&mut self, fees: Amount) {
        self.fees = Some(fees);
    }
}

/// The engine's market with a fault between it, its settlement and its balances.
struct Mutant {
    fault: Fault,
    market: EngineMarket,
}

impl Subject for Mutant {
    fn apply(&mut self, step: &Step) -> Vec<Event> {
        let bend: fn(&mut Hold) = match self.fault {
            Fault::HoldOneLess => |hold| hold.amount.0 = (hold.amount.0 - 1).max(1),
            Fault::HoldOneMore => |hold| hold.amount.0 += 1,
            Fault::HoldOfAnother => |hold| hold.account = AccountId(1),
            _ => |_| {},
        };
        let mut applied = self.market.unsettled(step, bend);
        let events = applied.events.clone();
        self.bend_events(&step.command, &mut applied);
        match self.fault {
            Fault::ReceiptsFirst | Fault::TakerPaysLast | Fault::TakerGetsEarly => {
                self.settle_out_of_order(&step.command, &applied);
            }
            _ => self.market.settle(&step.command, &applied),
        }
        self.bend_funds(&step.command, &applied);
        if self.fault == Fault::TooLargeIsInsufficient
            && events == [Event::Rejected(RejectReason::AmountTooLarge)]
        {
            return vec![Event::Rejected(RejectReason::InsufficientFunds)];
        }
        events
    }

    fn fund(&mut self, funding: &Funding) -> bool {
        self.market.fund(funding)
    }

    fn balance(&self, account: AccountId, currency: PairCurrency) -> Balance {
        self.market.balance(account, currency)
    }

    fn earned(&self) -> i128 {
        self.market.earned()
    }

    fn snapshot(&self) -> Snapshot {
        self.market.snapshot()
    }
}

impl Mutant {
    /// Spoils what settlement is told.
    fn bend_events(&self, command: &Command, applied: &mut Applied) {
        let fault = self.fault;
        let incoming = incoming(&applied.events);
        applied.events.retain(|event| match (fault, event) {
            (Fault::RemainderKept, Event::Canceled(c)) => Some(c.order.order_id) != incoming,
            (Fault::MassCancelKept, Event::Canceled(c)) => c.reason != CancelReason::MassCancel,
            (Fault::PreventedKept, Event::SelfTradePrevented(_)) => false,
            _ => true,
        });
        for event in &mut applied.events {
            match (fault, event) {
                (Fault::SlideHoldsFirstPrice, Event::Accepted(accepted)) => {
                    accepted.price = price_of(command).unwrap();
                }
                (Fault::ReplaceForgetsOldPrice, Event::Replaced(r)) => r.old_price = r.price,
                (Fault::ReplaceForgetsOldLeaves, Event::Replaced(r)) => {
                    r.old_leaves = r.order.leaves;
                }
                (Fault::FeeFromTakersTier, Event::Trade(t)) => {
                    t.maker.fee_tier = t.taker.fee_tier;
                }
                (Fault::FeeFromTierZero, Event::Trade(t)) => {
                    (t.maker.fee_tier, t.taker.fee_tier) = (FeeTier(0), FeeTier(0));
                }
                (Fault::MakerLeavesOfTaker, Event::Trade(t)) => {
                    t.maker.leaves = t.taker.leaves;
                }
                (Fault::OneLotShort, Event::Trade(t)) => t.qty.0 -= 1,
                _ => {}
            }
        }
    }

    /// Spoils the order in which settlement tells what it changes.
    fn settle_out_of_order(&mut self, command: &Command, applied: &Applied) {
        let Some(Money { settlement, funds }) = &mut self.market.money else {
            return;
        };
        let mut told = Told::default();
        settlement.settle(command, applied.hold, &applied.events, &mut told);
        let changes = &mut told.changes;
        match self.fault {
            Fault::ReceiptsFirst => changes.sort_by_key(|change| change.total <= 0),
            Fault::TakerPaysLast if !changes.is_empty() => changes.rotate_left(1),
            Fault::TakerGetsEarly if changes.len() > 1 => changes[1..].rotate_right(1),
            _ => {}
        }
        funds.begin();
        changes.iter().for_each(|change| funds.change(*change));
        if let Some(fees) = told.fees {
            funds.earn(fees);
        }
        funds.end();
    }

    /// Spoils what settlement did.
    fn bend_funds(&mut self, command: &Command, applied: &Applied) {
        let Some(money) = &mut self.market.money else {
            return;
        };
        for event in &applied.events {
            if let Event::Trade(trade) = event {
                bend_trade(self.fault, money, trade, command);
            }
        }
        if let (Fault::FokHoldKept, Command::New(new), [Event::Accepted(_), ..]) =
            (self.fault, command, &applied.events[..])
            && new.time_in_force == TimeInForce::Fok
            && new.side == Side::Buy
        {
            let spent = spent(&money.settlement, &applied.events);
            let rest = applied.hold.0.cast_signed() - spent;
            money.funds.lose(new.account, rest);
        }
    }
}

fn bend_trade(fault: Fault, money: &mut Money, trade: &Trade, command: &Command) {
    let TradeMoney {
        notional,
        maker_fee,
        taker_fee,
        ..
    } = money.settlement.trade(trade);
    let rates = money.settlement.fees().rates(trade.taker.fee_tier);
    let exact = u128::from(notional.0) * u128::from(rates.taker_ppm.unsigned_abs());
    let taker = trade.taker.account;
    match fault {
        Fault::FeesRoundedUp if exact.div_ceil(1_000_000) > taker_fee.unsigned_abs().into() => {
            money.funds.pay_fee(taker, 1);
        }
        Fault::RebateFromNowhere if maker_fee < 0 => money.funds.earned -= maker_fee,
        Fault::ImprovementKept if trade.taker.side == Side::Buy => {
            let limit = price_of(command).unwrap_or(trade.price);
            let better = limit.0.saturating_sub(trade.price.0).max(0);
            let saved = better.saturating_mul(trade.qty.0.cast_signed());
            money.funds.lose(taker, saved);
        }
        _ => {}
    }
}

/// What the taker of a command paid in quote currency.
fn spent(settlement: &Settlement, events: &[Event]) -> i64 {
    let paid = |event: &Event| match event {
        Event::Trade(trade) => {
            let money = settlement.trade(trade);
            money.notional.0.cast_signed() + money.taker_fee
        }
        _ => 0,
    };
    events.iter().map(paid).sum()
}

fn incoming(events: &[Event]) -> Option<OrderId> {
    match events.first() {
        Some(Event::Accepted(Accepted { order_id, .. })) => Some(*order_id),
        Some(Event::Replaced(replaced)) => Some(replaced.order.order_id),
        _ => None,
    }
}

fn price_of(command: &Command) -> Option<Price> {
    match command {
        Command::New(new) => Some(new.price),
        Command::Replace(replace) => Some(replace.price),
        _ => None,
    }
}

fn mutant(fault: Fault) -> impl Fn(Setting) -> Box<dyn Subject> + Sync {
    move |setting| {
        let market = EngineMarket::new(setting, 1);
        Box::new(Mutant { fault, market })
    }
}

/// Runs the mutant on runs with holds until it is found out: the commands that it took, and the
/// failure.
fn found_out(fault: Fault, commands_max: u64) -> Option<(u64, Box<Failure>)> {
    let mut commands = 0;
    for number in 0.. {
        let run = Run::new(1, number);
        if !run.profile.setting().holds {
            continue;
        }
        let failure = run.drive(&mutant(fault), &mut Coverage::default(), |_, _, _| {
            commands += 1
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
fn every_fault_is_found_out_and_shrunk() {
    for fault in FAULTS {
        let (commands, failure) = found_out(fault, 300_000)
            .unwrap_or_else(|| panic!("{fault:?} was not seen in 300,000 commands"));
        let shrunk = failure.shrunk(&mutant(fault));
        println!(
            "{fault:?}: seen after {commands} commands, shown by {}",
            shrunk.script.len()
        );
        assert!(
            shrunk.script.len() <= 20,
            "{fault:?} is shown by few commands:\n{}",
            shrunk.story()
        );
    }
}

#[test]
fn the_engine_without_a_fault_is_not_found_out() {
    assert!(
        found_out(Fault::None, 100_000).is_none(),
        "settlement is what the rules say"
    );
}
