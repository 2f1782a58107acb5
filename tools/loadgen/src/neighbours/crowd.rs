//! A crowd of sockets that want nothing good: they say nothing, or a byte now and then, or read nothing.
//!
//! All on one thread, which stands back behind every other. A socket that the server cuts comes anew.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use souk_protocol::message::MarketListRequest;
use souk_protocol::{
    Code, FRAME_FROM_SERVER_MAX, Reserved, SESSION_NUMBER_MAX, ServerMessage, hello, split_frame,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::stand_back;
use crate::connection::{Connection, ConnectionError, is_not_yet};
use crate::load::SessionKey;
use crate::session::{KEEPALIVE, credentials};
use crate::stats::Codes;
use crate::wire::Wire;

/// The time in which the whole crowd may come anew: bounds how fast sockets are opened. Less than the server's deadline for a
/// logon, so that most of them stand at any time.
const RENEWAL: Duration = Duration::from_millis(2_500);
/// From one byte of a slow logon to the next.
const SLOW_BYTE: Duration = Duration::from_secs(1);
/// From one question to the next of a session that reads no answer.
const ASK: Duration = Duration::from_millis(250);
/// Longest segment in bytes, as of a peer beyond the machine: a server's system keeps some 50 KB for such a one that does not read,
/// and megabytes for one that takes the 64 KB of the loopback.
const SEGMENT_BYTES: u32 = 1_460;
/// Receive buffer of a session that reads nothing, in bytes, so that soon the server has to keep the answers.
const UNREAD_BYTES: u32 = 4_096;
/// Logons at one time.
const LOGONS_MAX: usize = 4;
/// Sockets that come from one address.
const ADDRESS_SOCKETS: usize = 10;
/// Addresses of a network of 256 that are used.
const NET_ADDRESSES: usize = 250;
/// Most sockets of a crowd: one in ten needs a session of one key.
pub const SOCKETS_MAX: usize = 40_000;
const _: () = assert!(SOCKETS_MAX / 10 <= SESSION_NUMBER_MAX as usize + 1);
/// How often the sockets that stand are counted.
const COUNT: Duration = Duration::from_millis(50);
/// Most bytes of a server's last words that are looked at.
const LAST_WORDS_MAX: u64 = 4_096;

/// What a socket does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Is connected and says nothing.
    HalfOpen,
    /// Sends a byte of its first message now and then.
    Slow,
    /// Logs on, asks, and reads no answer.
    Unread,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::HalfOpen, Self::Slow, Self::Unread];

    /// Of ten sockets five are half-open, four are slow, one reads nothing.
    #[must_use]
    pub const fn mixed(index: usize) -> Self {
        match index % 10 {
            0..5 => Self::HalfOpen,
            5..9 => Self::Slow,
            _ => Self::Unread,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HalfOpen => "half-open",
            Self::Slow => "slow",
            Self::Unread => "unread",
        }
    }
}

/// A crowd to be.
#[derive(Clone, Debug)]
pub struct CrowdConfig {
    /// The server; at an IPv4 loopback address.
    pub address: SocketAddr,
    /// How many sockets, 1 to [`SOCKETS_MAX`].
    pub sockets: usize,
    /// What each of them does, by its number.
    pub role: fn(usize) -> Role,
    /// Whose sessions read nothing.
    pub unread: SessionKey,
    /// The core of its thread; `None`: any.
    pub core: Option<usize>,
}

/// How sockets of one role ended.
#[derive(Clone, Debug, Default)]
pub struct Cut {
    /// By what the server said before it closed.
    pub said: Codes,
    /// Without a word that was read.
    pub silent: u64,
}

impl Cut {
    /// How many.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.said.total() + self.silent
    }
}

/// What became of a crowd.
#[derive(Clone, Debug, Default)]
pub struct CrowdSeen {
    /// Sockets that were connected.
    pub opened: u64,
    /// Of these, those that logged on.
    pub logons: u64,
    /// Connects that failed.
    pub failed: u64,
    /// Why, the first time.
    pub failure: Option<String>,
    /// Sockets that the server closed, by [`Role`].
    pub cut: [Cut; Role::ALL.len()],
    /// Sum and number of the counts of sockets that stood, since almost all stood for the first time.
    counted: (u64, u64),
}

impl CrowdSeen {
    /// How many stood on average.
    #[must_use]
    pub fn standing(&self) -> f64 {
        self.counted.0 as f64 / self.counted.1.max(1) as f64
    }

