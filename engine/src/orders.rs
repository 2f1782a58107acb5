//! The orders of a market, each in a slot of one cache line.
//!
//! Must never: move an order (its slot is part of its id), or give out a slot again without a new
//! generation.

use crate::accounts::AccountSlot;
use crate::chunks::Chunks;
use crate::{FeeTier, OrderView};
use souk_protocol::{
    AccountId, ClOrdId, OrderId, PostOnly, Price, Qty, SessionId, Side, StpGroup, StpMode, StpScope,
};

/// Where an order is kept; the lower half of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Slot(pub u32);

impl Slot {
    /// No slot: the end of a list.
    pub(crate) const NONE: Self = Self(u32::MAX);

    #[inline]
    pub(crate) const fn some(self) -> Option<Self> {
        if self.0 == Self::NONE.0 {
            None
        } else {
            Some(self)
        }
    }
}

/// One order, or one free slot.
///
/// Invariant: `account` is [`AccountSlot::NONE`] exactly when the slot holds no open order.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Order {
    /// The next order of the level, without meaning in the last one; in a free slot the free slot
    /// below it on the stack.
    pub next: Slot,
    /// The order before it in the level. Without meaning in the first order of a level.
    pub prev: Slot,
    pub account: AccountSlot,
    /// How often the slot has been used, this time included.
    pub generation: u32,
    pub leaves: Qty,
    pub cum: Qty,
    pub cl_ord_id: ClOrdId,
    pub price: Price,
    /// The order of the same account that came to rest next. Without meaning in the last one.
    pub account_next: Slot,
    /// The order of the same account that came to rest before. Without meaning in the first one.
    pub account_prev: Slot,
    pub session: SessionId,
    pub stp_group: StpGroup,
    pub flags: Flags,
    pub fee_tier: FeeTier,
}

const _: () = assert!(size_of::<Order>() == 64, "an order is one cache line");

impl Order {
    /// The order as its owner sees it. `slot` is where it is, `account` whose it is.
    #[inline]
    pub(crate) const fn view(&self, slot: Slot, account: AccountId) -> OrderView {
        OrderView {
            order_id: self.id(slot),
            cl_ord_id: self.cl_ord_id,
            account,
            session: self.session,
            side: self.flags.side(),
            leaves: self.leaves,
            cum: self.cum,
            fee_tier: self.fee_tier,
        }
    }

    /// Whether it is a slot that [`Orders::restore_free`] freed and that was not used since.
    pub(crate) fn is_restored_free(&self) -> bool {
        self.account == AccountSlot::NONE && self.cum == RESTORED_FREE
    }

    /// The id of the order that is in `slot`.
    #[inline]
    pub(crate) const fn id(&self, slot: Slot) -> OrderId {
        OrderId((self.generation as u64) << 32 | slot.0 as u64)
    }
}

/// The small properties of an order, packed so that it fits a cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Flags(u8);

impl Flags {
    #[inline]
    pub(crate) const fn new(
        side: Side,
        post_only: PostOnly,
        stp_mode: StpMode,
        stp_scope: StpScope,
    ) -> Self {
        let side = side as u8 - Side::Buy as u8;
        Self(side | (post_only as u8) << 1 | (stp_mode as u8) << 3 | (stp_scope as u8) << 6)
    }

    #[inline]
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// Flags as they were written: see [`Self::are_legal`].
    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether [`Self::new`] gives such flags.
    pub(crate) fn are_legal(self) -> bool {
        self == Self::new(
            self.side(),
            self.post_only(),
            self.stp_mode(),
            self.stp_scope(),
        )
    }

    #[inline]
    pub(crate) const fn side(self) -> Side {
        if self.0 & 1 == 0 {
            Side::Buy
        } else {
            Side::Sell
        }
    }

    #[inline]
    pub(crate) const fn post_only(self) -> PostOnly {
        match self.0 >> 1 & 3 {
            0 => PostOnly::No,
            1 => PostOnly::Reject,
            _ => PostOnly::Slide,
        }
    }

