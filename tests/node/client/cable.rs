//! A cable between client and server that can be cut: it copies bytes both ways, and drops what
//! is on its way when it is cut. A new connection may be made through it afterwards.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// What the copying threads share.
#[derive(Default)]
struct State {
    /// The sockets of the connections so far.
    sockets: Vec<TcpStream>,
    /// Bytes are held back.
    held: bool,
}

type Shared = Arc<(Mutex<State>, Condvar)>;

pub struct Cable {
    address: SocketAddr,
    shared: Shared,
}

impl Cable {
    /// A cable to `server`.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let shared = Shared::default();
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(server) else {
                    return;
                };
                join_ends(client, server, &accepting);
            }
        });
        Self { address, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets no byte through until the cut.
    pub fn hold(&self) {
        self.state().held = true;
    }

    /// Cuts the connections of this moment.
    pub fn cut(&self) {
        let mut state = self.state();
        for socket in state.sockets.drain(..) {
            // It may be closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
        state.held = false;
        self.shared.1.notify_all();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.0.lock().expect("no thread panicked with it")
    }
}

fn join_ends(client: TcpStream, server: TcpStream, shared: &Shared) {
    let again = |socket: &TcpStream| socket.try_clone().expect("sockets can be cloned");
    for socket in [&client, &server] {
        socket.set_nodelay(true).expect("it is a TCP socket");
        let kept = again(socket);
        shared
            .0
            .lock()
            .expect("no thread panicked with it")
            .sockets
            .push(kept);
    }
    for (from, to) in [(again(&client), again(&server)), (server, client)] {
        let shared = Arc::clone(shared);
        std::thread::spawn(move || copy(from, to, &shared));
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer) {
        let state = shared.0.lock().expect("no thread panicked with it");
        let state = shared.1.wait_while(state, |state| state.held);
        drop(state.expect("no thread panicked with it"));
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