    /// Takes over another crowd's.
    pub fn merge(&mut self, other: &Self) {
        self.opened += other.opened;
        self.logons += other.logons;
        self.failed += other.failed;
        if self.failure.is_none() {
            self.failure.clone_from(&other.failure);
        }
        for (mine, theirs) in self.cut.iter_mut().zip(&other.cut) {
            mine.said.merge(&theirs.said);
            mine.silent += theirs.silent;
        }
        self.counted.0 += other.counted.0;
        self.counted.1 += other.counted.1;
    }
}

/// A crowd; it goes when dropped.
#[derive(Debug)]
pub struct Crowd {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    config: CrowdConfig,
    standing: AtomicUsize,
    seen: Mutex<CrowdSeen>,
    /// When the next socket may be opened.
    next: Mutex<Instant>,
    stop: Notify,
}

impl Crowd {
    /// Begins to connect.
    ///
    /// # Errors
    /// When there is no thread.
    pub fn gather(config: CrowdConfig) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            config,
            standing: AtomicUsize::new(0),
            seen: Mutex::default(),
            next: Mutex::new(Instant::now()),
            stop: Notify::new(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(LOGONS_MAX)
            .build()?;
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("crowd".to_owned())
            .spawn(move || {
                stand_back(of_thread.config.core);
                runtime.block_on(async {
                    for index in 0..of_thread.config.sockets {
                        tokio::spawn(Arc::clone(&of_thread).take_part(index));
                    }
                    tokio::select! {
                        () = of_thread.count() => {}
                        () = of_thread.stop.notified() => {}
                    }
                });
                // A logon may be under way.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Waits until almost all stand, 9 of 10. Gives whether they do.
    #[must_use]
    pub fn await_standing(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while !self.shared.is_complete() && Instant::now() < deadline {
            std::thread::sleep(COUNT / 2);
        }
        self.shared.is_complete()
    }

    /// What became of it so far.
    #[must_use]
    pub fn seen(&self) -> CrowdSeen {
        self.shared.seen().clone()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.shared.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; the numbers show it too.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, CrowdSeen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_complete(&self) -> bool {
        self.standing.load(Ordering::Relaxed) * 10 >= self.config.sockets * 9
    }

    /// Counts those that stand, for ever.
    async fn count(&self) {
        let mut begun = false;
        loop {
            sleep(COUNT).await;
            begun |= self.is_complete();
            if begun {
                let mut seen = self.seen();
                seen.counted.0 += self.standing.load(Ordering::Relaxed) as u64;
                seen.counted.1 += 1;
            }
        }
    }

    /// Is one socket after another, for ever.
    async fn take_part(self: Arc<Self>, index: usize) {
        let role = (self.config.role)(index);
        loop {
            self.await_turn().await;
            let stream = match self.connect(index, role).await {
                Ok(stream) => stream,
                Err(error) => {
                    let mut seen = self.seen();
                    seen.failed += 1;
                    seen.failure.get_or_insert_with(|| error.to_string());
                    continue;
                }
            };
            self.seen().opened += 1;
            self.standing.fetch_add(1, Ordering::Relaxed);
            let said = match role {
                Role::HalfOpen => last_words(stream).await,
                Role::Slow => be_slow(stream).await,
                Role::Unread => self.read_nothing(stream, index).await,
            };
            self.standing.fetch_sub(1, Ordering::Relaxed);
            let mut seen = self.seen();
            let cut = &mut seen.cut[role as usize];
            match said {
                Some(code) => cut.said.add(code, 1),
                None => cut.silent += 1,
            }
        }
    }

    async fn await_turn(&self) {
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let at = Instant::now().max(*next);
            *next = at + RENEWAL / self.config.sockets.max(1) as u32;
            at
        };
        sleep_until(at).await;
    }

    async fn connect(&self, index: usize, role: Role) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((source(index), 0)))?;
        socket2::SockRef::from(&socket).set_tcp_mss(SEGMENT_BYTES)?;
        if role == Role::Unread {
            socket.set_recv_buffer_size(UNREAD_BYTES)?;
        }
        socket.connect(self.config.address).await
    }

    /// Logs on and asks until the socket fails. Gives why the logon is refused, if it is.
    async fn read_nothing(&self, stream: TcpStream, index: usize) -> Option<Code> {
        let key = self.config.unread.clone();
        let logon = tokio::task::spawn_blocking(move || log_on(stream, &key, index));
        let mut wire = match logon.await.ok()? {
            Ok(wire) => wire,
            Err(
                ConnectionError::LogonRefused { code, .. }
                | ConnectionError::Terminated { code, .. },
            ) => return Some(code),
            Err(_) => return None,
        };
        self.seen().logons += 1;
        let ask = MarketListRequest { reserved: Reserved }.frame(0);
        loop {
            sleep(ASK).await;
            if wire.write(&ask).is_err_and(|error| !is_not_yet(&error)) {
                return None;
            }
        }
    }
}

/// The address that a socket comes from: a crowd comes from many.
fn source(index: usize) -> Ipv4Addr {
    let number = index / ADDRESS_SOCKETS;
    let (net, host) = (number / NET_ADDRESSES, number % NET_ADDRESSES);
    Ipv4Addr::new(127, 0, 1 + net as u8, 1 + host as u8)
}

/// What the server says before it closes.
async fn last_words(stream: impl AsyncRead + Unpin) -> Option<Code> {
    let mut bytes = Vec::new();
    // What came before an error counts.
    let _ = stream.take(LAST_WORDS_MAX).read_to_end(&mut bytes).await;
    reason(&bytes)
}

/// Why a server says that it closes.
fn reason(mut bytes: &[u8]) -> Option<Code> {
    while let Ok(Some((frame, len))) = split_frame(bytes, FRAME_FROM_SERVER_MAX) {
        match ServerMessage::decode(&frame).ok()? {
            ServerMessage::Terminate(end) => return Some(end.code),
            ServerMessage::LogonReject(reject) => return Some(reject.code),
            _ => bytes = &bytes[len..],
        }
    }
    None
}

/// Sends a byte now and then until the server closes.
async fn be_slow(mut stream: TcpStream) -> Option<Code> {
    let (read, mut write) = stream.split();
    let said = last_words(read);
    tokio::pin!(said);
    for byte in hello().frame(0) {
        tokio::select! {
            said = &mut said => return said,
            () = sleep(SLOW_BYTE) => {}
        }
        if write.write_all(&[byte]).await.is_err() {
            break;
        }
    }
    said.await
}

fn log_on(stream: TcpStream, key: &SessionKey, index: usize) -> Result<Wire, ConnectionError> {
    let socket = stream.into_std()?;
    socket.set_nonblocking(false)?;
    let number = (index / 10) as u16;
    let mut connection = Connection::from_parts(Wire::over(socket), Vec::new(), KEEPALIVE);
    connection.shake_hands(&credentials(key, number), |bytes| key.private.sign(bytes))?;
    let (wire, _) = connection.into_parts();
    wire.set_nonblocking(true)?;
    Ok(wire)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use souk_protocol::RejectReason;
    use souk_protocol::message::{Heartbeat, Terminate};

    use super::*;

    #[test]
    fn half_of_a_mixed_crowd_is_half_open_and_a_tenth_reads_nothing() {
        let count = |role| {
            (0..1_000)
                .filter(|index| Role::mixed(*index) == role)
                .count()
        };
        assert_eq!(Role::ALL.map(count), [500, 400, 100]);
    }

    #[test]
    fn a_crowd_comes_from_many_loopback_addresses() {
        let sources: Vec<_> = (0..SOCKETS_MAX).map(source).collect();
        assert!(sources.iter().all(Ipv4Addr::is_loopback));
        assert!(sources.iter().all(|source| source.octets()[3] != 0));
        let different: HashSet<_> = sources.into_iter().collect();
        assert_eq!(different.len(), SOCKETS_MAX / ADDRESS_SOCKETS);
    }

    #[test]
    fn the_reason_of_an_end_is_found_behind_other_messages() {
        let reason_given = Code::from(RejectReason::HandshakeTimeout);
        let end = Terminate {
            code: reason_given,
            reserved: Reserved,
            retry_after_ms: 0,
            detail: 0,
        };
        let heartbeat = Heartbeat { time: 1 }.frame(0);
        let bytes = [&heartbeat[..], &end.frame(0)].concat();
        assert_eq!(reason(&bytes), Some(reason_given));
        assert_eq!(reason(&bytes[..bytes.len() - 1]), None, "not all of it");
        assert_eq!(reason(&heartbeat), None);
        assert_eq!(reason(b"HTTP/1.1 400 Bad Request\r\n\r\n"), None);
    }
}
