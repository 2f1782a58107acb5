//! Settlement: from a command, its hold and its events to the changes of balances. Section 10 of
//! `RULES.md`.
//!
//! Promises: whatever is received is told after everything that pays for it. So at no moment is the
//! sum of totals, in either currency, above what it was before the command, and whoever spends
//! at once what it was told to have, in another market or by a transfer, spends what is there once.
//! The order: what the taker pays; of each trade what its maker pays, then gets; what the taker
//! gets; fees.
//!
//! Must never: look at a market or a balance. Whoever reads the stream later gets the same changes.

use crate::{
    BalanceChange, BalanceSink, Canceled, Command, Event, FeeTable, FeeTier, MarketSpec, OrderView,
    PairCurrency, Replaced, Trade, Units,
};
use souk_protocol::{AccountId, Amount, OrderId, Price, Qty, Side};

/// Of so many trades of a command the money is remembered; of the others it is worked out twice.
const TRADES_KNOWN: usize = 4;

/// A trade in money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeMoney {
    /// Base currency that changes hands.
    pub base: Amount,
    /// Quote currency that changes hands, without fees.
    pub notional: Amount,
    /// What the maker pays, in quote currency; negative: what it gets.
    pub maker_fee: i64,
    /// What the taker pays, in quote currency.
    pub taker_fee: i64,
}

/// Settles the commands of one market, in their order.
#[derive(Clone, Debug)]
pub struct Settlement {
    units: Units,
    fees: FeeTable,
}

/// The order that a command brings in or changes, and what it does with its money.
struct Incoming {
    order_id: OrderId,
    account: AccountId,
    side: Side,
    fee_tier: FeeTier,
    price: Price,
    leaves: Qty,
    /// What it held before the command.
    old_need: i64,
    /// That, and what the command held.
    means: i64,
    spent: i64,
    received: i64,
}

impl Incoming {
    /// Takes part in a trade.
    #[inline]
    fn take(&mut self, trade: &Trade, money: &TradeMoney) {
        self.leaves = trade.taker.leaves;
        let (paid, got) = money.paid_and_got(self.side);
        // What an account pays to itself stays where it is: paid out after it came in, it could be
        // too much in between.
        let own = trade.maker.account == self.account;
        match self.side {
            Side::Buy if own => self.spent += paid - got,
            Side::Buy => {
                self.spent += paid;
                self.received += signed(money.base);
            }
            // Its maker's change says it.
            Side::Sell if own => {}
            Side::Sell => {
                self.spent += signed(money.base);
                self.received += got;
            }
        }
    }
}

impl TradeMoney {
    /// What the buyer pays and the seller gets, in quote currency.
    #[inline]
    fn paid_and_got(&self, taker: Side) -> (i64, i64) {
        let notional = signed(self.notional);
        match taker {
            Side::Buy => (notional + self.taker_fee, notional - self.maker_fee),
            Side::Sell => (notional + self.maker_fee, notional - self.taker_fee),
        }
    }

    /// The fees of both sides.
    #[inline]
    fn fees(&self) -> i64 {
        let fees = self.maker_fee + self.taker_fee;
        assert!(
            fees >= 0,
            "no trade pays out more than it takes in: {self:?}"
        );
        fees
    }
}

impl Settlement {
    /// For a market that was made with `spec` and has no commands yet.
    #[must_use]
    pub fn new(spec: &MarketSpec) -> Self {
        Self::resume(spec, FeeTable::new(spec.fees))
    }

    /// For a market that has these fees by now.
    #[must_use]
    pub const fn resume(spec: &MarketSpec, fees: FeeTable) -> Self {
        let units = spec.units();
        Self { units, fees }
    }

