//! What the model remembers: the tables of the database, the statements that are under way, and the memory of each process.

/// Names of nodes.
pub const NODES: usize = 3;
/// Streams, one a tenant.
pub const STREAMS: usize = 2;
/// Processes: one of each node, then the twin.
pub const PROCESSES: usize = 4;
/// The second process with the name of the first node: a twin, or the restart after a crash.
pub const TWIN: usize = 3;

/// The node whose name a process has.
pub const fn node_of(process: usize) -> u8 {
    if process == TWIN { 0 } else { process as u8 }
}

/// An incarnation of a node, and the one log that it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    pub node: u8,
    pub incarnation: u8,
}

/// `engine_node.state`. No statement of the model tells DRAINING from LIVE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    Live,
    Released,
    Fenced,
}

/// A row of `engine_node`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeRow {
    pub incarnation: u8,
    /// The process: `boot_uuid`.
    pub boot: u8,
    pub life: Life,
    pub beat: u8,
}

/// A row of `stream`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamRow {
    pub owner: LogId,
    pub epoch: u8,
}

/// What a row of a log says. `after` is what its writer believes to be in the stream before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    pub stream: u8,
    pub epoch: u8,
    pub after: u8,
    /// [`OPEN`], or a batch that no other process writes.
    pub content: u8,
}

/// The content of the entry that begins an epoch.
pub const OPEN: u8 = 0;

/// A row of `log_row`. Its key is the log and the place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogRow {
    pub log: LogId,
    pub seq: u8,
    pub entry: Entry,
    /// Not in the database: what the entry leads to has left a process.
    pub emitted: bool,
}

/// A statement that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Statement {
    Register {
        process: u8,
        node: u8,
        seen_incarnation: u8,
        seen_beat: u8,
    },
    Renew {
        process: u8,
        log: LogId,
        beat: u8,
    },
    Release {
        log: LogId,
    },
    Fence {
        dead: LogId,
        seen_beat: u8,
    },
    Seal {
        dead: LogId,
    },
    Claim {
        stream: u8,
        dead: LogId,
        owner: LogId,
    },
    Append {
        log: LogId,
        seq: u8,
        entry: Entry,
    },
}

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Not registered: not yet, or it has read that it was fenced.
    Out,
    Up,
    /// It met another process of its name and does not start.
    Refused,
    /// It read that its name has a newer incarnation, and stops for ever.
    Superseded,
    /// It crashed, or released its node.
    Gone,
}

/// What a process knows of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hold {
    Nothing,
    /// It has read that the stream is its own under this epoch.
    Owned {
        epoch: u8,
    },
    /// It has read the history, which has `entries`.
    Read {
        epoch: u8,
        entries: u8,
    },
    /// Its `open` is durable.
    Served {
        epoch: u8,
        entries: u8,
    },
}

impl Hold {
    /// The epoch it is held under, or 0.
    pub fn epoch(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Owned { epoch } | Self::Read { epoch, .. } | Self::Served { epoch, .. } => epoch,
        }
    }
}

/// What a process knows of the append it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// No answer came.
    Unknown,
    /// Read back: not there. The same row is due again.
    Absent,
    /// The answer was one row.
    Durable,
    /// Read back: it is there.
    FoundDurable,
    /// The answer was no row: the log is sealed.
    Refused,
}

/// The one append a process has under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pending {
    pub entry: Entry,
    pub outcome: Outcome,
}

/// What a process has read of a node that may be silent. Only where leases have deadlines: otherwise the time between the
/// read and the fence changes nothing but whether the fence succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Watched {
    pub log: LogId,
    pub beat: u8,
    /// A lease's time has gone by since.
    pub silent: bool,
    /// A beat that was sent after the read was answered, which nobody but the model's clock knows.
    pub renewed: bool,
}

/// The memory of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    pub status: Status,
    /// Its own, or 0 before it has one.
    pub incarnation: u8,
    pub beat: u8,
    /// Its lease's deadline has not passed by its own clock.
    pub believes: bool,
    pub watched: Option<Watched>,
    pub holds: [Hold; STREAMS],
    pub pending: Option<Pending>,
    /// Rows of its log, as far as it knows.
    pub rows: u8,
    pub batches: u8,
}

impl Process {
    pub const OUT: Self = Self {
        status: Status::Out,
        incarnation: 0,
        beat: 0,
        believes: false,
        watched: None,
        holds: [Hold::Nothing; STREAMS],
        pending: None,
        rows: 0,
        batches: 0,
    };

