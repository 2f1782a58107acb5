//! The settlements of one market: what each trade moves between two accounts, numbered as its
//! trades are. The last ones are kept, so that whoever copies them can go on where it stopped.

use std::collections::VecDeque;

use souk_protocol::message::{Settlement, SettlementsFrom};
use souk_protocol::{MarketId, RejectReason, Reserved};

use super::links::{LinkPlace, Links};
use crate::handoff::RequestOrigin;

/// Connections that may follow the settlements of one market: each costs its publisher.
const SUBSCRIBERS_MAX: usize = 16;

/// The settlements of a market that are still kept, and who gets the next ones.
#[derive(Debug)]
pub(super) struct Settlements {
    kept: VecDeque<Settlement>,
    kept_max: usize,
    /// The number of the last one.
    last: u64,
    subscribers: Vec<Subscriber>,
}

#[derive(Debug)]
struct Subscriber {
    place: LinkPlace,
    connection: u64,
    /// The first it wants; it may be in the future.
    from_number: u64,
}

/// Who wants settlements, from which number on.
#[derive(Clone, Copy, Debug)]
pub(super) struct From {
    pub origin: RequestOrigin,
    pub number: u64,
    pub place: LinkPlace,
    pub connection: u64,
}

impl Settlements {
    /// Keeps the last `kept_max`.
    pub(super) const fn new(kept_max: usize) -> Self {
        Self {
            kept: VecDeque::new(),
            kept_max,
            last: 0,
            subscribers: Vec::new(),
        }
    }

    /// The number of the last one.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    /// Those that are kept, the oldest first.
    pub(super) const fn kept(&self) -> &VecDeque<Settlement> {
        &self.kept
    }

    /// Goes on where another one left off.
    pub(super) fn restore(&mut self, last: u64, kept: Vec<Settlement>) {
        let surplus = kept.len().saturating_sub(self.kept_max);
        self.last = last;
        self.kept = kept.into_iter().skip(surplus).collect();
    }

    /// Adds the next one.
    pub(super) fn add(&mut self, settlement: Settlement, links: &mut Links) {
        self.last = settlement.number;
        if self.kept.len() >= self.kept_max {
            self.kept.pop_front();
        }
        if self.kept_max > 0 {
            self.kept.push_back(settlement);
        }
        if self.subscribers.is_empty() {
            return;
        }
        let frame = settlement.frame(0);
        let wants = |subscriber: &&Subscriber| settlement.number >= subscriber.from_number;
        for subscriber in self.subscribers.iter().filter(wants) {
            links.send_to(subscriber.place, subscriber.connection, &frame);
        }
    }

    /// Sends a connection everything from a number on, from now on.
    pub(super) fn subscribe(&mut self, market: MarketId, from: From, links: &mut Links) {
        let From {
            origin,
            number: from_number,
            place,
            connection,
        } = from;
        let next = self.last + 1;
        let oldest = next - self.kept.len() as u64;
        let refusal = match from_number {
            0 => Some(RejectReason::IdMustNotBeZero),
            from if from < oldest => Some(RejectReason::SettlementsTooOld),
            _ if self.is_full_without(connection) => Some(RejectReason::TooManySubscriptions),
            _ => None,
        };
        if let Some(reason) = refusal {
            let rejected = origin.rejected(reason);
            links.send_to(place, connection, &rejected.frame(0));
            return;
        }
        let answer = SettlementsFrom {
            request_id: origin.request_id,
            market,
            reserved: Reserved,
            oldest,
            next,
        };
        links.send_to(place, connection, &answer.frame(0));
        let wanted = |settlement: &&Settlement| settlement.number >= from_number;
        for settlement in self.kept.iter().filter(wanted) {
            links.send_to(place, connection, &settlement.frame(0));
        }
        self.forget(connection);
        self.subscribers.push(Subscriber {
            place,
            connection,
            from_number,
        });
    }

    /// Whether as many as may follow, and this connection is none of them.
    fn is_full_without(&self, connection: u64) -> bool {
        let follows = |known: &Subscriber| known.connection == connection;
        self.subscribers.len() >= SUBSCRIBERS_MAX && !self.subscribers.iter().any(follows)
    }

    /// Ends the subscription of a connection.
    pub(super) fn forget(&mut self, connection: u64) {
        self.subscribers
            .retain(|subscriber| subscriber.connection != connection);
    }
}
