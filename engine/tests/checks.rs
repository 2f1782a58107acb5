//! The checks of `RULES.md`, section 3, in their order: a command that breaks a rule is refused
//! for it, and one that breaks two rules is refused for the one that is written first. Both the
//! engine and the oracle are asked, so that the oracle too is held against something.

#[allow(dead_code, reason = "each test uses a part of it")]
mod oracle;
#[allow(dead_code, reason = "each test uses a part of it")]
mod swarm;

use oracle::{Oracle, Snapshot};
use souk_engine::{
    CancelOrder, Command, Event, FeeRates, FeeTier, MarketSpec, MassCancel, NewOrder, OrderRef,
    OrderStatus, ReplaceOrder,
};
use souk_protocol::RejectReason::{self, *};
use souk_protocol::{
    AccountId, Amount, ClOrdId, MarketState, OrderId, OrderType, PostOnly, Price, QTY_MAX, Qty,
    SessionId, Side, StpGroup, StpMode, StpScope, TimeInForce,
};
use swarm::market::EngineMarket;
use swarm::{Setting, Step, Subject};

const ME: AccountId = AccountId(1);
const SHE: AccountId = AccountId(2);

/// Prices 10 to 100, quantities 5 to the highest; four open orders, two of one account.
const SPEC: MarketSpec = MarketSpec {
    price_min: Price(10),
    price_max: Price(100),
    qty_min: Qty(5),
    qty_max: QTY_MAX,
    notional_unit: 1,
    lot_units: 1,
    notional_min: Amount(0),
    notional_max: Amount(0),
    fees: FeeRates::NONE,
    orders_max: 4,
    account_orders_max: 2,
};

/// The ids of the first and second order of a market.
const FIRST: OrderId = OrderId(1 << 32);
const SECOND: OrderId = OrderId((1 << 32) + 1);

/// A buy order that breaks no rule and rests.
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
/// Crosses the best sell order of [`with_both_sides`].
const CROSSING: NewOrder = NewOrder {
    price: Price(60),
    ..BUY
};
const SELL: NewOrder = NewOrder {
    side: Side::Sell,
    price: Price(60),
    account: SHE,
    ..BUY
};
const FOK: NewOrder = NewOrder {
    time_in_force: TimeInForce::Fok,
    ..BUY
};
const MARKET: NewOrder = NewOrder {
    order_type: OrderType::Market,
    time_in_force: TimeInForce::Ioc,
    price: Price(0),
    budget: Amount(1_000),
    ..BUY
};

/// Replaces my order [`FIRST`] at 50 x 10, of which nothing is executed.
const REPLACE: ReplaceOrder = ReplaceOrder {
    account: ME,
    session: SessionId(1),
    order: OrderRef {
        order_id: FIRST,
        cl_ord_id: ClOrdId(0),
    },
    cl_ord_id: ClOrdId(0),
    price: Price(51),
    total_qty: Qty(10),
};
const NEITHER: OrderRef = OrderRef {
    order_id: OrderId(0),
    cl_ord_id: ClOrdId(0),
};
const BOTH: OrderRef = OrderRef {
    order_id: FIRST,
    cl_ord_id: ClOrdId(7),
};
const STRANGE: OrderRef = OrderRef {
    order_id: OrderId(99),
    cl_ord_id: ClOrdId(0),
};

/// My buy order `FIRST` at 50 with client id 7, and her sell order `SECOND` at 60.
fn with_both_sides() -> Vec<Command> {
    vec![
        Command::New(NewOrder {
            cl_ord_id: ClOrdId(7),
            ..BUY
        }),
        Command::New(SELL),
    ]
}

/// My two orders, which is all that an account may have; client id 7 is taken.
fn with_my_account_full() -> Vec<Command> {
    [with_both_sides(), vec![Command::New(BUY)]].concat()
}

/// Four orders, which is all that the market may have; my account is full too.
fn with_the_market_full() -> Vec<Command> {
    [with_my_account_full(), vec![Command::New(SELL)]].concat()
}

/// Her buy order of the highest quantity, after mine.
fn with_a_heavy_buy_side() -> Vec<Command> {
    let heavy = NewOrder {
        account: SHE,
        qty: QTY_MAX,
        ..BUY
    };
    [with_both_sides(), vec![Command::New(heavy)]].concat()
}

/// My post-only buy order `FIRST` at 50, and her sell order at 60.
fn with_post_only(post_only: PostOnly) -> Vec<Command> {
    vec![
        Command::New(NewOrder { post_only, ..BUY }),
        Command::New(SELL),
    ]
}

/// My sell order at the lowest price: no post-only buy order can slide below it.
fn with_a_sell_at_the_lowest_price() -> Vec<Command> {
    vec![Command::New(NewOrder {
        price: Price(10),
        ..SELL
    })]
}

