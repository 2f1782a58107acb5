//! A process of a node: what its threads know.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use souk::clock::Moment;
use souk::ids::Epoch;
use souk::lease::{
    BootId, Deadline, LeaseTerms, NodeRow, Registered, Registration, Schedule, Sighting, Watch,
};
use souk_protocol::TenantId;

use super::database::{Entry, Owner, Process as Name, Row, Statement, Tenure};
use super::mutant::Mutant;

/// What waits for answers on a connection of its own, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Heart0,
    Heart1,
    Steward,
    Writer,
    Keeper,
}

pub const ALL_TASKS: [Task; 5] = [
    Task::Heart0,
    Task::Heart1,
    Task::Steward,
    Task::Writer,
    Task::Keeper,
];
pub const TASKS: usize = ALL_TASKS.len();

impl Task {
    pub const fn heart(self) -> Option<usize> {
        match self {
            Self::Heart0 => Some(0),
            Self::Heart1 => Some(1),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    Register,
    Renew(Task),
    Poll,
    Work,
    /// The writer asks again what became of a row.
    ReadBack,
    /// The keeper begins a task anew.
    Keep,
}

/// A connection, and the one statement that it is used for now.
#[derive(Clone, Debug, Default)]
pub struct Channel {
    pub connected: bool,
    /// The number of the call that is waited for.
    pub call: Option<u64>,
    /// Waits for the connection.
    pub behind: Option<Statement>,
    /// Before the statement was sent.
    pub sent: Moment,
}

#[derive(Debug)]
pub struct Process {
    pub host: usize,
    pub name: &'static str,
    pub boot: BootId,
    pub alive: bool,
    pub own: Option<Registered>,
    pub log: usize,
    pub deadline: Deadline,
    pub registration: Registration,
    pub channels: [Channel; TASKS],
    pub schedules: [Schedule; 2],
    /// Of the renewals that are due or under way.
    pub beats: [u64; 2],
    /// Renewals that have failed since the last answer.
    pub failures: u32,
    pub steward: Steward,
    pub keeper: Keeper,
    pub writer: Writer,
    /// By tenant: whose commands are taken.
    pub served: BTreeMap<TenantId, Served>,
}

#[derive(Clone, Copy, Debug)]
pub struct Served {
    pub epoch: Epoch,
    /// Of the next entry.
    pub next: u64,
    /// Nothing is taken any more.
    pub leaving: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    TakingIn(Epoch),
    Served(Epoch),
    LettingGo(Epoch),
    Gone(Epoch),
    Failed(Epoch),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Fencing,
    Reading,
    Claiming,
    Rereading,
    HandingOver,
}

#[derive(Debug)]
pub struct Steward {
    pub watch: Watch,
    pub nodes: Vec<NodeRow>,
    /// By node, as the database's wall clock says.
    pub silences: Vec<Duration>,
    pub owners: BTreeMap<TenantId, Owner>,
    pub owners_at: Option<Moment>,
    pub newest: (Epoch, Epoch),
    pub members: (Vec<Name>, Moment),
    pub orphaned: BTreeMap<TenantId, Moment>,
    pub care: BTreeMap<TenantId, Care>,
    pub begun: Moment,
    pub step: Step,
    pub todo: VecDeque<Statement>,
    /// Claims were made in this look.
    pub claimed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    TakeIn(TenantId, Epoch),
    LetGo(TenantId),
}

#[derive(Debug, Default)]
pub struct Keeper {
    pub jobs: VecDeque<Job>,
    /// What is read of the tenant that is taken in.
    pub reading: Option<Reading>,
}

#[derive(Clone, Debug)]
pub struct Reading {
    pub tenures: Vec<Tenure>,
    /// Of the tenure that is read, and of the row in its log.
    pub at: usize,
    pub row: u64,
    /// Of the last entry that was read.
    pub last: u64,
}

#[derive(Debug)]
pub struct Writer {
    pub waiting: Vec<Entry>,
    pub under_way: Option<Vec<Entry>>,
    pub next_row: u64,
    /// Durable, and told as soon as the lease holds.
    pub untold: Vec<Entry>,
}

impl Process {
    pub fn new(
        host: usize,
        name: &'static str,
        boot: BootId,
        dead: Option<BootId>,
        terms: &LeaseTerms,
        mutant: Option<Mutant>,
    ) -> Self {
        let unscheduled = Schedule::new(Moment(0), terms.period());
        Self {
            host,
            name,
            boot,
            alive: true,
            own: None,
            log: 0,
            deadline: Deadline::default(),
            registration: Registration::new(dead),
            channels: Default::default(),
            schedules: [unscheduled; 2],
            beats: [0; 2],
            failures: 0,
            steward: Steward::new(watch(terms, mutant)),
            keeper: Keeper::default(),
            writer: Writer {
                waiting: Vec::new(),
                under_way: None,
                next_row: 1,
                untold: Vec::new(),
            },
            served: BTreeMap::new(),
        }
    }

    pub fn identity(&self) -> Option<Name> {
        self.own.map(|own| (own.node, own.incarnation))
    }
}

/// A watch; without the rule of the gap, one that takes any time between two polls for the other one's silence.
fn watch(terms: &LeaseTerms, mutant: Option<Mutant>) -> Watch {
    if mutant != Some(Mutant::NoGap) {
        return Watch::new(terms);
    }
    let poll = Duration::from_secs(3_600);
    let endless = LeaseTerms::new(poll * 10, terms.period(), terms.timeout(), poll);
    Watch::new(&endless.expect("long leases are good ones"))
}

impl Steward {
    fn new(watch: Watch) -> Self {
        Self {
            watch,
            nodes: Vec::new(),
            silences: Vec::new(),
            owners: BTreeMap::new(),
            owners_at: None,
            newest: (Epoch(0), Epoch(0)),
            members: (Vec::new(), Moment(0)),
            orphaned: BTreeMap::new(),
            care: BTreeMap::new(),
            begun: Moment(0),
            step: Step::Fencing,
            todo: VecDeque::new(),
            claimed: false,
        }
    }

    pub fn see(
        &mut self,
        sent: Moment,
        answered: Moment,
        mutant: Option<Mutant>,
        rows: &[NodeRow],
    ) {
        let sighting = |row: &NodeRow| Sighting {
            node: row.id,
            incarnation: row.incarnation,
            beat: row.beat,
        };
        let shown: Vec<_> = rows.iter().map(sighting).collect();
        let (from, to) = match mutant {
            Some(Mutant::SilenceFromSending) => (answered, sent),
            _ => (sent, answered),
        };
        self.watch.see(b"database", from, to, &shown);
    }
}

impl Reading {
    pub fn of(tenures: Vec<Tenure>) -> Self {
        let row = tenures.first().map_or(1, |tenure| tenure.first_row);
        Self {
            tenures,
            at: 0,
            row,
            last: 0,
        }
    }

    /// Takes rows of the tenure's log. Gives whether there were any.
    pub fn take(&mut self, tenant: TenantId, rows: &[Row]) -> bool {
        let epoch = self.tenures[self.at].epoch;
        for row in rows {
            self.row += 1;
            let Row::Group(entries) = row else {
                self.next_tenure();
                return true;
            };
            let own = |it: &&Entry| it.tenant == tenant && it.epoch == epoch;
            for entry in entries.iter().filter(own) {
                self.last = entry.number;
                if entry.content == super::database::Content::End {
                    self.next_tenure();
                    return true;
                }
            }
        }
        !rows.is_empty()
    }

    fn next_tenure(&mut self) {
        self.at += 1;
        if let Some(tenure) = self.tenures.get(self.at) {
            self.row = tenure.first_row;
        }
    }
}
