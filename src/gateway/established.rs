//! A session that is logged on: from messages to submissions, and every refusal before a market.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use souk_protocol::message::{
    Pong, SUBSCRIBE_DEPTH, SUBSCRIBE_SNAPSHOT_ONLY, SUBSCRIBE_TRADES, Subscribe,
};
use souk_protocol::{AccountId, ClientMessage, Frame, HEADER_LEN, Header, MarketId, RejectReason};

use super::grace::Gone;
use super::market_message::MarketMessage;
use super::session::{Next, Shared, session_reject};
use super::throttle::{Throttle, Verdict};
use crate::clock::Stamp;
use crate::config::KeyAccounts;
use crate::directory::{KeyEntry, Route};
use crate::handoff::{
    BATCH_COMMANDS_MAX, CountsAs, Item, Lane, Link, Request, RequestOrigin, Seat, Submission,
    SubmissionTimes,
};

/// Requests that are not orders or cancels (pings, lists, joins, subscriptions) per second.
const REQUEST_RATE: u32 = 2_000;
/// Such requests at once.
const REQUEST_BURST: u32 = 4_000;
/// Subscriptions, snapshots and lists of markets per second.
const LONG_ANSWER_RATE: u32 = 100;
/// Such requests at once.
const LONG_ANSWER_BURST: u32 = 64;
/// When a client may try again after a full queue or share.
pub(super) const RETRY_BUSY_US: u32 = 1_000;

/// A session that is logged on.
#[derive(Debug)]
pub struct Established {
    pub(super) shared: Arc<Shared>,
    pub(super) key: Arc<KeyEntry>,
    pub(super) link: Arc<Link>,
    orders: Throttle,
    cancels: Throttle,
    pub(super) requests: Throttle,
    /// Requests whose answer is as long as a book or a list of markets.
    long_answers: Throttle,
    /// Messages handed to matchers, or about to be.
    pub(super) submitted: u64,
    /// When the bytes of this read came.
    read_at: Stamp,
    /// What this read has for each matcher.
    pending: Vec<Pending>,
    pub(super) subscriptions: HashMap<MarketId, Route>,
    /// Where markets are, of those that the session has asked for.
    routes: hashbrown::HashMap<MarketId, Route>,
    /// Accounts that exist, of those that a key to all of them has used.
    accounts_seen: hashbrown::HashSet<AccountId>,
    /// Where the connection has to be forgotten when it ends.
    pub(super) ever_subscribed: HashMap<MarketId, Route>,
}

#[derive(Debug, Default)]
struct Pending {
    items: Vec<Item>,
    /// Messages among the items, which is how many credits they took.
    messages: u64,
    /// Room in the matcher's queue that this read has taken and not used yet.
    room: u32,
    cancels_only: bool,
    /// Any market of this matcher that the session has spoken to.
    touched: Option<Seat>,
}

/// A refusal that uses up no number.
pub(super) enum Refusal {
    /// Wrong as it is.
    Wrong(RejectReason, &'static str),
    /// Too much; try again after these microseconds.
    TooMuch(RejectReason, u32),
    /// Far too much.
    Flooding,
}

impl Established {
    pub(super) fn new(
        shared: Arc<Shared>,
        key: Arc<KeyEntry>,
        link: Arc<Link>,
        now: Instant,
    ) -> Self {
        let limits = &shared.limits;
        Self {
            orders: Throttle::new(limits.order_rate, limits.order_burst, now),
            cancels: Throttle::new(limits.cancel_rate, limits.cancel_burst, now),
            requests: Throttle::new(REQUEST_RATE, REQUEST_BURST, now),
            long_answers: Throttle::new(LONG_ANSWER_RATE, LONG_ANSWER_BURST, now),
            submitted: 0,
            read_at: Stamp::NONE,
            pending: shared.doors.iter().map(|_| Pending::default()).collect(),
            subscriptions: HashMap::new(),
            routes: hashbrown::HashMap::new(),
            accounts_seen: hashbrown::HashSet::new(),
            ever_subscribed: HashMap::new(),
            shared,
            key,
            link,
        }
    }

    /// The connection.
    #[must_use]
    pub const fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Messages that are not answered yet.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        self.submitted
            .saturating_sub(self.link.answered.load(Ordering::Acquire))
    }

    /// Begins with what one read brought.
    pub(super) fn begin(&mut self, now: Instant) {
        self.read_at = Stamp::of(now);
    }

