//! What a node begins with: everything its journal says, done again through the same matchers and publishers; and for
//! tenants that are new, what the configuration says of them, as the first commands of their control streams.
//!
//! Must never: start from a journal that does not come out as it was recorded, or from a ledger that does not add up.

mod crew;
mod error;
mod follower;
mod hash;
mod replay;
mod report;
mod routing;
mod seed;
mod snapshot_file;
mod snapshots;
mod state;
mod streams;
mod sums;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crossbeam_channel::{Receiver, Sender};
use souk_protocol::{MarketId, SessionId, TenantId, Text};

use crate::config::{Config, HistoryConfig, TenantConfig};
use crate::control::{Control, Custody, Effect, FEE_ACCOUNT, MarketTerms, tell_limits};
use crate::directory::{Directory, Route};
use crate::handoff::{
    ControlSeat, MarketChange, MarketSeat, Seat, SeatConfig, Task, TenantIndex, Verdict,
};
use crate::history::Recorder;
use crate::ids::Epoch;
use crate::journal::{BatchHead, BatchWriter, Body, GROUP_LEN_MAX, StreamRecord};
use crate::matcher::{Inbox, Matcher};
use crate::publisher::{Desk, Publisher};
use crate::routing::{market_hash, matcher_of};
use crate::treasury::Treasury;

pub use error::RecoveryError;
pub use follower::Follower;
pub use report::{Progress, Recovered};
use routing::Jobs;
pub use snapshot_file::SnapshotHead;
pub use snapshots::{DataDirectory, SnapshotTaken, Snapshotter, take_snapshot, verify_snapshot};
use streams::Streams;
pub(crate) use sums::SumsCheck;

/// The name under which a tenant's control stream is hashed to its matcher.
const CONTROL: &str = "$control";
/// Bytes of a tenant's first commands: they are one batch, which a group and a row of a log must have room for.
const FOUNDING_BYTES_MAX: usize = 16 << 20;
const _: () = assert!(FOUNDING_BYTES_MAX < GROUP_LEN_MAX / 2, "a group takes them");

/// A node while it is made.
pub(crate) struct Recovery {
    config: Arc<Config>,
    pub directory: Arc<Directory>,
    pub treasury: Arc<Treasury>,
    pub matchers: Vec<Matcher<Publisher>>,
    pub streams: Streams,
    /// What control streams decided of markets.
    pub tasks: Receiver<Task>,
    pub recovered: Recovered,
    /// Under which it goes on.
    pub epoch: Epoch,
    /// Ends a replay early.
    stop: Option<Arc<AtomicBool>>,
    jobs: Jobs,
}

impl Recovery {
    /// A node of tenants that have nothing yet, with a matcher for each inbox. `index_key` keys the books' hash indexes;
    /// `recorder` takes down what people may ask for later.
    pub(crate) fn new(
        config: Arc<Config>,
        inboxes: Vec<Inbox>,
        tasks: (Sender<Task>, Receiver<Task>),
        recorder: Option<Arc<Recorder>>,
        mut index_key: impl FnMut() -> u64,
    ) -> Result<(Self, Desk), RecoveryError> {
        let mut streams = Streams::new(&config, inboxes.len());
        let mut control = |tenant: TenantIndex, entry: &TenantConfig| {
            let hash = market_hash(&entry.name, CONTROL);
            streams.add(
                tenant,
                entry.id,
                MarketId(0),
                matcher_of(hash, inboxes.len()),
            )
        };
        let routes: Vec<Route> = tenants(&config)
            .map(|(index, tenant)| control(index, tenant))
            .collect::<Vec<_>>();
        let directory = Arc::new(Directory::new(&config, |tenant| routes[tenant.0 as usize]));
        let history = config.history;
        let mut treasury = Treasury::new(config.tenants.len(), history.statement_entries_max);
        if let Some(recorder) = &recorder {
            treasury = treasury.recording(Arc::clone(recorder));
        }
        let treasury = Arc::new(treasury);
        let (tasks_in, tasks) = tasks;
        let desk = Desk {
            treasury: Arc::clone(&treasury),
            directory: Arc::clone(&directory),
            tasks: tasks_in,
            recorder,
        };
        let mut seats: Vec<Vec<SeatConfig>> = inboxes.iter().map(|_| Vec::new()).collect();
        for ((index, tenant), route) in tenants(&config).zip(&routes) {
            treasury.set_account(index, FEE_ACCOUNT, &crate::control::AccountTerms::FEES);
            seats[route.matcher].push(SeatConfig::Control(ControlSeat {
                tenant: index,
                control: Control::new(tenant.control.custody()),
            }));
        }
        let mut matchers = Vec::new();
        for (inbox, seats) in inboxes.into_iter().zip(seats) {
            let publisher = Publisher::new(&seats, desk.clone()).leaving_changes(true);
            let treasury = Arc::clone(&treasury);
            let tenants = config.tenants.len();
            let matcher = Matcher::new(inbox, tenants, seats, treasury, index_key(), publisher)?;
            matchers.push(matcher);
        }
        let recovery = Self {
            jobs: Jobs::new(matchers.len()),
            config,
            directory,
            treasury,
            matchers,
            streams,
            tasks,
            recovered: Recovered::default(),
            epoch: Epoch::ALONE,
            stop: None,
        };
        Ok((recovery, desk))
    }

