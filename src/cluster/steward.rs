//! Looks at the other nodes, takes silent ones for dead, claims what has no owner, and hands over what belongs elsewhere.
//!
//! Must never: fence, claim or hand over when its own lease does not hold, claim from a log that is not sealed, or hand a
//! tenant over before the keeper said that all of it is durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use souk_protocol::TenantId;
use tokio::runtime::Runtime;

use super::lease::Lease;
use super::seen::Seen;
use super::snapshots::{self, Responsible};
use super::tasks::{Done, Task};
use super::view::{Process, View};
use crate::clock::{self, Moment, Seldom};
use crate::database::{Claimed, Connection, DatabaseError, Ownership, Poll, TELL_EVERY};
use crate::gateway::entrance::Entrance;
use crate::ids::Epoch;
use crate::lease::{Incarnation, NodeId, NodeRow, NodeState, Renewal, Sighting, Watch};
use crate::operations::TenantsHere;

/// How long the node that a tenant belongs to may take until any node claims it.
const LEFT_OVER: Duration = Duration::from_millis(500);
/// How long owners are believed when nothing says that they changed.
const OWNERS_FOR: Duration = Duration::from_millis(250);
/// Tenants that move away at one time, when all is well.
const MOVES_MAX: usize = 32;

/// What a steward is made with.
#[derive(Debug)]
pub(crate) struct Steward {
    pub lease: Arc<Lease>,
    pub connection: Connection,
    pub runtime: Runtime,
    pub entrance: Arc<Entrance>,
    pub tasks: Sender<Task>,
    pub done: Receiver<Done>,
    pub rebalance_after: Duration,
    /// Tenants that this node could serve.
    pub configured: BTreeSet<TenantId>,
    /// Whose snapshots this node takes.
    pub responsible: Responsible,
    /// Asks for the end: everything is handed over.
    pub ends: Arc<AtomicBool>,
}

/// What the steward knows.
#[derive(Debug)]
struct Known {
    watch: Watch,
    nodes: Vec<NodeRow>,
    owners: BTreeMap<TenantId, Ownership>,
    newest: Epoch,
    owners_at: Option<Moment>,
    /// The nodes that take tenants, and since when it is these.
    members: (Vec<Process>, Moment),
    /// Since when tenants have no owner.
    orphaned: BTreeMap<TenantId, Moment>,
    care: BTreeMap<TenantId, Care>,
    tell: Seldom,
}

/// What holds for all tenants in one look.
#[derive(Clone, Copy, Debug)]
struct Round {
    draining: bool,
    /// The nodes have been the same for long enough to even things out.
    settled: bool,
    /// Tenants on their way out.
    moving: usize,
    /// The owners that are known are not those of the database any more.
    changed: bool,
}

/// What this node does for a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Care {
    /// It is ready to take it over.
    Warm,
    /// The keeper takes it in.
    TakingIn(Epoch),
    Served(Epoch),
    /// The keeper lets it go.
    LettingGo(Epoch),
    /// It is to be handed over.
    Gone(Epoch),
    /// It is owned and cannot be served.
    Failed(Epoch),
}

impl Steward {
    /// Looks after the tenants until the lease is lost, or everything is handed over.
    pub(crate) fn run(mut self) {
        let watch = Watch::new(&self.lease.terms);
        let mut known = Known {
            watch,
            nodes: Vec::new(),
            owners: BTreeMap::new(),
            newest: Epoch(0),
            owners_at: None,
            members: (Vec::new(), clock::boottime()),
            orphaned: BTreeMap::new(),
            care: BTreeMap::new(),
            tell: Seldom::new(TELL_EVERY),
        };
        while self.lease.loss().is_none() && !self.lease.ends() {
            let begun = clock::boottime();
            match self.look(&mut known) {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => self.tell(&mut known, &error),
            }
            let lapsed = self.lease.deadline.lapsed(clock::boottime());
            // Others may have its tenants by now, and it does not hear of it.
            self.entrance.suspend(lapsed > self.lease.terms.ttl());
            let poll = self.lease.terms.poll();
            // A node that has just started does not let its tenants wait.
            let pause = if known.owners_at.is_none() {
                poll / 10
            } else {
                poll
            };
            self.listen(&mut known, begun.plus(pause));
        }
    }

