//! `souk-loadgen neighbours`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use souk_loadgen::facts::Machine;
use souk_loadgen::neighbours::{
    CrowdSeen, Found, GOALS, IDLE_BYTES_MAX, NeighboursConfig, NoiseSeen, OFFER, Phase, PhaseFound,
    Role, run,
};
use souk_loadgen::profile::DEFAULT_PROFILE;
use souk_loadgen::stats::Codes;
use souk_protocol::Durability;

use super::options::{find_profile, parse_duration};
use super::pairs::{Row, table};

/// Measure quiet tenants alone and beside bad neighbours, in turns, on a server of its own.
#[derive(Args)]
pub struct Neighbours {
    /// The `souk` program that is measured.
    #[arg(long)]
    server: PathBuf,
    /// Sockets of the crowd.
    #[arg(long, default_value_t = 10_000)]
    sockets: usize,
    /// Pairs of turns of each phase.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Compare alone with alone instead: what noise there is.
    #[arg(long, conflicts_with = "phases")]
    control: bool,
    /// Which neighbours; all of these, one after another, when none is named.
    #[arg(long, value_enum, value_delimiter = ',')]
    phases: Vec<Phase>,
    /// Messages per second of all quiet tenants together.
    #[arg(long, default_value_t = 4_000.0)]
    rate: f64,
    /// Measured time of a turn.
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    duration: Duration,
    /// Warm-up of a turn.
    #[arg(long, default_value = "1s", value_parser = parse_duration)]
    warmup: Duration,
    /// The workload of all tenants.
    #[arg(long, default_value = DEFAULT_PROFILE)]
    profile: String,
    /// What an acknowledgement of the server is worth: memory or local.
    #[arg(long, default_value = "memory", value_parser = parse_durability)]
    durability: Durability,
    /// Core of the load generator: of the quiet tenants' driver, and of the neighbours, which stand back behind it.
    #[arg(long)]
    pin: Option<usize>,
    /// Measure an echo on this core too, which should be the server's: what it notices of the neighbours is the machine's.
    #[arg(long)]
    echo_pin: Option<usize>,
}

impl Neighbours {
    /// Runs all phases. Fails when the server broke a promise, not when it missed a goal.
    pub fn execute(self) -> anyhow::Result<ExitCode> {
        ensure!(
            (100.0..=1e6).contains(&self.rate),
            "--rate {} is not between 100 and 1 million",
            self.rate
        );
        let phases = match (self.control, self.phases.is_empty()) {
            (true, _) => vec![Phase::Control],
            (false, true) => Phase::ALL.to_vec(),
            (false, false) => self.phases,
        };
        let config = NeighboursConfig {
            program: self.server,
            durability: self.durability,
            sockets: self.sockets,
            phases,
            rounds: self.rounds.max(1),
            rate: self.rate,
            warmup: self.warmup,
            duration: self.duration,
            profile: find_profile(&self.profile)?.clone(),
            core: self.pin,
            echo_core: self.echo_pin,
        };
        print!("{}", head(&config));
        let is_shown = std::io::stderr().is_terminal();
        let found = run(&config, |turn| {
            if is_shown {
                eprint!("\r{turn:<40}");
            }
        })?;
        if is_shown {
            eprint!("\r{:<40}\r", "");
        }
        print!("{}", text(&config, &found));
        let is_broken = found.phases.iter().any(|phase| phase.pairs.faults > 0);
        Ok(ExitCode::from(u8::from(is_broken)))
    }
}

fn parse_durability(text: &str) -> Result<Durability, String> {
    let possible = [Durability::Memory, Durability::Local];
    let found = possible
        .into_iter()
        .find(|class| class.name().to_lowercase() == text);
    found.ok_or_else(|| "not one of memory, local".to_owned())
}

