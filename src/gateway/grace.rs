//! Sessions that are gone and had asked for their orders to be canceled then.
//!
//! One wait for each session at most; a newer logon ends it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::TrySendError;
use souk_protocol::SessionId;
use tokio::sync::watch;
use tokio::time::sleep;

use super::session::Shared;
use crate::directory::Route;
use crate::handoff::{
    BATCH_COMMANDS_MAX, Item, Lane, Link, Request, SessionTerms, Submission, SubmissionTimes,
    TenantIndex,
};

/// How long a full queue is left alone.
const QUEUE_PAUSE: Duration = Duration::from_millis(1);

/// A session that is gone.
#[derive(Clone, Copy, Debug)]
pub struct Gone {
    /// Whose it is.
    pub tenant: TenantIndex,
    /// The session.
    pub session: SessionId,
    /// What it asked for when it logged on last.
    pub terms: SessionTerms,
}

impl Gone {
    /// The connection has ended: what the session asked for in that case happens later. Not when the node
    /// ends.
    pub(super) fn leave(
        self,
        logged_out: bool,
        shared: &Arc<Shared>,
        drain: &watch::Receiver<bool>,
    ) {
        if self.terms.cancels_after(logged_out) {
            if !*drain.borrow() {
                self.cancel_later(shared, drain.clone());
            }
        } else if logged_out && self.terms.cancels() {
            let (session, incarnation) = (self.session, self.terms.incarnation);
            let markets = shared.registry.markets_of(session, incarnation);
            let request = Request::KeepOrders {
                session,
                incarnation,
            };
            tokio::spawn(self.tell(Arc::clone(shared), markets, request));
        }
    }

    /// Cancels the session's orders after its grace, unless it logs on again before, or the node drains.
    /// Must be called within a tokio runtime. Gives nothing to wait for: the registry ends it.
    pub fn cancel_later(self, shared: &Arc<Shared>, drain: watch::Receiver<bool>) {
        let waiting = tokio::spawn(self.cancel(Arc::clone(shared), drain));
        let incarnation = self.terms.incarnation;
        let registry = &shared.registry;
        registry.await_return(self.session, incarnation, waiting.abort_handle());
    }

    async fn cancel(self, shared: Arc<Shared>, drain: watch::Receiver<bool>) {
        sleep(Duration::from_millis(u64::from(self.terms.grace_ms))).await;
        if *drain.borrow() {
            return;
        }
        // From here on a newer logon comes too late.
        let markets = shared
            .registry
            .give_up(self.session, self.terms.incarnation);
        let request = Request::CancelSession {
            session: self.session,
            incarnation: self.terms.incarnation,
        };
        tokio::spawn(self.tell(shared, markets, request));
    }

    /// Tells the markets. Waits for room: this must not be lost.
    async fn tell(self, shared: Arc<Shared>, markets: HashSet<Route>, request: Request) {
        let mut markets: Vec<Route> = markets.into_iter().collect();
        markets.sort_unstable();
        let item = |route: &Route| Item {
            seat: route.seat,
            request: request.clone(),
        };
        let link = Arc::new(Link::away(self.session, self.terms));
        let of_matchers = markets.chunk_by(|a, b| a.matcher == b.matcher);
        let batches = of_matchers.flat_map(|routes| routes.chunks(BATCH_COMMANDS_MAX));
        for routes in batches {
            let door = &shared.doors[routes[0].matcher];
            let mut submission = Submission {
                tenant: self.tenant,
                link: Arc::clone(&link),
                // Behind everything that the session still had under way.
                lane: Lane::Orders,
                items: routes.iter().map(item).collect(),
                times: SubmissionTimes::default(),
            };
            for _ in routes {
                door.gauge.admit_always(self.tenant);
            }
            while let Err(TrySendError::Full(back)) = door.submit(submission) {
                submission = back;
                sleep(QUEUE_PAUSE).await;
            }
        }
    }
}
