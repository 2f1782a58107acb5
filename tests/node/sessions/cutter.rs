//! A way between client and server that is cut after a random number of bytes, in either direction,
//! anywhere in a frame.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[derive(Default)]
pub struct Counts {
    /// Connections that were cut.
    pub cuts: AtomicU64,
    /// Those of them that were cut within a frame.
    pub within_a_frame: AtomicU64,
    /// Nothing is cut from now on.
    pub calm: AtomicBool,
}

pub struct Cutter {
    pub address: SocketAddr,
    pub counts: Arc<Counts>,
}

impl Cutter {
    /// A way to `server` that is calm at first. A direction is cut after fewer than `bytes_max` bytes.
    pub fn to(server: SocketAddr, seed: u64, bytes_max: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        counts.calm.store(true, Relaxed);
        let shared = Arc::clone(&counts);
        let mut random = Random(seed);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(server) else {
                    return;
                };
                for socket in [&client, &server] {
                    socket.set_nodelay(true).unwrap();
                }
                let again = |socket: &TcpStream| socket.try_clone().unwrap();
                for (from, to) in [(again(&client), again(&server)), (server, client)] {
                    let budget = random.below(bytes_max);
                    let counts = Arc::clone(&shared);
                    std::thread::spawn(move || copy(from, to, budget, &counts));
                }
            }
        });
        Self { address, counts }
    }
}

/// Where in a frame a direction is.
#[derive(Default)]
struct Position {
    /// Bytes of the frame so far.
    taken: usize,
    /// Its first four bytes: its length.
    len: [u8; 4],
}

impl Position {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(place) = self.len.get_mut(self.taken) {
                *place = *byte;
            }
            self.taken += 1;
            if self.taken >= 4 && self.taken == u32::from_le_bytes(self.len) as usize {
                self.taken = 0;
            }
        }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, mut budget: u64, counts: &Counts) {
    let mut buffer = [0; 16 * 1024];
    let mut position = Position::default();
    while let Ok(count) = from.read(&mut buffer) {
        let calm = counts.calm.load(Relaxed);
        let cut = !calm && budget < count as u64;
        let through = if cut { budget as usize } else { count };
        budget = budget.saturating_sub(through as u64);
        position.take(&buffer[..through]);
        if through > 0 && to.write_all(&buffer[..through]).is_err() {
            break;
        }
        if cut {
            counts.cuts.fetch_add(1, Relaxed);
            let within = u64::from(position.taken > 0);
            counts.within_a_frame.fetch_add(within, Relaxed);
        }
        if cut || count == 0 {
            break;
        }
    }
    for socket in [from, to] {
        let _ = socket.shutdown(Shutdown::Both);
    }
}