    /// Takes one frame.
    pub(super) fn frame(&mut self, frame: &Frame<'_>, now: Instant, wall_ns: u64) -> Next {
        match MarketMessage::of(frame) {
            Ok(Some(message)) => return self.market_message(&frame.header, &message, now),
            Ok(None) => {}
            Err(error) => return self.bad_field(frame, &error, now),
        }
        let message = match ClientMessage::decode(frame) {
            Ok(message) => message,
            Err(error) => return self.bad_field(frame, &error, now),
        };
        match message {
            ClientMessage::Heartbeat(_) | ClientMessage::Pong(_) => Next::Read,
            ClientMessage::Terminate(_) => Next::Finish(RejectReason::LoggedOut),
            ClientMessage::Hello(_) | ClientMessage::Logon(_) => {
                self.link
                    .outbox
                    .append(&session_reject(RejectReason::ProtocolOrder, 4, true).frame(0));
                Next::Finish(RejectReason::ProtocolOrder)
            }
            request => self.request(&frame.header, &request, now, wall_ns),
        }
    }

    /// Requests that have no number.
    fn request(
        &mut self,
        header: &Header,
        message: &ClientMessage<'_>,
        now: Instant,
        wall_ns: u64,
    ) -> Next {
        let template = header.template_id;
        let origin = message.request_id().map(|request_id| RequestOrigin {
            request_id,
            template,
        });
        let verdict = match self.long_answer_cost(message) {
            Some(cost) => self.long_answers.take_costly(cost, now),
            None => self.requests.take(1, now),
        };
        let retry_after_us = match verdict {
            Verdict::Admitted => return self.admitted_request(header, origin, message, wall_ns),
            Verdict::Refused(retry_after_us) => retry_after_us,
            Verdict::Flooding => return Next::Finish(RejectReason::SessionRateExceeded),
        };
        let reason = RejectReason::SessionRateExceeded;
        match origin {
            Some(origin) => {
                self.reject_request(origin, reason, retry_after_us);
                Next::Read
            }
            None => self.refuse_request(header, MarketId(0), reason, retry_after_us),
        }
    }

    /// A request whose rate has been looked at.
    fn admitted_request(
        &mut self,
        header: &Header,
        origin: Option<RequestOrigin>,
        message: &ClientMessage<'_>,
        wall_ns: u64,
    ) -> Next {
        if let Some(origin) = origin {
            return self.tenant_request(origin, message);
        }
        match message {
            ClientMessage::Ping(ping) => {
                let pong = Pong {
                    nonce: ping.nonce,
                    ping_time: ping.time,
                    time: wall_ns,
                };
                self.link.outbox.append(&pong.frame(0));
                Next::Read
            }
            ClientMessage::MarketListRequest(_) => {
                self.tell_markets();
                Next::Read
            }
            ClientMessage::JoinMarket(join) => {
                self.queue_request(header, join.market, Request::Join)
            }
            ClientMessage::ResumeMarket(resume) => {
                let last_report_seq = resume.last_report_seq;
                self.queue_request(header, resume.market, Request::Resume { last_report_seq })
            }
            ClientMessage::Subscribe(subscribe) => self.subscribe(header, subscribe),
            ClientMessage::Unsubscribe(unsubscribe) => {
                if !self.subscriptions.contains_key(&unsubscribe.market) {
                    return self.refuse_request(
                        header,
                        unsubscribe.market,
                        RejectReason::NotJoined,
                        0,
                    );
                }
                // If the queue takes it: see `Self::queue_request`.
                self.queue_request(header, unsubscribe.market, Request::Unsubscribe)
            }
            _ => Next::Read,
        }
    }

    fn subscribe(&mut self, header: &Header, subscribe: &Subscribe) -> Next {
        let market = subscribe.market;
        let flags = subscribe.flags;
        if !self.key.permissions.market_data {
            return self.refuse_request(header, market, RejectReason::PermissionDenied, 0);
        }
        let stream = flags != 0 && flags & !(SUBSCRIBE_DEPTH | SUBSCRIBE_TRADES) == 0;
        if !stream && flags != SUBSCRIBE_SNAPSHOT_ONLY {
            return self.refuse_request(header, market, RejectReason::SubscriptionFlagsUnknown, 0);
        }
        if stream && let Some(route) = self.route(market) {
            let full = self.subscriptions.len() >= self.shared.limits.subscriptions_max;
            if full && !self.subscriptions.contains_key(&market) {
                return self.refuse_request(header, market, RejectReason::TooManySubscriptions, 0);
            }
            self.subscriptions.insert(market, route);
            self.ever_subscribed.insert(market, route);
        }
        self.queue_request(header, market, Request::Subscribe(flags))
    }

