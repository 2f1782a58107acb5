//! The session without its connection: what was asked for, what is on its way, what came.
//! Sans-I/O: bytes to send go to a buffer, messages and the time are arguments.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use souk_protocol::message::{
    BalanceEntry, CurrencyDefinition, JoinMarket, MarketDefinition, MarketJoined,
    MarketListRequest, Ping, Pong, REQUEST_TEMPLATES, Redirect, ResumeMarket,
    SUBSCRIBE_SNAPSHOT_ONLY, SessionReject, SettlementsFrom, Subscribe, Terminate, Unsubscribe,
};
use souk_protocol::{AccountId, Code, MarketId, RejectReason, Reserved};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::book::Book;
use crate::clock::unix_time_ns;
use crate::error::ClientError;
use crate::event::Event;
use crate::lane::{Item, Lane};
use crate::options::RetryPolicy;
use crate::order::Message;
use crate::outcome::{Answer, Refusal};
use crate::pace::Paces;
use crate::request::{Asked, Awaited, Request};
use crate::wire::SessionInfo;

/// The one who waits for a request that is not to a market.
pub(crate) type Waiter<T> = oneshot::Sender<Result<T, ClientError>>;

pub(crate) const MARKET_LIST_REQUEST: MarketListRequest = MarketListRequest { reserved: Reserved };

/// What the handle asks of the session.
#[derive(Debug)]
pub(crate) enum Command {
    Submit(Message, oneshot::Sender<Answer>),
    Join(MarketId, Waiter<MarketJoined>),
    Resume(MarketId, u64, Waiter<MarketJoined>),
    Markets(Waiter<Vec<MarketDefinition>>),
    Subscribe(MarketId, u8),
    Unsubscribe(MarketId),
    Snapshot(MarketId, Waiter<Book>),
    Ping(Waiter<Duration>),
    Ask(Request, Awaited),
    SubscribeAccount(AccountId, Waiter<Vec<BalanceEntry>>),
    Settlements(MarketId, u64, Waiter<SettlementsFrom>),
    Listen(mpsc::Sender<Event>),
    Terminate(Waiter<()>),
}

/// The state of one session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) lanes: BTreeMap<MarketId, Lane>,
    pub(crate) joining: BTreeMap<MarketId, Vec<Waiter<MarketJoined>>>,
    pub(crate) listing: VecDeque<Waiter<Vec<MarketDefinition>>>,
    pub(crate) listed: Vec<MarketDefinition>,
    pub(crate) subscriptions: BTreeMap<MarketId, u8>,
    pub(crate) snapshots: BTreeMap<MarketId, VecDeque<(Book, Waiter<Book>)>>,
    pub(crate) pings: HashMap<u64, (Instant, Waiter<Duration>)>,
    pings_sent: u64,
    /// Requests on their way, by number.
    pub(crate) requests: BTreeMap<u64, Asked>,
    pub(crate) requests_sent: u64,
    /// Currencies of a list whose end has not come yet.
    pub(crate) currencies: Vec<CurrencyDefinition>,
    /// Accounts whose balances are told.
    pub(crate) accounts: BTreeSet<AccountId>,
    /// Markets whose settlements are told, with the number that comes next.
    pub(crate) settlements: BTreeMap<MarketId, u64>,
    pub(crate) listener: Option<mpsc::Sender<Event>>,
    /// Events that came with the last read and did not fit the listener's channel yet. Nothing is
    /// read while there are some.
    pub(crate) backlog: VecDeque<Event>,
    /// Bytes to send.
    pub(crate) out: BytesMut,
    pub(crate) max_inflight: usize,
    pub(crate) paces: Paces,
    pub(crate) retry: RetryPolicy,
    pub(crate) logout: Logout,
    /// Where the tenant has moved to, as far as its node said before it ended the connection.
    pub(crate) redirect: Option<Redirect>,
    /// Joins that were refused for lack of room, until they are answered.
    pub(crate) rejoin: BTreeMap<MarketId, Rejoin>,
    /// Markets to be resumed after a reconnect, one after another: what they send again is bounded for
    /// each of them. The first has been asked for.
    pub(crate) resuming: VecDeque<MarketId>,
}

/// A join that was refused for lack of room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rejoin {
    /// When it is sent again; `None` when it was.
    at: Option<Instant>,
    /// How often it was refused.
    attempts: u32,
}

/// How far logging out is.
#[derive(Debug, Default)]
pub(crate) enum Logout {
    /// Not asked for.
    #[default]
    No,
    /// Asked for; sent once everything else is sent and answered.
    Asked(Option<Waiter<()>>),
    /// Sent; the server answers and closes.
    Sent(Option<Waiter<()>>),
}

impl Session {
    pub(crate) fn new(retry: RetryPolicy, info: &SessionInfo) -> Self {
        Self {
            lanes: BTreeMap::new(),
            joining: BTreeMap::new(),
            rejoin: BTreeMap::new(),
            resuming: VecDeque::new(),
            listing: VecDeque::new(),
            listed: Vec::new(),
            subscriptions: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            pings: HashMap::new(),
            pings_sent: 0,
            requests: BTreeMap::new(),
            requests_sent: 0,
            currencies: Vec::new(),
            accounts: BTreeSet::new(),
            settlements: BTreeMap::new(),
            listener: None,
            backlog: VecDeque::new(),
            out: BytesMut::new(),
            max_inflight: info.max_inflight as usize,
            paces: Paces::new(info.rates()),
            retry,
            logout: Logout::No,
            redirect: None,
        }
    }

