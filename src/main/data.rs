//! The commands that read a data directory.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Subcommand;
use souk::config::Overrides;
use souk::inspect::{self, InspectError, Wanted};
use souk::recovery::{DataDirectory, Progress, take_snapshot, verify_snapshot};
use souk_protocol::{MarketId, TenantId};

use super::{ConfigFile, load};

/// The exit code of an audit whose file cannot be read.
const UNREADABLE: u8 = 2;

/// How often the progress of a recovery is drawn, whether something was told or not.
const DRAWN_EVERY: Duration = Duration::from_millis(200);

/// What is asked of a journal.
#[derive(Subcommand)]
pub enum JournalCommand {
    /// Check every group, batch and record; name file, offset and sequence of damage. Exits with 2 if there is any.
    Verify {
        /// The data directory.
        data: PathBuf,
    },
    /// Print records, one a line.
    Dump {
        /// The data directory.
        data: PathBuf,
        /// Of this tenant only.
        #[arg(long)]
        tenant: Option<u32>,
        /// Of this market only; 0 is the control stream.
        #[arg(long)]
        market: Option<u32>,
        /// From this number of each stream on.
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// Print what it is made of: bytes by kind of record, sizes of batches, groups a second.
    Stat {
        /// The data directory.
        data: PathBuf,
    },
}

/// What is asked of snapshots.
#[derive(Subcommand)]
pub enum SnapshotCommand {
    /// Take one of everything before the segment in use; beside a running node, too.
    Now(ConfigFile),
    /// Check the checksums of all and print what they are. Exits with 1 if one is damaged.
    List {
        /// The data directory.
        data: PathBuf,
    },
    /// Restore the newest, or the one before a segment, and print the hash of its state.
    Verify {
        #[command(flatten)]
        file: ConfigFile,
        /// The first segment that is not in it.
        #[arg(long)]
        segment: Option<u64>,
    },
}

/// Recomputes every balance and hold of a journal. Prints what it finds.
pub fn audit(data: &Path) -> ExitCode {
    match souk::audit::audit(&DataDirectory::new(data)) {
        Ok(report) => {
            print!("{report}");
            if report.is_sound() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(UNREADABLE)
        }
    }
}

/// Prints what a journal holds.
pub fn journal(command: &JournalCommand) -> ExitCode {
    let printed = match command {
        JournalCommand::Verify { data } => inspect::verify(&DataDirectory::new(data))
            .map(|contents| print!("{contents}"))
            .map_err(InspectError::from),
        JournalCommand::Dump {
            data,
            tenant,
            market,
            from,
        } => {
            let wanted = Wanted {
                tenant: tenant.map(TenantId),
                market: market.map(MarketId),
                from: *from,
            };
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            inspect::dump(&DataDirectory::new(data), wanted, &mut out)
        }
        JournalCommand::Stat { data } => inspect::statistics(&DataDirectory::new(data))
            .map(|statistics| print!("{statistics}"))
            .map_err(InspectError::from),
    };
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(UNREADABLE)
        }
    }
}

pub fn snapshot(command: &SnapshotCommand) -> anyhow::Result<()> {
    match command {
        SnapshotCommand::Now(file) => {
            let config = load(&file.config, &Overrides::default())?;
            let data = DataDirectory::new(&config.journal.directory);
            let mut bar = ProgressBar::default();
            let stop = Arc::default();
            let taken = take_snapshot(&Arc::new(config), &data, &stop, &mut |progress| {
                bar.show(progress)
            })?;
            bar.end();
            match taken {
                Some(taken) => println!(
                    "snapshot of everything before segment {}: {} bytes, {} records since the one before, state {:#018x}; {} segments removed",
                    taken.head.segment,
                    taken.bytes,
                    taken.records,
                    taken.state_hash,
                    taken.segments_removed
                ),
                None => println!(
                    "nothing to take: the newest snapshot covers all but the segment in use"
                ),
            }
            Ok(())
        }
        SnapshotCommand::List { data } => {
            let data = DataDirectory::new(data);
            let (numbers, mut damaged) = (data.snapshot_numbers()?, 0);
            for &number in &numbers {
                match data.check(number) {
                    Ok(head) => println!(
                        "before segment {number}: good, up to group {} and batch {}",
                        head.start.group - 1,
                        head.start.batch - 1
                    ),
                    Err(error) => {
                        println!("before segment {number}: {error}");
                        damaged += 1;
                    }
                }
            }
            ensure!(
                damaged == 0,
                "{damaged} of {} snapshots cannot be used",
                numbers.len()
            );
            Ok(())
        }
        SnapshotCommand::Verify { file, segment } => {
            let config = load(&file.config, &Overrides::default())?;
            let data = DataDirectory::new(&config.journal.directory);
            let newest = data.snapshot_numbers()?.last().copied();
            let number = segment.or(newest).context("there is no snapshot")?;
            let (head, state_hash) = verify_snapshot(&Arc::new(config), &data, number)?;
            println!(
                "snapshot before segment {}: good, state {state_hash:#018x}",
                head.segment
            );
            Ok(())
        }
    }
}

/// How far a recovery has come, on a terminal.
#[derive(Default)]
pub struct ProgressBar {
    bar: Option<indicatif::ProgressBar>,
}

impl ProgressBar {
    pub fn show(&mut self, progress: Progress) {
        let bar = self.bar.get_or_insert_with(|| {
            let bar = indicatif::ProgressBar::new(0);
            bar.enable_steady_tick(DRAWN_EVERY);
            let style = indicatif::ProgressStyle::with_template(
                "recovering [{bar:40}] segment {pos} of {len}, {msg}, {elapsed}",
            );
            bar.with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()))
        });
        bar.set_length(progress.segments as u64);
        bar.set_position(progress.segments_read as u64);
        bar.set_message(match progress.segments {
            0 => "loading".to_owned(),
            _ => format!("{} records", progress.records),
        });
    }

    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}
