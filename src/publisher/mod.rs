//! The publisher: turns committed batches into execution reports and market data.
//!
//! It numbers reports per (session, market) and market data per subscription, and appends whole
//! frames to the outbox of each connection, once per batch.
//!
//! Must never: see a batch that is not committed, or wait for a connection.

mod control;
mod market_data;
mod money;
mod reports;
mod settlements;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::Sender;
use hashbrown::HashMap;
use souk_engine::{Command, Event};
use souk_protocol::message::NotApplied;
use souk_protocol::{Code, MarketId, Reserved, SessionId};

use crate::directory::Directory;
use crate::handoff::{
    Admitted, Batch, Link, MarketSeat, Outcome, Record, Request, SeatConfig, TakesBatches, Task,
    TenantIndex,
};
use crate::treasury::Treasury;
use market_data::Feed;
use money::{Committed, Gathered, MarketMoney};

/// When a client whose message came out of order may send it again: at once.
const RETRY_AT_ONCE_US: u32 = 0;

/// Bytes gathered for one connection before they are handed over without waiting for the end of the
/// batch; also the most that is kept for the next batch.
const FRAMES_GATHERED_MAX: usize = 262_144;

/// Turns batches into frames.
#[derive(Debug)]
pub struct Publisher {
    seats: Vec<SeatReports>,
    links: Links,
    desk: Desk,
    gathered: Gathered,
}

/// What publishers share.
#[derive(Clone, Debug)]
pub struct Desk {
    /// Whose balances settle.
    pub treasury: Arc<Treasury>,
    /// Where new currencies and accounts are made known.
    pub directory: Arc<Directory>,
    /// Takes to markets what their control stream decided. As bounded as the control streams' rates.
    pub tasks: Sender<Task>,
}

/// What the publisher keeps for a seat.
#[derive(Debug)]
enum SeatReports {
    Market(Box<MarketReports>),
    Control(TenantIndex),
}

/// What the publisher keeps for a market.
#[derive(Debug)]
struct MarketReports {
    market: MarketId,
    sessions: HashMap<SessionId, ReportingIndex>,
    reporting: Vec<Reporting>,
    /// The session that joined last: commands of one session come in runs.
    last_joined: Option<(SessionId, ReportingIndex)>,
    feed: Feed,
    money: MarketMoney,
}

/// A session's place in [`MarketReports::reporting`].
#[derive(Clone, Copy, Debug)]
struct ReportingIndex(u32);

/// Where one session's reports from one market stand.
#[derive(Clone, Copy, Debug)]
struct Reporting {
    /// The last `report_seq` given.
    report_seq: u64,
    /// The session's place in [`Links`].
    place: LinkPlace,
    /// The connection on which the session joined the market last.
    connection: u64,
}

/// A session's place in [`Links`]; it belongs to that session for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LinkPlace(u32);

/// The connections that frames can go to.
#[derive(Debug, Default)]
struct Links {
    by_session: HashMap<SessionId, LinkPlace>,
    places: Vec<LinkState>,
    /// Places with something to send.
    dirty: Vec<LinkPlace>,
    /// The connection attached last, and its place: records of one connection come in runs.
    last_attached: Option<(u64, LinkPlace)>,
}

#[derive(Debug, Default)]
struct LinkState {
    /// The session's newest connection that this publisher has seen; none after it left.
    link: Option<Arc<Link>>,
    /// Frames of this batch.
    frames: Vec<u8>,
    /// Messages answered in this batch.
    answered: u64,
    dirty: bool,
}

impl Publisher {
    /// A publisher for these seats.
    #[must_use]
    pub fn new(seats: &[SeatConfig], desk: Desk) -> Self {
        let mut publisher = Self {
            seats: Vec::new(),
            links: Links::default(),
            desk,
            gathered: Gathered::default(),
        };
        for seat in seats {
            publisher.open(seat);
        }
        publisher
    }

    fn open(&mut self, seat: &SeatConfig) {
        match seat {
            SeatConfig::Market(seat) => self.open_market(seat),
            SeatConfig::Control(seat) => self.seats.push(SeatReports::Control(seat.tenant)),
        }
    }

    fn open_market(&mut self, seat: &MarketSeat) {
        let market = MarketReports::new(seat, &self.desk.treasury);
        self.seats.push(SeatReports::Market(Box::new(market)));
    }

