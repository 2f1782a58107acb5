//! The bench's command line.

use crate::NAMES;
use crate::race::Row;

/// How to call it.
pub const USAGE: &str = "\
usage: cargo bench -p souk --bench money -- [options]
  --workload NAME     measure this stream only (mixed, ecmix, deep, sweep)
  --rounds N          rounds, in which all rows take turns (default 7)
  --commands N        timed commands of a stream (default: its published length)
  --cachegrind NAME   run this stream once with one row, to be put under valgrind
  --row NAME          for that: alone, kept, money, statements, server (default money)";

/// What to do.
pub enum Mode {
    /// Small streams, everything checked, nothing measured: what `cargo test` does.
    Small,
    /// These streams, measured.
    Measure(Vec<&'static str>),
    /// One stream, once.
    Once(&'static str, Row),
}

/// The command line, understood.
pub struct Arguments {
    /// What to do.
    pub mode: Mode,
    /// Rounds of a measurement.
    pub rounds: usize,
    /// Timed commands of a stream, if not its published length.
    pub commands: Option<usize>,
}

impl Arguments {
    /// Understands `arguments`. Cargo adds `--bench` when it measures, and does not when it tests.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut measure, mut names, mut once) = (false, NAMES.to_vec(), None);
        let (mut row, mut rounds, mut commands) = (Row::Money, 7, None);
        while let Some(option) = arguments.next() {
            if option == "--bench" {
                measure = true;
                continue;
            }
            if !option.starts_with("--") {
                continue; // A name filter, which cargo hands to every bench and test alike.
            }
            let Some(value) = arguments.next() else {
                return Err(format!("{option} needs a value"));
            };
            match option.as_str() {
                "--workload" => names = vec![known(&value, NAMES, |name| name)?],
                "--cachegrind" => once = Some(known(&value, NAMES, |name| name)?),
                "--row" => row = known(&value, Row::ALL, Row::name)?,
                "--rounds" => rounds = number(&option, &value)?.max(1),
                "--commands" => commands = Some(number(&option, &value)?),
                _ => return Err(format!("unknown option {option}")),
            }
        }
        let mode = match once {
            Some(name) => Mode::Once(name, row),
            None if measure => Mode::Measure(names),
            None => Mode::Small,
        };
        Ok(Self {
            mode,
            rounds,
            commands,
        })
    }
}

fn known<T: Copy, const N: usize>(
    value: &str,
    all: [T; N],
    name: fn(T) -> &'static str,
) -> Result<T, String> {
    let found = all.into_iter().find(|one| name(*one) == value);
    found.ok_or_else(|| {
        let names = all.map(name).join(", ");
        format!("unknown name {value}, there are {names}")
    })
}

fn number(option: &str, value: &str) -> Result<usize, String> {
    let number = value.parse();
    number.map_err(|_| format!("{option} needs a number, not {value}"))
}
