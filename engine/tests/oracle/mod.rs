//! The naive oracle: what `RULES.md` says, line by line, as the simplest code that can say it.
//!
//! One flat list of open orders and full scans. The comments name the section that a piece of
//! code is to be held against. It shares nothing with the engine but the words, the commands
//! and the events.
//!
//! Must never: be clever, keep an index, or be changed because the engine says otherwise.

mod checks;
pub mod ledger;
mod matching;
mod money;
pub mod view;

pub use view::Snapshot;

use ledger::Ledger;
use souk_engine::{
    Accepted, Canceled, Command, Event, FeeRates, FeeTier, LevelUpdate, MarketSpec, MassCancel,
    NewOrder, OrderRef, OrderStatus, OrderView, ReplaceOrder, Replaced, StatusReport,
};
use souk_protocol::{
    AccountId, CancelReason, ClOrdId, MarketState, OrderId, PostOnly, Price, Qty, RejectReason,
    SessionId, Side, StpGroup, StpMode, StpScope, TimeInForce,
};

/// An order that is open, or the taker of the command at hand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    pub order_id: OrderId,
    pub cl_ord_id: ClOrdId,
    pub account: AccountId,
    pub session: SessionId,
    pub side: Side,
    pub price: Price,
    pub leaves: Qty,
    pub cum: Qty,
    pub post_only: PostOnly,
    pub stp_mode: StpMode,
    pub stp_scope: StpScope,
    pub stp_group: StpGroup,
    pub fee_tier: FeeTier,
    /// Section 1: the rank within a price, lowest first.
    pub priority: u64,
    /// Section 1: the place in the account's list, lowest first.
    pub place: u64,
}

/// A market, as the rules describe it.
#[derive(Clone, Debug)]
pub struct Oracle {
    pub spec: MarketSpec,
    /// The pairs of rates, by tier.
    pub fees: Vec<FeeRates>,
    /// None in a market without holds.
    pub ledger: Option<Ledger>,
    pub state: MarketState,
    /// The open orders, in no order that means anything.
    pub orders: Vec<Order>,
    /// Matches so far.
    pub matches: u64,
    /// The priority number given last.
    pub last_priority: u64,
    /// The place in an account's list given last.
    pub last_place: u64,
    /// The generation of each slot that was ever used.
    pub generations: Vec<u32>,
    /// Section 2: the free slots; the one freed last is at the end.
    pub free_slots: Vec<u32>,
}

impl Oracle {
    pub fn new(spec: MarketSpec, holds: bool) -> Self {
        Self {
            spec,
            fees: vec![spec.fees],
            ledger: holds.then(Ledger::default),
            state: MarketState::Continuous,
            orders: Vec::new(),
            matches: 0,
            last_priority: 0,
            last_place: 0,
            generations: Vec::new(),
            free_slots: Vec::new(),
        }
    }

    /// Applies a command and gives its events; with `levels`, those of section 8 too.
    pub fn apply(&mut self, command: &Command, levels: bool) -> Vec<Event> {
        let before = if levels {
            self.all_levels()
        } else {
            Vec::new()
        };
        let mut events = Vec::new();
        let outcome = match command {
            Command::New(new) => self.new_order(new, &mut events),
            Command::Cancel(c) => self.cancel(c.account, c.order, &mut events),
            Command::Replace(replace) => self.replace(replace, &mut events),
            Command::MassCancel(mass) => self.mass_cancel(mass, &mut events),
            Command::Status(status) => self.status(status, &mut events),
            Command::SetState(state) => {
                self.state = *state;
                events.push(Event::StateChanged(*state));
                Ok(())
            }
            Command::AddFees(rates) => self.add_fees(*rates, &mut events),
            Command::SetLimits(limits) => self.set_limits(limits, &mut events),
        };
        if let Err(reason) = outcome {
            assert!(events.is_empty(), "a rejected command has no other event");
            events.push(Event::Rejected(reason));
        }
        if levels {
            self.changed_levels(&before, &mut events);
        }
        events
    }

    /// Section 4, New.
    fn new_order(&mut self, new: &NewOrder, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        let price = self.check_new(new)?;
        let order_id = self.take_slot();
        events.push(Event::Accepted(Accepted { order_id, price }));
        let mut taker = Order {
            order_id,
            cl_ord_id: new.cl_ord_id,
            account: new.account,
            session: new.session,
            side: new.side,
            price,
            leaves: new.qty,
            cum: Qty(0),
            post_only: new.post_only,
            stp_mode: new.stp_mode,
            stp_scope: new.stp_scope,
            stp_group: new.stp_group,
            fee_tier: new.fee_tier,
            priority: 0,
            place: 0,
        };
        let limit = (price.0 != 0).then_some(price);
        let budget = (new.budget.0 != 0).then_some(u128::from(new.budget.0));
        let stopped = self.match_taker(&mut taker, limit, budget, events);
        if taker.leaves.0 == 0 {
            self.free_slot(order_id);
        } else if stopped.is_none() && new.time_in_force == TimeInForce::Gtc {
            self.last_place += 1;
            taker.place = self.last_place;
            self.rest(taker);
        } else {
            let reason = stopped.unwrap_or(CancelReason::ImmediateOrCancel);
            self.taker_canceled(&taker, reason, events);
        }
        Ok(())
    }

