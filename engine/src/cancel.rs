//! Cancel and mass cancel.

use crate::accounts::AccountSlot;
use crate::market::Market;
use crate::orders::{Order, Slot};
use crate::{CancelOrder, Canceled, Event, EventSink, MassCancel};
use souk_protocol::{AccountId, CancelReason, MarketState, RejectReason, SessionId};

impl MassCancel {
    /// Whether it takes an order of its account.
    fn names(&self, order: &Order) -> bool {
        let of_session = self.session == SessionId(0) || self.session == order.session;
        of_session && self.side.is_none_or(|side| side == order.flags.side())
    }
}

impl Market {
    #[inline]
    pub(crate) fn cancel<S: EventSink>(
        &mut self,
        cancel: &CancelOrder,
        sink: &mut S,
    ) -> Result<(), RejectReason> {
        self.accepts_cancels()?;
        let slot = self.open.find(cancel.account, cancel.order)?;
        self.cancel_open(slot, cancel.account, CancelReason::ByRequest, sink);
        Ok(())
    }

    pub(crate) fn mass_cancel<S: EventSink>(
        &mut self,
        mass_cancel: &MassCancel,
        sink: &mut S,
    ) -> Result<(), RejectReason> {
        // What a session that is gone left open must not trade when the market goes on.
        if mass_cancel.reason != CancelReason::OnDisconnect {
            self.accepts_cancels()?;
        }
        let account = self.open.accounts.find(mass_cancel.account);
        let mut count = 0;
        if account != AccountSlot::NONE {
            // The list changes on the way: an order's successor is read before the order goes.
            let mut next = self.open.accounts[account].first;
            for _ in 0..self.open.accounts[account].open {
                let slot = next;
                let order = &self.open.orders[slot];
                next = order.account_next;
                if mass_cancel.names(order) {
                    self.cancel_resting(slot, mass_cancel.reason, sink);
                    count += 1;
                } else {
                    self.walked.set(self.walked.get().saturating_add(1));
                }
            }
        }
        sink.on(Event::MassCanceled { count });
        Ok(())
    }

    /// Takes the resting order in `slot` out of the book and ends it.
    pub(crate) fn cancel_resting<S: EventSink>(
        &mut self,
        slot: Slot,
        reason: CancelReason,
        sink: &mut S,
    ) {
        let account = self.open.accounts[self.open.orders[slot].account].id;
        self.cancel_open(slot, account, reason, sink);
    }

    /// [`Market::cancel_resting`], for those who know whose order it is.
    #[inline(always)]
    fn cancel_open<S: EventSink>(
        &mut self,
        slot: Slot,
        account: AccountId,
        reason: CancelReason,
        sink: &mut S,
    ) {
        let order = self.open.orders[slot];
        sink.on(Event::Canceled(Canceled {
            order: order.view(slot, account),
            price: order.price,
            reason,
        }));
        self.dequeue(slot, &order);
        self.open.close(slot, &order, account);
    }

    #[inline]
    const fn accepts_cancels(&self) -> Result<(), RejectReason> {
        match self.state {
            MarketState::Continuous | MarketState::CancelOnly => Ok(()),
            MarketState::Halted => Err(RejectReason::MarketHalted),
        }
    }
}
