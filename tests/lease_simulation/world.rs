//! Time, the queue of events, hosts with their clocks and links, and the database behind them.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

use souk::clock::Moment;
use souk::lease::{BootId, LeaseTerms, Registration};
use souk_protocol::TenantId;

use super::checks::Checks;
use super::database::{Answer, Database, Statement};
use super::mutant::Mutant;
use super::plan::{HOSTS, MS, Mode, NAMES, NODES, Plan};
use super::process::{Process, TASKS, Task, Timer};
use super::random::Random;
use super::renewer::Renewer;

pub const TENANTS: [TenantId; 2] = [TenantId(1), TenantId(2)];
/// Of statements that do not renew.
const STATEMENT_TIMEOUT: Duration = Duration::from_millis(400);

#[derive(Debug)]
pub enum Event {
    /// A fault of the plan begins.
    Fault(usize),
    /// A link is as it was before, unless something else has become of it.
    LinkHeals {
        host: usize,
        generation: u64,
    },
    Resume {
        host: usize,
        generation: u64,
    },
    DatabaseThaws,
    Start(usize),
    Sample,
    /// A statement comes to the database.
    Arrive(Call, Statement),
    Of(usize, Happens),
}

/// What happens to a process. A process that pauses sees it afterwards.
#[derive(Debug)]
pub enum Happens {
    Depart(Call, Statement),
    Answer(Call, Answer),
    TimedOut(Call),
    Timer(Timer),
}

#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub process: usize,
    pub task: Task,
    pub number: u64,
}

#[derive(Debug)]
struct Queued {
    at: u64,
    order: u64,
    event: Event,
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Queued {}

#[derive(Debug)]
pub struct Host {
    /// Its clock is wrong by so many millionths: fewer than the rules allow for.
    rate_ppm: i64,
    /// What its clock showed when the run began, and lost since.
    offset: u64,
    pub clock_lost: u64,
    pub process: Option<usize>,
    /// What the last process of it left behind, which its lock proves dead.
    pub left: Option<BootId>,
    /// Nobody starts its process again.
    pub given_up: bool,
    pub paused: bool,
    /// Since when its clock stands still.
    pub stopped: Option<u64>,
    pub generation: u64,
    held: Vec<(usize, Happens)>,
    pub links: [Mode; TASKS],
    pub link_generation: u64,
}

#[derive(Debug)]
pub struct World {
    pub now: u64,
    pub random: Random,
    pub mutant: Option<Mutant>,
    pub renewer: Renewer,
    pub terms: LeaseTerms,
    pub plan: Plan,
    pub hosts: Vec<Host>,
    pub processes: Vec<Process>,
    pub database: Database,
    pub checks: Checks,
    pub frozen: bool,
    /// It is frozen, and takes no connection.
    pub refusing: bool,
    pub held_statements: Vec<(Call, Statement)>,
    pub wall_jump_ms: i64,
    pub numbers: u64,
    /// Until when clocks that stood still may mislead.
    pub misled_until: u64,
    pub samples: Samples,
    pub crashes: u64,
    pub pauses: u64,
    pub twins: u64,
    queue: BinaryHeap<Queued>,
}

/// How often a lease was looked at, and how often it held.
#[derive(Clone, Copy, Debug, Default)]
pub struct Samples {
    pub taken: u64,
    pub held: u64,
}

impl World {
    pub fn new(seed: u64, plan: Plan, mutant: Option<Mutant>, renewer: Renewer) -> Self {
        let mut random = Random(seed ^ 0x005e_ed0f_0a11);
        let host = |_| Host {
            rate_ppm: random.below(1_800) as i64 - 900,
            offset: random.between(1_000_000, 1_000_000_000) * 1_000,
            clock_lost: 0,
            process: None,
            left: None,
            given_up: false,
            paused: false,
            stopped: None,
            generation: 0,
            held: Vec::new(),
            links: [Mode::Good; TASKS],
            link_generation: 0,
        };
        let hosts = (0..HOSTS).map(host).collect();
        let mut world = Self {
            now: 0,
            random,
            mutant,
            renewer,
            terms: plan.terms,
            plan,
            hosts,
            processes: Vec::new(),
            database: Database::new(mutant, TENANTS.into_iter()),
            checks: Checks::default(),
            frozen: false,
            refusing: false,
            held_statements: Vec::new(),
            wall_jump_ms: 0,
            numbers: 0,
            misled_until: 0,
            samples: Samples::default(),
            crashes: 0,
            pauses: 0,
            twins: 0,
            queue: BinaryHeap::new(),
        };
        for host in 0..NODES {
            let at = world.random.below(50 * MS);
            world.push(at, Event::Start(host));
        }
        for at in 0..world.plan.faults.len() {
            world.push(world.plan.faults[at].0, Event::Fault(at));
        }
        world.push(1_000 * MS, Event::Sample);
        world
    }

    pub fn push(&mut self, at: u64, event: Event) {
        self.numbers += 1;
        self.queue.push(Queued {
            at,
            order: self.numbers,
            event,
        });
    }

