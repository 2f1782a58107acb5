//! Bytes of a resting order and of an idle market.

use crate::Extent;
use crate::alloc::live_bytes;
use crate::support::souk::{Client, Driver, Naming, market};
use crate::support::workload::{BookShape, Flow, Workload};

const ORDER_GOAL_BYTES: f64 = 96.0;
const MARKET_GOAL_BYTES: usize = 4096;
/// In smaller books the first allocations of a market count for too much.
const ORDERS_OF_A_LARGE_BOOK: usize = 100_000;

/// Measures the bytes of a resting order for books of every size.
pub fn of_orders(extent: &Extent) -> String {
    let mut report = String::from(
        "## Bytes per resting order (10,000 levels)\n\
         | resting orders | allocated | most while growing from a half | resident | allocated, with client order ids |\n\
         |---|---|---|---|---|\n",
    );
    let mut worst: f64 = 0.0;
    for &orders in extent.orders {
        let shape = BookShape {
            orders,
            levels: 5000,
        };
        let workload = Workload::of_book(shape, Flow::Pairs, 0);
        let plain = Bytes::of_book(&workload, Naming::OrderId);
        let named = Bytes::of_book(&workload, Naming::ClOrdId).allocated;
        let Bytes {
            allocated,
            most,
            resident,
        } = plain;
        report +=
            &format!("| {orders} | {allocated:.1} | {most:.1} | {resident:.1} | {named:.1} |\n");
        if orders >= ORDERS_OF_A_LARGE_BOOK {
            worst = worst.max(allocated).max(named);
        }
    }
    let reached = worst <= ORDER_GOAL_BYTES;
    report += &format!(
        "goal {ORDER_GOAL_BYTES} from {ORDERS_OF_A_LARGE_BOOK} orders on, with client order ids too: {worst:.1}, {}\n",
        verdict(reached)
    );
    assert!(
        reached,
        "an order costs at most {ORDER_GOAL_BYTES} bytes:\n{report}"
    );
    report
}

/// Bytes per resting order.
struct Bytes {
    allocated: f64,
    most: f64,
    resident: f64,
}

impl Bytes {
    /// Builds the start book and looks at the memory; `most` is looked at a hundred times.
    fn of_book(workload: &Workload, naming: Naming) -> Self {
        let mut client = Client::new(market(), workload.id_max, naming, 0);
        let (live, resident) = (live_bytes(), resident_bytes());
        let orders = workload.setup;
        let mut most: f64 = 0.0;
        let (first, second) = workload.steps.split_at(orders / 2);
        client.run(first);
        let mut open = first.len();
        for steps in second.chunks(orders.div_ceil(100)) {
            client.run(steps);
            open += steps.len();
            most = most.max((live_bytes() - live) as f64 / open as f64);
        }
        let resident = resident_bytes().saturating_sub(resident) as f64 / orders as f64;
        assert_eq!(client.totals(), workload.expected, "all orders rest");
        Self {
            allocated: (live_bytes() - live) as f64 / orders as f64,
            most,
            resident,
        }
    }
}

/// Measures the bytes of markets without orders, and with one order each.
pub fn of_markets(extent: &Extent) -> String {
    let (live, resident) = (live_bytes(), resident_bytes());
    let row = |state| {
        let allocated = (live_bytes() - live) / extent.markets;
        let resident = resident_bytes().saturating_sub(resident) / extent.markets;
        (
            allocated,
            format!("| {state} | {allocated} | {resident} |\n"),
        )
    };
    let mut markets: Vec<_> = (0..extent.markets).map(|_| market()).collect();
    let (idle, idle_row) = row("no order yet");
    let shape = BookShape {
        orders: 1,
        levels: 1,
    };
    let one = Workload::of_book(shape, Flow::Pairs, 0);
    for slot in &mut markets {
        let taken = std::mem::replace(slot, market());
        let mut client = Client::new(taken, one.id_max, Naming::OrderId, 0);
        client.run(&one.steps);
        *slot = client.target;
        assert_eq!(slot.open_orders(), 1, "every market has its order");
    }
    let (_, busy_row) = row("one resting order");
    let reached = idle <= MARKET_GOAL_BYTES;
    let report = format!(
        "\n## {} markets: bytes each\n| state | allocated | resident |\n|---|---|---|\n{idle_row}{busy_row}\
         goal {MARKET_GOAL_BYTES} for an idle market: {idle}, {}\n",
        extent.markets,
        verdict(reached)
    );
    assert!(reached, "an idle market is small:\n{report}");
    report
}

/// Resident memory of this process; 0 where the system does not say.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok());
    pages.unwrap_or_default() * 4096
}

/// How a goal's line ends.
pub fn verdict(reached: bool) -> &'static str {
    if reached { "hit" } else { "missed" }
}