fn head(config: &NeighboursConfig) -> String {
    let machine = Machine::now();
    let core = |core: Option<usize>| core.map_or("any core".to_owned(), |c| format!("core {c}"));
    let echo = config
        .echo_core
        .map_or("none".to_owned(), |c| core(Some(c)));
    format!(
        "server     {}, durability {}, a new one for each phase\n\
         quiet      2 tenants of 2 sessions, {} messages/s together by a Poisson process, workload {}\n\
         share      {} messages/s, what the limits let two sessions of a tenant send; the noisy one offers {OFFER} times that over 4\n\
         crowd      {} sockets: half say nothing, 4 in 10 log on by a byte a second, 1 in 10 reads nothing\n\
         turns      {} pairs of {:?} after {:?} warm-up, alone and beside the neighbours\n\
         cores      load generator {}, echo {echo}\n\
         machine    {} cores, {}, Linux {}, load average {}\n\n",
        config.program.display(),
        config.durability.name().to_lowercase(),
        config.rate,
        config.profile.name,
        config.share(),
        config.sockets,
        config.rounds,
        config.duration,
        config.warmup,
        core(config.core),
        machine.cores,
        machine.processor,
        machine.kernel,
        machine.load_average,
    )
}

fn text(config: &NeighboursConfig, found: &Found) -> String {
    let mut rows = Vec::new();
    for phase in &found.phases {
        rows.push(Row {
            name: phase.phase.name(),
            pairs: &phase.pairs,
            goals: &GOALS,
        });
        rows.extend(phase.echo.as_ref().map(|pairs| Row {
            name: "  its echo",
            pairs,
            goals: &[],
        }));
    }
    let mut out = table(&rows, ["alone", "beside"]);
    if let Some(idle) = found.idle {
        let verdict = if idle.bytes <= IDLE_BYTES_MAX {
            "hit "
        } else {
            "MISS"
        };
        out += &format!(
            "{verdict} memory       <= {IDLE_BYTES_MAX} resident bytes of the server for each idle connection: {:.0} ({} connections)\n",
            idle.bytes, idle.connections
        );
    }
    out.push('\n');
    for phase in &found.phases {
        out += &neighbours(config, phase);
    }
    out
}

/// What became of the neighbours of a phase.
fn neighbours(config: &NeighboursConfig, phase: &PhaseFound) -> String {
    let mut lines = Vec::new();
    if let Some(crowd) = &phase.crowd {
        lines.extend(crowd_lines(config, crowd));
    }
    if let Some(noise) = &phase.noise {
        lines.extend(noise_lines(config, noise));
    }
    let missing = phase.missing(config).into_iter();
    lines.extend(missing.map(|what| format!("NOT ALL THERE, the phase shows nothing: {what}")));
    let name = phase.phase.name();
    lines
        .iter()
        .map(|line| format!("{name:<10} {line}\n"))
        .collect()
}

fn crowd_lines(config: &NeighboursConfig, crowd: &CrowdSeen) -> Vec<String> {
    let mut lines = vec![format!(
        "{:.0} of {} sockets stood on average, {} opened, {} logged on; cut or refused by the server:",
        crowd.standing(),
        config.sockets,
        crowd.opened,
        crowd.logons
    )];
    for (role, cut) in Role::ALL.into_iter().zip(&crowd.cut) {
        lines.push(format!(
            "  {} {}, {} without a word that was read; the others were told: {}",
            cut.total(),
            role.name(),
            cut.silent,
            codes(&cut.said)
        ));
    }
    if let Some(why) = &crowd.failure {
        lines.push(format!(
            "  {} could not connect, first: {why}",
            crowd.failed
        ));
    }
    lines
}

fn noise_lines(config: &NeighboursConfig, noise: &NoiseSeen) -> Vec<String> {
    let times = |count: u64| count as f64 / noise.seconds.max(f64::MIN_POSITIVE) / config.share();
    let mut lines = vec![format!(
        "offered {:.1} times its share, got {:.2}; the server ended {} of its sessions; refused: {}",
        times(noise.sent),
        times(noise.taken),
        noise.ended,
        codes(&noise.refused)
    )];
    if let Some(why) = &noise.failure {
        lines.push(format!(
            "  {} sessions did not come to be, first: {why}",
            noise.failed
        ));
    }
    lines
}

fn codes(codes: &Codes) -> String {
    let each: Vec<_> = codes
        .iter()
        .map(|(code, count)| format!("{count} x {code}"))
        .collect();
    if each.is_empty() {
        return "nothing".to_owned();
    }
    each.join("; ")
}
