//! HTTP/1.1 for whoever answers it: takes connections in, bounded in number, by network, and in the time that a peer may take to say
//! what it wants and to read what it is told. A WebSocket keeps the place of its connection.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Sleep, sleep, timeout};
use tower_service::Service;

use crate::peer::{Place, Places, PlacesMax};
use crate::tls::{EnterError, Port};

/// How long a peer may leave what it is told unread.
const READ_TIME: Duration = Duration::from_secs(30);
/// For who asks plainly from beyond the machine.
const USE_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 54\r\nconnection: close\r\n\r\n\
    This port speaks TLS. Ask again with https:// before.\n";
/// Pause after the system refuses to accept, for want of descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a listener bears.
#[derive(Clone, Copy, Debug)]
pub struct HttpBounds {
    /// Connections at one time.
    pub places: PlacesMax,
    /// How long a peer may take for its handshake, and for the head of each request.
    pub entry_time: Duration,
    /// How long a connection lives, whatever it does; nothing: as long as it is used.
    pub connection_time: Option<Duration>,
}

/// Who asks. Every request has it, and who goes on with a connection after its answer keeps it: the place goes with it.
#[derive(Debug)]
pub struct Peer {
    /// Where it comes from.
    pub address: SocketAddr,
    _place: Place,
}

/// Serves until `stopped` says so.
pub async fn serve(
    listener: TcpListener,
    port: Port,
    router: Router,
    bounds: HttpBounds,
    mut stopped: watch::Receiver<bool>,
) {
    let places = Places::new(bounds.places);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // An error: whoever could ask for the end is gone.
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        match accepted {
            Ok((stream, address)) => {
                // No place: closed without a word, as nothing was asked yet.
                let Some(place) = places.take(address.ip()) else {
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let peer = Arc::new(Peer {
                    address,
                    _place: place,
                });
                let connection = connection(port.clone(), stream, router.clone(), bounds, peer);
                let mut stopped = stopped.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = connection => {}
                        _ = stopped.wait_for(|stopped| *stopped) => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection of HTTP");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    port: Port,
    stream: TcpStream,
    router: Router,
    bounds: HttpBounds,
    peer: Arc<Peer>,
) {
    let socket = match timeout(bounds.entry_time, port.enter(stream, || true)).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(EnterError::Plain(stream))) => {
            let _ = timeout(bounds.entry_time, tell_to_use_tls(stream)).await;
            return;
        }
        Ok(Err(EnterError::Failed(error))) => {
            tracing::debug!(%error, peer = %peer.address, "no TLS handshake");
            return;
        }
        Ok(Err(EnterError::TooMany)) | Err(_) => return,
    };
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&peer));
        let mut router = router.clone();
        async move {
            let answered = router.call(request.map(Body::new)).await;
            answered.map_err(|never: Infallible| never)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.entry_time)
        .serve_connection(TokioIo::new(Impatient::new(socket, READ_TIME)), service)
        .with_upgrades();
    match bounds.connection_time {
        Some(time) => drop(timeout(time, connection).await),
        None => drop(connection.await),
    }
}

/// Reads the rest of the question too: a socket that is closed over unread bytes is reset, and the answer may be lost with it.
async fn tell_to_use_tls(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(USE_TLS).await?;
    stream.shutdown().await?;
    let mut unread = [0; 1_024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

/// A socket that fails when its peer does not read.
#[derive(Debug)]
struct Impatient<S> {
    socket: S,
    patience: Duration,
    /// Runs while something cannot be written.
    over: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    const fn new(socket: S, patience: Duration) -> Self {
        Self {
            socket,
            patience,
            over: None,
        }
    }

    /// What came of writing, or the end if nothing has come of it for too long.
    fn unless_over<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.over = None;
            return written;
        }
        let patience = self.patience;
        let over = self.over.get_or_insert_with(|| Box::pin(sleep(patience)));
        let ended = over.as_mut().poll(context);
        ended.map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.unless_over(written, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(context);
        self.unless_over(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.socket).poll_shutdown(context);
        self.unless_over(shut, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_left() {
        let (near, mut far) = tokio::io::duplex(16);
        let mut socket = Impatient::new(near, Duration::from_millis(50));
        socket.write_all(&[1; 16]).await.expect("there is room");
        let error = socket.write_all(&[2; 16]).await.expect_err("there is none");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // One that reads is served on.
        let mut bytes = [0; 16];
        far.read_exact(&mut bytes).await.expect("they were written");
        socket.write_all(&[3; 16]).await.expect("there is room");
    }
}
