//! Which steps a process may take in a state.

use super::model::LeaseModel;
use super::mutant::Mutant;
use super::process::{Fate, Step};
use super::state::*;

/// Calls `add` with each step that a process may take.
pub fn steps(model: &LeaseModel, state: &State, index: usize, add: &mut impl FnMut(Step)) {
    let mut possible = Possible {
        model,
        state,
        index,
        memory: &state.processes[index],
        add,
    };
    match possible.memory.status {
        Status::Up => possible.up(),
        Status::Out => possible.out(),
        Status::Refused | Status::Superseded | Status::Gone => {}
    }
}

struct Possible<'a, F> {
    model: &'a LeaseModel,
    state: &'a State,
    index: usize,
    memory: &'a Process,
    add: &'a mut F,
}

impl<F: FnMut(Step)> Possible<'_, F> {
    fn is(&self, mutant: Mutant) -> bool {
        self.model.mutant == Some(mutant)
    }

    fn with_each_fate(&mut self, step: impl Fn(Fate) -> Step) {
        (self.add)(step(Fate::Answered));
        if self.state.budget.unanswered > 0 {
            (self.add)(step(Fate::Unanswered));
        }
    }

    fn up(&mut self) {
        let log = self.state.log_of(self.index);
        if self.state.budget.ends > 0 {
            (self.add)(Step::Crash);
            if self.memory.pending.is_none() {
                self.with_each_fate(Step::Release);
            }
        }
        if self.state.is_dead(log) {
            (self.add)(Step::Learn);
        }
        if self.memory.beat < self.model.bounds.beats {
            self.with_each_fate(Step::Renew);
        }
        self.duty();
        for stream in 0..STREAMS {
            match self.memory.holds[stream] {
                Hold::Nothing if self.state.streams[stream].owner == log => {
                    (self.add)(Step::Find(stream));
                }
                Hold::Owned { .. } => (self.add)(Step::Read(stream)),
                _ => {}
            }
        }
        self.journal();
    }

    /// What is begun under a lease is begun while its deadline has not passed.
    fn may_work(&self) -> bool {
        self.memory.believes || !self.model.bounds.timed
    }

    fn duty(&mut self) {
        match self.memory.duty {
            Duty::Nothing => self.look(),
            Duty::Watched { silent, .. } => {
                if self.model.bounds.timed && !silent {
                    (self.add)(Step::Wait);
                } else if self.may_work() && self.state.budget.fences > 0 {
                    self.with_each_fate(Step::Fence);
                }
            }
            Duty::Dead(dead) => {
                self.with_each_fate(Step::Seal);
                if self.is(Mutant::SealAfterClaim) {
                    self.claims(dead);
                }
            }
            Duty::Sealed(dead) => self.claims(dead),
        }
    }

    fn look(&mut self) {
        let own = self.state.log_of(self.index);
        for stream in 0..STREAMS {
            let owner = self.state.streams[stream].owner;
            let first = (0..stream).all(|other| self.state.streams[other].owner != owner);
            if first && owner != own && self.state.is_dead(owner) {
                (self.add)(Step::FindDead(owner));
            }
        }
        for node in 0..NODES as u8 {
            let live = self.state.nodes[node as usize].life == Life::Live;
            if self.state.budget.fences > 0 && node != own.node && live {
                (self.add)(Step::Watch(node));
            }
        }
    }

    fn claims(&mut self, dead: LogId) {
        for stream in 0..STREAMS {
            if self.state.streams[stream].owner == dead {
                self.with_each_fate(|fate| Step::Claim(stream, fate));
            }
        }
    }

    fn journal(&mut self) {
        let Some(pending) = self.memory.pending else {
            return self.appends();
        };
        match pending.outcome {
            Outcome::Unknown if self.is(Mutant::EmissionBeforeCommit) => (self.add)(Step::Emit),
            Outcome::Unknown if self.is(Mutant::BlindRetry) => {
                self.with_each_fate(Step::SendAgain);
            }
            Outcome::Unknown => (self.add)(Step::ReadBack),
            Outcome::Absent => self.with_each_fate(Step::SendAgain),
            Outcome::Durable | Outcome::FoundDurable => (self.add)(Step::Emit),
            // It has lost its row, and is about to learn it.
            Outcome::Refused => {}
        }
    }

    fn appends(&mut self) {
        let unsealed = matches!(self.memory.duty, Duty::Dead(_));
        for stream in 0..STREAMS {
            let due = match self.memory.holds[stream] {
                Hold::Read { .. } => !(unsealed && self.is(Mutant::SealAfterClaim)),
                Hold::Served { .. } => self.memory.batches < self.model.bounds.batches,
                Hold::Nothing | Hold::Owned { .. } => false,
            };
            if due && self.may_work() {
                self.with_each_fate(|fate| Step::Append(stream, fate));
            }
        }
    }

    fn out(&mut self) {
        let own = node_of(self.index);
        let row = self.state.nodes[own as usize];
        if self.state.is_named(self.index) && row.incarnation > self.memory.incarnation {
            return (self.add)(Step::Adopt);
        }
        let again = self.memory.incarnation > 0;
        if again
            && row.incarnation > self.memory.incarnation
            && !self.is(Mutant::NoExitWhenSuperseded)
        {
            return (self.add)(Step::Learn);
        }
        if self.state.budget.registrations == 0 {
            return;
        }
        match self.memory.duty {
            Duty::Watched { silent, .. } => {
                if self.model.bounds.timed && !silent && row.life == Life::Live {
                    (self.add)(Step::Wait);
                } else {
                    self.with_each_fate(Step::Register);
                }
            }
            _ => (self.add)(Step::Watch(own)),
        }
    }
}
