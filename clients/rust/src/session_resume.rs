//! A session between two connections: what is kept, and what is asked for again.
//!
//! Must never: ask twice for what changes something; such a request is in doubt, and its sender is told.

use souk_protocol::message::{Ping, SUBSCRIBE_SNAPSHOT_ONLY};

use crate::book::Book;
use crate::clock::unix_time_ns;
use crate::error::ClientError;
use crate::event::Event;
use crate::lane::Lane;
use crate::pace::Paces;
use crate::session::{Logout, MARKET_LIST_REQUEST, Session, tell};
use crate::wire::SessionInfo;

impl Session {
    /// The connection is gone. Requests that would have changed something are in doubt; questions wait for the next one.
    pub(crate) fn on_disconnect(&mut self, reason: &str) {
        self.out.clear();
        self.rejoin.clear();
        self.resuming.clear();
        self.listed.clear();
        self.lanes.values_mut().for_each(Lane::on_disconnect);
        self.fail_changes(reason);
        let reason = reason.to_owned();
        self.tell_event(Event::Disconnected { reason });
    }

    /// The session logged on again: markets and subscriptions are asked for anew, and what nobody answered.
    pub(crate) fn on_reconnect(&mut self, info: &SessionInfo) {
        self.max_inflight = info.max_inflight as usize;
        self.paces = Paces::new(info.rates());
        let incarnation = info.incarnation;
        self.resuming = self.lanes.keys().copied().collect();
        if let Some(first) = self.resuming.front().copied() {
            self.send_join(first);
        }
        for (market, flags) in self.subscriptions.clone() {
            self.send_subscribe(market, flags);
        }
        let unanswered = std::mem::take(&mut self.requests);
        self.subscribe_money_again();
        self.ask_again();
        // Behind the subscriptions that are made again, whose place some of them may take.
        self.ask_requests_again(unanswered);
        self.tell_event(Event::Reconnected { incarnation });
    }

    /// Asks for the next market to be resumed, once the one before it is.
    pub(crate) fn resume_next(&mut self) {
        let Some(market) = self.resuming.front() else {
            return;
        };
        let open = |lane: &Lane| !lane.is_resumed();
        if self.lanes.get(market).is_some_and(open) {
            return;
        }
        self.resuming.pop_front();
        if let Some(next) = self.resuming.front().copied() {
            self.send_join(next);
        }
    }

    /// Asks again what was not answered. Who waits for a join is told when its market is resumed.
    fn ask_again(&mut self) {
        for _ in 0..self.listing.len() {
            self.send(&MARKET_LIST_REQUEST.frame(0));
        }
        let mut markets = Vec::new();
        for (market, queue) in &mut self.snapshots {
            for (book, _) in queue {
                *book = Book::new(*market);
                markets.push(*market);
            }
        }
        for market in markets {
            self.send_subscribe(market, SUBSCRIBE_SNAPSHOT_ONLY);
        }
        let nonces: Vec<u64> = self.pings.keys().copied().collect();
        for nonce in nonces {
            let time = unix_time_ns();
            self.send(&Ping { nonce, time }.frame(0));
        }
    }

    fn fail_questions(&mut self, reason: &str) {
        let closed = || ClientError::Closed {
            reason: reason.to_owned(),
        };
        let joining = std::mem::take(&mut self.joining).into_values().flatten();
        joining.for_each(|waiter| tell(waiter, Err(closed())));
        self.listed.clear();
        let listing = self.listing.drain(..);
        listing.for_each(|waiter| tell(waiter, Err(closed())));
        let snapshots = std::mem::take(&mut self.snapshots).into_values().flatten();
        snapshots.for_each(|(_, waiter)| tell(waiter, Err(closed())));
        let pings = self.pings.drain();
        pings.for_each(|(_, (_, waiter))| tell(waiter, Err(closed())));
    }

    /// The session is over. What is unanswered stays unknown, what was not sent is not applied.
    pub(crate) fn close(&mut self, reason: &str) {
        self.fail_unanswered(reason);
        self.fail_questions(reason);
        self.lanes.values_mut().for_each(Lane::close);
        if let Logout::Asked(waiter) | Logout::Sent(waiter) = std::mem::take(&mut self.logout)
            && let Some(waiter) = waiter
        {
            tell(waiter, Ok(()));
        }
    }
}
