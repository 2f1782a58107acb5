//! Time of a command by the number of resting orders.

use crate::Extent;
use crate::alloc::allocations;
use crate::memory::verdict;
use crate::support::clock::cpu_time;
use crate::support::souk::{Client, Driver, Naming, Nothing, market};
use crate::support::workload::{BookShape, Step, Workload};
use souk_engine::Market;

const RATIO_GOAL: f64 = 2.5;
const PREFETCH_AHEAD: usize = 4;

/// A book that is measured round by round with the others.
struct Book {
    workload: Workload,
    client: Client<Market>,
    /// The same client of nothing, to know what the client itself costs: it looks up the ids of
    /// its orders, which is a cache miss in a large book.
    driver: Client<Nothing>,
    orders: usize,
    driver_alone: Vec<f64>,
    plain: Vec<f64>,
    prefetched: Vec<f64>,
    allocations: usize,
}

/// Measures the time of a command for books of every size: with ten thousand levels, and with a
/// hundred orders on every level; for pairs of a cancel and a new order, and for a mix with
/// aggressors.
pub fn of_commands(extent: &Extent) -> String {
    let mut report = String::new();
    for (title, levels) in [
        ("10,000 levels", None),
        ("100 orders on a level", Some(200)),
    ] {
        for (kind, mix) in [
            ("pairs of cancel and new", false),
            ("50 % new, 10 % IOC, 40 % cancel", true),
        ] {
            report += &format!("\n## ns of processor time per command: {kind}, {title}\n");
            let shape = |orders| BookShape {
                orders,
                levels: levels.map_or(5000, |per_pair| (orders / per_pair) as u32),
            };
            let books = extent
                .orders
                .iter()
                .map(|&orders| Book::new(shape(orders), mix, extent));
            report += &measure(books.collect(), extent);
        }
    }
    report
}

impl Book {
    fn new(shape: BookShape, mix: bool, extent: &Extent) -> Self {
        let commands = extent.commands * 2 * (extent.rounds + 1);
        let mut workload = Workload::of_book(shape, mix, commands);
        let mut client = Client::new(market(), workload.id_max, Naming::OrderId, 0);
        client.run(&workload.steps[..workload.setup]);
        workload.steps.drain(..workload.setup);
        workload.steps.shrink_to_fit();
        let driver = Client::of_nothing(&workload);
        let [plain, prefetched, driver_alone] = [(); 3].map(|()| Vec::with_capacity(extent.rounds));
        Self {
            workload,
            client,
            driver,
            orders: shape.orders,
            driver_alone,
            plain,
            prefetched,
            allocations: 0,
        }
    }

    /// Runs two pieces of the stream, without and with prefetch, and the second with the driver
    /// alone. The first round warms up.
    fn run_round(&mut self, round: usize, extent: &Extent) {
        let mut pieces = self.workload.steps.chunks(extent.commands).skip(2 * round);
        let [Some(first), Some(second)] = [pieces.next(), pieces.next()] else {
            panic!("a stream has two pieces for each round");
        };
        let before = allocations();
        self.client.prefetch_ahead = 0;
        let plain = nanos_per_command(&mut self.client, first);
        self.client.prefetch_ahead = PREFETCH_AHEAD;
        let prefetched = nanos_per_command(&mut self.client, second);
        let allocations = allocations() - before;
        let driver_alone = nanos_per_command(&mut self.driver, second);
        if round > 0 {
            self.allocations += allocations;
            self.plain.push(plain);
            self.prefetched.push(prefetched);
            self.driver_alone.push(driver_alone);
        }
    }

    /// Nanoseconds of the engine, with prefetch, without the driver.
    fn engine_alone(&self) -> f64 {
        median(&self.prefetched) - median(&self.driver_alone)
    }
}

fn nanos_per_command(driver: &mut impl Driver, steps: &[Step]) -> f64 {
    let start = cpu_time();
    driver.run(steps);
    (cpu_time() - start).as_nanos() as f64 / steps.len() as f64
}

fn measure(mut books: Vec<Book>, extent: &Extent) -> String {
    for round in 0..=extent.rounds {
        for book in &mut books {
            book.run_round(round, extent);
        }
    }
    let mut report = String::from(
        "| resting orders | median (min..max) | with prefetch | driver alone | allocations |\n\
         |---|---|---|---|---|\n",
    );
    for book in &books {
        let (totals, expected) = (book.client.totals(), book.workload.expected);
        assert_eq!(totals, expected, "a stream has one right result");
        let Book {
            orders,
            allocations,
            ..
        } = book;
        let rows = [&book.plain, &book.prefetched, &book.driver_alone];
        let [plain, prefetched, driver] = rows.map(|nanos| spread(nanos));
        report += &format!("| {orders} | {plain} | {prefetched} | {driver} | {allocations} |\n");
    }
    let [smallest, .., largest] = books.as_slice() else {
        return report;
    };
    let plain = median(&largest.plain) / median(&smallest.plain);
    let prefetched = median(&largest.prefetched) / median(&smallest.prefetched);
    let engine = largest.engine_alone() / smallest.engine_alone();
    report += &format!(
        "{} orders to {}: {plain:.2} times the time, {prefetched:.2} with prefetch, {engine:.2} with prefetch \
         and without the driver; goal {RATIO_GOAL}: {}\n",
        smallest.orders,
        largest.orders,
        verdict(prefetched <= RATIO_GOAL)
    );
    report
}

fn median(nanos: &[f64]) -> f64 {
    let mut sorted = nanos.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn spread(nanos: &[f64]) -> String {
    let min = nanos.iter().copied().fold(f64::INFINITY, f64::min);
    let max = nanos.iter().copied().fold(0.0, f64::max);
    format!("{:.1} ({min:.1}..{max:.1})", median(nanos))
}
