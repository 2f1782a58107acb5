//! The connection: TCP, the logon, and cutting what comes into messages.

use bytes::{Buf, BytesMut};
use souk_protocol::message::{AccountEntry, Challenge, LogonAck, Redirect};
use souk_protocol::{
    AccountId, Credentials, Durability, FRAME_FROM_SERVER_MAX, Frame, RejectReason, ServerMessage,
    SessionId, TenantId, hello, logon, split_frame,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::clock::unix_time_ns;
use crate::error::ClientError;
use crate::key::SigningKey;
use crate::options::ClientOptions;
use crate::pace::Rates;

/// What the server said at logon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// The node that the session is logged on to.
    pub address: String,
    /// The session.
    pub session: SessionId,
    /// The tenant the key belongs to.
    pub tenant: TenantId,
    /// The incarnation of the logon.
    pub incarnation: u64,
    /// Messages to markets that may be unanswered at one time.
    pub max_inflight: u32,
    /// Orders and replaces per second.
    pub order_rate: u32,
    /// Orders and replaces at once.
    pub order_burst: u32,
    /// Cancels and mass cancels per second.
    pub cancel_rate: u32,
    /// Cancels and mass cancels at once.
    pub cancel_burst: u32,
    /// What an acknowledgement is worth.
    pub durability: Durability,
    /// The accounts the session may use.
    pub accounts: Vec<AccountId>,
}

impl SessionInfo {
    pub(crate) const fn rates(&self) -> Rates {
        Rates {
            orders: (self.order_rate, self.order_burst),
            cancels: (self.cancel_rate, self.cancel_burst),
        }
    }
}

/// What a logon says.
pub(crate) struct LogonTerms<'a> {
    pub(crate) key: &'a SigningKey,
    pub(crate) options: &'a ClientOptions,
    pub(crate) incarnation: u64,
}

/// A connection's two directions, with TLS or without.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug> Stream for T {}

/// A connection that is logged on.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: Box<dyn Stream>,
    /// Bytes that came and are not read yet.
    pub(crate) incoming: BytesMut,
    pub(crate) info: SessionInfo,
}

impl Connection {
    /// Connects and logs on. `redirect` becomes what the node says about where the tenant is.
    pub(crate) async fn open(
        address: &str,
        logon: LogonTerms<'_>,
        redirect: &mut Option<Redirect>,
    ) -> Result<Self, ClientError> {
        let limit = logon.options.connect_timeout;
        let opening = Self::open_without_limit(address, logon, redirect);
        tokio::time::timeout(limit, opening)
            .await
            .unwrap_or_else(|_| {
                Err(ClientError::ConnectTimeout {
                    address: address.to_owned(),
                    limit,
                })
            })
    }

    async fn open_without_limit(
        address: &str,
        logon: LogonTerms<'_>,
        redirect: &mut Option<Redirect>,
    ) -> Result<Self, ClientError> {
        let connect = |source| ClientError::Connect {
            address: address.to_owned(),
            source,
        };
        let stream = TcpStream::connect(address).await.map_err(connect)?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &logon.options.tls {
            None => Box::new(stream),
            Some(tls) => {
                let secure = tls.connect(address, stream).await;
                Box::new(secure.map_err(|source| ClientError::Tls {
                    address: address.to_owned(),
                    source,
                })?)
            }
        };
        let mut handshake = Handshake {
            stream,
            incoming: BytesMut::with_capacity(READ_LEN),
            redirect,
        };
        handshake.send(&hello().frame(0)).await?;
        let challenge = handshake
            .next("a challenge", |message| match message {
                ServerMessage::Challenge(challenge) => Some(Ok(*challenge)),
                _ => None,
            })
            .await?;
        let logon = signed_logon(&challenge, &logon);
        handshake.send(&logon).await?;
        let info = handshake
            .next("a logon acknowledgement", |message| match message {
                ServerMessage::LogonAck(ack, accounts) => {
                    Some(session_info(address, ack, accounts))
                }
                _ => None,
            })
            .await?;
        Ok(Self {
            stream: handshake.stream,
            incoming: handshake.incoming,
            info,
        })
    }
}

/// Bytes asked for in one read.
pub(crate) const READ_LEN: usize = 64 * 1024;

