//! A slot that has had all its generations is never used again. It takes 2^32 orders to get
//! there (some minutes in a release build), so this runs only when asked for:
//!
//! ```text
//! SOUK_SLOW_TESTS=1 cargo test --release -p souk-engine --test generations -- --nocapture
//! ```

use souk_engine::{Command, Event, EventSink, FeeTier, Market, MarketSpec, NewOrder};
use souk_protocol::{
    AccountId, Amount, ClOrdId, OrderId, OrderType, PostOnly, Price, Qty, SessionId, Side,
    StpGroup, StpMode, StpScope, TimeInForce,
};

/// Remembers the id of the order accepted last.
struct LastId(OrderId);

impl EventSink for LastId {
    fn on(&mut self, event: Event) {
        if let Event::Accepted(accepted) = event {
            self.0 = accepted.order_id;
        }
    }
}

#[test]
fn a_slot_without_generations_left_is_never_used_again() {
    if std::env::var_os("SOUK_SLOW_TESTS").is_none() {
        println!("left out: it takes minutes; set SOUK_SLOW_TESTS=1 to run it");
        return;
    }
    let mut market = Market::new(MarketSpec::WIDE, 1).expect("a legal market");
    let finds_nothing = Command::New(NewOrder {
        cl_ord_id: ClOrdId(0),
        account: AccountId(1),
        session: SessionId(1),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Ioc,
        post_only: PostOnly::No,
        price: Price(1),
        qty: Qty(1),
        budget: Amount(0),
        stp_mode: StpMode::None,
        stp_scope: StpScope::Account,
        stp_group: StpGroup(0),
        fee_tier: FeeTier(0),
    });
    let mut last = LastId(OrderId(0));
    for generation in 1..=u64::from(u32::MAX) {
        market.apply(&finds_nothing, &mut last);
        assert_eq!(
            last.0,
            OrderId(generation << 32),
            "slot 0, one generation after the other"
        );
    }
    for generation in 1..=3 {
        market.apply(&finds_nothing, &mut last);
        assert_eq!(
            last.0,
            OrderId((generation << 32) + 1),
            "slot 0 is used up, slot 1 follows"
        );
    }
    market.check_invariants();
}
