//! Matching: a taker against the other side of the book, best price first, oldest first.
//!
//! Must never: look at which side the taker is on; ranks have no sides.

use crate::accounts::AccountSlot;
use crate::level::Rank;
use crate::market::{Market, index};
use crate::orders::{Order, Slot};
use crate::{Event, EventSink, OrderView, SelfTradePrevented, Trade};
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
            let slot = book.first(rank);
            self.touch(opposite, rank);
            let maker = &self.orders[slot];
            if taker.budget.is_some() || taker.meets_own(maker) {
                if let Some(reason) = self.match_with_care(taker, slot, sink) {
                    return Some(reason);
                }
            } else {
                let qty = taker.leaves.min(maker.leaves);
                self.trade(taker, slot, qty, sink);
            }
        }
        None
    }

    /// One step of a taker that has a budget, or that meets an order of its owner.
    #[cold]
    fn match_with_care<S: EventSink>(
        &mut self,
        taker: &mut Taker,
        slot: Slot,
        sink: &mut S,
    ) -> Option<CancelReason> {
        let maker = self.orders[slot];
        let cost = self.cost(maker.price);
        let want = taker.leaves.min(taker.affordable(cost));
        if want.0 == 0 {
            return Some(CancelReason::BudgetSpent);
        }
        let qty = want.min(maker.leaves);
        if !taker.meets_own(&maker) {
            taker.spend(qty, cost);
            self.trade(taker, slot, qty, sink);
        } else if taker.stp_mode == StpMode::DecrementAndCancel {
            taker.spend(qty, cost);
            self.decrement(taker, slot, qty, sink);
        } else {
            if taker.stp_mode != StpMode::CancelNewest {
                self.cancel_resting(slot, CancelReason::SelfTrade, sink);
            }
            if taker.stp_mode != StpMode::CancelOldest {
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
        let maker = &mut self.orders[slot];
        maker.leaves.0 -= qty.0;
        maker.cum.0 += qty.0;
        let maker = *maker;
        let account = self.accounts[maker.account].id;
        sink.on(Event::Trade(Trade {
            match_id: self.last_match_id,
            price: maker.price,
            qty,
            maker: maker.view(slot, account),
            taker: taker.view(),
        }));
        self.take_from_first(taker.side.opposite(), slot, qty, &maker, account);
    }

    fn decrement<S: EventSink>(&mut self, taker: &mut Taker, slot: Slot, qty: Qty, sink: &mut S) {
        taker.leaves.0 -= qty.0;
        let maker = &mut self.orders[slot];
        maker.leaves.0 -= qty.0;
        let maker = *maker;
        let account = self.accounts[maker.account].id;
        sink.on(Event::SelfTradePrevented(SelfTradePrevented {
            qty,
            maker: maker.view(slot, account),
            taker: taker.view(),
        }));
        self.take_from_first(taker.side.opposite(), slot, qty, &maker, account);
    }

    /// The first order of the best level lost `qty` and is now `maker`.
    #[inline]
    fn take_from_first(
        &mut self,
        side: Side,
        slot: Slot,
        qty: Qty,
        maker: &Order,
        account: AccountId,
    ) {
        let book = &mut self.sides[index(side)];
        let rank = book.rank(maker.price);
        if maker.leaves.0 == 0 {
            book.unlink_first(rank, qty, maker.next);
            self.close(slot, maker, account);
        } else {
            book.reduce(rank, qty);
        }
    }

    /// Whether a fill-or-kill order can be filled in full at once.
    #[cold]
    pub(crate) fn fillable(&self, mut taker: Taker) -> bool {
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
