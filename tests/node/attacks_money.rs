//! Attacks on money that succeeded once.

use souk_engine::*;
use souk_protocol::message::{SUBSCRIBE_TRADES, Subscribe, Unsubscribe, UpdateAccount};
use souk_protocol::*;

use crate::bank::*;

/// What a settlement changes in what accounts have of the quote currency, in its order.
#[derive(Default)]
struct Totals(Vec<i64>);

impl BalanceSink for Totals {
    fn change(&mut self, change: BalanceChange) {
        if change.currency == PairCurrency::Quote {
            self.0.push(change.total);
        }
    }

    fn earn(&mut self, _: Amount) {}
}

#[derive(Default)]
struct Events(Vec<Event>);

impl EventSink for Events {
    fn on(&mut self, event: Event) {
        self.0.push(event);
    }
}

fn order(account: u32, side: Side, qty: u64) -> Command {
    Command::New(NewOrder {
        cl_ord_id: ClOrdId(0),
        account: AccountId(account),
        session: SessionId(1),
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: PostOnly::No,
        price: Price(100),
        qty: Qty(qty),
        budget: Amount(0),
        stp_mode: StpMode::None,
        stp_scope: StpScope::Account,
        stp_group: StpGroup(0),
        fee_tier: FeeTier(0),
    })
}

/// Another matcher may spend what the first maker got, and bring it back to the taker, before the
/// taker has paid: then the taker has it twice, and what does not fit stops the process.
#[test]
fn nobody_receives_what_the_taker_has_not_paid_yet() {
    let mut market = Market::new(MarketSpec::WIDE, 1).unwrap();
    let mut settlement = Settlement::new(&MarketSpec::WIDE);
    for maker in 2..5 {
        market.apply(&order(maker, Side::Sell, 10), &mut Events::default());
    }
    let (buy, mut events) = (order(1, Side::Buy, 30), Events::default());
    market.apply(&buy, &mut events);
    let mut totals = Totals::default();
    settlement.settle(&buy, Amount(3_000), &events.0, &mut totals);
    let mut sum = 0;
    for change in &totals.0 {
        sum += change;
        assert!(sum <= 0, "there is more than there was: {:?}", totals.0);
    }
    assert_eq!(sum, 0);
}

#[test]
fn the_end_of_market_data_is_not_the_end_of_a_copy_of_settlements() {
    let server = bank("");
    let mut desk = Desk::of(&server, OFFICE);
    desk.credit(1, "USDT", 1_000);
    desk.credit(2, "BTC", LOT);
    let subscribe = Subscribe {
        market: MarketId(1),
        flags: SUBSCRIBE_TRADES,
        reserved: Reserved,
    };
    desk.wire.send(&subscribe.frame(0));
    desk.ask(|id| subscribe_settlements(id, 1, 1).frame(0));
    let unsubscribe = Unsubscribe {
        market: MarketId(1),
        reserved: Reserved,
    };
    desk.wire.send(&unsubscribe.frame(0));
    desk.place(buy(1, 100, 1));
    desk.order(sell(2, 100, 1));
    desk.balances(1);
    let copied = desk.told(|message| match message {
        ServerMessage::Settlement(settlement) => Some(settlement.number),
        _ => None,
    });
    assert_eq!(copied, [1]);
    server.drain().unwrap();
}

#[test]
fn the_fee_account_enters_no_orders() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    let active = |request_id| UpdateAccount {
        request_id,
        account: AccountId(FEES),
        fee_group: FeeGroup(0),
        stp_group: StpGroup(0),
        status: AccountStatus::Active,
        reserved: Reserved,
    };
    office.ask(|id| active(id).frame(0));
    office.credit(FEES, "USDT", 1_000);
    let reason = office.refused(buy(FEES, 100, 1));
    assert_eq!(reason, RejectReason::AccountCancelOnly);
    server.drain().unwrap();
}
