//! The administrator: carries what a control stream decided to the markets it is about, once it is
//! durable. A thread of its own, because it waits for room in queues, which neither a matcher nor a
//! publisher may.
//!
//! Must never: carry a change before its command is durable, or out of the order of its stream.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crossbeam_channel::{Receiver, TrySendError};
use souk_protocol::{MarketId, SessionId};

use crate::control::{Effect, MarketTerms, tell_limits};
use crate::directory::{Route, TenantEntry};
use crate::gateway::session::Shared;
use crate::handoff::{
    Item, Lane, Link, MarketChange, Request, Seat, SessionTerms, Submission, SubmissionTimes, Task,
    TenantIndex,
};
use crate::recovery::market_seat;
use crate::routing::{market_hash, matcher_of};

/// How long it waits for room in a matcher's queue before it tries again.
const RETRY: Duration = Duration::from_millis(1);

/// Carries tasks out, in order.
#[derive(Debug)]
pub struct Administrator {
    tasks: Receiver<Task>,
    /// The doors of a node that is not stopping yet. What comes later is in the control stream.
    shared: Weak<Shared>,
    /// The next free seat of each matcher.
    next_seats: Vec<Seat>,
}

impl Administrator {
    /// An administrator for a node whose matchers have seats taken up to `next_seats`.
    pub(crate) const fn new(
        tasks: Receiver<Task>,
        shared: Weak<Shared>,
        next_seats: Vec<Seat>,
    ) -> Self {
        Self {
            tasks,
            shared,
            next_seats,
        }
    }

    /// Runs until the matchers have ended.
    pub fn run(mut self) {
        while let Ok(task) = self.tasks.recv() {
            self.carry_out(task);
        }
    }

    /// Carries out what waits, for whoever drives all parts on one thread.
    pub fn poll(&mut self) {
        while let Ok(task) = self.tasks.try_recv() {
            self.carry_out(task);
        }
    }

    fn carry_out(&mut self, task: Task) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let shared = &*shared;
        let tenant = &shared.directory.tenants[task.tenant.0 as usize];
        match task.effect {
            Effect::MarketCreated(terms) => self.open_market(shared, tenant, &terms),
            Effect::Limits { market, limits } => {
                change(shared, tenant, market, MarketChange::Limits(limits));
                tenant.change_market(market, |definition| tell_limits(definition, &limits));
            }
            Effect::State { market, state } => {
                change(shared, tenant, market, MarketChange::State(state));
                tenant.change_market(market, |definition| definition.state = state);
            }
            Effect::Fees {
                market,
                fee_group,
                rates,
            } => {
                let fees = MarketChange::Fees { fee_group, rates };
                change(shared, tenant, market, fees);
            }
            Effect::Currency(_)
            | Effect::Account { .. }
            | Effect::Moved(_)
            | Effect::Repeated { .. } => {}
        }
        task.link.outbox.append(&task.answer);
    }

    fn open_market(&mut self, shared: &Shared, tenant: &TenantEntry, terms: &MarketTerms) {
        let hash = market_hash(&tenant.name, terms.definition.symbol.as_str());
        let matcher = matcher_of(hash, self.next_seats.len());
        let seat = self.next_seats[matcher];
        self.next_seats[matcher] = Seat(seat.0 + 1);
        let route = Route { matcher, seat };
        let config = market_seat(
            &shared.treasury,
            tenant.index,
            tenant.custody,
            terms,
            shared.history,
        );
        send(shared, tenant.index, route, Request::Open(Box::new(config)));
        // Only now: whoever finds the route comes after the opening in the queue.
        tenant.add_market(route, terms.definition);
    }
}

fn change(shared: &Shared, tenant: &TenantEntry, market: MarketId, change: MarketChange) {
    let route = tenant
        .route(market)
        .expect("a market opens before it changes");
    send(shared, tenant.index, route, Request::Change(change));
}

/// Puts a request into a market's queue, however long that takes.
fn send(shared: &Shared, tenant: TenantIndex, route: Route, request: Request) {
    let door = &shared.doors[route.matcher];
    door.gauge.admit_always(tenant);
    let mut submission = Submission {
        tenant,
        link: Arc::new(Link::away(SessionId(0), SessionTerms::plain(0))),
        lane: Lane::Orders,
        items: vec![Item {
            seat: route.seat,
            request,
        }],
        times: SubmissionTimes::default(),
    };
    loop {
        match door.submit(submission) {
            Ok(()) => return,
            Err(TrySendError::Full(back)) => submission = back,
            // The matcher has ended: the node stops.
            Err(TrySendError::Disconnected(_)) => return,
        }
        std::thread::sleep(RETRY);
    }
}
