//! Who is served next: cancels first, then the tenants in turns by deficit round robin.

use std::collections::VecDeque;

use crate::handoff::{BATCH_COMMANDS_MAX, Lane, Submission, TenantIndex};

/// Commands a tenant may have applied in one turn.
const QUANTUM: i64 = BATCH_COMMANDS_MAX as i64;

/// What waits inside a matcher. Bounded by the queue's gauge, which counts it until it is applied.
#[derive(Debug)]
pub(super) struct Lanes {
    cancels: VecDeque<Submission>,
    tenants: Vec<TenantLane>,
    /// Tenants with something waiting, in the order of their turns.
    turns: VecDeque<TenantIndex>,
}

#[derive(Debug, Default)]
struct TenantLane {
    waiting: VecDeque<Submission>,
    /// Commands it may still have applied in this turn. Invariant: 0 when nothing waits.
    credit: i64,
}

impl Lanes {
    pub(super) fn new(tenants: usize) -> Self {
        Self {
            cancels: VecDeque::new(),
            tenants: (0..tenants).map(|_| TenantLane::default()).collect(),
            turns: VecDeque::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cancels.is_empty() && self.turns.is_empty()
    }

    pub(super) fn push(&mut self, submission: Submission) {
        if submission.lane == Lane::Cancels {
            self.cancels.push_back(submission);
            return;
        }
        let tenant = submission.tenant;
        let lane = &mut self.tenants[tenant.0 as usize];
        if lane.waiting.is_empty() {
            lane.credit = QUANTUM;
            self.turns.push_back(tenant);
        }
        lane.waiting.push_back(submission);
    }

    pub(super) fn pop(&mut self) -> Option<Submission> {
        if let Some(submission) = self.cancels.pop_front() {
            return Some(submission);
        }
        loop {
            let tenant = *self.turns.front()?;
            let lane = &mut self.tenants[tenant.0 as usize];
            if lane.credit <= 0 {
                lane.credit += QUANTUM;
                self.turns.rotate_left(1);
                continue;
            }
            let submission = lane.waiting.pop_front()?;
            // Spending what is not there yet is paid back by waiting longer.
            lane.credit -= submission.items.len() as i64;
            if lane.waiting.is_empty() {
                lane.credit = 0;
                self.turns.pop_front();
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
    use crate::handoff::{Item, Link, Request, Seat};

    fn submission(tenant: u32, lane: Lane, commands: usize) -> Submission {
        let item = Item {
            seat: Seat(0),
            request: Request::Join,
        };
        Submission {
            tenant: TenantIndex(tenant),
            link: Arc::new(Link::new(SessionId(1), 1, 1)),
            lane,
            items: vec![item; commands],
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
        assert_eq!(lanes.tenants[1].credit, 0);
    }
}
