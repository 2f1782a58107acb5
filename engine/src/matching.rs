//! Matching: a taker against the other side of the book, best price first, oldest first.
//!
//! Must never: look at which side the taker is on; ranks have no sides.

use crate::accounts::AccountSlot;
use crate::level::Rank;
use crate::market::{Market, index};
use crate::orders::{Order, Slot};
use crate::{Canceled, Event, EventSink, OrderView, SelfTradePrevented, Trade};
use souk_protocol::{
    AccountId, Amount, CancelReason, ClOrdId, OrderId, Price, Qty, SessionId, Side, StpGroup,
    StpMode, StpScope,
};

/// An order while it takes: a new one, or one whose replace lost priority.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taker {
    pub order_id: OrderId,
    pub cl_ord_id: ClOrdId,
    pub account: AccountId,
    /// The account's entry, if it has one.
    pub account_slot: AccountSlot,
    pub session: SessionId,
    pub side: Side,
    pub leaves: Qty,
    pub cum: Qty,
    /// The worst rank of the other side that it takes.
    pub limit: Rank,
    /// What it may still spend, if that is bounded.
    pub budget: Option<Amount>,
    pub stp_mode: StpMode,
    pub stp_scope: StpScope,
    pub stp_group: StpGroup,
}

impl Taker {
    #[inline]
    pub(crate) const fn view(&self) -> OrderView {
        OrderView {
            order_id: self.order_id,
            cl_ord_id: self.cl_ord_id,
            account: self.account,
            session: self.session,
            side: self.side,
            leaves: self.leaves,
            cum: self.cum,
        }
    }

    /// Whether self-trade prevention has to deal with this maker.
    #[inline]
    fn meets_own(&self, maker: &Order) -> bool {
        let same_account = maker.account == self.account_slot;
        let grouped = matches!(self.stp_scope, StpScope::Group) && self.stp_group.0 != 0;
        let same_group = grouped && maker.stp_group == self.stp_group;
        (same_account || same_group) && !matches!(self.stp_mode, StpMode::None)
    }

    /// What the budget left buys at a unit cost; all of the leaves without a budget.
    #[inline]
    fn affordable(&self, cost: u128) -> Qty {
        match self.budget {
            None => self.leaves,
            // No truncation: a budget is 64 bits and a lot costs at least 1.
            Some(budget) => Qty((u128::from(budget.0) / cost) as u64),
        }
    }

    #[inline]
    fn spend(&mut self, qty: Qty, cost: u128) {
        if let Some(budget) = &mut self.budget {
            // No overflow: qty was affordable, so the product is at most the budget.
            budget.0 -= (u128::from(qty.0) * cost) as u64;
        }
    }
}

impl Market {
    /// Matches `taker` until it has no leaves, nothing within its limit is left, or a rule stops
    /// it; then the reason for which what is left is to be canceled.
    #[inline]
    pub(crate) fn match_taker<S: EventSink>(
        &mut self,
        taker: &mut Taker,
        sink: &mut S,
    ) -> Option<CancelReason> {
        let opposite = taker.side.opposite();
        while taker.leaves.0 > 0 {
            let book = &self.sides[index(opposite)];
            let rank = book.best();
            if rank > taker.limit {
                break;
            }
            let price = book.price(rank);
            let slot = book.level(rank).first;
            let cost = self.cost(price);
            let want = taker.leaves.min(taker.affordable(cost));
            if want.0 == 0 {
                return Some(CancelReason::BudgetSpent);
            }
            self.touch(opposite, price);
            let qty = want.min(self.orders[slot].leaves);
            if !taker.meets_own(&self.orders[slot]) {
                taker.spend(qty, cost);
                self.trade(taker, slot, qty, sink);
            } else if taker.stp_mode == StpMode::DecrementAndCancel {
                taker.spend(qty, cost);
                self.decrement(taker, slot, qty, sink);
            } else if self.prevent(taker.stp_mode, slot, sink) {
                return Some(CancelReason::SelfTrade);
            }
        }
        None
    }

    /// What one lot costs at `price`, in the smallest unit of the quote currency.
    #[inline]
    fn cost(&self, price: Price) -> u128 {
        // No overflow: a price is below 2^63.
        u128::from(price.0.cast_unsigned()) * u128::from(self.spec.notional_unit)
    }

    #[inline]
    fn trade<S: EventSink>(&mut self, taker: &mut Taker, slot: Slot, qty: Qty, sink: &mut S) {
        self.last_match_id.0 += 1;
        taker.leaves.0 -= qty.0;
        taker.cum.0 += qty.0;
        self.orders[slot].cum.0 += qty.0;
        self.take_from_maker(taker.side.opposite(), slot, qty);
        let maker = self.view(slot);
        sink.on(Event::Trade(Trade {
            match_id: self.last_match_id,
            price: self.orders[slot].price,
            qty,
            maker,
            taker: taker.view(),
        }));
        if maker.leaves.0 == 0 {
            self.dequeue(slot);
            self.close(slot);
        }
    }

    #[cold]
    fn decrement<S: EventSink>(&mut self, taker: &mut Taker, slot: Slot, qty: Qty, sink: &mut S) {
        taker.leaves.0 -= qty.0;
        self.take_from_maker(taker.side.opposite(), slot, qty);
        let maker = self.view(slot);
        sink.on(Event::SelfTradePrevented(SelfTradePrevented {
            qty,
            maker,
            taker: taker.view(),
        }));
        if maker.leaves.0 == 0 {
            self.dequeue(slot);
            self.close(slot);
        }
    }

    #[inline]
    fn take_from_maker(&mut self, side: Side, slot: Slot, qty: Qty) {
        let maker = &mut self.orders[slot];
        maker.leaves.0 -= qty.0;
        let book = &mut self.sides[index(side)];
        book.reduce(book.rank(maker.price), qty);
    }

    /// Deals with a maker of the taker's owner in the modes that cancel one of them, or both.
    /// Says whether what is left of the taker is canceled.
    #[cold]
    fn prevent<S: EventSink>(&mut self, mode: StpMode, slot: Slot, sink: &mut S) -> bool {
        if mode == StpMode::CancelNewest {
            return true;
        }
        sink.on(Event::Canceled(Canceled {
            order: self.view(slot),
            reason: CancelReason::SelfTrade,
        }));
        self.dequeue(slot);
        self.close(slot);
        mode == StpMode::CancelBoth
    }

    /// Whether a fill-or-kill order can be filled in full at once.
    #[cold]
    pub(crate) fn fillable(&self, taker: &Taker) -> bool {
        let mut taker = *taker;
        let opposite = taker.side.opposite();
        for (rank, level) in self.ranked_levels(opposite) {
            if rank > taker.limit {
                return false;
            }
            let cost = self.cost(self.sides[index(opposite)].price(rank));
            for slot in self.queue(level) {
                let maker = &self.orders[slot];
                if taker.meets_own(maker) {
                    if taker.stp_mode == StpMode::CancelOldest {
                        continue;
                    }
                    return false;
                }
                let qty = taker.leaves.min(maker.leaves);
                if taker.affordable(cost) < qty {
                    return false;
                }
                taker.spend(qty, cost);
                taker.leaves.0 -= qty.0;
                if taker.leaves.0 == 0 {
                    return true;
                }
            }
        }
        false
    }
}
