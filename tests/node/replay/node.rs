//! A node with two tenants that have the same markets, the same accounts without any money, and fees.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;

use souk::config::{Config, Overrides};
use souk::server::Server;
use souk_loadgen::key::PrivateKey;
use souk_loadgen::money::Rates;
use souk_loadgen::replay::{MoneyOption, TenantOption};
use souk_protocol::{AccountId, KeyId, MarketId};

/// The tenants, by the seeds of their keys. The key's id is the place in this list, from 1.
const SEEDS: [[u8; 32]; 2] = [[0x11; 32], [0x22; 32]];

/// The accounts of each tenant. The last two are in fee group 1.
const ACCOUNTS: [AccountId; 4] = [AccountId(1), AccountId(2), AccountId(3), AccountId(4)];
/// What fee groups 0 and 1 pay: a rebate for makers, and a fee for both.
const RATES: [Rates; 2] = [
    Rates {
        maker_ppm: -125,
        taker_ppm: 331,
    },
    Rates {
        maker_ppm: 57,
        taker_ppm: 219,
    },
];

/// A running node and the keys of its tenants.
pub struct Node {
    server: Server,
    keys: Vec<PrivateKey>,
    /// How the tests look after the money of the tenants.
    pub money: MoneyOption,
}

impl Node {
    /// A node whose tenants have `markets` markets each, with tick 1, lot 1 and wide bounds; one
    /// lot is 1,000 units and one tick times one lot 100 units. `settings` are further tables of
    /// its configuration.
    pub fn start(markets: u32, settings: &str) -> Self {
        Self::start_with_scale(markets, settings, 2)
    }

    /// A node whose quote currency has this scale.
    pub fn start_with_scale(markets: u32, settings: &str, quote_scale: u8) -> Self {
        let keys = SEEDS
            .iter()
            .map(|seed| PrivateKey::from_seed(seed).expect("a seed is a key"));
        let keys: Vec<PrivateKey> = keys.collect();
        let config = configuration(markets, settings, quote_scale, &keys);
        let config = Config::from_toml(&config, &Overrides::default());
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        let server = Server::start(&config).unwrap_or_else(|error| panic!("{error}"));
        let money = MoneyOption {
            fund: true,
            rates: RATES[0],
            account_rates: BTreeMap::from([(ACCOUNTS[2], RATES[1]), (ACCOUNTS[3], RATES[1])]),
        };
        Self {
            server,
            keys,
            money,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Both tenants, with their market of this id.
    pub fn tenants(&self, first_market: u32) -> Vec<TenantOption<'_>> {
        let tenant = |(key, id)| TenantOption {
            key_id: KeyId(id),
            key,
            session_number: 0,
            first_market: MarketId(first_market),
            accounts: &ACCOUNTS,
            money: Some(&self.money),
        };
        self.keys.iter().zip(1..).map(tenant).collect()
    }
}

fn configuration(markets: u32, settings: &str, quote_scale: u8, keys: &[PrivateKey]) -> String {
    let mut text = format!(
        "[journal]\ndurability = \"memory\"\n[server]\nlisten = \"127.0.0.1:0\"\n{settings}\n"
    );
    for (key, id) in keys.iter().zip(1..) {
        let public: String = key
            .public()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        write!(
            text,
            r#"
[[tenant]]
id = {id}
name = "tenant-{id}"
[[tenant.currency]]
code = "BASE"
scale = 3
[[tenant.currency]]
code = "QUOTE"
scale = {quote_scale}
[[tenant.key]]
id = {id}
public_key = "{public}"
accounts = "all"
permissions = ["trade", "market-data", "funding"]
"#
        )
        .expect("a string grows");
        for (account, group) in ACCOUNTS.iter().zip([0, 0, 1, 1]) {
            write!(
                text,
                "[[tenant.account]]\nid = {account}\nfee_group = {group}\n"
            )
            .expect("a string grows");
        }
        let [all, other] = RATES;
        for market in 1..=markets {
            write!(
                text,
                r#"
[[tenant.market]]
id = {market}
symbol = "SET-{market}"
base = "BASE"
quote = "QUOTE"
tick_size = "1"
lot_size = "1"
price_min = "1"
price_max = "1000000000000000"
qty_min = "1"
qty_max = "1000000000000000000"
orders_max = 1000000
account_orders_max = 1000000
maker_ppm = {}
taker_ppm = {}
[[tenant.market.fees]]
group = 1
maker_ppm = {}
taker_ppm = {}
"#,
                all.maker_ppm, all.taker_ppm, other.maker_ppm, other.taker_ppm
            )
            .expect("a string grows");
        }
    }
    text
}
