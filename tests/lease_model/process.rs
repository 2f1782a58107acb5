//! What a process may do next, and what it makes of the answers.

use super::database::Answer;
use super::model::LeaseModel;
use super::mutant::Mutant;
use super::state::*;

/// Whether a statement is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Answered,
    /// The sender waits no more. The statement may arrive at any time, or never.
    Unanswered,
}

/// A step of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Crash,
    Release(Fate),
    Renew(Fate),
    /// Reads its own row, and finds that it has lost it.
    Learn,
    /// Reads its own row, and finds that a registration without an answer was done.
    Adopt,
    /// Reads the row of a node.
    Watch(u8),
    /// A lease's time goes by.
    Wait,
    Register(Fate),
    /// Fences a node that was silent.
    Fence(u8, Fate),
    /// Reads that this incarnation is dead and owns streams, and seals its log.
    Seal(LogId, Fate),
    Claim(usize, Fate),
    /// Reads that a stream is its own.
    Find(usize),
    /// Reads the history of a stream.
    Read(usize),
    /// Appends the `open` of an epoch, or the next batch.
    Append(usize, Fate),
    ReadBack,
    SendAgain(Fate),
    /// Emits what a durable batch leads to, and goes on.
    Emit,
}

/// A process in a state.
pub struct Actor<'a> {
    pub model: &'a LeaseModel,
    pub state: &'a mut State,
    pub index: usize,
}

