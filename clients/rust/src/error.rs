//! What can go wrong with a session.

use std::time::Duration;

use souk_protocol::message::BATCH_ENTRIES_MAX;
use souk_protocol::{Code, FieldError, FrameError, MarketId, RejectReason, Text};

/// Why a session could not be opened, ended, or cannot do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No connection could be made.
    #[error("connecting to {address}: {source}; is the server running, and is this its port?")]
    Connect {
        /// The address asked for.
        address: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The TLS handshake failed.
    #[error(
        "TLS with {address}: {source}; does this port speak TLS, and is the certificate made out to this host by an authority that is trusted?"
    )]
    Tls {
        /// The address asked for.
        address: String,
        /// What the operating system or rustls says.
        source: std::io::Error,
    },
    /// Connecting and logging on took too long.
    #[error("no logon to {address} within {limit:?}; raise connect_timeout if the way is long")]
    ConnectTimeout {
        /// The address asked for.
        address: String,
        /// The limit.
        limit: Duration,
    },
    /// The server refused the logon.
    #[error("logon refused: {}", explain(*code))]
    LogonRejected {
        /// Why.
        code: Code,
        /// When to try again, in milliseconds; 0 if trying again unchanged is useless.
        retry_after_ms: u32,
    },
    /// The server ended the connection and said why.
    #[error("the server ended the connection: {}", explain(*code))]
    Terminated {
        /// Why.
        code: Code,
    },
    /// The connection failed.
    #[error("connection: {0}")]
    Io(#[from] std::io::Error),
    /// The server closed the connection without a word.
    #[error("the server closed the connection")]
    ClosedByServer,
    /// Nothing came for two keepalive intervals.
    #[error("nothing came from the server for {0:?}, two keepalive intervals")]
    KeepaliveLapsed(Duration),
    /// The server sent bytes that are not a frame.
    #[error("the server sent what is no frame: {0}")]
    Frame(#[from] FrameError),
    /// The server sent a message with a field that breaks a rule.
    #[error("the server sent a broken message: {0}")]
    Field(#[from] FieldError),
    /// The server sent a message that does not belong there.
    #[error("template {template} from the server where {expected} was expected")]
    UnexpectedMessage {
        /// The template that came.
        template: u16,
        /// What should have come.
        expected: &'static str,
    },
    /// The session is over.
    #[error("the session is over: {reason}; connect again")]
    Closed {
        /// How it ended.
        reason: String,
    },
    /// The server refused a request that is not to a market.
    #[error("{request} of market {market} refused: {}", explain(*code))]
    Refused {
        /// What was asked for.
        request: &'static str,
        /// The market.
        market: MarketId,
        /// Why.
        code: Code,
    },
    /// The server refused a request about money or the tenant's control stream. Nothing was
    /// changed.
    #[error("{request} refused: {}", explain(*code))]
    RequestRefused {
        /// The name of the request's message.
        request: &'static str,
        /// Why.
        code: Code,
        /// Byte in the frame at which the broken field begins, or 0.
        field_offset: u16,
        /// When to try again; 0 if no time is known.
        retry_after: Duration,
    },
    /// The connection ended before the answer came.
    #[error(
        "{request} was sent and not answered: {reason}; it may have been carried out: ask, or send the same again"
    )]
    InDoubt {
        /// The name of the request's message.
        request: &'static str,
        /// How the connection ended.
        reason: String,
    },
    /// A currency's definition makes no sense.
    #[error("definition of currency {}: {source}", code.as_str())]
    CurrencyDefinition {
        /// Code of the currency.
        code: Text<8>,
        /// What is wrong.
        source: crate::DecimalError,
    },
    /// A batch that is too short or too long.
    #[error("a batch has 1 to {BATCH_ENTRIES_MAX} entries, found {found}: split it")]
    BatchSize {
        /// Entries found.
        found: usize,
    },
    /// A snapshot would end the subscription of the market.
    #[error(
        "market {0} is subscribed, and a snapshot would take the place of the subscription: keep a Book of it, or unsubscribe first"
    )]
    Subscribed(MarketId),
    /// The tenant has no market of that name.
    #[error("no market {symbol:?}; the tenant's markets are: {known}")]
    UnknownSymbol {
        /// The name asked for.
        symbol: String,
        /// The names there are.
        known: String,
    },
    /// A market's definition makes no sense.
    #[error("definition of market {market}: {source}")]
    Definition {
        /// The market.
        market: MarketId,
        /// What is wrong.
        source: crate::DecimalError,
    },
    /// A snapshot that does not add up.
    #[error("snapshot of market {market}: {source}")]
    Snapshot {
        /// The market.
        market: MarketId,
        /// What is wrong.
        source: crate::BookError,
    },
}

impl ClientError {
    /// The rule of the code table that the server named, if it named one this version knows.
    #[must_use]
    pub const fn reason(&self) -> Option<RejectReason> {
        match self {
            Self::LogonRejected { code, .. }
            | Self::Terminated { code }
            | Self::Refused { code, .. }
            | Self::RequestRefused { code, .. } => code.reason(),
            _ => None,
        }
    }

    /// When to try again, as far as the server said.
    pub(crate) fn retry_after(&self) -> Duration {
        match self {
            Self::LogonRejected { retry_after_ms, .. } => {
                Duration::from_millis(u64::from(*retry_after_ms))
            }
            _ => Duration::ZERO,
        }
    }

    /// Whether connecting again may help.
    pub(crate) fn reconnect_may_help(&self) -> bool {
        match self {
            Self::LogonRejected { code, .. } | Self::Terminated { code } => {
                matches!(
                    code.reason(),
                    Some(RejectReason::KeepaliveLapsed | RejectReason::HandshakeTimeout)
                ) || code.reason().is_some_and(RejectReason::retryable)
            }
            Self::Connect { .. }
            | Self::ConnectTimeout { .. }
            | Self::Io(_)
            | Self::ClosedByServer
            | Self::KeepaliveLapsed(_) => true,
            // A certificate that is not believed will not be later either.
            Self::Tls { source, .. } => !matches!(
                source.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput
            ),
            _ => false,
        }
    }
}

/// The rule a code names, and what to do about it.
fn explain(code: Code) -> String {
    let row = RejectReason::TABLE
        .iter()
        .find(|row| row.reason.code() == code.0);
    match row {
        Some(row) => format!("{}. {}", row.reason, row.remedy),
        None => format!("{code}, which this version does not know"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_rule_and_the_remedy() {
        let code = Code::from(RejectReason::ClockSkew);
        let error = ClientError::Terminated { code };
        assert_eq!(
            error.to_string(),
            "the server ended the connection: ClockSkew (203): client_time is within 60 s of the \
             server's clock. Synchronise the clock."
        );
    }

    #[test]
    fn a_session_that_was_taken_over_is_not_taken_back() {
        let ended = |reason| ClientError::Terminated {
            code: Code::from(reason),
        };
        assert!(!ended(RejectReason::SessionTakenOver).reconnect_may_help());
        assert!(!ended(RejectReason::LoggedOut).reconnect_may_help());
        assert!(ended(RejectReason::SlowConsumer).reconnect_may_help());
        assert!(ended(RejectReason::ServerDraining).reconnect_may_help());
    }
}
