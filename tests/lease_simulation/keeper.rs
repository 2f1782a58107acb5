//! Taking tenants in, working them, and writing the log: the steps of `src/cluster/keeper.rs` and `src/database/log.rs`.

use std::time::Duration;

use souk::ids::Epoch;
use souk_protocol::TenantId;

use super::checks::Property;
use super::database::{Answer, Content, Entry, Row, Statement, Tenure};
use super::mutant::Mutant;
use super::process::{Care, Job, Reading, Served, Task, Timer};
use super::world::{TENANTS, World};

/// From one command of a tenant to the next.
const WORK_EVERY: Duration = Duration::from_millis(30);
/// Commands that wait for the log.
const WAITING_MAX: usize = 16;

impl World {
    /// Begins the keeper's next job, unless it is at one.
    pub fn keep(&mut self, process: usize) {
        let it = &mut self.processes[process];
        if it.channels[Task::Keeper as usize].call.is_some() {
            return;
        }
        match it.keeper.jobs.front().copied() {
            Some(Job::TakeIn(tenant, _)) => {
                it.keeper.reading = None;
                self.ask(process, Task::Keeper, Statement::Tenures(tenant));
            }
            Some(Job::LetGo(tenant)) => {
                it.keeper.jobs.pop_front();
                if let Some(served) = it.served.get_mut(&tenant) {
                    served.leaving = true;
                    let end = entry(tenant, served, Content::End);
                    it.writer.waiting.push(end);
                }
                self.write(process);
                self.keep(process);
            }
            None => {}
        }
    }

    pub fn kept(&mut self, process: usize, answer: Answer) {
        let it = &mut self.processes[process];
        let Some(Job::TakeIn(tenant, epoch)) = it.keeper.jobs.front().copied() else {
            return;
        };
        match answer {
            Answer::Tenures(mut tenures) => {
                tenures.retain(|tenure| tenure.epoch < epoch);
                it.keeper.reading = Some(Reading::of(tenures));
            }
            Answer::Rows(rows) => {
                let reading = it.keeper.reading.as_mut();
                if !reading.is_some_and(|reading| reading.take(tenant, &rows)) {
                    return self.not_ended(process, tenant, epoch);
                }
            }
            _ => return self.serve(process, tenant, epoch),
        }
        let Some(reading) = &it.keeper.reading else {
            return;
        };
        let next = match reading.tenures.get(reading.at) {
            Some(tenure) => Statement::Rows(tenure.log, reading.row),
            None => {
                let tenure = Tenure {
                    epoch,
                    log: it.log,
                    first_row: it.writer.next_row,
                };
                Statement::BeginTenure(tenant, tenure)
            }
        };
        self.ask(process, Task::Keeper, next);
    }

    /// A log of an owner before goes on without a seal.
    fn not_ended(&mut self, process: usize, tenant: TenantId, epoch: Epoch) {
        self.checks.violated(Property::LinearHistory, || {
            format!("{tenant:?} is taken over under {epoch:?} from a log without an end")
        });
        let it = &mut self.processes[process];
        it.keeper.jobs.pop_front();
        it.steward.care.insert(tenant, Care::Failed(epoch));
        self.keep(process);
    }

    fn serve(&mut self, process: usize, tenant: TenantId, epoch: Epoch) {
        let it = &mut self.processes[process];
        it.keeper.jobs.pop_front();
        let last = it.keeper.reading.take().map_or(0, |reading| reading.last);
        let served = Served {
            epoch,
            next: last + 1,
            leaving: false,
        };
        it.served.insert(tenant, served);
        it.steward.care.insert(tenant, Care::Served(epoch));
        self.believe(process);
        self.keep(process);
    }

    /// Looks for a second process that believes what this one believes from now on.
    pub fn believe(&mut self, process: usize) {
        let tenants: Vec<_> = self.processes[process].served.keys().copied().collect();
        for tenant in tenants {
            let believers = self.believers(tenant);
            self.checks.beliefs(tenant, &believers);
        }
    }

