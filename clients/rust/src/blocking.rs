//! The same client for programs without tokio: each call waits for its answer.
//!
//! A background thread runs the session, so heartbeats are sent and events are taken while the
//! caller does something else. Must not be used from within a tokio runtime.

mod money;

use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::outcome::FromReports;
use crate::{
    AccountId, BatchMode, Book, Change, ClientError, ClientOptions, Event, Feed, Instruction,
    Market, MarketId, Order, OrderRef, Outcome, ReplaceReport, Report, SessionInfo, Side,
    SigningKey, message,
};

/// A session with a server. See [`crate::Client`], whose methods these are.
#[derive(Debug)]
pub struct Client {
    client: Option<crate::Client>,
    background: Background,
}

/// The thread that runs the session.
#[derive(Debug)]
struct Background {
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    /// Connects to `address`, one or several as [`crate::Client::connect`] takes them, and logs on.
    ///
    /// # Errors
    /// When there is no server, or it refuses the logon.
    pub fn connect(
        address: impl ToString,
        key: SigningKey,
        options: ClientOptions,
    ) -> Result<Self, ClientError> {
        let background = Background::start()?;
        let connecting = crate::Client::connect(address, key, options);
        let client = Some(background.runtime.block_on(connecting)?);
        Ok(Self { client, background })
    }

    fn client(&self) -> &crate::Client {
        self.client
            .as_ref()
            .expect("only terminate and drop take it, and both end the value")
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.background.runtime.block_on(future)
    }

    fn pending<T>(
        &self,
        pending: Result<crate::Pending<T>, ClientError>,
    ) -> Result<Pending<T>, ClientError> {
        Ok(Pending {
            pending: pending?,
            runtime: self.background.runtime.clone(),
        })
    }

    /// What the server said at the last logon.
    #[must_use]
    pub fn session(&self) -> SessionInfo {
        self.client().session()
    }

    /// All events from now on.
    ///
    /// # Errors
    /// When the session is over.
    pub fn events(&self) -> Result<Events, ClientError> {
        Ok(Events {
            events: self.wait(self.client().events())?,
            runtime: self.background.runtime.clone(),
        })
    }

    /// The tenant's markets.
    ///
    /// # Errors
    /// As [`crate::Client::markets`].
    pub fn markets(&self) -> Result<Vec<Market>, ClientError> {
        self.wait(self.client().markets())
    }

    /// The tenant's market of this name.
    ///
    /// # Errors
    /// As [`crate::Client::market`].
    pub fn market(&self, symbol: &str) -> Result<Market, ClientError> {
        self.wait(self.client().market(symbol))
    }

    /// Joins a market.
    ///
    /// # Errors
    /// As [`crate::Client::join`].
    pub fn join(&self, market: MarketId) -> Result<message::MarketJoined, ClientError> {
        self.wait(self.client().join(market))
    }

    /// Joins a market after the last report that this program had of it.
    ///
    /// # Errors
    /// As [`crate::Client::resume`].
    pub fn resume(
        &self,
        market: MarketId,
        last_report_seq: u64,
    ) -> Result<message::MarketJoined, ClientError> {
        self.wait(self.client().resume(market, last_report_seq))
    }

    /// Enters an order.
    ///
    /// # Errors
    /// When the session is over.
    pub fn new_order(
        &self,
        market: MarketId,
        order: &Order,
    ) -> Result<Pending<message::Accepted>, ClientError> {
        self.pending(self.wait(self.client().new_order(market, order)))
    }

    /// Cancels an order.
    ///
    /// # Errors
    /// When the session is over.
    pub fn cancel(
        &self,
        market: MarketId,
        account: AccountId,
        order: OrderRef,
    ) -> Result<Pending<message::Canceled>, ClientError> {
        self.pending(self.wait(self.client().cancel(market, account, order)))
    }

    /// Changes price or quantity of an order.
    ///
    /// # Errors
    /// When the session is over.
    pub fn replace(
        &self,
        market: MarketId,
        account: AccountId,
        order: OrderRef,
        change: &Change,
    ) -> Result<Pending<ReplaceReport>, ClientError> {
        self.pending(self.wait(self.client().replace(market, account, order, change)))
    }

