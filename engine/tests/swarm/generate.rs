//! Draws the commands of a run, with an eye on the oracle's book, so that they meet something.

use super::Step;
use super::profile::{Kind, Levels, Profile};
use super::rng::Rng;
use crate::oracle::ledger::Funding;
use crate::oracle::{Oracle, Order};
use souk_engine::{
    CancelOrder, Command, Event, FeeTier, MassCancel, NewOrder, OrderRef, OrderStatus,
    PairCurrency, ReplaceOrder,
};
use souk_protocol::{
    AccountId, Amount, CancelReason, ClOrdId, MarketState, OrderId, OrderType, PostOnly, Price,
    Qty, SessionId, Side, StpMode, StpScope, TimeInForce,
};

/// How many order ids of the past are remembered, to be used when they are stale.
const REMEMBERED: usize = 64;

/// Draws commands.
pub struct Generator {
    pub profile: Profile,
    pub rng: Rng,
    pub(super) issued: Vec<(OrderId, AccountId)>,
    pub(super) cl_ord_ids: u64,
    upwards: bool,
    pub(super) mid: i64,
    /// How many balances have got what they begin with.
    pub(super) funded: usize,
}

impl Generator {
    pub fn new(profile: Profile, rng: Rng) -> Self {
        Self {
            mid: profile.mid,
            profile,
            rng,
            issued: Vec::new(),
            cl_ord_ids: 0,
            upwards: true,
            funded: 0,
        }
    }

    /// The next step.
    pub fn step(&mut self, oracle: &Oracle) -> Step {
        let command = self.command(oracle);
        let funding = self.funding(oracle);
        Step {
            funding,
            ..self.looked_at(command)
        }
    }

    fn looked_at(&mut self, command: Command) -> Step {
        let levels = match self.profile.levels {
            Levels::Never => false,
            Levels::Always => true,
            Levels::Sometimes => self.rng.percent(50),
        };
        let compare_state = self.rng.below(self.profile.state_every) == 0;
        Step {
            funding: None,
            command,
            levels,
            prefetch: self.rng.percent(50),
            compare_state,
        }
    }

    /// The steps after the last drawn one: they show what no snapshot shows, the order of each
    /// account's list and the order in which slots are used again.
    pub fn last_steps(&mut self, oracle: &Oracle) -> Vec<Step> {
        let mut commands = vec![
            Command::SetState(MarketState::Continuous),
            Command::SetLimits(self.profile.spec.limits()),
        ];
        commands.extend(oracle.orders.iter().map(|order| {
            Command::Status(OrderStatus {
                account: order.account,
                order: by_order_id(order),
            })
        }));
        for account in 1..=self.accounts() {
            let account = AccountId(u32::try_from(account).expect("few accounts"));
            commands.push(Command::MassCancel(MassCancel::asked(account, None)));
        }
        for _ in 0..oracle.free_slots.len() + oracle.orders.len() + 2 {
            commands.push(Command::New(NewOrder {
                price: self.profile.spec.price_min,
                qty: self.profile.spec.qty_min,
                side: Side::Buy,
                ..self.plain(AccountId(1))
            }));
        }
        let mut steps: Vec<Step> = commands.into_iter().map(|c| self.looked_at(c)).collect();
        let cost = self.profile.spec.units();
        let cost = cost.notional(self.profile.spec.price_min, self.profile.spec.qty_min);
        for step in &mut steps {
            // What the order costs, and whatever its fees are.
            let cost = cost.filter(|_| matches!(step.command, Command::New(_)));
            step.funding = cost.map(|cost| Funding {
                account: AccountId(1),
                currency: PairCurrency::Quote,
                amount: cost.0.cast_signed().saturating_mul(2),
            });
        }
        steps.last_mut().expect("not empty").compare_state = true;
        steps
    }

    /// Looks at what a command led to.
    pub fn learn(&mut self, command: &Command, events: &[Event]) {
        if let (Command::New(new), Some(Event::Accepted(accepted))) = (command, events.first()) {
            let entry = (accepted.order_id, new.account);
            if self.issued.len() < REMEMBERED {
                self.issued.push(entry);
            } else {
                let at = self.rng.index(REMEMBERED);
                self.issued[at] = entry;
            }
        }
    }