fn in_state(state: MarketState, mut before: Vec<Command>) -> Vec<Command> {
    before.push(Command::SetState(state));
    before
}

fn halted() -> Vec<Command> {
    in_state(MarketState::Halted, with_both_sides())
}

fn cancel_only() -> Vec<Command> {
    in_state(MarketState::CancelOnly, with_both_sides())
}

/// The event that the command gives first after these, in the oracle and in the engine, and
/// whether it changed anything that shows.
fn first_event(before: &[Command], command: Command) -> (Event, bool) {
    let step = |command| Step {
        funding: None,
        command,
        levels: false,
        prefetch: true,
        compare_state: false,
    };
    let setting = Setting {
        spec: SPEC,
        holds: false,
    };
    let mut market = EngineMarket::new(setting, 1);
    let mut oracle = Oracle::new(SPEC, false);
    for earlier in before {
        market.apply(&step(*earlier));
        oracle.apply(earlier, false);
    }
    let seen = |market: &EngineMarket| -> (Snapshot, Option<u64>) {
        (market.snapshot(), market.state_hash())
    };
    let seen_before = seen(&market);
    let events = market.apply(&step(command));
    assert_eq!(
        events,
        oracle.apply(&command, false),
        "engine and oracle on {command:?}"
    );
    (events[0], seen(&market) != seen_before)
}

#[track_caller]
fn refused(before: &[Command], command: Command, reason: RejectReason) {
    let (event, changed) = first_event(before, command);
    assert_eq!(event, Event::Rejected(reason), "{command:?}");
    assert!(!changed, "a refused command changes nothing: {command:?}");
}

#[track_caller]
fn accepted(before: &[Command], command: Command) {
    let (event, _) = first_event(before, command);
    assert!(
        !matches!(event, Event::Rejected(_)),
        "{event:?} for {command:?}"
    );
}

#[test]
fn a_new_order_is_refused_for_the_first_rule_that_it_breaks() {
    let zero = Qty(0);
    let heavy = Qty(QTY_MAX.0 - 9);
    let id = ClOrdId(7);
    let budget = Amount(1);
    let unbounded = NewOrder {
        budget: Amount(0),
        ..MARKET
    };
    let reject = PostOnly::Reject;
    let slide = PostOnly::Slide;
    let full = with_the_market_full();
    let mine_full = with_my_account_full();
    let heavy_side = with_a_heavy_buy_side();
    let both = with_both_sides();
    let lowest = with_a_sell_at_the_lowest_price();
    #[rustfmt::skip] // One row, one line.
    let table = [
        // 1 before 2
        (&halted(), NewOrder { qty: zero, ..BUY }, MarketHalted),
        (&cancel_only(), NewOrder { qty: zero, ..BUY }, MarketCancelOnly),
        // 2 before 3, and before 4, 5 and 6
        (&both, NewOrder { qty: zero, budget, ..BUY }, QtyMustNotBeZero),
        (&both, NewOrder { qty: zero, ..unbounded }, QtyMustNotBeZero),
        (&both, NewOrder { qty: zero, price: Price(0), cl_ord_id: id, ..BUY }, QtyMustNotBeZero),
        // 3: combination before bound, both before 4 and 5
        (&both, NewOrder { time_in_force: TimeInForce::Gtc, ..unbounded }, UnsupportedCombination),
        (&both, NewOrder { post_only: reject, price: Price(0), ..FOK }, UnsupportedCombination),
        (&both, NewOrder { budget, price: Price(101), ..BUY }, UnsupportedCombination),
        (&both, NewOrder { side: Side::Sell, ..MARKET }, UnsupportedCombination),
        (&both, NewOrder { qty: Qty(1), ..unbounded }, MarketOrderUnbounded),
        (&both, NewOrder { side: Side::Sell, qty: Qty(1), ..unbounded }, MarketOrderUnbounded),
        // 4: positive before range, both before 5
        (&both, NewOrder { price: Price(0), qty: Qty(1), ..BUY }, PriceMustBePositive),
        (&both, NewOrder { price: Price(i64::MIN), qty: Qty(1), ..BUY }, PriceMustBePositive),
        (&both, NewOrder { price: Price(9), qty: Qty(1), ..BUY }, PriceOutOfRange),
        (&both, NewOrder { price: Price(101), qty: Qty(1), ..BUY }, PriceOutOfRange),
        (&both, NewOrder { price: Price(-1), qty: Qty(1), ..MARKET }, PriceOutOfRange),
        (&both, NewOrder { price: Price(101), qty: Qty(1), ..MARKET }, PriceOutOfRange),
        // 5 before 6
        (&both, NewOrder { qty: Qty(4), cl_ord_id: id, ..BUY }, QtyOutOfRange),
        (&both, NewOrder { qty: Qty(QTY_MAX.0 + 1), cl_ord_id: id, ..BUY }, QtyOutOfRange),
        // 6 before 7 and 8
        (&full, NewOrder { cl_ord_id: id, ..BUY }, DuplicateClOrdId),
        (&both, NewOrder { cl_ord_id: id, post_only: reject, ..CROSSING }, DuplicateClOrdId),
        // 7: market before account before quantity, all before 8
        (&full, NewOrder { post_only: reject, ..CROSSING }, TooManyOpenOrders),
        (&mine_full, NewOrder { post_only: reject, ..CROSSING }, TooManyOpenOrdersOfAccount),
        (&heavy_side, NewOrder { qty: heavy, post_only: reject, ..CROSSING }, BookQtyExceeded),
        (&heavy_side, NewOrder { qty: heavy, ..CROSSING }, BookQtyExceeded),
        // 8
        (&both, NewOrder { post_only: reject, ..CROSSING }, PostOnlyWouldCross),
        (&lowest, NewOrder { post_only: slide, ..BUY }, PostOnlyWouldCross),
        // 9
        (&both, FOK, FokUnfillable),
        (&both, NewOrder { price: Price(60), qty: Qty(11), ..FOK }, FokUnfillable),
    ];
    for (before, new, reason) in table {
        refused(before, Command::New(new), reason);
    }
}