    /// Cancels all orders of an account in a market.
    ///
    /// # Errors
    /// When the session is over.
    pub fn mass_cancel(
        &self,
        market: MarketId,
        account: AccountId,
        side: Option<Side>,
    ) -> Result<Pending<message::MassCanceled>, ClientError> {
        self.pending(self.wait(self.client().mass_cancel(market, account, side)))
    }

    /// Sends up to 32 instructions that nothing comes between.
    ///
    /// # Errors
    /// As [`crate::Client::batch`].
    pub fn batch(
        &self,
        market: MarketId,
        mode: BatchMode,
        instructions: &[Instruction],
    ) -> Result<Pending<Vec<Report>>, ClientError> {
        self.pending(self.wait(self.client().batch(market, mode, instructions)))
    }

    /// Asks where an open order stands.
    ///
    /// # Errors
    /// When the session is over.
    pub fn status(
        &self,
        market: MarketId,
        account: AccountId,
        order: OrderRef,
    ) -> Result<Pending<message::OrderStatus>, ClientError> {
        self.pending(self.wait(self.client().status(market, account, order)))
    }

    /// Subscribes to market data, which comes as events.
    ///
    /// # Errors
    /// When the session is over.
    pub fn subscribe(&self, market: MarketId, feed: Feed) -> Result<(), ClientError> {
        self.wait(self.client().subscribe(market, feed))
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// When the session is over.
    pub fn unsubscribe(&self, market: MarketId) -> Result<(), ClientError> {
        self.wait(self.client().unsubscribe(market))
    }

    /// The market's depth.
    ///
    /// # Errors
    /// As [`crate::Client::snapshot`].
    pub fn snapshot(&self, market: MarketId) -> Result<Book, ClientError> {
        self.wait(self.client().snapshot(market))
    }

    /// The time to the server and back.
    ///
    /// # Errors
    /// When the session is over.
    pub fn ping(&self) -> Result<Duration, ClientError> {
        self.wait(self.client().ping())
    }

    /// Logs out, and waits until the connection is closed.
    ///
    /// # Errors
    /// When the session was over before.
    pub fn terminate(mut self) -> Result<(), ClientError> {
        match self.client.take() {
            Some(client) => self.wait(client.terminate()),
            None => Ok(()),
        }
    }
}

/// The connection is closed with the value. Call [`Client::terminate`] to have everything that was
/// sent answered first.
impl Drop for Client {
    fn drop(&mut self) {
        self.client = None;
        self.background.stop.take();
        if let Some(thread) = self.background.thread.take() {
            // A panic in the session's task was reported by its own thread.
            let _ = thread.join();
        }
    }
}

impl Background {
    fn start() -> Result<Self, ClientError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("souk-client".to_owned())
            .spawn(move || {
                // Ends when the sender is dropped.
                let _ = runtime.block_on(stopped);
            })?;
        Ok(Self {
            runtime: handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

/// A message's outcome that is still to come.
#[derive(Debug)]
#[must_use = "the outcome tells whether the message was applied"]
pub struct Pending<T> {
    pending: crate::Pending<T>,
    runtime: Handle,
}

impl<T: FromReports> Pending<T> {
    /// Waits for the outcome.
    pub fn wait(self) -> Outcome<T> {
        self.runtime.block_on(self.pending)
    }

    /// Waits at most `timeout`. A timeout is never a rejection: the outcome is then
    /// `Unknown(TimedOut)`, and one may wait again.
    pub fn within(&mut self, timeout: Duration) -> Outcome<T> {
        self.runtime.block_on(self.pending.within(timeout))
    }
}

/// The events of a session, in order.
#[derive(Debug)]
pub struct Events {
    events: crate::Events,
    runtime: Handle,
}

impl Events {
    /// The next event if one comes within `timeout`.
    pub fn next_within(&mut self, timeout: Duration) -> Option<Event> {
        let next = async { tokio::time::timeout(timeout, self.events.next()).await };
        self.runtime.block_on(next).ok().flatten()
    }
}

/// Waits for each event; ends when the session is over and all were read.
impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.runtime.block_on(self.events.next())
    }
}