    fn tell(&self, known: &mut Known, error: &DatabaseError) {
        let now = clock::boottime();
        if known.tell.is_due(now) {
            let left = self.lease.deadline.left(now);
            tracing::warn!(%error, ?left, "the cluster cannot be looked at");
        }
    }

    /// Waits for the next poll, or until the keeper has done something that the database must know.
    fn listen(&self, known: &mut Known, until: Moment) {
        loop {
            let left = until.since(clock::boottime());
            match self.done.recv_timeout(left) {
                Ok(done) => known.note(done),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(until.since(clock::boottime()));
                    return;
                }
            }
            if self.done.is_empty() && known.care.values().any(|it| matches!(it, Care::Gone(_))) {
                return;
            }
        }
    }

    /// One look, and everything that follows from it. Gives whether all is handed over and released.
    fn look(&mut self, known: &mut Known) -> Result<bool, DatabaseError> {
        let sent = clock::boottime();
        let poll = self.runtime.block_on(self.connection.poll())?;
        known.see(sent, clock::boottime(), &poll);
        let own = self.lease.own;
        let Some(row) = known.nodes.iter().find(|node| node.id == own.node) else {
            self.lease.judge(Renewal::Fenced);
            return Ok(false);
        };
        if row.incarnation != own.incarnation || row.boot != own.boot || !row.state.is_open() {
            self.lease.judge(Renewal::of(Some(row), &own, 0));
            return Ok(false);
        }
        let mut draining = row.state == NodeState::Draining;
        let ends = self.ends.load(Ordering::Acquire);
        if ends && !draining {
            let draw = self.connection.set_state(&own, NodeState::Draining);
            self.runtime.block_on(draw)?;
            draining = true;
        }
        if poll.read_only || !self.lease.holds() {
            return Ok(false);
        }
        self.fence_silent(known)?;
        let old = known.owners_at;
        if poll.newest != known.newest || old.is_none_or(|at| sent.since(at) > OWNERS_FOR) {
            self.read_owners(known, poll.newest)?;
        }
        if !draining && self.claim(known)? {
            self.read_owners(known, poll.newest)?;
        }
        self.care(known, draining)?;
        if ends && known.is_idle() {
            self.release()?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Takes those for dead that were silent for as long as they had promised not to be.
    fn fence_silent(&mut self, known: &mut Known) -> Result<(), DatabaseError> {
        let own = self.lease.own.node;
        for node in &mut known.nodes {
            let silence = known.watch.silence(node.id);
            if node.id == own || !node.state.is_open() || silence < node.ttl {
                continue;
            }
            if !self.lease.holds() {
                return Ok(());
            }
            if self.runtime.block_on(self.connection.fence(node))? {
                tracing::warn!(
                    node = node.name,
                    ?silence,
                    "a node is silent: its tenants are taken over"
                );
                Seen::count(&self.lease.seen.fenced);
                node.state = NodeState::Fenced;
            }
        }
        Ok(())
    }

    fn read_owners(&mut self, known: &mut Known, newest: Epoch) -> Result<(), DatabaseError> {
        let at = clock::boottime();
        known.owners = self.runtime.block_on(self.connection.owners())?;
        known.owners_at = Some(at);
        known.newest = newest;
        Ok(())
    }

    /// Claims tenants without an owner that belong to this node, or that nobody has claimed for long. Gives whether there were any.
    fn claim(&mut self, known: &mut Known) -> Result<bool, DatabaseError> {
        let now = clock::boottime();
        let own = self.lease.own;
        let view = known.view(&own);
        let orphans = view.orphans();
        let mut since = BTreeMap::new();
        let mut claims: Vec<(Process, Vec<TenantId>)> = Vec::new();
        for (process, tenants) in orphans {
            let mut wanted = Vec::new();
            for tenant in tenants {
                if !self.configured.contains(&tenant) {
                    continue;
                }
                let first = *known.orphaned.get(&tenant).unwrap_or(&now);
                since.insert(tenant, first);
                let heir = view.heir(tenant, None).map(|(node, _)| node);
                if heir == Some(own.node) || now.since(first) >= LEFT_OVER {
                    wanted.push(tenant);
                }
            }
            if !wanted.is_empty() {
                claims.push((process, wanted));
            }
        }
        known.orphaned = since;
        let claimed = !claims.is_empty();
        for ((node, incarnation), tenants) in claims {
            if !self.lease.holds() {
                break;
            }
            if node != NodeId(0) {
                let after = Incarnation(incarnation.0 + 1);
                let seal = self.connection.seal(node, after, own.node);
                self.runtime.block_on(seal)?;
            }
            let claim = self.connection.claim(&own, &tenants, (node, incarnation));
            let count = self.runtime.block_on(claim)?;
            tracing::info!(count, of = node.0, "tenants claimed");
        }
        Ok(claimed)
    }

    /// Gives the keeper its tasks, and hands over what it has let go.
    fn care(&mut self, known: &mut Known, draining: bool) -> Result<(), DatabaseError> {
        let own = self.lease.own;
        let mut round = Round {
            draining,
            settled: clock::boottime().since(known.members.1) >= self.rebalance_after,
            moving: known.moving(),
            changed: false,
        };
        let mut care = std::mem::take(&mut known.care);
        let mut done = Ok(());
        let view = known.view(&own);
        for (tenant, owner) in view.owners {
            let now = care.get(tenant).copied();
            let next = if view.is_own(owner) {
                self.care_for_own(view, *tenant, owner.epoch, now, &mut round)
            } else {
                Ok(self.care_for_others(view, *tenant, owner, now))
            };
            let next = next.unwrap_or_else(|error| {
                done = Err(error);
                now
            });
            match next {
                Some(next) => care.insert(*tenant, next),
                None => care.remove(tenant),
            };
        }
        snapshots::set(&self.responsible, snapshots_of(view));
        known.care = care;
        self.lease.seen.set_tenants(known.here());
        if round.changed {
            // What was handed over is not seen to be so before it is read.
            known.owners_at = None;
        }
        done
    }

    /// A tenant of this process.
    fn care_for_own(
        &mut self,
        view: View<'_>,
        tenant: TenantId,
        epoch: Epoch,
        now: Option<Care>,
        round: &mut Round,
    ) -> Result<Option<Care>, DatabaseError> {
        let own = view.own.node;
        let heir = view.heir(tenant, round.draining.then_some(own));
        Ok(match now {
            None | Some(Care::Warm) => {
                self.ask(Task::TakeIn(tenant, epoch));
                Some(Care::TakingIn(epoch))
            }
            Some(Care::Served(epoch)) => {
                let belongs = heir.is_some_and(|(node, _)| node != own);
                let moves = round.settled && belongs && round.moving < MOVES_MAX;
                if !(round.draining || moves) {
                    return Ok(now);
                }
                round.moving += 1;
                self.ask(Task::LetGo(tenant, view.place_of(heir, epoch)));
                Some(Care::LettingGo(epoch))
            }
            // Also to itself, if others are gone: under another epoch, so that what it did under this one is read.
            Some(Care::Gone(epoch)) => {
                let Some(heir) = heir else {
                    return Ok(now);
                };
                round.changed = true;
                let claimed = Claimed { tenant, epoch };
                let give = self.connection.hand_over(view.own, claimed, heir);
                self.runtime.block_on(give)?;
                None
            }
            Some(Care::TakingIn(_) | Care::LettingGo(_) | Care::Failed(_)) => now,
        })
    }

    /// A tenant of another process.
    fn care_for_others(
        &self,
        view: View<'_>,
        tenant: TenantId,
        owner: &Ownership,
        now: Option<Care>,
    ) -> Option<Care> {
        if !matches!(now, None | Some(Care::Warm | Care::Gone(_))) {
            // Its lease is lost, and it will hear of it.
            return now;
        }
        self.entrance.set(tenant, view.place(owner));
        match (view.is_next(tenant, owner), now) {
            (true, Some(Care::Warm)) => now,
            (true, _) => {
                self.ask(Task::WarmUp(tenant));
                Some(Care::Warm)
            }
            (false, Some(Care::Warm)) => {
                self.ask(Task::Cool(tenant));
                None
            }
            (false, _) => None,
        }
    }

    fn ask(&self, task: Task) {
        // A keeper that has ended has said why.
        let _ = self.tasks.send(task);
    }

    /// Gives the lease back: nobody waits for its end.
    fn release(&mut self) -> Result<(), DatabaseError> {
        let own = self.lease.own;
        self.lease.end();
        let after = Incarnation(own.incarnation.0 + 1);
        let seal = self.connection.seal(own.node, after, own.node);
        self.runtime.block_on(seal)?;
        let release = self.connection.set_state(&own, NodeState::Released);
        self.runtime.block_on(release).map(drop)
    }
}

/// The tenants whose snapshots a node takes: those it is the next for, and its own if nobody is.
fn snapshots_of(view: View<'_>) -> BTreeSet<TenantId> {
    let takes = |(tenant, owner): (&TenantId, &Ownership)| {
        let next = view.is_next(*tenant, owner);
        let alone = view.is_own(owner) && view.heir(*tenant, Some(owner.node)).is_none();
        (next || alone).then_some(*tenant)
    };
    view.owners.iter().filter_map(takes).collect()
}

impl Known {
    fn view<'a>(&'a self, own: &'a crate::lease::Registered) -> View<'a> {
        View {
            own,
            nodes: &self.nodes,
            owners: &self.owners,
        }
    }

    fn see(&mut self, sent: Moment, answered: Moment, poll: &Poll) {
        let shown: Vec<_> = poll.nodes.iter().map(Sighting::from).collect();
        self.watch.see(&poll.server, sent, answered, &shown);
        self.nodes.clone_from(&poll.nodes);
        let live = |node: &&NodeRow| node.state == NodeState::Live;
        let process = |node: &NodeRow| (node.id, node.incarnation);
        let members: Vec<_> = self.nodes.iter().filter(live).map(process).collect();
        if self.members.0 != members {
            self.members = (members, answered);
            // Who is next may be another one now.
            self.owners_at = None;
        }
    }

    fn note(&mut self, done: Done) {
        let (Done::Served(tenant) | Done::Gone(tenant) | Done::Failed(tenant)) = done;
        let Some(care) = self.care.get_mut(&tenant) else {
            return;
        };
        *care = match (*care, done) {
            (Care::TakingIn(epoch), Done::Served(_)) => Care::Served(epoch),
            (Care::LettingGo(epoch), Done::Gone(_)) => Care::Gone(epoch),
            (Care::TakingIn(epoch) | Care::LettingGo(epoch), Done::Failed(_)) => {
                Care::Failed(epoch)
            }
            (care, _) => care,
        };
    }

    /// What is done with how many tenants.
    fn here(&self) -> TenantsHere {
        let mut here = TenantsHere::default();
        for care in self.care.values() {
            *match care {
                Care::Served(_) => &mut here.served,
                Care::TakingIn(_) | Care::LettingGo(_) | Care::Gone(_) => &mut here.moving,
                Care::Warm => &mut here.warm,
                Care::Failed(_) => &mut here.failed,
            } += 1;
        }
        here
    }

    fn moving(&self) -> usize {
        let moves = |care: &&Care| matches!(care, Care::LettingGo(_) | Care::Gone(_));
        self.care.values().filter(moves).count()
    }

    /// Whether nothing is served, and nothing is on its way out that somebody would take.
    fn is_idle(&self) -> bool {
        let someone = !self.members.0.is_empty();
        self.care.values().all(|care| match care {
            Care::Warm | Care::Failed(_) => true,
            Care::Gone(_) => !someone,
            Care::TakingIn(_) | Care::Served(_) | Care::LettingGo(_) => false,
        })
    }
}
