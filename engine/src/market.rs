//! A market: one book, its open orders, and what it does with each command.
//!
//! Must never: answer a command by anything but `RULES.md`.

use core::cell::Cell;

use crate::hash::IndexKey;
use crate::level::{Level, Rank};
use crate::open_orders::OpenOrders;
use crate::orders::{Order, Slot};
use crate::side_book::SideBook;
use crate::touched_levels::TouchedLevels;
use crate::{
    Command, Event, EventSink, FeeRates, FeeTable, LevelUpdate, MarketLimits, MarketSpec,
    OrderStatus, OrderView, SpecError, StatusReport,
};
use souk_protocol::{MarketState, MatchId, PostOnly, Price, Qty, RejectReason, Side};

/// One market: takes commands, gives events.
#[derive(Debug)]
pub struct Market {
    pub(crate) spec: MarketSpec,
    pub(crate) fees: FeeTable,
    pub(crate) state: MarketState,
    pub(crate) last_match_id: MatchId,
    pub(crate) sides: [SideBook; 2],
    pub(crate) open: OpenOrders,
    pub(crate) touched: TouchedLevels,
    /// See [`Market::take_walked`].
    pub(crate) walked: Cell<u32>,
}

/// Where a side's book is in [`Market::sides`].
#[inline]
pub(crate) const fn index(side: Side) -> usize {
    side as usize - Side::Buy as usize
}

/// Where the other side's book is. A side is as good as random: no branch.
#[inline]
pub(crate) const fn opposite(side: Side) -> usize {
    index(side) ^ 1
}

impl Market {
    /// An empty, continuous market.
    ///
    /// `index_key` keys the hash indexes against clients that choose their ids so as to collide:
    /// take it from a source that clients cannot know. It influences no event and no hash.
    ///
    /// # Errors
    /// The first bound of the spec that does not hold.
    pub fn new(spec: MarketSpec, index_key: u64) -> Result<Self, SpecError> {
        let key = IndexKey::new(index_key);
        let spec = spec.check()?;
        Ok(Self {
            spec,
            fees: FeeTable::new(spec.fees),
            state: MarketState::Continuous,
            last_match_id: MatchId(0),
            sides: [Side::Buy, Side::Sell].map(|side| SideBook::new(side, key)),
            open: OpenOrders::new(key),
            touched: TouchedLevels::new(),
            walked: Cell::new(0),
        })
    }

    /// Does what `command` says and tells `sink` what happened.
    #[inline]
    pub fn apply<S: EventSink>(&mut self, command: &Command, sink: &mut S) {
        self.touched.want(sink.wants_levels());
        let done = match command {
            Command::New(new) => self.new_order(new, sink),
            Command::Cancel(cancel) => self.cancel(cancel, sink),
            Command::Replace(replace) => self.replace(replace, sink),
            Command::MassCancel(mass_cancel) => self.mass_cancel(mass_cancel, sink),
            Command::Status(status) => self.status(status, sink),
            Command::SetState(state) => {
                self.state = *state;
                sink.on(Event::StateChanged(*state));
                Ok(())
            }
            Command::AddFees(rates) => self.add_fees(*rates, sink),
            Command::SetLimits(limits) => self.set_limits(limits, sink),
        };
        if let Err(reason) = done {
            sink.on(Event::Rejected(reason));
        } else if self.touched.wanted() {
            self.tell_levels(sink);
        }
    }

    #[cold]
    fn add_fees<S: EventSink>(
        &mut self,
        rates: FeeRates,
        sink: &mut S,
    ) -> Result<(), RejectReason> {
        let tier = self.fees.add(rates)?;
        sink.on(Event::FeesAdded { tier });
        Ok(())
    }

    #[cold]
    fn set_limits<S: EventSink>(
        &mut self,
        limits: &MarketLimits,
        sink: &mut S,
    ) -> Result<(), RejectReason> {
        let changed = self.spec.with_limits(*limits).check();
        self.spec = changed.map_err(|_| RejectReason::LimitsOutOfRange)?;
        sink.on(Event::LimitsChanged);
        Ok(())
    }

    fn status<S: EventSink>(&self, status: &OrderStatus, sink: &mut S) -> Result<(), RejectReason> {
        let slot = self.open.find(status.account, status.order)?;
        let order = &self.open.orders[slot];
        sink.on(Event::Status(StatusReport {
            order: self.open.view(slot),
            price: order.price,
            stp_mode: order.flags.stp_mode(),
        }));
        Ok(())
    }

    /// What the market accepts.
    #[must_use]
    pub const fn state(&self) -> MarketState {
        self.state
    }

    /// What the market was made with, and its present bounds.
    #[must_use]
    pub const fn spec(&self) -> &MarketSpec {
        &self.spec
    }

    /// Its pairs of rates.
    #[must_use]
    pub const fn fees(&self) -> &FeeTable {
        &self.fees
    }