    fn record(&mut self, batch: &Batch, record: &Record, events: &[Event]) {
        let (link, item) = batch.asked(record);
        if let Request::Open(seat) = &item.request {
            return self.open_market(seat);
        }
        let place = self.links.attach(link);
        match &mut self.seats[item.seat.0 as usize] {
            SeatReports::Market(market) => {
                let mut at = At {
                    link,
                    place,
                    record,
                    events,
                    transact_time: batch.transact_time,
                    links: &mut self.links,
                    treasury: &self.desk.treasury,
                    gathered: &mut self.gathered,
                };
                market.record(&item.request, &mut at);
            }
            SeatReports::Control(tenant) => {
                let Outcome::Controlled(result) = &record.outcome else {
                    return self.links.detach_if_left(&record.outcome, link);
                };
                let Request::Control(request) = &item.request else {
                    unreachable!("a control stream takes control commands");
                };
                let decided = control::Decided {
                    tenant: *tenant,
                    request,
                    control_seq: record.stream_seq,
                    result,
                    transact_time: batch.transact_time,
                };
                decided.publish(link, place, &mut self.links, &self.desk, &mut self.gathered);
            }
        }
    }
}

/// A record of a market, and what publishing it needs.
struct At<'a> {
    link: &'a Arc<Link>,
    place: LinkPlace,
    record: &'a Record,
    events: &'a [Event],
    transact_time: u64,
    links: &'a mut Links,
    treasury: &'a Treasury,
    gathered: &'a mut Gathered,
}

impl MarketReports {
    fn new(seat: &MarketSeat, treasury: &Treasury) -> Self {
        Self {
            market: seat.market,
            sessions: HashMap::new(),
            reporting: Vec::new(),
            last_joined: None,
            feed: Feed::default(),
            money: MarketMoney::new(seat, treasury),
        }
    }

    fn record(&mut self, request: &Request, at: &mut At<'_>) {
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
                for event in at.events {
                    reports::report(&context, event, self, at.links);
                }
                self.settle(&numbered.command, admitted, at);
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
            Outcome::Unsubscribed => self.forget(link.connection),
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
}

impl TakesBatches for Publisher {
    fn take(&mut self, batch: &mut Batch) {
        let mut rest = &batch.events[..];
        for record in &batch.records {
            let (events, later) = rest.split_at(record.outcome.events());
            rest = later;
            self.record(batch, record, events);
        }
        assert!(rest.is_empty(), "each event belongs to a record");
        for record in &batch.records {
            let (_, item) = batch.asked(record);
            if let SeatReports::Market(market) = &mut self.seats[item.seat.0 as usize] {
                market
                    .feed
                    .flush(market.market, batch.transact_time, &mut self.links);
            }
        }
        // Before anybody is told: whoever asks after a report finds the money where the report says it is.
        self.gathered
            .finish(&self.desk.treasury, batch.transact_time);
        self.links.flush();
    }
}

impl Outcome {
    /// How many of the batch's events belong to it.
    const fn events(&self) -> usize {
        match self {
            Self::Applied { events, .. } | Self::Changed { events } => *events as usize,
            _ => 0,
        }
    }
}

impl MarketReports {
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

impl Links {
    /// Remembers the connection as its session's newest. Connections are numbered in the order in
    /// which they logged on, so an older one never takes over from a newer one.
    fn attach(&mut self, link: &Arc<Link>) -> LinkPlace {
        if let Some((connection, place)) = self.last_attached
            && connection == link.connection
        {
            return place;
        }
        let places = &mut self.places;
        let place = *self.by_session.entry(link.session).or_insert_with(|| {
            places.push(LinkState::default());
            LinkPlace(places.len() as u32 - 1)
        });
        let state = &mut self.places[place.0 as usize];
        let newer = match &state.link {
            Some(known) => known.connection < link.connection,
            None => true,
        };
        if newer {
            // What was gathered for the connection before goes there, and nowhere else.
            state.hand_over();
            state.link = Some(Arc::clone(link));
        }
        self.last_attached = Some((link.connection, place));
        place
    }

    fn detach(&mut self, link: &Arc<Link>) {
        let place = self.attach(link);
        self.last_attached = None;
        let state = &mut self.places[place.0 as usize];
        if state
            .link
            .as_ref()
            .is_some_and(|known| known.connection == link.connection)
        {
            state.hand_over();
            *state = LinkState {
                dirty: state.dirty,
                ..LinkState::default()
            };
        }
    }

