//! Money at its bounds: which rule refuses a command, the checks about money in their order, and
//! amounts at 2^63 - 1 and products at 2^127 and beyond. Every command goes to the engine and to the
//! oracle, and all balances, sums and the state hash are compared after each.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, reason = "each test uses a part of it")]
mod oracle;
#[allow(dead_code, reason = "each test uses a part of it")]
mod swarm;

use oracle::ledger::{Balance, Funding};
use souk_engine::{
    Command, Event, FeeRates, FeeTier, MarketLimits, MarketSpec, NewOrder, OrderRef, PairCurrency,
    ReplaceOrder,
};
use souk_protocol::RejectReason::{self, *};
use souk_protocol::{
    AMOUNT_MAX, AccountId, Amount, ClOrdId, MarketState, OrderId, OrderType, PRICE_MAX, PostOnly,
    Price, QTY_MAX, Qty, SessionId, Side, StpGroup, StpMode, StpScope, TimeInForce,
};
use swarm::market::EngineMarket;
use swarm::{Lockstep, Setting, Step, Subject};

const MAX: i64 = AMOUNT_MAX.0.cast_signed();
const ME: AccountId = AccountId(1);
const SHE: AccountId = AccountId(2);
use PairCurrency::{Base, Quote};

const SPEC: MarketSpec = MarketSpec {
    notional_unit: 10,
    lot_units: 100,
    fees: rates(1_000, 2_000),
    ..MarketSpec::WIDE
};

const fn rates(maker_ppm: i32, taker_ppm: i32) -> FeeRates {
    FeeRates {
        maker_ppm,
        taker_ppm,
    }
}

/// Needs 500 x 10 and 10 of fees.
const BUY: NewOrder = NewOrder {
    cl_ord_id: ClOrdId(0),
    account: ME,
    session: SessionId(1),
    side: Side::Buy,
    order_type: OrderType::Limit,
    time_in_force: TimeInForce::Gtc,
    post_only: PostOnly::No,
    price: Price(50),
    qty: Qty(10),
    budget: Amount(0),
    stp_mode: StpMode::None,
    stp_scope: StpScope::Account,
    stp_group: StpGroup(0),
    fee_tier: FeeTier(0),
};
/// Needs 1,000 of base currency.
const SELL: NewOrder = NewOrder {
    account: SHE,
    side: Side::Sell,
    ..BUY
};
const MARKET: NewOrder = NewOrder {
    order_type: OrderType::Market,
    time_in_force: TimeInForce::Ioc,
    ..BUY
};

/// Replaces the first order, of which nothing is executed.
const REPLACE: ReplaceOrder = ReplaceOrder {
    account: ME,
    session: SessionId(1),
    order: OrderRef {
        order_id: OrderId(1 << 32),
        cl_ord_id: ClOrdId(0),
    },
    cl_ord_id: ClOrdId(0),
    price: Price(50),
    total_qty: Qty(10),
};

/// An engine and an oracle.
struct Bench(Lockstep);

impl Bench {
    fn new(spec: MarketSpec, holds: bool) -> Self {
        let make = |setting| -> Box<dyn Subject> { Box::new(EngineMarket::new(setting, 1)) };
        Self(Lockstep::new(Setting { spec, holds }, &make))
    }

    /// With what I have of quote currency and she of base currency.
    fn with(spec: MarketSpec, mine: i64, hers: i64) -> Self {
        let mut bench = Self::new(spec, true);
        assert!(bench.fund(ME, Quote, mine) && bench.fund(SHE, Base, hers));
        bench
    }

    fn step(&mut self, command: Command, funding: Option<Funding>) -> (Vec<Event>, bool) {
        let step = Step {
            funding,
            command,
            levels: false,
            prefetch: false,
            compare_state: true,
        };
        let outcome = self.0.step(&step);
        outcome.unwrap_or_else(|difference| panic!("{command:?}: {difference:?}"))
    }

    fn fund(&mut self, account: AccountId, currency: PairCurrency, amount: i64) -> bool {
        let funding = Funding {
            account,
            currency,
            amount,
        };
        self.step(Command::SetState(MarketState::Continuous), Some(funding))
            .1
    }

    #[track_caller]
    fn accepted(&mut self, command: Command) -> Vec<Event> {
        let (events, _) = self.step(command, None);
        let refused = matches!(events[0], Event::Rejected(_));
        assert!(!refused, "{command:?}: {events:?}");
        events
    }

