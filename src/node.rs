//! The parts of a node, wired to each other; nothing runs yet.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crossbeam_channel::{Receiver, bounded, never, unbounded};
use souk_protocol::{Durability, MarketId, SessionId, TenantId};
use tokio::sync::Notify;

use crate::administrator::Administrator;
use crate::clock;
use crate::config::{Config, JournalConfig};
use crate::directory::Route;
use crate::gateway::entrance::Entrance;
use crate::gateway::grace::Gone;
use crate::gateway::session::Shared;
use crate::handoff::{
    Item, Lane, Link, MatcherDoor, QueueGauge, Request, SPARE_ITEMS_MAX, Seat, SessionTerms,
    Submission,
};
use crate::journal::{
    ChainEnd, Journal, JournalError, JournalOptions, JournalWriter, LocalJournal, MemoryJournal,
    NodeJournal, Segments, Wake, measure, segment,
};
use crate::keys;
use crate::matcher::{Inbox, Matcher};
use crate::publisher::Publisher;
use crate::recovery::{DataDirectory, Progress, Recovered, Recovery, RecoveryError};
use crate::storage::{Disk, FolderLock, LockError};

/// A node's matcher.
pub type NodeMatcher = Matcher<NodeJournal<Publisher>>;

/// The lock of a data directory.
const LOCK_FILE: &str = "LOCK";

