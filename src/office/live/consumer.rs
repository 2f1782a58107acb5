//! One consumer: what it wants, what it was told, and what it is told next.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use souk_client::{Level, Market};
use souk_protocol::{AccountId, MarketId, Side};
use tokio::time::{MissedTickBehavior, interval};

use super::hub::{Hub, MarketFeed};
use super::message::{ChangedLine, FromConsumer, Line as LevelLine, ToConsumer};
use super::{Gone, Line};
use crate::clock;
use crate::history::{Filter, Standing};
use crate::ids::Position;
use crate::office::access::{Caller, Need};
use crate::office::answers::{BalanceAnswer, OrderAnswer, StandingWord, Ticker, time};
use crate::office::desk::{Catalogue, Desk};
use crate::office::error::ApiError;
use crate::office::requests::{market_named, order_named};
use crate::office::routes::accounts::balances;
use crate::office::routes::markets::ticker;
use crate::office::routes::orders::page_of_orders;
use crate::office::secrets::Digest;
use crate::office::state::{OfficeState, blocking};

/// How often a consumer is told of what has changed.
const PERIOD: Duration = Duration::from_millis(50);
/// How often it is told of what happens to its account.
const ACCOUNT_PERIOD: Duration = Duration::from_millis(500);
/// How often it is told the time, and of tickers.
const SECOND: Duration = Duration::from_secs(1);
/// Markets that one consumer may look at.
const MARKETS_MAX: usize = 64;
/// Tickers that one consumer is told of.
const TICKERS_MAX: usize = 500;
/// Most levels of a side that may be asked for; 0 is all.
const LEVELS_MAX: usize = 1_000;
/// The newest orders of an account that are looked at.
const ORDERS: usize = 50;
/// Open orders of an account that are looked at.
const OPEN_ORDERS_MAX: usize = 500;

/// One consumer.
pub(super) struct Consumer {
    office: Arc<OfficeState>,
    caller: Caller,
    /// Of its token, which may end at any time.
    token: Digest,
    desk: Arc<Desk>,
    hub: Arc<Hub>,
    markets: BTreeMap<MarketId, Subscription>,
    tickers: Option<BTreeMap<MarketId, Ticker>>,
    account: Option<AccountView>,
}

/// What it was told of a market.
struct Subscription {
    id: String,
    market: Market,
    feed: Arc<MarketFeed>,
    levels: usize,
    /// The version it was told last; none yet.
    version: Option<u64>,
    seq: u64,
    buys: Vec<Level>,
    sells: Vec<Level>,
    trade: u64,
    state: Option<(souk_protocol::MarketState, u64)>,
}

/// Market and id of an order.
type OrderKey = (String, String);

/// What it was told of its account.
struct AccountView {
    account: AccountId,
    /// How far the history reached then.
    reach: Position,
    balances: HashMap<String, BalanceAnswer>,
    orders: HashMap<OrderKey, OrderAnswer>,
    told: bool,
}

impl Consumer {
    /// A consumer of a tenant's people, or a holder.
    pub(super) fn new(office: Arc<OfficeState>, caller: Caller, token: Digest) -> Option<Self> {
        let may = caller.role.may(Need::Read) || caller.role.may(Need::Trade);
        let tenant = caller.tenant.filter(|_| may)?;
        let desk = Arc::clone(office.desks.get(&tenant)?);
        let hub = Arc::clone(office.hubs.get(&tenant)?);
        Some(Self {
            office,
            caller,
            token,
            desk,
            hub,
            markets: BTreeMap::new(),
            tickers: None,
            account: None,
        })
    }

