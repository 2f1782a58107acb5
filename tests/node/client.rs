//! The Rust client against a live node.
mod cable;
mod money;
mod resume;

use crate::support;
use std::time::Duration;

use souk::server::Server;
use souk_client::{
    AccountId, BatchMode, Book, CancelReason, Change, ClOrdId, Client, ClientError, ClientOptions,
    Event, Events, Feed, Instruction, KeyId, Market, MarketId, Order, OrderRef, Outcome, Price,
    Qty, Refusal, RejectReason, ReplaceReport, Report, Side, SigningKey, TimeInForce,
};

const MARKET: MarketId = MarketId(1);
/// The longest a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(10);

fn key(id: u32) -> SigningKey {
    SigningKey::from_seed(&support::seed(id)).unwrap()
}

async fn connect(server: &Server, id: u32) -> Client {
    let options = ClientOptions::new(KeyId(id));
    Client::connect(server.address(), key(id), options)
        .await
        .unwrap()
}

/// An order of the account that has the key's number.
fn order(key: u32, side: Side, price: i64, qty: u64) -> Order {
    Order::limit(AccountId(key), side, Price(price), Qty(qty))
}

/// The next event that `pick` takes.
async fn event<T>(events: &mut Events, mut pick: impl FnMut(Event) -> Option<T>) -> T {
    let next = async {
        loop {
            let event = events.next().await.expect("the session goes on");
            if let Some(picked) = pick(event) {
                return picked;
            }
        }
    };
    tokio::time::timeout(PATIENCE, next)
        .await
        .expect("the event comes in time")
}

fn report(event: Event) -> Option<Report> {
    match event {
        Event::Report { report, .. } => Some(report),
        _ => None,
    }
}

/// The server's code of an outcome that is not applied, or rejected.
fn code<T: std::fmt::Debug>(outcome: Outcome<T>) -> RejectReason {
    let code = match outcome {
        Outcome::Rejected(rejected) => rejected.code,
        Outcome::NotApplied(Refusal::ByServer { code, .. }) => code,
        other => panic!("{other:?} is no refusal"),
    };
    code.reason().unwrap()
}

#[tokio::test]
async fn two_clients_trade_and_each_gets_its_own_side() {
    let server = support::start("");
    let (maker, taker) = (connect(&server, 1).await, connect(&server, 2).await);
    let mut maker_events = maker.events().await.unwrap();
    let sell = order(1, Side::Sell, 10_000, 8).named(ClOrdId(71));
    let resting = maker.new_order(MARKET, &sell).await.unwrap().await;
    let resting = resting.accepted().unwrap();
    let buy = order(2, Side::Buy, 10_100, 5).time_in_force(TimeInForce::Ioc);
    let mut taker_events = taker.events().await.unwrap();
    assert!(
        taker
            .new_order(MARKET, &buy)
            .await
            .unwrap()
            .await
            .accepted()
            .is_some()
    );
    for (events, leaves) in [(&mut maker_events, 3), (&mut taker_events, 0)] {
        let trade = event(events, |event| match report(event) {
            Some(Report::Trade(trade)) => Some(trade),
            _ => None,
        })
        .await;
        assert_eq!(
            (trade.price, trade.qty, trade.leaves),
            (Price(10_000), Qty(5), Qty(leaves))
        );
    }
    let name = OrderRef::Named(ClOrdId(71));
    let status = maker
        .status(MARKET, AccountId(1), name)
        .await
        .unwrap()
        .await;
    assert_eq!(
        status.accepted().map(|s| (s.leaves, s.cum)),
        Some((Qty(3), Qty(5)))
    );
    let id = OrderRef::Id(resting.order_id);
    let canceled = maker.cancel(MARKET, AccountId(1), id).await.unwrap().await;
    assert_eq!(
        canceled.accepted().map(|c| (c.qty, c.cum)),
        Some((Qty(3), Qty(5)))
    );
    maker.terminate().await.unwrap();
}

