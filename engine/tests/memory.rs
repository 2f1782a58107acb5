//! What a market costs in memory, counted at the allocator.
#![allow(clippy::unwrap_used)]

mod counting;

use counting::{Counting, live_bytes};
use souk_engine::{Command, Event, EventSink, FeeTier, Market, MarketSpec, NewOrder};
use souk_protocol::{
    AccountId, Amount, ClOrdId, OrderType, PostOnly, Price, Qty, SessionId, Side, StpGroup,
    StpMode, StpScope, TimeInForce,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ORDERS: u64 = 1_000_000;
const ACCOUNTS: u64 = 20_000;
const BYTES_PER_ORDER_MAX: f64 = 96.0;
const BYTES_PER_IDLE_MARKET_MAX: i64 = 4096;

struct NoTrades;

impl EventSink for NoTrades {
    fn on(&mut self, event: Event) {
        assert!(matches!(event, Event::Accepted(_)), "{event:?}");
    }
}

fn next(random: &mut u64, bound: u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    (*random >> 11) % bound
}

/// A book of a million orders, all with client order ids: most within a thousand ticks of the
/// touch, the rest spread over ten thousand, a few far away.
fn fill(market: &mut Market, client_ids: bool) {
    let mut random = 0x5eed;
    for number in 1..=ORDERS {
        let side = Side::ALL[next(&mut random, 2) as usize];
        let distance = 1 + match next(&mut random, 100) {
            0 => next(&mut random, 1_000_000),
            1..20 => next(&mut random, 10_000),
            _ => next(&mut random, 1_000),
        };
        let order = NewOrder {
            cl_ord_id: ClOrdId(if client_ids { number } else { 0 }),
            account: AccountId(1 + next(&mut random, ACCOUNTS) as u32),
            session: SessionId(1),
            side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            post_only: PostOnly::No,
            price: match side {
                Side::Buy => Price(10_000_000 - distance.cast_signed()),
                Side::Sell => Price(10_000_000 + distance.cast_signed()),
            },
            qty: Qty(1 + next(&mut random, 100)),
            budget: Amount(0),
            stp_mode: StpMode::CancelNewest,
            stp_scope: StpScope::Account,
            stp_group: StpGroup(0),
            fee_tier: FeeTier(0),
        };
        market.apply(&Command::New(order), &mut NoTrades);
    }
}

fn check(client_ids: bool) {
    let before = live_bytes();
    let mut market = Box::new(Market::new(MarketSpec::WIDE, 11).unwrap());
    fill(&mut market, client_ids);
    let bytes = live_bytes() - before;
    assert_eq!(u64::from(market.open_orders()), ORDERS);
    let told = market.memory_bytes() + size_of::<Market>();
    drop(market);
    assert_eq!(live_bytes(), before, "a market gives everything back");
    assert_eq!(
        told as i64, bytes,
        "memory_bytes tells what the allocator saw"
    );
    let per_order = bytes as f64 / ORDERS as f64;
    assert!(
        per_order <= BYTES_PER_ORDER_MAX,
        "{per_order:.1} bytes per resting order"
    );
    assert!(
        per_order >= 64.0,
        "an order is a cache line, so the counter missed some"
    );
    println!("{per_order:.1} bytes per resting order (client order ids: {client_ids})");
}

#[test]
fn a_resting_order_costs_at_most_96_bytes_all_in() {
    check(true);
    check(false);
}

#[test]
fn an_idle_market_costs_at_most_4_kib() {
    let before = live_bytes();
    let market = Box::new(Market::new(MarketSpec::WIDE, 11).unwrap());
    let bytes = live_bytes() - before;
    println!("{bytes} bytes per idle market");
    assert!(bytes <= BYTES_PER_IDLE_MARKET_MAX, "{bytes} bytes");
    assert!(bytes >= size_of::<Market>() as i64, "the counter counts");
    drop(market);
}

#[test]
fn a_hundred_thousand_markets_fit_in_one_process() {
    let before = live_bytes();
    let markets: Vec<Market> = (0..100_000)
        .map(|key| Market::new(MarketSpec::WIDE, key).unwrap())
        .collect();
    let bytes = live_bytes() - before;
    assert_eq!(markets.len(), 100_000);
    assert!(
        bytes <= 100_000 * BYTES_PER_IDLE_MARKET_MAX,
        "{bytes} bytes"
    );
}