    #[inline]
    pub(crate) const fn stp_mode(self) -> StpMode {
        match self.0 >> 3 & 7 {
            0 => StpMode::None,
            1 => StpMode::CancelNewest,
            2 => StpMode::CancelOldest,
            3 => StpMode::CancelBoth,
            _ => StpMode::DecrementAndCancel,
        }
    }

    #[inline]
    pub(crate) const fn stp_scope(self) -> StpScope {
        if self.0 >> 6 & 1 == 0 {
            StpScope::Account
        } else {
            StpScope::Group
        }
    }
}

/// All slots of a market and the stack of the free ones.
#[derive(Debug)]
pub(crate) struct Orders {
    slots: Chunks<Order>,
    /// Top of the stack of free slots, which is threaded through [`Order::next`].
    free: Slot,
}

/// What a slot that is restored as free has in place of executed lots: no order can have as many.
const RESTORED_FREE: Qty = Qty(u64::MAX);

const FRESH: Order = Order {
    next: Slot::NONE,
    prev: Slot::NONE,
    account: AccountSlot::NONE,
    generation: 1,
    leaves: Qty(0),
    cum: Qty(0),
    cl_ord_id: ClOrdId(0),
    price: Price(0),
    account_next: Slot::NONE,
    account_prev: Slot::NONE,
    session: SessionId(0),
    stp_group: StpGroup(0),
    flags: Flags(0),
    fee_tier: FeeTier(0),
};

impl Orders {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Chunks::new(),
            free: Slot::NONE,
        }
    }

    /// The slot freed last, or one never used, and the id of the order that is to be in it. It
    /// stays "no open order" until it gets an account.
    #[inline]
    pub(crate) fn take(&mut self) -> (Slot, OrderId) {
        let slot = self.free;
        if slot == Slot::NONE {
            return self.take_fresh();
        }
        let order = &self[slot];
        let (below, id) = (order.next, order.id(slot));
        self.free = below;
        (slot, id)
    }

    #[cold]
    fn take_fresh(&mut self) -> (Slot, OrderId) {
        let slot = Slot(self.slots.len());
        assert!(slot != Slot::NONE, "a market has at most 2^32 - 1 slots");
        self.slots.push(FRESH);
        (slot, FRESH.id(slot))
    }

    /// Gives a slot back. Its id names nothing from now on.
    #[inline]
    pub(crate) fn free(&mut self, slot: Slot) {
        let below = self.free;
        let order = &mut self[slot];
        order.account = AccountSlot::NONE;
        if order.generation == u32::MAX {
            return;
        }
        order.generation += 1;
        order.next = below;
        self.free = slot;
    }

    /// Adds a slot that has been used so often, this time included; it is neither open nor free.
    pub(crate) fn restore(&mut self, generation: u32) {
        self.slots.push(Order {
            generation,
            ..FRESH
        });
    }

    /// Puts a restored slot on top of the stack of free ones. Gives whether it is one, and was not free before.
    pub(crate) fn restore_free(&mut self, slot: Slot) -> bool {
        let below = self.free;
        let Some(order) = self
            .slots
            .get_mut(slot.0)
            .filter(|order| !order.is_restored_free())
        else {
            return false;
        };
        (order.next, order.cum) = (below, RESTORED_FREE);
        self.free = slot;
        true
    }

    /// The id of the order in `slot`.
    #[inline]
    pub(crate) fn id(&self, slot: Slot) -> OrderId {
        self[slot].id(slot)
    }

    /// The slot of an open order with this id.
    #[inline]
    pub(crate) fn find(&self, id: OrderId) -> Option<Slot> {
        let slot = Slot(id.0 as u32);
        let order = self.slots.get(slot.0)?;
        let open = order.account != AccountSlot::NONE;
        (open && order.generation == (id.0 >> 32) as u32).then_some(slot)
    }

    /// What is in `slot`, if it was ever used.
    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> Option<&Order> {
        self.slots.get(slot.0)
    }

    /// The generation of every slot, from slot 0.
    pub(crate) fn generations(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.slots.len()).map(|slot| self.slots[slot].generation)
    }

    /// The free slots, from the top of the stack.
    pub(crate) fn free_slots(&self) -> impl Iterator<Item = Slot> + '_ {
        core::iter::successors(self.free.some(), |&slot| self[slot].next.some())
    }

    /// Number of slots that are never used again.
    pub(crate) fn retired(&self) -> u32 {
        let retired = |&slot: &u32| {
            let order = &self.slots[slot];
            order.generation == u32::MAX && order.account == AccountSlot::NONE
        };
        let retired = (0..self.slots.len()).filter(retired).count() as u32;
        // A free slot may wait for its last use.
        let last_use = self.free_slots();
        retired
            - last_use
                .filter(|&slot| self[slot].generation == u32::MAX)
                .count() as u32
    }

    /// Number of slots ever used.
    pub(crate) const fn len(&self) -> u32 {
        self.slots.len()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.slots.memory_bytes()
    }
}