#[tokio::test]
async fn every_request_has_its_typed_outcome() {
    let server = support::start("");
    let client = connect(&server, 1).await;
    let account = AccountId(1);
    let mut ids = Vec::new();
    for price in [100, 101] {
        let new = client
            .new_order(MARKET, &order(1, Side::Buy, price, 10))
            .await
            .unwrap();
        ids.push(OrderRef::Id(new.await.accepted().unwrap().order_id));
    }
    let change = Change {
        cl_ord_id: ClOrdId(5),
        price: Price(102),
        total_qty: Qty(7),
    };
    let replaced = client
        .replace(MARKET, account, ids[0], &change)
        .await
        .unwrap()
        .await;
    let Some(ReplaceReport::Replaced(replaced)) = replaced.accepted() else {
        panic!("it was replaced");
    };
    assert_eq!(
        (replaced.price, replaced.leaves, replaced.kept_priority),
        (Price(102), Qty(7), false)
    );
    let instructions = [
        Instruction::New(order(1, Side::Sell, 200, 1)),
        Instruction::Cancel(account, OrderRef::Named(ClOrdId(99))),
        Instruction::Cancel(account, ids[1]),
    ];
    let mode = BatchMode::Independent;
    let batch = client
        .batch(MARKET, mode, &instructions)
        .await
        .unwrap()
        .await
        .accepted()
        .unwrap();
    assert!(matches!(batch[0], Report::Accepted(_)), "{batch:?}");
    assert!(matches!(batch[1], Report::Rejected(_)), "{batch:?}");
    assert!(matches!(batch[2], Report::Canceled(_)), "{batch:?}");
    let error = client.batch(MARKET, mode, &[]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "a batch has 1 to 32 entries, found 0: split it"
    );
    let buys = client
        .mass_cancel(MARKET, account, Some(Side::Buy))
        .await
        .unwrap()
        .await;
    assert_eq!(buys.accepted().map(|done| done.count), Some(1));
    let all = client
        .mass_cancel(MARKET, account, None)
        .await
        .unwrap()
        .await;
    assert_eq!(all.accepted().map(|done| done.count), Some(1));
    let none = client
        .mass_cancel(MARKET, account, None)
        .await
        .unwrap()
        .await;
    assert_eq!(none.accepted().map(|done| done.count), Some(0));
    assert!(client.ping().await.unwrap() < PATIENCE);
}

#[tokio::test]
async fn refusals_say_why_and_cost_the_messages_behind_them_nothing() {
    let server = support::start("");
    let client = connect(&server, 1).await;
    let account = AccountId(1);
    let stranger = OrderRef::Named(ClOrdId(12_345));
    // All are on their way before the first is answered.
    let first = client
        .new_order(MARKET, &order(1, Side::Buy, 100, 1))
        .await
        .unwrap();
    let unknown_account = client
        .new_order(MARKET, &order(2, Side::Buy, 100, 1))
        .await
        .unwrap();
    let unknown_order = client.cancel(MARKET, account, stranger).await.unwrap();
    let no_qty = client
        .new_order(MARKET, &order(1, Side::Buy, 100, 0))
        .await
        .unwrap();
    let unknown_market = client
        .new_order(MarketId(9), &order(1, Side::Buy, 1, 1))
        .await
        .unwrap();
    let last = client
        .new_order(MARKET, &order(1, Side::Buy, 101, 1))
        .await
        .unwrap();
    assert!(first.await.accepted().is_some());
    assert_eq!(code(unknown_account.await), RejectReason::UnknownAccount);
    assert_eq!(code(unknown_order.await), RejectReason::UnknownOrder);
    assert_eq!(code(no_qty.await), RejectReason::QtyMustNotBeZero);
    assert_eq!(code(unknown_market.await), RejectReason::UnknownMarket);
    assert!(last.await.accepted().is_some());
    let error = client.join(MarketId(9)).await.unwrap_err();
    assert!(error.to_string().contains("UnknownMarket"), "{error}");
}

#[tokio::test]
async fn a_market_speaks_decimals() {
    let server = support::start("");
    let client = connect(&server, 1).await;
    let market: Market = client.market("BTC-USDT").await.unwrap();
    assert_eq!(market.price("61234.50").unwrap(), Price(6_123_450));
    assert_eq!(market.qty("0.25").unwrap(), Qty(2_500));
    assert_eq!(market.price_text(Price(6_123_450)), "61234.50");
    let error = market.price("0.005").unwrap_err();
    assert_eq!(
        error.to_string(),
        "0.005 is not a multiple of tick 0.01: nearest 0.00, 0.01"
    );
    let error = client.market("BTC-EUR").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no market \"BTC-EUR\"; the tenant's markets are: BTC-USDT, BTC-CNY"
    );
}

