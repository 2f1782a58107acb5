//! Takes connections in: bounded in number, by address, and in the time that one may take to say what it wants. A WebSocket keeps
//! the place of its connection.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tower_service::Service;

use super::admission::Peer;
use crate::tls::{EnterError, Port};

/// Connections at one time.
const CONNECTIONS_MAX: usize = 4_096;
/// Of one address.
const PER_ADDRESS_MAX: usize = 512;
/// File descriptors that are left to the trading port and the journal, of those that the process may have.
const DESCRIPTORS_SHARE: usize = 4;
/// How long a connection may take to send the head of a request.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// For who asks plainly from beyond the machine.
const USE_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 54\r\nconnection: close\r\n\r\n\
    This port speaks TLS. Ask again with https:// before.\n";
/// How long it waits after the system had no more connections to give.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Connections that are there.
#[derive(Debug)]
struct Places {
    max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    count: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place of a connection, given back when the last part of it is gone.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    /// As many as the process has file descriptors for, beside those of the trading port.
    fn new() -> Arc<Self> {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let descriptors = limit.current.unwrap_or(u64::MAX);
        let share = usize::try_from(descriptors).unwrap_or(usize::MAX) / DESCRIPTORS_SHARE;
        Arc::new(Self {
            max: CONNECTIONS_MAX.min(share),
            taken: Mutex::default(),
        })
    }

    fn take(self: &Arc<Self>, address: IpAddr) -> Option<Arc<Place>> {
        let mut taken = self.lock();
        let of_address = taken.by_address.get(&address).copied().unwrap_or(0);
        if taken.count >= self.max || of_address >= PER_ADDRESS_MAX {
            return None;
        }
        taken.count += 1;
        *taken.by_address.entry(address).or_insert(0) += 1;
        let places = Arc::clone(self);
        Some(Arc::new(Place { places, address }))
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.count -= 1;
        if let Some(count) = taken.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

/// Serves until `stopped` says so.
pub async fn serve(
    listener: TcpListener,
    port: Port,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let places = Places::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                // No place: closed without a word, as nothing was asked yet.
                let Some(place) = places.take(network_of(peer.ip())) else {
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let (router, stopped) = (router.clone(), stopped.clone());
                let port = port.clone();
                tokio::spawn(connection(port, stream, peer, router, stopped, place));
            }
            Err(error) => {
                tracing::warn!(%error, "the office cannot take a connection in");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}

/// Who counts as one address: of IPv6 the network of 64 bits, which one subscriber has.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => mapped.into(),
            None => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
        },
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

async fn connection(
    port: Port,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    mut stopped: watch::Receiver<bool>,
    place: Arc<Place>,
) {
    let socket = match timeout(HEAD_MAX, port.enter(stream, || true)).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(EnterError::Plain(stream))) => {
            let _ = timeout(HEAD_MAX, tell_to_use_tls(stream)).await;
            return;
        }
        Ok(Err(EnterError::Failed(error))) => {
            tracing::debug!(%error, %peer, "no TLS handshake");
            return;
        }
        Ok(Err(EnterError::TooMany)) | Err(_) => return,
    };
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(Arc::clone(&place));
        let mut router = router.clone();
        async move {
            let answered = router.call(request.map(Body::new)).await;
            answered.map_err(|never: Infallible| never)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
}
