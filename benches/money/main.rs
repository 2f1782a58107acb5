//! What accounts, holds, settlement and fees cost a command: the engine alone and the engine with
//! money take the same commands in turns.
//!
//! ```text
//! cargo bench -p souk --bench money                        four streams: three minutes
//! cargo bench -p souk --bench money -- --workload mixed    one stream; also --rounds N, --commands N
//! cargo bench -p souk --bench money -- --cachegrind mixed  one stream once, for valgrind; also --row NAME
//! cargo test -p souk --bench money                         small: totals reached, money counted, nothing timed
//! ```
//!
//! `docs/benchmarks-money.md` says what is measured and how to read it.

// The files that take holds and that settle are the server's own: they find these here.
use souk::{control, handoff, ledger, treasury};

#[path = "../../src/matcher/admission.rs"]
#[allow(dead_code, reason = "the matcher uses all of it")]
mod admission;
mod arguments;
mod latency;
mod publisher;
mod race;
mod server;
#[path = "../../engine/benches/support/mod.rs"]
mod support;
mod venue;

use arguments::{Arguments, Mode};
use race::Row;
use support::workload::{SEED, Size, Workload};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The streams, in the order in which they are printed.
const NAMES: [&str; 4] = ["mixed", "ecmix", "deep", "sweep"];
/// Commands between a prefetch and its command.
const AHEAD: usize = 4;

fn main() {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("money: {problem}\n{}", arguments::USAGE);
            std::process::exit(2);
        }
    };
    let full = |name| {
        let mut size = Size::full(name);
        size.commands = arguments.commands.unwrap_or(size.commands);
        workload(name, size)
    };
    match &arguments.mode {
        Mode::Small => {
            for name in NAMES {
                let workload = workload(name, Size::small());
                for row in Row::ALL {
                    race::nanos_per_command(row, &workload);
                }
                latency::measure(&workload);
            }
            println!(
                "money: small streams, all totals reached, money neither appeared nor vanished"
            );
        }
        Mode::Measure(names) => {
            for name in names {
                let workload = full(name);
                race::run(&workload, arguments.rounds);
                latency::run(&workload);
            }
        }
        Mode::Once(name, row) => {
            let nanos = race::nanos_per_command(*row, &full(name));
            println!("{name}, {}: {nanos:.1} ns per command", row.name());
        }
    }
}

fn workload(name: &str, size: Size) -> Workload {
    Workload::new(name, SEED, size).expect("names of streams are checked when parsed")
}