    /// Messages that wait in the client.
    pub(crate) fn waiting(&self) -> usize {
        self.lanes.values().map(Lane::waiting).sum()
    }

    /// When something must be sent that is held back now.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let rejoin = self.rejoin.values().filter_map(|rejoin| rejoin.at).min();
        let lanes = self.lanes.values().filter_map(Lane::wake_at).min();
        lanes.into_iter().chain(rejoin).min()
    }

    /// Takes a request of the handle.
    pub(crate) fn on_command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Submit(message, waiter) => {
                let market = message.market;
                self.lane(market).submit(Item::new(message, waiter));
            }
            Command::Join(market, waiter) => {
                if !self.lanes.contains_key(&market) {
                    self.lane(market);
                } else {
                    self.send_join(market);
                }
                self.joining.entry(market).or_default().push(waiter);
            }
            Command::Resume(market, last_report_seq, waiter) => {
                let lane = self.lanes.entry(market);
                lane.or_insert_with(|| {
                    let mut lane = Lane::new(market);
                    lane.resume_after(last_report_seq);
                    lane
                });
                self.send_join(market);
                self.joining.entry(market).or_default().push(waiter);
            }
            Command::Markets(waiter) => {
                self.send(&MARKET_LIST_REQUEST.frame(0));
                self.listing.push_back(waiter);
            }
            Command::Subscribe(market, flags) => {
                self.subscriptions.insert(market, flags);
                self.send_subscribe(market, flags);
            }
            Command::Unsubscribe(market) => {
                self.subscriptions.remove(&market);
                let reserved = Reserved;
                self.send(&Unsubscribe { market, reserved }.frame(0));
            }
            Command::Snapshot(market, waiter) => self.snapshot(market, waiter),
            Command::Ping(waiter) => {
                self.pings_sent += 1;
                let nonce = self.pings_sent;
                let time = unix_time_ns();
                self.send(&Ping { nonce, time }.frame(0));
                self.pings.insert(nonce, (now, waiter));
            }
            Command::Ask(request, awaited) => self.ask(request, awaited),
            Command::SubscribeAccount(account, waiter) => {
                self.subscribe_account(account, Some(waiter));
            }
            Command::Settlements(market, from, waiter) => {
                self.subscribe_settlements(market, from, Some(waiter));
            }
            Command::Listen(listener) => self.listener = Some(listener),
            Command::Terminate(waiter) => self.logout = Logout::Asked(Some(waiter)),
        }
    }

    /// The market's lane. The first use of a market joins it.
    fn lane(&mut self, market: MarketId) -> &mut Lane {
        if !self.lanes.contains_key(&market) {
            self.send_join(market);
        }
        self.lanes
            .entry(market)
            .or_insert_with(|| Lane::new(market))
    }

    fn snapshot(&mut self, market: MarketId, waiter: Waiter<Book>) {
        if self.subscriptions.contains_key(&market) {
            tell(waiter, Err(ClientError::Subscribed(market)));
            return;
        }
        self.send_subscribe(market, SUBSCRIBE_SNAPSHOT_ONLY);
        let queue = self.snapshots.entry(market).or_default();
        queue.push_back((Book::new(market), waiter));
    }

    /// Sends what credits and lanes allow, and the logout once nothing is left to do before it.
    pub(crate) fn pump(&mut self, now: Instant) {
        self.join_again(now);
        let unanswered: usize = self.lanes.values().map(Lane::unanswered).sum();
        let mut credits = self.max_inflight.saturating_sub(unanswered);
        for lane in self.lanes.values_mut() {
            credits -= lane.pump(now, credits, &mut self.paces, &mut self.out);
        }
        if matches!(self.logout, Logout::Asked(_)) && self.is_idle() {
            let Logout::Asked(waiter) = std::mem::take(&mut self.logout) else {
                return;
            };
            let goodbye = Terminate {
                code: Code::from(RejectReason::LoggedOut),
                reserved: Reserved,
                retry_after_ms: 0,
                detail: 0,
            };
            self.send(&goodbye.frame(0));
            self.logout = Logout::Sent(waiter);
        }
    }

    /// Whether everything was sent and answered.
    fn is_idle(&self) -> bool {
        let idle = |lane: &Lane| lane.waiting() == 0 && lane.unanswered() == 0;
        let answered = self.joining.is_empty() && self.requests.is_empty();
        answered && self.lanes.values().all(idle)
    }

    pub(crate) fn send(&mut self, frame: &[u8]) {
        self.out.extend_from_slice(frame);
    }

    /// Joins a market, or resumes it after the last report that is known.
    pub(crate) fn send_join(&mut self, market: MarketId) {
        let reserved = Reserved;
        let lane = self.lanes.get(&market).filter(|lane| !lane.is_joined());
        match lane.and_then(Lane::last_report) {
            Some(last_report_seq) => {
                let resume = ResumeMarket {
                    market,
                    reserved,
                    last_report_seq,
                };
                self.send(&resume.frame(0));
            }
            None => self.send(&JoinMarket { market, reserved }.frame(0)),
        }
    }

    pub(crate) fn send_subscribe(&mut self, market: MarketId, flags: u8) {
        let reserved = Reserved;
        let request = Subscribe {
            market,
            flags,
            reserved,
        };
        self.send(&request.frame(0));
    }

    pub(crate) fn send_pong(&mut self, ping: &Ping) {
        let pong = Pong {
            nonce: ping.nonce,
            ping_time: ping.time,
            time: unix_time_ns(),
        };
        self.send(&pong.frame(0));
    }

    pub(crate) fn tell_event(&mut self, event: Event) {
        if self.listener.is_some() {
            self.backlog.push_back(event);
        }
    }

    /// Moves events to the listener while it has room. One that is gone is forgotten.
    pub(crate) fn hand_on_events(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            let Some(listener) = &self.listener else {
                continue;
            };
            match listener.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.backlog.push_front(event);
                    return;
                }
                Err(TrySendError::Closed(_)) => self.listener = None,
            }
        }
    }

    /// A request or message was refused before any market saw it.
    pub(crate) fn on_session_reject(&mut self, news: &SessionReject, now: Instant) {
        let market = news.market;
        let refused = |request| ClientError::Refused {
            request,
            market,
            code: news.code,
        };
        match news.ref_template {
            ResumeMarket::TEMPLATE if self.has_lost_state(news) => self.send_join(market),
            JoinMarket::TEMPLATE | ResumeMarket::TEMPLATE if self.may_rejoin(news, now) => {}
            JoinMarket::TEMPLATE | ResumeMarket::TEMPLATE => {
                let refusal = Refusal::ByServer {
                    code: news.code,
                    field_offset: news.field_offset,
                    retry_after: Duration::from_micros(u64::from(news.retry_after_us)),
                };
                // A lane that is joined stays: only the question where it stands was refused.
                let shut_out = self
                    .lanes
                    .get(&market)
                    .is_some_and(|lane| !lane.is_joined());
                if shut_out && let Some(mut lane) = self.lanes.remove(&market) {
                    lane.on_join_refused(refusal);
                }
                for waiter in self.joining.remove(&market).unwrap_or_default() {
                    tell(waiter, Err(refused("the join")));
                }
                self.resume_next();
            }
            Subscribe::TEMPLATE => {
                let queue = self.snapshots.get_mut(&market);
                match queue.and_then(VecDeque::pop_front) {
                    Some((_, waiter)) => tell(waiter, Err(refused("the snapshot"))),
                    None => drop(self.subscriptions.remove(&market)),
                }
            }
            MarketListRequest::TEMPLATE => {
                if let Some(waiter) = self.listing.pop_front() {
                    tell(waiter, Err(refused("the list of markets")));
                }
            }
            template if REQUEST_TEMPLATES.contains(&template) => self.on_unnumbered_reject(news),
            _ => {
                if let Some(lane) = self.lanes.get_mut(&market) {
                    lane.on_session_reject(news, &self.retry, now);
                }
            }
        }
        self.tell_event(Event::SessionRejected(*news));
    }

    /// Whether the server has not given the reports that the client has: it is then joined as if for the
    /// first time, and says in `Resumed` that its state is lost.
    fn has_lost_state(&mut self, news: &SessionReject) -> bool {
        let lost = news.code == Code::from(RejectReason::ReportSeqNotReached);
        if lost && let Some(lane) = self.lanes.get_mut(&news.market) {
            lane.on_resume_refused();
        }
        lost
    }

    /// Notes a join that was refused for lack of room, to be sent again. Gives whether it is.
    fn may_rejoin(&mut self, news: &SessionReject, now: Instant) -> bool {
        let before = self.rejoin.remove(&news.market);
        let attempts = before.map_or(0, |rejoin| rejoin.attempts);
        let retryable = news.code.reason().is_some_and(RejectReason::retryable);
        if !retryable || !self.retry.enabled || attempts >= self.retry.attempts_max {
            return false;
        }
        let retry_after = Duration::from_micros(u64::from(news.retry_after_us));
        let rejoin = Rejoin {
            at: Some(now + retry_after.max(self.retry.pause(attempts))),
            attempts: attempts + 1,
        };
        self.rejoin.insert(news.market, rejoin);
        true
    }

    fn join_again(&mut self, now: Instant) {
        let mut due = Vec::new();
        for (market, rejoin) in &mut self.rejoin {
            if rejoin.at.take_if(|at| *at <= now).is_some() {
                due.push(*market);
            }
        }
        due.into_iter().for_each(|market| self.send_join(market));
    }
}

/// Tells an outcome to one who may have stopped waiting.
pub(crate) fn tell<T>(waiter: Waiter<T>, outcome: Result<T, ClientError>) {
    let _ = waiter.send(outcome);
}
