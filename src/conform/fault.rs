//! What a client under test did wrong.

use std::time::Duration;

use souk_protocol::{FieldError, FrameError};

/// Why a scenario failed: what was expected, and what came instead.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Something else came.
    #[error("expected {expected}; found {found}")]
    Other {
        /// What the protocol asks for.
        expected: String,
        /// What the client did.
        found: String,
    },
    /// Nothing came.
    #[error("expected {expected}; nothing came in {patience:?}")]
    Nothing {
        /// What the protocol asks for.
        expected: String,
        /// How long it was waited for.
        patience: Duration,
    },
    /// The client closed its connection, or its program ended.
    #[error("expected {expected}; {who} was closed")]
    Closed {
        /// What the protocol asks for.
        expected: String,
        /// What was closed.
        who: &'static str,
    },
    /// A frame that cannot be cut from the stream.
    #[error("a frame breaks a rule, {0}")]
    Frame(FrameError),
    /// A message whose bytes break a rule.
    #[error("template {template} breaks a rule, {source}")]
    Field {
        /// The message's template.
        template: u16,
        /// The rule and the byte.
        source: FieldError,
    },
    /// The client's program does not do what docs/conform.md says.
    #[error("the client's program: {0}")]
    Program(String),
    /// The system failed the connection.
    #[error("the connection failed: {0}")]
    Io(String),
}

impl Fault {
    /// Something else than `expected` came.
    pub(super) fn other(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Other {
            expected: expected.into(),
            found: found.into(),
        }
    }
}