    fn command(&mut self, oracle: &Oracle) -> Command {
        self.move_mid();
        if oracle.state != MarketState::Continuous && self.rng.percent(15) {
            return Command::SetState(MarketState::Continuous);
        }
        if oracle.orders.len() > self.profile.open_target && self.rng.percent(60) {
            return self.shrink_book(oracle);
        }
        if oracle.orders.len() < self.profile.open_target / 2 && self.rng.percent(50) {
            return self.grow_book(oracle);
        }
        match self.kind() {
            Kind::Cancel => self.cancel(oracle),
            Kind::Replace => Command::Replace(self.replace(oracle)),
            Kind::MassCancel => self.mass_cancel(),
            Kind::Status => {
                let (account, order) = self.reference(oracle);
                Command::Status(OrderStatus { account, order })
            }
            Kind::SetState => Command::SetState(self.rng.pick(MarketState::ALL)),
            Kind::AddFees => Command::AddFees(self.fee_rates(oracle)),
            Kind::SetLimits => Command::SetLimits(self.limits()),
            Kind::Garbage => Command::New(self.garbage()),
            kind => Command::New(self.new_order(kind, oracle)),
        }
    }

    fn kind(&mut self) -> Kind {
        let total = self.profile.kinds.iter().map(|(_, weight)| weight).sum();
        let mut at = self.rng.below(total);
        for (kind, weight) in &self.profile.kinds {
            if at < *weight {
                return *kind;
            }
            at -= weight;
        }
        unreachable!("the weights add up to {total}")
    }

    /// The mid drifts, turns now and then, and seldom jumps.
    fn move_mid(&mut self) {
        let (low, high) = (self.profile.spec.price_min.0, self.profile.spec.price_max.0);
        if self.rng.below(self.profile.jump_every) == 0 {
            let reach = self.profile.jump_reach.min(high.abs_diff(low) + 1);
            let by = self.rng.magnitude(reach).cast_signed();
            let near = [self.mid.saturating_add(by), self.mid - by];
            let anywhere = reach < self.profile.jump_reach;
            self.mid = if anywhere {
                low + by - 1
            } else {
                self.rng.pick(&near)
            };
            self.mid = self.mid.clamp(low, high);
        }
        if self.rng.below(2_000) == 0 {
            self.upwards = !self.upwards;
        }
        if self.rng.percent(self.profile.drift_percent) {
            let by = self.rng.below(self.profile.drift + 1).cast_signed();
            self.mid += if self.upwards { by } else { -by };
        }
        if self.mid <= low || self.mid >= high {
            self.upwards = self.mid <= low;
            self.mid = self.mid.clamp(low, high);
        }
    }

    /// A command that makes a book smaller that has become too large.
    fn shrink_book(&mut self, oracle: &Oracle) -> Command {
        if self.rng.percent(70) || oracle.state != MarketState::Continuous {
            let order = &oracle.orders[self.rng.index(oracle.orders.len())];
            return Command::Cancel(CancelOrder {
                account: order.account,
                order: by_order_id(order),
            });
        }
        let mut new = self.new_order(Kind::Ioc, oracle);
        new.price = if new.side == Side::Buy {
            self.profile.spec.price_max
        } else {
            self.profile.spec.price_min
        };
        Command::New(new)
    }

    /// An order that makes a book larger that has become too small: it does not cross.
    fn grow_book(&mut self, oracle: &Oracle) -> Command {
        let mut new = self.new_order(Kind::Gtc, oracle);
        let crossed = |touch: Price| new.side.crosses(new.price, touch);
        if oracle.best(new.side.opposite()).is_some_and(crossed) {
            let away = 1 + self.rng.below(self.profile.band).cast_signed();
            let touch = self.touch(oracle, new.side.opposite());
            let price = if new.side == Side::Buy {
                touch - away
            } else {
                touch + away
            };
            let spec = self.profile.spec;
            new.price = Price(price.clamp(spec.price_min.0, spec.price_max.0));
        }
        Command::New(new)
    }

    fn mass_cancel(&mut self) -> Command {
        let account = self.account();
        let side = self.rng.pick(&[None, Some(Side::Buy), Some(Side::Sell)]);
        // One in three is of a session: nothing else is drawn for it, so that what comes after stays what it was.
        if side != Some(Side::Sell) {
            return Command::MassCancel(MassCancel::asked(account, side));
        }
        Command::MassCancel(MassCancel {
            account,
            side: None,
            session: SessionId(1 + account.0 % 2),
            reason: CancelReason::OnDisconnect,
        })
    }

