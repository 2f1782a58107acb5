//! A tenant's market data for all its consumers: one session at the gateway, one book for each market that anybody looks at.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use souk_client::message::TradeTick;
use souk_client::{
    Book, Client, ClientError, Event, Feed as Wanted, Level, MarketData, MarketDataBody,
};
use souk_protocol::{MarketId, MarketState, Price};
use tokio::sync::mpsc;

use crate::office::desk::Desk;

/// The office's session for market data.
const SESSION: u16 = 1;
/// Trades kept for consumers that have not been told of them.
const TRADES_MAX: usize = 256;
/// Markets that may be asked for at once.
const WANTED_MAX: usize = 4_096;
/// How long the hub waits before it logs on again.
const AGAIN: Duration = Duration::from_secs(1);

/// Market data of a tenant.
pub struct Hub {
    desk: Arc<Desk>,
    feeds: Mutex<HashMap<MarketId, Arc<MarketFeed>>>,
    wanted: mpsc::Sender<MarketId>,
    /// Until the hub is first needed.
    waiting: Mutex<Option<mpsc::Receiver<MarketId>>>,
}

/// Market data of a market.
pub(super) struct MarketFeed {
    /// Grows with every message.
    version: AtomicU64,
    inner: Mutex<Inner>,
}

struct Inner {
    book: Book,
    state: Option<(MarketState, u64)>,
    /// The last trades, with the number of each.
    trades: VecDeque<(u64, TradeTick)>,
    trades_seen: u64,
}

/// A market as it is at some moment.
pub(super) struct View {
    pub version: u64,
    pub stream_seq: u64,
    pub hash: Option<u64>,
    pub state: Option<(MarketState, u64)>,
    /// From the best to the worst, as many as were asked for.
    pub buys: Vec<Level>,
    pub sells: Vec<Level>,
    /// Trades after the one that was asked for.
    pub trades: Vec<(u64, TradeTick)>,
}

impl Hub {
    /// A hub that logs on when it is first needed.
    pub fn new(desk: Arc<Desk>) -> Arc<Self> {
        let (wanted, waiting) = mpsc::channel(WANTED_MAX);
        Arc::new(Self {
            desk,
            feeds: Mutex::default(),
            wanted,
            waiting: Mutex::new(Some(waiting)),
        })
    }

    /// The best prices of a market, if somebody looks at it.
    pub fn best(&self, market: MarketId) -> Option<(Option<Price>, Option<Price>)> {
        let feed = lock(&self.feeds).get(&market).cloned()?;
        let inner = lock(&feed.inner);
        let price = |level: Option<&Level>| level.map(|level| level.price);
        let (buy, sell) = (inner.book.best_buy(), inner.book.best_sell());
        inner.book.is_complete().then(|| (price(buy), price(sell)))
    }

    /// A market's feed, of which the caller knows that the tenant has it.
    pub(super) fn feed(self: &Arc<Self>, market: MarketId) -> Arc<MarketFeed> {
        self.begin();
        let mut feeds = lock(&self.feeds);
        if let Some(feed) = feeds.get(&market) {
            return Arc::clone(feed);
        }
        let feed = Arc::new(MarketFeed::new(market));
        feeds.insert(market, Arc::clone(&feed));
        // Full: the hub subscribes to all it knows when it logs on again.
        let _ = self.wanted.try_send(market);
        feed
    }

    fn begin(self: &Arc<Self>) {
        if let Some(wanted) = lock(&self.waiting).take() {
            tokio::spawn(Arc::clone(self).run(wanted));
        }
    }

    async fn run(self: Arc<Self>, mut wanted: mpsc::Receiver<MarketId>) {
        loop {
            if let Err(error) = self.follow(&mut wanted).await {
                tracing::warn!(tenant = %self.desk.name, %error, "market data of the office waits for the engine");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn follow(&self, wanted: &mut mpsc::Receiver<MarketId>) -> Result<(), ClientError> {
        let Ok(client) = self.desk.log_on(SESSION).await else {
            return Ok(());
        };
        let mut events = client.events().await?;
        let known: Vec<MarketId> = lock(&self.feeds).keys().copied().collect();
        for market in known {
            client.subscribe(market, Wanted::DepthAndTrades).await?;
        }
        loop {
            tokio::select! {
                market = wanted.recv() => match market {
                    Some(market) => client.subscribe(market, Wanted::DepthAndTrades).await?,
                    None => return Ok(()),
                },
                event = events.next() => match event {
                    Some(Event::MarketData(data)) => self.take(&client, &data).await?,
                    Some(_) => {}
                    None => return Ok(()),
                },
            }
        }
    }

    async fn take(&self, client: &Client, data: &MarketData) -> Result<(), ClientError> {
        let feed = lock(&self.feeds).get(&data.market).cloned();
        let Some(feed) = feed else {
            return Ok(());
        };
        if let Err(error) = feed.apply(data) {
            // A new snapshot of this market, and of no other.
            tracing::warn!(market = data.market.0, %error, "market data has a gap");
            client
                .subscribe(data.market, Wanted::DepthAndTrades)
                .await?;
        }
        Ok(())
    }
}

impl MarketFeed {
    fn new(market: MarketId) -> Self {
        Self {
            version: AtomicU64::new(0),
            inner: Mutex::new(Inner {
                book: Book::new(market),
                state: None,
                trades: VecDeque::new(),
                trades_seen: 0,
            }),
        }
    }

    fn apply(&self, data: &MarketData) -> Result<(), souk_client::BookError> {
        let mut inner = lock(&self.inner);
        let applied = inner.book.apply(data);
        match &data.body {
            MarketDataBody::Trade(trade) => {
                inner.trades_seen += 1;
                let numbered = (inner.trades_seen, *trade);
                if inner.trades.len() == TRADES_MAX {
                    inner.trades.pop_front();
                }
                inner.trades.push_back(numbered);
            }
            MarketDataBody::Status(status) => {
                inner.state = Some((status.state, status.transact_time));
            }
            MarketDataBody::Snapshot(_) | MarketDataBody::Update { .. } => {}
        }
        self.version.fetch_add(1, Ordering::Release);
        applied
    }

    /// Grows with every message.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The number of the last trade.
    pub(super) fn trades_seen(&self) -> u64 {
        lock(&self.inner).trades_seen
    }

    /// The market as it is: the best `levels` of each side, all if 0. Nothing until it is known.
    ///
    /// With the hash of all levels if the consumer has all of them, or if it `is_first`.
    pub(super) fn view(&self, levels: usize, after_trade: u64, is_first: bool) -> Option<View> {
        let inner = lock(&self.inner);
        if !inner.book.is_complete() {
            return None;
        }
        let count = if levels == 0 { usize::MAX } else { levels };
        let trades = inner.trades.iter();
        Some(View {
            version: self.version(),
            stream_seq: inner.book.stream_seq(),
            hash: (levels == 0 || is_first).then(|| inner.book.hash()),
            state: inner.state,
            buys: inner.book.buys().take(count).copied().collect(),
            sells: inner.book.sells().take(count).copied().collect(),
            trades: trades
                .filter(|(number, _)| *number > after_trade)
                .copied()
                .collect(),
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