    /// Tells `sink` what a command changes. `hold` is what the command's hold took, 0 if it took
    /// none. `events` are all events of the command; levels may be among them.
    ///
    /// # Panics
    /// If hold and events do not belong together, which is a bug.
    pub fn settle<S: BalanceSink>(
        &mut self,
        command: &Command,
        hold: Amount,
        events: &[Event],
        sink: &mut S,
    ) {
        let fee_tier = match command {
            Command::New(new) => new.fee_tier,
            _ => FeeTier::default(),
        };
        self.settle_at(command, fee_tier, hold, events, sink);
    }

    /// [`Self::settle`] of a command as its client gave it: if it is a new order, `fee_tier` is the
    /// one that it got.
    ///
    /// # Panics
    /// As [`Self::settle`].
    #[inline]
    pub fn settle_at<S: BalanceSink>(
        &mut self,
        command: &Command,
        fee_tier: FeeTier,
        hold: Amount,
        events: &[Event],
        sink: &mut S,
    ) {
        let Some((first, rest)) = events.split_first() else {
            return;
        };
        match (command, first) {
            // Nothing met it, as most orders: all of it rests.
            (Command::New(new), Event::Accepted(accepted)) if rest.is_empty() => {
                let need = signed(self.need(new.side, accepted.price, new.qty, fee_tier));
                let available = signed(hold) - need;
                assert!(available >= 0, "a hold is enough: {available}");
                let change = BalanceChange {
                    account: new.account,
                    currency: PairCurrency::paid_by(new.side),
                    total: 0,
                    held: need,
                    available,
                };
                tell(change, sink);
            }
            (Command::New(new), Event::Accepted(accepted)) => {
                let incoming = Incoming {
                    order_id: accepted.order_id,
                    account: new.account,
                    side: new.side,
                    fee_tier,
                    price: accepted.price,
                    leaves: new.qty,
                    old_need: 0,
                    means: signed(hold),
                    spent: 0,
                    received: 0,
                };
                self.settle_incoming(incoming, rest, sink);
            }
            (Command::Replace(_), Event::Replaced(replaced)) => {
                let incoming = self.replaced(replaced, hold);
                self.settle_incoming(incoming, rest, sink);
            }
            _ => {
                assert_eq!(hold.0, 0, "only an order that goes on holds: {first:?}");
                self.settle_others(command, events, sink);
            }
        }
    }

    /// Settles a command that brings an order in or changes one, from the events after the one that
    /// says so.
    #[inline]
    fn settle_incoming<S: BalanceSink>(
        &self,
        mut incoming: Incoming,
        events: &[Event],
        sink: &mut S,
    ) {
        let mut known = [None; TRADES_KNOWN];
        let fees = self.weigh(&mut incoming, events, &mut known);
        self.settle_payment(&incoming, sink);
        let mut known = known.into_iter().flatten();
        for event in events {
            match event {
                Event::Trade(trade) => {
                    let money = known.next().unwrap_or_else(|| self.trade(trade));
                    self.settle_maker(trade, &money, incoming.account, sink);
                }
                Event::Canceled(canceled) if canceled.order.order_id != incoming.order_id => {
                    self.settle_cancel(canceled, sink);
                }
                Event::SelfTradePrevented(prevented) => {
                    let maker = &prevented.maker;
                    let less = self.need_less(maker, prevented.price, prevented.qty);
                    release(maker, less, sink);
                }
                _ => {}
            }
        }
        settle_receipt(&incoming, sink);
        if fees > 0 {
            sink.earn(Amount(fees.cast_unsigned()));
        }
    }

    /// Finds what the incoming order spends, receives and has left, before anything is told. Gives
    /// the fees of all trades, and keeps the money of the first.
    #[inline]
    fn weigh(
        &self,
        incoming: &mut Incoming,
        events: &[Event],
        known: &mut [Option<TradeMoney>; TRADES_KNOWN],
    ) -> i64 {
        let mut fees = 0;
        let mut slots = known.iter_mut();
        for event in events {
            match event {
                Event::Trade(trade) => {
                    let money = self.trade(trade);
                    incoming.take(trade, &money);
                    fees += money.fees();
                    if let Some(slot) = slots.next() {
                        *slot = Some(money);
                    }
                }
                Event::Canceled(canceled) if canceled.order.order_id == incoming.order_id => {
                    incoming.leaves = Qty(0);
                }
                Event::SelfTradePrevented(prevented) => {
                    incoming.leaves = prevented.taker.leaves;
                }
                _ => {}
            }
        }
        fees
    }

