//! The state of a market in bytes, and back: for snapshots.
//!
//! Little-endian, packed, in this order:
//!
//! | type | what |
//! |---|---|
//! | u32 | version of this layout, 1 |
//! | 8 x u64, 2 x u32 | the spec: notional unit, lot units, lowest and highest price, quantity, notional; most orders, of an account |
//! | u8, u64 | market state; last match id |
//! | u16, and for each i32, i32 | tiers: maker and taker rate |
//! | u32, and for each u32 | slots: generation |
//! | u32, and for each u32 | the free slots, from the top of their stack |
//! | u32 | accounts with open orders, and for each |
//! | u32, u32 | its id, its open orders, and for each in the order in which they came to rest |
//! | u32, 4 x u64, u32, u16, u8, u8 | slot, leaves, cum, client order id, price, session, STP group, flags, fee tier: 44 bytes |
//! | u32, and for each u32 | for buys, then for sells: slots by priority |
//!
//! An order takes 48 bytes and 4 for its slot. Reading checks every rule that ties these together: what is accepted
//! satisfies [`Market::check_invariants`].
//!
//! Must never: panic on what the bytes say, or take memory for more than the bytes that came.

use alloc::vec::Vec;

use crate::accounts::AccountSlot;
use crate::level::Rank;
use crate::market::{Market, index, opposite};
use crate::new_order::BOOK_QTY_MAX;
use crate::orders::{Flags, Order, Slot};
use crate::state_source::{AHEAD, GivesBytes, SlotsAhead, Source, StateError, TakesBytes, broken};
use crate::{FeeRates, FeeTier, MarketSpec, PairCurrency};
use souk_protocol::{
    AccountId, Amount, ClOrdId, MarketState, MatchId, PRICE_MAX, Price, QTY_MAX, Qty, SessionId,
    Side, StpGroup,
};

/// The version of the layout.
pub(crate) const VERSION: u32 = 1;
/// Bytes of an order.
const ORDER_LEN: usize = 44;

impl Market {
    /// Writes the whole state.
    pub fn write_state(&self, out: &mut impl TakesBytes) {
        out.take(&VERSION.to_le_bytes());
        self.write_spec(out);
        out.take(&[self.state as u8]);
        out.take(&self.last_match_id.0.to_le_bytes());
        let tiers = self.fees.tiers();
        out.take(&(tiers.len() as u16).to_le_bytes());
        for rates in tiers {
            out.take(&rates.maker_ppm.to_le_bytes());
            out.take(&rates.taker_ppm.to_le_bytes());
        }
        let orders = &self.open.orders;
        out.take(&orders.len().to_le_bytes());
        for generation in orders.generations() {
            out.take(&generation.to_le_bytes());
        }
        out.take(&(orders.free_slots().count() as u32).to_le_bytes());
        for slot in orders.free_slots() {
            out.take(&slot.0.to_le_bytes());
        }
        self.write_accounts(out);
        for side in [Side::Buy, Side::Sell] {
            let count: u32 = self.levels(side).map(|level| level.orders).sum();
            out.take(&count.to_le_bytes());
            for slot in self.resting_slots(side) {
                out.take(&slot.0.to_le_bytes());
            }
        }
    }

    fn write_spec(&self, out: &mut impl TakesBytes) {
        let spec = &self.spec;
        for number in [
            spec.notional_unit,
            spec.lot_units,
            spec.price_min.0.cast_unsigned(),
            spec.price_max.0.cast_unsigned(),
            spec.qty_min.0,
            spec.qty_max.0,
            spec.notional_min.0,
            spec.notional_max.0,
        ] {
            out.take(&number.to_le_bytes());
        }
        out.take(&spec.orders_max.to_le_bytes());
        out.take(&spec.account_orders_max.to_le_bytes());
    }

    fn write_accounts(&self, out: &mut impl TakesBytes) {
        out.take(&self.open.accounts.busy().to_le_bytes());
        for (_, account) in self.open.accounts.iter() {
            if account.open == 0 {
                continue;
            }
            out.take(&account.id.0.to_le_bytes());
            out.take(&account.open.to_le_bytes());
            let mut slot = account.first;
            for _ in 0..account.open {
                let order = &self.open.orders[slot];
                out.take(&order_bytes(slot, order));
                slot = order.account_next;
            }
        }
    }

