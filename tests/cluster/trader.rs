//! A client that finds the node that has its tenant, remembers what was acknowledged, and asks for it again.
#![allow(dead_code)] // Tests and benches use different parts of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use souk_protocol::*;

use crate::support::{Got, Wire, cancel, limit, now_ns};

/// How long a tenant may be without an owner.
const PATIENCE: Duration = Duration::from_secs(30);

/// A trader of one key.
pub struct Trader {
    key: u32,
    account: u32,
    nodes: Vec<SocketAddr>,
    wire: Option<Wire>,
    client_seq: u64,
    next_id: u64,
    /// Orders that were acknowledged and not canceled.
    pub open: Vec<u64>,
    /// When each was acknowledged.
    acknowledged: Vec<Instant>,
}

impl Trader {
    pub fn new(key: u32, account: u32, nodes: &[SocketAddr]) -> Self {
        Self {
            key,
            account,
            nodes: nodes.to_vec(),
            wire: None,
            client_seq: 0,
            next_id: 1,
            open: Vec::new(),
            acknowledged: Vec::new(),
        }
    }

    /// Finds the node that has the tenant, and joins the market. Gives where that was.
    pub fn find(&mut self) -> SocketAddr {
        let begun = Instant::now();
        let mut at = 0;
        let mut redirected = None;
        loop {
            let address = redirected
                .take()
                .unwrap_or(self.nodes[at % self.nodes.len()]);
            match self.try_node(address) {
                Found::Here => return address,
                Found::There(other) => redirected = Some(other),
                Found::Nowhere => {
                    at += 1;
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            assert!(begun.elapsed() < PATIENCE, "nobody has the tenant");
        }
    }

    fn try_node(&mut self, address: SocketAddr) -> Found {
        let Some(mut wire) = Wire::try_connect(address) else {
            return Found::Nowhere;
        };
        // A stopped process takes connections and says nothing.
        wire.give_up_after(Some(Duration::from_millis(1_200)));
        let Some(answer) = wire.try_log_on(self.key, now_ns()) else {
            return Found::Nowhere;
        };
        match answer.message() {
            ServerMessage::LogonAck(..) => {}
            ServerMessage::Redirect(redirect) => {
                return Found::There(redirect.address.as_str().parse().unwrap());
            }
            ServerMessage::LogonReject(_) | ServerMessage::Terminate(_) => return Found::Nowhere,
            other => panic!("{other:?}"),
        }
        let Some(joined) = wire.try_join(1) else {
            return Found::Nowhere;
        };
        self.client_seq = joined.last_client_seq;
        wire.give_up_after(None);
        self.wire = Some(wire);
        Found::Here
    }

    fn wire(&mut self) -> &mut Wire {
        if self.wire.is_none() {
            self.find();
        }
        self.wire.as_mut().unwrap()
    }

    /// Enters an order that rests. Gives whether it is known to do.
    pub fn rest(&mut self, price: i64) -> bool {
        self.wire();
        let id = self.next_id;
        self.next_id += 1;
        self.client_seq += 1;
        let order = limit(id, self.account, Side::Buy, price, 1);
        let frame = order.frame(self.client_seq);
        let wire = self.wire.as_mut().unwrap();
        if wire.try_send(&frame).is_err() {
            self.wire = None;
            return false;
        }
        match wire.try_next() {
            Some(got) => match got.message() {
                ServerMessage::Accepted(accepted) => {
                    assert_eq!(accepted.cl_ord_id.0, id);
                    self.open.push(id);
                    self.acknowledged.push(Instant::now());
                    true
                }
                _ => {
                    self.wire = None;
                    false
                }
            },
            None => {
                self.wire = None;
                false
            }
        }
    }

    /// The longest time without an acknowledgement since a moment.
    pub fn longest_wait(&self, since: Instant) -> Duration {
        let times = self.acknowledged.iter().filter(|time| **time >= since);
        let times: Vec<_> = std::iter::once(&since).chain(times).collect();
        let waits = times
            .windows(2)
            .map(|pair| pair[1].duration_since(*pair[0]));
        waits.max().unwrap_or_default()
    }

    /// Cancels every order that was acknowledged: each must be there.
    pub fn cancel_all(&mut self) {
        for id in std::mem::take(&mut self.open) {
            while !self.cancel(id) {}
        }
    }

    /// Cancels an order. Gives whether it is known to be done.
    fn cancel(&mut self, id: u64) -> bool {
        self.wire();
        self.client_seq += 1;
        let seq = self.client_seq;
        let frame = cancel(id, self.account).frame(seq);
        let wire = self.wire();
        let answer = wire.try_send(&frame).ok().and_then(|()| wire.try_next());
        match answer.as_ref().map(Got::message) {
            Some(ServerMessage::Canceled(..)) => true,
            None | Some(ServerMessage::Terminate(_) | ServerMessage::Redirect(_)) => {
                self.wire = None;
                self.find();
                // What was applied has its number; what was not is asked for again.
                self.client_seq >= seq
            }
            Some(other) => panic!("order {id} was acknowledged: {other:?}"),
        }
    }
}

enum Found {
    Here,
    There(SocketAddr),
    Nowhere,
}
