//! What the number of accounts costs: resident memory, and the time of a command.

use std::hint::black_box;

use souk::ledger::{CurrencyIndex, Ledger, Leg, Wallets};
use souk_protocol::{AccountId, AccountStatus, Amount};

use crate::Extent;
use crate::clock::cpu_time;
use crate::figures::{median_of_ratios, spread};
use crate::random::Random;
use crate::rivals::{TENANT, TERMS, change};

const BALANCES_EACH: u32 = 3;
const BALANCE_GOAL_BYTES: usize = 64;
const FUNDS: u64 = 1 << 30;

/// Accounts, and a market in which all of them trade.
struct Node {
    accounts: u32,
    ledger: Ledger,
    wallets: Wallets,
    accounts_bytes: usize,
    balances_bytes: usize,
    wallets_bytes: usize,
    nanos: Vec<f64>,
}

/// Measures ledgers of these sizes.
pub fn report(extent: &Extent) -> String {
    let mut nodes: Vec<Node> = extent
        .accounts
        .iter()
        .map(|&accounts| Node::new(accounts))
        .collect();
    for round in 0..=extent.rounds as u64 {
        for node in &mut nodes {
            let nanos = node.run(extent.commands, round);
            if round > 0 {
                node.nanos.push(nanos);
            }
        }
    }
    let mut report = format!(
        "\n## Accounts with {BALANCES_EACH} balances each\n\
         a command: the wallet of a random account, its status and fee group, hold, commit, and one commit to its other balance\n\n\
         | accounts | resident MiB of accounts and their index | bytes each | of balances | bytes each | of one market's wallets | \
         ns of processor time per command |\n|---|---|---|---|---|---|---|\n",
    );
    for node in &nodes {
        let balances = (node.accounts * BALANCES_EACH) as usize;
        report += &format!(
            "| {} | {} | {} | {} | {} | {} | {} |\n",
            node.accounts,
            node.accounts_bytes >> 20,
            node.accounts_bytes / node.accounts as usize,
            node.balances_bytes >> 20,
            node.balances_bytes / balances,
            node.wallets_bytes >> 20,
            spread(&node.nanos)
        );
    }
    let [smallest, .., largest] = nodes.as_slice() else {
        return report;
    };
    let ratio = median_of_ratios(&largest.nanos, &smallest.nanos);
    let bytes = largest.balances_bytes / (largest.accounts * BALANCES_EACH) as usize;
    let verdict = if bytes <= BALANCE_GOAL_BYTES {
        "hit"
    } else {
        "missed"
    };
    report
        + &format!(
            "{} accounts to {}: {ratio:.2} times the time of a command. Goal {BALANCE_GOAL_BYTES} bytes per balance: {verdict}\n",
            smallest.accounts, largest.accounts
        )
}

impl Node {
    fn new(accounts: u32) -> Self {
        let before = resident_bytes();
        let ledger = Ledger::new();
        let currencies: Vec<CurrencyIndex> =
            (0..BALANCES_EACH).map(|_| ledger.add_currency()).collect();
        for id in 1..=accounts {
            ledger.open_account(TENANT, AccountId(id), TERMS);
        }
        let accounts_bytes = resident_bytes().saturating_sub(before);
        let before = resident_bytes();
        for id in 1..=accounts {
            let account = ledger.account(TENANT, AccountId(id)).expect("opened");
            for &currency in &currencies {
                let slot = ledger.balance_or_new(account, currency);
                let funded = ledger.credit(slot, Amount(FUNDS));
                funded.expect("the supply has room");
            }
        }
        let balances_bytes = resident_bytes().saturating_sub(before);
        let before = resident_bytes();
        let mut wallets = Wallets::new(TENANT, currencies[0], currencies[1]);
        for id in 1..=accounts {
            let known = wallets.wallet(&ledger, AccountId(id)).is_some();
            assert!(known, "the account was opened");
        }
        Self {
            accounts,
            ledger,
            wallets,
            accounts_bytes,
            balances_bytes,
            wallets_bytes: resident_bytes().saturating_sub(before),
            nanos: Vec::new(),
        }
    }

    fn run(&mut self, commands: usize, seed: u64) -> f64 {
        let mut random = Random::new(seed);
        let start = cpu_time();
        for _ in 0..commands {
            let id = AccountId(1 + random.below_u32(self.accounts));
            let mut wallet = self.wallets.wallet(&self.ledger, id).expect("opened");
            let account = wallet.account();
            let active = self.ledger.status(account) == AccountStatus::Active;
            assert!(active, "nobody froze it");
            black_box(self.ledger.fee_group(account));
            let quote = wallet.balance(Leg::Quote).expect("funded");
            let base = wallet.balance(Leg::Base).expect("funded");
            let held = self.ledger.hold(quote, Amount(100)).is_ok();
            assert!(held, "there is enough");
            black_box(self.ledger.commit(quote, change(0, 0, 100)));
            black_box(self.ledger.commit(base, change(0, 0, 0)));
        }
        (cpu_time() - start).as_nanos() as f64 / commands as f64
    }
}

/// Resident memory of this process; 0 where the system does not say.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok());
    pages.unwrap_or_default() * 4096
}
