//! A back office: it funds under names of its own, and repeats what was not answered.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;

use souk_protocol::message::*;
use souk_protocol::*;

use crate::oracle::{Balances, Oracle};
use crate::support::{Got, Wire, limit, now_ns};
use crate::trader::Random;

/// The kind of business of all its requests.
pub const BUSINESS: &str = "crash";
/// Repeats of what was carried out, after a connection was lost.
const REPEATS: usize = 3;

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Funding {
    from: Option<u32>,
    to: Option<u32>,
    code: &'static str,
    amount: u64,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Unknown,
    Done { control_seq: u64 },
    Refused,
}

/// A session of a tenant's back office.
pub struct Office {
    tenant: u32,
    key: u32,
    accounts: u32,
    random: Random,
    wire: Option<Wire>,
    /// By business id, from 1 on.
    fundings: Vec<(Funding, Answer)>,
    /// What a request of this connection is about, by its id; gone when it is answered.
    asked: BTreeMap<u64, u64>,
    requests: u64,
    pub ended: Option<RejectReason>,
    pub done: u64,
    pub resent: u64,
}

impl Office {
    pub fn new(tenant: u32, key: u32, accounts: u32, seed: u64) -> Self {
        Self {
            tenant,
            key,
            accounts,
            random: Random(seed),
            wire: None,
            fundings: Vec::new(),
            asked: BTreeMap::new(),
            requests: 0,
            ended: None,
            done: 0,
            resent: 0,
        }
    }

    pub fn sent(&self) -> u64 {
        self.fundings.len() as u64
    }

    pub fn unanswered(&self) -> u64 {
        self.asked.len() as u64
    }

    pub fn reconnect(&mut self, address: SocketAddr) {
        let mut wire = Wire::connect(address);
        let first = wire.log_on(self.key, 0, now_ns());
        let ServerMessage::LogonAck(..) = first.message() else {
            panic!("{first:?}")
        };
        self.asked.clear();
        self.ended = None;
        self.wire = Some(wire);
    }

    /// Funds until the connection is gone.
    pub fn run(&mut self) {
        let Some(mut wire) = self.wire.take() else {
            panic!("an office is connected before it runs")
        };
        let mut frames = self.again();
        // It has no order in the market, so this is ahead of its turn: refused, and nothing of the market's state.
        frames.extend_from_slice(&limit(1, 1, Side::Buy, 1_000, 1).frame(1_000));
        loop {
            for _ in 0..=self.random.below(6) {
                self.fund(&mut frames);
            }
            let sent = wire.stream.write_all(&frames);
            frames.clear();
            let ahead = self.random.below(40);
            while sent.is_err() || self.unanswered() > ahead {
                match wire.try_next() {
                    Some(got) => self.take(&got),
                    None => return,
                }
            }
        }
    }

    fn again(&mut self) -> Vec<u8> {
        let mut frames = Vec::new();
        let unknown = |(_, answer): &(Funding, Answer)| *answer == Answer::Unknown;
        let numbers = 1..=self.fundings.len() as u64;
        let mut again: Vec<u64> = numbers
            .filter(|id| unknown(&self.fundings[*id as usize - 1]))
            .collect();
        self.resent += again.len() as u64;
        let done = (1..=self.fundings.len() as u64)
            .rev()
            .filter(|id| matches!(self.fundings[*id as usize - 1].1, Answer::Done { .. }));
        again.extend(done.take(REPEATS));
        for id in again {
            let frame = self.frame(id);
            frames.extend_from_slice(&frame);
        }
        frames
    }

    fn fund(&mut self, frames: &mut Vec<u8>) {
        let account = 1 + self.random.below(u64::from(self.accounts)) as u32;
        let (code, unit) = [("BTC", 10_000), ("USDT", 1_000_000)][self.random.below(2) as usize];
        let amount = 1 + self.random.below(9 * unit);
        let (from, to) = match self.random.below(4) {
            0 | 1 => (None, Some(account)),
            2 => (Some(account), None),
            _ => (Some(account), Some(1 + account % self.accounts)),
        };
        let funding = Funding {
            from,
            to,
            code,
            amount,
        };
        self.fundings.push((funding, Answer::Unknown));
        let frame = self.frame(self.fundings.len() as u64);
        frames.extend_from_slice(&frame);
    }

