//! The command line.

pub mod journal;
mod journal_text;
pub mod limit;
pub mod neighbours;
pub mod options;
mod pairs;
pub mod run;

use std::process::ExitCode;

use souk_loadgen::profile::PROFILES;

/// Prints the workloads.
pub fn profiles() -> ExitCode {
    println!("name           new/ioc/cancel/reduce/replace      measured on");
    for profile in &PROFILES {
        let mix = profile.mix;
        println!(
            "{:<14} {:<34} {}",
            profile.name,
            format!(
                "{}/{}/{}/{}/{} per mille",
                mix.new, mix.ioc, mix.cancel, mix.reduce, mix.replace
            ),
            profile.source
        );
    }
    ExitCode::SUCCESS
}
