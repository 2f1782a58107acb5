//! Two sessions, a matcher and a publisher without sockets or threads: any bytes go in, and what comes
//! out must be whole, legal and numbered without a gap. The fuzz target and a test both drive it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use souk::administrator::Administrator;
use souk::config::{Config, Overrides};
use souk::gateway::session::{Next, Now, Session};
use souk::node::Node;
use souk::partition::{Partition, PartitionMatcher};
use souk_protocol::message::Challenge;
use souk_protocol::{
    CancelOnDisconnect, ClientMessage, Credentials, FRAME_FROM_CLIENT_MAX, FRAME_FROM_SERVER_MAX,
    HEADER_LEN, KeyId, MarketId, ServerMessage, Value, hello, logon, split_frame,
};

/// Where the clock of a run begins.
const START_NS: u64 = 1_767_225_600_000_000_000;
/// What passes between two pieces of bytes.
const STEP: Duration = Duration::from_micros(50);

/// Two keys of one tenant, two markets.
const CONFIG: &str = r#"
[journal]
durability = "memory"
[limits]
max_inflight = 64
[[tenant]]
id = 1
name = "acme"
[[tenant.currency]]
code = "BTC"
scale = 8
[[tenant.currency]]
code = "USDT"
scale = 6
[[tenant.market]]
id = 1
symbol = "BTC-USDT"
base = "BTC"
quote = "USDT"
tick_size = "0.01"
lot_size = "0.0001"
[[tenant.market]]
id = 2
symbol = "BTC-USD2"
base = "BTC"
quote = "USDT"
tick_size = "0.1"
lot_size = "0.001"
price_max = "10000"
qty_max = "10"
account_orders_max = 8
[[tenant.account]]
id = 1
stp_group = 1
credit = { BTC = "1000000", USDT = "1000000000" }
[[tenant.account]]
id = 2
stp_group = 1
credit = { BTC = "0.5", USDT = "200" }
[[tenant.key]]
id = 1
public_key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
accounts = "all"
permissions = ["trade", "market-data", "control", "funding", "drop-copy"]
[[tenant.key]]
id = 2
public_key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
accounts = [2]
"#;

/// The node and its two clients.
pub struct Harness {
    matcher: PartitionMatcher,
    administrator: Administrator,
    clients: [Client; 2],
    steps: u32,
    started: Instant,
}

/// One connection, seen from both ends.
struct Client {
    session: Session,
    /// Bytes the session has not taken yet.
    waiting: Vec<u8>,
    ended: bool,
    report_seq: HashMap<MarketId, u64>,
    client_seq: HashMap<MarketId, u64>,
    frames: u64,
    /// The numbers that the last frames were answers to.
    answers: Vec<RangeInclusive<u64>>,
}

impl Harness {
    /// A node that has just started, and two connections that have just been made.
    pub fn new() -> Self {
        let config = Config::from_toml(CONFIG, &Overrides::default()).expect("a good config");
        let Node {
            entrance,
            partition,
            ..
        } = Node::new(&config, 1, None).expect("good markets");
        let Partition {
            mut matchers,
            administrator,
            ..
        } = partition;
        let client = |nonce| Client {
            session: Session::new(
                Arc::clone(&entrance),
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                [nonce; 32],
            ),
            waiting: Vec::new(),
            ended: false,
            report_seq: HashMap::new(),
            client_seq: HashMap::new(),
            frames: 0,
            answers: Vec::new(),
        };
        Self {
            clients: [client(1), client(2)],
            matcher: matchers.remove(0),
            administrator,
            steps: 0,
            started: Instant::now(),
        }
    }

    /// Runs one input. The first byte: bit 0, both sessions log on first; bit 1, the signature
    /// of a logon in the input counts as good. Then pieces, each with a byte before it: bit 0 is the
    /// client, bit 1 says that a frame which is to be numbered gets the next number, bits 2 to 7
    /// are the length in 8 bytes, 0 for one whole frame.
    pub fn run(&mut self, input: &[u8]) {
        let Some((first, mut rest)) = input.split_first() else {
            return;
        };
        let signatures_fit = first & 2 != 0;
        if first & 1 != 0 {
            self.log_on();
        }
        while let Some((piece, bytes)) = rest.split_first() {
            let client = usize::from(piece & 1);
            let whole = match split_frame(bytes, FRAME_FROM_CLIENT_MAX) {
                Ok(Some((_, len))) => len,
                _ => bytes.len(),
            };
            let len = match usize::from(piece >> 2) * 8 {
                0 => whole,
                len => len.min(bytes.len()),
            };
            let mut chunk = bytes[..len].to_vec();
            rest = &bytes[len..];
            let number = if piece & 2 != 0 {
                self.number(client, &mut chunk)
            } else {
                None
            };
            let aligned = self.clients[client].waiting.is_empty() && chunk.len() == whole;
            self.send(client, &chunk, signatures_fit);
            let client = &self.clients[client];
            if let (Some(number), true, false) = (number, aligned, client.ended) {
                let answered = client
                    .answers
                    .iter()
                    .any(|answers| answers.contains(&number));
                assert!(answered, "number {number} is answered: {chunk:02x?}");
            }
        }
        self.finish();
    }

    /// Frames that the server sent.
    pub fn frames(&self) -> u64 {
        self.clients.iter().map(|client| client.frames).sum()
    }