    /// Refused, and nothing that can be seen has changed. (That the state hash is what it was is
    /// compared by the lockstep, because the oracle's meaning is.)
    #[track_caller]
    fn refused(&mut self, command: Command, reason: RejectReason) {
        let seen = |bench: &Self| {
            let balances = [(ME, Base), (ME, Quote), (SHE, Base), (SHE, Quote)];
            let balances = balances.map(|(account, currency)| bench.balance(account, currency));
            (
                bench.0.oracle.meaning(),
                bench.0.subject.state_hash(),
                balances,
            )
        };
        let before = seen(self);
        let (events, _) = self.step(command, None);
        assert_eq!(events, [Event::Rejected(reason)], "{command:?}");
        assert!(
            seen(self) == before,
            "a refusal changes nothing: {command:?}"
        );
    }

    fn balance(&self, account: AccountId, currency: PairCurrency) -> Balance {
        self.0.subject.balance(account, currency)
    }

    /// Total and held.
    fn has(&self, account: AccountId, currency: PairCurrency) -> (i128, i128) {
        let balance = self.balance(account, currency);
        (balance.total, balance.held)
    }
}

#[test]
fn an_order_holds_its_price_and_worst_fee_and_not_a_unit_more() {
    let mut bench = Bench::with(SPEC, 5_009, 999);
    bench.refused(Command::New(BUY), InsufficientFunds);
    bench.refused(Command::New(SELL), InsufficientFunds);
    assert!(bench.fund(ME, Quote, 1) && bench.fund(SHE, Base, 1));
    bench.accepted(Command::New(BUY));
    assert_eq!(bench.has(ME, Quote), (5_010, 5_010));
    let sell = NewOrder {
        price: Price(51),
        ..SELL
    };
    bench.accepted(Command::New(sell));
    assert_eq!(bench.has(SHE, Base), (1_000, 1_000));
    bench.refused(
        Command::New(NewOrder {
            qty: Qty(1),
            ..sell
        }),
        InsufficientFunds,
    );
}

#[test]
fn a_fill_pays_notional_and_fee_and_gives_back_what_it_did_not_need() {
    let mut bench = Bench::with(SPEC, 10_000, 1_000);
    let sell = NewOrder {
        price: Price(40),
        ..SELL
    };
    bench.accepted(Command::New(sell));
    let bid = NewOrder {
        qty: Qty(15),
        ..BUY
    };
    bench.accepted(Command::New(bid));
    // 10 lots at 40 are 4,000; the taker pays 8, the maker 4. 5 lots at 50 rest: 2,500 and 5.
    assert_eq!(bench.has(ME, Quote), (10_000 - 4_008, 2_505));
    assert_eq!(bench.has(ME, Base), (1_000, 0));
    assert_eq!(bench.has(SHE, Base), (0, 0));
    assert_eq!(bench.has(SHE, Quote), (3_996, 0));
    assert_eq!(bench.0.subject.earned(), 12);
}

#[test]
fn a_replace_holds_the_difference_or_leaves_the_order_as_it_was() {
    let mut bench = Bench::with(SPEC, 6_000, 1_000);
    bench.accepted(Command::New(BUY));
    let more = ReplaceOrder {
        price: Price(60),
        ..REPLACE
    };
    bench.refused(Command::Replace(more), InsufficientFunds);
    assert!(bench.fund(ME, Quote, 11));
    bench.refused(Command::Replace(more), InsufficientFunds);
    assert!(bench.fund(ME, Quote, 1));
    bench.accepted(Command::Replace(more));
    assert_eq!(bench.has(ME, Quote), (6_012, 6_012));
    let less = ReplaceOrder {
        price: Price(1),
        ..REPLACE
    };
    bench.accepted(Command::Replace(less));
    assert_eq!(bench.has(ME, Quote), (6_012, 100));
}

#[test]
fn an_order_keeps_its_tier_when_fees_change() {
    let mut bench = Bench::with(SPEC, 10_000, 1_000);
    bench.accepted(Command::New(BUY));
    let added = bench.accepted(Command::AddFees(rates(500_000, 500_000)));
    assert_eq!(added, [Event::FeesAdded { tier: FeeTier(1) }]);
    bench.accepted(Command::Replace(ReplaceOrder {
        price: Price(51),
        ..REPLACE
    }));
    assert_eq!(bench.has(ME, Quote), (10_000, 5_110));
    let sell = NewOrder {
        fee_tier: FeeTier(1),
        ..SELL
    };
    bench.accepted(Command::New(sell));
    // 5,100: the maker pays 0.1 percent, the taker half.
    assert_eq!(bench.has(ME, Quote), (10_000 - 5_105, 0));
    assert_eq!(bench.has(SHE, Quote), (2_550, 0));
}