    fn cancel(&mut self, oracle: &Oracle) -> Command {
        let (account, order) = self.reference(oracle);
        Command::Cancel(CancelOrder { account, order })
    }

    /// An order with nothing special about it.
    fn plain(&mut self, account: AccountId) -> NewOrder {
        NewOrder {
            cl_ord_id: ClOrdId(0),
            account,
            session: self.session(),
            side: self.rng.pick(Side::ALL),
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            post_only: PostOnly::No,
            price: Price(self.mid),
            qty: Qty(1),
            budget: Amount(0),
            stp_mode: StpMode::None,
            stp_scope: StpScope::Account,
            stp_group: self.group(account),
            fee_tier: FeeTier(0),
        }
    }

    fn new_order(&mut self, kind: Kind, oracle: &Oracle) -> NewOrder {
        let account = self.account();
        let mut new = self.plain(account);
        new.cl_ord_id = self.cl_ord_id(oracle, account);
        new.stp_mode = self.rng.pick(&self.profile.stp_modes);
        new.stp_scope = self.rng.pick(&self.profile.stp_scopes);
        new.price = self.price(oracle, new.side);
        new.qty = self.qty();
        new.fee_tier = self.fee_tier(oracle);
        match kind {
            Kind::PostOnly => new.post_only = self.rng.pick(&[PostOnly::Reject, PostOnly::Slide]),
            Kind::Ioc => new.time_in_force = TimeInForce::Ioc,
            Kind::Fok => new.time_in_force = TimeInForce::Fok,
            Kind::MarketIoc | Kind::MarketFok => {
                new.order_type = OrderType::Market;
                new.time_in_force = if kind == Kind::MarketIoc {
                    TimeInForce::Ioc
                } else {
                    TimeInForce::Fok
                };
            }
            _ => {}
        }
        if new.time_in_force != TimeInForce::Gtc && self.rng.percent(50) {
            self.aim(oracle, &mut new);
        }
        if new.order_type == OrderType::Market && new.side == Side::Buy {
            self.budget(oracle, &mut new);
        }
        if self.rng.percent(self.profile.broken_percent) {
            self.spoil(oracle, &mut new);
        }
        new
    }

    /// Makes the quantity just what is there within some price, or one lot less or more.
    fn aim(&mut self, oracle: &Oracle, new: &mut NewOrder) {
        let ranked = oracle.ranked(new.side.opposite());
        if ranked.is_empty() {
            return;
        }
        let count = 1 + self.rng.index(ranked.len().min(8));
        let mut there: u128 = ranked[..count].iter().map(|o| u128::from(o.leaves.0)).sum();
        if self.rng.percent(50) {
            new.price = ranked[count - 1].price;
        }
        if self.rng.percent(30) {
            // Without its own orders, which some modes skip.
            let own = ranked[..count].iter().filter(|o| o.account == new.account);
            there -= own.map(|o| u128::from(o.leaves.0)).sum::<u128>();
        }
        let qty = (there + u128::from(self.rng.below(3))).saturating_sub(1);
        let spec = &self.profile.spec;
        new.qty = Qty(u64::try_from(qty)
            .unwrap_or(u64::MAX)
            .clamp(spec.qty_min.0, spec.qty_max.0));
    }

    /// Gives a market buy order a budget, a protection price, or both.
    fn budget(&mut self, oracle: &Oracle, new: &mut NewOrder) {
        let bounds = self.rng.below(4);
        if bounds > 0 {
            let unit = u128::from(self.profile.spec.notional_unit);
            let mut cost = 0_u128;
            let mut left = new.qty.0;
            for maker in oracle.ranked(Side::Sell) {
                let lots = left.min(maker.leaves.0);
                let price = u128::try_from(maker.price.0).expect("positive");
                let all = cost.saturating_add(price * unit * u128::from(lots));
                if lots == 0 || u64::try_from(all).is_err() {
                    break;
                }
                cost = all;
                left -= lots;
            }
            let exact = u64::try_from(cost).expect("checked above");
            let budget = match self.rng.below(8) {
                0 => u64::MAX,
                1 => self.rng.magnitude(u64::MAX),
                2 => 1,
                3 => exact / 2,
                4 => exact.saturating_add(1),
                5 => exact.saturating_sub(1),
                _ => exact,
            };
            new.budget = Amount(budget.max(1));
        }
        if bounds > 1 {
            new.price = Price(0);
        }
    }

