//! A server in this process and a client that speaks raw frames to it, for the tests of the wire.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

pub mod node;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use souk::config::{Config, Overrides};
use souk::server::Server;
use souk_protocol::message::*;
use souk_protocol::*;

/// Seeds of the test keys, by key id.
pub fn seed(key: u32) -> [u8; 32] {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&key.to_le_bytes());
    seed
}

pub fn pair(key: u32) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&seed(key)).unwrap()
}

pub fn public_hex(key: u32) -> String {
    souk::keys::hex(pair(key).public_key().as_ref())
}

/// Two tenants with the same market and account ids; keys 1, 2, 4 and 5 (control) belong to acme, 3
/// to globex.
pub fn two_tenants(head: &str) -> String {
    let market = |id, symbol: &str| {
        format!(
            "[[tenant.market]]\nid = {id}\nsymbol = \"{symbol}\"\nbase = \"BTC\"\nquote = \"USDT\"\ntick_size = \"0.01\"\nlot_size = \"0.0001\"\naccount_orders_max = 1000000\n"
        )
    };
    let key = |id: u32, more: &str| {
        format!(
            "[[tenant.key]]\nid = {id}\npublic_key = \"{}\"\n{more}\n",
            public_hex(id)
        )
    };
    let currencies = "[[tenant.currency]]\ncode = \"BTC\"\nscale = 8\n[[tenant.currency]]\ncode = \"USDT\"\nscale = 6\n";
    let credit = "credit = { BTC = \"1000000000\", USDT = \"1000000000000\" }\n";
    format!(
        "{head}\n[[tenant]]\nid = 1\nname = \"acme\"\n{currencies}{}{}[[tenant.account]]\nid = 1\nstp_group = 9\n{credit}[[tenant.account]]\nid = 2\nstp_group = 9\n{credit}{}{}{}{}\n[[tenant]]\nid = 2\nname = \"globex\"\n{currencies}{}[[tenant.account]]\nid = 1\n{credit}[[tenant.account]]\nid = 77\n{credit}{}",
        market(1, "BTC-USDT"),
        market(2, "BTC-CNY"),
        key(1, "accounts = [1]"),
        key(2, "accounts = [2]"),
        key(
            4,
            "accounts = [2]\npermissions = [\"market-data\", \"cancel\"]"
        ),
        key(5, "accounts = [1]\npermissions = [\"control\"]"),
        market(1, "BTC-USDT"),
        key(3, "accounts = \"all\""),
    )
}

pub fn start(head: &str) -> Server {
    let mut text = two_tenants(head);
    if !head.contains("listen") {
        text = if head.contains("[server]") {
            text.replacen("[server]", "[server]\nlisten = \"127.0.0.1:0\"", 1)
        } else {
            format!("[server]\nlisten = \"127.0.0.1:0\"\n{text}")
        };
    }
    let mut config =
        Config::from_toml(&text, &Overrides::default()).expect("the test's config is good");
    config.journal.durability = souk_protocol::Durability::Memory;
    Server::start(&config).expect("the test's server starts")
}

pub fn now_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64
}

/// A blocking connection. Every read has a deadline, so a missing answer fails the test.
pub struct Wire {
    pub stream: TcpStream,
    buffer: Vec<u8>,
    /// A peer that is silent for too long counts as one that has closed.
    gives_up: bool,
}

/// A frame as it came.
#[derive(Clone, Debug)]
pub struct Got {
    pub bytes: Vec<u8>,
}

impl Got {
    pub fn frame(&self) -> Frame<'_> {
        split_frame(&self.bytes, FRAME_FROM_SERVER_MAX)
            .unwrap()
            .unwrap()
            .0
    }

    pub fn message(&self) -> ServerMessage<'_> {
        ServerMessage::decode(&self.frame()).unwrap()
    }

    pub fn seq(&self) -> u64 {
        self.frame().header.seq
    }
}