#[test]
fn a_rebate_comes_out_of_the_takers_fee() {
    let spec = MarketSpec {
        fees: rates(-1_500, 1_500),
        notional_unit: 1,
        ..SPEC
    };
    let mut bench = Bench::with(spec, 20_000, 1_000);
    let sell = NewOrder {
        price: Price(4_115),
        qty: Qty(3),
        ..SELL
    };
    bench.accepted(Command::New(sell));
    bench.accepted(Command::New(NewOrder {
        account: ME,
        side: Side::Buy,
        ..sell
    }));
    // 12,345 x 0.0015 = 18.5175, both ways.
    assert_eq!(bench.has(ME, Quote), (20_000 - 12_345 - 18, 0));
    assert_eq!(bench.has(SHE, Quote), (12_345 + 18, 0));
    assert_eq!(bench.0.subject.earned(), 0);
}

/// A market in which prices, quantities and units can be as large as they may be.
fn widest(price_max: i64, qty_max: u64, notional_unit: u64, lot_units: u64) -> MarketSpec {
    MarketSpec {
        price_max: Price(price_max),
        qty_max: Qty(qty_max),
        notional_unit,
        lot_units,
        fees: FeeRates::NONE,
        ..MarketSpec::WIDE
    }
}

#[test]
fn a_need_beyond_the_highest_amount_is_refused_and_one_at_it_is_not() {
    let (top, steps) = (PRICE_MAX.0, QTY_MAX.0);
    let taker = |taker_ppm| rates(0, taker_ppm);
    // The largest notional that fits with a fee of one part per million.
    let with_fee = 9_223_362_813_491_962_316;
    #[rustfmt::skip] // One row, one line.
    let table = [
        // price x quantity x unit
        (widest(top, steps, 1, 1), taker(0), Side::Buy, top, 1, true),
        (widest(top, steps, 1, 1), taker(0), Side::Buy, top, 2, false),
        (widest(top, steps, 1, 1), taker(0), Side::Buy, 2, steps - 1, true),
        (widest(top, steps, 1, 1), taker(0), Side::Buy, 2, steps, false),
        (widest(top, steps, 7, 1), taker(0), Side::Buy, MAX / 7, 1, true),
        (widest(top, steps, 7, 1), taker(0), Side::Buy, MAX / 7 + 1, 1, false),
        (widest(1, 1, AMOUNT_MAX.0, 1), taker(0), Side::Buy, 1, 1, true),
        (widest(1, 1, AMOUNT_MAX.0 + 1, 1), taker(0), Side::Buy, 1, 1, false),
        (widest(1, 1, u64::MAX, 1), taker(0), Side::Buy, 1, 1, false),
        // just below 2^127, which is the most that a market may have at all
        (widest(top, steps, 7, 1), taker(0), Side::Buy, top, steps, false),
        (widest(top, steps, 7, 1), taker(1_000_000), Side::Buy, top, steps, false),
        (widest(top, 1, u64::MAX, 1), taker(1_000_000), Side::Buy, top, 1, false),
        // with the worst fee, whichever it is
        (widest(top, steps, 1, 1), taker(1), Side::Buy, 2, with_fee / 2, true),
        (widest(top, steps, 1, 1), taker(1), Side::Buy, 1, steps, true),
        (widest(1, 1, with_fee, 1), taker(1), Side::Buy, 1, 1, true),
        (widest(1, 1, with_fee + 1, 1), taker(1), Side::Buy, 1, 1, false),
        (widest(1, 1, with_fee + 1, 1), rates(1, 0), Side::Buy, 1, 1, false),
        (widest(1, 1, with_fee + 1, 1), taker(0), Side::Buy, 1, 1, true),
        (widest(1, 1, AMOUNT_MAX.0, 1), rates(-1, 1), Side::Buy, 1, 1, false),
        (widest(1, 1, AMOUNT_MAX.0 / 2, 1), taker(1_000_000), Side::Buy, 1, 1, true),
        (widest(1, 1, AMOUNT_MAX.0 / 2 + 1, 1), taker(1_000_000), Side::Buy, 1, 1, false),
        // lots of a sell order, at any price
        (widest(top, steps, 7, 1), taker(1_000_000), Side::Sell, top, steps, true),
        (widest(top, steps, 7, 2), taker(0), Side::Sell, 1, steps - 1, true),
        (widest(top, steps, 7, 2), taker(0), Side::Sell, 1, steps, false),
        (widest(top, steps, 7, AMOUNT_MAX.0), taker(0), Side::Sell, 1, 1, true),
        (widest(top, steps, 7, AMOUNT_MAX.0), taker(0), Side::Sell, 1, 2, false),
        (widest(top, steps, 7, u64::MAX), taker(0), Side::Sell, 1, 1, false),
        (widest(top, steps, 7, u64::MAX), taker(0), Side::Sell, 1, steps, false),
    ];
    for (spec, fees, side, price, qty, fits) in table {
        let mut bench = Bench::with(MarketSpec { fees, ..spec }, MAX, MAX);
        let account = if side == Side::Buy { ME } else { SHE };
        let new = Command::New(NewOrder {
            account,
            side,
            price: Price(price),
            qty: Qty(qty),
            ..BUY
        });
        if fits {
            bench.accepted(new);
        } else {
            bench.refused(new, AmountTooLarge);
        }
        // Nothing of it is a rule where nobody holds.
        Bench::new(MarketSpec { fees, ..spec }, false).accepted(new);
    }
}

