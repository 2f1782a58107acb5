//! A partition: tenants whose markets and money are recovered, served and moved together, and all that works for them.
//! A node of its own has one, with all tenants; a node of a cluster has one for each tenant.
//!
//! Must never: serve before everything it is made of was done again and found equal.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::{Receiver, bounded, never, unbounded};
use souk_protocol::{Durability, MarketId, SessionId, TenantId};
use tokio::sync::Notify;

use crate::administrator::Administrator;
use crate::clock;
use crate::config::Config;
use crate::directory::Route;
use crate::gateway::grace::Gone;
use crate::gateway::registry::Registry;
use crate::gateway::session::Shared;
use crate::handoff::{
    Item, Lane, Link, MatcherDoor, QueueGauge, Request, SPARE_ITEMS_MAX, Seat, SessionTerms,
    Submission, SubmissionTimes,
};
use crate::history::Recorder;
use crate::ids::Epoch;
use crate::journal::{Journal, JournalError, LocalJournal, MemoryJournal, NodeJournal, Wake};
use crate::keys;
use crate::matcher::{Inbox, Matcher};
use crate::metrics::Meters;
use crate::publisher::Publisher;
use crate::recovery::{Recovered, Recovery, RecoveryError};

/// Why a partition cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PartitionError {
    /// The system gives no randomness.
    #[error(transparent)]
    Random(#[from] keys::KeyError),
    /// The journal does not come out as it was recorded.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The journal cannot go on.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A partition's matcher.
pub type PartitionMatcher = Matcher<NodeJournal<Publisher>>;

/// A partition that serves. When all of [`Shared`] is dropped the matchers end; then the administrator does.
#[derive(Debug)]
pub struct Partition {
    /// What its sessions share.
    pub shared: Arc<Shared>,
    /// The matchers, by number.
    pub matchers: Vec<PartitionMatcher>,
    /// Carries to markets what control streams decided.
    pub administrator: Administrator,
    /// Sessions that had asked for their orders to be canceled when they are gone: the end of who served before was one.
    pub gone: Vec<Gone>,
    /// What it was made of.
    pub recovered: Recovered,
}

/// A partition that is being made: it does again what was done, and serves nobody.
pub(crate) struct Rising {
    config: Arc<Config>,
    recovery: Recovery,
    ends: Vec<Ends>,
}

/// A partition that is made and serves nobody yet.
pub(crate) struct Risen {
    config: Arc<Config>,
    recovery: Recovery,
    ends: Vec<Ends>,
    /// The batches with which new tenants begin: they come first in the journal.
    founding: Vec<Vec<u8>>,
}

/// What a matcher and those who reach it are made with.
struct Ends {
    door: MatcherDoor,
    wake: Wake,
}

impl Rising {
    /// A partition of a configuration's tenants with a matcher for each of `wakes`: what is told of every submission to
    /// it, or nothing if it waits on a thread of its own. `recorder` takes down what people may ask for later.
    ///
    /// # Errors
    /// What cannot be had.
    pub(crate) fn new(
        config: Arc<Config>,
        wakes: impl IntoIterator<Item = Option<Arc<Notify>>>,
        recorder: Option<Arc<Recorder>>,
    ) -> Result<Self, PartitionError> {
        let (mut ends, mut inboxes) = (Vec::new(), Vec::new());
        for wake in wakes {
            let (end, inbox) = ends_of(&config, wake);
            ends.push(end);
            inboxes.push(inbox);
        }
        let random = keys::nonce()?;
        let index_key = u64::from_le_bytes(std::array::from_fn(|i| random[i]));
        let (recovery, _desk) =
            Recovery::new(Arc::clone(&config), inboxes, unbounded(), recorder, || {
                index_key
            })?;
        Ok(Self {
            config,
            recovery,
            ends,
        })
    }

    /// What does everything again.
    pub(crate) const fn recovery(&mut self) -> &mut Recovery {
        &mut self.recovery
    }

    /// Ends the making: founds the tenants that have no past, and looks at everything once more.
    ///
    /// # Errors
    /// When what was done again does not add up.
    pub(crate) fn rise(mut self) -> Result<Risen, PartitionError> {
        let founding = self.recovery.found()?;
        self.recovery.finish_start()?;
        let Self {
            config,
            recovery,
            ends,
        } = self;
        Ok(Risen {
            config,
            recovery,
            ends,
            founding,
        })
    }
}

impl Risen {
    /// What it was made of.
    pub(crate) const fn recovered(&self) -> &Recovered {
        &self.recovery.recovered
    }

    /// Serves from now on, under the recovery's epoch. What it does is written down in `meters`.
    ///
    /// # Errors
    /// When the journal has failed.
    pub(crate) fn serve(
        self,
        registry: &Arc<Registry>,
        journal: Option<&Journal>,
        meters: Option<&Meters>,
    ) -> Result<Partition, PartitionError> {
        if let Some(journal) = journal {
            for ends in &self.ends {
                journal.wakes(ends.wake.clone());
            }
            for mut batch in self.founding {
                journal.append(&mut batch)?;
            }
        }
        let Recovery {
            directory,
            treasury,
            matchers,
            mut streams,
            tasks,
            recovered,
            epoch,
            ..
        } = self.recovery;
        let config = self.config;
        let next_seats = streams.next_seats();
        let decided = streams.take_decided();
        let tenants: Arc<[TenantId]> = config.tenants.iter().map(|tenant| tenant.id).collect();
        let names = streams.take_names();
        let behind = |(matcher, names)| behind(matcher, names, epoch, &tenants, journal);
        let mut matchers: Vec<_> = matchers.into_iter().zip(names).map(behind).collect();
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
                times: SubmissionTimes::default(),
            });
            matcher.poll(clock::wall_ns());
        }
        // Not before: matchers are on their own threads from here on.
        if let Some(meters) = meters {
            for (number, matcher) in matchers.iter_mut().enumerate() {
                matcher.meter(&meters.of(number, &tenants));
            }
        }
        let is_metered = meters.is_some();
        let doors = self.ends.into_iter().map(|ends| MatcherDoor {
            is_metered,
            ..ends.door
        });
        let shared = Arc::new(Shared {
            registry: Arc::clone(registry),
            directory,
            treasury,
            doors: doors.collect(),
            limits: config.limits,
            durability: config.journal.durability,
            history: config.history,
        });
        let gone = restore_sessions(&shared, &matchers, &next_seats);
        let administrator = Administrator::new(tasks, Arc::downgrade(&shared), next_seats);
        Ok(Partition {
            shared,
            matchers,
            administrator,
            gone,
            recovered,
        })
    }
}

