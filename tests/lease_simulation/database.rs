//! The effect of each statement of `src/database/leases.rs` and `src/database/log.rs`, as a plain struct: a statement is done
//! as a whole at one moment, or not at all.

use std::collections::BTreeMap;
use std::time::Duration;

use souk::ids::Epoch;
use souk::lease::{BootId, Incarnation, NodeId, NodeRow, NodeState, Registered};
use souk_protocol::TenantId;

use super::checks::Checks;
use super::mutant::Mutant;

/// A node's process.
pub type Process = (NodeId, Incarnation);

/// One command of a tenant, as a log keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub tenant: TenantId,
    pub epoch: Epoch,
    /// Its place in the tenant's history, from 1 on.
    pub number: u64,
    pub content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing else has this number.
    Work(u64),
    /// The owner has let the tenant go: nothing of this epoch comes after it.
    End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    Group(Vec<Entry>),
    Seal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    pub epoch: Epoch,
    pub log: usize,
    pub first_row: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub process: Process,
    pub epoch: Epoch,
}

#[derive(Clone, Debug)]
pub enum Statement {
    Connect,
    Look(&'static str),
    Register {
        name: &'static str,
        boot: BootId,
        ttl: Duration,
        seen: Option<(Incarnation, u64)>,
    },
    Renew(Registered, u64),
    Poll,
    Fence(Process, u64),
    Owners,
    Seal(Process),
    Claim {
        own: Process,
        tenants: Vec<TenantId>,
        of: Process,
    },
    HandOver {
        own: Process,
        tenant: TenantId,
        epoch: Epoch,
        to: Process,
    },
    Append(usize, u64, Vec<Entry>),
    ReadBack(usize, u64),
    Tenures(TenantId),
    BeginTenure(TenantId, Tenure),
    Rows(usize, u64),
}

#[derive(Clone, Debug)]
pub enum Answer {
    Done,
    Node(Option<NodeRow>),
    Registered(Option<(Registered, usize)>),
    Changed(bool),
    Poll {
        nodes: Vec<NodeRow>,
        /// For how long each has not beaten, by the wall clock.
        silences: Vec<Duration>,
        newest: Epoch,
    },
    Owners(BTreeMap<TenantId, Owner>),
    /// Another row has the number.
    DuplicateKey,
    Row(Option<Row>),
    Tenures(Vec<Tenure>),
    Rows(Vec<Row>),
}

#[derive(Debug, Default)]
struct Log {
    of: Option<Process>,
    sealed: bool,
    rows: Vec<Row>,
}

#[derive(Debug)]
pub struct Database {
    mutant: Option<Mutant>,
    nodes: Vec<NodeRow>,
    /// By node: the wall clock at its last beat, in milliseconds.
    beat_at: Vec<u64>,
    tenants: BTreeMap<TenantId, Owner>,
    logs: Vec<Log>,
    tenures: BTreeMap<(TenantId, Epoch), Tenure>,
    /// The wall clock, in milliseconds.
    pub wall_ms: u64,
    pub counts: Counts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub registrations: u64,
    pub fences: u64,
    pub claims: u64,
    pub handovers: u64,
    pub rows: u64,
}

impl Database {
    pub fn new(mutant: Option<Mutant>, tenants: impl Iterator<Item = TenantId>) -> Self {
        let nobody = Owner {
            process: (NodeId(0), Incarnation(0)),
            epoch: Epoch(0),
        };
        Self {
            mutant,
            nodes: Vec::new(),
            beat_at: Vec::new(),
            tenants: tenants.map(|tenant| (tenant, nobody)).collect(),
            logs: Vec::new(),
            tenures: BTreeMap::new(),
            wall_ms: 0,
            counts: Counts::default(),
        }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn node(&mut self, id: NodeId) -> Option<&mut NodeRow> {
        self.nodes.get_mut((id.0 as usize).wrapping_sub(1))
    }

    pub fn execute(&mut self, statement: Statement, checks: &mut Checks) -> Answer {
        match statement {
            Statement::Connect => Answer::Done,
            Statement::Look(name) => {
                let row = self.nodes.iter().find(|row| row.name == name);
                Answer::Node(row.cloned())
            }
            Statement::Register {
                name,
                boot,
                ttl,
                seen,
            } => Answer::Registered(self.register(name, boot, ttl, seen, checks)),
            Statement::Renew(own, beat) => self.renew(&own, beat),
            Statement::Poll => {
                let wall = self.wall_ms;
                let silent = |at: &u64| Duration::from_millis(wall.saturating_sub(*at));
                Answer::Poll {
                    nodes: self.nodes.clone(),
                    silences: self.beat_at.iter().map(silent).collect(),
                    newest: self.newest(),
                }
            }
            Statement::Fence(process, beat) => Answer::Changed(self.fence(process, beat, checks)),
            Statement::Owners => Answer::Owners(self.tenants.clone()),
            Statement::Seal((node, before)) => {
                self.seal(node, before, checks);
                Answer::Done
            }
            Statement::Claim { own, tenants, of } => {
                for tenant in tenants {
                    if self.tenants[&tenant].process == of {
                        self.counts.claims += 1;
                        self.give(tenant, own, checks);
                    }
                }
                Answer::Done
            }
            Statement::HandOver {
                own,
                tenant,
                epoch,
                to,
            } => {
                let owner = self.tenants[&tenant];
                let given = owner.process == own && owner.epoch == epoch;
                if given {
                    self.counts.handovers += 1;
                    self.give(tenant, to, checks);
                }
                Answer::Changed(given)
            }
            Statement::Append(log, seq, entries) => self.append(log, seq, entries, checks),
            Statement::ReadBack(log, seq) => {
                let row = self.logs[log].rows.get(seq as usize - 1);
                Answer::Row(row.cloned())
            }
            Statement::Tenures(tenant) => Answer::Tenures(self.tenures(tenant)),
            Statement::BeginTenure(tenant, tenure) => {
                let key = (tenant, tenure.epoch);
                self.tenures.entry(key).or_insert(tenure);
                Answer::Done
            }
            Statement::Rows(log, from) => Answer::Rows(self.rows(log, from)),
        }
    }

    fn newest(&self) -> Epoch {
        let epochs = self.tenants.values().map(|owner| owner.epoch);
        epochs.max().unwrap_or(Epoch(0))
    }

    fn tenures(&self, tenant: TenantId) -> Vec<Tenure> {
        let all = (tenant, Epoch(0))..=(tenant, Epoch(u64::MAX));
        let of = self.tenures.range(all);
        of.map(|(_, tenure)| *tenure).collect()
    }

    fn rows(&self, log: usize, from: u64) -> Vec<Row> {
        let rowless = self.is(Mutant::AppendWithoutSealOrItsRow);
        let log = &self.logs[log];
        let rows = log.rows.get(from as usize - 1..).unwrap_or_default();
        let mut rows = rows.to_vec();
        if rowless && log.sealed {
            rows.push(Row::Seal);
        }
        rows
    }

    /// A tenant's history as whoever takes it over reads it: the numbers of its entries.
    pub fn history(&self, tenant: TenantId) -> Vec<u64> {
        let mut numbers = Vec::new();
        for tenure in self.tenures(tenant) {
            let rows = self.rows(tenure.log, tenure.first_row);
            let groups = rows.into_iter().map_while(|row| match row {
                Row::Group(entries) => Some(entries),
                Row::Seal => None,
            });
            for entry in groups.flatten() {
                if entry.tenant == tenant && entry.epoch == tenure.epoch {
                    numbers.push(entry.number);
                    if entry.content == Content::End {
                        break;
                    }
                }
            }
        }
        numbers
    }

    fn register(
        &mut self,
        name: &'static str,
        boot: BootId,
        ttl: Duration,
        seen: Option<(Incarnation, u64)>,
        checks: &mut Checks,
    ) -> Option<(Registered, usize)> {
        let at = self.nodes.iter().position(|row| row.name == name);
        let at = match (at, seen) {
            (Some(at), Some(seen)) => {
                let row = &self.nodes[at];
                if (row.incarnation, row.beat) != seen {
                    return None;
                }
                at
            }
            (None, None) => {
                self.nodes.push(new_row(name, self.nodes.len() as u32 + 1));
                self.beat_at.push(0);
                self.nodes.len() - 1
            }
            _ => return None,
        };
        self.counts.registrations += 1;
        self.beat_at[at] = self.wall_ms;
        let row = &mut self.nodes[at];
        checks.ends(
            (row.id, row.incarnation),
            "a process registers in its place",
        );
        row.incarnation.0 += 1;
        row.boot = boot;
        row.state = NodeState::Live;
        row.beat = 0;
        row.ttl = ttl;
        let own = Registered {
            node: row.id,
            incarnation: row.incarnation,
            boot,
        };
        let process = (own.node, own.incarnation);
        self.seal(own.node, own.incarnation, checks);
        self.logs.push(Log {
            of: Some(process),
            ..Log::default()
        });
        let tenants: Vec<_> = self.tenants.keys().copied().collect();
        for tenant in tenants {
            if self.tenants[&tenant].process.0 == own.node {
                self.give(tenant, process, checks);
            }
        }
        Some((own, self.logs.len() - 1))
    }

    fn renew(&mut self, own: &Registered, beat: u64) -> Answer {
        let stateless = self.is(Mutant::RenewalWithoutState);
        let wall = self.wall_ms;
        let Some(row) = self.node(own.node) else {
            return Answer::Node(None);
        };
        let same = row.incarnation == own.incarnation && row.boot == own.boot;
        if same && (stateless || row.state.is_open()) && row.beat < beat {
            row.beat = beat;
            self.beat_at[own.node.0 as usize - 1] = wall;
            return Answer::Changed(true);
        }
        // The next statement of the same connection reads the row.
        Answer::Node(Some(row.clone()))
    }

    fn fence(&mut self, (node, incarnation): Process, beat: u64, checks: &mut Checks) -> bool {
        let blind = self.is(Mutant::FenceWithoutBeat);
        let Some(row) = self.node(node) else {
            return false;
        };
        let same = row.incarnation == incarnation && (blind || row.beat == beat);
        if !same || !row.state.is_open() {
            return false;
        }
        row.state = NodeState::Fenced;
        self.counts.fences += 1;
        checks.ends((node, incarnation), "it is fenced");
        true
    }

    fn seal(&mut self, node: NodeId, before: Incarnation, checks: &mut Checks) {
        let rowless = self.is(Mutant::AppendWithoutSealOrItsRow);
        for log in self.logs.iter_mut().filter(|log| !log.sealed) {
            let process = log.of.filter(|(of, it)| *of == node && *it < before);
            let Some(process) = process else {
                continue;
            };
            checks.ends(process, "its log is sealed");
            log.sealed = true;
            if !rowless {
                log.rows.push(Row::Seal);
            }
        }
    }

    /// Every change of an owner has an epoch of its own, but for a mutant's.
    fn give(&mut self, tenant: TenantId, to: Process, checks: &mut Checks) {
        let wall = self.wall_ms;
        let keeps = self.is(Mutant::ReclaimWithoutEpoch);
        let Some(owner) = self.tenants.get_mut(&tenant) else {
            return;
        };
        if !(keeps && owner.process.0 == to.0) {
            owner.epoch = Epoch((owner.epoch.0 + 1).max(wall));
        }
        owner.process = to;
        checks.owner(tenant, owner.epoch, to);
    }

    fn append(&mut self, log: usize, seq: u64, entries: Vec<Entry>, checks: &mut Checks) -> Answer {
        let open = matches!(
            self.mutant,
            Some(Mutant::AppendWithoutSeal | Mutant::AppendWithoutSealOrItsRow)
        );
        let log = &mut self.logs[log];
        if log.sealed && !open {
            return Answer::Changed(false);
        }
        if (seq as usize) <= log.rows.len() {
            return Answer::DuplicateKey;
        }
        assert_eq!(seq as usize, log.rows.len() + 1, "a log has no gap");
        checks.durable(&entries);
        self.counts.rows += 1;
        log.rows.push(Row::Group(entries));
        Answer::Changed(true)
    }
}

fn new_row(name: &str, id: u32) -> NodeRow {
    NodeRow {
        id: NodeId(id),
        name: name.to_owned(),
        incarnation: Incarnation(0),
        boot: BootId([0; 16]),
        state: NodeState::Released,
        beat: 0,
        ttl: Duration::ZERO,
        advertise: String::new(),
        weight: 1,
    }
}