#[test]
fn a_budget_with_its_fee_is_a_legal_amount() {
    let spec = widest(PRICE_MAX.0, QTY_MAX.0, 1, 1);
    let of = |price, qty, budget| {
        Command::New(NewOrder {
            price: Price(price),
            qty: Qty(qty),
            budget: Amount(budget),
            ..MARKET
        })
    };
    #[rustfmt::skip] // One row, one line.
    let table = [
        (rates(0, 0), of(0, 1, AMOUNT_MAX.0), true),
        (rates(0, 0), of(0, 1, AMOUNT_MAX.0 + 1), false),
        (rates(0, 0), of(0, 1, u64::MAX), false),
        (rates(0, 1), of(0, 1, AMOUNT_MAX.0), false),
        // The lesser of budget and protection price counts.
        (rates(0, 1), of(100, 1, u64::MAX), true),
        (rates(0, 1), of(PRICE_MAX.0, QTY_MAX.0, 100), true),
        (rates(0, 0), of(PRICE_MAX.0, QTY_MAX.0, AMOUNT_MAX.0), true),
        (rates(0, 0), of(PRICE_MAX.0, QTY_MAX.0, AMOUNT_MAX.0 + 1), false),
        (rates(0, 0), of(PRICE_MAX.0, QTY_MAX.0, 0), false),
    ];
    for (fees, new, fits) in table {
        let mut bench = Bench::with(MarketSpec { fees, ..spec }, MAX, 1);
        if fits {
            bench.accepted(new);
            assert_eq!(bench.has(ME, Quote), (MAX.into(), 0), "all is given back");
        } else {
            bench.refused(new, AmountTooLarge);
        }
    }
}

#[test]
fn a_replace_to_a_need_beyond_the_highest_amount_is_refused() {
    let mut bench = Bench::with(widest(PRICE_MAX.0, QTY_MAX.0, 2, 2), MAX, MAX);
    bench.accepted(Command::New(BUY));
    let to = |price, total| {
        Command::Replace(ReplaceOrder {
            price: Price(price),
            total_qty: Qty(total),
            ..REPLACE
        })
    };
    bench.refused(to(PRICE_MAX.0, 1), AmountTooLarge);
    bench.refused(to(PRICE_MAX.0, QTY_MAX.0), AmountTooLarge);
    bench.refused(to(1, QTY_MAX.0), AmountTooLarge);
    bench.accepted(to(1, QTY_MAX.0 - 1));
    assert_eq!(bench.has(ME, Quote), (MAX.into(), i128::from(MAX) - 1));
    bench.refused(to(2, QTY_MAX.0 / 2), AmountTooLarge);
    bench.accepted(to(2, QTY_MAX.0 / 2 - 1));
}