    /// The market whose state was written, and its [`Market::state_hash`], which is cheaper while each order is at hand than
    /// later. `index_key` as in [`Market::new`]. In a market with holds `holds` is told what the open orders of each account
    /// need, in the base and in the quote currency; without it nothing has to fit.
    ///
    /// # Errors
    /// The first thing that is not a market's.
    pub fn read_state<S: GivesBytes>(
        source: &mut S,
        index_key: u64,
        holds: Option<&mut dyn FnMut(AccountId, [u128; 2])>,
    ) -> Result<(Self, u64), StateError<S::Error>> {
        let mut source = Source(source);
        let version = source.u32()?;
        if version != VERSION {
            return Err(StateError::Version(version));
        }
        let mut numbers = [0; 8];
        for number in &mut numbers {
            *number = source.u64()?;
        }
        let (orders_max, account_orders_max) = (source.u32()?, source.u32()?);
        let state = MarketState::try_from(source.bytes::<1>()?[0]).map_err(StateError::Refused)?;
        let last_match_id = MatchId(source.u64()?);
        if last_match_id.0 >> 63 != 0 {
            return broken("match ids stay below 2^63", last_match_id.0);
        }
        let tiers = source.u16()?;
        if tiers == 0 {
            return broken("a market has at least one tier", 0);
        }
        let rates = |source: &mut Source<'_, S>| {
            Ok(FeeRates {
                maker_ppm: source.u32()?.cast_signed(),
                taker_ppm: source.u32()?.cast_signed(),
            })
        };
        let spec = MarketSpec {
            notional_unit: numbers[0],
            lot_units: numbers[1],
            price_min: Price(numbers[2].cast_signed()),
            price_max: Price(numbers[3].cast_signed()),
            qty_min: Qty(numbers[4]),
            qty_max: Qty(numbers[5]),
            notional_min: Amount(numbers[6]),
            notional_max: Amount(numbers[7]),
            orders_max,
            account_orders_max,
            fees: rates(&mut source)?,
        };
        let mut market = Self::new(spec, index_key).map_err(|_| StateError::Spec)?;
        (market.state, market.last_match_id) = (state, last_match_id);
        for tier in 1..tiers {
            let added = market.fees.add(rates(&mut source)?);
            let added = added.map_err(StateError::Refused)?;
            if u16::from(added.0) != tier {
                return broken("each tier has rates of its own", added.0.into());
            }
        }
        market.read_slots(&mut source)?;
        market.read_accounts(&mut source, holds)?;
        let hash = market.read_queues(&mut source)?;
        market.check_crossed()?;
        let free = market.open.orders.free_slots().count() as u64;
        let known = free + u64::from(market.open.count) + u64::from(market.open.orders.retired());
        if known != u64::from(market.open.orders.len()) {
            return broken("a slot is open, free or retired", known);
        }
        Ok((market, hash))
    }

    fn read_slots<S: GivesBytes>(
        &mut self,
        source: &mut Source<'_, S>,
    ) -> Result<(), StateError<S::Error>> {
        let slots = source.u32()?;
        if slots == u32::MAX {
            return broken("a market has at most 2^32 - 1 slots", slots.into());
        }
        for _ in 0..slots {
            let generation = source.u32()?;
            if generation == 0 {
                return broken("a slot's generations begin with 1", 0);
            }
            self.open.orders.restore(generation);
        }
        let free = source.u32()?;
        if free > slots {
            return broken("there are not more free slots than slots", free.into());
        }
        let mut stack = Vec::new();
        for _ in 0..free {
            stack.push(Slot(source.u32()?));
        }
        // From the bottom, so that the first is on top again.
        for slot in stack.into_iter().rev() {
            if !self.open.orders.restore_free(slot) {
                return broken("a free slot is a slot, and free once", slot.0.into());
            }
        }
        Ok(())
    }

    fn read_accounts<S: GivesBytes>(
        &mut self,
        source: &mut Source<'_, S>,
        mut holds: Option<&mut dyn FnMut(AccountId, [u128; 2])>,
    ) -> Result<(), StateError<S::Error>> {
        for _ in 0..source.u32()? {
            let (id, open) = (AccountId(source.u32()?), source.u32()?);
            if self.open.accounts.find(id) != AccountSlot::NONE {
                return broken("an account comes once", id.0.into());
            }
            if open == 0 {
                return broken("an account that is kept has orders", id.0.into());
            }
            let account = self.open.accounts.add(id);
            let mut bytes = [0; AHEAD * ORDER_LEN];
            let mut left = open as usize;
            let mut needs = [0; 2];
            while left > 0 {
                let count = left.min(AHEAD);
                let (orders, _) = bytes[..count * ORDER_LEN].as_chunks_mut::<ORDER_LEN>();
                source
                    .0
                    .fill(orders.as_flattened_mut())
                    .map_err(StateError::Source)?;
                for order in &*orders {
                    let (slot, order) = order_of(order);
                    self.prefetch_restored(slot, id, order.cl_ord_id);
                }
                for bytes in &*orders {
                    let order = self.restore_order(id, account, bytes)?;
                    if holds.is_some() {
                        let (currency, need) = self.need_of(&order)?;
                        needs[currency as usize] += u128::from(need.0);
                    }
                }
                left -= count;
            }
            if let Some(holds) = &mut holds {
                holds(id, needs);
            }
        }
        Ok(())
    }

    /// What an order holds, where orders hold.
    fn need_of<E>(&self, order: &Order) -> Result<(PairCurrency, Amount), StateError<E>> {
        let (side, rates) = (order.flags.side(), self.fees.rates(order.fee_tier));
        let units = self.spec.units();
        match units.need(side, order.price, order.leaves, rates) {
            Some(need) => Ok((PairCurrency::paid_by(side), need)),
            None => broken("an order's amount fits", order.leaves.0),
        }
    }

    fn restore_order<E>(
        &mut self,
        id: AccountId,
        account: AccountSlot,
        bytes: &[u8; ORDER_LEN],
    ) -> Result<Order, StateError<E>> {
        let (slot, read) = order_of(bytes);
        let known = self.open.orders.get(slot);
        if !known
            .is_some_and(|order| order.account == AccountSlot::NONE && !order.is_restored_free())
        {
            return broken(
                "an order has a slot of its own, which is not free",
                slot.0.into(),
            );
        }
        if read.leaves.0 == 0 || read.leaves > QTY_MAX || read.cum > QTY_MAX {
            return broken("an open order has leaves, at most 2^62", read.leaves.0);
        }
        if read.leaves.0 + read.cum.0 > QTY_MAX.0 {
            return broken("an order has at most 2^62 lots", read.cum.0);
        }
        if read.price.0 < 1 || read.price > PRICE_MAX {
            return broken("a price is 1 to 2^62", read.price.0.cast_unsigned());
        }
        if !read.flags.are_legal() {
            return broken("an order's flags have a meaning", read.flags.bits().into());
        }
        if usize::from(read.fee_tier.0) >= self.fees.tiers().len() {
            return broken("an order's tier is in the table", read.fee_tier.0.into());
        }
        if read.cl_ord_id.0 != 0 {
            if self.open.find_client(id, read.cl_ord_id).is_some() {
                return broken("a client order id names one open order", read.cl_ord_id.0);
            }
            let tag = self.open.key.client_id(id, read.cl_ord_id);
            self.open.clients.insert(tag, slot.0);
        }
        let generation = self.open.orders[slot].generation;
        self.open.orders[slot] = Order {
            account,
            generation,
            ..read
        };
        let earlier = self.open.accounts.push(account, slot);
        self.open.orders[earlier].account_next = slot;
        self.open.orders[slot].account_prev = earlier;
        self.open.count += 1;
        Ok(read)
    }

    /// Gives the hash of everything.
    fn read_queues<S: GivesBytes>(
        &mut self,
        source: &mut Source<'_, S>,
    ) -> Result<u64, StateError<S::Error>> {
        let mut hash = self.begin_hash();
        // Links that nothing sets before its order is in a queue tell whether it is.
        let mut queued = 0;
        for side in [Side::Buy, Side::Sell] {
            let mut last = Rank(0);
            let mut slots = SlotsAhead::new(source.u32()?);
            while let Some(slot) =
                slots.next(source, |slot, far| self.prefetch_queued(slot, far))?
            {
                let Some(&order) = self.open.orders.get(slot) else {
                    return broken("a queue has slots", slot.0.into());
                };
                let is_open = order.account != AccountSlot::NONE;
                if !is_open || order.prev != UNQUEUED || order.flags.side() != side {
                    return broken("an open order is in one queue, of its side", slot.0.into());
                }
                let book = &self.sides[index(side)];
                let rank = book.rank(order.price);
                if rank < last {
                    return broken("queues go from the best price to the worst", slot.0.into());
                }
                last = rank;
                if book.qty().0 + order.leaves.0 > BOOK_QTY_MAX.0 {
                    return broken("a side has at most 2^63 - 1 lots", order.leaves.0);
                }
                self.enqueue(slot, side, order.price, order.leaves);
                self.hash_order(slot, &mut hash);
                queued += 1;
            }
        }
        if queued != self.open.count {
            return broken("every open order is in a queue", queued.into());
        }
        Ok(self.end_hash(hash))
    }

    fn check_crossed<E>(&self) -> Result<(), StateError<E>> {
        let best = self.best(Side::Buy);
        let book = &self.sides[opposite(Side::Buy)];
        let crosses = |buy: Price| book.best() <= book.rank(buy);
        match best.filter(|buy| crosses(*buy)) {
            Some(buy) => broken("a book is never crossed", buy.0.cast_unsigned()),
            None => Ok(()),
        }
    }
}

