//! The state of a market in bytes and back: the same market, whatever it was through; and nothing else is
//! accepted as one.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, reason = "each test uses a part of it")]
mod oracle;
#[allow(dead_code, reason = "each test uses a part of it")]
mod swarm;

use oracle::Snapshot;
use oracle::ledger::{Balance, Funding};
use souk_engine::{
    Command, Event, FeeTier, Market, MarketSpec, NewOrder, PairCurrency, Settlement, StateError,
    TooFewBytes,
};
use souk_protocol::{
    AccountId, Amount, ClOrdId, OrderType, PostOnly, Price, Qty, SessionId, Side, StpGroup,
    StpMode, StpScope, TimeInForce,
};
use std::collections::BTreeMap;
use swarm::coverage::Coverage;
use swarm::market::EngineMarket;
use swarm::rng::Rng;
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

/// What the open orders of accounts need, in the base and in the quote currency.
type Needs = Vec<(AccountId, [u128; 2])>;

fn read(mut bytes: &[u8], index_key: u64) -> Result<Market, StateError<TooFewBytes>> {
    let (market, hash) = Market::read_state(&mut bytes, index_key, None)?;
    assert!(bytes.is_empty(), "all of the bytes are the market's");
    assert_eq!(hash, market.state_hash());
    Ok(market)
}

/// Reads a market with holds.
fn read_with_holds(
    mut bytes: &[u8],
    index_key: u64,
) -> Result<(Market, Needs), StateError<TooFewBytes>> {
    let mut needs = Needs::new();
    let mut holds = |account, sums| needs.push((account, sums));
    let (market, _) = Market::read_state(&mut bytes, index_key, Some(&mut holds))?;
    Ok((market, needs))
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
            self.inner.market = match &self.inner.money {
                None => read(&bytes, self.times).unwrap(),
                Some(money) => {
                    let (market, needs) = read_with_holds(&bytes, self.times).unwrap();
                    for (account, sums) in needs {
                        let held = [PairCurrency::Base, PairCurrency::Quote]
                            .map(|currency| money.funds.balance(account, currency).held);
                        assert_eq!(held, sums.map(|sum| sum as i128), "{account:?}");
                    }
                    market
                }
            };
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

/// A market with some dozen open orders.
fn some_market() -> Market {
    market_of(|_| true)
}

fn market_of(is_wanted: impl Fn(&Setting) -> bool) -> Market {
    for number in 0.. {
        let run = Run::new(SEED, number);
        if !is_wanted(&run.profile.setting()) {
            continue;
        }
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
        match Market::read_state(&mut rest, 1, None) {
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

/// Reads a state in a market with holds. If that is accepted, every order's amount can be told, every invariant holds, and
/// what orders need is their sum.
fn is_accepted(bytes: &[u8]) -> bool {
    let Ok((market, needs)) = read_with_holds(bytes, 1) else {
        return false;
    };
    market.check_invariants();
    let settlement = Settlement::resume(market.spec(), market.fees().clone());
    let mut sums: BTreeMap<AccountId, [u128; 2]> = BTreeMap::new();
    for side in [Side::Buy, Side::Sell] {
        for (order, price) in market.orders(side) {
            let need = settlement.need(side, price, order.leaves, order.fee_tier);
            let sums = sums.entry(order.account).or_default();
            sums[PairCurrency::paid_by(side) as usize] += u128::from(need.0);
        }
    }
    assert_eq!(needs.into_iter().collect::<BTreeMap<_, _>>(), sums);
    true
}

#[test]
fn an_order_whose_amount_does_not_fit_is_refused_where_orders_hold() {
    let setting = Setting {
        spec: MarketSpec::WIDE,
        holds: false,
    };
    let order = NewOrder {
        cl_ord_id: ClOrdId(1),
        account: AccountId(1),
        session: SessionId(1),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: PostOnly::No,
        price: Price(1 << 40),
        qty: Qty(1 << 30),
        budget: Amount(0),
        stp_mode: StpMode::None,
        stp_scope: StpScope::Account,
        stp_group: StpGroup(0),
        fee_tier: FeeTier(0),
    };
    let step = Step {
        funding: None,
        command: Command::New(order),
        levels: false,
        prefetch: false,
        compare_state: false,
    };
    // Where nothing is held it is a legal order.
    let mut market = EngineMarket::new(setting, 1);
    let events = market.apply(&step);
    assert!(matches!(events[..], [Event::Accepted(_)]), "{events:?}");
    let bytes = bytes_of(&market.market);
    assert_eq!(read(&bytes, 1).unwrap().open_orders(), 1);
    let refused = read_with_holds(&bytes, 1).expect_err("2^70 is no amount");
    assert!(
        matches!(refused, StateError::Rule { rule, .. } if rule.contains("amount fits")),
        "{refused:?}"
    );
}

#[test]
fn of_twenty_thousand_changed_states_none_is_accepted_that_cannot_be_worked_with() {
    let good = bytes_of(&market_of(|setting| setting.holds));
    assert!(is_accepted(&good));
    let mut rng = Rng::new(SEED, 0);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..=rng.below(3) {
            let at = rng.below(bytes.len() as u64) as usize;
            let len = (bytes.len() - at).min(8);
            match rng.below(4) {
                0 => bytes[at] = rng.below(256) as u8,
                1 => bytes[at] ^= 1 << rng.below(8),
                // A number of any size.
                2 => {
                    let number = u64::MAX >> rng.below(64);
                    bytes[at..at + len].copy_from_slice(&number.to_le_bytes()[..len]);
                }
                _ => {
                    let from = rng.below((bytes.len() - len) as u64) as usize;
                    bytes.copy_within(from..from + len, at);
                }
            }
        }
        if is_accepted(&bytes) {
            accepted += 1;
        } else {
            refused += 1;
        }
    }
    println!("{accepted} accepted, {refused} refused");
    assert_eq!(accepted + refused, 20_000);
    assert!(accepted > 500 && refused > 5_000, "{accepted}, {refused}");
}
