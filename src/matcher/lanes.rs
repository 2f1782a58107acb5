//! Who is served next: cancels before orders, and within each the tenants in turns by deficit
//! round robin.

use std::collections::VecDeque;

use crate::handoff::{BATCH_COMMANDS_MAX, Lane, Submission, TenantIndex};

/// Commands a tenant may have applied in one turn.
const QUANTUM: i64 = BATCH_COMMANDS_MAX as i64;
/// Cancels served one after another while orders wait; then one submission of orders has its turn.
/// So cancels go first, and no flood of cancels stops the orders of others.
const CANCELS_IN_A_ROW_MAX: usize = 4 * BATCH_COMMANDS_MAX;

/// What waits inside a matcher. Bounded by the queue's gauge, which counts it until it is applied.
#[derive(Debug)]
pub(super) struct Lanes {
    cancels: Turns,
    orders: Turns,
    /// Cancels served since orders were.
    cancels_in_a_row: usize,
}

/// One lane: what waits of each tenant.
#[derive(Debug)]
struct Turns {
    tenants: Vec<Waiting>,
    /// Tenants with something waiting, in the order of their turns.
    order: VecDeque<TenantIndex>,
}

#[derive(Debug, Default)]
struct Waiting {
    submissions: VecDeque<Submission>,
    /// Commands it may still have applied in this turn. Invariant: 0 when nothing waits.
    credit: i64,
}

impl Lanes {
    pub(super) fn new(tenants: usize) -> Self {
        Self {
            cancels: Turns::new(tenants),
            orders: Turns::new(tenants),
            cancels_in_a_row: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cancels.order.is_empty() && self.orders.order.is_empty()
    }

    pub(super) fn push(&mut self, submission: Submission) {
        match submission.lane {
            Lane::Cancels => self.cancels.push(submission),
            Lane::Orders => self.orders.push(submission),
        }
    }

    /// Charges a tenant for work beyond the number of its commands: its next turn comes later.
    pub(super) fn charge(&mut self, tenant: TenantIndex, commands: usize) {
        self.cancels.charge(tenant, commands);
        self.orders.charge(tenant, commands);
    }

    pub(super) fn pop(&mut self) -> Option<Submission> {
        if (self.cancels_in_a_row < CANCELS_IN_A_ROW_MAX || self.orders.order.is_empty())
            && let Some(cancels) = self.cancels.pop()
        {
            self.cancels_in_a_row += cancels.items.len();
            // Cancels go first, but they cost their tenant's orders a turn: who floods with both has one
            // share of the matcher, not two.
            self.orders.charge(cancels.tenant, cancels.items.len());
            return Some(cancels);
        }
        self.cancels_in_a_row = 0;
        self.orders.pop()
    }
}

impl Turns {
    fn new(tenants: usize) -> Self {
        Self {
            tenants: (0..tenants).map(|_| Waiting::default()).collect(),
            order: VecDeque::new(),
        }
    }

    fn push(&mut self, submission: Submission) {
        let tenant = submission.tenant;
        let waiting = &mut self.tenants[tenant.0 as usize];
        if waiting.submissions.is_empty() {
            waiting.credit = QUANTUM;
            self.order.push_back(tenant);
        }
        waiting.submissions.push_back(submission);
    }

    fn charge(&mut self, tenant: TenantIndex, commands: usize) {
        let waiting = &mut self.tenants[tenant.0 as usize];
        if !waiting.submissions.is_empty() {
            waiting.credit -= commands as i64;
        }
    }

