//! What a client may choose.

use std::time::Duration;

use souk_protocol::{CancelOnDisconnect, KeyId};

use crate::tls::Tls;

/// How a session is opened and kept.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The key's id, as the server's configuration has it.
    pub key_id: KeyId,
    /// Which of the key's sessions, 0 to 4,095. Each has its own numbers; two connections that
    /// use the same one take it from each other.
    pub session_number: u16,
    /// Higher than in every earlier logon of the session. `None`: the time in nanoseconds.
    pub incarnation: Option<u64>,
    /// The interval after which an idle side sends a heartbeat, 100 ms to 60 s. After two of them
    /// without a byte the connection counts as lost.
    pub keepalive: Duration,
    /// When the server cancels the session's open orders because its connection ended.
    pub cancel_on_disconnect: CancelOnDisconnect,
    /// How long after that end logging on again, which the client does by itself when `reconnect` says so,
    /// still keeps them: up to 60 s, and zero with `CancelOnDisconnect::None`.
    pub cancel_grace: Duration,
    /// How long connecting to one node and logging on there may take together. A tenant that is between two nodes is
    /// waited for as long again; a node holds such a logon for a second, so make it longer than that.
    pub connect_timeout: Duration,
    /// Whom to take for a node, over TLS. `None`: the connection is plain, which a node with a certificate allows on its own
    /// machine only.
    pub tls: Option<Tls>,
    /// What to do about messages that were refused for lack of room.
    pub retry: RetryPolicy,
    /// What to do when the connection is lost, or the tenant moves to another node. `None`: the session ends.
    pub reconnect: Option<ReconnectPolicy>,
    /// Messages that may wait in the client, in all markets together; more make the callers wait.
    pub waiting_max: usize,
    /// Events that may wait to be read. When they are full the client stops reading from the
    /// server, which in the end cuts it off as a slow consumer.
    pub events_max: usize,
}

impl ClientOptions {
    /// The defaults: session 0, keepalive 5 s, orders stay when the connection ends, refusals retried, no reconnect.
    #[must_use]
    pub fn new(key_id: KeyId) -> Self {
        Self {
            key_id,
            session_number: 0,
            incarnation: None,
            keepalive: Duration::from_secs(5),
            cancel_on_disconnect: CancelOnDisconnect::None,
            cancel_grace: Duration::ZERO,
            connect_timeout: Duration::from_secs(5),
            tls: None,
            retry: RetryPolicy::default(),
            reconnect: None,
            waiting_max: 65_536,
            events_max: 65_536,
        }
    }
}

/// Messages that were refused for lack of room (`SessionRateExceeded`, `CreditExceeded`,
/// `TenantShareExceeded`, `MarketBusy`) and everything that was on its way behind them are sent
/// again, in order, after the time the server names.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// Whether they are. If not, they and everything on its way behind them are `NotApplied`.
    pub enabled: bool,
    /// How often one message is sent again before it counts as `NotApplied`.
    pub attempts_max: u32,
    /// The shortest pause. Doubles with each attempt of a message, up to a second.
    pub pause_min: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            attempts_max: 16,
            pause_min: Duration::from_micros(100),
        }
    }
}

impl RetryPolicy {
    /// The shortest pause after this many attempts.
    pub(crate) fn pause(&self, attempts: u32) -> Duration {
        doubled(self.pause_min, attempts, PAUSE_MAX)
    }
}

/// How a lost connection is made again.
#[derive(Clone, Debug)]
pub struct ReconnectPolicy {
    /// How many attempts in a row may fail before the session ends.
    pub attempts_max: u32,
    /// The pause before the first attempt. Doubles with each, up to `pause_max`.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl Default for ReconnectPolicy {
    fn default() -> Self {
        Self {
            attempts_max: 20,
            pause_min: Duration::from_millis(50),
            pause_max: Duration::from_secs(2),
        }
    }
}

impl ReconnectPolicy {
    /// The pause after this many failed attempts.
    pub(crate) fn pause(&self, attempts: u32) -> Duration {
        doubled(self.pause_min, attempts, self.pause_max)
    }
}

/// Longest pause between attempts to send a refused message again.
const PAUSE_MAX: Duration = Duration::from_secs(1);

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(1 << times.min(20)).min(most)
}