    /// Tells until the consumer is gone.
    pub(super) async fn run(mut self, mut line: Line) {
        let ready = ToConsumer::Ready {
            time: time(clock::wall_ns()),
        };
        if line.send(&ready).await.is_err() {
            return;
        }
        let mut period = interval(PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut account = period.tick().await;
        let mut second = account;
        loop {
            let told = tokio::select! {
                request = line.receive() => match request {
                    Some(Ok(request)) => self.take(request, &mut line).await,
                    Some(Err(text)) => {
                        let error = ToConsumer::Error { code: "BadRequest", text: &text, market: None };
                        line.send(&error).await
                    }
                    None => return,
                },
                now = period.tick() => {
                    let mut told = self.tell_markets(&mut line).await;
                    if told.is_ok() && now >= account {
                        account = now + ACCOUNT_PERIOD;
                        told = self.tell_account(&mut line).await;
                    }
                    if told.is_ok() && now >= second {
                        second = now + SECOND;
                        told = self.tell_second(&mut line).await;
                    }
                    told
                },
            };
            if told.is_err() {
                return;
            }
        }
    }

    async fn take(&mut self, request: FromConsumer, line: &mut Line) -> Result<(), Gone> {
        let market = match &request {
            FromConsumer::Subscribe { market, .. } => Some(market.clone()),
            _ => None,
        };
        let Err(error) = self.carry_out(request).await else {
            return Ok(());
        };
        let body = error.body();
        line.send(&ToConsumer::Error {
            code: &body.code,
            text: &body.text,
            market: market.as_deref(),
        })
        .await
    }

    async fn carry_out(&mut self, request: FromConsumer) -> Result<(), ApiError> {
        match request {
            FromConsumer::Auth { .. } => Err(ApiError::bad("op", "the token is known already")),
            FromConsumer::Subscribe { market, levels } => self.subscribe(market, levels).await,
            FromConsumer::Unsubscribe { market } => {
                self.markets.remove(&market_named(&market)?);
                Ok(())
            }
            FromConsumer::SubscribeTickers {} => {
                self.tickers.get_or_insert_default();
                Ok(())
            }
            FromConsumer::SubscribeAccount {} => {
                let account = self.caller.account.ok_or_else(ApiError::forbidden)?;
                self.account = Some(AccountView {
                    account,
                    reach: Position::START,
                    balances: HashMap::new(),
                    orders: HashMap::new(),
                    told: false,
                });
                Ok(())
            }
        }
    }

    async fn subscribe(&mut self, id: String, levels: usize) -> Result<(), ApiError> {
        if levels > LEVELS_MAX {
            return Err(ApiError::bad(
                "levels",
                format!("{levels} is above {LEVELS_MAX}"),
            ));
        }
        let market = market_named(&id)?;
        let definition = *self.desk.catalogue().await?.market(market)?;
        if self.markets.len() >= MARKETS_MAX && !self.markets.contains_key(&market) {
            return Err(ApiError::bad(
                "market",
                format!("at most {MARKETS_MAX} at once"),
            ));
        }
        let feed = self.hub.feed(market);
        let subscription = Subscription {
            id,
            market: definition,
            levels,
            version: None,
            seq: 0,
            buys: Vec::new(),
            sells: Vec::new(),
            trade: feed.trades_seen(),
            state: None,
            feed,
        };
        self.markets.insert(market, subscription);
        Ok(())
    }

    async fn tell_markets(&mut self, line: &mut Line) -> Result<(), Gone> {
        for subscription in self.markets.values_mut() {
            subscription.tell(line).await?;
        }
        Ok(())
    }

    async fn tell_second(&mut self, line: &mut Line) -> Result<(), Gone> {
        let now = clock::wall_ns();
        let caller = blocking(|| self.office.store.caller(&self.token, now));
        if matches!(caller, Ok(None)) {
            line.bye("TokenExpired", "log on again").await?;
            return Err(Gone);
        }
        line.send(&ToConsumer::Time { time: time(now) }).await?;
        let Some(told) = &mut self.tickers else {
            return Ok(());
        };
        let Ok(catalogue) = self.desk.catalogue().await else {
            return Ok(());
        };
        for market in catalogue.markets.values().take(TICKERS_MAX) {
            self.hub.feed(market.id());
            let Ok(ticker) = ticker(&self.office, &self.desk, &catalogue, market) else {
                continue;
            };
            if told.get(&market.id()) == Some(&ticker) {
                continue;
            }
            let id = market.id().0.to_string();
            line.send(&ToConsumer::Ticker {
                market: &id,
                ticker: &ticker,
            })
            .await?;
            told.insert(market.id(), ticker);
        }
        Ok(())
    }

    async fn tell_account(&mut self, line: &mut Line) -> Result<(), Gone> {
        let Some(view) = &mut self.account else {
            return Ok(());
        };
        let Ok(reach) = self.office.node.history_version(self.desk.tenant) else {
            return Ok(());
        };
        if view.told && reach == view.reach {
            return Ok(());
        }
        let Ok(changes) = view.look(&self.office, &self.desk).await else {
            // It is looked at again.
            return Ok(());
        };
        (view.reach, view.told) = (reach, true);
        for balance in &changes.balances {
            line.send(&ToConsumer::Balance { balance }).await?;
        }
        for order in &changes.orders {
            line.send(&ToConsumer::Order { order }).await?;
        }
        Ok(())
    }
}

/// What differs from what was told.
struct AccountChanges {
    balances: Vec<BalanceAnswer>,
    orders: Vec<OrderAnswer>,
}

impl AccountView {
    async fn look(
        &mut self,
        office: &OfficeState,
        desk: &Desk,
    ) -> Result<AccountChanges, ApiError> {
        let catalogue = desk.catalogue().await?;
        let mut balances = balances(desk, self.account).await?;
        balances.retain(|balance| self.balances.get(&balance.currency) != Some(balance));
        for balance in &balances {
            self.balances
                .insert(balance.currency.clone(), balance.clone());
        }
        let now = blocking(|| self.orders_now(office, desk, &catalogue))?;
        let is_open = |order: &OrderAnswer| order.state == StandingWord::Open;
        let mut orders = Vec::new();
        for (key, order) in &now {
            let known = self.orders.get(key);
            // At first what is open, then what has changed.
            if known != Some(order) && (self.told || is_open(order)) {
                orders.push(order.clone());
            }
        }
        self.orders = now;
        Ok(AccountChanges { balances, orders })
    }

