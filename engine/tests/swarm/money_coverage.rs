//! Counts what happened to money.

use super::Step;
use super::coverage::{By, Coverage, Fact};
use crate::oracle::Oracle;
use souk_engine::{Command, Event, NewOrder, PairCurrency, Replaced, Trade};
use souk_protocol::{OrderType, RejectReason, Side};

/// Something about money that a test of all rules must have met. What has to do with balances
/// counts only in a market with holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MoneyFact {
    Credited,
    Debited,
    FundingRefused,
    MakerFee,
    TakerFee,
    Rebate,
    /// A fee or rebate that is not a whole number of units.
    FeeRounded,
    /// A trade between an order of the newest tier and one of an older tier.
    TiersMet,
    TierAdded,
    TierKnown,
    /// After new limits an order rests at a price that no new order may have.
    RestsOutsideLimits,
    /// A buy order took below its limit.
    ImprovementGivenBack,
    /// An order was accepted and left nothing available.
    HeldEverything,
    ReplaceNeedsMore,
    ReplaceNeedsLess,
    /// A market order has a budget below its protection price's notional.
    BudgetIsTheBound,
    /// A market order has a budget above it.
    ProtectionIsTheBound,
    /// An account traded with itself.
    PaidItself,
    /// A trade that the fee account gained by, and one that it did not.
    Earned(bool),
}

impl MoneyFact {
    const ALL: [Self; 20] = [
        Self::Credited,
        Self::Debited,
        Self::FundingRefused,
        Self::MakerFee,
        Self::TakerFee,
        Self::Rebate,
        Self::FeeRounded,
        Self::TiersMet,
        Self::TierAdded,
        Self::TierKnown,
        Self::RestsOutsideLimits,
        Self::ImprovementGivenBack,
        Self::HeldEverything,
        Self::ReplaceNeedsMore,
        Self::ReplaceNeedsLess,
        Self::BudgetIsTheBound,
        Self::ProtectionIsTheBound,
        Self::PaidItself,
        Self::Earned(true),
        Self::Earned(false),
    ];
}

/// Everything about money that every long enough test must have met.
pub(super) fn required(facts: &mut Vec<Fact>) {
    use RejectReason as R;
    facts.extend(MoneyFact::ALL.map(Fact::Money));
    for by in [By::New, By::Replace] {
        let reasons = [
            R::NotionalOutOfRange,
            R::AmountTooLarge,
            R::InsufficientFunds,
        ];
        facts.extend(reasons.map(|reason| Fact::Rejected(by, reason)));
    }
    facts.push(Fact::Rejected(By::AddFees, R::FeesOutOfRange));
    facts.push(Fact::Rejected(By::AddFees, R::FeeTableFull));
    facts.push(Fact::Rejected(By::SetLimits, R::LimitsOutOfRange));
}

impl Coverage {
    /// Counts one step. `tiers` is how many there were before, `after` the oracle after it.
    pub fn observe_money(
        &mut self,
        tiers: usize,
        after: &Oracle,
        step: &Step,
        events: &[Event],
        funded: bool,
    ) {
        let with_holds = after.ledger.is_some();
        if let Some(funding) = step.funding.filter(|_| with_holds) {
            self.add_money(match (funded, funding.amount < 0) {
                (false, _) => MoneyFact::FundingRefused,
                (true, false) => MoneyFact::Credited,
                (true, true) => MoneyFact::Debited,
            });
        }
        for event in events {
            match event {
                Event::Trade(trade) if with_holds => self.trade_money(after, trade),
                Event::Replaced(replaced) if with_holds => self.replaced_money(after, replaced),
                Event::FeesAdded { tier } => self.add_money(if usize::from(tier.0) < tiers {
                    MoneyFact::TierKnown
                } else {
                    MoneyFact::TierAdded
                }),
                Event::LimitsChanged => {
                    let legal = after.spec.price_min..=after.spec.price_max;
                    let outside = after.orders.iter().any(|o| !legal.contains(&o.price));
                    self.add_money_if(outside, MoneyFact::RestsOutsideLimits);
                }
                _ => {}
            }
        }
        if let (Command::New(new), Some(Event::Accepted(_))) = (&step.command, events.first())
            && with_holds
        {
            self.new_money(after, new, events);
        }
    }

    fn trade_money(&mut self, after: &Oracle, trade: &Trade) {
        let notional = after.cost(trade.price, trade.qty.0).cast_signed();
        let rates = |order: &souk_engine::OrderView| after.fees[usize::from(order.fee_tier.0)];
        let maker = notional * i128::from(rates(&trade.maker).maker_ppm);
        let taker = notional * i128::from(rates(&trade.taker).taker_ppm);
        let unit = 1_000_000;
        self.add_money_if(maker >= unit, MoneyFact::MakerFee);
        self.add_money_if(maker <= -unit, MoneyFact::Rebate);
        self.add_money_if(taker >= unit, MoneyFact::TakerFee);
        let whole = maker % unit == 0 && taker % unit == 0;
        self.add_money_if(!whole, MoneyFact::FeeRounded);
        self.add_money(MoneyFact::Earned(maker / unit + taker / unit > 0));
        let newest =
            |order: &souk_engine::OrderView| usize::from(order.fee_tier.0) + 1 == after.fees.len();
        let tiers_met = newest(&trade.maker) != newest(&trade.taker);
        self.add_money_if(tiers_met, MoneyFact::TiersMet);
        let itself = trade.maker.account == trade.taker.account;
        self.add_money_if(itself, MoneyFact::PaidItself);
    }

    fn replaced_money(&mut self, after: &Oracle, replaced: &Replaced) {
        let order = &replaced.order;
        let size = |price, leaves: souk_protocol::Qty| match order.side {
            Side::Buy => after.cost(price, leaves.0),
            Side::Sell => u128::from(leaves.0),
        };
        let (old, new) = (
            size(replaced.old_price, replaced.old_leaves),
            size(replaced.price, order.leaves),
        );
        self.add_money_if(new > old, MoneyFact::ReplaceNeedsMore);
        self.add_money_if(new < old, MoneyFact::ReplaceNeedsLess);
    }

    fn new_money(&mut self, after: &Oracle, new: &NewOrder, events: &[Event]) {
        let better = |e: &Event| matches!(e, Event::Trade(t) if t.price < new.price);
        let buys = new.side == Side::Buy;
        let improved = buys && events.iter().any(better);
        self.add_money_if(improved, MoneyFact::ImprovementGivenBack);
        let currency = PairCurrency::paid_by(new.side);
        let left = after.balance(new.account, currency).available;
        self.add_money_if(left == 0, MoneyFact::HeldEverything);
        if new.order_type == OrderType::Market && new.budget.0 != 0 && new.price.0 != 0 {
            let budget = u128::from(new.budget.0) < after.cost(new.price, new.qty.0);
            self.add_money(if budget {
                MoneyFact::BudgetIsTheBound
            } else {
                MoneyFact::ProtectionIsTheBound
            });
        }
    }

    fn add_money(&mut self, fact: MoneyFact) {
        self.add(Fact::Money(fact));
    }

    fn add_money_if(&mut self, is: bool, fact: MoneyFact) {
        self.add_if(is, Fact::Money(fact));
    }
}