    /// An order of which every field is drawn on its own.
    fn garbage(&mut self) -> NewOrder {
        let account = self.account();
        NewOrder {
            order_type: self.rng.pick(OrderType::ALL),
            time_in_force: self.rng.pick(TimeInForce::ALL),
            post_only: self.rng.pick(PostOnly::ALL),
            price: Price(
                self.rng
                    .pick(&[0, 0, 1, -1, i64::MIN, i64::MAX, self.mid, self.mid]),
            ),
            qty: Qty(self.rng.pick(&[0, 1, 1, 5, u64::MAX])),
            budget: Amount(self.rng.pick(&[0, 0, 1, u64::MAX])),
            stp_mode: self.rng.pick(StpMode::ALL),
            stp_scope: self.rng.pick(StpScope::ALL),
            ..self.plain(account)
        }
    }

    /// Breaks one or two rules.
    fn spoil(&mut self, oracle: &Oracle, new: &mut NewOrder) {
        let spec = self.profile.spec;
        for _ in 0..1 + self.rng.below(2) {
            match self.rng.below(10) {
                0 => new.qty = Qty(0),
                1 => new.qty = Qty(self.rng.pick(&[spec.qty_max.0 + 1, u64::MAX])),
                2 => new.qty = Qty(spec.qty_min.0 - 1),
                3 => new.price = Price(self.rng.pick(&[0, -1, i64::MIN])),
                4 => new.price = Price(self.rng.pick(&[spec.price_max.0 + 1, i64::MAX])),
                5 => new.price = Price(spec.price_min.0 - 1),
                6 => new.budget = Amount(self.rng.pick(&[0, 1, 1_000_000])),
                7 => new.time_in_force = self.rng.pick(TimeInForce::ALL),
                8 => new.post_only = self.rng.pick(PostOnly::ALL),
                _ => {
                    let mine = oracle.orders.iter().find(|o| o.account == new.account);
                    new.cl_ord_id = mine.map_or(new.cl_ord_id, |o| o.cl_ord_id);
                }
            }
        }
    }

    fn replace(&mut self, oracle: &Oracle) -> ReplaceOrder {
        let (account, order) = self.reference(oracle);
        let named = oracle
            .find(account, order)
            .ok()
            .map(|index| &oracle.orders[index]);
        let spec = self.profile.spec;
        let (price, total) = match named {
            Some(o) => {
                let price = match self.rng.below(10) {
                    0..5 => o.price,
                    5 => Price(o.price.0 + self.rng.within(-1, 1)),
                    _ => self.price(oracle, o.side),
                };
                let (cum, leaves) = (o.cum.0, o.leaves.0);
                let total = match self.rng.below(12) {
                    0..4 => cum + leaves - self.rng.below(leaves),
                    4..6 => cum + leaves,
                    6..9 => cum + leaves + self.rng.magnitude(leaves),
                    9 => cum,
                    10 => cum.saturating_sub(self.rng.below(2)) + self.rng.below(2),
                    _ => self.qty().0,
                };
                (price, total)
            }
            None => (self.price(oracle, Side::Buy), self.qty().0),
        };
        let mut total_qty = total;
        if !self.rng.percent(self.profile.broken_percent) {
            total_qty = total_qty.clamp(spec.qty_min.0, spec.qty_max.0);
        }
        let price = if self.rng.percent(self.profile.broken_percent) {
            Price(
                self.rng
                    .pick(&[0, -1, spec.price_min.0 - 1, spec.price_max.0 + 1]),
            )
        } else {
            Price(price.0.clamp(spec.price_min.0, spec.price_max.0))
        };
        ReplaceOrder {
            account,
            session: self.session(),
            order,
            cl_ord_id: self.cl_ord_id(oracle, account),
            price,
            total_qty: Qty(total_qty),
        }
    }
}

pub(super) fn by_order_id(order: &Order) -> OrderRef {
    OrderRef {
        order_id: order.order_id,
        cl_ord_id: ClOrdId(0),
    }
}
