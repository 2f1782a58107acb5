//! `souk-loadgen`: the honest load generator for Souk.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The honest load generator for Souk.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Load a server, measure it, and verify everything it said.
    Run(commands::run::Run),
    /// Compare a server with an echo of the same frames on the same machine, in turns.
    Limit(commands::limit::Limit),
    /// Measure what durability costs: the curve of group commit, against memory and a bare sync, and beside snapshots.
    Journal(commands::journal::Journal),
    /// Measure quiet tenants alone and beside bad neighbours: slow and half-open sockets, a tenant beyond its share.
    Neighbours(commands::neighbours::Neighbours),
    /// Replay recorded order flow in several tenants at once, and compare what comes back.
    Replay(souk_loadgen::replay::Arguments),
    /// List the workloads.
    Profiles,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(run) => run.execute(),
        Command::Limit(limit) => limit.execute(),
        Command::Journal(journal) => journal.execute(),
        Command::Neighbours(neighbours) => neighbours.execute(),
        Command::Replay(arguments) => replay(&arguments),
        Command::Profiles => Ok(commands::profiles()),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("souk-loadgen: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Exit code 1 says that something is not as a correct engine must make it.
fn replay(arguments: &souk_loadgen::replay::Arguments) -> anyhow::Result<ExitCode> {
    let as_expected = souk_loadgen::replay::run(arguments)?;
    Ok(ExitCode::from(u8::from(!as_expected)))
}
