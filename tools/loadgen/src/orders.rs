//! The orders of one session in one market, followed from its own reports.
//!
//! A slot per open order, found without a search from the client order id, which carries the
//! slot. No allocation after warm-up.

use souk_protocol::{ClOrdId, OrderId, Price, Qty, Side};

use crate::rng::Rng;

/// New orders that are remembered by age. Older ones are picked for cancelling at random.
const AGES: usize = 1 << 12;
const _: () = assert!(AGES.is_power_of_two(), "ages are masked");
/// Orders looked at around the drawn age before one is picked at random instead.
const AGE_PROBES: usize = 8;
/// Bits of a client order id that name the slot.
const SLOT_BITS: u32 = 20;
/// Orders one session can have open in one market.
pub const SLOTS_MAX: u32 = 1 << SLOT_BITS;
/// Bits of a client order id that name the connection, so that two connections of one account
/// never use the same id.
const LANE_BITS: u32 = 12;
/// Connections of one run.
pub const LANES_MAX: usize = 1 << LANE_BITS;

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The slot is free.
    Free,
    /// Sent, not answered.
    Sent,
    /// Accepted; in the book.
    Live,
    /// Accepted; immediate or cancel: its reports follow at once.
    Passing,
}

/// An order.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// The server's id; 0 while not accepted.
    pub order_id: OrderId,
    /// Limit price.
    pub price: Price,
    /// Lots open.
    pub leaves: Qty,
    /// Lots executed.
    pub cum: Qty,
    /// Which order of the session this is; with the slot it makes the client order id.
    serial: u32,
    /// Where in the list of live orders.
    live_at: u32,
    /// Index of the account in the connection's list.
    pub account: u32,
    /// Buy or sell.
    pub side: Side,
    /// Where it stands.
    pub phase: Phase,
    /// Whether a cancel or replace of it is under way.
    pub busy: bool,
    /// Whether what is left goes at once.
    pub immediate: bool,
}

/// What a new order is made of.
#[derive(Clone, Copy, Debug)]
pub struct NewTerms {
    /// Index of the account.
    pub account: u32,
    /// Buy or sell.
    pub side: Side,
    /// Limit price.
    pub price: Price,
    /// Quantity.
    pub qty: Qty,
    /// Whether what does not trade at once goes.
    pub immediate: bool,
}

/// The orders of one session in one market.
#[derive(Debug)]
pub struct Orders {
    lane: u32,
    slots: Vec<Order>,
    free: Vec<u32>,
    /// Slots of live orders, in no order.
    live: Vec<u32>,
    /// The last new orders: slot and serial, by age.
    ages: Box<[(u32, u32)]>,
    next_serial: u32,
}

impl Orders {
    /// No orders, of the connection number `lane`.
    #[must_use]
    pub fn new(lane: usize) -> Self {
        assert!(
            lane < LANES_MAX,
            "a connection's number fits client order ids"
        );
        Self {
            lane: lane as u32,
            slots: Vec::new(),
            free: Vec::new(),
            live: Vec::new(),
            ages: vec![(0, 0); AGES].into_boxed_slice(),
            next_serial: 1,
        }
    }

