//! A node that matches no tenant: it refuses logons as it is told to, or lets a session through to a server until the
//! tenant "moves".

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use souk_protocol::message::*;
use souk_protocol::*;

/// What it does with a logon.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// `Redirect` with this epoch and address, and `LogonReject(NotOwner)`.
    Elsewhere(u64, SocketAddr),
    /// `LogonReject(NotOwner)` alone.
    NotOwner,
    /// `LogonReject(TenantMoving)`, to be tried again after this many milliseconds.
    Moving(u32),
    /// The session is taken by this server.
    Through(SocketAddr),
}

/// What its threads share.
#[derive(Default)]
struct State {
    /// For one connection each; the last is for all that follow.
    answers: VecDeque<Answer>,
    connections: u32,
    /// Frames of the server are dropped.
    is_mute: bool,
    /// What the client sends is dropped, and how much has been.
    is_deaf: bool,
    bytes_dropped: usize,
    /// The client's end of the session that was let through last.
    client: Option<TcpStream>,
}

type Shared = Arc<Mutex<State>>;

pub struct Front {
    pub address: SocketAddr,
    shared: Shared,
}

impl Front {
    pub fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared::default();
        lock(&shared).answers.extend(answers);
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                client.set_nodelay(true).unwrap();
                let shared = Arc::clone(&accepting);
                let answer = take_answer(&shared);
                std::thread::spawn(move || serve(client, answer, &shared));
            }
        });
        Self { address, shared }
    }

    /// What it does with the logons from now on.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.shared).answers = answers.into_iter().collect();
    }

    /// Connections so far.
    pub fn connections(&self) -> u32 {
        lock(&self.shared).connections
    }

    /// Drops what the server sends, from now on.
    pub fn mute(&self) {
        lock(&self.shared).is_mute = true;
    }

    /// Drops what the client sends, too.
    pub fn deafen(&self) {
        lock(&self.shared).is_deaf = true;
    }

    /// Bytes of the client that were dropped.
    pub fn bytes_dropped(&self) -> usize {
        lock(&self.shared).bytes_dropped
    }

    /// Tells the session that its tenant has moved, and where to if that is known.
    pub fn dismiss(&self, owner: Option<(u64, SocketAddr)>) {
        let mut state = lock(&self.shared);
        (state.is_mute, state.is_deaf) = (true, true);
        let mut client = state.client.take().expect("a session was let through");
        let mut frames = owner.map_or(Vec::new(), redirect);
        let end = Terminate {
            code: Code::from(RejectReason::NotOwner),
            reserved: Reserved,
            retry_after_ms: 0,
            detail: 0,
        };
        frames.extend_from_slice(&end.frame(0));
        client.write_all(&frames).unwrap();
        // Its other half is read to the end, so that nothing of this is lost.
        client.shutdown(Shutdown::Write).unwrap();
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().expect("no thread panicked with it")
}

fn take_answer(shared: &Shared) -> Answer {
    let mut state = lock(shared);
    state.connections += 1;
    if state.answers.len() > 1 {
        state.answers.pop_front().unwrap()
    } else {
        state.answers[0]
    }
}

fn serve(client: TcpStream, answer: Answer, shared: &Shared) {
    match answer {
        Answer::Through(server) => let_through(client, server, shared),
        Answer::Elsewhere(epoch, address) => {
            refuse(
                client,
                redirect((epoch, address)),
                RejectReason::NotOwner,
                0,
            );
        }
        Answer::NotOwner => refuse(client, Vec::new(), RejectReason::NotOwner, 0),
        Answer::Moving(ms) => refuse(client, Vec::new(), RejectReason::TenantMoving, ms),
    }
}

fn redirect((epoch, address): (u64, SocketAddr)) -> Vec<u8> {
    let address = Text::new(&address.to_string()).unwrap();
    Redirect { epoch, address }.frame(0).to_vec()
}

/// Hello, challenge, logon, and these frames with a refusal behind them.
fn refuse(mut client: TcpStream, mut frames: Vec<u8>, reason: RejectReason, retry_after_ms: u32) {
    let challenge = Challenge {
        nonce: [3; 32],
        server_time: crate::support::now_ns(),
        cluster_id: 1,
        schema_id: SCHEMA_ID,
        version: VERSION,
        reserved: Reserved,
        max_frame_in: FRAME_FROM_CLIENT_MAX,
    };
    let reject = LogonReject {
        code: Code::from(reason),
        reserved: Reserved,
        retry_after_ms,
        server_time: crate::support::now_ns(),
    };
    frames.extend_from_slice(&reject.frame(0));
    let answers = [challenge.frame(0).to_vec(), frames];
    for (len, answer) in [Hello::FRAME_LEN, Logon::FRAME_LEN]
        .into_iter()
        .zip(answers)
    {
        let mut question = vec![0; len];
        if client.read_exact(&mut question).is_err() || client.write_all(&answer).is_err() {
            return;
        }
    }
}

fn let_through(client: TcpStream, server: SocketAddr, shared: &Shared) {
    let Ok(server) = TcpStream::connect(server) else {
        return;
    };
    server.set_nodelay(true).unwrap();
    {
        let mut state = lock(shared);
        state.client = Some(client.try_clone().unwrap());
        (state.is_mute, state.is_deaf) = (false, false);
    }
    let (to_server, from_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let own = Arc::clone(shared);
    std::thread::spawn(move || copy_to_server(from_client, to_server, &own));
    copy_to_client(server, client, shared);
}

fn copy_to_server(mut client: TcpStream, mut server: TcpStream, shared: &Shared) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        let mut state = lock(shared);
        if state.is_deaf {
            state.bytes_dropped += count;
        } else if server.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

/// Whole frames, so that another one can be put between them.
fn copy_to_client(mut server: TcpStream, mut client: TcpStream, shared: &Shared) {
    let mut buffer = [0; 16 * 1024];
    let mut waiting = Vec::new();
    while let Ok(count @ 1..) = server.read(&mut buffer) {
        waiting.extend_from_slice(&buffer[..count]);
        let mut whole = 0;
        while let Some((_, len)) = split_frame(&waiting[whole..], FRAME_FROM_SERVER_MAX).unwrap() {
            whole += len;
        }
        let frames: Vec<u8> = waiting.drain(..whole).collect();
        let state = lock(shared);
        if !state.is_mute && client.write_all(&frames).is_err() {
            break;
        }
    }
}