    /// Puts an unnumbered request into the market's queue.
    fn queue_request(&mut self, header: &Header, market: MarketId, request: Request) -> Next {
        let Some(route) = self.route(market) else {
            return self.refuse_request(header, market, RejectReason::UnknownMarket, 0);
        };
        let tenant = &self.key.tenant;
        let gauge = &self.shared.doors[route.matcher].gauge;
        if let Err(reason) = gauge.admit(tenant.index, CountsAs::Cancel, 1) {
            return self.refuse_request(header, market, reason, RETRY_BUSY_US);
        }
        if matches!(request, Request::Unsubscribe) {
            self.subscriptions.remove(&market);
        }
        let book = matches!(request, Request::Subscribe(_));
        self.push(route, request, false);
        if book {
            // Alone, so that the matcher can see to others between two books.
            self.submit_to(route.matcher);
        }
        Next::Read
    }

    fn market_message(&mut self, header: &Header, message: &MarketMessage, now: Instant) -> Next {
        let route = match self.admit(message, now) {
            Ok(admitted) => admitted,
            Err(refusal) => return self.refuse(header, message, refusal),
        };
        self.submitted += 1;
        let pending = &mut self.pending[route.matcher];
        pending.messages += 1;
        pending.room -= message.count();
        let cancels = message.is_cancel();
        let (first, others) = message.parts();
        let session = self.link.session;
        let numbered = first.numbered(header.seq, session, message);
        self.push(route, Request::Command(numbered), cancels);
        for part in others {
            let numbered = part.numbered(header.seq, session, message);
            self.push(route, Request::Command(numbered), cancels);
        }
        Next::Read
    }

    /// Everything that is checked before a market sees a message. Rates first, so that a flood of
    /// wrong messages is a flood too. Gives the market's place.
    fn admit(&mut self, message: &MarketMessage, now: Instant) -> Result<Route, Refusal> {
        let cancels = message.is_cancel();
        let count = message.count();
        let throttle = if cancels {
            &mut self.cancels
        } else {
            &mut self.orders
        };
        match throttle.take(count, now) {
            Verdict::Admitted => {}
            Verdict::Refused(after) => {
                return Err(Refusal::TooMuch(RejectReason::SessionRateExceeded, after));
            }
            Verdict::Flooding => return Err(Refusal::Flooding),
        }
        let permissions = self.key.permissions;
        if !(permissions.trade || (permissions.cancel && message.is_harmless())) {
            return Err(Refusal::Wrong(RejectReason::PermissionDenied, ""));
        }
        let Some(route) = self.route(message.market()) else {
            return Err(Refusal::Wrong(RejectReason::UnknownMarket, "market"));
        };
        let (first, others) = message.parts();
        let mut parts = std::iter::once(first).chain(others);
        if !parts.all(|part| self.may_use(part.account())) {
            return Err(Refusal::Wrong(RejectReason::UnknownAccount, "account"));
        }
        if self.outstanding() >= u64::from(self.shared.limits.max_inflight) {
            return Err(Refusal::TooMuch(
                RejectReason::CreditExceeded,
                RETRY_BUSY_US,
            ));
        }
        let kind = if cancels {
            CountsAs::Cancel
        } else {
            CountsAs::Order
        };
        self.take_room(route.matcher, kind, count)
            .map_err(|reason| Refusal::TooMuch(reason, RETRY_BUSY_US))?;
        Ok(route)
    }

    /// Sees to it that there is room for `count` commands in a matcher's queue. Takes room for
    /// many at once, so that the shared counters are touched once for each of a read's batches.
    fn take_room(
        &mut self,
        matcher: usize,
        kind: CountsAs,
        count: u32,
    ) -> Result<(), RejectReason> {
        let room = &mut self.pending[matcher].room;
        if *room >= count {
            return Ok(());
        }
        let (gauge, tenant) = (&self.shared.doors[matcher].gauge, self.key.tenant.index);
        let many = BATCH_COMMANDS_MAX as u32;
        // Never for cancels: orders must not ride on room that was given to a cancel.
        if kind == CountsAs::Order && gauge.admit(tenant, kind, many).is_ok() {
            *room += many;
        } else {
            gauge.admit(tenant, kind, count)?;
            *room += count;
        }
        Ok(())
    }

