//! Accepts connections and logs them on, away from where orders pass: a crowd that connects and says nothing, or little, costs
//! this thread's time and not theirs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use souk_protocol::message::Terminate;
use souk_protocol::{Code, RejectReason, Reserved};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout_at};

use super::connection::{Connection, ConnectionBounds};
use super::entrance::Entrance;
use super::session::RETRY_AFTER_DRAIN_MS;
use crate::clock;
use crate::tls::{EnterError, Port, Socket};

/// Signatures verified at one time.
const VERIFICATIONS_MAX: usize = 4;
/// How long a peer may leave sent bytes unacknowledged.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after the system refuses to accept, for want of descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until it is told to drain.
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    port: Port,
    entrance: Arc<Entrance>,
    bounds: ConnectionBounds,
    verifications: Arc<Semaphore>,
    drain: watch::Receiver<bool>,
    home: Handle,
}

impl Acceptor {
    /// An acceptor on a bound listener. `drain` turns true once. Who is logged on is served at `home`.
    #[must_use]
    pub fn new(
        listener: TcpListener,
        port: Port,
        entrance: Arc<Entrance>,
        bounds: ConnectionBounds,
        drain: watch::Receiver<bool>,
        home: Handle,
    ) -> Self {
        Self {
            listener,
            port,
            entrance,
            bounds,
            verifications: Arc::new(Semaphore::new(VERIFICATIONS_MAX)),
            drain,
            home,
        }
    }

    /// Accepts until the drain. Connections live on and end by themselves.
    pub async fn run(self) {
        let mut drain = self.drain.clone();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => self.accept(stream, peer),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                _ = drain.wait_for(|drain| *drain) => return,
            }
        }
    }

    fn accept(&self, stream: TcpStream, peer: SocketAddr) {
        let Some(place) = self.entrance.registry.admit(peer.ip()) else {
            let reason = RejectReason::TooManyConnections;
            refuse(&self.entrance, &stream, reason, RETRY_AFTER_DRAIN_MS);
            return;
        };
        let socket = socket2::SockRef::from(&stream);
        let options = socket
            .set_tcp_nodelay(true)
            .and_then(|()| socket.set_tcp_user_timeout(Some(TCP_USER_TIMEOUT)));
        if let Err(error) = options {
            tracing::warn!(%error, %peer, "cannot set socket options");
        }
        let deadline = clock::monotonic() + self.bounds.handshake_timeout;
        let (port, entrance) = (self.port.clone(), Arc::clone(&self.entrance));
        let (bounds, verifications) = (self.bounds, Arc::clone(&self.verifications));
        let (mut drain, home) = (self.drain.clone(), self.home.clone());
        tokio::spawn(async move {
            // Nothing is made for a peer that says nothing: whoever connects speaks first.
            let silent = tokio::select! {
                spoke = timeout_at(deadline.into(), stream.readable()) => match spoke {
                    Ok(Ok(())) => None,
                    Ok(Err(_)) => return,
                    Err(_) => Some((RejectReason::HandshakeTimeout, 0)),
                },
                _ = drain.wait_for(|drain| *drain) => Some((RejectReason::ServerDraining, RETRY_AFTER_DRAIN_MS)),
            };
            match silent {
                None => {}
                // It would not understand.
                Some((reason, _)) if port.is_secure() => return entrance.registry.refuse(reason),
                Some((reason, retry)) => return refuse(&entrance, &stream, reason, retry),
            }
            let entered = tokio::select! {
                entered = timeout_at(deadline.into(), enter(&port, stream, peer, &entrance)) => entered,
                // Nothing is taken from it yet.
                _ = drain.wait_for(|drain| *drain) => return,
            };
            match entered {
                Ok(Some(socket)) => {
                    match Connection::new(entrance, bounds, verifications, drain, peer.ip()) {
                        Ok(connection) => {
                            Box::pin(connection.run(socket, deadline, place, &home)).await;
                        }
                        Err(error) => tracing::error!(%error, "cannot challenge a connection"),
                    }
                }
                Ok(None) => {}
                Err(_) => entrance.registry.refuse(RejectReason::HandshakeTimeout),
            }
        });
    }
}

/// Lets a peer in, with TLS or without.
async fn enter(
    port: &Port,
    stream: TcpStream,
    peer: SocketAddr,
    entrance: &Entrance,
) -> Option<Socket> {
    let registry = &entrance.registry;
    let admits = || {
        registry
            .handshake_attempt(peer.ip(), clock::monotonic())
            .is_ok()
    };
    match Box::pin(port.enter(stream, admits)).await {
        Ok(socket) => return Some(socket),
        Err(EnterError::Plain(stream)) => refuse(entrance, &stream, RejectReason::TlsRequired, 0),
        Err(EnterError::TooMany) => registry.refuse(RejectReason::LogonRateExceeded),
        Err(EnterError::Failed(error)) => tracing::debug!(%error, %peer, "no TLS handshake"),
    }
    None
}

/// Says why a peer is not taken in. A courtesy: if the socket cannot take it at once, closing says it too.
fn refuse(entrance: &Entrance, stream: &TcpStream, reason: RejectReason, retry_after_ms: u32) {
    entrance.registry.refuse(reason);
    let frame = Terminate {
        code: Code::from(reason),
        reserved: Reserved,
        retry_after_ms,
        detail: 0,
    };
    let _ = stream.try_write(&frame.frame(0));
}