    /// Number of open orders.
    #[must_use]
    pub const fn open_orders(&self) -> u32 {
        self.open.count
    }

    /// The number of the last match, 0 before the first.
    #[must_use]
    pub const fn last_match_id(&self) -> MatchId {
        self.last_match_id
    }

    /// Resting orders that fill-or-kill orders were held against one by one since this was asked
    /// last. Events do not show that work; whoever shares a thread out wants to know it.
    #[inline]
    pub fn take_walked(&self) -> u32 {
        self.walked.take()
    }

    /// The best price of a side.
    #[must_use]
    pub fn best(&self, side: Side) -> Option<Price> {
        let book = &self.sides[index(side)];
        (book.best() != Rank::NONE).then(|| book.price(book.best()))
    }

    /// The levels of a side, from the best price to the worst.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = LevelUpdate> + '_ {
        self.ranked_levels(side)
            .map(move |(rank, level)| LevelUpdate {
                side,
                price: self.sides[index(side)].price(rank),
                qty: level.qty,
                orders: level.orders,
            })
    }

    /// The open orders of a side with their prices, best price first, then by priority.
    pub fn orders(&self, side: Side) -> impl Iterator<Item = (OrderView, Price)> + '_ {
        self.resting_slots(side)
            .map(|slot| (self.open.view(slot), self.open.orders[slot].price))
    }

    /// Heap bytes held, for capacity planning.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let sides: usize = self.sides.iter().map(SideBook::memory_bytes).sum();
        let fees = self.fees.memory_bytes();
        sides + fees + self.open.memory_bytes() + self.touched.memory_bytes()
    }

    /// The levels of a side with their ranks, from the best.
    pub(crate) fn ranked_levels(&self, side: Side) -> impl Iterator<Item = (Rank, Level)> + '_ {
        let book = &self.sides[index(side)];
        let after = |&rank: &Rank| book.first_from(Rank(rank.0 + 1)).some();
        core::iter::successors(book.best().some(), after).map(|rank| (rank, book.level(rank)))
    }

    /// The slots of a side's open orders in the order in which they would trade.
    pub(crate) fn resting_slots(&self, side: Side) -> impl Iterator<Item = Slot> + '_ {
        self.ranked_levels(side)
            .flat_map(|(_, level)| self.queue(level))
    }

    /// The slots of a level's orders, by priority.
    pub(crate) fn queue(&self, level: Level) -> impl Iterator<Item = Slot> + '_ {
        core::iter::successors(Some(level.first), move |&slot| {
            (slot != level.last).then(|| self.open.orders[slot].next)
        })
    }

    /// Remembers what a level is before it changes, if anybody wants to know.
    #[inline]
    pub(crate) fn touch(&mut self, side: Side, rank: Rank) {
        if self.touched.wanted() {
            let level = self.sides[index(side)].level(rank);
            self.touched.touch(side, rank, level);
        }
    }

    /// Puts the order in `slot` with its price and leaves at the end of its price's queue.
    #[inline(always)]
    pub(crate) fn enqueue(&mut self, slot: Slot, side: Side, price: Price, leaves: Qty) {
        let rank = self.sides[index(side)].rank(price);
        self.touch(side, rank);
        let before = self.sides[index(side)].push(rank, slot, leaves);
        self.open.orders[before].next = slot;
        self.open.orders[slot].prev = before;
    }

    /// Takes `order`, which is the one in `slot`, out of its price's queue.
    #[inline(always)]
    pub(crate) fn dequeue(&mut self, slot: Slot, order: &Order) {
        let side = order.flags.side();
        if self.touched.wanted() {
            self.touch(side, self.sides[index(side)].rank(order.price));
        }
        self.sides[index(side)].unlink(&mut self.open.orders, slot, order);
    }

    /// The price at which an order may rest: its own, unless it is post-only.
    #[inline(always)]
    pub(crate) fn post_only_price(
        &self,
        side: Side,
        post_only: PostOnly,
        price: Price,
    ) -> Result<Price, RejectReason> {
        if post_only == PostOnly::No {
            Ok(price)
        } else {
            self.slid_price(side, post_only, price)
        }
    }

    #[inline(never)]
    fn slid_price(
        &self,
        side: Side,
        post_only: PostOnly,
        price: Price,
    ) -> Result<Price, RejectReason> {
        let book = &self.sides[opposite(side)];
        if book.best() > book.rank(price) {
            return Ok(price);
        }
        let best = book.price(book.best());
        let slid = match side {
            Side::Buy => Price(best.0 - 1),
            Side::Sell => Price(best.0 + 1),
        };
        let legal = self.spec.price_min <= slid && slid <= self.spec.price_max;
        if post_only == PostOnly::Slide && legal {
            return Ok(slid);
        }
        Err(RejectReason::PostOnlyWouldCross)
    }
}
