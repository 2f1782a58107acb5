//! Which node is asked to take the session: the seeds, and the node that redirects name. Sans-I/O.
//!
//! Must never: follow redirects without end, or take an older one for the newer.

use std::time::{Duration, Instant};

use souk_protocol::RejectReason;
use souk_protocol::message::Redirect;

use crate::error::ClientError;

/// Redirects that are followed in a row, as the protocol says.
const REDIRECTS_MAX: u32 = 5;
/// A session that was logged on for less than this has not interrupted a row of redirects.
const SETTLED_AFTER: Duration = Duration::from_secs(1);
/// The shortest pause before a node is asked again that says its tenant is moving.
const MOVE_PAUSE_MIN: Duration = Duration::from_millis(10);

/// The way to the node that serves the session's tenant. It is looked for in rounds, with a pause before each but the
/// first: a round asks the node that is known, then every seed once, and whatever node a redirect names.
#[derive(Debug)]
pub(crate) struct Route {
    /// Invariant: there is one.
    seeds: Vec<String>,
    /// Index of the seed that is asked next.
    seed: usize,
    /// Seeds of this round that were of no help.
    seeds_tried: usize,
    /// The node that the newest redirect names. It is asked before the seeds.
    owner: Option<String>,
    /// The highest epoch of a redirect, until a round finds nothing.
    epoch: u64,
    /// Redirects that were followed in a row.
    followed: u32,
    logged_on_at: Option<Instant>,
    /// For how long a tenant that is between two nodes is waited for in one round.
    patience: Duration,
    patience_ends: Option<Instant>,
    /// Whether a node has said in this round that the tenant is elsewhere or moving.
    is_elsewhere: bool,
}

/// What to do after a logon that came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Ask [`Route::address`].
    Ask,
    /// The same, after a pause.
    AskAfter(Duration),
    /// The round is over, or asking again is useless.
    Over,
}

impl Route {
    /// A way that begins with these addresses, which have commas between them.
    pub(crate) fn new(seeds: &str, patience: Duration) -> Self {
        let named = seeds.split(',').map(str::trim);
        let mut list: Vec<String> = named
            .filter(|seed| !seed.is_empty())
            .map(str::to_owned)
            .collect();
        if list.is_empty() {
            // Connecting to it says what is wrong.
            list.push(seeds.to_owned());
        }
        Self {
            seeds: list,
            seed: 0,
            seeds_tried: 0,
            owner: None,
            epoch: 0,
            followed: 0,
            logged_on_at: None,
            patience,
            patience_ends: None,
            is_elsewhere: false,
        }
    }

    /// The node to ask now.
    pub(crate) fn address(&self) -> &str {
        self.owner.as_ref().unwrap_or(&self.seeds[self.seed])
    }

    /// Whether a node has said in this round that the tenant is elsewhere or moving: asking again may help.
    pub(crate) const fn is_elsewhere(&self) -> bool {
        self.is_elsewhere
    }

    /// The node that was asked has taken the session.
    pub(crate) const fn on_logged_on(&mut self, now: Instant) {
        self.logged_on_at = Some(now);
    }

    /// The session has lost its node, which may have named the next one. Gives whether a node is known that should be
    /// asked at once.
    pub(crate) fn on_lost(
        &mut self,
        error: &ClientError,
        redirect: Option<Redirect>,
        now: Instant,
    ) -> bool {
        self.begin_round();
        let logged_on_at = self.logged_on_at.take();
        if logged_on_at.is_some_and(|at| now.duration_since(at) >= SETTLED_AFTER) {
            self.followed = 0;
        }
        match redirect.and_then(|redirect| self.follow(&redirect)) {
            Some(next) => next == Next::Ask,
            None => {
                if error.reason() == Some(RejectReason::NotOwner) {
                    self.pass_on();
                }
                false
            }
        }
    }

    /// A pause is over: the next round begins.
    pub(crate) const fn on_paused(&mut self) {
        self.begin_round();
        self.followed = 0;
    }

    /// The node that was asked has not taken the session, and may have named another one.
    pub(crate) fn on_refused(
        &mut self,
        error: &ClientError,
        redirect: Option<Redirect>,
        now: Instant,
    ) -> Next {
        let reason = error.reason();
        let elsewhere = [RejectReason::NotOwner, RejectReason::TenantMoving];
        self.is_elsewhere |= reason.is_some_and(|reason| elsewhere.contains(&reason));
        let next = if !error.reconnect_may_help() {
            Next::Over
        } else if let Some(pause) = self.pause(error, now) {
            Next::AskAfter(pause)
        } else {
            let not_owner = reason == Some(RejectReason::NotOwner);
            let redirect = redirect.filter(|_| not_owner);
            let followed = redirect.and_then(|redirect| self.follow(&redirect));
            followed.unwrap_or_else(|| self.ask_next_seed())
        };
        if next == Next::Over {
            self.owner = None;
            self.epoch = 0;
        }
        next
    }

    /// How long to wait before the same node is asked again, if that is what to do: the tenant is about to arrive
    /// somewhere, or its node is busy.
    fn pause(&mut self, error: &ClientError, now: Instant) -> Option<Duration> {
        let retry_after = error.retry_after();
        let is_moving = error.reason() == Some(RejectReason::TenantMoving);
        let is_busy = self.owner.is_some() && !retry_after.is_zero();
        if !is_moving && !is_busy {
            return None;
        }
        let pause = retry_after.max(MOVE_PAUSE_MIN);
        let ends = *self.patience_ends.get_or_insert(now + self.patience);
        (now + pause <= ends).then_some(pause)
    }

    /// Follows a redirect; `None` for one that is older than another, or names no node.
    fn follow(&mut self, redirect: &Redirect) -> Option<Next> {
        let address = redirect.address.as_str();
        if redirect.epoch < self.epoch || address.is_empty() {
            return None;
        }
        if self.followed == REDIRECTS_MAX {
            return Some(Next::Over);
        }
        self.pass_on();
        self.followed += 1;
        self.epoch = redirect.epoch;
        self.owner = Some(address.to_owned());
        Some(Next::Ask)
    }

    fn ask_next_seed(&mut self) -> Next {
        self.pass_on();
        if self.seeds_tried < self.seeds.len() {
            Next::Ask
        } else {
            Next::Over
        }
    }

    /// The node that was asked is not the right one.
    fn pass_on(&mut self) {
        if self.owner.take().is_none() {
            self.seed = (self.seed + 1) % self.seeds.len();
            self.seeds_tried += 1;
        }
    }

    const fn begin_round(&mut self) {
        self.seeds_tried = 0;
        self.patience_ends = None;
        self.is_elsewhere = false;
    }
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