    /// Forgets a connection of which this outcome says that it is gone.
    fn detach_if_left(&mut self, outcome: &Outcome, link: &Arc<Link>) {
        if matches!(outcome, Outcome::Left) {
            self.detach(link);
        }
    }

    /// Sends a frame to whatever connection the session has.
    fn send(&mut self, place: LinkPlace, frame: &[u8]) {
        let state = &mut self.places[place.0 as usize];
        state.frames.extend_from_slice(frame);
        if state.frames.len() > FRAMES_GATHERED_MAX {
            // The outbox knows its bound; this does not grow beyond it meanwhile.
            state.hand_over();
        }
        self.mark(place);
    }

    /// Sends a frame to the session if its connection is still this one.
    fn send_to(&mut self, place: LinkPlace, connection: u64, frame: &[u8]) {
        let state = &self.places[place.0 as usize];
        if state
            .link
            .as_ref()
            .is_some_and(|link| link.connection == connection)
        {
            self.send(place, frame);
        }
    }

    /// Gives credits back to the connection that sent the messages, if it is still there.
    fn answer(&mut self, place: LinkPlace, connection: u64, messages: u64) {
        let state = &mut self.places[place.0 as usize];
        if state
            .link
            .as_ref()
            .is_some_and(|link| link.connection == connection)
        {
            state.answered += messages;
            self.mark(place);
        }
    }

    fn mark(&mut self, place: LinkPlace) {
        let state = &mut self.places[place.0 as usize];
        if !state.dirty {
            state.dirty = true;
            self.dirty.push(place);
        }
    }

    /// Hands what was gathered to the connections, once each.
    fn flush(&mut self) {
        for place in self.dirty.drain(..) {
            let state = &mut self.places[place.0 as usize];
            state.dirty = false;
            state.hand_over();
        }
    }
}

impl LinkState {
    /// Hands what was gathered to the connection.
    fn hand_over(&mut self) {
        if let Some(link) = &self.link {
            // Credits first: whoever is woken by the bytes finds them.
            link.answered.fetch_add(self.answered, Ordering::Release);
            link.outbox.give(&mut self.frames);
        }
        self.answered = 0;
        self.frames.clear();
        if self.frames.capacity() > FRAMES_GATHERED_MAX {
            self.frames = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(link: &Link) -> Vec<u8> {
        let mut bytes = Vec::new();
        link.outbox.take(&mut bytes);
        bytes
    }

    #[test]
    fn a_new_connection_gets_nothing_that_was_gathered_for_the_old_one() {
        let session = SessionId(7);
        let old = Arc::new(Link::new(session, 1, 1_024));
        let new = Arc::new(Link::new(session, 2, 1_024));
        let mut links = Links::default();
        let place = links.attach(&old);
        links.send(place, b"for the old one");
        links.answer(place, old.connection, 3);
        assert_eq!(links.attach(&new), place);
        links.send(place, b"for the new one");
        links.answer(place, old.connection, 5);
        links.flush();
        assert_eq!(waiting(&old), b"for the old one");
        assert_eq!(waiting(&new), b"for the new one");
        assert_eq!(old.answered.load(Ordering::Relaxed), 3);
        assert_eq!(new.answered.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn an_old_connection_does_not_take_over_from_a_newer_one() {
        let session = SessionId(7);
        let old = Arc::new(Link::new(session, 1, 1_024));
        let new = Arc::new(Link::new(session, 2, 1_024));
        let mut links = Links::default();
        let place = links.attach(&new);
        links.attach(&old);
        links.send(place, b"frame");
        links.flush();
        links.detach(&old);
        links.send(place, b" and frame");
        links.flush();
        assert_eq!(waiting(&new), b"frame and frame");
        assert_eq!(waiting(&old), b"");
    }

    #[test]
    fn what_is_gathered_in_one_batch_is_bounded() {
        let link = Arc::new(Link::new(SessionId(7), 1, 1 << 30));
        let mut links = Links::default();
        let place = links.attach(&link);
        for _ in 0..1_000 {
            links.send(place, &[0; 65_536]);
            let gathered = links.places[place.0 as usize].frames.len();
            assert!(gathered <= FRAMES_GATHERED_MAX, "{gathered}");
        }
        links.flush();
        assert!(links.places[place.0 as usize].frames.capacity() <= FRAMES_GATHERED_MAX);
        assert_eq!(waiting(&link).len(), 65_536_000);
    }
}
