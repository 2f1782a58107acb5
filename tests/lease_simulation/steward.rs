//! Becoming a node, and looking at the others: the steps of `src/cluster/registration.rs` and `src/cluster/steward.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use souk::clock::Moment;
use souk::lease::{Candidate, Entry, Incarnation, NodeId, NodeState, Renewal, ranking};
use souk_protocol::TenantId;

use super::database::{Answer, Owner, Process as Name, Statement};
use super::mutant::Mutant;
use super::process::{Care, Job, Process, Step, Steward, Task, Timer};
use super::world::World;

const LEFT_OVER: Duration = Duration::from_millis(500);
const OWNERS_FOR: Duration = Duration::from_millis(250);
const REBALANCE_AFTER: Duration = Duration::from_millis(400);

impl World {
    pub fn looked(&mut self, process: usize, answer: Answer) {
        let row = match answer {
            Answer::Node(row) => row,
            Answer::Registered(Some((own, log))) => return self.begin(process, own, log),
            _ => return self.after(process, self.terms.poll(), Timer::Register),
        };
        let now = self.clock(process);
        let duels = self.hosts[self.processes[process].host].given_up;
        if let (Some(row), true) = (
            &row,
            self.mutant == Some(Mutant::BlindProof)
                || duels && self.mutant == Some(Mutant::NoExitButDuel),
        ) {
            self.blind_proof(process, row.boot);
        }
        let mutant = self.mutant;
        let it = &mut self.processes[process];
        let sent = it.channels[Task::Steward as usize].sent;
        it.steward.see(sent, now, mutant, row.as_slice());
        let silence = match &row {
            Some(row) => silence_needed(mutant, it.steward.watch.silence(row.id)),
            None => Duration::ZERO,
        };
        match it.registration.decide(row.as_ref(), silence) {
            Entry::Now => {
                let register = Statement::Register {
                    name: it.name,
                    boot: it.boot,
                    ttl: self.terms.ttl(),
                    seen: row.map(|row| (row.incarnation, row.beat)),
                };
                self.ask(process, Task::Steward, register);
            }
            Entry::Wait => self.after(process, self.terms.poll(), Timer::Register),
            // Whoever watches over it tries again, and the one who has the name is left in peace again.
            Entry::Duplicate => self.exit(process, true),
        }
    }

    fn begin(&mut self, process: usize, own: souk::lease::Registered, log: usize) {
        let now = self.clock(process);
        let it = Process::new(
            self.processes[process].host,
            self.processes[process].name,
            own.boot,
            None,
            &self.terms,
            self.mutant,
        );
        let before = std::mem::replace(&mut self.processes[process], it);
        let it = &mut self.processes[process];
        it.channels = before.channels;
        it.own = Some(own);
        it.log = log;
        it.steward.members.1 = now;
        self.begin_renewals(process);
        self.look(process);
        self.after(process, Duration::from_millis(30), Timer::Work);
    }

    fn holds(&self, process: usize) -> bool {
        self.processes[process].deadline.holds(self.clock(process))
    }

    pub fn look(&mut self, process: usize) {
        self.processes[process].steward.begun = self.clock(process);
        self.ask(process, Task::Steward, Statement::Poll);
    }

    pub fn end_look(&mut self, process: usize, now: Moment) {
        let begun = self.processes[process].steward.begun;
        let wait = begun.plus(self.terms.poll()).since(now);
        self.after(process, wait, Timer::Poll);
    }

    pub fn stewarded(&mut self, process: usize, answer: Answer) {
        let now = self.clock(process);
        match answer {
            Answer::Poll {
                nodes,
                silences,
                newest,
            } => {
                let mutant = self.mutant;
                let it = &mut self.processes[process];
                let sent = it.channels[Task::Steward as usize].sent;
                it.steward.see(sent, now, mutant, &nodes);
                it.steward.note_members(now, nodes);
                it.steward.silences = silences;
                it.steward.newest.1 = newest;
                if !self.is_node_still(process) {
                    return;
                }
                if !self.holds(process) {
                    return self.end_look(process, now);
                }
                self.plan_fences(process);
            }
            Answer::Owners(owners) => {
                let steward = &mut self.processes[process].steward;
                steward.owners = owners;
                steward.newest.0 = steward.newest.1;
                steward.owners_at = Some(now);
            }
            // Fenced, sealed, claimed or handed over, or not.
            _ => {}
        }
        self.go_through(process);
    }

