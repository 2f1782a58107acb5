//! What a listener asks of those whom it has accepted.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::Acceptor;

use super::certificate::Certificate;
use super::socket::{Movable, Socket};

/// The first byte of every TLS connection: a handshake record (RFC 8446, section 5.1). No frame of Souk and no request of HTTP
/// begins with it.
const HANDSHAKE_RECORD: u8 = 22;
/// How long a peer that is refused may take to read why.
const ALERT_TIME: Duration = Duration::from_secs(1);

/// How a listener takes peers in.
#[derive(Clone, Debug)]
pub struct Port {
    certificate: Option<Arc<Certificate>>,
    http: bool,
}

/// Why a peer does not come in.
#[derive(Debug)]
pub enum EnterError {
    /// It speaks plainly from beyond the machine. Here is its socket, to say so.
    Plain(TcpStream),
    /// The handshake has failed, or the peer is gone.
    Failed(io::Error),
    /// There are handshakes enough.
    TooMany,
}

impl Port {
    /// A port for frames: with TLS if there is a certificate.
    #[must_use]
    pub const fn of(certificate: Option<Arc<Certificate>>) -> Self {
        Self {
            certificate,
            http: false,
        }
    }

    /// A port for HTTP/1.1: with TLS if there is a certificate.
    #[must_use]
    pub const fn http(certificate: Option<Arc<Certificate>>) -> Self {
        Self {
            certificate,
            http: true,
        }
    }

    /// Whether it speaks TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.certificate.is_some()
    }

    /// Takes a peer in. Waits for what it says first, and for its handshake, if `admits` lets it have one; whoever calls bounds
    /// the time.
    ///
    /// # Errors
    /// Why it is not taken in.
    pub async fn enter(
        &self,
        stream: TcpStream,
        admits: impl FnOnce() -> bool,
    ) -> Result<Socket, EnterError> {
        let Some(certificate) = &self.certificate else {
            return Ok(Socket::plain(stream));
        };
        let entered = self.enter_with(certificate, stream, admits).await;
        if entered.is_err() {
            certificate.count_refused();
        }
        entered
    }

    async fn enter_with(
        &self,
        certificate: &Arc<Certificate>,
        stream: TcpStream,
        admits: impl FnOnce() -> bool,
    ) -> Result<Socket, EnterError> {
        let mut first = [0];
        match stream.peek(&mut first).await {
            Ok(0) => return Err(EnterError::Failed(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => {}
            Err(error) => return Err(EnterError::Failed(error)),
        }
        if first[0] != HANDSHAKE_RECORD {
            return if is_of_this_machine(&stream) {
                Ok(Socket::plain(stream))
            } else {
                Err(EnterError::Plain(stream))
            };
        }
        if certificate.is_due() {
            let certificate = Arc::clone(certificate);
            tokio::task::spawn_blocking(move || certificate.renew());
        }
        // What the peer asks for is read before anything is made for it.
        let hello = LazyConfigAcceptor::new(Acceptor::default(), Movable::new(stream));
        tokio::pin!(hello);
        let started = match hello.as_mut().await {
            Ok(started) => started,
            Err(error) => {
                if let Some(mut stream) = hello.take_io() {
                    let alert = tokio::io::AsyncWriteExt::shutdown(&mut stream);
                    let _ = timeout(ALERT_TIME, alert).await;
                }
                return Err(EnterError::Failed(error));
            }
        };
        if !admits() {
            return Err(EnterError::TooMany);
        }
        let config = certificate.config(self.http);
        match started.into_stream(config).await {
            Ok(stream) => Ok(Socket::secure(stream)),
            Err(error) => Err(EnterError::Failed(error)),
        }
    }
}

/// Whether the peer is on this machine: on the loopback, or behind the very address that it has connected to.
fn is_of_this_machine(stream: &TcpStream) -> bool {
    match (stream.peer_addr(), stream.local_addr()) {
        (Ok(peer), Ok(local)) => {
            let peer = peer.ip().to_canonical();
            peer.is_loopback() || peer == local.ip().to_canonical()
        }
        _ => false,
    }
}