impl Wire {
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        Self {
            stream,
            buffer: Vec::new(),
            gives_up: false,
        }
    }

    /// From now on a peer that is silent for so long counts as one that has closed; or, without a time, fails the test again.
    pub fn give_up_after(&mut self, time: Option<Duration>) {
        self.gives_up = time.is_some();
        let time = time.unwrap_or(Duration::from_secs(10));
        self.stream.set_read_timeout(Some(time)).unwrap();
    }

    /// A connection, if anybody listens there.
    pub fn try_connect(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_millis(500)).ok()?;
        Some(Self::over(stream))
    }

    /// The answer to a logon; `None` when the server closed before it.
    pub fn try_log_on(&mut self, key: u32, incarnation: u64) -> Option<Got> {
        self.try_send(&hello().frame(0)).ok()?;
        let got = self.try_next()?;
        let ServerMessage::Challenge(challenge) = got.message() else {
            return Some(got);
        };
        let credentials = Credentials {
            key_id: KeyId(key),
            session_number: 0,
            incarnation,
            keepalive_ms: 60_000,
            cancel_on_disconnect: CancelOnDisconnect::None,
            cancel_grace_ms: 0,
        };
        let sign = |bytes: &[u8]| <[u8; 64]>::try_from(pair(key).sign(bytes).as_ref()).unwrap();
        let frame = logon(&credentials, &challenge, now_ns(), sign).frame(0);
        self.try_send(&frame).ok()?;
        self.try_next()
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub fn logged_on(address: SocketAddr, key: u32) -> Self {
        let mut wire = Self::connect(address);
        let first = wire.log_on(key, 0, now_ns());
        assert!(
            matches!(first.message(), ServerMessage::LogonAck(..)),
            "{first:?}"
        );
        wire
    }

    /// Hello, challenge, logon; gives the server's answer.
    pub fn log_on(&mut self, key: u32, session_number: u16, incarnation: u64) -> Got {
        let credentials = Credentials {
            key_id: KeyId(key),
            session_number,
            incarnation,
            keepalive_ms: 60_000,
            cancel_on_disconnect: CancelOnDisconnect::None,
            cancel_grace_ms: 0,
        };
        self.log_on_with(&credentials, &pair(key), now_ns())
    }

    pub fn log_on_with(
        &mut self,
        credentials: &Credentials,
        pair: &Ed25519KeyPair,
        time: u64,
    ) -> Got {
        let challenge = self.challenge();
        let sign = |bytes: &[u8]| <[u8; 64]>::try_from(pair.sign(bytes).as_ref()).unwrap();
        self.send(&logon(credentials, &challenge, time, sign).frame(0));
        self.next()
    }

    pub fn challenge(&mut self) -> Challenge {
        self.send(&hello().frame(0));
        match self.next().message() {
            ServerMessage::Challenge(challenge) => challenge,
            other => panic!("expected a challenge, got {other:?}"),
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next frame; fails when the server closes or is silent for ten seconds.
    pub fn next(&mut self) -> Got {
        self.try_next().expect("the server closed the connection")
    }

    /// The next frame, or `None` when the server closed. Heartbeats are skipped.
    pub fn try_next(&mut self) -> Option<Got> {
        loop {
            let split =
                split_frame(&self.buffer, FRAME_FROM_SERVER_MAX).expect("the server sends frames");
            if let Some((_, len)) = split {
                let got = Got {
                    bytes: self.buffer.drain(..len).collect(),
                };
                if !matches!(got.message(), ServerMessage::Heartbeat(_)) {
                    return Some(got);
                }
                continue;
            }
            let mut chunk = [0; 65_536];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) if self.gives_up && error.kind() == std::io::ErrorKind::WouldBlock => {
                    return None;
                }
                Err(error) => panic!("no answer in ten seconds: {error}"),
            }
        }
    }

    /// Everything up to the end of the connection.
    pub fn until_closed(&mut self) -> Vec<Got> {
        std::iter::from_fn(|| self.try_next()).collect()
    }

    pub fn join(&mut self, market: u32) -> MarketJoined {
        let (before, joined) = self.answers_until_joined(market);
        assert!(before.is_empty(), "expected to have joined, got {before:?}");
        joined
    }

    /// Joins; `None` when the server closed, or the market is another node's by now.
    pub fn try_join(&mut self, market: u32) -> Option<MarketJoined> {
        let join = JoinMarket {
            market: MarketId(market),
            reserved: Reserved,
        };
        self.try_send(&join.frame(0)).ok()?;
        match self.try_next()?.message() {
            ServerMessage::MarketJoined(joined) => Some(joined),
            _ => None,
        }
    }

    /// Joins, which goes through the market's queue: gives the answers to everything before it.
    pub fn answers_until_joined(&mut self, market: u32) -> (Vec<Got>, MarketJoined) {
        let join = JoinMarket {
            market: MarketId(market),
            reserved: Reserved,
        };
        self.send(&join.frame(0));
        let mut answers = Vec::new();
        loop {
            let got = self.next();
            match got.message() {
                ServerMessage::MarketJoined(joined) => return (answers, joined),
                ServerMessage::SessionReject(reject)
                    if reject.ref_template == JoinMarket::TEMPLATE =>
                {
                    panic!("the join is refused: {reject:?}")
                }
                _ => {}
            }
            answers.push(got);
        }
    }
}

pub fn limit(cl_ord_id: u64, account: u32, side: Side, price: i64, qty: u64) -> NewOrder {
    NewOrder {
        cl_ord_id: ClOrdId(cl_ord_id),
        price: Price(price),
        qty: Qty(qty),
        budget: Amount(0),
        market: MarketId(1),
        account: AccountId(account),
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: PostOnly::No,
        stp_mode: StpMode::None,
        stp_scope: StpScope::Account,
        reserved: Reserved,
    }
}

pub fn cancel(orig_cl_ord_id: u64, account: u32) -> CancelOrder {
    CancelOrder {
        orig_cl_ord_id: ClOrdId(orig_cl_ord_id),
        order_id: OrderId(0),
        market: MarketId(1),
        account: AccountId(account),
    }
}