    /// Whether the process's own row says that it may go on.
    fn is_node_still(&mut self, process: usize) -> bool {
        let it = &self.processes[process];
        let Some(own) = it.own else { return false };
        let row = it.steward.nodes.iter().find(|row| row.id == own.node);
        let good = row.is_some_and(|row| {
            row.incarnation == own.incarnation && row.boot == own.boot && row.state.is_open()
        });
        if !good {
            let renewal = Renewal::of(row, &own, 0);
            self.judge(process, renewal);
            if self.processes[process].alive {
                let now = self.clock(process);
                self.end_look(process, now);
            }
        }
        good
    }

    fn plan_fences(&mut self, process: usize) {
        let mutant = self.mutant;
        let it = &mut self.processes[process];
        let own = it.own.map(|own| own.node);
        it.steward.step = Step::Fencing;
        it.steward.claimed = false;
        it.steward.todo.clear();
        for (at, row) in it.steward.nodes.iter_mut().enumerate() {
            let silence = match mutant {
                Some(Mutant::WallClock) => it.steward.silences[at],
                _ => silence_needed(mutant, it.steward.watch.silence(row.id)),
            };
            if Some(row.id) != own && row.state.is_open() && silence >= row.ttl {
                let fence = Statement::Fence((row.id, row.incarnation), row.beat);
                it.steward.todo.push_back(fence);
            }
        }
    }

    /// Goes on with a look, up to the next statement or to its end.
    fn go_through(&mut self, process: usize) {
        loop {
            let now = self.clock(process);
            if self.processes[process].steward.todo.front().is_some() {
                let handing = self.processes[process].steward.step == Step::HandingOver;
                if !handing && !self.holds(process) {
                    return self.end_look(process, now);
                }
                let next = self.processes[process].steward.todo.pop_front();
                let next = next.expect("it has a front");
                return self.ask(process, Task::Steward, next);
            }
            let it = &mut self.processes[process];
            match it.steward.step {
                Step::Fencing => {
                    it.steward.step = Step::Reading;
                    let stale = |at: Moment| it.steward.begun.since(at) > OWNERS_FOR;
                    let changed = it.steward.newest.0 != it.steward.newest.1;
                    if changed || it.steward.owners_at.is_none_or(stale) {
                        it.steward.todo.push_back(Statement::Owners);
                    }
                }
                Step::Reading => {
                    it.steward.step = Step::Claiming;
                    self.plan_claims(process, now);
                }
                Step::Claiming => {
                    it.steward.step = Step::Rereading;
                    if it.steward.claimed {
                        it.steward.todo.push_back(Statement::Owners);
                    }
                }
                Step::Rereading => {
                    it.steward.step = Step::HandingOver;
                    self.care(process, now);
                }
                Step::HandingOver => return self.end_look(process, now),
            }
        }
    }

    fn plan_claims(&mut self, process: usize, now: Moment) {
        let mutant = self.mutant;
        let sealless = mutant == Some(Mutant::ClaimWithoutSeal);
        let it = &mut self.processes[process];
        let Some(own) = it.own else { return };
        let mut since = BTreeMap::new();
        let mut claims: BTreeMap<Name, Vec<TenantId>> = BTreeMap::new();
        for (tenant, owner) in &it.steward.owners {
            if !it.steward.has_ended(owner, mutant) {
                continue;
            }
            let first = *it.steward.orphaned.get(tenant).unwrap_or(&now);
            since.insert(*tenant, first);
            let heir = it.steward.heir(*tenant).map(|(node, _)| node);
            if heir == Some(own.node) || now.since(first) >= LEFT_OVER {
                claims.entry(owner.process).or_default().push(*tenant);
            }
        }
        it.steward.orphaned = since;
        it.steward.claimed = !claims.is_empty();
        for ((node, incarnation), tenants) in claims {
            if node != NodeId(0) && !sealless {
                let after = Incarnation(incarnation.0 + 1);
                it.steward.todo.push_back(Statement::Seal((node, after)));
            }
            it.steward.todo.push_back(Statement::Claim {
                own: (own.node, own.incarnation),
                tenants,
                of: (node, incarnation),
            });
        }
    }

