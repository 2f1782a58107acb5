//! A node with two tenants that have the same markets.

use std::fmt::Write;
use std::net::SocketAddr;

use souk::config::{Config, Overrides};
use souk::server::Server;
use souk_loadgen::key::PrivateKey;
use souk_loadgen::replay::TenantOption;
use souk_protocol::{KeyId, MarketId};

/// The tenants, by the seeds of their keys. The key's id is the place in this list, from 1.
const SEEDS: [[u8; 32]; 2] = [[0x11; 32], [0x22; 32]];

/// A running node and the keys of its tenants.
pub struct Node {
    server: Server,
    keys: Vec<PrivateKey>,
}

impl Node {
    /// A node whose tenants have `markets` markets each, with tick 1, lot 1 and wide bounds.
    /// `settings` are further tables of its configuration.
    pub fn start(markets: u32, settings: &str) -> Self {
        let keys = SEEDS
            .iter()
            .map(|seed| PrivateKey::from_seed(seed).expect("a seed is a key"));
        let keys: Vec<PrivateKey> = keys.collect();
        let config = configuration(markets, settings, &keys);
        let config = Config::from_toml(&config, &Overrides::default());
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        let server = Server::start(&config).unwrap_or_else(|error| panic!("{error}"));
        Self { server, keys }
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
            account: None,
        };
        self.keys.iter().zip(1..).map(tenant).collect()
    }
}

fn configuration(markets: u32, settings: &str, keys: &[PrivateKey]) -> String {
    let mut text = format!("[server]\nlisten = \"127.0.0.1:0\"\n{settings}\n");
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
scale = 0
[[tenant.currency]]
code = "QUOTE"
scale = 0
[[tenant.account]]
id = 1
credit = {{ BASE = "4000000000000000000", QUOTE = "4000000000000000000" }}
[[tenant.key]]
id = {id}
public_key = "{public}"
accounts = [1]
permissions = ["trade", "market-data"]
"#
        )
        .expect("a string grows");
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
"#
            )
            .expect("a string grows");
        }
    }
    text
}
