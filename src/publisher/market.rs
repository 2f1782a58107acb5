//! What the publisher makes of one market's records.

use std::sync::Arc;

use hashbrown::HashMap;
use souk_engine::{Command, Event};
use souk_protocol::message::{
    MarketJoined, NotApplied, ReportsResent, ResumeMarket, SessionReject,
};
use souk_protocol::{
    AccountId, Block, ClOrdId, Code, HEADER_LEN, MarketId, RejectReason, Reserved, SessionId,
};

use super::kept::Kept;
use super::links::{LinkPlace, Links};
use super::market_data::{self, Feed};
use super::money::{Committed, Gathered, MarketMoney};
use super::{reports, settlements};
use crate::handoff::{
    Admitted, Link, MarketSeat, Numbered, Outcome, Record, Request, session_cancel,
};
use crate::treasury::Treasury;

/// When a client whose message came out of order may send it again: at once.
const RETRY_AT_ONCE_US: u32 = 0;

/// What the publisher keeps for a market.
#[derive(Debug)]
pub(super) struct MarketReports {
    pub(super) market: MarketId,
    pub(super) sessions: HashMap<SessionId, ReportingIndex>,
    pub(super) reporting: Vec<Reporting>,
    /// Bytes of reports kept for each session.
    reports_bytes_max: usize,
    /// The session that joined last: commands of one session come in runs.
    pub(super) last_joined: Option<(SessionId, ReportingIndex)>,
    pub(super) feed: Feed,
    pub(super) money: MarketMoney,
}

/// What a session was told by a market.
#[derive(Clone, Copy, Debug)]
pub struct SessionReports<'a> {
    /// The session.
    pub session: SessionId,
    /// The number of its last report.
    pub report_seq: u64,
    /// The last reports, whole frames, oldest first, in two parts that follow each other.
    pub kept: (&'a [u8], &'a [u8]),
}

/// Kept reports are not whole frames, or more than were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("kept reports are whole frames, no more than were numbered")]
pub(super) struct ReportsDamaged;

/// A session's place in [`MarketReports::reporting`].
#[derive(Clone, Copy, Debug)]
pub(super) struct ReportingIndex(pub(super) u32);

/// Where one session's reports from one market stand.
#[derive(Debug)]
pub(super) struct Reporting {
    /// The last `report_seq` given.
    pub(super) report_seq: u64,
    /// The session's place in [`Links`].
    pub(super) place: LinkPlace,
    /// The connection on which the session joined the market last; [`Link::AWAY`] at first.
    pub(super) connection: u64,
    /// The last of them.
    kept: Kept,
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
            reports_bytes_max: seat.reports_bytes_max,
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
            Outcome::Joined(joined) => self.joined(*joined, request, at),
            Outcome::SessionOpened(_) => {}
            Outcome::SessionCanceled { account, .. } => self.session_canceled(*account, at),
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

    /// Says where the session stands, and sends what it has missed again.
    fn joined(&mut self, mut joined: MarketJoined, request: &Request, at: &mut At<'_>) {
        let (session, connection, place) = (at.link.session, at.link.connection, at.place);
        let index = self.find_or_add(session, place);
        joined.last_report_seq = self.reporting[index.0 as usize].report_seq;
        let resume_after = match request {
            Request::Resume { last_report_seq } => Some(*last_report_seq),
            _ => None,
        };
        if resume_after.is_some_and(|last| last > joined.last_report_seq) {
            let refusal = resume_refused(self.market);
            return at.links.send_to(place, connection, &refusal.frame(0));
        }
        self.join(session, connection, place);
        at.links.send_to(place, connection, &joined.frame(0));
        if let Some(last) = resume_after {
            let missed = joined.last_report_seq - last;
            let kept = &self.reporting[index.0 as usize].kept;
            let again = kept.again(missed);
            let told = ReportsResent {
                market: self.market,
                reserved: Reserved,
                from_report_seq: joined.last_report_seq + 1 - again.len() as u64,
                to_report_seq: joined.last_report_seq,
            };
            at.links.send_to(place, connection, &told.frame(0));
            for frame in &again {
                at.links.send_to(place, connection, frame);
            }
        }
    }

    /// Reports to a session that is gone what was canceled of it.
    fn session_canceled(&mut self, account: AccountId, at: &mut At<'_>) {
        let session = at.link.session;
        let numbered = Numbered::unasked(session_cancel(session, account));
        let context = reports::Context {
            market: self.market,
            session,
            own: self.find_or_add(session, at.place),
            numbered: &numbered,
            transact_time: at.transact_time,
        };
        self.settle(&numbered.command, &Admitted::default(), at);
        for event in at.events {
            reports::report(&context, event, self, at.links);
        }
        self.feed_events(at);
    }

    /// Numbers a report for a session, keeps it, and sends it if the session has joined the market on
    /// its present connection.
    #[inline]
    pub(super) fn tell<const N: usize>(
        &mut self,
        index: ReportingIndex,
        frame: impl FnOnce(u64) -> [u8; N],
        links: &mut Links,
    ) {
        let reporting = &mut self.reporting[index.0 as usize];
        reporting.report_seq += 1;
        let frame = frame(reporting.report_seq);
        reporting.kept.push(&frame, self.reports_bytes_max);
        links.send_to(reporting.place, reporting.connection, &frame);
    }

    /// What each session was told.
    pub(super) fn told(&self) -> impl Iterator<Item = SessionReports<'_>> {
        self.sessions.iter().map(|(session, index)| {
            let reporting = &self.reporting[index.0 as usize];
            SessionReports {
                session: *session,
                report_seq: reporting.report_seq,
                kept: reporting.kept.bytes(),
            }
        })
    }

    /// Restores what a session was told.
    pub(super) fn restore(
        &mut self,
        session: SessionId,
        place: LinkPlace,
        report_seq: u64,
        kept: &[u8],
    ) -> Result<(), ReportsDamaged> {
        let kept = Kept::from_bytes(kept, self.reports_bytes_max).ok_or(ReportsDamaged)?;
        if kept.frames() > report_seq {
            return Err(ReportsDamaged);
        }
        let index = self.find_or_add(session, place);
        let reporting = &mut self.reporting[index.0 as usize];
        reporting.report_seq = report_seq;
        reporting.kept = kept;
        Ok(())
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
            _ => self.find_or_add(session, place),
        };
        self.last_joined = Some((session, index));
        self.reporting[index.0 as usize].connection = connection;
        index
    }

    fn find_or_add(&mut self, session: SessionId, place: LinkPlace) -> ReportingIndex {
        let reporting = &mut self.reporting;
        *self.sessions.entry(session).or_insert_with(|| {
            reporting.push(Reporting {
                report_seq: 0,
                place,
                connection: Link::AWAY,
                kept: Kept::default(),
            });
            ReportingIndex(reporting.len() as u32 - 1)
        })
    }
}

/// The client has seen a report that was never given.
fn resume_refused(market: MarketId) -> SessionReject {
    let offset = ResumeMarket::INFO.offset_of("last_report_seq");
    SessionReject {
        ref_seq: 0,
        market,
        ref_template: ResumeMarket::TEMPLATE,
        code: Code::from(RejectReason::ReportSeqNotReached),
        field_offset: (HEADER_LEN + offset.unwrap_or(0)) as u16,
        fatal: false,
        reserved: Reserved,
        retry_after_us: 0,
        cl_ord_id: ClOrdId(0),
    }
}
