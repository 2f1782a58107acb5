//! `souk-loadgen journal`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, ensure};
use clap::Args;
use souk_loadgen::facts::{Machine, file_system};
use souk_loadgen::journal::{Commit, Found, JournalConfig, OUTSTANDING, Phase, run};
use souk_loadgen::output::duration;
use souk_loadgen::profile::DEFAULT_PROFILE;

use super::journal_text::{as_json, text};
use super::options::{find_profile, parse_duration};

/// Where nothing comes to be durable, and a sync takes no time.
const NO_DISK: [&str; 2] = ["tmpfs", "ramfs"];

/// Measure what durability costs: `local` against `memory`, against a bare sync, and beside snapshots, in turns, on servers of
/// its own.
#[derive(Args)]
pub struct Journal {
    /// The `souk` program that is measured.
    #[arg(long)]
    server: PathBuf,
    /// A folder on the disk that is measured; the servers' data directories are made in it, and removed. The system's folder
    /// for temporary files when it is not given.
    #[arg(long)]
    data: Option<PathBuf>,
    /// What to measure; all of these, one after another, when none is named.
    #[arg(long, value_enum, value_delimiter = ',')]
    phases: Vec<Phase>,
    /// How groups come to be durable; the fastest way when it is not given.
    #[arg(long, value_enum)]
    commit: Option<Commit>,
    /// Rounds of each phase.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Measured time of a turn.
    #[arg(long, default_value = "3s", value_parser = parse_duration)]
    duration: Duration,
    /// Warm-up of a turn.
    #[arg(long, default_value = "500ms", value_parser = parse_duration)]
    warmup: Duration,
    /// The workload.
    #[arg(long, default_value = DEFAULT_PROFILE)]
    profile: String,
    /// Connections, but for the latency of one order: 1 to 4.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Unanswered messages of each connection: the points of the curve.
    #[arg(long, value_delimiter = ',', default_values_t = OUTSTANDING)]
    outstanding: Vec<u32>,
    /// Orders that rest while snapshots are taken.
    #[arg(long, default_value_t = 200_000)]
    resting: u32,
    /// Bytes of a segment while snapshots are taken: one is due whenever a segment is full.
    #[arg(long, default_value_t = 4 << 20)]
    segment_bytes: u64,
    /// Core of the load generator.
    #[arg(long)]
    pin: Option<usize>,
    /// Print everything as JSON, and nothing else on standard output.
    #[arg(long)]
    json: bool,
}

impl Journal {
    /// Runs all phases. Fails when the server broke a promise, not when it missed a goal.
    pub fn execute(self) -> anyhow::Result<ExitCode> {
        let data = self.data.unwrap_or_else(std::env::temp_dir);
        let disk = file_system(&data).unwrap_or_else(|| "an unknown file system".to_owned());
        if NO_DISK.contains(&disk.as_str()) {
            bail!(
                "{} is {disk}: nothing is durable there; give --data a folder on a disk",
                data.display()
            );
        }
        ensure!(
            self.segment_bytes >= 1 << 20,
            "--segment-bytes {} is not at least 1048576",
            self.segment_bytes
        );
        let phases = if self.phases.is_empty() {
            Phase::ALL.to_vec()
        } else {
            self.phases
        };
        let config = JournalConfig {
            program: self.server,
            data,
            phases,
            commit: self.commit,
            rounds: self.rounds.max(1),
            warmup: self.warmup,
            duration: self.duration,
            profile: find_profile(&self.profile)?.clone(),
            connections: self.connections,
            outstanding: self.outstanding,
            resting: self.resting,
            segment_bytes: self.segment_bytes,
            core: self.pin,
        };
        let machine = Machine::now();
        if !self.json {
            print!("{}", head(&config, &disk, &machine));
        }
        let is_shown = !self.json && std::io::stderr().is_terminal();
        let found = run(&config, |turn| {
            if is_shown {
                eprint!("\r{turn:<60}");
            }
        })?;
        if is_shown {
            eprint!("\r{:<60}\r", "");
        }
        if self.json {
            let json = as_json(&config, &disk, &machine, &found);
            println!("{}", serde_json::to_string_pretty(&json)?);
        } else {
            print!("{}{}", ways(&found), text(&config, &found));
        }
        let is_broken = found.pairs().any(|pairs| pairs.faults > 0);
        Ok(ExitCode::from(u8::from(is_broken)))
    }
}

fn head(config: &JournalConfig, disk: &str, machine: &Machine) -> String {
    let core = config
        .core
        .map_or("any core".to_owned(), |core| format!("core {core}"));
    format!(
        "servers    {}, new ones for each phase, data in {} on {disk}\n\
         load       one tenant, one market, workload {}, {} connections; driver on {core}, sleeps between messages\n\
         turns      {} rounds of {:?} after {:?} warm-up\n\
         machine    {} cores, {}, Linux {}, load average {}\n",
        config.program.display(),
        config.data.display(),
        config.profile.name,
        config.connections,
        config.rounds,
        config.duration,
        config.warmup,
        machine.cores,
        machine.processor,
        machine.kernel,
        machine.load_average,
    )
}

fn ways(found: &Found) -> String {
    let Some(commit) = found.commit else {
        return String::new();
    };
    let each: Vec<_> = found
        .compared
        .iter()
        .map(|way| format!("{} {}", way.commit.name(), duration(way.median_ns)))
        .collect();
    let why = if each.is_empty() {
        "as given".to_owned()
    } else {
        format!(
            "the fastest; a bare sync of 4,096 bytes, median: {}",
            each.join(", ")
        )
    };
    format!("commit     {}: {why}\n\n", commit.name())
}
