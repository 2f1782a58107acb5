//! Attempts to come in, counted by where they come from and as whom: nobody tries passwords without end.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::error::ApiError;
use super::secrets::Digest;
use crate::gateway::throttle::TokenBucket;
use crate::peer::network_of;

/// Networks and names that are counted at one time.
const KNOWN_MAX: usize = 65_536;
/// What an attempt of a network uses up: ten at once, and then one every five seconds.
const OF_NETWORK: u32 = 5;
/// Under one name, from anywhere: fifty at once, and then one a second.
const OF_NAME: u32 = 1;
const TOKENS_PER_SECOND: u32 = 1;
const TOKENS_MAX: u32 = 50;
/// When somebody may try again whom there is no room to count.
const NO_ROOM_MS: u64 = 3_000;

/// Those who have tried lately.
#[derive(Default)]
pub struct Attempts {
    /// By the digest of what was tried: that is as long as its sender likes.
    known: Mutex<HashMap<Digest, TokenBucket>>,
}

impl Attempts {
    /// Counts an attempt from an address, perhaps as somebody. One network has few attempts; all together have more for the same
    /// name, so that who knows a name cannot easily keep its owner out.
    pub fn count(&self, address: IpAddr, name: Option<&str>, now: Instant) -> Result<(), ApiError> {
        let network = network_of(address);
        self.take(&format!("from {network}"), OF_NETWORK, now)?;
        match name {
            Some(name) => self.take(&format!("as {name}"), OF_NAME, now),
            None => Ok(()),
        }
    }

    fn take(&self, what: &str, tokens: u32, now: Instant) -> Result<(), ApiError> {
        let what = Digest::of(what);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX && !known.contains_key(&what) {
            // Those that have not tried lately.
            known.retain(|_, bucket| bucket.clone().take(TOKENS_MAX, now).is_err());
            if known.len() >= KNOWN_MAX {
                return Err(ApiError::too_many(NO_ROOM_MS));
            }
        }
        let bucket = known
            .entry(what)
            .or_insert_with(|| TokenBucket::new(TOKENS_PER_SECOND, TOKENS_MAX, now));
        let taken = bucket.take(tokens, now);
        taken.map_err(|wait_us| ApiError::too_many(u64::from(wait_us).div_ceil(1_000)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn a_network_has_few_attempts_and_a_name_has_more_from_anywhere() {
        let (attempts, now) = (Attempts::default(), clock::monotonic());
        let of_one = (0..20).filter(|_| attempts.count(address(1), None, now).is_ok());
        assert_eq!(of_one.count(), 10);
        let name = "x".repeat(60_000);
        let as_one = (2..100).filter(|it| attempts.count(address(*it), Some(&name), now).is_ok());
        assert_eq!(as_one.count(), 50);
        let later = now + Duration::from_secs(5);
        assert!(attempts.count(address(1), Some(&name), later).is_ok());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten() {
        let (attempts, now) = (Attempts::default(), clock::monotonic());
        for number in 0..KNOWN_MAX as u32 {
            assert!(attempts.count(address(number), None, now).is_ok());
        }
        let next = address(KNOWN_MAX as u32);
        assert!(attempts.count(next, None, now).is_err());
        assert!(
            attempts
                .count(next, None, now + Duration::from_secs(60))
                .is_ok()
        );
    }
}