    /// Founds the tenants that the journal does not know. Gives the batches that say so, one for each.
    pub(crate) fn found(&mut self) -> Result<Vec<Vec<u8>>, RecoveryError> {
        let mut batches = Vec::new();
        let config = Arc::clone(&self.config);
        for (index, tenant) in tenants(&config) {
            if !self.streams.is_known(index) {
                batches.push(self.found_tenant(tenant)?);
            }
        }
        Ok(batches)
    }

    /// Founds a tenant by one batch: of its first commands all are in the journal, or none, and then it is founded anew.
    fn found_tenant(&mut self, tenant: &TenantConfig) -> Result<Vec<u8>, RecoveryError> {
        let name = Text::new(&tenant.name);
        let body = Body::Tenant {
            custody: tenant.control.custody(),
            name: name.expect("a tenant's name is checked with its configuration"),
        };
        let record = |stream_seq, body| StreamRecord {
            tenant: tenant.id,
            market: MarketId(0),
            stream_seq,
            transact_time: 0,
            session: SessionId(0),
            body,
        };
        let commands = (1..).zip(&tenant.commands).map(|(seq, command)| {
            let verdict = Verdict::Applied;
            let command = *command;
            record(seq, Body::Control { command, verdict })
        });
        let records: Vec<_> = std::iter::once(record(0, body)).chain(commands).collect();
        let mut writer = BatchWriter::new(self.epoch);
        records.iter().for_each(|record| writer.add(record));
        if writer.len() > FOUNDING_BYTES_MAX {
            return Err(RecoveryError::FoundingTooLong {
                id: tenant.id,
                name: tenant.name.clone(),
                commands: tenant.commands.len(),
                bytes: writer.len(),
                max: FOUNDING_BYTES_MAX,
            });
        }
        let head = BatchHead {
            len: 0,
            entries: records.len() as u32,
            number: 0,
            transact_time: 0,
            events: 0,
            epoch: self.epoch,
        };
        self.batch(&head, &records)?;
        self.recovered.founded += 1;
        Ok(writer.finish(0, 0).to_vec())
    }

    fn check_tenant(
        &mut self,
        id: TenantId,
        custody: Custody,
        name: &str,
    ) -> Result<TenantIndex, RecoveryError> {
        let config = tenants(&self.config).find(|(_, tenant)| tenant.id == id);
        let Some((index, tenant)) = config else {
            let name = name.to_owned();
            return Err(RecoveryError::TenantNotConfigured { id, name });
        };
        if tenant.name != name || tenant.control.custody() != custody {
            return Err(RecoveryError::TenantChanged {
                id,
                name: name.to_owned(),
                custody,
            });
        }
        self.streams.know(index);
        Ok(index)
    }