    /// Takes a slot for an order that is being sent; `None` when all are in use.
    #[inline]
    pub fn enter(&mut self, terms: &NewTerms) -> Option<u32> {
        let serial = self.next_serial;
        let order = Order {
            order_id: OrderId(0),
            price: terms.price,
            leaves: terms.qty,
            cum: Qty(0),
            serial,
            live_at: 0,
            account: terms.account,
            side: terms.side,
            phase: Phase::Sent,
            busy: false,
            immediate: terms.immediate,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = order;
                slot
            }
            None if self.slots.len() < SLOTS_MAX as usize => {
                self.slots.push(order);
                self.slots.len() as u32 - 1
            }
            None => return None,
        };
        self.next_serial = serial.wrapping_add(1).max(1);
        Some(slot)
    }

    /// The client order id of the order in a slot.
    #[inline]
    #[must_use]
    pub fn cl_ord_id(&self, slot: u32) -> ClOrdId {
        let serial = u64::from(self.slots[slot as usize].serial);
        ClOrdId(serial << (SLOT_BITS + LANE_BITS) | u64::from(self.lane << SLOT_BITS | slot))
    }

    /// The slot of the order with this client order id, if it is open and of this session.
    #[inline]
    #[must_use]
    pub fn find(&self, id: ClOrdId) -> Option<u32> {
        let slot = id.0 as u32 & (SLOTS_MAX - 1);
        let lane = id.0 as u32 >> SLOT_BITS;
        let order = self.slots.get(slot as usize)?;
        let serial = (id.0 >> (SLOT_BITS + LANE_BITS)) as u32;
        (order.serial == serial && lane == self.lane && order.phase != Phase::Free).then_some(slot)
    }

    /// The order in a slot.
    #[inline]
    #[must_use]
    pub fn at(&self, slot: u32) -> &Order {
        &self.slots[slot as usize]
    }

    /// The order in a slot, to be changed.
    #[inline]
    pub fn at_mut(&mut self, slot: u32) -> &mut Order {
        &mut self.slots[slot as usize]
    }

    /// The order was accepted: it is live, or passing when it is immediate.
    #[inline]
    pub fn accepted(&mut self, slot: u32, order_id: OrderId, price: Price) {
        let live_at = self.live.len() as u32;
        let order = &mut self.slots[slot as usize];
        order.order_id = order_id;
        order.price = price;
        if order.immediate {
            order.phase = Phase::Passing;
            return;
        }
        order.phase = Phase::Live;
        order.live_at = live_at;
        let serial = order.serial;
        self.live.push(slot);
        self.ages[serial as usize & (AGES - 1)] = (slot, serial);
    }

    /// The order is gone; its slot is free.
    #[inline]
    pub fn end(&mut self, slot: u32) {
        let order = &mut self.slots[slot as usize];
        let (phase, live_at) = (order.phase, order.live_at as usize);
        order.phase = Phase::Free;
        order.busy = false;
        self.free.push(slot);
        if phase == Phase::Live {
            self.live.swap_remove(live_at);
            if let Some(moved) = self.live.get(live_at) {
                self.slots[*moved as usize].live_at = live_at as u32;
            }
        }
    }

    /// Number of live orders.
    #[must_use]
    pub fn live_count(&self) -> usize {
        self.live.len()
    }

    /// The live orders.
    pub fn live(&self) -> impl Iterator<Item = &Order> {
        self.live.iter().map(|slot| &self.slots[*slot as usize])
    }

    /// A live order without a change under way that was entered about `age` orders ago; a random
    /// one when none is near.
    #[inline]
    pub fn pick(&self, age: u32, rng: &mut Rng) -> Option<u32> {
        if self.live.is_empty() {
            return None;
        }
        if (age as usize) < AGES {
            let from = self.next_serial.wrapping_sub(1).wrapping_sub(age);
            for step in 0..AGE_PROBES as u32 {
                let serial = from.wrapping_sub(step);
                let (slot, entered) = self.ages[serial as usize & (AGES - 1)];
                if entered == serial && self.may_change(slot, serial) {
                    return Some(slot);
                }
            }
        }
        let slot = self.live[rng.below(self.live.len() as u32) as usize];
        (!self.slots[slot as usize].busy).then_some(slot)
    }

    #[inline]
    fn may_change(&self, slot: u32, serial: u32) -> bool {
        self.slots.get(slot as usize).is_some_and(|order| {
            order.serial == serial && order.phase == Phase::Live && !order.busy
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn terms(price: i64) -> NewTerms {
        NewTerms {
            account: 0,
            side: Side::Buy,
            price: Price(price),
            qty: Qty(10),
            immediate: false,
        }
    }

    #[test]
    fn an_order_is_found_by_its_client_id_until_it_ends() {
        let mut orders = Orders::new(3);
        let slot = orders.enter(&terms(5)).unwrap();
        let id = orders.cl_ord_id(slot);
        assert_eq!(orders.find(id), Some(slot));
        orders.accepted(slot, OrderId(77), Price(5));
        orders.end(slot);
        assert_eq!(orders.find(id), None);
        let again = orders.enter(&terms(6)).unwrap();
        assert_eq!(again, slot, "the slot is used again");
        assert_ne!(orders.cl_ord_id(again), id, "the id is not");
        assert_eq!(orders.find(id), None);
    }

    #[test]
    fn two_connections_never_use_the_same_client_id() {
        let (mut one, mut two) = (Orders::new(0), Orders::new(1));
        let (a, b) = (one.enter(&terms(1)).unwrap(), two.enter(&terms(1)).unwrap());
        assert_ne!(one.cl_ord_id(a), two.cl_ord_id(b));
        assert_eq!(two.find(one.cl_ord_id(a)), None);
    }

    #[test]
    fn the_live_list_loses_no_order_when_others_end() {
        let mut orders = Orders::new(0);
        let mut rng = Rng::new(1, 1);
        let mut open = Vec::new();
        for step in 0..20_000 {
            if open.len() < 50 || rng.below(2) == 0 {
                let slot = orders.enter(&terms(step)).unwrap();
                orders.accepted(slot, OrderId(step as u64 + 1), Price(step));
                open.push(slot);
            } else {
                let slot = open.swap_remove(rng.below(open.len() as u32) as usize);
                orders.end(slot);
            }
            assert_eq!(orders.live_count(), open.len());
        }
        let mut live: Vec<_> = orders.live.clone();
        live.sort_unstable();
        open.sort_unstable();
        assert_eq!(live, open);
    }

    #[test]
    fn the_order_of_the_drawn_age_is_picked() {
        let mut orders = Orders::new(0);
        let mut rng = Rng::new(1, 1);
        for step in 0..100 {
            let slot = orders.enter(&terms(step)).unwrap();
            orders.accepted(slot, OrderId(step as u64 + 1), Price(step));
        }
        let slot = orders.pick(9, &mut rng).unwrap();
        assert_eq!(orders.at(slot).price, Price(90), "the tenth youngest");
        orders.at_mut(slot).busy = true;
        let next = orders.pick(9, &mut rng).unwrap();
        assert_eq!(orders.at(next).price, Price(89), "the next older one");
    }
}
