//! Cost of a command, Souk and its peers in the same run.
//!
//! ```text
//! cargo bench -p souk-engine --bench matching                        everything
//! cargo bench -p souk-engine --bench matching -- --workload deep     one stream
//! cargo bench -p souk-engine --bench matching -- --cachegrind mixed  one stream once, for valgrind
//! cargo test -p souk-engine --bench matching                         all streams, small, totals checked
//! ```
//!
//! `docs/benchmarks-engine.md` says what is measured and how to read it.

mod arguments;
mod latency;
mod peers;
mod race;
mod small;
#[path = "../support/mod.rs"]
mod support;

use arguments::{Arguments, Mode};
use support::workload::{Size, Workload};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("matching: {problem}\n{}", arguments::USAGE);
            std::process::exit(2);
        }
    };
    match &arguments.mode {
        Mode::Small => small::run(),
        Mode::Measure(names) => {
            print_machine();
            for name in names {
                let workload = workload(name, &arguments);
                race::run(&workload, &arguments);
                latency::run(&workload, &arguments);
            }
        }
        Mode::Once { name, engine } => race::once(&workload(name, &arguments), *engine, &arguments),
    }
}

fn workload(name: &str, arguments: &Arguments) -> Workload {
    let mut size = Size::full(name);
    size.commands = arguments.commands.unwrap_or(size.commands);
    let workload = Workload::new(name, arguments.seed, size);
    let workload = workload.expect("names of streams are checked when parsed");
    if arguments.commands.is_none() {
        small::check_whole(&workload, arguments.seed);
    }
    workload
}

fn print_machine() {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find(|line| line.starts_with("model name"))
        .unwrap_or("unknown processor");
    let model = model
        .trim_start_matches("model name")
        .trim_start_matches([' ', '\t', ':']);
    println!(
        "machine: {model}, {cpus} cores, {}-{}",
        std::env::consts::ARCH,
        std::env::consts::OS
    );
}
