//! One tenant's session of a replay.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use souk_protocol::message::{LogonAck, MarketDefinition};
use souk_protocol::{Credentials, MarketId, ServerMessage, TenantId};

use super::lane::Lane;
use super::money::{Dealing, MoneySeen};
use super::pace::Pace;
use super::plan::{Plan, Step};
use super::set::{Operation, Set};
use super::{Played, ReplayError, TenantOption};
use crate::connection::{Connection, ConnectionError, unix_time_ns};
use crate::money::{FEE_ACCOUNT, Terms};

/// Steps in one turn of a tenant: this is how finely the tenants are interleaved.
const TURN_STEPS: u64 = 64;
/// How long a tenant's turn waits for answers when it may not send.
const TURN_WAIT: Duration = Duration::from_millis(5);
/// The longest time without any answer.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Keepalive of the session.
const KEEPALIVE_MS: u32 = 10_000;
/// Most messages in flight, whatever the server allows.
const WINDOW_MAX: u64 = 4_096;

/// A tenant's session and its markets.
pub(crate) struct Player {
    connection: Connection,
    tenant: TenantId,
    lanes: Vec<Lane>,
    money: Option<MoneySeen>,
    by_market: BTreeMap<MarketId, usize>,
    /// Messages that may be in flight: halves when the server has no room, and grows again.
    window: u64,
    window_max: u64,
    /// Messages refused so far.
    refused: u64,
    orders: Pace,
    cancels: Pace,
    out: Vec<u8>,
    started: Instant,
    /// When the last answer came.
    heard: Instant,
    /// When everything was answered.
    ended: Option<Instant>,
}

impl Player {
    /// Logs on and makes the plans. Symbol `n` of the set goes to market `first_market + n`.
    pub(crate) fn open(
        address: SocketAddr,
        set: &Set,
        option: &TenantOption<'_>,
    ) -> Result<Self, ReplayError> {
        let credentials = Credentials {
            key_id: option.key_id,
            session_number: option.session_number,
            incarnation: unix_time_ns(),
            keepalive_ms: KEEPALIVE_MS,
            cancel_on_disconnect: souk_protocol::CancelOnDisconnect::None,
            cancel_grace_ms: 0,
        };
        let (mut connection, ack, accounts) =
            Connection::logon(address, None, &credentials, |bytes| option.key.sign(bytes))?;
        let accounts = match option.accounts {
            // The fee account, which a key of all accounts has too, enters no orders.
            [] => {
                let mut own = accounts.into_iter().filter(|own| *own != FEE_ACCOUNT);
                own.next().into_iter().collect()
            }
            named => named.to_vec(),
        };
        let dealing = Dealing::new(accounts).ok_or(ReplayError::NoAccount(option.key_id))?;
        let definitions = connection.market_list()?;
        let (mut lanes, mut terms) = (Vec::new(), BTreeMap::new());
        let syms: BTreeSet<u32> = set.inputs.iter().map(|input| input.sym).collect();
        for sym in syms {
            let market = MarketId(option.first_market.0.saturating_add(sym));
            let definition = definitions.iter().find(|known| known.market == market);
            let definition = definition.ok_or(ReplayError::NoMarket { market, sym })?;
            check_bounds(set, sym, definition)?;
            terms.insert(sym, Terms::from(definition));
            lanes.push(open_lane(&mut connection, set, sym, market, &dealing)?);
        }
        let money = option
            .money
            .map(|money| MoneySeen::open(&mut connection, set, terms, &dealing, money));
        let mut player = Self::new(connection, &ack, lanes);
        player.money = money.transpose()?;
        Ok(player)
    }

    fn new(connection: Connection, ack: &LogonAck, lanes: Vec<Lane>) -> Self {
        let now = Instant::now();
        let window_max = u64::from(ack.max_inflight).clamp(1, WINDOW_MAX);
        let by_market = lanes.iter().enumerate();
        Self {
            connection,
            tenant: ack.tenant,
            by_market: by_market.map(|(at, lane)| (lane.plan.market, at)).collect(),
            lanes,
            money: None,
            window: window_max,
            window_max,
            refused: 0,
            orders: Pace::new(ack.order_rate, ack.order_burst, now),
            cancels: Pace::new(ack.cancel_rate, ack.cancel_burst, now),
            out: Vec::new(),
            started: now,
            heard: now,
            ended: None,
        }
    }

    /// Whether everything was sent and answered.
    pub(crate) const fn is_complete(&self) -> bool {
        self.ended.is_some()
    }

    /// One turn: sends a few messages if there is room for them, or else takes answers.
    pub(crate) fn turn(&mut self) -> Result<(), ReplayError> {
        if !self.send_some()? {
            self.take_answers()?;
        }
        self.fit_window();
        if self.lanes.iter().all(Lane::is_complete) {
            self.ended = Some(Instant::now());
        }
        Ok(())
    }

    fn fit_window(&mut self) {
        let refused = self.lanes.iter().map(|lane| lane.resent).sum();
        self.window = if refused > self.refused {
            (self.window / 2).max(1)
        } else {
            (self.window + 1).min(self.window_max)
        };
        self.refused = refused;
    }