    /// Leaves for `status` with nothing of its work. Who may come back remembers who it was.
    pub fn leave(&mut self, status: Status) {
        let left = Self {
            status,
            ..Self::OUT
        };
        *self = if status == Status::Out {
            Self {
                incarnation: self.incarnation,
                batches: self.batches,
                ..left
            }
        } else {
            left
        };
    }
}

/// What may still happen. Each use takes one away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Statements that get no answer: lost, or late, or done with the answer lost.
    pub unanswered: u8,
    /// Crashes and releases.
    pub ends: u8,
    /// Fences sent.
    pub fences: u8,
    /// Registrations sent.
    pub registrations: u8,
    /// Renewals sent.
    pub beats: u8,
    /// Batches sent.
    pub batches: u8,
}

/// What was broken, where the state alone would not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Broken {
    /// Something was emitted that is not in the journal.
    pub lie: bool,
    /// A stream changed its owner and kept its epoch.
    pub token_twice: bool,
    /// A process registered over its own successor.
    pub duel: bool,
}

/// A state of everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub nodes: [NodeRow; NODES],
    /// Sealed logs: by node, a bit for each incarnation.
    pub sealed: [u8; NODES],
    pub streams: [StreamRow; STREAMS],
    /// In the order of their keys.
    pub rows: Vec<LogRow>,
    /// Statements whose sender waits no more, in order. Each may arrive at any time, or never.
    pub late: Vec<Statement>,
    pub processes: [Process; PROCESSES],
    pub budget: Budget,
    pub broken: Broken,
}

impl State {
    /// Each node has its process, and the streams at the nodes `owners` are served.
    pub fn peace(owners: [u8; STREAMS], budget: Budget) -> Self {
        let row = |boot| NodeRow {
            incarnation: 1,
            boot,
            life: Life::Live,
            beat: 0,
        };
        let mut processes = [Process::OUT; PROCESSES];
        for process in &mut processes[..NODES] {
            process.status = Status::Up;
            process.incarnation = 1;
            process.believes = true;
        }
        let mut rows = Vec::new();
        for (stream, node) in owners.into_iter().enumerate() {
            let process = &mut processes[node as usize];
            process.holds[stream] = Hold::Served {
                epoch: 1,
                entries: 1,
            };
            rows.push(LogRow {
                log: first_log(node),
                seq: process.rows,
                entry: Entry {
                    stream: stream as u8,
                    epoch: 1,
                    after: 0,
                    content: OPEN,
                },
                emitted: false,
            });
            process.rows += 1;
        }
        Self {
            nodes: [row(0), row(1), row(2)],
            sealed: [0; NODES],
            streams: owners.map(|node| StreamRow {
                owner: first_log(node),
                epoch: 1,
            }),
            rows,
            late: Vec::new(),
            processes,
            budget,
            broken: Broken::default(),
        }
    }

    /// Whether the log takes nothing more.
    pub fn is_sealed(&self, log: LogId) -> bool {
        self.sealed[log.node as usize] & (1 << log.incarnation) != 0
    }

    /// Whether an incarnation never comes back: it is not the newest, or not live.
    pub fn is_dead(&self, log: LogId) -> bool {
        let row = &self.nodes[log.node as usize];
        row.incarnation > log.incarnation
            || (row.incarnation == log.incarnation && row.life != Life::Live)
    }

    /// The log that a process writes.
    pub fn log_of(&self, index: usize) -> LogId {
        LogId {
            node: node_of(index),
            incarnation: self.processes[index].incarnation,
        }
    }

    /// Whether the row of its node names this process.
    pub fn is_named(&self, index: usize) -> bool {
        self.nodes[node_of(index) as usize].boot == index as u8
    }

    /// Entries of a stream in all logs.
    pub fn entries(&self, stream: u8) -> u8 {
        let is = |row: &&LogRow| row.entry.stream == stream;
        self.rows.iter().filter(is).count() as u8
    }

    /// The row with this key.
    pub fn row(&self, log: LogId, seq: u8) -> Option<&LogRow> {
        self.rows
            .iter()
            .find(|row| row.log == log && row.seq == seq)
    }

    /// The entries of a stream as who reads all its logs finds them: by epoch, then as they are in the log.
    pub fn history(&self, stream: u8) -> Vec<&LogRow> {
        let mut rows: Vec<&LogRow> = self
            .rows
            .iter()
            .filter(|row| row.entry.stream == stream)
            .collect();
        rows.sort_by_key(|row| (row.entry.epoch, row.log, row.seq));
        rows
    }
}

const fn first_log(node: u8) -> LogId {
    LogId {
        node,
        incarnation: 1,
    }
}
