//! What quiet tenants notice of bad neighbours: their throughput and 99th percentile alone and beside a crowd of sockets, a
//! tenant that offers ten times its share, both, and a tenant without a limit, in turns on the same server.

mod crowd;
mod descriptors;
mod noise;
mod phase;
mod server;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;
use souk_protocol::Durability;

use crate::driver::prepare_thread;
use crate::echo::EchoServer;
use crate::facts::{open_descriptors, resident_bytes};
use crate::load::LoadError;
use crate::own_server::ServerError;
use crate::profile::Profile;
use crate::turns::{Goal, Pairs};

pub use crowd::{Crowd, CrowdConfig, CrowdSeen, Cut, Role, SOCKETS_MAX};
pub use noise::NoiseSeen;
use phase::{crowd_config, run_phase, start_server};
use server::{QUIET_TENANTS, SESSIONS};

/// What is asked of every phase.
pub const GOALS: [Goal; 2] = [Goal::RateRatio(0.95), Goal::P99Ratio(1.5)];
/// Most bytes of the server that a connection may take that says nothing.
pub const IDLE_BYTES_MAX: f64 = 1_024.0;
/// How many times its share a noisy tenant offers.
pub const OFFER: f64 = 10.0;
/// A tenant's share, in times of what each quiet tenant sends: so much that a quiet tenant which had to wait is not refused for what
/// it sends then.
const SHARE: f64 = 5.0;
/// Niceness of threads that stand back: the most there is.
const NICE: i32 = 19;
/// How long a crowd may take to stand, and to go.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often the server is looked at while something is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// Which neighbours there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Phase {
    /// None: what the noise of the measurement is.
    #[value(skip)]
    Control,
    /// A crowd of sockets.
    Sockets,
    /// A tenant that offers 10 times its share.
    Tenant,
    /// The crowd and the tenant.
    Both,
    /// A tenant without a rate limit that sends all its credits allow.
    FlatOut,
}

impl Phase {
    /// All that have neighbours.
    pub const ALL: [Self; 4] = [Self::Sockets, Self::Tenant, Self::Both, Self::FlatOut];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Sockets => "sockets",
            Self::Tenant => "tenant",
            Self::Both => "both",
            Self::FlatOut => "flat-out",
        }
    }

    const fn has_crowd(self) -> bool {
        matches!(self, Self::Sockets | Self::Both)
    }

    const fn has_noise(self) -> bool {
        matches!(self, Self::Tenant | Self::Both | Self::FlatOut)
    }
}

/// What is measured.
#[derive(Clone, Debug)]
pub struct NeighboursConfig {
    /// The `souk` program.
    pub program: PathBuf,
    /// What an acknowledgement of its server is worth: `Memory` or `Local`.
    pub durability: Durability,
    /// Sockets of a crowd, 1 to [`SOCKETS_MAX`].
    pub sockets: usize,
    /// The phases, one after another, each on a server of its own.
    pub phases: Vec<Phase>,
    /// Pairs of turns of each phase.
    pub rounds: usize,
    /// Messages per second of all quiet tenants together.
    pub rate: f64,
    /// Not measured, at the beginning of a turn.
    pub warmup: Duration,
    /// Measured time of a turn.
    pub duration: Duration,
    /// The workload of all tenants.
    pub profile: Profile,
    /// The core of this program's threads; `None`: any.
    pub core: Option<usize>,
    /// The core of an echo that is measured in every turn too, where the server is: what it notices of the neighbours is the
    /// machine's. `None`: no echo.
    pub echo_core: Option<usize>,
}

impl NeighboursConfig {
    /// What the limits let each tenant send, in messages per second.
    #[must_use]
    pub fn share(&self) -> f64 {
        SHARE * self.rate / f64::from(QUIET_TENANTS)
    }

    /// Orders a second of each session, and as many cancels.
    fn session_rate(&self) -> u32 {
        (self.share() / f64::from(SESSIONS) / 2.0).ceil() as u32
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Memory of the server for each idle connection; `None` when no phase has a crowd.
    pub idle: Option<Idle>,
    /// The phases.
    pub phases: Vec<PhaseFound>,
}

/// What idle connections take of the server's memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Idle {
    /// Connections that were there.
    pub connections: usize,
    /// Resident bytes of the server for each of them.
    pub bytes: f64,
}

/// What was found in one phase.
#[derive(Clone, Debug)]
pub struct PhaseFound {
    /// The phase.
    pub phase: Phase,
    /// The quiet tenants alone, and beside the neighbours.
    pub pairs: Pairs,
    /// The same of the echo.
    pub echo: Option<Pairs>,
    /// What became of the crowd.
    pub crowd: Option<CrowdSeen>,
    /// What became of the noisy tenant's messages.
    pub noise: Option<NoiseSeen>,
}

