//! The `replay` command.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

use souk_protocol::{AccountId, MarketId};

use super::{
    MoneyOption, Played, ReplayError, Set, TenantOption, Verdict, compare, output, replay,
};
use crate::key::{KeyOption, PrivateKey};
use crate::money::Rates;

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
    /// The accounts that the orders are dealt out to, such as 1,2,3: a fixed hash of the order id
    /// says whose it is. The first the key may use if not given.
    #[arg(long = "account", value_delimiter = ',')]
    pub accounts: Vec<u32>,
    /// Credits the accounts with what the set needs, and compares all balances at the end. The keys
    /// need the permission `funding`.
    #[arg(long)]
    pub fund: bool,
    /// What the accounts pay, as MAKER:TAKER in parts per million, or for one account as
    /// ACCOUNT:MAKER:TAKER. All balances are compared at the end, as with --fund.
    #[arg(long, allow_hyphen_values = true, value_name = "RATES")]
    pub fees: Vec<FeesOption>,
    /// Writes trades.csv, book.csv and final.csv of each tenant to OUT/SET/tenant-ID.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

impl Arguments {
    /// How money is looked after, if it is.
    fn money(&self) -> Option<MoneyOption> {
        let mut option = MoneyOption {
            fund: self.fund,
            ..MoneyOption::default()
        };
        for fees in &self.fees {
            match fees.account {
                None => option.rates = fees.rates,
                Some(account) => {
                    option.account_rates.insert(account, fees.rates);
                }
            }
        }
        (self.fund || !self.fees.is_empty()).then_some(option)
    }
}

/// One `--fees` option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeesOption {
    /// Whose rates; everybody's who has none of his own if not given.
    pub account: Option<AccountId>,
    /// The rates.
    pub rates: Rates,
}

impl FromStr for FeesOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.matches(':').count() < 2 {
            let rates = text.parse()?;
            return Ok(Self {
                account: None,
                rates,
            });
        }
        let split = text.split_once(':');
        let of_account = split.and_then(|(account, rates)| {
            Some(Self {
                account: Some(AccountId(account.parse().ok()?)),
                rates: rates.parse().ok()?,
            })
        });
        of_account.ok_or_else(|| format!("`{text}` is not ACCOUNT:MAKER:TAKER, such as 3:-5:20"))
    }
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
    let accounts: Vec<_> = arguments.accounts.iter().copied().map(AccountId).collect();
    let money = arguments.money();
    let mut market = arguments.market;
    let mut all_equal = true;
    for path in &arguments.sets {
        let set = Set::read(path)?;
        let option = |(key, option): (_, &KeyOption)| TenantOption {
            key_id: option.key_id(),
            key,
            session_number: 0,
            first_market: MarketId(market),
            accounts: &accounts,
            money: money.as_ref(),
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
    let balances = verdict.balances.map(|count| format!(", {count} balances"));
    let rate = played.inputs as f64 / played.elapsed.as_secs_f64().max(1e-9);
    format!(
        "{} tenant {}: {} inputs, {} executions, {} books, {} orders at the end{}: {outcome}; \
         {rate:.0} inputs/s, {} sent again",
        set.name,
        played.tenant,
        played.inputs,
        of(trades, played.trades.len()),
        of(books, played.books.len()),
        of(resting, played.final_book.len()),
        balances.unwrap_or_default(),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn fees_are_everybodys_or_one_accounts() {
        let all: FeesOption = "-10:30".parse().unwrap();
        assert_eq!((all.account, all.rates.maker_ppm), (None, -10));
        let own: FeesOption = "3:-5:20".parse().unwrap();
        assert_eq!((own.account, own.rates.taker_ppm), (Some(AccountId(3)), 20));
        for text in ["", "1", "a:1:2", "1:2:3:4", "1:2:x"] {
            assert!(text.parse::<FeesOption>().is_err(), "{text} was taken");
        }
    }
}