    /// Gives the keeper its jobs, and hands over what it has let go.
    fn care(&mut self, process: usize, now: Moment) {
        let serves_again = self.mutant == Some(Mutant::ServeAgainUnderOldEpoch);
        let Process {
            own,
            steward,
            keeper,
            ..
        } = &mut self.processes[process];
        let Some(own) = own.map(|own| (own.node, own.incarnation)) else {
            return;
        };
        let settled = now.since(steward.members.1) >= REBALANCE_AFTER;
        for (tenant, owner) in steward.owners.clone() {
            let is_own = owner.process == own;
            let heir = steward.heir(tenant).filter(|(node, _)| *node != own.0);
            let next = match (is_own, steward.care.get(&tenant).copied()) {
                (true, Some(Care::Gone(epoch))) if owner.epoch > epoch => {
                    keeper.jobs.push_back(Job::TakeIn(tenant, owner.epoch));
                    Some(Care::TakingIn(owner.epoch))
                }
                (true, None) => {
                    keeper.jobs.push_back(Job::TakeIn(tenant, owner.epoch));
                    Some(Care::TakingIn(owner.epoch))
                }
                (true, Some(Care::Served(epoch))) if settled && heir.is_some() => {
                    keeper.jobs.push_back(Job::LetGo(tenant));
                    Some(Care::LettingGo(epoch))
                }
                (true, Some(Care::Gone(_))) if heir.is_none() && serves_again => {
                    keeper.jobs.push_back(Job::TakeIn(tenant, owner.epoch));
                    Some(Care::TakingIn(owner.epoch))
                }
                (true, Some(Care::Gone(epoch))) => {
                    steward.owners_at = None;
                    steward.todo.push_back(Statement::HandOver {
                        own,
                        tenant,
                        epoch,
                        // Under a new epoch, if it stays.
                        to: heir.unwrap_or(own),
                    });
                    Some(Care::Gone(epoch))
                }
                (false, Some(Care::Gone(_))) => None,
                (_, care) => care,
            };
            match next {
                Some(next) => steward.care.insert(tenant, next),
                None => steward.care.remove(&tenant),
            };
        }
        self.keep(process);
    }
}

/// What a mutant takes for a whole silence.
fn silence_needed(mutant: Option<Mutant>, silence: Duration) -> Duration {
    match mutant {
        Some(Mutant::HalfTheSilence) => silence * 2,
        _ => silence,
    }
}

impl Steward {
    fn note_members(&mut self, now: Moment, nodes: Vec<souk::lease::NodeRow>) {
        self.nodes = nodes;
        let live = self.nodes.iter().filter(|row| row.state == NodeState::Live);
        let members: Vec<_> = live.map(|row| (row.id, row.incarnation)).collect();
        if self.members.0 != members {
            self.members = (members, now);
            self.owners_at = None;
        }
    }

    fn has_ended(&self, owner: &Owner, mutant: Option<Mutant>) -> bool {
        let (id, incarnation) = owner.process;
        let newer = mutant == Some(Mutant::NewOwnerIsDead);
        let row = self.nodes.iter().find(|row| row.id == id);
        row.is_none_or(|row| {
            row.incarnation > incarnation
                || row.incarnation < incarnation && newer
                || row.incarnation == incarnation && !row.state.is_open()
        })
    }

    fn heir(&self, tenant: TenantId) -> Option<Name> {
        let live = self.nodes.iter().filter(|row| row.state == NodeState::Live);
        let candidates: Vec<_> = live
            .map(|row| Candidate {
                node: row.id,
                name: &row.name,
                weight: row.weight,
            })
            .collect();
        let first = *ranking(tenant, &candidates).first()?;
        let row = self.nodes.iter().find(|row| row.id == first)?;
        Some((row.id, row.incarnation))
    }
}
