//! Work that no event shows is counted, so that whoever shares a thread out can charge for it.

use souk_engine::{Command, Event, EventSink, FeeTier, Market, MarketSpec, NewOrder};
use souk_protocol::{
    AccountId, Amount, ClOrdId, OrderType, PostOnly, Price, Qty, SessionId, Side, StpGroup,
    StpMode, StpScope, TimeInForce,
};

struct Ignored;

impl EventSink for Ignored {
    fn on(&mut self, _: Event) {}
}

fn order(account: u32, side: Side, time_in_force: TimeInForce, qty: u64) -> NewOrder {
    NewOrder {
        cl_ord_id: ClOrdId(0),
        account: AccountId(account),
        session: SessionId(1),
        side,
        order_type: OrderType::Limit,
        time_in_force,
        post_only: PostOnly::No,
        price: Price(100),
        qty: Qty(qty),
        budget: Amount(0),
        stp_mode: StpMode::None,
        stp_scope: StpScope::Account,
        stp_group: StpGroup(0),
        fee_tier: FeeTier(0),
    }
}

#[test]
fn orders_that_a_fill_or_kill_order_is_held_against_are_counted_and_plain_ones_are_not() {
    let mut market = Market::new(MarketSpec::WIDE, 1).expect("a wide market");
    for _ in 0..1_000 {
        let new = order(1, Side::Sell, TimeInForce::Gtc, 1);
        market.apply(&Command::New(new), &mut Ignored);
    }
    assert_eq!(market.take_walked(), 0, "orders that rest walk nowhere");
    // Nobody's own order could be in the way: levels are added up, not orders.
    let plain = order(2, Side::Buy, TimeInForce::Fok, 2_000);
    market.apply(&Command::New(plain), &mut Ignored);
    assert_eq!(market.take_walked(), 0);
    // One level of 1,000 orders; each is asked whose it is, again and again.
    market.apply(
        &Command::New(order(2, Side::Sell, TimeInForce::Gtc, 1_000)),
        &mut Ignored,
    );
    let careful = NewOrder {
        stp_mode: StpMode::CancelNewest,
        ..order(2, Side::Buy, TimeInForce::Fok, 1_500)
    };
    for _ in 0..3 {
        market.apply(&Command::New(careful), &mut Ignored);
    }
    assert_eq!(market.take_walked(), 3 * 1_001);
    assert_eq!(market.take_walked(), 0, "asking begins anew");
}
