//! Who renews a lease: Souk's heartbeat, and two that others use.

use souk::lease::{Registered, Renewal, Schedule};

use super::database::{Answer, Statement};
use super::mutant::Mutant;
use super::process::{Task, Timer};
use super::world::{Event, World};

/// When the next renewal is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewer {
    /// At a fixed rate, over two connections in turn, whatever became of the last one.
    Souk,
    /// A part of the lease after the last one has succeeded, over one connection, each tried a few times. Redisson up to 3.43
    /// does so at a third.
    AfterSuccess { part: u32, tries: u32 },
    /// At a fixed rate of so many in a lease, over one connection, until one fails: `scheduleAtFixedRate` of
    /// `java.util.concurrent` suppresses what comes after an exception, and ShedLock's keeper alive ends, at a half.
    UntilFailure { part: u32 },
}

impl World {
    /// Begins the renewals of a process that is registered.
    pub fn begin_renewals(&mut self, process: usize) {
        let start = self.clock(process);
        let period = self.terms.period();
        match self.renewer {
            Renewer::Souk => {
                for task in [Task::Heart0, Task::Heart1] {
                    let number = task.heart().unwrap_or(0);
                    let own_start = start.plus(period * number as u32);
                    self.processes[process].schedules[number] =
                        Schedule::new(own_start, period * 2);
                    self.next_renewal(process, task);
                }
            }
            Renewer::AfterSuccess { .. } => self.renew(process, Task::Heart0),
            Renewer::UntilFailure { part } => {
                let period = self.terms.ttl() / part;
                self.processes[process].schedules[0] = Schedule::new(start, period);
                self.next_renewal(process, Task::Heart0);
            }
        }
    }

    fn next_renewal(&mut self, process: usize, task: Task) {
        let now = self.clock(process);
        let number = task.heart().unwrap_or(0);
        let it = &mut self.processes[process];
        let tick = it.schedules[number].next(now);
        it.beats[number] = tick.number * 2 + number as u64 + 1;
        self.after(process, tick.at.since(now), Timer::Renew(task));
    }

    pub fn renew(&mut self, process: usize, task: Task) {
        let Some(own) = self.processes[process].own else {
            return;
        };
        let number = task.heart().unwrap_or(0);
        if self.renewer != Renewer::Souk {
            // Any that grows.
            self.processes[process].beats[number] = self.clock(process).0;
        }
        let beat = self.processes[process].beats[number];
        self.ask(process, task, Statement::Renew(own, beat));
    }

    pub fn renewed(&mut self, process: usize, task: Task, answer: Answer) {
        let Some(own) = self.processes[process].own else {
            return;
        };
        let (sent, answered) = (
            self.processes[process].channels[task as usize].sent,
            self.clock(process),
        );
        match answer {
            Answer::Changed(_) => {
                self.processes[process].failures = 0;
                let from = match self.mutant {
                    Some(Mutant::DeadlineFromAnswer) => answered,
                    _ => sent,
                };
                let until = from.plus(self.terms.own());
                self.processes[process].deadline.extend(until);
                self.believe(process);
                self.tell(process);
            }
            Answer::Node(row) => {
                let beat = self.processes[process].beats[task.heart().unwrap_or(0)];
                self.judge(process, Renewal::of(row.as_ref(), &own, beat));
            }
            _ => unreachable!("of a renewal"),
        }
        if self.processes[process].alive {
            match self.renewer {
                Renewer::AfterSuccess { part, .. } => {
                    self.after(process, self.terms.ttl() / part, Timer::Renew(task));
                }
                _ => self.next_renewal(process, task),
            }
        }
    }

    pub fn not_renewed(&mut self, process: usize, task: Task) {
        let it = &mut self.processes[process];
        it.failures += 1;
        match self.renewer {
            Renewer::Souk => self.next_renewal(process, task),
            Renewer::AfterSuccess { tries, .. } if it.failures < tries => {
                self.after(process, self.terms.timeout() / 2, Timer::Renew(task));
            }
            // This was the last one.
            _ => {}
        }
    }

    /// What a process does that reads that it is no node any more.
    pub fn judge(&mut self, process: usize, renewal: Renewal) {
        match (renewal, self.mutant) {
            (Renewal::Later, _) | (_, Some(Mutant::NoExit)) => {}
            (Renewal::Fenced, _) => self.exit(process, true),
            (Renewal::Superseded(_), Some(Mutant::NoExitButDuel)) => {
                let host = self.processes[process].host;
                self.exit(process, false);
                let name = self.processes[process].name;
                self.start_as(host, name);
            }
            (Renewal::Superseded(_), _) => self.exit(process, false),
        }
    }

    /// Ends a process that has lost its lease. Whoever watches over it starts it again, unless its name is another one's.
    pub fn exit(&mut self, process: usize, again: bool) {
        if !self.processes[process].alive {
            return;
        }
        let host = self.processes[process].host;
        self.processes[process].deadline.lose();
        self.kill(process, true);
        // Nobody starts a process of which he does not know that it has lost its lease.
        if again && self.renewer == Renewer::Souk {
            let at = self.now + self.random.below(self.terms.ttl().as_nanos() as u64 / 2);
            self.push(at, Event::Start(host));
        } else {
            self.hosts[host].given_up = true;
        }
    }

    /// The processes whose leases hold.
    pub fn holding(&self) -> Vec<super::database::Process> {
        let holds = |process: &usize| {
            let it = &self.processes[*process];
            it.alive && it.deadline.holds(self.clock(*process))
        };
        let own = |process: usize| self.processes[process].own;
        let holding = (0..self.processes.len()).filter(holds).filter_map(own);
        holding
            .map(|own: Registered| (own.node, own.incarnation))
            .collect()
    }
}
