//! Bytes of a resting order and of an idle market.

use crate::Extent;
use crate::alloc::live_bytes;
use crate::support::souk::{Client, Driver, Naming, market};
use crate::support::workload::{BookShape, Workload};

const ORDER_GOAL_BYTES: f64 = 96.0;
const MARKET_GOAL_BYTES: f64 = 4096.0;

/// Prints the bytes of a resting order for books of every size.
pub fn of_orders(extent: &Extent) {
    println!("## Bytes per resting order (10,000 levels)");
    println!(
        "| resting orders | allocated | most while growing from a half | resident | allocated, with client order ids |"
    );
    println!("|---|---|---|---|---|");
    let mut worst: f64 = 0.0;
    for &orders in extent.orders {
        let workload = Workload::of_book(
            BookShape {
                orders,
                levels: 5000,
            },
            false,
            0,
        );
        let plain = Bytes::of_book(&workload, Naming::OrderId);
        let named = Bytes::of_book(&workload, Naming::ClOrdId);
        let Bytes {
            allocated,
            most,
            resident,
        } = plain;
        println!(
            "| {orders} | {allocated:.1} | {most:.1} | {resident:.1} | {:.1} |",
            named.allocated
        );
        if orders >= 1_000_000 {
            worst = worst.max(allocated);
        }
    }
    if worst > 0.0 {
        println!(
            "goal {ORDER_GOAL_BYTES} from a million orders on: {worst:.1}, {}",
            verdict(worst <= ORDER_GOAL_BYTES)
        );
    }
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

/// Prints the bytes of markets without orders, and with one order each.
pub fn of_markets(extent: &Extent) {
    println!("\n## {} idle markets: bytes each", extent.markets);
    println!("| state | allocated | resident |");
    println!("|---|---|---|");
    let (live, resident) = (live_bytes(), resident_bytes());
    let mut clients: Vec<_> = (0..extent.markets).map(|_| market()).collect();
    let idle = print_markets("no order yet", extent, live, resident);
    let one = Workload::of_book(
        BookShape {
            orders: 1,
            levels: 1,
        },
        false,
        0,
    );
    for slot in &mut clients {
        let mut client = Client::new(
            std::mem::replace(slot, market()),
            one.id_max,
            Naming::OrderId,
            0,
        );
        client.run(&one.steps);
        *slot = client.target;
    }
    print_markets("one resting order", extent, live, resident);
    for slot in &mut clients {
        assert_eq!(slot.open_orders(), 1, "every market has its order");
    }
    println!(
        "goal {MARKET_GOAL_BYTES} for an idle market: {idle:.0}, {}",
        verdict(idle <= MARKET_GOAL_BYTES)
    );
}

fn print_markets(state: &str, extent: &Extent, live: usize, resident: usize) -> f64 {
    let each = |bytes: usize| bytes as f64 / extent.markets as f64;
    let allocated = each(live_bytes() - live);
    println!(
        "| {state} | {allocated:.0} | {:.0} |",
        each(resident_bytes().saturating_sub(resident))
    );
    allocated
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