    /// Sends up to a turn's steps. Gives whether there was anything to send.
    fn send_some(&mut self) -> Result<bool, ReplayError> {
        let now = Instant::now();
        let unanswered: u64 = self.lanes.iter().map(Lane::unanswered).sum();
        let room = self.window.saturating_sub(unanswered);
        if room < TURN_STEPS.min(self.window) {
            return Ok(false);
        }
        self.out.clear();
        for _ in 0..TURN_STEPS.min(room) {
            let ready = self
                .lanes
                .iter_mut()
                .filter(|lane| lane.next_step(now).is_some());
            let Some(lane) = ready.min_by_key(|lane| lane.position()) else {
                break;
            };
            if let Some(Step::Message {
                orders, cancels, ..
            }) = lane.next_step(now)
            {
                let (orders, cancels) = (*orders, *cancels);
                if orders > 0 && !self.orders.take(orders, now)
                    || cancels > 0 && !self.cancels.take(cancels, now)
                {
                    break;
                }
            }
            lane.do_step(&mut self.out);
        }
        if !self.out.is_empty() {
            self.connection.send(&self.out)?;
        }
        Ok(!self.out.is_empty())
    }

    fn take_answers(&mut self) -> Result<(), ReplayError> {
        let now = Instant::now();
        let (lanes, by_market) = (&mut self.lanes, &self.by_market);
        let mut failed = None;
        let taken = self.connection.next_frames(TURN_WAIT, |message, header| {
            let lane = market_of(&message).and_then(|market| by_market.get(&market));
            let Some(lane) = lane.and_then(|at| lanes.get_mut(*at)) else {
                return;
            };
            if let Err(error) = lane.on_message(&message, header, now) {
                failed.get_or_insert(error);
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        if taken > 0 {
            self.heard = now;
        } else if now.duration_since(self.heard) > SILENCE_MAX {
            return Err(ReplayError::Silence {
                tenant: self.tenant,
                limit: SILENCE_MAX,
            });
        }
        Ok(())
    }

    /// Logs out and gives what was seen.
    pub(crate) fn close(mut self) -> Result<Played, ReplayError> {
        let mut played = Played {
            tenant: self.tenant,
            inputs: self.lanes.iter().map(|lane| lane.plan.inputs.len()).sum(),
            elapsed: self
                .ended
                .unwrap_or(self.started)
                .duration_since(self.started),
            resent: self.lanes.iter().map(|lane| lane.resent).sum(),
            trades: Vec::new(),
            fees: Vec::new(),
            money: None,
            books: Vec::new(),
            final_book: Vec::new(),
            complaints: super::Complaints::default(),
        };
        let mut trades = Vec::new();
        for lane in &mut self.lanes {
            played.books.extend(lane.take_books());
            let fees = std::mem::take(&mut lane.recorder.fees);
            trades.extend(
                std::mem::take(&mut lane.recorder.trades)
                    .into_iter()
                    .zip(fees),
            );
            let sym = lane.plan.sym;
            played.final_book.extend(lane.recorder.book().rows(sym));
            let complaints = std::mem::take(&mut lane.recorder.complaints);
            played.complaints.count += complaints.count;
            played.complaints.first.extend(complaints.first);
        }
        // Markets may report in any order among themselves; within one the order was seen.
        trades.sort_by_key(|(trade, _)| trade.input_seq);
        (played.trades, played.fees) = trades.into_iter().unzip();
        played.books.sort_by_key(|book| (book.input_seq, book.sym));
        if let Some(mut money) = self.money.take() {
            money.close(&mut self.connection)?;
            played.money = Some(money);
        }
        match self.connection.logout() {
            Ok(()) | Err(ConnectionError::Socket(_)) => Ok(played),
            Err(error) => Err(error.into()),
        }
    }
}

/// Joins a market, sees that it is empty, and makes its plan.
fn open_lane(
    connection: &mut Connection,
    set: &Set,
    sym: u32,
    market: MarketId,
    dealing: &Dealing,
) -> Result<Lane, ReplayError> {
    let joined = connection.join(market)?;
    let resting = connection.depth(market)?.levels.len();
    if resting > 0 {
        return Err(ReplayError::MarketNotEmpty {
            market,
            levels: resting,
        });
    }
    // Numbers are 64 bits wide and a set's are few: a server that runs out of them is none.
    let first_seq = joined.last_client_seq.min(u64::MAX / 2) + 1;
    let plan = Plan::new(set, sym, market, dealing, first_seq)?;
    Ok(Lane::new(plan, joined.last_report_seq))
}

/// Sees that the market takes the set's prices and quantities.
fn check_bounds(set: &Set, sym: u32, market: &MarketDefinition) -> Result<(), ReplayError> {
    let enters = |operation| !matches!(operation, Operation::Cancel | Operation::Reduce);
    let inputs = set.inputs.iter().filter(|input| input.sym == sym);
    for input in inputs.filter(|input| enters(input.operation)) {
        let price = (market.price_min.0..=market.price_max.0).contains(&input.price);
        let qty = (market.qty_min.0..=market.qty_max.0).contains(&input.qty);
        if !price || !qty {
            return Err(ReplayError::OutOfBounds {
                input: *input,
                market: Box::new(*market),
            });
        }
    }
    Ok(())
}

/// The market a message is about.
fn market_of(message: &ServerMessage<'_>) -> Option<MarketId> {
    match message {
        ServerMessage::NotApplied(news) => Some(news.market),
        ServerMessage::SessionReject(reject) => Some(reject.market),
        ServerMessage::DepthSnapshot(root, _) => Some(root.market),
        ServerMessage::Accepted(report) => Some(report.market),
        ServerMessage::Rejected(report) => Some(report.market),
        ServerMessage::Canceled(report) => Some(report.market),
        ServerMessage::Replaced(report) => Some(report.market),
        ServerMessage::Trade(report) => Some(report.market),
        _ => None,
    }
}
