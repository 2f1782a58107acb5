//! The handle of a session.

mod money;

use std::time::Duration;

use souk_protocol::message::{
    Accepted, Canceled, MarketJoined, MassCanceled, OrderStatus, SUBSCRIBE_DEPTH, SUBSCRIBE_TRADES,
};
use souk_protocol::{AccountId, BatchMode, MarketId, Side};
use tokio::sync::{mpsc, oneshot, watch};

use crate::book::Book;
use crate::dial::Dialer;
use crate::driver::Driver;
use crate::error::ClientError;
use crate::event::Event;
use crate::key::SigningKey;
use crate::market::Market;
use crate::options::ClientOptions;
use crate::order::{Change, Instruction, Message, Order, OrderRef};
use crate::outcome::{FromReports, Pending, ReplaceReport};
use crate::report::Report;
use crate::session::{Command, Session, Waiter};
use crate::wire::SessionInfo;

/// Requests that may wait for the session's task.
const COMMANDS_MAX: usize = 1_024;

/// A session with a server. Cheap to clone; all clones are the same session, and messages to one
/// market are applied in the order in which their calls were made. When the last clone is dropped
/// the session logs out, after everything that was sent is answered.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    info: watch::Receiver<SessionInfo>,
    ended: watch::Receiver<Option<String>>,
    events_max: usize,
}

/// What market data a subscription brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// A depth snapshot, then every change of it.
    Depth,
    /// Trades, and the market's state.
    Trades,
    /// Both.
    DepthAndTrades,
}

impl Feed {
    const fn flags(self) -> u8 {
        match self {
            Self::Depth => SUBSCRIBE_DEPTH,
            Self::Trades => SUBSCRIBE_TRADES,
            Self::DepthAndTrades => SUBSCRIBE_DEPTH | SUBSCRIBE_TRADES,
        }
    }
}

impl Client {
    /// Connects to `address` and logs on: `host:port`, or several with commas between them, which are nodes of one
    /// cluster. They are asked one after the other, and the node that serves the tenant takes the session, whether it is
    /// among them or not. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When there is no server, or it refuses the logon.
    pub async fn connect(
        address: impl ToString,
        key: SigningKey,
        options: ClientOptions,
    ) -> Result<Self, ClientError> {
        let mut dialer = Dialer::new(&address.to_string(), key, options);
        let connection = dialer.connect().await?;
        let options = &dialer.options;
        let (commands, requests) = mpsc::channel(COMMANDS_MAX);
        let (info_sender, info) = watch::channel(connection.info.clone());
        let (ended_sender, ended) = watch::channel(None);
        let events_max = options.events_max.max(1);
        let driver = Driver {
            session: Session::new(options.retry.clone(), &connection.info),
            dialer,
            commands: requests,
            info: info_sender,
            ended: ended_sender,
        };
        tokio::spawn(driver.run(connection));
        Ok(Self {
            commands,
            info,
            ended,
            events_max,
        })
    }

    /// What the server said at the last logon: limits, accounts, durability.
    #[must_use]
    pub fn session(&self) -> SessionInfo {
        self.info.borrow().clone()
    }

