//! `souk-loadgen run`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use souk_loadgen::facts::{processor_time_ns, steal};
use souk_loadgen::load::{LoadHandle, Pacing, start};
use souk_loadgen::output::{latency_table, parameters, summary, verdict, write_files};
use souk_loadgen::schedule::Arrivals;

use super::options::{LoadOptions, parse_duration};

/// What is verified at the end.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Verify {
    /// Every answer, every execution, every book.
    Full,
    /// Only what is looked at anyway while the reports come in.
    Off,
}

/// Load a server, measure it, and verify everything it said.
#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    load: LoadOptions,
    /// Messages per second over all connections: an open loop, sent by the clock.
    #[arg(long, default_value_t = 10_000.0)]
    rate: f64,
    /// Shape of the arrivals in an open loop.
    #[arg(long, value_enum, default_value = "poisson")]
    arrivals: Arrivals,
    /// A closed loop instead: each connection keeps `--outstanding` messages unanswered. Its
    /// latencies say nothing about what users of a busy server would see.
    #[arg(long)]
    closed: bool,
    /// Unanswered messages of each connection in a closed loop.
    #[arg(long, default_value_t = 16, requires = "closed")]
    outstanding: u32,
    /// Connections; as many as the keys have sessions, or 4.
    #[arg(long)]
    connections: Option<usize>,
    /// How long is measured, such as 10s.
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    duration: Duration,
    /// How long is not measured before.
    #[arg(long, default_value = "2s", value_parser = parse_duration)]
    warmup: Duration,
    /// What is verified at the end.
    #[arg(long, value_enum, default_value = "full")]
    verify: Verify,
    /// Leave open orders in the book at the end.
    #[arg(long)]
    leave_orders: bool,
    /// Folder for summary.json, response.hgrm, service.hgrm, latency.svg and latency.txt.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// How often progress is shown on a terminal.
const BAR_INTERVAL: Duration = Duration::from_millis(250);
/// How often a line is printed elsewhere.
const LINE_INTERVAL: Duration = Duration::from_secs(2);

impl Run {
    /// Runs the load. Fails when a promise of the server was broken.
    pub fn execute(self) -> anyhow::Result<ExitCode> {
        let mut config = self.load.config(self.connections)?;
        config.pacing = if self.closed {
            Pacing::Closed {
                outstanding: self.outstanding.max(1),
            }
        } else {
            anyhow::ensure!(
                self.rate > 0.0 && self.rate <= 1e8,
                "--rate {} is not between 0 and 100 million",
                self.rate
            );
            Pacing::Open {
                rate: self.rate,
                arrivals: self.arrivals,
            }
        };
        config.duration = Some(self.duration);
        config.warmup = self.warmup;
        config.verify = self.verify == Verify::Full;
        config.leave_orders = self.leave_orders;
        let mut environment = self.load.environment();
        let server_time = || self.load.server_pid.and_then(processor_time_ns);
        let (server_before, steal_before) = (server_time(), steal());
        let total = self.warmup + self.duration;
        let handle = start(config.clone())?;
        if !self.load.json {
            print!("{}", parameters(&config, handle.plan(), &environment));
        }
        show_progress(&handle, total, self.load.json);
        let report = handle.wait()?;
        environment.server_ns = server_time()
            .zip(server_before)
            .map(|(now, then)| now - then);
        environment.steal_percent = steal()
            .zip(steal_before)
            .map(|(now, then)| (now.0 - then.0) as f64 * 100.0 / (now.1 - then.1).max(1) as f64);
        if self.load.json {
            println!(
                "{}",
                serde_json::to_string_pretty(&summary(&report, &environment))?
            );
        } else {
            print!(
                "{}{}",
                latency_table(&report),
                verdict(&report, &environment)
            );
        }
        if let Some(folder) = &self.out {
            write_files(folder, &report, &environment)?;
            if !self.load.json {
                println!("wrote {}", folder.display());
            }
        }
        Ok(if report.verified.ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// Shows how far the load is, until its threads have ended. Runs beside the measuring threads and
/// only reads what they publish.
fn show_progress(handle: &LoadHandle, total: Duration, quiet: bool) {
    let bar = if !quiet && std::io::stderr().is_terminal() {
        ProgressBar::new(total.as_millis() as u64)
    } else {
        ProgressBar::hidden()
    };
    if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {percent:>3} %  eta {eta}  {msg}") {
        bar.set_style(style.progress_chars("#>-"));
    }
    let (mut seen, mut seen_at) = (0, Instant::now());
    let mut line_at = Instant::now() + LINE_INTERVAL;
    while !handle.is_finished() {
        std::thread::sleep(if bar.is_hidden() {
            BAR_INTERVAL / 5
        } else {
            BAR_INTERVAL
        });
        let now = Instant::now();
        if bar.is_hidden() && (quiet || now < line_at) {
            continue;
        }
        let counts = handle.counts();
        let rate = (counts.answered - seen) as f64 / now.duration_since(seen_at).as_secs_f64();
        (seen, seen_at, line_at) = (counts.answered, now, now + LINE_INTERVAL);
        let text = format!(
            "{rate:.0}/s  {} trades  {} refused",
            counts.trades, counts.refused
        );
        if bar.is_hidden() {
            eprintln!("{:>6.1} s  {text}", handle.elapsed().as_secs_f64());
        }
        bar.set_message(text);
        bar.set_position(handle.elapsed().min(total).as_millis() as u64);
    }
    bar.finish_and_clear();
}