    /// The newest orders, those that are open, and those that were when they were told last.
    fn orders_now(
        &self,
        office: &OfficeState,
        desk: &Desk,
        catalogue: &Catalogue,
    ) -> Result<HashMap<OrderKey, OrderAnswer>, ApiError> {
        let newest = Filter {
            account: Some(self.account),
            limit: ORDERS,
            ..Filter::default()
        };
        let open = Filter {
            standing: Some(Standing::Open),
            limit: OPEN_ORDERS_MAX,
            ..newest
        };
        let mut now = HashMap::new();
        for filter in [newest, open] {
            for order in page_of_orders(office, desk, catalogue, &filter)?.0 {
                if let Some(id) = order.id.clone() {
                    now.insert((order.market.clone(), id), order);
                }
            }
        }
        for (key, order) in &self.orders {
            if order.state != StandingWord::Open || now.contains_key(key) {
                continue;
            }
            let (market, id) = (market_named(&key.0)?, order_named(&key.1)?);
            if let Some(row) = office.history.order(desk.tenant, market, id)? {
                now.insert(key.clone(), OrderAnswer::new(catalogue, &row)?);
            }
        }
        Ok(now)
    }
}

impl Subscription {
    async fn tell(&mut self, line: &mut Line) -> Result<(), Gone> {
        if self.version == Some(self.feed.version()) {
            return Ok(());
        }
        let is_first = self.version.is_none();
        let Some(view) = self.feed.view(self.levels, self.trade, is_first) else {
            return Ok(());
        };
        self.version = Some(view.version);
        let stream_seq = view.stream_seq.to_string();
        if is_first {
            self.seq += 1;
            let hash = view.hash.unwrap_or_default();
            line.send(&ToConsumer::Snapshot {
                market: &self.id,
                seq: self.seq,
                stream_seq,
                state: view.state.map(|(state, _)| state.into()),
                hash: format!("{hash:016x}"),
                buys: self.lines(&view.buys),
                sells: self.lines(&view.sells),
            })
            .await?;
        } else {
            let mut levels = self.changes(Side::Buy, &self.buys, &view.buys);
            levels.extend(self.changes(Side::Sell, &self.sells, &view.sells));
            if !levels.is_empty() {
                self.seq += 1;
                line.send(&ToConsumer::Update {
                    market: &self.id,
                    seq: self.seq,
                    stream_seq,
                    hash: view.hash.map(|hash| format!("{hash:016x}")),
                    levels,
                })
                .await?;
            }
        }
        (self.buys, self.sells) = (view.buys, view.sells);
        for (number, trade) in view.trades {
            self.trade = number;
            line.send(&ToConsumer::Trade {
                market: &self.id,
                id: trade.match_id.0.to_string(),
                price: self.market.price_text(trade.price),
                qty: self.market.qty_text(trade.qty),
                taker_side: trade.taker_side.into(),
                at: time(trade.transact_time),
            })
            .await?;
        }
        if view.state != self.state {
            self.state = view.state;
            if let Some((state, at)) = view.state.filter(|_| !is_first) {
                let (state, at) = (state.into(), time(at));
                let market = &self.id;
                line.send(&ToConsumer::State { market, state, at }).await?;
            }
        }
        Ok(())
    }

    fn lines(&self, levels: &[Level]) -> Vec<LevelLine> {
        let line = |level: &Level| {
            let (price, qty) = (level.price, level.qty);
            (
                self.market.price_text(price),
                self.market.qty_text(qty),
                level.orders,
            )
        };
        levels.iter().map(line).collect()
    }

    /// What makes `new` of `old`; both from the best to the worst.
    fn changes(&self, side: Side, old: &[Level], new: &[Level]) -> Vec<ChangedLine> {
        let better = |a: &Level, b: &Level| match side {
            Side::Buy => a.price > b.price,
            Side::Sell => a.price < b.price,
        };
        let mut changes = Vec::new();
        let mut push = |level: &Level, gone: bool| {
            let price = self.market.price_text(level.price);
            changes.push(if gone {
                (side.into(), price, "0".to_owned(), 0)
            } else {
                (
                    side.into(),
                    price,
                    self.market.qty_text(level.qty),
                    level.orders,
                )
            });
        };
        let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
        loop {
            match (old.peek(), new.peek()) {
                (Some(was), Some(is)) if was.price == is.price => {
                    if was != is {
                        push(is, false);
                    }
                    old.next();
                    new.next();
                }
                (Some(was), Some(is)) if better(was, is) => {
                    push(was, true);
                    old.next();
                }
                (Some(was), None) => {
                    push(was, true);
                    old.next();
                }
                (_, Some(is)) => {
                    push(is, false);
                    new.next();
                }
                (None, None) => break,
            }
        }
        changes
    }
}
