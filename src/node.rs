//! The parts of a node, wired to each other; nothing runs yet.

use std::sync::Arc;

use crossbeam_channel::{bounded, unbounded};
use souk_protocol::{Durability, TenantId, Text};
use tokio::sync::Notify;

use crate::administrator::Administrator;
use crate::bootstrap::Bootstrap;
use crate::clock;
use crate::config::{Config, TenantConfig};
use crate::gateway::registry::Registry;
use crate::gateway::session::Shared;
use crate::handoff::{MatcherDoor, QueueGauge, SPARE_ITEMS_MAX, Seat, SeatConfig};
use crate::journal::{
    Body, FileHeader, MemoryJournal, Recording, RecordingError, RecordingWriter, StreamRecorder,
    founding,
};
use crate::keys;
use crate::matcher::{Inbox, Matcher};
use crate::publisher::{Desk, Publisher};
use crate::storage::NewFile;

/// The matcher of the durability class `memory`.
pub type NodeMatcher = Matcher<MemoryJournal<Publisher>>;

/// Why a node's parts cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// A market's bounds are refused.
    #[error("market: {0}")]
    Market(#[from] souk_engine::SpecError),
    /// The system gives no randomness.
    #[error(transparent)]
    Random(#[from] keys::KeyError),
    /// The recording cannot begin.
    #[error(transparent)]
    Recording(#[from] RecordingError),
}

/// The parts of a node. When all of [`Shared`] is dropped the matchers end; then the administrator does.
#[derive(Debug)]
pub struct Node {
    /// What sessions share.
    pub shared: Arc<Shared>,
    /// The matchers, by number.
    pub matchers: Vec<NodeMatcher>,
    /// Carries to markets what control streams decided.
    pub administrator: Administrator,
    /// The recording, if one is asked for, and what writes it.
    pub recording: Option<(Recording, RecordingWriter<NewFile>)>,
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
        let Bootstrap {
            directory,
            treasury,
            seats,
        } = Bootstrap::new(config, matchers);
        let next_seats = seats.iter().map(|seats| Seat(seats.len() as u32)).collect();
        let (tasks_in, tasks) = unbounded();
        let desk = Desk {
            treasury: Arc::clone(&treasury),
            directory: Arc::clone(&directory),
            tasks: tasks_in,
        };
        let recording = begin_recording(config)?;
        let tenants: Arc<[TenantId]> = config.tenants.iter().map(|tenant| tenant.id).collect();
        let (mut doors, mut matchers) = (Vec::new(), Vec::new());
        for seats in seats {
            let wake = inline_wake.map(Arc::clone);
            let recorder = recording.as_ref().map(|(recording, _)| {
                StreamRecorder::new(recording.clone(), Arc::clone(&tenants), &seats)
            });
            let (door, matcher) = build_matcher(config, seats, desk.clone(), recorder, wake)?;
            doors.push(door);
            matchers.push(matcher);
        }
        let shared = Arc::new(Shared {
            registry: Arc::new(Registry::new(
                config.server.connections_max,
                config.server.connections_per_address_max,
                config.server.logon_rate,
                config.server.outbox_bytes_max,
            )),
            directory,
            treasury,
            doors,
            limits: config.limits,
            cluster_id: config.server.cluster_id,
            durability: Durability::Memory,
            history: config.history,
        });
        let administrator = Administrator::new(tasks, Arc::downgrade(&shared), next_seats);
        Ok(Self {
            shared,
            matchers,
            administrator,
            recording,
        })
    }
}

/// Begins the recording, if the configuration asks for one, with what led to the node's beginning.
fn begin_recording(
    config: &Config,
) -> Result<Option<(Recording, RecordingWriter<NewFile>)>, RecordingError> {
    let Some(path) = &config.server.record_to else {
        return Ok(None);
    };
    let header = FileHeader {
        cluster_id: config.server.cluster_id,
        begun: clock::wall_ns(),
    };
    let (recording, writer) = Recording::create(path, &header)?;
    let mut bytes = Vec::new();
    for tenant in &config.tenants {
        write_founding(tenant, &mut bytes);
        recording.add(&bytes)?;
        bytes.clear();
    }
    Ok(Some((recording, writer)))
}

fn write_founding(tenant: &TenantConfig, bytes: &mut Vec<u8>) {
    let mut add = |seq, body| founding(tenant.id, seq, body).write(bytes);
    let name = Text::new(&tenant.name).expect("a tenant's name is checked with its configuration");
    let custody = tenant.control.custody();
    add(0, Body::Tenant { custody, name });
    for (index, command) in tenant.commands.iter().enumerate() {
        add(index as u64 + 1, Body::Founding(*command));
    }
}

fn build_matcher(
    config: &Config,
    seats: Vec<SeatConfig>,
    desk: Desk,
    recorder: Option<StreamRecorder>,
    inline_wake: Option<Arc<Notify>>,
) -> Result<(MatcherDoor, NodeMatcher), NodeError> {
    let tenants = config.tenants.len();
    let (queue, submissions) = bounded(config.threads.queue_submissions_max);
    let (spare_in, spare) = bounded(SPARE_ITEMS_MAX);
    let gauge = Arc::new(QueueGauge::new(
        tenants,
        config.threads.queue_commands_max,
        config.threads.tenant_share_percent,
    ));
    let treasury = Arc::clone(&desk.treasury);
    let journal = MemoryJournal::new(Publisher::new(&seats, desk), recorder);
    let inbox = Inbox {
        queue: submissions,
        gauge: Arc::clone(&gauge),
        spare: spare_in,
    };
    let random = keys::nonce()?;
    let index_key = u64::from_le_bytes(std::array::from_fn(|i| random[i]));
    let matcher = Matcher::new(inbox, tenants, seats, treasury, index_key, journal)?;
    Ok((
        MatcherDoor {
            queue,
            gauge,
            inline_wake,
            spare,
        },
        matcher,
    ))
}
