//! The state of a market in bytes and back: the same market, whatever it was through; and nothing else is
//! accepted as one.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, reason = "each test uses a part of it")]
mod oracle;
#[allow(dead_code, reason = "each test uses a part of it")]
mod swarm;

use oracle::Snapshot;
use oracle::ledger::{Balance, Funding};
use souk_engine::{Event, Market, PairCurrency, StateError, TooFewBytes};
use souk_protocol::AccountId;
use swarm::coverage::Coverage;
use swarm::market::EngineMarket;
use swarm::{Run, Setting, Step, Subject};

const SEED: u64 = 77;
const RUNS: u64 = 60;
/// Commands between two times that a market is written and read.
const COMMANDS: u32 = 23;

fn bytes_of(market: &Market) -> Vec<u8> {
    let mut bytes = Vec::new();
    market.write_state(&mut bytes);
    bytes
}

fn read(mut bytes: &[u8], index_key: u64) -> Result<Market, StateError<TooFewBytes>> {
    let (market, hash) = Market::read_state(&mut bytes, index_key)?;
    assert!(bytes.is_empty(), "all of the bytes are the market's");
    assert_eq!(hash, market.state_hash());
    Ok(market)
}

/// A market that is written and read again every so often, under another key.
struct Restored {
    inner: EngineMarket,
    commands: u32,
    times: u64,
}

impl Subject for Restored {
    fn apply(&mut self, step: &Step) -> Vec<Event> {
        self.commands += 1;
        if self.commands.is_multiple_of(COMMANDS) {
            self.times += 1;
            let before = self.inner.market.state_hash();
            let bytes = bytes_of(&self.inner.market);
            self.inner.market = read(&bytes, self.times).unwrap();
            self.inner.market.check_invariants();
            assert_eq!(self.inner.market.state_hash(), before);
            assert_eq!(bytes_of(&self.inner.market).len(), bytes.len());
        }
        self.inner.apply(step)
    }

    fn fund(&mut self, funding: &Funding) -> bool {
        self.inner.fund(funding)
    }

    fn balance(&self, account: AccountId, currency: PairCurrency) -> Balance {
        self.inner.balance(account, currency)
    }

    fn earned(&self) -> i128 {
        self.inner.earned()
    }

    fn snapshot(&self) -> Snapshot {
        self.inner.snapshot()
    }

    fn state_hash(&self) -> Option<u64> {
        self.inner.state_hash()
    }

    fn check_invariants(&self) {
        self.inner.check_invariants();
    }
}

#[test]
fn a_market_that_is_written_and_read_is_the_same_market() {
    let mut coverage = Coverage::default();
    for number in 0..RUNS {
        let make = |setting: Setting| -> Box<dyn Subject> {
            Box::new(Restored {
                inner: EngineMarket::new(setting, 1),
                commands: 0,
                times: 0,
            })
        };
        let outcome = Run::new(SEED, number).drive(&make, &mut coverage, |_, _, _| {});
        if let Err(failure) = outcome {
            panic!("SEED={SEED} run {number}:\n{}", failure.story());
        }
    }
    assert!(
        coverage.commands > 200_000,
        "{} commands",
        coverage.commands
    );
}

/// The market at the end of a run with a few hundred open orders.
fn some_market() -> Market {
    for number in 0.. {
        let run = Run::new(SEED, number);
        let mut market = EngineMarket::new(run.profile.setting(), 1);
        let mut steps = Vec::new();
        let make =
            |setting: Setting| -> Box<dyn Subject> { Box::new(EngineMarket::new(setting, 1)) };
        run.drive(&make, &mut Coverage::default(), |step: &Step, _, _| {
            steps.push(*step)
        })
        .unwrap();
        for step in steps.iter().take(4_000) {
            if let Some(funding) = &step.funding {
                market.fund(funding);
            }
            market.apply(step);
            if (20..60).contains(&market.market.open_orders())
                && bytes_of(&market.market).len() < 4_000
            {
                return market.market;
            }
        }
    }
    unreachable!("some run has open orders")
}

#[test]
fn a_state_that_is_cut_is_refused() {
    let bytes = bytes_of(&some_market());
    for len in 0..bytes.len() {
        let cut = read(&bytes[..len], 1).expect_err("it is cut");
        assert_eq!(cut, StateError::Source(TooFewBytes), "cut at {len}");
    }
}

#[test]
fn a_state_with_a_flipped_bit_is_refused_or_another_legal_market() {
    let market = some_market();
    let mut bytes = bytes_of(&market);
    let (mut refused, mut others) = (0, 0);
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let mut rest = bytes.as_slice();
        match Market::read_state(&mut rest, 1) {
            Ok((other, hash)) => {
                other.check_invariants();
                assert_eq!(hash, other.state_hash());
                // A flip that shortens a list leaves bytes over.
                let same = rest.is_empty() && other.state_hash() == market.state_hash();
                assert!(!same, "bit {bit} has no meaning");
                others += 1;
            }
            Err(_) => refused += 1,
        }
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    println!("{refused} refused, {others} other legal markets");
    assert!(refused > 1_000 && others > 100);
}

#[test]
fn a_match_id_that_would_run_out_is_refused() {
    let market = some_market();
    let mut bytes = bytes_of(&market);
    // Behind the version, eight bounds, two counts and the market's state.
    let at = 4 + 8 * 8 + 2 * 4 + 1;
    assert_eq!(bytes[at..at + 8], market.last_match_id().0.to_le_bytes());
    bytes[at + 7] = 0x80;
    let refused = read(&bytes, 1).expect_err("it would run out");
    assert!(
        matches!(refused, StateError::Rule { rule, .. } if rule.contains("match ids")),
        "{refused:?}"
    );
}
