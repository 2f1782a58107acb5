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
        if self.state.budget.beats > 0 {
            self.with_each_fate(Step::Renew);
        }
        self.look();
        for stream in 0..STREAMS {
            if let Hold::Owned { .. } = self.memory.holds[stream] {
                (self.add)(Step::Read(stream));
            }
            let row = self.state.streams[stream];
            if row.owner != log && self.state.is_dead(row.owner) {
                self.take_over(stream, row);
            }
        }
        self.journal();
    }

    /// What is begun under a lease is begun while its deadline has not passed.
    fn may_work(&self) -> bool {
        self.memory.believes || !self.model.bounds.timed
    }

    /// Watches the other nodes, and fences one.
    fn look(&mut self) {
        if self.state.budget.fences == 0 {
            return;
        }
        if let Some(seen) = self.memory.watched {
            if !seen.silent {
                (self.add)(Step::Wait);
            } else if self.memory.believes {
                self.with_each_fate(|fate| Step::Fence(seen.log.node, fate));
            }
            return;
        }
        for node in 0..NODES as u8 {
            let live = self.state.nodes[node as usize].life == Life::Live;
            if node == node_of(self.index) || !live {
                continue;
            }
            if self.model.bounds.timed {
                (self.add)(Step::Watch(node));
            } else {
                self.with_each_fate(|fate| Step::Fence(node, fate));
            }
        }
    }

    /// Seals the log of a dead owner, then claims. A seal that somebody else was first with is done as well, and dead and
    /// sealed are for ever: so whether this process or another has sealed need not be told apart.
    fn take_over(&mut self, stream: usize, row: StreamRow) {
        let sealed = self.state.is_sealed(row.owner);
        if !sealed {
            self.with_each_fate(|fate| Step::Seal(row.owner, fate));
        }
        let in_order = sealed || self.is(Mutant::SealAfterClaim);
        if in_order && row.epoch <= self.model.bounds.epochs {
            self.with_each_fate(|fate| Step::Claim(stream, fate));
        }
    }

    /// Always so in the protocol, where the seal comes before the claim.
    fn others_are_sealed(&self, stream: usize) -> bool {
        let own = self.state.log_of(self.index);
        let mut rows = self.state.rows.iter();
        !self.is(Mutant::SealAfterClaim)
            || rows.all(|row| {
                row.entry.stream as usize != stream
                    || row.log == own
                    || self.state.is_sealed(row.log)
            })
    }

    fn journal(&mut self) {
        let Some(pending) = self.memory.pending else {
            return self.appends();
        };
        match pending.outcome {
            Outcome::Unknown if self.is(Mutant::EmissionBeforeCommit) => (self.add)(Step::Emit),
            Outcome::Unknown
                if self.is(Mutant::BlindRetry)
                    && pending.entry.content != OPEN
                    && self.state.budget.batches > 0 =>
            {
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
        for stream in 0..STREAMS {
            let due = match self.memory.holds[stream] {
                Hold::Read { .. } => self.others_are_sealed(stream),
                Hold::Served { .. } => self.state.budget.batches > 0,
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
        match self.memory.watched {
            None if self.model.bounds.timed => (self.add)(Step::Watch(own)),
            Some(seen) if !seen.silent && row.life == Life::Live => (self.add)(Step::Wait),
            _ => self.with_each_fate(Step::Register),
        }
    }
}

/// A step that may be taken at once, and alone: it commutes with all others, and leaves no less to be found. An emission
/// is of a row that stays as it is, and what a process owns under which epoch is only the leave to read.
pub fn first(state: &State) -> Option<(usize, Step)> {
    (0..PROCESSES).find_map(|index| {
        let memory = &state.processes[index];
        if memory.status != Status::Up {
            return None;
        }
        if memory
            .pending
            .is_some_and(|pending| pending.outcome == Outcome::Durable)
        {
            return Some((index, Step::Emit));
        }
        let log = state.log_of(index);
        let owned = (0..STREAMS).find(|stream| {
            let row = state.streams[*stream];
            row.owner == log && memory.holds[*stream].epoch() < row.epoch
        });
        owned.map(|stream| (index, Step::Find(stream)))
    })
}