    pub fn run(&mut self) {
        while let Some(Queued { at, event, .. }) = self.queue.pop() {
            if at > self.plan.end {
                break;
            }
            self.now = at;
            self.checks.now_ms = at / MS;
            self.checks.clocks_run = at >= self.misled_until;
            self.happen(event);
        }
        self.now = self.plan.end;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Fault(at) => self.fault(self.plan.faults[at].1),
            Event::LinkHeals { host, generation } => self.link_heals(host, generation),
            Event::Resume { host, generation } => self.resume(host, generation),
            Event::DatabaseThaws => {
                self.frozen = false;
                self.refusing = false;
                for (call, statement) in std::mem::take(&mut self.held_statements) {
                    self.execute(call, statement);
                }
            }
            Event::Start(host) => self.start(host),
            Event::Sample => self.sample(),
            Event::Arrive(call, statement) => {
                if self.refusing {
                    if let Some(after) = self.way(call, false) {
                        let happens = Happens::TimedOut(call);
                        self.push(self.now + after, Event::Of(call.process, happens));
                    }
                } else if self.frozen {
                    self.held_statements.push((call, statement));
                } else {
                    self.execute(call, statement);
                }
            }
            Event::Of(process, happens) => {
                let Process { alive, host, .. } = self.processes[process];
                if !alive {
                    return;
                }
                if self.hosts[host].paused {
                    self.hosts[host].held.push((process, happens));
                } else {
                    self.go_on(process, happens);
                }
            }
        }
    }

    /// What was held comes to pass: answers first, as whoever waits for one looks for it before it looks at the time.
    pub fn release_held(&mut self, host: usize) {
        let mut held = std::mem::take(&mut self.hosts[host].held);
        held.sort_by_key(|(_, happens)| !matches!(happens, Happens::Answer(..)));
        for (process, happens) in held {
            self.push(self.now, Event::Of(process, happens));
        }
    }

    fn go_on(&mut self, process: usize, happens: Happens) {
        match happens {
            Happens::Depart(call, statement) => {
                if let Some(after) = self.way(call, true) {
                    self.push(self.now + after, Event::Arrive(call, statement));
                }
            }
            Happens::Answer(call, answer) => {
                if self.processes[process].channels[call.task as usize].call == Some(call.number) {
                    self.answered(call, answer);
                }
            }
            Happens::TimedOut(call) => {
                let channel = &mut self.processes[process].channels[call.task as usize];
                if channel.call == Some(call.number) {
                    channel.connected = false;
                    channel.call = None;
                    channel.behind = None;
                    self.failed(process, call.task);
                }
            }
            Happens::Timer(timer) => self.timer(process, timer),
        }
    }

    fn execute(&mut self, call: Call, statement: Statement) {
        if matches!(
            statement,
            Statement::Register { .. } | Statement::Fence(..) | Statement::Seal(_)
        ) {
            self.checks.holding = self.holding();
        }
        self.database.wall_ms = (self.now / MS) as i64 as u64 + WALL_BEGIN_MS;
        self.database.wall_ms = self
            .database
            .wall_ms
            .saturating_add_signed(self.wall_jump_ms);
        let answer = self.database.execute(statement, &mut self.checks);
        if let Some(after) = self.way(call, false) {
            let happens = Happens::Answer(call, answer);
            self.push(self.now + after, Event::Of(call.process, happens));
        }
    }

    /// How long a message takes, if it comes at all. What a link has lost may come when nobody waits for it any more.
    fn way(&mut self, call: Call, there: bool) -> Option<u64> {
        let host = self.processes[call.process].host;
        let mode = self.hosts[host].links[call.task as usize];
        let usual = self.random.between(MS / 10, 2 * MS);
        let lost = match mode {
            Mode::Good => false,
            Mode::Slow(max) => return Some(usual + self.random.below(max)),
            Mode::Jumpy(late) => {
                let late = if self.random.percent(30) { late } else { 0 };
                return Some(usual + late);
            }
            Mode::Black => true,
            Mode::Deaf => !there,
            Mode::Mute => there,
            Mode::Flaky(chance) => self.random.percent(chance),
        };
        if !lost {
            return Some(usual);
        }
        let late = there && self.random.percent(30);
        let ttl = self.terms.ttl().as_nanos() as u64;
        late.then(|| self.random.between(ttl / 4, ttl * 2))
    }

    // What a process does with its connections.

    /// Sends a statement, over a new connection if there is none.
    pub fn ask(&mut self, process: usize, task: Task, statement: Statement) {
        let timeout = self.timeout(task);
        let channel = &mut self.processes[process].channels[task as usize];
        debug_assert!(channel.call.is_none(), "{task:?} asks one thing at a time");
        if channel.connected {
            self.send(process, task, statement, timeout);
        } else {
            channel.behind = Some(statement);
            let patience = timeout.max(self.terms.ttl() / 4);
            self.send(process, task, Statement::Connect, patience);
        }
    }

