//! One phase: the quiet tenants alone and beside their neighbours, in turns on one server.

use std::time::{Duration, Instant};

use super::crowd::{Crowd, CrowdConfig, CrowdSeen, Role};
use super::descriptors::connections;
use super::noise::{Noise, NoiseSeen};
use super::server::{Host, QUIET_TENANTS, SESSIONS, Terms};
use super::{LOOK, NeighboursConfig, NeighboursError, OFFER, PATIENCE, Phase, PhaseFound};
use crate::driver::Wait;
use crate::echo::EchoServer;
use crate::facts::open_descriptors;
use crate::load::{LoadConfig, Pacing, Target};
use crate::schedule::Arrivals;
use crate::turns::{Pairs, Side};

/// Measures a phase on a server of its own.
pub(super) fn run_phase(
    config: &NeighboursConfig,
    phase: Phase,
    echo: Option<&EchoServer>,
    progress: &mut impl FnMut(&str),
) -> Result<PhaseFound, NeighboursError> {
    let server = start_server(config, phase)?;
    let mut found = PhaseFound {
        phase,
        pairs: Pairs::default(),
        echo: echo.map(|_| Pairs::default()),
        crowd: phase.has_crowd().then(CrowdSeen::default),
        noise: phase.has_noise().then(NoiseSeen::default),
    };
    let quiet = quiet_load(config, &server);
    for round in 1..=config.rounds {
        let name = format!("{} {round}/{}", phase.name(), config.rounds);
        found.take_turn(Side::Base, &format!("{name} alone"), &quiet, echo, progress)?;
        let before = open_descriptors(server.own.pid());
        let neighbours = Neighbours::come(config, phase, &server)?;
        found.take_turn(
            Side::Other,
            &format!("{name} beside"),
            &quiet,
            echo,
            progress,
        )?;
        neighbours.go(&mut found);
        await_calm(&server, before);
    }
    server.own.stop()?;
    Ok(found)
}

/// The neighbours of a turn.
struct Neighbours {
    crowd: Option<Crowd>,
    noise: Option<Noise>,
}

impl Neighbours {
    /// They are there when this returns.
    fn come(
        config: &NeighboursConfig,
        phase: Phase,
        server: &Host,
    ) -> Result<Self, NeighboursError> {
        let mut neighbours = Self {
            crowd: None,
            noise: None,
        };
        if phase.has_crowd() {
            let crowd = Crowd::gather(crowd_config(config, server, Role::mixed))?;
            // If they do not all stand, the numbers show it.
            let _ = crowd.await_standing(PATIENCE);
            neighbours.crowd = Some(crowd);
        }
        if phase.has_noise() {
            neighbours.noise = Some(Noise::start(noise_loads(config, phase, server))?);
        }
        Ok(neighbours)
    }

    fn go(self, found: &mut PhaseFound) {
        if let (Some(noise), Some(sum)) = (self.noise, &mut found.noise) {
            sum.append(&noise.stop());
        }
        if let (Some(crowd), Some(sum)) = (self.crowd, &mut found.crowd) {
            sum.merge(&crowd.seen());
        }
    }
}

/// Waits until the server has closed what the neighbours left, for a bounded time.
fn await_calm(server: &Host, before: Option<usize>) {
    let deadline = Instant::now() + PATIENCE;
    while open_descriptors(server.own.pid()) > before && Instant::now() < deadline {
        std::thread::sleep(LOOK);
    }
}

pub(super) fn start_server(
    config: &NeighboursConfig,
    phase: Phase,
) -> Result<Host, NeighboursError> {
    let terms = Terms {
        durability: config.durability,
        session_rate: (phase != Phase::FlatOut).then(|| config.session_rate()),
        // The crowd does not take the quiet tenants' places.
        connections_max: connections(config.sockets),
    };
    Ok(Host::start(&config.program, &terms)?)
}

fn quiet_load(config: &NeighboursConfig, server: &Host) -> LoadConfig {
    let keys = server.keys.quiet.clone();
    let mut load = LoadConfig::new(server.own.address, keys, config.profile.clone());
    load.connections = (QUIET_TENANTS * SESSIONS) as usize;
    load.pacing = Pacing::Open {
        rate: config.rate,
        arrivals: Arrivals::Poisson,
    };
    // The tenants are alike.
    load.skew = 0.0;
    load.warmup = config.warmup;
    load.duration = Some(config.duration);
    // A driver that asks again and again would leave the neighbours on its core nothing.
    load.wait = Wait::Park;
    load.cores = config.core.into_iter().collect();
    load
}

/// A load for each session of the noisy tenant.
fn noise_loads(config: &NeighboursConfig, phase: Phase, server: &Host) -> Vec<LoadConfig> {
    let sessions = server.keys.noisy.iter().cloned().enumerate();
    let load = sessions.map(|(number, key)| {
        let mut load = LoadConfig::new(server.own.address, vec![key], config.profile.clone());
        load.connections = 1;
        load.pacing = if phase == Phase::FlatOut {
            Pacing::Closed {
                outstanding: u32::MAX,
            }
        } else {
            Pacing::Open {
                // Of each session as much as of a quiet tenant's two, ten times: see `NOISY_SESSIONS`.
                rate: OFFER * config.share() / f64::from(SESSIONS),
                arrivals: Arrivals::Poisson,
            }
        };
        load.warmup = Duration::ZERO;
        load.seed = 2 + number as u64;
        load.cores = config.core.into_iter().collect();
        load.wait = Wait::Park;
        load.shared = true;
        load.verify = false;
        load
    });
    load.collect()
}

impl PhaseFound {
    /// One turn of the server, and of the echo if there is one.
    fn take_turn(
        &mut self,
        side: Side,
        name: &str,
        quiet: &LoadConfig,
        echo: Option<&EchoServer>,
        progress: &mut impl FnMut(&str),
    ) -> Result<(), NeighboursError> {
        let mut turn = |pairs: &mut Pairs, turn: String, load| {
            progress(&turn);
            match pairs.take_turn(side, &turn, load, None) {
                Ok(_) => Ok(()),
                Err(error) => Err(NeighboursError::Turn { turn, error }),
            }
        };
        turn(&mut self.pairs, name.to_owned(), quiet.clone())?;
        if let Some((pairs, echo)) = self.echo.as_mut().zip(echo) {
            let mut load = quiet.clone();
            load.target = Target::Echo;
            load.address = echo.address();
            turn(pairs, format!("{name}, echo"), load)?;
        }
        Ok(())
    }
}

pub(super) fn crowd_config(
    config: &NeighboursConfig,
    server: &Host,
    role: fn(usize) -> Role,
) -> CrowdConfig {
    CrowdConfig {
        address: server.own.address,
        sockets: config.sockets,
        role,
        unread: server.keys.unread.clone(),
        core: config.core,
    }
}
