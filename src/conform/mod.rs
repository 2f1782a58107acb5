//! `souk conform`: plays the server to a client under test, scenario by scenario, and says which rule of
//! `protocol/PROTOCOL.md` it breaks. `docs/conform.md` says what such a client is asked to do.
//!
//! Must never: be kinder than a server that keeps to the protocol, or ask for more than the protocol does.

mod fault;
mod line;
mod program;
mod report;
mod says;
mod scenario;
mod stage;

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

pub use fault::Fault;
pub use report::{Format, Outcome, Report};
pub use scenario::{SCENARIOS, Scenario};

use crate::clock;
use stage::{Doors, Stage};

/// What is played, and to whom.
#[derive(Clone, Debug)]
pub struct ConformOptions {
    /// Where the client is told to connect.
    pub listen: SocketAddr,
    /// The client's program and its arguments. It is started anew for each scenario.
    pub command: Vec<String>,
    /// Names of the scenarios to play; all of them if there are none.
    pub only: Vec<String>,
    /// How long the client may take for each step.
    pub patience: Duration,
}

/// Why nothing can be played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConformError {
    /// No program was named.
    #[error("no client to test; remedy: souk conform -- COMMAND, see docs/conform.md")]
    NoCommand,
    /// A scenario was asked for that does not exist.
    #[error("there is no scenario {0}; remedy: souk conform --list names them")]
    UnknownScenario(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; remedy: another --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Keys cannot be made.
    #[error(transparent)]
    Key(#[from] crate::keys::KeyError),
    /// The outcome cannot be written.
    #[error("cannot write the outcome: {0}")]
    Write(#[from] std::io::Error),
}

/// Plays the scenarios one after the other, and writes each outcome as soon as it is known.
///
/// # Errors
/// When nothing can be played. A client that breaks a rule is no error but an [`Outcome`].
pub fn run(
    options: &ConformOptions,
    format: Format,
    out: &mut dyn Write,
) -> Result<Report, ConformError> {
    if options.command.is_empty() {
        return Err(ConformError::NoCommand);
    }
    let known = |name: &String| SCENARIOS.iter().any(|scenario| scenario.name == name);
    if let Some(unknown) = options.only.iter().find(|name| !known(name)) {
        return Err(ConformError::UnknownScenario(unknown.clone()));
    }
    let doors = [
        door(options.listen)?,
        door(SocketAddr::new(options.listen.ip(), 0))?,
    ];
    let mut report = Report::default();
    let wanted = |scenario: &&Scenario| {
        options.only.is_empty() || options.only.iter().any(|name| name == scenario.name)
    };
    for scenario in SCENARIOS.iter().filter(wanted) {
        let started = clock::monotonic();
        let fault = play(scenario, &doors, options)?;
        let took = clock::monotonic().duration_since(started);
        let outcome = Outcome {
            scenario,
            fault,
            took,
        };
        outcome.write(format, out)?;
        report.outcomes.push(outcome);
    }
    report.write(format, out)?;
    Ok(report)
}

/// Plays one scenario to a client of its own; gives what it did wrong.
fn play(
    scenario: &Scenario,
    doors: &Doors,
    options: &ConformOptions,
) -> Result<Option<Fault>, ConformError> {
    let mut stage = match Stage::new(doors, options)? {
        Ok(stage) => stage,
        Err(fault) => return Ok(Some(fault)),
    };
    let played = (scenario.play)(&mut stage);
    stage.close();
    Ok(played.err())
}

fn door(address: SocketAddr) -> Result<line::Door, ConformError> {
    line::Door::open(address).map_err(|source| ConformError::Listen { address, source })
}
