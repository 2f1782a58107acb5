//! The heartbeat: renews the lease at a fixed rate, whatever became of the last renewal.
//!
//! It has a thread, a runtime and two connections of its own, used in turn: one that hangs costs one renewal of two, and no
//! other.
//! If it panics, the process ends: no node runs without a heart.
//!
//! Must never: wait for anything but its own connections, or decide from one renewal whether there is a next.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::sleep;

use super::lease::Lease;
use super::pulse::Pulse;
use super::seen::Seen;
use crate::clock::{self, Moment};
use crate::config::DatabaseConfig;
use crate::database::{Class, Connection, DatabaseError, runtime};
use crate::lease::{LeaseTerms, Registered, Renewal, Schedule};

/// Connections, used in turn.
const CONNECTIONS: u32 = 2;
/// How often failed renewals are told of: each is one of many.
const TELL_EVERY: u64 = 10;

/// What the heartbeat's thread runs.
#[derive(Debug)]
pub(crate) struct Heart {
    chambers: [Chamber; CONNECTIONS as usize],
    runtime: Runtime,
    /// Of every matcher: a node whose matchers stand still must not keep its tenants.
    pulses: Vec<Pulse>,
}

/// Every second renewal, over a connection of its own. Neither of the two knows what the other one does.
#[derive(Debug)]
struct Chamber {
    number: u32,
    connection: Connection,
    failures: u64,
}

impl Heart {
    pub(crate) fn new(
        config: &DatabaseConfig,
        terms: &LeaseTerms,
        pulses: Vec<Pulse>,
    ) -> Result<Self, DatabaseError> {
        let chamber = |number| {
            let class = Class::Lease(number as usize);
            Ok::<_, DatabaseError>(Chamber {
                number,
                connection: Connection::new(config, terms, class)?,
                failures: 0,
            })
        };
        Ok(Self {
            chambers: [chamber(0)?, chamber(1)?],
            runtime: runtime()?,
            pulses,
        })
    }

    /// Renews until the lease ends.
    pub(crate) fn run(self, lease: &Arc<Lease>) {
        let _end = EndsProcess;
        let start = clock::boottime();
        let [mut first, mut second] = self.chambers;
        let pulses = &self.pulses;
        self.runtime.block_on(async {
            tokio::join!(
                first.run(lease, start, pulses),
                second.run(lease, start, pulses)
            )
        });
    }
}

impl Chamber {
    async fn run(&mut self, lease: &Lease, start: Moment, pulses: &[Pulse]) {
        let period = lease.terms.period();
        let own_start = start.plus(period * self.number);
        let mut schedule = Schedule::new(own_start, period * CONNECTIONS);
        while !lease.ends() && lease.loss().is_none() {
            let now = clock::boottime();
            let tick = schedule.next(now);
            sleep(tick.at.since(now)).await;
            if let Some(pulse) = pulses.iter().find(|pulse| pulse.is_still()) {
                let matcher = pulse.name();
                tracing::error!(matcher, "a matcher stands still: the lease is not renewed");
                continue;
            }
            let beat = tick.number * u64::from(CONNECTIONS) + u64::from(self.number) + 1;
            match renew(&mut self.connection, lease, beat).await {
                Ok(()) => self.failures = 0,
                Err(error) => self.tell(lease, &error),
            }
        }
    }

    fn tell(&mut self, lease: &Lease, error: &DatabaseError) {
        Seen::count(&lease.seen.failures);
        if self.failures.is_multiple_of(TELL_EVERY) {
            let left = lease.deadline.left(clock::boottime());
            tracing::warn!(%error, ?left, failures = self.failures, "a renewal failed; the next one is due all the same");
        }
        self.failures += 1;
    }
}

/// One renewal, from a moment before it is sent to its answer.
async fn renew(connection: &mut Connection, lease: &Lease, beat: u64) -> Result<(), DatabaseError> {
    connection.open().await?;
    let sent = clock::boottime();
    match ask(connection, &lease.own, beat, lease.renewal_p99()).await? {
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