#[test]
fn a_new_order_that_only_nearly_breaks_a_rule_is_accepted() {
    let full = with_the_market_full();
    #[rustfmt::skip] // One row, one line.
    let table = [
        (with_both_sides(), BUY),
        (with_both_sides(), NewOrder { price: Price(10), qty: Qty(5), ..BUY }),
        (with_both_sides(), NewOrder { price: Price(100), qty: QTY_MAX, ..BUY }),
        // The same client order id, but another account's.
        (with_both_sides(), NewOrder { cl_ord_id: ClOrdId(7), account: SHE, ..BUY }),
        // 2^62 + 10 rest; 2^62 - 11 more make 2^63 - 1.
        (with_a_heavy_buy_side(), NewOrder { qty: Qty(QTY_MAX.0 - 11), ..BUY }),
        // Limits of open orders are for orders that may rest.
        (full.clone(), NewOrder { time_in_force: TimeInForce::Ioc, ..CROSSING }),
        (full.clone(), NewOrder { time_in_force: TimeInForce::Fok, ..CROSSING }),
        (full, MARKET),
        (with_both_sides(), NewOrder { post_only: PostOnly::Slide, ..CROSSING }),
        (with_both_sides(), NewOrder { post_only: PostOnly::Reject, price: Price(59), ..BUY }),
        (with_both_sides(), NewOrder { price: Price(60), ..FOK }),
        (with_both_sides(), NewOrder { price: Price(100), budget: Amount(1), ..MARKET }),
    ];
    for (before, new) in table {
        accepted(&before, Command::New(new));
    }
}

#[test]
fn a_cancel_is_refused_for_the_first_rule_that_it_breaks() {
    let both = with_both_sides();
    #[rustfmt::skip] // One row, one line.
    let table = [
        (&halted(), ME, NEITHER, MarketHalted),
        (&both, SHE, NEITHER, OrderReferenceMissing),
        (&both, SHE, BOTH, OrderReferenceMissing),
        (&both, ME, BOTH, OrderReferenceMissing),
        (&both, ME, STRANGE, UnknownOrder),
        // Another account's, by both kinds of name.
        (&both, SHE, OrderRef { order_id: FIRST, ..NEITHER }, UnknownOrder),
        (&both, SHE, OrderRef { cl_ord_id: ClOrdId(7), ..NEITHER }, UnknownOrder),
        // A right slot with a generation that is not there yet.
        (&both, ME, OrderRef { order_id: OrderId(2 << 32), ..NEITHER }, UnknownOrder),
    ];
    for (before, account, order, reason) in table {
        refused(
            before,
            Command::Cancel(CancelOrder { account, order }),
            reason,
        );
    }
    let mine = CancelOrder {
        account: ME,
        order: REPLACE.order,
    };
    accepted(&both, Command::Cancel(mine));
    accepted(&cancel_only(), Command::Cancel(mine));
    let gone = [both, vec![Command::Cancel(mine)]].concat();
    refused(&gone, Command::Cancel(mine), UnknownOrder);
}