    /// Section 4, Cancel.
    fn cancel(
        &mut self,
        account: AccountId,
        order: OrderRef,
        events: &mut Vec<Event>,
    ) -> Result<(), RejectReason> {
        if self.state == MarketState::Halted {
            return Err(RejectReason::MarketHalted);
        }
        let index = self.find(account, order)?;
        self.resting_canceled(index, CancelReason::ByRequest, events);
        Ok(())
    }

    /// Section 7.
    fn replace(
        &mut self,
        replace: &ReplaceOrder,
        events: &mut Vec<Event>,
    ) -> Result<(), RejectReason> {
        let (index, price) = self.check_replace(replace)?;
        // 7.1
        if replace.total_qty <= self.orders[index].cum {
            self.resting_canceled(index, CancelReason::ReplacedBelowExecuted, events);
            return Ok(());
        }
        let kept_priority = self.keeps_priority(&self.orders[index], replace);
        let order = &mut self.orders[index];
        let (old_price, old_leaves) = (order.price, order.leaves);
        let orig_cl_ord_id = order.cl_ord_id;
        if replace.cl_ord_id.0 != 0 {
            order.cl_ord_id = replace.cl_ord_id;
        }
        order.session = replace.session;
        order.price = price;
        order.leaves = Qty(replace.total_qty.0 - order.cum.0);
        events.push(Event::Replaced(Replaced {
            order: order.view(),
            orig_cl_ord_id,
            price,
            old_price,
            old_leaves,
            kept_priority,
        }));
        // 7.2
        if kept_priority {
            return Ok(());
        }
        // 7.3
        let mut taker = self.orders.remove(index);
        let stopped = self.match_taker(&mut taker, Some(price), None, events);
        if taker.leaves.0 == 0 {
            self.free_slot(taker.order_id);
        } else if let Some(reason) = stopped {
            self.taker_canceled(&taker, reason, events);
        } else {
            self.rest(taker);
        }
        Ok(())
    }

    /// Section 4, MassCancel.
    fn mass_cancel(
        &mut self,
        mass: &MassCancel,
        events: &mut Vec<Event>,
    ) -> Result<(), RejectReason> {
        if self.state == MarketState::Halted && mass.reason != CancelReason::OnDisconnect {
            return Err(RejectReason::MarketHalted);
        }
        let mut count = 0;
        while let Some(index) = self.first_of_account(mass) {
            self.resting_canceled(index, mass.reason, events);
            count += 1;
        }
        events.push(Event::MassCanceled { count });
        Ok(())
    }

    /// The first order in the account's list that the mass cancel names.
    fn first_of_account(&self, mass: &MassCancel) -> Option<usize> {
        (0..self.orders.len())
            .filter(|&i| self.orders[i].account == mass.account)
            .filter(|&i| mass.side.is_none() || mass.side == Some(self.orders[i].side))
            .filter(|&i| mass.session.0 == 0 || mass.session == self.orders[i].session)
            .min_by_key(|&i| self.orders[i].place)
    }

    /// Section 4, Status.
    fn status(&self, status: &OrderStatus, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        let order = &self.orders[self.find(status.account, status.order)?];
        events.push(Event::Status(StatusReport {
            order: order.view(),
            price: order.price,
            stp_mode: order.stp_mode,
        }));
        Ok(())
    }

    /// The order comes to rest, with a new priority number (section 1).
    fn rest(&mut self, mut order: Order) {
        self.last_priority += 1;
        order.priority = self.last_priority;
        self.orders.push(order);
    }

    /// A resting order is canceled: its event, and its end.
    fn resting_canceled(&mut self, index: usize, reason: CancelReason, events: &mut Vec<Event>) {
        let order = self.orders[index].view();
        let price = self.orders[index].price;
        events.push(Event::Canceled(Canceled {
            order,
            price,
            reason,
        }));
        self.resting_gone(index);
    }

    /// What is left of the taker is canceled: its event, and the end of its slot.
    fn taker_canceled(&mut self, taker: &Order, reason: CancelReason, events: &mut Vec<Event>) {
        let (order, price) = (taker.view(), taker.price);
        events.push(Event::Canceled(Canceled {
            order,
            price,
            reason,
        }));
        self.free_slot(taker.order_id);
    }

    /// A resting order is gone.
    fn resting_gone(&mut self, index: usize) {
        let order = self.orders.remove(index);
        self.free_slot(order.order_id);
    }

    /// Section 2: the slot freed last, or the next one never used.
    fn take_slot(&mut self) -> OrderId {
        let slot = self.free_slots.pop().unwrap_or_else(|| {
            self.generations.push(1);
            u32::try_from(self.generations.len() - 1).expect("the tests use few slots")
        });
        let generation = self.generations[slot as usize];
        OrderId((u64::from(generation) << 32) + u64::from(slot))
    }

    /// Section 2: the slot is free and its generation grows by 1.
    fn free_slot(&mut self, order_id: OrderId) {
        let slot = u32::try_from(order_id.0 % (1 << 32)).expect("below 2^32");
        if self.generations[slot as usize] < u32::MAX {
            self.generations[slot as usize] += 1;
            self.free_slots.push(slot);
        }
    }
}

impl Order {
    /// The order as its owner sees it.
    pub fn view(&self) -> OrderView {
        OrderView {
            order_id: self.order_id,
            cl_ord_id: self.cl_ord_id,
            account: self.account,
            session: self.session,
            side: self.side,
            leaves: self.leaves,
            cum: self.cum,
            fee_tier: self.fee_tier,
        }
    }
}
