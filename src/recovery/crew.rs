//! Threads that do the jobs of a replay: one for each matcher, which is lent to it.
//!
//! Must never: do anything after a job that did not come out as it was recorded.

use std::thread::Scope;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::RecoveryError;
use super::routing::Job;
use crate::matcher::Matcher;
use crate::publisher::Publisher;

/// Messages that wait for a thread, or from one. More are never under way.
const WAITING_MAX: usize = 8;

/// The threads.
#[derive(Debug)]
pub(super) struct Crew {
    members: Vec<Member>,
    /// Whether they have the matchers.
    is_at_work: bool,
}

#[derive(Debug)]
struct Member {
    orders: Sender<Order>,
    done: Receiver<Done>,
}

#[derive(Debug)]
enum Order {
    /// The matcher to work with.
    Take(Box<Matcher<Publisher>>),
    /// Jobs, in order.
    Do(Vec<Job>),
    /// The matcher is wanted back.
    GiveBack,
}

#[derive(Debug)]
enum Done {
    Jobs(Vec<Job>),
    Matcher(Box<Matcher<Publisher>>),
}

impl Crew {
    /// A thread for each of so many matchers. They end with it.
    pub(super) fn hire<'scope>(scope: &'scope Scope<'scope, '_>, matchers: usize) -> Self {
        let member = |_| {
            let (orders, taken) = bounded(WAITING_MAX);
            let (done_in, done) = bounded(WAITING_MAX);
            scope.spawn(move || work(&taken, &done_in));
            Member { orders, done }
        };
        Self {
            members: (0..matchers).map(member).collect(),
            is_at_work: false,
        }
    }

    /// Lends the matchers, unless they are lent already.
    pub(super) fn lend(&mut self, matchers: &mut Vec<Matcher<Publisher>>) {
        if !self.is_at_work {
            for (member, matcher) in self.members.iter().zip(matchers.drain(..)) {
                member.send(Order::Take(Box::new(matcher)));
            }
            self.is_at_work = true;
        }
    }

    /// Has a matcher do jobs, in order. They come back by [`Self::done`].
    pub(super) fn give(&self, matcher: usize, jobs: Vec<Job>) {
        self.members[matcher].send(Order::Do(jobs));
    }

    /// The oldest jobs of a matcher that have not come back yet. Waits for them.
    pub(super) fn done(&self, matcher: usize) -> Result<Vec<Job>, RecoveryError> {
        match self.members[matcher].done.recv() {
            Ok(Done::Jobs(jobs)) => Ok(jobs),
            Ok(Done::Matcher(_)) | Err(_) => Err(RecoveryError::Stopped),
        }
    }

    /// Takes the matchers back. All jobs have come back.
    pub(super) fn take_back(
        &mut self,
        matchers: &mut Vec<Matcher<Publisher>>,
    ) -> Result<(), RecoveryError> {
        if !self.is_at_work {
            return Ok(());
        }
        for member in &self.members {
            member.send(Order::GiveBack);
        }
        for member in &self.members {
            match member.done.recv() {
                Ok(Done::Matcher(matcher)) => matchers.push(*matcher),
                Ok(Done::Jobs(_)) | Err(_) => return Err(RecoveryError::Stopped),
            }
        }
        self.is_at_work = false;
        Ok(())
    }
}

impl Member {
    fn send(&self, order: Order) {
        // A thread that has ended, did so after a difference, which comes back before anything is missed.
        let _ = self.orders.send(order);
    }
}

/// What a thread does.
fn work(orders: &Receiver<Order>, done: &Sender<Done>) {
    let mut lent = None;
    for order in orders {
        let answer = match order {
            Order::Take(matcher) => {
                lent = Some(matcher);
                continue;
            }
            Order::Do(mut jobs) => {
                let Some(matcher) = &mut lent else {
                    return;
                };
                for job in &mut jobs {
                    job.run(matcher);
                    if job.is_different() {
                        let _ = done.send(Done::Jobs(jobs));
                        return;
                    }
                }
                Done::Jobs(jobs)
            }
            Order::GiveBack => match lent.take() {
                Some(matcher) => Done::Matcher(matcher),
                None => return,
            },
        };
        if done.send(answer).is_err() {
            return;
        }
    }
}
