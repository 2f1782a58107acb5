//! The log: one line for each change of state, on standard error; none for an order.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people.
    Human,
    /// One JSON object.
    Json,
}

/// Begins to write. `RUST_LOG` says what.
pub fn begin(format: Format) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // It would write whole messages, with the tokens in them.
    let filter = match "tungstenite=info".parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
    let log = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(filter);
    match format {
        Format::Human => log.init(),
        Format::Json => log.json().flatten_event(true).init(),
    }
}