    pub fn believers(&self, tenant: TenantId) -> Vec<super::database::Process> {
        let believes = |at: &usize| {
            let it = &self.processes[*at];
            it.alive && it.served.contains_key(&tenant) && it.deadline.holds(self.clock(*at))
        };
        let all = (0..self.processes.len()).filter(believes);
        all.filter_map(|at| self.processes[at].identity()).collect()
    }

    /// Takes a command of each tenant that may be worked.
    pub fn work(&mut self, process: usize) {
        let now = self.clock(process);
        let it = &mut self.processes[process];
        for tenant in TENANTS {
            let Some(served) = it.served.get_mut(&tenant).filter(|it| !it.leaving) else {
                continue;
            };
            if it.deadline.holds(now) && it.writer.waiting.len() < WAITING_MAX {
                self.numbers += 1;
                let taken = entry(tenant, served, Content::Work(self.numbers));
                it.writer.waiting.push(taken);
            }
        }
        self.write(process);
        self.after(process, WORK_EVERY, Timer::Work);
    }

    /// Writes what waits as the log's next row, unless one is under way.
    fn write(&mut self, process: usize) {
        let writer = &mut self.processes[process].writer;
        if writer.under_way.is_none() && !writer.waiting.is_empty() {
            writer.under_way = Some(std::mem::take(&mut writer.waiting));
            self.append(process);
        }
    }

    fn append(&mut self, process: usize) {
        let it = &self.processes[process];
        let Some(entries) = it.writer.under_way.clone() else {
            return;
        };
        let append = Statement::Append(it.log, it.writer.next_row, entries);
        self.ask(process, Task::Writer, append);
    }

    /// Nobody knows what became of a row.
    pub fn read_back(&mut self, process: usize) {
        let (log, row) = (
            self.processes[process].log,
            self.processes[process].writer.next_row,
        );
        if self.mutant != Some(Mutant::BlindRetry) {
            return self.ask(process, Task::Writer, Statement::ReadBack(log, row));
        }
        let entries = self.processes[process].writer.under_way.iter_mut();
        for entry in entries.flatten() {
            if let Content::Work(number) = &mut entry.content {
                self.numbers += 1;
                *number = self.numbers;
            }
        }
        self.append(process);
    }

    pub fn written(&mut self, process: usize, answer: Answer) {
        let blind = self.mutant == Some(Mutant::BlindRetry);
        let under_way = self.processes[process].writer.under_way.as_ref();
        let fate = match answer {
            Answer::Changed(durable) => Some(durable),
            Answer::DuplicateKey => blind.then_some(true),
            Answer::Row(Some(Row::Group(entries))) => Some(under_way == Some(&entries)),
            Answer::Row(Some(Row::Seal)) => Some(false),
            Answer::Row(None) => return self.append(process),
            _ => unreachable!("of the log"),
        };
        match fate {
            Some(true) => self.durable(process),
            // A mutant goes on without its log.
            Some(false) if self.mutant == Some(Mutant::NoExit) => {}
            Some(false) => self.exit(process, true),
            None => self.after(process, Duration::from_millis(10), Timer::ReadBack),
        }
    }

    fn durable(&mut self, process: usize) {
        let it = &mut self.processes[process];
        it.writer.next_row += 1;
        for entry in it.writer.under_way.take().unwrap_or_default() {
            if entry.content == Content::End {
                it.served.remove(&entry.tenant);
                it.steward
                    .care
                    .insert(entry.tenant, Care::Gone(entry.epoch));
            }
            it.writer.untold.push(entry);
        }
        self.tell(process);
        self.write(process);
    }

    /// Tells what is durable, if the lease holds.
    pub fn tell(&mut self, process: usize) {
        let now = self.clock(process);
        let it = &mut self.processes[process];
        if it.alive && it.deadline.holds(now) {
            for entry in it.writer.untold.drain(..) {
                self.checks.told(&entry);
            }
        }
    }
}

/// A tenant's next entry.
fn entry(tenant: TenantId, served: &mut Served, content: Content) -> Entry {
    let number = served.next;
    served.next += 1;
    Entry {
        tenant,
        epoch: served.epoch,
        number,
        content,
    }
}
