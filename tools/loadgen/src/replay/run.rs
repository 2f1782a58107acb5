//! The `replay` command.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use souk_protocol::{AccountId, MarketId};

use super::{Played, ReplayError, Set, TenantOption, Verdict, compare, output, replay};
use crate::key::{KeyOption, PrivateKey};

/// Options of `replay`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Sets to replay: folders with input.csv and its goldens, or files of inputs; plain or .zst.
    #[arg(required = true, value_name = "FILE|SETDIR")]
    pub sets: Vec<PathBuf>,
    /// Where the server listens, host:port.
    #[arg(long)]
    pub addr: String,
    /// A key, as ID:FILE. One for each tenant: the set is replayed in all of them at once.
    #[arg(long = "key", required = true, value_name = "ID:FILE")]
    pub keys: Vec<KeyOption>,
    /// The market of the first set's symbol 0. Symbol n goes to the market whose id is higher by
    /// n, and each further set begins where the one before ended.
    #[arg(long, default_value_t = 1)]
    pub market: u32,
    /// The account that enters the orders; the first the key may use if not given.
    #[arg(long)]
    pub account: Option<u32>,
    /// Writes trades.csv, book.csv and final.csv of each tenant to OUT/SET/tenant-ID.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Replays the sets one after the other and prints a line for each tenant. Gives whether all came
/// out as they must.
///
/// # Errors
/// When a set cannot be carried through.
pub fn run(arguments: &Arguments) -> Result<bool, ReplayError> {
    let address = resolve(&arguments.addr)?;
    let keys = arguments.keys.iter().map(|key| PrivateKey::read(&key.file));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    let mut market = arguments.market;
    let mut all_equal = true;
    for path in &arguments.sets {
        let set = Set::read(path)?;
        let option = |(key, option): (_, &KeyOption)| TenantOption {
            key_id: option.key_id(),
            key,
            session_number: 0,
            first_market: MarketId(market),
            account: arguments.account.map(AccountId),
        };
        let tenants: Vec<_> = keys.iter().zip(&arguments.keys).map(option).collect();
        for played in replay(address, &set, &tenants)? {
            let verdict = compare(&set, &played);
            all_equal &= verdict.is_equal();
            print_line(&set, &played, &verdict);
            if let Some(out) = &arguments.out {
                let folder = out
                    .join(&set.name)
                    .join(format!("tenant-{}", played.tenant));
                output::write(&played, &folder)?;
            }
        }
        let syms = set.inputs.iter().map(|input| input.sym).max();
        market += syms.unwrap_or_default() + 1;
    }
    Ok(all_equal)
}

fn print_line(set: &Set, played: &Played, verdict: &Verdict) {
    println!("{}", line(set, played, verdict));
    for difference in &verdict.differences.first {
        println!("    {difference}");
    }
}

/// The line of one set in one tenant.
fn line(set: &Set, played: &Played, verdict: &Verdict) -> String {
    let (trades, books, resting) = verdict.compared;
    let of = |golden: Option<usize>, found: usize| match golden {
        Some(_) => found.to_string(),
        None => format!("{found} (no golden)"),
    };
    let outcome = match verdict.differences.count {
        0 => "as expected".to_owned(),
        count => format!("{count} DIFFERENCES"),
    };
    let rate = played.inputs as f64 / played.elapsed.as_secs_f64().max(1e-9);
    format!(
        "{} tenant {}: {} inputs, {} executions, {} books, {} orders at the end: {outcome}; \
         {rate:.0} inputs/s, {} sent again",
        set.name,
        played.tenant,
        played.inputs,
        of(trades, played.trades.len()),
        of(books, played.books.len()),
        of(resting, played.final_book.len()),
        played.resent,
    )
}

fn resolve(text: &str) -> Result<SocketAddr, ReplayError> {
    let found = text
        .to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next());
    found.ok_or_else(|| ReplayError::Address(text.to_owned()))
}