    fn timeout(&self, task: Task) -> Duration {
        match task.heart() {
            Some(_) => self.terms.timeout(),
            None => STATEMENT_TIMEOUT,
        }
    }

    fn send(&mut self, process: usize, task: Task, statement: Statement, patience: Duration) {
        self.numbers += 1;
        let number = self.numbers;
        let call = Call {
            process,
            task,
            number,
        };
        let now = self.clock(process);
        let channel = &mut self.processes[process].channels[task as usize];
        channel.call = Some(number);
        channel.sent = now;
        let depart = self.now + self.random.below(MS / 5);
        self.push(depart, Event::Of(process, Happens::Depart(call, statement)));
        let until = self.now + patience.as_nanos() as u64;
        self.push(until, Event::Of(process, Happens::TimedOut(call)));
    }

    fn answered(&mut self, call: Call, answer: Answer) {
        let Call { process, task, .. } = call;
        let channel = &mut self.processes[process].channels[task as usize];
        channel.call = None;
        if let Some(statement) = channel.behind.take() {
            channel.connected = true;
            let timeout = self.timeout(task);
            return self.send(process, task, statement, timeout);
        }
        match task {
            Task::Heart0 | Task::Heart1 => self.renewed(process, task, answer),
            Task::Steward if self.processes[process].own.is_none() => {
                self.looked(process, answer);
            }
            Task::Steward => self.stewarded(process, answer),
            Task::Writer => self.written(process, answer),
            Task::Keeper => self.kept(process, answer),
        }
    }

    fn failed(&mut self, process: usize, task: Task) {
        let now = self.clock(process);
        match task {
            Task::Heart0 | Task::Heart1 => self.not_renewed(process, task),
            Task::Steward if self.processes[process].own.is_none() => {
                self.after(process, self.terms.poll(), Timer::Register);
            }
            Task::Steward => self.end_look(process, now),
            Task::Writer => self.after(process, Duration::from_millis(10), Timer::ReadBack),
            Task::Keeper => self.after(process, Duration::from_millis(20), Timer::Keep),
        }
    }

    fn timer(&mut self, process: usize, timer: Timer) {
        match timer {
            Timer::Register => {
                let name = self.processes[process].name;
                self.ask(process, Task::Steward, Statement::Look(name));
            }
            Timer::Renew(task) => self.renew(process, task),
            Timer::Poll => self.look(process),
            Timer::Work => self.work(process),
            Timer::ReadBack => self.read_back(process),
            Timer::Keep => self.keep(process),
        }
    }

    pub fn after(&mut self, process: usize, span: Duration, timer: Timer) {
        let at = self.now + span.as_nanos() as u64;
        self.push(at, Event::Of(process, Happens::Timer(timer)));
    }

    // Clocks.

    /// What a process's clock shows.
    pub fn clock(&self, process: usize) -> Moment {
        let host = &self.hosts[self.processes[process].host];
        let ran = host.stopped.unwrap_or(self.now) - host.clock_lost;
        let wrong = ran as i64 / 1_000_000 * host.rate_ppm;
        Moment((host.offset + ran).saturating_add_signed(wrong))
    }

    // The life of a process.

    fn start(&mut self, at: usize) {
        if self.hosts[at].process.is_some() || self.hosts[at].given_up {
            return;
        }
        // Nobody watches over the twin.
        if let Some(name) = NAMES.get(at) {
            self.start_as(at, name);
        }
    }

    pub fn start_as(&mut self, at: usize, name: &'static str) {
        self.numbers += 1;
        let boot = BootId(u128::from(self.numbers).to_be_bytes());
        let dead = self.hosts[at].left.take();
        let process = Process::new(at, name, boot, dead, &self.terms, self.mutant);
        self.processes.push(process);
        let number = self.processes.len() - 1;
        self.hosts[at].process = Some(number);
        self.timer(number, Timer::Register);
    }

    /// Ends a process. What is left of it proves its death to the next one on its host, unless that is lost.
    pub fn kill(&mut self, process: usize, proof: bool) {
        let Process { host, boot, .. } = self.processes[process];
        self.processes[process].alive = false;
        self.hosts[host].process = None;
        self.hosts[host].left = proof.then_some(boot);
    }

    /// Whoever has the name is dead, says a mutant.
    pub fn blind_proof(&mut self, process: usize, boot: BootId) {
        self.processes[process].registration = Registration::new(Some(boot));
    }

    fn sample(&mut self) {
        let own = (0..NODES).filter_map(|host| self.hosts[host].process);
        let held = own.filter(|process| {
            let now = self.clock(*process);
            self.processes[*process].deadline.holds(now)
        });
        self.samples.held += held.count() as u64;
        self.samples.taken += NODES as u64;
        self.push(self.now + 10 * MS, Event::Sample);
    }
}

/// Long after 1970.
const WALL_BEGIN_MS: u64 = 1_700_000_000_000;
