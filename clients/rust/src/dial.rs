//! Logging on: at the node that serves the session's tenant, wherever that is.

use std::time::Instant;

use crate::clock::unix_time_ns;
use crate::error::ClientError;
use crate::key::SigningKey;
use crate::options::ClientOptions;
use crate::route::{Next, Route};
use crate::wire::{Connection, LogonTerms};

/// What it takes to log on.
pub(crate) struct Dialer {
    pub(crate) key: SigningKey,
    pub(crate) options: ClientOptions,
    pub(crate) route: Route,
}

impl Dialer {
    /// What logs on to one of these seeds, or to where it sends the session.
    pub(crate) fn new(seeds: &str, key: SigningKey, options: ClientOptions) -> Self {
        let route = Route::new(seeds, options.connect_timeout);
        Self {
            key,
            options,
            route,
        }
    }

    /// The first logon. When nobody answers that is an error at once; a cluster whose nodes are there and do not have
    /// the tenant yet is asked again as for a reconnect.
    pub(crate) async fn connect(&mut self) -> Result<Connection, ClientError> {
        let given = self.options.incarnation;
        let incarnation = || given.unwrap_or_else(unix_time_ns);
        let policy = self.options.reconnect.clone();
        let mut attempt = 0;
        loop {
            let error = match self.log_on(incarnation).await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            let again = error.reconnect_may_help() && self.route.is_elsewhere();
            let policy = policy
                .as_ref()
                .filter(|policy| attempt < policy.attempts_max);
            let Some(policy) = policy.filter(|_| again) else {
                return Err(error);
            };
            tokio::time::sleep(policy.pause(attempt).max(error.retry_after())).await;
            self.route.on_paused();
            attempt += 1;
        }
    }

    /// One round: asks the nodes one after the other, until one takes the session.
    pub(crate) async fn log_on(
        &mut self,
        incarnation: impl Fn() -> u64,
    ) -> Result<Connection, ClientError> {
        loop {
            let mut redirect = None;
            let address = self.route.address();
            let logon = LogonTerms {
                key: &self.key,
                options: &self.options,
                incarnation: incarnation(),
            };
            let opened = Connection::open(address, logon, &mut redirect).await;
            let now = Instant::now();
            let error = match opened {
                Ok(connection) => {
                    self.route.on_logged_on(now);
                    return Ok(connection);
                }
                Err(error) => error,
            };
            match self.route.on_refused(&error, redirect, now) {
                Next::Ask => {}
                Next::AskAfter(pause) => tokio::time::sleep(pause).await,
                Next::Over => return Err(error),
            }
        }
    }
}
