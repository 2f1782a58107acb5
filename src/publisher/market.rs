//! What the publisher makes of one market's records.

use std::sync::Arc;

use hashbrown::HashMap;
use souk_engine::{Command, Event};
use souk_protocol::message::NotApplied;
use souk_protocol::{Code, MarketId, Reserved, SessionId};

use super::links::{LinkPlace, Links};
use super::market_data::{self, Feed};
use super::money::{Committed, Gathered, MarketMoney};
use super::{reports, settlements};
use crate::handoff::{Admitted, Link, MarketSeat, Outcome, Record, Request};
use crate::treasury::Treasury;

/// When a client whose message came out of order may send it again: at once.
const RETRY_AT_ONCE_US: u32 = 0;

/// What the publisher keeps for a market.
#[derive(Debug)]
pub(super) struct MarketReports {
    pub(super) market: MarketId,
    pub(super) sessions: HashMap<SessionId, ReportingIndex>,
    pub(super) reporting: Vec<Reporting>,
    /// The session that joined last: commands of one session come in runs.
    pub(super) last_joined: Option<(SessionId, ReportingIndex)>,
    pub(super) feed: Feed,
    pub(super) money: MarketMoney,
}

/// A session's place in [`MarketReports::reporting`].
#[derive(Clone, Copy, Debug)]
pub(super) struct ReportingIndex(pub(super) u32);

/// Where one session's reports from one market stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reporting {
    /// The last `report_seq` given.
    pub(super) report_seq: u64,
    /// The session's place in [`Links`].
    pub(super) place: LinkPlace,
    /// The connection on which the session joined the market last.
    pub(super) connection: u64,
}

/// A record of a market, and what publishing it needs.
pub(super) struct At<'a> {
    pub(super) link: &'a Arc<Link>,
    pub(super) place: LinkPlace,
    pub(super) record: &'a Record,
    pub(super) events: &'a [Event],
    pub(super) transact_time: u64,
    pub(super) links: &'a mut Links,
    pub(super) treasury: &'a Treasury,
    pub(super) gathered: &'a mut Gathered,
}

impl MarketReports {
    pub(super) fn new(seat: &MarketSeat, treasury: &Treasury) -> Self {
        Self {
            market: seat.market,
            sessions: HashMap::new(),
            reporting: Vec::new(),
            last_joined: None,
            feed: Feed::default(),
            money: MarketMoney::new(seat, treasury),
        }
    }

    pub(super) fn record(&mut self, request: &Request, at: &mut At<'_>) {
        let (link, place) = (at.link, at.place);
        match &at.record.outcome {
            Outcome::Applied { admitted, .. } => {
                let Request::Command(numbered) = request else {
                    unreachable!("only commands are applied");
                };
                let own = self.join(link.session, link.connection, place);
                let context = reports::Context {
                    market: self.market,
                    session: link.session,
                    own,
                    numbered,
                    transact_time: at.transact_time,
                };
                // First: whoever reads a report finds the money where it says.
                self.settle(&numbered.command, admitted, at);
                for event in at.events {
                    reports::report(&context, event, self, at.links);
                }
                self.feed_events(at);
                at.links
                    .answer(place, link.connection, u64::from(numbered.batch.last));
            }
            Outcome::NotApplied {
                from,
                count,
                messages,
                expected,
                reason,
            } => {
                let message = NotApplied {
                    from_client_seq: *from,
                    count: *count,
                    market: self.market,
                    expected_client_seq: *expected,
                    code: Code::from(*reason),
                    reserved: Reserved,
                    retry_after_us: RETRY_AT_ONCE_US,
                };
                at.links.send(place, &message.frame(0));
                at.links
                    .answer(place, link.connection, u64::from(*messages));
            }
            Outcome::Joined(joined) => {
                let own = self.join(link.session, link.connection, place);
                let mut joined = *joined;
                joined.last_report_seq = self.reporting[own.0 as usize].report_seq;
                at.links.send(place, &joined.frame(0));
            }
            Outcome::Subscribed { .. } => self.subscribe(at),
            Outcome::SettlementsWanted => self.subscribe_settlements(request, at),
            Outcome::Unsubscribed => self.feed.forget(link.connection),
            Outcome::Left => {
                self.forget(link.connection);
                at.links.detach(link);
            }
            Outcome::Changed { .. } => {
                if let Request::Change(change) = request {
                    self.settle(&Command::from(change), &Admitted::default(), at);
                }
                self.feed_events(at);
            }
            Outcome::Controlled(_) | Outcome::Opened => {
                unreachable!("these are not a market's")
            }
        }
    }

    fn settle(&mut self, command: &Command, admitted: &Admitted, at: &mut At<'_>) {
        let committed = Committed {
            stream_seq: at.record.stream_seq,
            transact_time: at.transact_time,
            command,
            admitted,
            events: at.events,
        };
        self.money
            .settle(&committed, at.treasury, at.gathered, at.links);
    }

    fn feed_events(&mut self, at: &At<'_>) {
        let stream_seq = at.record.stream_seq;
        self.feed
            .events(self.market, stream_seq, at.events, at.transact_time);
    }

    fn forget(&mut self, connection: u64) {
        self.feed.forget(connection);
        self.money.log.forget(connection);
    }

    fn subscribe(&mut self, at: &mut At<'_>) {
        let Outcome::Subscribed {
            flags,
            state,
            book_hash,
            levels,
        } = &at.record.outcome
        else {
            return;
        };
        let snapshot = market_data::Snapshot {
            market: self.market,
            state: *state,
            stream_seq: at.record.stream_seq,
            book_hash: *book_hash,
            levels,
        };
        let (link, place, time) = (at.link, at.place, at.transact_time);
        self.feed
            .subscribe(*flags, link, place, &snapshot, time, at.links);
    }

    fn subscribe_settlements(&mut self, request: &Request, at: &mut At<'_>) {
        if let Request::SubscribeSettlements {
            origin,
            from_number,
        } = request
        {
            let from = settlements::From {
                origin: *origin,
                number: *from_number,
                place: at.place,
                connection: at.link.connection,
            };
            self.money.log.subscribe(self.market, from, at.links);
        }
    }

    /// Sends the session's reports to this connection from now on.
    fn join(&mut self, session: SessionId, connection: u64, place: LinkPlace) -> ReportingIndex {
        let index = match self.last_joined {
            Some((last, index)) if last == session => index,
            _ => self.find_or_add(session, connection, place),
        };
        self.last_joined = Some((session, index));
        self.reporting[index.0 as usize].connection = connection;
        index
    }

    fn find_or_add(
        &mut self,
        session: SessionId,
        connection: u64,
        place: LinkPlace,
    ) -> ReportingIndex {
        let reporting = &mut self.reporting;
        *self.sessions.entry(session).or_insert_with(|| {
            reporting.push(Reporting {
                report_seq: 0,
                place,
                connection,
            });
            ReportingIndex(reporting.len() as u32 - 1)
        })
    }
}
