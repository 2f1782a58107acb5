//! Whether a node has started, and whether it is ready: the rules, and why not.

use std::sync::atomic::Ordering;

use serde::Serialize;

use super::board::{Board, LeaseReading, Phase};

/// Why a node is not ready.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotReady {
    #[error("waiting: {0}")]
    Waiting(&'static str),
    #[error("recovering: segment {segment} of {segments}, {records} records done again")]
    Recovering {
        segment: usize,
        segments: usize,
        records: u64,
    },
    #[error("draining: it takes nothing any more")]
    Draining,
    #[error("the journal has failed: {0}")]
    Journal(String),
    #[error("the lease is lost: {0}")]
    LeaseLost(String),
    #[error("the lease has run out: the database does not answer its renewals")]
    LeaseRunOut,
    #[error("it has not seen the cluster yet")]
    NotLooked,
    #[error("{0} tenants of its own are not served yet")]
    TakingIn(u64),
}

/// What `/startupz` tells.
#[derive(Debug, Serialize)]
pub(super) struct Progressed {
    pub started: bool,
    pub phase: &'static str,
    pub detail: String,
    pub records: u64,
    pub segments_read: usize,
    pub segments: usize,
}

/// Whether the node takes sessions in, or is ready to take a tenant over.
pub(super) fn ready(board: &Board) -> Result<(), NotReady> {
    match board.phase() {
        Phase::Waiting(what) => return Err(NotReady::Waiting(what)),
        Phase::Recovering(progress) => {
            return Err(NotReady::Recovering {
                segment: progress.segments_read,
                segments: progress.segments,
                records: progress.records,
            });
        }
        Phase::Draining => return Err(NotReady::Draining),
        Phase::Serving => {}
    }
    if let Some(lease) = board.lease() {
        leased(&lease)?;
    }
    let journal = board.parts().and_then(|parts| parts.journal.as_ref());
    match journal.map(|journal| journal.failure()) {
        Some(Err(error)) => Err(NotReady::Journal(error.to_string())),
        _ => Ok(()),
    }
}

fn leased(lease: &LeaseReading) -> Result<(), NotReady> {
    if let Some(why) = &lease.lost {
        return Err(NotReady::LeaseLost(why.clone()));
    }
    if lease.left.is_zero() {
        return Err(NotReady::LeaseRunOut);
    }
    lease.tenants.map(drop).ok_or(NotReady::NotLooked)
}

/// How far the start has come. Once a node has started it stays so, whatever becomes of it.
pub(super) fn startup(board: &Board) -> Progressed {
    let ready = ready(board);
    let moving = board.lease().and_then(|lease| lease.tenants);
    let whole = match (&ready, moving.map_or(0, |tenants| tenants.moving)) {
        (Ok(()), 0) => Ok(()),
        (Ok(()), count) => Err(NotReady::TakingIn(count)),
        (Err(error), _) => Err(error.clone()),
    };
    if whole.is_ok() {
        board.latch_started();
    }
    let progress = match board.phase() {
        Phase::Recovering(progress) => progress,
        _ => crate::recovery::Progress::default(),
    };
    Progressed {
        started: board.started.load(Ordering::Relaxed),
        phase: match board.phase() {
            Phase::Waiting(_) => "waiting",
            Phase::Recovering(_) => "recovering",
            Phase::Serving => "serving",
            Phase::Draining => "draining",
        },
        detail: whole.map_or_else(|error| error.to_string(), |()| "started".to_owned()),
        records: progress.records,
        segments_read: progress.segments_read,
        segments: progress.segments,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::operations::TenantsHere;

    #[test]
    fn a_standby_is_ready_and_a_node_whose_lease_has_run_out_is_not() {
        let standby = LeaseReading {
            left: Duration::from_secs(1),
            tenants: Some(TenantsHere {
                warm: 2,
                ..TenantsHere::default()
            }),
            ..LeaseReading::default()
        };
        assert_eq!(leased(&standby), Ok(()));
        let run_out = LeaseReading {
            left: Duration::ZERO,
            ..standby.clone()
        };
        assert_eq!(leased(&run_out), Err(NotReady::LeaseRunOut));
        let blind = LeaseReading {
            tenants: None,
            ..standby.clone()
        };
        assert_eq!(leased(&blind), Err(NotReady::NotLooked));
        let lost = LeaseReading {
            lost: Some("fenced".to_owned()),
            ..standby
        };
        assert_eq!(leased(&lost), Err(NotReady::LeaseLost("fenced".to_owned())));
    }
}