impl core::ops::Index<Slot> for Orders {
    type Output = Order;

    #[inline]
    fn index(&self, slot: Slot) -> &Order {
        &self.slots[slot.0]
    }
}

impl core::ops::IndexMut<Slot> for Orders {
    #[inline]
    fn index_mut(&mut self, slot: Slot) -> &mut Order {
        &mut self.slots[slot.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(orders: &mut Orders) -> Slot {
        let (slot, _) = orders.take();
        orders[slot].account = AccountSlot(0);
        slot
    }

    #[test]
    fn the_slot_freed_last_is_taken_first() {
        let mut orders = Orders::new();
        let [a, b, c] = [(); 3].map(|()| open(&mut orders));
        assert_eq!([a, b, c], [Slot(0), Slot(1), Slot(2)]);
        orders.free(a);
        orders.free(c);
        assert_eq!(open(&mut orders), c);
        assert_eq!(open(&mut orders), a);
        assert_eq!(open(&mut orders), Slot(3));
    }

    #[test]
    fn an_id_names_its_order_only_while_it_is_open() {
        let mut orders = Orders::new();
        let slot = open(&mut orders);
        let first = orders.id(slot);
        assert_eq!(first, OrderId(1 << 32));
        assert_eq!(orders.find(first), Some(slot));
        orders.free(slot);
        assert_eq!(orders.find(first), None, "a stale id names nothing");
        assert_eq!(
            orders.find(OrderId(2 << 32)),
            None,
            "nor does a guessed one"
        );
        open(&mut orders);
        assert_eq!(orders.find(first), None);
        assert_eq!(orders.find(OrderId(2 << 32)), Some(slot));
        assert_eq!(orders.find(OrderId(2 << 32 | 7)), None, "a slot never used");
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_never_used_again() {
        let mut orders = Orders::new();
        let slot = open(&mut orders);
        orders[slot].generation = u32::MAX;
        let last = orders.id(slot);
        assert_eq!(orders.find(last), Some(slot));
        orders.free(slot);
        assert_eq!(orders.find(last), None);
        assert_eq!(orders.free_slots().count(), 0);
        assert_eq!(open(&mut orders), Slot(1));
    }

    #[test]
    fn flags_give_back_what_they_were_made_of() {
        for &side in Side::ALL {
            for &post_only in PostOnly::ALL {
                for &stp_mode in StpMode::ALL {
                    for &stp_scope in StpScope::ALL {
                        let flags = Flags::new(side, post_only, stp_mode, stp_scope);
                        assert_eq!(flags.side(), side);
                        assert_eq!(flags.post_only(), post_only);
                        assert_eq!(flags.stp_mode(), stp_mode);
                        assert_eq!(flags.stp_scope(), stp_scope);
                    }
                }
            }
        }
    }
}