    /// Settles a command without an order that goes on.
    #[inline]
    fn settle_others<S: BalanceSink>(&mut self, command: &Command, events: &[Event], sink: &mut S) {
        for event in events {
            match event {
                Event::Canceled(canceled) => self.settle_cancel(canceled, sink),
                Event::FeesAdded { tier } => self.add_fees(command, *tier),
                Event::Trade(_) | Event::SelfTradePrevented(_) => {
                    unreachable!("who meets an order is a taker: {event:?}")
                }
                _ => {}
            }
        }
    }

    /// What a trade is in money.
    ///
    /// # Panics
    /// If an amount does not fit, which cannot be where orders hold what they need: a trade is worth
    /// at most what its buyer holds and moves at most what its seller holds.
    #[must_use]
    #[inline]
    pub fn trade(&self, trade: &Trade) -> TradeMoney {
        let notional = self.units.notional(trade.price, trade.qty);
        let notional = notional.expect("a trade is worth at most what its buyer holds");
        let base = self.units.base(trade.qty);
        let maker = self.fees.rates(trade.maker.fee_tier);
        let taker = self.fees.rates(trade.taker.fee_tier);
        TradeMoney {
            base: base.expect("a trade moves at most what its seller holds"),
            notional,
            maker_fee: fee(notional, maker.maker_ppm),
            taker_fee: fee(notional, taker.taker_ppm),
        }
    }

    /// What an open order holds.
    ///
    /// # Panics
    /// If it does not fit, which cannot be where orders hold what they need.
    #[must_use]
    #[inline]
    pub fn need(&self, side: Side, price: Price, leaves: Qty, fee_tier: FeeTier) -> Amount {
        let rates = self.fees.rates(fee_tier);
        let need = self.units.need(side, price, leaves, rates);
        need.expect("an open order holds what it needs")
    }

    /// The table of fees so far.
    #[must_use]
    pub const fn fees(&self) -> &FeeTable {
        &self.fees
    }

    /// The order that a replace changed.
    fn replaced(&self, replaced: &Replaced, hold: Amount) -> Incoming {
        let order = &replaced.order;
        let (price, leaves) = (replaced.old_price, replaced.old_leaves);
        let old_need = signed(self.need(order.side, price, leaves, order.fee_tier));
        let means = old_need.checked_add(signed(hold));
        Incoming {
            order_id: order.order_id,
            account: order.account,
            side: order.side,
            fee_tier: order.fee_tier,
            price: replaced.price,
            leaves: order.leaves,
            old_need,
            means: means.expect("what an account holds is within its total"),
            spent: 0,
            received: 0,
        }
    }

    /// What a trade changes for its maker: what it pays, then what it gets.
    #[inline]
    fn settle_maker<S: BalanceSink>(
        &self,
        trade: &Trade,
        money: &TradeMoney,
        taker: AccountId,
        sink: &mut S,
    ) {
        let maker = &trade.maker;
        let of_maker = |currency, total, held| BalanceChange {
            account: maker.account,
            currency,
            total,
            held,
            available: total - held,
        };
        let own = maker.account == taker;
        let (paid, got) = money.paid_and_got(maker.side.opposite());
        let base = signed(money.base);
        match maker.side {
            Side::Sell if own => tell(of_maker(PairCurrency::Base, 0, -base), sink),
            Side::Sell => tell_both(
                of_maker(PairCurrency::Base, -base, -base),
                of_maker(PairCurrency::Quote, got, 0),
                sink,
            ),
            Side::Buy => {
                let less = self.need_less(maker, trade.price, trade.qty);
                if own {
                    tell(of_maker(PairCurrency::Quote, got - paid, -less), sink);
                } else {
                    tell_both(
                        of_maker(PairCurrency::Quote, -paid, -less),
                        of_maker(PairCurrency::Base, base, 0),
                        sink,
                    );
                }
            }
        }
    }