/// Why a node's parts cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The system gives no randomness.
    #[error(transparent)]
    Random(#[from] keys::KeyError),
    /// The data directory is another process's.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The data directory cannot be used.
    #[error(
        "cannot use the data directory: {0}\nremedy: name another one ([journal] directory, --data), or mend this one"
    )]
    Data(#[from] std::io::Error),
    /// The journal does not come out as it was recorded.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The journal cannot go on.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The parts of a node. When all of [`Shared`] is dropped the matchers end; then the administrator does.
#[derive(Debug)]
pub struct Node {
    /// Where sessions are taken in.
    pub entrance: Arc<Entrance>,
    /// What sessions share.
    pub shared: Arc<Shared>,
    /// The matchers, by number.
    pub matchers: Vec<NodeMatcher>,
    /// Carries to markets what control streams decided.
    pub administrator: Administrator,
    /// Sessions that had asked for their orders to be canceled when they are gone: the node's end was one.
    pub gone: Vec<Gone>,
    /// The journal, if there is one.
    pub journal: Option<OpenJournal>,
    /// What it was made of.
    pub recovered: Recovered,
}

/// A journal that is ready to be written.
#[derive(Debug)]
pub struct OpenJournal {
    /// What others share.
    pub journal: Journal,
    /// What its thread runs.
    pub writer: JournalWriter<Segments>,
    /// Where it is.
    pub files: DataDirectory,
    /// Held as long as the node runs.
    pub lock: FolderLock,
}

/// What a matcher and those who reach it are made with.
struct Ends {
    door: MatcherDoor,
    wake: Wake,
}

impl Node {
    /// The parts of a node with `matchers` matchers. `inline_wake` is told of every submission.
    ///
    /// # Errors
    /// What cannot be had.
    pub fn new(
        config: &Config,
        matchers: usize,
        inline_wake: Option<&Arc<Notify>>,
    ) -> Result<Self, NodeError> {
        Self::recover(config, matchers, inline_wake, &mut |_| {})
    }

    /// [`Self::new`], telling how far the recovery has come.
    ///
    /// # Errors
    /// What cannot be had.
    pub fn recover(
        config: &Config,
        matchers: usize,
        inline_wake: Option<&Arc<Notify>>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, NodeError> {
        let is_durable = config.journal.durability != Durability::Memory;
        let (mut ends, mut inboxes) = (Vec::new(), Vec::new());
        for _ in 0..matchers {
            let (end, inbox) = ends_of(config, inline_wake.map(Arc::clone), is_durable);
            ends.push(end);
            inboxes.push(inbox);
        }
        let random = keys::nonce()?;
        let index_key = u64::from_le_bytes(std::array::from_fn(|i| random[i]));
        let (mut recovery, _desk) = Recovery::new(config, inboxes, unbounded(), || index_key)?;
        let mut data = if is_durable {
            Some(Data::open(&config.journal)?)
        } else {
            None
        };
        if let Some(data) = &mut data {
            let snapshot = data.files.newest_snapshot()?;
            recovery.recover(&data.files, snapshot.as_ref(), None, progress)?;
        }
        let founding = recovery.found()?;
        recovery.finish()?;
        let journal = match data {
            Some(data) => Some(data.begin(config, &recovery.recovered, &ends)?),
            None => None,
        };
        if let Some(journal) = &journal {
            for mut batch in founding {
                journal.journal.append(&mut batch)?;
            }
        }
        Ok(Self::assemble(config, recovery, journal, ends))
    }

    fn assemble(
        config: &Config,
        recovery: Recovery<'_>,
        journal: Option<OpenJournal>,
        ends: Vec<Ends>,
    ) -> Self {
        let Recovery {
            directory,
            treasury,
            matchers,
            mut streams,
            tasks,
            recovered,
            epoch,
            ..
        } = recovery;
        let next_seats = streams.next_seats();
        let next_seats_of = next_seats.clone();
        let decided = streams.take_decided();
        let tenants: Arc<[TenantId]> = config.tenants.iter().map(|tenant| tenant.id).collect();
        let behind = |matcher: Matcher<Publisher>, streams: Vec<(TenantId, MarketId)>| {
            matcher.behind(epoch, |publisher| match &journal {
                None => NodeJournal::Memory(MemoryJournal::new(publisher)),
                Some(open) => {
                    let (journal, tenants) = (open.journal.clone(), Arc::clone(&tenants));
                    NodeJournal::Local(LocalJournal::new(
                        publisher, journal, epoch, tenants, streams,
                    ))
                }
            })
        };
        let names = streams.take_names();
        let mut matchers: Vec<_> = matchers
            .into_iter()
            .zip(names)
            .map(|(matcher, names)| behind(matcher, names))
            .collect();
        // Carried now, because the process before did not come to it: before anything else is asked of the markets.
        for (tenant, route, change) in decided {
            let matcher = &mut matchers[route.matcher];
            matcher.gauge().admit_always(tenant);
            matcher.accept(Submission {
                tenant,
                link: Arc::new(Link::away(SessionId(0), SessionTerms::plain(0))),
                lane: Lane::Orders,
                items: vec![Item {
                    seat: route.seat,
                    request: Request::Change(change),
                }],
            });
            matcher.poll(clock::wall_ns());
        }
        let entrance = Arc::new(Entrance::new(config));
        let shared = Arc::new(Shared {
            registry: Arc::clone(&entrance.registry),
            directory,
            treasury,
            doors: ends.into_iter().map(|ends| ends.door).collect(),
            limits: config.limits,
            durability: config.journal.durability,
            history: config.history,
        });
        let administrator = Administrator::new(tasks, Arc::downgrade(&shared), next_seats);
        let gone = restore_sessions(&shared, &matchers, &next_seats_of);
        entrance.open(&shared);
        Self {
            entrance,
            shared,
            gone,
            matchers,
            administrator,
            journal,
            recovered,
        }
    }
}

/// A data directory that is this process's.
struct Data {
    files: DataDirectory,
    lock: FolderLock,
}

impl Data {
    fn open(config: &JournalConfig) -> Result<Self, NodeError> {
        let files = DataDirectory::new(&config.directory);
        files.make()?;
        let lock = FolderLock::take(&config.directory.join(LOCK_FILE), &config.node)?;
        Ok(Self { files, lock })
    }

    /// Goes on after what was recovered, in a new segment.
    fn begin(
        self,
        config: &Config,
        recovered: &Recovered,
        ends: &[Ends],
    ) -> Result<OpenJournal, NodeError> {
        let end = recovered.end;
        let (chain, last) = end.map_or((ChainEnd::START, 0), |end| (end.chain, end.segment));
        // A snapshot may be all there is.
        let last = last.max(recovered.snapshot.map_or(0, |segment| segment - 1));
        let (disk, folder) = (self.files.disk(), &self.files.journal);
        remove_unused(disk.as_ref(), folder, last)?;
        let strategy = match config.journal.commit {
            Some(strategy) => strategy,
            None => {
                let measured = measure(disk.as_ref(), folder)?;
                tracing::info!(?measured, "the fastest way to commit is taken");
                let fastest = measured.first().map(|measured| measured.strategy);
                fastest.ok_or_else(|| std::io::Error::other("no way to commit works"))?
            }
        };
        let options = JournalOptions {
            folder: folder.clone(),
            cluster_id: config.server.cluster_id,
            segment_bytes: config.journal.segment_bytes,
            strategy,
        };
        let segments = Segments::begin(Arc::clone(disk), options, last + 1, chain)?;
        let (journal, writer) = Journal::new(segments, chain.batch);
        for ends in ends {
            journal.wakes(ends.wake.clone());
        }
        Ok(OpenJournal {
            journal,
            writer,
            files: self.files,
            lock: self.lock,
        })
    }
}

/// Makes the sessions known that markets know, and gives those whose orders are to be canceled unless they come back.
fn restore_sessions(shared: &Shared, matchers: &[NodeMatcher], seats: &[Seat]) -> Vec<Gone> {
    let mut newest: BTreeMap<SessionId, Gone> = BTreeMap::new();
    for (number, matcher) in matchers.iter().enumerate() {
        for seat in (0..seats[number].0).map(Seat) {
            let route = Route {
                matcher: number,
                seat,
            };
            for (session, mark) in matcher.sessions(seat) {
                let incarnation = mark.terms.incarnation;
                shared.registry.restore(session, incarnation, [route]);
                let Some(tenant) = shared.directory.tenant_of(session) else {
                    continue;
                };
                let terms = mark.terms;
                let gone = Gone {
                    tenant,
                    session,
                    terms,
                };
                let known = newest.entry(session).or_insert(gone);
                if known.terms.incarnation < incarnation {
                    *known = gone;
                }
            }
        }
    }
    let cancels = |gone: &Gone| gone.terms.cancels_after(false);
    newest.into_values().filter(cancels).collect()
}

/// Removes segments that were made ahead and hold nothing.
fn remove_unused(disk: &dyn Disk, folder: &Path, last: u64) -> std::io::Result<()> {
    for number in segment::numbers(disk, folder)? {
        if number > last {
            disk.remove(&segment::path(folder, number))?;
        }
    }
    disk.sync_folder(folder)
}

fn ends_of(config: &Config, inline_wake: Option<Arc<Notify>>, is_durable: bool) -> (Ends, Inbox) {
    let tenants = config.tenants.len();
    let (queue, submissions) = bounded(config.threads.queue_submissions_max);
    let (spare_in, spare) = bounded(SPARE_ITEMS_MAX);
    let gauge = Arc::new(QueueGauge::new(
        tenants,
        config.threads.queue_commands_max,
        config.threads.tenant_share_percent,
    ));
    let (wake, committed) = wake_of(inline_wake.as_ref(), is_durable);
    let inbox = Inbox {
        queue: submissions,
        gauge: Arc::clone(&gauge),
        spare: spare_in,
        committed,
    };
    let door = MatcherDoor {
        queue,
        gauge,
        inline_wake,
        spare,
    };
    (Ends { door, wake }, inbox)
}

/// How a matcher is told that something has become durable.
fn wake_of(inline_wake: Option<&Arc<Notify>>, is_durable: bool) -> (Wake, Receiver<()>) {
    if let Some(wake) = inline_wake {
        return (Wake::Task(Arc::clone(wake)), never());
    }
    let (sender, committed) = bounded(1);
    let committed = if is_durable { committed } else { never() };
    (Wake::Thread(sender), committed)
}
