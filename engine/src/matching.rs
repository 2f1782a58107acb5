//! Matching: a taker against the other side of the book, best price first, oldest first.
//!
//! Must never: look at which side the taker is on; ranks have no sides.

use crate::level::Rank;
use crate::market::{Market, opposite};
use crate::orders::Slot;
use crate::taker::Taker;
use crate::{Event, EventSink, SelfTradePrevented, Trade};
use souk_protocol::{CancelReason, Price, Qty, StpMode};

impl Market {
    /// Matches `taker` until it has no leaves, nothing within its limit is left, or a rule stops
    /// it; then the reason for which what is left is to be canceled.
    pub(crate) fn match_taker<S: EventSink>(
        &mut self,
        taker: &mut Taker,
        sink: &mut S,
    ) -> Option<CancelReason> {
        while taker.leaves.0 > 0 {
            let book = &self.sides[opposite(taker.side)];
            let rank = book.best();
            if rank > taker.limit {
                break;
            }
            let first = book.first(rank);
            self.touch(taker.side.opposite(), rank);
            if taker.budget.is_none() && !taker.owner.owns(&self.open.orders[first]) {
                self.trade_level(taker, rank, taker.leaves, sink);
            } else if let Some(reason) = self.match_with_care(taker, rank, first, sink) {
                return Some(reason);
            }
        }
        None
    }

    /// Trades with the orders at `rank`, from the first, at most `most` lots in all, until one of
    /// the taker's owner comes.
    #[inline]
    fn trade_level<S: EventSink>(
        &mut self,
        taker: &mut Taker,
        rank: Rank,
        most: Qty,
        sink: &mut S,
    ) {
        let book = &mut self.sides[opposite(taker.side)];
        let price = book.price(rank);
        let level = book.level_mut(rank);
        let mut left = most;
        while left.0 > 0 && level.orders > 0 {
            let slot = level.first;
            let maker = &mut self.open.orders[slot];
            if taker.owner.owns(maker) {
                break;
            }
            let qty = left.min(maker.leaves);
            maker.leaves.0 -= qty.0;
            maker.cum.0 += qty.0;
            level.qty.0 -= qty.0;
            left.0 -= qty.0;
            taker.leaves.0 -= qty.0;
            taker.cum.0 += qty.0;
            self.last_match_id.0 += 1;
            let account = self.open.accounts[maker.account].id;
            sink.on(Event::Trade(Trade {
                match_id: self.last_match_id,
                price,
                qty,
                maker: maker.view(slot, account),
                taker: taker.view(),
            }));
            if maker.leaves.0 > 0 {
                break;
            }
            let gone = *maker;
            level.take_first(gone.next);
            self.open.close(slot, &gone, account);
        }
        let is_empty = level.orders == 0;
        book.reduce_side(Qty(most.0 - left.0));
        book.vacate(rank, is_empty);
    }

    /// One step of a taker that has a budget, or that meets an order of its owner: `slot`, the
    /// first at `rank`.
    #[cold]
    fn match_with_care<S: EventSink>(
        &mut self,
        taker: &mut Taker,
        rank: Rank,
        slot: Slot,
        sink: &mut S,
    ) -> Option<CancelReason> {
        let maker = self.open.orders[slot];
        let cost = self.cost(maker.price);
        let want = taker.leaves.min(taker.affordable(cost));
        if want.0 == 0 {
            return Some(CancelReason::BudgetSpent);
        }
        let qty = want.min(maker.leaves);
        if !taker.owner.owns(&maker) {
            taker.spend(qty, cost);
            self.trade_level(taker, rank, qty, sink);
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

    fn decrement<S: EventSink>(&mut self, taker: &mut Taker, slot: Slot, qty: Qty, sink: &mut S) {
        taker.leaves.0 -= qty.0;
        let before = self.open.orders[slot];
        self.open.orders[slot].leaves.0 -= qty.0;
        let maker = self.open.view(slot);
        sink.on(Event::SelfTradePrevented(SelfTradePrevented {
            qty,
            price: before.price,
            maker,
            taker: taker.view(),
        }));
        if maker.leaves.0 == 0 {
            self.dequeue(slot, &before);
            self.open.close(slot, &before, maker.account);
        } else {
            let book = &mut self.sides[opposite(taker.side)];
            book.reduce(book.rank(before.price), qty);
        }
    }

    /// What one lot costs at `price`, in the smallest unit of the quote currency.
    #[inline]
    fn cost(&self, price: Price) -> u128 {
        // No overflow: a price is below 2^63.
        u128::from(price.0.cast_unsigned()) * u128::from(self.spec.notional_unit)
    }

    /// Whether a fill-or-kill order can be filled in full at once.
    #[cold]
    pub(crate) fn fillable(&self, mut taker: Taker) -> bool {
        let book = &self.sides[opposite(taker.side)];
        if book.qty() < taker.leaves {
            return false;
        }
        for (rank, level) in self.ranked_levels(taker.side.opposite()) {
            if rank > taker.limit {
                return false;
            }
            if taker.budget.is_none() && taker.owner.owns_nothing() {
                if level.qty >= taker.leaves {
                    return true;
                }
                taker.leaves.0 -= level.qty.0;
                continue;
            }
            let cost = self.cost(book.price(rank));
            for slot in self.queue(level) {
                self.walked.set(self.walked.get().saturating_add(1));
                let maker = &self.open.orders[slot];
                if taker.owner.owns(maker) {
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