    #[inline]
    fn settle_cancel<S: BalanceSink>(&self, canceled: &Canceled, sink: &mut S) {
        let order = &canceled.order;
        let need = self.need(order.side, canceled.price, order.leaves, order.fee_tier);
        release(order, signed(need), sink);
    }

    /// What an order needs less than before it lost `qty` of its leaves.
    #[inline]
    fn need_less(&self, after: &OrderView, price: Price, qty: Qty) -> i64 {
        let need = |leaves| signed(self.need(after.side, price, leaves, after.fee_tier));
        need(Qty(after.leaves.0 + qty.0)) - need(after.leaves)
    }

    /// What the incoming order pays in all its trades; what it does not need goes back.
    #[inline]
    fn settle_payment<S: BalanceSink>(&self, incoming: &Incoming, sink: &mut S) {
        let Incoming {
            account,
            side,
            price,
            leaves,
            ..
        } = *incoming;
        let rest = if leaves.0 == 0 {
            0
        } else {
            signed(self.need(side, price, leaves, incoming.fee_tier))
        };
        let available = incoming.means - incoming.spent - rest;
        assert!(available >= 0, "a hold is enough: {available}");
        let paid = BalanceChange {
            account,
            currency: PairCurrency::paid_by(side),
            total: -incoming.spent,
            held: rest - incoming.old_need,
            available,
        };
        tell(paid, sink);
    }

    #[cold]
    fn add_fees(&mut self, command: &Command, tier: FeeTier) {
        if let Command::AddFees(rates) = command {
            let added = self.fees.add(*rates);
            assert_eq!(added, Ok(tier), "both tables are the same");
        }
    }
}

/// What the incoming order gets in all its trades.
#[inline]
fn settle_receipt<S: BalanceSink>(incoming: &Incoming, sink: &mut S) {
    let received = BalanceChange {
        account: incoming.account,
        currency: PairCurrency::paid_by(incoming.side.opposite()),
        total: incoming.received,
        held: 0,
        available: incoming.received,
    };
    tell(received, sink);
}

/// A resting order of which `need` is not needed any more.
#[inline]
fn release<S: BalanceSink>(order: &OrderView, need: i64, sink: &mut S) {
    let change = BalanceChange {
        account: order.account,
        currency: PairCurrency::paid_by(order.side),
        total: 0,
        held: -need,
        available: need,
    };
    tell(change, sink);
}

#[inline]
fn tell<S: BalanceSink>(change: BalanceChange, sink: &mut S) {
    if !is_nothing(&change) {
        sink.change(change);
    }
}

/// Tells of both balances of an account.
#[inline]
fn tell_both<S: BalanceSink>(first: BalanceChange, second: BalanceChange, sink: &mut S) {
    if is_nothing(&first) || is_nothing(&second) {
        tell(first, sink);
        tell(second, sink);
    } else {
        sink.change_both([first, second]);
    }
}

#[inline]
const fn is_nothing(change: &BalanceChange) -> bool {
    change.total | change.held | change.available == 0
}

/// The fee on a legal amount at a legal rate, which always fits.
#[inline]
fn fee(notional: Amount, ppm: i32) -> i64 {
    crate::fee(notional, ppm).expect("a fee is at most its notional")
}

/// A legal amount as a change.
#[inline]
fn signed(amount: Amount) -> i64 {
    i64::try_from(amount.0).expect("an amount is at most 2^63 - 1")
}