#[tokio::test]
async fn a_book_kept_from_the_feed_is_the_markets() {
    let server = support::start("");
    let (trader, watcher) = (connect(&server, 1).await, connect(&server, 2).await);
    let place = async |count: i64| {
        for n in 0..count {
            let (side, price) = match n % 2 {
                0 => (Side::Buy, 1_000 + 7 * n % 53),
                _ => (Side::Sell, 1_040 + 11 * n % 61),
            };
            let new = order(1, side, price, 1 + n as u64 % 9);
            trader
                .new_order(MARKET, &new)
                .await
                .unwrap()
                .await
                .accepted()
                .unwrap();
        }
    };
    place(60).await;
    let mut events = watcher.events().await.unwrap();
    watcher
        .subscribe(MARKET, Feed::DepthAndTrades)
        .await
        .unwrap();
    place(200).await;
    let reference = trader.snapshot(MARKET).await.unwrap();
    let mut book = Book::new(MARKET);
    while !book.is_complete() || book.stream_seq() < reference.stream_seq() {
        let data = event(&mut events, |event| match event {
            Event::MarketData(data) => Some(data),
            _ => None,
        });
        book.apply(&data.await).unwrap();
    }
    assert!(reference.buys().count() > 5, "there is a book");
    assert_eq!(book.hash(), reference.hash());
    let error = watcher.snapshot(MARKET).await.unwrap_err();
    assert!(matches!(error, ClientError::Subscribed(MARKET)), "{error}");
    watcher.unsubscribe(MARKET).await.unwrap();
    assert_eq!(
        watcher.snapshot(MARKET).await.unwrap().hash(),
        reference.hash()
    );
}

#[tokio::test]
async fn more_than_the_rate_and_credits_allow_is_sent_in_time_and_in_order() {
    let limits = "[limits]\nmax_inflight = 4\norder_rate = 2000\norder_burst = 32";
    let server = support::start(limits);
    let client = connect(&server, 1).await;
    let mut pending = Vec::new();
    for name in 1..=300 {
        let new = order(1, Side::Buy, 100, 1).named(ClOrdId(name));
        pending.push(client.new_order(MARKET, &new).await.unwrap());
    }
    let mut last_id = 0;
    for pending in pending {
        let accepted = pending.await.accepted().unwrap();
        assert!(accepted.order_id.0 > last_id, "in order");
        last_id = accepted.order_id.0;
    }
    let book = client.snapshot(MARKET).await.unwrap();
    assert_eq!(book.best_buy().map(|level| level.orders), Some(300));
}

#[tokio::test]
async fn a_node_with_little_room_gets_each_message_once_and_in_order() {
    let threads = "[threads]\nlayout = \"threads\"\nqueue_commands_max = 64\n\
                   tenant_share_percent = 10";
    let server = support::start(threads);
    let client = connect(&server, 1).await;
    let mut events = client.events().await.unwrap();
    let mut pending = Vec::new();
    for name in 1..=2_000 {
        let new = order(1, Side::Buy, 100, 1).named(ClOrdId(name));
        pending.push(client.new_order(MARKET, &new).await.unwrap());
    }
    for pending in pending {
        let outcome = pending.await;
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    }
    let (mut refused, mut names) = (0, Vec::new());
    while let Some(event) = events.try_next() {
        refused += u32::from(matches!(event, Event::NotApplied(_)));
        if let Some(Report::Accepted(accepted)) = report(event) {
            names.push(accepted.cl_ord_id.0);
        }
    }
    assert!(refused > 0, "the queue was never full");
    assert_eq!(names, (1..=2_000).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_wrong_key_is_told_as_such() {
    let server = support::start("");
    let options = ClientOptions::new(KeyId(1));
    let error = Client::connect(server.address(), key(2), options)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("AuthenticationFailed (202)"),
        "{error}"
    );
}

#[tokio::test]
async fn an_idle_session_lives_by_heartbeats() {
    let server = support::start("");
    let mut options = ClientOptions::new(KeyId(1));
    options.keepalive = Duration::from_millis(100);
    let client = Client::connect(server.address(), key(1), options)
        .await
        .unwrap();
    let mut events = client.events().await.unwrap();
    for _ in 0..5 {
        event(&mut events, |event| {
            matches!(event, Event::Heartbeat { .. }).then_some(())
        })
        .await;
    }
    client.ping().await.unwrap();
}

#[test]
fn the_blocking_face_trades_too() {
    let server = support::start("");
    let options = ClientOptions::new(KeyId(1));
    let client = souk_client::blocking::Client::connect(server.address(), key(1), options).unwrap();
    let mut events = client.events().unwrap();
    let market = client.market("BTC-USDT").unwrap();
    let (price, qty) = (market.price("100.00").unwrap(), market.qty("2").unwrap());
    let sell = Order::limit(AccountId(1), Side::Sell, price, qty);
    let placed = client.new_order(market.id(), &sell).unwrap().wait();
    let id = OrderRef::Id(placed.accepted().unwrap().order_id);
    assert_eq!(client.snapshot(market.id()).unwrap().sells().count(), 1);
    let mut canceled = client.cancel(market.id(), AccountId(1), id).unwrap();
    let canceled = canceled.within(PATIENCE).accepted().unwrap();
    assert_eq!(canceled.reason, CancelReason::ByRequest);
    client.terminate().unwrap();
    let reports = std::iter::from_fn(|| events.next_within(PATIENCE)).filter_map(report);
    assert_eq!(reports.count(), 2, "accepted and canceled, then the end");
}
