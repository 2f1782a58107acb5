//! What the shared ledger costs: a hold with its commit, threads that share one account, and ten million
//! accounts.
//!
//! ```text
//! cargo bench -p souk --bench ledger                       everything: 3 GiB of memory, two minutes
//! cargo bench -p souk --bench ledger -- alone|shared|size  one part
//! cargo test -p souk --bench ledger                        small, money counted, nothing timed
//! ```

mod alone;
#[path = "../../engine/benches/support/clock.rs"]
#[allow(dead_code, reason = "the engine's benches use all of it")]
mod clock;
mod figures;
#[path = "../../engine/benches/support/random.rs"]
#[allow(dead_code, reason = "the engine's benches use all of it")]
mod random;
mod rivals;
mod shared;
mod size;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much is measured.
struct Extent {
    /// Rounds, in which all take turns.
    rounds: usize,
    /// Commands of a round and thread.
    commands: usize,
    /// Sizes of the ledgers.
    accounts: &'static [u32],
}

const FULL: Extent = Extent {
    rounds: 9,
    commands: 500_000,
    accounts: &[10_000, 1_000_000, 10_000_000],
};

const SMALL: Extent = Extent {
    rounds: 1,
    commands: 2000,
    accounts: &[100, 1000],
};

type Part = (&'static str, fn(&Extent) -> String);
const PARTS: [Part; 3] = [
    ("alone", alone::report),
    ("shared", shared::report),
    ("size", size::report),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let measure = arguments.iter().any(|argument| argument == "--bench");
    let named = |name: &str| arguments.iter().any(|argument| argument == name);
    let all = !PARTS.iter().any(|(name, _)| named(name));
    let extent = if measure { FULL } else { SMALL };
    for (_, report) in PARTS.iter().filter(|(name, _)| all || named(name)) {
        let report = report(&extent);
        if measure {
            print!("{report}");
        }
    }
    if !measure {
        println!("ledger: small, money neither appeared nor vanished");
    }
}