fn signed_logon(
    challenge: &Challenge,
    LogonTerms {
        key,
        options,
        incarnation,
    }: &LogonTerms<'_>,
) -> Vec<u8> {
    let credentials = Credentials {
        key_id: options.key_id,
        session_number: options.session_number,
        incarnation: *incarnation,
        keepalive_ms: u32::try_from(options.keepalive.as_millis()).unwrap_or(u32::MAX),
        cancel_on_disconnect: options.cancel_on_disconnect,
        cancel_grace_ms: u32::try_from(options.cancel_grace.as_millis()).unwrap_or(u32::MAX),
    };
    let logon = logon(&credentials, challenge, unix_time_ns(), |bytes| {
        key.sign(bytes)
    });
    logon.frame(0).to_vec()
}

fn session_info(
    address: &str,
    ack: &LogonAck,
    accounts: &souk_protocol::Group<'_, AccountEntry>,
) -> Result<SessionInfo, ClientError> {
    let accounts: Result<Vec<AccountId>, _> = accounts
        .iter()
        .map(|entry| entry.map(|(entry, _)| entry.account))
        .collect();
    Ok(SessionInfo {
        address: address.to_owned(),
        session: ack.session_id,
        tenant: ack.tenant,
        incarnation: ack.incarnation,
        max_inflight: ack.max_inflight,
        order_rate: ack.order_rate,
        order_burst: ack.order_burst,
        cancel_rate: ack.cancel_rate,
        cancel_burst: ack.cancel_burst,
        durability: ack.durability,
        accounts: accounts?,
    })
}

/// A connection before it is logged on.
struct Handshake<'a> {
    stream: Box<dyn Stream>,
    incoming: BytesMut,
    redirect: &'a mut Option<Redirect>,
}

impl Handshake<'_> {
    async fn send(&mut self, frame: &[u8]) -> Result<(), ClientError> {
        self.stream.write_all(frame).await?;
        Ok(self.stream.flush().await?)
    }

    /// Reads one message. A refusal is an error, anything else unexpected too; a redirect, which comes before its
    /// refusal, is noted.
    async fn next<T>(
        &mut self,
        expected: &'static str,
        take: impl Fn(&ServerMessage<'_>) -> Option<Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        loop {
            if let Some((frame, len)) = split_frame(&self.incoming, FRAME_FROM_SERVER_MAX)? {
                let message = ServerMessage::decode(&frame)?;
                let taken = match &message {
                    ServerMessage::Redirect(redirect) => {
                        *self.redirect = Some(*redirect);
                        None
                    }
                    message => Some(
                        take(message).unwrap_or_else(|| Err(refusal(&frame, message, expected))),
                    ),
                };
                self.incoming.advance(len);
                match taken {
                    Some(taken) => return taken,
                    None => continue,
                }
            }
            if self.stream.read_buf(&mut self.incoming).await? == 0 {
                return Err(ClientError::ClosedByServer);
            }
        }
    }
}

/// What it means that this came instead of what was expected.
fn refusal(frame: &Frame<'_>, message: &ServerMessage<'_>, expected: &'static str) -> ClientError {
    match message {
        ServerMessage::LogonReject(reject) => ClientError::LogonRejected {
            code: reject.code,
            retry_after_ms: reject.retry_after_ms,
        },
        ServerMessage::Terminate(end) => ClientError::Terminated { code: end.code },
        _ => ClientError::UnexpectedMessage {
            template: frame.header.template_id,
            expected,
        },
    }
}

/// Takes the messages from the front of `incoming`, one after the other, and gives each to
/// `handle` with its number and flags. Templates that this version does not know are skipped.
pub(crate) fn drain_messages(
    incoming: &mut BytesMut,
    mut handle: impl FnMut(u64, u8, &ServerMessage<'_>) -> Result<(), ClientError>,
) -> Result<(), ClientError> {
    let mut taken = 0;
    while let Some((frame, len)) = split_frame(&incoming[taken..], FRAME_FROM_SERVER_MAX)? {
        taken += len;
        match ServerMessage::decode(&frame) {
            Ok(message) => handle(frame.header.seq, frame.header.flags, &message)?,
            Err(error) if error.reason == RejectReason::UnknownTemplate => {}
            Err(error) => return Err(error.into()),
        }
    }
    incoming.advance(taken);
    Ok(())
}
