//! `souk conform`: a client of another language, tested.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use souk::conform::{self, ConformOptions, Format, SCENARIOS};

/// What is played, and to which client.
#[derive(Args)]
pub struct Conform {
    /// Address and port that the client is told to connect to.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Write one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Print the scenarios, and play none.
    #[arg(long)]
    list: bool,
    /// Play this scenario alone; may be given several times.
    #[arg(long, value_name = "SCENARIO")]
    only: Vec<String>,
    /// How long the client may take for a step.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "5s")]
    patience: Duration,
    /// The client's program and its arguments: it takes instructions and tells events as docs/conform.md says.
    #[arg(last = true)]
    command: Vec<String>,
}

/// Exits with 1 if the client breaks a rule.
pub fn run(asked: &Conform) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    if asked.list {
        for scenario in SCENARIOS {
            let conform::Scenario { name, expects, .. } = scenario;
            writeln!(out, "{name:<22} {expects}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let options = ConformOptions {
        listen: asked.listen,
        command: asked.command.clone(),
        only: asked.only.clone(),
        patience: asked.patience,
    };
    let format = if asked.json {
        Format::Json
    } else {
        Format::Text
    };
    let report = conform::run(&options, format, &mut out)?;
    Ok(ExitCode::from(u8::from(!report.all_passed())))
}
