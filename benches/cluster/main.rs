//! What a cluster costs, and how long its hiccups last, on a real MariaDB that flushes at every commit.
//!
//! ```text
//! cargo bench -p souk --bench cluster
//! cargo bench -p souk --bench cluster -- --only takeover     # commit, answer, load, renewal, takeover, handover, restart, frozen
//! cargo test  -p souk --bench cluster                        # small, nothing is timed
//! ```
#![allow(clippy::unwrap_used, missing_docs, dead_code)]

mod figures;
mod load;
#[path = "../../tests/cluster/mariadb.rs"]
mod mariadb;
mod moves;
#[path = "../../tests/cluster/node.rs"]
mod node;
mod statements;
#[path = "../../tests/support/mod.rs"]
mod support;
#[path = "../../tests/cluster/trader.rs"]
mod trader;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Statements of one kind.
    pub statements: usize,
    /// Takeovers, restarts and so on.
    pub cycles: usize,
    /// Tenants in the database of the large renewal.
    pub tenants: u32,
    /// Seconds of load.
    pub seconds: u64,
}

/// A part of the bench, and its name.
type Part = (&'static str, fn(&Size));

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let is_timed = arguments.iter().any(|argument| argument == "--bench");
    let only = arguments.iter().position(|argument| argument == "--only");
    let only = only.and_then(|at| arguments.get(at + 1)).cloned();
    let size = if is_timed {
        Size {
            statements: 2_000,
            cycles: 10,
            tenants: 100_000,
            seconds: 5,
        }
    } else {
        Size {
            statements: 20,
            cycles: 1,
            tenants: 1_000,
            seconds: 1,
        }
    };
    let parts: [Part; 8] = [
        ("commit", statements::commit),
        ("renewal", statements::renewal),
        ("answer", load::answer),
        ("load", load::saturation),
        ("takeover", moves::takeover),
        ("handover", moves::handover),
        ("restart", moves::restart),
        ("frozen", moves::frozen),
    ];
    for (name, part) in parts {
        if only.as_deref().is_none_or(|only| only == name) {
            part(&size);
        }
    }
}