#[test]
fn the_whole_supply_can_change_hands_even_to_oneself() {
    // One lot, and its price, are all that there is.
    let mut bench = Bench::with(widest(1, 1, AMOUNT_MAX.0, AMOUNT_MAX.0), MAX, MAX);
    let trade = |bench: &mut Bench, maker, taker, maker_side: Side| {
        for (account, side) in [(maker, maker_side), (taker, maker_side.opposite())] {
            bench.accepted(Command::New(NewOrder {
                account,
                side,
                price: Price(1),
                qty: Qty(1),
                ..BUY
            }));
        }
    };
    trade(&mut bench, ME, SHE, Side::Buy);
    assert_eq!(bench.has(ME, Base), (MAX.into(), 0));
    assert_eq!(bench.has(SHE, Quote), (MAX.into(), 0));
    trade(&mut bench, ME, SHE, Side::Sell);
    assert_eq!(bench.has(ME, Quote), (MAX.into(), 0));
    assert!(bench.fund(SHE, Base, -MAX) && bench.fund(ME, Base, MAX));
    for side in [Side::Buy, Side::Sell] {
        trade(&mut bench, ME, ME, side);
        assert_eq!(bench.has(ME, Base), (MAX.into(), 0));
        assert_eq!(bench.has(ME, Quote), (MAX.into(), 0));
    }
    assert!(!bench.fund(SHE, Base, 1), "there is no more than that");
}

#[test]
fn the_checks_about_money_are_made_in_their_order() {
    let spec = MarketSpec {
        notional_min: Amount(1_000),
        notional_max: Amount(10_000),
        qty_max: Qty(1_000),
        ..SPEC
    };
    let first = NewOrder {
        cl_ord_id: ClOrdId(7),
        ..BUY
    };
    let id = ClOrdId(7);
    let fok = TimeInForce::Fok;
    let budget = |amount| NewOrder {
        price: Price(0),
        budget: Amount(amount),
        ..MARKET
    };
    #[rustfmt::skip] // One row, one line.
    let table = [
        // 5 before 6, 6 before 7
        (NewOrder { qty: Qty(1_001), ..first }, QtyOutOfRange),
        (NewOrder { qty: Qty(1), ..first }, NotionalOutOfRange),
        (NewOrder { price: Price(99), qty: Qty(1), ..BUY }, NotionalOutOfRange),
        (NewOrder { price: Price(1_001), qty: Qty(1), ..BUY }, NotionalOutOfRange),
        (NewOrder { price: Price(99), qty: Qty(1), budget: Amount(2_000), ..MARKET }, NotionalOutOfRange),
        (budget(999), NotionalOutOfRange),
        (budget(10_001), NotionalOutOfRange),
        (budget(u64::MAX), NotionalOutOfRange),
        (NewOrder { cl_ord_id: id, price: Price(100), ..BUY }, DuplicateClOrdId),
        // 10 before 11
        (NewOrder { time_in_force: fok, price: Price(100), ..BUY }, FokUnfillable),
        (NewOrder { price: Price(100), ..BUY }, InsufficientFunds),
        (budget(10_000), InsufficientFunds),
    ];
    let mut bench = Bench::with(spec, 5_010, 1_000);
    bench.accepted(Command::New(first));
    for (new, reason) in table {
        bench.refused(Command::New(new), reason);
    }
    let second = NewOrder {
        cl_ord_id: ClOrdId(8),
        account: SHE,
        price: Price(60),
        side: Side::Sell,
        ..BUY
    };
    bench.accepted(Command::New(second));
    #[rustfmt::skip] // One row, one line.
    let table = [
        (ReplaceOrder { total_qty: Qty(1_001), ..REPLACE }, QtyOutOfRange),
        (ReplaceOrder { total_qty: Qty(1), ..REPLACE }, NotionalOutOfRange),
        (ReplaceOrder { price: Price(101), ..REPLACE }, NotionalOutOfRange),
        (ReplaceOrder { price: Price(55), ..REPLACE }, InsufficientFunds),
    ];
    for (replace, reason) in table {
        bench.refused(Command::Replace(replace), reason);
    }
    // Less at the same price needs nothing more.
    bench.accepted(Command::Replace(ReplaceOrder {
        total_qty: Qty(9),
        ..REPLACE
    }));
}

