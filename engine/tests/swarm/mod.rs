//! Random command lists, run on the oracle and on something that claims to be a market, in
//! lockstep.
//!
//! Must never: use a source of randomness but the seed.

pub mod coverage;
mod fields;
pub mod funds;
mod generate;
pub mod market;
mod money;
mod money_coverage;
pub mod profile;
pub mod rng;
pub mod shrink;
mod text;

use crate::oracle::ledger::{Balance, Funding};
use crate::oracle::{Oracle, Snapshot};
use coverage::Coverage;
use generate::Generator;
use profile::Profile;
use rng::Rng;
use souk_engine::{Command, Event, MarketSpec, PairCurrency};
use souk_protocol::AccountId;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a market is made with.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub spec: MarketSpec,
    /// Whether it has a ledger that holds what orders need.
    pub holds: bool,
}

/// One command and what to look at.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// A credit or debit before it.
    pub funding: Option<Funding>,
    pub command: Command,
    /// Whether level updates are wanted.
    pub levels: bool,
    /// Whether the market is told in advance which command comes.
    pub prefetch: bool,
    /// Whether to compare the whole state afterwards.
    pub compare_state: bool,
}

/// Something that claims to do what the rules say.
pub trait Subject {
    fn apply(&mut self, step: &Step) -> Vec<Event>;
    /// A credit or debit; whether it was done.
    fn fund(&mut self, funding: &Funding) -> bool;
    fn balance(&self, account: AccountId, currency: PairCurrency) -> Balance;
    /// What the fee account has.
    fn earned(&self) -> i128;
    fn snapshot(&self) -> Snapshot;
    /// `None` if it has none.
    fn state_hash(&self) -> Option<u64> {
        None
    }
    fn check_invariants(&self) {}
}

/// Makes a market with this setting.
pub type Make<'a> = &'a (dyn Fn(Setting) -> Box<dyn Subject> + Sync);

/// Where a subject and the rules part.
#[derive(Clone, Debug)]
pub struct Difference {
    pub expected: String,
    pub got: String,
}

/// A run that failed: the commands up to the difference.
#[derive(Clone, Debug)]
pub struct Failure {
    pub setting: Setting,
    pub script: Vec<Step>,
    pub difference: Difference,
}

/// The oracle and a subject that get the same commands.
pub struct Lockstep {
    pub oracle: Oracle,
    pub subject: Box<dyn Subject>,
}

impl Lockstep {
    pub fn new(setting: Setting, make: Make<'_>) -> Self {
        Self {
            oracle: Oracle::new(setting.spec, setting.holds),
            subject: make(setting),
        }
    }

    /// Gives the events, which are the same on both sides, and whether the step's funding was
    /// done.
    pub fn step(&mut self, step: &Step) -> Result<(Vec<Event>, bool), Difference> {
        let funded = self.fund(step)?;
        let before = (step.compare_state && self.subject.state_hash().is_some())
            .then(|| (self.oracle.meaning(), self.subject.state_hash()));
        let expected = self.oracle.apply(&step.command, step.levels);
        let got = self.subject.apply(step);
        if expected != got {
            return Err(difference(
                "events",
                &event_lines(&expected),
                &event_lines(&got),
            ));
        }
        self.compare_balances(&touched(step, &expected))?;
        self.oracle.check_sums();
        if !step.compare_state {
            return Ok((expected, funded));
        }
        self.compare_all_balances()?;
        self.subject.check_invariants();
        let (should, is) = (self.oracle.snapshot(), self.subject.snapshot());
        if should != is {
            return Err(difference(
                "state",
                &state_lines(&should),
                &state_lines(&is),
            ));
        }
        if let Some((meaning, hash)) = before {
            let same_meaning = meaning == self.oracle.meaning();
            let same_hash = hash == self.subject.state_hash();
            if same_meaning != same_hash {
                return Err(difference(
                    "the state hash stays as it was",
                    &[same_meaning.to_string()],
                    &[same_hash.to_string()],
                ));
            }
        }
        Ok((expected, funded))
    }

    fn fund(&mut self, step: &Step) -> Result<bool, Difference> {
        let Some(funding) = &step.funding else {
            return Ok(false);
        };
        let (should, is) = (self.oracle.fund(funding), self.subject.fund(funding));
        if should != is {
            return Err(difference(
                "the funding is done",
                &[should.to_string()],
                &[is.to_string()],
            ));
        }
        Ok(should)
    }

    fn compare_all_balances(&self) -> Result<(), Difference> {
        let Some(ledger) = &self.oracle.ledger else {
            return Ok(());
        };
        self.oracle.check_conservation();
        let accounts: BTreeSet<AccountId> = ledger.accounts().collect();
        self.compare_balances(&accounts)
    }

