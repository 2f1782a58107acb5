use super::check;
use crate::{
    CancelOrder, Canceled, Command, Event, EventSink, FeeTier, Market, MarketSpec, NewOrder,
    OrderRef, OrderView, Trade,
};
use alloc::vec;
use alloc::vec::Vec;
use souk_protocol::{
    AccountId, Amount, CancelReason, ClOrdId, MatchId, OrderId, OrderType, PostOnly, Price, Qty,
    SessionId, Side, StpGroup, StpMode, StpScope, TimeInForce,
};

const fn id(generation: u64, slot: u64) -> OrderId {
    OrderId(generation << 32 | slot)
}

fn ids(market: &Market, side: Side) -> Vec<OrderId> {
    market
        .orders(side)
        .map(|(order, _)| order.order_id)
        .collect()
}

#[test]
fn slots_are_given_out_in_order_and_again_from_the_top_of_the_stack() {
    let market = check(
        "
        buy A 50 x 1 -> new
        buy A 50 x 1 -> new
        buy A 50 x 1 -> new
        cancel A #1  -> canceled #1 x 1 ByRequest
        cancel A #3  -> canceled #3 x 1 ByRequest
        buy A 50 x 1 -> new
        buy A 50 x 1 -> new
        buy A 50 x 1 -> new
        ",
    );
    assert_eq!(
        ids(&market, Side::Buy),
        [id(1, 1), id(2, 2), id(2, 0), id(1, 3)]
    );
}

#[test]
fn a_taker_takes_its_slot_before_and_frees_it_after_its_makers() {
    let market = check(
        "
        sell A 50 x 1     -> new
        sell A 51 x 1     -> new
        buy B 51 x 3 ioc  -> new, trade 1 @ 50 with #1, trade 1 @ 51 with #2, canceled #3 x 1 ImmediateOrCancel
        buy C 10 x 1      -> new
        buy C 9 x 1       -> new
        buy C 8 x 1       -> new
        buy C 7 x 1       -> new
        ",
    );
    assert_eq!(
        ids(&market, Side::Buy),
        [id(2, 2), id(2, 1), id(2, 0), id(1, 3)]
    );
}

#[test]
fn a_rejected_order_takes_no_slot() {
    let market = check(
        "
        buy A 50 x 1 fok -> reject FokUnfillable
        buy A 50 x 0     -> reject QtyMustNotBeZero
        buy A 50 x 1     -> new
        ",
    );
    assert_eq!(ids(&market, Side::Buy), [id(1, 0)]);
}

#[test]
fn a_replace_keeps_id_and_slot_also_while_it_matches() {
    let market = check(
        "
        buy  A 50 x 1       -> new
        sell B 60 x 1       -> new
        sell B 60 x 5       -> new
        replace A #1 60 x 2 -> lost #1 60 x 2, trade 1 @ 60 with #2, trade 1 @ 60 with #3
        buy  C 10 x 1       -> new
        buy  C 9 x 1        -> new
        ",
    );
    assert_eq!(
        ids(&market, Side::Buy),
        [id(2, 0), id(2, 1)],
        "the maker went first"
    );
}

#[derive(Default)]
struct Events(Vec<Event>);

impl EventSink for Events {
    fn on(&mut self, event: Event) {
        self.0.push(event);
    }
}

#[test]
fn views_say_where_both_orders_stand_after_the_trade() {
    let mut market = Market::new(MarketSpec::WIDE, 1).unwrap();
    let maker = NewOrder {
        cl_ord_id: ClOrdId(11),
        account: AccountId(3),
        session: SessionId(21),
        side: Side::Sell,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: PostOnly::No,
        price: Price(101),
        qty: Qty(9),
        budget: Amount(0),
        stp_mode: StpMode::None,
        stp_scope: StpScope::Account,
        stp_group: StpGroup(0),
        fee_tier: FeeTier(0),
    };
    let taker = NewOrder {
        cl_ord_id: ClOrdId(12),
        account: AccountId(4),
        session: SessionId(22),
        side: Side::Buy,
        price: Price(105),
        qty: Qty(4),
        ..maker
    };
    let mut events = Events::default();
    for command in [Command::New(maker), Command::New(taker)] {
        market.apply(&command, &mut events);
    }
    let maker_view = OrderView {
        order_id: id(1, 0),
        cl_ord_id: ClOrdId(11),
        account: AccountId(3),
        session: SessionId(21),
        side: Side::Sell,
        leaves: Qty(5),
        cum: Qty(4),
        fee_tier: FeeTier(0),
    };
    let trade = Trade {
        match_id: MatchId(1),
        price: Price(101),
        qty: Qty(4),
        maker: maker_view,
        taker: OrderView {
            order_id: id(1, 1),
            cl_ord_id: ClOrdId(12),
            account: AccountId(4),
            session: SessionId(22),
            side: Side::Buy,
            leaves: Qty(0),
            cum: Qty(4),
            fee_tier: FeeTier(0),
        },
    };
    assert_eq!(events.0[2..], [Event::Trade(trade)]);
    assert_eq!(market.last_match_id(), MatchId(1));
    let cancel = Command::Cancel(CancelOrder {
        account: AccountId(3),
        order: OrderRef {
            order_id: id(1, 0),
            cl_ord_id: ClOrdId(0),
        },
    });
    events.0.clear();
    market.apply(&cancel, &mut events);
    let canceled = Canceled {
        order: maker_view,
        price: Price(101),
        reason: CancelReason::ByRequest,
    };
    assert_eq!(events.0, vec![Event::Canceled(canceled)]);
}

#[test]
fn the_hashes_tell_markets_apart_by_meaning_alone() {
    let script = "
        buy A 50 x 3 id 4 -> new
        sell B 60 x 2     -> new
        ";
    let (one, same) = (check(script), check(script));
    assert_eq!(one.state_hash(), same.state_hash());
    assert_eq!(one.book_hash(), same.book_hash());

    // The same book, but the next slot is another one.
    let detour = check(
        "
        buy A 50 x 3 id 4 -> new
        sell B 60 x 2     -> new
        buy C 10 x 1      -> new
        cancel C #3       -> canceled #3 x 1 ByRequest
        ",
    );
    assert_eq!(one.book_hash(), detour.book_hash());
    assert_ne!(one.state_hash(), detour.state_hash());

    // The same levels with another client order id.
    let renamed = check(
        "
        buy A 50 x 3 id 5 -> new
        sell B 60 x 2     -> new
        ",
    );
    assert_eq!(one.book_hash(), renamed.book_hash());
    assert_ne!(one.state_hash(), renamed.state_hash());
    assert_ne!(one.book_hash(), check("buy A 50 x 3 -> new").book_hash());
}

#[test]
fn the_book_hash_of_an_empty_book_is_the_offset_basis() {
    let market = check("mass-cancel A -> mass-canceled 0");
    assert_eq!(market.book_hash(), 0xcbf2_9ce4_8422_2325);
}
