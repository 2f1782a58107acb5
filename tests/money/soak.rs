//! Several sessions at once, on two matchers and three markets, with little money for many orders.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use souk::server::Server;
use souk_protocol::message::*;
use souk_protocol::*;

use crate::bank::*;
use crate::support::{Got, Wire, limit, now_ns};

const SESSIONS: u16 = 4;
const ACCOUNTS: u32 = 3;
const CODES: [&str; 2] = ["BTC", "USDT"];
/// The markets, and the worst rate of each in parts per million.
const MARKETS: [(u32, u64); 3] = [(1, 500), (2, 0), (3, 900)];
const SYMBOLS: [&str; 3] = ["BTC-USDT", "SOAK.B", "SOAK.C"];
/// Messages before the answers are read.
const BURST: u32 = 40;

/// An open order as its session knows it from its reports.
#[derive(Clone, Copy, Debug)]
struct Open {
    account: u32,
    side: Side,
    price: i64,
    leaves: u64,
}

/// What a session has seen.
#[derive(Default)]
struct Seen {
    open: HashMap<(u32, u64), Open>,
    trades: u64,
    refusals: BTreeMap<String, u64>,
    /// Credits less debits, by currency.
    supply: BTreeMap<String, i64>,
}

struct Trader {
    wire: Wire,
    session: u16,
    random: u64,
    /// The last `client_seq` sent to each market, and the last one that a report answers.
    seqs: BTreeMap<u32, u64>,
    answered: BTreeMap<u32, u64>,
    requests: u64,
    /// Requests without an answer, and what they bring: currency and units.
    asked: HashMap<u64, (&'static str, i64)>,
    seen: Seen,
}

impl Trader {
    fn new(server: &Server, session: u16) -> Self {
        let mut wire = Wire::connect(server.address());
        wire.log_on(OFFICE, session, now_ns());
        Self {
            wire,
            session,
            random: u64::from(session) + 77,
            seqs: BTreeMap::new(),
            answered: BTreeMap::new(),
            requests: 0,
            asked: HashMap::new(),
            seen: Seen::default(),
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        let mixed = self.random.wrapping_mul(6_364_136_223_846_793_005);
        self.random = mixed.wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    fn account(&mut self) -> u32 {
        1 + self.below(u64::from(ACCOUNTS)) as u32
    }

    fn new_order(&mut self, market: u32) -> NewOrder {
        let side = if self.below(2) == 0 {
            Side::Buy
        } else {
            Side::Sell
        };
        let (account, price) = (self.account(), 9_950 + self.below(100) as i64);
        let mut order = limit(0, account, side, price, 1 + self.below(300));
        order.market = MarketId(market);
        order.stp_mode = StpMode::ALL[self.below(StpMode::ALL.len() as u64) as usize];
        match self.below(12) {
            0 => order.time_in_force = TimeInForce::Ioc,
            1 => order.time_in_force = TimeInForce::Fok,
            2 => order.post_only = PostOnly::Slide,
            3 => order.post_only = PostOnly::Reject,
            4 => {
                order.order_type = OrderType::Market;
                order.time_in_force = TimeInForce::Ioc;
                if side == Side::Buy {
                    order.budget = Amount(1 + self.below(2_000_000));
                }
            }
            _ => {}
        }
        order
    }

    /// A message to a market, or nothing when there is no order to name.
    fn message(&mut self, market: u32, seq: u64) -> Option<Vec<u8>> {
        let what = self.below(20);
        if what < 11 {
            return Some(self.new_order(market).frame(seq).to_vec());
        }
        if what == 11 && self.below(4) == 0 {
            let mass = MassCancel {
                market: MarketId(market),
                account: AccountId(self.account()),
                side: None,
                reserved: Reserved,
            };
            return Some(mass.frame(seq).to_vec());
        }
        let of_market = self.seen.open.iter().filter(|((m, _), _)| *m == market);
        let mut of_market: Vec<_> = of_market.map(|((_, id), open)| (*id, *open)).collect();
        of_market.sort_unstable_by_key(|(id, _)| *id);
        if of_market.is_empty() {
            return None;
        }
        let (id, open) = of_market[self.below(of_market.len() as u64) as usize];
        if what < 16 {
            let cancel = CancelOrder {
                orig_cl_ord_id: ClOrdId(0),
                order_id: OrderId(id),
                market: MarketId(market),
                account: AccountId(open.account),
            };
            return Some(cancel.frame(seq).to_vec());
        }
        let replace = ReplaceOrder {
            cl_ord_id: ClOrdId(0),
            orig_cl_ord_id: ClOrdId(0),
            order_id: OrderId(id),
            price: Price(open.price + self.below(11) as i64 - 5),
            total_qty: Qty(1 + self.below(400)),
            market: MarketId(market),
            account: AccountId(open.account),
        };
        Some(replace.frame(seq).to_vec())
    }

    /// A credit, a debit or a transfer; the same key comes twice now and then.
    fn funding(&mut self) -> Vec<u8> {
        self.requests += 1;
        let id = self.requests;
        let code = CODES[self.below(2) as usize];
        let amount = 1 + self.below(300_000);
        let (from, to) = (self.account(), self.account());
        let business = (u64::from(self.session) << 32) + id;
        let (units, frame) = match self.below(6) {
            0 => (
                amount as i64,
                credit(id, business, to, code, amount).frame(0).to_vec(),
            ),
            1 => (
                -(amount as i64),
                debit(id, business, from, code, amount).frame(0).to_vec(),
            ),
            _ => {
                let to = if to == from { FEES } else { to };
                let (from, to) = if self.below(2) == 0 {
                    (from, to)
                } else {
                    (to, from)
                };
                let transfer = transfer(id, business, from, to, code, amount);
                (0, transfer.frame(0).to_vec())
            }
        };
        self.asked.insert(id, (code, units));
        frame
    }

    fn burst(&mut self) {
        let mut frames = Vec::new();
        for _ in 0..BURST {
            if self.below(60) == 0 {
                frames.extend(self.funding());
                continue;
            }
            let (market, _) = MARKETS[self.below(3) as usize];
            let seq = self.seqs.get(&market).copied().unwrap_or(0) + 1;
            if let Some(frame) = self.message(market, seq) {
                frames.extend(frame);
                self.seqs.insert(market, seq);
            }
        }
        self.wire.send(&frames);
        while !self.asked.is_empty() || self.answered != self.seqs {
            let got = self.wire.next();
            if let (Some(market), Some(seq)) = (market_of(&got), client_seq(&got))
                && seq > 0
            {
                self.answered.insert(market, seq);
            }
            self.take(&got);
        }
    }

    /// Reads until everything that was done before is told.
    fn catch_up(&mut self) {
        for (market, _) in MARKETS {
            let (answers, joined) = self.wire.answers_until_joined(market);
            for got in &answers {
                self.take(got);
            }
            let sent = self.seqs.get(&market).copied().unwrap_or(0);
            assert_eq!(joined.last_client_seq, sent, "market {market}");
        }
    }

    fn left(&mut self, market: MarketId, id: OrderId, leaves: Qty) {
        let open = self.seen.open.get_mut(&(market.0, id.0));
        open.expect("a report is of a known order").leaves = leaves.0;
        if leaves.0 == 0 {
            self.seen.open.remove(&(market.0, id.0));
        }
    }

    fn refused(&mut self, code: Code) {
        let reason = code.reason().unwrap();
        *self.seen.refusals.entry(format!("{reason:?}")).or_insert(0) += 1;
    }

    fn take(&mut self, got: &Got) {
        match got.message() {
            ServerMessage::Accepted(m) => {
                let open = Open {
                    account: m.account.0,
                    side: m.side,
                    price: m.price.0,
                    leaves: m.qty.0,
                };
                self.seen.open.insert((m.market.0, m.order_id.0), open);
            }
            ServerMessage::Trade(m) => {
                self.seen.trades += 1;
                self.left(m.market, m.order_id, m.leaves);
            }
            ServerMessage::SelfTradePrevented(m) => self.left(m.market, m.order_id, m.leaves),
            ServerMessage::Replaced(m) => {
                let open = self.seen.open.get_mut(&(m.market.0, m.order_id.0));
                open.expect("a known order is replaced").price = m.price.0;
                self.left(m.market, m.order_id, m.leaves);
            }
            ServerMessage::Canceled(m) => {
                self.seen.open.remove(&(m.market.0, m.order_id.0));
            }
            ServerMessage::MassCanceled(_) => {}
            ServerMessage::Rejected(m) => self.refused(m.code),
            ServerMessage::FundingResult(m) => {
                let (code, units) = self.asked.remove(&m.request_id).unwrap();
                *self.seen.supply.entry(code.to_owned()).or_insert(0) += units;
            }
            ServerMessage::RequestRejected(m) => {
                self.asked.remove(&m.request_id).unwrap();
                self.refused(m.code);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The market that a report is of.
fn market_of(got: &Got) -> Option<u32> {
    match got.message() {
        ServerMessage::Accepted(m) => Some(m.market.0),
        ServerMessage::Rejected(m) => Some(m.market.0),
        ServerMessage::Canceled(m) => Some(m.market.0),
        ServerMessage::Replaced(m) => Some(m.market.0),
        ServerMessage::MassCanceled(m) => Some(m.market.0),
        _ => None,
    }
}

/// What an order of these terms holds, as PROTOCOL.md says.
fn need(market: u32, open: &Open) -> (&'static str, u64) {
    let (_, worst) = MARKETS[market as usize - 1];
    match open.side {
        Side::Sell => ("BTC", open.leaves * LOT),
        Side::Buy => {
            let notional = open.price as u64 * open.leaves;
            ("USDT", notional + notional * worst / 1_000_000)
        }
    }
}

fn trade_for(server: &Server, time: Duration) -> Seen {
    let all_sent = Arc::new(Barrier::new(usize::from(SESSIONS)));
    let mut all = Seen::default();
    std::thread::scope(|scope| {
        let sessions: Vec<_> = (1..=SESSIONS)
            .map(|session| {
                let all_sent = Arc::clone(&all_sent);
                scope.spawn(move || {
                    let mut trader = Trader::new(server, session);
                    trader.catch_up();
                    let end = Instant::now() + time;
                    while Instant::now() < end {
                        trader.burst();
                    }
                    all_sent.wait();
                    trader.catch_up();
                    trader.seen
                })
            })
            .collect();
        for session in sessions {
            let seen = session.join().unwrap();
            all.open.extend(seen.open);
            all.trades += seen.trades;
            for (reason, count) in seen.refusals {
                *all.refusals.entry(reason).or_insert(0) += count;
            }
            for (code, units) in seen.supply {
                *all.supply.entry(code).or_insert(0) += units;
            }
        }
    });
    all
}

/// The end of a statement adds up to the balance, although several threads wrote it.
fn check_statement(office: &mut Desk, account: u32, code: &str, balance: &BalanceEntry) {
    let after = balance.sequence.saturating_sub(500);
    let got = office.ask(|id| statement_query(id, account, code, after, 512).frame(0));
    let ServerMessage::StatementReport(report, entries) = got.message() else {
        panic!("{got:?}")
    };
    assert!(!report.more);
    let entries: Vec<_> = entries.iter().map(|entry| entry.unwrap().0).collect();
    for two in entries.windows(2) {
        let total = two[0].total.0 as i64 + two[1].change;
        assert_eq!(total, two[1].total.0 as i64, "{account} {code}: {two:?}");
    }
    if let Some(last) = entries.last() {
        assert_eq!(last.total, balance.total, "{account} {code}");
    }
}

#[test]
fn many_sessions_on_several_matchers_share_accounts_and_every_unit_is_accounted_for() {
    let matchers = SYMBOLS.map(|symbol| {
        let hash = souk::routing::market_hash("acme", symbol);
        souk::routing::matcher_of(hash, 2)
    });
    assert!(
        matchers.contains(&0) && matchers.contains(&1),
        "{matchers:?}"
    );
    let rates = "[limits]\norder_rate = 100000000\ncancel_rate = 100000000";
    let server = bank(&format!(
        "[threads]\nlayout = \"threads\"\nmatchers = 2\n{rates}"
    ));
    let mut office = Desk::of(&server, OFFICE);
    for (n, (maker, taker)) in [(1, (0, 0)), (2, (-200, 900))] {
        let market = |id| CreateMarket {
            maker_ppm: Ppm(maker),
            taker_ppm: Ppm(taker),
            orders_max: 100_000,
            account_orders_max: 100_000,
            ..new_market(id, MARKETS[n].0, SYMBOLS[n])
        };
        carried_out(&office.ask(|id| market(id).frame(0)));
    }
    let mut supply = BTreeMap::new();
    for account in 1..=ACCOUNTS {
        for (code, amount) in CODES.into_iter().zip([500 * LOT, 10_000_000]) {
            office.credit(account, code, amount);
            *supply.entry(code.to_owned()).or_insert(0) += amount as i64;
        }
    }
    let seen = trade_for(&server, Duration::from_secs(4));
    for (code, units) in &seen.supply {
        *supply.get_mut(code).unwrap() += units;
    }
    let mut held = BTreeMap::new();
    for ((market, _), open) in &seen.open {
        let (code, amount) = need(*market, open);
        *held.entry((open.account, code.to_owned())).or_insert(0) += amount;
    }
    let mut sums = BTreeMap::new();
    for account in (1..=ACCOUNTS).chain([FEES]) {
        for (code, entry) in office.balances(account) {
            assert_eq!(entry.available.0 + entry.held.0, entry.total.0);
            let expected = held.get(&(account, code.clone())).copied().unwrap_or(0);
            assert_eq!(entry.held.0, expected, "held by {account} in {code}");
            check_statement(&mut office, account, &code, &entry);
            *sums.entry(code).or_insert(0) += entry.total.0 as i64;
        }
    }
    assert_eq!(sums, supply, "credits less debits are what there is");
    // It was a test: trades, orders that rest, refusals for want of money, and for no odd reason.
    assert!(seen.trades > 1_000, "{}", seen.trades);
    assert!(!seen.open.is_empty());
    assert!(
        seen.refusals["InsufficientFunds"] > 100,
        "{:?}",
        seen.refusals
    );
    let known = [
        "InsufficientFunds",
        "UnknownOrder",
        "FokUnfillable",
        "PostOnlyWouldCross",
        // Of fundings, of which a session may send 2,000 a second.
        "SessionRateExceeded",
    ];
    let odd = seen
        .refusals
        .keys()
        .find(|reason| !known.contains(&reason.as_str()));
    assert_eq!(odd, None, "{:?}", seen.refusals);
}