#[test]
fn fees_are_refused_for_the_first_rule_that_they_break() {
    let mut bench = Bench::with(SPEC, 1, 1);
    let illegal = [
        rates(0, -1),
        rates(0, 1_000_001),
        rates(1_000_001, 0),
        rates(-1_000_001, 1_000_000),
        rates(-2_001, 3_000),
        rates(i32::MIN, i32::MAX),
    ];
    for rates in illegal {
        bench.refused(Command::AddFees(rates), FeesOutOfRange);
    }
    let known = bench.accepted(Command::AddFees(SPEC.fees));
    assert_eq!(known, [Event::FeesAdded { tier: FeeTier(0) }]);
    bench.accepted(Command::AddFees(rates(-2_000, 3_000)));
    bench.refused(Command::AddFees(rates(0, 1_999)), FeesOutOfRange);
    for taker_ppm in 2_000..2_254 {
        bench.accepted(Command::AddFees(rates(0, taker_ppm)));
    }
    bench.refused(Command::AddFees(rates(0, 2_254)), FeeTableFull);
    bench.refused(Command::AddFees(rates(-2_001, 2_254)), FeesOutOfRange);
    let last = bench.accepted(Command::AddFees(rates(0, 2_253)));
    assert_eq!(last, [Event::FeesAdded { tier: FeeTier(255) }]);
}

#[test]
fn limits_change_for_orders_to_come_alone() {
    let mut bench = Bench::with(SPEC, 100_000, 100_000);
    bench.accepted(Command::New(BUY));
    let limits = MarketLimits {
        price_min: Price(60),
        notional_max: Amount(9_000),
        ..SPEC.limits()
    };
    let changed = bench.accepted(Command::SetLimits(limits));
    assert_eq!(changed, [Event::LimitsChanged]);
    bench.refused(Command::New(BUY), PriceOutOfRange);
    bench.refused(Command::Replace(REPLACE), PriceOutOfRange);
    let best = NewOrder {
        price: Price(90),
        ..BUY
    };
    bench.accepted(Command::New(best));
    bench.refused(
        Command::New(NewOrder {
            qty: Qty(11),
            ..best
        }),
        NotionalOutOfRange,
    );
    // The old order trades at its old price.
    let sell = NewOrder {
        price: Price(60),
        qty: Qty(10),
        ..SELL
    };
    bench.accepted(Command::New(sell));
    assert!(bench.fund(ME, Quote, 1));
    assert_eq!(bench.has(ME, Base), (1_000, 0));
    bench.accepted(Command::SetLimits(SPEC.limits()));
    bench.accepted(Command::New(SELL));
    assert_eq!(bench.has(ME, Base), (2_000, 0));
}

#[test]
fn limits_that_are_not_in_order_change_nothing() {
    let mut bench = Bench::with(SPEC, 1, 1);
    let good = SPEC.limits();
    #[rustfmt::skip] // One row, one line.
    let illegal = [
        MarketLimits { price_min: Price(0), ..good },
        MarketLimits { price_min: Price(-1), price_max: Price(-1), ..good },
        MarketLimits { price_min: Price(9), price_max: Price(8), ..good },
        MarketLimits { price_max: Price(PRICE_MAX.0 + 1), ..good },
        MarketLimits { qty_min: Qty(0), ..good },
        MarketLimits { qty_min: Qty(9), qty_max: Qty(8), ..good },
        MarketLimits { qty_max: Qty(QTY_MAX.0 + 1), ..good },
        MarketLimits { notional_min: Amount(9), notional_max: Amount(8), ..good },
        MarketLimits { notional_max: Amount(AMOUNT_MAX.0 + 1), ..good },
        MarketLimits { notional_min: Amount(AMOUNT_MAX.0 + 1), ..good },
        MarketLimits { orders_max: 0, ..good },
        MarketLimits { orders_max: u32::MAX, ..good },
        MarketLimits { account_orders_max: 0, ..good },
        // 2^62 x 2^62 x 10 is above 2^127.
        MarketLimits { price_max: PRICE_MAX, qty_max: QTY_MAX, ..good },
    ];
    for limits in illegal {
        bench.refused(Command::SetLimits(limits), LimitsOutOfRange);
    }
    #[rustfmt::skip] // One row, one line.
    let legal = [
        MarketLimits { price_min: PRICE_MAX, price_max: PRICE_MAX, ..good },
        MarketLimits { qty_min: QTY_MAX, qty_max: QTY_MAX, ..good },
        MarketLimits { notional_min: AMOUNT_MAX, notional_max: Amount(0), ..good },
        MarketLimits { notional_min: AMOUNT_MAX, notional_max: AMOUNT_MAX, ..good },
        MarketLimits { orders_max: u32::MAX - 1, account_orders_max: u32::MAX, ..good },
    ];
    for limits in legal {
        bench.accepted(Command::SetLimits(limits));
    }
}