    /// What control streams decided: markets open at once; their changes are in their own streams, if they were carried.
    fn carry_out_tasks(&mut self) -> Result<(), RecoveryError> {
        while let Ok(task) = self.tasks.try_recv() {
            let tenant = &self.directory.tenants[task.tenant.0 as usize];
            let (market, change) = match task.effect {
                Effect::MarketCreated(terms) => {
                    self.open_market(task.tenant, &terms)?;
                    continue;
                }
                Effect::Limits { market, limits } => {
                    tenant.change_market(market, |definition| tell_limits(definition, &limits));
                    (market, MarketChange::Limits(limits))
                }
                Effect::State { market, state } => {
                    tenant.change_market(market, |definition| definition.state = state);
                    (market, MarketChange::State(state))
                }
                Effect::Fees {
                    market,
                    fee_group,
                    rates,
                } => (market, MarketChange::Fees { fee_group, rates }),
                Effect::Currency(_)
                | Effect::Account { .. }
                | Effect::Moved(_)
                | Effect::Repeated { .. } => continue,
            };
            self.streams.decided(tenant.id, market, change);
        }
        Ok(())
    }

    fn open_market(
        &mut self,
        tenant: TenantIndex,
        terms: &MarketTerms,
    ) -> Result<(), RecoveryError> {
        let matcher = self.matcher_of(tenant, terms);
        let entry = &self.directory.tenants[tenant.0 as usize];
        let history = self.config.history;
        let seat = market_seat(&self.treasury, tenant, entry.custody, terms, history);
        let route = self.streams.add(tenant, entry.id, terms.id(), matcher);
        let matcher = &mut self.matchers[matcher];
        matcher.journal_mut().open_market(&seat);
        matcher.open(SeatConfig::Market(seat))?;
        entry.add_market(route, terms.definition);
        Ok(())
    }

    /// The control streams of the tenants that are known.
    fn controls(&self) -> impl Iterator<Item = (TenantIndex, TenantId, &Control)> {
        let known = tenants(&self.config).filter(move |(index, _)| self.streams.is_known(*index));
        known.filter_map(move |(index, tenant)| {
            let route = self.directory.tenants[index.0 as usize].control;
            let control = self.matchers[route.matcher].control(route.seat)?;
            Some((index, tenant.id, control))
        })
    }

    /// The matcher that a market belongs to.
    fn matcher_of(&self, tenant: TenantIndex, terms: &MarketTerms) -> usize {
        let name = &self.directory.tenants[tenant.0 as usize].name;
        let hash = market_hash(name, terms.definition.symbol.as_str());
        matcher_of(hash, self.matchers.len())
    }

    /// Looks at everything once more before the node runs.
    pub(crate) fn finish_start(&mut self) -> Result<(), RecoveryError> {
        self.finish_with(Matcher::state_hash_at_start)
    }

    /// Looks at everything once more, and goes through all of every book.
    pub(crate) fn finish(&mut self) -> Result<(), RecoveryError> {
        self.finish_with(Matcher::state_hash)
    }

    fn finish_with(
        &mut self,
        hash: impl Fn(&Matcher<Publisher>, Seat) -> Option<u64>,
    ) -> Result<(), RecoveryError> {
        self.treasury.ledger().check_at_rest()?;
        self.check_supplies()?;
        self.recovered.state_hash = self.state_hash(hash);
        self.recovered.open_streams = self.streams.len();
        Ok(())
    }
}

fn tenants(config: &Config) -> impl Iterator<Item = (TenantIndex, &TenantConfig)> {
    (0..).map(TenantIndex).zip(&config.tenants)
}

/// What the seat of a market is made with. Its currencies exist.
pub(crate) fn market_seat(
    treasury: &Treasury,
    tenant: TenantIndex,
    custody: Custody,
    terms: &MarketTerms,
    history: HistoryConfig,
) -> MarketSeat {
    let currency = |code| {
        let index = treasury.currency(tenant, code);
        index.expect("a market is made between currencies that exist")
    };
    MarketSeat {
        tenant,
        market: terms.id(),
        spec: terms.spec,
        state: terms.definition.state,
        base: currency(terms.definition.base),
        quote: currency(terms.definition.quote),
        custody,
        settlements_max: history.settlements_max,
        reports_bytes_max: history.reports_bytes_max,
    }
}