    /// All events from now on. A later call takes the place of an earlier one, whose stream ends.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn events(&self) -> Result<Events, ClientError> {
        let (sender, events) = mpsc::channel(self.events_max);
        self.ask(Command::Listen(sender)).await?;
        Ok(Events { events })
    }

    /// The tenant's markets.
    ///
    /// # Errors
    /// When the session is over, or a definition makes no sense.
    pub async fn markets(&self) -> Result<Vec<Market>, ClientError> {
        let definitions = self.request(Command::Markets).await?;
        let market = |definition: souk_protocol::message::MarketDefinition| {
            Market::new(definition).map_err(|source| ClientError::Definition {
                market: definition.market,
                source,
            })
        };
        definitions.into_iter().map(market).collect()
    }

    /// The tenant's market of this name, such as `BTC-USDT`.
    ///
    /// # Errors
    /// When there is none; the error lists those there are.
    pub async fn market(&self, symbol: &str) -> Result<Market, ClientError> {
        let markets = self.markets().await?;
        let found = markets.iter().find(|market| market.symbol() == symbol);
        found.copied().ok_or_else(|| {
            let known: Vec<&str> = markets.iter().map(Market::symbol).collect();
            ClientError::UnknownSymbol {
                symbol: symbol.to_owned(),
                known: known.join(", "),
            }
        })
    }

    /// Joins a market: where the session stands with it, and its reports from now on. The first
    /// message to a market joins it too.
    ///
    /// # Errors
    /// When the market does not exist or the session is over.
    pub async fn join(&self, market: MarketId) -> Result<MarketJoined, ClientError> {
        self.request(|waiter| Command::Join(market, waiter)).await
    }

    /// Joins a market, as [`Self::join`] does, after the last report that this program had of it before it was
    /// started again: what came later comes now, as events. To be called before anything else is asked of the market, and
    /// after [`Self::events`]. Save the number of the last `Event::Report` that was dealt with, per market, and the session number.
    ///
    /// # Errors
    /// When the market does not exist or the session is over. Reports that the server does not keep any more
    /// are an event, `ReportsLost`.
    pub async fn resume(
        &self,
        market: MarketId,
        last_report_seq: u64,
    ) -> Result<MarketJoined, ClientError> {
        self.request(|waiter| Command::Resume(market, last_report_seq, waiter))
            .await
    }

    /// Enters an order.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn new_order(
        &self,
        market: MarketId,
        order: &Order,
    ) -> Result<Pending<Accepted>, ClientError> {
        self.submit(Message::new_order(market, order)).await
    }

    /// Cancels an order.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn cancel(
        &self,
        market: MarketId,
        account: AccountId,
        order: OrderRef,
    ) -> Result<Pending<Canceled>, ClientError> {
        self.submit(Message::cancel(market, account, order)).await
    }

    /// Changes price or quantity of an order.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn replace(
        &self,
        market: MarketId,
        account: AccountId,
        order: OrderRef,
        change: &Change,
    ) -> Result<Pending<ReplaceReport>, ClientError> {
        self.submit(Message::replace(market, account, order, change))
            .await
    }

    /// Cancels all orders of an account in a market, of one side or of both. The outcome comes
    /// after the last of them.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn mass_cancel(
        &self,
        market: MarketId,
        account: AccountId,
        side: Option<Side>,
    ) -> Result<Pending<MassCanceled>, ClientError> {
        self.submit(Message::mass_cancel(market, account, side))
            .await
    }

    /// Sends up to 32 instructions that nothing comes between. The outcome is the first report of
    /// each, in order; a refused one is a `Report::Rejected` among them.
    ///
    /// # Errors
    /// When there are none or too many instructions, or the session is over.
    pub async fn batch(
        &self,
        market: MarketId,
        mode: BatchMode,
        instructions: &[Instruction],
    ) -> Result<Pending<Vec<Report>>, ClientError> {
        let found = instructions.len();
        let message = Message::batch(market, mode, instructions);
        self.submit(message.ok_or(ClientError::BatchSize { found })?)
            .await
    }

    /// Asks where an open order stands.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn status(
        &self,
        market: MarketId,
        account: AccountId,
        order: OrderRef,
    ) -> Result<Pending<OrderStatus>, ClientError> {
        self.submit(Message::status(market, account, order)).await
    }

    /// Subscribes to market data, which comes as events. A second call for a market takes the
    /// place of the first. After a reconnect the client subscribes again by itself.
    ///
    /// # Errors
    /// When the session is over. A refusal by the server is an event.
    pub async fn subscribe(&self, market: MarketId, feed: Feed) -> Result<(), ClientError> {
        self.ask(Command::Subscribe(market, feed.flags())).await
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn unsubscribe(&self, market: MarketId) -> Result<(), ClientError> {
        self.ask(Command::Unsubscribe(market)).await
    }

    /// The market's depth after everything whose outcome was awaited before this call.
    ///
    /// # Errors
    /// When the market is subscribed (keep a [`Book`] of the subscription instead), does not
    /// exist, or the session is over.
    pub async fn snapshot(&self, market: MarketId) -> Result<Book, ClientError> {
        self.request(|waiter| Command::Snapshot(market, waiter))
            .await
    }

    /// The time to the server and back.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn ping(&self) -> Result<Duration, ClientError> {
        self.request(Command::Ping).await
    }

    /// Logs out: sends what waits, takes all answers, and ends. Returns when the connection is
    /// closed.
    ///
    /// # Errors
    /// When the session was over before.
    pub async fn terminate(self) -> Result<(), ClientError> {
        self.request(Command::Terminate).await
    }

    /// Waits until the session is over and says how it ended.
    pub async fn closed(&self) -> String {
        let mut ended = self.ended.clone();
        let reason = ended.wait_for(Option::is_some).await;
        reason.map_or_else(
            |_| TASK_GONE.to_owned(),
            |reason| reason.clone().unwrap_or_default(),
        )
    }

    async fn submit<T: FromReports>(&self, message: Message) -> Result<Pending<T>, ClientError> {
        let (waiter, answer) = oneshot::channel();
        self.ask(Command::Submit(message, waiter)).await?;
        Ok(Pending::new(answer))
    }

    async fn request<T>(
        &self,
        command: impl FnOnce(Waiter<T>) -> Command,
    ) -> Result<T, ClientError> {
        let (waiter, answer) = oneshot::channel();
        self.ask(command(waiter)).await?;
        answer.await.unwrap_or_else(|_| Err(self.over()))
    }

    async fn ask(&self, command: Command) -> Result<(), ClientError> {
        self.commands.send(command).await.map_err(|_| self.over())
    }

    fn over(&self) -> ClientError {
        let reason = self.ended.borrow().clone();
        ClientError::Closed {
            reason: reason.unwrap_or_else(|| TASK_GONE.to_owned()),
        }
    }
}

const TASK_GONE: &str = "its task has ended";

/// The events of a session, in order.
#[derive(Debug)]
pub struct Events {
    events: mpsc::Receiver<Event>,
}

impl Events {
    /// The next event; `None` when the session is over and all were read.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// The next event if one is there already.
    pub fn try_next(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }
}
