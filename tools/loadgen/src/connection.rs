//! A blocking connection to a server: log on, send frames, take frames.
//!
//! Used for everything that is not measured: setting up, looking at the books at the end, and
//! replaying a file. The measured path is `driver`, which takes the socket over.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use souk_protocol::message::{
    DepthSnapshot, Heartbeat, JoinMarket, LogonAck, MarketDefinition, MarketJoined,
    MarketListRequest, Pong, Redirect, SUBSCRIBE_SNAPSHOT_ONLY, Subscribe, Terminate,
};
use souk_protocol::{
    AccountId, Code, Credentials, FLAG_MORE_FOLLOWS, FRAME_FROM_SERVER_MAX, FieldError, FrameError,
    Header, MarketId, Price, Qty, RejectReason, Reserved, ServerMessage, Side, hello, logon,
    split_frame,
};

use crate::owner::Owner;
use crate::wire::{Tls, Wire};

/// Why a connection ended or did not come to be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The socket failed.
    #[error("socket: {0}")]
    Socket(#[from] std::io::Error),
    /// The server closed the connection without a word.
    #[error("the server closed the connection")]
    Closed,
    /// The server refused the logon.
    #[error("logon refused: {code}")]
    LogonRefused {
        /// Why.
        code: Code,
        /// When to try again.
        retry_after: Duration,
    },
    /// The session's tenant has moved to another node.
    #[error(
        "the tenant has moved away from this node, to {}: what began here is not gone on with there; run again",
        owner.as_deref().unwrap_or("one that is not named")
    )]
    TenantMoved {
        /// The address of the node that has it now, if that was said.
        owner: Option<String>,
    },
    /// The server ended the session.
    #[error("the server ended the session: {code}, detail {detail}")]
    Terminated {
        /// Why.
        code: Code,
        /// More about it.
        detail: u64,
    },
    /// The server refused a message that is needed to go on.
    #[error("the server refused template {template}: {code}")]
    Refused {
        /// The refused message's template.
        template: u16,
        /// Why.
        code: Code,
    },
    /// The server's bytes are not frames.
    #[error("the server's bytes are not a frame: {0}")]
    Frame(FrameError),
    /// The server's frame is not a message.
    #[error("the server's frame is not a message: {0}")]
    Field(FieldError),
    /// A message came that has no place here.
    #[error("unexpected message with template {0}")]
    Unexpected(u16),
    /// Nothing came in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

/// Time the connection waits for an answer that is not measured.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes asked for in one read. Two of the longest frames fit.
const READ_BYTES: usize = 2 * FRAME_FROM_SERVER_MAX as usize;

/// One level of a book as a snapshot tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level {
    /// Buy or sell.
    pub side: Side,
    /// Price in ticks.
    pub price: Price,
    /// Lots resting.
    pub qty: Qty,
    /// Number of orders.
    pub orders: u32,
}

/// A whole book as a snapshot tells it: buys from best to worst, then sells from best to worst.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// The levels.
    pub levels: Vec<Level>,
    /// The server's `book_hash`.
    pub book_hash: u64,
    /// Commands the market had applied.
    pub stream_seq: u64,
}

/// A session's connection.
#[derive(Debug)]
pub struct Connection {
    stream: Wire,
    /// Bytes received and not yet taken are `inbox[taken..]`.
    inbox: Vec<u8>,
    taken: usize,
    keepalive: Duration,
    last_sent: Instant,
    /// Where the session's tenant is, as far as the server said that it is elsewhere.
    redirect: Option<Redirect>,
}

