//! The bench's command line.

use crate::support::workload::{NAMES, SEED};

/// How to call it.
pub const USAGE: &str = "\
usage: cargo bench -p souk-engine --bench matching -- [options]
  --workload NAME     measure this stream only (mixed, ecmix, deep, sweep, calibrated)
  --rounds N          rounds, in which all engines take turns (default 7)
  --ahead N           commands between a prefetch and its command (default 4)
  --commands N        timed commands of a stream (default: its published length)
  --seed N            seed of the stream (default 1)
  --cachegrind NAME   run this stream once with one engine, to be put under valgrind
  --engine NAME       for that: souk, souk-prefetch, souk-cl-ord-id, matchcore, orderbook-rs, nothing (default souk-prefetch)";

/// What to do.
#[derive(Debug)]
pub enum Mode {
    /// Small streams, totals checked, nothing measured: what `cargo test` does.
    Small,
    /// These streams, measured.
    Measure(Vec<&'static str>),
    /// One stream, once, with one engine.
    Once {
        /// The stream.
        name: &'static str,
        /// The engine.
        engine: Engine,
    },
}

/// Who runs a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The driver alone.
    Nothing,
    /// Souk, cancels by order id, no prefetch.
    Souk,
    /// The same with prefetch: as the matcher does it.
    SoukPrefetch,
    /// Souk, cancels by client order id, with prefetch.
    SoukClOrdId,
    /// The peer of that name.
    Matchcore,
    /// The peer of that name.
    OrderbookRs,
}

impl Engine {
    /// Every engine, in the order of the table.
    pub const ALL: [Self; 6] = [
        Self::Nothing,
        Self::Souk,
        Self::SoukPrefetch,
        Self::SoukClOrdId,
        Self::Matchcore,
        Self::OrderbookRs,
    ];

    /// Its name on the command line and in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Souk => "souk",
            Self::SoukPrefetch => "souk-prefetch",
            Self::SoukClOrdId => "souk-cl-ord-id",
            Self::Matchcore => "matchcore",
            Self::OrderbookRs => "orderbook-rs",
        }
    }
}

/// The command line, understood.
#[derive(Debug)]
pub struct Arguments {
    /// What to do.
    pub mode: Mode,
    /// Rounds of a measurement.
    pub rounds: usize,
    /// Commands between a prefetch and its command.
    pub ahead: usize,
    /// Timed commands of a stream, if not its published length.
    pub commands: Option<usize>,
    /// The seed of the streams.
    pub seed: u64,
}

impl Arguments {
    /// Understands `arguments`. Cargo adds `--bench` when it measures, and does not when it tests.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut measure, mut workload, mut once) = (false, None, None);
        let mut engine = Engine::SoukPrefetch;
        let mut parsed = Self {
            mode: Mode::Small,
            rounds: 7,
            ahead: 4,
            commands: None,
            seed: SEED,
        };
        let mut arguments = arguments.peekable();
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
                "--workload" => workload = Some(stream(&value)?),
                "--cachegrind" => once = Some(stream(&value)?),
                "--engine" => engine = named_engine(&value)?,
                "--rounds" => parsed.rounds = number(&option, &value)?.max(1),
                "--ahead" => parsed.ahead = number(&option, &value)?,
                "--commands" => parsed.commands = Some(number(&option, &value)?),
                "--seed" => parsed.seed = number(&option, &value)? as u64,
                _ => return Err(format!("unknown option {option}")),
            }
        }
        parsed.mode = match (once, measure) {
            (Some(name), _) => Mode::Once { name, engine },
            (None, true) => {
                Mode::Measure(workload.map_or_else(|| NAMES.to_vec(), |name| vec![name]))
            }
            (None, false) => Mode::Small,
        };
        Ok(parsed)
    }
}

fn stream(value: &str) -> Result<&'static str, String> {
    let known = NAMES.into_iter().find(|name| *name == value);
    known.ok_or_else(|| format!("unknown stream {value}, there are {}", NAMES.join(", ")))
}

fn named_engine(value: &str) -> Result<Engine, String> {
    let known = Engine::ALL
        .into_iter()
        .find(|engine| engine.name() == value);
    known.ok_or_else(|| format!("unknown engine {value}"))
}

fn number(option: &str, value: &str) -> Result<usize, String> {
    value
        .parse()
        .map_err(|_| format!("{option} needs a number, not {value}"))
}
