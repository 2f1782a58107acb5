//! The open orders of a market and the ways to find one: by id, by account, by client order id.
//!
//! Must never: know prices or queues.

use crate::accounts::{AccountSlot, Accounts};
use crate::hash::IndexKey;
use crate::hash_index::HashIndex;
use crate::orders::{Order, Orders, Slot};
use crate::{OrderRef, OrderView};
use souk_protocol::{AccountId, ClOrdId, RejectReason};

/// All open orders.
#[derive(Debug)]
pub(crate) struct OpenOrders {
    pub orders: Orders,
    pub accounts: Accounts,
    /// Slots of the orders with a client order id, by [`IndexKey::client_id`].
    pub clients: HashIndex,
    pub key: IndexKey,
    /// Number of open orders.
    pub count: u32,
}

impl OpenOrders {
    pub(crate) const fn new(key: IndexKey) -> Self {
        Self {
            orders: Orders::new(),
            accounts: Accounts::new(key),
            clients: HashIndex::new(key),
            key,
            count: 0,
        }
    }

    /// An open order as its owner sees it.
    #[inline]
    pub(crate) fn view(&self, slot: Slot) -> OrderView {
        let order = &self.orders[slot];
        order.view(slot, self.accounts[order.account].id)
    }

    /// The open order of `account` that `reference` names.
    #[inline(always)]
    pub(crate) fn find(
        &self,
        account: AccountId,
        reference: OrderRef,
    ) -> Result<Slot, RejectReason> {
        let OrderRef {
            order_id,
            cl_ord_id,
        } = reference;
        if (order_id.0 != 0) == (cl_ord_id.0 != 0) {
            return Err(RejectReason::OrderReferenceMissing);
        }
        let found = if order_id.0 == 0 {
            self.find_client(account, cl_ord_id)
        } else {
            self.orders
                .find(order_id)
                .filter(|&slot| self.owner(slot) == account)
        };
        found.ok_or(RejectReason::UnknownOrder)
    }

    /// The open order of `account` with this client order id, which is not 0.
    #[inline]
    pub(crate) fn find_client(&self, account: AccountId, cl_ord_id: ClOrdId) -> Option<Slot> {
        let tag = self.key.client_id(account, cl_ord_id);
        let is = |slot| {
            let slot = Slot(slot);
            self.orders[slot].cl_ord_id == cl_ord_id && self.owner(slot) == account
        };
        self.clients.find(tag, is).map(Slot)
    }

    #[inline]
    fn owner(&self, slot: Slot) -> AccountId {
        self.accounts[self.orders[slot].account].id
    }

    /// Ends `order`, which is the one in `slot`, an order of `account` that is in no queue any
    /// more: its client order id and its slot are free.
    #[inline(always)]
    pub(crate) fn close(&mut self, slot: Slot, order: &Order, account: AccountId) {
        let cl_ord_id = order.cl_ord_id;
        if cl_ord_id.0 != 0 {
            self.clients
                .remove(self.key.client_id(account, cl_ord_id), slot.0);
        }
        self.accounts.unlink(&mut self.orders, slot, order);
        self.orders.free(slot);
        self.count -= 1;
    }

    /// How many open orders an account has.
    #[inline]
    pub(crate) fn count_of(&self, account: AccountSlot) -> u32 {
        if account == AccountSlot::NONE {
            0
        } else {
            self.accounts[account].open
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.orders.memory_bytes() + self.accounts.memory_bytes() + self.clients.memory_bytes()
    }
}
