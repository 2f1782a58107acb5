//! The hash of a node's state has what its future depends on, not books and balances alone.

use std::collections::BTreeMap;

use souk::config::{Config, Overrides};
use souk::node::Node;

/// The state of a node that begins with this configuration.
fn hash(account: &str, market: &str, currency: &str) -> u64 {
    let text = format!(
        "[journal]\ndurability = \"memory\"\n[[tenant]]\nid = 1\nname = \"acme\"\n[[tenant.currency]]\ncode = \"BTC\"\nscale = 4\n{currency}\n[[tenant.currency]]\ncode = \"USDT\"\nscale = 6\n[[tenant.market]]\nid = 1\nsymbol = \"BTC-USDT\"\nbase = \"BTC\"\nquote = \"USDT\"\ntick_size = \"0.01\"\nlot_size = \"1\"\n{market}\n[[tenant.account]]\nid = 1\n{account}\n"
    );
    let config = Config::from_toml(&text, &Overrides::default()).unwrap();
    let node = Node::new(&config, 2, None).unwrap();
    node.partition.recovered.state_hash
}

#[test]
fn what_a_control_stream_has_is_in_the_hash() {
    let fees = |group: u32| format!("fees = [{{ group = {group}, maker_ppm = 1, taker_ppm = 2 }}]");
    let one_way = [
        ("nothing", hash("", "", "")),
        ("external id", hash("external_id = \"u-1\"", "", "")),
        ("STP group", hash("stp_group = 1", "", "")),
        ("fee group", hash("fee_group = 1", "", "")),
        ("status", hash("status = \"frozen\"", "", "")),
        ("fees of group 1", hash("", &fees(1), "")),
        ("fees of group 2", hash("", &fees(2), "")),
        ("a bound of the market", hash("", "orders_max = 1000", "")),
        ("a bound of a currency", hash("", "", "amount_max = \"1\"")),
    ];
    let mut seen = BTreeMap::new();
    for (what, hash) in one_way {
        if let Some(other) = seen.insert(hash, what) {
            panic!("{what} and {other} have the same hash");
        }
    }
    assert_eq!(hash("", "", ""), hash("", "", ""));
}
