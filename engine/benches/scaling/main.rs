//! What a book's size costs: time of a command and bytes of an order, from a thousand to ten
//! million resting orders; bytes of markets that do nothing.
//!
//! ```text
//! cargo bench -p souk-engine --bench scaling    everything: 4 GiB of memory, two minutes
//! cargo test -p souk-engine --bench scaling     small, totals checked
//! ```

mod alloc;
mod memory;
#[path = "../support/mod.rs"]
mod support;
mod time;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// How much is measured.
struct Extent {
    /// Resting orders of the books.
    orders: &'static [usize],
    /// Rounds, in which the books take turns.
    rounds: usize,
    /// Commands of a round.
    commands: usize,
    /// Idle markets.
    markets: usize,
}

const FULL: Extent = Extent {
    orders: &[1000, 10_000, 100_000, 1_000_000, 10_000_000],
    rounds: 7,
    commands: 200_000,
    markets: 100_000,
};

const SMALL: Extent = Extent {
    orders: &[1000, 100_000],
    rounds: 2,
    commands: 2000,
    markets: 100,
};

fn main() {
    let measure = std::env::args().any(|argument| argument == "--bench");
    let extent = if measure { FULL } else { SMALL };
    let mut report = memory::of_orders(&extent) + &memory::of_markets(&extent);
    report += &time::of_commands(&extent);
    if measure {
        print!("{report}");
    } else {
        println!("scaling: small books, all totals reached, bytes within the goals");
    }
}