impl Actor<'_> {
    fn memory(&mut self) -> &mut Process {
        &mut self.state.processes[self.index]
    }

    fn log(&self) -> LogId {
        self.state.log_of(self.index)
    }

    /// Does a step that is possible. Gives whether it changed anything.
    pub fn step(&mut self, step: Step) -> bool {
        match step {
            Step::Crash => {
                self.state.budget.ends -= 1;
                self.memory().leave(Status::Gone);
            }
            Step::Release(fate) => {
                self.state.budget.ends -= 1;
                let log = self.log();
                self.send(Statement::Release { log }, fate);
                self.memory().leave(Status::Gone);
            }
            Step::Renew(fate) => return self.renew(fate),
            Step::Learn => self.learn(),
            Step::Adopt => self.take_row(false),
            Step::Watch(node) => self.watch(node),
            Step::Wait => self.wait(),
            Step::Register(fate) => self.register(fate),
            Step::Fence(node, fate) => self.fence(node, fate),
            Step::Seal(dead, fate) => {
                self.send(Statement::Seal { dead }, fate);
            }
            Step::Claim(stream, fate) => return self.claim(stream, fate),
            Step::Find(stream) => {
                let epoch = self.state.streams[stream].epoch;
                self.memory().holds[stream] = Hold::Owned { epoch };
            }
            Step::Read(stream) => {
                let entries = self.state.entries(stream as u8);
                let Hold::Owned { epoch } = self.memory().holds[stream] else {
                    unreachable!("only what is owned is read")
                };
                self.memory().holds[stream] = Hold::Read { epoch, entries };
            }
            Step::Append(stream, fate) => self.append(stream, fate),
            Step::ReadBack => self.read_back(),
            Step::SendAgain(fate) => return self.send_again(fate),
            Step::Emit => self.emit(),
        }
        true
    }

    /// Nothing, if no answer comes.
    fn send(&mut self, statement: Statement, fate: Fate) -> Option<Answer> {
        match fate {
            Fate::Answered => Some(self.state.execute(statement, self.model.mutant)),
            Fate::Unanswered => {
                self.state.budget.unanswered -= 1;
                self.state.late.push(statement);
                None
            }
        }
    }

    fn renew(&mut self, fate: Fate) -> bool {
        let log = self.log();
        self.state.budget.beats -= 1;
        self.memory().beat += 1;
        let renew = Statement::Renew {
            process: self.index as u8,
            log,
            beat: self.memory().beat,
        };
        match self.send(renew, fate) {
            Some(Answer::Done) => {
                self.memory().believes = true;
                let watched = |process: &mut Process| {
                    process.watched.filter(|seen| seen.log == log).is_some()
                };
                for process in self.state.processes.iter_mut() {
                    if watched(process) {
                        process.watched = process.watched.map(|seen| Watched {
                            renewed: true,
                            ..seen
                        });
                    }
                }
                true
            }
            // What it reads then is a step of its own.
            Some(_) => false,
            None => true,
        }
    }

    fn learn(&mut self) {
        let row = self.state.nodes[node_of(self.index) as usize];
        let superseded = row.incarnation > self.memory().incarnation;
        let exits = self.model.mutant != Some(Mutant::NoExitWhenSuperseded);
        self.memory().leave(if superseded && exits {
            Status::Superseded
        } else {
            Status::Out
        });
    }

    /// Is the process that its row names. An answer says when the registration was sent, so the lease runs; what is read
    /// back does not.
    fn take_row(&mut self, believes: bool) {
        let row = self.state.nodes[node_of(self.index) as usize];
        let batches = self.memory().batches;
        *self.memory() = Process {
            status: Status::Up,
            incarnation: row.incarnation,
            beat: row.beat,
            believes,
            batches,
            ..Process::OUT
        };
    }

    fn watch(&mut self, node: u8) {
        self.memory().watched = Some(self.seen(node));
    }

    /// What is read of a node now.
    fn seen(&self, node: u8) -> Watched {
        let row = self.state.nodes[node as usize];
        Watched {
            log: LogId {
                node,
                incarnation: row.incarnation,
            },
            beat: row.beat,
            silent: false,
            renewed: false,
        }
    }

    /// Every belief that rests on a beat from before the read has ended when this time has gone by.
    fn wait(&mut self) {
        let seen = self.memory().watched.as_mut().expect("who watches waits");
        seen.silent = true;
        let seen = *seen;
        if !seen.renewed {
            for index in 0..PROCESSES {
                if self.state.log_of(index) == seen.log {
                    self.state.processes[index].believes = false;
                }
            }
        }
    }

    fn register(&mut self, fate: Fate) {
        self.state.budget.registrations -= 1;
        let node = node_of(self.index);
        let seen = self.memory().watched.take();
        let seen = seen.unwrap_or_else(|| self.seen(node));
        let register = Statement::Register {
            process: self.index as u8,
            node,
            seen_incarnation: seen.log.incarnation,
            seen_beat: seen.beat,
        };
        match self.send(register, fate) {
            Some(Answer::Done) => self.take_row(true),
            // Somebody else's beat or registration: two processes have one name.
            Some(_) if self.memory().incarnation == 0 && !self.state.is_named(self.index) => {
                self.memory().leave(Status::Refused);
            }
            Some(_) | None => {}
        }
    }

    fn fence(&mut self, node: u8, fate: Fate) {
        self.state.budget.fences -= 1;
        let seen = self.memory().watched.take();
        let seen = seen.unwrap_or_else(|| self.seen(node));
        let fence = Statement::Fence {
            dead: seen.log,
            seen_beat: seen.beat,
        };
        self.send(fence, fate);
    }

    fn claim(&mut self, stream: usize, fate: Fate) -> bool {
        let claim = Statement::Claim {
            stream: stream as u8,
            dead: self.state.streams[stream].owner,
            owner: self.log(),
        };
        let answer = self.send(claim, fate);
        if answer == Some(Answer::Done) {
            let epoch = self.state.streams[stream].epoch;
            self.memory().holds[stream] = Hold::Owned { epoch };
        }
        answer != Some(Answer::NoRow)
    }

    fn append(&mut self, stream: usize, fate: Fate) {
        let memory = *self.memory();
        let (epoch, after, content) = match memory.holds[stream] {
            Hold::Read { epoch, entries } => (epoch, entries, OPEN),
            Hold::Served { epoch, entries } => (epoch, entries, self.next_content()),
            Hold::Nothing | Hold::Owned { .. } => unreachable!("only what was read is written"),
        };
        let entry = Entry {
            stream: stream as u8,
            epoch,
            after,
            content,
        };
        self.send_entry(entry, fate);
        // An `open` leads to nothing that leaves, so there is nothing to wait for.
        let durable = |pending: Pending| pending.outcome == Outcome::Durable;
        if content == OPEN && self.memory().pending.is_some_and(durable) {
            self.go_on();
        }
    }

    fn next_content(&mut self) -> u8 {
        let index = self.index as u8;
        self.state.budget.batches -= 1;
        self.memory().batches += 1;
        index * 16 + self.memory().batches
    }

    fn send_entry(&mut self, entry: Entry, fate: Fate) {
        let append = Statement::Append {
            log: self.log(),
            seq: self.memory().rows,
            entry,
        };
        let outcome = match self.send(append, fate) {
            Some(Answer::Done) => Outcome::Durable,
            Some(Answer::NoRow) => Outcome::Refused,
            Some(Answer::Duplicate) if self.model.mutant == Some(Mutant::BlindRetry) => {
                Outcome::Durable
            }
            Some(Answer::Duplicate) | None => Outcome::Unknown,
        };
        self.memory().pending = Some(Pending { entry, outcome });
    }

    fn pending(&mut self) -> Pending {
        self.memory().pending.expect("an append is under way")
    }

    fn read_back(&mut self) {
        let pending = self.pending();
        let (log, seq) = (self.log(), self.memory().rows);
        let outcome = match self.state.row(log, seq) {
            Some(row) if row.entry == pending.entry => Outcome::FoundDurable,
            Some(_) if self.model.mutant == Some(Mutant::BlindRetry) => Outcome::FoundDurable,
            Some(_) => unreachable!("only this process writes its log, and each place once"),
            None => Outcome::Absent,
        };
        self.memory().pending = Some(Pending { outcome, ..pending });
    }

    fn send_again(&mut self, fate: Fate) -> bool {
        let mut entry = self.pending().entry;
        let unknown = self.pending().outcome == Outcome::Unknown;
        if self.model.mutant == Some(Mutant::BlindRetry) && unknown {
            entry.content = self.next_content();
        }
        self.send_entry(entry, fate);
        true
    }

    fn emit(&mut self) {
        let entry = self.pending().entry;
        let (log, seq) = (self.log(), self.memory().rows);
        if entry.content != OPEN {
            let rows = &mut self.state.rows;
            match rows.iter_mut().find(|row| row.log == log && row.seq == seq) {
                Some(row) if row.entry == entry => row.emitted = true,
                _ => self.state.broken.lie = true,
            }
        }
        self.go_on();
    }

    fn go_on(&mut self) {
        let stream = self.pending().entry.stream as usize;
        let memory = self.memory();
        if let Hold::Read { epoch, entries } | Hold::Served { epoch, entries } =
            memory.holds[stream]
        {
            memory.holds[stream] = Hold::Served {
                epoch,
                entries: entries + 1,
            };
        }
        memory.rows += 1;
        memory.pending = None;
    }
}