/// Puts the door of the journal between a matcher and its publisher.
fn behind(
    matcher: Matcher<Publisher>,
    streams: Vec<(TenantId, MarketId)>,
    epoch: Epoch,
    tenants: &Arc<[TenantId]>,
    journal: Option<&Journal>,
) -> PartitionMatcher {
    matcher.behind(epoch, |publisher| {
        let publisher = publisher.leaving_changes(false);
        match journal {
            None => NodeJournal::Memory(MemoryJournal::new(publisher)),
            Some(journal) => {
                let (journal, tenants) = (journal.clone(), Arc::clone(tenants));
                NodeJournal::Local(LocalJournal::new(
                    publisher, journal, epoch, tenants, streams,
                ))
            }
        }
    })
}

/// Makes the sessions known that markets know, and gives those whose orders are to be canceled unless they come back.
fn restore_sessions(shared: &Shared, matchers: &[PartitionMatcher], seats: &[Seat]) -> Vec<Gone> {
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

fn ends_of(config: &Config, inline_wake: Option<Arc<Notify>>) -> (Ends, Inbox) {
    let is_durable = config.journal.durability != Durability::Memory;
    let (queue, submissions) = bounded(config.threads.queue_submissions_max);
    let (spare_in, spare) = bounded(SPARE_ITEMS_MAX);
    let gauge = Arc::new(QueueGauge::new(
        config.tenants.len(),
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
        is_metered: false,
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