#[test]
fn a_replace_is_refused_for_the_first_rule_that_it_breaks() {
    let zero = Qty(0);
    let both = with_both_sides();
    // My second order carries client id 8.
    let second = NewOrder {
        cl_ord_id: ClOrdId(8),
        ..BUY
    };
    let with_8 = [with_both_sides(), vec![Command::New(second)]].concat();
    let heavy_8 = [with_a_heavy_buy_side(), vec![Command::New(second)]].concat();
    let heavy = Qty(QTY_MAX.0);
    let post_only = with_post_only(PostOnly::Reject);
    let heaviest = NewOrder {
        account: SHE,
        qty: QTY_MAX,
        ..BUY
    };
    let heavy_post_only = [
        with_post_only(PostOnly::Reject),
        vec![Command::New(heaviest)],
    ]
    .concat();
    #[rustfmt::skip] // One row, one line.
    let table = [
        // 1 before 2
        (&halted(), ReplaceOrder { order: NEITHER, ..REPLACE }, MarketHalted),
        (&cancel_only(), ReplaceOrder { order: NEITHER, ..REPLACE }, MarketCancelOnly),
        // 2 before 3
        (&both, ReplaceOrder { order: BOTH, total_qty: zero, ..REPLACE }, OrderReferenceMissing),
        (&both, ReplaceOrder { order: STRANGE, total_qty: zero, ..REPLACE }, UnknownOrder),
        (&both, ReplaceOrder { account: SHE, total_qty: zero, ..REPLACE }, UnknownOrder),
        // 3 before 4
        (&both, ReplaceOrder { total_qty: zero, price: Price(0), ..REPLACE }, QtyMustNotBeZero),
        // 4 before 5
        (&both, ReplaceOrder { total_qty: Qty(4), price: Price(0), ..REPLACE }, PriceMustBePositive),
        (&both, ReplaceOrder { total_qty: Qty(4), price: Price(9), ..REPLACE }, PriceOutOfRange),
        (&both, ReplaceOrder { total_qty: Qty(4), price: Price(101), ..REPLACE }, PriceOutOfRange),
        // 5 before 6
        (&with_8, ReplaceOrder { total_qty: Qty(4), cl_ord_id: ClOrdId(8), ..REPLACE }, QtyOutOfRange),
        // 6 before 7
        (&heavy_8, ReplaceOrder { total_qty: heavy, cl_ord_id: ClOrdId(8), ..REPLACE }, DuplicateClOrdId),
        // 7: quantity before post-only
        (&heavy_post_only, ReplaceOrder { total_qty: heavy, price: Price(60), ..REPLACE }, BookQtyExceeded),
        (&post_only, ReplaceOrder { price: Price(60), ..REPLACE }, PostOnlyWouldCross),
    ];
    for (before, replace, reason) in table {
        refused(before, Command::Replace(replace), reason);
    }
}

#[test]
fn a_replace_that_only_nearly_breaks_a_rule_is_accepted() {
    let both = with_both_sides();
    accepted(&both, Command::Replace(REPLACE));
    // The order's own present client order id.
    accepted(
        &both,
        Command::Replace(ReplaceOrder {
            cl_ord_id: ClOrdId(7),
            ..REPLACE
        }),
    );
    // Another account's.
    let hers = ReplaceOrder {
        account: SHE,
        order: OrderRef {
            order_id: SECOND,
            ..NEITHER
        },
        cl_ord_id: ClOrdId(7),
        price: Price(60),
        ..REPLACE
    };
    accepted(&both, Command::Replace(hers));
    // 2^62 of hers rest; mine may become 2^62 - 1.
    let most = ReplaceOrder {
        total_qty: Qty(QTY_MAX.0 - 1),
        ..REPLACE
    };
    accepted(&with_a_heavy_buy_side(), Command::Replace(most));
    accepted(
        &with_post_only(PostOnly::Slide),
        Command::Replace(ReplaceOrder {
            price: Price(60),
            ..REPLACE
        }),
    );
    // Full markets and accounts do not matter to an order that is open already.
    accepted(&with_the_market_full(), Command::Replace(REPLACE));
}

#[test]
fn mass_cancel_and_status_are_refused_for_the_first_rule_that_they_break() {
    let mass = Command::MassCancel(MassCancel::asked(ME, None));
    refused(&halted(), mass, MarketHalted);
    accepted(&cancel_only(), mass);
    let status = |account, order| Command::Status(OrderStatus { account, order });
    for before in [with_both_sides(), halted(), cancel_only()] {
        refused(&before, status(SHE, BOTH), OrderReferenceMissing);
        refused(&before, status(ME, NEITHER), OrderReferenceMissing);
        refused(&before, status(SHE, REPLACE.order), UnknownOrder);
        accepted(&before, status(ME, REPLACE.order));
        accepted(&before, Command::SetState(MarketState::Halted));
    }
}
