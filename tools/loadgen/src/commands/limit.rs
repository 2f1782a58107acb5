//! `souk-loadgen limit`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use souk_loadgen::limit::{Comparison, LimitConfig, SHAPES, TURN, compare};
use souk_loadgen::output::{Environment, load_parameters};

use super::options::{LoadOptions, parse_duration};
use super::pairs::{Row, table};

/// Compare a server with an echo of the same frames on the same machine, in turns.
#[derive(Args)]
pub struct Limit {
    #[command(flatten)]
    load: LoadOptions,
    /// Shapes to compare; all of them when none is named.
    #[arg(long, value_delimiter = ',')]
    shapes: Vec<String>,
    /// Turns of each shape.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Measured time of a turn.
    #[arg(long, value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Warm-up of a turn.
    #[arg(long, value_parser = parse_duration)]
    warmup: Option<Duration>,
    /// Core of the echo: where the server runs.
    #[arg(long)]
    echo_pin: Option<usize>,
    /// Folder for limit.json and limit.txt.
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Limit {
    /// Runs the comparison. Fails when the server broke a promise, not when it missed a goal.
    pub fn execute(self) -> anyhow::Result<ExitCode> {
        let mut load = self.load.config(Some(4))?;
        load.duration = Some(self.duration.unwrap_or(TURN.0));
        load.warmup = self.warmup.unwrap_or(TURN.1);
        let mut shapes = SHAPES.to_vec();
        if !self.shapes.is_empty() {
            for name in &self.shapes {
                if !SHAPES.iter().any(|shape| shape.name == name) {
                    let names: Vec<_> = SHAPES.iter().map(|shape| shape.name).collect();
                    bail!("unknown shape `{name}`; there are {}", names.join(", "));
                }
            }
            shapes.retain(|shape| self.shapes.iter().any(|name| name == shape.name));
        }
        let config = LimitConfig {
            load,
            shapes,
            rounds: self.rounds.max(1),
            echo_core: self.echo_pin,
            server_pid: self.load.server_pid,
        };
        let environment = self.load.environment();
        if !self.load.json {
            print!("{}", head(&config, &environment));
        }
        let quiet = self.load.json || !std::io::stderr().is_terminal();
        let comparisons = compare(&config, |what| {
            if !quiet {
                eprint!("\r{what:<40}");
            }
        })?;
        if !quiet {
            eprint!("\r{:<40}\r", "");
        }
        let rows: Vec<_> = comparisons
            .iter()
            .map(|comparison| Row {
                name: comparison.shape.name,
                pairs: &comparison.pairs,
                goals: comparison.shape.goals,
            })
            .collect();
        let text = table(&rows, ["echo", "souk"]);
        let json = serde_json::to_string_pretty(&as_json(&config, &environment, &comparisons))?;
        if self.load.json {
            println!("{json}");
        } else {
            print!("{text}");
        }
        if let Some(folder) = &self.out {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
            std::fs::write(folder.join("limit.json"), json + "\n").context("limit.json")?;
            let text = head(&config, &environment) + &text;
            std::fs::write(folder.join("limit.txt"), text).context("limit.txt")?;
        }
        Ok(if comparisons.iter().all(|c| c.pairs.faults == 0) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn head(config: &LimitConfig, environment: &Environment) -> String {
    let machine = &environment.machine;
    let load = &config.load;
    let core = |core: Option<usize>| core.map_or("any core".to_owned(), |c| format!("core {c}"));
    format!(
        "server     {}, on cores {}\n\
         echo       tokio, one thread, on {}\n\
         driver     {} thread(s), on {}, wait {:?}\n\
         workload   {}, seed {}; {} rounds of {:?} after {:?} warm-up, echo and server in turns\n\
         machine    {} cores, {}, Linux {}, load average {}\n\n",
        load.address,
        environment
            .server_cores
            .as_deref()
            .unwrap_or("unknown (give --server-pid)"),
        core(config.echo_core),
        load.threads,
        core(load.cores.first().copied()),
        load.wait,
        load.profile.name,
        load.seed,
        config.rounds,
        load.duration.unwrap_or_default(),
        load.warmup,
        machine.cores,
        machine.processor,
        machine.kernel,
        machine.load_average,
    )
}

fn as_json(config: &LimitConfig, environment: &Environment, comparisons: &[Comparison]) -> Value {
    let shapes: Vec<_> = comparisons
        .iter()
        .map(|comparison| {
            let Comparison { shape, pairs } = comparison;
            let goals: Vec<_> = pairs
                .outcomes(shape.goals)
                .iter()
                .map(|o| json!({"goal": o.goal.text("echo"), "found": o.found, "hit": o.hit}))
                .collect();
            json!({
                "shape": shape.name,
                "echo": pairs.base,
                "souk": pairs.other,
                "p50_ratio": pairs.ratio(|f| f.latency.p50 as f64),
                "p99_ratio": pairs.ratio(|f| f.latency.p99 as f64),
                "rate_ratio": pairs.ratio(|f| f.rate),
                "goals": goals,
                "remarks": pairs.remarks,
                "faults": pairs.faults,
            })
        })
        .collect();
    json!({
        "parameters": load_parameters(&config.load),
        "rounds": config.rounds,
        "echo_core": config.echo_core,
        "machine": environment.machine,
        "server_cores": environment.server_cores,
        "shapes": shapes,
    })
}