impl Connection {
    /// Connects and logs on, at the node that the one at `address` names if that is another, and over TLS if `tls` says which
    /// nodes to believe. `sign` makes the Ed25519 signature of the bytes it is given.
    ///
    /// # Errors
    /// When the socket fails, the server refuses, or does not answer within [`ANSWER_TIMEOUT`].
    pub fn logon(
        address: SocketAddr,
        tls: Option<&Tls>,
        credentials: &Credentials,
        sign: impl Fn(&[u8]) -> [u8; 64],
    ) -> Result<(Self, LogonAck, Vec<AccountId>), ConnectionError> {
        let keepalive = Duration::from_millis(u64::from(credentials.keepalive_ms));
        let mut owner = Owner::new(address);
        loop {
            let stream = Wire::connect(owner.address, ANSWER_TIMEOUT, tls)?;
            let received = Vec::with_capacity(READ_BYTES);
            let mut connection = Self::from_parts(stream, received, keepalive);
            match connection.shake_hands(credentials, &sign) {
                Ok((ack, accounts)) => return Ok((connection, ack, accounts)),
                Err(error) if owner.look_again(&error, connection.redirect.as_ref()) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Logs on over a socket that is connected, at the node at its other end and no other.
    pub(crate) fn shake_hands(
        &mut self,
        credentials: &Credentials,
        sign: impl Fn(&[u8]) -> [u8; 64],
    ) -> Result<(LogonAck, Vec<AccountId>), ConnectionError> {
        self.send(&hello().frame(0))?;
        let challenge = self.wait_for(ANSWER_TIMEOUT, |message, _| match message {
            ServerMessage::Challenge(challenge) => Some(challenge),
            _ => None,
        })?;
        let logon = logon(credentials, &challenge, unix_time_ns(), sign);
        self.send(&logon.frame(0))?;
        let mut accounts = Vec::new();
        let ack = self.wait_for(ANSWER_TIMEOUT, |message, _| match message {
            ServerMessage::LogonAck(ack, group) => {
                accounts.extend(group.iter().flatten().map(|(entry, _)| entry.account));
                Some(ack)
            }
            _ => None,
        })?;
        Ok((ack, accounts))
    }

    /// Writes whole frames.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn send(&mut self, frames: &[u8]) -> Result<(), ConnectionError> {
        self.stream.write_all(frames)?;
        self.stream.flush()?;
        self.last_sent = Instant::now();
        Ok(())
    }

    /// Hands every frame that has arrived to `take`, waiting up to `timeout` for the first.
    /// Gives how many there were: 0 when the time is over. Heartbeats and pings are answered
    /// here and not handed on.
    ///
    /// # Errors
    /// When the socket fails or closes, the server ends the session, or sends what is no message.
    pub fn next_frames(
        &mut self,
        timeout: Duration,
        mut take: impl FnMut(ServerMessage<'_>, Header),
    ) -> Result<usize, ConnectionError> {
        let deadline = Instant::now() + timeout;
        loop {
            let handed = self.hand_over(&mut take)?;
            if handed > 0 {
                return Ok(handed);
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(0);
            }
            if now.duration_since(self.last_sent) >= self.keepalive / 2 {
                self.send(&heartbeat().frame(0))?;
            }
            self.receive((deadline - now).min(self.keepalive / 2))?;
        }
    }

    /// The markets of the session's tenant. Call it while nothing else is outstanding: reports
    /// that arrive meanwhile are dropped.
    ///
    /// # Errors
    /// As [`Self::next_frames`], and when the answer does not come.
    pub fn market_list(&mut self) -> Result<Vec<MarketDefinition>, ConnectionError> {
        self.send(&MarketListRequest { reserved: Reserved }.frame(0))?;
        let mut markets = Vec::new();
        self.wait_for(ANSWER_TIMEOUT, |message, _| match message {
            ServerMessage::MarketDefinition(market) => {
                markets.push(market);
                None
            }
            ServerMessage::MarketListEnd(end) => Some(end),
            _ => None,
        })?;
        Ok(markets)
    }

    /// Joins a market: from now on its reports arrive here. Call it while nothing else is
    /// outstanding.
    ///
    /// # Errors
    /// As [`Self::next_frames`], and when the answer does not come.
    pub fn join(&mut self, market: MarketId) -> Result<MarketJoined, ConnectionError> {
        let join = JoinMarket {
            market,
            reserved: Reserved,
        };
        self.send(&join.frame(0))?;
        self.wait_for(ANSWER_TIMEOUT, |message, _| match message {
            ServerMessage::MarketJoined(joined) if joined.market == market => Some(joined),
            _ => None,
        })
    }

    /// The whole book of a market, exact after everything this session sent there before. Call
    /// it while nothing else is outstanding.
    ///
    /// # Errors
    /// As [`Self::next_frames`], and when the answer does not come.
    pub fn depth(&mut self, market: MarketId) -> Result<Depth, ConnectionError> {
        let subscribe = Subscribe {
            market,
            flags: SUBSCRIBE_SNAPSHOT_ONLY,
            reserved: Reserved,
        };
        self.send(&subscribe.frame(0))?;
        let mut levels = Vec::new();
        let last = self.wait_for(ANSWER_TIMEOUT, |message, header| match message {
            ServerMessage::DepthSnapshot(root, group) if root.market == market => {
                levels.extend(group.iter().flatten().map(|(entry, _)| Level {
                    side: entry.side,
                    price: entry.price,
                    qty: entry.qty,
                    orders: entry.orders,
                }));
                (header.flags & FLAG_MORE_FOLLOWS == 0).then_some(root)
            }
            _ => None,
        })?;
        Ok(depth_of(levels, &last))
    }

    /// Logs out and waits for the server to close, so that all that was taken is answered.
    ///
    /// # Errors
    /// When the socket fails before the server said goodbye.
    pub fn logout(mut self) -> Result<(), ConnectionError> {
        let goodbye = Terminate {
            code: RejectReason::LoggedOut.into(),
            reserved: Reserved,
            retry_after_ms: 0,
            detail: 0,
        };
        self.send(&goodbye.frame(0))?;
        match self.wait_for(ANSWER_TIMEOUT, |_, _| None::<()>) {
            Ok(())
            | Err(
                ConnectionError::Terminated { .. }
                | ConnectionError::TenantMoved { .. }
                | ConnectionError::Closed,
            ) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The socket, and the bytes that were received and not yet taken.
    #[must_use]
    pub fn into_parts(mut self) -> (Wire, Vec<u8>) {
        self.inbox.drain(..self.taken);
        (self.stream, self.inbox)
    }

    /// A connection of a socket that has logged on, with bytes that were received before.
    #[must_use]
    pub fn from_parts(stream: Wire, received: Vec<u8>, keepalive: Duration) -> Self {
        Self {
            stream,
            inbox: received,
            taken: 0,
            keepalive,
            last_sent: Instant::now(),
            redirect: None,
        }
    }

    /// Waits until `pick` gives something; refusals of the session end the wait.
    pub(crate) fn wait_for<T>(
        &mut self,
        timeout: Duration,
        mut pick: impl FnMut(ServerMessage<'_>, Header) -> Option<T>,
    ) -> Result<T, ConnectionError> {
        let deadline = Instant::now() + timeout;
        let mut found = None;
        let mut refused = None;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let handed = self.next_frames(left, |message, header| {
                let refusal = match &message {
                    ServerMessage::SessionReject(no) => Some((no.ref_template, no.code)),
                    ServerMessage::RequestRejected(no) => Some((no.ref_template, no.code)),
                    _ => None,
                };
                if let Some((template, code)) = refusal {
                    refused = Some(ConnectionError::Refused { template, code });
                }
                if found.is_none() {
                    found = pick(message, header);
                }
            })?;
            if let Some(found) = found {
                return Ok(found);
            }
            if let Some(refused) = refused {
                return Err(refused);
            }
            if handed == 0 {
                return Err(ConnectionError::Timeout(timeout));
            }
        }
    }

    /// Hands over the whole frames of the inbox.
    fn hand_over(
        &mut self,
        take: &mut impl FnMut(ServerMessage<'_>, Header),
    ) -> Result<usize, ConnectionError> {
        let mut handed = 0;
        let mut pongs = Vec::new();
        while let Some((frame, len)) = split_frame(&self.inbox[self.taken..], FRAME_FROM_SERVER_MAX)
            .map_err(ConnectionError::Frame)?
        {
            match ServerMessage::decode(&frame).map_err(ConnectionError::Field)? {
                ServerMessage::Heartbeat(_) => {}
                ServerMessage::Ping(ping) => pongs.push(Pong {
                    nonce: ping.nonce,
                    ping_time: ping.time,
                    time: unix_time_ns(),
                }),
                ServerMessage::LogonReject(reject) => {
                    return Err(ConnectionError::LogonRefused {
                        code: reject.code,
                        retry_after: Duration::from_millis(u64::from(reject.retry_after_ms)),
                    });
                }
                ServerMessage::Redirect(redirect) => self.redirect = Some(redirect),
                ServerMessage::Terminate(end)
                    if end.code.reason() == Some(RejectReason::NotOwner) =>
                {
                    let address = |redirect: &Redirect| redirect.address.as_str().to_owned();
                    return Err(ConnectionError::TenantMoved {
                        owner: self.redirect.as_ref().map(address),
                    });
                }
                ServerMessage::Terminate(end) => {
                    return Err(ConnectionError::Terminated {
                        code: end.code,
                        detail: end.detail,
                    });
                }
                message => {
                    take(message, frame.header);
                    handed += 1;
                }
            }
            self.taken += len;
        }
        for pong in pongs {
            self.send(&pong.frame(0))?;
        }
        Ok(handed)
    }

    /// Reads once, waiting up to `timeout`.
    fn receive(&mut self, timeout: Duration) -> Result<(), ConnectionError> {
        self.inbox.drain(..self.taken);
        self.taken = 0;
        let held = self.inbox.len();
        self.inbox.resize(held + READ_BYTES, 0);
        self.stream
            .set_read_timeout(Some(timeout.max(Duration::from_micros(1))))?;
        let read = self.stream.read(&mut self.inbox[held..]);
        self.inbox.truncate(held + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err(ConnectionError::Closed),
            Ok(_) => Ok(()),
            Err(error) if is_not_yet(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn depth_of(levels: Vec<Level>, last: &DepthSnapshot) -> Depth {
    Depth {
        levels,
        book_hash: last.book_hash,
        stream_seq: last.stream_seq,
    }
}

/// Whether a read or write may be tried again.
pub(crate) fn is_not_yet(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

/// A heartbeat of now.
pub(crate) fn heartbeat() -> Heartbeat {
    Heartbeat {
        time: unix_time_ns(),
    }
}

/// Nanoseconds since 1970-01-01 UTC.
#[must_use]
pub fn unix_time_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}
