//! A way to the database that a test can block, delay, cut, or close in one direction.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often a held connection looks whether it may go on.
const LOOK: Duration = Duration::from_millis(2);

/// What the way does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Carries everything.
    Open,
    /// Holds everything, both ways, as a network does that lost its route.
    Black,
    /// Carries requests, holds answers.
    OneWay,
    /// Ends every connection, and every new one.
    Cut,
    /// Carries everything this many milliseconds later.
    Delay(u64),
}

/// A way.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    mode: Mutex<Mode>,
    /// Counts cuts: a connection of an earlier time is ended.
    time: AtomicU64,
}

impl Proxy {
    /// A way to `target`.
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            mode: Mutex::new(Mode::Open),
            time: AtomicU64::new(0),
        });
        let of = Arc::clone(&shared);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let shared = Arc::clone(&of);
                std::thread::spawn(move || carry(near, target, &shared));
            }
        });
        Self { address, shared }
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
        if mode == Mode::Cut {
            self.reset();
        }
    }

    /// Ends all connections; new ones are carried.
    pub fn reset(&self) {
        self.shared.time.fetch_add(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn mode(&self) -> Mode {
        *self.mode.lock().unwrap()
    }

    fn time(&self) -> u64 {
        self.time.load(Ordering::SeqCst)
    }
}

fn carry(near: TcpStream, target: SocketAddr, shared: &Arc<Shared>) {
    let born = shared.time();
    // A route that is lost carries no handshake either.
    while shared.mode() == Mode::Black && shared.time() == born {
        std::thread::sleep(LOOK);
    }
    if shared.mode() == Mode::Cut {
        return;
    }
    let Ok(far) = TcpStream::connect(target) else {
        return;
    };
    for stream in [&near, &far] {
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(LOOK));
    }
    let (near_out, far_out) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    let of = Arc::clone(shared);
    std::thread::spawn(move || pump(near, far_out, &of, born, false));
    pump(far, near_out, shared, born, true);
}

fn pump(mut from: TcpStream, mut to: TcpStream, shared: &Shared, born: u64, answers: bool) {
    let mut bytes = [0; 65_536];
    loop {
        if shared.time() != born {
            break;
        }
        let mode = shared.mode();
        if mode == Mode::Black || (mode == Mode::OneWay && answers) {
            std::thread::sleep(LOOK);
            continue;
        }
        let count = match from.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                continue;
            }
            Err(_) => break,
        };
        if let Mode::Delay(ms) = mode {
            std::thread::sleep(Duration::from_millis(ms));
        }
        // What came in while it was open may find it closed.
        while shared.time() == born
            && (shared.mode() == Mode::Black || (answers && shared.mode() == Mode::OneWay))
        {
            std::thread::sleep(LOOK);
        }
        if shared.time() != born || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
