//! The proof that money is conserved: all accounts of a tenant together have what was credited,
//! whatever was traded.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::ensure;
use souk_loadgen::money::{FEE_ACCOUNT, Rates};
use souk_protocol::AccountId;

use super::{DemoKey, TENANTS, log_on};

/// What everybody pays: a rebate of 0.001 % for makers, a fee of 0.003 % for takers.
pub(super) const RATES: Rates = Rates {
    maker_ppm: -10,
    taker_ppm: 30,
};
/// The accounts of each tenant are 1 to this.
pub(super) const ACCOUNTS: u32 = 6;

/// A currency of the demo, and how many coins of it each account begins with.
pub(super) struct Coins {
    pub(super) code: &'static str,
    pub(super) scale: u32,
    pub(super) count: u64,
}

/// The currencies. All fees are paid in the last.
pub(super) const COINS: [Coins; 3] = [
    Coins {
        code: "BTC",
        scale: 8,
        count: 1_000_000_000,
    },
    Coins {
        code: "GOLD",
        scale: 4,
        count: 1_000_000_000_000,
    },
    Coins {
        code: "USDT",
        scale: 6,
        count: 1_000_000_000_000,
    },
];

/// Asks each tenant for all its balances and adds them up. Gives a line for each.
pub(super) fn prove_conservation(
    address: SocketAddr,
    keys: [&DemoKey; 2],
) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    for (name, key) in TENANTS.iter().zip(keys) {
        let mut connection = log_on(address, key, 0)?;
        let mut sums: BTreeMap<String, u128> = BTreeMap::new();
        let mut fees = 0;
        for account in (1..=ACCOUNTS).map(AccountId).chain([FEE_ACCOUNT]) {
            for entry in connection.balances(account)? {
                ensure!(
                    entry.held.0 == 0,
                    "orders are gone, money is held: {entry:?}"
                );
                let sum = sums.entry(entry.currency.as_str().to_owned()).or_default();
                *sum += u128::from(entry.total.0);
                if account == FEE_ACCOUNT {
                    fees += entry.total.0;
                }
            }
        }
        connection.logout()?;
        for coins in &COINS {
            let unit = 10u128.pow(coins.scale);
            let credited = u128::from(ACCOUNTS) * u128::from(coins.count) * unit;
            let found = sums.get(coins.code).copied().unwrap_or_default();
            let code = coins.code;
            ensure!(
                found == credited,
                "{name} has {found} units of {code}, credited {credited}"
            );
        }
        let [.., quote] = &COINS;
        let unit = 10u64.pow(quote.scale);
        lines.push(format!(
            "{name}: {ACCOUNTS} accounts and the fee account together have what was credited, to \
             the last unit; the fee account earned {}.{:06} {}",
            fees / unit,
            fees % unit,
            quote.code
        ));
    }
    Ok(lines)
}