    fn compare_balances(&self, accounts: &BTreeSet<AccountId>) -> Result<(), Difference> {
        let Some(ledger) = &self.oracle.ledger else {
            return Ok(());
        };
        let (should, is) = (ledger.earned, self.subject.earned());
        if should != is {
            return Err(difference(
                "fees earned",
                &[should.to_string()],
                &[is.to_string()],
            ));
        }
        for &account in accounts {
            for currency in [PairCurrency::Base, PairCurrency::Quote] {
                let should = self.oracle.balance(account, currency);
                let is = self.subject.balance(account, currency);
                if should != is {
                    return Err(difference(
                        &format!("{currency:?} of {account:?}"),
                        &[format!("{should:?}")],
                        &[format!("{is:?}")],
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The accounts whose balances a command can have changed.
fn touched(step: &Step, events: &[Event]) -> BTreeSet<AccountId> {
    let mut accounts: BTreeSet<AccountId> =
        step.funding.iter().map(|funding| funding.account).collect();
    if let Command::New(new) = &step.command {
        accounts.insert(new.account);
    }
    for event in events {
        match event {
            Event::Trade(t) => accounts.extend([t.maker.account, t.taker.account]),
            Event::Canceled(c) => accounts.extend([c.order.account]),
            Event::Replaced(r) => accounts.extend([r.order.account]),
            Event::SelfTradePrevented(p) => accounts.extend([p.maker.account, p.taker.account]),
            _ => {}
        }
    }
    accounts
}

/// Two outcomes, one part in a line.
fn difference(what: &str, expected: &[String], got: &[String]) -> Difference {
    let text = |parts: &[String]| format!("{what}:\n    {}", parts.join("\n    "));
    Difference {
        expected: text(expected),
        got: text(got),
    }
}

fn event_lines(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| format!("{event:?}")).collect()
}

fn state_lines(state: &Snapshot) -> Vec<String> {
    let mut lines = vec![
        format!("{:?}, {} open orders", state.state, state.open_orders),
        format!(
            "last match {:?}, book hash {:#018x}",
            state.last_match_id, state.book_hash
        ),
        format!("best {:?}", state.best),
    ];
    lines.extend(
        state
            .levels
            .concat()
            .iter()
            .map(|level| format!("{level:?}")),
    );
    lines.extend(
        state
            .orders
            .concat()
            .iter()
            .map(|order| format!("{order:?}")),
    );
    lines
}

/// A run: a seed, its number under that seed, and the profile that they give.
pub struct Run {
    pub profile: Profile,
    rng: Rng,
}

impl Run {
    pub fn new(seed: u64, number: u64) -> Self {
        let mut rng = Rng::new(seed, number);
        Self {
            profile: Profile::draw(&mut rng),
            rng,
        }
    }

    /// Runs it to its end, or to the first difference. `see` gets every command with its events
    /// and the oracle as it is after it.
    pub fn drive(
        self,
        make: Make<'_>,
        coverage: &mut Coverage,
        mut see: impl FnMut(&Step, &[Event], &Oracle),
    ) -> Result<(), Box<Failure>> {
        let setting = self.profile.setting();
        let mut script = Vec::with_capacity(self.profile.commands);
        let mut generator = Generator::new(self.profile, self.rng);
        let outcome = caught(|| {
            let mut lockstep = Lockstep::new(setting, make);
            let mut one = |step: Step, lockstep: &mut Lockstep| {
                script.push(step);
                let taker = coverage::taker(&lockstep.oracle, &step.command);
                let tiers = lockstep.oracle.fees.len();
                let (events, funded) = lockstep.step(&step)?;
                coverage.observe(&lockstep.oracle, taker, &step.command, &events);
                coverage.observe_money(tiers, &lockstep.oracle, &step, &events, funded);
                see(&step, &events, &lockstep.oracle);
                Ok(events)
            };
            for _ in 0..generator.profile.commands {
                let step = generator.step(&lockstep.oracle);
                let events = one(step, &mut lockstep)?;
                generator.learn(&step.command, &events);
            }
            for step in generator.last_steps(&lockstep.oracle) {
                one(step, &mut lockstep)?;
            }
            Ok(())
        });
        outcome.map_err(|difference| {
            Box::new(Failure {
                setting,
                script,
                difference,
            })
        })
    }
}

/// Runs a script on a new market: the number of the step that fails, and how.
pub fn replay(setting: Setting, script: &[Step], make: Make<'_>) -> Option<(usize, Difference)> {
    let mut at = 0;
    let outcome = caught(|| {
        let mut lockstep = Lockstep::new(setting, make);
        for step in script {
            lockstep.step(step)?;
            at += 1;
        }
        Ok(())
    });
    outcome.err().map(|difference| (at, difference))
}

/// A panic is a difference too.
fn caught(run: impl FnOnce() -> Result<(), Difference>) -> Result<(), Difference> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = (panic.downcast_ref::<String>().cloned())
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        let got = format!("a panic: {}", text.unwrap_or_default());
        Err(Difference {
            expected: "no panic".to_owned(),
            got,
        })
    })
}
