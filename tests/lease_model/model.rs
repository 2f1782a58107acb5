//! The state machine for the checker: which actions there are, and what is forgotten because it can matter no more.

use stateright::{Model, Property};

use super::mutant::Mutant;
use super::possible;
use super::process::{Actor, Step};
use super::properties;
use super::state::*;

/// How much may happen.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub budget: Budget,
    /// The last epoch of a stream that somebody still claims from. Two fenced nodes that do not know it yet would take the
    /// stream from each other for ever.
    pub epochs: u8,
    /// Whether leases have deadlines. Without them a watcher may take any node for silent at once.
    pub timed: bool,
    /// The node of each stream, for each beginning.
    pub owners: &'static [[u8; STREAMS]],
}

/// The protocol, or one of its mutants, within bounds.
#[derive(Clone, Copy, Debug)]
pub struct LeaseModel {
    pub mutant: Option<Mutant>,
    pub bounds: Bounds,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A process does something.
    Does(usize, Step),
    /// A statement arrives whose sender waits no more.
    Arrives(Statement),
}

impl Model for LeaseModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let begin = |owners: &[u8; STREAMS]| State::peace(*owners, self.bounds.budget);
        self.bounds.owners.iter().map(begin).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if let Some((index, step)) = possible::first(state) {
            return actions.push(Action::Does(index, step));
        }
        for index in 0..PROCESSES {
            possible::steps(self, state, index, &mut |step| {
                actions.push(Action::Does(index, step));
            });
        }
        actions.extend(
            state
                .late
                .iter()
                .map(|statement| Action::Arrives(*statement)),
        );
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Does(index, step) => {
                let mut actor = Actor {
                    model: self,
                    state: &mut state,
                    index,
                };
                if !actor.step(step) {
                    return None;
                }
            }
            Action::Arrives(statement) => {
                let place = state.late.iter().position(|late| *late == statement);
                state.late.remove(place.expect("it is under way"));
                state.execute(statement, self.mutant);
            }
        }
        self.forget(&mut state);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self.bounds.timed)
    }
}

impl LeaseModel {
    /// Makes states equal that differ only in what cannot matter: statements that will change nothing whenever they
    /// arrive, and what was watched in vain.
    fn forget(&self, state: &mut State) {
        if !state.late.is_empty() {
            let mut late = std::mem::take(&mut state.late);
            late.retain(|statement| !state.is_spent(*statement, self.mutant));
            late.sort_unstable();
            state.late = late;
        }
        for index in 0..PROCESSES {
            let own = node_of(index);
            let fails = |seen: &Watched| {
                let row = &state.nodes[seen.log.node as usize];
                // A fence without the beat may still succeed.
                let beat = row.beat != seen.beat && self.mutant != Some(Mutant::FenceWithoutBeat);
                seen.log.node != own && (state.is_dead(seen.log) || beat)
            };
            if state.processes[index].watched.as_ref().is_some_and(fails) {
                state.processes[index].watched = None;
            }
        }
    }
}