impl PhaseFound {
    /// Which neighbours were not there as they should have been, so that the phase shows nothing.
    #[must_use]
    pub fn missing(&self, config: &NeighboursConfig) -> Vec<String> {
        let mut missing = Vec::new();
        if let Some(crowd) = &self.crowd
            && crowd.standing() < 0.9 * config.sockets as f64
        {
            missing.push(format!(
                "{:.0} of {} sockets stood on average",
                crowd.standing(),
                config.sockets
            ));
        }
        if let Some(noise) = &self.noise
            && self.phase != Phase::FlatOut
        {
            let offered = noise.sent as f64 / noise.seconds.max(f64::MIN_POSITIVE) / config.share();
            if offered < OFFER {
                missing.push(format!(
                    "the noisy tenant offered {offered:.1} times its share instead of {OFFER}"
                ));
            }
        }
        missing
    }
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NeighboursError {
    /// There cannot be such a crowd.
    #[error("{0} sockets: 1 to {SOCKETS_MAX} are possible")]
    Sockets(usize),
    /// The system does not allow so many sockets.
    #[error(
        "{sockets} sockets need {needed} file descriptors here and as many in the server, the system allows {hard}: raise the \
         hard limit (as root: `ulimit -n {needed}`), or give fewer --sockets"
    )]
    Descriptors {
        /// Sockets asked for.
        sockets: usize,
        /// Descriptors they need.
        needed: u64,
        /// The hard limit.
        hard: u64,
    },
    /// There is no server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A turn could not be measured.
    #[error("{turn}: {error}")]
    Turn {
        /// Which turn.
        turn: String,
        /// Why.
        error: LoadError,
    },
    /// The system refused something.
    #[error("system: {0}")]
    System(#[from] std::io::Error),
}

/// Measures all phases. `progress` hears of every turn before it begins.
///
/// # Errors
/// When the server cannot be started or ends badly, the system does not allow so many sockets, or a turn could not be run.
pub fn run(
    config: &NeighboursConfig,
    mut progress: impl FnMut(&str),
) -> Result<Found, NeighboursError> {
    let has_crowd = config.phases.iter().any(|phase| phase.has_crowd());
    if has_crowd {
        if config.sockets == 0 || config.sockets > SOCKETS_MAX {
            return Err(NeighboursError::Sockets(config.sockets));
        }
        descriptors::raise(config.sockets)?;
    }
    let mut found = Found {
        idle: None,
        phases: Vec::new(),
    };
    if has_crowd {
        progress("memory of idle connections");
        found.idle = Some(idle_memory(config)?);
    }
    let echo = config.echo_core.map(|core| EchoServer::start(Some(core)));
    let echo = echo.transpose()?;
    for phase in &config.phases {
        let phase = run_phase(config, *phase, echo.as_ref(), &mut progress)?;
        found.phases.push(phase);
    }
    Ok(found)
}

/// What connections take that say nothing, on a server that does nothing else.
fn idle_memory(config: &NeighboursConfig) -> Result<Idle, NeighboursError> {
    let server = start_server(config, Phase::Sockets)?;
    let look = || open_descriptors(server.own.pid()).zip(resident_bytes(server.own.pid()));
    let unknown = || std::io::Error::other("/proc tells nothing of the server's memory");
    let (open, resident) = look().ok_or_else(unknown)?;
    let mut most = (open, resident);
    let crowd = Crowd::gather(crowd_config(config, &server, |_| Role::HalfOpen))?;
    let deadline = Instant::now() + PATIENCE;
    while most.0 < open + config.sockets && Instant::now() < deadline {
        std::thread::sleep(LOOK);
        most = most.max(look().ok_or_else(unknown)?);
    }
    drop(crowd);
    server.own.stop()?;
    let connections = most.0 - open;
    let bytes = most.1.saturating_sub(resident) as f64;
    Ok(Idle {
        connections,
        bytes: bytes / connections.max(1) as f64,
    })
}

/// Puts the calling thread, and those it will start, behind all others: neighbours take what is left of this program's
/// processor, so that a quiet tenant waits for the server and not for them.
fn stand_back(core: Option<usize>) {
    // Not every system lets a thread do so; the run goes on without.
    let _ = prepare_thread(core);
    let _ = setpriority_process(None, NICE);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::PROFILES;

    fn config() -> NeighboursConfig {
        NeighboursConfig {
            program: PathBuf::new(),
            durability: Durability::Memory,
            sockets: 1_000,
            phases: Vec::new(),
            rounds: 1,
            rate: 4_000.0,
            warmup: Duration::ZERO,
            duration: Duration::ZERO,
            profile: PROFILES[0].clone(),
            core: None,
            echo_core: None,
        }
    }

    fn found(phase: Phase, sent: u64) -> PhaseFound {
        let noise = NoiseSeen {
            sent,
            seconds: 2.0,
            ..NoiseSeen::default()
        };
        PhaseFound {
            phase,
            pairs: Pairs::default(),
            echo: None,
            crowd: phase.has_crowd().then(CrowdSeen::default),
            noise: phase.has_noise().then_some(noise),
        }
    }

    #[test]
    fn quiet_tenants_stay_below_their_share() {
        let config = config();
        let of_each = config.rate / f64::from(QUIET_TENANTS);
        assert!(config.share() >= 2.0 * of_each);
        let limits = f64::from(config.session_rate() * 2 * SESSIONS);
        assert!((limits - config.share()).abs() <= f64::from(4 * SESSIONS));
    }

    #[test]
    fn neighbours_that_were_not_there_are_missing() {
        let config = config();
        // Ten times 10,000 a second, for two seconds.
        assert_eq!(found(Phase::Tenant, 200_000).missing(&config), [""; 0]);
        assert_eq!(found(Phase::Tenant, 199_000).missing(&config).len(), 1);
        assert_eq!(found(Phase::FlatOut, 1).missing(&config), [""; 0]);
        assert_eq!(found(Phase::Control, 0).missing(&config), [""; 0]);
        // No socket stood.
        assert_eq!(found(Phase::Both, 1).missing(&config).len(), 2);
    }
}
