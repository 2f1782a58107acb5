//! Which matcher a market belongs to.
//!
//! The hash is frozen: XXH64 with seed 0 over the tenant's name, one zero byte, and the market's
//! symbol, all in ASCII. A matcher is chosen by multiplying the hash with the number of matchers
//! and taking the upper 64 bits, which favours none. Nodes and versions agree for ever, so
//! changing any of it is a breaking change; the test below holds it to published values.

use twox_hash::XxHash64;

/// The hash of a market: of its tenant's name and its symbol.
#[must_use]
pub fn market_hash(tenant: &str, symbol: &str) -> u64 {
    let mut bytes = Vec::with_capacity(tenant.len() + 1 + symbol.len());
    bytes.extend_from_slice(tenant.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(symbol.as_bytes());
    XxHash64::oneshot(0, &bytes)
}

/// The matcher, `0..matchers`, of a market with this hash.
///
/// # Panics
/// When there is no matcher.
#[must_use]
pub fn matcher_of(hash: u64, matchers: usize) -> usize {
    assert!(matchers > 0, "a node has at least one matcher");
    ((u128::from(hash) * matchers as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_frozen() {
        // XXH64's own published vector, then ours.
        assert_eq!(XxHash64::oneshot(0, b""), 0xef46_db37_51d8_e999);
        assert_eq!(market_hash("acme", "BTC-USDT"), FROZEN[0]);
        assert_eq!(market_hash("globex", "BTC-USDT"), FROZEN[1]);
        assert_eq!(market_hash("acme", "USD-CNY"), FROZEN[2]);
    }

    /// Computed with the reference implementation of XXH64.
    const FROZEN: [u64; 3] = [
        0xcecb_8a78_9624_28d8,
        0x82d0_6b7a_e8bf_dea5,
        0xa72d_33dd_8c05_fffd,
    ];

    #[test]
    fn tenant_and_symbol_do_not_run_into_each_other() {
        assert_ne!(market_hash("ab", "c"), market_hash("a", "bc"));
    }

    #[test]
    fn markets_spread_evenly_over_matchers() {
        for matchers in [1, 2, 3, 7, 16] {
            let mut load = vec![0_u32; matchers];
            for market in 0..16_000 {
                let hash = market_hash("acme", &format!("M{market}-USDT"));
                load[matcher_of(hash, matchers)] += 1;
            }
            let fair = 16_000 / matchers as u32;
            assert!(load.iter().all(|n| n.abs_diff(fair) < fair / 5), "{load:?}");
        }
    }
}
