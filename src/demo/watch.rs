//! A tenant's market as a subscriber sees it: depth and the last trades.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use souk_loadgen::connection::{Connection, ConnectionError};
use souk_protocol::message::{LevelEntry, SUBSCRIBE_DEPTH, SUBSCRIBE_TRADES, Subscribe, TradeTick};
use souk_protocol::{Group, MarketId, Price, Qty, Reserved, ServerMessage, Side};

use super::{DemoKey, log_on};

/// Levels of each side that are shown.
pub(super) const LEVELS: usize = 6;
/// Trades that are shown.
pub(super) const TRADES: usize = 4;
const MARKET: MarketId = MarketId(1);
const POLL: Duration = Duration::from_millis(50);

/// What is shown of a market.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// Best first.
    pub buys: Vec<(Price, Qty)>,
    /// Best first.
    pub sells: Vec<(Price, Qty)>,
    /// Newest first.
    pub trades: Vec<TradeTick>,
    /// Number of trades.
    pub traded: u64,
}

#[derive(Debug, Default)]
struct Seen {
    buys: BTreeMap<Price, Qty>,
    sells: BTreeMap<Price, Qty>,
    trades: Vec<TradeTick>,
    traded: u64,
}

/// A subscription that is followed on its own thread.
pub(super) struct Watch {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), ConnectionError>>>,
}

impl Watch {
    pub(super) fn start(address: SocketAddr, key: &DemoKey) -> anyhow::Result<Self> {
        let mut connection = log_on(address, key, 0)?;
        let flags = SUBSCRIBE_DEPTH | SUBSCRIBE_TRADES;
        connection.send(
            &Subscribe {
                market: MARKET,
                flags,
                reserved: Reserved,
            }
            .frame(0),
        )?;
        let (seen, stop) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let (shared, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("demo-watch".into())
            .spawn(move || follow(connection, &shared, &stopped))?;
        Ok(Self {
            seen,
            stop,
            thread: Some(thread),
        })
    }

    pub(super) fn view(&self) -> anyhow::Result<View> {
        let lost = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        anyhow::ensure!(!lost, "a subscription of the demo ended early");
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let level = |(price, qty): (&Price, &Qty)| (*price, *qty);
        Ok(View {
            buys: seen.buys.iter().rev().take(LEVELS).map(level).collect(),
            sells: seen.sells.iter().take(LEVELS).map(level).collect(),
            trades: seen.trades.iter().rev().take(TRADES).copied().collect(),
            traded: seen.traded,
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Err(_) | Ok(Err(_))) = self.thread.take().map(JoinHandle::join) {
            tracing::debug!("a subscription of the demo ended with an error");
        }
    }
}

fn follow(
    mut connection: Connection,
    seen: &Mutex<Seen>,
    stop: &AtomicBool,
) -> Result<(), ConnectionError> {
    while !stop.load(Ordering::Relaxed) {
        connection.next_frames(POLL, |message, _| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            match message {
                ServerMessage::DepthSnapshot(_, levels) | ServerMessage::DepthUpdate(_, levels) => {
                    seen.levels(levels);
                }
                ServerMessage::TradeTick(tick) => {
                    seen.traded += 1;
                    if seen.trades.len() == TRADES {
                        seen.trades.remove(0);
                    }
                    seen.trades.push(tick);
                }
                _ => {}
            }
        })?;
    }
    Ok(())
}

impl Seen {
    fn levels(&mut self, levels: Group<'_, LevelEntry>) {
        for (level, _) in levels.iter().flatten() {
            let side = match level.side {
                Side::Buy => &mut self.buys,
                Side::Sell => &mut self.sells,
            };
            if level.orders == 0 {
                side.remove(&level.price);
            } else {
                side.insert(level.price, level.qty);
            }
        }
    }
}

/// A price or quantity as people write it. `scale` is the digits after the point.
pub(super) fn decimal(units: i64, scale: u32) -> anyhow::Result<String> {
    let value = rust_decimal::Decimal::try_new(units, scale).context("a scale is at most 28")?;
    Ok(value.to_string())
}