/// Stands in an order's link to the one before until it is in a queue.
const UNQUEUED: Slot = Slot::NONE;

fn order_bytes(slot: Slot, order: &Order) -> [u8; ORDER_LEN] {
    let mut bytes = [0; ORDER_LEN];
    bytes[..4].copy_from_slice(&slot.0.to_le_bytes());
    bytes[4..12].copy_from_slice(&order.leaves.0.to_le_bytes());
    bytes[12..20].copy_from_slice(&order.cum.0.to_le_bytes());
    bytes[20..28].copy_from_slice(&order.cl_ord_id.0.to_le_bytes());
    bytes[28..36].copy_from_slice(&order.price.0.to_le_bytes());
    bytes[36..40].copy_from_slice(&order.session.0.to_le_bytes());
    bytes[40..42].copy_from_slice(&order.stp_group.0.to_le_bytes());
    bytes[42] = order.flags.bits();
    bytes[43] = order.fee_tier.0;
    bytes
}

/// The slot and the order of bytes; it has no account, no generation and no neighbours yet.
fn order_of(bytes: &[u8; ORDER_LEN]) -> (Slot, Order) {
    let u64_at = |at: usize| u64::from_le_bytes(core::array::from_fn(|index| bytes[at + index]));
    let u32_at = |at: usize| u32::from_le_bytes(core::array::from_fn(|index| bytes[at + index]));
    let order = Order {
        next: Slot::NONE,
        prev: UNQUEUED,
        account: AccountSlot::NONE,
        generation: 0,
        leaves: Qty(u64_at(4)),
        cum: Qty(u64_at(12)),
        cl_ord_id: ClOrdId(u64_at(20)),
        price: Price(u64_at(28).cast_signed()),
        account_next: Slot::NONE,
        account_prev: Slot::NONE,
        session: SessionId(u32_at(36)),
        stp_group: StpGroup(u16::from_le_bytes([bytes[40], bytes[41]])),
        flags: Flags::from_bits(bytes[42]),
        fee_tier: FeeTier(bytes[43]),
    };
    (Slot(u32_at(0)), order)
}
