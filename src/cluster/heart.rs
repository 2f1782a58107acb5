//! The heartbeat: renews the lease at a fixed rate, whatever became of the last renewal.
//!
//! It has a thread, a runtime and two connections of its own, used in turn: a connection that hangs costs one renewal of two.
//! If it panics, the process ends: no node runs without a heart.
//!
//! Must never: wait for anything but its own connections, or decide from one renewal whether there is a next.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::lease::Lease;
use super::pulse::Pulse;
use crate::clock;
use crate::config::DatabaseConfig;
use crate::database::{Class, Connection, DatabaseError};
use crate::lease::{LeaseTerms, Registered, Renewal, Schedule};

/// Connections, used in turn.
const CONNECTIONS: usize = 2;
/// How often a failed renewal is told: each is one of many.
const TELL_EVERY: u64 = 10;

/// What the heartbeat's thread runs.
#[derive(Debug)]
pub(crate) struct Heart {
    connections: [Connection; CONNECTIONS],
    runtime: Runtime,
    /// Of every matcher: a node whose matchers stand still must not keep its tenants.
    pulses: Vec<Pulse>,
}

impl Heart {
    pub(crate) fn new(
        config: &DatabaseConfig,
        terms: &LeaseTerms,
        pulses: Vec<Pulse>,
    ) -> Result<Self, DatabaseError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(DatabaseError::Runtime)?;
        let connection = |which| Connection::new(config, terms, Class::Lease(which));
        Ok(Self {
            connections: [connection(0)?, connection(1)?],
            runtime,
            pulses,
        })
    }

    /// Renews until the lease ends.
    pub(crate) fn run(mut self, lease: &Arc<Lease>) {
        let _end = EndsProcess;
        let mut schedule = Schedule::new(clock::boottime(), lease.terms.period());
        let mut failures = 0_u64;
        while !lease.ends() && lease.loss().is_none() {
            let now = clock::boottime();
            let tick = schedule.next(now);
            std::thread::sleep(tick.at.since(now));
            if let Some(pulse) = self.pulses.iter().find(|pulse| pulse.is_still()) {
                tracing::error!(
                    matcher = pulse.name(),
                    "a matcher stands still: the lease is not renewed"
                );
                continue;
            }
            let connection = &mut self.connections[tick.number as usize % CONNECTIONS];
            let beat = tick.number + 1;
            match self.runtime.block_on(renew(connection, lease, beat)) {
                Ok(()) => failures = 0,
                Err(error) => {
                    if failures.is_multiple_of(TELL_EVERY) {
                        let left = lease.deadline.left(clock::boottime());
                        tracing::warn!(%error, ?left, failures, "a renewal failed; the next one is due all the same");
                    }
                    failures += 1;
                }
            }
        }
    }
}

/// One renewal, from a moment before it is sent to its answer.
async fn renew(connection: &mut Connection, lease: &Lease, beat: u64) -> Result<(), DatabaseError> {
    let sent = clock::boottime();
    let limit = lease.terms.timeout();
    let answer = timeout(
        limit,
        ask(connection, &lease.own, beat, lease.renewal_p99()),
    )
    .await;
    let Ok(answer) = answer else {
        connection.forget();
        return Err(DatabaseError::late(connection.address(), limit));
    };
    match answer? {
        None => {
            let answered = clock::boottime();
            lease.renewed(answered.since(sent));
            let lapsed = !lease.deadline.holds(answered);
            lease.deadline.extend(sent.plus(lease.terms.own()));
            if lapsed {
                // What stood still goes on.
                lease.journal.wake_all();
            }
        }
        Some(renewal) => lease.judge(renewal),
    }
    Ok(())
}

/// Renews; gives what the row says if that changed nothing.
async fn ask(
    connection: &mut Connection,
    own: &Registered,
    beat: u64,
    last: Duration,
) -> Result<Option<Renewal>, DatabaseError> {
    if connection.renew(own, beat, last).await? {
        return Ok(None);
    }
    let row = connection.node_by_id(own.node).await?;
    Ok(Some(Renewal::of(row.as_ref(), own, beat)))
}

/// Ends the process if its thread panics.
struct EndsProcess;

impl Drop for EndsProcess {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}
