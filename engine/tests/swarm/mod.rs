//! Random command lists, run on the oracle and on something that claims to be a market, in
//! lockstep.
//!
//! Must never: use a source of randomness but the seed.

pub mod coverage;
mod fields;
mod generate;
pub mod market;
pub mod profile;
pub mod rng;
pub mod shrink;
mod text;

use crate::oracle::{Oracle, Snapshot};
use coverage::Coverage;
use generate::Generator;
use profile::Profile;
use rng::Rng;
use souk_engine::{Command, Event, MarketSpec};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One command and what to look at.
#[derive(Clone, Copy, Debug)]
pub struct Step {
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
    fn snapshot(&self) -> Snapshot;
    /// `None` if it has none.
    fn state_hash(&self) -> Option<u64> {
        None
    }
    fn check_invariants(&self) {}
}

/// Makes a market with this spec.
pub type Make<'a> = &'a (dyn Fn(MarketSpec) -> Box<dyn Subject> + Sync);

/// Where a subject and the rules part.
#[derive(Clone, Debug)]
pub struct Difference {
    pub expected: String,
    pub got: String,
}

/// A run that failed: the commands up to the difference.
#[derive(Clone, Debug)]
pub struct Failure {
    pub spec: MarketSpec,
    pub script: Vec<Step>,
    pub difference: Difference,
}

/// The oracle and a subject that get the same commands.
pub struct Lockstep {
    pub oracle: Oracle,
    subject: Box<dyn Subject>,
}

impl Lockstep {
    pub fn new(spec: MarketSpec, make: Make<'_>) -> Self {
        Self {
            oracle: Oracle::new(spec),
            subject: make(spec),
        }
    }

    /// Gives the events, which are the same on both sides.
    pub fn step(&mut self, step: &Step) -> Result<Vec<Event>, Difference> {
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
        if !step.compare_state {
            return Ok(expected);
        }
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
        Ok(expected)
    }
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
        let spec = self.profile.spec;
        let mut script = Vec::with_capacity(self.profile.commands);
        let mut generator = Generator::new(self.profile, self.rng);
        let outcome = caught(|| {
            let mut lockstep = Lockstep::new(spec, make);
            let mut one = |step: Step, lockstep: &mut Lockstep| {
                script.push(step);
                let taker = coverage::taker(&lockstep.oracle, &step.command);
                let events = lockstep.step(&step)?;
                coverage.observe(&lockstep.oracle, taker, &step.command, &events);
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
                spec,
                script,
                difference,
            })
        })
    }
}

/// Runs a script on a new market: the number of the step that fails, and how.
pub fn replay(spec: MarketSpec, script: &[Step], make: Make<'_>) -> Option<(usize, Difference)> {
    let mut at = 0;
    let outcome = caught(|| {
        let mut lockstep = Lockstep::new(spec, make);
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