    fn now(&self) -> Now {
        let passed = STEP * self.steps;
        Now {
            wall_ns: START_NS + passed.as_nanos() as u64,
            instant: self.started + passed,
        }
    }

    fn log_on(&mut self) {
        for client in 0..2 {
            self.send(client, &hello().frame(0), true);
            let challenge = Challenge {
                nonce: [client as u8 + 1; 32],
                server_time: START_NS,
                cluster_id: 1,
                schema_id: 1,
                version: 1,
                reserved: souk_protocol::Reserved,
                max_frame_in: FRAME_FROM_CLIENT_MAX,
            };
            let credentials = Credentials {
                key_id: KeyId(client as u32 + 1),
                session_number: 0,
                incarnation: 1,
                keepalive_ms: 1_000,
                cancel_on_disconnect: CancelOnDisconnect::None,
                cancel_grace_ms: 0,
            };
            let logon = logon(&credentials, &challenge, START_NS, |_| [0; 64]);
            self.send(client, &logon.frame(0), true);
            let established = self.clients[client].session.established().is_some();
            assert!(established, "a good logon is acknowledged");
        }
    }

    /// Gives the frame the next number of its market, if it must have one.
    fn number(&mut self, client: usize, chunk: &mut [u8]) -> Option<u64> {
        let market = market_of(chunk)?;
        let client = &mut self.clients[client];
        let number = *client.client_seq.entry(market).or_insert(0) + 1;
        chunk[16..24].copy_from_slice(&number.to_le_bytes());
        client.session.established().is_some().then_some(number)
    }

    fn send(&mut self, client: usize, bytes: &[u8], signatures_fit: bool) {
        self.steps += 1;
        let now = self.now();
        self.clients[client].receive(bytes, now, signatures_fit);
        self.settle();
    }

    /// Lets the matcher apply everything, and reads what was sent.
    fn settle(&mut self) {
        let now = self.now();
        while self.matcher.poll(now.wall_ns) > 0 {
            self.administrator.poll();
        }
        for client in &mut self.clients {
            client.read();
        }
    }

    fn finish(&mut self) {
        self.settle();
        for client in &mut self.clients {
            if let Some(established) = client.session.established() {
                assert_eq!(established.outstanding(), 0, "everything is answered");
            }
        }
    }
}

impl Client {
    fn receive(&mut self, bytes: &[u8], now: Now, signatures_fit: bool) {
        if self.ended {
            return;
        }
        self.waiting.extend(bytes);
        loop {
            let waiting = std::mem::take(&mut self.waiting);
            let (taken, next) = self.session.receive(&waiting, now);
            assert!(taken <= waiting.len(), "no more is taken than there is");
            self.waiting = waiting[taken..].to_vec();
            let next = match next {
                Next::Verify(verification) => {
                    self.session.verified(&verification, signatures_fit, now)
                }
                next => {
                    self.ended = !matches!(next, Next::Read);
                    return;
                }
            };
            self.ended = !matches!(next, Next::Read);
            if self.ended {
                return;
            }
        }
    }

    /// Reads everything the server sent: whole frames, legal, reports numbered without a gap.
    fn read(&mut self) {
        let mut bytes = std::mem::take(self.session.out());
        if let Some(established) = self.session.established() {
            let mut frames = Vec::new();
            established.link().outbox.take(&mut frames);
            bytes.extend(frames);
        }
        let mut rest = &bytes[..];
        self.answers.clear();
        while !rest.is_empty() {
            let split = split_frame(rest, FRAME_FROM_SERVER_MAX).expect("the server's frames");
            let (frame, len) = split.expect("a whole frame");
            rest = &rest[len..];
            self.frames += 1;
            let message = ServerMessage::decode(&frame).expect("a message of the server");
            let (mut market, mut client_seq) = (MarketId(0), 0);
            message.visit(&mut |field, value| match (field.name, value) {
                ("market", Value::Unsigned(id)) => market = MarketId(id as u32),
                ("client_seq", Value::Unsigned(seq)) => client_seq = seq,
                _ => {}
            });
            self.answers.push(match &message {
                ServerMessage::NotApplied(told) => {
                    told.from_client_seq..=told.from_client_seq + u64::from(told.count) - 1
                }
                ServerMessage::SessionReject(reject) => reject.ref_seq..=reject.ref_seq,
                _ => client_seq..=client_seq,
            });
            if (96..104).contains(&frame.header.template_id) {
                let last = self.report_seq.entry(market).or_insert(0);
                assert_eq!(
                    frame.header.seq,
                    *last + 1,
                    "reports are numbered: {message:?}"
                );
                *last += 1;
                let applied = self.client_seq.entry(market).or_insert(0);
                assert!(
                    client_seq <= *applied + 1,
                    "no report is ahead: {message:?}"
                );
                *applied = (*applied).max(client_seq);
            }
        }
    }
}

/// The market of a frame that must be numbered.
fn market_of(bytes: &[u8]) -> Option<MarketId> {
    let (frame, _) = split_frame(bytes, FRAME_FROM_CLIENT_MAX).ok()??;
    let mut numbered = frame;
    numbered.header.seq = 1;
    let message = ClientMessage::decode(&numbered).ok()?;
    if !(32..48).contains(&frame.header.template_id) {
        return None;
    }
    let at = HEADER_LEN + message.info().offset_of("market")?;
    let raw = bytes.get(at..at + 4)?;
    Some(MarketId(u32::from_le_bytes([
        raw[0], raw[1], raw[2], raw[3],
    ])))
}