    /// Whether the tenant has an account and the key may use it.
    fn may_use(&mut self, account: AccountId) -> bool {
        match &self.key.accounts {
            KeyAccounts::Some(accounts) => accounts.contains(&account),
            KeyAccounts::All => {
                let treasury = &self.shared.treasury;
                let exists = || treasury.account(self.key.tenant.index, account).is_some();
                self.accounts_seen.contains(&account)
                    || (exists() && self.accounts_seen.insert(account))
            }
        }
    }

    /// Where a market is.
    pub(super) fn route(&mut self, market: MarketId) -> Option<Route> {
        if let Some(route) = self.routes.get(&market) {
            return Some(*route);
        }
        let route = self.key.tenant.route(market)?;
        self.routes.insert(market, route);
        if self.link.terms.cancels() {
            self.shared.registry.note_market(self.link.session, route);
        }
        Some(route)
    }

    pub(super) fn push(&mut self, route: Route, request: Request, cancel: bool) {
        let pending = &mut self.pending[route.matcher];
        if pending.items.is_empty() {
            pending.items = self.shared.doors[route.matcher].items();
            pending.cancels_only = true;
        }
        pending.cancels_only &= cancel;
        pending.touched = Some(route.seat);
        // A batch frame stays together; a submission may be a frame longer than the bound.
        let whole = match &request {
            Request::Command(numbered) => numbered.batch.last,
            _ => true,
        };
        pending.items.push(Item {
            seat: route.seat,
            request,
        });
        if whole && pending.items.len() >= BATCH_COMMANDS_MAX {
            self.submit_to(route.matcher);
        }
    }

    /// Hands everything of this read to the matchers.
    pub(super) fn submit(&mut self) {
        for matcher in 0..self.pending.len() {
            if !self.pending[matcher].items.is_empty() {
                self.submit_to(matcher);
            }
            let room = std::mem::take(&mut self.pending[matcher].room);
            if room > 0 {
                let gauge = &self.shared.doors[matcher].gauge;
                gauge.release(self.key.tenant.index, room);
            }
        }
    }

    pub(super) fn submit_to(&mut self, matcher: usize) {
        let outstanding = self.outstanding();
        let pending = &mut self.pending[matcher];
        let messages = std::mem::take(&mut pending.messages);
        // Nothing of this session is under way but these: no cancel overtakes its own order.
        let lane = if pending.cancels_only && outstanding == messages {
            Lane::Cancels
        } else {
            Lane::Orders
        };
        let submission = Submission {
            tenant: self.key.tenant.index,
            link: Arc::clone(&self.link),
            lane,
            items: std::mem::take(&mut pending.items),
            times: SubmissionTimes {
                read_at: self.read_at,
                ..SubmissionTimes::default()
            },
        };
        if let Err(error) = self.shared.doors[matcher].submit(submission) {
            self.submission_refused(matcher, error.into_inner(), messages);
        }
    }

    /// The session as one whose connection has ended.
    pub(super) fn gone(&self) -> Gone {
        Gone {
            tenant: self.key.tenant.index,
            session: self.link.session,
            terms: self.link.terms,
        }
    }

    /// What each matcher must be told when the connection ends: to forget it.
    pub(super) fn farewells(&self) -> Vec<(usize, Submission)> {
        let mut seats: Vec<(usize, Seat)> = self
            .ever_subscribed
            .values()
            .map(|route| (route.matcher, route.seat))
            .collect();
        let touched = self.pending.iter().enumerate();
        seats.extend(touched.filter_map(|(matcher, pending)| Some((matcher, pending.touched?))));
        seats
            .into_iter()
            .map(|(matcher, seat)| {
                let submission = Submission {
                    tenant: self.key.tenant.index,
                    link: Arc::clone(&self.link),
                    lane: Lane::Orders,
                    items: vec![Item {
                        seat,
                        request: Request::Leave,
                    }],
                    times: SubmissionTimes::default(),
                };
                (matcher, submission)
            })
            .collect()
    }
}

const _: () = assert!(
    HEADER_LEN == 24,
    "offsets in rejects count from the frame's first byte"
);
