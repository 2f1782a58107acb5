//! What came of the scenarios, for people and for programs.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::json;

use super::{Fault, Scenario};

/// How outcomes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What came of one scenario.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The scenario.
    pub scenario: &'static Scenario,
    /// What the client did wrong, if it did.
    pub fault: Option<Fault>,
    /// How long it took.
    pub took: Duration,
}

impl Outcome {
    /// Where the protocol says what was expected.
    #[must_use]
    pub fn link(&self) -> String {
        format!("protocol/PROTOCOL.md#{}", self.scenario.section)
    }

    pub(super) fn write(&self, format: Format, out: &mut dyn Write) -> io::Result<()> {
        let Scenario { name, expects, .. } = self.scenario;
        match (format, &self.fault) {
            (Format::Text, None) => writeln!(out, "pass  {name:<22} {expects}"),
            (Format::Text, Some(fault)) => {
                writeln!(out, "FAIL  {name:<22} {expects}")?;
                writeln!(out, "      {fault}")?;
                writeln!(out, "      see {}", self.link())
            }
            (Format::Json, fault) => {
                let reason = fault.as_ref().map(ToString::to_string);
                let (passed, ms) = (reason.is_none(), self.took.as_millis() as u64);
                let line = json!({"scenario": name, "expects": expects, "passed": passed,
                    "reason": reason, "see": self.link(), "ms": ms});
                writeln!(out, "{line}")
            }
        }?;
        out.flush()
    }
}

/// What came of all scenarios that were played.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order in which they were played.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// How many the client passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        let passed = |outcome: &&Outcome| outcome.fault.is_none();
        self.outcomes.iter().filter(passed).count()
    }

    /// Whether the client passed all of them.
    #[must_use]
    pub fn all_passed(&self) -> bool {
        self.passed() == self.outcomes.len()
    }

    pub(super) fn write(&self, format: Format, out: &mut dyn Write) -> io::Result<()> {
        let (passed, of) = (self.passed(), self.outcomes.len());
        match format {
            Format::Text => writeln!(out, "{passed}/{of} passed"),
            Format::Json => writeln!(out, "{}", json!({"passed": passed, "of": of})),
        }
    }
}