    /// The request with this business id, under a new request id.
    fn frame(&mut self, business_id: u64) -> Vec<u8> {
        self.requests += 1;
        let request_id = self.requests;
        self.asked.insert(request_id, business_id);
        let (funding, _) = self.fundings[business_id as usize - 1];
        let business = Text::new(BUSINESS).unwrap();
        let currency = Text::new(funding.code).unwrap();
        let scale = if funding.code == "BTC" { 4 } else { 6 };
        let amount = Amount(funding.amount);
        let reserved = Reserved;
        match (funding.from.map(AccountId), funding.to.map(AccountId)) {
            (None, Some(account)) => Credit {
                request_id,
                business,
                business_id,
                account,
                scale,
                reserved,
                currency,
                amount,
            }
            .frame(0)
            .to_vec(),
            (Some(account), None) => Debit {
                request_id,
                business,
                business_id,
                account,
                scale,
                reserved,
                currency,
                amount,
            }
            .frame(0)
            .to_vec(),
            (Some(from), Some(to)) => Transfer {
                request_id,
                business,
                business_id,
                from,
                to,
                scale,
                reserved: Reserved,
                currency,
                amount,
            }
            .frame(0)
            .to_vec(),
            (None, None) => unreachable!("money comes or goes"),
        }
    }

    fn take(&mut self, got: &Got) {
        let (request_id, answer) = match got.message() {
            ServerMessage::FundingResult(m) => {
                let control_seq = m.control_seq;
                (m.request_id, Answer::Done { control_seq })
            }
            ServerMessage::RequestRejected(m) => {
                let reason = m.code.reason().unwrap();
                if reason == RejectReason::SessionRateExceeded {
                    // It never came to the control stream: later.
                    self.asked.remove(&m.request_id);
                    return;
                }
                assert_eq!(reason, RejectReason::InsufficientFunds, "{m:?}");
                (m.request_id, Answer::Refused)
            }
            ServerMessage::NotApplied(m) => {
                let reason = m.code.reason().unwrap();
                return assert_eq!(reason, RejectReason::SequenceGap, "{m:?}");
            }
            ServerMessage::Terminate(end) => {
                self.ended = end.code.reason();
                return;
            }
            other => panic!("key {}: {other:?}", self.key),
        };
        let business_id = self.asked.remove(&request_id).expect("it was asked");
        let (funding, known) = &mut self.fundings[business_id as usize - 1];
        if *known == Answer::Unknown {
            *known = answer;
            self.done += 1;
        }
        assert_eq!(*known, answer, "{funding:?} has one answer");
    }

    /// Compares what it knows with what the journal says.
    pub fn compare(&self, oracle: &Oracle) {
        let Some(tenant) = oracle.tenants.get(&TenantId(self.tenant)) else {
            return assert_eq!(self.done, 0, "the journal is empty");
        };
        for (index, (funding, answer)) in self.fundings.iter().enumerate() {
            let id = index as u64 + 1;
            let moved = tenant.fundings.get(&id);
            match (answer, moved) {
                (Answer::Done { control_seq }, Some((movement, seq))) => {
                    assert_eq!(control_seq, seq, "funding {id}: {movement:?}");
                }
                (Answer::Done { .. }, None) => panic!("funding {id} is lost: {funding:?}"),
                (Answer::Refused, moved) => assert_eq!(moved, None, "funding {id} was refused"),
                (Answer::Unknown, _) => {}
            }
            if let Some((movement, _)) = moved {
                let said = Funding {
                    from: movement.from.map(|account| account.0),
                    to: movement.to.map(|account| account.0),
                    code: funding.code,
                    amount: movement.amount.0,
                };
                assert_eq!(*funding, said, "funding {id}");
                assert_eq!(movement.currency.as_str(), funding.code, "funding {id}");
            }
        }
        let sent = self.fundings.len() as u64;
        assert!(tenant.fundings.keys().all(|id| *id <= sent));
    }

    /// Asks for all balances and compares them with what the journal says. Nothing else goes on.
    pub fn compare_balances(&mut self, oracle: &Oracle) {
        let wire = self.wire.as_mut().expect("it is connected");
        let mut found = Balances::new();
        for account in (1..=self.accounts).chain([u32::MAX]) {
            self.requests += 1;
            let query = BalanceQuery {
                request_id: self.requests,
                account: AccountId(account),
                reserved: Reserved,
            };
            wire.send(&query.frame(0));
            let got = wire.next();
            let ServerMessage::BalanceReport(_, entries) = got.message() else {
                panic!("{got:?}")
            };
            for entry in entries.iter().map(|entry| entry.unwrap().0) {
                let code = entry.currency.as_str().to_owned();
                let both = (i128::from(entry.total.0), i128::from(entry.held.0));
                found.insert((AccountId(account), code), both);
            }
        }
        let tenant = &oracle.tenants[&TenantId(self.tenant)];
        let is_something = |(_, both): &(&(AccountId, String), &(i128, i128))| **both != (0, 0);
        let found: Vec<_> = found.iter().filter(is_something).collect();
        let expected: Vec<_> = tenant.balances.iter().filter(is_something).collect();
        assert_eq!(found, expected, "balances of tenant {}", self.tenant);
    }
}