    fn pop(&mut self) -> Option<Submission> {
        loop {
            let tenant = *self.order.front()?;
            let waiting = &mut self.tenants[tenant.0 as usize];
            if waiting.credit <= 0 {
                waiting.credit += QUANTUM;
                self.order.rotate_left(1);
                continue;
            }
            let submission = waiting.submissions.pop_front()?;
            // Spending what is not there yet is paid back by waiting longer.
            waiting.credit -= submission.items.len() as i64;
            if waiting.submissions.is_empty() {
                waiting.credit = 0;
                self.order.pop_front();
            }
            return Some(submission);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use souk_protocol::SessionId;

    use super::*;
    use crate::handoff::{Item, Link, Request, Seat, SessionTerms, SubmissionTimes};

    fn submission(tenant: u32, lane: Lane, commands: usize) -> Submission {
        let item = Item {
            seat: Seat(0),
            request: Request::Join,
        };
        Submission {
            tenant: TenantIndex(tenant),
            link: Arc::new(Link::new(SessionId(1), SessionTerms::plain(1), 1, 1)),
            lane,
            items: vec![item; commands],
            times: SubmissionTimes::default(),
        }
    }

    fn served(lanes: &mut Lanes, count: usize) -> Vec<u32> {
        (0..count)
            .filter_map(|_| lanes.pop())
            .map(|submission| submission.tenant.0)
            .collect()
    }

    #[test]
    fn a_noisy_tenant_does_not_delay_a_quiet_one() {
        let mut lanes = Lanes::new(2);
        for _ in 0..100 {
            lanes.push(submission(0, Lane::Orders, 64));
        }
        lanes.push(submission(1, Lane::Orders, 1));
        assert_eq!(served(&mut lanes, 3), [0, 1, 0]);
    }

    #[test]
    fn two_busy_tenants_share_by_commands_not_by_submissions() {
        let mut lanes = Lanes::new(2);
        for _ in 0..1_000 {
            lanes.push(submission(0, Lane::Orders, 64));
            for _ in 0..8 {
                lanes.push(submission(1, Lane::Orders, 8));
            }
        }
        let mut commands = [0, 0];
        for _ in 0..900 {
            let next = lanes.pop().expect("both have plenty waiting");
            commands[next.tenant.0 as usize] += next.items.len();
        }
        assert!(commands[0].abs_diff(commands[1]) <= 128, "{commands:?}");
    }

    #[test]
    fn cancels_overtake_orders_and_keep_their_own_order() {
        let mut lanes = Lanes::new(2);
        lanes.push(submission(0, Lane::Orders, 64));
        lanes.push(submission(1, Lane::Cancels, 1));
        lanes.push(submission(0, Lane::Cancels, 1));
        assert_eq!(served(&mut lanes, 3), [1, 0, 0]);
        assert!(lanes.is_empty());
    }

    #[test]
    fn a_tenant_that_idles_saves_nothing_up() {
        let mut lanes = Lanes::new(2);
        for _ in 0..10 {
            lanes.push(submission(1, Lane::Orders, 1));
            assert!(lanes.pop().is_some());
        }
        assert_eq!(lanes.orders.tenants[1].credit, 0);
    }

    #[test]
    fn a_flood_of_cancels_stops_neither_the_orders_nor_the_cancels_of_others() {
        let mut lanes = Lanes::new(3);
        for _ in 0..100 {
            lanes.push(submission(0, Lane::Cancels, 64));
        }
        lanes.push(submission(1, Lane::Cancels, 1));
        lanes.push(submission(2, Lane::Orders, 1));
        let order = served(&mut lanes, 10);
        assert!(order[..2].contains(&1), "{order:?}");
        assert!(order[..6].contains(&2), "{order:?}");
    }
    #[test]
    fn cancels_and_orders_of_one_tenant_are_one_share() {
        let mut lanes = Lanes::new(2);
        for _ in 0..100 {
            lanes.push(submission(0, Lane::Cancels, 64));
            lanes.push(submission(0, Lane::Orders, 1));
        }
        lanes.push(submission(1, Lane::Orders, 1));
        // Four turns of cancels; then it is the other's, not one of the hundred orders'.
        assert_eq!(served(&mut lanes, 5), [0, 0, 0, 0, 1]);
    }
}
